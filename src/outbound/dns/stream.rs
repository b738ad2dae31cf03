//! The driver of a question by TCP: it is sent behind its length, and one answer is read (RFC 1035 §4.2.2, RFC 7766).

use std::mem;
use std::time::Instant;

use super::inquiry::{ExchangeId, ServerExchange};
use crate::net::driver::{Close, ConnectionFailure, Driver, Step, Turn};

/// The octets of the length before a message.
const LENGTH_BYTES: usize = 2;

/// Answers of connections: the message, or `None` from one that ended without.
#[derive(Debug, Default)]
pub struct StreamAnswers {
    answers: Vec<(ExchangeId, Option<Vec<u8>>)>,
}

impl StreamAnswers {
    /// The answers since the last call.
    pub fn take(&mut self) -> Vec<(ExchangeId, Option<Vec<u8>>)> {
        mem::take(&mut self.answers)
    }
}

/// One question over one connection.
#[derive(Debug)]
pub struct StreamExchange {
    exchange: ServerExchange,
}

type StreamTurn<'a> = Turn<'a, StreamAnswers>;

impl StreamExchange {
    /// The driver of a connection to the server of this exchange.
    #[must_use]
    pub fn new(exchange: ServerExchange) -> Self {
        Self { exchange }
    }

    fn end(&self, answer: Option<Vec<u8>>, turn: &mut StreamTurn<'_>) {
        turn.shared.answers.push((self.exchange.id, answer));
    }
}

impl Driver for StreamExchange {
    type Shared = StreamAnswers;
    type Ticket = ();
    type Completion = ();
    type Reason = ();

    fn opened(&mut self, turn: &mut StreamTurn<'_>) -> Step<Self> {
        let message = &self.exchange.message;
        let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
        turn.output.extend_from_slice(&length.to_be_bytes());
        turn.output.extend_from_slice(message);
        Step::Continue
    }

    /// Leaves the answer in the input until all of it is there: its length bounds it.
    fn input(&mut self, input: &mut &[u8], turn: &mut StreamTurn<'_>) -> Step<Self> {
        let Some((length, rest)) = input.split_first_chunk::<LENGTH_BYTES>() else {
            return Step::Continue;
        };
        let Some((answer, rest)) = rest.split_at_checked(u16::from_be_bytes(*length).into()) else {
            return Step::Continue;
        };
        self.end(Some(answer.to_vec()), turn);
        *input = rest;
        Step::Close(Close::now(()))
    }

    fn eof(&mut self, turn: &mut StreamTurn<'_>) -> Step<Self> {
        self.end(None, turn);
        Step::Close(Close::abort(()))
    }

    fn deadline(&self, _: &StreamAnswers) -> Option<Instant> {
        Some(self.exchange.deadline)
    }

    /// The resolver has the same deadline, and does not wait any more.
    fn expired(&mut self, _: &mut StreamTurn<'_>) -> Option<Step<Self>> {
        Some(Step::Close(Close::abort(())))
    }

    fn failed(&mut self, _: ConnectionFailure, turn: &mut StreamTurn<'_>) {
        self.end(None, turn);
    }
}
