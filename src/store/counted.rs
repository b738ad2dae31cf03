//! Maps whose keys are numbers that this program counts up itself, such as tickets.
//!
//! Nobody else chooses these keys, so nobody can choose many that meet in one place: they need no keyed hash, which would take
//! longer than all else that is done with the map.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// A map by keys that are counted up.
pub(crate) type CountedMap<K, V> = HashMap<K, V, BuildHasherDefault<CountedHasher>>;
/// A set of keys that are counted up.
pub(crate) type CountedSet<K> = HashSet<K, BuildHasherDefault<CountedHasher>>;

/// 2^64 divided by the golden ratio: multiples of it are spread evenly, in their upper bits as in their lower ones.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// The hasher of such a key: a multiplication for each number in it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CountedHasher(u64);

impl Hasher for CountedHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        octets
            .iter()
            .for_each(|octet| self.write_u64((*octet).into()));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(32) ^ number).wrapping_mul(SPREAD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{BuildHasher, Hash};

    /// The most of so many keys that share a place, in a table that is twice as large, by some bits of their hash.
    fn most_in_one_place<K: Hash>(keys: impl Iterator<Item = K>, bits: fn(u64) -> u64) -> usize {
        let hasher = BuildHasherDefault::<CountedHasher>::default();
        let mut places = HashMap::new();
        for key in keys {
            *places.entry(bits(hasher.hash_one(key))).or_insert(0) += 1;
        }
        places.into_values().max().unwrap_or(0)
    }

    #[test]
    fn keys_that_follow_each_other_are_spread() {
        let lower: fn(u64) -> u64 = |hash| hash & 0x1FFF;
        let upper: fn(u64) -> u64 = |hash| hash >> 51;
        for bits in [lower, upper] {
            let tickets = (0..4096).map(|count| (1_u64 << 62) + count);
            assert!(most_in_one_place(tickets, bits) <= 4);
            let mails = (0..4096).map(|count| (0x6929_F3A1_u32, count * 2));
            assert!(most_in_one_place(mails, bits) <= 4);
            let instances = (0..4096).map(|instance: u32| (instance, 1_u32));
            assert!(most_in_one_place(instances, bits) <= 4);
        }
    }
}
