//! The rules in force, with their counts.

use core::time::Duration;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Instant;

use super::own::rule_of;
use super::place::{FaultKey, FaultPlace};
use super::rule::{FaultPace, FaultRule};

/// The most rules that may be set by others than the operator.
pub const RULES_MAX: usize = 1000;
/// The most keys that rules with `by` have counts for, all together; the oldest is forgotten. A key has as many octets as an
/// address, so that all take some MiB at most.
const KEYS_MAX: usize = 10_000;
/// The minute of `N/min`.
const MINUTE: Duration = Duration::from_secs(60);

/// What a session has come to, as rules look at it.
#[derive(Clone, Copy, Debug)]
pub struct FaultSubject<'a> {
    /// The place.
    pub place: FaultPlace,
    /// What patterns are compared with there: the address of the client, the name of its hello, the user, the sender (`<>` if it is
    /// null), the recipient; all recipients at [`FaultPlace::Data`] and [`FaultPlace::End`].
    pub names: &'a [String],
    /// The address of the client.
    pub ip: &'a str,
    /// The sender, where it is known.
    pub from: &'a str,
}

/// The rules in force, with their counts.
#[derive(Debug, Default)]
pub struct FaultRules {
    rules: Vec<CountedRule>,
    /// The keys that have a count, with the rule; the oldest first.
    keys: VecDeque<(usize, Rc<str>)>,
    /// Whether a recipient may carry a rule in its own address.
    by_recipients: bool,
}

#[derive(Debug)]
struct CountedRule {
    rule: Rc<FaultRule>,
    hits: u64,
    /// The count of a rule without a key.
    count: FaultCount,
    by_key: HashMap<Rc<str>, FaultCount>,
}

/// A count of what fitted a rule: since it is in force, or in a minute.
#[derive(Clone, Copy, Debug, Default)]
struct FaultCount {
    count: u64,
    since: Option<Instant>,
}

impl FaultCount {
    /// Counts one more; whether the rule decides on it.
    fn add(&mut self, pace: FaultPace, now: Instant) -> bool {
        if let FaultPace::PerMinute(_) = pace {
            let since = *self.since.get_or_insert(now);
            if now.saturating_duration_since(since) >= MINUTE {
                *self = Self {
                    count: 0,
                    since: Some(now),
                };
            }
        }
        self.count += 1;
        match pace {
            FaultPace::Always => true,
            FaultPace::Nth(count) => self.count == count,
            FaultPace::From(count) => self.count >= count,
            FaultPace::PerMinute(count) => self.count > count,
        }
    }
}

impl FaultRules {
    /// These rules, their counts at 0.
    #[must_use]
    pub fn new(rules: impl IntoIterator<Item = FaultRule>, by_recipients: bool) -> Self {
        let counted = |rule| CountedRule {
            rule: Rc::new(rule),
            hits: 0,
            count: FaultCount::default(),
            by_key: HashMap::new(),
        };
        Self {
            rules: rules.into_iter().map(counted).collect(),
            keys: VecDeque::new(),
            by_recipients,
        }
    }

    /// Goes on with these rules, their counts at 0. A recipient may carry one as before.
    pub fn replace(&mut self, rules: Vec<FaultRule>) {
        *self = Self::new(rules, self.by_recipients);
    }

    /// Whether a recipient may carry a rule in its own address.
    #[must_use]
    pub fn by_recipients(&self) -> bool {
        self.by_recipients
    }

    /// The rules in their order, each with the number of times that it has decided.
    pub fn all(&self) -> impl ExactSizeIterator<Item = (&FaultRule, u64)> {
        self.rules
            .iter()
            .map(|counted| (&*counted.rule, counted.hits))
    }

    /// Whether the others are the same rules, whatever was counted.
    #[must_use]
    pub fn are_same(&self, other: &Self) -> bool {
        let same_recipients = self.by_recipients == other.by_recipients;
        let rules = self.all().map(|(rule, _)| rule);
        same_recipients && rules.eq(other.all().map(|(rule, _)| rule))
    }

    /// Whether nothing is ever decided.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && !self.by_recipients
    }

    /// Counts what a session has come to; the rule that decides on it, if one does. Names and key are compared without case.
    #[must_use]
    pub fn decide(&mut self, subject: FaultSubject<'_>, now: Instant) -> Option<Rc<FaultRule>> {
        if self.is_empty() {
            return None;
        }
        let names: Vec<String> = subject
            .names
            .iter()
            .map(|name| name.to_lowercase())
            .collect();
        let from = subject.from.to_lowercase();
        let mut decided = None;
        for index in 0..self.rules.len() {
            let rule = Rc::clone(&self.rules[index].rule);
            if rule.place != subject.place {
                continue;
            }
            let mut fitting = names.iter().filter(|name| rule.fits(name));
            let is_due = match rule.key {
                Some(FaultKey::Rcpt) => fitting.fold(false, |is_due, name| {
                    self.add(index, Some(name), rule.pace, now) | is_due
                }),
                key => {
                    let key = match key {
                        Some(FaultKey::From) => Some(&*from),
                        Some(_) => Some(subject.ip),
                        None => None,
                    };
                    fitting.next().is_some() && self.add(index, key, rule.pace, now)
                }
            };
            if is_due && decided.is_none() {
                self.rules[index].hits += 1;
                decided = Some(rule);
            }
        }
        let may_carry = self.by_recipients && subject.place == FaultPlace::Rcpt;
        decided.or_else(|| rule_of(subject.names.first()?).filter(|_| may_carry))
    }

    /// Counts one more for a rule, or for a key of it; whether the rule decides on it.
    fn add(&mut self, index: usize, key: Option<&str>, pace: FaultPace, now: Instant) -> bool {
        let counted = &mut self.rules[index];
        let Some(key) = key else {
            return counted.count.add(pace, now);
        };
        if let Some(count) = counted.by_key.get_mut(key) {
            return count.add(pace, now);
        }
        let mut count = FaultCount::default();
        let is_due = count.add(pace, now);
        let key: Rc<str> = key.into();
        counted.by_key.insert(Rc::clone(&key), count);
        self.keys.push_back((index, key));
        if self.keys.len() > KEYS_MAX
            && let Some((index, oldest)) = self.keys.pop_front()
        {
            self.rules[index].by_key.remove(&oldest);
        }
        is_due
    }
}
