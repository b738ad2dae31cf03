//! One connection that brings mail: its state, and how it begins and ends. The modules beside this one act on it.

use core::fmt;
use std::rc::Rc;
use std::time::Instant;

use super::filter_state::Filtering;
#[cfg(feature = "catch")]
use super::judged::Faults;
use super::proxied;
use super::refusal_counts::Refusals;
use super::shared::Shared;
use super::timeouts::Timeouts;
use crate::net::LINGER_TIMEOUT;
use crate::net::driver::{Close, Drain, Ending, Step, Turn};
use crate::net::peer::PeerAddress;
use crate::smtp::envelope::Recipient;
use crate::smtp::event::{CloseReason, Limit, Phase};
use crate::smtp::login::UserDatabase;
use crate::smtp::reply::{self, Reply};
use crate::smtp::service::Service;
use crate::smtp::session::Session;
use crate::smtp::stats::SessionStats;
use crate::smtp::transaction::Transaction;
use crate::store::{Answer, Draft, Outcome, Store, Ticket};

/// A turn of a connection that brings mail.
pub(super) type InboundTurn<'a> = Turn<'a, Shared>;
/// The next need of a connection that brings mail.
pub(super) type InboundStep = Step<Inbound>;

/// One client, or one proxy that speaks for a client.
pub struct Inbound {
    pub(super) stage: OpeningStage,
    pub(super) session: Session,
    pub(super) message: Message,
    pub(super) timeouts: Timeouts,
    pub(super) refusals: Refusals,
    #[cfg(feature = "catch")]
    pub(super) faults: Faults,
    pub(super) filtering: Filtering,
}

/// The stages that a client passes before its session runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OpeningStage {
    /// The client is not let in, for this reason.
    Refused(Rejection),
    /// A proxy is to say first for which client it speaks.
    AwaitingProxyHeader,
    /// The client is to begin with TLS.
    BeforeTls,
    /// The client has heard nothing. One read tells whether it talks before its turn.
    BeforeGreeting,
    /// The read is done that comes before the greeting.
    Greeting,
    /// The session runs.
    Session,
}

impl OpeningStage {
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
pub enum Rejection {
    /// There are too many connections.
    Limit(Limit),
    /// The server is about to end.
    Drain,
    /// The store has taken no mail for a while.
    StoreLost,
}

impl Rejection {
    pub(super) fn reply(self) -> Reply {
        match self {
            Self::Limit(_) => reply::TOO_MANY_CONNECTIONS,
            Self::Drain => reply::SHUTTING_DOWN,
            Self::StoreLost => reply::STORE_LOST,
        }
    }

    pub(super) fn close_reason(self) -> CloseReason {
        match self {
            Self::Limit(limit) => CloseReason::Limit(limit),
            Self::Drain => CloseReason::Drain,
            Self::StoreLost => CloseReason::Limit(Limit::Store),
        }
    }
}

impl fmt::Display for Rejection {
    /// The option that sets the limit, or the word for a drain or a lost store.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(limit) => limit.fmt(f),
            Self::Drain => f.write_str("drain"),
            Self::StoreLost => Limit::Store.fmt(f),
        }
    }
}

/// The message of the present transaction, as the store knows it.
pub(super) enum Message {
    None,
    /// Its sender or its next recipient waits for an answer.
    Asked(Box<Question>),
    Open(Draft),
    Submitted(Ticket),
}

/// A question that waits for the answer of the store.
pub(super) struct Question {
    pub(super) ticket: Ticket,
    pub(super) about: About,
}

/// The subject of a [`Question`].
pub(super) enum About {
    Sender(Box<Transaction>),
    Recipient(Recipient),
}

/// Answers of the store that a connection waits for.
#[derive(Debug)]
pub enum Completion {
    /// The outcome of a message.
    Message(Outcome),
    /// Whether there is room, or a mailbox.
    Answer(Answer),
    /// What filters have decided.
    #[cfg(feature = "milter")]
    Verdict(crate::filters::verdict::FilterVerdict),
    /// Text of a message on hold.
    #[cfg(feature = "milter")]
    Held(crate::store::hold::HoldAnswer),
}

impl Inbound {
    /// The driver of a client that was accepted on a listener for `service`; where its peer is a proxy, that has to name the
    /// client first.
    #[must_use]
    pub fn new(service: Service, peer: PeerAddress, shared: &Shared, now: Instant) -> Self {
        let stage = if shared.is_proxy(peer) {
            OpeningStage::AwaitingProxyHeader
        } else {
            OpeningStage::first(service)
        };
        Self::at_stage(stage, service, peer, shared, now)
    }

    /// The driver of a client that is not let in.
    #[must_use]
    pub fn refused(
        refusal: Rejection,
        service: Service,
        peer: PeerAddress,
        shared: &Shared,
        now: Instant,
    ) -> Self {
        Self::at_stage(OpeningStage::Refused(refusal), service, peer, shared, now)
    }

    fn at_stage(
        stage: OpeningStage,
        service: Service,
        peer: PeerAddress,
        shared: &Shared,
        now: Instant,
    ) -> Self {
        let (policy, pool) = (Rc::clone(&shared.rules.policy), Rc::clone(&shared.pool));
        Self {
            stage,
            session: Session::new(policy, pool, service, proxied::peer(peer)),
            message: Message::None,
            timeouts: Timeouts::new(now),
            refusals: Refusals::default(),
            #[cfg(feature = "catch")]
            faults: Faults::default(),
            filtering: Filtering::default(),
        }
    }

    /// Whether the client is known: not while its proxy has yet to name it.
    #[must_use]
    pub fn is_identified(&self) -> bool {
        self.stage != OpeningStage::AwaitingProxyHeader
    }

    /// The protocol of its listener.
    #[must_use]
    pub fn service(&self) -> Service {
        self.session.service()
    }

    /// The name of the state of its session, or of the stage before that.
    #[must_use]
    pub fn phase_name(&self) -> &'static str {
        match self.stage {
            OpeningStage::Refused(_) => "Refused",
            OpeningStage::AwaitingProxyHeader => "AwaitingProxyHeader",
            OpeningStage::BeforeTls => "BeforeTls",
            OpeningStage::BeforeGreeting | OpeningStage::Greeting => "Greeting",
            OpeningStage::Session => self.session.state_name(),
        }
    }

    /// Goes on with other users, as after a reload.
    pub fn replace_users(&mut self, users: Option<&Rc<dyn UserDatabase>>) {
        self.session.replace_users(users);
    }

    /// The statistics of its session.
    /// Counts of its session so far.
    pub fn stats(&self) -> SessionStats {
        self.session.stats()
    }

    /// Ends the connection with what the session has said last.
    pub(super) fn close(&mut self, reason: CloseReason, turn: &mut InboundTurn<'_>) -> InboundStep {
        self.trace_state(turn);
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
    pub(super) fn abort(&mut self, reason: CloseReason, turn: &mut InboundTurn<'_>) -> InboundStep {
        self.abort_message(&mut *turn.shared.store);
        Step::Close(Close::abort(reason))
    }

    /// Notes progress of the client, and that it may have entered another phase with it.
    pub(super) fn note_progress(&mut self, turn: &InboundTurn<'_>) {
        self.timeouts.progress(turn.now);
        self.timeouts.enter_phase(turn.now, turn.bytes_in);
    }

    /// Drops a message that is being received. One that is already submitted stays with the store.
    pub(super) fn abort_message(&mut self, store: &mut dyn Store) {
        self.drop_held(store);
        match std::mem::replace(&mut self.message, Message::None) {
            Message::Open(draft) => store.abort(draft),
            Message::None | Message::Asked(_) => {}
            submitted @ Message::Submitted(_) => self.message = submitted,
        }
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
