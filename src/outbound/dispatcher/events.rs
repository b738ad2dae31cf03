//! Events of connections are acted upon.

use super::awaited::WantedPiece;
use super::{DispatchTurn, Dispatcher};
use crate::net::failure::TlsFailure;
use crate::net::transport::Transport;
use crate::outbound::desk::{ConnectionEvent, HopConnection};
use crate::outbound::hop::HopSecurity;
use crate::outbound::queue::{OutgoingEnd, OutgoingId};

impl<T: Transport> Dispatcher<T> {
    /// Acts on all that connections have told.
    pub(super) fn take_connection_events(&mut self, turn: &mut DispatchTurn<'_, T>) {
        while let Some((connection, event)) = turn.connections.shared_mut().take_event() {
            self.on_connection_event(connection, event, turn);
        }
    }

    fn on_connection_event(
        &mut self,
        connection: HopConnection,
        event: ConnectionEvent,
        turn: &mut DispatchTurn<'_, T>,
    ) {
        let Some((id, outgoing)) = self.outgoings.of(connection) else {
            debug_assert!(false, "a connection belongs to somebody until it is closed");
            return;
        };
        match event {
            ConnectionEvent::Ready { name, facts } => {
                if outgoing.ready.replace((name, facts)).is_none() {
                    // Whatever a host before this one has done.
                    outgoing.is_broken = false;
                    if let Some(settings) = &outgoing.settings {
                        match (facts.tls, &settings.security) {
                            (Some(_), _) => self.tls_results.note(settings.policy, Ok(())),
                            (None, HopSecurity::May(_)) => {
                                let why = TlsFailure::NoStartTls;
                                self.tls_results.note(settings.policy, Err(why));
                            }
                            (None, _) => {}
                        }
                    }
                    self.queue.opened(id);
                }
                self.asking.push_back(id);
            }
            ConnectionEvent::WantsNext { name: _ } => self.asking.push_back(id),
            ConnectionEvent::WantsText {
                ticket,
                mail,
                place,
                at,
                bytes_max,
            } => {
                let wanted = WantedPiece {
                    ticket,
                    mail,
                    place,
                    at,
                    bytes_max,
                };
                self.read_piece(wanted, turn);
            }
            ConnectionEvent::Decided(outcome) => self.settle(id, &outcome, turn),
            ConnectionEvent::Failed {
                result,
                facts,
                fault,
            } => self.note_host_failure(id, result, facts, fault),
            ConnectionEvent::Closed => self.on_closed(connection, id, turn),
        }
    }

    /// A connection is over. One that was never ready, or broke off before it had its mail, is followed by one to the next address.
    fn on_closed(
        &mut self,
        connection: HopConnection,
        id: OutgoingId,
        turn: &mut DispatchTurn<'_, T>,
    ) {
        // What was meant for it after its end.
        turn.connections.shared_mut().forget(connection);
        let was_ready = self.outgoings.disconnect(connection);
        let carries = self.outgoings.carries(id);
        if (!was_ready || carries) && !self.is_draining {
            return self.go_on_opening(id, turn);
        }
        if carries {
            return self.give_up(id, turn);
        }
        let Some(outgoing) = self.outgoings.remove(id) else {
            return;
        };
        debug_assert!(
            outgoing.jobs.is_empty(),
            "what it was handed is decided before its end"
        );
        if !was_ready {
            return self.queue.failed(id, turn.clock.ms);
        }
        let end = if outgoing.is_broken {
            OutgoingEnd::Broken
        } else {
            OutgoingEnd::Done
        };
        self.queue.closed(id, end, turn.clock.ms);
    }
}
