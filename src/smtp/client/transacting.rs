//! The session from MAIL to the reply to the message.

use std::rc::Rc;

use bytes::BytesMut;

use super::commands::command;
use super::event::{ClientEvent, Subject};
use super::parameters;
use super::reply::{ProtocolError, ReplyKind};
use super::state::ClientState;
use super::transaction::{Handover, Outgoing};
use super::{ClientSession, Pace};

impl ClientSession {
    /// Interprets a reply within a transaction.
    pub(super) fn transact(
        &mut self,
        state: ClientState,
        kind: ReplyKind,
        out: &mut BytesMut,
    ) -> Result<(ClientState, ClientEvent), ProtocolError> {
        use ReplyKind::{Completed, GoAhead, NotNow, Refused};
        Ok(match (state, kind) {
            (ClientState::AwaitingReset(mail), Completed) => {
                if !self.is_pipelining() {
                    self.write_mail(&mail, out);
                }
                (ClientState::AwaitingMail(mail), ClientEvent::Replied)
            }
            (ClientState::AwaitingMail(mail), Completed) => {
                self.proceed(Handover::new(mail, self.is_lmtp), out)
            }
            (ClientState::AwaitingMail(mail), NotNow | Refused) if self.is_pipelining() => {
                self.refuse(Subject::Sender);
                let mut transaction = Handover::new(mail, self.is_lmtp);
                transaction.is_without_sender = true;
                self.proceed(transaction, out)
            }
            (ClientState::AwaitingMail(_), NotNow | Refused) => {
                self.refused(Subject::Sender, ClientState::Ready, ClientEvent::Refused)
            }
            (ClientState::AwaitingRcpt(transaction), Completed) => {
                self.proceed(transaction.answered(true), out)
            }
            (ClientState::AwaitingRcpt(transaction), NotNow | Refused) => {
                self.refuse(Subject::Recipient(transaction.answered));
                self.proceed(transaction.answered(false), out)
            }
            // The message would go to nobody, or come from somebody who was refused.
            (ClientState::AwaitingData(transaction), GoAhead) if transaction.accepted == 0 => {
                if transaction.is_for_each() {
                    // RFC 2033 §4.2: there would be as many replies as recipients, which are none.
                    return Err(self.out_of_place());
                }
                // RFC 2920 §3.1: the client has to end the message that it could not call back.
                command(out, format_args!("."));
                (ClientState::AwaitingNothing, ClientEvent::Replied)
            }
            (ClientState::AwaitingData(transaction), GoAhead) if transaction.is_without_sender => {
                return Err(self.out_of_place());
            }
            (ClientState::AwaitingData(transaction), GoAhead) => (
                ClientState::SendingMessage(transaction),
                ClientEvent::SendMessage,
            ),
            (ClientState::AwaitingData(_), NotNow | Refused) => self.refused(
                Subject::Message,
                ClientState::ReadyToReset,
                ClientEvent::Refused,
            ),
            // The rest of the message would be read as commands, or not at all: there is no way on.
            (ClientState::SendingMessage(_), NotNow | Refused) => {
                self.refused(Subject::Message, ClientState::Closed, ClientEvent::Closed)
            }
            (ClientState::AwaitingStored(transaction), kind) if kind != GoAhead => {
                self.store(transaction, kind == Completed)
            }
            (ClientState::AwaitingNothing, Completed | NotNow | Refused) => {
                (self.after_message(), ClientEvent::Refused)
            }
            _ => return Err(self.out_of_place()),
        })
    }

    fn out_of_place(&self) -> ProtocolError {
        ProtocolError::OutOfPlace(self.reply().clone())
    }

    /// Goes on after a reply to the message: to that for the next recipient, or to the next message.
    fn store(&mut self, mut transaction: Handover, is_stored: bool) -> (ClientState, ClientEvent) {
        let recipient = transaction.next_stored();
        if !is_stored {
            self.refuse(recipient.map_or(Subject::Message, Subject::Stored));
        }
        let is_stored = if recipient.is_some() {
            if transaction.stored(is_stored) {
                let state = ClientState::AwaitingStored(transaction);
                return (state, ClientEvent::Replied);
            }
            transaction.is_stored_for_any
        } else {
            is_stored
        };
        let event = match is_stored {
            true => ClientEvent::Accepted,
            false => ClientEvent::Refused,
        };
        (self.after_message(), event)
    }

    /// The state after the last reply to a message: the next one may be under way.
    fn after_message(&mut self) -> ClientState {
        match self.next.take() {
            Some(mail) => ClientState::AwaitingMail(mail),
            None => ClientState::Ready,
        }
    }

    /// Goes on after the reply to MAIL or RCPT: to the next recipient, to the message, or nowhere.
    fn proceed(&self, transaction: Handover, out: &mut BytesMut) -> (ClientState, ClientEvent) {
        let lockstep = !self.is_pipelining();
        if transaction.answered < transaction.mail.to.len() {
            if lockstep {
                let place = transaction.answered;
                parameters::write_rcpt(&transaction.mail, place, &self.capabilities, out);
            }
            return (ClientState::AwaitingRcpt(transaction), ClientEvent::Replied);
        }
        let is_binary = transaction.mail.is_binary();
        let is_for_nobody = transaction.accepted == 0 || transaction.is_without_sender;
        if (lockstep || is_binary) && is_for_nobody {
            return (ClientState::ReadyToReset, ClientEvent::Refused);
        }
        if is_binary {
            // RFC 3030 §2: one chunk is the whole message, and no reply comes before it.
            command(out, format_args!("BDAT {} LAST", transaction.mail.size));
            let state = ClientState::SendingMessage(transaction);
            return (state, ClientEvent::SendMessage);
        }
        if lockstep {
            command(out, format_args!("DATA"));
        }
        (ClientState::AwaitingData(transaction), ClientEvent::Replied)
    }

    /// Writes MAIL; in a pipeline also what follows it.
    pub(super) fn write_mail(&self, mail: &Outgoing, out: &mut BytesMut) {
        parameters::write_mail(mail, &self.capabilities, out);
        if self.is_pipelining() {
            for place in 0..mail.to.len() {
                parameters::write_rcpt(mail, place, &self.capabilities, out);
            }
            // A chunk would have to be sent before it is known whether anybody gets it.
            if !mail.is_binary() {
                command(out, format_args!("DATA"));
            }
        }
    }

    /// Whether all commands of a transaction go out at once: the server offers PIPELINING, and the session makes use of it.
    #[must_use]
    pub fn is_pipelining(&self) -> bool {
        self.pace == Pace::Pipelined && self.capabilities.pipelining
    }

    /// Whether a message may be begun now, behind the final dot of the one before it.
    #[must_use]
    pub fn takes_next(&self) -> bool {
        self.is_pipelining() && self.next.is_none() && self.state.is_behind_dot()
    }

    /// Begins a message behind the final dot of the one before it, where the session [takes](Self::takes_next) one. Replies to
    /// this message follow those to the one before.
    pub fn begin_next(&mut self, mail: Rc<Outgoing>, out: &mut BytesMut) {
        debug_assert!(self.takes_next());
        self.write_mail(&mail, out);
        self.next = Some(mail);
    }
}
