//! The session is driven: input becomes commands and text, and what the session asks for is done.

use std::mem;

use smallvec::{SmallVec, smallvec};

use super::connection::{Inbound, InboundStep, InboundTurn, Message, ends};
use super::faults::is_by_rule;
use super::filtering::is_by_filter;
use super::judged::{ClientStep, Judged};
use super::observed::tell_used;
use super::work::work_of;
use crate::net::driver::{Step, Wait};
use crate::smtp::envelope::QueueId;
use crate::smtp::event::{Event, Phase};
use crate::smtp::reply::{self, Reply};
use crate::smtp::transaction::Transaction;
use crate::store::{Failure, Outcome, Store, Ticket};

impl Inbound {
    /// Tells the state of the session where debug assertions are on: tests see which ways sessions go.
    pub(super) fn trace_state(&self, turn: &InboundTurn<'_>) {
        self.tell_state(turn);
        if cfg!(debug_assertions) {
            log::trace!(target: "mailoop::state", "{} {}", turn.id, self.session.state_name());
        }
    }

    /// Drives the session as far as its input and replies allow, and does what it asks for.
    pub(super) fn drive(&mut self, input: &mut &[u8], turn: &mut InboundTurn<'_>) -> InboundStep {
        self.prepare(turn.shared);
        loop {
            if let Some(step) = self.wait_or_resume(turn) {
                return step;
            }
            let phase = self.session.phase();
            let before = *input;
            let content = self.watched_content(turn);
            let event = self.session.next(input, turn.output);
            turn.work.charge(work_of(&event));
            let used = &before[..before.len() - input.len()];
            tell_used(content, &event, used, turn);
            self.filtering.note_parameters(&event, used);
            let is_command = is_command(&event);
            let mut judged = None;
            match event {
                Event::NeedInput => {
                    // Octets of a message that may yet be its end, or half a line end, are progress as well.
                    if phase == Phase::Message && !used.is_empty() {
                        self.timeouts.progress(turn.now);
                    }
                    return Step::Continue;
                }
                Event::Answered | Event::BeginChunk | Event::Withheld | Event::Discarded => {}
                Event::CommandRefused(reply) => {
                    self.note_refused_command(used, reply, turn);
                }
                Event::Text(text) => {
                    if let Message::Open(draft) = &mut self.message
                        && let Err(failure) =
                            self.filtering.write(draft, text, &mut *turn.shared.store)
                    {
                        self.refuse_text(&failure, turn);
                    }
                }
                Event::DeriveKey if *turn.iterations == 0 => return Step::Wait(Wait::Cpu),
                Event::DeriveKey => self.session.derive_key(turn.iterations),
                Event::AbortMessage => self.abort_message(&mut *turn.shared.store),
                Event::Refused(transaction, reply) => {
                    self.end_refused(transaction, reply, turn);
                }
                Event::Identified(client) => return self.begin_anew(&client, turn),
                Event::StartTls => {
                    if let Some(step) = self.accept_tls(turn) {
                        return step;
                    }
                }
                Event::Close(reason) => return self.close(reason, turn),
                #[cfg(feature = "milter")]
                Event::CheckUnknown => self.filter(ClientStep::Unknown(used.into()), turn),
                #[cfg(not(feature = "milter"))]
                Event::CheckUnknown => debug_assert!(false, "no session asks about that"),
                Event::CheckHello(hello) => judged = Some(Judged::Hello(hello)),
                Event::Login(attempt) => judged = Some(Judged::Login(attempt)),
                Event::CheckRoom(transaction) => judged = Some(Judged::Sender(transaction)),
                Event::CheckRecipient(recipient) => judged = Some(Judged::Recipient(recipient)),
                Event::BeginMessage => judged = Some(Judged::Message),
                Event::EndOfMessage => judged = Some(Judged::End),
            }
            if let Some(judged) = judged
                && let Some(step) = self.judge(judged, turn)
            {
                return step;
            }
            let command_octets = if is_command { used.len() } else { 0 };
            self.note_step(phase, command_octets, turn);
        }
    }

    /// Notes what a step in this `phase` was, with so many octets of a command.
    fn note_step(&mut self, phase: Phase, command_octets: usize, turn: &mut InboundTurn<'_>) {
        self.note_transaction(turn.shared);
        self.timeouts.progress(turn.now);
        if phase == Phase::Message {
            // Between chunks a command is no part of the message, which is to keep its least rate.
            self.timeouts.discount(command_octets);
        }
        if self.session.phase() != phase {
            self.timeouts.enter_phase(turn.now, turn.bytes_in);
        }
    }

    /// Waits for what the session waits for, or goes on with what a rule has delayed, until the session is to be driven on.
    fn wait_or_resume(&mut self, turn: &mut InboundTurn<'_>) -> Option<InboundStep> {
        loop {
            if let Some(wait) = self.wait(self.session.phase(), turn) {
                return Some(Step::Wait(wait));
            }
            if self.is_on_its_way() {
                match self.release(turn) {
                    Some(wait) => return Some(Step::Wait(wait)),
                    // Now it waits for the store.
                    None => continue,
                }
            }
            if !self.is_delayed() {
                return None;
            }
            if let Some(step) = self.resume_judged(turn) {
                return Some(step);
            }
        }
    }

    /// A message that was refused has come to its end. What a rule refused is in the log already.
    fn end_refused(
        &mut self,
        transaction: Box<Transaction>,
        reply: Reply,
        turn: &mut InboundTurn<'_>,
    ) {
        if !is_by_rule(reply) && !is_by_filter(reply) {
            self.log_message(&transaction, &[Err(reply)], turn);
        }
        self.session.reuse(transaction);
    }

    /// The store does not take the text of the message, of which the rest is read only to be refused.
    fn refuse_text(&mut self, failure: &Failure, turn: &mut InboundTurn<'_>) {
        let reply = self.refusal(failure, turn);
        self.session.refuse_message(reply);
        self.abort_message(&mut *turn.shared.store);
    }

    /// Finds what a session in this `phase` waits for before it is driven on; ends it if its time is up.
    fn wait(&mut self, phase: Phase, turn: &mut InboundTurn<'_>) -> Option<Wait<Ticket>> {
        self.trace_state(turn);
        let limits = &turn.shared.rules.limits;
        if ends(turn.drain, phase) {
            self.session.shut_down(turn.output);
        } else if phase == Phase::Idle && self.timeouts.session_is_over(turn.now, limits) {
            // A client that always has another transaction in its pipeline is idle at no deadline.
            self.session.time_out(turn.output);
        } else if let Some(ticket) = self.awaited_verdict() {
            return Some(Wait::Completion(ticket));
        } else if let Message::Asked(question) = &self.message {
            return Some(Wait::Completion(question.ticket));
        } else if let (Phase::Commit, Message::Submitted(ticket)) = (phase, &self.message) {
            return Some(Wait::Completion(*ticket));
        } else if self.is_held(turn) {
            return Some(Wait::Timer);
        }
        self.timeouts.stop_timer();
        if self.session.phase() == Phase::Closing {
            None
        } else if turn.is_output_full() {
            Some(Wait::Output)
        } else if turn.work.is_spent() {
            Some(Wait::Turn)
        } else if self.is_kept_waiting(&*turn.shared.store) {
            Some(Wait::Room)
        } else {
            None
        }
    }

    /// Whether a timer keeps the client waiting: the tarpit, or a delay by rule.
    pub(super) fn is_held(&self, turn: &InboundTurn<'_>) -> bool {
        let timer = self.timeouts.next_timer();
        timer.is_some_and(|end| turn.now < end)
    }

    /// Whether its message is not read because the store takes no more text: its client feels the backpressure.
    pub(super) fn is_kept_waiting(&self, store: &dyn Store) -> bool {
        matches!(self.message, Message::Open(_)) && store.is_congested()
    }

    /// Goes on with a step.
    pub(super) fn pass(&mut self, step: ClientStep, turn: &mut InboundTurn<'_>) {
        match step {
            ClientStep::Greeting(talked_early) => self.greet(talked_early, turn),
            ClientStep::Hello(hello) => {
                if let Event::AbortMessage = self.session.accept_hello(hello, turn.output) {
                    self.abort_message(&mut *turn.shared.store);
                }
            }
            ClientStep::Sender(transaction) => {
                self.session.accept_sender(transaction, turn.output);
            }
            ClientStep::Recipient(recipient, to_make) => {
                self.session
                    .accept_recipient(recipient, to_make, turn.output);
            }
            ClientStep::Message(Some(id)) => self.receive_message(id, turn),
            ClientStep::Message(None) => {
                if let Some(id) = self.open_message(turn) {
                    self.receive_message(id, turn);
                }
            }
            ClientStep::End => self.submit_message(turn),
            #[cfg(feature = "milter")]
            ClientStep::Unknown(_) => {
                self.session
                    .answer_unknown(reply::UNKNOWN_COMMAND, turn.output);
            }
        }
    }

    /// Opens a message in the store, which names it, or refuses it.
    pub(super) fn open_message(&mut self, turn: &mut InboundTurn<'_>) -> Option<QueueId> {
        let kept = self.kept_envelope();
        let Some(envelope) = kept.as_ref().or(self.session.envelope()) else {
            debug_assert!(false, "a message without a transaction");
            self.session.refuse(reply::STORE_FAILED, turn.output);
            return None;
        };
        match turn.shared.store.begin(envelope) {
            Ok((id, draft)) => {
                self.message = Message::Open(draft);
                Some(id)
            }
            Err(failure) => {
                self.refuse_opening(&failure, turn);
                None
            }
        }
    }

    /// Asks for the text of the message that is open, the trace header at its start.
    pub(super) fn receive_message(&mut self, id: QueueId, turn: &mut InboundTurn<'_>) {
        let shared = &mut *turn.shared;
        let date = shared.date.get();
        let Message::Open(draft) = &mut self.message else {
            debug_assert!(false, "a message is opened before its text is asked for");
            return;
        };
        if self.filtering.is_on_hold() {
            self.session.receive_message(id, date, turn.output);
            return;
        }
        shared.trace.clear();
        if shared.store.is_final_delivery(draft) {
            self.session.write_trace(id, date, &mut shared.trace);
        } else {
            self.session.write_received(id, date, &mut shared.trace);
        }
        match shared.store.write(draft, &shared.trace) {
            Ok(()) => self.session.receive_message(id, date, turn.output),
            Err(failure) => {
                self.abort_message(&mut *turn.shared.store);
                self.refuse_opening(&failure, turn);
            }
        }
    }

    /// Refuses a message that the store does not open.
    fn refuse_opening(&mut self, failure: &Failure, turn: &mut InboundTurn<'_>) {
        let reply = self.refusal(failure, turn);
        self.note_refused_message(reply, turn);
        self.session.refuse(reply, turn.output);
    }

    /// Hands a complete message over to the next commit.
    pub(super) fn submit_message(&mut self, turn: &mut InboundTurn<'_>) {
        match mem::replace(&mut self.message, Message::None) {
            Message::Open(draft) => {
                self.message = Message::Submitted(turn.shared.store.submit(draft));
            }
            other => {
                debug_assert!(false, "a message ends that the store does not have");
                self.message = other;
                self.session.stored(Err(reply::STORE_FAILED), turn.output);
            }
        }
    }

    /// Answers for a message of which it is known what became of it.
    pub(super) fn answer_for_message(&mut self, outcome: Outcome, turn: &mut InboundTurn<'_>) {
        self.message = Message::None;
        // One for all recipients needs no memory of its own.
        let outcomes: SmallVec<[_; 1]> = match outcome {
            Outcome::Stored => smallvec![Ok(())],
            Outcome::Failed(failure) => smallvec![Err(self.refusal(&failure, turn))],
            Outcome::PerRecipient(results) => {
                let recipients = self
                    .session
                    .envelope()
                    .map_or(Vec::new(), |envelope| envelope.recipients.clone());
                let results = self.with_dropped(self.with_filtered(results));
                let each = recipients.iter().zip(results);
                each.map(|(recipient, result)| {
                    result.map_err(|failure| self.refusal_of(recipient, &failure, turn))
                })
                .collect()
            }
        };
        let settled = match outcomes[..] {
            [outcome] => self.session.stored(outcome, turn.output),
            _ => self.session.stored_for_each(&outcomes, turn.output),
        };
        if let Some(transaction) = settled {
            self.log_message(&transaction, &outcomes, turn);
            self.session.reuse(transaction);
        }
        self.note_progress(turn);
    }
}

/// Whether the octets that led to this event are those of a command.
fn is_command(event: &Event<'_>) -> bool {
    matches!(
        event,
        Event::Answered
            | Event::BeginChunk
            | Event::CommandRefused(_)
            | Event::CheckHello(_)
            | Event::CheckUnknown
    )
}
