//! One connection to a server of a stream, as a driver of the engine: INFO, TLS, login, subscription, then messages both ways.
//!
//! Everything that is said goes through one buffer, which is written from its place: what is answered must not get into the middle of a
//! message. A server that is silent is asked whether it is there, and given up.

use std::io::ErrorKind;
use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::complaint::Complaint;
use super::desk::{LinkAttempt, LinkEvent, StreamDesk};
use super::info::ServerInfo;
use super::say::{self, StreamLogin};
use super::settings::StreamError;
use super::wire::{ServerOp, WireMessage, WireParser};
use crate::net::driver::{Close, ConnectionFailure, Drain, Driver, Step, Summary, Turn, Wait};
use crate::net::failure::TlsFailure;
use crate::net::link::{StartTls, TlsFacts};

/// Time from a connection to the end of the login, without the handshake of TLS.
pub const OPENING_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for the handshake of TLS.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Silence after which a server is asked whether it is there.
pub const PING_AFTER: Duration = Duration::from_secs(5);
/// Silence after which a server is given up.
pub const SILENCE_MAX: Duration = Duration::from_secs(10);

/// The login, and TLS if that is asked for.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// The user, if the address names one.
    pub user: Option<Rc<str>>,
    /// The password of the user, or a token.
    pub secret: Option<Rc<str>>,
    /// TLS with this server.
    pub tls: Option<Rc<dyn StartTls>>,
}

/// One connection to a server.
#[derive(Debug)]
pub struct StreamLink {
    attempt: LinkAttempt,
    settings: LinkSettings,
    stage: LinkStage,
    parser: WireParser,
    info: Box<ServerInfo>,
    /// What is being written, and how much of it is.
    writing: Vec<u8>,
    written: usize,
    /// Whether a PONG is among it: one answers all that was asked meanwhile, so that asking without reading costs nothing.
    has_pong: bool,
    /// The instant at which something was heard last.
    heard_at: Instant,
    /// Whether it was asked since then whether it is there.
    is_asked: bool,
}

/// The stages in the life of a connection to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinkStage {
    /// INFO is awaited.
    Greeting,
    /// In the handshake of TLS.
    Handshaking,
    /// The answer to the login is awaited.
    Login,
    /// Messages may come and go.
    Open,
    /// Over: the service was told.
    Over,
}

type LinkTurn<'a> = Turn<'a, StreamDesk>;

impl StreamLink {
    /// The driver of a connection that is about to be made.
    #[must_use]
    pub fn new(attempt: LinkAttempt, settings: LinkSettings, now: Instant) -> Self {
        Self {
            attempt,
            settings,
            stage: LinkStage::Greeting,
            parser: WireParser::default(),
            info: Box::default(),
            writing: Vec::new(),
            written: 0,
            has_pong: false,
            heard_at: now,
            is_asked: false,
        }
    }

    /// Ends, and tells why.
    fn end(&mut self, error: StreamError, turn: &mut LinkTurn<'_>) -> Step<Self> {
        self.over(error, turn.shared);
        Step::Close(Close::abort(()))
    }

    fn over(&mut self, error: StreamError, desk: &mut StreamDesk) {
        if self.stage != LinkStage::Over {
            self.stage = LinkStage::Over;
            desk.tell(self.attempt, LinkEvent::Closed(error));
        }
    }

    /// Acts upon all that is there. `None` once it is used up.
    fn converse(&mut self, input: &mut &[u8], turn: &mut LinkTurn<'_>) -> Option<Step<Self>> {
        while !input.is_empty() {
            if turn.shared.is_inbox_full() {
                return Some(Step::Wait(Wait::Room));
            }
            let said = self.parser.next(input);
            let step = match said {
                Ok(Some(op)) => self.take(op, turn),
                Ok(None) => return None,
                Err(error) => {
                    let text = format!("the server does not speak as NATS does: {error}");
                    Some(self.end(StreamError::Unreachable(text), turn))
                }
            };
            if step.is_some() {
                return step;
            }
        }
        None
    }

    fn take(&mut self, op: ServerOp, turn: &mut LinkTurn<'_>) -> Option<Step<Self>> {
        match (op, self.stage) {
            (ServerOp::Info(text), _) => self.take_info(&text, turn),
            (ServerOp::Ping, _) => {
                if !mem::replace(&mut self.has_pong, true) {
                    say::pong(&mut self.writing);
                }
                None
            }
            (ServerOp::Pong, LinkStage::Login) => {
                self.stage = LinkStage::Open;
                let event = LinkEvent::Opened(turn.name(), self.info.clone());
                turn.shared.tell(self.attempt, event);
                None
            }
            (ServerOp::Complaint(text), _) => self.take_complaint(text, turn),
            (ServerOp::Message(message), LinkStage::Open) => {
                self.take_message(message, turn);
                None
            }
            (ServerOp::Message(_) | ServerOp::Pong | ServerOp::Success, _) => None,
        }
    }

    fn take_message(&self, mut message: WireMessage, turn: &mut LinkTurn<'_>) {
        if message.subscription != say::SUBSCRIPTION || turn.shared.attempt != self.attempt {
            return;
        }
        if !message.is_whole {
            let subject = &message.message.subject;
            log::warn!("warning=\"a message of a stream is too long\" subject={subject:?}");
        }
        message.message.is_left_out = !message.is_whole;
        turn.shared.put_message(message.message);
    }

    fn take_info(&mut self, text: &[u8], turn: &mut LinkTurn<'_>) -> Option<Step<Self>> {
        let info = match ServerInfo::parse(text) {
            Ok(info) => Box::new(info),
            Err(error) => {
                let text = format!("the server's INFO makes no sense: {error}");
                return Some(self.end(StreamError::Unreachable(text), turn));
            }
        };
        self.info = info;
        match self.stage {
            LinkStage::Greeting => self.begin(turn),
            LinkStage::Open if self.info.is_leaving => {
                let text = "the server is about to shut down".to_owned();
                Some(self.end(StreamError::Unreachable(text), turn))
            }
            LinkStage::Open => {
                let event = LinkEvent::Changed(self.info.clone());
                turn.shared.tell(self.attempt, event);
                None
            }
            LinkStage::Handshaking | LinkStage::Login | LinkStage::Over => None,
        }
    }

    /// Begins TLS or the login, now that the server has greeted.
    fn begin(&mut self, turn: &mut LinkTurn<'_>) -> Option<Step<Self>> {
        let info = &self.info;
        let fault = match &self.settings.tls {
            Some(_) if !info.wants_tls && !info.has_tls => {
                "the server has no TLS, which the address asks for"
            }
            None if info.wants_tls => {
                "the server wants TLS: add ?tls=verify to the address of the stream"
            }
            _ if !info.has_headers => "the server knows no headers: it has to be a newer one",
            Some(tls) => {
                self.stage = LinkStage::Handshaking;
                return Some(Step::StartTls(Rc::clone(tls), HANDSHAKE_TIMEOUT));
            }
            None => {
                self.log_in(turn);
                return None;
            }
        };
        Some(self.end(StreamError::Login(fault.to_owned()), turn))
    }

    /// Logs in, subscribes, and asks for an answer to all of that.
    fn log_in(&mut self, turn: &LinkTurn<'_>) {
        let settings = &self.settings;
        let login = match (settings.user.as_deref(), settings.secret.as_deref()) {
            (Some(user), secret) => StreamLogin::User(user, secret.unwrap_or_default()),
            (None, Some(token)) => StreamLogin::Token(token),
            (None, None) => StreamLogin::Nobody,
        };
        let inbox = format!("{}.*", turn.shared.inbox_subject);
        say::connect(login, settings.tls.is_some(), &mut self.writing);
        say::subscribe(&inbox, &mut self.writing);
        say::ping(&mut self.writing);
        self.stage = LinkStage::Login;
        self.heard_at = turn.now;
    }

    fn take_complaint(&mut self, text: Box<str>, turn: &mut LinkTurn<'_>) -> Option<Step<Self>> {
        let complaint = Complaint::of(&text);
        if complaint == Complaint::Forbidden && self.stage == LinkStage::Open {
            turn.shared.tell(self.attempt, LinkEvent::Forbidden(text));
            return None;
        }
        // Before the login only our subscription can be forbidden, and nothing goes without that.
        Some(self.end(complaint.error(&text), turn))
    }

    /// Writes what is there to be written, and otherwise reads.
    fn go_on(&mut self, turn: &mut LinkTurn<'_>) -> Step<Self> {
        let is_mine = turn.shared.attempt == self.attempt;
        if self.unwritten().is_empty() {
            self.written = 0;
            self.writing.clear();
            self.has_pong = false;
            if is_mine && self.stage == LinkStage::Open {
                turn.shared.take_output(&mut self.writing);
            }
        }
        let unwritten = self.unwritten().len();
        turn.shared.set_unwritten(self.attempt, unwritten);
        match unwritten {
            _ if !is_mine => Step::Close(Close::abort(())),
            0 => Step::Continue,
            _ => Step::Write,
        }
    }

    fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard_at)
    }
}

impl Driver for StreamLink {
    type Shared = StreamDesk;
    type Ticket = ();
    type Completion = ();
    type Reason = ();

    // A server says why it closes.
    const READS_AFTER_FAILED_WRITE: bool = true;

    fn opened(&mut self, turn: &mut LinkTurn<'_>) -> Step<Self> {
        self.heard_at = turn.now;
        Step::Continue
    }

    fn takes_input(&self, desk: &StreamDesk) -> bool {
        !desk.is_inbox_full()
    }

    fn input(&mut self, input: &mut &[u8], turn: &mut LinkTurn<'_>) -> Step<Self> {
        if turn.drain == Drain::TimeIsUp {
            let text = "the server is shutting down".to_owned();
            return self.end(StreamError::Unreachable(text), turn);
        }
        if !input.is_empty() && self.stage == LinkStage::Open {
            self.heard_at = turn.now;
            self.is_asked = false;
        }
        match self.converse(input, turn) {
            Some(Step::Wait(Wait::Room)) if !self.unwritten().is_empty() => Step::Write,
            Some(step) => step,
            None => self.go_on(turn),
        }
    }

    fn eof(&mut self, turn: &mut LinkTurn<'_>) -> Step<Self> {
        let text = "the server closed the connection".to_owned();
        self.end(StreamError::Unreachable(text), turn)
    }

    fn secured(&mut self, _: &TlsFacts, turn: &mut LinkTurn<'_>) -> Step<Self> {
        self.log_in(turn);
        self.go_on(turn)
    }

    fn unwritten(&self) -> &[u8] {
        &self.writing[self.written..]
    }

    fn wrote(&mut self, count: usize, turn: &mut LinkTurn<'_>) -> Step<Self> {
        self.written += count;
        self.go_on(turn)
    }

    fn deadline(&self, _: &StreamDesk) -> Option<Instant> {
        match self.stage {
            LinkStage::Greeting | LinkStage::Login => Some(self.heard_at + OPENING_TIMEOUT),
            LinkStage::Open if self.is_asked => Some(self.heard_at + SILENCE_MAX),
            LinkStage::Open => Some(self.heard_at + PING_AFTER),
            LinkStage::Handshaking | LinkStage::Over => None,
        }
    }

    fn expired(&mut self, turn: &mut LinkTurn<'_>) -> Option<Step<Self>> {
        let text = match self.stage {
            LinkStage::Greeting => "the server does not greet as NATS does",
            LinkStage::Login => "the server does not answer to the login",
            // What it has said is here, and was not looked at.
            LinkStage::Open if turn.shared.is_inbox_full() => {
                self.heard_at = turn.now;
                return None;
            }
            LinkStage::Open if self.silence(turn.now) < SILENCE_MAX => {
                self.is_asked = true;
                say::ping(&mut self.writing);
                return Some(self.go_on(turn));
            }
            LinkStage::Open | LinkStage::Handshaking | LinkStage::Over => "the server is silent",
        };
        Some(self.end(StreamError::Unreachable(text.to_owned()), turn))
    }

    fn drained(&mut self, turn: &mut LinkTurn<'_>) -> Option<()> {
        (turn.drain == Drain::TimeIsUp).then_some(())
    }

    fn failed(&mut self, failure: ConnectionFailure, turn: &mut LinkTurn<'_>) {
        let text = match failure {
            ConnectionFailure::Dial(error) => error_text(&error),
            ConnectionFailure::HandshakeTimeout => "the handshake of TLS took too long".to_owned(),
            ConnectionFailure::Handshake(error) if error.kind() == ErrorKind::UnexpectedEof => {
                "the server hung up in the handshake of TLS".to_owned()
            }
            ConnectionFailure::Handshake(error) => {
                let account = TlsFailure::account_of_handshake(&error);
                return self.over(
                    StreamError::Login(format!("no TLS: {account}")),
                    turn.shared,
                );
            }
            ConnectionFailure::Socket(error) => error_text(&error),
        };
        self.over(StreamError::Unreachable(text), turn.shared);
    }

    fn closed(&mut self, (): &(), _: &Summary, desk: &mut StreamDesk) {
        let text = "the connection was ended".to_owned();
        self.over(StreamError::Unreachable(text), desk);
        drop(mem::take(&mut self.writing));
    }
}

/// The text of an error of the system, without its number.
#[must_use]
pub fn error_text(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        ErrorKind::TimedOut => "timed out".to_owned(),
        ErrorKind::ConnectionReset => "connection reset".to_owned(),
        _ => error.to_string(),
    }
}
