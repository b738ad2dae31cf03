//! Connections with scripts over networks that a test moves by hand, and a clock that stands still.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mailoop::net::channel::Readiness;
use mailoop::net::connections::Connections;
use mailoop::net::peer::PeerAddress;

use crate::checked::Checked;
use crate::prng::Prng;
use crate::script::{Board, Script};
use crate::wire::{Dial, SimTransport, Wire, fair};

pub const SECOND: Duration = Duration::from_secs(1);

pub struct Bench {
    pub connections: Connections<Checked<Script>, SimTransport<true>>,
    now: Instant,
}

/// A connection, seen by a test.
pub struct Peer {
    pub key: usize,
    pub wire: Rc<RefCell<Wire>>,
}

impl Peer {
    /// Sends octets, which arrive at once.
    pub fn send(&self, octets: &[u8]) {
        self.wire.borrow_mut().send(octets);
        self.wire.borrow_mut().travel(true);
    }

    pub fn close(&self) {
        self.wire.borrow_mut().close();
        self.wire.borrow_mut().travel(true);
    }

    pub fn reset(&self) {
        self.wire.borrow_mut().reset();
        self.wire.borrow_mut().travel(true);
    }

    pub fn receive(&self) -> Vec<u8> {
        self.wire.borrow_mut().receive(usize::MAX).to_vec()
    }
}

impl Bench {
    pub fn new() -> Self {
        let now = Instant::now();
        let mut bench = Self {
            connections: Connections::new(Board::default(), now),
            now,
        };
        bench.pass(SECOND);
        bench
    }

    fn wire(outbox_max: usize, dial: Dial) -> Rc<RefCell<Wire>> {
        Wire::new(Prng::new(1), fair(outbox_max), dial)
    }

    /// Takes in a connection from the host of this number, to which so many octets can be written unread.
    pub fn accept_from(&mut self, host: u8, outbox_max: usize, script: Script) -> Peer {
        let (key, wire) = (
            self.connections.next_key(),
            Self::wire(outbox_max, Dial::Connected),
        );
        let transport = SimTransport(Rc::clone(&wire));
        let driver = Checked::new(script);
        self.connections.add(transport, driver, address(host), true);
        Peer { key, wire }
    }

    pub fn accept(&mut self, outbox_max: usize, script: Script) -> Peer {
        self.accept_from(1, outbox_max, script)
    }

    /// Dials; it is given up after ten seconds.
    pub fn dial(&mut self, script: Script) -> Peer {
        let (key, wire) = (
            self.connections.next_key(),
            Self::wire(1 << 20, Dial::Pending),
        );
        let transport = SimTransport(Rc::clone(&wire));
        let driver = Checked::new(script);
        let deadline = self.now + 10 * SECOND;
        self.connections
            .dial(transport, driver, address(1), deadline);
        Peer { key, wire }
    }

    /// Refuses a connection; what it was told, and whether it was closed.
    pub fn refuse(&mut self, script: Script) -> (Vec<u8>, bool) {
        let wire = Self::wire(1 << 20, Dial::Connected);
        let transport = SimTransport(Rc::clone(&wire));
        self.connections
            .refuse(transport, Checked::new(script), address(1));
        let told = wire.borrow_mut().receive(usize::MAX).to_vec();
        let is_dropped = wire.borrow().is_dropped;
        (told, is_dropped)
    }

    pub fn board(&mut self) -> &mut Board {
        self.connections.shared_mut()
    }

    pub fn now(&self) -> Instant {
        self.now
    }

    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        self.connections.set_time(self.now);
    }

    /// Tells of an event that nothing has caused.
    pub fn nudge(&mut self, peer: &Peer) {
        let readiness = Readiness {
            readable: true,
            writable: false,
            read_on: false,
        };
        self.connections.on_event(peer.key, readiness);
    }

    /// Tells of what has happened to these connections.
    pub fn tell(&mut self, peers: &[&Peer]) {
        for peer in peers {
            if peer.wire.borrow().has_edge() {
                let readiness = peer.wire.borrow_mut().fetch();
                self.connections.on_event(peer.key, readiness);
            }
        }
    }

    pub fn tick(&mut self, peers: &[&Peer]) {
        self.tell(peers);
        self.connections.tick(|_| {}, |_, _| {});
    }

    /// Ticks until nothing is left to be done at this time.
    ///
    /// # Panics
    /// If that takes more than so many ticks.
    pub fn settle(&mut self, peers: &[&Peer], ticks_max: usize) {
        for _ in 0..ticks_max {
            self.tick(peers);
            let has_edge = peers.iter().any(|peer| peer.wire.borrow().has_edge());
            let wake = self.connections.next_wake();
            if !has_edge && wake.is_none_or(|wake| wake > self.now) {
                return;
            }
        }
        panic!("it does not come to rest in {ticks_max} ticks");
    }

    /// How often drivers were called by this name.
    pub fn count(&mut self, name: &str) -> usize {
        let calls = &self.board().calls;
        calls.iter().filter(|call| **call == name).count()
    }
}

fn address(host: u8) -> PeerAddress {
    SocketAddr::from(([192, 0, 2, host], 25)).into()
}
