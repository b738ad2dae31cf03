//! The cache of the resolver: what was said of names, for as long as that holds.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::answer::{NameError, NameFound, NameKind, NameResult};
use super::host_name::HostName;

/// The most names in the cache, of all kinds together. Of one more, the entry goes that would end first.
pub const NAMES_MAX: usize = 10_000;
/// The most octets of the cache, about. 10,000 entries of a usual size take less.
pub const OCTETS_MAX: usize = 4 << 20;
/// The octets of an entry beside what was found and its name: its key stands in two places, and both have room to spare.
const ENTRY_BYTES: usize = 240;
/// The least and the most time for which a name keeps its records, whatever its owner says.
const FOUND_MIN: Duration = Duration::from_secs(30);
const FOUND_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// The most time for which a name is kept that has none.
const NOTHING_MAX: Duration = Duration::from_secs(5 * 60);

/// What is known is known of a name, and of what was asked of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameKey {
    /// The kind of the question.
    pub kind: NameKind,
    /// The name.
    pub name: HostName,
}

/// What was said of names: records, or that there are none. Failures are not kept: the next one who asks tries again.
#[derive(Debug)]
pub struct NameCache {
    entries: HashMap<NameKey, CacheEntry>,
    /// The ends of all entries.
    ends: BTreeSet<(Instant, NameKey)>,
    /// The octets of all entries.
    octets: usize,
    names_max: usize,
    octets_max: usize,
}

#[derive(Debug)]
struct CacheEntry {
    value: NameResult,
    end: Instant,
    octets: usize,
}

impl NameCache {
    /// An empty cache of at most so many names and octets.
    #[must_use]
    pub fn new(names_max: usize, octets_max: usize) -> Self {
        Self {
            entries: HashMap::new(),
            ends: BTreeSet::new(),
            octets: 0,
            names_max,
            octets_max,
        }
    }

    /// What is known of a name.
    pub fn get(&self, key: &NameKey, now: Instant) -> Option<NameResult> {
        let entry = self.entries.get(key)?;
        (now < entry.end).then(|| entry.value.clone())
    }

    /// Keeps what was found for this time, within bounds.
    pub fn keep(&mut self, key: NameKey, found: NameFound, ttl: Duration, now: Instant) {
        let end = now + ttl.clamp(FOUND_MIN, FOUND_MAX);
        self.insert(key, Ok(found), end, now);
    }

    /// Keeps what was found for the least time, since a part of it is missing.
    pub fn keep_part(&mut self, key: NameKey, found: NameFound, now: Instant) {
        self.keep(key, found, FOUND_MIN, now);
    }

    /// Keeps for this time, within bounds, that there is nothing: negative caching (RFC 2308).
    pub fn keep_nothing(&mut self, key: NameKey, why: NameError, ttl: Duration, now: Instant) {
        debug_assert!(why.is_certain(), "failures are not kept");
        self.insert(key, Err(why), now + ttl.min(NOTHING_MAX), now);
    }

    fn insert(&mut self, key: NameKey, value: NameResult, end: Instant, now: Instant) {
        self.remove(&key);
        let found = value.as_ref().map_or(0, NameFound::octets);
        let octets = ENTRY_BYTES + key.name.octets() + found;
        while let Some((first, ended)) = self.ends.first() {
            let has_room =
                self.entries.len() < self.names_max && self.octets + octets <= self.octets_max;
            if *first > now && has_room {
                break;
            }
            let ended = ended.clone();
            self.remove(&ended);
        }
        self.octets += octets;
        self.ends.insert((end, key.clone()));
        self.entries.insert(key, CacheEntry { value, end, octets });
    }

    fn remove(&mut self, key: &NameKey) {
        if let Some((key, entry)) = self.entries.remove_entry(key) {
            self.octets -= entry.octets;
            self.ends.remove(&(entry.end, key));
        }
    }

    /// The number of names in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.ends.clear();
        self.octets = 0;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::answer::NameRecords;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn key(text: &str) -> NameKey {
        let name = HostName::parse(text).unwrap();
        NameKey {
            kind: NameKind::Host,
            name,
        }
    }

    fn found() -> NameFound {
        NameFound::addresses([[192, 0, 2, 1].into()].into())
    }

    fn cache(names_max: usize) -> NameCache {
        NameCache::new(names_max, OCTETS_MAX)
    }

    #[test]
    fn times_are_kept_within_bounds() {
        let start = Instant::now();
        for (ttl, kept) in [
            (0, 30),
            (29, 30),
            (31, 31),
            (86_400, 86_400),
            (u64::from(u32::MAX), 86_400),
        ] {
            let mut cache = cache(10);
            cache.keep(key("a"), found(), Duration::from_secs(ttl), start);
            let end = start + Duration::from_secs(kept);
            assert_eq!(
                cache.get(&key("a"), end - SECOND),
                Some(Ok(found())),
                "{ttl}"
            );
            assert_eq!(cache.get(&key("a"), end), None, "{ttl}");
        }
        for (ttl, kept) in [(1, 1), (300, 300), (86_400, 300)] {
            let mut cache = cache(10);
            let why = NameError::NoSuchName;
            cache.keep_nothing(key("a"), why, Duration::from_secs(ttl), start);
            let end = start + Duration::from_secs(kept);
            assert_eq!(cache.get(&key("a"), end - SECOND), Some(Err(why)));
            assert_eq!(cache.get(&key("a"), end), None, "{ttl}");
        }
    }

    #[test]
    fn the_first_to_end_goes_where_there_is_no_room() {
        let now = Instant::now();
        let mut cache = cache(3);
        for (text, ttl) in [("a", 300), ("b", 100), ("c", 200), ("d", 50)] {
            cache.keep(key(text), found(), Duration::from_secs(ttl), now);
        }
        let kept = ["a", "b", "c", "d"].map(|text| cache.get(&key(text), now).is_some());
        assert_eq!(kept, [true, false, true, true]);
        assert_eq!((cache.len(), cache.ends.len()), (3, 3));
    }

    #[test]
    fn long_answers_take_the_room_of_many() {
        let now = Instant::now();
        let mut cache = cache(NAMES_MAX);
        for number in 0..1_000 {
            cache.keep(key(&format!("n{number}")), found(), 3600 * SECOND, now);
        }
        assert_eq!(cache.len(), 1_000);
        let texts: Vec<_> = (0..16).map(|_| vec![0; 4096].into_boxed_slice()).collect();
        let records = NameRecords::Texts(texts.into());
        let (canonical, is_authenticated) = (None, false);
        let long = NameFound {
            records,
            canonical,
            is_authenticated,
        };
        for number in 0..1_000 {
            let kind = NameKind::Texts;
            let name = key(&format!("n{number}")).name;
            cache.keep(NameKey { kind, name }, long.clone(), 7200 * SECOND, now);
            assert!(cache.octets <= OCTETS_MAX);
        }
        assert_eq!(cache.len(), 63, "of 64 KiB each");
        cache.clear();
        assert_eq!(cache.octets, 0);
    }

    #[test]
    fn a_name_is_known_by_the_kind_of_the_question_too() {
        let now = Instant::now();
        let mut cache = cache(NAMES_MAX);
        cache.keep(key("a"), found(), 30 * SECOND, now);
        let other = NameKey {
            kind: NameKind::Exchangers,
            ..key("a")
        };
        assert_eq!(cache.get(&other, now), None);
        cache.keep_nothing(other.clone(), NameError::NoData, SECOND, now);
        assert_eq!(cache.get(&other, now), Some(Err(NameError::NoData)));
        assert_eq!(cache.get(&key("a"), now), Some(Ok(found())));
    }

    #[test]
    fn what_has_ended_makes_room_and_what_is_said_again_takes_one_place() {
        let now = Instant::now();
        let mut cache = cache(NAMES_MAX);
        for number in 0..NAMES_MAX + 5 {
            cache.keep(key(&format!("n{number}")), found(), 30 * SECOND, now);
        }
        assert_eq!((cache.len(), cache.ends.len()), (NAMES_MAX, NAMES_MAX));
        let later = now + 31 * SECOND;
        cache.keep(key("new"), found(), 60 * SECOND, later);
        cache.keep(key("new"), found(), 90 * SECOND, later);
        assert_eq!((cache.len(), cache.ends.len()), (1, 1));
        cache.clear();
        assert!(cache.is_empty() && cache.ends.is_empty());
    }
}
