//! One client of HTTP, and what it is to hear.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use mailoop::net::channel::Readiness;

use super::wire::HttpWire;
use crate::journal::Journal;
use crate::network::{Network, Signal, Weather};
use crate::prng::Prng;

/// Requests, each with the statuses that may come of it: also that of a server which drains.
const REQUESTS: [(&str, &[u16]); 9] = [
    ("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", &[200]),
    (
        "GET /readyz?wait=3 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        WAITS,
    ),
    (
        "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n",
        &[200],
    ),
    ("GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n", &[200]),
    (
        "\r\nGET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n",
        &[404],
    ),
    ("GET /livez HTTP/1.1\r\nHost: evil.example\r\n\r\n", &[403]),
    (
        "POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
        &[405],
    ),
    (
        "PUT /livez HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        &[405],
    ),
    (
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n",
        &[200],
    ),
];

/// The statuses of a request that waits until mail is taken.
const WAITS: &[u16] = &[200, 503];

/// What ends most requests of a client that speaks garbage.
const GARBAGE: [&str; 8] = [
    "EHLO client.example\r\n",
    "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03",
    "GET / HTTP/9.9\r\n\r\n",
    "GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "GET /livez HTTP/1.1\r\n\r\n",
    "\0\0\0\0",
    "GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ",
];

/// How a client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// It asks, perhaps ahead, and reads.
    Polite,
    /// It asks, then sends garbage.
    Rude,
    /// It asks and never reads.
    Deaf,
    /// It says nothing.
    Silent,
    /// It is told events, and reads them.
    Viewer,
}

/// One client.
pub struct Visitor {
    pub wire: Rc<RefCell<HttpWire>>,
    /// The key of its connection, once it is let in.
    pub key: Option<usize>,
    /// Whether it was one too many.
    pub is_refused: bool,
    /// Whole responses that it has read.
    pub responses: usize,
    manner: Manner,
    rng: Prng,
    /// What it has yet to say, in pieces.
    pieces: VecDeque<Vec<u8>>,
    /// The statuses that are expected, in order.
    expected: VecDeque<&'static [u16]>,
    heard: BytesMut,
    /// Whether events come.
    is_streaming: bool,
    /// The number of the last event that it was told.
    event: u64,
    /// Whether it has heard something else than what is right.
    fault: Option<String>,
    since: Option<Instant>,
}

impl Visitor {
    pub fn new(rng: &mut Prng) -> Self {
        use Manner::{Deaf, Polite, Rude, Silent, Viewer};

        let mut rng = rng.fork();
        let manner = rng.pick(&[Polite, Polite, Polite, Rude, Rude, Deaf, Silent, Viewer]);
        let rough = |rng: &mut Prng| rng.pick(&[0, 0, 2, 4, 10]);
        let weather = Weather {
            would_block: rough(&mut rng),
            short: rough(&mut rng),
            interrupted: rough(&mut rng),
            inbox_max: rng.pick(&[16, 100, 1500, 1 << 16]),
            outbox_max: rng.pick(&[100, 1500, 1 << 14, 1 << 16]),
            hop_max: rng.pick(&[1, 20, 1500]),
        };
        let (mut said, mut expected) = (Vec::new(), VecDeque::new());
        if manner == Viewer {
            said.extend_from_slice(b"GET /api/loop HTTP/1.1\r\nHost: localhost\r\n\r\n");
        } else if manner != Silent {
            for _ in 0..rng.between(1, 5) {
                let (request, statuses) = rng.pick(&REQUESTS);
                said.extend_from_slice(request.as_bytes());
                expected.push_back(statuses);
            }
        }
        if manner == Rude {
            said.extend_from_slice(rng.pick(&GARBAGE).as_bytes());
        }
        let mut pieces = VecDeque::new();
        while !said.is_empty() {
            let size = rng.size(said.len());
            pieces.push_back(said.drain(..size).collect());
        }
        let net = Network::new(rng.fork(), weather, true);
        let wire = HttpWire {
            net,
            is_shut: false,
            is_dropped: false,
        };
        Self {
            wire: Rc::new(RefCell::new(wire)),
            key: None,
            is_refused: false,
            responses: 0,
            manner,
            rng,
            pieces,
            expected,
            heard: BytesMut::new(),
            is_streaming: false,
            event: 0,
            fault: None,
            since: None,
        }
    }

    /// Says and hears something, and lets octets travel; whether it did.
    pub fn act(&mut self, all: bool) -> bool {
        let mut moved = false;
        if self.key.is_some() && (all || self.rng.one_in(2)) {
            let mut wire = self.wire.borrow_mut();
            if let Some(piece) = self.pieces.pop_front() {
                wire.net.flight.extend_from_slice(&piece);
                moved = true;
            } else if self.manner == Manner::Rude && self.rng.one_in(20) {
                wire.net.reset = Signal::Sent;
                moved = true;
            }
        }
        if self.manner != Manner::Deaf && (all || self.rng.one_in(2)) {
            let most = self.rng.size(100_000);
            let octets = self.wire.borrow_mut().net.receive(most);
            moved |= !octets.is_empty();
            self.heard.extend_from_slice(&octets);
            self.understand();
        }
        moved | self.wire.borrow_mut().net.travel(all)
    }

    /// Takes an event off, as poll would tell it; of a connection that is over it takes it and tells nothing.
    pub fn event(&mut self, all: bool) -> Option<(usize, Option<Readiness>)> {
        let key = self.key?;
        let mut wire = self.wire.borrow_mut();
        let is_caused = wire.net.edge && (all || self.rng.one_in(2));
        if !is_caused || wire.is_dropped {
            return None;
        }
        Some((key, Some(wire.net.fetch())))
    }

    /// After long enough a client that has heard all goes by itself.
    pub fn leave_after(&mut self, journal: &Journal) {
        let since = *self.since.get_or_insert(journal.now());
        if journal.now() - since > Duration::from_secs(120) {
            self.wire.borrow_mut().net.end = Signal::Sent;
        }
    }

    /// Reads whole responses, or events, off what was heard.
    fn understand(&mut self) {
        while let Some((head, length)) = self.next_head() {
            let Some(length) = length else {
                self.responses = 1;
                return self.read_events();
            };
            if self.heard.len() < head + length {
                return;
            }
            let whole = self.heard.split_to(head + length);
            self.judge(&whole[..head]);
        }
    }

    /// The length of the next head that is whole, and of the body after it; `None` for a stream.
    fn next_head(&mut self) -> Option<(usize, Option<usize>)> {
        if self.is_streaming {
            return Some((0, None));
        }
        let end = self.heard.windows(4).position(|at| at == b"\r\n\r\n")? + 4;
        let head = str::from_utf8(&self.heard[..end]).unwrap();
        if head.contains("text/event-stream") {
            self.is_streaming = true;
            self.heard.advance(end);
            return Some((0, None));
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let length = length.and_then(|length| length.parse().ok());
        assert!(length.is_some(), "no length: {head}");
        Some((end, length))
    }

    /// Compares a response with the next that is expected.
    fn judge(&mut self, head: &[u8]) {
        let head = String::from_utf8_lossy(head);
        let status: u16 = head[9..12].parse().unwrap();
        let is_right = match self.expected.pop_front() {
            Some(statuses) => statuses.contains(&status),
            None => matches!(status, 400 | 501 | 505),
        };
        // One that takes too long, or is one too many, is told so at any time.
        if !is_right && status != 408 && !self.is_refused {
            self.fault = Some(format!("{:?}: {head}", self.manner));
        }
        self.responses += 1;
    }

    /// Events are whole, and in their order.
    fn read_events(&mut self) {
        while let Some(end) = self.heard.windows(2).position(|at| at == b"\n\n") {
            let event = self.heard.split_to(end + 2);
            if &*event == b":\n\n" {
                continue;
            }
            let event = String::from_utf8(event.to_vec()).unwrap();
            let number = event
                .strip_prefix("data: ")
                .and_then(|it| it.split_once(' '));
            let number: u64 = number.and_then(|it| it.0.parse().ok()).unwrap_or_default();
            if number <= self.event {
                self.fault = Some(format!("event {number} after {}", self.event));
            }
            self.event = number;
        }
    }

    pub fn check(&self, journal: &Journal) {
        if let Some(fault) = &self.fault {
            journal.violation(|| format!("a client of HTTP hears what is wrong: {fault}"));
        }
    }

    /// A polite client that is served has heard all that it asked for, and nobody's input is left behind.
    pub fn check_at_rest(&self, journal: &Journal) {
        let wire = self.wire.borrow();
        let is_served = self.key.is_some() && !wire.is_dropped && !wire.is_shut;
        // While the store fails it may wait for better times.
        let waits = self.expected.front() == Some(&WAITS);
        if is_served && !waits && self.manner == Manner::Polite && !self.expected.is_empty() {
            let left = self.expected.len();
            let (net, responses) = (&wire.net, self.responses);
            journal.violation(|| {
                format!("{left} requests are not answered after {responses}: {net:?}")
            });
        }
        let is_quiet = wire.net.inbox.is_empty() || wire.net.blocked;
        if is_served && !is_quiet && self.manner != Manner::Deaf {
            journal.violation(|| "input of HTTP is left behind".to_owned());
        }
    }
}
