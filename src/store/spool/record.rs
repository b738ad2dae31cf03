//! Records: what a segment is a sequence of.
//!
//! A record begins at a multiple of 16 octets, so that its head is never torn between two sectors, and is
//!
//! ```text
//! 0   CRC32C of the segment's salt and the rest of the head
//! 4   CRC32C of envelope and state
//! 8   kind, flags, version
//! 12  mail id, octets of the envelope, sequence
//! 32  octets of the text, CRC32C of the text
//! 44  recipients, octets of the state
//! 48  envelope, state, text
//! ```
//!
//! The text has a checksum of its own, so that a scan need not read it where a later group tells that it was synced. The text
//! of a big message is a file, `big/ID`. A change has the indices of recipients in the place of the envelope, and a report that
//! is durable with it in the place of the text: a record within the record, which is found by its own place as any mail is.

use super::id::MailId;
use super::text::TextFlags;

/// The version of the record format that is written.
const VERSION: u16 = 1;
const ALIGN: u64 = 16;
const HELD: u8 = 1 << 3;
const NOTICED: u8 = 1 << 4;
const STARTS_GROUP: u8 = 1 << 7;

/// Kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordKind {
    /// A message with its text.
    Mail,
    /// A message whose text is a file.
    BigMail,
    /// A message within the record of a change; nothing where that is not whole.
    Nested,
    /// Recipients have the message.
    Done,
    /// Recipients will never have it.
    Failed,
    /// Recipients were taken off.
    Deleted,
    /// The sender was told of the delay.
    Noticed,
    /// Nothing of it is sent.
    Held,
    /// It is sent again.
    Released,
    /// The segment ends here, as it was to.
    End,
}

const KINDS: [RecordKind; 10] = [
    RecordKind::Mail,
    RecordKind::BigMail,
    RecordKind::Nested,
    RecordKind::Done,
    RecordKind::Failed,
    RecordKind::Deleted,
    RecordKind::Noticed,
    RecordKind::Held,
    RecordKind::Released,
    RecordKind::End,
];

impl RecordKind {
    /// Whether it is a message.
    #[must_use]
    pub fn is_mail(self) -> bool {
        matches!(self, Self::Mail | Self::BigMail | Self::Nested)
    }

    fn code(self) -> u8 {
        let at = KINDS.iter().position(|kind| *kind == self);
        at.and_then(|at| u8::try_from(at + 1).ok()).unwrap_or(0)
    }

    fn from_code(code: u8) -> Option<Self> {
        KINDS.get(usize::from(code).checked_sub(1)?).copied()
    }
}

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHead {
    /// The kind of the record.
    pub kind: RecordKind,
    /// The message that it is, or that it is about.
    pub mail: MailId,
    /// The count of records in both logs: of two records of a message the higher one is newer.
    pub sequence: u64,
    /// Whether it is the first record of its group: all before it in the segment was synced.
    pub starts_group: bool,
    /// The number of recipients of a message, or of those that a change names.
    pub recipients: u16,
    /// Whether the message is held.
    pub is_held: bool,
    /// Whether its sender was told of the delay.
    pub is_noticed: bool,
    /// Facts about its text.
    pub text_flags: TextFlags,
    /// Octets of the envelope.
    pub envelope_bytes: u32,
    /// Octets of the state: a bit for each recipient that is over, and where only some are held, after these in octets of their own, one
    /// for each that is; none where no recipient is over, nor only some are held.
    pub state_bytes: u16,
    /// Octets of the text, also where that is a file.
    pub text_bytes: u64,
    /// The CRC32C of the text.
    pub text_crc: u32,
    /// The CRC32C of envelope and state.
    pub payload_crc: u32,
}

impl RecordHead {
    /// Octets of a head.
    pub const BYTES: usize = 48;

    /// A head for a record about `mail`, without envelope and text.
    pub(super) fn new(kind: RecordKind, mail: MailId) -> Self {
        Self {
            kind,
            mail,
            sequence: 0,
            starts_group: false,
            recipients: 0,
            is_held: false,
            is_noticed: false,
            text_flags: TextFlags::default(),
            envelope_bytes: 0,
            state_bytes: 0,
            text_bytes: 0,
            text_crc: 0,
            payload_crc: 0,
        }
    }

    /// Reads a head, if there is a whole one that a segment with the salt of `seed` may hold.
    #[must_use]
    pub fn decode(seed: u32, bytes: &[u8]) -> Option<Self> {
        let head: &[u8; Self::BYTES] = bytes.first_chunk()?;
        let u32_at =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        let u16_at = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let kind = RecordKind::from_code(head[8])?;
        if u16_at(10) != VERSION || u32_at(0) != crc32c::crc32c_append(seed, &head[4..]) {
            return None;
        }
        Some(Self {
            kind,
            mail: MailId {
                instance: u32_at(12),
                count: u32_at(16),
            },
            sequence: u64_at(24),
            starts_group: head[9] & STARTS_GROUP != 0,
            recipients: u16_at(44),
            is_held: head[9] & HELD != 0,
            is_noticed: head[9] & NOTICED != 0,
            text_flags: TextFlags::from_bits(head[9]),
            envelope_bytes: u32_at(20),
            state_bytes: u16_at(46),
            text_bytes: u64_at(32),
            text_crc: u32_at(40),
            payload_crc: u32_at(4),
        })
    }

    /// The head as it is written.
    #[must_use]
    pub fn encode(&self, seed: u32) -> [u8; Self::BYTES] {
        let mut head = [0; Self::BYTES];
        head[4..8].copy_from_slice(&self.payload_crc.to_le_bytes());
        head[8] = self.kind.code();
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        head[9] = self.text_flags.bits()
            | flag(self.is_held, HELD)
            | flag(self.is_noticed, NOTICED)
            | flag(self.starts_group, STARTS_GROUP);
        head[10..12].copy_from_slice(&VERSION.to_le_bytes());
        head[12..16].copy_from_slice(&self.mail.instance.to_le_bytes());
        head[16..20].copy_from_slice(&self.mail.count.to_le_bytes());
        head[20..24].copy_from_slice(&self.envelope_bytes.to_le_bytes());
        head[24..32].copy_from_slice(&self.sequence.to_le_bytes());
        head[32..40].copy_from_slice(&self.text_bytes.to_le_bytes());
        head[40..44].copy_from_slice(&self.text_crc.to_le_bytes());
        head[44..46].copy_from_slice(&self.recipients.to_le_bytes());
        head[46..48].copy_from_slice(&self.state_bytes.to_le_bytes());
        let crc = crc32c::crc32c_append(seed, &head[4..]);
        head[..4].copy_from_slice(&crc.to_le_bytes());
        head
    }

    /// The offset of the text from the start of the record.
    #[must_use]
    pub fn text_start(&self) -> u64 {
        Self::BYTES as u64 + u64::from(self.envelope_bytes) + u64::from(self.state_bytes)
    }

    /// Octets of the text within the record.
    #[must_use]
    pub fn inline_bytes(&self) -> u64 {
        match self.kind {
            RecordKind::BigMail => 0,
            _ => self.text_bytes,
        }
    }

    /// Octets of the record.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.text_start().saturating_add(self.inline_bytes())
    }

    /// Octets from the start of the record to the start of the next one.
    #[must_use]
    pub fn step(&self) -> u64 {
        align(self.bytes())
    }

    /// The envelope, from the octets after the head, if it and the state are as they were written.
    #[must_use]
    pub fn payload<'a>(&self, after_head: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let envelope = usize::try_from(self.envelope_bytes).ok()?;
        let payload = after_head.get(..envelope + usize::from(self.state_bytes))?;
        (crc32c::crc32c(payload) == self.payload_crc).then(|| payload.split_at(envelope))
    }
}

/// The next multiple of what records are aligned to.
pub(super) fn align(bytes: u64) -> u64 {
    bytes.saturating_add(ALIGN - 1) / ALIGN * ALIGN
}

/// Appends a record to octets that will lie at a multiple of 16. Lengths and checksums of `head` are filled in, but those of a
/// text that is a file.
pub(super) fn append(
    into: &mut Vec<u8>,
    seed: u32,
    head: &mut RecordHead,
    parts: &RecordParts<'_>,
) {
    head.envelope_bytes = u32::try_from(parts.envelope.len()).unwrap_or(u32::MAX);
    head.state_bytes = u16::try_from(parts.state.len()).unwrap_or(u16::MAX);
    let crc = crc32c::crc32c(parts.envelope);
    head.payload_crc = crc32c::crc32c_append(crc, parts.state);
    into.extend_from_slice(&head.encode(seed));
    into.extend_from_slice(parts.envelope);
    into.extend_from_slice(parts.state);
    into.extend_from_slice(parts.text);
    into.resize(into.len().next_multiple_of(16), 0);
}

/// What a record holds after its head.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RecordParts<'a> {
    pub(super) envelope: &'a [u8],
    pub(super) state: &'a [u8],
    pub(super) text: &'a [u8],
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_every_flipped_bit_is_found() {
        let mail = MailId {
            instance: 7,
            count: 9,
        };
        let text = b"Subject: x\r\n\r\n.\r\n";
        let mut head = RecordHead {
            sequence: 1 << 40 | 5,
            starts_group: true,
            is_noticed: true,
            text_flags: TextFlags::DOT_LINE,
            recipients: 3,
            text_bytes: text.len() as u64,
            text_crc: crc32c::crc32c(text),
            ..RecordHead::new(RecordKind::Mail, mail)
        };
        let parts = RecordParts {
            envelope: b"envelope",
            state: &[5],
            text,
        };
        let mut bytes = Vec::new();
        append(&mut bytes, 17, &mut head, &parts);
        assert_eq!(bytes.len() as u64, head.step());
        let is_good = |bytes: &[u8]| {
            RecordHead::decode(17, bytes).is_some_and(|read| {
                let text = usize::try_from(read.text_start()).unwrap();
                let text = bytes.get(text..text + parts.text.len());
                read == head
                    && read.payload(&bytes[RecordHead::BYTES..])
                        == Some((parts.envelope, parts.state))
                    && text.map(crc32c::crc32c) == Some(read.text_crc)
            })
        };
        assert!(is_good(&bytes));
        assert_eq!(RecordHead::decode(18, &bytes), None, "another salt");
        let end = usize::try_from(head.bytes()).unwrap();
        for bit in 0..end * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_good(&bytes), "bit {bit}");
        }
    }

    #[test]
    fn kinds_are_read_as_they_were_written() {
        for kind in KINDS {
            assert_eq!(RecordKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(RecordKind::from_code(0), None);
        assert_eq!(RecordKind::from_code(11), None);
    }
}
