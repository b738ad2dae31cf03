//! Deliveries to mailboxes here that are under way.

use std::collections::HashMap;

use crate::outbound::delivery::RecipientResult;
use crate::outbound::outgoing::{ActiveJob, IndexedResult};
use crate::outbound::queue::OutgoingId;
use crate::store::Ticket;

/// Deliveries to mailboxes here. The queue counts each worker as a connection.
#[derive(Debug, Default)]
pub(super) struct LocalWorkers {
    workers: HashMap<OutgoingId, Option<LocalJob>>,
    awaited: HashMap<Ticket, (OutgoingId, u16)>,
}

/// The job of a worker.
#[derive(Debug)]
pub(super) struct LocalJob {
    pub(super) active: ActiveJob,
    pub(super) results: Vec<IndexedResult>,
}

impl LocalWorkers {
    /// Takes in a worker, which has nothing to do yet.
    pub(super) fn hire(&mut self, id: OutgoingId) {
        self.workers.insert(id, None);
    }

    /// Whether this is one.
    pub(super) fn is_worker(&self, id: OutgoingId) -> bool {
        self.workers.contains_key(&id)
    }

    /// Dismisses a worker, and says whether it was one.
    pub(super) fn dismiss(&mut self, id: OutgoingId) -> bool {
        self.workers.remove(&id).is_some()
    }

    /// Whether nothing is being delivered.
    pub(super) fn is_idle(&self) -> bool {
        self.awaited.is_empty()
    }

    /// The number of deliveries whose result is to come.
    pub(super) fn awaited(&self) -> usize {
        self.awaited.len()
    }

    /// Recipients of the jobs that workers have.
    pub(super) fn handed(&self) -> usize {
        let jobs = self.workers.values().flatten();
        jobs.map(|job| job.active.recipients.len()).sum()
    }

    /// Gives a worker a job, whose recipients are delivered to under these tickets.
    pub(super) fn give(&mut self, id: OutgoingId, active: ActiveJob, tickets: &[(Ticket, u16)]) {
        for (ticket, index) in tickets {
            self.awaited.insert(*ticket, (id, *index));
        }
        let results = Vec::new();
        self.workers.insert(id, Some(LocalJob { active, results }));
    }

    /// Notes the result of one recipient. Returns the job once all its recipients have theirs.
    pub(super) fn note(
        &mut self,
        ticket: Ticket,
        result: RecipientResult,
    ) -> Option<(OutgoingId, LocalJob)> {
        let (id, index) = self.awaited.remove(&ticket)?;
        let worker = self.workers.get_mut(&id)?;
        let job = worker.as_mut()?;
        job.results.push((index, result));
        if job.results.len() < job.active.recipients.len() {
            return None;
        }
        Some((id, worker.take()?))
    }
}
