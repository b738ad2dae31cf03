//! Senders and recipients that the store is asked about: it may grant them at once, or answer later.

use std::mem;
use std::time::Duration;

use super::connection::{About, Inbound, InboundTurn, Message, Question};
use super::judged::ClientStep;
use super::timeouts::Timer;
use super::work::charge_mailboxes;
use crate::smtp::envelope::Recipient;
use crate::smtp::reply;
use crate::smtp::transaction::Transaction;
use crate::store::{Admission, Answer, Failure};

/// Time that a sender waits for the store to say whether there is room. Then it may begin: what the disk does not take, or when
/// it stands still, is told at the end of the message.
const ROOM_ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// Time that a recipient waits for the store to say whether its mailboxes are there. Then it is refused for now: while the store
/// stands still its clients must not hold connections for ever.
const MAILBOX_ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

impl Inbound {
    /// Begins a transaction if there is room for its message.
    pub(super) fn check_room(&mut self, transaction: Box<Transaction>, turn: &mut InboundTurn<'_>) {
        let admission = turn
            .shared
            .store
            .admit(transaction.declared_size, turn.shared.rules.limits.min_free);
        self.handle(admission, About::Sender(transaction), turn);
    }

    /// Adds a recipient if it can be delivered to.
    pub(super) fn check_recipient(&mut self, recipient: Recipient, turn: &mut InboundTurn<'_>) {
        let Some(transaction) = self.session.transaction() else {
            debug_assert!(false, "a recipient without a transaction");
            return;
        };
        charge_mailboxes(turn.work, recipient.mailboxes.len());
        let to_make = transaction.mailboxes_to_make;
        let admission = turn
            .shared
            .store
            .check(&recipient, &transaction.envelope, to_make);
        if let Ok(Admission::Asked(_)) = admission {
            // The store compared its mailboxes with all others of the transaction.
            charge_mailboxes(turn.work, transaction.envelope.mailboxes().count());
        }
        self.handle(admission, About::Recipient(recipient), turn);
    }

    /// Goes on with what the store has answered.
    pub(super) fn on_answer(&mut self, answer: Answer, turn: &mut InboundTurn<'_>) {
        match mem::replace(&mut self.message, Message::None) {
            Message::Asked(question) if question.ticket == answer.ticket => {
                self.timeouts.stop_timer();
                self.go_on(answer.result, question.about, turn);
            }
            // The question was given up meanwhile.
            other => self.message = other,
        }
    }

    /// Goes on with a sender or a recipient that has waited long enough.
    pub(super) fn stop_waiting_for_answer(&mut self, turn: &mut InboundTurn<'_>) {
        match mem::replace(&mut self.message, Message::None) {
            Message::Asked(question) => {
                let result = match question.about {
                    About::Sender(_) => Ok(0),
                    About::Recipient(_) => Err(Failure::Io("the store does not answer".into())),
                };
                self.go_on(result, question.about, turn);
            }
            other => {
                debug_assert!(false, "the timer of an answer runs without a question");
                self.message = other;
            }
        }
    }

    /// Takes a recipient elsewhere of the allowance of the user who sends to it; whether that was there. Who sends without a login is
    /// trusted with any number.
    fn has_allowance(&self, recipient: &Recipient, turn: &mut InboundTurn<'_>) -> bool {
        if recipient.remote.is_empty() {
            return true;
        }
        let envelope = self.session.envelope();
        match envelope.and_then(|envelope| envelope.user.as_ref()) {
            Some(user) => {
                let per_hour = turn.shared.rules.limits.user_rate;
                turn.shared.user_rates.take(user, per_hour, turn.now)
            }
            None => true,
        }
    }

    fn go_on(&mut self, result: Result<usize, Failure>, about: About, turn: &mut InboundTurn<'_>) {
        self.decide(result, about, turn);
        self.note_progress(turn);
    }

    fn handle(
        &mut self,
        admission: Result<Admission, Failure>,
        about: About,
        turn: &mut InboundTurn<'_>,
    ) {
        match admission {
            Ok(Admission::Asked(ticket)) => {
                let timeout = match about {
                    About::Sender(_) => ROOM_ANSWER_TIMEOUT,
                    About::Recipient(_) => {
                        MAILBOX_ANSWER_TIMEOUT.min(turn.shared.rules.limits.idle_timeout)
                    }
                };
                self.timeouts.start(Timer::Answer, turn.now + timeout);
                self.message = Message::Asked(Box::new(Question { ticket, about }));
            }
            Ok(Admission::Granted(to_make)) => self.decide(Ok(to_make), about, turn),
            Err(failure) => self.decide(Err(failure), about, turn),
        }
    }

    fn decide(&mut self, result: Result<usize, Failure>, about: About, turn: &mut InboundTurn<'_>) {
        match (result, about) {
            (Ok(_), About::Sender(transaction)) => {
                self.filter(ClientStep::Sender(transaction), turn);
            }
            (Ok(_), About::Recipient(recipient)) if !self.has_allowance(&recipient, turn) => {
                let reply = reply::USER_RATE;
                self.note_refused_recipient(&recipient.address, reply, turn);
                self.session.refuse(reply, turn.output);
            }
            (Ok(to_make), About::Recipient(recipient)) => {
                self.filter(ClientStep::Recipient(recipient, to_make), turn);
            }
            (Err(failure), about) => {
                let reply = self.refusal(&failure, turn);
                match about {
                    About::Sender(transaction) => {
                        self.note_refused_sender(&transaction.envelope.reverse_path, reply, turn);
                    }
                    About::Recipient(recipient) => {
                        self.note_refused_recipient(&recipient.address, reply, turn);
                    }
                }
                self.session.refuse(reply, turn.output);
            }
        }
    }
}
