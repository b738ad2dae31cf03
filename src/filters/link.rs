//! One connection to a filter, as a driver of the engine: it carries the octets of an exchange.

use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};

use super::desk::{FilterDesk, FilterExchangeId};
use crate::net::driver::{
    Close, ConnectionFailure, Drain, Driver, Ending, Step, Summary, Turn, Wait,
};

/// Time for the last words to a filter to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// One connection to a filter.
#[derive(Debug)]
pub struct FilterLink {
    exchange: FilterExchangeId,
    /// What is being written.
    writing: BytesMut,
}

type FilterTurn<'a> = Turn<'a, FilterDesk>;

impl FilterLink {
    /// The driver of a connection that is about to be made for an exchange.
    #[must_use]
    pub fn new(exchange: FilterExchangeId) -> Self {
        Self {
            exchange,
            writing: BytesMut::new(),
        }
    }

    /// Ends, and tells why.
    fn end(&mut self, fault: &str, turn: &mut FilterTurn<'_>) -> Step<Self> {
        turn.shared.over(self.exchange, fault);
        Step::Close(Close::abort(()))
    }

    /// Writes what is there to be written, and otherwise reads.
    fn go_on(&mut self, turn: &mut FilterTurn<'_>) -> Step<Self> {
        if self.writing.is_empty() {
            turn.shared.take_output(self.exchange, &mut self.writing);
        }
        if !self.writing.is_empty() {
            return Step::Write;
        }
        if turn.shared.is_left(self.exchange) {
            return Step::Close(Close {
                reason: (),
                ending: Ending::Now,
                flush_timeout: FLUSH_TIMEOUT,
            });
        }
        Step::Continue
    }
}

impl Driver for FilterLink {
    type Shared = FilterDesk;
    type Ticket = ();
    type Completion = ();
    type Reason = ();

    // A filter says what it thinks of a message before it hangs up.
    const READS_AFTER_FAILED_WRITE: bool = true;

    fn opened(&mut self, turn: &mut FilterTurn<'_>) -> Step<Self> {
        let name = turn.name();
        turn.shared.connected(self.exchange, name);
        self.go_on(turn)
    }

    fn takes_input(&self, desk: &FilterDesk) -> bool {
        !desk.is_full(self.exchange)
    }

    fn input(&mut self, input: &mut &[u8], turn: &mut FilterTurn<'_>) -> Step<Self> {
        if turn.drain == Drain::TimeIsUp {
            return self.end("the server is shutting down", turn);
        }
        if !turn.shared.is_left(self.exchange)
            && let Err(fault) = turn.shared.take(self.exchange, input)
        {
            return self.end(&fault, turn);
        }
        if input.is_empty() || !self.writing.is_empty() {
            return self.go_on(turn);
        }
        match self.go_on(turn) {
            Step::Continue => Step::Wait(Wait::Room),
            step => step,
        }
    }

    fn eof(&mut self, turn: &mut FilterTurn<'_>) -> Step<Self> {
        self.end("it closed the connection", turn)
    }

    fn unwritten(&self) -> &[u8] {
        &self.writing
    }

    fn wrote(&mut self, count: usize, turn: &mut FilterTurn<'_>) -> Step<Self> {
        self.writing.advance(count);
        self.go_on(turn)
    }

    fn deadline(&self, desk: &FilterDesk) -> Option<Instant> {
        desk.deadline(self.exchange)
    }

    fn expired(&mut self, turn: &mut FilterTurn<'_>) -> Option<Step<Self>> {
        Some(self.end("it does not answer in time", turn))
    }

    fn drained(&mut self, turn: &mut FilterTurn<'_>) -> Option<()> {
        (turn.drain == Drain::TimeIsUp).then_some(())
    }

    fn failed(&mut self, failure: ConnectionFailure, turn: &mut FilterTurn<'_>) {
        let error = std::io::Error::from(failure).to_string();
        turn.shared.over(self.exchange, &error);
    }

    fn closed(&mut self, (): &(), _: &Summary, desk: &mut FilterDesk) {
        desk.over(self.exchange, "the connection was ended");
    }
}
