//! Clients of HTTP beside those that bring mail: polite ones, some that send garbage, some that read nothing, and viewers of a
//! stream. Each response has to be whole and in its order, everybody is let go in time, and the mail comes out as without them.

mod visitor;
mod wire;

use std::rc::Rc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Bytes;
use mailoop::http::access::AccessRules;
use mailoop::net::carrier::Carrier;
use mailoop::net::peer::PeerAddress;
use mailoop::server::core::ServerCore;
use mailoop::server::http_clients::HttpClients;

use super::BASE;
use super::journal::Journal;
use super::prng::Prng;
use super::seeds;
use super::world;
use visitor::Visitor;
use wire::HttpTransport;

/// Seeds that are run with such clients and without.
const SEEDS: u64 = 200;
/// The rounds until nothing moves any more: the longest response, by a few octets at a time.
const ROUNDS_MAX: usize = 50_000;
/// The deadlines that may have to pass until everybody is gone.
const DEADLINES_MAX: usize = 1000;

/// All clients of HTTP of one run.
pub struct Crowd<const DRAINS: bool> {
    clients: HttpClients<HttpTransport<DRAINS>>,
    visitors: Vec<Visitor>,
    rng: Prng,
    journal: Rc<Journal>,
    events: u64,
}

impl<const DRAINS: bool> Crowd<DRAINS> {
    /// A crowd whose chance is its own, so that it takes none from the mail.
    pub fn new(seed: u64, core: &mut ServerCore<Carrier>, journal: Rc<Journal>) -> Self {
        let mut rng = Prng::new(!seed);
        let most = rng.pick(&[1, 2, 4, 256]);
        let access = AccessRules::default();
        let clients = HttpClients::new(access, most, core.measure(), journal.now());
        let count = rng.between(1, 8);
        let visitors = (0..count).map(|_| Visitor::new(&mut rng)).collect();
        Self {
            clients,
            visitors,
            rng,
            journal,
            events: 0,
        }
    }

    /// Clients come, speak and read, and the server has a tick; all that can move does, if wanted. Whether anything moved.
    pub fn step(&mut self, all: bool, core: &mut ServerCore<Carrier>) -> bool {
        let now = self.journal.now();
        let wall = UNIX_EPOCH + self.journal.elapsed();
        self.clients.set_time(now, wall);
        let mut moved = false;
        for index in 0..self.visitors.len() {
            moved |= self.visitors[index].act(all);
            moved |= self.come(index, all);
            let Some((key, readiness)) = self.visitors[index].event(all) else {
                continue;
            };
            moved = true;
            if let Some(readiness) = readiness {
                self.clients.on_event(key, readiness);
            }
        }
        if !all {
            self.tell_viewers();
        }
        let is_due = self.clients.next_wake().is_some_and(|wake| wake <= now);
        if moved || is_due {
            self.clients.tick(core);
        }
        for visitor in &self.visitors {
            visitor.check(&self.journal);
        }
        moved || is_due
    }

    /// A client that is not there yet may come.
    fn come(&mut self, index: usize, all: bool) -> bool {
        let visitor = &mut self.visitors[index];
        if visitor.key.is_some() || visitor.is_refused || !(all || self.rng.one_in(4)) {
            return false;
        }
        let peer = PeerAddress::from(std::net::SocketAddr::from(([192, 0, 2, 9], 80)));
        let transport = HttpTransport::<DRAINS>(Rc::clone(&visitor.wire));
        if self.clients.make_room() {
            visitor.key = Some(self.clients.next_key());
            self.clients.add(transport, peer);
        } else {
            visitor.is_refused = true;
            self.clients.refuse(transport, peer);
        }
        true
    }

    /// Viewers are told numbered events, of which they may lose some.
    fn tell_viewers(&mut self) {
        if !self.rng.one_in(3) {
            return;
        }
        let viewers: Vec<_> = self.clients.viewers().collect();
        self.events += u64::from(!viewers.is_empty());
        for viewer in viewers {
            let number = self.events;
            let length = self.rng.size(5000);
            let event = format!("data: {number} {}\n\n", "x".repeat(length));
            let _ = self.clients.push(viewer, Bytes::from(event));
        }
    }

    /// Time stands still until nothing moves.
    fn settle(&mut self, core: &mut ServerCore<Carrier>) {
        for _ in 0..ROUNDS_MAX {
            if !self.step(true, core) {
                return;
            }
        }
        panic!("HTTP does not come to rest");
    }

    /// What clients that have said all are to have heard by now.
    pub fn check_at_rest(&mut self, core: &mut ServerCore<Carrier>) {
        self.settle(core);
        for visitor in &self.visitors {
            visitor.check_at_rest(&self.journal);
        }
    }

    /// Whatever time those need who are still there passes.
    pub fn outlast_deadlines(&mut self, core: &mut ServerCore<Carrier>) {
        for _ in 0..DEADLINES_MAX {
            self.settle(core);
            let next: Option<Instant> = self.clients.next_wake();
            let Some(wake) = next.filter(|_| !self.clients.is_empty()) else {
                break;
            };
            let time = wake.saturating_duration_since(self.journal.now());
            self.journal.advance(time.max(Duration::from_millis(1)));
            for visitor in &mut self.visitors {
                visitor.leave_after(&self.journal);
            }
        }
        assert!(self.clients.is_empty(), "a client of HTTP is never let go");
    }

    /// The responses that were read, and the connections that came.
    pub fn responses(&self) -> usize {
        self.visitors.iter().map(|visitor| visitor.responses).sum()
    }
}

#[test]
fn clients_of_http_change_nothing_about_the_mail() {
    let responses = std::sync::atomic::AtomicUsize::new(0);
    if let Some(seed) = seeds::only() {
        BASE.with(|base| world::run_beside(seed, base, true, true));
        return;
    }
    let seeds = seeds::run_all("http", SEEDS, |seed| {
        let (with, without) = BASE.with(|base| {
            let with = world::run_beside(seed, base, false, true);
            (with, world::run_beside(seed, base, false, false))
        });
        responses.fetch_add(with.responses, std::sync::atomic::Ordering::Relaxed);
        assert!(with.heard == without.heard, "the mail hears something else");
        assert_eq!(with.messages, without.messages);
    });
    let responses = responses.into_inner() as u64;
    assert!(responses > 2 * seeds, "{responses} responses show nothing");
}
