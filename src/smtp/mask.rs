//! Masks of credentials: what an observer is shown in the place of lines of a dialogue that prove who a client is.
//!
//! Every mask has the length of what it hides, and its line ends. What a session goes by stays: verbs, names of mechanisms.

mod client;

use std::borrow::Cow;

use memchr::memmem;

use super::command::verbs::Verb;
use super::mechanism::Mechanism;

pub(crate) use client::HiddenReplies;
#[cfg(feature = "record")]
pub(crate) use client::hide_said_credentials;

/// The octet in the place of hidden ones.
pub(crate) const FILLER: u8 = b'x';

/// Hides all but what ends or breaks a line.
pub(crate) fn hide(octets: &[u8]) -> Vec<u8> {
    let hidden = octets.iter().map(|octet| match octet {
        b'\r' | b'\n' | 0 | b' ' | b'\t' => *octet,
        _ => FILLER,
    });
    hidden.collect()
}

/// Hides a response of a login; the line that gives it up stays.
#[cfg(any(feature = "catch", feature = "record"))]
pub(crate) fn hide_response(line: &[u8]) -> Vec<u8> {
    if line.trim_ascii_end() == b"*" {
        return line.to_vec();
    }
    hide(line)
}

/// Hides the credentials in a command line. `is_guarded` is set by AUTH, DATA and BDAT; from then on no line without a verb is shown:
/// it may be a response to a challenge that was never given, or text of a message that was refused.
pub(crate) fn hide_command<'a>(line: &'a [u8], is_guarded: &mut bool) -> Cow<'a, [u8]> {
    const AUTH: &[u8] = b"AUTH";
    let indent = line.len() - line.trim_ascii_start().len();
    let command = &line[indent..];
    let verb = command.get(..AUTH.len()).unwrap_or_default();
    if verb.eq_ignore_ascii_case(AUTH) {
        *is_guarded = true;
        let mut hidden = line[..indent + AUTH.len()].to_vec();
        hide_argument(&command[AUTH.len()..], &mut hidden);
        return hidden.into();
    }
    let name = command.split(u8::is_ascii_whitespace).next();
    let name = name.unwrap_or_default();
    if *is_guarded && !Verb::is_known(name) {
        return hide_unknown(line).into();
    }
    *is_guarded |= [b"DATA", b"BDAT"]
        .iter()
        .any(|verb| name.eq_ignore_ascii_case(*verb));
    line.into()
}

/// Hides a line without a verb, but for the name of a protocol at its end, by which a request of HTTP is known.
fn hide_unknown(line: &[u8]) -> Vec<u8> {
    const HTTP: &[u8] = b"HTTP/";
    let mut hidden = hide(line);
    let words = line.trim_ascii_end();
    let last = words.iter().rposition(|octet| *octet == b' ');
    if let Some(last) = last.map(|space| space + 1)
        && words[last..].starts_with(HTTP)
    {
        hidden[last..last + HTTP.len()].copy_from_slice(HTTP);
    }
    hidden
}

/// Hides what follows AUTH, but for the name of a mechanism and a response that is empty.
fn hide_argument(argument: &[u8], hidden: &mut Vec<u8>) {
    let mut is_first = true;
    for word in argument.split_inclusive(u8::is_ascii_whitespace) {
        let bare = word.trim_ascii_end();
        if bare == b"=" || is_first && Mechanism::named(bare).is_some() {
            hidden.extend_from_slice(word);
        } else {
            hidden.extend(hide(word));
        }
        is_first &= bare.is_empty();
    }
}

/// Hides the challenges of logins in what a server says; whether there are any.
pub(crate) fn hide_challenges(said: &[u8]) -> Option<Vec<u8>> {
    memmem::find(said, b"334 ")?;
    Some(HiddenReplies::default().hide(said))
}

#[cfg(all(test, feature = "record"))]
mod tests {
    use super::*;

    fn command(line: &str) -> String {
        let mut is_guarded = false;
        String::from_utf8_lossy(&hide_command(line.as_bytes(), &mut is_guarded)).into_owned()
    }

    #[test]
    fn credentials_are_hidden_in_a_command() {
        for (line, hidden) in [
            ("MAIL FROM:<a@b>\r\n", "MAIL FROM:<a@b>\r\n"),
            ("auth plain AGFiAHB3\r\n", "auth plain xxxxxxxx\r\n"),
            ("AUTH LOGIN\r\n", "AUTH LOGIN\r\n"),
            ("AUTH PLAIN =\r\n", "AUTH PLAIN =\r\n"),
            (" AUTH  LOGIN\tdXNlcg==\n", " AUTH  LOGIN\txxxxxxxx\n"),
            ("AUTH secret more\r\n", "AUTH xxxxxx xxxx\r\n"),
            ("AUTH PLAIN PLAIN\r\n", "AUTH PLAIN xxxxx\r\n"),
            ("AUTHENTICATE pw\r\n", "AUTHxxxxxxxx xx\r\n"),
        ] {
            assert_eq!(command(line), hidden);
        }
        let mut is_guarded = true;
        for (line, hidden) in [
            ("dXNlcg==\r\n", "xxxxxxxx\r\n"),
            ("NOOP\r\n", "NOOP\r\n"),
            ("x /y HTTP/1.1 \r\n", "x xx HTTP/xxx \r\n"),
            ("HTTP/1.1\r\n", "xxxxxxxx\r\n"),
        ] {
            let shown = hide_command(line.as_bytes(), &mut is_guarded);
            assert_eq!(*shown, *hidden.as_bytes());
        }
        for verb in ["AUTH", "data\r\n", "BDAT x\r\n"] {
            let mut is_guarded = false;
            hide_command(verb.as_bytes(), &mut is_guarded);
            assert!(is_guarded, "{verb}");
        }
        assert_eq!(hide_response(b"*\r\n"), b"*\r\n");
        assert_eq!(hide_response(b"c2Vj\r\n"), b"xxxx\r\n");
        let said = b"250 Ok 334 is no code\r\n334 cj1u\r\n";
        assert_eq!(
            hide_challenges(said).as_deref(),
            Some(&b"250 Ok 334 is no code\r\n334 xxxx\r\n"[..])
        );
    }
}
