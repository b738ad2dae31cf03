//! The network of one connection that misbehaves, with the readiness that an edge-triggered poll tells of it. The simulation of
//! the server and that of the engine share it.
//!
//! Octets are on their way before they arrive, and there is room for so many only. An edge is told once, when something has
//! changed for the side that is simulated: octets arrived, or their end, or a reset, or there is room again after a write has
//! met `WouldBlock`. Changes that come before the event is fetched are one event. Nothing is ever told again: who leaves
//! something behind hears no more of it.

use std::io::{self, ErrorKind};

use bytes::{Buf, BytesMut};
use mailoop::net::channel::Readiness;

use crate::prng::Prng;

/// How the network misbehaves. Chances are one in so many calls; 0 is never.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub would_block: usize,
    pub short: usize,
    pub interrupted: usize,
    /// The most octets that wait to be read.
    pub inbox_max: usize,
    /// The most octets that are taken before the peer has read them.
    pub outbox_max: usize,
    /// The most octets that arrive at once.
    pub hop_max: usize,
}

/// How far the end of the peer's side, or its reset, has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    None,
    /// Behind the octets that are on their way.
    Sent,
    Arrived,
}

#[derive(Debug)]
pub struct Network {
    pub rng: Prng,
    weather: Weather,
    /// On the way from the peer.
    pub flight: BytesMut,
    /// Arrived from there.
    pub inbox: BytesMut,
    /// Written, and not read by the peer.
    pub outbox: BytesMut,
    pub end: Signal,
    pub reset: Signal,
    /// An event is to be told.
    pub edge: bool,
    /// A write has met `WouldBlock`, and nobody was told of room since.
    pub blocked: bool,
    /// A call has met `WouldBlock` for no reason to be seen, and no edge came since.
    pub owed: bool,
}

impl Network {
    /// Registering a socket tells of what it is ready for: `edge`, unless it is not connected.
    pub fn new(rng: Prng, weather: Weather, edge: bool) -> Self {
        Self {
            rng,
            weather,
            flight: BytesMut::new(),
            inbox: BytesMut::new(),
            outbox: BytesMut::new(),
            end: Signal::None,
            reset: Signal::None,
            edge,
            blocked: false,
            owed: false,
        }
    }

    /// What the peer reads, at most so many octets.
    pub fn receive(&mut self, most: usize) -> BytesMut {
        let count = most.min(self.outbox.len());
        let octets = self.outbox.split_to(count);
        // As Linux does: a third of the room has to be free before it is worth an event.
        if self.blocked && self.outbox.len() * 3 <= self.weather.outbox_max * 2 {
            self.edge = true;
        }
        octets
    }

    /// Lets some of what is on its way arrive, or `all` of it; whether anything did.
    pub fn travel(&mut self, all: bool) -> bool {
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

    /// Takes the event: what is so when it is asked for, as epoll(7) tells it.
    pub fn fetch(&mut self) -> Readiness {
        self.edge = false;
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

    /// A read; 0 octets are the end of the peer's side.
    pub fn read(&mut self, buffer: &mut [u8], short_read_drains: bool) -> io::Result<usize> {
        if self.reset == Signal::Arrived {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if self.rng.one_in(self.weather.interrupted) {
            return Err(ErrorKind::Interrupted.into());
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

    /// A write; how many of these octets it takes.
    pub fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.reset == Signal::Arrived {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if self.rng.one_in(self.weather.interrupted) {
            return Err(ErrorKind::Interrupted.into());
        }
        let room = self.weather.outbox_max - self.outbox.len();
        let mut count = octets.len().min(room);
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
