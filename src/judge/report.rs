//! What is told of a run: for people, as JSON, as TAP, and for Gradescope.

mod formats;
mod text;

pub use formats::{gradescope, json, tap};
pub use text::{TextReport, list};

use super::check::{CheckLevel, JudgeCheck};
use super::verdict::{CheckOutcome, CheckVerdict};

/// A check and what came of it.
#[derive(Clone, Debug)]
pub struct JudgedCheck {
    /// The check.
    pub check: JudgeCheck,
    /// What came of it.
    pub outcome: CheckOutcome,
}

/// All that a run came to.
#[derive(Clone, Debug)]
pub struct JudgedRun {
    /// What was judged, as the command line names it.
    pub subject: String,
    /// The name of the dialect.
    pub dialect: &'static str,
    /// The checks, in their order.
    pub checks: Vec<JudgedCheck>,
    /// The check in or after which the judged server died.
    pub died_in: Option<String>,
}

/// The numbers of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JudgeTally {
    /// Checks that passed.
    pub passed: usize,
    /// Checks of a must that failed.
    pub failed: usize,
    /// Checks of a should that failed.
    pub unmet: usize,
    /// Checks that do not apply.
    pub skipped: usize,
    /// Checks that were not run.
    pub not_run: usize,
    /// Points that were reached.
    pub points: u32,
    /// Points that there are.
    pub points_max: u32,
}

impl JudgedCheck {
    /// Whether it keeps the judged program from being right.
    #[must_use]
    pub fn is_against(&self) -> bool {
        self.check.level == CheckLevel::Must
            && matches!(
                self.outcome.verdict,
                CheckVerdict::Failed(_) | CheckVerdict::NotRun(_)
            )
    }

    /// The points reached by it. A check that does not apply is no fault.
    #[must_use]
    pub fn points(&self) -> u32 {
        match self.outcome.verdict {
            CheckVerdict::Passed | CheckVerdict::Skipped(_) => self.check.points,
            CheckVerdict::Failed(_) | CheckVerdict::NotRun(_) => 0,
        }
    }
}

impl JudgedRun {
    /// Whether every must passed.
    #[must_use]
    pub fn is_right(&self) -> bool {
        !self.checks.iter().any(JudgedCheck::is_against)
    }

    /// The check to read first: of those that failed the first one, in the order of the steps of an assignment.
    #[must_use]
    pub fn read_first(&self) -> Option<&JudgedCheck> {
        let failed = self.checks.iter().filter(|judged| {
            judged.is_against() && matches!(judged.outcome.verdict, CheckVerdict::Failed(_))
        });
        failed.min_by_key(|judged| judged.check.step)
    }

    /// The numbers.
    #[must_use]
    pub fn tally(&self) -> JudgeTally {
        let mut tally = JudgeTally::default();
        for judged in &self.checks {
            tally.points += judged.points();
            tally.points_max += judged.check.points;
            let number = match (&judged.outcome.verdict, judged.check.level) {
                (CheckVerdict::Passed, _) => &mut tally.passed,
                (CheckVerdict::Failed(_), CheckLevel::Must) => &mut tally.failed,
                (CheckVerdict::Failed(_), CheckLevel::Should) => &mut tally.unmet,
                (CheckVerdict::Skipped(_), _) => &mut tally.skipped,
                (CheckVerdict::NotRun(_), _) => &mut tally.not_run,
            };
            *number += 1;
        }
        tally
    }
}
