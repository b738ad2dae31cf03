//! One rule, read.

use core::fmt;
use core::time::Duration;
use std::rc::Rc;

use super::glob::Glob;
use super::place::{FaultKey, FaultPlace};
use super::reply::FaultReply;

/// The counts at which a rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultPace {
    /// Every time.
    Always,
    /// `#N`: the N-th time only.
    Nth(u64),
    /// `#N+`: from the N-th time on.
    From(u64),
    /// `N/min`: every time beyond so many in a minute.
    PerMinute(u64),
}

/// What a rule has happen, after its delay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultOutcome {
    /// What would happen without it.
    Proceed,
    /// This reply, and after it the end of the connection where that is said.
    Reply {
        /// The reply.
        reply: Rc<FaultReply>,
        /// Whether the connection ends after it.
        closes: bool,
    },
    /// The end of the connection, without another word.
    Close,
    /// The usual answers, though nothing is kept.
    Drop,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultRule {
    pub(super) text: String,
    pub(super) place: FaultPlace,
    /// Anything, if there is none.
    pub(super) pattern: Option<Glob>,
    pub(super) pace: FaultPace,
    pub(super) key: Option<FaultKey>,
    pub(super) delay: Duration,
    pub(super) outcome: FaultOutcome,
}

impl FaultRule {
    /// The delay before what it has happen; zero for none.
    #[must_use]
    pub fn delay(&self) -> Duration {
        self.delay
    }

    /// What it has happen.
    #[must_use]
    pub fn outcome(&self) -> &FaultOutcome {
        &self.outcome
    }

    /// Whether its pattern fits this text, which is in lower case.
    pub(super) fn fits(&self, name: &str) -> bool {
        self.pattern
            .as_ref()
            .is_none_or(|pattern| pattern.fits(name))
    }
}

/// The text from which it was read.
impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
