//! Transactions of the load, one after the other on a connection, as the task of a dialogue.

use core::ops::ControlFlow;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::schedule::Schedule;
use super::stats::{FailureKind, LoadStats};
use crate::net::driver::{ConnectionName, Summary};
use crate::net::probe::Probe;
use crate::smtp::client::{ClientEvent, ClientFault, ClientSession, Subject};
use crate::tools::dialogue::{DialogueError, Task, TaskTurn};
use crate::tools::encryption::no_starttls;
use crate::tools::opening::Opening;
use crate::tools::world::World;

/// How long a server may take to close after its good-bye, on which nothing depends any more.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// Everything that all connections work on.
pub(super) struct LoadShared {
    pub(super) opening: Rc<Opening>,
    pub(super) world: Rc<dyn World>,
    pub(super) probe: Option<Rc<dyn Probe>>,
    /// Whether a connection has more than one transaction.
    pub(super) keep: bool,
    /// Whether a transaction is no more than a connection.
    pub(super) connect_only: bool,
    pub(super) schedule: Schedule,
    pub(super) stats: LoadStats,
    /// Connections that are not removed.
    pub(super) connections: usize,
    /// Connections that wait for a transaction. Some may be gone, or busy again.
    pub(super) idle: Vec<ConnectionName>,
    /// The order for the idle connection that is being woken, which takes it.
    pub(super) order: Option<Order>,
    /// Whether the server was ever reached.
    pub(super) is_reached: bool,
    /// Since when it cannot be reached.
    pub(super) unreachable_since: Option<Instant>,
    /// Dials that failed. Their transactions are still to be counted.
    pub(super) dial_errors: Vec<io::Error>,
}

impl LoadShared {
    fn note_reached(&mut self) {
        self.is_reached = true;
        self.unreachable_since = None;
    }
}

/// An order for an idle connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// Begin the transaction that counts since then.
    Begin(Instant),
    /// Quit: no transaction is left.
    Quit,
}

/// The state of a connection. The instants are since when its transaction counts.
#[derive(Clone, Copy, Debug)]
enum TransactionPhase {
    /// Dial, greeting and hello, for the first transaction.
    Opening(Instant),
    Transaction(Instant),
    /// Nothing is due.
    Idle,
    /// Good-bye was said, or the server said it.
    Leaving,
}

/// The transactions of one connection.
pub(super) struct Transactions {
    phase: TransactionPhase,
}

impl Transactions {
    /// Transactions of which the first counts since `since`.
    pub(super) fn new(since: Instant) -> Self {
        let phase = TransactionPhase::Opening(since);
        Self { phase }
    }

    fn on_opened(&mut self, session: &mut ClientSession, turn: &mut TaskTurn<'_, Self>) {
        turn.shared.stats.connections += 1;
        let TransactionPhase::Opening(since) = self.phase else {
            debug_assert!(false, "a connection opens once");
            return;
        };
        if turn.shared.connect_only {
            session.quit(turn.output);
            self.phase = TransactionPhase::Transaction(since);
        } else if turn.shared.keep && !turn.shared.schedule.is_by_clock() {
            // All transactions of this connection shall count alike.
            self.begin(turn.shared.world.now(), session, turn);
        } else {
            self.begin(since, session, turn);
        }
    }

    fn on_accepted(&mut self, session: &mut ClientSession, turn: &mut TaskTurn<'_, Self>) {
        let now = turn.shared.world.now();
        for refusal in session.refusals() {
            turn.shared.stats.refused_recipient(&refusal.reply);
        }
        if let TransactionPhase::Transaction(since) = self.phase {
            turn.shared.stats.done(since, now);
        }
        self.go_on(now, session, turn);
    }

    fn on_refused(&mut self, session: &mut ClientSession, turn: &mut TaskTurn<'_, Self>) {
        let now = turn.shared.world.now();
        let Some(first) = session.refusals().first() else {
            return self.say_goodbye(session, turn);
        };
        let (failure, subject) = (FailureKind::Reply(first.reply.code()), first.subject);
        turn.shared.stats.failed(failure, &first.reply, now);
        if matches!(subject, Subject::Session | Subject::StartTls) {
            self.say_goodbye(session, turn);
        } else {
            self.go_on(now, session, turn);
        }
    }

    /// The session cannot go on as it has to. Without a login that is so only where the server knows no STARTTLS.
    fn on_unacceptable(
        &mut self,
        fault: ClientFault,
        session: &mut ClientSession,
        turn: &mut TaskTurn<'_, Self>,
    ) {
        if fault == ClientFault::Refused {
            return self.on_refused(session, turn);
        }
        let why = no_starttls(&turn.shared.opening.server);
        let now = turn.shared.world.now();
        turn.shared.stats.failed(FailureKind::Tls, why, now);
        self.say_goodbye(session, turn);
    }

    /// The server has said its last word.
    fn on_closed(&mut self, session: &ClientSession, turn: &mut TaskTurn<'_, Self>) {
        let now = turn.shared.world.now();
        let reply = session.reply();
        let shared = &mut *turn.shared;
        match self.phase {
            TransactionPhase::Transaction(since) if shared.connect_only && reply.code() < 400 => {
                shared.stats.done(since, now);
            }
            TransactionPhase::Opening(_) | TransactionPhase::Transaction(_) => {
                let failure = FailureKind::Reply(reply.code());
                shared.stats.failed(failure, reply, now);
            }
            TransactionPhase::Idle | TransactionPhase::Leaving => {}
        }
        self.phase = TransactionPhase::Leaving;
    }

    /// Goes on to the next transaction, or leaves.
    fn go_on(&mut self, now: Instant, session: &mut ClientSession, turn: &mut TaskTurn<'_, Self>) {
        let shared = &mut *turn.shared;
        if !shared.keep || shared.schedule.is_over(now) {
            self.say_goodbye(session, turn);
        } else if let Some(since) = shared.schedule.take(now) {
            self.begin(since, session, turn);
        } else {
            self.phase = TransactionPhase::Idle;
            let name = turn.name();
            turn.shared.idle.push(name);
        }
    }

    fn begin(
        &mut self,
        since: Instant,
        session: &mut ClientSession,
        turn: &mut TaskTurn<'_, Self>,
    ) {
        let mail = Rc::clone(&turn.shared.opening.mail);
        let size = mail.size;
        match session.begin(mail, turn.output) {
            Ok(()) => self.phase = TransactionPhase::Transaction(since),
            Err(too_large) => {
                let limit = too_large.limit;
                let why =
                    format_args!("the message has {size} octets, the server takes {limit} at most");
                let failure = FailureKind::TooLarge;
                turn.shared.stats.failed(failure, why, turn.now);
                self.say_goodbye(session, turn);
            }
        }
    }

    fn say_goodbye(&mut self, session: &mut ClientSession, turn: &mut TaskTurn<'_, Self>) {
        session.quit(turn.output);
        self.phase = TransactionPhase::Leaving;
    }
}

impl Task for Transactions {
    type Shared = LoadShared;

    fn probe(shared: &LoadShared) -> Option<&Rc<dyn Probe>> {
        shared.probe.as_ref()
    }

    fn connected(&mut self, shared: &mut LoadShared) {
        shared.note_reached();
    }

    fn resume(&mut self, session: &mut ClientSession, turn: &mut TaskTurn<'_, Self>) {
        if !matches!(self.phase, TransactionPhase::Idle) {
            return;
        }
        match turn.shared.order.take() {
            Some(Order::Begin(since)) => self.begin(since, session, turn),
            Some(Order::Quit) => self.say_goodbye(session, turn),
            None => {}
        }
    }

    fn replied(
        &mut self,
        event: ClientEvent,
        session: &mut ClientSession,
        turn: &mut TaskTurn<'_, Self>,
    ) -> ControlFlow<()> {
        turn.shared.note_reached();
        match event {
            ClientEvent::NeedInput
            | ClientEvent::Replied
            | ClientEvent::StartTls
            | ClientEvent::SendMessage => {}
            ClientEvent::Ready => self.on_opened(session, turn),
            ClientEvent::Accepted => self.on_accepted(session, turn),
            ClientEvent::Refused => self.on_refused(session, turn),
            ClientEvent::Unacceptable(fault) => self.on_unacceptable(fault, session, turn),
            ClientEvent::Closed => self.on_closed(session, turn),
        }
        ControlFlow::Continue(())
    }

    fn timeout(&self, shared: &LoadShared) -> Option<Duration> {
        match self.phase {
            TransactionPhase::Opening(_) | TransactionPhase::Transaction(_) => {
                Some(shared.opening.timeout)
            }
            TransactionPhase::Idle => None,
            TransactionPhase::Leaving => Some(shared.opening.timeout.min(GOODBYE_TIMEOUT)),
        }
    }

    /// Counts a failure, unless the dialogue is leaving and has nothing left to lose.
    fn failed(&mut self, error: DialogueError, turn: &mut TaskTurn<'_, Self>) {
        if let TransactionPhase::Idle | TransactionPhase::Leaving = self.phase {
            return;
        }
        let shared = &mut *turn.shared;
        let (failure, why) = match error {
            DialogueError::Dial(error) if !is_from_server(&error) => {
                return shared.dial_errors.push(error);
            }
            DialogueError::Dial(error)
            | DialogueError::Socket(error)
            | DialogueError::Handshake(error) => {
                let trust = shared.opening.trust.as_ref();
                match trust.and_then(|trust| trust.explain(&error, &shared.opening.server)) {
                    Some(why) => (FailureKind::Tls, why),
                    None => (FailureKind::Lost, error.to_string()),
                }
            }
            DialogueError::Eof => (
                FailureKind::Lost,
                "the server closed the connection".to_owned(),
            ),
            DialogueError::Protocol(error) => (FailureKind::Protocol, error.to_string()),
            DialogueError::Timeout => {
                let seconds = shared.opening.timeout.as_secs();
                let why = format!("no progress for {seconds} s");
                (FailureKind::Timeout, why)
            }
        };
        shared.note_reached();
        shared.stats.failed(failure, why, turn.now);
    }

    fn closed(&mut self, summary: &Summary, shared: &mut LoadShared) {
        shared.stats.bytes_in += summary.bytes_in;
        shared.stats.bytes_out += summary.bytes_out;
        shared.connections -= 1;
    }
}

/// Whether only a server that is there can be the reason.
fn is_from_server(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::InvalidData
            | io::ErrorKind::UnexpectedEof
    )
}
