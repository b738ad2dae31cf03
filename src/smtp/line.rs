//! Command lines: cutting them out of what a client sent (RFC 5321 §2.3.8, §4.5.3.1.4).

use memchr::{memchr, memchr2};

use super::dsn::{ENVELOPE_ID_BYTES_MAX, ORIGINAL_BYTES_MAX};

/// The most octets of a command line, its CRLF counted in (RFC 5321 §4.5.3.1.4).
pub const COMMAND_LINE_BYTES_MAX: usize = 512;
/// The octets that extensions grant MAIL beyond that: 26 for SIZE (RFC 1870 §3), 17 for BODY (RFC 6152 §2), 10 for SMTPUTF8
/// (RFC 6531 §3.1).
pub const MAIL_PARAMETERS_BYTES_MAX: usize = 26 + 17 + 10;

/// The octets that AUTH grants MAIL for `AUTH=` (RFC 4954 §3).
pub const MAIL_AUTH_BYTES_MAX: usize = 500;
/// The octets that DSN grants MAIL for `RET=` and `ENVID=` (RFC 3461 §4.3, §4.4).
pub const MAIL_DSN_BYTES_MAX: usize = " RET=FULL ENVID=".len() + ENVELOPE_ID_BYTES_MAX;
/// The octets that DSN grants RCPT for `NOTIFY=` and `ORCPT=` (RFC 3461 §4.1, §4.2).
pub const RCPT_DSN_BYTES_MAX: usize =
    " NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=".len() + ORIGINAL_BYTES_MAX;
/// The most octets of the AUTH command, and of each response in its exchange (RFC 4954 §4).
pub const AUTH_LINE_BYTES_MAX: usize = 12_288;

/// The kind of the awaited lines, on which their limit depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Commands.
    Commands,
    /// Commands, AUTH among them.
    CommandsWithAuth,
    /// Commands of a client that has shown who it is as far as it has to, and may ask for reports.
    CommandsWithDsn,
    /// A response in the exchange that AUTH began.
    Response,
}

/// The meaning of a line that ends in a bare LF, without its CR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BareNewline {
    /// A line, in commands and in message data, yet only CRLF.CRLF ends a message.
    #[default]
    Normalize,
    /// An error.
    Reject,
    /// A bare LF is as good as CRLF everywhere: for sessions typed by hand.
    Accept,
}

/// The start of the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// No complete line yet.
    Incomplete,
    /// A line, without its end.
    Complete(&'a [u8]),
    /// A line over its limit has ended.
    TooLong,
    /// A line that holds a NUL, a bare CR or, where that is an error, a bare LF.
    Malformed,
}

/// Cuts lines out of input that may be split anywhere.
#[derive(Debug, Default)]
pub struct LineReader {
    /// Whether the start of the present line was dropped, because it is too long to be kept.
    skipping: bool,
}

impl LineReader {
    /// Whether the input is within a line of which the start was dropped.
    #[must_use]
    pub fn is_skipping(&self) -> bool {
        self.skipping
    }

    /// Takes the next line off `input`. What is left there after [`Line::Incomplete`] is at most the longest
    /// line that is awaited, and to be shown again with what follows it.
    pub fn next<'a>(
        &mut self,
        input: &mut &'a [u8],
        bare_newline: BareNewline,
        reading: Reading,
    ) -> Line<'a> {
        let bytes = *input;
        let Some(length) = line_length(bytes, bare_newline) else {
            if self.skipping || bytes.len() > limit(bytes, reading) {
                self.skipping = true;
                // A CR may be half of the CRLF that ends this line.
                let kept = usize::from(bytes.last() == Some(&b'\r'));
                *input = &bytes[bytes.len() - kept..];
            }
            return Line::Incomplete;
        };
        *input = &bytes[length..];
        if std::mem::take(&mut self.skipping) || length > limit(bytes, reading) {
            return Line::TooLong;
        }
        let line = &bytes[..length - 1];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if memchr2(b'\r', 0, line).is_some() || memchr(b'\n', line).is_some() {
            return Line::Malformed;
        }
        Line::Complete(line)
    }
}

/// The octets of the first line of `bytes`, its end counted in; `None` while it has no end.
fn line_length(bytes: &[u8], bare_newline: BareNewline) -> Option<usize> {
    let mut from = 0;
    loop {
        let newline = from + memchr(b'\n', &bytes[from..])?;
        let crlf = newline > 0 && bytes[newline - 1] == b'\r';
        if crlf || bare_newline != BareNewline::Reject {
            return Some(newline + 1);
        }
        from = newline + 1;
    }
}

/// The most octets that the line at the start of `bytes` may have.
fn limit(bytes: &[u8], reading: Reading) -> usize {
    let begins = |verb: &[u8]| {
        let start = bytes.get(..verb.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(verb))
    };
    match reading {
        Reading::Response => AUTH_LINE_BYTES_MAX,
        Reading::CommandsWithAuth if begins(b"AUTH ") => AUTH_LINE_BYTES_MAX,
        Reading::CommandsWithAuth if begins(b"MAIL ") => {
            COMMAND_LINE_BYTES_MAX + MAIL_PARAMETERS_BYTES_MAX + MAIL_AUTH_BYTES_MAX
        }
        Reading::CommandsWithDsn if begins(b"RCPT ") => COMMAND_LINE_BYTES_MAX + RCPT_DSN_BYTES_MAX,
        Reading::CommandsWithDsn if begins(b"MAIL ") => {
            COMMAND_LINE_BYTES_MAX
                + MAIL_PARAMETERS_BYTES_MAX
                + MAIL_AUTH_BYTES_MAX
                + MAIL_DSN_BYTES_MAX
        }
        Reading::Commands if begins(b"MAIL ") => COMMAND_LINE_BYTES_MAX + MAIL_PARAMETERS_BYTES_MAX,
        Reading::Commands | Reading::CommandsWithAuth | Reading::CommandsWithDsn => {
            COMMAND_LINE_BYTES_MAX
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8], bare_newline: BareNewline) -> Vec<String> {
        let mut reader = LineReader::default();
        let mut input = input;
        let mut lines = Vec::new();
        loop {
            match reader.next(&mut input, bare_newline, Reading::Commands) {
                Line::Incomplete => return lines,
                line => lines.push(format!("{line:?}")),
            }
        }
    }

    #[test]
    fn a_bare_newline_ends_a_line_unless_it_is_rejected() {
        for mode in [BareNewline::Normalize, BareNewline::Accept] {
            assert_eq!(
                lines(b"A\nB\r\nC", mode),
                ["Complete([65])", "Complete([66])"]
            );
        }
        assert_eq!(
            lines(b"A\nB\r\nC\r\nD\n", BareNewline::Reject),
            ["Malformed", "Complete([67])"]
        );
    }

    #[test]
    fn controls_that_end_no_line_are_malformed() {
        assert_eq!(
            lines(b"A\rB\r\nC\0\r\nD\r\r\n", BareNewline::Normalize),
            ["Malformed"; 3]
        );
    }

    #[test]
    fn an_endless_line_is_dropped_and_its_end_is_found() {
        for mode in [BareNewline::Normalize, BareNewline::Reject] {
            let mut reader = LineReader::default();
            for _ in 0..1000 {
                let mut input = &[b'x'; 1000][..];
                assert_eq!(
                    reader.next(&mut input, mode, Reading::Commands),
                    Line::Incomplete
                );
                assert_eq!(input, b"");
            }
            let mut input = &b"x\r"[..];
            assert_eq!(
                reader.next(&mut input, mode, Reading::Commands),
                Line::Incomplete
            );
            assert_eq!(input, b"\r");
            let mut input = &b"\r\nNOOP\r\n"[..];
            assert_eq!(
                reader.next(&mut input, mode, Reading::Commands),
                Line::TooLong
            );
            assert_eq!(
                reader.next(&mut input, mode, Reading::Commands),
                Line::Complete(b"NOOP")
            );
        }
    }

    #[test]
    fn what_may_be_longer_depends_on_what_is_awaited() {
        for (reading, verb, limit) in [
            (Reading::CommandsWithAuth, "NOOP ", 512),
            (Reading::CommandsWithAuth, "Mail ", 1065),
            (Reading::CommandsWithAuth, "auth ", 12_288),
            (Reading::Commands, "AUTH ", 512),
            (Reading::Response, "", 12_288),
        ] {
            for (length, fits) in [(limit, true), (limit + 1, false)] {
                let line = format!("{verb}{}\r\n", "x".repeat(length - verb.len() - 2));
                let mut input = line.as_bytes();
                let found = LineReader::default().next(&mut input, BareNewline::Normalize, reading);
                assert_eq!(
                    matches!(found, Line::Complete(_)),
                    fits,
                    "{reading:?} {verb}"
                );
            }
        }
    }

    #[test]
    fn limits_hold_to_the_octet() {
        for (verb, limit) in [("NOOP ", 512), ("mail ", 565)] {
            let line = |length: usize| format!("{verb}{}\r\n", "x".repeat(length - verb.len() - 2));
            assert!(
                lines(line(limit).as_bytes(), BareNewline::Normalize)[0].starts_with("Complete")
            );
            assert_eq!(
                lines(line(limit + 1).as_bytes(), BareNewline::Normalize),
                ["TooLong"]
            );
        }
    }
}
