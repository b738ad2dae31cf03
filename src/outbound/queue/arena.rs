//! An arena: records of one type by number, in chunks, so that it grows and shrinks without moving what it holds.

use core::ops::{Index, IndexMut};
use std::collections::BTreeSet;

/// Records of a chunk.
const CHUNK_RECORDS: u32 = 256;
const WORD_BITS: u32 = 64;
const CHUNK_WORDS: usize = (CHUNK_RECORDS / WORD_BITS) as usize;

/// Records by number. A number is used again once its record is removed; low ones first, so that an arena that empties gives memory
/// back.
#[derive(Debug)]
pub(super) struct Arena<T> {
    chunks: Vec<ArenaChunk<T>>,
    /// Chunks with a free record.
    roomy: BTreeSet<u32>,
    len: usize,
}

/// A chunk of an arena. One that holds no record has no memory for them.
#[derive(Debug)]
struct ArenaChunk<T> {
    taken: [u64; CHUNK_WORDS],
    used: u32,
    records: Box<[T]>,
}

impl<T: Default> Arena<T> {
    /// An empty arena.
    pub(super) fn new() -> Self {
        Self {
            chunks: Vec::new(),
            roomy: BTreeSet::new(),
            len: 0,
        }
    }

    /// Records in it.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a record. Returns its number.
    pub(super) fn insert(&mut self, record: T) -> u32 {
        let number = if let Some(number) = self.roomy.first() {
            *number
        } else {
            let number = u32::try_from(self.chunks.len()).unwrap_or(u32::MAX);
            self.chunks.push(ArenaChunk {
                taken: [0; _],
                used: 0,
                records: Box::default(),
            });
            self.roomy.insert(number);
            number
        };
        let chunk = &mut self.chunks[number as usize];
        if chunk.records.is_empty() {
            chunk.records = (0..CHUNK_RECORDS).map(|_| T::default()).collect();
        }
        let first_free = |(base, bits): (u32, &u64)| {
            (*bits != u64::MAX).then_some(base * WORD_BITS + bits.trailing_ones())
        };
        let at = (0..).zip(&chunk.taken).find_map(first_free).unwrap_or(0);
        chunk.taken[word(at)] |= bit(at);
        chunk.records[at as usize] = record;
        chunk.used += 1;
        if chunk.used == CHUNK_RECORDS {
            self.roomy.remove(&number);
        }
        self.len += 1;
        number * CHUNK_RECORDS + at
    }

    /// Takes a record out.
    pub(super) fn remove(&mut self, number: u32) -> T {
        let (chunk_number, at) = split(number);
        let chunk = &mut self.chunks[chunk_number as usize];
        debug_assert!(chunk.is_taken(at), "a record is removed once");
        chunk.taken[word(at)] &= !bit(at);
        chunk.used -= 1;
        let record = core::mem::take(&mut chunk.records[at as usize]);
        if chunk.used == 0 {
            chunk.records = Box::default();
        }
        self.roomy.insert(chunk_number);
        self.len -= 1;
        record
    }

    /// The record of a number that came from outside.
    pub(super) fn get(&self, number: u32) -> Option<&T> {
        let (chunk, at) = split(number);
        let chunk = self.chunks.get(chunk as usize)?;
        chunk.is_taken(at).then(|| &chunk.records[at as usize])
    }

    /// The numbers of the records after this one, in order.
    pub(super) fn numbers_after(&self, after: Option<u32>) -> impl Iterator<Item = u32> {
        let first = after.map_or(0, |after| after.saturating_add(1));
        let chunks = u32::try_from(self.chunks.len()).unwrap_or(0);
        (first..chunks * CHUNK_RECORDS).filter(|number| self.get(*number).is_some())
    }
}

impl<T> ArenaChunk<T> {
    fn is_taken(&self, at: u32) -> bool {
        self.taken[word(at)] & bit(at) != 0
    }
}

fn split(number: u32) -> (u32, u32) {
    (number / CHUNK_RECORDS, number % CHUNK_RECORDS)
}

fn word(at: u32) -> usize {
    (at / WORD_BITS) as usize
}

fn bit(at: u32) -> u64 {
    1 << (at % WORD_BITS)
}

impl<T> Index<u32> for Arena<T> {
    type Output = T;

    fn index(&self, number: u32) -> &T {
        let (chunk, at) = split(number);
        &self.chunks[chunk as usize].records[at as usize]
    }
}

impl<T> IndexMut<u32> for Arena<T> {
    fn index_mut(&mut self, number: u32) -> &mut T {
        let (chunk, at) = split(number);
        &mut self.chunks[chunk as usize].records[at as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arena_that_empties_gives_its_memory_back() {
        let mut arena = Arena::new();
        let numbers: Vec<u32> = (0..1000u64).map(|value| arena.insert(value)).collect();
        assert_eq!((numbers[999], arena[999], arena.len()), (999, 999, 1000));
        for number in &numbers[256..] {
            assert_eq!(arena.remove(*number), u64::from(*number));
        }
        assert!(
            arena.chunks[1..]
                .iter()
                .all(|chunk| chunk.records.is_empty())
        );
        assert_eq!((arena.get(256), arena.get(255)), (None, Some(&255)));
        assert_eq!((arena.insert(7), arena.len()), (256, 257));
        arena.remove(3);
        assert_eq!(arena.insert(8), 3);
        assert_eq!(
            arena.numbers_after(Some(254)).collect::<Vec<_>>(),
            [255, 256]
        );
    }
}
