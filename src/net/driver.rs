//! A driver is one protocol on one connection. It knows no socket: the engine hands it input and takes its output.
//!
//! The engine calls a driver only within a [`Turn`], and does what the returned [`Step`] says. The contract:
//!
//! - [`Driver::opened`] comes first, once; [`Driver::closed`] comes last, once, also for a dial that failed.
//! - A driver that did not use up its input gets the rest again, with what has come since, and need not keep any. It bounds
//!   what it leaves.
//! - While a driver waits for something other than input, nothing is read: that is the backpressure its peer feels. Nor is
//!   anything read while the output has reached the high-water mark, so a driver is bounded that does not look.
//! - [`Driver::input`] may be called with nothing new: an event promises nothing, and every driver hears of a drain by it.
//! - A driver that returned [`Step::Close`] is asked nothing more, but gets the completions it still waits for. What it says
//!   then is not written.

use std::hash::Hash;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::budget::{Budget, TurnBudget};
use super::channel::OUTPUT_HIGH_WATER_BYTES;
pub use super::connection_id::{ConnectionId, ConnectionName};
use super::counts::ConnectionCounts;
pub use super::lifecycle::Ending;
use super::lifecycle::Lifecycle;
use super::link::{StartTls, TlsFacts};
use super::peer::PeerAddress;

/// Whether a server is about to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// The server goes on.
    No,
    /// Work in flight may finish until then.
    Until(Instant),
    /// Work in flight may not finish any more.
    TimeIsUp,
}

/// One protocol on one connection.
pub trait Driver: Sized {
    /// Everything that the connections of this kind work on together: rules, a store, counters.
    type Shared;
    /// The name of an answer that comes later, from a store or a name service.
    type Ticket: Copy + Eq + Hash;
    /// An answer of that kind.
    type Completion;
    /// Why a connection ended.
    type Reason;

    /// Whether input is still read once a write has failed. A server that hangs up amid a message says why before, and its
    /// client wants to know; a server has no use for commands that it cannot answer.
    const READS_AFTER_FAILED_WRITE: bool = false;

    /// Begins: the connection was accepted, or the dial succeeded.
    fn opened(&mut self, turn: &mut Turn<'_, Self::Shared>) -> Step<Self> {
        let _ = turn;
        Step::Continue
    }

    /// Takes what it can use off the front of `input`, and appends its replies to [`Turn::output`].
    fn input(&mut self, input: &mut &[u8], turn: &mut Turn<'_, Self::Shared>) -> Step<Self>;

    /// Whether more input is to be read. A driver that takes none, since what all share has no room for it, is called again once
    /// there is room: see [`Wait::Room`].
    fn takes_input(&self, shared: &Self::Shared) -> bool {
        let _ = shared;
        true
    }

    /// The peer has closed its side: no more input will come. A driver that stays is told again at each event.
    fn eof(&mut self, turn: &mut Turn<'_, Self::Shared>) -> Step<Self>;

    /// Goes on under TLS, whose handshake is done.
    fn secured(&mut self, facts: &TlsFacts, turn: &mut Turn<'_, Self::Shared>) -> Step<Self> {
        let _ = (facts, turn);
        Step::Continue
    }

    /// Goes on after an answer that it waited for. A driver whose connection is closing may only note it.
    fn completed(
        &mut self,
        completion: Self::Completion,
        turn: &mut Turn<'_, Self::Shared>,
    ) -> Step<Self> {
        let _ = (completion, turn);
        Step::Continue
    }

    /// The instant at which [`expired`](Self::expired) is to be called, unless something happens before.
    fn deadline(&self, shared: &Self::Shared) -> Option<Instant> {
        let _ = shared;
        None
    }

    /// Text that [`Step::Write`] writes from its place, without a copy of it: it may be long, and of many connections.
    fn unwritten(&self) -> &[u8] {
        &[]
    }

    /// So many octets of the [unwritten](Self::unwritten) text were written: from now on it is the rest.
    fn wrote(&mut self, count: usize, turn: &mut Turn<'_, Self::Shared>) -> Step<Self> {
        let _ = (count, turn);
        Step::Continue
    }

    /// Its deadline has passed. `None` grants the peer more time, and the connection waits on. A deadline that stays in
    /// the past is told again in the next tick.
    fn expired(&mut self, turn: &mut Turn<'_, Self::Shared>) -> Option<Step<Self>> {
        let _ = turn;
        None
    }

    /// Ends a connection that is still being dialed or in the handshake of TLS, where the drain of the server says so.
    fn drained(&mut self, turn: &mut Turn<'_, Self::Shared>) -> Option<Self::Reason> {
        let _ = turn;
        None
    }

    /// The answer for whose sake the connection stays when its peer is gone, as that of a message which was submitted.
    fn outstanding(&self) -> Option<Self::Ticket> {
        None
    }

    /// The connection failed, and nothing can be written to it any more: releases what it held, and names the reason.
    fn failed(
        &mut self,
        failure: ConnectionFailure,
        turn: &mut Turn<'_, Self::Shared>,
    ) -> Self::Reason;

    /// The connection has gone on to another stage of its life: for observers, as of traces and tests.
    fn entered(
        &mut self,
        id: ConnectionId,
        before: Lifecycle,
        now: Lifecycle,
        shared: &mut Self::Shared,
    ) {
        let _ = (id, before, now, shared);
    }

    /// A turn begins in which so much may be done, for observers; a replay gives what there was.
    fn begins_turn(
        &self,
        id: ConnectionId,
        budget: TurnBudget,
        shared: &Self::Shared,
    ) -> TurnBudget {
        let _ = (id, shared);
        budget
    }

    /// A turn of the connection is over, after which it waits for this with so many octets unsent, for observers.
    fn ended_turn(
        &self,
        id: ConnectionId,
        wait: Wait<Self::Ticket>,
        unsent: usize,
        shared: &Self::Shared,
    ) {
        let _ = (id, wait, unsent, shared);
    }

    /// The driver has appended these octets to its output, for observers.
    fn said(&self, id: ConnectionId, octets: &[u8], shared: &Self::Shared) {
        let _ = (id, octets, shared);
    }

    /// The connection is over and is about to be removed.
    fn closed(&mut self, reason: &Self::Reason, summary: &Summary, shared: &mut Self::Shared) {
        let _ = (reason, summary, shared);
    }
}

/// The next need of a driver.
pub enum Step<D: Driver> {
    /// More input: it has used all that it could of what is there.
    Continue,
    /// One read, after which [`Driver::input`] is called whatever came of it. A greeting so learns whether its peer has talked
    /// before its turn. A second one in a turn is as [`Continue`](Self::Continue).
    Read,
    /// Its output to be written as far as there is room. It goes on with input if there is some, or else once nothing is unsent. So
    /// a long output is handed over in parts, while the peer may yet object to it.
    Flush,
    /// Its output to be written, and after that the text that is [unwritten](Driver::unwritten), in parts, of which
    /// [`Driver::wrote`] tells. In between it is given input: what is written in parts may be objected to. It returns this again
    /// for as long as there is text.
    Write,
    /// Its output and the text to be written as by [`Write`](Self::Write), before it is given any input: for a driver that has no use
    /// for that, and is to keep none.
    WriteOut,
    /// Something else before it takes more input.
    Wait(Wait<D::Ticket>),
    /// The handshake of TLS within this time. Unsent output goes out before it in the clear; input that is left belongs to it.
    StartTls(Rc<dyn StartTls>, Duration),
    /// The end.
    Close(Close<D::Reason>),
}

/// The condition that a connection waits for. The driver returns it, the slot of the connection remembers it, the queues are sorted by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait<K> {
    /// Input, or room for output that is unsent: an event of the socket.
    Input,
    /// Its output to be written: the driver goes on once nothing is unsent.
    Output,
    /// Another turn: it did the work of one and has more to do.
    Turn,
    /// Iterations of key derivation, or of a handshake: see [`Turn::iterations`].
    Cpu,
    /// Room in what all share, as in a store that takes no more text now: see
    /// [`Connections::end_congestion`](super::connections::Connections::end_congestion).
    Room,
    /// The answer to this ticket.
    Completion(K),
    /// Its deadline.
    Timer,
}

impl<K> Wait<K> {
    /// The word for what a connection waits for that has so many octets of output unsent.
    #[must_use]
    pub fn name(&self, unsent: usize) -> &'static str {
        match self {
            Self::Input if unsent > 0 => "output",
            Self::Input => "client",
            Self::Output => "output",
            Self::Turn => "turn",
            Self::Cpu => "cpu",
            Self::Room => "room",
            Self::Completion(_) => "store",
            Self::Timer => "timer",
        }
    }
}

/// The end of a connection, as its driver wants it.
#[derive(Debug)]
pub struct Close<R> {
    /// Why it ends.
    pub reason: R,
    /// The treatment of the socket.
    pub ending: Ending,
    /// Time for the last output to be written.
    pub flush_timeout: Duration,
}

impl<R> Close<R> {
    /// The end without another word.
    pub fn abort(reason: R) -> Self {
        Self {
            reason,
            ending: Ending::Abort,
            flush_timeout: Duration::ZERO,
        }
    }

    /// The end with what the socket takes at once.
    pub fn now(reason: R) -> Self {
        Self {
            reason,
            ending: Ending::Now,
            flush_timeout: Duration::ZERO,
        }
    }

    /// The end after that of the peer's input: what is unsent has a minute to be written.
    pub fn after_eof(reason: R) -> Self {
        Self {
            reason,
            ending: Ending::Close,
            flush_timeout: Duration::from_secs(60),
        }
    }
}

/// A failure that ended a connection without its driver.
#[derive(Debug)]
pub enum ConnectionFailure {
    /// The connection could not be established.
    Dial(io::Error),
    /// The peer did not shake hands for TLS as it should.
    Handshake(io::Error),
    /// The handshake of TLS took too long.
    HandshakeTimeout,
    /// The socket failed.
    Socket(io::Error),
}

impl From<ConnectionFailure> for io::Error {
    fn from(failure: ConnectionFailure) -> Self {
        match failure {
            ConnectionFailure::Dial(error)
            | ConnectionFailure::Handshake(error)
            | ConnectionFailure::Socket(error) => error,
            ConnectionFailure::HandshakeTimeout => io::ErrorKind::TimedOut.into(),
        }
    }
}

/// A summary of a connection, for its last log line.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// The id of the connection.
    pub id: ConnectionId,
    /// The peer.
    pub peer: PeerAddress,
    /// The duration of the connection.
    pub lasted: Duration,
    /// Octets read.
    pub bytes_in: u64,
    /// Octets written.
    pub bytes_out: u64,
}

/// All that a driver is lent while it is called.
pub struct Turn<'a, S> {
    /// The id of the connection.
    pub id: ConnectionId,
    /// The time of this tick.
    pub now: Instant,
    /// Everything that the connections of this kind work on together.
    pub shared: &'a mut S,
    /// The buffer that gathers output, so that one write takes all of a turn.
    pub output: &'a mut BytesMut,
    /// The work that this turn may do, and has done.
    pub work: &'a mut Budget,
    /// Iterations of key derivation that may be done now; those that are done are to be taken off.
    pub iterations: &'a mut u32,
    /// Whether the server is about to end.
    pub drain: Drain,
    /// Octets of output before this turn that the socket had no room for.
    pub unsent: usize,
    /// Octets read so far.
    pub bytes_in: u64,
    /// Octets written so far.
    pub bytes_out: u64,
    pub(super) key: usize,
    pub(super) peer: &'a mut PeerAddress,
    pub(super) is_identified: &'a mut bool,
    pub(super) counts: &'a ConnectionCounts,
}

impl<S> Turn<'_, S> {
    /// The name by which the connection can be [woken](super::connections::Connections::wake).
    #[must_use]
    pub fn name(&self) -> ConnectionName {
        let (key, id) = (self.key, self.id);
        ConnectionName { key, id }
    }

    /// Whether the output has reached the high-water mark: backpressure, until the peer has read.
    #[must_use]
    pub fn is_output_full(&self) -> bool {
        self.unsent + self.output.len() >= OUTPUT_HIGH_WATER_BYTES
    }

    /// The peer, or the client that it has named.
    #[must_use]
    pub fn peer(&self) -> PeerAddress {
        *self.peer
    }

    /// The connections that are open from the address of the peer, with this one.
    #[must_use]
    pub fn open_from_peer(&self) -> usize {
        let ip = self.peer.ip();
        ip.map_or(1, |ip| self.counts.open_from(ip))
    }

    /// The peer speaks for another client from now on, as a proxy does. Whether there is room for one more connection of that
    /// client's address, of which there may be `connections_max`; 0 for no limit.
    #[must_use]
    pub fn identify(&mut self, client: PeerAddress, connections_max: usize) -> bool {
        let before = self.peer.ip().filter(|_| *self.is_identified);
        *self.peer = client;
        *self.is_identified = true;
        match client.ip() {
            Some(ip) if Some(ip) != before && connections_max != 0 => {
                self.counts.open_from(ip) < connections_max
            }
            _ => true,
        }
    }
}
