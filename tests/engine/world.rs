//! Echo servers over networks that misbehave by seed: every octet comes back, in order, and every connection ends.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mailoop::net::channel::{OUTPUT_HIGH_WATER_BYTES, Readiness};
use mailoop::net::connections::{Connections, READ_BYTES_MAX};
use rustls::ClientConnection;

use crate::checked::Checked;
use crate::common::tls;
use crate::echo::{Echo, Shared};
use crate::network::Weather;
use crate::prng::Prng;
use crate::seeds;
use crate::wire::{Dial, SimTransport, Wire};

const SEEDS: u64 = 400;
/// How many rounds it may take until everything is at rest.
const ROUNDS_MAX: usize = 100_000;
/// How many deadlines may have to pass until everybody is gone.
const DEADLINES_MAX: usize = 10_000;
/// How long a dial may take.
const DIAL_TIMEOUT: Duration = Duration::from_secs(20);

#[test]
fn every_octet_comes_back_in_order_and_every_connection_ends() {
    let echoed = AtomicUsize::new(0);
    let seen = Mutex::new(BTreeSet::new());
    let run = |seed| {
        let mut rng = Prng::new(seed);
        let (octets, arrows) = if rng.one_in(2) {
            World::<true>::new(rng).live()
        } else {
            World::<false>::new(rng).live()
        };
        echoed.fetch_add(octets, Ordering::Relaxed);
        seen.lock().unwrap().extend(arrows);
    };
    if let Some(seed) = seeds::only() {
        return run(seed);
    }
    let seeds = seeds::run_all("engine", SEEDS, run);
    let echoed = echoed.load(Ordering::Relaxed);
    println!("{echoed} octets");
    assert!(echoed as u64 > seeds * 1000, "so little shows nothing");
    let mut drawn = drawn();
    if cfg!(not(feature = "tls")) {
        drawn.retain(|(from, to)| ![from, to].iter().any(|stage| *stage == "Handshaking"));
    }
    assert_eq!(seen.into_inner().unwrap(), drawn, "docs/architecture.md");
}

/// The arrows of the lifecycle as they are drawn: rows of a table, from one stage to another.
fn drawn() -> BTreeSet<(String, String)> {
    let text = include_str!("../../docs/architecture.md");
    let (_, table) = text.split_once("\n## Lifecycle of a connection\n").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut names = row.split('`').skip(1).step_by(2).map(str::to_owned);
        (names.next().unwrap(), names.next().unwrap())
    })
    .collect()
}

/// What becomes of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It sends all, closes its side, and hears all of it.
    Finishes,
    /// It resets the connection after so many octets.
    Resets(usize),
    /// Whoever dials it meets an error.
    Refuses,
    /// Whoever dials it hears nothing.
    IsSilent,
}

struct Client {
    key: usize,
    wire: Rc<RefCell<Wire>>,
    rng: Prng,
    tls: Option<Box<ClientConnection>>,
    payload: Vec<u8>,
    sent: usize,
    received: Vec<u8>,
    fate: Fate,
    is_closed: bool,
}

impl Client {
    /// Does something, or all that it can; whether there was anything.
    fn act(&mut self, all: bool) -> bool {
        let mut moved = self.receive(all);
        moved |= match self.fate {
            Fate::Resets(after) if self.sent >= after && !self.is_closed => {
                self.is_closed = true;
                self.wire.borrow_mut().reset();
                true
            }
            _ => self.send(all),
        };
        if self.sent == self.payload.len() && !self.is_closed {
            self.is_closed = true;
            if let Some(tls) = &mut self.tls {
                tls.send_close_notify();
                self.seal();
            }
            self.wire.borrow_mut().close();
            moved = true;
        }
        moved
    }

    fn send(&mut self, all: bool) -> bool {
        let left = self.payload.len() - self.sent;
        let is_ready = self.tls.as_ref().is_none_or(|tls| !tls.is_handshaking());
        if left == 0 || !is_ready || self.is_closed {
            return false;
        }
        let count = if all { left } else { self.rng.size(left) };
        let octets = &self.payload[self.sent..self.sent + count];
        match &mut self.tls {
            Some(tls) => tls.writer().write_all(octets).unwrap(),
            None => self.wire.borrow_mut().send(octets),
        }
        self.sent += count;
        self.seal();
        true
    }

    fn seal(&mut self) {
        let Some(tls) = &mut self.tls else { return };
        let mut octets = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut octets).unwrap();
        }
        self.wire.borrow_mut().send(&octets);
    }

    fn receive(&mut self, all: bool) -> bool {
        let unread = self.wire.borrow().unread();
        if unread == 0 {
            return false;
        }
        let most = if all { unread } else { self.rng.size(unread) };
        let octets = self.wire.borrow_mut().receive(most);
        let Some(tls) = &mut self.tls else {
            self.received.extend_from_slice(&octets);
            return true;
        };
        let mut octets = &octets[..];
        while !octets.is_empty() {
            tls.read_tls(&mut octets).unwrap();
            tls.process_new_packets().unwrap();
            // `WouldBlock` where there is no more.
            let _ = tls.reader().read_to_end(&mut self.received);
        }
        self.seal();
        true
    }

    fn check(&self) {
        match self.fate {
            Fate::Finishes => {
                assert_eq!(self.received.len(), self.payload.len());
                assert!(self.wire.borrow().is_at_end());
            }
            Fate::Resets(_) => {}
            Fate::Refuses | Fate::IsSilent => assert!(self.received.is_empty()),
        }
        assert!(self.payload.starts_with(&self.received), "in another order");
        assert!(self.wire.borrow().is_dropped);
    }
}

struct World<const DRAINS: bool> {
    rng: Prng,
    connections: Connections<Checked<Echo>, SimTransport<DRAINS>>,
    clients: Vec<Client>,
    now: Instant,
    spurious: usize,
    late: bool,
    moody: bool,
    /// How often the room that all share comes back.
    room: usize,
}

impl<const DRAINS: bool> World<DRAINS> {
    fn new(mut rng: Prng) -> Self {
        let now = Instant::now();
        let shared = Shared {
            tls: acceptor().filter(|_| rng.one_in(3)),
            ..Shared::default()
        };
        let mut world = Self {
            connections: Connections::new(shared, now),
            clients: Vec::new(),
            now,
            spurious: rng.pick(&[0, 0, 3, 20]),
            late: rng.one_in(2),
            moody: !rng.one_in(3),
            room: rng.pick(&[1, 3, 10]),
            rng,
        };
        let weather = world.weather();
        for number in 0..world.rng.between(1, 8) {
            world.add_client(number, weather);
        }
        world
    }

    fn weather(&mut self) -> Weather {
        let rng = &mut self.rng;
        Weather {
            would_block: rng.pick(&[0, 0, 3, 10]),
            short: rng.pick(&[0, 2, 5]),
            interrupted: rng.pick(&[0, 0, 5]),
            inbox_max: rng.pick(&[100, 5000, 200_000]),
            outbox_max: rng.pick(&[100, 5000, 200_000]),
            hop_max: rng.pick(&[50, 3000, 200_000]),
        }
    }

    fn add_client(&mut self, number: usize, weather: Weather) {
        let rng = &mut self.rng;
        let most = weather
            .outbox_max
            .min(weather.inbox_max)
            .min(weather.hop_max)
            * 40;
        let length = rng.size(most.min(100_000));
        let payload: Vec<u8> = (0..length)
            .map(|at| (at * 31 % 251 + number) as u8)
            .collect();
        let dialed = rng.one_in(3);
        let fate = match rng.below(8) {
            0 => Fate::Resets(rng.below(length)),
            1 if dialed => Fate::Refuses,
            2 if dialed => Fate::IsSilent,
            _ => Fate::Finishes,
        };
        let dial = if dialed {
            Dial::Pending
        } else {
            Dial::Connected
        };
        let wire = Wire::new(rng.fork(), weather, dial);
        let transport = SimTransport(Rc::clone(&wire));
        let echo = if self.moody {
            Echo::moody(rng.fork())
        } else {
            Echo::plain()
        };
        let driver = Checked::new(echo);
        let peer = SocketAddr::from(([192, 0, 2, rng.between(1, 3) as u8], 25)).into();
        let (key, rng) = (self.connections.next_key(), rng.fork());
        if dialed {
            let deadline = self.now + DIAL_TIMEOUT;
            self.connections.dial(transport, driver, peer, deadline);
        } else {
            self.connections.add(transport, driver, peer, true);
        }
        let is_tls = self.connections.shared().tls.is_some();
        let mut client = Client {
            key,
            wire,
            rng,
            tls: is_tls.then(|| Box::new(tls::client())),
            payload,
            sent: 0,
            received: Vec::new(),
            fate,
            is_closed: false,
        };
        client.seal();
        self.clients.push(client);
    }

    /// Lives to the end; how many octets came back, and which ways the lives of connections went.
    fn live(mut self) -> (usize, BTreeSet<(String, String)>) {
        for _ in 0..self.rng.between(0, 300) {
            self.round(false);
            let milliseconds = self.rng.below(3) * self.rng.size(1000);
            self.now += Duration::from_millis(milliseconds as u64);
        }
        self.settle();
        for _ in 0..DEADLINES_MAX {
            let Some(wake) = self.connections.next_wake() else {
                break;
            };
            self.now = self.now.max(wake);
            self.settle();
        }
        assert!(self.connections.is_empty(), "somebody is never let go");
        assert_eq!(self.connections.open(), 0);
        self.clients.iter().for_each(Client::check);
        let unsent_max = self.connections.shared().unsent_max;
        assert!(
            unsent_max < OUTPUT_HIGH_WATER_BYTES + READ_BYTES_MAX,
            "{unsent_max}"
        );
        let octets = self.clients.iter().map(|client| client.received.len());
        (octets.sum(), self.connections.shared().arrows.clone())
    }

    /// Time stands still until nobody can do anything more.
    fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            if !self.round(true) {
                for client in &self.clients {
                    let wire = client.wire.borrow();
                    // Who waits for a timer reads on later.
                    let waits = self.connections.next_wake().is_some();
                    assert!(
                        waits || !wire.is_left_behind(),
                        "input is left behind: {} {:?}",
                        client.received.len(),
                        wire
                    );
                }
                return;
            }
        }
        panic!("it does not come to rest");
    }

    /// Everybody may do something, or has to where `all` do; whether anybody did.
    fn round(&mut self, all: bool) -> bool {
        let mut moved = false;
        for client in &mut self.clients {
            if all || self.rng.one_in(2) {
                moved |= settle_dial(client);
            }
            if all || self.rng.one_in(2) {
                moved |= client.wire.borrow().dial == Dial::Connected && client.act(all);
            }
            if all || self.rng.one_in(2) {
                moved |= client.wire.borrow_mut().travel(all);
            }
        }
        moved | self.tick(all)
    }

    fn tick(&mut self, all: bool) -> bool {
        self.connections.set_time(self.now);
        let mut moved = self.tell(all);
        let work = all || self.rng.one_in(self.room);
        let before = self.calls();
        let wake = self.connections.next_wake();
        moved |= wake.is_some_and(|wake| wake <= self.now);
        self.connections.tick(
            |connections| {
                if work {
                    for _ in 0..connections.shared().tickets.len() {
                        let ticket = connections.shared_mut().tickets.remove(0);
                        connections.complete(ticket, ticket);
                        moved = true;
                    }
                    connections.end_congestion();
                }
            },
            |_, _| {},
        );
        moved || self.calls() != before || !self.connections.shared().tickets.is_empty()
    }

    /// Tells of events, in any order; whether there were any.
    fn tell(&mut self, all: bool) -> bool {
        let mut events = Vec::new();
        for client in &self.clients {
            let mut wire = client.wire.borrow_mut();
            if wire.is_dropped {
                continue;
            }
            if wire.has_edge() && (all || !self.late || self.rng.one_in(2)) {
                events.push((client.key, wire.fetch()));
            }
            if !all && self.rng.one_in(self.spurious) {
                let readiness = Readiness {
                    readable: self.rng.one_in(2),
                    writable: self.rng.one_in(2),
                    read_on: false,
                };
                events.push((client.key, readiness));
            }
        }
        self.rng.shuffle(&mut events);
        for (key, readiness) in &events {
            self.connections.on_event(*key, *readiness);
        }
        !events.is_empty()
    }

    fn calls(&self) -> usize {
        let calls = self.clients.iter().map(|client| client.wire.borrow().calls);
        calls.sum()
    }
}

/// A dial comes to what it is to come to; whether it was pending.
fn settle_dial(client: &mut Client) -> bool {
    let mut wire = client.wire.borrow_mut();
    if wire.dial != Dial::Pending {
        return false;
    }
    wire.settle_dial(match client.fate {
        Fate::IsSilent => return false,
        Fate::Refuses => Dial::Failed(ErrorKind::ConnectionRefused),
        Fate::Finishes | Fate::Resets(_) => Dial::Connected,
    });
    true
}

/// The engine's end of TLS, with one certificate for all tests.
pub fn acceptor() -> Option<Rc<dyn mailoop::net::link::StartTls>> {
    #[cfg(feature = "tls")]
    {
        use mailoop::net::tls::{Acceptor, Certificate, Certificates};
        use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
        use std::sync::OnceLock;
        static ACCEPTOR: OnceLock<Acceptor> = OnceLock::new();
        let make = || {
            // Its signatures have one length, so that a seed is the same run each time.
            let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
            let parameters = CertificateParams::new(["mail.example.org".to_owned()]).unwrap();
            let pem = parameters.self_signed(&key).unwrap().pem() + &key.serialize_pem();
            let certificate = Certificate::from_pem(pem.as_bytes(), pem.as_bytes()).unwrap();
            Acceptor::new(Certificates::new(vec![certificate])).unwrap()
        };
        Some(Rc::new(ACCEPTOR.get_or_init(make).clone()))
    }
    #[cfg(not(feature = "tls"))]
    None
}
