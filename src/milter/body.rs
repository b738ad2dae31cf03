//! The lines of a body that a filter puts in the place of another.

use memchr::memchr2;

/// Makes lines with CRLF of a body in any pieces, as Postfix does: a line may end in LF, and the last one in nothing. A CR that ends no
/// line becomes a space, as Postfix makes it in what clients send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLines {
    /// The last octet, of which a CR is still to be written.
    last: u8,
}

impl Default for BodyLines {
    fn default() -> Self {
        Self { last: b'\n' }
    }
}

impl BodyLines {
    /// Appends the lines of a piece to `out`.
    pub fn write(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        out.reserve(piece.len() + 1);
        let mut rest = piece;
        while let Some(first) = rest.first() {
            if self.last == b'\r' && *first != b'\n' {
                out.push(b' ');
            }
            // A filter may send a body without end: what is between line ends is copied at once.
            let text = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
            out.extend_from_slice(&rest[..text]);
            let end = rest.get(text);
            if end == Some(&b'\n') {
                out.extend_from_slice(b"\r\n");
            }
            self.last = end.or(rest.last()).copied().unwrap_or_default();
            rest = rest.get(text + 1..).unwrap_or_default();
        }
    }

    /// Appends what the last line lacks.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        match self.last {
            b'\n' => {}
            b'\r' => out.extend_from_slice(b" \r\n"),
            _ => out.extend_from_slice(b"\r\n"),
        }
        self.last = b'\n';
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
