//! The report for people: one line a check as it is played, then what failed, with all that was said.

use std::fmt::Write;

use super::{JudgedCheck, JudgedRun};
use crate::judge::check::{CheckLevel, JudgeCheck};
use crate::judge::verdict::{CheckOutcome, CheckVerdict};

/// The most lines of a transcript that are shown; the last ones are.
const TRANSCRIPT_LINES_MAX: usize = 60;

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const BOLD: &str = "1";

/// A report that is written part by part.
#[derive(Debug, Default)]
pub struct TextReport {
    is_coloured: bool,
    group: String,
    name_width: usize,
}

impl TextReport {
    /// A report on checks of these names, in colours or not.
    #[must_use]
    pub fn new<'a>(names: impl Iterator<Item = &'a str>, is_coloured: bool) -> Self {
        Self {
            is_coloured,
            group: String::new(),
            name_width: names.map(str::len).max().unwrap_or(0),
        }
    }

    /// The line of one check, after that of its group where that is another one.
    pub fn check(&mut self, check: &JudgeCheck, outcome: &CheckOutcome) -> String {
        let mut text = String::new();
        if self.group != check.group {
            self.group.clone_from(&check.group);
            text += &format!("{}\n", self.paint(BOLD, &check.group));
        }
        let (colour, mark) = mark(check, outcome);
        let told = match &outcome.verdict {
            CheckVerdict::Passed | CheckVerdict::Failed(_) => check.sentence.clone(),
            CheckVerdict::Skipped(why) | CheckVerdict::NotRun(why) => format!("({why})"),
        };
        let (name, width) = (&check.name, self.name_width);
        text + &format!("  {} {name:width$}  {told}\n", self.paint(colour, mark))
    }

    /// All that follows the lines of the checks: what failed, and the sum.
    #[must_use]
    pub fn end(&self, run: &JudgedRun) -> String {
        let mut text = String::new();
        for judged in &run.checks {
            if let CheckVerdict::Failed(_) = judged.outcome.verdict {
                text += &self.failure(judged);
            }
        }
        text + &self.sum(run)
    }

    fn failure(&self, judged: &JudgedCheck) -> String {
        let JudgedCheck { check, outcome } = judged;
        let (colour, mark) = mark(check, outcome);
        let title = format!("{} {}", mark.trim_end(), check.name);
        format!(
            "\n{}\n{}",
            self.paint(colour, &title),
            details(judged, true)
        )
    }

    fn sum(&self, run: &JudgedRun) -> String {
        let tally = run.tally();
        let mut text = format!("\n{} passed, {} failed", tally.passed, tally.failed);
        for (number, what) in [
            (tally.unmet, "of what should be not met"),
            (tally.not_run, "not run"),
            (tally.skipped, "skipped"),
        ] {
            if number > 0 {
                let _ = write!(text, ", {number} {what}");
            }
        }
        text += ".\n";
        if let Some(check) = &run.died_in {
            let name = self.paint(BOLD, check);
            let _ = writeln!(
                text,
                "The server died in the check {name}, or right after it."
            );
        }
        if let Some(JudgedCheck { check, .. }) = run.read_first() {
            let name = self.paint(BOLD, &check.name);
            let _ = writeln!(
                text,
                "Read first: {name}, of step {}. {}",
                check.step, check.sentence
            );
        }
        let (colour, verdict) = match run.is_right() {
            true => (GREEN, "Every must holds."),
            false => (RED, "Not every must holds."),
        };
        text + &format!("{}\n", self.paint(colour, verdict))
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        match self.is_coloured {
            true => format!("\x1B[{colour}m{text}\x1B[0m"),
            false => text.to_owned(),
        }
    }
}

/// The word in front of a check, with its colour.
fn mark(check: &JudgeCheck, outcome: &CheckOutcome) -> (&'static str, &'static str) {
    match (&outcome.verdict, check.level) {
        (CheckVerdict::Passed, _) => (GREEN, "ok     "),
        (CheckVerdict::Failed(_), CheckLevel::Must) => (RED, "FAILED "),
        (CheckVerdict::Failed(_), CheckLevel::Should) => (YELLOW, "should "),
        (CheckVerdict::Skipped(_), _) => (YELLOW, "skipped"),
        (CheckVerdict::NotRun(_), _) => (YELLOW, "not run"),
    }
}

/// What a failure comes from, line by line: the sentence unless that was told, the section, what had to come and what came, and the
/// transcript.
pub(super) fn details(judged: &JudgedCheck, with_sentence: bool) -> String {
    let JudgedCheck { check, outcome } = judged;
    let mut text = String::new();
    if with_sentence {
        let _ = writeln!(text, "  {}", check.sentence);
    }
    if !check.rfc.is_empty() {
        let _ = writeln!(text, "  RFC {}", check.rfc);
    }
    if let CheckVerdict::Failed(failure) = &outcome.verdict {
        let place = &failure.place;
        let _ = writeln!(
            text,
            "  expected: {} ({}:{})",
            failure.expected, place.file, place.line
        );
        let _ = writeln!(text, "  came:     {}", failure.came);
        if let Some(hint) = &check.hint {
            let _ = writeln!(text, "  hint:     {hint}");
        }
    }
    text + &transcript(outcome)
}

fn transcript(outcome: &CheckOutcome) -> String {
    let mut lines = Vec::new();
    for entry in outcome.transcript.entries() {
        let at = entry.at.as_secs_f64();
        for line in entry.lines() {
            lines.push(format!("  {at:7.3} {} {line}\n", entry.mark()));
        }
    }
    let left_out = lines.len().saturating_sub(TRANSCRIPT_LINES_MAX);
    let mut text = match left_out + outcome.transcript.left_out() {
        0 => String::new(),
        number => format!("          … {number} lines before this\n"),
    };
    text.extend(lines.drain(left_out..));
    text
}

/// A list of checks, a line each.
#[must_use]
pub fn list<'a>(checks: impl Iterator<Item = &'a JudgeCheck> + Clone) -> String {
    let width = checks
        .clone()
        .map(|check| check.name.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    let mut group = "";
    for check in checks {
        if group != check.group {
            group = &check.group;
            let _ = writeln!(text, "{group}");
        }
        let JudgeCheck {
            name,
            step,
            sentence,
            rfc,
            ..
        } = check;
        let level = check.level.name();
        let rfc = if rfc.is_empty() {
            String::new()
        } else {
            format!(" (RFC {rfc})")
        };
        let _ = writeln!(
            text,
            "  {name:width$}  step {step}  {level:6}  {sentence}{rfc}"
        );
    }
    text
}
