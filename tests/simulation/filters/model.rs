//! The model of a session: how each step is to be answered by what its filters have decided, one after the other and all at once.

use std::collections::VecDeque;

use mailoop::filters::settings::FilterDefault;

use super::acts::{Act, Outcome, Verdict};
use super::filter::{Agreed, Service, Told};
use super::message::Message;

/// Why the model knows no more: something happened of which nobody can tell how far it had come.
#[derive(Debug)]
pub struct Unknown;

/// What a step comes to.
#[derive(Clone, Debug)]
pub enum Decision {
    Pass,
    Discard,
    Refuse(u16, String),
}

/// What is known of one filter.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stance {
    Asks,
    AcceptsMessage,
    AcceptsClient,
    Refuses(u16, String),
}

/// A filter, as the model sees it.
pub struct ModelFilter {
    agreed: Agreed,
    told: VecDeque<Told>,
    /// Whether it was ever told for whom it works.
    is_known: bool,
    is_doubtful: bool,
    has_stalled: bool,
    stance: Stance,
    skipped: Option<u8>,
    is_message_done: bool,
    /// Whether the model came to it without its being known.
    pub was_missing: bool,
    /// Whether it may have been told less than the model has it.
    pub is_lenient: bool,
}

/// What came of a step at one filter.
enum Said {
    /// It was not told, or has no say.
    Nothing,
    Fault,
    Act(Act, Verdict),
}

impl ModelFilter {
    /// A filter with the connections on which it worked for the client; with each, what was agreed on, and whether it does not read any
    /// more.
    pub fn new(mut services: Vec<(Agreed, &Service, bool)>) -> Self {
        // One that is lost with the first step, and had served another client before, may have been lost since.
        services.retain(|(agreed, service, _)| {
            let may_be_lost = agreed.answers_first() && service.is_reused && !service.is_doubtful;
            !may_be_lost || !service.is_lost_at_first()
        });
        assert!(services.len() < 2, "a filter is asked twice for one client");
        let known = services.pop();
        let none = Agreed {
            version: 6,
            actions: 0,
            protocol: 0,
        };
        Self {
            agreed: known.map_or(none, |(agreed, ..)| agreed),
            told: known.map_or(VecDeque::new(), |(_, it, _)| {
                it.told.iter().cloned().collect()
            }),
            is_known: known.is_some(),
            is_doubtful: known.is_some_and(|(_, service, _)| service.is_doubtful),
            has_stalled: known.is_some_and(|(.., has_stalled)| has_stalled),
            stance: Stance::Asks,
            skipped: None,
            is_message_done: false,
            was_missing: false,
            is_lenient: false,
        }
    }

    fn takes(&self, letter: u8) -> bool {
        let is_of_message = !matches!(letter, b'C' | b'H' | b'M');
        self.agreed.wants(letter)
            && self.skipped != Some(letter)
            && !(is_of_message && self.is_message_done)
    }

    /// Tells a step, of which this is to be heard.
    fn tell(&mut self, letter: u8, data: &[u8]) -> Result<Said, Unknown> {
        if !self.is_known {
            self.was_missing = true;
            return Ok(Said::Fault);
        }
        if self.is_doubtful {
            return Err(Unknown);
        }
        if letter == b'H' || letter == b'M' {
            self.begin_message();
        }
        if !self.takes(letter) {
            // A step that it might have been told ends a skip.
            if self.skipped != Some(letter) && !(letter == b'T' && self.agreed.version < 4) {
                self.skipped = if self.is_message_done {
                    self.skipped
                } else {
                    None
                };
            }
            return Ok(Said::Nothing);
        }
        self.skipped = None;
        let shown = |data: &[u8]| data[..data.len().min(200)].escape_ascii().to_string();
        let is_told = |told: &Told| told.letter == letter && (letter == b'C' || told.data == data);
        if self.is_lenient && !self.told.front().is_some_and(is_told) {
            return Err(Unknown);
        }
        let Some(told) = self.told.pop_front() else {
            assert!(self.has_stalled, "{} is not told", char::from(letter));
            return Ok(match self.agreed.replies(letter) {
                true => Said::Fault,
                false => Said::Nothing,
            });
        };
        assert!(
            is_told(&told),
            "{} {} is told instead of {} {}",
            char::from(told.letter),
            shown(&told.data),
            char::from(letter),
            shown(data)
        );
        let Some(act) = told.act else {
            return Ok(Said::Nothing);
        };
        match act.outcome.clone() {
            Outcome::Unasked => Err(Unknown),
            Outcome::Fault => Ok(Said::Fault),
            Outcome::Verdict(verdict) => {
                self.note(letter, &verdict);
                Ok(Said::Act(act, verdict))
            }
        }
    }

    fn note(&mut self, letter: u8, verdict: &Verdict) {
        let is_of_client = matches!(letter, b'C' | b'H');
        match verdict {
            Verdict::Accept if is_of_client => self.stance = Stance::AcceptsClient,
            Verdict::Accept => self.stance = Stance::AcceptsMessage,
            Verdict::Discard => self.stance = Stance::AcceptsMessage,
            Verdict::Shutdown => self.stance = Stance::Refuses(421, CLOSING.to_owned()),
            Verdict::Refuse(code, text) if is_of_client => {
                self.stance = Stance::Refuses(*code, text.clone());
            }
            Verdict::Refuse(..) => self.is_message_done |= letter != b'R',
            Verdict::Skip => self.skipped = Some(letter),
            Verdict::Continue => {}
        }
        if letter == b'E' {
            self.is_message_done = false;
            self.skipped = None;
            if self.stance == Stance::Asks && *verdict == Verdict::Continue {
                self.stance = Stance::AcceptsMessage;
            }
        }
    }

    fn begin_message(&mut self) {
        self.is_message_done = false;
        self.skipped = None;
        if self.stance == Stance::AcceptsMessage {
            self.stance = Stance::Asks;
        }
    }

    /// Tells all of a message, up to the first thing that ends it.
    fn tell_message(&mut self, message: &mut Message) -> Result<Said, Unknown> {
        let ends = |said: &Said| !matches!(said, Said::Nothing | Said::Act(_, Verdict::Continue));
        for field in message.told_fields(self.agreed.has_leading_space()) {
            if !self.takes(b'L') {
                break;
            }
            let said = self.tell(b'L', &field)?;
            if let Said::Act(_, Verdict::Skip) = said {
                break;
            }
            if ends(&said) {
                return Ok(said);
            }
        }
        let said = self.tell(b'N', b"")?;
        if ends(&said) && !matches!(said, Said::Act(_, Verdict::Skip)) {
            return Ok(said);
        }
        let mut rest = message.body();
        while !rest.is_empty() && self.takes(b'B') {
            let next = self.told.front();
            let length = next.map_or(rest.len(), |told| told.data.len().clamp(1, rest.len()));
            let (piece, others) = rest.split_at(length);
            rest = others;
            let said = self.tell(b'B', piece)?;
            if ends(&said) && !matches!(said, Said::Act(_, Verdict::Skip)) {
                return Ok(said);
            }
        }
        self.tell(b'E', b"")
    }
}

const CLOSING: &str = "4.7.0 Server closing connection";

/// The filters of one session, in their order.
pub struct ModelFilters {
    pub filters: Vec<ModelFilter>,
    pub default: FilterDefault,
}

impl ModelFilters {
    fn fail(&mut self, at: usize) -> Option<Decision> {
        let (code, text) = match self.default {
            FilterDefault::Accept => {
                self.filters[at].stance = Stance::AcceptsClient;
                return None;
            }
            FilterDefault::Tempfail => (451, "4.7.1 Service unavailable - try again later"),
            FilterDefault::Reject => (550, "5.5.0 Service unavailable"),
        };
        self.filters[at].stance = Stance::Refuses(code, text.to_owned());
        Some(Decision::Refuse(code, text.to_owned()))
    }

    /// The transaction is over.
    pub fn abort(&mut self) {
        self.filters.iter_mut().for_each(ModelFilter::begin_message);
    }

    /// Whether they may have been told less than the model has it.
    pub fn be_lenient(&mut self, is_lenient: bool) {
        for filter in &mut self.filters {
            filter.is_lenient = is_lenient;
        }
    }

    /// Whether one of them is to see the message.
    pub fn sees_message(&self) -> bool {
        self.filters.iter().any(|it| it.stance == Stance::Asks)
    }

    /// Puts a command before them.
    pub fn ask(&mut self, letter: u8, data: &[u8]) -> Result<Decision, Unknown> {
        if matches!(letter, b'H' | b'M') {
            self.abort();
        }
        self.each(|filter| filter.tell(letter, data), |_, _, _| {})
            .map(|(decision, _)| decision)
    }

    /// Puts a message before them, which they change. Whether it is to be held.
    pub fn see(&mut self, message: &mut Message) -> Result<(Decision, bool), Unknown> {
        let changed = std::cell::RefCell::new(message);
        self.each(
            |filter| filter.tell_message(&mut changed.borrow_mut()),
            |filter, act, verdict| {
                if matches!(verdict, Verdict::Accept | Verdict::Continue) {
                    let has_leading_space = filter.agreed.has_leading_space();
                    changed.borrow_mut().change(&act.changes, has_leading_space);
                }
            },
        )
    }

    fn each(
        &mut self,
        mut tell: impl FnMut(&mut ModelFilter) -> Result<Said, Unknown>,
        mut accepted: impl FnMut(&ModelFilter, &Act, &Verdict),
    ) -> Result<(Decision, bool), Unknown> {
        let mut quarantines = false;
        for at in 0..self.filters.len() {
            let filter = &mut self.filters[at];
            match &filter.stance {
                Stance::AcceptsMessage | Stance::AcceptsClient => continue,
                Stance::Refuses(code, text) => {
                    return Ok((Decision::Refuse(*code, text.clone()), false));
                }
                Stance::Asks => {}
            }
            let decision = match tell(filter)? {
                Said::Nothing => continue,
                Said::Fault => self.fail(at),
                Said::Act(_, Verdict::Refuse(code, text)) => Some(Decision::Refuse(code, text)),
                Said::Act(_, Verdict::Shutdown) => Some(Decision::Refuse(421, CLOSING.to_owned())),
                Said::Act(_, Verdict::Discard) => Some(Decision::Discard),
                Said::Act(act, verdict) => {
                    quarantines |= act.quarantines;
                    accepted(filter, &act, &verdict);
                    None
                }
            };
            if let Some(decision) = decision {
                return Ok((decision, false));
            }
        }
        Ok((Decision::Pass, quarantines))
    }
}
