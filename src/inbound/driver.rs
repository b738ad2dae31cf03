//! The driver of one connection that brings mail: SMTP, LMTP or submission, from the first octet to the last log line.

use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Instant;

use super::drive::Message;
use super::log_line::Value;
use super::refusals::Refusals;
use super::security::security;
use super::shared::Shared;
use super::timeouts::{PROXY_HEADER_TIMEOUT, Timeouts, Timer};
use crate::net::driver::{Close, Drain, Driver, Ending, Failure, Summary, Turn as NetTurn};
use crate::net::link::TlsFacts;
use crate::net::peer::PeerAddress;
use crate::net::{LINGER_TIMEOUT, driver};
use crate::smtp::auth::Users;
use crate::smtp::event::{CloseReason, Limit, Phase};
use crate::smtp::reply::{self, Reply};
use crate::smtp::service::Service;
use crate::smtp::session::Session;
use crate::smtp::stats::SessionStats;
use crate::store::{Answer, Outcome, Ticket};

/// A turn of such a connection.
pub(super) type Turn<'a> = NetTurn<'a, Shared>;
/// What such a driver needs next.
pub(super) type Step = driver::Step<Inbound>;

/// One client, or one proxy that speaks for a client.
pub struct Inbound {
    pub(super) stage: Stage,
    pub(super) session: Session,
    pub(super) message: Message,
    pub(super) timeouts: Timeouts,
    pub(super) refusals: Refusals,
}

/// How far the client has come before its session runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is not let in, for this reason.
    Refused(Refusal),
    /// A proxy is to say first for which client it speaks.
    AwaitingProxyHeader,
    /// It is to begin with TLS, which it has not yet.
    BeforeTls,
    /// It has heard nothing. One read tells whether it talks before its turn.
    BeforeGreeting,
    /// That read is done.
    Greeting,
    /// The session runs.
    Session,
}

impl Stage {
    /// The first stage on a listener for `service`, or of a client that a proxy has named.
    pub(super) fn first(service: Service) -> Self {
        if service.begins_with_tls() {
            Self::BeforeTls
        } else {
            Self::BeforeGreeting
        }
    }
}

/// Why a client is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There are too many connections.
    Limit(Limit),
    /// The server is about to end.
    Drain,
}

impl Refusal {
    fn reply(self) -> Reply {
        match self {
            Self::Limit(_) => reply::TOO_MANY_CONNECTIONS,
            Self::Drain => reply::SHUTTING_DOWN,
        }
    }

    fn close_reason(self) -> CloseReason {
        match self {
            Self::Limit(limit) => CloseReason::Limit(limit),
            Self::Drain => CloseReason::Drain,
        }
    }
}

/// What the store has for a connection that waits for it.
#[derive(Debug)]
pub enum Completion {
    /// What became of a message.
    Message(Outcome),
    /// Whether there is room, or a mailbox.
    Answer(Answer),
}

impl Inbound {
    /// The driver of a client that was accepted on a listener for `service`; where its peer is a proxy, that has to name the
    /// client first.
    #[must_use]
    pub fn new(service: Service, peer: PeerAddress, shared: &Shared, now: Instant) -> Self {
        let stage = if shared.is_proxy(peer) {
            Stage::AwaitingProxyHeader
        } else {
            Stage::first(service)
        };
        Self::at_stage(stage, service, peer, shared, now)
    }

    /// The driver of a client that is not let in.
    #[must_use]
    pub fn refused(
        refusal: Refusal,
        service: Service,
        peer: PeerAddress,
        shared: &Shared,
        now: Instant,
    ) -> Self {
        Self::at_stage(Stage::Refused(refusal), service, peer, shared, now)
    }

    fn at_stage(
        stage: Stage,
        service: Service,
        peer: PeerAddress,
        shared: &Shared,
        now: Instant,
    ) -> Self {
        let (policy, pool) = (Rc::clone(&shared.rules.policy), Rc::clone(&shared.pool));
        Self {
            stage,
            session: Session::new(policy, pool, service, super::proxied::peer(peer)),
            message: Message::None,
            timeouts: Timeouts::new(now),
            refusals: Refusals::default(),
        }
    }

    /// Goes on with other users, as after a reload.
    pub fn replace_users(&mut self, users: Option<&Rc<Users>>) {
        self.session.replace_users(users);
    }

    /// What its session has done so far.
    pub(super) fn stats(&self) -> SessionStats {
        self.session.stats()
    }

    /// Ends the connection with what the session has said last.
    pub(super) fn close(&mut self, reason: CloseReason, turn: &mut Turn<'_>) -> Step {
        self.abort_message(&mut *turn.shared.store);
        let ending = match reason {
            CloseReason::Peer => Ending::Close,
            CloseReason::Quit => Ending::LingerUnlessIdle,
            _ => Ending::Linger,
        };
        // A client that took leave may be a slow reader; one that was told to go has had its time.
        let flush_timeout = match reason {
            CloseReason::Drain | CloseReason::Timeout => LINGER_TIMEOUT,
            _ => turn.shared.rules.limits.idle_timeout,
        };
        Step::Close(Close {
            reason,
            ending,
            flush_timeout,
        })
    }

    /// Ends the connection without another word.
    pub(super) fn abort(&mut self, reason: CloseReason, turn: &mut Turn<'_>) -> Step {
        self.abort_message(&mut *turn.shared.store);
        Step::Close(Close {
            reason,
            ending: Ending::Abort,
            flush_timeout: LINGER_TIMEOUT,
        })
    }

    /// Refuses a client before it has said anything; one that speaks TLS first could not read a reply.
    fn refuse(&mut self, refusal: Refusal, turn: &mut Turn<'_>) -> Step {
        if !self.session.service().begins_with_tls() {
            refusal.reply().write(turn.output, false);
        }
        Step::Close(Close {
            reason: refusal.close_reason(),
            ending: Ending::Now,
            flush_timeout: LINGER_TIMEOUT,
        })
    }

    /// Notes progress of the client, and that it may have entered another phase with it.
    pub(super) fn note_progress(&mut self, turn: &Turn<'_>) {
        self.timeouts.progress(turn.now);
        self.timeouts.enter_phase(turn.now, turn.bytes_in);
    }

    /// Goes on at a deadline of the session.
    fn expire_session(&mut self, turn: &mut Turn<'_>) -> Step {
        if self.timeouts.timer(Timer::Answer).is_some() {
            self.stop_waiting_for_answer(turn);
            return Step::Continue;
        }
        if self.timeouts.timer(Timer::Tarpit).is_some() {
            return Step::Continue;
        }
        if self.is_kept_waiting(&*turn.shared.store) {
            self.note_progress(turn);
            return Step::Continue;
        }
        let phase = self.session.phase();
        let limits = &turn.shared.rules.limits;
        if !self
            .timeouts
            .has_ended(phase, turn.now, turn.bytes_in, limits)
        {
            return Step::Continue;
        }
        log::debug!("conn={} waited_for={phase:?}", turn.id);
        if turn.unsent > 0 {
            // A client that has not even read what it was sent would not read another reply.
            return self.abort(CloseReason::Timeout, turn);
        }
        self.session.time_out(turn.output);
        self.close(CloseReason::Timeout, turn)
    }
}

impl Driver for Inbound {
    type Shared = Shared;
    type Ticket = Ticket;
    type Completion = Completion;
    type Reason = CloseReason;

    fn opened(&mut self, turn: &mut Turn<'_>) -> Step {
        match self.stage {
            Stage::Refused(refusal) => self.refuse(refusal, turn),
            Stage::BeforeTls => self.start_tls(turn),
            Stage::BeforeGreeting => self.look_before_greeting(),
            Stage::AwaitingProxyHeader | Stage::Greeting | Stage::Session => Step::Continue,
        }
    }

    fn input(&mut self, input: &mut &[u8], turn: &mut Turn<'_>) -> Step {
        match self.stage {
            Stage::AwaitingProxyHeader => self.read_proxy_header(input, turn),
            Stage::BeforeTls => self.start_tls(turn),
            Stage::BeforeGreeting => self.look_before_greeting(),
            Stage::Greeting => {
                self.greet(!input.is_empty(), turn);
                self.drive(input, turn)
            }
            Stage::Session => self.drive(input, turn),
            Stage::Refused(refusal) => {
                debug_assert!(false, "a client that is refused is not read");
                self.refuse(refusal, turn)
            }
        }
    }

    /// Complete commands were answered; a message without its end is no message.
    fn eof(&mut self, turn: &mut Turn<'_>) -> Step {
        match self.stage {
            // What looks whether the port is open does this.
            Stage::AwaitingProxyHeader => self.abort(CloseReason::Peer, turn),
            _ => self.close(CloseReason::Peer, turn),
        }
    }

    fn secured(&mut self, facts: &TlsFacts, turn: &mut Turn<'_>) -> Step {
        let (id, version, cipher) = (turn.id, facts.version, facts.cipher);
        log::debug!("conn={id} tls={version} cipher={cipher}");
        self.timeouts.progress(turn.now);
        if self.session.secure(security(facts)) {
            return self.look_before_greeting();
        }
        Step::Continue
    }

    fn completed(&mut self, completion: Completion, turn: &mut Turn<'_>) -> Step {
        match completion {
            Completion::Message(outcome) => self.answer_for_message(outcome, turn),
            Completion::Answer(answer) => self.on_answer(answer, turn),
        }
        Step::Continue
    }

    fn deadline(&self, shared: &Shared) -> Option<Instant> {
        let limits = &shared.rules.limits;
        match self.stage {
            Stage::AwaitingProxyHeader => {
                let timeout = PROXY_HEADER_TIMEOUT.min(limits.idle_timeout);
                Some(self.timeouts.opened() + timeout)
            }
            _ => self
                .timeouts
                .timer(Timer::Answer)
                .or(self.timeouts.timer(Timer::Tarpit))
                .or_else(|| self.timeouts.deadline(self.session.phase(), limits)),
        }
    }

    fn expired(&mut self, turn: &mut Turn<'_>) -> Step {
        match self.stage {
            Stage::AwaitingProxyHeader => self.abort_without_header(turn),
            _ => self.expire_session(turn),
        }
    }

    fn drained(&mut self, turn: &mut Turn<'_>) -> Option<CloseReason> {
        ends(turn.drain, self.session.phase()).then_some(CloseReason::Drain)
    }

    fn outstanding(&self) -> Option<Ticket> {
        match self.message {
            Message::Submitted(ticket) => Some(ticket),
            _ => None,
        }
    }

    fn failed(&mut self, failure: Failure, turn: &mut Turn<'_>) -> CloseReason {
        self.abort_message(&mut *turn.shared.store);
        let id = turn.id;
        let error = match failure {
            // A client that does not speak TLS would not understand a reply in it.
            Failure::HandshakeTimeout => {
                log::debug!("conn={id} waited_for={:?}", self.session.phase());
                return CloseReason::Timeout;
            }
            Failure::Handshake(error) => {
                log::info!("conn={id} tls=failed reason={}", Value(&error));
                error
            }
            Failure::Dial(error) | Failure::Socket(error) => error,
        };
        log::debug!("conn={id} socket={}", Value(&error));
        match error.kind() {
            ErrorKind::ConnectionReset
            | ErrorKind::BrokenPipe
            | ErrorKind::ConnectionAborted
            // Within the handshake of TLS.
            | ErrorKind::UnexpectedEof => CloseReason::Peer,
            _ => CloseReason::Error,
        }
    }

    fn closed(&mut self, reason: &CloseReason, summary: &Summary, shared: &mut Shared) {
        self.log_end(*reason, summary);
        let is_refused = matches!(self.stage, Stage::Refused(_));
        shared.metrics.add(*reason, self.stats(), is_refused);
    }
}

/// Whether a drain ends a session in this `phase`.
pub(super) fn ends(drain: Drain, phase: Phase) -> bool {
    match drain {
        Drain::No => false,
        Drain::Until(_) => matches!(phase, Phase::Idle | Phase::Login),
        Drain::TimeIsUp => phase != Phase::Closing,
    }
}
