//! A service, the model that it speaks with, and the clock.

use std::time::{Duration, Instant};

use mailoop::net::channel::Readiness;
use mailoop::stream::service::StreamService;
use mailoop::stream::settings::{StreamSettings, StreamStart};

use crate::model::pipe::PipeEnd;
use crate::model::{Model, SharedModel};
use crate::prng::Prng;
use crate::witness::Witness;

/// The most ticks without the clock going on: a service that needs more turns round and round.
const TICKS_MAX: usize = 20_000;
/// The longest time between two looks at what there is to do.
const STEP_MAX: Duration = Duration::from_secs(1);

/// A service in its world.
pub struct World {
    pub model: SharedModel,
    pub service: StreamService<PipeEnd>,
    pub witness: Witness,
    pub now: Instant,
    pub start: Instant,
}

impl World {
    /// A service that is given this address, and publishes so much.
    pub fn new(seed: u64, url: &str, brings_mail: bool, wanted: u64, octets: usize) -> Self {
        let mut prng = Prng::new(seed);
        let now = Instant::now();
        let mut random = prng.fork();
        let model = Model::new(3, prng.fork(), now);
        let settings = StreamSettings {
            target: url.parse().unwrap(),
            secret: None,
            tls: None,
            brings_mail,
        };
        let random = Box::new(move || random.below(usize::MAX) as u64);
        let service = StreamService::new(settings, Model::network(&model), random, now);
        Self {
            model,
            service,
            witness: Witness::new(now, wanted, octets),
            now,
            start: now,
        }
    }

    /// Three servers, each with its monitor, and nothing to publish.
    pub fn usual(seed: u64) -> Self {
        Self::new(seed, "nats://n0,n1,n2/MAIL", true, 0, 0)
    }

    /// Runs until the clock has gone on so far.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_until(end, |_| false);
    }

    /// Runs until something holds, for so long at most; whether it does.
    pub fn run_while(&mut self, time: Duration, is_done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + time;
        self.run_until(end, is_done)
    }

    fn run_until(&mut self, end: Instant, mut is_done: impl FnMut(&Self) -> bool) -> bool {
        let mut ticks = 0;
        // The world may have been changed.
        self.tick();
        loop {
            if is_done(self) {
                return true;
            }
            let wakes = [
                self.service.next_wake(),
                self.model.borrow().next_wake(),
                self.witness.next_wake(),
            ];
            let wake = wakes.into_iter().flatten().min();
            let wake = wake.map_or(self.now + STEP_MAX, |wake| wake.min(self.now + STEP_MAX));
            if wake > self.now {
                ticks = 0;
                self.now = wake.min(end);
            }
            if self.now >= end {
                return false;
            }
            ticks += 1;
            assert!(ticks < TICKS_MAX, "it turns round and round");
            self.tick();
        }
    }

    fn tick(&mut self) {
        self.service.set_time(self.now);
        self.witness.now = self.now;
        let events: Vec<(_, Readiness)> = self.model.borrow_mut().events();
        for (token, readiness) in events {
            assert!(self.service.on_event(token, readiness));
        }
        self.service.tick(&mut self.witness);
        self.model.borrow_mut().tick(self.now);
    }

    /// Whether the store was told of a connection, and takes mail.
    pub fn is_well(&self) -> bool {
        self.witness.is_connected && self.witness.is_ready()
    }

    /// Runs until the first connection is there, or has failed.
    pub fn run_to_start(&mut self) -> StreamStart {
        self.run_while(Duration::from_secs(60), |world| {
            world.service.start() != StreamStart::Pending
        });
        self.service.start()
    }
}
