//! The second half of a transaction: its message, from 354 or its first chunk to the reply behind its end.

use std::mem;

use bytes::BytesMut;

use super::{Session, State, Transaction};
use crate::smtp::data::{DataDecoder, DataRules, Piece};
use crate::smtp::envelope::QueueId;
use crate::smtp::event::Event;
use crate::smtp::fields::MissingFields;
use crate::smtp::policy::Policy;
use crate::smtp::reply::{self, Reply, write_reply};

impl State {
    /// The end of the message, or of one of its chunks.
    fn end(&mut self, extended: bool, out: &mut BytesMut) -> Event<'_> {
        match mem::replace(self, Self::AwaitingMail) {
            Self::ReceivingChunk(transaction, decoder, chunk) if !chunk.is_last => {
                let status = extended.then_some(reply::OK.status);
                let text = format_args!("Ok: {} octets received", chunk.size);
                write_reply(out, 250, status, text);
                *self = Self::BetweenChunks(transaction, decoder);
                Event::Answered
            }
            Self::ReceivingData(transaction, _) | Self::ReceivingChunk(transaction, ..)
                if !transaction.missing.is_empty() =>
            {
                *self = Self::EndingMessage(transaction);
                self.pass_on(None)
            }
            Self::ReceivingData(transaction, _)
            | Self::ReceivingChunk(transaction, ..)
            | Self::EndingMessage(transaction) => {
                *self = Self::AwaitingCommit(transaction);
                Event::EndOfMessage
            }
            other => {
                *self = other;
                Event::NeedInput
            }
        }
    }

    /// What of the message is to be stored now that this piece of it has come, or its end.
    fn pass_on<'a>(&'a mut self, piece: Option<&'a [u8]>) -> Event<'a> {
        let text = match (self.receiving(), piece) {
            (None, _) => &[],
            (Some(transaction), Some(piece)) => transaction.missing.given(piece),
            (Some(transaction), None) => transaction.missing.end(),
        };
        match text {
            [] => Event::Withheld,
            text => Event::Text(text),
        }
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
        if let State::ReceivingChunk(transaction, ..) = &mut self.state {
            (transaction.id, transaction.missing) = (Some(id), missing);
            return;
        }
        self.state = match mem::replace(&mut self.state, State::AwaitingMail) {
            State::AwaitingRcpt(mut transaction) => {
                (transaction.id, transaction.missing) = (Some(id), missing);
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
    pub(super) fn receive<'a, 'i: 'a>(
        &'a mut self,
        input: &mut &'i [u8],
        out: &mut BytesMut,
    ) -> Event<'a> {
        let extended = self.extended();
        let Self {
            policy,
            state,
            stats,
            ..
        } = self;
        let (transaction, piece) = match state {
            State::ReceivingData(transaction, decoder) => {
                let piece = decoder.next(input, data_rules(policy));
                stats.waits_behind_bare_dot = decoder.has_bare_dot() && piece != Piece::End;
                (transaction, piece)
            }
            State::ReceivingChunk(transaction, decoder, chunk) => {
                let piece = decoder.next(chunk, input, policy.bare_newline);
                (transaction, piece)
            }
            _ => return Event::NeedInput,
        };
        transaction.missing.let_go();
        let taken = match piece {
            Piece::NeedInput => return Event::NeedInput,
            Piece::Text(text) => transaction
                .take(text, policy.message_bytes_max)
                .map(|()| text),
            Piece::Bare(bare) => Err(Reply::from(bare)),
            Piece::End => return state.end(extended, out),
        };
        match taken {
            Ok(text) => state.pass_on(Some(text)),
            Err(refusal) => {
                state.refuse_message(refusal);
                Event::AbortMessage
            }
        }
    }

    /// Goes on behind the end of a message whose last text was given out.
    pub(super) fn end_message(&mut self, out: &mut BytesMut) -> Event<'_> {
        let extended = self.extended();
        self.state.end(extended, out)
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
        match mem::replace(&mut self.state, State::AwaitingMail) {
            State::DiscardingData(transaction, _, reply) => {
                self.answer_for(&transaction, Err(reply), out);
                Event::Refused(transaction, reply)
            }
            _ => Event::Answered,
        }
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

    /// The same for a message that had these `outcomes` for its recipients, in their order, where the service answers
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
            State::AwaitingCommit(transaction) => Some(transaction),
            other => {
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
        let status = self.extended().then_some(reply::OK.status);
        let (mut stored, mut refused) = (false, None);
        for outcome in outcomes {
            match (*outcome, transaction.id) {
                (Ok(()), Some(id)) => {
                    write_reply(out, 250, status, format_args!("Ok: queued as {id}"));
                    stored = true;
                }
                (outcome, _) => {
                    let reply = outcome.err().unwrap_or(reply::STORE_FAILED);
                    reply.write(out, self.extended());
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
