//! The event loop of the load: one poll, honest connections and those of an attack, one thread.

use std::io::{self, ErrorKind};
use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::attack::Attack;
use super::progress::Progress;
use super::stats::FailureKind;
use super::transactions::{LoadShared, Order, Transactions};
use crate::net::carrier::Carrier;
use crate::net::connections::Connections;
use crate::net::token::Token;
use crate::tools::dialogue::Dialogue;
use crate::tools::opening::Opening;
use crate::tools::world::{ATTACKER, CONNECTION, Call, Dialed, World};

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

/// All connections, and what they need.
pub(super) struct Generator {
    opening: Rc<Opening>,
    world: Rc<dyn World>,
    /// The most connections at a time.
    sessions_max: usize,
    connections: Connections<Dialogue<Transactions>, Carrier>,
    attack: Option<Attack>,
    /// No connection is begun before this.
    connect_after: Option<Instant>,
    next_scan: Instant,
    /// How many signals asked to end.
    interrupts: u32,
}

impl Generator {
    pub(super) fn new(
        sessions_max: usize,
        shared: LoadShared,
        attack: Option<Attack>,
        now: Instant,
    ) -> Self {
        Self {
            opening: Rc::clone(&shared.opening),
            world: Rc::clone(&shared.world),
            sessions_max,
            connections: Connections::new(shared, now),
            attack,
            connect_after: None,
            next_scan: now + SCAN_INTERVAL,
            interrupts: 0,
        }
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
        self.begin_due(self.world.now())?;
        while !self.is_done() {
            self.tick(progress)?;
            self.begin_due(self.world.now())?;
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
        let over = self.shared().schedule.is_over(self.world.now());
        over && self.connections.is_empty() || self.interrupts > 1
    }

    /// One turn of the loop: poll readiness → serve ready connections → expire deadlines → reap.
    fn tick(&mut self, progress: &Progress) -> io::Result<()> {
        let world = Rc::clone(&self.world);
        let now = world.poll(Some(self.wake(world.now())))?;
        let (connections, attack) = (&mut self.connections, &mut self.attack);
        connections.set_time(now);
        if let Some(attack) = attack {
            attack.connections.set_time(now);
        }
        world.events(&mut |token, readiness| match (token.kind, &mut *attack) {
            (CONNECTION, _) => connections.on_event(token.key, readiness),
            (ATTACKER, Some(attack)) => attack.connections.on_event(token.key, readiness),
            _ => {}
        });
        connections.tick(|_| {}, |step, _| world.step(step));
        if let Some(attack) = attack {
            attack.connections.tick(|_| {}, |step, _| world.step(step));
        }
        let signals = world.signals();
        if signals > 0 {
            self.interrupts += signals;
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
            attack.reinforce(&*self.world, CONNECTS_MAX, now);
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
            self.sessions_max
        } else {
            1
        };
        shared.connections < room && self.connect_after.is_none_or(|after| now >= after)
    }

    /// Begins a connection for the next transaction.
    fn connect(&mut self, now: Instant) -> io::Result<()> {
        let call = Call {
            token: Token::new(CONNECTION, self.connections.next_key()),
            connection: self.connections.next_connection(),
            resets_on_close: false,
        };
        let dialed = self.world.dial(call);
        let shared = self.connections.shared_mut();
        if matches!(&dialed, Err(error) if error.kind() == ErrorKind::WouldBlock) {
            let since = *shared.unreachable_since.get_or_insert(now);
            if now.saturating_duration_since(since) < self.opening.timeout {
                self.connect_after = Some(now + QUEUE_PAUSE);
                return Ok(());
            }
        }
        let Some(since) = shared.schedule.take(now) else {
            return Ok(());
        };
        let Dialed { transport, peer } = match dialed {
            Ok(dialed) => dialed,
            Err(error) => return self.on_unreachable(error, now),
        };
        shared.connections += 1;
        let Opening {
            tls,
            message,
            timeout,
            ..
        } = &*self.opening;
        let session = self.opening.session(peer);
        let task = Transactions::new(since);
        let dialogue = Dialogue::new(task, session, tls.clone(), Rc::clone(message), now);
        let deadline = now + *timeout;
        self.connections.dial(transport, dialogue, peer, deadline);
        Ok(())
    }

    /// The connection for a transaction could not be made. Another address of the server may do; a server that was
    /// there may come back.
    fn on_unreachable(&mut self, error: io::Error, now: Instant) -> io::Result<()> {
        let shared = self.connections.shared_mut();
        if !shared.is_reached {
            shared.schedule.take_back();
            return if self.world.next_address() {
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

    /// The instant until which poll may wait.
    fn wake(&self, now: Instant) -> Instant {
        let attack = self.attack.as_ref();
        let wakes = [
            Some(self.next_scan),
            self.next_due(now),
            self.connections.next_wake(),
            attack.and_then(|attack| attack.connections.next_wake()),
        ];
        let wake = wakes.into_iter().flatten().min();
        wake.unwrap_or(now)
    }

    /// When the next transaction may begin, which poll must not miss.
    fn next_due(&self, now: Instant) -> Option<Instant> {
        let shared = self.shared();
        let has_room = shared.is_reached && shared.connections < self.sessions_max;
        if shared.schedule.is_over(now) || !has_room && shared.idle.is_empty() {
            return None;
        }
        let due = shared.schedule.next_due()?;
        let due = self.connect_after.map_or(due, |after| due.max(after));
        Some(due - SPIN)
    }
}
