//! The work that a turn and a tick may do, counted and not timed.
//!
//! A peer is bounded by the work it asks for, not only by the octets it sends: 128 KiB hold six thousand RCPT commands, each to an
//! alias of a hundred mailboxes, or sixteen thousand EHLO. Counting work instead of reading the clock gives a test the
//! same turns as a user.
//!
//! A unit is about a tenth of a microsecond on a machine of 2020, rounded up generously.

/// The most work of one connection in one turn, before others have theirs: two reads of 64 KiB of plain text, or some
/// 50 commands.
pub const TURN_WORK_MAX: u32 = 2048;
/// The most work of all connections together in one tick: 64 whole turns, a few milliseconds. Connections that it leaves over
/// go on in the next tick, in order, after the loop has polled, committed and accepted.
pub const TICK_WORK_MAX: u32 = 64 * TURN_WORK_MAX;
/// The most iterations of PBKDF2 of all connections together in one tick: the unit of what passwords and handshakes
/// cost the CPU. So many take 0.15 ms where the processor knows SHA-256, and less than 1 ms where not; others wait that long.
pub const TICK_ITERATIONS_MAX: u32 = 1000;
/// The iterations that count for a handshake that signs with RSA: 5 ms with 4096 bits, so that a tick has one at most.
pub(super) const RSA_HANDSHAKE_ITERATIONS: u32 = TICK_ITERATIONS_MAX;
/// The iterations that count for a handshake that signs with any other key: 0.2 ms.
pub(super) const HANDSHAKE_ITERATIONS: u32 = TICK_ITERATIONS_MAX / 8;
/// The iterations that count for a step of a handshake that signs nothing.
pub(super) const HANDSHAKE_STEP_ITERATIONS: u32 = TICK_ITERATIONS_MAX / 32;
/// Octets that are read or written for one unit of work.
const IO_BYTES_PER_UNIT: usize = 64;
/// The least work of a read or a write: a read of TLS may decrypt 16 KiB and give no text at all.
const IO_WORK_MIN: u32 = 256;

/// The work that a turn may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnBudget {
    /// Whether there is any left of this tick's; without, a connection gets on with what needs none, such as its end.
    pub has_work: bool,
    /// Iterations of key derivations and handshakes that may be done.
    pub iterations: u32,
}

/// The work that is allowed, and the work done of it.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    max: u32,
    spent: u32,
}

impl Budget {
    /// A budget of `max` units, of which nothing is spent.
    #[must_use]
    pub fn new(max: u32) -> Self {
        Self { max, spent: 0 }
    }

    /// Takes `units` off. The last piece of work may go past the budget, since its cost is known only afterwards.
    pub fn charge(&mut self, units: u32) {
        self.spent = self.spent.saturating_add(units);
    }

    /// Takes off the work of reading or writing so many `octets`.
    pub(super) fn charge_io(&mut self, octets: usize) {
        let units = u32::try_from(octets / IO_BYTES_PER_UNIT).unwrap_or(u32::MAX);
        self.charge(units.max(IO_WORK_MIN));
    }

    /// The work that was done.
    #[must_use]
    pub fn spent(&self) -> u32 {
        self.spent
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.spent >= self.max
    }
}
