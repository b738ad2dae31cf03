//! A hierarchical timer wheel: setting and clearing a timer costs the same however many there are, and nothing is ever scanned.

use super::links::{Linked, Lists};
use super::ticks::Tick;

const SLOT_BITS: u32 = 6;
const SLOTS: u32 = 1 << SLOT_BITS;
/// Levels that take all ticks there are.
const LEVELS: u32 = 32_u32.div_ceil(SLOT_BITS);

/// Records that have a timer each.
pub(super) trait Timed: Linked {
    /// When the timer of the record of this number goes off.
    fn due(&self, number: u32) -> Tick;
}

/// Timers in order. Level 0 has a slot for each of the next ticks, each level above 64 times as much a slot.
///
/// Invariant: a timer lies at the highest level at which it and `current` are in different slots; when `current` comes to the slot,
/// that is dealt out to the levels below, one timer a [step](Self::step).
#[derive(Debug)]
pub(super) struct Wheel {
    /// All that was due before this tick has gone off.
    current: u32,
    slots: Lists,
    /// Bits of the slots that have timers.
    occupied: [u64; LEVELS as usize],
    /// The slot that is being dealt out.
    dealt: Option<u32>,
}

/// What one step of a wheel did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WheelStep {
    /// This timer went off.
    Due(u32),
    /// The wheel turned; there may be more at once.
    Turned,
    /// Nothing is due.
    Idle,
}

impl Wheel {
    /// A wheel without timers.
    pub(super) fn new(now: Tick) -> Self {
        Self {
            current: now.0,
            slots: Lists::new(LEVELS * SLOTS),
            occupied: [0; _],
            dealt: None,
        }
    }

    /// Sets the timer of a record, which has none.
    pub(super) fn insert(&mut self, record: u32, records: &mut impl Timed) {
        let due = records.due(record).0.max(self.current);
        let level = (due ^ self.current).checked_ilog2().unwrap_or(0) / SLOT_BITS;
        let slot = due >> (level * SLOT_BITS) & (SLOTS - 1);
        self.occupied[level as usize] |= 1 << slot;
        self.slots.push(level * SLOTS + slot, record, records);
    }

    /// Clears the timer of a record, which has one.
    pub(super) fn remove(&mut self, record: u32, records: &mut impl Timed) {
        if let Some(slot) = self.slots.remove(record, records) {
            self.vacate(slot);
        }
    }

    fn vacate(&mut self, slot: u32) {
        self.occupied[(slot / SLOTS) as usize] &= !(1 << (slot % SLOTS));
        if self.dealt == Some(slot) {
            self.dealt = None;
        }
    }

    fn pop(&mut self, slot: u32, records: &mut impl Timed) -> Option<u32> {
        let first = self.slots.first(slot)?;
        self.remove(first, records);
        Some(first)
    }

    /// Does one step towards `now`: lets one timer go off, moves one to a lower level, or turns the wheel.
    pub(super) fn step(&mut self, now: Tick, records: &mut impl Timed) -> WheelStep {
        if let Some(record) = self.dealt.and_then(|slot| self.pop(slot, records)) {
            self.insert(record, records);
            return WheelStep::Turned;
        }
        if let Some(record) = self.pop(self.current & (SLOTS - 1), records) {
            return WheelStep::Due(record);
        }
        match self.next_occupied() {
            Some((tick, slot)) if tick <= now.0 => {
                self.current = tick;
                self.dealt = (slot >= SLOTS).then_some(slot);
                WheelStep::Turned
            }
            _ => {
                self.current = self.current.max(now.0);
                WheelStep::Idle
            }
        }
    }

    /// The next slot that has timers, and when it begins.
    fn next_occupied(&self) -> Option<(u32, u32)> {
        (0..LEVELS).find_map(|level| {
            let shift = level * SLOT_BITS;
            let at = self.current >> shift & (SLOTS - 1);
            // The slot at hand was dealt out, or is looked at by itself.
            let later = self.occupied[level as usize] & (u64::MAX << at) & !(1 << at);
            let slot = later.trailing_zeros();
            let round = (u64::from(self.current) >> shift >> SLOT_BITS << SLOT_BITS) << shift;
            let tick = round | u64::from(slot) << shift;
            (later != 0).then_some((
                u32::try_from(tick).unwrap_or(u32::MAX),
                level * SLOTS + slot,
            ))
        })
    }

    /// When there is something to do: no later than the first timer, and earlier only to turn the wheel.
    pub(super) fn next(&self) -> Option<Tick> {
        if self.dealt.is_some() || !self.slots.is_empty(self.current & (SLOTS - 1)) {
            return Some(Tick(self.current));
        }
        self.next_occupied().map(|(tick, _)| Tick(tick))
    }
}

#[cfg(test)]
mod tests {
    use super::super::links::Links;
    use super::*;

    #[derive(Default)]
    struct Alarms {
        links: Vec<Links>,
        due: Vec<u32>,
    }

    impl Linked for Alarms {
        fn links(&mut self, number: u32) -> &mut Links {
            &mut self.links[number as usize]
        }
    }

    impl Timed for Alarms {
        fn due(&self, number: u32) -> Tick {
            Tick(self.due[number as usize])
        }
    }

    /// A number that looks like chance.
    fn mix(n: u32) -> u32 {
        let n = (n ^ 0x9E37_79B9).wrapping_mul(0x85EB_CA6B);
        (n ^ n >> 13).wrapping_mul(0xC2B2_AE35) ^ n >> 16
    }

    #[test]
    fn timers_go_off_when_they_are_due_and_never_before() {
        for seed in 0..50 {
            let start = mix(seed) >> 1;
            let mut wheel = Wheel::new(Tick(start));
            let mut alarms = Alarms::default();
            for number in 0..500 {
                let wait = mix(seed * 1000 + number) >> (mix(number) % 32);
                alarms.links.push(Links::default());
                alarms
                    .due
                    .push(start.saturating_add(wait >> 1).min(u32::MAX - 1));
                wheel.insert(number, &mut alarms);
            }
            for number in (0..500).step_by(7) {
                wheel.remove(number, &mut alarms);
            }
            let mut gone = vec![];
            let mut now = start;
            let mut steps = 0;
            while let Some(next) = wheel.next() {
                // A wake may be for the wheel only, but is never late.
                now = now.max(next.0).saturating_add(mix(steps) % 3);
                steps += 1;
                match wheel.step(Tick(now), &mut alarms) {
                    WheelStep::Due(number) => {
                        let due = alarms.due[number as usize];
                        assert!(due <= now, "seed {seed}: {number} at {now}, due {due}");
                        gone.push(number);
                    }
                    WheelStep::Turned => {}
                    WheelStep::Idle => assert!(wheel.next().is_none_or(|next| next.0 > now)),
                }
            }
            let dues: Vec<u32> = gone.iter().map(|n| alarms.due[*n as usize]).collect();
            assert!(dues.is_sorted(), "seed {seed}: {dues:?}");
            assert_eq!(gone.len(), 500 - 72, "seed {seed}");
            assert!(steps < 500 * (LEVELS + 1) * 2, "seed {seed}: {steps} steps");
        }
    }

    #[test]
    fn a_timer_may_be_set_and_cleared_while_a_slot_is_dealt_out() {
        let mut alarms = Alarms {
            links: vec![Links::default(); 4],
            due: vec![65, 66, 70, 64],
        };
        let mut wheel = Wheel::new(Tick(0));
        for number in 0..3 {
            wheel.insert(number, &mut alarms);
        }
        assert_eq!(wheel.next(), Some(Tick(64)));
        assert_eq!(wheel.step(Tick(64), &mut alarms), WheelStep::Turned);
        assert_eq!(wheel.step(Tick(64), &mut alarms), WheelStep::Turned);
        wheel.insert(3, &mut alarms);
        wheel.remove(0, &mut alarms);
        wheel.remove(1, &mut alarms);
        let mut gone = vec![];
        while let Some(next) = wheel.next() {
            if let WheelStep::Due(number) = wheel.step(next, &mut alarms) {
                gone.push((number, next.0));
            }
        }
        assert_eq!(gone, [(3, 64), (2, 70)]);
    }
}
