//! The engine's end of a simulated network, and a dial of it.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;

use bytes::BytesMut;
use mailoop::net::channel::Readiness;
use mailoop::net::transport::Transport;

use crate::network::{Network, Signal, Weather};
use crate::prng::Prng;

/// A network where nothing fails, with room for so many octets.
pub fn fair(outbox_max: usize) -> Weather {
    Weather {
        would_block: 0,
        short: 0,
        interrupted: 0,
        inbox_max: 1 << 20,
        outbox_max,
        hop_max: 1 << 20,
    }
}

/// What a dial has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dial {
    Pending,
    Connected,
    Failed(ErrorKind),
}

#[derive(Debug)]
pub struct Wire {
    net: Network,
    pub dial: Dial,
    pub is_shut: bool,
    pub is_dropped: bool,
    /// Reads and writes so far.
    pub calls: usize,
}

impl Wire {
    pub fn new(rng: Prng, weather: Weather, dial: Dial) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            net: Network::new(rng, weather, dial != Dial::Pending),
            dial,
            is_shut: false,
            is_dropped: false,
            calls: 0,
        }))
    }

    // The peer.

    pub fn send(&mut self, octets: &[u8]) {
        self.net.flight.extend_from_slice(octets);
    }

    pub fn close(&mut self) {
        if self.net.end == Signal::None {
            self.net.end = Signal::Sent;
        }
    }

    pub fn reset(&mut self) {
        self.net.reset = Signal::Sent;
    }

    pub fn receive(&mut self, most: usize) -> BytesMut {
        self.net.receive(most)
    }

    /// Octets that the peer could read.
    pub fn unread(&self) -> usize {
        self.net.outbox.len()
    }

    /// Whether the peer has read all, and the engine has ended its side.
    pub fn is_at_end(&self) -> bool {
        self.net.outbox.is_empty() && (self.is_shut || self.is_dropped)
    }

    // The network.

    /// The dial comes to something.
    pub fn settle_dial(&mut self, outcome: Dial) {
        self.dial = outcome;
        self.net.edge = true;
    }

    /// Lets some of what is on its way arrive, or `all` of it; whether anything did.
    pub fn travel(&mut self, all: bool) -> bool {
        if self.is_dropped || self.dial != Dial::Connected {
            return false;
        }
        self.net.travel(all)
    }

    // The poll.

    pub fn has_edge(&self) -> bool {
        self.net.edge && !self.is_dropped
    }

    /// Takes the event: what is so when it is asked for, as epoll(7) tells it.
    pub fn fetch(&mut self) -> Readiness {
        self.net.edge = false;
        if let Dial::Failed(_) = self.dial {
            return everything();
        }
        self.net.fetch()
    }

    /// Whether there is something to read that the engine was told of.
    pub fn is_left_behind(&self) -> bool {
        let unread = !self.net.inbox.is_empty() || self.net.end == Signal::Arrived;
        !self.is_dropped && unread && !self.net.edge && !self.net.owed && !self.net.blocked
    }

    // The engine.

    fn begin_call(&mut self) {
        self.calls += 1;
        let is_there = self.dial == Dial::Connected;
        assert!(is_there, "no call before the dial is done");
    }

    fn read(&mut self, buffer: &mut [u8], short_read_drains: bool) -> io::Result<usize> {
        self.begin_call();
        self.net.read(buffer, short_read_drains)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.begin_call();
        let is_reset = self.net.reset == Signal::Arrived;
        assert!(
            is_reset || !self.is_shut,
            "nothing is written after the end"
        );
        self.net.write(octets)
    }
}

/// An event of a socket that has failed.
fn everything() -> Readiness {
    Readiness {
        readable: true,
        writable: true,
        read_on: true,
    }
}

/// The engine's end of a wire; `DRAINS` as [`Transport::short_read_drains`].
pub struct SimTransport<const DRAINS: bool>(pub Rc<RefCell<Wire>>);

impl<const DRAINS: bool> Transport for SimTransport<DRAINS> {
    fn short_read_drains(&self) -> bool {
        DRAINS
    }

    fn is_connected(&self) -> io::Result<bool> {
        match self.0.borrow().dial {
            Dial::Pending => Ok(false),
            Dial::Connected => Ok(true),
            Dial::Failed(kind) => Err(kind.into()),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(buffer, DRAINS)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(octets)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        let mut wire = self.0.borrow_mut();
        if wire.net.reset == Signal::Arrived {
            return Err(ErrorKind::NotConnected.into());
        }
        wire.is_shut = true;
        Ok(())
    }
}

impl<const DRAINS: bool> Drop for SimTransport<DRAINS> {
    fn drop(&mut self) {
        // While a panic unwinds it may be in use.
        if let Ok(mut wire) = self.0.try_borrow_mut() {
            wire.is_dropped = true;
        }
    }
}
