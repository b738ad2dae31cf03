//! What one run tells: the time, a trace for whoever looks at a single seed, and what went wrong first.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

pub struct Journal {
    start: Instant,
    now: Cell<Instant>,
    tracing: bool,
    /// Calls of the transport and the store so far: a server that comes to no rest without any is spinning.
    calls: Cell<u64>,
    violation: RefCell<Option<String>>,
}

impl Journal {
    pub fn new(tracing: bool) -> Self {
        let start = Instant::now();
        Self {
            start,
            now: Cell::new(start),
            tracing,
            calls: Cell::new(0),
            violation: RefCell::new(None),
        }
    }

    pub fn now(&self) -> Instant {
        self.now.get()
    }

    /// How long the run has lasted, by its own clock.
    pub fn elapsed(&self) -> Duration {
        self.now() - self.start
    }

    pub fn advance(&self, time: Duration) {
        self.now.set(self.now() + time);
        if time > Duration::ZERO {
            self.trace(|| format!("clock +{time:?}"));
        }
    }

    pub fn count_call(&self) {
        self.calls.set(self.calls.get() + 1);
    }

    pub fn calls(&self) -> u64 {
        self.calls.get()
    }

    pub fn trace(&self, line: impl FnOnce() -> String) {
        if self.tracing {
            println!("{:>12.3} {}", self.elapsed().as_secs_f64(), line());
        }
    }

    /// Notes that something is wrong. Nothing panics in the hands of the server, where it could be taken for
    /// the server's own fault; [`check`](Self::check) does.
    pub fn violation(&self, what: impl FnOnce() -> String) {
        let mut first = self.violation.borrow_mut();
        if first.is_none() {
            let what = format!("at {:.3} s: {}", self.elapsed().as_secs_f64(), what());
            if self.tracing {
                println!("VIOLATION {what}");
            }
            *first = Some(what);
        }
    }

    /// # Panics
    /// If anything was wrong so far.
    pub fn check(&self) {
        if let Some(what) = self.violation.borrow().as_ref() {
            panic!("{what}");
        }
    }
}
