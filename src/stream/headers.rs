//! The headers of messages: a line with a version and perhaps a status, then fields, as in HTTP.
//!
//! Anybody may put anything into a stream. So headers that are none, or too many, are left out, and end no connection.

/// The most fields that are kept.
const FIELDS_MAX: usize = 256;
const VERSION: &[u8] = b"NATS/1.0";

/// The fields of headers, in their order.
pub type HeaderFields = Vec<(Box<str>, Box<str>)>;

/// Reads headers: the status if they have one, and the fields.
#[must_use]
pub fn parse_headers(octets: &[u8]) -> (Option<u16>, HeaderFields) {
    let mut lines = octets.split(|octet| *octet == b'\n').map(without_cr);
    let Some(rest) = lines.next().and_then(|line| line.strip_prefix(VERSION)) else {
        return (None, Vec::new());
    };
    let fields = lines.filter_map(parse_field).take(FIELDS_MAX).collect();
    (parse_status(rest), fields)
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Reads what stands after the version: `[ 503[ No Responders]]`.
fn parse_status(rest: &[u8]) -> Option<u16> {
    let digits = rest.strip_prefix(b" ")?.trim_ascii_start();
    let digits = digits.get(..3)?;
    let is_status = digits.iter().all(u8::is_ascii_digit);
    let digits = str::from_utf8(digits).ok().filter(|_| is_status)?;
    digits.parse().ok()
}

/// Reads `Name: value`. Octets that are no UTF-8 are replaced.
fn parse_field(line: &[u8]) -> Option<(Box<str>, Box<str>)> {
    let colon = memchr::memchr(b':', line).filter(|colon| *colon > 0)?;
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into();
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    Some((text(name), text(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<u16>, Vec<(String, String)>) {
        let (status, fields) = parse_headers(text.as_bytes());
        let fields = fields.into_iter();
        let fields = fields.map(|(name, value)| (name.into(), value.into()));
        (status, fields.collect())
    }

    #[test]
    fn a_status_and_fields_are_read() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for (text, status, fields) in [
            ("NATS/1.0\r\n\r\n", None, vec![]),
            ("NATS/1.0 503\r\n\r\n", Some(503), vec![]),
            ("NATS/1.0 404 No Messages\r\n\r\n", Some(404), vec![]),
            ("NATS/1.0   408 x\r\n\r\n", Some(408), vec![]),
            (
                "NATS/1.0\r\nNats-Msg-Id: a b \r\nx:\r\nX:y:z\r\n\r\n",
                None,
                vec![
                    field("Nats-Msg-Id", "a b"),
                    field("x", ""),
                    field("X", "y:z"),
                ],
            ),
            ("NATS/1.0\nA: 1\n\n", None, vec![field("A", "1")]),
        ] {
            assert_eq!(read(text), (status, fields), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_header_is_left_out() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for (text, status, fields) in [
            ("", None, vec![]),
            ("HTTP/1.1 200\r\nA: 1\r\n\r\n", None, vec![]),
            ("NATS/1.0 50\r\n\r\n", None, vec![]),
            ("NATS/1.0 5x3\r\n\r\n", None, vec![]),
            ("NATS/1.0503\r\n\r\n", None, vec![]),
            (
                "NATS/1.0\r\nno field\r\n: x\r\nA: 1",
                None,
                vec![field("A", "1")],
            ),
        ] {
            assert_eq!(read(text), (status, fields), "{text:?}");
        }
        let (_, fields) = parse_headers(b"NATS/1.0\r\nA: \xff\r\n\r\n");
        assert_eq!(&*fields[0].1, "\u{fffd}");
        let many = format!("NATS/1.0\r\n{}\r\n", "a:b\r\n".repeat(100_000));
        assert_eq!(parse_headers(many.as_bytes()).1.len(), FIELDS_MAX);
    }
}
