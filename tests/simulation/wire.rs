//! A network of one connection, with the readiness that an edge-triggered poll tells of it.
//!
//! Bytes are on their way before they arrive, and there is room for so many only. An edge is told once, when
//! something has changed for the server: bytes arrived, or their end, or a reset, or there is room again after
//! a write has met `WouldBlock`. Changes that come before the event is fetched are one event. Nothing is ever
//! told again: a server that leaves something behind hears no more of it.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;

use bytes::{Buf, BytesMut};
use mailoop::net::channel::Readiness;
use mailoop::net::transport::Transport;

use super::journal::Journal;
use super::prng::Prng;
use super::profile::Weather;
use super::tls::{Part, Tls};
use super::witness::Witness;

/// How far a client is with closing its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    None,
    /// Behind the bytes that are on their way.
    Sent,
    Arrived,
}

pub struct Wire {
    rng: Prng,
    weather: Weather,
    journal: Rc<Journal>,
    /// What the server has done.
    pub witness: Witness,
    /// On the way to the server.
    flight: BytesMut,
    /// Arrived there.
    inbox: BytesMut,
    end: End,
    reset: End,
    /// The client has gone altogether: whatever the server still sends is answered by a reset.
    abandoned: bool,
    /// What the server has written and the client not read.
    outbox: BytesMut,
    /// The server's system has reset the connection.
    refused: bool,
    /// An event is to be told.
    edge: bool,
    /// A write has met `WouldBlock`, and the server was not told of room since.
    blocked: bool,
    /// A call has met `WouldBlock` for no reason to be seen, and no edge came since.
    owed: bool,
    tls: Option<Tls>,
    /// What the client sends is no TLS though it should be.
    pub garbage: bool,
}

impl Wire {
    pub fn new(rng: Prng, weather: Weather, journal: Rc<Journal>, witness: Witness) -> Self {
        Self {
            rng,
            weather,
            journal,
            witness,
            flight: BytesMut::new(),
            inbox: BytesMut::new(),
            end: End::None,
            reset: End::None,
            abandoned: false,
            outbox: BytesMut::new(),
            refused: false,
            // To register a socket tells of what it is ready for.
            edge: true,
            blocked: false,
            owed: false,
            tls: None,
            garbage: false,
        }
    }

    // The client's side.

    /// Begins TLS, perhaps without saying all of what that begins with.
    pub fn begin_tls(&mut self, whole: bool) {
        let record_max = self.rng.pick(&[100, 1500, 1 << 14]);
        let (tls, mut hello) = Tls::begin(self.rng.one_in(3), record_max);
        if !whole {
            hello.truncate(self.rng.below(hello.len()));
        }
        self.tls = Some(tls);
        self.send_raw(&hello);
    }

    /// Whether what the client says waits for the end of a handshake.
    pub fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(Tls::is_handshaking)
    }

    pub fn send(&mut self, bytes: &[u8]) {
        match &mut self.tls {
            Some(tls) => {
                let sealed = tls.say(bytes);
                self.send_raw(&sealed);
            }
            None => self.send_raw(bytes),
        }
    }

    fn send_raw(&mut self, bytes: &[u8]) {
        if !self.refused {
            self.flight.extend_from_slice(bytes);
        }
    }

    /// The client will send no more. In TLS it may say so there, and to the network, or to one of the two.
    pub fn close(&mut self) {
        if self.end != End::None {
            return;
        }
        let mut both = true;
        if !self.is_handshaking()
            && let Some(tls) = &mut self.tls
            && self.rng.one_in(2)
        {
            let farewell = tls.farewell();
            self.send_raw(&farewell);
            both = self.rng.one_in(2);
        }
        if both {
            self.end = End::Sent;
        }
    }

    /// The client closes both sides.
    pub fn abandon(&mut self) {
        self.close();
        if self.end == End::None {
            self.end = End::Sent;
        }
        self.abandoned = true;
    }

    pub fn reset(&mut self) {
        self.reset = End::Sent;
    }

    /// What the client reads, at most so many bytes.
    pub fn receive(&mut self, most: usize) -> BytesMut {
        let count = most.min(self.outbox.len());
        let mut bytes = self.outbox.split_to(count);
        if let Some(tls) = &mut self.tls {
            let (text, answer) = tls.received(count);
            bytes = text;
            self.send_raw(&answer);
        }
        // As Linux does: a third of the room has to be free before it is worth an event.
        if self.blocked && self.outbox.len() * 3 <= self.weather.outbox_max * 2 {
            self.edge = true;
        }
        bytes
    }

    /// Whether the server's end is to be seen behind what was read.
    pub fn is_over(&self) -> bool {
        self.outbox.is_empty() && (self.witness.shut.is_some() || self.witness.dropped.is_some())
    }

    /// Whether the connection was reset, from whichever side.
    pub fn is_reset(&self) -> bool {
        self.refused || self.reset != End::None
    }

    /// Nobody was there to accept it.
    pub fn refuse(&mut self) {
        self.refused = true;
    }

    // The network between.

    /// Lets some of what is on its way arrive, or `all` of it; whether anything did.
    pub fn travel(&mut self, all: bool) -> bool {
        let mut moved = false;
        if self.witness.dropped.is_some() {
            moved = !self.flight.is_empty();
            self.refused |= moved;
            self.flight.clear();
            return moved;
        }
        if self.abandoned && !self.outbox.is_empty() && self.reset == End::None {
            self.reset = End::Sent;
        }
        if self.reset == End::Sent && (all || self.rng.one_in(2)) {
            self.reset = End::Arrived;
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
        if self.end == End::Sent && self.flight.is_empty() && (all || self.rng.one_in(2)) {
            self.end = End::Arrived;
            moved = true;
        }
        self.edge |= moved;
        moved
    }

    // The server's side.

    /// Whether there is an event for the server.
    pub fn has_edge(&self) -> bool {
        self.edge && self.witness.dropped.is_none()
    }

    /// An event comes, and be it for nothing.
    pub fn nudge(&mut self) {
        if self.blocked {
            self.witness.nudged = Some(self.journal.now());
        }
    }

    /// Takes the event: what is so when the server asks, as epoll tells it.
    pub fn fetch(&mut self) -> Readiness {
        self.edge = false;
        let reset = self.reset == End::Arrived;
        let closed = self.end == End::Arrived || reset;
        let writable = reset || self.outbox.len() < self.weather.outbox_max;
        self.nudge();
        self.blocked &= !writable;
        Readiness {
            readable: closed || !self.inbox.is_empty(),
            writable,
            read_on: closed,
        }
    }

    /// Whether the server can do nothing but wait for the client to read.
    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// What the server has left unread though nothing keeps it from reading on.
    pub fn left_behind(&self) -> Option<&'static str> {
        if self.witness.dropped.is_some() || self.blocked {
            None
        } else if self.reset == End::Arrived {
            Some("a reset")
        } else if !self.inbox.is_empty() {
            Some("input")
        } else if self.end == End::Arrived {
            Some("the end of its input")
        } else {
            None
        }
    }

    /// Whether only its place on the runnable list can make the server go on with it.
    pub fn is_runnable(&self) -> bool {
        self.left_behind().is_some() && !self.edge && !self.owed
    }

    fn read(&mut self, buffer: &mut [u8], short_read_drains: bool) -> io::Result<usize> {
        self.journal.count_call();
        self.witness.check_read();
        if self.reset == End::Arrived {
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
            if self.end != End::Arrived {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.witness.read_end();
            return Ok(0);
        }
        let mut count = buffer.len().min(self.inbox.len());
        if !short_read_drains && self.rng.one_in(self.weather.short) {
            count = self.rng.size(count);
        }
        self.inbox.copy_to_slice(&mut buffer[..count]);
        self.witness.read(count);
        match &mut self.tls {
            Some(tls) => {
                for part in tls.taken(count) {
                    match part {
                        Part::Handshake => {}
                        Part::EndOfHandshake => self.witness.secure(),
                        Part::Text(text) => self.witness.read_text(&text),
                        Part::Farewell => self.witness.read_end(),
                    }
                }
            }
            None if self.garbage => {}
            None => self.witness.read_text(&buffer[..count]),
        }
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.journal.count_call();
        if self.reset == End::Arrived {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if self.rng.one_in(self.weather.interrupted) {
            return Err(ErrorKind::Interrupted.into());
        }
        let mut count = bytes.len().min(self.weather.outbox_max - self.outbox.len());
        let moody = self.rng.one_in(self.weather.would_block);
        if count == 0 || moody {
            self.owed |= moody;
            self.blocked = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.rng.one_in(self.weather.short) {
            count = self.rng.size(count);
        }
        self.blocked = false;
        self.outbox.extend_from_slice(&bytes[..count]);
        self.written(&bytes[..count]);
        Ok(count)
    }

    fn written(&mut self, bytes: &[u8]) {
        self.witness.wrote();
        match &mut self.tls {
            Some(tls) => match tls.written(bytes) {
                Ok(texts) => texts.iter().for_each(|text| self.witness.wrote_text(text)),
                Err(error) => {
                    let client = self.witness.client;
                    self.journal
                        .violation(|| format!("client {client}: in TLS it heard: {error}"));
                }
            },
            None if self.garbage => {}
            None => self.witness.wrote_text(bytes),
        }
    }

    fn shut_down(&mut self) {
        let said_so = self.tls.as_mut().is_none_or(Tls::has_farewell);
        self.witness.shut_down(said_so);
    }

    fn drop_server_side(&mut self) {
        let reset = self.reset == End::Arrived;
        let within_record = self.tls.as_ref().is_some_and(Tls::is_within_record);
        self.witness
            .drop_connection(reset, self.blocked, within_record);
        if self.inbox.is_empty() {
            return;
        }
        // To close a socket with unread input resets the connection, and what the client has not read is lost.
        // The server is to blame if it could have known of that input.
        let told = !self.edge && !self.owed;
        let expected = self.blocked || self.garbage || self.witness.securing.is_some();
        if told && !reset && !expected && !self.witness.has_lingered() {
            let client = self.witness.client;
            self.journal
                .violation(|| format!("client {client}: closed on unread input"));
        }
        self.outbox.clear();
        self.refused = true;
    }
}

/// The server's end of a wire; `DRAINS` as [`Transport::short_read_drains`].
pub struct SimTransport<const DRAINS: bool>(pub Rc<RefCell<Wire>>);

impl<const DRAINS: bool> Transport for SimTransport<DRAINS> {
    fn short_read_drains(&self) -> bool {
        DRAINS
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(buffer, DRAINS)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        let mut wire = self.0.borrow_mut();
        if wire.reset == End::Arrived {
            return Err(ErrorKind::NotConnected.into());
        }
        wire.shut_down();
        Ok(())
    }
}

impl<const DRAINS: bool> Drop for SimTransport<DRAINS> {
    fn drop(&mut self) {
        // While a panic unwinds it may be in use.
        if let Ok(mut wire) = self.0.try_borrow_mut() {
            wire.drop_server_side();
        }
    }
}
