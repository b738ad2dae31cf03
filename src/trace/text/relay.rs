//! Lines of text for mail that is sent on: dials, names, the spool.

use std::io::{self, Write};

use super::{TEXT_BYTES_MAX, put_octets};
use crate::observe::frame::{Frame, RelayFrame};
use crate::observe::outcome::{NameCode, ReadCode};

/// Appends what a frame of mail that is sent on tells; whether it is one that is shown.
pub(super) fn put(frame: &Frame<'_>, line: &mut Vec<u8>) -> bool {
    let Frame::Relay { frame } = frame else {
        return false;
    };
    // A vector takes everything.
    put_network(frame, line)
        .or_else(|| put_spool(frame, line))
        .is_some_and(|written| written.is_ok())
}

/// Appends what came in to it, and what was asked of the network.
fn put_network(frame: &RelayFrame<'_>, line: &mut Vec<u8>) -> Option<io::Result<()>> {
    Some(match *frame {
        RelayFrame::Settings { .. } => line.write_all(b"queue: settings"),
        RelayFrame::Event { readiness, .. } => {
            super::input::put_event(readiness, line);
            Ok(())
        }
        RelayFrame::Command { mail, .. } => {
            write!(line, "queue: a command about {}", mail.escape_debug())
        }
        RelayFrame::Dialed {
            address, result, ..
        } => match result {
            Ok(_) => write!(line, "dials {}", address.escape_debug()),
            Err(error) => write!(line, "dial {}: {error}", address.escape_debug()),
        },
        RelayFrame::LookedUp {
            kind,
            name,
            ticket,
            answer,
        } => {
            const KINDS: [&str; 6] = ["host", "mail host", "MX", "TLSA", "TXT", "policy"];
            let kind = KINDS.get(usize::from(kind)).unwrap_or(&"something");
            let _ = write!(line, "names: {kind} of {}? ", name.escape_debug());
            match ticket {
                Some(ticket) => write!(line, "later, ticket {ticket}"),
                None => put_answer(answer, line),
            }
        }
        RelayFrame::NameAnswered { ticket, answer } => {
            let _ = write!(line, "names: ticket {ticket}: ");
            put_answer(answer, line)
        }
        _ => return None,
    })
}

fn put_answer(answer: NameCode<'_>, line: &mut Vec<u8>) -> io::Result<()> {
    #[cfg(feature = "relay")]
    if let Some(answer) = crate::observe::names::name_answer(answer) {
        let text = crate::observe::names::NameAnswerText(&answer);
        return write!(line, "{text}");
    }
    match answer {
        NameCode::Later => line.write_all(b"later"),
        NameCode::Found(octets) => {
            put_octets(octets, TEXT_BYTES_MAX, line);
            Ok(())
        }
        NameCode::Failed(_) => line.write_all(b"nothing"),
    }
}

/// Appends what was asked of the spool, and what it told.
fn put_spool(frame: &RelayFrame<'_>, line: &mut Vec<u8>) -> Option<io::Result<()>> {
    Some(match *frame {
        RelayFrame::Joined { mail, is_found, .. } => {
            let how = if is_found { "is found" } else { "joins" };
            write!(line, "queue: {} {how}", mail.escape_debug())
        }
        RelayFrame::Moved { mail, .. } => write!(line, "spool: {} is moved", mail.escape_debug()),
        RelayFrame::Read { mail, result, .. } => {
            let _ = write!(line, "spool: read {}", mail.escape_debug());
            put_read(result, line)
        }
        RelayFrame::Piece {
            mail, from, result, ..
        } => {
            let _ = write!(line, "spool: read {} from {from}", mail.escape_debug());
            put_read(result, line)
        }
        RelayFrame::ReadReady { ticket } => write!(line, "spool: ticket {ticket} is ready"),
        RelayFrame::Changed { mail, kind, .. } => {
            const KINDS: [&str; 6] = ["done", "failed", "noticed", "held", "released", "deleted"];
            let kind = KINDS.get(usize::from(kind)).unwrap_or(&"changed");
            write!(line, "spool: {} is {kind}", mail.escape_debug())
        }
        RelayFrame::Named { result } => match result {
            Ok(mail) => write!(line, "spool: a name for a report: {}", mail.escape_debug()),
            Err(failure) => write!(line, "spool: no name for a report: {failure}"),
        },
        RelayFrame::LocalAsked {
            mail, recipient, ..
        } => {
            let mail = mail.escape_debug();
            write!(
                line,
                "spool: {mail} to the mailbox of recipient {recipient}"
            )
        }
        RelayFrame::LocalDone { result, .. } => match result {
            Ok(()) => line.write_all(b"spool: delivered to the mailbox"),
            Err(failure) => write!(line, "spool: not delivered to the mailbox: {failure}"),
        },
        RelayFrame::Spool { state } => {
            let state = if state.is_ready { "ready" } else { "not ready" };
            write!(line, "spool: {state}")
        }
        RelayFrame::Spooled { .. } => line.write_all(b"store: it goes to the spool"),
        _ => return None,
    })
}

fn put_read(result: ReadCode<'_>, line: &mut Vec<u8>) -> io::Result<()> {
    match result {
        ReadCode::Now => Ok(()),
        ReadCode::Later(ticket) => write!(line, ": later, ticket {ticket}"),
        ReadCode::Gone => line.write_all(b": gone"),
        ReadCode::Failed(failure) => write!(line, ": {failure}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(frame: RelayFrame<'_>) -> String {
        let mut line = Vec::new();
        assert!(put(&Frame::Relay { frame }, &mut line));
        String::from_utf8_lossy(&line).into_owned()
    }

    fn asked(kind: u8, ticket: Option<u64>, answer: NameCode<'_>) -> String {
        let name = "a.example";
        text(RelayFrame::LookedUp {
            kind,
            name,
            ticket,
            answer,
        })
    }

    #[test]
    fn questions_about_names_say_what_was_asked() {
        let later = NameCode::Later;
        let ticket = Some(7);
        assert_eq!(
            asked(2, ticket, later),
            "names: MX of a.example? later, ticket 7"
        );
        assert_eq!(
            asked(99, ticket, later),
            "names: something of a.example? later, ticket 7"
        );
        let nothing = asked(3, None, NameCode::Failed(2));
        assert!(nothing.starts_with("names: TLSA of a.example? nothing"));
        let ticket = 7;
        let octets = NameCode::Found(b"\xFFno answer");
        let answered = text(RelayFrame::NameAnswered {
            ticket,
            answer: octets,
        });
        assert_eq!(answered, "names: ticket 7: \\xFFno answer");
    }
}
