//! Ends of the spool process, and of the server.

use mailoop::store::spool::QueuedMail;

use super::{News, Spool, over_by};
use crate::relay::server::wall_ms;

impl Spool {
    /// The process is lost. What was not durable is repeated to the next one, which finds all mail again.
    pub fn lose_process(&mut self) {
        if !self.is_ready {
            return;
        }
        self.journal
            .trace(|| "spool: the process is lost".to_owned());
        self.books.borrow_mut().counts.add("lost processes", 1);
        self.is_ready = false;
        self.unsaid_moves.clear();
        self.old_places.clear();
        for ticket in std::mem::take(&mut self.waiting) {
            self.tell(News::Ready(ticket));
        }
        for draft in std::mem::take(&mut self.submitted) {
            self.tell(News::Finished(draft.ticket, false));
        }
        self.unfound = self.disk.keys().copied().collect();
        self.edge = true;
    }

    /// The server ended: in good order, so that all it has said is durable, or by a crash. The next one begins.
    pub fn restart(&mut self, in_order: bool) {
        let now_ms = wall_ms(&self.journal);
        self.alive_until_ms = (!self.rng.one_in(4)).then_some(now_ms);
        let count = match self.pending.len() {
            all if in_order => all,
            some => self.rng.below(some + 1),
        };
        self.make_durable(count);
        self.pending.clear();
        for (_, mail, index) in std::mem::take(&mut self.deliveries) {
            if self.rng.one_in(2) {
                self.boxes.insert((mail, index));
            }
        }
        self.instance += 1;
        self.count = 0;
        self.drafts.clear();
        self.submitted.clear();
        self.news.clear();
        self.unsaid_moves.clear();
        self.old_places.clear();
        self.waiting.clear();
        self.fetched.clear();
        self.told_places.clear();
        self.queued.clear();
        self.moved.clear();
        self.ready.clear();
        self.delivered.clear();
        self.is_ready = true;
        self.unfound = self.disk.keys().copied().collect();
        self.edge = true;
        let mut books = self.books.borrow_mut();
        books.crashed();
        for (mail, kept) in &self.disk {
            if let Some(held) = &kept.held {
                let all = 0..kept.envelope.recipients.len() as u16;
                let all = all.filter(|index| held.is_empty() || held.contains(index));
                books.held(*mail, all.filter(|index| !kept.over.contains(index)));
            }
        }
    }

    /// The recipients of a mail that are over, also by changes that are not durable.
    pub(super) fn over_of(&self, queued: &QueuedMail) -> Vec<u16> {
        let Some(kept) = self.disk.get(&queued.mail) else {
            return (0..queued.envelope.recipients.len() as u16).collect();
        };
        let mut over = kept.over.clone();
        let pending = self.pending.iter();
        for change in pending.filter(|change| change.mail == queued.mail) {
            over.extend(over_by(&change.kind));
        }
        over.into_iter().collect()
    }
}
