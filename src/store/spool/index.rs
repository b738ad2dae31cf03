//! The index: where each message lies that is not over, and what is over of it. 25 octets a message, and the table it is in.

use std::collections::HashMap;

use super::id::MailId;
use crate::store::counted::CountedMap;

/// What the records of a message that is not over come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexEntry {
    pub(super) segment: u32,
    /// The start of its record, in units of 16 octets, with two flags above.
    slot: u32,
    /// The length of its record, in units of 16 octets, with a flag above.
    units: u32,
    pub(super) recipients: u16,
    over: u16,
}

const HELD: u32 = 1 << 31;
const NOTICED: u32 = 1 << 30;
const BIG: u32 = 1 << 31;
const UNIT: u64 = 16;

impl IndexEntry {
    /// An entry for a record of `bytes` octets at `offset`.
    pub(super) fn new(segment: u32, offset: u64, bytes: u64, recipients: u16) -> Self {
        let units = |bytes: u64| u32::try_from(bytes / UNIT).unwrap_or(u32::MAX);
        Self {
            segment,
            slot: units(offset) & !(HELD | NOTICED),
            units: units(bytes + UNIT - 1) & !BIG,
            recipients,
            over: 0,
        }
    }

    pub(super) fn offset(&self) -> u64 {
        u64::from(self.slot & !(HELD | NOTICED)) * UNIT
    }

    /// Octets of its record.
    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.units & !BIG) * UNIT
    }

    pub(super) fn is_held(&self) -> bool {
        self.slot & HELD != 0
    }

    pub(super) fn set_held(&mut self, is_held: bool) {
        self.slot = self.slot & !HELD | if is_held { HELD } else { 0 };
    }

    pub(super) fn is_noticed(&self) -> bool {
        self.slot & NOTICED != 0
    }

    pub(super) fn set_noticed(&mut self) {
        self.slot |= NOTICED;
    }

    /// Whether its text is a file.
    pub(super) fn is_big(&self) -> bool {
        self.units & BIG != 0
    }

    pub(super) fn set_big(&mut self) {
        self.units |= BIG;
    }

    /// Moves it to a record of the same message elsewhere.
    pub(super) fn move_to(&mut self, segment: u32, offset: u64, bytes: u64) {
        let moved = Self::new(segment, offset, bytes, 0);
        self.segment = segment;
        self.slot = moved.slot | self.slot & (HELD | NOTICED);
        self.units = moved.units | self.units & BIG;
    }
}

/// All messages that are not over.
#[derive(Debug, Default)]
pub(super) struct SpoolIndex {
    entries: CountedMap<MailId, IndexEntry>,
    /// A bit for each recipient that is over, of messages that are over for some.
    partly: HashMap<MailId, Box<[u8]>>,
    /// A bit for each recipient that is held, of messages that are not held for all.
    held: HashMap<MailId, Box<[u8]>>,
}

impl SpoolIndex {
    pub(super) fn get(&self, mail: MailId) -> Option<&IndexEntry> {
        self.entries.get(&mail)
    }

    pub(super) fn get_mut(&mut self, mail: MailId) -> Option<&mut IndexEntry> {
        self.entries.get_mut(&mail)
    }

    pub(super) fn insert(&mut self, mail: MailId, entry: IndexEntry) {
        self.entries.insert(mail, entry);
    }

    pub(super) fn remove(&mut self, mail: MailId) {
        self.entries.remove(&mail);
        self.partly.remove(&mail);
        self.held.remove(&mail);
    }

    /// Notes for which recipients a message is held: for these, or for all if it is for none of them.
    pub(super) fn hold(&mut self, mail: MailId, recipients: &[u16]) {
        self.release(mail);
        let Some(entry) = self.entries.get_mut(&mail) else {
            return;
        };
        entry.set_held(true);
        let mut bits = vec![0; usize::from(entry.recipients).div_ceil(8)];
        let known = recipients.iter().filter(|at| **at < entry.recipients);
        let mut is_for_all = true;
        for at in known {
            bits[usize::from(at / 8)] |= 1 << (at % 8);
            is_for_all = false;
        }
        if !is_for_all {
            self.held.insert(mail, bits.into());
        }
    }

    /// Notes that a message is not held.
    pub(super) fn release(&mut self, mail: MailId) {
        self.held.remove(&mail);
        if let Some(entry) = self.entries.get_mut(&mail) {
            entry.set_held(false);
        }
    }

    /// The recipients for whom a message is held; none where it is for all, or not at all.
    pub(super) fn held(&self, mail: MailId) -> Vec<u16> {
        let bits = self.held.get(&mail);
        bits.map_or(Vec::new(), |bits| set_bits(bits).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether all of these recipients are over.
    pub(super) fn are_over(&self, mail: MailId, recipients: &[u16]) -> bool {
        let bits = self.partly.get(&mail);
        recipients
            .iter()
            .all(|at| bits.is_some_and(|bits| is_set(bits, *at)))
    }

    /// Notes that these recipients are over, and says whether all are now.
    pub(super) fn end(&mut self, mail: MailId, recipients: impl Iterator<Item = u16>) -> bool {
        let Some(entry) = self.entries.get_mut(&mail) else {
            return false;
        };
        let mut recipients = recipients.filter(|at| *at < entry.recipients).peekable();
        if entry.recipients == 1 {
            return recipients.peek().is_some();
        }
        if recipients.peek().is_none() {
            return entry.recipients == 0;
        }
        let bytes = usize::from(entry.recipients).div_ceil(8);
        let bits = self
            .partly
            .entry(mail)
            .or_insert_with(|| vec![0; bytes].into());
        for at in recipients {
            if !is_set(bits, at) {
                bits[usize::from(at / 8)] |= 1 << (at % 8);
                entry.over += 1;
            }
        }
        entry.over == entry.recipients
    }

    /// The state of a message as its record has it: who is over, and who is held where it is not all.
    pub(super) fn state(&self, mail: MailId) -> Vec<u8> {
        let mut state = self.partly.get(&mail).map_or(&[][..], |bits| bits).to_vec();
        if let Some(held) = self.held.get(&mail) {
            state.resize(held.len(), 0);
            state.extend_from_slice(held);
        }
        state
    }

    /// The recipients that are over.
    pub(super) fn over(&self, mail: MailId) -> Vec<u16> {
        let bits = self.partly.get(&mail);
        bits.map_or(Vec::new(), |bits| set_bits(bits).collect())
    }
}

/// The recipients that are over, and those that are held, as the state of a message with so many recipients has them.
pub(super) fn read_state(state: &[u8], recipients: u16) -> (Vec<u16>, Vec<u16>) {
    let (over, held) = state.split_at(state.len().min(usize::from(recipients).div_ceil(8)));
    (set_bits(over).collect(), set_bits(held).collect())
}

/// The recipients whose bits are set.
fn set_bits(state: &[u8]) -> impl Iterator<Item = u16> {
    let bits = state.len().saturating_mul(8);
    let most = u16::try_from(bits).unwrap_or(u16::MAX);
    (0..most).filter(|at| is_set(state, *at))
}

fn is_set(bits: &[u8], at: u16) -> bool {
    bits.get(usize::from(at / 8))
        .is_some_and(|bits| bits & 1 << (at % 8) != 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MAIL: MailId = MailId {
        instance: 1,
        count: 2,
    };

    #[test]
    fn an_entry_is_small_and_keeps_what_it_is_told() {
        assert_eq!(size_of::<(MailId, IndexEntry)>(), 24);
        let mut entry = IndexEntry::new(3, 64 << 20, 4097, 2);
        entry.set_held(true);
        entry.set_noticed();
        entry.set_big();
        assert_eq!((entry.offset(), entry.bytes()), (64 << 20, 4112));
        entry.move_to(9, 1024, 160);
        assert_eq!(
            (entry.segment, entry.offset(), entry.bytes()),
            (9, 1024, 160)
        );
        assert!(entry.is_held() && entry.is_noticed() && entry.is_big());
        entry.set_held(false);
        assert!(!entry.is_held() && entry.is_noticed() && entry.is_big());
    }

    #[test]
    fn a_mail_is_over_when_all_recipients_are() {
        let mut index = SpoolIndex::default();
        for recipients in [1, 2, 8, 9, u16::MAX] {
            index.insert(MAIL, IndexEntry::new(1, 1024, 64, recipients));
            assert_eq!(index.state(MAIL), Vec::<u8>::new());
            // One that is not there counts for nothing.
            assert!(!index.end(MAIL, [recipients].into_iter()));
            for at in 1..recipients {
                assert!(
                    !index.end(MAIL, [at, at].into_iter()),
                    "{at} of {recipients}"
                );
            }
            assert!(recipients == 1 || index.are_over(MAIL, &[recipients - 1]));
            assert!(!index.are_over(MAIL, &[0]));
            assert_eq!(index.over(MAIL), (1..recipients).collect::<Vec<_>>());
            for held in [vec![0], (0..recipients).collect()] {
                index.hold(MAIL, &held);
                assert_eq!(index.held(MAIL), held);
                let state = read_state(&index.state(MAIL), recipients);
                assert_eq!(state, (index.over(MAIL), held));
            }
            index.hold(MAIL, &[]);
            assert_eq!(index.held(MAIL), [0; 0]);
            assert!(index.get(MAIL).unwrap().is_held());
            index.release(MAIL);
            assert!(!index.get(MAIL).unwrap().is_held());
            assert!(index.end(MAIL, [0].into_iter()));
            index.remove(MAIL);
            assert_eq!(index.len(), 0);
        }
    }
}
