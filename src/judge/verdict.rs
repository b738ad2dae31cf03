//! What came of a check.

use std::time::Duration;

use super::check::CheckPlace;
use super::transcript::CheckTranscript;

/// The verdict on a judged program, by one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckVerdict {
    /// It does as it has to.
    Passed,
    /// It does not.
    Failed(CheckFailure),
    /// The check does not apply to it, and why.
    Skipped(String),
    /// The check was not run, and why.
    NotRun(String),
}

/// What was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckFailure {
    /// The place of the step that was not met.
    pub place: CheckPlace,
    /// What had to come.
    pub expected: String,
    /// What came instead.
    pub came: String,
    /// Its kind.
    pub kind: CheckFailureKind,
}

/// The kind of a failure, by what the judge makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckFailureKind {
    /// Something else came than had to.
    Wrong,
    /// Nothing came in time.
    Timeout,
    /// There was no connection to be had.
    Unreachable,
}

/// What came of a check, and how.
#[derive(Clone, Debug)]
pub struct CheckOutcome {
    /// The verdict.
    pub verdict: CheckVerdict,
    /// What was said.
    pub transcript: CheckTranscript,
    /// How long it took.
    pub took: Duration,
}

impl CheckOutcome {
    /// Whether it is a failure of this kind.
    #[must_use]
    pub fn has_failed_by(&self, kind: CheckFailureKind) -> bool {
        matches!(&self.verdict, CheckVerdict::Failed(failure) if failure.kind == kind)
    }

    /// The outcome of a check that was not run.
    #[must_use]
    pub fn not_run(why: impl Into<String>) -> Self {
        Self {
            verdict: CheckVerdict::NotRun(why.into()),
            transcript: CheckTranscript::default(),
            took: Duration::ZERO,
        }
    }
}
