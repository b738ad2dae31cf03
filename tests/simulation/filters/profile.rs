//! What kind of world a seed makes. Every seed leaves out much and overdoes something.

use std::time::Duration;

use mailoop::filters::settings::FilterDefault;
use mailoop::store::hold::HoldOptions;

use super::acts::Temper;
use crate::network::Weather;
use crate::prng::Prng;

#[derive(Debug)]
pub struct Profile {
    pub filters: usize,
    pub clients: usize,
    pub steps: usize,
    pub default: FilterDefault,
    pub connect: Duration,
    pub command: Duration,
    pub content: Duration,
    pub drain: Duration,
    pub drain_at: Option<usize>,
    /// One in so many steps.
    pub losses: usize,
    /// One in so many dials.
    pub refusals: usize,
    /// One in so many replies that a client hears makes it vanish.
    pub vanishes: usize,
    pub temper: Temper,
    pub hold: HoldOptions,
    /// Whether texts on hold may be lost, or find no room.
    pub has_trouble: bool,
    pub late_events: bool,
    /// How often an event comes that nothing has caused, or comes twice.
    pub spurious: usize,
    pub weather: Weather,
}

impl Profile {
    pub fn new(rng: &mut Prng) -> Self {
        let seconds = |seconds: usize| Duration::from_secs(seconds as u64);
        let rough = |rng: &mut Prng| rng.pick(&[0, 0, 2, 4, 10]);
        let losses = rng.pick(&[0, 0, 0, 10, 50]);
        let drain_at = rng.one_in(6).then(|| rng.below(60));
        let is_scarce = rng.one_in(6);
        Self {
            filters: rng.pick(&[0, 1, 1, 2, 2, 3]),
            clients: rng.between(1, 5),
            steps: rng.between(10, 80),
            default: rng.pick(&[
                FilterDefault::Tempfail,
                FilterDefault::Accept,
                FilterDefault::Reject,
            ]),
            connect: seconds(rng.pick(&[5, 30])),
            command: seconds(rng.pick(&[5, 30])),
            content: seconds(rng.pick(&[5, 30])),
            drain: seconds(rng.pick(&[1, 5, 30])),
            drain_at,
            losses,
            refusals: rng.pick(&[0, 0, 8, 3]),
            vanishes: rng.pick(&[0, 0, 0, 30, 10]),
            temper: Temper {
                misbehaves: rng.pick(&[0, 0, 60, 20, 6]),
                decides: rng.pick(&[0, 40, 12, 5]),
                dawdles: rng.pick(&[0, 10, 3]),
                changes: rng.pick(&[0, 1, 2, 4]),
            },
            hold: HoldOptions {
                text_memory_bytes_max: rng.pick(&[100, 1000, 64 * 1024]),
                memory_bytes_max: rng.pick(&[200, 5000, 4 << 20]),
                disk_bytes_max: if is_scarce { 20_000 } else { 1 << 30 },
            },
            has_trouble: losses != 0 || is_scarce || drain_at.is_some(),
            late_events: rng.one_in(2),
            spurious: rng.pick(&[0, 0, 10, 3]),
            weather: Weather {
                would_block: rough(rng),
                short: rough(rng),
                interrupted: rough(rng),
                inbox_max: rng.pick(&[100, 1500, 1 << 16, 1 << 19]),
                outbox_max: rng.pick(&[100, 1500, 1 << 14, 1 << 16]),
                hop_max: rng.pick(&[20, 1500, 1 << 19]),
            },
        }
    }
}
