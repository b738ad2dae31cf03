//! The end of a connection: the last output is written, then input is discarded until the peer closes, for bounded times.

use super::{Connection, LINGER_TIMEOUT, Lent, Lifecycle, TurnOutcome};
use crate::net::driver::{Close, ConnectionFailure, Drain, Driver, Ending, Wait};
use crate::net::transport::{Read, Transport};

/// So many octets fit into the smallest receive window that a peer can have: the one that Linux makes of a receive buffer of
/// the least size, 2304, holds 1152. The kernel has put them all on their way when it has taken them.
const WINDOW_BYTES_MIN: u64 = 1024;

impl<D: Driver, T: Transport> Connection<D, T> {
    /// Ends the driver's part; its output will still be written where the ending says so.
    pub(super) fn close(&mut self, close: Close<D::Reason>, lent: &mut Lent<'_, D::Shared>) {
        let Close {
            reason,
            ending,
            flush_timeout,
        } = close;
        self.reason = Some(reason);
        if ending == Ending::Abort {
            return self.abort(lent);
        }
        self.input = Box::default();
        let flush_timeout = match lent.drain {
            Drain::TimeIsUp => flush_timeout.min(LINGER_TIMEOUT),
            Drain::No | Drain::Until(_) => flush_timeout,
        };
        self.enter(Lifecycle::Closing(ending), lent);
        self.end_stage_at(lent.now + flush_timeout);
    }

    /// Writes the last output; when all of it is written, goes on to lingering or to the end.
    pub(super) fn finish_closing(
        &mut self,
        ending: Ending,
        lent: &mut Lent<'_, D::Shared>,
    ) -> TurnOutcome<D> {
        self.channel.send_last(lent.output)?;
        if self.channel.unsent() == 0 {
            self.channel.close_notify()?;
        }
        if ending == Ending::Now {
            self.abort(lent);
            return Ok(Wait::Input);
        }
        if self.channel.unsent() > 0 {
            return Ok(Wait::Input);
        }
        let is_peer_done = match ending {
            Ending::Close => true,
            // A client that pipelines may yet send more, and a closed socket answers that by a reset. The reset must not
            // overtake output that the kernel still holds because the peer's receive window is full.
            Ending::LingerUnlessIdle => {
                !self.channel.is_readable() && self.channel.bytes_out() <= WINDOW_BYTES_MIN
            }
            Ending::Linger => false,
            Ending::Now | Ending::Abort => {
                debug_assert!(false, "such an end waits for nothing");
                true
            }
        };
        // The side is shut down also where the socket is closed at once: if input has come meanwhile, closing would reset the
        // connection, and the last output may not be on its way yet.
        if self.channel.shutdown_write().is_err() || is_peer_done {
            self.abort(lent);
            return Ok(Wait::Input);
        }
        self.enter(Lifecycle::Lingering, lent);
        self.end_stage_at(lent.now + LINGER_TIMEOUT);
        Ok(if self.channel.is_readable() {
            Wait::Turn
        } else {
            Wait::Input
        })
    }

    /// Discards what a peer still sends, until it closes its side.
    pub(super) fn discard_input(&mut self, lent: &mut Lent<'_, D::Shared>) -> TurnOutcome<D> {
        while self.channel.is_readable() && !lent.work.is_spent() {
            let read = self.channel.read(lent.buffer)?;
            lent.work.charge_io(read.count());
            if read == Read::Eof {
                self.abort(lent);
                return Ok(Wait::Input);
            }
        }
        Ok(if self.channel.is_readable() {
            Wait::Turn
        } else {
            Wait::Input
        })
    }

    /// Closes a connection that failed. Its driver names the reason, unless it had ended by itself before.
    pub(super) fn fail(&mut self, failure: ConnectionFailure, lent: &mut Lent<'_, D::Shared>) {
        if self.reason.is_none() {
            let reason = self.call(lent, |driver, turn| driver.failed(failure, turn));
            self.reason = Some(reason);
        }
        self.abort(lent);
    }

    /// Ends without another word.
    pub(super) fn abort(&mut self, lent: &mut Lent<'_, D::Shared>) {
        debug_assert!(self.reason.is_some(), "a connection that ends has a reason");
        self.input = Box::default();
        self.channel.discard_output();
        self.enter(Lifecycle::Closed, lent);
    }
}
