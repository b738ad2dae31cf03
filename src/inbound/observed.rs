//! Steps of a connection as a probe sees them: what was used of its input, and as what.

use super::connection::{Inbound, InboundTurn, OpeningStage};
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

    /// Tells of input that is left: the session, or the reader of a proxy's header, has looked at its start.
    pub(super) fn tell_left(&self, rest: &[u8], turn: &InboundTurn<'_>) {
        let is_looked_at = match self.stage {
            OpeningStage::AwaitingProxyHeader => true,
            OpeningStage::Session => !self.session.is_logging_in() && !self.session.awaits_text(),
            _ => false,
        };
        if is_looked_at && !rest.is_empty() {
            turn.shared
                .tell(turn.id, Seen::Left(Content::Protocol, rest));
        }
    }

    /// Tells of the state of the session.
    pub(super) fn tell_state(&self, turn: &InboundTurn<'_>) {
        if let Some(probe) = &turn.shared.probe {
            probe.saw(turn.id, Seen::State(self.session.state_name()));
        }
    }
}

/// Tells of octets that the session has taken as this kind, with this outcome.
pub(super) fn tell_used(content: Content, event: &Event<'_>, used: &[u8], turn: &InboundTurn<'_>) {
    let content = match (content, event) {
        // Only of a line that is too long something is taken before its end.
        (Content::Protocol, Event::NeedInput) => Content::Dropped,
        _ => content,
    };
    if !used.is_empty() {
        turn.shared.tell(turn.id, Seen::Used(content, used));
    }
}
