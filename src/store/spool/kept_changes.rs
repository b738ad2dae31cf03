//! Changes of messages that are not known to be durable.

use std::collections::VecDeque;

use super::change::ChangeCounts;
use super::handover::{ChangeCode, EncodedChange};
use super::id::MailId;
use crate::store::counted::CountedMap;

/// The most changes that are kept, and the most octets of them: past either nothing new is to be begun that makes another.
const CHANGES_MAX: usize = 10_000;
const CHANGES_BYTES_MAX: usize = 16 << 20;

/// Changes that are kept until they are durable, in their order.
#[derive(Debug, Default)]
pub(super) struct KeptChanges {
    changes: VecDeque<EncodedChange>,
    /// Octets of memory that they take.
    bytes: usize,
    /// The number of kept changes of each message.
    by_mail: CountedMap<MailId, usize>,
    /// The number of changes that the present process has made durable.
    durable: u64,
    /// The number of changes that were ever kept.
    told: u64,
}

impl KeptChanges {
    /// Keeps a change.
    pub(super) fn push(&mut self, change: EncodedChange) {
        self.bytes += bytes_of(&change);
        *self.by_mail.entry(change.mail).or_default() += 1;
        self.changes.push_back(change);
        self.told += 1;
    }

    /// Drops changes of which so many are durable, counted from the start of the process. Returns the reports that came with
    /// them.
    pub(super) fn confirm(&mut self, durable: u64) -> Vec<MailId> {
        let mut reports = Vec::new();
        while self.durable < durable
            && let Some(change) = self.changes.pop_front()
        {
            self.durable += 1;
            self.bytes -= bytes_of(&change);
            if let Some(count) = self.by_mail.get_mut(&change.mail) {
                *count -= 1;
                if *count == 0 {
                    self.by_mail.remove(&change.mail);
                }
            }
            reports.extend(change.report.map(|report| report.mail));
        }
        reports
    }

    /// How many there were.
    pub(super) fn counts(&self) -> ChangeCounts {
        ChangeCounts {
            told: self.told,
            durable: self.told.saturating_sub(self.changes.len() as u64),
        }
    }

    /// Whether so many are kept that no more should come.
    pub(super) fn is_full(&self) -> bool {
        self.changes.len() >= CHANGES_MAX || self.bytes >= CHANGES_BYTES_MAX
    }

    /// The recipients of a message that are over by a kept change.
    pub(super) fn over(&self, mail: MailId) -> Vec<u16> {
        if !self.by_mail.contains_key(&mail) {
            return Vec::new();
        }
        let is_end = |change: &&EncodedChange| change.code != ChangeCode::Held;
        let changes = self.changes.iter().filter(|change| change.mail == mail);
        let changes = changes.filter(is_end);
        changes
            .flat_map(|change| change.recipients.iter().copied())
            .collect()
    }

    /// The changes that the next process is to hear of, which counts anew.
    pub(super) fn repeat(&mut self) -> impl Iterator<Item = &EncodedChange> {
        self.durable = 0;
        self.changes.iter()
    }
}

/// Octets of memory that a change takes, about.
fn bytes_of(change: &EncodedChange) -> usize {
    let report = change.report.as_ref();
    let report = report.map_or(0, |report| report.envelope.len() + report.text.len());
    size_of::<EncodedChange>() + size_of_val(&change.recipients[..]) + report
}
