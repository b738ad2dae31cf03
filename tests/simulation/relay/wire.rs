//! A connection to a hop: its dial, the network between, and the peer at its other end.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Instant;

use mailoop::net::channel::Readiness;
use mailoop::net::transport::Transport;

use super::books::Books;
use super::peer::Peer;
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

/// A write of the server: up to which octet, at which event, and whether it was all that was to be written.
#[derive(Clone, Copy, Debug)]
struct Written {
    end: u64,
    event: u64,
    is_all: bool,
}

pub struct HopWire {
    pub net: Network,
    pub dial: Dial,
    /// The key by which the server knows it.
    pub key: usize,
    /// The number of the host.
    pub host: usize,
    pub peer: Peer,
    books: Rc<RefCell<Books>>,
    journal: Rc<Journal>,
    writes: Vec<Written>,
    /// Octets that the server has read.
    read: u64,
    /// Octets that the peer has said, and takes that are heard with the octets up to there.
    pub said: u64,
    promised: Vec<(u64, u64)>,
    /// Takes that were heard and may be acted upon.
    heard: Vec<u64>,
    /// The server has let go.
    pub is_dropped: bool,
    /// As `Transport::short_read_drains`.
    pub drains: bool,
}

impl HopWire {
    pub fn new(
        rng: Prng,
        weather: Weather,
        dial: Dial,
        key: usize,
        peer: Peer,
        books: Rc<RefCell<Books>>,
        journal: Rc<Journal>,
    ) -> Self {
        Self {
            net: Network::new(rng, weather, false),
            dial,
            key,
            host: 0,
            peer,
            books,
            journal,
            writes: Vec::new(),
            read: 0,
            said: 0,
            promised: Vec::new(),
            heard: Vec::new(),
            is_dropped: false,
            drains: false,
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

    /// The peer does what it can; whether it did anything.
    pub fn act(&mut self, all: bool) -> bool {
        if self.dial != Dial::Up {
            return false;
        }
        let most = if all {
            usize::MAX
        } else {
            self.net.rng.size(100_000)
        };
        let octets = self.net.receive(most);
        let mut moved = !octets.is_empty();
        let writes = std::mem::take(&mut self.writes);
        self.peer.hear(
            &octets,
            &|offset| {
                let at = writes.partition_point(|written| written.end < offset);
                writes.get(at).map_or(0, |written| written.event)
            },
            &|event| {
                let before = writes.iter().rev().find(|written| written.event < event);
                before.is_some_and(|written| !written.is_all)
            },
        );
        self.writes = writes;
        if self.is_dropped && self.net.outbox.is_empty() {
            moved |= self.peer.leave();
        }
        moved | self.speak(all)
    }

    /// The peer says what it has to say and may say now.
    fn speak(&mut self, all: bool) -> bool {
        let Some(said) = self.peer.next_said(self.journal.now(), all) else {
            return false;
        };
        if !self.is_dropped {
            self.net.flight.extend_from_slice(&said.octets);
        }
        self.said += said.octets.len() as u64;
        let end = self.said;
        self.promised
            .extend(said.takes.iter().map(|take| (end, *take)));
        if said.closes && self.net.end == Signal::None {
            self.net.end = Signal::Sent;
        }
        if said.resets {
            self.net.reset = Signal::Sent;
        }
        true
    }

    /// Whether there is an event for the server.
    pub fn has_edge(&self) -> bool {
        self.net.edge && !self.is_dropped
    }

    pub fn fetch(&mut self) -> Readiness {
        if self.dial == Dial::Refused {
            self.net.edge = false;
            return Readiness {
                readable: true,
                writable: true,
                read_on: true,
            };
        }
        self.net.fetch()
    }

    /// When the peer will say something.
    pub fn due(&self) -> Option<Instant> {
        let due = self.peer.due();
        due.filter(|_| self.dial == Dial::Up)
    }

    /// Whether the peer goes on, though the server has let go.
    pub fn has_to_say(&self) -> bool {
        self.dial == Dial::Up && !self.peer.is_over()
    }

    /// Whether it belongs to the server.
    pub fn is_live(&self) -> bool {
        !self.is_dropped
    }

    /// Whether the server has nothing to do here though mail may wait.
    pub fn is_idle(&self) -> bool {
        self.dial == Dial::Up
            && self.is_live()
            && self.peer.is_idle()
            && self.net.flight.is_empty()
            && self.net.inbox.is_empty()
            && self.net.outbox.is_empty()
            && self.net.end == Signal::None
            && self.net.reset == Signal::None
    }

    fn read(&mut self, buffer: &mut [u8], drains: bool) -> io::Result<usize> {
        self.journal.count_call();
        if self.dial != Dial::Up {
            self.journal
                .violation(|| "reads before the dial has succeeded".to_owned());
            return Err(ErrorKind::NotConnected.into());
        }
        let count = self.net.read(buffer, drains)?;
        self.read += count as u64;
        let read = self.read;
        let mut books = self.books.borrow_mut();
        let heard = &mut self.heard;
        self.promised.retain(|(end, take)| {
            let is_heard = *end <= read;
            if is_heard {
                books.heard(*take);
                heard.push(*take);
            }
            !is_heard
        });
        Ok(count)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.journal.count_call();
        if self.dial != Dial::Up {
            self.journal
                .violation(|| "writes before the dial has succeeded".to_owned());
            return Err(ErrorKind::NotConnected.into());
        }
        let event = self.books.borrow_mut().event();
        let result = self.net.write(octets);
        let count = result.as_ref().map_or(0, |count| *count);
        let end = self.writes.last().map_or(0, |written| written.end) + count as u64;
        self.writes.push(Written {
            end,
            event,
            is_all: count == octets.len(),
        });
        result
    }

    fn drop_server_side(&mut self) {
        self.is_dropped = true;
        let unread = !self.net.inbox.is_empty() || !self.net.flight.is_empty();
        self.books.borrow_mut().gave_up(&self.heard);
        if unread && self.net.rng.one_in(2) {
            // The connection is reset, and what the peer has not read is lost.
            self.net.outbox.clear();
        }
    }
}

/// The server's end of a wire.
pub struct HopEnd(pub Rc<RefCell<HopWire>>);

impl Transport for HopEnd {
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
        let drains = wire.drains;
        wire.read(buffer, drains)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(octets)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for HopEnd {
    fn drop(&mut self) {
        // While a panic unwinds it may be in use.
        if let Ok(mut wire) = self.0.try_borrow_mut() {
            wire.drop_server_side();
        }
    }
}
