//! Lines of text for mail filters, and for texts on hold.

use std::io::{self, Write};

use super::{TEXT_BYTES_MAX, put_octets};
use crate::observe::frame::{FilterFrame, Frame};
use crate::observe::outcome::{FailureCode, ReadCode};
use crate::observe::packed::unpack;
use crate::trace::verdicts::{put_step, put_verdict};

/// No read of a text on hold brings more octets.
const READ_BYTES_MAX: usize = 64 * 1024;

/// Whether a frame is what filters answer within a tick, after its steps.
pub(super) fn is_answer(frame: &Frame<'_>) -> bool {
    matches!(
        frame,
        Frame::Filter {
            frame: FilterFrame::Decided { .. } | FilterFrame::ReadDone { .. }
        }
    )
}

/// Appends what a frame of filters tells; whether it is one.
pub(super) fn put(frame: &Frame<'_>, line: &mut Vec<u8>) -> bool {
    let Frame::Filter { frame } = frame else {
        return false;
    };
    // A vector takes everything.
    let _ = put_filters(frame, line).or_else(|| put_hold(frame, line));
    true
}

/// Appends what filters were asked, and what they have decided.
fn put_filters(frame: &FilterFrame<'_>, line: &mut Vec<u8>) -> Option<io::Result<()>> {
    Some(match *frame {
        FilterFrame::Settings {
            filters,
            of_submission,
        } => {
            let names = |names: &str| match names {
                "" => "none".to_owned(),
                names => names.escape_debug().to_string(),
            };
            let _ = write!(line, "filters: {}", names(filters));
            match of_submission {
                Some(others) => write!(line, "; of submission: {}", names(others)),
                None => Ok(()),
            }
        }
        FilterFrame::Opened { .. } => line.write_all(b"filters: a session begins"),
        FilterFrame::Asked { step, .. } => {
            let asked = line.write_all(b"filters: asked about ");
            put_step(step, line);
            asked
        }
        FilterFrame::Aborted { .. } => line.write_all(b"filters: the transaction is over"),
        FilterFrame::Left { .. } => line.write_all(b"filters: the session is over"),
        FilterFrame::Decided { verdict, .. } => {
            let decided = line.write_all(b"filters: ");
            put_verdict(verdict, line);
            decided
        }
        _ => return None,
    })
}

/// Appends what was done with a text on hold.
fn put_hold(frame: &FilterFrame<'_>, line: &mut Vec<u8>) -> Option<io::Result<()>> {
    Some(match *frame {
        FilterFrame::Begun { text, .. } => write!(line, "hold: text {text} begins"),
        FilterFrame::Text {
            text,
            octets,
            result,
            ..
        } => {
            let _ = write!(line, "hold: {octets} octets to text {text}");
            match result {
                Ok(()) => Ok(()),
                Err(failure) => put_failure(failure, line),
            }
        }
        FilterFrame::Read {
            text,
            from,
            result,
            octets,
            ..
        } => {
            let _ = write!(line, "hold: text {text} from {from}");
            match result {
                ReadCode::Now => put_packed(octets, line),
                ReadCode::Later(ticket) => write!(line, ": later, ticket {ticket}"),
                ReadCode::Gone => line.write_all(b": gone"),
                ReadCode::Failed(failure) => put_failure(failure, line),
            }
        }
        FilterFrame::ReadDone { ticket, result, .. } => {
            let _ = write!(line, "hold: ticket {ticket}");
            match result {
                Ok(octets) => put_packed(octets, line),
                Err(failure) => put_failure(failure, line),
            }
        }
        FilterFrame::Dropped { text, .. } => write!(line, "hold: text {text} is dropped"),
        _ => return None,
    })
}

fn put_failure(failure: FailureCode<'_>, line: &mut Vec<u8>) -> io::Result<()> {
    write!(line, ": {}", failure.to_string().escape_debug())
}

/// Appends how many octets were read, and the first of them.
fn put_packed(packed: &[u8], line: &mut Vec<u8>) -> io::Result<()> {
    let mut octets = Vec::new();
    if unpack(packed, READ_BYTES_MAX, &mut octets).is_none() {
        return line.write_all(b", octets that cannot be read");
    }
    write!(line, ", {} octets: ", octets.len())?;
    put_octets(&octets, TEXT_BYTES_MAX, line);
    Ok(())
}
