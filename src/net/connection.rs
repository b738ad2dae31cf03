//! One connection from accept or dial to its end: a channel, a driver, and the lifecycle that every protocol has.

mod closing;
mod establishing;
mod steps;
mod view;

use std::io;
use std::mem;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::budget::{Budget, TurnBudget};
use super::channel::{Channel, Readiness};
use super::counts::{ConnectionCounts, Presence};
use super::driver::{ConnectionFailure, ConnectionId, Drain, Driver, Summary, Turn, Wait};
use super::epoch::{Epoch, Nanoseconds};
use super::lifecycle::Lifecycle;
use super::peer::{AddressGroup, PeerAddress};
use super::transport::Transport;
pub use view::ConnectionView;

/// Time for the peer of a closing connection to read the last output.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

/// One connection with its driver.
pub(super) struct Connection<D: Driver, T> {
    id: ConnectionId,
    peer: PeerAddress,
    /// Whether the peer is known; before a proxy has named its client, the connection counts for nobody's address.
    is_identified: bool,
    channel: Channel<T>,
    driver: D,
    lifecycle: Lifecycle,
    /// Whether the slab knows that it is over.
    is_gone: bool,
    /// Turns that it has had, for observers. The field lies where the others left room.
    turns: u32,
    /// Why it ends, from the moment that this is decided.
    reason: Option<D::Reason>,
    /// Input that was read but not used.
    input: Box<[u8]>,
    opened: Epoch,
    /// Deadline of the present stage of the lifecycle; 0 while its driver has a deadline of its own.
    until: Nanoseconds,
}

/// All that a connection is lent for a turn.
pub(super) struct Lent<'a, S> {
    pub(super) now: Instant,
    pub(super) shared: &'a mut S,
    /// The buffer that input is read into.
    pub(super) buffer: &'a mut [u8],
    /// The buffer that gathers output; empty before and after.
    pub(super) output: &'a mut BytesMut,
    pub(super) work: Budget,
    pub(super) iterations: &'a mut u32,
    pub(super) drain: Drain,
    pub(super) counts: &'a ConnectionCounts,
    /// The key of the connection.
    pub(super) key: usize,
}

/// The result of a turn: what the connection waits for, unless its socket failed.
type TurnOutcome<D> = io::Result<Wait<<D as Driver>::Ticket>>;

impl<D: Driver, T: Transport> Connection<D, T> {
    pub(super) fn id(&self) -> ConnectionId {
        self.id
    }

    pub(super) fn driver_mut(&mut self) -> &mut D {
        &mut self.driver
    }

    pub(super) fn transport_mut(&mut self) -> &mut T {
        self.channel.transport_mut()
    }

    /// The group of addresses by which the CPU is shared out.
    pub(super) fn group(&self) -> AddressGroup {
        self.peer.group()
    }

    /// Whether its end has not been announced to the peer.
    fn is_open(&self) -> bool {
        !matches!(self.lifecycle, Lifecycle::Lingering | Lifecycle::Closed)
    }

    pub(super) fn is_lingering(&self) -> bool {
        self.lifecycle == Lifecycle::Lingering
    }

    /// Whether it can be removed: it is over, and its driver waits for no answer that it must not miss. When the time of a drain
    /// is up nothing is waited for.
    pub(super) fn is_over(&self, drain: Drain) -> bool {
        self.lifecycle == Lifecycle::Closed
            && (self.driver.outstanding().is_none() || matches!(drain, Drain::TimeIsUp))
    }

    /// Notes that it is over, and tells whether that is news.
    pub(super) fn become_gone(&mut self) -> bool {
        !mem::replace(&mut self.is_gone, true)
    }

    /// The counts that it belongs to.
    pub(super) fn presence(&self) -> Presence {
        let is_known = self.is_open() && self.is_identified;
        Presence {
            open: self.is_open(),
            ip: self.peer.ip().filter(|_| is_known),
        }
    }

    /// Notes what an event tells. Whether there is something to write that it makes room for.
    pub(super) fn note(&mut self, readiness: Readiness) -> bool {
        self.channel.note(readiness);
        readiness.writable && self.channel.unsent() > 0
    }

    /// The instant at which [`on_deadline`](Self::on_deadline) is to be called, unless something happens before.
    pub(super) fn deadline(&self, shared: &D::Shared) -> Option<Instant> {
        match self.lifecycle {
            Lifecycle::Closed => None,
            Lifecycle::Open => self.driver.deadline(shared),
            _ => Some(self.opened.instant(self.until)),
        }
    }

    /// Moves on to another stage of its life.
    fn enter(&mut self, next: Lifecycle, lent: &mut Lent<'_, D::Shared>) {
        let before = self.lifecycle;
        debug_assert!(before.leads_to(next), "{before} does not lead to {next}");
        self.lifecycle = next;
        self.driver.entered(self.id, before, next, lent.shared);
    }

    fn end_stage_at(&mut self, deadline: Instant) {
        self.until = self.opened.count(deadline).max(1);
    }

    /// Tells observers that a turn begins in which so much may be done, and returns what it is.
    pub(super) fn begin_turn(&self, budget: TurnBudget, shared: &D::Shared) -> TurnBudget {
        self.driver.begins_turn(self.id, budget, shared)
    }

    /// Tells observers that a turn is over, and what it waits for now.
    pub(super) fn end_turn(&self, wait: Wait<D::Ticket>, shared: &D::Shared) {
        let unsent = self.channel.unsent();
        self.driver.ended_turn(self.id, wait, unsent, shared);
    }

    /// Calls its driver, within this turn.
    fn call<R>(
        &mut self,
        lent: &mut Lent<'_, D::Shared>,
        act: impl FnOnce(&mut D, &mut Turn<'_, D::Shared>) -> R,
    ) -> R {
        let gathered = lent.output.len();
        let mut turn = Turn {
            id: self.id,
            now: lent.now,
            shared: lent.shared,
            output: lent.output,
            work: &mut lent.work,
            iterations: lent.iterations,
            drain: lent.drain,
            unsent: self.channel.unsent(),
            bytes_in: self.channel.bytes_in(),
            bytes_out: self.channel.bytes_out(),
            key: lent.key,
            peer: &mut self.peer,
            is_identified: &mut self.is_identified,
            counts: lent.counts,
        };
        let outcome = act(&mut self.driver, &mut turn);
        if lent.output.len() > gathered {
            self.driver
                .said(self.id, &lent.output[gathered..], lent.shared);
        }
        outcome
    }

    /// Begins, in the first turn.
    pub(super) fn open(&mut self, lent: &mut Lent<'_, D::Shared>) -> Wait<D::Ticket> {
        self.serve(lent, |connection, lent| {
            let step = connection.call(lent, D::opened);
            connection.follow(step, lent)
        })
    }

    /// Does all that can be done now, within the bounds of one turn.
    pub(super) fn on_ready(&mut self, lent: &mut Lent<'_, D::Shared>) -> Wait<D::Ticket> {
        self.serve(lent, |connection, lent| match connection.lifecycle {
            Lifecycle::Dialing => connection.finish_dial(lent),
            Lifecycle::Handshaking => connection.shake_hands(lent),
            Lifecycle::Open => {
                let step = connection.offer_input(lent);
                connection.follow(step, lent)
            }
            Lifecycle::Lingering => connection.discard_input(lent),
            Lifecycle::Closing(..) => {
                if matches!(lent.drain, Drain::TimeIsUp) {
                    let soon = connection.opened.count(lent.now + LINGER_TIMEOUT);
                    connection.until = connection.until.min(soon);
                }
                Ok(Wait::Input)
            }
            Lifecycle::Closed => Ok(Wait::Input),
        })
    }

    /// Writes what is unsent, and leaves the driver to wait as it did for `wait`.
    pub(super) fn flush(
        &mut self,
        wait: Wait<D::Ticket>,
        lent: &mut Lent<'_, D::Shared>,
    ) -> Wait<D::Ticket> {
        self.serve(lent, |_, _| Ok(wait))
    }

    /// Gives its driver an answer. A connection that is not served then goes on to wait for what it does, `wait`.
    pub(super) fn on_completion(
        &mut self,
        completion: D::Completion,
        wait: Wait<D::Ticket>,
        lent: &mut Lent<'_, D::Shared>,
    ) -> Wait<D::Ticket> {
        self.serve(lent, |connection, lent| {
            let step = connection.call(lent, |driver, turn| driver.completed(completion, turn));
            if connection.lifecycle == Lifecycle::Open {
                return connection.resume(step, lent);
            }
            // In a handshake it cannot speak, and after its end it has said all.
            lent.output.clear();
            Ok(wait)
        })
    }

    /// Ends the present stage, or what its driver waited for, since the deadline has passed. A driver that grants more time goes
    /// on to wait for `wait`.
    pub(super) fn on_deadline(
        &mut self,
        wait: Wait<D::Ticket>,
        lent: &mut Lent<'_, D::Shared>,
    ) -> Wait<D::Ticket> {
        self.serve(lent, |connection, lent| {
            match connection.lifecycle {
                Lifecycle::Open => {
                    // Output that was held for another turn is no sign of a peer that does not read.
                    connection.send(lent)?;
                    return match connection.call(lent, D::expired) {
                        Some(step) => connection.resume(step, lent),
                        None => Ok(wait),
                    };
                }
                Lifecycle::Dialing => {
                    let error = io::ErrorKind::TimedOut.into();
                    connection.fail(ConnectionFailure::Dial(error), lent);
                }
                Lifecycle::Handshaking => {
                    connection.fail(ConnectionFailure::HandshakeTimeout, lent);
                }
                Lifecycle::Closing(_) | Lifecycle::Lingering => connection.abort(lent),
                Lifecycle::Closed => debug_assert!(false, "nothing is waited for after the end"),
            }
            Ok(Wait::Input)
        })
    }

    /// Closes a connection that has lingered for long enough.
    pub(super) fn stop_lingering(&mut self, lent: &mut Lent<'_, D::Shared>) -> Wait<D::Ticket> {
        self.abort(lent);
        Wait::Input
    }

    /// Acts, then writes the output of that and moves on to the next stage where it is due.
    fn serve(
        &mut self,
        lent: &mut Lent<'_, D::Shared>,
        act: impl FnOnce(&mut Self, &mut Lent<'_, D::Shared>) -> TurnOutcome<D>,
    ) -> Wait<D::Ticket> {
        self.turns = self.turns.wrapping_add(1);
        let outcome = act(self, lent).and_then(|wait| self.write_output(wait, lent));
        let wait = outcome.unwrap_or_else(|error| {
            self.fail(ConnectionFailure::Socket(error), lent);
            Wait::Input
        });
        lent.output.clear();
        match self.driver.outstanding() {
            Some(ticket) if self.lifecycle == Lifecycle::Closed => Wait::Completion(ticket),
            _ => wait,
        }
    }

    /// Writes the output of a turn, as its lifecycle allows.
    fn write_output(
        &mut self,
        wait: Wait<D::Ticket>,
        lent: &mut Lent<'_, D::Shared>,
    ) -> TurnOutcome<D> {
        match self.lifecycle {
            Lifecycle::Closing(ending) => self.finish_closing(ending, lent),
            // A dial has nothing to write on, and a closed side takes nothing.
            Lifecycle::Dialing | Lifecycle::Lingering | Lifecycle::Closed => Ok(wait),
            // The rest of a pipelined group comes with the next turn, and the replies to all of it go in one write
            // (RFC 2920 §3.2).
            Lifecycle::Open | Lifecycle::Handshaking
                if wait == Wait::Turn && !self.is_held_back(lent) =>
            {
                self.channel.hold(lent.output);
                Ok(wait)
            }
            Lifecycle::Open | Lifecycle::Handshaking => {
                if !self.send(lent)? {
                    return Ok(Wait::Turn);
                }
                Ok(match wait {
                    Wait::Turn if self.is_held_back(lent) => Wait::Output,
                    Wait::Output if self.channel.unsent() == 0 => Wait::Turn,
                    wait => wait,
                })
            }
        }
    }

    /// Whether backpressure keeps it from reading: its output is full, and its peer is to read that first.
    fn is_held_back(&self, lent: &Lent<'_, D::Shared>) -> bool {
        !D::READS_AFTER_FAILED_WRITE && self.channel.is_full(lent.output.len())
    }

    /// Writes what the driver has said. False if that failed, and there may be input that its driver wants to read all the same.
    fn send(&mut self, lent: &mut Lent<'_, D::Shared>) -> io::Result<bool> {
        let sent = self.channel.send(lent.output);
        let is_sent = self.unless_given_up(sent)?.is_some();
        if !is_sent {
            lent.output.clear();
        }
        Ok(is_sent)
    }

    /// Gives the output up after a write that failed, if its driver reads on all the same; `None` then.
    fn unless_given_up<R>(&mut self, written: io::Result<R>) -> io::Result<Option<R>> {
        match written {
            Err(_) if D::READS_AFTER_FAILED_WRITE => {
                self.channel.give_output_up();
                Ok(None)
            }
            written => written.map(Some),
        }
    }

    /// Tells its driver that it is removed.
    pub(super) fn remove(mut self, now: Instant, shared: &mut D::Shared) {
        let summary = Summary {
            id: self.id,
            peer: self.peer,
            lasted: now.saturating_duration_since(self.opened.0),
            bytes_in: self.channel.bytes_in(),
            bytes_out: self.channel.bytes_out(),
        };
        match &self.reason {
            Some(reason) => self.driver.closed(reason, &summary, shared),
            None => debug_assert!(false, "a connection that is removed has ended"),
        }
    }
}
