//! What kind of world a seed makes. Every seed leaves out much and overdoes something: what is a little of
//! everything finds little.

use std::time::Duration;

use mailoop::inbound::Limits;
use mailoop::smtp::line::BareNewline;
use mailoop::smtp::policy::Policy;
use mailoop::smtp::service::Service;

use super::network::Weather;
use super::prng::Prng;

/// How long the server lets a connection linger that was told good-bye; interface.md promises one second.
pub const LINGER: Duration = Duration::from_secs(1);
/// How long a handshake of TLS may take; `docs/limits.md` promises half a minute.
const HANDSHAKE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It stands still until everything else has come to rest.
    Frozen,
    Walking,
    /// It walks, and now and then leaps over deadlines.
    Leaping,
}

#[derive(Debug)]
pub struct Profile {
    pub idle: Duration,
    pub session: Duration,
    pub drain: Duration,
    pub min_rate: u64,
    pub errors_max: u32,
    pub recipients_max: usize,
    pub message_bytes_max: u64,
    pub per_ip_max: usize,
    pub exit_after: u64,
    pub clients: usize,
    pub steps: usize,
    /// At which step the server is told to end.
    pub drain_at: Option<usize>,
    pub pace: Pace,
    /// How many steps the store may put a commit off.
    pub store_delay_max: usize,
    /// How often a planned message meets a fault of the store.
    pub store_faults: usize,
    /// Whether an event may wait for a later batch.
    pub late_events: bool,
    /// How often an event comes that nothing has caused, or comes twice.
    pub spurious: usize,
    /// Whether one address is all there is.
    pub crowd: bool,
    /// Whether many come at once and send much, while time leaps.
    pub rush: bool,
    /// What all clients speak.
    pub service: Service,
    /// Whether the server has a certificate.
    pub tls: bool,
    /// Whether bare LFs are line ends and nobody has to wait for his turn, as for sessions typed by hand.
    pub by_hand: bool,
    weather: Weather,
}

impl Profile {
    pub fn new(rng: &mut Prng) -> Self {
        let seconds = |seconds: usize| Duration::from_secs(seconds as u64);
        let rough = |rng: &mut Prng| rng.pick(&[0, 0, 2, 4, 10]);
        let rush = rng.one_in(6);
        let tls = cfg!(feature = "tls") && rng.one_in(3);
        Self {
            idle: seconds(rng.pick(&[2, 5, 10, 300])),
            session: seconds(rng.pick(&[20, 60, 3600, 3600])),
            drain: seconds(rng.pick(&[1, 5, 30])),
            min_rate: rng.pick(&[1, 1, 1, 20, 500]),
            errors_max: rng.pick(&[1, 3, 20, 20, 20]),
            recipients_max: rng.pick(&[1, 2, 100, 100]),
            message_bytes_max: rng.pick(&[50, 1000, 26_214_400, 26_214_400, 26_214_400]),
            per_ip_max: rng.pick(&[0, 0, 0, 1, 2]),
            exit_after: rng.pick(&[0, 0, 0, 0, 0, 0, 1, 3]),
            clients: if rush {
                rng.between(4, 12)
            } else {
                rng.between(1, 7)
            },
            steps: if rush {
                rng.between(10, 30)
            } else {
                rng.between(10, 150)
            },
            drain_at: rng
                .one_in(4)
                .then(|| rng.below(if rush { 25 } else { 100 })),
            pace: match rng.below(3) {
                _ if rush => Pace::Leaping,
                0 => Pace::Frozen,
                1 => Pace::Walking,
                _ => Pace::Leaping,
            },
            store_delay_max: rng.pick(&[0, 0, 3, 30]),
            store_faults: rng.pick(&[0, 0, 8, 3]),
            late_events: rng.one_in(2),
            spurious: rng.pick(&[0, 0, 10, 3]),
            crowd: rng.one_in(2),
            rush,
            by_hand: rng.one_in(6),
            service: if rng.one_in(4) {
                Service::Lmtp
            } else if tls && rng.one_in(2) {
                Service::Smtps
            } else {
                Service::Smtp
            },
            tls,
            weather: Weather {
                would_block: rough(rng),
                short: rough(rng),
                interrupted: rough(rng),
                inbox_max: rng.pick(&[16, 100, 1500, 1 << 16, 1 << 19]),
                outbox_max: rng.pick(&[16, 100, 1500, 1 << 14, 1 << 16]),
                hop_max: rng.pick(&[1, 20, 1500, 1 << 19]),
            },
        }
    }

    /// The weather of one connection; one that is `bulky` needs a network that carries much at once.
    pub fn weather(&self, bulky: bool) -> Weather {
        let mut weather = self.weather;
        if bulky {
            let least = if self.rush { 1 << 20 } else { 1 << 18 };
            weather.inbox_max = weather.inbox_max.max(least);
            weather.hop_max = weather.hop_max.max(least);
        }
        weather
    }

    /// How many steps time leaps once in, if it does.
    pub fn leaps(&self) -> usize {
        if self.rush { 4 } else { 25 }
    }

    /// Sets what the server is to go by.
    pub fn configure(&self, policy: &mut Policy, limits: &mut Limits) {
        limits.idle_timeout = self.idle;
        limits.session_timeout = self.session;
        limits.drain_timeout = self.drain;
        limits.min_rate = self.min_rate;
        limits.exit_after = self.exit_after;
        limits.connections_per_ip_max = self.per_ip_max;
        policy.errors_max = self.errors_max;
        policy.tls = self.tls;
        policy.bare_newline = if self.by_hand {
            BareNewline::Accept
        } else {
            BareNewline::Normalize
        };
        policy.recipients_max = self.recipients_max;
        policy.message_bytes_max = self.message_bytes_max;
    }

    /// How long a handshake may take.
    pub fn handshake(&self) -> Duration {
        HANDSHAKE.min(self.idle)
    }

    /// How many bytes of a message have to come within an idle timeout.
    pub fn least_bytes(&self) -> u64 {
        self.idle.as_secs() * self.min_rate
    }
}
