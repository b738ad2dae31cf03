//! The table of verbs: the parser reads a command by it, HELP names its verbs, and an `Extension` that brings a verb says
//! when that is offered.

use super::arguments::{bdat, hello, mail, no_argument, rcpt};
use super::{Command, Greeting};
use crate::smtp::extension::Extension;
use crate::smtp::reply::{self, Reply};

/// One verb.
pub struct Verb {
    /// Its letters, in upper case.
    pub name: &'static str,
    /// The letters in one number, to be compared at once.
    key: u64,
    /// Reads what follows it on its line.
    parse: for<'a> fn(&'a [u8]) -> Result<Command<'a>, Reply>,
    /// The sessions in which HELP names it.
    pub(in crate::smtp) offered: Offered,
}

/// The sessions in which HELP names a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::smtp) enum Offered {
    /// In every session.
    Always,
    /// In those of LMTP, or in all others.
    Lmtp(bool),
    /// In those that announce this extension now.
    With(Extension),
    /// In none: the verb is known only to be refused.
    Never,
}

macro_rules! verbs {
    ($($name:literal $offered:expr, $parse:expr;)*) => {
        /// All verbs that are known, those that HELP names in its order.
        pub static VERBS: &[Verb] = &[$(Verb {
            name: $name,
            key: match key($name.as_bytes()) {
                Some(key) => key,
                None => 0,
            },
            parse: $parse,
            offered: $offered,
        }),*];
    };
}

verbs! {
    "LHLO"     Offered::Lmtp(true), |argument| hello(Greeting::Lhlo, argument);
    "HELO"     Offered::Lmtp(false), |argument| hello(Greeting::Helo, argument);
    "EHLO"     Offered::Lmtp(false), |argument| hello(Greeting::Ehlo, argument);
    "STARTTLS" Offered::With(Extension::StartTls), |argument| no_argument(argument, Command::StartTls);
    "XCLIENT"  Offered::With(Extension::Xclient), |argument| Ok(Command::Xclient(argument));
    "AUTH"     Offered::With(Extension::Auth), |argument| Ok(Command::Auth(argument));
    "MAIL"     Offered::Always, mail;
    "RCPT"     Offered::Always, rcpt;
    "DATA"     Offered::Always, |argument| no_argument(argument, Command::Data);
    "BDAT"     Offered::With(Extension::Chunking), |argument| Ok(bdat(argument));
    "RSET"     Offered::Always, |_| Ok(Command::Rset);
    "NOOP"     Offered::Always, |_| Ok(Command::Noop);
    "VRFY"     Offered::Always, |argument| match argument {
        [] => Err(reply::BAD_ARGUMENT),
        _ => Ok(Command::Vrfy),
    };
    "HELP"     Offered::With(Extension::Help), |_| Ok(Command::Help);
    "QUIT"     Offered::Always, |argument| no_argument(argument, Command::Quit);

    "EXPN"     Offered::Never, |_| Ok(Command::NotOffered);
    "ETRN"     Offered::Never, |_| Ok(Command::NotOffered);
    "ATRN"     Offered::Never, |_| Ok(Command::NotOffered);
    "TURN"     Offered::Never, |_| Ok(Command::NotOffered);
    "SEND"     Offered::Never, |_| Ok(Command::NotOffered);
    "SOML"     Offered::Never, |_| Ok(Command::NotOffered);
    "SAML"     Offered::Never, |_| Ok(Command::NotOffered);
    "BURL"     Offered::Never, |_| Ok(Command::NotOffered);
    "XFORWARD" Offered::Never, |_| Ok(Command::NotOffered);

    "GET"      Offered::Never, |_| Ok(Command::WrongProtocol);
    "HEAD"     Offered::Never, |_| Ok(Command::WrongProtocol);
    "POST"     Offered::Never, |_| Ok(Command::WrongProtocol);
    "PUT"      Offered::Never, |_| Ok(Command::WrongProtocol);
    "PATCH"    Offered::Never, |_| Ok(Command::WrongProtocol);
    "DELETE"   Offered::Never, |_| Ok(Command::WrongProtocol);
    "OPTIONS"  Offered::Never, |_| Ok(Command::WrongProtocol);
    "CONNECT"  Offered::Never, |_| Ok(Command::WrongProtocol);
    "TRACE"    Offered::Never, |_| Ok(Command::WrongProtocol);
}

impl<'a> Command<'a> {
    /// Reads a line without its end.
    ///
    /// # Errors
    /// The reply that says what is wrong with it.
    pub fn parse(line: &'a [u8]) -> Result<Self, Reply> {
        let line = line.trim_ascii_end();
        let space = line.iter().position(|byte| *byte == b' ');
        let (name, argument) = line.split_at(space.unwrap_or(line.len()));
        let argument = argument.trim_ascii_start();
        match Verb::named(name) {
            Some(verb) => (verb.parse)(argument),
            None => unknown(argument),
        }
    }
}

/// A verb that means nothing here. It is one of HTTP if the line ends as a request does, in its version (RFC 9112 §3).
fn unknown<'a>(argument: &[u8]) -> Result<Command<'a>, Reply> {
    let last = argument.rsplit(|byte| *byte == b' ').next();
    match last {
        Some(version) if version.starts_with(b"HTTP/") => Ok(Command::WrongProtocol),
        _ => Err(reply::UNKNOWN_COMMAND),
    }
}

impl Verb {
    /// Whether this is the name of a verb, in any case of its letters.
    #[must_use]
    pub fn is_known(name: &[u8]) -> bool {
        Self::named(name).is_some()
    }

    /// The verb with this name, in any case of its letters.
    fn named(name: &[u8]) -> Option<&'static Self> {
        let key = key(name)?;
        VERBS
            .iter()
            .find(|verb| verb.key == key && verb.name.len() == name.len())
    }
}

/// Puts the octets of a name into one number, letters in upper case. `None` if they are more than any verb has, or none.
const fn key(name: &[u8]) -> Option<u64> {
    if name.is_empty() || name.len() > size_of::<u64>() {
        return None;
    }
    let mut key = 0;
    let mut at = 0;
    while at < name.len() {
        key = key << 8 | name[at].to_ascii_uppercase() as u64;
        at += 1;
    }
    Some(key)
}
