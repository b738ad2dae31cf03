//! A message that comes in chunks (RFC 3030 §2), each with a reply of its own.
//!
//! A chunk that is refused is read to its last octet before it is told so, since nobody may take it for commands. It
//! takes its transaction with it: what the client sent behind it without waiting would otherwise be a message with a
//! hole. Those chunks are refused as well, until MAIL begins anew.

use std::mem;

use bytes::BytesMut;

use super::{Session, State};
use crate::smtp::chunk::{Chunk, ChunkDecoder};
use crate::smtp::event::Event;
use crate::smtp::reply::{self, Reply};

impl Session {
    /// BDAT: its chunk is taken where one is awaited, and refused anywhere else.
    pub(super) fn chunk(&mut self, chunk: Chunk) -> Event<'static> {
        match &self.state {
            State::AwaitingHello => self.refuse_chunk(chunk, self.service.hello_first()),
            _ if !self.extended() => self.refuse_chunk(chunk, reply::COMMAND_NOT_OFFERED),
            State::BetweenChunks(..) => self.next_chunk(chunk),
            State::AwaitingRcpt(transaction) if transaction.envelope.recipients.is_empty() => {
                self.refuse_chunk(chunk, reply::RECIPIENT_FIRST)
            }
            State::AwaitingRcpt(_) => self.first_chunk(chunk),
            _ => self.refuse_chunk(chunk, reply::MAIL_FIRST),
        }
    }

    /// BDAT with the first chunk of a message, which is yet to be opened.
    pub(super) fn first_chunk(&mut self, chunk: Chunk) -> Event<'static> {
        self.state = match mem::replace(&mut self.state, State::AwaitingMail) {
            State::AwaitingRcpt(transaction) => {
                let decoder = ChunkDecoder::new(transaction.envelope.body);
                State::ReceivingChunk(transaction, decoder, chunk)
            }
            other => other,
        };
        Event::BeginMessage
    }

    /// BDAT with another chunk.
    pub(super) fn next_chunk(&mut self, chunk: Chunk) -> Event<'static> {
        self.state = match mem::replace(&mut self.state, State::AwaitingMail) {
            State::BetweenChunks(transaction, decoder) => {
                State::ReceivingChunk(transaction, decoder, chunk)
            }
            other => other,
        };
        Event::BeginChunk
    }

    /// BDAT where no chunk can be taken: it will get this reply, and there is no transaction any more.
    pub(super) fn refuse_chunk(&mut self, chunk: Chunk, reply: Reply) -> Event<'static> {
        let before = mem::replace(&mut self.state, State::AwaitingMail);
        if let State::BetweenChunks(transaction, _) = before {
            self.state = State::DiscardingChunk(Some(transaction), chunk, reply);
            return Event::AbortMessage;
        }
        self.state = State::DiscardingChunk(None, chunk, reply);
        Event::BeginChunk
    }

    /// Looks for the end of a chunk that is not kept, and refuses it there.
    pub(super) fn discard_chunk(
        &mut self,
        input: &mut &[u8],
        out: &mut BytesMut,
    ) -> Event<'static> {
        let State::DiscardingChunk(transaction, chunk, _) = &mut self.state else {
            return Event::NeedInput;
        };
        let skipped = chunk.skip(input);
        if let Some(transaction) = transaction {
            transaction.size += skipped as u64;
        }
        if !chunk.is_complete() {
            return match skipped {
                0 => Event::NeedInput,
                _ => Event::Discarded,
            };
        }
        let awaited = match self.hello {
            Some(_) => State::AwaitingMail,
            None => State::AwaitingHello,
        };
        match mem::replace(&mut self.state, awaited) {
            State::DiscardingChunk(Some(transaction), chunk, reply) => {
                // The last chunk is the end of the message; any other has one reply, also in LMTP.
                if chunk.is_last {
                    self.answer_for(&transaction, Err(reply), out);
                } else {
                    self.answer(reply, out);
                }
                Event::Refused(transaction, reply)
            }
            State::DiscardingChunk(None, _, reply) => self.answer(reply, out),
            _ => Event::Answered,
        }
    }
}
