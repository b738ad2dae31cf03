//! Replies are given and counted, and the last one ends the session.

use std::mem;
#[cfg(any(feature = "catch", feature = "milter"))]
use std::rc::Rc;

use bytes::BytesMut;

use super::{Session, State};
use crate::smtp::event::{CloseReason, Event};
#[cfg(feature = "catch")]
use crate::smtp::faults::FaultRule;
#[cfg(feature = "milter")]
use crate::smtp::reply::GivenReply;
use crate::smtp::reply::{self, Reply};

/// What the driver has a session say in place of its own replies.
#[cfg(any(feature = "catch", feature = "milter"))]
#[derive(Debug, Default)]
pub(super) struct Overrides {
    /// Whether the driver is asked about each hello.
    pub(super) asks_about_hello: bool,
    /// Whether the driver is asked about each unknown command.
    #[cfg(feature = "milter")]
    pub(super) asks_about_unknown: bool,
    /// The rule whose reply [`reply::BY_RULE`] stands for.
    #[cfg(feature = "catch")]
    pub(super) fault: Option<Rc<FaultRule>>,
    /// The reply that [`reply::BY_FILTER`] stands for.
    #[cfg(feature = "milter")]
    pub(super) given: Option<Rc<GivenReply>>,
}

impl Session {
    /// Gives a reply.
    pub(super) fn answer(&mut self, reply: Reply, out: &mut BytesMut) -> Event<'static> {
        self.write(reply, out);
        self.account_for(reply, out)
    }

    /// Writes a reply, or that of the rule or the filter for which it stands.
    pub(super) fn write(&self, reply: Reply, out: &mut BytesMut) {
        #[cfg(feature = "milter")]
        if reply == reply::BY_FILTER {
            self.write_given(out);
            return;
        }
        #[cfg(feature = "catch")]
        if reply == reply::BY_RULE {
            self.write_fault(out);
            return;
        }
        reply.write(out, self.has_enhanced_codes());
    }

    /// Counts a reply that was given, and sends away a client that has made too many errors or was refused too often.
    pub(super) fn account_for(&mut self, reply: Reply, out: &mut BytesMut) -> Event<'static> {
        #[cfg(feature = "catch")]
        if reply == reply::BY_RULE {
            // No fault of the client.
            self.end_fault();
            return Event::answered(reply);
        }
        #[cfg(feature = "milter")]
        if reply == reply::BY_FILTER && self.end_given() {
            return Event::answered(reply);
        }
        self.stats.count(reply);
        if reply.is_refusal()
            && let Some(limit) = self.stats.limit_reached(self.policy.errors_max)
        {
            self.dismiss(reply::TOO_MANY_ERRORS, CloseReason::Limit(limit), out);
        }
        Event::answered(reply)
    }

    /// Gives the last reply.
    pub(super) fn dismiss(
        &mut self,
        reply: Reply,
        reason: CloseReason,
        out: &mut BytesMut,
    ) -> Event<'static> {
        reply.write(out, self.has_enhanced_codes());
        self.stats.count(reply);
        self.close(reason);
        Event::answered(reply)
    }

    pub(super) fn close(&mut self, reason: CloseReason) {
        let before = mem::replace(&mut self.state, State::AwaitingHello);
        self.state = State::Closing(reason, before.into_transaction());
    }
}
