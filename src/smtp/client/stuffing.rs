//! The text of a message as it goes over the wire (RFC 5321 §4.5.2), the mirror of the server's [`data`](crate::smtp::data).

use bytes::BytesMut;
use memchr::memchr2;

/// Doubles each dot that begins a line, as the text comes in pieces cut anywhere.
///
/// A bare CR or LF leaves as CRLF: what one server takes for a line end and another does not has been used to smuggle messages.
#[derive(Clone, Copy, Debug)]
pub struct DotStuffing {
    is_at_line_start: bool,
    /// A CR was taken in, and it is not known yet whether a LF follows.
    is_after_cr: bool,
}

impl Default for DotStuffing {
    fn default() -> Self {
        Self {
            is_at_line_start: true,
            is_after_cr: false,
        }
    }
}

impl DotStuffing {
    /// Writes a piece of text.
    pub fn write(&mut self, mut text: &[u8], out: &mut BytesMut) {
        out.reserve(text.len());
        while let Some(&first) = text.first() {
            if self.is_after_cr {
                self.end_line(out);
                text = text.strip_prefix(b"\n").unwrap_or(text);
                continue;
            }
            if self.is_at_line_start && first == b'.' {
                out.extend_from_slice(b".");
            }
            let end = memchr2(b'\r', b'\n', text).unwrap_or(text.len());
            let (line, rest) = text.split_at(end);
            out.extend_from_slice(line);
            self.is_at_line_start &= line.is_empty();
            text = match rest {
                [b'\r', b'\n', rest @ ..] => {
                    self.end_line(out);
                    rest
                }
                [b'\r', rest @ ..] => {
                    self.is_after_cr = true;
                    rest
                }
                [_, rest @ ..] => {
                    self.end_line(out);
                    rest
                }
                [] => rest,
            };
        }
    }

    /// Writes the end of the last line, if that lacks it, and the line that ends the message.
    pub fn finish(mut self, out: &mut BytesMut) {
        if self.is_after_cr || !self.is_at_line_start {
            self.end_line(out);
        }
        out.extend_from_slice(b".\r\n");
    }

    fn end_line(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(b"\r\n");
        self.is_at_line_start = true;
        self.is_after_cr = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes `text` in two pieces, cut there.
    fn written(text: &[u8], cut: usize) -> Vec<u8> {
        let (mut stuffing, mut out) = (DotStuffing::default(), BytesMut::new());
        stuffing.write(&text[..cut], &mut out);
        stuffing.write(&text[cut..], &mut out);
        stuffing.finish(&mut out);
        out.to_vec()
    }

    #[test]
    fn dots_are_doubled_and_every_line_ends_in_crlf_wherever_it_is_cut() {
        for (text, wire) in [
            ("", ".\r\n"),
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            (".", "..\r\n.\r\n"),
            ("\r\n", "\r\n.\r\n"),
            ("..a\r\n.\r\n b.\r\n", "...a\r\n..\r\n b.\r\n.\r\n"),
            ("a\n.\nb\r.\rc\r", "a\r\n..\r\nb\r\n..\r\nc\r\n.\r\n"),
            ("a\r\r\n.\r\n", "a\r\n\r\n..\r\n.\r\n"),
            ("\n.\r\n\r", "\r\n..\r\n\r\n.\r\n"),
        ] {
            for cut in 0..=text.len() {
                let out = written(text.as_bytes(), cut);
                assert_eq!(String::from_utf8_lossy(&out), wire, "{text:?} at {cut}");
            }
        }
    }
}
