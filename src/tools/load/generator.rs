//! The loop of the load: one poll, a slab of connections, one thread.

use std::io::{self, ErrorKind};
use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mio::{Events, Interest, Poll, Token};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use slab::Slab;

use super::connection::{Connection, Status, Work};
use super::hostile::Attack;
use super::progress::Progress;
use super::tally::Failure;
use crate::net::channel::{Channel, Readiness};
use crate::net::dialer::Dialer;
use crate::net::link::StartTls;
use crate::smtp::client::{ClientSession, Pace};
use crate::smtp::envelope::Hello;

/// The most events taken from the kernel in one turn.
const EVENTS_MAX: usize = 1024;
/// The most connections that are begun in one turn: those that are there have their turns in between.
const CONNECTS_MAX: usize = 64;
/// More than the longest reply, the one to EHLO.
const READ_BYTES: usize = 4096;
/// How often it is looked after progress, silent servers and slow peers.
const BEAT: Duration = Duration::from_millis(100);
/// For so short a time poll does not wait, as it counts in milliseconds: what is due would begin too late.
const SPIN: Duration = Duration::from_millis(1);
/// How long no connection is begun after one that failed.
const CONNECT_PAUSE: Duration = Duration::from_millis(100);
/// How long no connection is begun after the server had as many waiting as may wait.
const QUEUE_PAUSE: Duration = Duration::from_millis(1);
/// So long is tried to reach a server that was there before.
const UNREACHABLE_MAX: Duration = Duration::from_secs(5);

/// Token of the signals; connections have their keys, hostile peers theirs behind [`ATTACK`].
const SIGNALS: Token = Token(usize::MAX - 1);
/// Where the tokens of hostile peers begin.
const ATTACK: usize = usize::MAX / 2;

/// How the load connects and talks.
pub(super) struct Manner {
    /// The most connections at a time.
    pub(super) sessions_max: usize,
    /// What is said first; nothing if the connection is all that is wanted.
    pub(super) hello: Option<Hello>,
    pub(super) pace: Pace,
    /// How long a server may be silent.
    pub(super) timeout: Duration,
    /// What begins TLS with the first octet, if anything.
    pub(super) tls: Option<Rc<dyn StartTls>>,
}

/// All connections, and what they need.
pub(super) struct Generator<'a> {
    poll: Poll,
    signals: Signals,
    dialer: Dialer,
    manner: Manner,
    work: Work<'a>,
    connections: Slab<Connection>,
    /// Keys of those that wait for a transaction.
    idle: Vec<usize>,
    attack: Option<Attack>,
    /// Whether the server was ever reached.
    reached: bool,
    /// Since when it cannot be reached.
    unreachable_since: Option<Instant>,
    /// No connection is begun before this.
    connect_after: Option<Instant>,
    next_beat: Instant,
    /// How many signals asked to end.
    interrupts: u32,
    buffer: Box<[u8]>,
}

impl<'a> Generator<'a> {
    pub(super) fn new(
        dialer: Dialer,
        manner: Manner,
        work: Work<'a>,
        attack: Option<Attack>,
        now: Instant,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        poll.registry()
            .register(&mut signals, SIGNALS, Interest::READABLE)?;
        Ok(Self {
            poll,
            signals,
            dialer,
            manner,
            work,
            connections: Slab::new(),
            idle: Vec::new(),
            attack,
            reached: false,
            unreachable_since: None,
            connect_after: None,
            next_beat: now + BEAT,
            interrupts: 0,
            buffer: vec![0; READ_BYTES].into(),
        })
    }

    /// Runs until every transaction has come to its end, or a signal asks not to wait for that. Returns what was
    /// counted.
    ///
    /// # Errors
    /// The server cannot be reached, or poll fails.
    pub(super) fn run(mut self, progress: &Progress) -> io::Result<(Work<'a>, Option<Attack>)> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        self.begin_due(Instant::now())?;
        while !self.is_done() {
            match self.poll.poll(&mut events, Some(self.wait(Instant::now()))) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            let now = Instant::now();
            self.serve(&events, now)?;
            if now >= self.next_beat {
                self.beat(progress, now)?;
            }
            self.begin_due(Instant::now())?;
        }
        let overdue = self.work.schedule.overdue();
        let why = "the rate was more than the sessions could carry";
        self.work.tally.failed_times(Failure::Overdue, overdue, why);
        Ok((self.work, self.attack))
    }

    /// Whether nobody is to be waited for any more.
    fn is_done(&self) -> bool {
        let over = self.work.schedule.is_over(Instant::now());
        over && self.connections.is_empty() || self.interrupts > 1
    }

    /// Serves everybody whom an event tells of.
    fn serve(&mut self, events: &Events, now: Instant) -> io::Result<()> {
        for event in events {
            let readiness = Readiness::from(event);
            match event.token() {
                SIGNALS => {
                    self.interrupts += u32::try_from(self.signals.pending().count()).unwrap_or(1);
                    self.work.schedule.stop(now);
                }
                Token(token) if token >= ATTACK => {
                    if let Some(attack) = &mut self.attack {
                        attack.on_event(token - ATTACK, readiness);
                    }
                }
                Token(key) => {
                    let Some(connection) = self.connections.get_mut(key) else {
                        continue;
                    };
                    let status =
                        connection.on_event(readiness, now, &mut self.buffer, &mut self.work);
                    self.heed(key, status, now)?;
                }
            }
        }
        if let Some(attack) = &mut self.attack {
            attack.turn(&mut self.buffer);
        }
        Ok(())
    }

    /// Begins what is due, on a connection that waits for it or on a new one. In the end nobody has to wait.
    fn begin_due(&mut self, now: Instant) -> io::Result<()> {
        if self.work.schedule.is_over(now) {
            return self.dismiss_idle(now);
        }
        while self.work.schedule.is_due(now)
            && let Some(key) = self.idle.pop()
        {
            self.reuse(key, now)?;
        }
        for _ in 0..CONNECTS_MAX {
            if !self.work.schedule.is_due(now) || !self.may_connect(now) {
                break;
            }
            self.connect(now)?;
        }
        if let Some(attack) = &mut self.attack
            && self.reached
        {
            let registry = self.poll.registry();
            attack.reinforce(&mut self.dialer, CONNECTS_MAX, |stream, key| {
                stream.register(registry, Token(ATTACK + key))
            });
        }
        Ok(())
    }

    /// Whether one more connection may be begun now. The first one shows whether there is a server at all.
    fn may_connect(&self, now: Instant) -> bool {
        let room = if self.reached {
            self.manner.sessions_max
        } else {
            1
        };
        self.connections.len() < room && self.connect_after.is_none_or(|after| now >= after)
    }

    /// Begins the next transaction on a connection that waited for it, unless its server has said good-bye meanwhile.
    fn reuse(&mut self, key: usize, now: Instant) -> io::Result<()> {
        let idle = self.connections.get_mut(key).filter(|it| it.is_idle());
        if let Some(connection) = idle
            && let Some(since) = self.work.schedule.take(now)
        {
            let status = connection.take_up(since, now, &mut self.work);
            self.heed(key, status, now)?;
        }
        Ok(())
    }

    /// Begins a connection for the next transaction.
    fn connect(&mut self, now: Instant) -> io::Result<()> {
        let dialled = self.dialer.dial();
        if matches!(&dialled, Err(error) if error.kind() == ErrorKind::WouldBlock) {
            let since = *self.unreachable_since.get_or_insert(now);
            if now.saturating_duration_since(since) < self.manner.timeout {
                self.connect_after = Some(now + QUEUE_PAUSE);
                return Ok(());
            }
        }
        let Some(since) = self.work.schedule.take(now) else {
            return Ok(());
        };
        let mut stream = match dialled {
            Ok(stream) => stream,
            Err(error) => return self.on_unreachable(error, now),
        };
        let entry = self.connections.vacant_entry();
        stream.register(self.poll.registry(), Token(entry.key()))?;
        let mut channel = Channel::connecting(stream);
        if let Some(tls) = &self.manner.tls {
            channel.begin_tls(&**tls, BytesMut::new())?;
        }
        let session = ClientSession::new(self.manner.hello.clone(), self.manner.pace);
        entry.insert(Connection::new(channel, session, since, now));
        Ok(())
    }

    /// Does what the status of a connection calls for.
    fn heed(&mut self, key: usize, status: Status, now: Instant) -> io::Result<()> {
        match status {
            Status::Unreachable(error) => {
                self.connections.try_remove(key);
                return self.on_unreachable(error, now);
            }
            Status::Busy => {}
            Status::Idle => self.idle.push(key),
            Status::Over => self.forget(key),
        }
        self.reached = true;
        self.unreachable_since = None;
        Ok(())
    }

    /// Closes a connection.
    fn forget(&mut self, key: usize) {
        if let Some(connection) = self.connections.try_remove(key) {
            let (bytes_in, bytes_out) = connection.bytes();
            self.work.tally.bytes_in += bytes_in;
            self.work.tally.bytes_out += bytes_out;
        }
        self.idle.retain(|idle| *idle != key);
    }

    /// The connection for a transaction could not be made. Another address of the server may do; a server that was
    /// there may come back.
    fn on_unreachable(&mut self, error: io::Error, now: Instant) -> io::Result<()> {
        if !self.reached {
            self.work.schedule.take_back();
            return if self.dialer.next_address() {
                Ok(())
            } else {
                Err(error)
            };
        }
        self.work.tally.failed(Failure::Connect, error, now);
        self.connect_after = Some(now + CONNECT_PAUSE);
        let since = *self.unreachable_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= UNREACHABLE_MAX {
            self.work.schedule.stop(now);
        }
        Ok(())
    }

    /// Sends those away that wait for a transaction: there will be none.
    fn dismiss_idle(&mut self, now: Instant) -> io::Result<()> {
        for key in mem::take(&mut self.idle) {
            let idle = self.connections.get_mut(key).filter(|it| it.is_idle());
            if let Some(connection) = idle {
                let status = connection.leave(now, &mut self.work);
                self.heed(key, status, now)?;
            }
        }
        Ok(())
    }

    /// How long poll may wait.
    fn wait(&self, now: Instant) -> Duration {
        if self.attack.as_ref().is_some_and(Attack::has_work) {
            return Duration::ZERO;
        }
        let beat = self.next_beat.saturating_duration_since(now);
        let has_room = self.reached && self.connections.len() < self.manner.sessions_max;
        if self.work.schedule.is_over(now) || !has_room && self.idle.is_empty() {
            return beat;
        }
        let due = self.work.schedule.next_due();
        let wake = due.map_or(beat, |due| {
            let due = self.connect_after.map_or(due, |after| due.max(after));
            due.saturating_duration_since(now).saturating_sub(SPIN)
        });
        wake.min(beat)
    }

    /// Looks after what no event tells of, every now and then.
    fn beat(&mut self, progress: &Progress, now: Instant) -> io::Result<()> {
        self.next_beat = now + BEAT;
        progress.show(&self.work.tally, now);
        if let Some(attack) = &mut self.attack {
            attack.beat(now);
        }
        let keys: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
        for key in keys {
            let Some(connection) = self.connections.get_mut(key) else {
                continue;
            };
            match connection.expire(self.manner.timeout, now, &mut self.work) {
                Status::Busy => {}
                status => self.heed(key, status, now)?,
            }
        }
        Ok(())
    }
}
