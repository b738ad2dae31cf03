//! A network of one connection, with the readiness that an edge-triggered poll tells of it, told once.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;

use bytes::{Buf, BytesMut};
use mailoop::net::channel::Readiness;
use mailoop::net::transport::Transport;

use crate::prng::Prng;

/// How the network misbehaves. Chances are one in so many calls; 0 is never.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub would_block: usize,
    pub short: usize,
    pub interrupted: usize,
    /// Octets that wait to be read by the engine at most.
    pub inbox_max: usize,
    /// Octets that are taken from the engine before the peer has read them.
    pub outbox_max: usize,
    /// Octets that arrive at once at most.
    pub hop_max: usize,
}

impl Weather {
    /// Nothing fails, and there is room for so many octets.
    pub fn fair(outbox_max: usize) -> Self {
        Self {
            would_block: 0,
            short: 0,
            interrupted: 0,
            inbox_max: 1 << 20,
            outbox_max,
            hop_max: 1 << 20,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    None,
    Sent,
    Arrived,
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
    rng: Prng,
    weather: Weather,
    pub dial: Dial,
    /// On the way to the engine.
    flight: BytesMut,
    inbox: BytesMut,
    /// Written by the engine, and not read by the peer.
    outbox: BytesMut,
    end: Signal,
    reset: Signal,
    edge: bool,
    /// A write has met `WouldBlock`, and the engine was not told of room since.
    blocked: bool,
    /// A call has met `WouldBlock` for no reason, and an edge is due for that.
    owed: bool,
    pub is_shut: bool,
    pub is_dropped: bool,
    /// Reads and writes so far.
    pub calls: usize,
}

impl Wire {
    pub fn new(rng: Prng, weather: Weather, dial: Dial) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            rng,
            weather,
            dial,
            flight: BytesMut::new(),
            inbox: BytesMut::new(),
            outbox: BytesMut::new(),
            end: Signal::None,
            reset: Signal::None,
            // To register a socket tells of what it is ready for.
            edge: dial != Dial::Pending,
            blocked: false,
            owed: false,
            is_shut: false,
            is_dropped: false,
            calls: 0,
        }))
    }

    // The peer.

    pub fn send(&mut self, octets: &[u8]) {
        self.flight.extend_from_slice(octets);
    }

    pub fn close(&mut self) {
        if self.end == Signal::None {
            self.end = Signal::Sent;
        }
    }

    pub fn reset(&mut self) {
        self.reset = Signal::Sent;
    }

    pub fn receive(&mut self, most: usize) -> BytesMut {
        let count = most.min(self.outbox.len());
        let octets = self.outbox.split_to(count);
        if self.blocked && self.outbox.len() * 3 <= self.weather.outbox_max * 2 {
            self.edge = true;
        }
        octets
    }

    /// Octets that the peer could read.
    pub fn unread(&self) -> usize {
        self.outbox.len()
    }

    /// Whether the peer has read all, and the engine has ended its side.
    pub fn is_at_end(&self) -> bool {
        self.outbox.is_empty() && (self.is_shut || self.is_dropped)
    }

    // The network.

    /// The dial comes to something.
    pub fn settle_dial(&mut self, outcome: Dial) {
        self.dial = outcome;
        self.edge = true;
    }

    /// Lets some of what is on its way arrive, or `all` of it; whether anything did.
    pub fn travel(&mut self, all: bool) -> bool {
        if self.is_dropped || self.dial != Dial::Connected {
            return false;
        }
        let mut moved = false;
        if self.reset == Signal::Sent && (all || self.rng.one_in(2)) {
            self.reset = Signal::Arrived;
            self.flight.clear();
            self.inbox.clear();
            moved = true;
        }
        if self.owed && (all || self.rng.one_in(2)) {
            self.owed = false;
            moved = true;
        }
        let room = self.weather.inbox_max - self.inbox.len();
        let hop = match self.rng.below(2) {
            _ if all => room,
            0 => self.weather.hop_max,
            _ => self.rng.size(self.weather.hop_max),
        };
        let count = self.flight.len().min(room).min(hop);
        if count > 0 {
            self.inbox.extend_from_slice(&self.flight[..count]);
            self.flight.advance(count);
            moved = true;
        }
        if self.end == Signal::Sent && self.flight.is_empty() && (all || self.rng.one_in(2)) {
            self.end = Signal::Arrived;
            moved = true;
        }
        self.edge |= moved;
        moved
    }

    // The poll.

    pub fn has_edge(&self) -> bool {
        self.edge && !self.is_dropped
    }

    /// Takes the event: what is so when it is asked for, as epoll(7) tells it.
    pub fn fetch(&mut self) -> Readiness {
        self.edge = false;
        if let Dial::Failed(_) = self.dial {
            return everything();
        }
        let reset = self.reset == Signal::Arrived;
        let closed = self.end == Signal::Arrived || reset;
        let writable = reset || self.outbox.len() < self.weather.outbox_max;
        self.blocked &= !writable;
        Readiness {
            readable: closed || !self.inbox.is_empty(),
            writable,
            read_on: closed,
        }
    }

    /// Whether there is something to read that the engine was told of.
    pub fn is_left_behind(&self) -> bool {
        let unread = !self.inbox.is_empty() || self.end == Signal::Arrived;
        !self.is_dropped && unread && !self.edge && !self.owed && !self.blocked
    }

    // The engine.

    fn begin_call(&mut self) -> io::Result<()> {
        self.calls += 1;
        assert_eq!(
            self.dial,
            Dial::Connected,
            "no call before the dial is done"
        );
        if self.rng.one_in(self.weather.interrupted) {
            return Err(ErrorKind::Interrupted.into());
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8], short_read_drains: bool) -> io::Result<usize> {
        self.begin_call()?;
        if self.reset == Signal::Arrived {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if self.rng.one_in(self.weather.would_block) {
            self.owed = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.inbox.is_empty() {
            return match self.end {
                Signal::Arrived => Ok(0),
                _ => Err(ErrorKind::WouldBlock.into()),
            };
        }
        let mut count = buffer.len().min(self.inbox.len());
        if !short_read_drains && self.rng.one_in(self.weather.short) {
            count = self.rng.size(count);
        }
        self.inbox.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.begin_call()?;
        if self.reset == Signal::Arrived {
            return Err(ErrorKind::BrokenPipe.into());
        }
        assert!(!self.is_shut, "nothing is written after the end");
        let mut count = octets
            .len()
            .min(self.weather.outbox_max - self.outbox.len());
        let is_moody = self.rng.one_in(self.weather.would_block);
        if count == 0 || is_moody {
            self.owed |= is_moody;
            self.blocked = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.rng.one_in(self.weather.short) {
            count = self.rng.size(count);
        }
        self.blocked = false;
        self.outbox.extend_from_slice(&octets[..count]);
        Ok(count)
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
        if wire.reset == Signal::Arrived {
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
