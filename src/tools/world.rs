//! The world around the loop of a client: time, readiness, connections to its server, signals.
//!
//! The loop asks it for everything that it does not decide itself, so that a record can hold the answers and a replay give them again.

mod live;

use std::io;
use std::rc::Rc;
use std::time::Instant;

pub use live::LiveWorld;

use crate::net::carrier::Carrier;
use crate::net::channel::Readiness;
use crate::net::connections::TickStep;
use crate::net::driver::ConnectionId;
use crate::net::peer::PeerAddress;
use crate::net::probe::Probe;
use crate::net::token::Token;

/// The kind of the tokens of connections.
pub const CONNECTION: u8 = 0;
/// The kind of the tokens of hostile peers.
pub const ATTACKER: u8 = 1;

/// The world around the loop of a client.
pub trait World {
    /// The time.
    fn now(&self) -> Instant;

    /// Waits for readiness, until `wake` at the latest, and returns the time of the tick that begins with that.
    ///
    /// # Errors
    /// As epoll_wait(2).
    fn poll(&self, wake: Option<Instant>) -> io::Result<Instant>;

    /// Tells of the events of the tick, one after the other.
    fn events(&self, tell: &mut dyn FnMut(Token, Readiness));

    /// Begins a connection to the server.
    ///
    /// # Errors
    /// As connect(2), where it failed at once, and epoll_ctl(2).
    fn dial(&self, call: Call) -> io::Result<Dialed>;

    /// Gives the present address of the server up; whether there is another one.
    fn next_address(&self) -> bool;

    /// The number of signals that asked to end since the last call.
    fn signals(&self) -> u32 {
        0
    }

    /// A step of the tick begins, for observers.
    fn step(&self, step: TickStep) {
        let _ = step;
    }

    /// The observer of connections, if there is one.
    fn probe(&self) -> Option<Rc<dyn Probe>> {
        None
    }
}

/// A connection that is to be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The token that its events come with.
    pub token: Token,
    /// The id that it will have.
    pub connection: ConnectionId,
    /// Whether it ends with a reset when it is closed.
    pub resets_on_close: bool,
}

/// A connection that was begun.
pub struct Dialed {
    /// Its transport.
    pub transport: Carrier,
    /// The server.
    pub peer: PeerAddress,
}
