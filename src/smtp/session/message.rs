//! The second half of a transaction: its message, from 354 or its first chunk to the reply behind its end.

use std::mem;

use bytes::BytesMut;

use super::{Session, Stage, State};
use crate::smtp::data::{DataDecoder, DataRules, Piece};
use crate::smtp::envelope::QueueId;
use crate::smtp::event::Event;
use crate::smtp::fields::MissingFields;
use crate::smtp::policy::Policy;
use crate::smtp::reply::{self, Reply, write_parts, write_reply};
use crate::smtp::transaction::Transaction;

impl Stage {
    /// Goes on after the end of the message, or of one of its chunks.
    fn end<'a>(
        &'a mut self,
        transaction: &'a mut Transaction,
        has_codes: bool,
        out: &mut BytesMut,
    ) -> Event<'a> {
        match self {
            Self::ReceivingChunk(decoder, chunk) if !chunk.is_last => {
                let status = has_codes.then_some(reply::OK.status);
                let text = format_args!("Ok: {} octets received", chunk.size);
                write_reply(out, 250, status, text);
                *self = Self::BetweenChunks(*decoder);
                Event::Answered
            }
            Self::ReceivingData(_) | Self::ReceivingChunk(..)
                if !transaction.missing.is_empty() =>
            {
                *self = Self::EndingMessage;
                passed_on(transaction.missing.end())
            }
            _ => {
                *self = Self::AwaitingCommit;
                Event::EndOfMessage
            }
        }
    }
}

/// The event for the text that is to be stored now.
fn passed_on(text: &[u8]) -> Event<'_> {
    match text {
        [] => Event::Withheld,
        text => Event::Text(text),
    }
}

impl Session {
    /// Asks for the message, which the store knows as `id`, in answer to [`Event::BeginMessage`]. One that comes in
    /// chunks has begun unasked. `date` is as RFC 5322 §3.3 writes it.
    pub fn receive_message(&mut self, id: QueueId, date: &str, out: &mut BytesMut) {
        let missing = if self.service.is_submission() {
            MissingFields::new(date, id, &self.policy.hostname)
        } else {
            MissingFields::default()
        };
        let State::Transaction(
            transaction,
            stage @ (Stage::AwaitingRcpt | Stage::ReceivingChunk(..)),
        ) = &mut self.state
        else {
            debug_assert!(false, "no message was begun in {:?}", self.state);
            return;
        };
        transaction.begin_message(id, missing);
        if let Stage::AwaitingRcpt = stage {
            *stage = Stage::ReceivingData(DataDecoder::new());
            let end = self.policy.end_text.as_ref();
            let end = end.map_or(".", |text| text.as_str());
            let text: [&[u8]; 3] = [
                b"Enter message, ending with \"",
                end.as_bytes(),
                b"\" on a line by itself",
            ];
            write_parts(out, 354, None, &text);
        }
    }

    /// Takes the next piece of a message that is kept.
    pub(super) fn receive<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
        out: &mut BytesMut,
    ) -> Event<'a> {
        let has_codes = self.has_enhanced_codes();
        let Self {
            policy,
            state,
            stats,
            ..
        } = self;
        let State::Transaction(transaction, stage) = state else {
            debug_assert!(false, "no message is received in {state:?}");
            return Event::NeedInput;
        };
        let piece = match stage {
            Stage::ReceivingData(decoder) => {
                let piece = decoder.next(input, data_rules(policy));
                stats.waits_behind_bare_dot = decoder.has_bare_dot() && piece != Piece::End;
                piece
            }
            Stage::ReceivingChunk(decoder, chunk) => {
                decoder.next(chunk, input, policy.bare_newline)
            }
            _ => {
                debug_assert!(false, "no message is received in {stage:?}");
                return Event::NeedInput;
            }
        };
        transaction.missing.let_go();
        let taken = match piece {
            Piece::NeedInput => return Event::NeedInput,
            Piece::Text(text) => transaction.take(text, policy).map(|()| text),
            Piece::Bare(bare) => Err(Reply::from(bare)),
            Piece::End => return stage.end(transaction, has_codes, out),
        };
        match taken {
            Ok(text) => passed_on(transaction.missing.given(text)),
            Err(refusal) => {
                transaction.missing = MissingFields::default();
                stage.refuse(refusal);
                Event::AbortMessage
            }
        }
    }

    /// Goes on behind the end of a message whose last text was given out.
    pub(super) fn end_message(&mut self, out: &mut BytesMut) -> Event<'_> {
        let has_codes = self.has_enhanced_codes();
        match &mut self.state {
            State::Transaction(transaction, stage) => stage.end(transaction, has_codes, out),
            state => {
                debug_assert!(false, "no message ends in {state:?}");
                Event::NeedInput
            }
        }
    }

    /// Lets the message that is being received end in `reply`, since it could not be written.
    pub fn refuse_message(&mut self, reply: Reply) {
        let State::Transaction(transaction, stage) = &mut self.state else {
            debug_assert!(false, "no message is received in {:?}", self.state);
            return;
        };
        transaction.missing = MissingFields::default();
        stage.refuse(reply);
    }

    /// Looks for the end of a message that is not kept, and refuses it there.
    pub(super) fn discard(&mut self, input: &mut &[u8], out: &mut BytesMut) -> Event<'static> {
        let State::Transaction(transaction, Stage::DiscardingData(decoder, reply)) =
            &mut self.state
        else {
            debug_assert!(false, "no message is discarded in {:?}", self.state);
            return Event::NeedInput;
        };
        let reply = *reply;
        let piece = decoder.next(input, data_rules(&self.policy));
        self.stats.waits_behind_bare_dot = decoder.has_bare_dot() && piece != Piece::End;
        match piece {
            Piece::NeedInput => return Event::NeedInput,
            Piece::Text(text) => {
                transaction.size += text.len() as u64;
                return Event::Discarded;
            }
            Piece::Bare(_) => return Event::Discarded,
            Piece::End => {}
        }
        let before = mem::replace(&mut self.state, State::AwaitingMail);
        let Some(transaction) = before.into_transaction() else {
            return Event::Answered;
        };
        self.answer_for(&transaction, Err(reply), out);
        Event::Refused(transaction, reply)
    }

    /// Answers for the message that [`Event::EndOfMessage`] handed over, which had the same outcome for all its
    /// recipients, and returns its transaction.
    pub fn stored(
        &mut self,
        outcome: Result<(), Reply>,
        out: &mut BytesMut,
    ) -> Option<Box<Transaction>> {
        let transaction = self.end_commit()?;
        self.answer_for(&transaction, outcome, out);
        Some(transaction)
    }

    /// Answers for a message that had these `outcomes` for its recipients, in their order, where the service answers
    /// each of them.
    pub fn stored_for_each(
        &mut self,
        outcomes: &[Result<(), Reply>],
        out: &mut BytesMut,
    ) -> Option<Box<Transaction>> {
        let transaction = self.end_commit()?;
        self.give_answers(&transaction, outcomes, out);
        Some(transaction)
    }

    fn end_commit(&mut self) -> Option<Box<Transaction>> {
        match mem::replace(&mut self.state, State::AwaitingMail) {
            State::Transaction(transaction, Stage::AwaitingCommit) => Some(transaction),
            other => {
                // The session may have ended while its message was made durable.
                debug_assert!(
                    matches!(other, State::Closing(..)),
                    "no message was submitted in {other:?}"
                );
                self.state = other;
                None
            }
        }
    }

    /// Answers for a message that had this outcome: once, or once for each of its recipients.
    pub(super) fn answer_for(
        &mut self,
        transaction: &Transaction,
        outcome: Result<(), Reply>,
        out: &mut BytesMut,
    ) {
        if self.service.answers_each_recipient() {
            let outcomes = vec![outcome; transaction.envelope.recipients.len()];
            self.give_answers(transaction, &outcomes, out);
        } else {
            self.give_answers(transaction, &[outcome], out);
        }
    }

    /// Gives these answers for a message. However many they are, it counts once: as stored if any recipient has it,
    /// otherwise as an error, if it was one.
    fn give_answers(
        &mut self,
        transaction: &Transaction,
        outcomes: &[Result<(), Reply>],
        out: &mut BytesMut,
    ) {
        let status = self.has_enhanced_codes().then_some(reply::OK.status);
        let (mut stored, mut refused) = (false, None);
        for outcome in outcomes {
            match (*outcome, transaction.id) {
                (Ok(()), Some(id)) => {
                    write_parts(out, 250, status, &[b"Ok: queued as ", id.as_bytes()]);
                    stored = true;
                }
                (outcome, _) => {
                    let reply = outcome.err().unwrap_or(reply::STORE_FAILED);
                    self.write(reply, out);
                    refused.get_or_insert(reply);
                }
            }
        }
        if stored {
            self.stats.count_stored();
        } else if let Some(reply) = refused {
            self.account_for(reply, out);
        }
    }
}

fn data_rules(policy: &Policy) -> DataRules<'_> {
    DataRules {
        bare_newline: policy.bare_newline,
        end_text: policy.end_text.as_ref(),
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::smtp::envelope::Peer;
    use crate::smtp::service::Service;

    /// A driver that opens a message which nobody asked for is at fault: a test sees it, a client is told nothing.
    #[test]
    #[cfg_attr(debug_assertions, should_panic(expected = "no message was begun"))]
    fn a_message_that_was_not_asked_for_gets_no_354() {
        let mut session = Session::new(Rc::default(), Rc::default(), Service::Smtp, Peer::Local);
        let mut out = BytesMut::new();
        session.receive_message(QueueId::new("TEST", 1), "", &mut out);
        assert_eq!(out, "");
    }
}
