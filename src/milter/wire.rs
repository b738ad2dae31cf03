//! Packets: a length of four octets, a command of one, and its data.

use bytes::{BufMut, BytesMut};

use super::commands::{REPLACE_BODY, REPLIES};
use super::error::MilterError;

/// The most octets of a packet that is kept until all of it is there, without its length.
pub const PACKET_BYTES_MAX: usize = 65 * 1024;
/// The most octets of data that filters take in one packet: libmilter has no room for more.
pub const DATA_BYTES_MAX: usize = 65_535;
/// The octets of a length, and of the command that follows it.
const HEAD_BYTES: usize = 5;

/// One packet of a filter. The data of one that replaces the body may be a part of it, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterPacket {
    /// The octet that says what it is.
    pub command: u8,
    /// Its data.
    pub data: Vec<u8>,
}

/// The reader of packets. A body is handed on as it comes, since some filters send it in one packet; any other packet is bounded.
#[derive(Debug, Default)]
pub struct PacketDecoder {
    head: [u8; HEAD_BYTES],
    /// The octets of the head that are there. It is whole until all data of its packet is taken.
    head_bytes: usize,
    /// Octets of data that are still to come.
    left: usize,
    data: Vec<u8>,
}

impl PacketDecoder {
    /// Takes what it can use off the front of `input`; the next packet if it is all there. Nothing is left of `input` where it is not.
    ///
    /// # Errors
    /// [`MilterError`] for a command that no filter has, and a length that is not taken of it.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<FilterPacket>, MilterError> {
        if self.head_bytes < HEAD_BYTES && !self.take_head(input)? {
            return Ok(None);
        }
        let (part, rest) = input.split_at(self.left.min(input.len()));
        *input = rest;
        let is_body = self.command() == REPLACE_BODY;
        if part.is_empty() && self.left > 0 {
            return Ok(None);
        }
        if self.data.is_empty() && !is_body {
            self.data.reserve_exact(self.left);
        }
        self.data.extend_from_slice(part);
        self.left -= part.len();
        if self.left == 0 {
            self.head_bytes = 0;
        } else if !is_body {
            return Ok(None);
        }
        Ok(Some(FilterPacket {
            command: self.command(),
            data: core::mem::take(&mut self.data),
        }))
    }

    /// Octets that it keeps of what is not all there.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.head_bytes + self.data.len()
    }

    fn command(&self) -> u8 {
        self.head[HEAD_BYTES - 1]
    }

    /// Takes the head of a packet; whether it is all there.
    fn take_head(&mut self, input: &mut &[u8]) -> Result<bool, MilterError> {
        let (part, rest) = input.split_at((HEAD_BYTES - self.head_bytes).min(input.len()));
        *input = rest;
        let end = self.head_bytes + part.len();
        self.head[self.head_bytes..end].copy_from_slice(part);
        self.head_bytes = end;
        let [a, b, c, d, command] = self.head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if end >= HEAD_BYTES - 1 && length == 0 {
            return Err(MilterError::EmptyPacket);
        }
        if end < HEAD_BYTES {
            return Ok(false);
        }
        if !REPLIES.contains(&command) {
            return Err(MilterError::UnknownCommand(command));
        }
        if length > PACKET_BYTES_MAX && command != REPLACE_BODY {
            return Err(MilterError::PacketTooLong(command));
        }
        self.left = length - 1;
        Ok(true)
    }
}

/// The writer of one packet.
pub(super) struct PacketWriter<'a> {
    out: &'a mut BytesMut,
    start: usize,
}

impl<'a> PacketWriter<'a> {
    pub(super) fn new(command: u8, out: &'a mut BytesMut) -> Self {
        let start = out.len();
        out.put_slice(&[0, 0, 0, 0, command]);
        Self { out, start }
    }

    pub(super) fn octets(&mut self, octets: &[u8]) {
        self.out.extend_from_slice(octets);
    }

    pub(super) fn long(&mut self, number: u32) {
        self.out.put_u32(number);
    }

    /// Appends a text and its end.
    pub(super) fn text(&mut self, text: &[u8]) {
        self.part(text);
        self.octets(&[0]);
    }

    /// Appends a part of a text, cut where filters take no more. A NUL, which would end it, becomes a space.
    pub(super) fn part(&mut self, text: &[u8]) {
        let written = self.out.len() - self.start - HEAD_BYTES;
        let text = &text[..text.len().min(DATA_BYTES_MAX.saturating_sub(written + 1))];
        let from = self.out.len();
        self.out.extend_from_slice(text);
        for octet in self.out[from..].iter_mut().filter(|octet| **octet == 0) {
            *octet = b' ';
        }
    }

    pub(super) fn end(self) {
        let length = self.out.len() - self.start - (HEAD_BYTES - 1);
        debug_assert!(length <= DATA_BYTES_MAX + 1, "libmilter takes no more");
        let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        self.out[self.start..self.start + length.len()].copy_from_slice(&length);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
