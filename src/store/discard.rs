//! The store that keeps nothing: a sink for measuring and for trying out.

use std::process;

use super::{
    Admission, Draft, Failure, Finished, OnceDelivery, Outcome, Store, Ticket, unix_seconds,
};
use crate::smtp::envelope::{Envelope, QueueId, Recipient};

/// Accepts every message and drops it.
#[derive(Debug)]
pub struct Discard {
    /// The start of its queue ids: creation time and process id.
    instance: String,
    /// The number of messages that were begun.
    begun: u64,
    /// The number of messages that were submitted; tickets are counted by it.
    submitted: u64,
    /// The number of those that were reported.
    finished: u64,
}

impl Discard {
    /// Makes a sink with queue ids that no other process gives out.
    #[must_use]
    pub fn new() -> Self {
        let seconds = unix_seconds() & 0xFFFF_FFFF;
        let process = process::id() & 0xFF_FFFF;
        Self {
            instance: format!("{seconds:08X}{process:06X}"),
            begun: 0,
            submitted: 0,
            finished: 0,
        }
    }
}

impl Default for Discard {
    fn default() -> Self {
        Self::new()
    }
}

impl Store for Discard {
    fn check(&mut self, _: &Recipient, _: &Envelope, _: usize) -> Result<Admission, Failure> {
        Ok(Admission::Granted(0))
    }

    fn begin(&mut self, _envelope: &Envelope) -> Result<(QueueId, Draft), Failure> {
        self.begun += 1;
        let id = QueueId::new(&self.instance, self.begun);
        Ok((id, Draft::new(0)))
    }

    fn begin_once(&mut self, _: &OnceDelivery<'_>) -> Result<Draft, Failure> {
        Ok(Draft::new(0))
    }

    fn readdress(&mut self, _: &mut Draft, _: &Envelope) -> Result<Option<QueueId>, Failure> {
        Ok(None)
    }

    fn write(&mut self, _draft: &mut Draft, _text: &[u8]) -> Result<(), Failure> {
        Ok(())
    }

    fn abort(&mut self, _draft: Draft) {}

    fn submit(&mut self, _draft: Draft) -> Ticket {
        self.submitted += 1;
        Ticket(self.submitted)
    }

    fn commit(&mut self, finished: &mut Vec<Finished>) {
        while self.finished < self.submitted {
            self.finished += 1;
            finished.push(Finished {
                ticket: Ticket(self.finished),
                outcome: Outcome::Stored,
            });
        }
    }

    fn is_pending(&self) -> bool {
        self.finished < self.submitted
    }
}
