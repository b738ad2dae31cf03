//! The clients of HTTP, over whatever transport, and the answers to them.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use super::core::ServerCore;
use super::measured_store::{FAILED_STORE_TIME, StoreMetrics};
use crate::http::access::AccessRules;
use crate::http::metrics::{Histogram, SECONDS};
use crate::http::routes::{self, HttpWorld, ServerFacts};
use crate::http::{Http, HttpAnswer, HttpNews, HttpQuestion, HttpShared};
use crate::net::channel::Readiness;
use crate::net::connections::Connections;
use crate::net::driver::{ConnectionId, ConnectionName, Driver};
use crate::net::lifecycle::Lifecycle;
use crate::net::peer::PeerAddress;
use crate::net::transport::Transport;

/// The most clients of HTTP at a time; fewer where descriptors are few.
pub const HTTP_CLIENTS_MAX: usize = 256;
/// The most clients that have heard their last response and linger: they count to no other limit.
const HTTP_LINGERING_MAX: usize = 32;
/// The most requests that are answered in one tick: mail comes in between.
pub const ANSWERS_MAX: usize = 8;
/// A response larger than this is the last one of its tick, as that to a search is: it took work.
const LARGE_BYTES: usize = 64 * 1024;

/// The clients of HTTP, which live in the same event loop as those that bring mail.
///
/// A source of events for streams, as the live loop, asks after a tick for the [`viewers`](Self::viewers) and gives each its events by
/// [`push`](Self::push). One that has too many to read yet takes none: the event is lost for it, to be told as soon as it takes
/// another. A viewer is known by its id from the tick in which its request was answered to the one in which it is gone.
pub struct HttpClients<T: Transport> {
    clients: Connections<Http, T>,
    clients_max: usize,
    store: Rc<StoreMetrics>,
    /// How long turns of the loop took, in microseconds.
    ticks: Histogram,
    /// Whether mail was taken at the last tick.
    is_ready: bool,
    /// The instant at which a store that has failed counts as good again.
    ready_at: Option<Instant>,
    /// The changes of the inbox that requests which wait were answered for.
    generation: u64,
    /// The addresses at which the server listens for mail.
    listening: Rc<[String]>,
    /// Whether clients have heard of a drain.
    is_draining: bool,
}

impl<T: Transport> HttpClients<T> {
    /// No clients yet, of which there may be so many at a time.
    #[must_use]
    pub fn new(
        access: AccessRules,
        clients_max: usize,
        store: Rc<StoreMetrics>,
        now: Instant,
    ) -> Self {
        let mut clients = Connections::new(HttpShared::new(access), now);
        clients.set_lingering_max(HTTP_LINGERING_MAX);
        Self {
            store,
            ticks: Histogram::new(&SECONDS),
            is_ready: false,
            ready_at: None,
            clients,
            clients_max,
            generation: 0,
            listening: Rc::default(),
            is_draining: false,
        }
    }

    /// Tells clients that the server listens for mail there: a service and an address each.
    pub fn set_listening(&mut self, listening: impl Iterator<Item = String>) {
        self.listening = listening.collect();
    }

    /// Goes on by other rules.
    pub fn set_access(&mut self, access: AccessRules) {
        self.clients.shared_mut().access = access;
    }

    /// Tells what time it is, once a tick.
    pub fn set_time(&mut self, now: Instant, wall: SystemTime) {
        self.clients.set_time(now);
        self.clients.shared_mut().set_wall(wall);
    }

    /// The time that it was told last, or was made at.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.clients.now()
    }

    /// The key that the next client will have.
    #[must_use]
    pub fn next_key(&self) -> usize {
        self.clients.next_key()
    }

    /// Whether there is no client.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Whether there is room for one more client, which one that asks nothing may have to make.
    pub fn make_room(&mut self) -> bool {
        if self.clients.open() < self.clients_max {
            return true;
        }
        let views = self.clients.views(0..self.clients.keys_end());
        let open = views.filter(|view| view.lifecycle == Lifecycle::Open);
        let idle = open.filter_map(|view| Some((view.driver.idle_since()?, view.name)));
        let idlest = idle.min_by_key(|(since, name)| (*since, name.id()));
        idlest.is_some_and(|(_, name)| self.clients.tell(name, HttpNews::MakeRoom))
    }

    /// Takes in a client that was just accepted, under [`next_key`](Self::next_key).
    pub fn add(&mut self, transport: T, peer: PeerAddress) {
        self.clients.add(transport, Http::new(), peer, true);
    }

    /// Tells a client that it is one too many.
    pub fn refuse(&mut self, transport: T, peer: PeerAddress) {
        self.clients.refuse(transport, Http::refused(), peer);
    }

    /// Notes an event of a client.
    pub fn on_event(&mut self, key: usize, readiness: Readiness) {
        self.clients.on_event(key, readiness);
    }

    /// Counts a turn of the loop.
    pub fn note_tick(&mut self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.ticks.add(took);
    }

    /// The instant at which something is to be done without an event.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        let shared = self.clients.shared();
        if shared.questions() > 0 {
            return Some(self.clients.now());
        }
        let ready_at = self.ready_at.filter(|_| shared.has_waiting());
        let wakes = [self.clients.next_wake(), ready_at];
        wakes.into_iter().flatten().min()
    }

    /// One tick: serves clients, and answers them from what `core` is now.
    pub fn tick<U: Transport>(&mut self, core: &mut ServerCore<U>) {
        self.follow_drain(core);
        self.tell_news(core);
        let facts = ServerFacts {
            hostname: core.rules().policy.hostname.clone(),
            is_ready: self.is_ready,
            listening: Rc::clone(&self.listening),
        };
        let (store, ticks, open) = (&self.store, &self.ticks, self.clients.open());
        let commit = |clients: &mut Connections<Http, T>| {
            for _ in 0..ANSWERS_MAX {
                let Some(question) = clients.shared_mut().take_question() else {
                    break;
                };
                let HttpQuestion {
                    ticket,
                    request,
                    is_again,
                    is_last,
                } = question;
                #[cfg(feature = "catch")]
                let shared = core.connections.shared_mut();
                let mut world = HttpWorld {
                    #[cfg(feature = "catch")]
                    inbox: shared.store.inbox(),
                    #[cfg(feature = "catch")]
                    faults: &mut shared.faults,
                    server: &facts,
                };
                let answer = match routes::answer(&request, is_last, &mut world) {
                    HttpAnswer::Metrics => HttpAnswer::Now(core.metrics(store, ticks, open)),
                    answer => answer,
                };
                let is_large = matches!(&answer, HttpAnswer::Now(response) if response.body.len() > LARGE_BYTES);
                // One that is asked again looks at what is new only.
                let is_search = request.path.ends_with("/search") && !is_again;
                clients.complete(ticket, HttpNews::Answer(answer));
                if is_large || is_search {
                    break;
                }
            }
        };
        self.clients.tick(commit, |_, _| {});
    }

    /// Has requests that wait asked again once there is another message, or mail is taken again.
    fn tell_news<U: Transport>(&mut self, core: &mut ServerCore<U>) {
        let now = self.clients.now();
        let failed_at = self.store.failed_at.get();
        self.ready_at = failed_at
            .map(|at| at + FAILED_STORE_TIME)
            .filter(|at| *at > now);
        let takes_mail = !core.is_draining() && core.store_lost_since().is_none();
        let is_ready = takes_mail && self.ready_at.is_none();
        let generation = generation(core);
        if (generation, is_ready) != (self.generation, self.is_ready) {
            (self.generation, self.is_ready) = (generation, is_ready);
            for name in self.clients.shared_mut().take_waiting() {
                self.clients.tell(name, HttpNews::AskAgain);
            }
        }
    }

    /// Once a drain begins, streams end, requests that wait are answered, and clients that ask nothing go.
    fn follow_drain<U: Transport>(&mut self, core: &ServerCore<U>) {
        if core.is_draining() && !self.is_draining {
            self.is_draining = true;
            let timeout = core.rules().limits.drain_timeout;
            self.clients.begin_drain(timeout);
            let views = self.clients.views(0..self.clients.keys_end());
            let names: Vec<ConnectionName> = views.map(|view| view.name).collect();
            for name in names {
                self.clients.tell(name, HttpNews::Drain);
            }
        }
    }

    /// Whether no client waits for a response, or reads one.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let mut views = self.clients.views(0..self.clients.keys_end());
        views.all(|view| view.lifecycle == Lifecycle::Open && view.driver.idle_since().is_some())
    }

    /// The clients that are told events.
    pub fn viewers(&self) -> impl Iterator<Item = ConnectionId> {
        let viewers = self.clients.shared().viewers();
        viewers.iter().map(ConnectionName::id)
    }

    /// Whether a viewer has taken all that it was told.
    #[must_use]
    pub fn has_read_all(&self, viewer: ConnectionId) -> bool {
        let view = self.viewer(viewer).and_then(|name| self.clients.view(name));
        view.is_some_and(|view| view.unsent == 0 && view.driver.unwritten().is_empty())
    }

    /// The name of the viewer with this id.
    fn viewer(&self, viewer: ConnectionId) -> Option<ConnectionName> {
        let mut viewers = self.clients.shared().viewers().iter().copied();
        viewers.find(|name| name.id() == viewer)
    }

    /// Gives a viewer an event: whole lines as `text/event-stream` has them, with the empty line. Whether it was taken: a viewer that
    /// has [so much](crate::http::EVENTS_BYTES_MAX) to read yet, or is gone, takes none.
    pub fn push(&mut self, viewer: ConnectionId, event: Bytes) -> bool {
        let Some(name) = self.viewer(viewer) else {
            return false;
        };
        self.clients.shared_mut().is_event_taken = false;
        self.clients.tell(name, HttpNews::Event(event));
        self.clients.shared().is_event_taken
    }
}

#[cfg(feature = "catch")]
fn generation<U: Transport>(core: &mut ServerCore<U>) -> u64 {
    let inbox = core.connections.shared_mut().store.inbox();
    inbox.map_or(0, |inbox| inbox.generation())
}

/// Nothing that a request could wait for.
#[cfg(not(feature = "catch"))]
fn generation<U: Transport>(_: &mut ServerCore<U>) -> u64 {
    0
}
