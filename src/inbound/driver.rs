//! The driver of one connection that brings mail: what the engine calls, from the first octet to the last log line.

use std::io::ErrorKind;
use std::time::Instant;

use super::connection::{
    Completion, Inbound, InboundStep, InboundTurn, Message, OpeningStage, Rejection, ends,
};
use super::security::security;
use super::shared::Shared;
use super::timeouts::{PROXY_HEADER_TIMEOUT, Timer};
use crate::net::budget::TurnBudget;
use crate::net::driver::{Close, ConnectionFailure, ConnectionId, Driver, Step, Summary, Wait};
use crate::net::lifecycle::Lifecycle;
use crate::net::link::TlsFacts;
use crate::net::probe::Seen;
use crate::smtp::event::CloseReason;
use crate::smtp::log_value::LogValue;
use crate::store::Ticket;

impl Driver for Inbound {
    type Shared = Shared;
    type Ticket = Ticket;
    type Completion = Completion;
    type Reason = CloseReason;

    fn opened(&mut self, turn: &mut InboundTurn<'_>) -> InboundStep {
        match self.stage {
            OpeningStage::Refused(refusal) => self.refuse(refusal, turn),
            OpeningStage::BeforeTls => self.start_tls(turn),
            OpeningStage::BeforeGreeting => self.look_before_greeting(turn),
            OpeningStage::AwaitingProxyHeader | OpeningStage::Greeting | OpeningStage::Session => {
                Step::Continue
            }
        }
    }

    fn input(&mut self, input: &mut &[u8], turn: &mut InboundTurn<'_>) -> InboundStep {
        let step = self.take(input, turn);
        self.tell_left(input, turn);
        step
    }

    fn takes_input(&self, shared: &Shared) -> bool {
        !self.is_kept_waiting(&*shared.store)
    }

    /// Complete commands were answered; a message without its end is no message.
    fn eof(&mut self, turn: &mut InboundTurn<'_>) -> InboundStep {
        match self.stage {
            // What looks whether the port is open does this.
            OpeningStage::AwaitingProxyHeader => self.abort(CloseReason::Peer, turn),
            _ => self.close(CloseReason::Peer, turn),
        }
    }

    fn secured(&mut self, facts: &TlsFacts, turn: &mut InboundTurn<'_>) -> InboundStep {
        let (id, version, cipher) = (turn.id, facts.version, facts.cipher);
        log::debug!("conn={id} tls={version} cipher={cipher}");
        self.timeouts.progress(turn.now);
        if self.session.secure(security(facts)) {
            return self.look_before_greeting(turn);
        }
        Step::Continue
    }

    fn completed(&mut self, completion: Completion, turn: &mut InboundTurn<'_>) -> InboundStep {
        match completion {
            Completion::Message(outcome) => self.answer_for_message(outcome, turn),
            Completion::Answer(answer) => self.on_answer(answer, turn),
            #[cfg(feature = "milter")]
            Completion::Verdict(verdict) => self.on_verdict(verdict, turn),
            #[cfg(feature = "milter")]
            Completion::Held(answer) => self.on_held(answer),
        }
        Step::Continue
    }

    fn deadline(&self, shared: &Shared) -> Option<Instant> {
        let limits = &shared.rules.limits;
        if self.waits_for_filters() {
            // They have times of their own.
            return None;
        }
        match self.stage {
            OpeningStage::AwaitingProxyHeader => {
                let timeout = PROXY_HEADER_TIMEOUT.min(limits.idle_timeout);
                Some(self.timeouts.opened() + timeout)
            }
            _ => self
                .timeouts
                .next_timer()
                .or_else(|| self.timeouts.deadline(self.session.phase(), limits)),
        }
    }

    fn expired(&mut self, turn: &mut InboundTurn<'_>) -> Option<InboundStep> {
        match self.stage {
            OpeningStage::AwaitingProxyHeader => Some(self.abort_without_header(turn)),
            _ => self.expire_session(turn),
        }
    }

    fn drained(&mut self, turn: &mut InboundTurn<'_>) -> Option<CloseReason> {
        ends(turn.drain, self.session.phase()).then_some(CloseReason::Drain)
    }

    fn outstanding(&self) -> Option<Ticket> {
        match self.message {
            Message::Submitted(ticket) => Some(ticket),
            _ => None,
        }
    }

    fn failed(&mut self, failure: ConnectionFailure, turn: &mut InboundTurn<'_>) -> CloseReason {
        self.abort_message(&mut *turn.shared.store);
        let id = turn.id;
        let error = match failure {
            // A client that does not speak TLS would not understand a reply in it.
            ConnectionFailure::HandshakeTimeout => {
                log::debug!("conn={id} waited_for={:?}", self.session.phase());
                return CloseReason::Timeout;
            }
            ConnectionFailure::Handshake(error) => {
                log::info!("conn={id} tls=failed reason={}", LogValue(&error));
                error
            }
            ConnectionFailure::Dial(error) | ConnectionFailure::Socket(error) => error,
        };
        log::debug!("conn={id} socket={}", LogValue(&error));
        match error.kind() {
            ErrorKind::ConnectionReset
            | ErrorKind::BrokenPipe
            | ErrorKind::ConnectionAborted
            // Within the handshake of TLS.
            | ErrorKind::UnexpectedEof => CloseReason::Peer,
            _ => CloseReason::Error,
        }
    }

    fn entered(&mut self, id: ConnectionId, _: Lifecycle, now: Lifecycle, shared: &mut Shared) {
        shared.tell(id, Seen::Entered(now));
    }

    fn begins_turn(&self, id: ConnectionId, budget: TurnBudget, shared: &Shared) -> TurnBudget {
        match &shared.probe {
            Some(probe) => probe.began_turn(id, budget),
            None => budget,
        }
    }

    fn ended_turn(&self, id: ConnectionId, wait: Wait<Ticket>, unsent: usize, shared: &Shared) {
        if let Some(probe) = &shared.probe {
            probe.saw(id, Seen::Waits(wait.name(unsent)));
        }
    }

    fn said(&self, id: ConnectionId, octets: &[u8], shared: &Shared) {
        #[cfg(feature = "http")]
        if let Some(replies) = &shared.replies {
            replies.add(octets);
        }
        shared.tell(id, Seen::Said(octets));
    }

    fn closed(&mut self, reason: &CloseReason, summary: &Summary, shared: &mut Shared) {
        self.close_filters(summary.id, shared);
        self.log_end(*reason, summary);
        let is_refused = matches!(self.stage, OpeningStage::Refused(_));
        shared
            .metrics
            .add(*reason, self.stats(), summary, is_refused);
        let word = CloseReason::WORDS[reason.index()];
        let Summary {
            id,
            bytes_in,
            bytes_out,
            ..
        } = *summary;
        shared.tell(id, Seen::Closed(word, bytes_in, bytes_out));
    }
}

impl Inbound {
    /// Takes input as the stage of the connection has it.
    fn take(&mut self, input: &mut &[u8], turn: &mut InboundTurn<'_>) -> InboundStep {
        match self.stage {
            OpeningStage::AwaitingProxyHeader => self.read_proxy_header(input, turn),
            OpeningStage::BeforeTls => self.start_tls(turn),
            OpeningStage::BeforeGreeting => self.look_before_greeting(turn),
            OpeningStage::Greeting => {
                self.hint_at_proxy(input, turn);
                self.open_session(input, turn)
            }
            OpeningStage::Session => self.drive(input, turn),
            OpeningStage::Refused(refusal) => {
                debug_assert!(false, "a client that is refused is not read");
                self.refuse(refusal, turn)
            }
        }
    }

    /// Refuses a client before it has said anything; one that speaks TLS first could not read a reply.
    fn refuse(&mut self, refusal: Rejection, turn: &mut InboundTurn<'_>) -> InboundStep {
        if !self.session.service().begins_with_tls() {
            refusal.reply().write(turn.output, false);
        }
        Step::Close(Close::now(refusal.close_reason()))
    }

    /// Goes on at a deadline of the session.
    fn expire_session(&mut self, turn: &mut InboundTurn<'_>) -> Option<InboundStep> {
        if self.timeouts.timer(Timer::Answer).is_some() {
            self.stop_waiting_for_answer(turn);
            return Some(Step::Continue);
        }
        if self.timeouts.next_timer().is_some() {
            // What comes after the delay of a greeting looks first whether the client has talked meanwhile.
            return Some(match self.stage {
                OpeningStage::Greeting => Step::Read,
                _ => Step::Continue,
            });
        }
        if self.is_kept_waiting(&*turn.shared.store) {
            self.note_progress(turn);
            return None;
        }
        let phase = self.session.phase();
        let limits = &turn.shared.rules.limits;
        if !self
            .timeouts
            .has_ended(phase, turn.now, turn.bytes_in, limits)
        {
            return None;
        }
        log::debug!("conn={} waited_for={phase:?}", turn.id);
        if turn.unsent > 0 {
            // A client that has not even read what it was sent would not read another reply.
            return Some(self.abort(CloseReason::Timeout, turn));
        }
        self.session.time_out(turn.output);
        Some(self.close(CloseReason::Timeout, turn))
    }
}
