//! The middle of a connection: reading, driving the session, and doing what it asks of the store.

use std::io;
use std::mem;

use smallvec::{SmallVec, smallvec};

use super::{Closed, Connection, Message, Next, Turn};
use crate::net::transport::{Read, Transport};
use crate::server::budget::{COMMAND_WORK, TEXT_PIECE_WORK};
use crate::smtp::event::{CloseReason, Event, Phase};
use crate::smtp::reply;
use crate::store::{Outcome, Store};

/// Why the session was not driven on.
enum Pause {
    /// It needs more input.
    Starved,
    /// It has done the work of a turn.
    TurnOver,
    /// It waits for the store.
    Commit,
    /// The store takes no more of its message now.
    StoreFull,
    /// A password takes more rounds than there are in this tick.
    Rounds,
    /// A login was refused, and time is to pass before the client learns of it.
    Held,
    /// Its replies want to be written first.
    OutputFull,
    /// It has another client, which is to be greeted after this.
    NewClient(Next),
    /// It is to go on in TLS.
    StartTls,
    /// It is over.
    Over(CloseReason),
}

impl<T: Transport> Connection<T> {
    /// Reads, drives the session and gathers its replies, until there is nothing to be done or the turn is
    /// used up.
    pub(super) fn converse(&mut self, turn: &mut Turn<'_>) -> io::Result<Next> {
        let mut pause = self.use_kept_input(turn);
        loop {
            match pause {
                Pause::Starved => {}
                Pause::Commit | Pause::Held => return Ok(Next::Wait),
                Pause::Rounds => return Ok(Next::Cpu),
                Pause::StoreFull => return Ok(Next::StoreRoom),
                Pause::TurnOver => return Ok(Next::Again),
                Pause::NewClient(next) => return Ok(next),
                Pause::StartTls => return self.begin_tls(turn),
                Pause::OutputFull => {
                    self.channel.send(turn.replies)?;
                    if self.channel.unsent() > 0 {
                        return Ok(Next::Wait);
                    }
                    pause = self.use_kept_input(turn);
                    continue;
                }
                Pause::Over(reason) => {
                    self.leave(Closed::BySession(reason), turn);
                    return Ok(Next::Wait);
                }
            }
            if !self.channel.is_readable() {
                return Ok(Next::Wait);
            }
            if turn.work.is_spent() {
                return Ok(Next::Again);
            }
            if self.is_kept_waiting(turn.store) {
                return Ok(Next::StoreRoom);
            }
            let read = self.channel.read(turn.buffer)?;
            turn.work.charge_read(read.count());
            if read == Read::Eof {
                // Complete commands were answered; a message without its end is no message.
                self.leave(Closed::ByPeer, turn);
                return Ok(Next::Wait);
            }
            pause = self.use_input(read.count(), turn);
        }
    }

    /// Drives the session with what was just read; only what it leaves is copied.
    fn use_input(&mut self, received: usize, turn: &mut Turn<'_>) -> Pause {
        if !self.input.is_empty() {
            self.input.extend_from_slice(&turn.buffer[..received]);
            return self.use_kept_input(turn);
        }
        let buffer = mem::take(&mut turn.buffer);
        let mut input = &buffer[..received];
        let pause = self.drive(&mut input, turn);
        self.input = input.to_vec();
        turn.buffer = buffer;
        pause
    }

    /// Drives the session with input kept from before. A connection that keeps none owns no memory for it.
    fn use_kept_input(&mut self, turn: &mut Turn<'_>) -> Pause {
        let kept = mem::take(&mut self.input);
        let mut input = &kept[..];
        let pause = self.drive(&mut input, turn);
        // A small rest must not hold on to the memory of what it was a part of.
        self.input = input.to_vec();
        pause
    }

    /// Drives the session as far as its input and replies allow, and does what it asks for.
    fn drive(&mut self, input: &mut &[u8], turn: &mut Turn<'_>) -> Pause {
        loop {
            let phase = self.session.phase();
            if let Some(pause) = self.pause(phase, turn) {
                return pause;
            }
            let before = *input;
            let event = self.session.next(input, turn.replies);
            turn.work.charge(work_of(&event));
            let is_command = matches!(
                event,
                Event::Answered | Event::BeginChunk | Event::CommandRefused(_)
            );
            match event {
                Event::NeedInput => {
                    // Octets of a message that may yet be its end, or half a line end, have come as well.
                    if phase == Phase::Message && input.len() < before.len() {
                        self.patience.progress(turn.now);
                    }
                    return Pause::Starved;
                }
                Event::Answered | Event::BeginChunk | Event::Withheld | Event::Discarded => {}
                Event::CommandRefused(reply) => {
                    let line = &before[..before.len() - input.len()];
                    self.note_refused_command(line, reply);
                }
                Event::CheckRoom(transaction) => self.check_room(transaction, turn),
                Event::CheckRecipient(recipient) => {
                    turn.work.charge_mailboxes(recipient.mailboxes.len());
                    self.check_recipient(recipient, turn);
                }
                Event::BeginMessage => self.begin_message(turn),
                Event::Text(text) => {
                    if let Message::Open(draft) = &mut self.message
                        && let Err(failure) = turn.store.write(draft, text)
                    {
                        let reply = self.refusal(&failure);
                        self.session.refuse_message(reply);
                        self.abort_message(turn.store);
                    }
                }
                Event::DeriveKey if *turn.rounds == 0 => return Pause::Rounds,
                Event::DeriveKey => self.session.derive_key(turn.rounds),
                Event::Login(attempt) => self.note_login(&attempt, turn.now),
                Event::AbortMessage => self.abort_message(turn.store),
                Event::Refused(transaction, reply) => {
                    self.log_message(&transaction, &[Err(reply)]);
                    self.session.reuse(transaction);
                }
                Event::Identified(client) => {
                    self.patience.progress(turn.now);
                    return Pause::NewClient(self.begin_anew(&client));
                }
                Event::StartTls => {
                    self.patience.progress(turn.now);
                    if turn.tls.is_some() {
                        self.session.start_tls(turn.replies);
                        return Pause::StartTls;
                    }
                    // There was one when it was offered.
                    self.session.refuse(reply::TLS_UNAVAILABLE, turn.replies);
                }
                Event::EndOfMessage => self.submit_message(turn),
                Event::Close(reason) => return Pause::Over(reason),
            }
            self.patience.progress(turn.now);
            if is_command && phase == Phase::Message {
                // Between chunks a command is no part of the message, which is to keep its least rate.
                self.patience.discount(before.len() - input.len());
            }
            if self.session.phase() != phase {
                self.patience.enter_phase(turn.now, self.channel.bytes_in());
            }
        }
    }

    /// Says why a session in this `phase` is not driven now, or ends it where its time is up.
    fn pause(&mut self, phase: Phase, turn: &mut Turn<'_>) -> Option<Pause> {
        if turn.drain.ends(phase) {
            self.session.shut_down(turn.replies);
        } else if phase == Phase::Idle && self.patience.session_is_over(turn.now, turn.limits) {
            // A client that always has another transaction in its pipeline is idle at no deadline.
            self.session.time_out(turn.replies);
        } else if phase == Phase::Commit || matches!(self.message, Message::Asked(_)) {
            return Some(Pause::Commit);
        } else if self.patience.until().is_some_and(|until| turn.now < until) {
            return Some(Pause::Held);
        }
        self.patience.let_go();
        if self.session.phase() == Phase::Closing {
            return None;
        }
        if self.channel.is_full(turn.replies.len()) {
            Some(Pause::OutputFull)
        } else if turn.work.is_spent() {
            Some(Pause::TurnOver)
        } else if self.is_kept_waiting(turn.store) {
            Some(Pause::StoreFull)
        } else {
            None
        }
    }

    /// Opens a message in the store, the trace header at its start.
    fn begin_message(&mut self, turn: &mut Turn<'_>) {
        let Some(envelope) = self.session.envelope() else {
            debug_assert!(false, "a message without a transaction");
            self.session.refuse(reply::STORE_FAILED, turn.replies);
            return;
        };
        let opened = turn.store.begin(envelope).and_then(|(id, mut draft)| {
            turn.trace.clear();
            self.session.write_trace(id, turn.date, turn.trace);
            match turn.store.write(&mut draft, turn.trace) {
                Ok(()) => Ok((id, draft)),
                Err(failure) => {
                    turn.store.abort(draft);
                    Err(failure)
                }
            }
        });
        match opened {
            Ok((id, draft)) => {
                self.session.receive_message(id, turn.date, turn.replies);
                self.message = Message::Open(draft);
            }
            Err(failure) => {
                let reply = self.refusal(&failure);
                self.note_refused_message(reply);
                self.session.refuse(reply, turn.replies);
            }
        }
    }

    /// Hands a complete message over to the next commit.
    fn submit_message(&mut self, turn: &mut Turn<'_>) {
        match mem::replace(&mut self.message, Message::None) {
            Message::Open(draft) => self.message = Message::Submitted(turn.store.submit(draft)),
            other => {
                // Without a draft there is nothing to wait for.
                self.message = other;
                self.session.stored(Err(reply::STORE_FAILED), turn.replies);
            }
        }
    }

    /// Answers for a message of which it is known what became of it.
    pub(super) fn answer_for_message(&mut self, outcome: Outcome, turn: &mut Turn<'_>) {
        // One for all recipients needs no memory of its own.
        let outcomes: SmallVec<[_; 1]> = match outcome {
            Outcome::Stored => smallvec![Ok(())],
            Outcome::Failed(failure) => smallvec![Err(self.refusal(&failure))],
            Outcome::PerRecipient(results) => {
                let recipients = self
                    .session
                    .envelope()
                    .map_or(Vec::new(), |envelope| envelope.recipients.clone());
                let each = recipients.iter().zip(results);
                each.map(|(recipient, result)| {
                    result.map_err(|failure| self.refusal_of(recipient, &failure))
                })
                .collect()
            }
        };
        let settled = match outcomes[..] {
            [outcome] => self.session.stored(outcome, turn.replies),
            _ => self.session.stored_for_each(&outcomes, turn.replies),
        };
        if let Some(transaction) = settled {
            self.log_message(&transaction, &outcomes);
            self.session.reuse(transaction);
        }
    }

    /// Drops a message that is being received. One that is already submitted stays with the store.
    pub(super) fn abort_message(&mut self, store: &mut dyn Store) {
        match mem::replace(&mut self.message, Message::None) {
            Message::Open(draft) => store.abort(draft),
            Message::None | Message::Asked(_) => {}
            submitted @ Message::Submitted(_) => self.message = submitted,
        }
    }
}

/// The work behind an event of the session.
fn work_of(event: &Event<'_>) -> u32 {
    match event {
        Event::NeedInput => 0,
        Event::Text(_) | Event::Withheld | Event::Discarded => TEXT_PIECE_WORK,
        _ => COMMAND_WORK,
    }
}
