//! What a rule has a session say and do, where the driver found that one decides.

use std::rc::Rc;

use bytes::BytesMut;

use super::Session;
use crate::smtp::event::{CloseReason, Limit};
use crate::smtp::faults::{FaultOutcome, FaultRule};
use crate::smtp::reply;

impl Session {
    /// Has [`reply::BY_RULE`] stand for the reply of this rule.
    pub fn set_fault(&mut self, rule: Rc<FaultRule>) {
        self.overrides.fault = Some(rule);
    }

    /// Refuses a login as the rule has it, whatever it came to, in answer to [`Event::Login`](crate::smtp::event::Event::Login).
    pub fn refuse_login(&mut self, out: &mut BytesMut) {
        self.end_login(reply::BY_RULE, out);
    }

    /// Writes the reply of the rule.
    pub(super) fn write_fault(&self, out: &mut BytesMut) {
        match self.overrides.fault.as_deref().map(FaultRule::outcome) {
            Some(FaultOutcome::Reply { reply, .. }) => reply.write(out, self.has_enhanced_codes()),
            _ => debug_assert!(false, "the reply of no rule"),
        }
    }

    /// Goes on after the reply of the rule: to the end, if that closes.
    pub(super) fn end_fault(&mut self) {
        let outcome = self.overrides.fault.as_deref().map(FaultRule::outcome);
        if let Some(FaultOutcome::Reply { closes: true, .. }) = outcome {
            self.close(CloseReason::Limit(Limit::Rule));
        }
    }
}
