//! Mail is handed to connections, one for each that has asked for the next.

use std::rc::Rc;

use super::awaited::ReadFor;
use super::{DispatchTurn, Dispatcher};
use crate::net::transport::Transport;
use crate::outbound::delivery::{DeliveryText, HopDelivery};
use crate::outbound::outgoing::ActiveJob;
use crate::outbound::queue::{NextJob, OutgoingId, StartedJob};
use crate::store::spool::SpoolMail;

impl<T: Transport> Dispatcher<T> {
    /// Gives connections that have asked for it the next mail of their site, as far as there is some.
    pub(super) fn hand_out(&mut self, turn: &mut DispatchTurn<'_, T>) {
        if !self.can_begin() && !self.is_draining {
            return;
        }
        while let Some(id) = self.asking.pop_front() {
            if !self.local.is_worker(id) && !self.outgoings.is_ready(id) {
                // It broke off since it asked, and asks again once it has another host.
                continue;
            }
            if let Some(carried) = self.outgoings.take_carried(id) {
                self.hand_to(id, carried, turn);
                continue;
            }
            if self.is_draining {
                self.let_go(id, turn);
                continue;
            }
            match self.queue.next_job(id, turn.clock.ms) {
                NextJob::Job(started) => self.read(ReadFor::Sending(id, started), turn),
                NextJob::Wait if self.local.is_worker(id) => self.let_go(id, turn),
                NextJob::Wait => {}
                NextJob::Close => self.let_go(id, turn),
            }
        }
    }

    /// Hands a mail that was read to the connection that it is for.
    pub(super) fn hand(
        &mut self,
        id: OutgoingId,
        started: StartedJob,
        mail: &Rc<SpoolMail>,
        turn: &mut DispatchTurn<'_, T>,
    ) {
        if started.recipients.is_empty() {
            // They were taken off while it was read.
            self.queue.settle(started.job, &[], turn.clock.ms);
            return self.asking.push_back(id);
        }
        let active = ActiveJob::new(started, mail);
        if !self.queue.is_wanted(active.job) {
            // While it was read the operator took recipients off, or held them. The others are a job of their own then.
            self.settle_in_queue(&active, &[], turn.clock.ms);
            self.asking.push_back(id);
            return;
        }
        if self.local.is_worker(id) {
            return self.deliver(id, active, turn);
        }
        self.hand_to(id, active, turn);
    }

    /// Hands a job to the host that it is for, if there still is one.
    fn hand_to(&mut self, id: OutgoingId, mut active: ActiveJob, turn: &mut DispatchTurn<'_, T>) {
        if self.take_off_deleted(&mut active) {
            self.asking.push_back(id);
            return self.settle_in_queue(&active, &[], turn.clock.ms);
        }
        let connection = self
            .outgoings
            .get_mut(id)
            .and_then(|outgoing| Some((outgoing.connection?, outgoing.ready?.0, outgoing)));
        let Some((connection, name, outgoing)) = connection else {
            // It closed while the mail was read.
            return self.settle_in_queue(&active, &[], turn.clock.ms);
        };
        let place = active.place;
        let delivery = HopDelivery {
            mail: active.mail,
            place,
            envelope: Rc::clone(&active.envelope),
            recipients: active
                .recipients
                .iter()
                .map(|recipient| recipient.index)
                .collect(),
            text: DeliveryText {
                whole: active.text.clone(),
                bytes: place.text_bytes,
                is_eight_bit: place.text_flags.is_eight_bit(),
                is_plain: !place.text_flags.has_dot_line() && !place.text_flags.is_binary(),
            },
        };
        outgoing.jobs.push(active);
        turn.connections.shared_mut().hand(connection, delivery);
        turn.connections.wake(name);
    }

    /// Takes off a job whom the operator has taken off while nobody had it, and says whether nobody is left.
    pub(super) fn take_off_deleted(&self, active: &mut ActiveJob) -> bool {
        let deleted = self.queue.deleted(active.job);
        let recipients = &mut active.recipients;
        recipients.retain(|recipient| !deleted.contains(&recipient.index));
        recipients.is_empty()
    }

    /// Lets a connection go that has nothing to do.
    pub(super) fn let_go(&mut self, id: OutgoingId, turn: &mut DispatchTurn<'_, T>) {
        if self.local.dismiss(id) {
            return self
                .queue
                .closed(id, crate::outbound::queue::OutgoingEnd::Done, turn.clock.ms);
        }
        let Some(outgoing) = self.outgoings.get_mut(id) else {
            return;
        };
        if let (Some(connection), Some((name, _))) = (outgoing.connection, outgoing.ready) {
            turn.connections.shared_mut().quit(connection);
            turn.connections.wake(name);
        }
    }
}
