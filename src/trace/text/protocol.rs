//! Lines of text for what a session and the store did.

use std::io::Write;

use time::OffsetDateTime;

use super::{TEXT_BYTES_MAX, put_octets};
use crate::net::probe::Content;
use crate::observe::frame::Frame;
use crate::observe::outcome::{AdmissionCode, FailureCode, LoginCode};
use crate::observe::rules;

/// Whether octets of this kind are lines, each of which is shown in one of its own.
pub(super) fn is_in_lines(content: Content) -> bool {
    matches!(
        content,
        Content::Protocol | Content::Credentials | Content::Reply
    )
}

/// Appends what a frame of the record, the protocol or a login tells; whether it is one.
pub(super) fn put(frame: &Frame<'_>, line: &mut Vec<u8>) -> bool {
    let _ = match *frame {
        Frame::Start {
            program,
            command,
            wall,
            has_text,
            is_whole,
        } => {
            let (command, program) = (command.escape_debug(), program.escape_debug());
            let _ = write!(line, "record of mailoop {command} {program}, begun ");
            put_date(wall, line);
            let text = if has_text { "with" } else { "without" };
            let peers = if is_whole { "all" } else { "some" };
            write!(line, ", {text} text, of {peers} peers")
        }
        Frame::Rules { rules, .. } => match rules::take(rules, None, None) {
            Some(rules) => write!(line, "rules of {}", rules.policy.hostname.escape_debug()),
            None => line.write_all(b"rules that cannot be read"),
        },
        Frame::Used {
            content, octets, ..
        } => {
            let name = match content {
                Content::Text => "text",
                Content::Dropped => "dropped",
                Content::Protocol | Content::Credentials | Content::Reply => "used",
            };
            let _ = write!(line, "{name} {}: ", octets.len());
            put_octets(octets, TEXT_BYTES_MAX, line);
            return true;
        }
        Frame::Left { octets, .. } => {
            let _ = line.write_all(b"left: ");
            put_octets(octets, TEXT_BYTES_MAX, line);
            return true;
        }
        Frame::State { name, .. } => write!(line, "state {}", name.escape_debug()),
        Frame::Entered { stage, .. } => write!(line, "enters {stage}"),
        Frame::Closed {
            reason,
            bytes_in,
            bytes_out,
            ..
        } => {
            let reason = reason.escape_debug();
            write!(
                line,
                "closed: {reason}, {bytes_in} octets in, {bytes_out} out"
            )
        }
        Frame::LoginBegun { mechanism, .. } => write!(line, "login by {}", mechanism.name()),
        Frame::LoginResponse { octets, .. } => write!(line, "login: a response of {octets} octets"),
        Frame::LoginProgress { progress, .. } => return put_login(&progress, line),
        Frame::KeyDerived { iterations, .. } => write!(line, "login: {iterations} iterations"),
        Frame::UserLookedUp { is_there, .. } => {
            let is = if is_there { "is" } else { "is not" };
            write!(line, "a user {is} there any more")
        }
        _ => return false,
    };
    true
}

fn put_login(progress: &LoginCode<'_>, line: &mut Vec<u8>) -> bool {
    let _ = match progress {
        LoginCode::Challenge(octets) => write!(line, "login: a challenge of {octets} octets"),
        LoginCode::AwaitResponse => line.write_all(b"login: a response is awaited"),
        LoginCode::DeriveKey => line.write_all(b"login: iterations are awaited"),
        LoginCode::LoggedIn(user) => write!(line, "login: {} is in", user.escape_debug()),
        LoginCode::Malformed => line.write_all(b"login: malformed"),
        LoginCode::Refused(user) => write!(line, "login: {} is refused", user.escape_debug()),
        LoginCode::NoRandomness => line.write_all(b"login: no random octets"),
    };
    true
}

fn put_readdressed(
    from: &str,
    recipients: usize,
    result: &Result<Option<&str>, FailureCode<'_>>,
    line: &mut Vec<u8>,
) -> bool {
    let from = from.escape_debug();
    let _ = write!(line, "store: now from {from} to {recipients}: ");
    let _ = match result {
        Ok(Some(id)) => write!(line, "now {}", id.escape_debug()),
        Ok(None) => line.write_all(b"done"),
        Err(failure) => return put_failure(failure, line),
    };
    true
}

/// Appends what a frame of the store tells; whether it is one.
pub(super) fn put_store(frame: &Frame<'_>, line: &mut Vec<u8>) -> bool {
    let _ = match *frame {
        Frame::Admit {
            declared, result, ..
        } => {
            let _ = write!(line, "store: room for {declared}? ");
            return put_admission(&result, line);
        }
        Frame::Check {
            recipient, result, ..
        } => {
            let _ = write!(line, "store: {}? ", recipient.escape_debug());
            return put_admission(&result, line);
        }
        Frame::Begin {
            from,
            recipients,
            result,
            ..
        } => {
            let from = from.escape_debug();
            let _ = write!(line, "store: a message from {from} to {recipients}: ");
            match result {
                Ok(queued) => write!(line, "{}", queued.id.escape_debug()),
                Err(failure) => return put_failure(&failure, line),
            }
        }
        Frame::Readdress {
            from,
            recipients,
            result,
            ..
        } => return put_readdressed(from, recipients, &result, line),
        Frame::Text { octets, result, .. } => {
            let _ = write!(line, "store: {octets} octets");
            return put_result(result, "", line);
        }
        Frame::Abort { .. } => line.write_all(b"store: the message is aborted"),
        Frame::Submit { ticket, .. } => write!(line, "store: submitted, ticket {ticket}"),
        Frame::Settled { ticket, each } => {
            let _ = write!(line, "store: ticket {ticket}: ");
            match each {
                None => line.write_all(b"stored"),
                Some(each) => write!(line, "{} outcomes", each.max(1)),
            }
        }
        Frame::Delivered { result } => {
            let _ = line.write_all(b"store: outcome");
            return put_result(result, ": stored", line);
        }
        Frame::Committed {} => line.write_all(b"store: all is settled"),
        Frame::Answered { ticket, result } => {
            let _ = write!(line, "store: ticket {ticket}");
            return put_result(result.map(drop), ": yes", line);
        }
        Frame::Decided { rule, .. } => write!(line, "rule: {}", rule.escape_debug()),
        Frame::Congested { is_congested } => {
            let takes = if is_congested { "no more" } else { "again" };
            write!(line, "store: takes text {takes}")
        }
        _ => return false,
    };
    true
}

fn put_admission(result: &AdmissionCode<'_>, line: &mut Vec<u8>) -> bool {
    let _ = match result {
        Ok(Ok(_)) => line.write_all(b"yes"),
        Ok(Err(ticket)) => write!(line, "asked, ticket {ticket}"),
        Err(failure) => return put_failure(failure, line),
    };
    true
}

fn put_result(result: Result<(), FailureCode<'_>>, good: &str, line: &mut Vec<u8>) -> bool {
    match result {
        Ok(()) => line.extend_from_slice(good.as_bytes()),
        Err(failure) => {
            line.extend_from_slice(b": ");
            put_failure(&failure, line);
        }
    }
    true
}

fn put_failure(failure: &FailureCode<'_>, line: &mut Vec<u8>) -> bool {
    let start = line.len();
    let _ = write!(line, "{failure}");
    let text = line.split_off(start);
    put_octets(&text, super::LINE_BYTES_MAX, line);
    true
}

/// Appends a time of the epoch as RFC 3339 writes it.
fn put_date(seconds: u64, line: &mut Vec<u8>) {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    let month = u8::from(month);
    let _ = write!(
        line,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
    );
}
