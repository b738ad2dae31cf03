//! The reports for programs.

use std::fmt::Write;

use super::text::details;
use super::{JudgedCheck, JudgedRun};
use crate::json::Members;
use crate::judge::check::CheckLevel;
use crate::judge::transcript::CheckSpeaker;
use crate::judge::verdict::{CheckOutcome, CheckVerdict};

/// A run as JSON.
#[must_use]
pub fn json(run: &JudgedRun) -> Vec<u8> {
    let tally = run.tally();
    let mut members = Members::default();
    members.text("judged", &run.subject);
    members.text("dialect", run.dialect);
    members.text("result", if run.is_right() { "passed" } else { "failed" });
    for (name, number) in [
        ("passed", tally.passed),
        ("failed", tally.failed),
        ("should_failed", tally.unmet),
        ("skipped", tally.skipped),
        ("not_run", tally.not_run),
    ] {
        members.number(name, number as u64);
    }
    members.number("points", tally.points.into());
    members.number("points_max", tally.points_max.into());
    let first = run.read_first().map(|judged| judged.check.name.as_str());
    members.text_or_null("read_first", first);
    members.text_or_null("died_in", run.died_in.as_deref());
    let checks: Vec<_> = run.checks.iter().map(json_check).collect();
    members.array("checks", &checks);
    [&members.into_object()[..], b"\n"].concat()
}

fn json_check(judged: &JudgedCheck) -> Box<[u8]> {
    let JudgedCheck { check, outcome } = judged;
    let mut members = Members::default();
    members.text("name", &check.name);
    members.text("group", &check.group);
    members.number("step", check.step.into());
    members.text("level", check.level.name());
    members.text("sentence", &check.sentence);
    members.text("rfc", &check.rfc);
    members.text("result", result(&outcome.verdict));
    members.number("points", judged.points().into());
    members.number("points_max", check.points.into());
    members.number(
        "ms",
        u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX),
    );
    match &outcome.verdict {
        CheckVerdict::Passed => {}
        CheckVerdict::Skipped(why) | CheckVerdict::NotRun(why) => members.text("why", why),
        CheckVerdict::Failed(failure) => {
            members.text("expected", &failure.expected);
            members.text("came", &failure.came);
            let place = &failure.place;
            members.text("place", &format!("{}:{}", place.file, place.line));
            members.text_or_null("hint", check.hint.as_deref());
            members.array("transcript", &json_transcript(outcome));
        }
    }
    members.into_object()
}

fn json_transcript(outcome: &CheckOutcome) -> Vec<Box<[u8]>> {
    let entries = outcome.transcript.entries().iter();
    let lines = entries.flat_map(|entry| {
        entry.lines().into_iter().map(|line| {
            let mut members = Members::default();
            members.number(
                "ms",
                u64::try_from(entry.at.as_millis()).unwrap_or(u64::MAX),
            );
            members.number("client", entry.peer.into());
            let from = match entry.speaker {
                CheckSpeaker::Client => "C",
                CheckSpeaker::Server => "S",
                CheckSpeaker::Note => "",
            };
            members.text("from", from);
            members.text("line", &line);
            members.into_object()
        })
    });
    lines.collect()
}

fn result(verdict: &CheckVerdict) -> &'static str {
    match verdict {
        CheckVerdict::Passed => "passed",
        CheckVerdict::Failed(_) => "failed",
        CheckVerdict::Skipped(_) => "skipped",
        CheckVerdict::NotRun(_) => "not-run",
    }
}

/// A run in the Test Anything Protocol, version 14. A should that fails is a TODO, which fails no run.
#[must_use]
pub fn tap(run: &JudgedRun) -> String {
    let mut text = format!("TAP version 14\n1..{}\n", run.checks.len());
    for (number, judged) in (1..).zip(&run.checks) {
        let JudgedCheck { check, outcome } = judged;
        let is_todo = check.level == CheckLevel::Should;
        let (ok, directive) = match &outcome.verdict {
            CheckVerdict::Passed => ("ok", String::new()),
            CheckVerdict::Skipped(why) => ("ok", format!(" # SKIP {why}")),
            CheckVerdict::NotRun(why) if is_todo => ("not ok", format!(" # TODO not run: {why}")),
            CheckVerdict::Failed(_) if is_todo => ("not ok", " # TODO a should".to_owned()),
            CheckVerdict::Failed(_) | CheckVerdict::NotRun(_) => ("not ok", String::new()),
        };
        let told = format!("{}: {}", check.name, check.sentence).replace('#', "\\#");
        let _ = writeln!(text, "{ok} {number} - {told}{directive}");
        let told = match &outcome.verdict {
            CheckVerdict::Failed(_) => details(judged, false),
            CheckVerdict::NotRun(why) => format!("  not run: {why}\n"),
            CheckVerdict::Passed | CheckVerdict::Skipped(_) => continue,
        };
        text += "  ---\n  message: |\n";
        for line in told.lines() {
            let _ = writeln!(text, "  {line}");
        }
        text += "  ...\n";
    }
    text
}

/// A run as `results.json` of Gradescope.
#[must_use]
pub fn gradescope(run: &JudgedRun) -> Vec<u8> {
    let tally = run.tally();
    let mut members = Members::default();
    members.number("score", tally.points.into());
    let output = match run.read_first() {
        Some(JudgedCheck { check, .. }) => {
            format!("Read first: {}. {}", check.name, check.sentence)
        }
        None if run.is_right() => "Every must holds.".to_owned(),
        None => "Not every must holds.".to_owned(),
    };
    let died = run.died_in.iter();
    let died =
        died.map(|check| format!("\nThe server died in the check {check}, or right after it."));
    members.text("output", &(output + &died.collect::<String>()));
    let tests: Vec<_> = run.checks.iter().map(gradescope_test).collect();
    members.array("tests", &tests);
    [&members.into_object()[..], b"\n"].concat()
}

fn gradescope_test(judged: &JudgedCheck) -> Box<[u8]> {
    let JudgedCheck { check, outcome } = judged;
    let mut members = Members::default();
    members.number("score", judged.points().into());
    members.number("max_score", check.points.into());
    let (status, output) = match &outcome.verdict {
        CheckVerdict::Passed => ("passed", check.sentence.clone()),
        CheckVerdict::Skipped(why) => ("passed", format!("{}\n({why})", check.sentence)),
        CheckVerdict::NotRun(why) => ("failed", format!("{}\nNot run: {why}.", check.sentence)),
        CheckVerdict::Failed(_) => ("failed", details(judged, true)),
    };
    members.text("status", status);
    members.text("name", &format!("{}: {}", check.group, check.name));
    members.text("number", &check.step.to_string());
    members.text("output", &output);
    members.text("visibility", "visible");
    members.into_object()
}
