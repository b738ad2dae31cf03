//! The fate of one recipient, and a message as a peer took it.

/// How a recipient is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Sent,
    Failed,
    Deleted,
}

/// Something that was told at an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    #[expect(dead_code, reason = "for whoever reads of a fault")]
    pub(super) how: How,
    pub(super) event: u64,
    /// It was being sent to just then, so that the reply may decide otherwise.
    pub(super) in_flight: bool,
}

/// A peer has said that it has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Take {
    pub(super) number: u64,
    pub(super) is_heard: bool,
    /// Claimed, or excused by a crash.
    pub(super) is_settled: bool,
}

#[derive(Debug, Default)]
pub(super) struct Fate {
    /// By the present server.
    pub(super) told: Option<Told>,
    pub(super) durable: Option<How>,
    /// When it was held, and released.
    pub(super) holds: Vec<(u64, Option<u64>)>,
    pub(super) takes: Vec<Take>,
    /// Deliveries to its mailbox that the present server knows of and has not claimed.
    pub(super) delivered: u32,
    pub(super) failure_reports: u32,
    pub(super) success_reports: u32,
}

/// A message as a peer took it.
pub struct Received<'a> {
    pub from: &'a str,
    /// Those that it has accepted.
    pub to: &'a [String],
    pub text: &'a [u8],
    /// When its end was written, and whether a write before this event left something behind that may be it.
    pub written: u64,
    pub was_pending_at: &'a dyn Fn(u64) -> bool,
    pub peer: &'a str,
}

impl Fate {
    /// Uses one delivery up.
    pub(super) fn claim(&mut self, is_local: bool) -> bool {
        if is_local {
            let is_there = self.delivered > 0;
            self.delivered = self.delivered.saturating_sub(1);
            return is_there;
        }
        let mut takes = self.takes.iter_mut();
        let take = takes.find(|take| take.is_heard && !take.is_settled);
        take.map(|take| take.is_settled = true).is_some()
    }

    /// Why a message whose end was written then must not go to it.
    pub(super) fn may_not_get(&self, received: &Received<'_>) -> Option<String> {
        let written = received.written;
        let is_over = self.told.filter(|told| {
            let is_pending = told.in_flight && (received.was_pending_at)(told.event);
            told.event < written && !is_pending
        });
        if let Some(told) = is_over {
            return Some(format!("who is over: {told:?} before {written}"));
        }
        let mut holds = self.holds.iter();
        let held = holds
            .find(|(from, until)| *from < written && until.is_none_or(|until| written < until));
        if held.is_some() {
            return Some("who is held".to_owned());
        }
        let is_known = self
            .takes
            .iter()
            .any(|take| take.is_heard && !take.is_settled);
        is_known.then(|| "though it was heard that he has it".to_owned())
    }
}
