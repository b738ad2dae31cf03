//! Steps of a connection to a hop as a probe sees them.

use super::text::TextWriter;
use super::{Relay, RelayTurn};
use crate::net::driver::ConnectionId;
use crate::net::probe::{Content, Seen};
use crate::outbound::desk::RelayDesk;

impl Relay {
    /// Tells of octets that it has said: those of a login show who we are.
    pub(super) fn tell_said(&self, id: ConnectionId, octets: &[u8], shared: &RelayDesk) {
        shared.observe(
            id,
            match self.session.is_logging_in() {
                true => Seen::SaidCredentials(octets),
                false => Seen::Said(octets),
            },
        );
    }

    /// Tells of octets of replies that the session has taken off `before`, of which `rest` is left.
    pub(super) fn tell_used(before: &[u8], rest: &[u8], turn: &RelayTurn<'_>) {
        let used = before.get(..before.len() - rest.len()).unwrap_or_default();
        if !used.is_empty() {
            turn.shared
                .observe(turn.id, Seen::Used(Content::Reply, used));
        }
    }

    /// Tells of the state of the session.
    pub(super) fn tell_state(&self, turn: &RelayTurn<'_>) {
        if let Some(probe) = &turn.shared.probe {
            probe.saw(turn.id, Seen::State(self.session.state_name()));
        }
    }

    /// Tells how much is left of the text that is being written.
    pub(super) fn tell_left(text: &TextWriter, turn: &RelayTurn<'_>) {
        let left = text.unwritten().len();
        turn.shared.observe(turn.id, Seen::OwnText { left });
    }
}
