//! The live loop: whoever looks at it is told what each tick of mail has seen.
//!
//! Viewers come by HTTP, and the loop waits for none of them. The watch is there while there are viewers. A tick that is too much for a
//! viewer, or for all of them, is lost as a whole, and counted; a `hello` with all that there is by then follows.

mod sampling;

use std::mem;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;

use self::sampling::Sampling;
use super::core::ServerCore;
use super::http_clients::HttpClients;
use super::probe::observers::ObserverId;
use super::watch::{CoreWatch, LoopWatch, TickEnd, WatchedTick};
use crate::http::live::{self, ConnectionFacts, HelloText};
use crate::inbound::Inbound;
use crate::net::carrier::Carrier;
use crate::net::connections::ConnectionView;
use crate::net::driver::ConnectionId;
use crate::net::poller::Poller;
use crate::net::probe::Probe;
use crate::net::transport::Transport;

/// The live loop and its viewers.
pub(super) struct LiveLoop {
    started: Instant,
    viewers: Vec<Viewer>,
    watching: Option<Watching>,
    /// The text of the tick that is over.
    tick: Option<Bytes>,
}

/// What there is while somebody looks on.
struct Watching {
    observer: ObserverId,
    watch: Rc<LoopWatch>,
    sampling: Sampling,
}

/// A client of HTTP that is told of the loop.
struct Viewer {
    id: ConnectionId,
    missed: Missed,
}

/// What a viewer has missed, for which it is told all anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missed {
    /// Nothing.
    Nothing,
    /// Something that is not counted, as all before it came.
    Something,
    /// So many ticks.
    Ticks(u64),
}

impl Missed {
    fn add(&mut self, ticks: u64) {
        *self = match *self {
            Self::Nothing if ticks == 0 => Self::Something,
            Self::Nothing => Self::Ticks(ticks),
            Self::Something => Self::Something,
            Self::Ticks(before) => Self::Ticks(before + ticks),
        };
    }
}

impl LiveLoop {
    /// No viewers yet, of a server that was started then.
    pub(super) fn new(started: Instant) -> Self {
        Self {
            started,
            viewers: Vec::new(),
            watching: None,
            tick: None,
        }
    }

    /// Notes the end of a tick of mail, before anybody is told.
    pub(super) fn end_tick(&mut self, core: &ServerCore<Carrier>, poller: &Poller) {
        let Some(Watching {
            watch, sampling, ..
        }) = &mut self.watching
        else {
            return;
        };
        let end = TickEnd {
            number: core.ticks,
            ended: Instant::now(),
            polled: poller.events().count(),
            open: core.open(),
            waiting: core.connections().awaiting(),
        };
        match watch.end_tick(&end) {
            WatchedTick::Idle => {}
            WatchedTick::Skipped => sampling.skip(),
            WatchedTick::Told(text, is_cut) => {
                sampling.note(text.len(), is_cut);
                self.tick = Some(text);
            }
        }
    }

    /// Tells viewers of the tick that is over. Those that have missed something are told all that there is, once they have read what
    /// they were told before.
    pub(super) fn tell<T: Transport>(
        &mut self,
        clients: &mut HttpClients<T>,
        core: &mut ServerCore<Carrier>,
    ) {
        self.follow_viewers(clients, core);
        let tick = self.tick.take();
        let Some(watching) = &mut self.watching else {
            return;
        };
        let lost = watching.sampling.turn(core.connections().now());
        for viewer in &mut self.viewers {
            if let Some(tick) = &tick
                && (viewer.missed != Missed::Nothing || !clients.push(viewer.id, tick.clone()))
            {
                viewer.missed.add(1);
            }
            if let Some(ticks) = lost {
                viewer.missed.add(ticks);
            }
        }
        watching
            .watch
            .set_gathering(watching.sampling.tells_the_next());
        watching.watch.wake_at(watching.sampling.next_wake());
        self.greet(clients, core);
    }

    /// Begins with viewers that are new, and forgets those that are gone. The watch comes with the first and goes with the last one.
    fn follow_viewers<T: Transport>(
        &mut self,
        clients: &HttpClients<T>,
        core: &mut ServerCore<Carrier>,
    ) {
        let before = mem::take(&mut self.viewers);
        let missed_by = |id| before.iter().find(|viewer| viewer.id == id);
        let viewers = clients.viewers().map(|id| Viewer {
            id,
            missed: missed_by(id).map_or(Missed::Something, |viewer| viewer.missed),
        });
        self.viewers = viewers.collect();
        if !self.viewers.is_empty() && self.watching.is_none() {
            self.watching = Some(Watching::begin(self.started, core));
        } else if self.viewers.is_empty()
            && let Some(watching) = self.watching.take()
        {
            watching.end(core);
        }
    }

    /// Tells viewers that have missed something how much that was, and what there is now.
    fn greet<T: Transport>(
        &mut self,
        clients: &mut HttpClients<T>,
        core: &mut ServerCore<Carrier>,
    ) {
        let Some(watching) = &self.watching else {
            return;
        };
        let mut hello: Option<Bytes> = None;
        for viewer in &mut self.viewers {
            if viewer.missed == Missed::Nothing || !clients.has_read_all(viewer.id) {
                continue;
            }
            let hello = hello.get_or_insert_with(|| watching.hello(self.started, core));
            if let Missed::Ticks(ticks) = viewer.missed {
                let lost = live::lost(ticks);
                clients.push(viewer.id, [&*lost, &**hello].concat().into());
            } else {
                clients.push(viewer.id, hello.clone());
            }
            viewer.missed = Missed::Nothing;
        }
    }
}

impl Watching {
    /// Puts the watch in, over connections that are there as well.
    fn begin(started: Instant, core: &mut ServerCore<Carrier>) -> Self {
        let now = core.connections().now();
        let watch = LoopWatch::new(started, now);
        for view in core.connections().views(0..usize::MAX) {
            watch.note(view.id, view.name.key(), words(&view));
        }
        core.connections.update_transports(|id, carrier| {
            carrier.tell(id, Rc::clone(&watch) as Rc<dyn Probe>);
        });
        let observer = core.watch(Box::new(CoreWatch(Rc::clone(&watch))));
        Self {
            observer,
            watch,
            sampling: Sampling::begin(now),
        }
    }

    /// Takes the watch out.
    fn end(self, core: &mut ServerCore<Carrier>) {
        core.unwatch(self.observer);
        core.connections
            .update_transports(|_, carrier| carrier.stop_telling());
    }

    /// The text that tells all that there is.
    fn hello(&self, started: Instant, core: &ServerCore<Carrier>) -> Bytes {
        let connections = core.connections();
        let mut hello = HelloText::default();
        for view in connections.views(0..usize::MAX) {
            let [state, waits] = words(&view);
            let facts = ConnectionFacts {
                id: view.id,
                peer: view.peer,
                service: view.driver.service().name(),
                state,
                waits,
                read: view.bytes_in,
                written: view.bytes_out,
                unsent: view.unsent,
                age: view.age,
            };
            if hello.add(&facts) {
                self.watch.note(view.id, view.name.key(), [state, waits]);
            }
        }
        let uptime = connections.now().saturating_duration_since(started);
        hello.take(&core.rules().policy.hostname, uptime)
    }
}

/// The state of a connection, and what it waits for.
fn words(view: &ConnectionView<'_, Inbound>) -> [&'static str; 2] {
    [view.phase_name(), view.wait.name(view.unsent)]
}

#[cfg(test)]
mod tests;
