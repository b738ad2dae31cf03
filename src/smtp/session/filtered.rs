//! The reply that a mail filter has a session give, where the driver found that one refuses.

use std::rc::Rc;

use bytes::BytesMut;

use super::{Session, State};
use crate::smtp::envelope::{QueueId, Recipient};
use crate::smtp::event::CloseReason;
use crate::smtp::path::Mailbox;
use crate::smtp::policy::Reach;
use crate::smtp::reply::{GivenReply, Reply};
use crate::smtp::security::Security;

impl Session {
    /// Has [`reply::BY_FILTER`](crate::smtp::reply::BY_FILTER) stand for this reply.
    pub fn set_given(&mut self, reply: Rc<GivenReply>) {
        self.overrides.given = Some(reply);
    }

    /// Has the driver asked about each unknown command from now on, or not.
    pub fn ask_about_unknown(&mut self, asks: bool) {
        self.overrides.asks_about_unknown = asks;
    }

    pub(super) fn asks_about_unknown(&self) -> bool {
        self.overrides.asks_about_unknown
    }

    /// Answers an unknown command, in answer to [`Event::CheckUnknown`](crate::smtp::event::Event::CheckUnknown).
    pub fn answer_unknown(&mut self, reply: Reply, out: &mut BytesMut) {
        self.answer(reply, out);
    }

    /// Writes the reply of the filter.
    pub(super) fn write_given(&self, out: &mut BytesMut) {
        match &self.overrides.given {
            Some(given) => out.extend_from_slice(&given.lines),
            None => debug_assert!(false, "the reply of no filter"),
        }
    }

    /// Goes on after the reply of the filter, which is counted by its own code. Returns whether the session ends with it.
    pub(super) fn end_given(&mut self) -> bool {
        let Some(given) = self.overrides.given.clone() else {
            debug_assert!(false, "the reply of no filter");
            return false;
        };
        self.stats.count_given(given.code);
        if given.closes() {
            self.close(CloseReason::Error);
        }
        given.closes()
    }

    /// The name that the store has for the message of the present transaction.
    #[must_use]
    pub fn queue_id(&self) -> Option<QueueId> {
        self.transaction()?.id
    }

    /// Notes that the store has another name for the message.
    pub fn set_queue_id(&mut self, id: QueueId) {
        match &mut self.state {
            State::Transaction(transaction, _) => transaction.id = Some(id),
            state => debug_assert!(false, "no message is open in {state:?}"),
        }
    }

    /// The TLS of the session, if it has begun.
    #[must_use]
    pub fn security(&self) -> Option<&Security> {
        self.security.as_deref()
    }

    /// The name of the client's address, if an XCLIENT peer has told it.
    #[must_use]
    pub fn client_name(&self) -> Option<&str> {
        self.proxied.as_deref()?.name.as_deref()
    }

    /// The recipient that an address is which a filter adds, or `None` where a client could not send there (RFC 5321 §3.6.2).
    #[must_use]
    pub fn recipient_of_filter(&self, address: Mailbox) -> Option<Recipient> {
        let smtputf8 = self.envelope()?.smtputf8;
        if !smtputf8 && !address.is_ascii() {
            return None;
        }
        let reach = self.policy.reach(&address);
        self.check_reach(&address, reach).ok()?;
        match reach {
            Reach::Elsewhere => Some(Recipient::elsewhere(address)),
            _ => self.policy.resolve(address).ok(),
        }
    }
}
