//! One connection, from accept to close: a channel and a session.

mod admission;
mod closing;
mod conversation;
mod ending;
mod opening;
mod patience;
mod refusals;

use core::fmt;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use self::admission::Question;
use self::ending::Closed;
use self::patience::Patience;
use self::refusals::Refusals;
use super::Limits;
use super::budget::Budget;
use super::census::Presence;
use super::cidr::Cidr;
use super::peer::{PeerAddress, Source};
use crate::net::channel::{Channel, Readiness};
use crate::net::link::StartTls;
use crate::net::transport::Transport;
use crate::smtp::auth::Users;
use crate::smtp::event::Phase;
use crate::smtp::policy::Policy;
use crate::smtp::service::Service;
use crate::smtp::session::{Session, TransactionPool};
use crate::smtp::stats::SessionStats;
use crate::store::{Draft, Outcome, Store, Ticket};

/// The most bytes read at once, into a buffer that all connections share: as many as a packet of the loopback interface
/// has. With half of it large messages cost a tenth more, at bad moments twice as much: each read acknowledges what it took.
pub const READ_BYTES_MAX: usize = 64 * 1024;
/// How long a connection that was told good-bye stays open for the peer to read that.
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

/// The name of a connection in the log; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a connection is lent for one turn.
pub struct Turn<'a> {
    /// The present.
    pub now: Instant,
    /// The same as RFC 5322 §3.3 writes it.
    pub date: &'a str,
    /// What bounds connections.
    pub limits: &'a Limits,
    /// Who may say by XCLIENT for whom it speaks.
    pub spokesmen: &'a [Cidr],
    /// What it takes to begin TLS, if there is a certificate.
    pub tls: Option<&'a dyn StartTls>,
    /// Where mail goes.
    pub store: &'a mut dyn Store,
    /// Where replies are gathered, so that one write takes all of a turn; empty before and after.
    pub replies: &'a mut BytesMut,
    /// The work that it may do, and has done.
    pub work: Budget,
    /// How many rounds of its password or handshake may be done; they are taken off.
    pub rounds: &'a mut u32,
    /// Where trace headers are written, one at a time.
    pub trace: &'a mut BytesMut,
    /// What to read into.
    pub buffer: &'a mut [u8],
    /// Whether the server is about to end.
    pub drain: Drain,
}

/// Whether a server is about to end.
#[derive(Clone, Copy, Debug)]
pub enum Drain {
    /// It is not.
    No,
    /// Transactions in flight may finish until then.
    Until(Instant),
    /// They may not any more.
    TimeIsUp,
}

impl Drain {
    /// Whether it ends a session in this `phase`.
    pub(super) fn ends(self, phase: Phase) -> bool {
        match self {
            Self::No => false,
            Self::Until(_) => matches!(phase, Phase::Idle | Phase::Login),
            Self::TimeIsUp => phase != Phase::Closing,
        }
    }
}

/// One client.
pub struct Connection<T> {
    id: ConnectionId,
    peer: PeerAddress,
    channel: Channel<T>,
    session: Session,
    stage: Stage,
    message: Message,
    /// Input that was read but not used: less than a command, or what waits for the store or for replies to be
    /// read.
    input: Vec<u8>,
    patience: Patience,
    refusals: Refusals,
}

/// How far the life of a connection has come.
enum Stage {
    /// Accepted from a proxy, which is to say first whom it speaks for.
    AwaitingProxyHeader,
    /// To begin with TLS, which it has not yet.
    ToSecure,
    /// In the handshake of TLS, for a bounded time.
    Securing,
    /// Accepted, or to go on with another client, and that one has neither said nor heard anything yet.
    New,
    /// The session runs.
    Open,
    /// The last reply is being written, for a bounded time.
    Leaving(Closed),
    /// Everything is written, and the peer told that there is no more. For a bounded time its input is thrown
    /// away: closing a socket with unread input resets the connection, which could cost the peer our last reply.
    Lingering(Closed),
    /// Over.
    Gone(Closed),
}

impl Stage {
    /// What connections begin with on which this `service` is spoken.
    fn first(service: Service) -> Self {
        if service.begins_with_tls() {
            Self::ToSecure
        } else {
            Self::New
        }
    }
}

/// The message of the present transaction, as the store knows it.
enum Message {
    None,
    /// Its sender or its next recipient waits for an answer.
    Asked(Box<Question>),
    Open(Draft),
    Submitted(Ticket),
}

/// What a connection needs after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// An event, or its deadline.
    Wait,
    /// Another turn: it used up this one.
    Again,
    /// Another turn, unless too many clients have this address, which a proxy or XCLIENT has just named.
    Identified(IpAddr),
    /// Another turn, once there are rounds for its password or handshake.
    Cpu,
    /// Another turn, once the store takes more text.
    StoreRoom,
    /// To be told what became of this message, or the answer to this question.
    Completion(Ticket),
    /// To be removed.
    Reap,
}

impl<T: Transport> Connection<T> {
    /// A connection that has just been accepted.
    pub fn new(
        id: ConnectionId,
        transport: T,
        service: Service,
        peer: PeerAddress,
        policy: Rc<Policy>,
        pool: Rc<TransactionPool>,
        now: Instant,
    ) -> Self {
        Self {
            id,
            peer,
            channel: Channel::new(transport),
            session: Session::new(policy, pool, service, peer.peer()),
            stage: Stage::first(service),
            message: Message::None,
            input: Vec::new(),
            patience: Patience::new(now),
            refusals: Refusals::default(),
        }
    }

    /// Goes on with other users.
    pub(super) fn replace_users(&mut self, users: Option<&Rc<Users>>) {
        self.session.replace_users(users);
    }

    /// What its session has done so far.
    pub fn stats(&self) -> SessionStats {
        self.session.stats()
    }

    /// Which connection this is.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// Notes what an event told.
    pub fn note(&mut self, event: Readiness) {
        self.channel.note(event);
    }

    /// Does all that can be done now, within the bounds of one turn.
    pub fn on_ready(&mut self, turn: &mut Turn<'_>) -> Next {
        let next = match &mut self.stage {
            Stage::AwaitingProxyHeader => self.read_proxy_header(turn),
            Stage::ToSecure => self.begin_tls(turn),
            Stage::Securing => self.handshake(turn),
            Stage::New => self.greet(turn),
            Stage::Open => self.converse(turn),
            Stage::Lingering(_) => self.discard_input(turn),
            Stage::Leaving(closed) => {
                // A drain may have shortened it.
                let until = turn.now + closed.patience(turn);
                if self.patience.until().is_some_and(|set| until < set) {
                    self.patience.hold(until);
                }
                Ok(Next::Wait)
            }
            Stage::Gone(_) => Ok(Next::Wait),
        };
        self.settle(next, turn)
    }

    /// Answers for the message that was submitted, and goes on with what the client sent meanwhile.
    pub fn on_stored(&mut self, outcome: Outcome, turn: &mut Turn<'_>) -> Next {
        self.message = Message::None;
        self.answer_for_message(outcome, turn);
        self.patience.progress(turn.now);
        self.patience.enter_phase(turn.now, self.channel.bytes_in());
        let next = match self.stage {
            Stage::Open => self.converse(turn),
            _ => Ok(Next::Wait),
        };
        self.settle(next, turn)
    }

    /// When [`on_deadline`](Self::on_deadline) is to be called, unless something happens before.
    pub fn deadline(&self, limits: &Limits) -> Option<Instant> {
        match &self.stage {
            Stage::AwaitingProxyHeader => Some(self.proxy_header_deadline(limits)),
            Stage::Gone(_) => None,
            // It is the store that takes its time.
            _ if matches!(self.message, Message::Asked(_)) => self.patience.until(),
            _ => self
                .patience
                .until()
                .or_else(|| self.patience.deadline(self.session.phase(), limits)),
        }
    }

    /// Ends a connection whose deadline has passed, unless it deserves more time.
    pub fn on_deadline(&mut self, turn: &mut Turn<'_>) -> Next {
        let phase = self.session.phase();
        match self.stage {
            Stage::AwaitingProxyHeader => self.vanish(Closed::ByProxy, turn),
            // Whoever does not speak TLS would not understand a reply in it.
            Stage::ToSecure | Stage::Securing => self.vanish(Closed::ByDeadline(phase), turn),
            Stage::Open if self.patience.until().is_some() => {
                let next = self.stop_waiting_for_answer(turn);
                return self.settle(next, turn);
            }
            Stage::New | Stage::Open if self.is_kept_waiting(turn.store) => {
                self.patience.progress(turn.now);
                self.patience.enter_phase(turn.now, self.channel.bytes_in());
            }
            Stage::New | Stage::Open => {
                if !self
                    .patience
                    .has_ended(phase, turn.now, self.channel.bytes_in(), turn.limits)
                {
                    return Next::Wait;
                }
                if self.channel.unsent() == 0 {
                    self.session.time_out(turn.replies);
                    self.leave(Closed::ByDeadline(phase), turn);
                } else {
                    // A client that has not even read what it was sent would not read another reply.
                    self.vanish(Closed::ByDeadline(phase), turn);
                }
            }
            Stage::Leaving(_) | Stage::Lingering(_) | Stage::Gone(_) => self.give_up(),
        }
        self.settle(Ok(Next::Wait), turn)
    }

    /// Whether its message is not read because the store takes no more text.
    fn is_kept_waiting(&self, store: &dyn Store) -> bool {
        matches!(self.message, Message::Open(_)) && store.is_congested()
    }

    /// Whether it was not told good-bye yet.
    fn is_open(&self) -> bool {
        !matches!(self.stage, Stage::Lingering(_) | Stage::Gone(_))
    }

    /// Where it comes from, as far as the CPU is shared out by that.
    pub(super) fn source(&self) -> Source {
        self.peer.source()
    }

    /// What it counts as. Until a proxy has said whom it speaks for, it is nobody's.
    pub fn presence(&self) -> Presence {
        let known = self.is_open() && !matches!(self.stage, Stage::AwaitingProxyHeader);
        Presence {
            open: self.is_open(),
            ip: self.peer.ip().filter(|_| known),
        }
    }

    /// Ends a turn: writes its replies, moves on to the next stage where that is due, and says what is needed.
    fn settle(&mut self, next: io::Result<Next>, turn: &mut Turn<'_>) -> Next {
        let sent = next.and_then(|next| {
            match self.stage {
                Stage::Leaving(_) => {}
                // The rest of a pipelined group comes with the next turn, and the replies to all of it go in one write
                // (RFC 2920 §3.2).
                _ if matches!(next, Next::Again | Next::Identified(_)) => {
                    self.channel.hold(turn.replies);
                    return Ok(next);
                }
                _ => {
                    self.channel.send(turn.replies)?;
                    return Ok(next);
                }
            }
            self.channel.send_last(turn.replies)?;
            if self.channel.unsent() == 0 {
                self.channel.close_notify()?;
            }
            Ok(next)
        });
        let next = sent.unwrap_or_else(|error| {
            turn.replies.clear();
            self.vanish(Closed::BySocket(error), turn);
            Next::Wait
        });
        if matches!(self.stage, Stage::Leaving(_)) && self.channel.unsent() == 0 {
            return self.part(turn.now);
        }
        // A message that was submitted keeps even a connection that is gone, until it is known what became of it, or
        // there is no time left to wait for that.
        match (&self.stage, &self.message) {
            (Stage::Gone(_), _) if matches!(turn.drain, Drain::TimeIsUp) => Next::Reap,
            (_, Message::Submitted(ticket)) => Next::Completion(*ticket),
            (Stage::Gone(_), _) => Next::Reap,
            (_, Message::Asked(question)) => Next::Completion(question.ticket()),
            _ => next,
        }
    }
}
