//! Commands: what one line asks for (RFC 5321 §4.1).

use std::mem;

use super::chunk::Chunk;
use super::envelope::Body;
use super::path::{self, DOMAIN_BYTES_MAX, ForwardPath, PathError, ReversePath};
use super::reply::{self, Reply};
use super::xclient::from_xtext;

/// One command, read.
#[derive(Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// `HELO name` and its kin.
    Hello {
        /// Which of them.
        greeting: Greeting,
        /// What the client calls itself.
        name: &'a str,
    },
    /// `MAIL FROM:<reverse-path> [parameters]`.
    Mail(ReversePath, MailParameters),
    /// `RCPT TO:<forward-path>`, which may be in UTF-8 whatever MAIL said.
    Rcpt(ForwardPath),
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

/// How a client says hello.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// `SIZE=`: octets of the message to come (RFC 1870); `u64::MAX` for any number beyond that.
    pub size: Option<u64>,
    /// `BODY=` (RFC 6152, RFC 3030 §3).
    pub body: Option<Body>,
    /// `SMTPUTF8` (RFC 6531 §3.4).
    pub smtputf8: bool,
    /// `AUTH=` (RFC 4954 §5).
    pub auth: Option<Submitter>,
}

/// The submitter of a message, as a client names it whom others trust. Nothing here depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitter {
    /// `<>`: not known. Some clients say so to any server.
    Unknown,
    /// Somebody.
    Named,
}

impl<'a> Command<'a> {
    /// Reads a line without its end.
    ///
    /// # Errors
    /// The reply that says what is wrong with it.
    pub fn parse(line: &'a [u8]) -> Result<Self, Reply> {
        let line = line.trim_ascii_end();
        let verb_length = line
            .iter()
            .position(|byte| *byte == b' ')
            .unwrap_or(line.len());
        let (verb, argument) = line.split_at(verb_length);
        let argument = argument.trim_ascii_start();
        let mut upper = [0; 8];
        let Some(upper) = upper.get_mut(..verb.len()) else {
            return unknown(argument);
        };
        upper.copy_from_slice(verb);
        upper.make_ascii_uppercase();
        match &*upper {
            b"HELO" => hello(Greeting::Helo, argument),
            b"EHLO" => hello(Greeting::Ehlo, argument),
            b"LHLO" => hello(Greeting::Lhlo, argument),
            b"MAIL" => mail(argument),
            b"RCPT" => rcpt(argument),
            b"DATA" => no_argument(argument, Self::Data),
            b"BDAT" => Ok(bdat(argument)),
            b"QUIT" => no_argument(argument, Self::Quit),
            b"RSET" => Ok(Self::Rset),
            b"NOOP" => Ok(Self::Noop),
            b"HELP" => Ok(Self::Help),
            b"VRFY" if argument.is_empty() => Err(reply::BAD_ARGUMENT),
            b"VRFY" => Ok(Self::Vrfy),
            b"XCLIENT" => Ok(Self::Xclient(argument)),
            b"STARTTLS" => no_argument(argument, Self::StartTls),
            b"AUTH" => Ok(Self::Auth(argument)),
            b"EXPN" | b"ETRN" | b"ATRN" | b"TURN" | b"SEND" | b"SOML" | b"SAML" | b"BURL"
            | b"XFORWARD" => Ok(Self::NotOffered),
            b"GET" | b"HEAD" | b"POST" | b"PUT" | b"PATCH" | b"DELETE" | b"OPTIONS"
            | b"CONNECT" | b"TRACE" => Ok(Self::WrongProtocol),
            _ => unknown(argument),
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

fn no_argument<'a>(argument: &[u8], command: Command<'a>) -> Result<Command<'a>, Reply> {
    if argument.is_empty() {
        Ok(command)
    } else {
        Err(reply::BAD_ARGUMENT)
    }
}

fn hello(greeting: Greeting, argument: &[u8]) -> Result<Command<'_>, Reply> {
    let name = hello_name(argument)?;
    Ok(Command::Hello { greeting, name })
}

/// Anything printable, spaces within it: RFC 5321 §4.1.4 forbids to refuse mail over a name that is merely wrong.
pub(super) fn hello_name(argument: &[u8]) -> Result<&str, Reply> {
    let fits = (1..=DOMAIN_BYTES_MAX).contains(&argument.len());
    let is_printable = |byte: &u8| *byte == b' ' || byte.is_ascii_graphic();
    let printable = argument.iter().all(is_printable);
    str::from_utf8(argument)
        .ok()
        .filter(|_| fits && printable)
        .ok_or(reply::BAD_HELLO)
}

fn mail<'a>(argument: &[u8]) -> Result<Command<'a>, Reply> {
    let argument = behind_keyword(argument, b"FROM:")?;
    let (reverse_path, parameters) = path::reverse_path(argument).map_err(|error| match error {
        PathError::TooLong => reply::BAD_SENDER,
        error => Reply::from(error),
    })?;
    let parameters = mail_parameters(parameters)?;
    if !reverse_path.is_ascii() && !parameters.smtputf8 {
        return Err(reply::ADDRESS_NOT_ASCII);
    }
    Ok(Command::Mail(reverse_path, parameters))
}

fn rcpt<'a>(argument: &[u8]) -> Result<Command<'a>, Reply> {
    let argument = behind_keyword(argument, b"TO:")?;
    let (forward_path, parameters) = path::forward_path(argument)?;
    match parameters_of(parameters).next() {
        None => Ok(Command::Rcpt(forward_path)),
        Some(parameter) => Err(split_parameter(parameter)
            .err()
            .unwrap_or(reply::UNKNOWN_PARAMETER)),
    }
}

/// `chunk-size [SP "LAST"]`, where `chunk-size = 1*DIGIT` (RFC 3030 §2).
fn bdat<'a>(argument: &[u8]) -> Command<'a> {
    let mut words = parameters_of(argument);
    let size = words
        .next()
        .filter(|digits| digits.iter().all(u8::is_ascii_digit))
        .and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
    match (size, words.next(), words.next()) {
        (Some(size), None, _) => Command::Bdat(Chunk::new(size, false)),
        (Some(size), Some(marker), None) if marker.eq_ignore_ascii_case(b"LAST") => {
            Command::Bdat(Chunk::new(size, true))
        }
        _ => Command::BadBdat(size),
    }
}

/// What stands behind `FROM:` or `TO:`. Spaces there are no part of the grammar, yet many clients send one.
fn behind_keyword<'a>(argument: &'a [u8], keyword: &[u8]) -> Result<&'a [u8], Reply> {
    match argument.split_at_checked(keyword.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(keyword) => Ok(rest.trim_ascii_start()),
        _ => Err(reply::BAD_ARGUMENT),
    }
}

fn mail_parameters(bytes: &[u8]) -> Result<MailParameters, Reply> {
    let mut parameters = MailParameters::default();
    for parameter in parameters_of(bytes) {
        let (keyword, value) = split_parameter(parameter)?;
        let repeated = if keyword.eq_ignore_ascii_case(b"SIZE") {
            parameters.size.replace(size(value)?).is_some()
        } else if keyword.eq_ignore_ascii_case(b"BODY") {
            parameters.body.replace(body(value)?).is_some()
        } else if cfg!(feature = "smtputf8") && keyword.eq_ignore_ascii_case(b"SMTPUTF8") {
            if !value.is_empty() {
                return Err(reply::BAD_ARGUMENT);
            }
            mem::replace(&mut parameters.smtputf8, true)
        } else if keyword.eq_ignore_ascii_case(b"AUTH") {
            parameters.auth.replace(submitter(value)?).is_some()
        } else {
            return Err(reply::UNKNOWN_PARAMETER);
        };
        if repeated {
            return Err(reply::BAD_ARGUMENT);
        }
    }
    Ok(parameters)
}

pub(super) fn parameters_of(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes
        .split(|byte| *byte == b' ')
        .filter(|parameter| !parameter.is_empty())
}

/// `esmtp-keyword ["=" esmtp-value]` (RFC 5321 §4.1.2); a value that is not there is empty.
pub(super) fn split_parameter(parameter: &[u8]) -> Result<(&[u8], &[u8]), Reply> {
    let equals = parameter.iter().position(|byte| *byte == b'=');
    let (keyword, value) = match equals {
        Some(at) => (&parameter[..at], &parameter[at + 1..]),
        None => (parameter, &[][..]),
    };
    let named = keyword.first().is_some_and(u8::is_ascii_alphanumeric)
        && keyword
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    let valued = value
        .iter()
        .all(|byte| byte.is_ascii_graphic() && *byte != b'=');
    if named && valued && (equals.is_none() || !value.is_empty()) {
        Ok((keyword, value))
    } else {
        Err(reply::BAD_ARGUMENT)
    }
}

/// `size-value = 1*20DIGIT` (RFC 1870 §4).
fn size(value: &[u8]) -> Result<u64, Reply> {
    if !(1..=20).contains(&value.len()) || !value.iter().all(u8::is_ascii_digit) {
        return Err(reply::BAD_ARGUMENT);
    }
    let digits = str::from_utf8(value).map_err(|_| reply::BAD_ARGUMENT)?;
    Ok(digits.parse().unwrap_or(u64::MAX))
}

fn body(value: &[u8]) -> Result<Body, Reply> {
    if value.eq_ignore_ascii_case(b"7BIT") {
        Ok(Body::SevenBit)
    } else if value.eq_ignore_ascii_case(b"8BITMIME") {
        Ok(Body::EightBitMime)
    } else if value.eq_ignore_ascii_case(b"BINARYMIME") {
        Ok(Body::BinaryMime)
    } else {
        Err(reply::UNKNOWN_PARAMETER)
    }
}

/// The value of `AUTH=`, in which a control can be hidden: it is decoded before it is looked at (CVE-2020-28021).
fn submitter(value: &[u8]) -> Result<Submitter, Reply> {
    if value == b"<>" {
        return Ok(Submitter::Unknown);
    }
    let decoded = from_xtext(value)?;
    let text = str::from_utf8(&decoded).map_err(|_| reply::BAD_ARGUMENT)?;
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(reply::BAD_ARGUMENT);
    }
    Ok(Submitter::Named)
}

#[cfg(test)]
mod tests;
