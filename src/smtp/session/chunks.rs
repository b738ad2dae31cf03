//! A message that comes in chunks (RFC 3030 §2), each with a reply of its own.
//!
//! A chunk that is refused is read to its last octet before it is told so, since nobody may take it for commands. It
//! takes its transaction with it: what the client sent behind it without waiting would otherwise be a message with a
//! hole. Those chunks are refused as well, until MAIL begins anew.

use crate::smtp::extension::Extension;
use std::mem;

use bytes::BytesMut;

use super::{Session, Stage, State};
use crate::smtp::chunk::{Chunk, ChunkDecoder};
use crate::smtp::event::Event;
use crate::smtp::reply::{self, Reply};

impl Session {
    /// BDAT: its chunk is taken where one is awaited, and refused anywhere else.
    pub(super) fn chunk(&mut self, chunk: Chunk) -> Event<'static> {
        let extended = self.extended();
        let is_withheld = self.withholds(Extension::Chunking);
        let refusal = match &mut self.state {
            State::AwaitingHello => self.service.hello_first(),
            _ if !extended || is_withheld => reply::COMMAND_NOT_OFFERED,
            State::Transaction(transaction, _) if transaction.envelope.recipients.is_empty() => {
                reply::RECIPIENT_FIRST
            }
            State::Transaction(transaction, stage) => {
                let (decoder, event) = match stage {
                    Stage::BetweenChunks(decoder) => (*decoder, Event::BeginChunk),
                    // The first chunk, of a message that is yet to be opened.
                    _ => (
                        ChunkDecoder::new(transaction.envelope.body),
                        Event::BeginMessage,
                    ),
                };
                *stage = Stage::ReceivingChunk(decoder, chunk);
                return event;
            }
            _ => reply::MAIL_FIRST,
        };
        self.refuse_chunk(chunk, refusal)
    }

    /// Refuses a chunk with this reply, once it was read, and ends the transaction, if there is one.
    pub(super) fn refuse_chunk(&mut self, chunk: Chunk, reply: Reply) -> Event<'static> {
        match mem::replace(&mut self.state, State::DiscardingChunk(chunk, reply)) {
            State::Transaction(transaction, Stage::BetweenChunks(_)) => {
                let stage = Stage::DiscardingChunk(chunk, reply);
                self.state = State::Transaction(transaction, stage);
                Event::AbortMessage
            }
            State::Transaction(transaction, _) => {
                self.reuse(transaction);
                Event::BeginChunk
            }
            _ => Event::BeginChunk,
        }
    }

    /// Looks for the end of a chunk that is not kept, and refuses it there.
    pub(super) fn discard_chunk(
        &mut self,
        input: &mut &[u8],
        out: &mut BytesMut,
    ) -> Event<'static> {
        let (transaction, chunk, reply) = match &mut self.state {
            State::DiscardingChunk(chunk, reply) => (None, chunk, *reply),
            State::Transaction(transaction, Stage::DiscardingChunk(chunk, reply)) => {
                (Some(transaction), chunk, *reply)
            }
            state => {
                debug_assert!(false, "no chunk is discarded in {state:?}");
                return Event::NeedInput;
            }
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
        let is_last = chunk.is_last;
        let awaited = match self.hello {
            Some(_) => State::AwaitingMail,
            None => State::AwaitingHello,
        };
        let before = mem::replace(&mut self.state, awaited);
        let Some(transaction) = before.into_transaction() else {
            return self.answer(reply, out);
        };
        // The last chunk is the end of the message; any other has one reply, also in LMTP.
        if is_last {
            self.answer_for(&transaction, Err(reply), out);
        } else {
            self.answer(reply, out);
        }
        Event::Refused(transaction, reply)
    }
}
