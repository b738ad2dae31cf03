//! Steps of a connection as a probe sees them: what was used of its input, and as what.

use super::connection::{Inbound, InboundTurn, OpeningStage};
use super::proxy;
use crate::net::connections::ConnectionView;
use crate::net::lifecycle::Lifecycle;
use crate::net::probe::{Content, Seen};
use crate::smtp::event::Event;

impl Inbound {
    /// The kind of the octets that the session takes next, if somebody watches.
    pub(super) fn watched_content(&self, turn: &InboundTurn<'_>) -> Option<Content> {
        turn.shared.probe.as_ref()?;
        Some(if self.session.is_logging_in() {
            Content::Credentials
        } else if self.session.awaits_text() {
            Content::Text
        } else if self.session.is_skipping() {
            Content::Dropped
        } else {
            Content::Protocol
        })
    }

    /// Tells of the octets of input that is left by which the session goes, or the reader of a proxy's header.
    pub(super) fn tell_left(&self, rest: &[u8], turn: &InboundTurn<'_>) {
        if turn.shared.probe.is_none() {
            return;
        }
        let octets = match self.stage {
            OpeningStage::AwaitingProxyHeader => proxy::header_octets(rest),
            OpeningStage::Session
                if !self.session.is_logging_in() && !self.session.awaits_text() =>
            {
                start_of_line(rest, self.session.knows_dsn())
            }
            _ => b"",
        };
        if !octets.is_empty() {
            turn.shared.tell(turn.id, Seen::Left(octets));
        }
    }

    /// Tells of the state of the session.
    pub(super) fn tell_state(&self, turn: &InboundTurn<'_>) {
        if let Some(probe) = &turn.shared.probe {
            probe.saw(turn.id, Seen::State(self.session.state_name()));
        }
    }
}

impl ConnectionView<'_, Inbound> {
    /// The name of the state of its session, or of the stage of its life where it has no session any more.
    #[must_use]
    pub fn phase_name(&self) -> &'static str {
        match self.lifecycle {
            Lifecycle::Open => self.driver.phase_name(),
            other => other.name(),
        }
    }
}

/// Tells of octets that the session has taken as this kind, with this outcome, if somebody watches.
pub(super) fn tell_used(
    content: Option<Content>,
    event: &Event<'_>,
    used: &[u8],
    turn: &InboundTurn<'_>,
) {
    let content = match (content, event) {
        (None, _) => return,
        // Only of a line that is too long something is taken before its end.
        (Some(Content::Protocol), Event::NeedInput) => Content::Dropped,
        (Some(content), _) => content,
    };
    if !used.is_empty() {
        turn.shared.tell(turn.id, Seen::Used(content, used));
    }
}

/// The octets of an unfinished line by which a session goes: verbs whose lines may be longer, those of RCPT for reports, the start
/// of TLS.
fn start_of_line(rest: &[u8], knows_dsn: bool) -> &[u8] {
    let rcpt = knows_dsn.then_some(&b"RCPT "[..]);
    for start in [&b"MAIL "[..], b"AUTH ", b"\x16\x03"]
        .into_iter()
        .chain(rcpt)
    {
        let begins = rest.get(..start.len());
        if let Some(begins) = begins.filter(|begins| begins.eq_ignore_ascii_case(start)) {
            return begins;
        }
    }
    b""
}
