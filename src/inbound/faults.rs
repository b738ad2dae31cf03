//! Faults by rule: what a client has come to is put before the rules, and what they decide is done.
//!
//! A server without rules pays a comparison for each such step. What a rule delays is kept as it is, with the rule, until a timer of
//! the connection goes off; nothing is read from its client meanwhile, and nobody else waits.

mod log;

use std::rc::Rc;

use super::connection::{Inbound, InboundStep, InboundTurn, OpeningStage, ends};
use super::judged::{ClientStep, Judged};
use super::shared::Shared;
use super::timeouts::Timer;
use crate::net::driver::{Step, Wait};
use crate::smtp::envelope::Envelope;
use crate::smtp::event::{CloseReason, Limit, Phase};
use crate::smtp::faults::{FaultOutcome, FaultRule, FaultSubject, rule_of};
use crate::smtp::login::{LoginAttempt, LoginVerdict};
use crate::smtp::path::ReversePath;
use crate::smtp::reply::{self, Reply};

/// The work of comparing a step with one rule, in the units of the engine's budget.
const RULE_WORK: u32 = 4;

impl Inbound {
    /// Tells the session whether it is to ask about what it would answer by itself.
    pub(super) fn prepare(&mut self, shared: &Shared) {
        self.session
            .ask_about_hello(shared.has_faults() || self.has_filters());
    }

    /// Goes on with what a client has come to, as the rules have it. Some lead to the end of the connection.
    pub(super) fn judge(
        &mut self,
        judged: Judged,
        turn: &mut InboundTurn<'_>,
    ) -> Option<InboundStep> {
        if let Judged::Sender(_) = judged {
            self.faults.begin_transaction();
        }
        let Some(rule) = self.deciding_rule(&judged, turn) else {
            self.proceed(judged, turn);
            return None;
        };
        if rule.delay().is_zero() {
            return self.carry_out(rule, judged, turn);
        }
        // Between transactions a session has no time beyond that of its connection.
        let end = turn.now + rule.delay();
        let end = match self.session.phase() {
            Phase::Idle => self.timeouts.within_session(end, &turn.shared.rules.limits),
            _ => end,
        };
        self.timeouts.start(Timer::Fault, end);
        self.faults.0.get_or_insert_default().delayed = Some((rule, judged));
        None
    }

    /// Whether something is delayed by a rule.
    pub(super) fn is_delayed(&self) -> bool {
        self.faults.is_delayed()
    }

    /// Goes on with what a rule has delayed, if its time has come.
    pub(super) fn resume_judged(&mut self, turn: &mut InboundTurn<'_>) -> Option<InboundStep> {
        let (rule, judged) = self.faults.take_delayed()?;
        // Meanwhile the session may have been ended.
        if self.session.phase() == Phase::Closing {
            return None;
        }
        let step = self.carry_out(rule, judged, turn);
        self.note_progress(turn);
        step
    }

    /// Greets a client, or does what a rule has in place of that.
    pub(super) fn open_session(
        &mut self,
        input: &mut &[u8],
        turn: &mut InboundTurn<'_>,
    ) -> InboundStep {
        let talked_early = !input.is_empty();
        if self.awaited_verdict().is_some() {
            return self.drive(input, turn);
        }
        if self.is_delayed() {
            if self.is_held(turn) && !ends(turn.drain, Phase::Idle) {
                return Step::Wait(Wait::Timer);
            }
            self.timeouts.stop_timer();
            if let Some((rule, _)) = self.faults.take_delayed()
                && let Some(step) = self.carry_out(rule, Judged::Greeting(talked_early), turn)
            {
                return step;
            }
            self.timeouts.progress(turn.now);
        } else if let Some(step) = self.judge(Judged::Greeting(talked_early), turn) {
            return step;
        } else if self.is_delayed() {
            return Step::Wait(Wait::Timer);
        }
        self.drive(input, turn)
    }

    /// The rule that decides on this step, if one does.
    fn deciding_rule(&self, judged: &Judged, turn: &mut InboundTurn<'_>) -> Option<Rc<FaultRule>> {
        if !turn.shared.has_faults() {
            return None;
        }
        let rules = u32::try_from(turn.shared.faults.all().len()).unwrap_or(u32::MAX);
        turn.work.charge(rules.saturating_mul(RULE_WORK));
        let peer = turn.peer();
        let ip = peer
            .ip()
            .map_or_else(|| peer.to_string(), |ip| ip.to_string());
        let envelope = match judged {
            Judged::Sender(transaction) => Some(&transaction.envelope),
            _ => self.session.envelope(),
        };
        let from = envelope.map_or(String::new(), |envelope| sender(&envelope.reverse_path));
        let names = match judged {
            Judged::Greeting(_) => vec![ip.clone()],
            Judged::Hello(hello) => vec![hello.name.to_string()],
            Judged::Login(attempt) => vec![attempt.user.clone()],
            Judged::Sender(_) => vec![from.clone()],
            Judged::Recipient(recipient) => vec![recipient.address.to_string()],
            Judged::Message | Judged::End => envelope.map_or(Vec::new(), recipients),
        };
        let subject = FaultSubject {
            place: judged.place(),
            names: &names,
            ip: &ip,
            from: &from,
        };
        let decided = turn.shared.faults.decide(subject, turn.now);
        let Some(probe) = &turn.shared.probe else {
            return decided;
        };
        // Counts depend on other connections, which a replay may lack: it goes by what was decided.
        let own = decided.as_deref().map(ToString::to_string);
        let told = probe.decided(turn.id, own.clone());
        if told == own {
            return decided;
        }
        let told = told?;
        told.parse()
            .map_or_else(|_| rule_of(&told), |rule| Some(Rc::new(rule)))
    }

    /// Does what a rule has decided.
    fn carry_out(
        &mut self,
        rule: Rc<FaultRule>,
        judged: Judged,
        turn: &mut InboundTurn<'_>,
    ) -> Option<InboundStep> {
        match rule.outcome() {
            FaultOutcome::Proceed => self.proceed(judged, turn),
            FaultOutcome::Drop => self.drop_judged(rule, judged, turn),
            FaultOutcome::Reply { .. } => self.refuse_judged(&rule, &judged, turn),
            FaultOutcome::Close => {
                self.log_fault(&judged, &rule, turn);
                return Some(self.close(CloseReason::Limit(Limit::Rule), turn));
            }
        }
        None
    }

    /// Goes on as without rules.
    fn proceed(&mut self, judged: Judged, turn: &mut InboundTurn<'_>) {
        match judged {
            Judged::Greeting(talked_early) => {
                self.filter(ClientStep::Greeting(talked_early), turn);
            }
            Judged::Hello(hello) => self.filter(ClientStep::Hello(hello), turn),
            Judged::Login(attempt) => self.end_login(&attempt, turn),
            Judged::Sender(transaction) => self.check_room(transaction, turn),
            Judged::Recipient(recipient) => self.check_recipient(recipient, turn),
            Judged::Message => self.filter(ClientStep::Message(None), turn),
            Judged::End => self.end_message(turn),
        }
    }

    /// Hands a complete message over, unless it is to be dropped.
    fn end_message(&mut self, turn: &mut InboundTurn<'_>) {
        let envelope = self.session.envelope();
        let recipients = envelope.map_or(0, |envelope| envelope.recipients.len());
        let Some(rule) = self.faults.dropping(recipients).cloned() else {
            return self.filter(ClientStep::End, turn);
        };
        self.log_fault(&Judged::End, &rule, turn);
        self.abort_message(&mut *turn.shared.store);
        if let Some(transaction) = self.session.stored(Ok(()), turn.output) {
            self.session.reuse(transaction);
        }
    }

    /// Goes on as without rules, but keeps nothing of what this is about.
    fn drop_judged(&mut self, rule: Rc<FaultRule>, judged: Judged, turn: &mut InboundTurn<'_>) {
        let recipients = self
            .session
            .envelope()
            .map(|envelope| envelope.recipients.len());
        let decided = self.faults.0.get_or_insert_default();
        match judged {
            Judged::Greeting(_) | Judged::Hello(_) | Judged::Login(_) => {
                decided.drops_session = Some(rule);
            }
            Judged::Recipient(recipient) => {
                decided.drops_recipient = Some(Rc::clone(&rule));
                decided.dropped_recipients.extend(recipients);
                let judged = Judged::Recipient(recipient);
                self.log_fault(&judged, &rule, turn);
                if let Judged::Recipient(recipient) = judged {
                    self.session.accept_recipient(recipient, 0, turn.output);
                }
                return;
            }
            Judged::Sender(_) | Judged::Message | Judged::End => {
                decided.drops_message = Some(rule);
            }
        }
        self.proceed(judged, turn);
    }

    /// Refuses with the reply of a rule.
    fn refuse_judged(&mut self, rule: &Rc<FaultRule>, judged: &Judged, turn: &mut InboundTurn<'_>) {
        self.log_fault(judged, rule, turn);
        self.session.set_fault(Rc::clone(rule));
        match judged {
            Judged::Greeting(_) => {
                self.stage = OpeningStage::Session;
                self.session.refuse_client(reply::BY_RULE, turn.output);
            }
            Judged::Hello(_) => self.session.refuse_hello(reply::BY_RULE, turn.output),
            Judged::Login(_) => self.session.refuse_login(turn.output),
            Judged::Sender(_) | Judged::Recipient(_) | Judged::Message => {
                self.session.refuse(reply::BY_RULE, turn.output);
            }
            Judged::End => {
                self.abort_message(&mut *turn.shared.store);
                if let Some(transaction) = self.session.stored(Err(reply::BY_RULE), turn.output) {
                    self.session.reuse(transaction);
                }
            }
        }
    }

    /// Tells the client what a login came to, at once or after the tarpit.
    fn end_login(&mut self, attempt: &LoginAttempt, turn: &mut InboundTurn<'_>) {
        self.note_login(attempt, turn);
        if attempt.verdict == LoginVerdict::LoggedIn {
            self.session.log_in(turn.output);
        }
    }

    /// The envelope as the store is to know it, where some recipients are dropped and others are not.
    pub(super) fn kept_envelope(&self) -> Option<Envelope> {
        let dropped = self.faults.dropped_recipients();
        let envelope = self.session.envelope()?;
        if dropped.is_empty() || dropped.len() == envelope.recipients.len() {
            return None;
        }
        let mut kept = envelope.clone();
        let mut index = 0;
        kept.recipients.retain(|_| {
            index += 1;
            !dropped.contains(&(index - 1))
        });
        Some(kept)
    }

    /// What of these recipients the store knows nothing of, put among what it says of the others.
    pub(super) fn with_dropped<E>(&self, mut results: Vec<Result<(), E>>) -> Vec<Result<(), E>> {
        for index in self.faults.dropped_recipients() {
            results.insert((*index).min(results.len()), Ok(()));
        }
        results
    }
}

/// Whether a reply is that of a rule, which has its own line in the log.
pub(super) fn is_by_rule(reply: Reply) -> bool {
    reply == reply::BY_RULE
}

/// The sender as rules see it.
fn sender(path: &ReversePath) -> String {
    match path {
        ReversePath::Null => "<>".to_owned(),
        ReversePath::Mailbox(mailbox) => mailbox.to_string(),
    }
}

/// The recipients as rules see them.
fn recipients(envelope: &Envelope) -> Vec<String> {
    let recipients = envelope.recipients.iter();
    recipients
        .map(|recipient| recipient.address.to_string())
        .collect()
}
