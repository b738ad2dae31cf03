//! A build without faults by rule: all goes on as it comes.

use super::connection::{Inbound, InboundStep, InboundTurn};
use super::judged::{ClientStep, Judged};
use super::shared::Shared;
use crate::smtp::envelope::Envelope;
use crate::smtp::login::LoginVerdict;
use crate::smtp::reply::Reply;

impl Inbound {
    pub(super) fn prepare(&mut self, _: &Shared) {
        #[cfg(feature = "milter")]
        self.session.ask_about_hello(self.has_filters());
    }

    pub(super) fn judge(
        &mut self,
        judged: Judged,
        turn: &mut InboundTurn<'_>,
    ) -> Option<InboundStep> {
        match judged {
            Judged::Hello(hello) => self.filter(ClientStep::Hello(hello), turn),
            Judged::Login(attempt) => {
                self.note_login(&attempt, turn);
                if attempt.verdict == LoginVerdict::LoggedIn {
                    self.session.log_in(turn.output);
                }
            }
            Judged::Sender(transaction) => self.check_room(transaction, turn),
            Judged::Recipient(recipient) => self.check_recipient(recipient, turn),
            Judged::Message => self.filter(ClientStep::Message(None), turn),
            Judged::End => self.filter(ClientStep::End, turn),
        }
        None
    }

    pub(super) fn is_delayed(&self) -> bool {
        false
    }

    pub(super) fn resume_judged(&mut self, _: &mut InboundTurn<'_>) -> Option<InboundStep> {
        None
    }

    pub(super) fn open_session(
        &mut self,
        input: &mut &[u8],
        turn: &mut InboundTurn<'_>,
    ) -> InboundStep {
        if self.awaited_verdict().is_none() {
            self.filter(ClientStep::Greeting(!input.is_empty()), turn);
        }
        self.drive(input, turn)
    }

    pub(super) fn kept_envelope(&self) -> Option<Envelope> {
        None
    }

    pub(super) fn with_dropped<E>(&self, results: Vec<Result<(), E>>) -> Vec<Result<(), E>> {
        results
    }
}

pub(super) fn is_by_rule(_: Reply) -> bool {
    false
}
