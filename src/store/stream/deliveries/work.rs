//! Messages on their way into mailboxes.

use super::Deliveries;
use super::delivery::{DeliveryStage, MailDelivery, MailboxState};
use super::desk::Purpose;
use super::part_reader::{PartStep, StreamPartReader};
use crate::store::{Draft, Failure, Finished, OnceDelivery, Outcome, Store};

/// The most messages whose text is being fetched.
const FETCHING_MAX: usize = 4;
/// The most mailboxes that a text is fetched for at a time.
const DRAFTS_MAX: usize = 8;
/// The octets of text that are handed to the store in a tick.
const TICK_OCTETS_MAX: usize = 2 * 1024 * 1024;

impl Deliveries {
    /// Takes what the store has settled out of `finished`, from `start` on.
    pub(super) fn take_settled(&mut self, finished: &mut Vec<Finished>, start: usize) {
        if self.submitted.is_empty() {
            return;
        }
        for message in finished.split_off(start) {
            let Some((sequence, index, is_look)) = self.submitted.remove(&message.ticket) else {
                finished.push(message);
                continue;
            };
            let result = match message.outcome {
                Outcome::Stored => Ok(()),
                Outcome::Failed(failure) => Err(failure),
                Outcome::PerRecipient(results) => results.into_iter().collect(),
            };
            let Some(delivery) = self.deliveries.get_mut(&sequence) else {
                continue;
            };
            let DeliveryStage::Mail(mail) = &mut delivery.stage else {
                continue;
            };
            mail.submitted -= 1;
            let state = match result {
                Ok(()) => MailboxState::Stored,
                Err(_) if is_look => MailboxState::Pending,
                Err(failure) => MailboxState::Failed(failure),
            };
            mail.set(index, state);
            if mail.submitted == 0 {
                self.ready.push_back(sequence);
            }
        }
    }

    /// Hands texts to the store, as far as it takes them and no tick is too long for it.
    pub(super) fn run(&mut self, finished: &mut Vec<Finished>) {
        let mut left = TICK_OCTETS_MAX;
        for _ in 0..self.ready.len() {
            if left == 0 || self.local.is_congested() {
                break;
            }
            let Some(sequence) = self.ready.pop_front() else {
                break;
            };
            self.go_on(sequence, &mut left, finished);
        }
        while self.fetching < FETCHING_MAX
            && let Some(sequence) = self.long.pop_front()
        {
            self.begin_fetching(sequence);
        }
        if !self.local.is_congested() {
            for sequence in self.held.drain(..) {
                self.desk.ask(Purpose::Message(sequence));
            }
        }
    }

    /// Does the next step of a message.
    fn go_on(&mut self, sequence: u64, left: &mut usize, finished: &mut Vec<Finished>) {
        let (now, ack_wait) = (self.now, self.ack_wait);
        let Some(delivery) = self.deliveries.get_mut(&sequence) else {
            return;
        };
        let is_late = delivery.is_late(ack_wait, now);
        let DeliveryStage::Mail(mail) = &mut delivery.stage else {
            return;
        };
        if mail.fetching.is_some() || mail.submitted > 0 {
            return;
        }
        let (is_unknown, is_pending) = (!mail.unknown().is_empty(), !mail.pending().is_empty());
        if is_late && (is_unknown || is_pending) {
            // Somebody else has it by now.
            log::debug!("stream sequence={sequence} why=\"it took too long\"");
            self.forget(sequence);
            return;
        }
        if is_unknown {
            return self.look(sequence);
        }
        if !is_pending {
            return self.conclude(sequence, finished);
        }
        mail.is_begun = true;
        match mail.envelope.parts {
            0 => self.hand_over(sequence, left),
            _ => self.long.push_back(sequence),
        }
    }

    /// Hands a message over whose text is here, for as many of its mailboxes as the store takes.
    fn hand_over(&mut self, sequence: u64, left: &mut usize) {
        let Some(delivery) = self.deliveries.get_mut(&sequence) else {
            return;
        };
        let may_be_there = delivery.may_be_there;
        let DeliveryStage::Mail(mail) = &mut delivery.stage else {
            return;
        };
        let text = &delivery.message.payload;
        let return_path = mail.return_path(text);
        for index in mail.pending() {
            if self.local.is_congested() || *left == 0 {
                break;
            }
            *left = left.saturating_sub(text.len().max(1));
            let Some(once) = mail.once(index, may_be_there) else {
                break;
            };
            match deliver(&mut *self.local, &once, &[return_path.as_bytes(), text]) {
                Ok(draft) => {
                    let ticket = self.local.submit(draft);
                    self.submitted.insert(ticket, (sequence, index, false));
                    mail.submitted += 1;
                    mail.set(index, MailboxState::Submitted);
                }
                Err(failure) => mail.set(index, MailboxState::Failed(failure)),
            }
        }
        if mail.submitted == 0 {
            self.ready.push_back(sequence);
        }
    }

    /// Looks for a message in its mailboxes, before anything of it is fetched.
    fn look(&mut self, sequence: u64) {
        let Some(delivery) = self.deliveries.get_mut(&sequence) else {
            return;
        };
        let DeliveryStage::Mail(mail) = &mut delivery.stage else {
            return;
        };
        mail.is_begun = true;
        for index in mail.unknown() {
            let ticket = mail
                .once(index, true)
                .map(|once| self.local.look_for(&once));
            match ticket {
                Some(Ok(ticket)) => {
                    self.submitted.insert(ticket, (sequence, index, true));
                    mail.submitted += 1;
                    mail.set(index, MailboxState::Submitted);
                }
                // Its delivery will tell.
                _ => mail.set(index, MailboxState::Pending),
            }
        }
        if mail.submitted == 0 {
            self.ready.push_back(sequence);
        }
    }

    /// Begins to fetch a text, for some of its mailboxes.
    fn begin_fetching(&mut self, sequence: u64) {
        let Some(delivery) = self.deliveries.get_mut(&sequence) else {
            return;
        };
        let may_be_there = delivery.may_be_there;
        let DeliveryStage::Mail(mail) = &mut delivery.stage else {
            return;
        };
        if mail.fetching.is_some() || mail.submitted > 0 {
            return;
        }
        for index in mail.pending().into_iter().take(DRAFTS_MAX) {
            let Some(once) = mail.once(index, may_be_there) else {
                continue;
            };
            match self.local.begin_once(&once) {
                Ok(draft) => mail.drafts.push((index, draft)),
                Err(failure) => mail.set(index, MailboxState::Failed(failure)),
            }
        }
        if mail.drafts.is_empty() {
            return self.ready.push_back(sequence);
        }
        mail.fetching = Some(StreamPartReader::new(&mail.envelope));
        mail.is_at_start = true;
        self.fetching += 1;
        self.desk.ask(Purpose::Message(sequence));
    }

    /// Ends what a message has open.
    pub(super) fn end_fetching(&mut self, mail: &mut MailDelivery) {
        if mail.fetching.take().is_some() {
            self.fetching -= 1;
        }
        for (_, draft) in mail.drafts.drain(..) {
            self.local.abort(draft);
        }
    }

    /// Takes what came of the request for a part.
    pub(super) fn take_part(&mut self, sequence: u64, step: PartStep) {
        let now = self.now;
        match step {
            PartStep::Ask => self.desk.ask(Purpose::Message(sequence)),
            PartStep::Later => self.desk.ask_later(Purpose::Message(sequence), now),
            PartStep::Text(text) => {
                self.write_part(sequence, &text);
                match self.local.is_congested() {
                    true => self.held.push_back(sequence),
                    false => self.desk.ask(Purpose::Message(sequence)),
                }
            }
            PartStep::End(text) => {
                self.write_part(sequence, &text);
                self.submit_fetched(sequence);
            }
            PartStep::Bad(why) => self.set_aside(sequence, why),
        }
    }

    /// Appends a piece of text to the drafts of a message.
    fn write_part(&mut self, sequence: u64, text: &[u8]) {
        let Some(delivery) = self.deliveries.get_mut(&sequence) else {
            return;
        };
        let DeliveryStage::Mail(mail) = &mut delivery.stage else {
            return;
        };
        let start = match std::mem::take(&mut mail.is_at_start) {
            true => mail.return_path(text),
            false => String::new(),
        };
        for (index, mut draft) in std::mem::take(&mut mail.drafts) {
            let started = self.local.write(&mut draft, start.as_bytes());
            match started.and_then(|()| self.local.write(&mut draft, text)) {
                Ok(()) => mail.drafts.push((index, draft)),
                Err(failure) => {
                    self.local.abort(draft);
                    mail.set(index, MailboxState::Failed(failure));
                }
            }
        }
    }

    /// Hands the drafts of a message over, whose text is whole.
    fn submit_fetched(&mut self, sequence: u64) {
        let Some(delivery) = self.deliveries.get_mut(&sequence) else {
            return;
        };
        let is_late = delivery.is_late(self.ack_wait, self.now);
        let DeliveryStage::Mail(mail) = &mut delivery.stage else {
            return;
        };
        if mail.fetching.take().is_some() {
            self.fetching -= 1;
        }
        for (index, draft) in std::mem::take(&mut mail.drafts) {
            if is_late {
                // Somebody else has it by now.
                self.local.abort(draft);
                continue;
            }
            let ticket = self.local.submit(draft);
            self.submitted.insert(ticket, (sequence, index, false));
            mail.submitted += 1;
            mail.set(index, MailboxState::Submitted);
        }
        if mail.submitted == 0 {
            self.ready.push_back(sequence);
        }
    }
}

/// Opens a delivery and writes the start of its text.
fn deliver(
    local: &mut dyn Store,
    once: &OnceDelivery<'_>,
    texts: &[&[u8]],
) -> Result<Draft, Failure> {
    let mut draft = local.begin_once(once)?;
    for text in texts {
        if let Err(failure) = local.write(&mut draft, text) {
            local.abort(draft);
            return Err(failure);
        }
    }
    Ok(draft)
}
