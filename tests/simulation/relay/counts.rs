//! Counts of what happened, by name: a simulation that finds nothing wrong is to show that it did something.

use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Counts(pub BTreeMap<&'static str, u64>);

impl Counts {
    pub fn add(&mut self, what: &'static str, count: u64) {
        *self.0.entry(what).or_default() += count;
    }

    pub fn merge(&mut self, others: &Self) {
        for (what, count) in &others.0 {
            self.add(what, *count);
        }
    }
}
