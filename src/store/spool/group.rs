//! The records of one group commit in one log, as they are encoded.

use super::drafts::{DraftPlace, SpoolDraft};
use super::handover::{ChangeCode, EncodedChange, EncodedReport};
use super::id::SpoolPlace;
use super::log::LogEnd;
use super::record::{self, RecordHead, RecordKind, RecordParts, align};
use super::text::TextSum;

/// What indices of recipients are filled up to, so that a report after them begins where a record may.
const LIST_ALIGN: usize = 16;

/// Records that are encoded for one log, and synced together.
#[derive(Debug)]
pub(super) struct SpoolGroup {
    end: LogEnd,
    bytes: Vec<u8>,
    bytes_max: u64,
}

impl SpoolGroup {
    /// A group that goes to `end`, of at most so many octets.
    pub(super) fn new(end: LogEnd, bytes_max: usize) -> Self {
        Self {
            end,
            bytes: Vec::new(),
            bytes_max: end.room.min(bytes_max as u64),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The number of its segment.
    pub(super) fn segment(&self) -> u32 {
        self.end.number
    }

    /// Whether a record of so many octets joins it. The first one always does, in a segment of its own if need be.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        self.bytes.is_empty() || self.bytes.len() as u64 + bytes <= self.bytes_max
    }

    /// Appends a record, and returns its place.
    pub(super) fn push(
        &mut self,
        sequence: &mut u64,
        mut head: RecordHead,
        parts: &RecordParts<'_>,
    ) -> SpoolPlace {
        *sequence += 1;
        head.sequence = *sequence;
        head.starts_group = self.bytes.is_empty();
        let offset = self.end.offset + self.bytes.len() as u64;
        record::append(&mut self.bytes, self.end.seed, &mut head, parts);
        place(self.end.number, offset, &head)
    }

    /// Appends a message.
    pub(super) fn push_mail<F>(&mut self, sequence: &mut u64, draft: &SpoolDraft<F>) -> SpoolPlace {
        let (kind, text): (_, &[u8]) = match &draft.text {
            DraftPlace::Memory(text) => (RecordKind::Mail, text),
            DraftPlace::File(..) => (RecordKind::BigMail, &[]),
        };
        let head = RecordHead {
            recipients: draft.recipients,
            is_held: draft.is_held,
            ..summed_up(RecordHead::new(kind, draft.mail), &draft.sum)
        };
        let parts = RecordParts {
            envelope: &draft.envelope,
            text,
            ..RecordParts::default()
        };
        self.push(sequence, head, &parts)
    }

    /// Appends a change, and returns the place of the report in it.
    pub(super) fn push_change(
        &mut self,
        sequence: &mut u64,
        change: &EncodedChange,
    ) -> Option<SpoolPlace> {
        let list = list(&change.recipients);
        let mut nested = Vec::new();
        let report = change.report.as_ref();
        let report = report.map(|report| {
            *sequence += 1;
            encode_report(&mut nested, self.end.seed, *sequence, report)
        });
        let mut sum = TextSum::new();
        sum.add(&nested);
        let head = RecordHead {
            recipients: u16::try_from(change.recipients.len()).unwrap_or(u16::MAX),
            text_bytes: sum.bytes(),
            text_crc: sum.crc(),
            ..RecordHead::new(kind_of(change.code), change.mail)
        };
        let parts = RecordParts {
            envelope: &list,
            text: &nested,
            ..RecordParts::default()
        };
        let outer = self.push(sequence, head, &parts);
        let within = RecordHead::BYTES as u64 + list.len() as u64;
        report.map(|head| place(outer.segment, u64::from(outer.offset) + within, &head))
    }
}

/// The place of a record.
pub(super) fn place(segment: u32, offset: u64, head: &RecordHead) -> SpoolPlace {
    SpoolPlace {
        segment,
        offset: u32::try_from(offset).unwrap_or(u32::MAX),
        envelope_bytes: head.envelope_bytes,
        text_bytes: head.text_bytes,
        text_flags: head.text_flags,
    }
}

/// Octets of the record of a message.
pub(super) fn mail_bytes<F>(draft: &SpoolDraft<F>) -> u64 {
    let text = match &draft.text {
        DraftPlace::Memory(text) => text.len(),
        DraftPlace::File(..) => 0,
    };
    align((RecordHead::BYTES + draft.envelope.len() + text) as u64)
}

/// Octets of the record of a report.
pub(super) fn report_bytes(report: &EncodedReport) -> u64 {
    align((RecordHead::BYTES + report.envelope.len() + report.text.len()) as u64)
}

/// Octets of the record of a change.
pub(super) fn change_bytes(change: &EncodedChange) -> u64 {
    let list = (change.recipients.len() * 2).next_multiple_of(LIST_ALIGN);
    let report = change.report.as_ref().map_or(0, report_bytes);
    (RecordHead::BYTES + list) as u64 + report
}

fn summed_up(head: RecordHead, sum: &TextSum) -> RecordHead {
    RecordHead {
        text_bytes: sum.bytes(),
        text_crc: sum.crc(),
        text_flags: sum.flags(),
        ..head
    }
}

fn encode_report(
    into: &mut Vec<u8>,
    seed: u32,
    sequence: u64,
    report: &EncodedReport,
) -> RecordHead {
    let mut sum = TextSum::new();
    sum.add(&report.text);
    let mut head = RecordHead {
        sequence,
        recipients: report.recipients,
        ..summed_up(RecordHead::new(RecordKind::Nested, report.mail), &sum)
    };
    let parts = RecordParts {
        envelope: &report.envelope,
        text: &report.text,
        ..RecordParts::default()
    };
    record::append(into, seed, &mut head, &parts);
    head
}

/// Indices of recipients, as a record holds them.
fn list(recipients: &[u16]) -> Vec<u8> {
    let mut list: Vec<u8> = recipients.iter().flat_map(|at| at.to_le_bytes()).collect();
    list.resize(list.len().next_multiple_of(LIST_ALIGN), 0);
    list
}

/// The indices of recipients in the record of a change.
pub(super) fn listed(head: &RecordHead, list: &[u8]) -> Vec<u16> {
    let pairs = list.chunks_exact(2).take(head.recipients.into());
    pairs
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect()
}

fn kind_of(code: ChangeCode) -> RecordKind {
    match code {
        ChangeCode::Done => RecordKind::Done,
        ChangeCode::Failed => RecordKind::Failed,
        ChangeCode::Deleted => RecordKind::Deleted,
        ChangeCode::Noticed => RecordKind::Noticed,
        ChangeCode::Held => RecordKind::Held,
        ChangeCode::Released => RecordKind::Released,
    }
}
