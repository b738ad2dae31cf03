//! The policies that are known, each until its time is over. What is used is kept; of too many the one goes that was not asked for
//! for the longest time.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::policy::{StsMode, StsPolicy};
use crate::outbound::dns::host_name::HostName;

/// The most policies that are known.
pub const POLICIES_MAX: usize = 10_000;
/// The most octets that they take together.
pub const KNOWN_BYTES_MAX: usize = 4 << 20;
/// The octets that an entry takes beside its texts.
pub(super) const ENTRY_BYTES: usize = 128;
/// The age at which a policy is fetched again, if half of its time is not less (RFC 8461 §3.3 suggests once a day).
const REFRESH_AGE_MS: u64 = 24 * 60 * 60 * 1000;

/// The policy of a domain, as it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPolicy {
    /// The id that the domain's record had.
    pub id: Box<str>,
    /// When it was fetched, in milliseconds of the epoch.
    pub fetched_ms: u64,
    /// The treatment of hosts that do not meet it.
    pub mode: StsMode,
    /// The text: the fields that are known here, and no others.
    pub text: Rc<[u8]>,
    max_age_ms: u64,
    last_use: u64,
}

/// Known policies by their domains.
#[derive(Debug, Default)]
pub struct KnownPolicies {
    entries: HashMap<HostName, KnownPolicy>,
    /// Domains by when they were asked for last.
    by_use: BTreeMap<u64, HostName>,
    last_use: u64,
    bytes: usize,
}

impl KnownPolicy {
    /// Whether it holds.
    fn is_live(&self, now_ms: u64) -> bool {
        now_ms < self.fetched_ms.saturating_add(self.max_age_ms)
    }

    /// Whether it is to be fetched again, though it holds. A clock that was set back says nothing of its age.
    #[must_use]
    pub fn is_stale(&self, now_ms: u64) -> bool {
        let age = now_ms.checked_sub(self.fetched_ms);
        age.is_none_or(|age| age >= REFRESH_AGE_MS.min(self.max_age_ms / 2))
    }

    fn bytes(&self, domain: &HostName) -> usize {
        ENTRY_BYTES + domain.to_string().len() + self.id.len() + self.text.len()
    }
}

impl KnownPolicies {
    /// The policy of a domain, if it holds, which is in use then.
    pub fn get(&mut self, domain: &HostName, now_ms: u64) -> Option<&KnownPolicy> {
        let (domain, entry) = self.entries.remove_entry(domain)?;
        self.by_use.remove(&entry.last_use);
        if !entry.is_live(now_ms) {
            self.bytes -= entry.bytes(&domain);
            return None;
        }
        self.last_use += 1;
        self.by_use.insert(self.last_use, domain.clone());
        let last_use = self.last_use;
        let entry = KnownPolicy { last_use, ..entry };
        Some(self.entries.entry(domain).or_insert(entry))
    }

    /// Keeps a policy in place of the one that was known of this domain.
    pub fn keep(&mut self, domain: HostName, id: &str, policy: &StsPolicy, fetched_ms: u64) {
        self.remove(&domain);
        self.last_use += 1;
        let entry = KnownPolicy {
            id: id.into(),
            fetched_ms,
            mode: policy.mode,
            text: policy.to_string().into_bytes().into(),
            max_age_ms: u64::try_from(policy.max_age.as_millis()).unwrap_or(u64::MAX),
            last_use: self.last_use,
        };
        self.bytes += entry.bytes(&domain);
        self.by_use.insert(self.last_use, domain.clone());
        self.entries.insert(domain, entry);
        while self.entries.len() > POLICIES_MAX || self.bytes > KNOWN_BYTES_MAX {
            let Some((_, oldest)) = self.by_use.first_key_value() else {
                debug_assert!(false, "each entry has been used");
                break;
            };
            let oldest = oldest.clone();
            self.remove(&oldest);
        }
    }

    /// Forgets the policies that do not hold any more.
    pub fn remove_ended(&mut self, now_ms: u64) {
        let all = self.entries.iter();
        let ended = all.filter(|(_, entry)| !entry.is_live(now_ms));
        let ended: Vec<HostName> = ended.map(|(domain, _)| domain.clone()).collect();
        for domain in ended {
            self.remove(&domain);
        }
    }

    fn remove(&mut self, domain: &HostName) {
        if let Some(entry) = self.entries.remove(domain) {
            self.by_use.remove(&entry.last_use);
            self.bytes -= entry.bytes(domain);
        }
    }

    /// All policies that hold, the one first that was not used for the longest time.
    pub fn all(&self, now_ms: u64) -> impl Iterator<Item = (&HostName, &KnownPolicy)> {
        let entries = self.by_use.values();
        let entries = entries.filter_map(|domain| Some((domain, self.entries.get(domain)?)));
        entries.filter(move |(_, entry)| entry.is_live(now_ms))
    }

    /// The number of policies.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DAY_MS: u64 = REFRESH_AGE_MS;

    fn name(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }

    fn policy(max_age: u64, patterns: usize) -> StsPolicy {
        let mx = format!("mx: {}.example\n", "a".repeat(63)).repeat(patterns);
        let text = format!("version: STSv1\nmode: enforce\nmax_age: {max_age}\n{mx}");
        StsPolicy::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_policy_holds_for_its_time_and_is_stale_before() {
        for (max_age_seconds, stale_ms) in [(1000, 500_000), (30 * 86_400, DAY_MS)] {
            let mut known = KnownPolicies::default();
            let start = 5 * DAY_MS;
            known.keep(name("a"), "1", &policy(max_age_seconds, 1), start);
            let mut is_stale = |now| known.get(&name("a"), now).map(|it| it.is_stale(now));
            assert_eq!(is_stale(start), Some(false));
            assert_eq!(is_stale(start + stale_ms - 1), Some(false));
            assert_eq!(is_stale(start + stale_ms), Some(true));
            assert_eq!(is_stale(start - 1), Some(true), "the clock was set back");
            assert_eq!(is_stale(start + max_age_seconds * 1000 - 1), Some(true));
            assert_eq!(is_stale(start + max_age_seconds * 1000), None);
            assert_eq!((known.len(), known.by_use.len(), known.bytes), (0, 0, 0));
        }
        let mut known = KnownPolicies::default();
        known.keep(name("a"), "1", &policy(0, 1), 7);
        assert_eq!(known.get(&name("a"), 7), None);
    }

    #[test]
    fn of_too_many_the_one_goes_that_was_not_used() {
        let mut known = KnownPolicies::default();
        for number in 0..POLICIES_MAX {
            known.keep(name(&format!("n{number}")), "1", &policy(100, 1), 0);
        }
        assert!(known.get(&name("n0"), 1).is_some());
        known.keep(name("new"), "1", &policy(100, 1), 1);
        known.keep(name("new"), "2", &policy(100, 1), 2);
        assert_eq!(
            (known.len(), known.by_use.len()),
            (POLICIES_MAX, POLICIES_MAX)
        );
        let has = |text: &str, known: &mut KnownPolicies| known.get(&name(text), 3).is_some();
        assert!(has("n0", &mut known) && !has("n1", &mut known) && has("n2", &mut known));
        assert_eq!(known.get(&name("new"), 3).map(|it| &*it.id), Some("2"));
    }

    #[test]
    fn their_octets_are_bounded() {
        let mut known = KnownPolicies::default();
        for number in 0..2000 {
            known.keep(name(&format!("n{number}")), "1", &policy(100, 100), 0);
            assert!(known.bytes <= KNOWN_BYTES_MAX);
        }
        assert!((400..600).contains(&known.len()), "{}", known.len());
        let counted: usize = known.all(0).map(|(domain, it)| it.bytes(domain)).sum();
        assert_eq!(counted, known.bytes);
        let first = known.all(0).next().map(|(domain, _)| domain.to_string());
        assert_eq!(first, Some(format!("n{}", 2000 - known.len())));
        assert_eq!(known.all(100_000).count(), 0);
    }
}
