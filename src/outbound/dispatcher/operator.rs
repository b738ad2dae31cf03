//! Commands of the operator: in the queue they count at once, in the spool with its next sync.

use super::awaited::{AwaitedRead, ReadFor};
use super::{DispatchTurn, Dispatcher};
use crate::net::transport::Transport;
use crate::outbound::queue::{Choice, JobRecipient, Touched};
use crate::store::spool::{Change, ChangeKind, MailId};

impl<T: Transport> Dispatcher<T> {
    /// Holds recipients of a mail: nothing is sent to them until they are released. `None`: no such mail.
    pub(in crate::outbound) fn hold(
        &mut self,
        mail: MailId,
        whom: Choice<'_>,
        turn: &mut DispatchTurn<'_, T>,
    ) -> Option<Touched> {
        let touched = self.queue.hold(mail, whom, turn.clock.ms)?;
        self.tell_held(mail, turn);
        Some(touched)
    }

    /// Releases recipients that are held. `None`: no such mail.
    pub(in crate::outbound) fn release(
        &mut self,
        mail: MailId,
        whom: Choice<'_>,
        turn: &mut DispatchTurn<'_, T>,
    ) -> Option<Touched> {
        let touched = self.queue.release(mail, whom, turn.clock.ms)?;
        self.tell_held(mail, turn);
        Some(touched)
    }

    /// Tells the spool who is held, of all recipients that a mail still has.
    fn tell_held(&mut self, mail: MailId, turn: &mut DispatchTurn<'_, T>) {
        let held = self.queue.held(mail);
        let kind = match self.queue.recipients(mail, turn.clock.ms).count() {
            _ if held.is_empty() => ChangeKind::Released,
            all if all == held.len() => ChangeKind::Held(Vec::new()),
            _ => ChangeKind::Held(held),
        };
        turn.spool.change(Change { mail, kind });
    }

    /// Lets recipients that wait go as soon as may be. `None`: no such mail.
    pub(in crate::outbound) fn retry(
        &mut self,
        mail: MailId,
        whom: Choice<'_>,
        turn: &mut DispatchTurn<'_, T>,
    ) -> Option<Touched> {
        self.queue.retry(mail, whom, turn.clock.ms)
    }

    /// Takes recipients of a mail off, also those that are being sent to, as long as the end of the message was not sent. `None`: no
    /// such mail.
    pub(in crate::outbound) fn delete(
        &mut self,
        mail: MailId,
        whom: Choice<'_>,
        turn: &mut DispatchTurn<'_, T>,
    ) -> Option<Touched> {
        let recipients: Vec<u16> = match whom {
            Choice::All => {
                let recipients = self.queue.recipients(mail, turn.clock.ms);
                recipients.map(|recipient| recipient.index).collect()
            }
            Choice::Only(recipients) => recipients.to_vec(),
        };
        let touched = self.queue.delete(mail, whom)?;
        if touched.in_flight > 0 {
            for (connection, name) in self.outgoings.sending(mail) {
                let desk = turn.connections.shared_mut();
                desk.cancel(connection, mail, recipients.clone());
                turn.connections.wake(name);
            }
            self.cancel_reads(mail, &recipients);
        }
        let kind = ChangeKind::Deleted(recipients);
        turn.spool.change(Change { mail, kind });
        Some(touched)
    }

    /// Takes recipients of a mail off the jobs for which it is still being read.
    fn cancel_reads(&mut self, mail: MailId, recipients: &[u16]) {
        for awaited in self.reading.values_mut() {
            if let AwaitedRead::Mail(ReadFor::Sending(_, started)) = awaited
                && started.mail == mail
            {
                let stays = |it: &mut JobRecipient| !recipients.contains(&it.index);
                started.recipients.retain(stays);
            }
        }
    }
}
