//! A network of one connection, with the readiness that an edge-triggered poll tells of it.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;

use bytes::BytesMut;
use mailoop::net::channel::Readiness;
use mailoop::net::transport::Transport;

use super::journal::Journal;
use super::network::{Network, Signal, Weather};
use super::prng::Prng;
use super::tls::{Part, Tls};
use super::witness::Witness;

pub struct Wire {
    net: Network,
    journal: Rc<Journal>,
    /// What the server has done.
    pub witness: Witness,
    /// The client has gone altogether: whatever the server still sends is answered by a reset.
    abandoned: bool,
    /// The server's system has reset the connection.
    refused: bool,
    tls: Option<Tls>,
    /// What the client sends is no TLS though it should be.
    pub garbage: bool,
}

impl Wire {
    pub fn new(rng: Prng, weather: Weather, journal: Rc<Journal>, witness: Witness) -> Self {
        Self {
            net: Network::new(rng, weather, true),
            journal,
            witness,
            abandoned: false,
            refused: false,
            tls: None,
            garbage: false,
        }
    }

    // The client's side.

    /// Begins TLS, perhaps without saying all of what that begins with.
    pub fn begin_tls(&mut self, whole: bool) {
        let record_max = self.net.rng.pick(&[100, 1500, 1 << 14]);
        let (tls, mut hello) = Tls::begin(self.net.rng.one_in(3), record_max);
        if !whole {
            hello.truncate(self.net.rng.below(hello.len()));
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
            self.net.flight.extend_from_slice(bytes);
        }
    }

    /// The client will send no more. In TLS it may say so there, and to the network, or to one of the two.
    pub fn close(&mut self) {
        if self.net.end != Signal::None {
            return;
        }
        let mut both = true;
        if !self.is_handshaking()
            && let Some(tls) = &mut self.tls
            && self.net.rng.one_in(2)
        {
            let farewell = tls.farewell();
            self.send_raw(&farewell);
            both = self.net.rng.one_in(2);
        }
        if both {
            self.net.end = Signal::Sent;
        }
    }

    /// The client closes both sides.
    pub fn abandon(&mut self) {
        self.close();
        if self.net.end == Signal::None {
            self.net.end = Signal::Sent;
        }
        self.abandoned = true;
    }

    pub fn reset(&mut self) {
        self.net.reset = Signal::Sent;
    }

    /// What the client reads, at most so many bytes.
    pub fn receive(&mut self, most: usize) -> BytesMut {
        let mut bytes = self.net.receive(most);
        if let Some(tls) = &mut self.tls {
            let (text, answer) = tls.received(bytes.len());
            bytes = text;
            self.send_raw(&answer);
        }
        bytes
    }

    /// Whether the server's end is to be seen behind what was read.
    pub fn is_over(&self) -> bool {
        self.net.outbox.is_empty()
            && (self.witness.shut.is_some() || self.witness.dropped.is_some())
    }

    /// Whether the connection was reset, from whichever side.
    pub fn is_reset(&self) -> bool {
        self.refused || self.net.reset != Signal::None
    }

    /// Nobody was there to accept it.
    pub fn refuse(&mut self) {
        self.refused = true;
    }

    // The network between.

    /// Lets some of what is on its way arrive, or `all` of it; whether anything did.
    pub fn travel(&mut self, all: bool) -> bool {
        if self.witness.dropped.is_some() {
            let moved = !self.net.flight.is_empty();
            self.refused |= moved;
            self.net.flight.clear();
            return moved;
        }
        if self.abandoned && !self.net.outbox.is_empty() && self.net.reset == Signal::None {
            self.net.reset = Signal::Sent;
        }
        self.net.travel(all)
    }

    // The server's side.

    /// Whether there is an event for the server.
    pub fn has_edge(&self) -> bool {
        self.net.edge && self.witness.dropped.is_none()
    }

    /// An event comes, and be it for nothing.
    pub fn nudge(&mut self) {
        if self.net.blocked {
            self.witness.nudged = Some(self.journal.now());
        }
    }

    /// Takes the event: what is so when the server asks, as epoll tells it.
    pub fn fetch(&mut self) -> Readiness {
        self.nudge();
        self.net.fetch()
    }

    /// Whether the server can do nothing but wait for the client to read.
    pub fn is_blocked(&self) -> bool {
        self.net.blocked
    }

    /// What the server has left unread though nothing keeps it from reading on.
    pub fn left_behind(&self) -> Option<&'static str> {
        if self.witness.dropped.is_some() || self.net.blocked {
            None
        } else if self.net.reset == Signal::Arrived {
            Some("a reset")
        } else if !self.net.inbox.is_empty() {
            Some("input")
        } else if self.net.end == Signal::Arrived {
            Some("the end of its input")
        } else {
            None
        }
    }

    /// Whether only its place on the runnable list can make the server go on with it.
    pub fn is_runnable(&self) -> bool {
        self.left_behind().is_some() && !self.net.edge && !self.net.owed
    }

    fn read(&mut self, buffer: &mut [u8], short_read_drains: bool) -> io::Result<usize> {
        self.journal.count_call();
        self.witness.check_read();
        let count = self.net.read(buffer, short_read_drains)?;
        if count == 0 {
            self.witness.read_end();
            return Ok(0);
        }
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
        let count = self.net.write(bytes)?;
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
        let reset = self.net.reset == Signal::Arrived;
        let within_record = self.tls.as_ref().is_some_and(Tls::is_within_record);
        self.witness
            .drop_connection(reset, self.net.blocked, within_record);
        if self.net.inbox.is_empty() {
            return;
        }
        // To close a socket with unread input resets the connection, and what the client has not read is lost.
        // The server is to blame if it could have known of that input.
        let told = !self.net.edge && !self.net.owed;
        let expected = self.net.blocked || self.garbage || self.witness.securing.is_some();
        if told && !reset && !expected && !self.witness.has_lingered() {
            let client = self.witness.client;
            self.journal
                .violation(|| format!("client {client}: closed on unread input"));
        }
        self.net.outbox.clear();
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
        if wire.net.reset == Signal::Arrived {
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
