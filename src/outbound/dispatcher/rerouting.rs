//! After a reload mail that waits goes by the new routes, and ends by the new lifetime.
//!
//! Only the envelope of a mail tells its destinations. So the dispatcher goes through all mail after a reload, some in each tick.

use std::time::Instant;

use super::awaited::AwaitedRead;
use super::reading::MOVED_TIMEOUT;
use super::{DispatchTurn, Dispatcher};
use crate::net::transport::Transport;
use crate::outbound::queue::{RecipientState, SiteId};
use crate::smtp::path::Mailbox;
use crate::smtp::policy::Reach;
use crate::store::spool::{MailId, ReadResult, SpoolEnvelope};

/// Mails that are gone through in one tick.
const REROUTED_A_TICK_MAX: usize = 64;
/// Reads under way, beyond which the next mails wait.
const READS_MAX: usize = 256;

/// How far the mail was gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rerouting {
    /// There is nothing to do.
    Done,
    /// All after this mail, in the order of names, is yet to be looked at.
    After(Option<MailId>),
}

impl<T: Transport> Dispatcher<T> {
    /// Whether there is mail to be gone through now.
    pub(super) fn can_reroute(&self) -> bool {
        let has_room = self.reading.len() + self.parked.len() < READS_MAX;
        self.rerouting != Rerouting::Done && self.is_spool_ready && has_room
    }

    /// Goes through some mail after a reload.
    pub(super) fn go_on_rerouting(&mut self, turn: &mut DispatchTurn<'_, T>) {
        let Rerouting::After(after) = self.rerouting else {
            return;
        };
        if !self.can_reroute() {
            return;
        }
        let mails = self.queue.mails_after(after, REROUTED_A_TICK_MAX);
        self.rerouting = match mails.last() {
            Some(last) => Rerouting::After(Some(*last)),
            None => Rerouting::Done,
        };
        for mail in mails {
            self.queue.rearm(mail, turn.clock.ms);
            self.read_route(mail, turn.clock.now + MOVED_TIMEOUT, turn);
        }
    }

    /// Reads the envelope of a mail, and sends the mail by the route that it has now.
    pub(super) fn read_route(
        &mut self,
        mail: MailId,
        until: Instant,
        turn: &mut DispatchTurn<'_, T>,
    ) {
        let Some(place) = self.queue.place(mail) else {
            return;
        };
        match turn.spool.read_envelope(mail, place) {
            ReadResult::Now(envelope) => self.route_anew(mail, &envelope, turn.clock.ms),
            ReadResult::Later(ticket) => {
                self.reading.insert(ticket, AwaitedRead::Route(mail));
            }
            result if self.passes(&result, until, turn) => {
                self.park(AwaitedRead::Route(mail), until, turn);
            }
            // Its route is the least of its troubles: its next try tells of the other.
            ReadResult::Gone | ReadResult::Failed(_) => {}
        }
    }

    /// The site of mail that was accepted for elsewhere, perhaps under another configuration: here, if its address is by now that of
    /// a mailbox. One that became an alias goes by its route, as it always did.
    pub(super) fn site_now(&mut self, address: &Mailbox, now_ms: u64) -> SiteId {
        if self.policy.reach(address) == Reach::Here
            && let Ok(recipient) = self.policy.resolve(address.clone())
            && recipient.remote.is_empty()
            && recipient.mailboxes[..] == [address.clone()]
        {
            return SiteId::LOCAL;
        }
        self.sites.site_for(address, &mut self.queue, now_ms)
    }

    /// Sends what waits of a mail by the route that it has now.
    pub(super) fn route_anew(&mut self, mail: MailId, envelope: &SpoolEnvelope, now_ms: u64) {
        let waiting = self.queue.recipients(mail, now_ms).filter(|view| {
            let is_settled = matches!(view.state, RecipientState::Active | RecipientState::Expired);
            view.site != SiteId::LOCAL && !is_settled
        });
        let waiting = waiting.map(|view| (view.index, view.site, view.state));
        let waiting: Vec<(u16, SiteId, RecipientState)> = waiting.collect();
        let mut moves: Vec<(SiteId, Vec<u16>)> = Vec::new();
        for (index, from, state) in waiting {
            let Some(recipient) = envelope.recipients.get(usize::from(index)) else {
                continue;
            };
            if state != RecipientState::Ready {
                // The hosts of its domain may be others by its next try.
                self.sites.forget_domain(&recipient.address);
            }
            let to = self.site_now(&recipient.address, now_ms);
            if to == from {
                continue;
            }
            match moves.iter_mut().find(|(site, _)| *site == to) {
                Some((_, recipients)) => recipients.push(index),
                None => moves.push((to, vec![index])),
            }
        }
        for (site, mut recipients) in moves {
            recipients.sort_unstable();
            self.queue.reroute(mail, site, &recipients, now_ms);
        }
    }
}
