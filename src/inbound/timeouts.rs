//! Timeouts: how long a client may take for a command, for a message, for a session.

use std::time::{Duration, Instant};

use super::rules::Limits;
use crate::net::epoch::{Epoch, Nanoseconds};
use crate::smtp::event::Phase;

/// Time for a proxy to say for which client it speaks: time for a retransmission, which takes 3 s (§2 of
/// HAProxy's `doc/proxy-protocol.txt`).
pub(super) const PROXY_HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// The times that the deadline of one connection follows from. All but the first are counted from there.
pub(super) struct Timeouts {
    opened: Epoch,
    /// Since when the present command, or the next bytes of the message, are awaited.
    awaited_since: Nanoseconds,
    /// Since when the present transaction or message goes on; for a message, since its rate was last found good.
    window_since: Nanoseconds,
    /// Octets that had been read by then.
    window_bytes: u64,
    /// The instant at which the timer goes off; 0 if none runs.
    timer_at: Nanoseconds,
    timer: Timer,
}

/// Events that a connection awaits with a timer of its own. One runs at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// The answer of the store about a sender or a recipient.
    Answer,
    /// The tarpit: a login was refused, and the client is to learn of that only then.
    Tarpit,
    /// The end of a delay that a rule wants.
    #[cfg(feature = "catch")]
    Fault,
}

impl Timeouts {
    /// The timeouts of a client that has just connected.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            opened: Epoch(now),
            awaited_since: 0,
            window_since: 0,
            window_bytes: 0,
            timer_at: 0,
            timer: Timer::Answer,
        }
    }

    /// Starts a timer, in place of one that runs.
    pub(super) fn start(&mut self, timer: Timer, deadline: Instant) {
        self.timer = timer;
        self.timer_at = self.opened.count(deadline).max(1);
    }

    /// The instant at which the timer of this kind goes off, if it runs.
    pub(super) fn timer(&self, timer: Timer) -> Option<Instant> {
        let runs = self.timer_at > 0 && self.timer == timer;
        runs.then(|| self.opened.instant(self.timer_at))
    }

    /// The instant at which a timer goes off, if one of whatever kind runs.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        (self.timer_at > 0).then(|| self.opened.instant(self.timer_at))
    }

    /// The instant itself, but at most the end of the session timeout.
    #[cfg(feature = "catch")]
    pub(super) fn within_session(&self, instant: Instant, limits: &Limits) -> Instant {
        instant.min(self.session_deadline(limits))
    }

    /// Stops the timer that runs, if one does.
    pub(super) fn stop_timer(&mut self) {
        self.timer_at = 0;
    }

    /// The instant at which the connection was opened.
    pub(super) fn opened(&self) -> Instant {
        self.opened.0
    }

    /// The client has given a whole command, or more of its message.
    pub(super) fn progress(&mut self, now: Instant) {
        self.awaited_since = self.opened.count(now);
    }

    /// With that the session has entered another phase.
    pub(super) fn enter_phase(&mut self, now: Instant, bytes_in: u64) {
        self.window_since = self.opened.count(now);
        self.window_bytes = bytes_in;
    }

    /// Whether the session timeout has passed, after which no transaction begins.
    pub(super) fn session_is_over(&self, now: Instant, limits: &Limits) -> bool {
        self.session_deadline(limits) <= now
    }

    fn session_deadline(&self, limits: &Limits) -> Instant {
        self.opened.0 + limits.session_timeout
    }

    /// The deadline of a session in this `phase`; never while it is we who work.
    pub(super) fn deadline(&self, phase: Phase, limits: &Limits) -> Option<Instant> {
        let idle = self.opened.instant(self.awaited_since) + limits.idle_timeout;
        let session = self.session_deadline(limits);
        let window = self.opened.instant(self.window_since) + limits.idle_timeout;
        match phase {
            Phase::Idle => Some(idle.min(session)),
            // A transaction that begins late is given the time for its commands; with its message it has begun.
            Phase::Command => Some(idle.min(session.max(window))),
            Phase::Message => Some(idle.min(window)),
            Phase::Login | Phase::Commit => None,
            Phase::Closing => Some(idle),
        }
    }

    /// Does not count so many octets that were read for the rate of the message.
    pub(super) fn discount(&mut self, octets: usize) {
        self.window_bytes += octets as u64;
    }

    /// Whether the time of the client has ended by `now`. A message that came fast enough since this was last asked goes on,
    /// however long it takes in all.
    pub(super) fn has_ended(
        &mut self,
        phase: Phase,
        now: Instant,
        bytes_in: u64,
        limits: &Limits,
    ) -> bool {
        let due = self
            .deadline(phase, limits)
            .is_some_and(|deadline| deadline <= now);
        if !due
            || phase != Phase::Message
            || self.opened.instant(self.awaited_since) + limits.idle_timeout <= now
        {
            return due;
        }
        let least = limits.idle_timeout.as_secs_f64() * limits.min_rate as f64;
        let kept = bytes_in.saturating_sub(self.window_bytes) as f64 >= least;
        self.enter_phase(now, bytes_in);
        !kept
    }
}
