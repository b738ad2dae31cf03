//! A driver around any other, which panics where the engine breaks the contract of `Driver`.

use std::thread;
use std::time::Instant;

use mailoop::net::budget::TurnBudget;
use mailoop::net::channel::OUTPUT_HIGH_WATER_BYTES;
use mailoop::net::driver::{
    ConnectionFailure, ConnectionId, Drain, Driver, Step, Summary, Turn, Wait,
};
use mailoop::net::lifecycle::Lifecycle;
use mailoop::net::link::TlsFacts;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// Accepted, or being dialed.
    New,
    Open,
    Securing,
    /// Its driver is done, or the connection has failed.
    Ending,
    Closed,
}

/// What the inner driver waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    Input,
    Output,
    /// More of its text to be written, or input.
    Text,
    /// Something that input is no answer to.
    Another,
}

pub struct Checked<D: Driver> {
    pub inner: D,
    life: Life,
    waits: Waits,
    /// Input that the inner driver left, which it may be offered again at any time.
    left: usize,
}

impl<D: Driver> Checked<D> {
    pub fn new(inner: D) -> Self {
        Self {
            inner,
            life: Life::New,
            waits: Waits::Input,
            left: 0,
        }
    }

    fn is(&self, life: Life) {
        assert_eq!(self.life, life);
    }

    fn note(&mut self, step: Step<D>) -> Step<Self> {
        self.waits = match &step {
            Step::Wait(Wait::Output) => Waits::Output,
            Step::Write | Step::WriteOut => Waits::Text,
            Step::Wait(Wait::Completion(_) | Wait::Timer) => Waits::Another,
            _ => Waits::Input,
        };
        match step {
            Step::Continue => Step::Continue,
            Step::Read => Step::Read,
            Step::Flush => Step::Flush,
            Step::Write => Step::Write,
            Step::WriteOut => Step::WriteOut,
            Step::Wait(wait) => Step::Wait(wait),
            Step::StartTls(tls, timeout) => {
                self.life = Life::Securing;
                Step::StartTls(tls, timeout)
            }
            Step::Close(close) => {
                self.life = Life::Ending;
                Step::Close(close)
            }
        }
    }
}

impl<D: Driver> Driver for Checked<D> {
    type Shared = D::Shared;
    type Ticket = D::Ticket;
    type Completion = D::Completion;
    type Reason = D::Reason;

    fn opened(&mut self, turn: &mut Turn<'_, D::Shared>) -> Step<Self> {
        self.is(Life::New);
        self.life = Life::Open;
        let step = self.inner.opened(turn);
        self.note(step)
    }

    fn input(&mut self, input: &mut &[u8], turn: &mut Turn<'_, D::Shared>) -> Step<Self> {
        self.is(Life::Open);
        if turn.drain == Drain::No {
            let unsent = turn.unsent + turn.output.len();
            match self.waits {
                Waits::Input | Waits::Text => {}
                Waits::Output => assert_eq!(unsent, 0, "it goes on once all is written"),
                Waits::Another => panic!("it waits for something else"),
            }
            assert!(
                input.len() <= self.left || unsent < OUTPUT_HIGH_WATER_BYTES,
                "input while {unsent} octets are unsent"
            );
        }
        let step = self.inner.input(input, turn);
        self.left = input.len();
        self.note(step)
    }

    fn eof(&mut self, turn: &mut Turn<'_, D::Shared>) -> Step<Self> {
        self.is(Life::Open);
        let step = self.inner.eof(turn);
        self.note(step)
    }

    fn secured(&mut self, facts: &TlsFacts, turn: &mut Turn<'_, D::Shared>) -> Step<Self> {
        self.is(Life::Securing);
        self.life = Life::Open;
        let step = self.inner.secured(facts, turn);
        self.note(step)
    }

    fn completed(&mut self, it: D::Completion, turn: &mut Turn<'_, D::Shared>) -> Step<Self> {
        assert!(!matches!(self.life, Life::New | Life::Closed));
        let step = self.inner.completed(it, turn);
        if self.life == Life::Open {
            return self.note(step);
        }
        // The engine does not follow this one.
        Step::Continue
    }

    fn unwritten(&self) -> &[u8] {
        self.inner.unwritten()
    }

    fn wrote(&mut self, count: usize, turn: &mut Turn<'_, D::Shared>) -> Step<Self> {
        self.is(Life::Open);
        assert_eq!(self.waits, Waits::Text, "nothing is written unasked");
        let left = self.inner.unwritten().len().checked_sub(count);
        assert!(count > 0 && left.is_some(), "{count} of {left:?}");
        assert!(turn.output.is_empty(), "its output comes before");
        let step = self.inner.wrote(count, turn);
        assert_eq!(Some(self.inner.unwritten().len()), left);
        self.note(step)
    }

    fn deadline(&self, shared: &D::Shared) -> Option<Instant> {
        self.inner.deadline(shared)
    }

    fn expired(&mut self, turn: &mut Turn<'_, D::Shared>) -> Option<Step<Self>> {
        self.is(Life::Open);
        let deadline = self.inner.deadline(turn.shared);
        assert!(deadline.is_some_and(|deadline| deadline <= turn.now));
        let step = self.inner.expired(turn)?;
        Some(self.note(step))
    }

    fn drained(&mut self, turn: &mut Turn<'_, D::Shared>) -> Option<D::Reason> {
        assert!(matches!(self.life, Life::New | Life::Securing));
        let reason = self.inner.drained(turn);
        if reason.is_some() {
            self.life = Life::Ending;
        }
        reason
    }

    fn outstanding(&self) -> Option<D::Ticket> {
        self.inner.outstanding()
    }

    fn failed(&mut self, failure: ConnectionFailure, turn: &mut Turn<'_, D::Shared>) -> D::Reason {
        match failure {
            ConnectionFailure::Dial(_) => self.is(Life::New),
            ConnectionFailure::Handshake(_) | ConnectionFailure::HandshakeTimeout => {
                self.is(Life::Securing);
            }
            ConnectionFailure::Socket(_) => {
                assert!(matches!(self.life, Life::Open | Life::Securing));
            }
        }
        self.life = Life::Ending;
        self.inner.failed(failure, turn)
    }

    fn entered(
        &mut self,
        id: ConnectionId,
        before: Lifecycle,
        now: Lifecycle,
        shared: &mut D::Shared,
    ) {
        self.inner.entered(id, before, now, shared);
    }

    fn begins_turn(&self, id: ConnectionId, budget: TurnBudget, shared: &D::Shared) -> TurnBudget {
        self.inner.begins_turn(id, budget, shared)
    }

    fn said(&self, id: ConnectionId, octets: &[u8], shared: &D::Shared) {
        self.inner.said(id, octets, shared);
    }

    fn closed(&mut self, reason: &D::Reason, summary: &Summary, shared: &mut D::Shared) {
        self.is(Life::Ending);
        self.life = Life::Closed;
        self.inner.closed(reason, summary, shared);
    }
}

impl<D: Driver> Drop for Checked<D> {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.is(Life::Closed);
        }
    }
}
