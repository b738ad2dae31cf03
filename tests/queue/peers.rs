//! What sites do with connections and mail.

use mailoop::outbound::queue::{JobRecipient, RecipientOutcome};

use crate::prng::Prng;

/// How a site behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Up,
    /// Refuses connections at once.
    Refuses,
    /// Says nothing for half a minute.
    Silent,
    /// Defers all.
    Defers,
    Fails,
    /// Says 421 to each mail.
    Says421,
    /// Closes in the middle of a mail.
    Closes,
    /// Closes after the dot.
    LosesReply,
    /// Something else for each recipient.
    Mixed,
}

pub const MANNERS: [Manner; 9] = [
    Manner::Up,
    Manner::Refuses,
    Manner::Silent,
    Manner::Defers,
    Manner::Fails,
    Manner::Says421,
    Manner::Closes,
    Manner::LosesReply,
    Manner::Mixed,
];

/// A site.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub manner: Manner,
    /// How long a dial and a mail take each.
    pub latency_ms: u64,
}

pub const DEFERRAL: &str = "450 4.2.0 Later";
pub const NO_HOST: &str = "no host was reached";

impl Peer {
    pub fn new(manner: Manner, latency_ms: u64) -> Self {
        Self { manner, latency_ms }
    }

    /// Whether it takes a connection, and after how long it is clear.
    pub fn dial(&self) -> (bool, u64) {
        match self.manner {
            Manner::Refuses => (false, self.latency_ms),
            Manner::Silent => (false, 30_000),
            _ => (true, self.latency_ms),
        }
    }

    /// What comes of a mail, and whether the connection lives on.
    pub fn answer(
        &self,
        recipients: &[JobRecipient],
        rng: &mut Prng,
    ) -> (Vec<(u16, RecipientOutcome<'static>)>, bool) {
        let mut lives = true;
        let one = |recipient: &JobRecipient| {
            let outcome = match self.manner {
                Manner::Up => RecipientOutcome::Sent,
                Manner::Defers => RecipientOutcome::Deferred(DEFERRAL),
                Manner::Fails => RecipientOutcome::Failed,
                Manner::Says421 | Manner::Refuses | Manner::Silent | Manner::Closes => {
                    lives = false;
                    RecipientOutcome::Unreached(NO_HOST)
                }
                Manner::LosesReply => {
                    lives = false;
                    RecipientOutcome::Uncertain("no reply")
                }
                Manner::Mixed => rng.pick(&[
                    RecipientOutcome::Sent,
                    RecipientOutcome::Sent,
                    RecipientOutcome::Failed,
                    RecipientOutcome::Deferred(DEFERRAL),
                    RecipientOutcome::Deferred("451 4.3.0 No"),
                    RecipientOutcome::Uncertain("no reply"),
                    RecipientOutcome::Again,
                ]),
            };
            (recipient.index, outcome)
        };
        let outcomes = recipients.iter().map(one).collect();
        (outcomes, lives)
    }
}
