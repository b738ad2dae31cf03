//! Answers that had to come, and failures of a step, in words.

use std::time::Duration;

use super::StepProgress;
use crate::judge::check::{CheckStep, Expectation, ExpectedAnswer};
use crate::judge::reply::{HeardReply, Quoted8Bit, fits};
use crate::judge::verdict::{CheckFailure, CheckFailureKind, CheckVerdict};

/// A failure of this step, which its peer with that number has met.
pub(super) fn failure(
    step: &CheckStep,
    expected: String,
    number: u8,
    came: String,
) -> CheckFailure {
    let to = match number {
        1 => String::new(),
        number => format!(", to client {number}"),
    };
    CheckFailure {
        place: step.place.clone(),
        expected: expected + &to,
        came,
        kind: CheckFailureKind::Wrong,
    }
}

pub(super) fn over(failure: CheckFailure, kind: CheckFailureKind) -> StepProgress {
    StepProgress::Over(CheckVerdict::Failed(CheckFailure { kind, ..failure }))
}

/// What came where an answer did not come in time.
pub(super) fn nothing_more(unread: &[u8], time: Duration) -> String {
    let time = time.as_secs_f32();
    if unread.is_empty() {
        format!("nothing within {time} s")
    } else {
        format!(
            "{} without the end of a line, and nothing more within {time} s",
            Quoted8Bit(unread)
        )
    }
}

pub(super) fn is_expected(expectation: &Expectation, reply: &HeardReply) -> bool {
    let is_code = expectation.any.iter().any(|answer| match answer {
        ExpectedAnswer::Code(digits) => reply.code().starts_with(digits.as_str()),
        ExpectedAnswer::Line | ExpectedAnswer::Closed => false,
    });
    let fits_text = match expectation.text.as_deref() {
        None => true,
        Some("*") => !reply.text().is_empty(),
        Some(pattern) => fits(pattern, reply.text()),
    };
    is_code && fits_text
}

/// What had to come, in words.
pub(super) fn described(expectation: &Expectation) -> String {
    let any = expectation.any.iter().map(|answer| match answer {
        ExpectedAnswer::Code(digits) if digits.len() == 3 => format!("the reply {digits}"),
        ExpectedAnswer::Code(digits) => format!("a reply that begins with {digits}"),
        ExpectedAnswer::Line => format!("the line \"{}\"", expectation.shown),
        ExpectedAnswer::Closed => "the end of the connection".to_owned(),
    });
    let mut text = any.collect::<Vec<_>>().join(", or ");
    match expectation.text.as_deref() {
        Some("*") => text += " with text behind its code",
        Some(pattern) if !expectation.any.contains(&ExpectedAnswer::Line) => {
            text += &format!(" with the text \"{pattern}\"");
        }
        _ => {}
    }
    if let Some(within) = expectation.within {
        text += &format!(" within {} ms", within.as_millis());
    }
    text
}
