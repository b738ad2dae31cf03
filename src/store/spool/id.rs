//! The names of messages in the spool, and where they lie.

use core::fmt;

use super::text::TextFlags;
use crate::smtp::envelope::QueueId;

/// The letter with which the queue ids of a spool begin, so that none is one of a Maildir: their instances are hexadecimal.
const LETTER: char = 'Q';
const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

/// The name of a message in the spool: the instance of the process that took it in, and a count. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailId {
    /// The instance: seconds of the epoch at its start, later than every instance before it in the same spool.
    pub instance: u32,
    /// The count of messages in that instance.
    pub count: u32,
}

impl MailId {
    /// The queue id: the letter, the instance in eight hexadecimal digits, the count in at least four.
    #[must_use]
    pub fn queue_id(self) -> QueueId {
        let mut instance = [LETTER as u8; 9];
        for (place, digit) in (0..8).rev().zip(&mut instance[1..]) {
            *digit = DIGITS[(self.instance >> (4 * place)) as usize & 0xF];
        }
        let instance = str::from_utf8(&instance).unwrap_or_default();
        QueueId::new(instance, self.count.into())
    }

    /// Reads a queue id; `None` if it is none of a spool.
    #[must_use]
    pub fn from_queue_id(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(LETTER)?;
        let (instance, count) = digits.split_at_checked(8)?;
        let id = Self {
            instance: u32::from_str_radix(instance, 16).ok()?,
            count: u32::from_str_radix(count, 16).ok()?,
        };
        (id.queue_id().as_str() == text).then_some(id)
    }
}

impl fmt::Display for MailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.queue_id().fmt(f)
    }
}

/// The place of a message in the spool. It changes when the message is moved to another segment, and what is there then is
/// another message's: whoever reads compares the checksum and the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpoolPlace {
    /// The number of the segment; never used again, also where the file is.
    pub segment: u32,
    /// The start of the record within the segment, in octets.
    pub offset: u32,
    /// Octets of the encoded envelope.
    pub envelope_bytes: u32,
    /// Octets of the message text. Where it has a file of its own, it lies there.
    pub text_bytes: u64,
    /// Facts about the text that decide how it may be sent.
    pub text_flags: TextFlags,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_ids_are_read_as_they_were_written() {
        let id = |instance, count| MailId { instance, count };
        for id in [
            id(0, 0),
            id(0x6929_F3A1, 1),
            id(7, 0xF_FFFF),
            id(u32::MAX, u32::MAX),
        ] {
            assert_eq!(MailId::from_queue_id(id.queue_id().as_str()), Some(id));
        }
        for text in [
            "",
            "Q",
            "Q6929F3A1",
            "6929F3A10001",
            "Q6929F3A101",
            "q6929F3A10001",
            "Q6929F3A1000g",
        ] {
            assert_eq!(MailId::from_queue_id(text), None, "{text}");
        }
    }
}
