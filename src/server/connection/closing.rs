//! The way of a connection from its last reply to its end: written, then lingering, then gone.

use std::io;
use std::mem;
use std::time::Instant;

use super::ending::Closed;
use super::{Connection, LINGER_TIMEOUT, Next, Stage, Turn};
use crate::net::transport::{Read, Transport};
use crate::smtp::event::{CloseReason, Limit};

/// So many octets of replies fit into the smallest receive window that a client can have: the one that Linux makes of a receive
/// buffer of the least size, 2304, holds 1152. So the kernel has put them all on their way when it has taken them.
const WINDOW_BYTES_MIN: u64 = 1024;

impl<T: Transport> Connection<T> {
    /// Sends a client away of whose address there are too many connections. Where it could hear of that in TLS only, which has
    /// not begun, it hears nothing.
    pub fn turn_away(&mut self, turn: &mut Turn<'_>) -> Next {
        let closed = Closed::BySession(CloseReason::Limit(Limit::ConnectionsPerIp));
        if matches!(self.stage, Stage::ToSecure) {
            self.vanish(closed, turn);
        } else {
            self.session.reject(turn.replies);
            self.leave(closed, turn);
        }
        self.settle(Ok(Next::Wait), turn)
    }

    /// Stops the session; what it has said will still be written.
    pub(super) fn leave(&mut self, closed: Closed, turn: &mut Turn<'_>) {
        self.abort_message(turn.store);
        self.input = Vec::new();
        if self.is_open() && !matches!(self.stage, Stage::Leaving(_)) {
            let until = turn.now + closed.patience(turn);
            self.stage = Stage::Leaving(closed);
            self.patience.hold(until);
        }
    }

    /// Goes on from the last reply: to the end, if the peer is done as well, otherwise to lingering.
    pub(super) fn part(&mut self, now: Instant) -> Next {
        let Stage::Leaving(closed) = mem::replace(&mut self.stage, Stage::Open) else {
            return Next::Wait;
        };
        let peer_is_done = match closed {
            Closed::ByPeer | Closed::BySocket(_) => true,
            // A client that pipelines may yet send more, and a closed socket answers that by a reset. The reset must not
            // overtake replies that the kernel still holds because the client's receive window is full.
            Closed::BySession(CloseReason::Quit) => {
                !self.channel.is_readable() && self.channel.bytes_out() <= WINDOW_BYTES_MIN
            }
            Closed::BySession(_) | Closed::ByDeadline(_) | Closed::ByProxy => false,
        };
        // Also where the socket is closed at once: if input has come meanwhile that would reset the connection, and the
        // last reply may not be on its way yet.
        if self.channel.shutdown_write().is_err() || peer_is_done {
            self.stage = Stage::Gone(closed);
            return Next::Reap;
        }
        self.stage = Stage::Lingering(closed);
        self.patience.hold(now + LINGER_TIMEOUT);
        if self.channel.is_readable() {
            Next::Again
        } else {
            Next::Wait
        }
    }

    /// Ends without another word.
    pub(super) fn vanish(&mut self, closed: Closed, turn: &mut Turn<'_>) {
        self.leave(closed, turn);
        self.give_up();
    }

    /// Goes without another word.
    pub(super) fn give_up(&mut self) {
        self.channel.discard_output();
        self.stage = match mem::replace(&mut self.stage, Stage::Open) {
            Stage::Leaving(closed) | Stage::Lingering(closed) | Stage::Gone(closed) => {
                Stage::Gone(closed)
            }
            _ => Stage::Gone(Closed::ByPeer),
        };
    }

    /// Whether it was told good-bye, and the peer may read that yet.
    pub fn is_lingering(&self) -> bool {
        matches!(self.stage, Stage::Lingering(_))
    }

    /// Closes a connection that has lingered for long enough.
    pub fn stop_lingering(&mut self, turn: &mut Turn<'_>) -> Next {
        self.give_up();
        self.settle(Ok(Next::Wait), turn)
    }

    /// Throws away what a peer still sends, until it closes its side.
    pub(super) fn discard_input(&mut self, turn: &mut Turn<'_>) -> io::Result<Next> {
        while self.channel.is_readable() && !turn.work.is_spent() {
            let read = self.channel.read(turn.buffer)?;
            turn.work.charge_read(read.count());
            if read == Read::Eof {
                self.give_up();
                return Ok(Next::Wait);
            }
        }
        Ok(if self.channel.is_readable() {
            Next::Again
        } else {
            Next::Wait
        })
    }
}
