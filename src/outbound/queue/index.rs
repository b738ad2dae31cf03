//! The index of mails by name: a tree of short sorted arrays, in half the memory of a map.

use std::collections::BTreeMap;

use crate::store::spool::MailId;

/// The most mails of a leaf.
const LEAF_MAX: usize = 128;
/// A leaf that has fewer joins the one before it, where there is room.
const LEAF_MIN: usize = LEAF_MAX / 4;
/// The key of the first leaf, which is never removed.
const FIRST: MailId = MailId {
    instance: 0,
    count: 0,
};

/// The numbers of records in the order of their names, which are in the records. Names mostly come in ascending order, and leaves are
/// full then.
#[derive(Debug)]
pub(super) struct MailIndex {
    /// Leaves by a name that is no later than any in them, and later than any in the leaf before.
    leaves: BTreeMap<MailId, Vec<u32>>,
}

impl MailIndex {
    /// An empty index.
    pub(super) fn new() -> Self {
        Self {
            leaves: BTreeMap::from([(FIRST, Vec::new())]),
        }
    }

    fn leaf(&self, mail: MailId) -> (MailId, &[u32]) {
        let before = self.leaves.range(..=mail).next_back();
        before.map_or((FIRST, &[]), |(key, leaf)| (*key, leaf))
    }

    fn position(leaf: &[u32], mail: MailId, name: impl Fn(u32) -> MailId) -> Result<usize, usize> {
        leaf.binary_search_by_key(&mail, |record| name(*record))
    }

    /// The record of a mail.
    pub(super) fn get(&self, mail: MailId, name: impl Fn(u32) -> MailId) -> Option<u32> {
        let (_, leaf) = self.leaf(mail);
        let at = Self::position(leaf, mail, name).ok()?;
        Some(leaf[at])
    }

    /// Adds a mail that is not in it.
    pub(super) fn insert(&mut self, mail: MailId, record: u32, name: impl Fn(u32) -> MailId) {
        let (key, leaf) = self.leaf(mail);
        let (Ok(at) | Err(at)) = Self::position(leaf, mail, &name);
        let leaf = self.leaves.entry(key).or_default();
        if leaf.len() < LEAF_MAX {
            leaf.insert(at, record);
            return;
        }
        if at == LEAF_MAX {
            self.leaves.insert(mail, vec![record]);
            return;
        }
        let upper = leaf.split_off(LEAF_MAX / 2);
        self.leaves.insert(name(upper[0]), upper);
        self.insert(mail, record, name);
    }

    /// Removes a mail.
    pub(super) fn remove(&mut self, mail: MailId, name: impl Fn(u32) -> MailId) {
        let (key, leaf) = self.leaf(mail);
        let Ok(at) = Self::position(leaf, mail, name) else {
            return;
        };
        let leaf = self.leaves.entry(key).or_default();
        leaf.remove(at);
        if leaf.len() >= LEAF_MIN {
            return;
        }
        if leaf.capacity() > 4 * leaf.len() {
            leaf.shrink_to(2 * leaf.len());
        }
        let count = leaf.len();
        if let Some((_, before)) = self.leaves.range_mut(..key).next_back()
            && before.len() + count <= LEAF_MAX * 3 / 4
            && let Some(leaf) = self.leaves.remove(&key)
            && let Some((_, before)) = self.leaves.range_mut(..key).next_back()
        {
            before.extend(leaf);
        }
    }

    /// The records of the mails after this one, in the order of their names.
    pub(super) fn after(
        &self,
        after: Option<MailId>,
        name: impl Fn(u32) -> MailId,
    ) -> impl Iterator<Item = u32> {
        let key = after.map_or(FIRST, |mail| self.leaf(mail).0);
        let leaves = self.leaves.range(key..);
        let records = leaves.flat_map(|(_, leaf)| leaf.iter().copied());
        records.skip_while(move |record| after.is_some_and(|after| name(*record) <= after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn name(record: u32) -> MailId {
        MailId {
            instance: record / 1000,
            count: record % 1000,
        }
    }

    #[test]
    fn it_holds_what_a_set_would() {
        let mut index = MailIndex::new();
        let mut set = BTreeSet::new();
        let mut chance = 1u64;
        for round in 0..60_000 {
            chance = chance
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let record = (chance >> 33) as u32 % 5000;
            // Grows for a while, then shrinks.
            let grows = (round / 10_000) % 2 == 0;
            if index.get(name(record), name).is_none() && (grows || chance >> 62 == 0) {
                index.insert(name(record), record, name);
                assert!(set.insert(record));
            } else if !grows {
                index.remove(name(record), name);
                set.remove(&record);
            }
            if round % 5000 == 0 {
                let after = Some(name(record));
                let expected: Vec<u32> = set.range(record + 1..).copied().collect();
                assert_eq!(index.after(after, name).collect::<Vec<_>>(), expected);
            }
        }
        assert!(index.after(None, name).eq(set.iter().copied()));
        for record in set.clone() {
            index.remove(name(record), name);
        }
        assert!(index.after(None, name).next().is_none() && index.leaves.len() == 1);
    }

    #[test]
    fn leaves_are_full_where_names_ascend() {
        let mut index = MailIndex::new();
        for record in 0..100_000 {
            index.insert(name(record), record, name);
        }
        assert_eq!(index.leaves.len(), 100_000_usize.div_ceil(LEAF_MAX));
    }
}
