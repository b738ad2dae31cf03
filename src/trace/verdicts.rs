//! What filters were asked, and what they have decided, in words.

use std::io::Write;

use crate::observe::outcome::{PassedCode, StepCode, VerdictCode, values};
use crate::smtp::escape::escape;

/// The most octets that are shown of a command, or of a reply.
const LINE_BYTES_MAX: usize = 512;

/// The name of a step.
pub(super) fn step_name(step: StepCode<'_>) -> &'static str {
    match step {
        StepCode::Connect(_) => "the client",
        StepCode::Hello(_) => "HELO",
        StepCode::Sender(_) => "MAIL",
        StepCode::Recipient(_) => "RCPT",
        StepCode::Data => "DATA",
        StepCode::Unknown => "an unknown command",
        StepCode::Message(_) => "the message",
    }
}

/// Appends a step with its arguments.
pub(super) fn put_step(step: StepCode<'_>, line: &mut Vec<u8>) {
    line.extend_from_slice(step_name(step).as_bytes());
    match step {
        StepCode::Connect(name) | StepCode::Hello(name) => put_word(name.as_bytes(), line),
        StepCode::Sender(words) | StepCode::Recipient(words) => {
            values::<&[u8]>(words).for_each(|word| put_word(word, line));
        }
        StepCode::Message(text) => {
            // A vector takes everything.
            let _ = write!(line, ", text {text}");
        }
        StepCode::Data | StepCode::Unknown => {}
    }
}

fn put_word(word: &[u8], line: &mut Vec<u8>) {
    line.push(b' ');
    escape(&word[..word.len().min(LINE_BYTES_MAX)], line);
}

/// The verdict in a word or two.
pub(super) fn verdict_name(verdict: VerdictCode<'_>) -> &'static str {
    match verdict {
        VerdictCode::Pass(_) => "let pass",
        VerdictCode::Refuse(_) => "refused",
        VerdictCode::Discard => "discarded",
        VerdictCode::Store(_) => "to be stored",
    }
}

/// Appends a verdict.
pub(super) fn put_verdict(verdict: VerdictCode<'_>, line: &mut Vec<u8>) {
    line.extend_from_slice(verdict_name(verdict).as_bytes());
    match verdict {
        VerdictCode::Pass(true) => line.extend_from_slice(b", and the message is to be seen"),
        VerdictCode::Pass(false) | VerdictCode::Discard => {}
        VerdictCode::Refuse(reply) => {
            line.push(b':');
            put_word(reply.lines.trim_ascii_end(), line);
        }
        VerdictCode::Store(message) => put_changes(message, line),
    }
}

/// Appends what was changed of a message.
fn put_changes(message: PassedCode<'_>, line: &mut Vec<u8>) {
    let PassedCode {
        header,
        body,
        envelope,
        quarantine,
    } = message;
    let _ = match (header, body) {
        (None, None) => Ok(()),
        (_, Some(body)) => write!(line, ", with another body of {} octets", body.octets),
        (Some(_), None) => write!(line, ", with another header"),
    };
    for (kind, address) in values::<(u8, &str)>(envelope) {
        line.extend_from_slice(match kind {
            0 => b", from",
            1 => b", also to",
            _ => b", not to",
        });
        put_word(address.as_bytes(), line);
    }
    if let Some(reason) = quarantine {
        line.extend_from_slice(b", held:");
        put_word(reason.as_bytes(), line);
    }
}
