//! The event loop of the load: one poll, honest connections and those of an attack, one thread.

use std::io::{self, ErrorKind};
use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mio::Interest;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;

use super::attack::Attack;
use super::progress::Progress;
use super::stats::FailureKind;
use super::transactions::{LoadShared, Order, Transactions};
use crate::net::connections::Connections;
use crate::net::dialer::Dialer;
use crate::net::engine::dial;
use crate::net::poller::Poller;
use crate::net::socket::Socket;
use crate::net::token::Token;
use crate::smtp::client::{ChannelSecurity, ClientSession, Pace};
use crate::smtp::envelope::Hello;
use crate::tools::dialogue::Dialogue;
use crate::tools::encryption::{Start, TlsStart};

/// The most connections that are begun in one turn of the loop: those that are there have their turns in between.
const CONNECTS_MAX: usize = 64;
/// The longest time between two looks at the progress and at the end of the run.
const SCAN_INTERVAL: Duration = Duration::from_millis(100);
/// For so short a time poll does not wait, as it counts in milliseconds: what is due would begin too late.
const SPIN: Duration = Duration::from_millis(1);
/// How long no connection is begun after one that failed.
const CONNECT_PAUSE: Duration = Duration::from_millis(100);
/// How long no connection is begun after the server had as many waiting as may wait.
const QUEUE_PAUSE: Duration = Duration::from_millis(1);
/// How long is tried to reach a server that was there before.
const UNREACHABLE_MAX: Duration = Duration::from_secs(5);

/// The kinds of tokens.
const CONNECTION: u8 = 0;
const ATTACKER: u8 = 1;
const SIGNALS: u8 = 2;

/// How the load connects and talks.
pub(super) struct LoadConfig {
    /// The most connections at a time.
    pub(super) sessions_max: usize,
    /// What is said first; nothing if the connection is all that is wanted.
    pub(super) hello: Option<Hello>,
    pub(super) pace: Pace,
    /// What begins TLS, if anything.
    pub(super) tls: Option<TlsStart>,
    /// The message as it goes over the wire, the same one every time.
    pub(super) message: Rc<[u8]>,
}

/// All connections, and what they need.
pub(super) struct Generator {
    poller: Poller,
    signals: Signals,
    dialer: Dialer,
    config: LoadConfig,
    connections: Connections<Dialogue<Transactions>, Socket>,
    attack: Option<Attack>,
    /// No connection is begun before this.
    connect_after: Option<Instant>,
    next_scan: Instant,
    /// How many signals asked to end.
    interrupts: u32,
}

impl Generator {
    pub(super) fn new(
        dialer: Dialer,
        config: LoadConfig,
        shared: LoadShared,
        attack: Option<Attack>,
        now: Instant,
    ) -> io::Result<Self> {
        let poller = Poller::new()?;
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let token = Token::new(SIGNALS, 0).into();
        let registry = poller.registry();
        registry.register(&mut signals, token, Interest::READABLE)?;
        Ok(Self {
            poller,
            signals,
            dialer,
            config,
            connections: Connections::new(shared, now),
            attack,
            connect_after: None,
            next_scan: now + SCAN_INTERVAL,
            interrupts: 0,
        })
    }

    /// What was counted.
    pub(super) fn shared(&self) -> &LoadShared {
        self.connections.shared()
    }

    /// The attack beside the load.
    pub(super) fn attack(&self) -> Option<&Attack> {
        self.attack.as_ref()
    }

    fn shared_mut(&mut self) -> &mut LoadShared {
        self.connections.shared_mut()
    }

    /// Runs until every transaction has come to its end, or a signal asks not to wait for that.
    ///
    /// # Errors
    /// The server cannot be reached, or poll fails.
    pub(super) fn run(&mut self, progress: &Progress) -> io::Result<()> {
        self.begin_due(Instant::now())?;
        while !self.is_done() {
            self.tick(progress)?;
            self.begin_due(Instant::now())?;
        }
        let shared = self.shared_mut();
        let overdue = shared.schedule.overdue();
        let why = "the rate was more than the sessions could carry";
        shared
            .stats
            .failed_times(FailureKind::Overdue, overdue, why);
        Ok(())
    }

    /// Whether nobody is to be waited for any more.
    fn is_done(&self) -> bool {
        let over = self.shared().schedule.is_over(Instant::now());
        over && self.connections.is_empty() || self.interrupts > 1
    }

    /// One turn of the loop: poll readiness → serve ready connections → expire deadlines → reap.
    fn tick(&mut self, progress: &Progress) -> io::Result<()> {
        self.poller.wait(Some(self.wait(Instant::now())))?;
        let now = Instant::now();
        self.connections.set_time(now);
        if let Some(attack) = &mut self.attack {
            attack.connections.set_time(now);
        }
        let mut is_signalled = false;
        for (token, readiness) in self.poller.events() {
            match (token.kind, &mut self.attack) {
                (CONNECTION, _) => self.connections.on_event(token.key, readiness),
                (ATTACKER, Some(attack)) => attack.connections.on_event(token.key, readiness),
                (SIGNALS, _) => is_signalled = true,
                (kind, _) => debug_assert!(false, "no source is of kind {kind}"),
            }
        }
        self.connections.tick(|_| {}, |_, _| {});
        if let Some(attack) = &mut self.attack {
            attack.connections.tick(|_| {}, |_, _| {});
        }
        if is_signalled {
            self.interrupts += u32::try_from(self.signals.pending().count()).unwrap_or(1);
            self.shared_mut().schedule.stop(now);
        }
        for error in mem::take(&mut self.shared_mut().dial_errors) {
            self.on_unreachable(error, now)?;
        }
        if now >= self.next_scan {
            self.next_scan = now + SCAN_INTERVAL;
            progress.show(&self.shared().stats, now);
        }
        Ok(())
    }

    /// Begins what is due, on a connection that waits for it or on a new one. In the end nobody has to wait.
    fn begin_due(&mut self, now: Instant) -> io::Result<()> {
        if self.shared().schedule.is_over(now) {
            while let Some(name) = self.shared_mut().idle.pop() {
                self.shared_mut().order = Some(Order::Quit);
                self.connections.wake(name);
            }
            self.shared_mut().order = None;
            return Ok(());
        }
        self.begin_on_idle(now);
        for _ in 0..CONNECTS_MAX {
            if !self.shared().schedule.is_due(now) || !self.may_connect(now) {
                break;
            }
            self.connect(now)?;
        }
        if self.shared().is_reached
            && let Some(attack) = &mut self.attack
        {
            attack.reinforce(
                &mut self.dialer,
                CONNECTS_MAX,
                (&self.poller, ATTACKER),
                now,
            );
        }
        Ok(())
    }

    /// Begins transactions on connections that wait for them, unless their server has said good-bye meanwhile.
    fn begin_on_idle(&mut self, now: Instant) {
        self.connections.set_time(now);
        while let shared = self.connections.shared_mut()
            && shared.schedule.is_due(now)
            && let Some(name) = shared.idle.pop()
        {
            shared.order = shared.schedule.take(now).map(Order::Begin);
            self.connections.wake(name);
            let shared = self.connections.shared_mut();
            if shared.order.take().is_some() {
                shared.schedule.take_back();
            }
        }
    }

    /// Whether one more connection may be begun now. The first one shows whether there is a server at all.
    fn may_connect(&self, now: Instant) -> bool {
        let shared = self.shared();
        let room = if shared.is_reached {
            self.config.sessions_max
        } else {
            1
        };
        shared.connections < room && self.connect_after.is_none_or(|after| now >= after)
    }

    /// Begins a connection for the next transaction.
    fn connect(&mut self, now: Instant) -> io::Result<()> {
        let dialled = self.dialer.dial();
        let shared = self.connections.shared_mut();
        if matches!(&dialled, Err(error) if error.kind() == ErrorKind::WouldBlock) {
            let since = *shared.unreachable_since.get_or_insert(now);
            if now.saturating_duration_since(since) < shared.timeout {
                self.connect_after = Some(now + QUEUE_PAUSE);
                return Ok(());
            }
        }
        let Some(since) = shared.schedule.take(now) else {
            return Ok(());
        };
        let socket = match dialled {
            Ok(socket) => socket,
            Err(error) => return self.on_unreachable(error, now),
        };
        shared.connections += 1;
        let deadline = now + shared.timeout;
        let LoadConfig {
            hello, pace, tls, ..
        } = &self.config;
        let mut session = ClientSession::new(hello.clone(), *pace);
        if tls
            .as_ref()
            .is_some_and(|tls| tls.start == Start::ByCommand)
        {
            session = session.with_security(ChannelSecurity::StartTls);
        }
        let message = Rc::clone(&self.config.message);
        let task = Transactions::new(since);
        let dialogue = Dialogue::new(task, session, tls.clone(), message, now);
        let callee = (socket, self.dialer.peer());
        let source = (&self.poller, CONNECTION);
        dial(&mut self.connections, dialogue, callee, source, deadline)
    }

    /// The connection for a transaction could not be made. Another address of the server may do; a server that was
    /// there may come back.
    fn on_unreachable(&mut self, error: io::Error, now: Instant) -> io::Result<()> {
        let shared = self.connections.shared_mut();
        if !shared.is_reached {
            shared.schedule.take_back();
            return if self.dialer.next_address() {
                Ok(())
            } else {
                Err(error)
            };
        }
        shared.stats.failed(FailureKind::Connect, error, now);
        self.connect_after = Some(now + CONNECT_PAUSE);
        let since = *shared.unreachable_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= UNREACHABLE_MAX {
            shared.schedule.stop(now);
        }
        Ok(())
    }

    /// How long poll may wait.
    fn wait(&self, now: Instant) -> Duration {
        let attack = self.attack.as_ref();
        let wakes = [
            Some(self.next_scan),
            self.next_due(now),
            self.connections.next_wake(),
            attack.and_then(|attack| attack.connections.next_wake()),
        ];
        let wake = wakes.into_iter().flatten().min();
        wake.map_or(SCAN_INTERVAL, |wake| wake.saturating_duration_since(now))
    }

    /// When the next transaction may begin, which poll must not miss.
    fn next_due(&self, now: Instant) -> Option<Instant> {
        let shared = self.shared();
        let has_room = shared.is_reached && shared.connections < self.config.sessions_max;
        if shared.schedule.is_over(now) || !has_room && shared.idle.is_empty() {
            return None;
        }
        let due = shared.schedule.next_due()?;
        let due = self.connect_after.map_or(due, |after| due.max(after));
        Some(due - SPIN)
    }
}
