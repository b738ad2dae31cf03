//! The refusals of a session, counted by their reasons, so that each reason has a bounded number of log lines.

use crate::smtp::reply::Reply;

/// The most refusals for one reason that a session has in the log; of further ones only their number is told, at its end.
const LINES_MAX: u32 = 10;

/// The refusals of a session, counted by their reasons. There are as many reasons as replies. Most sessions have none, and own
/// no memory for them.
#[derive(Default)]
pub(super) struct Refusals(Option<Box<RefusalCounts>>);

#[derive(Default)]
struct RefusalCounts {
    refused: Vec<(Reply, u32)>,
    /// Failures of the store, of which each leads to a refusal.
    failed: Vec<(Reply, u32)>,
}

impl Refusals {
    /// RefusalCounts a refusal; whether it has a line of its own.
    pub(super) fn add(&mut self, reply: Reply) -> bool {
        let counts = self.0.get_or_insert_default();
        count(&mut counts.refused, reply) <= LINES_MAX
    }

    /// RefusalCounts a failure of the store; whether it has a line of its own.
    pub(super) fn add_failure(&mut self, reply: Reply) -> bool {
        let counts = self.0.get_or_insert_default();
        count(&mut counts.failed, reply) <= LINES_MAX
    }

    /// Numbers of refusals that had no line of their own, by their reasons.
    pub(super) fn untold(&self) -> impl Iterator<Item = (Reply, u32)> {
        let counts = self.0.iter().flat_map(|counts| &counts.refused);
        counts
            .filter(|(_, count)| *count > LINES_MAX)
            .map(|(reply, count)| (*reply, count - LINES_MAX))
    }
}

/// RefusalCounts one more of `reply`, and returns how many there are.
fn count(counts: &mut Vec<(Reply, u32)>, reply: Reply) -> u32 {
    let place = counts.iter().position(|(counted, _)| *counted == reply);
    let place = place.unwrap_or_else(|| {
        counts.push((reply, 0));
        counts.len() - 1
    });
    let (_, count) = &mut counts[place];
    *count = count.saturating_add(1);
    *count
}
