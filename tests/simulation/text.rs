//! Messages that are hard to read: dots, bare newlines, octets of all kinds.

use mailoop::smtp::fields::MissingFields;

use super::prng::Prng;

/// The stored form of a message that begins with `text`, or is that as a `whole`.
pub fn stored(text: &[u8], whole: bool) -> Vec<u8> {
    let mut missing = MissingFields::default();
    let mut stored = missing.read(text).to_vec();
    if whole {
        stored.extend_from_slice(missing.end());
    }
    stored
}

/// A message as it is sent, but for the dot that ends it, and as it is decoded; `bare` for one that may hold bare CRs and
/// LFs.
pub fn message(rng: &mut Prng, lines: usize, bare: bool) -> (Vec<u8>, Vec<u8>) {
    let (mut wire, mut text) = (Vec::new(), Vec::new());
    let mut starts_line = true;
    let mut behind_cr = false;
    for line in 0..lines {
        let content: &[u8] = match rng.below(8) {
            0 if !behind_cr => b"",
            1 => b".",
            2 => b"..",
            3 => b".QUIT",
            4 => b"gr\xfc\xdfe \0",
            _ => b"Subject: a line as there are many",
        };
        // RFC 5321 §4.5.2: only behind CRLF a dot is doubled.
        if starts_line && content.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(content);
        text.extend_from_slice(content);
        // A bare LF is a line end that hides no dot, a bare CR a space.
        let (end, stored): (&[u8], &[u8]) = match rng.below(12) {
            0 if bare && line + 1 < lines => (b"\n", b"\r\n"),
            1 if bare && line + 1 < lines => (b"\r", b" "),
            _ => (b"\r\n", b"\r\n"),
        };
        wire.extend_from_slice(end);
        text.extend_from_slice(stored);
        starts_line = end == b"\r\n";
        behind_cr = end == b"\r";
    }
    (wire, text)
}
