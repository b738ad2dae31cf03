//! Texts behind DATA.

use super::Peer;

impl Peer {
    /// Where the line with the final dot begins. What was searched is not searched again: there may be much of it.
    pub(super) fn end_of_data(&mut self) -> Option<usize> {
        if self.unread.starts_with(b".\r\n") {
            return Some(0);
        }
        let start = self.searched.min(self.unread.len());
        let found = memchr::memmem::find(&self.unread[start..], b"\r\n.\r\n");
        self.searched = match found {
            Some(_) => 0,
            None => self.unread.len().saturating_sub(4),
        };
        found.map(|at| start + at + 2)
    }
}

/// A text as it was before its dots were doubled.
pub(super) fn unstuffed(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = memchr::memmem::find(rest, b"\r\n").map_or(rest.len(), |at| at + 2);
        let (line, after) = rest.split_at(end);
        plain.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        rest = after;
    }
    plain
}
