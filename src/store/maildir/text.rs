//! Message text between the network and its file.

use memchr::memchr_iter;

use crate::smtp::envelope::Body;

/// The most bytes of a message that are held back to be written at once. A power of two, so that a buffer
/// that grows by doubling ends here.
const DRAFT_BUFFER_BYTES: usize = 16 * 1024;

/// The text of a draft, on its way to a file. Line ends come as CRLF and are kept as LF; a message that is binary is kept as
/// it comes.
#[derive(Debug)]
pub(super) struct DraftText {
    body: Body,
    /// The part that is held back.
    buffer: Vec<u8>,
}

impl DraftText {
    /// Makes an empty text of this kind.
    pub(super) fn new(body: Body) -> Self {
        Self {
            body,
            buffer: Vec::new(),
        }
    }

    /// Appends `text`, which never ends between the CR and the LF of a line end unless it is binary, and hands the part
    /// that is too much to be held back over to `write`.
    pub(super) fn push(&mut self, text: &[u8], mut write: impl FnMut(&[u8])) {
        self.reserve(text.len());
        if self.body == Body::BinaryMime {
            return self.push_bytes(text, &mut write);
        }
        let mut start = 0;
        for lf in memchr_iter(b'\n', text) {
            if text[..lf].ends_with(b"\r") {
                self.push_bytes(&text[start..lf - 1], &mut write);
                start = lf;
            }
        }
        self.push_bytes(&text[start..], &mut write);
    }

    /// The part that is held back.
    pub(super) fn rest(&self) -> &[u8] {
        &self.buffer
    }

    /// Makes room for `more` bytes, as far as they are held back at all: a small message gets a small buffer.
    fn reserve(&mut self, more: usize) {
        let wanted = (self.buffer.len() + more).min(DRAFT_BUFFER_BYTES);
        if wanted > self.buffer.capacity() {
            let capacity = wanted.next_power_of_two();
            self.buffer.reserve_exact(capacity - self.buffer.len());
        }
    }

    fn push_bytes(&mut self, mut bytes: &[u8], write: &mut impl FnMut(&[u8])) {
        loop {
            let room = DRAFT_BUFFER_BYTES - self.buffer.len();
            let Some((fitting, rest)) = bytes.split_at_checked(room) else {
                self.buffer.extend_from_slice(bytes);
                return;
            };
            self.buffer.extend_from_slice(fitting);
            write(&self.buffer);
            self.buffer.clear();
            bytes = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffer_follows_need() {
        let mut text = DraftText::new(Body::default());
        let mut written = 0;
        let mut write = |bytes: &[u8]| written += bytes.len();
        text.push(&[b'x'; 100], &mut write);
        assert_eq!(text.buffer.capacity(), 128);
        for _ in 0..1000 {
            text.push(b"a line of text\r\n", &mut write);
        }
        text.push(&[b'x'; 100_000], &mut write);
        assert_eq!(text.buffer.capacity(), DRAFT_BUFFER_BYTES);
        let total = 100 + 1000 * 15 + 100_000;
        assert_eq!(text.buffer.len(), total % DRAFT_BUFFER_BYTES);
        assert_eq!(written + text.rest().len(), total);
    }
}
