//! The message as it goes over the wire, made from the bytes that were given: pure functions.

use core::fmt;

use memchr::memchr2;

use crate::smtp::fields::HeaderLine;
use crate::smtp::path::{Mailbox, ReversePath};

/// A header field: its name and its body, without the line end.
pub type Field = (&'static str, String);

/// A message that is ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Its octets, line ends counted in, dot-stuffing and end line not (RFC 1870 §5).
    pub size: u64,
    /// Whether it holds octets beyond ASCII.
    pub eight_bit: bool,
    /// What goes over the wire: dot-stuffed, with its end line.
    pub wire: Vec<u8>,
}

/// The message holds a line that would end it before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndsEarly;

impl fmt::Display for EndsEarly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the message holds a line equal to the end-of-data line")
    }
}

/// The fields that every message should have (RFC 5322 §3.6), for [`prepare`] to add where they are missing.
///
/// `date` is as RFC 5322 §3.3 writes it, `unique` is the left side of the message id, `name` the right side.
/// A message with the null reverse-path comes from the mailer at `name`.
#[must_use]
pub fn standard_fields(
    from: &ReversePath,
    to: &[Mailbox],
    date: String,
    unique: &str,
    name: &str,
) -> Vec<Field> {
    let from = match from {
        ReversePath::Null => format!("MAILER-DAEMON@{name}"),
        ReversePath::Mailbox(mailbox) => mailbox.to_string(),
    };
    let to: Vec<&str> = to.iter().map(Mailbox::as_str).collect();
    vec![
        ("Date", date),
        ("Message-ID", format!("<{unique}@{name}>")),
        ("From", from),
        // Folded, as a line holds at most 998 octets (RFC 5322 §2.1.1).
        ("To", to.join(",\r\n ")),
    ]
}

/// Prepares the message `raw`: without the lines of an mbox, lines that end in CRLF, `fields` where it has none of that
/// name, dots stuffed, `end_line` behind it.
///
/// # Errors
/// [`EndsEarly`] if `end_line` is not `.` and a line of the message would be taken for it.
pub fn prepare(raw: &[u8], fields: &[Field], end_line: &str) -> Result<Prepared, EndsEarly> {
    let mut text = with_crlf(raw);
    text.drain(..mbox_bytes(&text));
    let text = with_fields(text, fields);
    let wire = stuffed(&text, end_line.as_bytes())?;
    Ok(Prepared {
        size: text.len() as u64,
        eight_bit: !text.is_ascii(),
        wire,
    })
}

/// Ends every line with CRLF, the last one too: a CRLF, a LF and a CR alone are all line ends.
fn with_crlf(mut raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len() + raw.len() / 32 + 2);
    while !raw.is_empty() {
        let end = memchr2(b'\r', b'\n', raw).unwrap_or(raw.len());
        let (line, rest) = raw.split_at(end);
        text.extend_from_slice(line);
        text.extend_from_slice(b"\r\n");
        let end_bytes = if rest.starts_with(b"\r\n") { 2 } else { 1 };
        raw = rest.get(end_bytes..).unwrap_or_default();
    }
    text
}

/// How many octets of `text` are lines of an mbox in front of its header, as `From ada Thu Feb 29 12:30:45 2024`: they
/// belong to the file it was kept in. Without a header behind it such a line is text.
fn mbox_bytes(text: &[u8]) -> usize {
    let is_mbox = |line: &&[u8]| HeaderLine::of(line) == HeaderLine::Mbox;
    let mbox = lines(text).take_while(is_mbox).map(<[u8]>::len).sum();
    match HeaderLine::of(&text[mbox..]) {
        HeaderLine::Field(_) => mbox,
        _ => 0,
    }
}

/// Adds those of `fields` that the header lacks at its end.
///
/// The header ends where a line is no field; what follows is the body, and gets its empty line in front if it
/// has none. So a text without any header becomes a body.
fn with_fields(text: Vec<u8>, fields: &[Field]) -> Vec<u8> {
    let (header, body) = text.split_at(header_bytes(&text));
    let mut missing = String::new();
    for (name, value) in fields {
        let given = lines(header)
            .filter_map(field_name)
            .any(|given| given.eq_ignore_ascii_case(name.as_bytes()));
        if !given {
            missing.extend([name, ": ", value, "\r\n"]);
        }
    }
    if missing.is_empty() {
        return text;
    }
    let separator: &[u8] = if body.starts_with(b"\r\n") {
        b""
    } else {
        b"\r\n"
    };
    [header, missing.as_bytes(), separator, body].concat()
}

/// How many octets of `text` are its header: fields, and the folded lines behind them (RFC 5322 §2.2.3).
fn header_bytes(text: &[u8]) -> usize {
    let mut header = 0;
    for line in lines(text) {
        let folded = header > 0 && (line.starts_with(b" ") || line.starts_with(b"\t"));
        if !folded && field_name(line).is_none() {
            break;
        }
        header += line.len();
    }
    header
}

/// The name of the field that starts on `line`, if one does.
fn field_name(line: &[u8]) -> Option<&[u8]> {
    match HeaderLine::of(line) {
        HeaderLine::Field(name) => Some(name),
        _ => None,
    }
}

/// Doubles the dot that starts a line, which a lone dot would end the message otherwise (RFC 5321 §4.5.2),
/// and appends `end_line`.
fn stuffed(text: &[u8], end_line: &[u8]) -> Result<Vec<u8>, EndsEarly> {
    let mut wire = Vec::with_capacity(text.len() + text.len() / 64 + end_line.len() + 2);
    for line in lines(text) {
        let start = wire.len();
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
        // The classroom dialect: the server compares before it unstuffs or after, so neither may match.
        let is_end = |line: &[u8]| line.strip_suffix(b"\r\n") == Some(end_line);
        if end_line != b"." && (is_end(line) || is_end(&wire[start..])) {
            return Err(EndsEarly);
        }
    }
    wire.extend_from_slice(end_line);
    wire.extend_from_slice(b"\r\n");
    Ok(wire)
}

/// The lines of `text` with their ends.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&byte| byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [Field; 4] = [
        ("Date", String::new()),
        ("Message-ID", String::new()),
        ("From", String::new()),
        ("To", String::new()),
    ];

    fn completed(text: &str) -> String {
        String::from_utf8_lossy(&with_fields(text.into(), &FIELDS)).replace("\r\n", "|")
    }

    fn on_the_wire(text: &str, end_line: &str) -> Result<String, EndsEarly> {
        let prepared = prepare(text.as_bytes(), &[], end_line)?;
        Ok(String::from_utf8_lossy(&prepared.wire).replace("\r\n", "|"))
    }

    #[test]
    fn every_line_end_becomes_crlf() {
        for (raw, text) in [
            ("", ""),
            ("a", "a|"),
            ("a\n", "a|"),
            ("a\r", "a|"),
            ("a\r\n", "a|"),
            ("a\nb\rc\r\nd", "a|b|c|d|"),
            ("\n\n", "||"),
            ("\r\r", "||"),
            ("\r\n\r\n", "||"),
            ("\r\r\n", "||"),
            ("\n\r", "||"),
            ("a\r\n\nb\r\r\n", "a||b||"),
        ] {
            let got = String::from_utf8_lossy(&with_crlf(raw.as_bytes())).replace("\r\n", "|");
            assert_eq!(got, text, "{raw:?}");
        }
    }

    #[test]
    fn only_missing_fields_are_added() {
        for (text, whole) in [
            // No header at all: everything is body.
            ("", "Date: |Message-ID: |From: |To: ||"),
            (
                "Hello,\r\nTo: x\r\n",
                "Date: |Message-ID: |From: |To: ||Hello,|To: x|",
            ),
            ("\r\nTo: x\r\n", "Date: |Message-ID: |From: |To: ||To: x|"),
            (" a: b\r\n", "Date: |Message-ID: |From: |To: || a: b|"),
            (
                "see here: x\r\n",
                "Date: |Message-ID: |From: |To: ||see here: x|",
            ),
            (": x\r\n", "Date: |Message-ID: |From: |To: ||: x|"),
            // Some of it, in any case.
            (
                "Subject: s\r\ndAtE: d\r\nTO : t\r\n\r\nFrom: b\r\n",
                "Subject: s|dAtE: d|TO : t|Message-ID: |From: ||From: b|",
            ),
            // A folded line is no field of its own, and belongs to its field.
            (
                "Subject: s\r\n\tTo: t\r\nFrom: f\r\n\r\n",
                "Subject: s|\tTo: t|From: f|Date: |Message-ID: |To: ||",
            ),
            // A name that only begins alike, and a header that no empty line ends.
            (
                "To-do: x\r\nb\r\n",
                "To-do: x|Date: |Message-ID: |From: |To: ||b|",
            ),
            // All of it: nothing is touched.
            (
                "From: f\r\nTo: t\r\nDate: d\r\nMessage-Id: m\r\n",
                "From: f|To: t|Date: d|Message-Id: m|",
            ),
        ] {
            assert_eq!(completed(text), whole, "{text:?}");
        }
    }

    #[test]
    fn lines_of_an_mbox_are_left_out() {
        for (text, wire) in [
            ("From a Thu Feb 29\na: b\n\nFrom c\n", "a: b||From c|"),
            ("From a\r\n>From b\r\n>>From c\r\nFrom: d\r\n", "From: d|"),
            // It is no mbox.
            ("From now on: x\n", "From now on: x|"),
            ("From now on\n\nAda\n", "From now on||Ada|"),
            ("From now on\n", "From now on|"),
            ("a: b\nFrom c\nd: e\n", "a: b|From c|d: e|"),
            ("From: a\nb: c\n", "From: a|b: c|"),
        ] {
            assert_eq!(on_the_wire(text, "."), Ok(format!("{wire}.|")), "{text:?}");
        }
    }

    #[test]
    fn standard_fields_name_everybody() -> Result<(), crate::smtp::path::PathError> {
        let to = ["a@x".parse()?, "b@y".parse()?];
        let from = ReversePath::Mailbox("s@z".parse()?);
        let date = "Mon, 1 Jan 2024 00:00:00 +0000".to_owned();
        let fields = standard_fields(&from, &to, date.clone(), "17", "[127.0.0.1]");
        assert_eq!(fields[0], ("Date", date));
        assert_eq!(fields[1], ("Message-ID", "<17@[127.0.0.1]>".to_owned()));
        assert_eq!(fields[2], ("From", "s@z".to_owned()));
        assert_eq!(fields[3], ("To", "a@x,\r\n b@y".to_owned()));
        let fields = standard_fields(&ReversePath::Null, &to, String::new(), "17", "h");
        assert_eq!(fields[2], ("From", "MAILER-DAEMON@h".to_owned()));
        Ok(())
    }

    #[test]
    fn dots_are_stuffed_in_every_dialect() {
        for (text, wire) in [
            ("", ""),
            (".", "..|"),
            ("..\n", "...|"),
            (".a\nb.\n.\n", "..a|b.|..|"),
        ] {
            for end_line in [".", "end of email"] {
                let whole = format!("{wire}{end_line}|");
                assert_eq!(
                    on_the_wire(text, end_line),
                    Ok(whole),
                    "{text:?} {end_line}"
                );
            }
        }
    }

    #[test]
    fn a_line_that_would_end_the_message_is_refused() {
        for (text, end_line) in [
            ("a\nEND\nb\n", "END"),
            ("END", "END"),
            (".END\n", ".END"),
            (".\n", ".."),
        ] {
            assert_eq!(on_the_wire(text, end_line), Err(EndsEarly), "{text:?}");
        }
        for text in ["end\n", "END \n", " END\n", "ENDEND\n"] {
            assert!(on_the_wire(text, "END").is_ok(), "{text:?}");
        }
    }

    #[test]
    fn size_leaves_out_stuffing_and_end() {
        let prepared = prepare(b".a\n\xE4", &[("To", "x".to_owned())], ".");
        let expected = Prepared {
            size: b"To: x\r\n\r\n.a\r\n\xE4\r\n".len() as u64,
            eight_bit: true,
            wire: b"To: x\r\n\r\n..a\r\n\xE4\r\n.\r\n".to_vec(),
        };
        assert_eq!(prepared, Ok(expected));
    }
}
