//! The second half of a transaction: its message, from 354 to the reply behind its end.

use std::mem;

use bytes::BytesMut;

use super::{Session, State, Transaction};
use crate::smtp::data::{DataDecoder, DataRules, Piece};
use crate::smtp::envelope::QueueId;
use crate::smtp::event::Event;
use crate::smtp::policy::Policy;
use crate::smtp::reply::{self, Reply, write_reply};

impl Session {
    /// Asks for the message, which the store knows as `id`, in answer to [`Event::BeginMessage`].
    pub fn receive_message(&mut self, id: QueueId, out: &mut BytesMut) {
        self.state = match mem::replace(&mut self.state, State::AwaitingMail) {
            State::AwaitingRcpt(mut transaction) => {
                transaction.id = Some(id);
                State::ReceivingData(transaction, DataDecoder::new())
            }
            other => other,
        };
        let end = self
            .policy
            .end_text
            .as_ref()
            .map_or(".", |text| text.as_str());
        write_reply(
            out,
            354,
            None,
            format_args!("Enter message, ending with \"{end}\" on a line by itself"),
        );
    }

    /// Takes the next piece of a message that is kept.
    pub(super) fn receive<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Event<'a> {
        let Self { policy, state, .. } = self;
        let State::ReceivingData(transaction, decoder) = state else {
            return Event::NeedInput;
        };
        if transaction.hops.are_too_many() {
            state.refuse_message(reply::MAIL_LOOP);
            return Event::AbortMessage;
        }
        let refusal = match decoder.next(input, data_rules(policy)) {
            Piece::NeedInput => return Event::NeedInput,
            Piece::Text(text) => {
                if transaction.take(text, policy.message_bytes_max) {
                    return Event::Text(text);
                }
                // Which limit it broke first does not depend on how it was cut.
                if transaction.hops.are_too_many() {
                    reply::MAIL_LOOP
                } else {
                    reply::TOO_LARGE
                }
            }
            Piece::Bare(bare) => Reply::from(bare),
            Piece::End => {
                if let State::ReceivingData(transaction, _) =
                    mem::replace(state, State::AwaitingMail)
                {
                    *state = State::AwaitingCommit(transaction);
                }
                return Event::EndOfMessage;
            }
        };
        state.refuse_message(refusal);
        Event::AbortMessage
    }

    /// Lets the message that is being received end in `reply`, since it could not be written.
    pub fn refuse_message(&mut self, reply: Reply) {
        self.state.refuse_message(reply);
    }

    /// Looks for the end of a message that is not kept, and refuses it there.
    pub(super) fn discard(&mut self, input: &mut &[u8], out: &mut BytesMut) -> Event<'static> {
        let State::DiscardingData(transaction, decoder, _) = &mut self.state else {
            return Event::NeedInput;
        };
        match decoder.next(input, data_rules(&self.policy)) {
            Piece::NeedInput => return Event::NeedInput,
            Piece::Text(text) => {
                transaction.size += text.len() as u64;
                return Event::Discarded;
            }
            Piece::Bare(_) => return Event::Discarded,
            Piece::End => {}
        }
        match mem::replace(&mut self.state, State::AwaitingMail) {
            State::DiscardingData(transaction, _, reply) => {
                self.answer(reply, out);
                Event::Refused(transaction, reply)
            }
            _ => Event::Answered,
        }
    }

    /// Answers for the message that [`Event::EndOfMessage`] handed over, and returns its transaction.
    pub fn stored(
        &mut self,
        outcome: Result<(), Reply>,
        out: &mut BytesMut,
    ) -> Option<Box<Transaction>> {
        let transaction = match mem::replace(&mut self.state, State::AwaitingMail) {
            State::AwaitingCommit(transaction) => transaction,
            other => {
                self.state = other;
                return None;
            }
        };
        match (outcome, transaction.id) {
            (Ok(()), Some(id)) => {
                self.tally.messages += 1;
                self.tally.errors_in_a_row = 0;
                let status = self.extended().then_some(reply::OK.status);
                write_reply(out, 250, status, format_args!("Ok: queued as {id}"));
            }
            (Ok(()), None) => {
                self.answer(reply::STORE_FAILED, out);
            }
            (Err(reply), _) => {
                self.answer(reply, out);
            }
        }
        Some(transaction)
    }
}

fn data_rules(policy: &Policy) -> DataRules<'_> {
    DataRules {
        bare_newline: policy.bare_newline,
        end_text: policy.end_text.as_ref(),
    }
}
