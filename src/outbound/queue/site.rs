//! A site: how many connections it may have, and whether it is up.
//!
//! The window is Postfix's: one more connection for as many successes as there may be connections, one less at the start of each
//! cycle of failures. A site that fails altogether is down; then one connection at a time, after longer and longer waits, finds out
//! whether it is up again, and the window begins anew.

use super::job::JobState;
use super::links::{Linked, Links};
use super::replies::KeptReply;
use super::schedule::chance;
use super::ticks::Tick;
use super::wheel::Timed;

/// The window of a site of which nothing is known.
const WINDOW_START: u16 = 2;
/// The number of jobs that a connection is expected to take once it asks: with pipelining the commands of the second go out with
/// the text of the first.
const JOBS_TOGETHER: u32 = 2;
/// Failures in a row, without any success, after which a site is down; fewer where its window is smaller.
const FAILURES_MAX: u16 = 3;
/// The waits of a site that is down double from the first to the last.
const DOWN_FIRST_MS: u64 = 60_000;
const DOWN_LAST_MS: u64 = 3_600_000;

/// Whether a site takes mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SiteHealth {
    #[default]
    Up,
    /// Until `until`, at least.
    Down,
    /// One connection finds out.
    Probing,
}

/// Whether the hosts of a site have to be looked up before it can have a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LookUp {
    /// They are known, or nobody knows them: a connection can be tried.
    #[default]
    Over,
    /// They are to be looked up once there is mail to be sent.
    Due,
    /// Somebody looks them up.
    UnderWay,
}

/// The list that a site stands in, by what it needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    #[default]
    Nowhere,
    /// Could use a connection, and has none.
    Starving,
    /// Could use one more connection.
    Hungry,
    /// Has a job for an idle connection.
    Offering,
    /// Could use a connection once its hosts are looked up.
    Unresolved,
    /// Waits for the time of its probe.
    Timer,
    /// Has neither mail nor connections.
    Idle,
}

/// What is known of a site.
#[derive(Debug, Default)]
pub(super) struct SiteRecord {
    pub(super) name: Box<str>,
    /// Chance of its own, from its name.
    chance: u32,
    pub(super) health: SiteHealth,
    /// When a site that is down may be probed.
    pub(super) until: Tick,
    /// How often it was found down in a row.
    downs: u8,
    /// Failures since the last success.
    failures: u16,
    /// Connections that it may have, while it is up.
    pub(super) window: u16,
    /// Successes since the window last grew.
    successes: u16,
    /// Failures since the window last shrank.
    cycle: u16,
    /// All connections.
    pub(super) connections: u16,
    /// Connections that are being opened, or were opened and have not asked for a job yet.
    pub(super) coming: u16,
    /// Connections that are being opened.
    pub(super) dialing: u16,
    /// Idle ones.
    pub(super) parked: u16,
    /// Connections that were told to close.
    pub(super) closing: u16,
    pub(super) waiting: u32,
    pub(super) ready: u32,
    pub(super) active: u32,
    pub(super) held: u32,
    pub(super) expired: u32,
    pub(super) look_up: LookUp,
    pub(super) standing: Standing,
    pub(super) links: Links,
    /// Whether the next job is one that was tried before.
    pub(super) retried_next: bool,
    /// Jobs given out since its turn began, and when that was.
    pub(super) turn_jobs: u16,
    pub(super) turn_start: Tick,
    /// When the oldest mail came, as far as is known.
    pub(super) oldest: Option<Tick>,
    /// The policy of TLS by which its last connection was made; empty before the first.
    pub(super) policy: &'static str,
    /// Why its last connection failed, since one last succeeded.
    pub(super) error: KeptReply,
}

impl SiteRecord {
    pub(super) fn new(name: &str) -> Self {
        // FNV-1a, for it is only to differ.
        let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
        Self {
            name: name.into(),
            chance: chance(hash),
            window: WINDOW_START,
            ..Self::default()
        }
    }

    /// The count of its jobs in this state.
    fn count(&mut self, state: JobState) -> Option<&mut u32> {
        match state {
            JobState::Empty => None,
            JobState::Waiting | JobState::Uncertain => Some(&mut self.waiting),
            JobState::Ready | JobState::Behind => Some(&mut self.ready),
            JobState::Active => Some(&mut self.active),
            JobState::Held => Some(&mut self.held),
            JobState::Expired => Some(&mut self.expired),
        }
    }

    /// Counts a job that goes from one state to another.
    pub(super) fn move_job(&mut self, from: JobState, to: JobState) {
        if let Some(count) = self.count(from) {
            *count -= 1;
        }
        if let Some(count) = self.count(to) {
            *count += 1;
        }
    }

    /// Whether it has neither jobs nor connections.
    pub(super) fn is_idle(&self) -> bool {
        let jobs = self.waiting + self.ready + self.active + self.held + self.expired;
        jobs == 0 && self.connections == 0
    }

    /// Connections that it may have now. `most` is what the operator allows a site.
    pub(super) fn allowed(&self, now: Tick, most: u16) -> u16 {
        match self.health {
            SiteHealth::Up => self.window.clamp(1, most.max(1)),
            SiteHealth::Down if self.until > now => 0,
            SiteHealth::Down | SiteHealth::Probing => 1,
        }
    }

    /// Whether a connection that asks may have a job: while it is down or being probed, only one may.
    pub(super) fn may_start(&self) -> bool {
        match self.health {
            SiteHealth::Up => true,
            SiteHealth::Down => false,
            SiteHealth::Probing => self.active == 0,
        }
    }

    /// Whether it has more jobs than connections that will ask for some. Each takes one, and the next behind it; one that does not
    /// leaves that, and then another connection is lacking.
    pub(super) fn lacks_connections(&self) -> bool {
        self.ready > u32::from(self.coming) * JOBS_TOGETHER
    }

    /// Notes that it took a mail, or said why not.
    pub(super) fn succeeded(&mut self, most: u16) {
        self.failures = 0;
        self.cycle = 0;
        if self.health != SiteHealth::Up {
            self.recover();
            return;
        }
        self.successes += 1;
        if self.successes >= self.window {
            self.successes = 0;
            // A window that is not made use of does not grow, else it would say nothing once it is.
            if self.window < most && self.window < self.connections + WINDOW_START {
                self.window += 1;
            }
        }
    }

    /// Notes that it is up again, or that nothing is known of it any more.
    pub(super) fn recover(&mut self) {
        self.health = SiteHealth::Up;
        self.window = WINDOW_START;
        (self.downs, self.failures, self.successes, self.cycle) = (0, 0, 0, 0);
    }

    /// Notes that a connection, which is no longer counted, failed. A site that is down for that is probed after `wait_max_ms` at the latest.
    pub(super) fn has_failed(&mut self, now: Tick, wait_max_ms: u64) {
        let open = self.connections - self.dialing;
        let enough = self.window.min(FAILURES_MAX);
        self.failures = self.failures.saturating_add(1);
        match self.health {
            SiteHealth::Up if open == 0 && self.failures >= enough => {
                self.goes_down(now, wait_max_ms);
            }
            SiteHealth::Up => {
                if self.cycle == 0 {
                    self.window = self.window.saturating_sub(1).max(1);
                }
                self.cycle += 1;
                if self.cycle >= self.window {
                    self.cycle = 0;
                }
                // A site that lives but refuses more has as many as it takes.
                if open > 0 {
                    self.window = self.window.min(open);
                }
            }
            SiteHealth::Probing if open == 0 => self.goes_down(now, wait_max_ms),
            SiteHealth::Probing | SiteHealth::Down => {}
        }
    }

    fn goes_down(&mut self, now: Tick, wait_max_ms: u64) {
        let wait = (DOWN_FIRST_MS << self.downs.min(30)).min(DOWN_LAST_MS);
        // Whoever wants mail to be tried each second means that of sites that are down, too.
        let wait = wait.min(wait_max_ms);
        let chance = u64::from(chance(u64::from(self.chance) << 8 | u64::from(self.downs)));
        // From 80 to 120 %.
        let wait = wait * 4 / 5 + ((wait * 2 / 5 * chance) >> 32);
        self.health = SiteHealth::Down;
        self.downs = self.downs.saturating_add(1);
        self.until = now.after(wait);
        self.window = WINDOW_START;
        (self.successes, self.cycle) = (0, 0);
    }
}

impl Linked for super::arena::Arena<SiteRecord> {
    fn links(&mut self, site: u32) -> &mut Links {
        &mut self[site].links
    }
}

impl Timed for super::arena::Arena<SiteRecord> {
    fn due(&self, site: u32) -> Tick {
        self[site].until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_grows_with_successes_and_shrinks_once_a_cycle() {
        let mut site = SiteRecord::new("a");
        let mut windows = Vec::new();
        for _ in 0..14 {
            site.connections = site.window;
            site.succeeded(4);
            windows.push(site.window);
        }
        assert_eq!(windows, [2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4]);
        site.connections = 4;
        site.has_failed(Tick(0), DOWN_LAST_MS);
        assert_eq!(site.window, 3);
        site.succeeded(4);
        site.connections = 0;
        for (window, health) in [
            (2, SiteHealth::Up),
            (2, SiteHealth::Down),
            (2, SiteHealth::Down),
        ] {
            site.has_failed(Tick(0), DOWN_LAST_MS);
            assert_eq!((site.window, site.health), (window, health));
        }
    }

    #[test]
    fn a_window_that_is_not_used_does_not_grow() {
        let mut site = SiteRecord::new("a");
        site.connections = 1;
        for _ in 0..100 {
            site.succeeded(20);
        }
        assert_eq!(site.window, 3);
    }

    #[test]
    fn a_site_that_is_down_is_asked_less_and_less_often() {
        for name in ["a", "b", "c"] {
            let mut site = SiteRecord::new(name);
            site.has_failed(Tick(0), DOWN_LAST_MS);
            let mut minutes = Vec::new();
            let mut now = Tick(0);
            for _ in 0..9 {
                site.has_failed(now, DOWN_LAST_MS);
                assert_eq!(site.health, SiteHealth::Down, "{name}");
                assert_eq!(site.allowed(now, 20), 0);
                minutes.push(site.until.since_ms(now) as f64 / 60_000.0);
                now = site.until;
                assert_eq!(site.allowed(now, 20), 1);
                site.health = SiteHealth::Probing;
            }
            let nominal = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0];
            for (wait, nominal) in minutes.iter().zip(nominal) {
                assert!((wait / nominal - 1.0).abs() < 0.21, "{name}: {minutes:?}");
            }
            site.succeeded(20);
            assert_eq!((site.health, site.window), (SiteHealth::Up, 2));
        }
    }

    #[test]
    fn a_site_that_is_down_is_asked_as_often_as_its_mail_would_be() {
        let mut site = SiteRecord::new("a");
        for _ in 0..10 {
            site.has_failed(Tick(0), 1000);
        }
        assert_eq!(site.health, SiteHealth::Down);
        assert!(site.until.since_ms(Tick(0)) <= 1300);
    }
}
