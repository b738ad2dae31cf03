//! Commands: what one line asks for (RFC 5321 §4.1).

mod arguments;
mod dsn;
pub mod verbs;

use super::chunk::Chunk;
use super::dsn::{MessageDsn, RecipientDsn};
use super::envelope::Body;
use super::path::{ForwardPath, ReversePath};

/// One command, read.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// `HELO name` and its kin.
    Hello {
        /// The verb.
        greeting: Greeting,
        /// The name that the client gives itself.
        name: &'a str,
    },
    /// `MAIL FROM:<reverse-path> [parameters]`.
    Mail(ReversePath, MailParameters),
    /// `RCPT TO:<forward-path> [parameters]`, of which the path may be in UTF-8 whatever MAIL said.
    Rcpt(ForwardPath, Option<Box<RecipientDsn>>),
    /// `DATA`.
    Data,
    /// `BDAT size [LAST]` (RFC 3030 §2).
    Bdat(Chunk),
    /// `BDAT` with something wrong in it, before so many octets; `None` if that cannot be read, or is beyond counting.
    BadBdat(Option<u64>),
    /// `STARTTLS` (RFC 3207 §4).
    StartTls,
    /// `RSET`.
    Rset,
    /// `NOOP`.
    Noop,
    /// `QUIT`.
    Quit,
    /// `VRFY`.
    Vrfy,
    /// `HELP`.
    Help,
    /// `XCLIENT attributes`, which only those may say who are trusted; what it says is read only then.
    Xclient(&'a [u8]),
    /// `AUTH mechanism [response]` (RFC 4954 §4); what it says is read only where it may be said.
    Auth(&'a [u8]),
    /// A verb of some standard that is not offered here.
    NotOffered,
    /// A verb of another protocol: a browser, or somebody who uses one to send mail (cross-protocol attack).
    WrongProtocol,
}

/// The verb of a hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// `HELO`.
    Helo,
    /// `EHLO`, which asks for extensions.
    Ehlo,
    /// `LHLO`, which does so in LMTP (RFC 2033 §4.1).
    Lhlo,
}

/// The parameters of MAIL, as far as they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// `SIZE=`: octets of the message to come (RFC 1870); `u64::MAX` for any number beyond that.
    pub size: Option<u64>,
    /// `BODY=` (RFC 6152, RFC 3030 §3).
    pub body: Option<Body>,
    /// `SMTPUTF8` (RFC 6531 §3.4).
    pub smtputf8: bool,
    /// `AUTH=` (RFC 4954 §5).
    pub auth: Option<Submitter>,
    /// `RET=` and `ENVID=` (RFC 3461 §4.3, §4.4).
    pub dsn: Option<Box<MessageDsn>>,
}

/// The submitter of a message, as a client names it whom others trust. Nothing here depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitter {
    /// `<>`: not known. Some clients say so to any server.
    Unknown,
    /// Somebody.
    Named,
}

#[cfg(test)]
mod tests;
