//! The echo server of the engine's front page as a driver, and one that takes every detour on its way.

use std::collections::BTreeSet;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mailoop::net::driver::{
    Close, ConnectionFailure, ConnectionId, Driver, Ending, Step, Turn, Wait,
};
use mailoop::net::lifecycle::Lifecycle;
use mailoop::net::link::{StartTls, TlsFacts};

use crate::prng::Prng;

/// What all of them work on.
#[derive(Default)]
pub struct Shared {
    pub tls: Option<Rc<dyn StartTls>>,
    /// Tickets that are to be answered.
    pub tickets: Vec<u32>,
    pub next_ticket: u32,
    /// The most output that was unsent.
    pub unsent_max: usize,
    pub failed: usize,
    /// From which stage of its life a connection went on to which.
    pub arrows: BTreeSet<(String, String)>,
}

/// What comes goes back. In some moods it does all that a driver may do in between.
pub struct Echo {
    moods: Option<Prng>,
    timer: Option<Instant>,
    iterations: u32,
    /// Whether input is outstanding only because of an answer that it waits for.
    ticket: Option<u32>,
    /// Octets that go back from this place.
    text: Vec<u8>,
}

impl Echo {
    /// As on the front page.
    pub fn plain() -> Self {
        Self {
            moods: None,
            timer: None,
            iterations: 0,
            ticket: None,
            text: Vec::new(),
        }
    }

    pub fn moody(rng: Prng) -> Self {
        Self {
            moods: Some(rng),
            ..Self::plain()
        }
    }

    /// Goes on with its text, if it has any.
    fn go_on(&self) -> Step<Self> {
        if self.text.is_empty() {
            Step::Continue
        } else {
            Step::Write
        }
    }

    fn detour(&mut self, turn: &mut Turn<'_, Shared>) -> Option<Step<Self>> {
        let rng = self.moods.as_mut()?;
        Some(match rng.below(15) {
            9 => Step::Flush,
            10 => Step::Write,
            11 => Step::WriteOut,
            0 => Step::Read,
            1 => Step::Wait(Wait::Input),
            2 => Step::Wait(Wait::Output),
            3 => Step::Wait(Wait::Turn),
            4 => {
                self.iterations = rng.size(3000) as u32;
                Step::Wait(Wait::Cpu)
            }
            5 => Step::Wait(Wait::Room),
            6 => {
                let ticket = turn.shared.next_ticket;
                // Sometimes the same one again.
                turn.shared.next_ticket += u32::from(rng.one_in(2));
                if turn.shared.tickets.contains(&ticket) {
                    return None;
                }
                turn.shared.tickets.push(ticket);
                self.ticket = Some(ticket);
                Step::Wait(Wait::Completion(ticket))
            }
            7 => {
                let time = Duration::from_millis(rng.size(5000) as u64);
                self.timer = Some(turn.now + time);
                Step::Wait(Wait::Timer)
            }
            8 => {
                turn.work.charge(rng.size(3000) as u32);
                return None;
            }
            _ => return None,
        })
    }
}

impl Driver for Echo {
    type Shared = Shared;
    type Ticket = u32;
    type Completion = u32;
    type Reason = io::Result<()>;

    fn opened(&mut self, turn: &mut Turn<'_, Shared>) -> Step<Self> {
        match &turn.shared.tls {
            Some(tls) => Step::StartTls(Rc::clone(tls), Duration::from_secs(3600)),
            None => self.detour(turn).unwrap_or(Step::Continue),
        }
    }

    fn secured(&mut self, _: &TlsFacts, turn: &mut Turn<'_, Shared>) -> Step<Self> {
        self.detour(turn).unwrap_or(Step::Continue)
    }

    fn input(&mut self, input: &mut &[u8], turn: &mut Turn<'_, Shared>) -> Step<Self> {
        if self.iterations > 0 {
            let done = self.iterations.min(*turn.iterations);
            *turn.iterations -= done;
            self.iterations -= done;
            if self.iterations > 0 {
                return Step::Wait(Wait::Cpu);
            }
        }
        let mut step = if input.is_empty() {
            None
        } else {
            self.detour(turn)
        };
        let mut count = input.len();
        if let (Some(rng), Some(Step::Wait(wait))) = (&mut self.moods, &step)
            && *wait != Wait::Input
        {
            // It is called again, and has to be given the rest then.
            count = rng.below(count + 1);
            if *wait == Wait::Output && count == 0 {
                step = None;
                count = input.len();
            }
        }
        let (back, rest) = input.split_at(count);
        *input = rest;
        if self.text.is_empty() && !matches!(step, Some(Step::Write | Step::WriteOut)) {
            turn.output.extend_from_slice(back);
        } else {
            self.text.extend_from_slice(back);
        }
        let unsent = turn.unsent + turn.output.len();
        turn.shared.unsent_max = turn.shared.unsent_max.max(unsent);
        step.unwrap_or(self.go_on())
    }

    fn unwritten(&self) -> &[u8] {
        &self.text
    }

    fn wrote(&mut self, count: usize, _: &mut Turn<'_, Shared>) -> Step<Self> {
        self.text.drain(..count);
        self.go_on()
    }

    fn eof(&mut self, _: &mut Turn<'_, Shared>) -> Step<Self> {
        if !self.text.is_empty() {
            return self.go_on();
        }
        let mut close = Close::after_eof(Ok(()));
        if let Some(rng) = &mut self.moods {
            close.ending = rng.pick(&[Ending::Close, Ending::Linger, Ending::LingerUnlessIdle]);
            close.flush_timeout = Duration::from_secs(3600);
        }
        Step::Close(close)
    }

    fn entered(&mut self, _: ConnectionId, before: Lifecycle, now: Lifecycle, shared: &mut Shared) {
        let arrow = (before.to_string(), now.to_string());
        shared.arrows.insert(arrow);
    }

    fn completed(&mut self, completion: u32, _: &mut Turn<'_, Shared>) -> Step<Self> {
        assert_eq!(
            self.ticket.take(),
            Some(completion),
            "the answer of another"
        );
        Step::Continue
    }

    fn deadline(&self, _: &Shared) -> Option<Instant> {
        self.timer
    }

    fn expired(&mut self, _: &mut Turn<'_, Shared>) -> Option<Step<Self>> {
        self.timer = None;
        Some(Step::Continue)
    }

    fn failed(
        &mut self,
        failure: ConnectionFailure,
        turn: &mut Turn<'_, Shared>,
    ) -> io::Result<()> {
        turn.shared.failed += 1;
        Err(failure.into())
    }
}
