//! The name service over a network in memory that loses, repeats and delays datagrams, cuts streams anywhere and interrupts calls,
//! all by a seed.

use std::cell::RefCell;
use std::collections::btree_map::OccupiedEntry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mailoop::net::channel::Readiness;
use mailoop::net::datagram::Datagrams;
use mailoop::net::transport::Transport;
use mailoop::outbound::dns::answer::{NameAnswer, NameKind, NameQuestion, NameResult};
use mailoop::outbound::dns::message::Way;
use mailoop::outbound::dns::resolver::LOOKUP_TIMEOUT;
use mailoop::outbound::names::{NameNetwork, NameService, NameSources};

use crate::prng::Prng;
use crate::script::{Reaction, Script};
use crate::seeds;
use crate::world::{random, server, shown};

/// Turns of one run, of which most have something to do.
const TURNS_MAX: usize = 100_000;
const EVENT: Readiness = Readiness {
    readable: true,
    writable: true,
    read_on: false,
};

/// What servers do, one of it for each name: nothing of what is forged may ever be believed.
const REACTIONS: [&str; 12] = [
    "60 192.0.2.1",
    "60 192.0.2.1",
    "truncated",
    "wrong id 60 192.0.2.9 & wrong question 60 192.0.2.9 & after 5 60 192.0.2.1",
    "wrong address 60 192.0.2.9 & 60 192.0.2.1",
    "other case 60 192.0.2.9",
    "servfail",
    "refused",
    "silence",
    "unreachable",
    "garbage",
    "60 -> n0.example",
];

/// A socket or connection, by a number that is never used again.
type Handle = u64;

#[derive(Default)]
struct End {
    key: usize,
    server: usize,
    inbox: VecDeque<(Vec<u8>, SocketAddr)>,
    /// The octets of a connection, whether it is made, and whether it has ended or failed.
    octets: VecDeque<u8>,
    request: Vec<u8>,
    is_connected: bool,
    is_over: bool,
    is_refused: bool,
    is_stream: bool,
}

enum Arrival {
    Datagram(Vec<u8>, SocketAddr),
    Octets(Vec<u8>),
    Connected,
    Refused,
    Eof,
    /// Something that was put off.
    Again,
}

struct Wires {
    rng: Prng,
    now: Instant,
    servers: Vec<Script>,
    ends: HashMap<Handle, End>,
    last: u64,
    arriving: BTreeMap<(Instant, u64), (Handle, Arrival)>,
}

impl Wires {
    fn send(&mut self, handle: Handle, delay_ms: u64, arrival: Arrival) {
        self.last += 1;
        let at = self.now + Duration::from_millis(delay_ms);
        self.arriving.insert((at, self.last), (handle, arrival));
    }

    fn open(&mut self, server: SocketAddr, key: usize, is_stream: bool) -> Handle {
        self.last += 1;
        let server = usize::from(server.ip().to_string().ends_with(".2"));
        let end = End {
            key,
            server,
            is_stream,
            ..End::default()
        };
        self.ends.insert(self.last, end);
        self.last
    }

    /// Whether a call is interrupted, or finds nothing though there is something: then an event comes later.
    fn disturb(&mut self, handle: Handle) -> io::Result<()> {
        match self.rng.below(12) {
            0 => Err(ErrorKind::Interrupted.into()),
            1 => {
                self.send(handle, 1, Arrival::Again);
                Err(ErrorKind::WouldBlock.into())
            }
            _ => Ok(()),
        }
    }

    /// Whatever has arrived for a socket is there from now on. Returns the event of it.
    fn arrive(&mut self, handle: Handle, arrival: Arrival) -> Option<(Way, usize)> {
        let end = self.ends.get_mut(&handle)?;
        match arrival {
            Arrival::Datagram(octets, from) => end.inbox.push_back((octets, from)),
            Arrival::Octets(octets) => end.octets.extend(octets),
            Arrival::Connected => end.is_connected = true,
            Arrival::Refused => end.is_refused = true,
            Arrival::Eof => end.is_over = true,
            Arrival::Again => {}
        }
        let way = if end.is_stream {
            Way::Stream
        } else {
            Way::Datagram
        };
        Some((way, end.key))
    }

    fn react(&mut self, handle: Handle, packet: &[u8], way: Way) {
        let number = self.ends[&handle].server;
        for reaction in self.servers[number].react(packet, way) {
            let Reaction::Say {
                octets,
                after_ms,
                from_elsewhere,
            } = reaction
            else {
                self.send(handle, 1, Arrival::Refused);
                continue;
            };
            let from = if from_elsewhere {
                server(7)
            } else {
                server(number)
            };
            match way {
                Way::Datagram => {
                    let copies = [1, 1, 1, 1, 1, 1, 2, 0];
                    for _ in 0..self.rng.pick(&copies) {
                        let delay = self.rng.pick(&[0, 0, 1, 30, 400, 2500]);
                        let octets = octets.clone();
                        self.send(handle, after_ms + delay, Arrival::Datagram(octets, from));
                    }
                }
                Way::Stream => {
                    let mut rest =
                        &[&(octets.len() as u16).to_be_bytes()[..], &octets].concat()[..];
                    let mut delay = after_ms;
                    while !rest.is_empty() {
                        let count = self.rng.size(rest.len());
                        let (part, after) = rest.split_at(count);
                        rest = after;
                        delay += self.rng.below(3) as u64;
                        self.send(handle, delay, Arrival::Octets(part.to_vec()));
                        if self.rng.one_in(40) {
                            break;
                        }
                    }
                    self.send(handle, delay + 1, Arrival::Eof);
                }
            }
        }
    }
}

/// One side of a socket in memory; its end is gone with it.
struct Socket {
    wires: Rc<RefCell<Wires>>,
    handle: Handle,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.wires.borrow_mut().ends.remove(&self.handle);
    }
}

impl Datagrams for Socket {
    fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        let wires = &mut *self.wires.borrow_mut();
        wires.disturb(self.handle)?;
        wires.react(self.handle, octets, Way::Datagram);
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let wires = &mut *self.wires.borrow_mut();
        wires.disturb(self.handle)?;
        let end = wires.ends.get_mut(&self.handle).unwrap();
        if end.is_refused {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        let Some((octets, from)) = end.inbox.pop_front() else {
            return Err(ErrorKind::WouldBlock.into());
        };
        let count = octets.len().min(buffer.len());
        buffer[..count].copy_from_slice(&octets[..count]);
        Ok((count, from))
    }
}

impl Transport for Socket {
    fn short_read_drains(&self) -> bool {
        false
    }

    fn is_connected(&self) -> io::Result<bool> {
        let wires = self.wires.borrow();
        let end = &wires.ends[&self.handle];
        if end.is_refused {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        Ok(end.is_connected)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wires = &mut *self.wires.borrow_mut();
        wires.disturb(self.handle)?;
        let most = wires.rng.size(buffer.len());
        let end = wires.ends.get_mut(&self.handle).unwrap();
        if end.octets.is_empty() && !end.is_over {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = most.min(end.octets.len());
        for (to, octet) in buffer.iter_mut().zip(end.octets.drain(..count)) {
            *to = octet;
        }
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let wires = &mut *self.wires.borrow_mut();
        wires.disturb(self.handle)?;
        let count = wires.rng.size(bytes.len());
        let end = wires.ends.get_mut(&self.handle).unwrap();
        end.request.extend(&bytes[..count]);
        if let Some((length, packet)) = end.request.split_first_chunk::<2>()
            && packet.len() == usize::from(u16::from_be_bytes(*length))
        {
            let packet = packet.to_vec();
            wires.react(self.handle, &packet, Way::Stream);
        }
        Ok(count)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct InMemory(Rc<RefCell<Wires>>);

impl InMemory {
    fn socket(&self, server: SocketAddr, key: usize, is_stream: bool) -> io::Result<Socket> {
        let wires = &mut *self.0.borrow_mut();
        if wires.rng.one_in(50) {
            return Err(io::Error::other("no descriptors are left"));
        }
        let handle = wires.open(server, key, is_stream);
        if is_stream {
            let delay = wires.rng.below(100) as u64;
            let is_refused = wires.rng.one_in(10);
            let arrival = if is_refused {
                Arrival::Refused
            } else {
                Arrival::Connected
            };
            wires.send(handle, delay, arrival);
        }
        let wires = Rc::clone(&self.0);
        Ok(Socket { wires, handle })
    }
}

impl NameNetwork for InMemory {
    type Datagram = Socket;
    type Stream = Socket;

    fn datagram(&mut self, server: SocketAddr, key: usize) -> io::Result<Socket> {
        self.socket(server, key, false)
    }

    fn stream(&mut self, server: SocketAddr, key: usize) -> io::Result<Socket> {
        self.socket(server, key, true)
    }
}

/// The kinds of questions that are asked.
const KINDS: [NameKind; 4] = [
    NameKind::Host,
    NameKind::MailHost,
    NameKind::Exchangers,
    NameKind::Texts,
];

fn rules(rng: &mut Prng, names: usize) -> String {
    let mut rules = "n0.example A = 60 192.0.2.1\n".to_owned();
    for number in 1..names {
        rules += &format!("n{number}.example A = {}\n", rng.pick(&REACTIONS));
        rules += &format!("n{number}.example A tcp = 60 192.0.2.1\n");
    }
    let v6 = rng.pick(&["nodata 60", "60 2001:db8::1", "silence", "servfail"]);
    rules += &format!("* AAAA = {v6}\n* AAAA tcp = {v6}\n");
    for (kind, good, forged) in [
        ("MX", "60 mx 10 mx.example", "60 mx 1 forged.example"),
        ("TXT", "60 txt good", "60 txt forged"),
    ] {
        let reaction = match rng.below(4) {
            0 => good.to_owned(),
            1 => "truncated".to_owned(),
            2 => format!("wrong id ad {forged} & after 5 {good}"),
            _ => format!("other case ad {forged}"),
        };
        rules += &format!("* {kind} = {reaction}\n* {kind} tcp = {good}\n");
    }
    rules
}

fn check(answer: &NameResult) {
    if answer.is_ok() {
        for word in shown(answer).split(' ') {
            let good = [
                "192.0.2.1",
                "2001:db8::1",
                "10:mx.example",
                "\"good\"",
                "=",
                "n0.example",
            ];
            assert!(good.contains(&word), "{answer:?}");
        }
    }
}

/// One run. Returns how many names had an address.
fn run(seed: u64) -> usize {
    let mut rng = Prng::new(seed);
    let start = Instant::now();
    let names = rng.between(1, 150);
    let scripts = [rules(&mut rng, names), rules(&mut rng, names)];
    let wires = Rc::new(RefCell::new(Wires {
        rng: rng.fork(),
        now: start,
        servers: scripts.iter().map(|rules| Script::new(rules)).collect(),
        ends: HashMap::new(),
        last: 0,
        arriving: BTreeMap::new(),
    }));
    let sources = NameSources {
        servers: vec![server(0), server(1)],
        hosts: "/nonexistent/hosts".into(),
        resolv_conf: "/nonexistent/resolv.conf".into(),
    };
    let network = InMemory(Rc::clone(&wires));
    let mut service = NameService::new(network, random(seed), sources, start);
    let mut waiting = HashMap::new();
    let mut found = 0;
    for _ in 0..rng.between(1, 200) {
        let name = format!("n{}.example", rng.below(names));
        let question = NameQuestion::new(rng.pick(&KINDS), &name);
        match service.ask(&question, start) {
            NameAnswer::Later(ticket) => assert!(waiting.insert(ticket, question).is_none()),
            NameAnswer::Now(answer) => check(&answer),
        }
    }
    for turn in 0.. {
        assert!(turn < TURNS_MAX, "a loop without end");
        let now = {
            let wires = &mut *wires.borrow_mut();
            let arrival = wires.arriving.keys().next().map(|(at, _)| *at);
            let Some(at) = arrival.into_iter().chain(service.next_wake()).min() else {
                break;
            };
            wires.now = wires.now.max(at);
            wires.now
        };
        while let Some(entry) = {
            let wires = &mut *wires.borrow_mut();
            let first = wires.arriving.first_entry();
            first
                .filter(|entry| entry.key().0 <= now)
                .map(OccupiedEntry::remove)
        } {
            let event = wires.borrow_mut().arrive(entry.0, entry.1);
            if let Some((way, key)) = event {
                service.on_event(way, key, EVENT);
            }
        }
        service.tick(now);
        for (ticket, answer) in service.take_answers() {
            assert!(waiting.remove(&ticket).is_some(), "one answer a ticket");
            assert!(now - start <= LOOKUP_TIMEOUT, "in ten seconds");
            check(&answer);
            found += usize::from(answer.is_ok());
        }
    }
    assert!(waiting.is_empty(), "no answer: {waiting:?}");
    assert_eq!(service.in_flight(), 0);
    assert!(wires.borrow().ends.is_empty(), "all sockets are closed");
    found
}

#[test]
fn every_name_gets_its_answer_on_a_bad_network() {
    if let Some(seed) = seeds::only() {
        run(seed);
        return;
    }
    let found = std::sync::atomic::AtomicUsize::new(0);
    let runs = seeds::run_all("names", 100, |seed| {
        found.fetch_add(run(seed), std::sync::atomic::Ordering::Relaxed);
    });
    let found = found.into_inner() as u64;
    assert!(found > 10 * runs, "so few addresses show nothing: {found}");
}
