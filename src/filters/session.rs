//! All that the filters of one client are told and have decided: each step goes to one after the other, until one refuses it.

mod asked;
mod replies;

use std::rc::Rc;
use std::time::Instant;

use super::answers::FilterAnswer;
use super::content::{ContentPass, MessageText, PassContext};
use super::desk::{FilterDesk, FilterExchangeId};
use super::log::FilterLog;
use super::requests::{FilterSessionId, MacroValues, SessionStep};
use super::settings::{FilterSettings, FilterTarget};
use super::verdict::{EnvelopeChanges, FilterVerdict};
use crate::milter::client::StepOutcome;
use crate::milter::macros::FilterMacros;
use crate::smtp::reply::GivenReply;
use crate::store::Ticket;
use crate::store::hold::{Hold, HoldAnswer};
use asked::{AskedContent, AskedStep, tell};

/// The filters of one session, in the order in which they are asked.
pub(super) struct FilterSession {
    id: FilterSessionId,
    settings: Rc<FilterSettings>,
    filters: Vec<AskedFilter>,
    macros: FilterMacros,
    asked: Option<PresentStep>,
    /// Whether it waits for room where a new body is put aside.
    is_held_back: bool,
    log: FilterLog,
}

/// What one filter has to do with a session.
struct AskedFilter {
    target: Rc<FilterTarget>,
    exchange: Option<FilterExchangeId>,
    stance: Stance,
}

/// What a filter has decided beyond the present step.
#[derive(Clone)]
enum Stance {
    /// The filter is asked about each step.
    Asks,
    /// The filter wants to see no more of this message.
    AcceptsMessage,
    /// The filter wants to see no more of this client, or is not there and need not be.
    AcceptsClient,
    /// The filter refuses whatever comes from this client, or is not there and has to be.
    Refuses(Rc<GivenReply>),
}

/// A step that waits for a verdict.
struct PresentStep {
    ticket: Ticket,
    step: AskedStep,
    /// The filter that is asked now.
    at: usize,
    /// Whether that filter was told of the step, and has to reply.
    is_told: bool,
    /// When a filter first had progress instead of a verdict.
    progressed: Option<Instant>,
}

/// All that a session works with, once a tick.
pub(super) struct FilterWork<'a> {
    pub(super) desk: &'a mut FilterDesk,
    pub(super) hold: &'a mut Hold,
    /// Connections to be made.
    pub(super) dials: &'a mut Vec<(FilterExchangeId, Rc<FilterTarget>)>,
    pub(super) answers: &'a mut Vec<FilterAnswer>,
    pub(super) now: Instant,
}

/// The next need of a session.
enum AskProgress {
    /// The filter has to reply, or to be there.
    Waits,
    /// The filter has replied, and may have more to say or to be told.
    Goes,
    /// The next filter is asked.
    Passed,
    /// The step is decided.
    Decided(FilterVerdict),
}

impl FilterSession {
    pub(super) fn new(
        id: FilterSessionId,
        settings: Rc<FilterSettings>,
        targets: Vec<Rc<FilterTarget>>,
        log: FilterLog,
    ) -> Self {
        let filters = targets.into_iter().map(|target| AskedFilter {
            target,
            exchange: None,
            stance: Stance::Asks,
        });
        Self {
            id,
            settings,
            filters: filters.collect(),
            macros: FilterMacros::default(),
            asked: None,
            is_held_back: false,
            log,
        }
    }

    pub(super) fn settings(&self) -> &FilterSettings {
        &self.settings
    }

    /// Whether filters look at a message now.
    pub(super) fn is_looking(&self) -> bool {
        let step = self.asked.as_ref().map(|asked| &asked.step);
        matches!(step, Some(AskedStep::Content(_)))
    }

    /// Whether it goes on only once there is room again where a new body is put aside.
    pub(super) fn is_held_back(&self) -> bool {
        self.is_held_back
    }

    /// Takes what was read of the message, if it is of this one. Gives it back otherwise.
    pub(super) fn take_answer(&mut self, answer: HoldAnswer) -> Option<HoldAnswer> {
        match &mut self.asked {
            Some(PresentStep {
                step: AskedStep::Content(content),
                ..
            }) => content.text.take_answer(answer),
            _ => Some(answer),
        }
    }

    /// Takes a step on which a verdict is wanted.
    pub(super) fn ask(&mut self, ticket: Ticket, macros: MacroValues, step: SessionStep) {
        if let SessionStep::Hello(_) = step {
            self.forget_message();
        }
        if let SessionStep::Sender(_) = step {
            self.forget_message();
            for name in ["auth_type", "auth_authen"] {
                self.macros.clear(name);
            }
        }
        for (name, value) in macros {
            self.macros.set(name, value.as_bytes());
        }
        debug_assert!(
            self.asked.is_none(),
            "one step at a time waits for a verdict"
        );
        let step = match step {
            SessionStep::Message(held) => AskedStep::Content(Box::new(AskedContent {
                text: MessageText::new(held),
                envelope: EnvelopeChanges::default(),
                quarantine: None,
                pass: None,
            })),
            step => AskedStep::Command(step),
        };
        self.asked = Some(PresentStep {
            ticket,
            step,
            at: 0,
            is_told: false,
            progressed: None,
        });
    }

    /// The transaction is over: all are asked about the next one.
    pub(super) fn abort(&mut self, work: &mut FilterWork<'_>) {
        self.give_up(work.hold);
        self.forget_message();
        for filter in &self.filters {
            if let Some(exchange) = filter.exchange {
                work.desk.abort(exchange, work.now);
            }
        }
    }

    /// The session is over.
    pub(super) fn close(mut self, work: &mut FilterWork<'_>) {
        self.give_up(work.hold);
        for filter in &self.filters {
            if let Some(exchange) = filter.exchange {
                work.desk.leave(exchange);
            }
        }
    }

    /// Drops the step that waits for a verdict, which nobody wants any more.
    fn give_up(&mut self, hold: &mut Hold) {
        if let Some(PresentStep {
            step: AskedStep::Content(content),
            ..
        }) = self.asked.take()
        {
            content.drop_from(hold);
        }
    }

    fn forget_message(&mut self) {
        self.macros.clear("i");
        for filter in &mut self.filters {
            if let Stance::AcceptsMessage = filter.stance {
                filter.stance = Stance::Asks;
            }
        }
    }

    /// Goes on as far as the filters have replied.
    pub(super) fn run(&mut self, work: &mut FilterWork<'_>) {
        self.is_held_back = false;
        while let Some(asked) = &self.asked {
            if asked.at >= self.filters.len() {
                self.decide(None, work);
                return;
            }
            match self.advance(work) {
                AskProgress::Waits => return,
                AskProgress::Goes => {}
                AskProgress::Passed => {
                    if let Some(asked) = &mut self.asked {
                        asked.at += 1;
                        asked.is_told = false;
                    }
                }
                AskProgress::Decided(verdict) => return self.decide(Some(verdict), work),
            }
        }
    }

    /// Tells the verdict; without one all filters let the step pass.
    fn decide(&mut self, verdict: Option<FilterVerdict>, work: &mut FilterWork<'_>) {
        let Some(asked) = self.asked.take() else {
            return;
        };
        let verdict = match (asked.step, verdict) {
            (AskedStep::Content(content), None) => content.passed(),
            (AskedStep::Content(content), Some(verdict)) => {
                content.drop_from(work.hold);
                verdict
            }
            (AskedStep::Command(_), Some(verdict)) => verdict,
            (AskedStep::Command(_), None) => FilterVerdict::Pass {
                sees_message: self.sees_message(),
            },
        };
        let answer = FilterAnswer::Verdict(self.id, asked.ticket, verdict);
        work.answers.push(answer);
    }

    /// Whether a filter wants to see the message: it is asked at its end at least.
    fn sees_message(&self) -> bool {
        let mut filters = self.filters.iter();
        filters.any(|filter| matches!(filter.stance, Stance::Asks))
    }

    /// Goes on with the filter that is asked now.
    fn advance(&mut self, work: &mut FilterWork<'_>) -> AskProgress {
        let Some(asked) = &mut self.asked else {
            return AskProgress::Waits;
        };
        let filter = &mut self.filters[asked.at];
        match &filter.stance {
            Stance::Asks => {}
            Stance::AcceptsMessage | Stance::AcceptsClient => return AskProgress::Passed,
            Stance::Refuses(reply) => {
                return AskProgress::Decided(FilterVerdict::Refuse(Rc::clone(reply)));
            }
        }
        let exchange = match filter.exchange {
            Some(exchange) => exchange,
            None => {
                let exchange = work.desk.begin(self.id);
                work.dials.push((exchange, Rc::clone(&filter.target)));
                *filter.exchange.insert(exchange)
            }
        };
        if let Some(fault) = work.desk.fault(exchange) {
            return self.fail(&fault, work);
        }
        let progressed = match (&mut asked.step, asked.is_told) {
            (AskedStep::Content(content), _) => {
                let timeout = self.settings.content_timeout;
                let mut context = PassContext {
                    desk: work.desk,
                    hold: work.hold,
                    exchange,
                    macros: &self.macros,
                    deadline: work.now + timeout,
                };
                let AskedContent { text, pass, .. } = &mut **content;
                let pass = pass.get_or_insert_with(ContentPass::default);
                pass.advance(text, &mut context)
            }
            (AskedStep::Command(step), false) => {
                let ready = work.desk.client(exchange);
                if ready.is_some_and(|client| !client.is_negotiating()) {
                    let deadline = work.now + self.settings.command_timeout;
                    let told = tell(step, exchange, work.desk, &self.macros, deadline);
                    if told != Some(StepOutcome::Awaited) {
                        return AskProgress::Passed;
                    }
                    asked.is_told = true;
                }
                Ok(None)
            }
            (AskedStep::Command(_), true) => Ok(None),
        };
        match progressed {
            Err(fault) => self.fail_content(&fault, work),
            Ok(Some(end)) => self.end_content(end, work),
            Ok(None) => self.take_replies(exchange, work),
        }
    }
}
