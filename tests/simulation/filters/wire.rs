//! A connection between the server and a client or a filter: its dial, and the network between.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;

use mailoop::net::channel::Readiness;
use mailoop::net::transport::Transport;

use crate::journal::Journal;
use crate::network::{Network, Signal, Weather};
use crate::prng::Prng;

/// How far a dial is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dial {
    /// It will be there, or refused, at some step.
    Under,
    UnderToRefusal,
    /// It will never be.
    Silent,
    Up,
    Refused,
}

pub struct Wire {
    pub net: Network,
    pub dial: Dial,
    /// The key by which the server knows it.
    pub key: usize,
    /// The server has let go.
    pub is_dropped: bool,
    journal: Rc<Journal>,
    drains: bool,
}

impl Wire {
    pub fn new(mut rng: Prng, weather: Weather, dial: Dial, journal: Rc<Journal>) -> Self {
        let drains = weather.short == 0 && rng.one_in(2);
        Self {
            net: Network::new(rng, weather, dial == Dial::Up),
            dial,
            key: 0,
            is_dropped: false,
            journal,
            drains,
        }
    }

    /// Lets some of what is on its way arrive, or `all` of it; whether anything did.
    pub fn travel(&mut self, all: bool) -> bool {
        let is_time = all || self.net.rng.one_in(3);
        match self.dial {
            _ if self.is_dropped => return false,
            Dial::Silent | Dial::Refused => return false,
            Dial::Under if is_time => self.dial = Dial::Up,
            Dial::UnderToRefusal if is_time => self.dial = Dial::Refused,
            Dial::Under | Dial::UnderToRefusal => return false,
            Dial::Up => return self.net.travel(all),
        }
        self.net.edge = true;
        true
    }

    /// The peer says something.
    pub fn say(&mut self, octets: &[u8]) {
        if !self.is_dropped && self.net.end == Signal::None {
            self.net.flight.extend_from_slice(octets);
        }
    }

    /// The peer hangs up, or resets the connection.
    pub fn end(&mut self, resets: bool) {
        if resets {
            self.net.reset = Signal::Sent;
        } else if self.net.end == Signal::None {
            self.net.end = Signal::Sent;
        }
    }

    /// Takes the event, if there is one for the server.
    pub fn fetch(&mut self) -> Option<Readiness> {
        if !self.net.edge || self.is_dropped {
            return None;
        }
        if self.dial == Dial::Refused {
            self.net.edge = false;
            return Some(Readiness {
                readable: true,
                writable: true,
                read_on: true,
            });
        }
        Some(self.net.fetch())
    }

    fn call(&self) -> io::Result<()> {
        self.journal.count_call();
        if self.dial == Dial::Up {
            return Ok(());
        }
        let wrong = || "it is used before the dial has succeeded".to_owned();
        self.journal.violation(wrong);
        Err(ErrorKind::NotConnected.into())
    }
}

/// The server's end of a wire.
pub struct WireEnd(pub Rc<RefCell<Wire>>);

impl Transport for WireEnd {
    fn short_read_drains(&self) -> bool {
        self.0.borrow().drains
    }

    fn is_connected(&self) -> io::Result<bool> {
        match self.0.borrow().dial {
            Dial::Up => Ok(true),
            Dial::Refused => Err(ErrorKind::ConnectionRefused.into()),
            Dial::Under | Dial::UnderToRefusal | Dial::Silent => Ok(false),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        wire.call()?;
        let drains = wire.drains;
        wire.net.read(buffer, drains)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        wire.call()?;
        wire.net.write(octets)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for WireEnd {
    fn drop(&mut self) {
        // While a panic unwinds it may be in use.
        if let Ok(mut wire) = self.0.try_borrow_mut() {
            wire.is_dropped = true;
            wire.net.flight.clear();
        }
    }
}
