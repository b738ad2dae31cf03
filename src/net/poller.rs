//! The poll: the one place where the program waits for the kernel (epoll(7)).

use std::io::{self, ErrorKind};
use std::time::Duration;

use mio::{Events, Poll, Registry};

use super::channel::Readiness;
use super::token::Token;

/// The most events taken from the kernel in one tick.
const EVENTS_MAX: usize = 1024;

/// The poll, and the events of the present tick.
pub struct Poller {
    poll: Poll,
    events: Events,
}

impl Poller {
    /// A poll of nothing yet.
    ///
    /// # Errors
    /// As epoll_create1(2).
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
        })
    }

    /// The registry of sources. They are registered once, edge-triggered, for all that they can do. Nobody changes an interest later.
    pub fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Waits for events, at most this long. A signal that interrupts it is no failure, as signals have an event of their own.
    ///
    /// # Errors
    /// As epoll_wait(2).
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// The events of the last [wait](Self::wait), in the order of the kernel.
    pub fn events(&self) -> impl Iterator<Item = (Token, Readiness)> {
        let events = self.events.iter();
        events.map(|event| (event.token().into(), Readiness::from(event)))
    }
}
