//! The states of a session: each names what is awaited, and owns what exists only then.

use std::rc::Rc;

use crate::smtp::chunk::{Chunk, ChunkDecoder};
use crate::smtp::data::DataDecoder;
use crate::smtp::event::{CloseReason, Phase};
use crate::smtp::login::LoginExchange;
use crate::smtp::reply::Reply;
use crate::smtp::transaction::Transaction;

/// The awaited next step of a session.
#[derive(Debug)]
pub(super) enum State {
    AwaitingHello,
    AwaitingMail,
    /// QUIT is awaited: the greeting refused the client (RFC 5321 §3.1).
    #[cfg(any(feature = "catch", feature = "milter"))]
    Unwelcome,
    /// A login is under way: a response of the client is awaited, or iterations of PBKDF2 for its password.
    Authenticating(Box<dyn LoginExchange>),
    /// A login was granted, of which the client learns next.
    LoggingIn(Rc<str>),
    /// A login was refused: a delay is awaited, after which the client learns of it.
    Tarpit,
    /// A transaction is under way.
    Transaction(Box<Transaction>, Stage),
    /// The rest of a chunk outside of any transaction is awaited; it will get this reply.
    DiscardingChunk(Chunk, Reply),
    /// The last reply was given. A transaction that was under way is kept for the log.
    Closing(CloseReason, Option<Box<Transaction>>),
}

/// The stage of a transaction.
#[derive(Debug)]
pub(super) enum Stage {
    /// RCPT is awaited, or DATA or BDAT once there is a recipient.
    AwaitingRcpt,
    /// The text of the message is awaited, up to its end line.
    ReceivingData(DataDecoder),
    /// The rest of a message is awaited that will get this reply.
    DiscardingData(DataDecoder, Reply),
    /// More octets of a chunk are awaited.
    ReceivingChunk(ChunkDecoder, Chunk),
    /// BDAT with the next chunk is awaited.
    BetweenChunks(ChunkDecoder),
    /// The rest of a chunk is awaited that will get this reply, and end the transaction.
    DiscardingChunk(Chunk, Reply),
    /// All of the message has come, and the header fields that it lacks are yet to be put in.
    EndingMessage,
    /// The store is to say that the message is durable.
    AwaitingCommit,
}

impl State {
    /// The transaction that is under way, or was when the session ended.
    pub(super) fn transaction(&self) -> Option<&Transaction> {
        match self {
            Self::Transaction(transaction, _) | Self::Closing(_, Some(transaction)) => {
                Some(transaction)
            }
            _ => None,
        }
    }

    /// The name of the state, or of the stage of its transaction, as `docs/architecture.md` draws it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::AwaitingHello => "AwaitingHello",
            Self::AwaitingMail => "AwaitingMail",
            #[cfg(any(feature = "catch", feature = "milter"))]
            Self::Unwelcome => "Unwelcome",
            Self::Authenticating(_) => "Authenticating",
            Self::LoggingIn(_) => "LoggingIn",
            Self::Tarpit => "Tarpit",
            Self::Transaction(_, stage) => stage.name(),
            Self::DiscardingChunk(..) => "DiscardingChunk",
            Self::Closing(..) => "Closing",
        }
    }

    /// Takes that transaction out.
    pub(super) fn into_transaction(self) -> Option<Box<Transaction>> {
        match self {
            Self::Transaction(transaction, _) | Self::Closing(_, Some(transaction)) => {
                Some(transaction)
            }
            _ => None,
        }
    }

    /// Whether the text of a message is awaited, also of one that will be refused.
    pub(super) fn awaits_text(&self) -> bool {
        match self {
            Self::DiscardingChunk(..) => true,
            Self::Transaction(_, stage) => matches!(
                stage,
                Stage::ReceivingData(_)
                    | Stage::ReceivingChunk(..)
                    | Stage::DiscardingData(..)
                    | Stage::DiscardingChunk(..)
            ),
            _ => false,
        }
    }

    /// The kind of input or event that is awaited, as far as timeouts depend on it.
    pub(super) fn phase(&self) -> Phase {
        match self {
            Self::AwaitingHello | Self::AwaitingMail => Phase::Idle,
            #[cfg(any(feature = "catch", feature = "milter"))]
            Self::Unwelcome => Phase::Idle,
            Self::Authenticating(exchange) if !exchange.is_deriving() => Phase::Idle,
            Self::Authenticating(_) | Self::LoggingIn(_) | Self::Tarpit => Phase::Login,
            Self::Transaction(_, Stage::AwaitingRcpt) => Phase::Command,
            Self::Transaction(_, Stage::AwaitingCommit) => Phase::Commit,
            // A message in chunks is one message: also between them it keeps the least rate or ends.
            Self::Transaction(..) | Self::DiscardingChunk(..) => Phase::Message,
            Self::Closing(..) => Phase::Closing,
        }
    }
}

impl Stage {
    fn name(&self) -> &'static str {
        match self {
            Self::AwaitingRcpt => "AwaitingRcpt",
            Self::ReceivingData(_) => "ReceivingData",
            Self::DiscardingData(..) => "DiscardingData",
            Self::ReceivingChunk(..) => "ReceivingChunk",
            Self::BetweenChunks(_) => "BetweenChunks",
            Self::DiscardingChunk(..) => "DiscardingChunk",
            Self::EndingMessage => "EndingMessage",
            Self::AwaitingCommit => "AwaitingCommit",
        }
    }

    /// Lets the message, or its present chunk, be read to its end only to be refused there with this reply.
    pub(super) fn refuse(&mut self, reply: Reply) {
        *self = match self {
            Self::ReceivingData(decoder) => Self::DiscardingData(std::mem::take(decoder), reply),
            Self::ReceivingChunk(_, chunk) => Self::DiscardingChunk(*chunk, reply),
            // Nothing is left to be read.
            Self::EndingMessage => Self::DiscardingChunk(Chunk::new(0, true), reply),
            _ => {
                debug_assert!(false, "no message is received in {self:?}");
                return;
            }
        };
    }
}
