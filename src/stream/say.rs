//! The octets that we say to a server in the protocol of NATS clients.
//!
//! Everything is appended to a vector. Nothing that is given can end a line before its time: what would do that is left out.

use std::io::Write;

use crate::json::Members;

/// The number of the one subscription.
pub const SUBSCRIPTION: u64 = 1;
const HEADERS_VERSION: &str = "NATS/1.0";

/// The way in which we log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamLogin<'a> {
    /// Not at all.
    Nobody,
    /// By a token.
    Token(&'a str),
    /// As a user with a password.
    User(&'a str, &'a str),
}

/// Appends CONNECT.
pub fn connect(login: StreamLogin<'_>, is_tls: bool, out: &mut Vec<u8>) {
    let mut members = Members::default();
    for (name, value) in [
        ("verbose", false),
        ("pedantic", false),
        ("tls_required", is_tls),
        ("headers", true),
        ("no_responders", true),
    ] {
        members.boolean(name, value);
    }
    // With this a server tells of servers that come and go.
    members.number("protocol", 1);
    members.text("name", "mailoop");
    members.text("lang", "rust");
    members.text("version", env!("CARGO_PKG_VERSION"));
    match login {
        StreamLogin::Nobody => {}
        StreamLogin::Token(token) => members.text("auth_token", token),
        StreamLogin::User(user, password) => {
            members.text("user", user);
            members.text("pass", password);
        }
    }
    out.extend_from_slice(b"CONNECT ");
    out.extend_from_slice(&members.into_object());
    out.extend_from_slice(b"\r\n");
}

/// Appends PING.
pub fn ping(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PING\r\n");
}

/// Appends PONG.
pub fn pong(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PONG\r\n");
}

/// Appends SUB.
pub fn subscribe(subject: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"SUB ");
    put_subject(subject, out);
    put_line_end(&[SUBSCRIPTION], out);
}

/// Appends PUB, or HPUB where there are headers.
pub fn publish(
    subject: &str,
    reply: Option<&str>,
    headers: &[(&str, &str)],
    payload: &[u8],
    out: &mut Vec<u8>,
) {
    let fields = headers
        .iter()
        .map(|(name, value)| name.len() + value.len() + 4);
    let header_bytes = HEADERS_VERSION.len() + 4 + fields.sum::<usize>();
    out.extend_from_slice(if headers.is_empty() {
        b"PUB "
    } else {
        b"HPUB "
    });
    put_subject(subject, out);
    if let Some(reply) = reply {
        out.push(b' ');
        put_subject(reply, out);
    }
    if headers.is_empty() {
        put_line_end(&[payload.len() as u64], out);
    } else {
        let bytes = header_bytes + payload.len();
        put_line_end(&[header_bytes as u64, bytes as u64], out);
        out.extend_from_slice(HEADERS_VERSION.as_bytes());
        out.extend_from_slice(b"\r\n");
        for (name, value) in headers {
            put_header(name, out);
            out.extend_from_slice(b": ");
            put_header(value, out);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

/// Appends the end of a line: numbers, each after a blank.
fn put_line_end(numbers: &[u64], out: &mut Vec<u8>) {
    for number in numbers {
        // A vector takes everything.
        let _ = write!(out, " {number}");
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a subject, which has no blanks and no controls.
fn put_subject(subject: &str, out: &mut Vec<u8>) {
    let is_fine = |octet: &u8| *octet > b' ' && *octet != 0x7f;
    debug_assert!(
        !subject.is_empty() && subject.bytes().all(|octet| is_fine(&octet)),
        "{subject:?} is no subject"
    );
    out.extend(subject.bytes().filter(is_fine));
}

/// Appends a name or value of a header, in which a line break becomes a blank: its length is told before.
fn put_header(text: &str, out: &mut Vec<u8>) {
    let octets = text.bytes();
    out.extend(octets.map(|octet| match octet {
        b'\r' | b'\n' => b' ',
        octet => octet,
    }));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::json::JsonValue;

    fn said(say: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        say(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn messages_are_published_with_and_without_headers() {
        let plain = said(|out| publish("mail.a", None, &[], b"hi", out));
        assert_eq!(plain, "PUB mail.a 2\r\nhi\r\n");
        let asked = said(|out| publish("mail.a", Some("_INBOX.x.1"), &[], b"", out));
        assert_eq!(asked, "PUB mail.a _INBOX.x.1 0\r\n\r\n");
        let headers = [("Nats-Msg-Id", "7"), ("X", "a\r\nb")];
        let full = said(|out| publish("mail.a", Some("r"), &headers, b"hi", out));
        assert_eq!(
            full,
            "HPUB mail.a r 37 39\r\nNATS/1.0\r\nNats-Msg-Id: 7\r\nX: a  b\r\n\r\nhi\r\n"
        );
        assert_eq!(
            "NATS/1.0\r\nNats-Msg-Id: 7\r\nX: a  b\r\n\r\n".len(),
            37,
            "the length that is told is that of the headers"
        );
        assert_eq!(
            said(|out| subscribe("_INBOX.x.*", out)),
            "SUB _INBOX.x.* 1\r\n"
        );
    }

    #[test]
    fn connect_is_json_with_the_login_that_is_given() {
        for (login, members) in [
            (StreamLogin::Nobody, vec![]),
            (StreamLogin::Token("t\"1"), vec![("auth_token", "t\"1")]),
            (
                StreamLogin::User("ada", "s\r\ne"),
                vec![("user", "ada"), ("pass", "s\r\ne")],
            ),
        ] {
            let line = said(|out| connect(login, true, out));
            assert_eq!(line.matches("\r\n").count(), 1, "{line}");
            let json = line.strip_prefix("CONNECT ").unwrap().trim_end();
            let json = JsonValue::parse(json.as_bytes()).unwrap();
            for name in ["auth_token", "user", "pass"] {
                let wanted = members.iter().find(|(known, _)| *known == name);
                let wanted = wanted.map(|(_, value)| *value);
                assert_eq!(json.get(name).and_then(JsonValue::as_text), wanted);
            }
            assert_eq!(json.get("headers"), Some(&JsonValue::Bool(true)));
            assert_eq!(json.get("protocol"), Some(&JsonValue::Number(1.0)));
        }
    }
}
