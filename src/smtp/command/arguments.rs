//! Arguments of the verbs, read (RFC 5321 §4.1.1, §4.1.2).

use std::mem;

use super::{Command, Greeting, MailParameters, Submitter, dsn};
use crate::smtp::chunk::Chunk;
use crate::smtp::envelope::Body;
use crate::smtp::path::{self, PathError};
use crate::smtp::reply::{self, Reply};
use crate::smtp::syntax::{from_xtext, hello_name, split_parameter, words_of};

pub(super) fn no_argument<'a>(argument: &[u8], command: Command<'a>) -> Result<Command<'a>, Reply> {
    if argument.is_empty() {
        Ok(command)
    } else {
        Err(reply::BAD_ARGUMENT)
    }
}

pub(super) fn hello(greeting: Greeting, argument: &[u8]) -> Result<Command<'_>, Reply> {
    let name = hello_name(argument)?;
    Ok(Command::Hello { greeting, name })
}

pub(super) fn mail<'a>(argument: &[u8]) -> Result<Command<'a>, Reply> {
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

pub(super) fn rcpt<'a>(argument: &[u8]) -> Result<Command<'a>, Reply> {
    let argument = behind_keyword(argument, b"TO:")?;
    let (forward_path, parameters) = path::forward_path(argument)?;
    let mut asked = None;
    for parameter in words_of(parameters) {
        let (keyword, value) = split_parameter(parameter)?;
        if dsn::rcpt_parameter(keyword, value, &mut asked)? {
            return Err(reply::BAD_ARGUMENT);
        }
    }
    Ok(Command::Rcpt(forward_path, asked))
}

/// `chunk-size [SP "LAST"]`, where `chunk-size = 1*DIGIT` (RFC 3030 §2).
pub(super) fn bdat<'a>(argument: &[u8]) -> Command<'a> {
    let mut words = words_of(argument);
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

/// Takes off `FROM:` or `TO:`. Spaces after it are no part of the grammar, yet many clients send one.
fn behind_keyword<'a>(argument: &'a [u8], keyword: &[u8]) -> Result<&'a [u8], Reply> {
    match argument.split_at_checked(keyword.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(keyword) => Ok(rest.trim_ascii_start()),
        _ => Err(reply::BAD_ARGUMENT),
    }
}

fn mail_parameters(bytes: &[u8]) -> Result<MailParameters, Reply> {
    let mut parameters = MailParameters::default();
    for parameter in words_of(bytes) {
        let (keyword, value) = split_parameter(parameter)?;
        let repeated = if keyword.eq_ignore_ascii_case(b"SIZE") {
            parameters.size.replace(size(value)?).is_some()
        } else if keyword.eq_ignore_ascii_case(b"BODY") {
            parameters.body.replace(body(value)?).is_some()
        } else if path::A_LABELS.is_some() && keyword.eq_ignore_ascii_case(b"SMTPUTF8") {
            if !value.is_empty() {
                return Err(reply::BAD_ARGUMENT);
            }
            mem::replace(&mut parameters.smtputf8, true)
        } else if keyword.eq_ignore_ascii_case(b"AUTH") {
            parameters.auth.replace(submitter(value)?).is_some()
        } else {
            dsn::mail_parameter(keyword, value, &mut parameters.dsn)?
        };
        if repeated {
            return Err(reply::BAD_ARGUMENT);
        }
    }
    Ok(parameters)
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
