//! The session is driven: input becomes commands and text, and what the session asks for is done.

use std::mem;

use smallvec::{SmallVec, smallvec};

use super::connection::{Inbound, InboundStep, InboundTurn, Message, ends};
use super::observed::tell_used;
use super::timeouts::Timer;
use super::work::{charge_mailboxes, work_of};
use crate::net::driver::{Step, Wait};
use crate::smtp::event::{Event, Phase};
use crate::smtp::reply;
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
        loop {
            let phase = self.session.phase();
            if let Some(wait) = self.wait(phase, turn) {
                return Step::Wait(wait);
            }
            let before = *input;
            let content = self.watched_content(turn);
            let event = self.session.next(input, turn.output);
            turn.work.charge(work_of(&event));
            let used = &before[..before.len() - input.len()];
            tell_used(content, &event, used, turn);
            let is_command = is_command(&event);
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
                Event::CheckRoom(transaction) => self.check_room(transaction, turn),
                Event::CheckRecipient(recipient) => {
                    charge_mailboxes(turn.work, recipient.mailboxes.len());
                    self.check_recipient(recipient, turn);
                }
                Event::BeginMessage => self.begin_message(turn),
                Event::Text(text) => {
                    if let Message::Open(draft) = &mut self.message
                        && let Err(failure) = turn.shared.store.write(draft, text)
                    {
                        self.refuse_text(&failure, turn);
                    }
                }
                Event::DeriveKey if *turn.iterations == 0 => return Step::Wait(Wait::Cpu),
                Event::DeriveKey => self.session.derive_key(turn.iterations),
                Event::Login(attempt) => self.note_login(&attempt, turn),
                Event::AbortMessage => self.abort_message(&mut *turn.shared.store),
                Event::Refused(transaction, reply) => {
                    self.log_message(&transaction, &[Err(reply)], turn);
                    self.session.reuse(transaction);
                }
                Event::Identified(client) => return self.begin_anew(&client, turn),
                // There were certificates when STARTTLS was offered; a reload may have taken them away.
                Event::StartTls if turn.shared.rules.tls.is_none() => {
                    self.session.refuse(reply::TLS_UNAVAILABLE, turn.output);
                }
                Event::StartTls => {
                    self.timeouts.progress(turn.now);
                    self.session.start_tls(turn.output);
                    return self.start_tls(turn);
                }
                Event::EndOfMessage => self.submit_message(turn),
                Event::Close(reason) => return self.close(reason, turn),
            }
            self.timeouts.progress(turn.now);
            if is_command && phase == Phase::Message {
                // Between chunks a command is no part of the message, which is to keep its least rate.
                self.timeouts.discount(used.len());
            }
            if self.session.phase() != phase {
                self.timeouts.enter_phase(turn.now, turn.bytes_in);
            }
        }
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
        } else if let Message::Asked(question) = &self.message {
            return Some(Wait::Completion(question.ticket));
        } else if let (Phase::Commit, Message::Submitted(ticket)) = (phase, &self.message) {
            return Some(Wait::Completion(*ticket));
        } else if self
            .timeouts
            .timer(Timer::Tarpit)
            .is_some_and(|end| turn.now < end)
        {
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

    /// Whether its message is not read because the store takes no more text: its client feels the backpressure.
    pub(super) fn is_kept_waiting(&self, store: &dyn Store) -> bool {
        matches!(self.message, Message::Open(_)) && store.is_congested()
    }

    /// Opens a message in the store, the trace header at its start.
    fn begin_message(&mut self, turn: &mut InboundTurn<'_>) {
        let Some(envelope) = self.session.envelope() else {
            debug_assert!(false, "a message without a transaction");
            self.session.refuse(reply::STORE_FAILED, turn.output);
            return;
        };
        let shared = &mut *turn.shared;
        let date = shared.date.get();
        let opened = shared.store.begin(envelope).and_then(|(id, mut draft)| {
            shared.trace.clear();
            self.session.write_trace(id, date, &mut shared.trace);
            match shared.store.write(&mut draft, &shared.trace) {
                Ok(()) => Ok((id, draft)),
                Err(failure) => {
                    shared.store.abort(draft);
                    Err(failure)
                }
            }
        });
        match opened {
            Ok((id, draft)) => {
                self.session.receive_message(id, date, turn.output);
                self.message = Message::Open(draft);
            }
            Err(failure) => {
                let reply = self.refusal(&failure, turn);
                self.note_refused_message(reply, turn);
                self.session.refuse(reply, turn.output);
            }
        }
    }

    /// Hands a complete message over to the next commit.
    fn submit_message(&mut self, turn: &mut InboundTurn<'_>) {
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
        Event::Answered | Event::BeginChunk | Event::CommandRefused(_)
    )
}
