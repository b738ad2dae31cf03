//! One SMTP session, seen from the server (RFC 5321 §3): bytes in, events out.
//!
//! ```text
//! AwaitingHello ─HELO─▶ AwaitingMail ─MAIL─▶ AwaitingRcpt ─RCPT…DATA─▶ ReceivingData ─end─▶ AwaitingCommit
//!                            ▲                                             │ refused             │
//!                            │                                             ▼                     │
//!                            ├──────────────end─────────────────── DiscardingData                │
//!                            └───────────────────────────────────────────────────────stored──────┘
//! ```
//!
//! A message may come in chunks instead: AwaitingRcpt ─BDAT─▶ ReceivingChunk ⇄ BetweenChunks, and behind the last one
//! AwaitingCommit. A chunk that is refused goes through DiscardingChunk, and its transaction is over. A submitted message
//! that is all header, or nothing, goes through EndingMessage, where the fields that it lacks are put in.
//!
//! A login goes from AwaitingMail through Authenticating, and if it is refused RefusingLogin, back to AwaitingMail.

mod answers;
mod chunks;
#[cfg(feature = "catch")]
mod faults;
#[cfg(feature = "milter")]
mod filtered;
mod hello;
mod login;
mod message;
mod pool;
mod starttls;
mod state;
mod transaction;
mod xclient;

use super::extension::Extension;
use std::rc::Rc;

use bytes::BytesMut;

#[cfg(any(feature = "catch", feature = "milter"))]
use answers::Overrides;
pub use pool::TransactionPool;
use state::{Stage, State};

use super::chunk::Chunk;
use super::command::Command;
use super::envelope::{Body, Envelope, Hello, Peer, ProxiedClient, QueueId};
use super::event::{CloseReason, Event, Limit, Phase};
use super::line::{BareNewline, Line, LineReader, Reading};
use super::policy::{Policy, RelayAccess};
use super::reply::{self, Reply, write_reply};
use super::security::Security;
use super::service::Service;
use super::stats::SessionStats;
use super::trace;
use super::transaction::Transaction;
use super::xclient::XclientAccess;

/// The state machine of one session. It is driven by [`next`](Self::next), which says what is to be done; for
/// some events the driver then calls back with what came of it.
#[derive(Debug)]
pub struct Session {
    policy: Rc<Policy>,
    pool: Rc<TransactionPool>,
    service: Service,
    peer: Peer,
    /// For whom that peer may speak.
    xclient_access: XclientAccess,
    /// Whether it may send elsewhere without a login.
    relay_access: RelayAccess,
    /// Facts about it from its XCLIENT peer, if there is one.
    proxied: Option<Rc<ProxiedClient>>,
    /// The TLS of the session, once it has begun.
    security: Option<Rc<Security>>,
    /// The user who has logged in.
    user: Option<Rc<str>>,
    /// The last hello of the client.
    hello: Option<Hello>,
    state: State,
    lines: LineReader,
    stats: SessionStats,
    /// What the driver has it say in place of its own replies.
    #[cfg(any(feature = "catch", feature = "milter"))]
    overrides: Overrides,
}

impl Session {
    /// A session with a client that has just connected.
    #[must_use]
    pub fn new(
        policy: Rc<Policy>,
        pool: Rc<TransactionPool>,
        service: Service,
        peer: Peer,
    ) -> Self {
        Self {
            policy,
            pool,
            service,
            peer,
            xclient_access: XclientAccess::default(),
            relay_access: RelayAccess::default(),
            proxied: None,
            security: None,
            user: None,
            hello: None,
            state: State::AwaitingHello,
            lines: LineReader::default(),
            stats: SessionStats::default(),
            #[cfg(any(feature = "catch", feature = "milter"))]
            overrides: Overrides::default(),
        }
    }

    /// Tells where the client really is and for whom it may speak, before it is greeted.
    pub fn set_client(&mut self, peer: Peer, xclient_access: XclientAccess) {
        self.peer = peer;
        self.xclient_access = xclient_access;
    }

    /// Tells whether the client may send elsewhere without a login, before it is greeted.
    pub fn set_relay_access(&mut self, relay_access: RelayAccess) {
        self.relay_access = relay_access;
    }

    /// Says the greeting, or sends the client away that `talked_early`, before it was greeted: what does not
    /// wait for the greeting is no mail client (a departure from RFC 5321 §3.8 that most servers offer).
    pub fn greet(&mut self, talked_early: bool, out: &mut BytesMut) {
        if talked_early && self.policy.bare_newline != BareNewline::Accept {
            self.dismiss(reply::EARLY_TALKER, CloseReason::Error, out);
        } else {
            write_reply(
                out,
                220,
                None,
                format_args!(
                    "{} {} mailoop",
                    self.policy.hostname,
                    self.service.greeting()
                ),
            );
        }
    }

    /// Takes the next step with `input`, from which it takes off what it used. Replies are appended to `out`.
    pub fn next<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8], out: &mut BytesMut) -> Event<'a> {
        match &self.state {
            State::AwaitingHello | State::AwaitingMail => self.command(input, out),
            #[cfg(any(feature = "catch", feature = "milter"))]
            State::Unwelcome => self.command(input, out),
            State::Authenticating(_) => self.advance_login(input, out),
            State::Tarpit => self.end_login(reply::LOGIN_REFUSED, out),
            State::LoggingIn(_) => self.end_login(reply::LOGGED_IN, out),
            State::DiscardingChunk(..) => self.discard_chunk(input, out),
            State::Closing(reason, _) => Event::Close(*reason),
            State::Transaction(_, stage) => match stage {
                Stage::AwaitingRcpt | Stage::BetweenChunks(_) => self.command(input, out),
                Stage::ReceivingData(_) | Stage::ReceivingChunk(..) => self.receive(input, out),
                Stage::DiscardingData(..) => self.discard(input, out),
                Stage::DiscardingChunk(..) => self.discard_chunk(input, out),
                Stage::EndingMessage => self.end_message(out),
                Stage::AwaitingCommit => Event::NeedInput,
            },
        }
    }

    fn command(&mut self, input: &mut &[u8], out: &mut BytesMut) -> Event<'static> {
        const TLS_HANDSHAKE: &[u8] = b"\x16\x03";
        if input.starts_with(TLS_HANDSHAKE) && !self.lines.is_skipping() {
            return self.dismiss(reply::WRONG_PROTOCOL, CloseReason::Error, out);
        }
        let reading = if self.knows_dsn() {
            Reading::CommandsWithDsn
        } else if self.knows_auth() {
            Reading::CommandsWithAuth
        } else {
            Reading::Commands
        };
        let bare_newline = self.policy.bare_newline;
        let command = match self.lines.next(input, bare_newline, reading) {
            Line::Incomplete => return Event::NeedInput,
            Line::Complete(line) => Command::parse(line),
            Line::TooLong => Err(reply::LINE_TOO_LONG),
            Line::Malformed => Err(reply::LINE_MALFORMED),
        };
        match command {
            #[cfg(any(feature = "catch", feature = "milter"))]
            Ok(command) if self.is_unwelcome() && !matches!(command, Command::Quit) => {
                self.answer(reply::UNWELCOME, out)
            }
            Ok(command) => self.obey(command, !input.is_empty(), out),
            #[cfg(feature = "milter")]
            Err(reply::UNKNOWN_COMMAND) if self.asks_about_unknown() => Event::CheckUnknown,
            Err(reply) => self.answer(reply, out),
        }
    }

    /// The protocol: one match over what is awaited and what came.
    fn obey(
        &mut self,
        command: Command<'_>,
        more_input: bool,
        out: &mut BytesMut,
    ) -> Event<'static> {
        match (&mut self.state, command) {
            (_, Command::Hello { greeting, name }) => self.hello(greeting, name, out),
            (_, Command::Quit) => self.dismiss(reply::BYE, CloseReason::Quit, out),
            (_, Command::Noop) => self.answer(reply::OK, out),
            (_, Command::Help) => self.help(out),
            (_, Command::Vrfy) => self.answer(reply::CANNOT_VERIFY, out),
            (_, Command::Xclient(argument)) => self.xclient(argument, more_input, out),
            (_, Command::StartTls) => self.ask_for_tls(more_input, out),
            (_, Command::Auth(argument)) => self.auth(argument, out),
            (_, Command::NotOffered) => self.answer(reply::COMMAND_NOT_OFFERED, out),
            (_, Command::WrongProtocol) => {
                self.dismiss(reply::WRONG_PROTOCOL, CloseReason::Error, out)
            }
            // Input behind DATA was sent without waiting for 354: a message that would be taken for commands
            // if DATA were refused, or a smuggler (RFC 2920 §3.1: DATA ends its group).
            (_, Command::Data) if more_input && self.policy.bare_newline != BareNewline::Accept => {
                self.dismiss(reply::EARLY_TALKER, CloseReason::Error, out)
            }
            (State::AwaitingHello, Command::Rset) => self.answer(reply::OK, out),
            (_, Command::Rset) => {
                self.answer(reply::OK, out);
                self.reset()
            }
            (State::AwaitingMail, Command::Mail(from, parameters)) => {
                self.mail(from, parameters, out)
            }
            (State::Transaction(..), Command::Mail(..)) => self.answer(reply::NESTED_MAIL, out),
            (State::Transaction(_, Stage::BetweenChunks(_)), Command::Rcpt(..) | Command::Data) => {
                self.answer(reply::CHUNKS_BEGUN, out)
            }
            (State::Transaction(transaction, _), Command::Rcpt(to, dsn)) => {
                let is_full = transaction.is_full(&self.policy);
                self.rcpt(to, dsn, is_full, out)
            }
            (State::Transaction(transaction, _), Command::Data) => {
                if transaction.envelope.body == Body::BinaryMime {
                    self.answer(reply::BINARY_BY_DATA, out)
                } else if transaction.envelope.recipients.is_empty() {
                    self.answer(reply::RECIPIENT_FIRST, out)
                } else {
                    Event::BeginMessage
                }
            }
            (State::AwaitingMail, Command::Rcpt(..) | Command::Data) => {
                self.answer(reply::MAIL_FIRST, out)
            }
            (state, Command::Mail(..) | Command::Rcpt(..) | Command::Data) => {
                debug_assert!(
                    matches!(state, State::AwaitingHello),
                    "no command is read in {state:?}"
                );
                self.answer(self.service.hello_first(), out)
            }
            // What follows would be taken for commands.
            (_, Command::BadBdat(None)) => {
                self.dismiss(reply::BAD_ARGUMENT, CloseReason::Error, out)
            }
            (_, Command::BadBdat(Some(size))) => {
                self.refuse_chunk(Chunk::new(size, false), reply::BAD_ARGUMENT)
            }
            (_, Command::Bdat(chunk)) => self.chunk(chunk),
        }
    }

    /// Refuses what was asked, in answer to [`Event::CheckRoom`], [`Event::CheckRecipient`] or
    /// [`Event::BeginMessage`].
    pub fn refuse(&mut self, reply: Reply, out: &mut BytesMut) {
        match &mut self.state {
            State::Transaction(_, stage @ Stage::ReceivingChunk(..)) => stage.refuse(reply),
            state => {
                debug_assert!(
                    matches!(
                        state,
                        State::AwaitingMail | State::Transaction(_, Stage::AwaitingRcpt)
                    ),
                    "nothing was asked in {state:?}"
                );
                self.answer(reply, out);
            }
        }
    }

    /// Ends the session because the client was too slow.
    pub fn time_out(&mut self, out: &mut BytesMut) {
        let status = self.has_enhanced_codes().then_some("4.4.2");
        write_reply(
            out,
            421,
            status,
            format_args!("{} Error: timeout exceeded", self.policy.hostname),
        );
        self.close(CloseReason::Timeout);
    }

    /// Ends the session because there are too many of this client.
    pub fn reject(&mut self, out: &mut BytesMut) {
        let reason = CloseReason::Limit(Limit::ConnectionsPerIp);
        self.dismiss(reply::TOO_MANY_CONNECTIONS, reason, out);
    }

    /// Ends the session because the server shuts down.
    pub fn shut_down(&mut self, out: &mut BytesMut) {
        self.dismiss(reply::SHUTTING_DOWN, CloseReason::Drain, out);
    }

    /// The name of the present state.
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        self.state.name()
    }

    /// Whether the next line is a part of a login.
    #[must_use]
    pub fn is_logging_in(&self) -> bool {
        matches!(self.state, State::Authenticating(_))
    }

    /// Whether the next octets are the text of a message, which may be read only to be refused.
    #[must_use]
    pub fn awaits_text(&self) -> bool {
        self.state.awaits_text()
    }

    /// Whether the next octets are within a line that is too long.
    #[must_use]
    pub fn is_skipping(&self) -> bool {
        self.lines.is_skipping()
    }

    /// The phase of the session.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.state.phase()
    }

    /// The envelope of the present transaction.
    #[must_use]
    pub fn envelope(&self) -> Option<&Envelope> {
        self.transaction().map(|transaction| &transaction.envelope)
    }

    /// The present transaction.
    #[must_use]
    pub fn transaction(&self) -> Option<&Transaction> {
        self.state.transaction()
    }

    /// Appends the trace header of the message that the store knows as `id` to `out` (RFC 5321 §4.4).
    pub fn write_trace(&self, id: QueueId, date: &str, out: &mut BytesMut) {
        if let Some(envelope) = self.envelope() {
            trace::write(out, envelope, id, &self.policy.hostname, date);
        }
    }

    /// Appends the trace header of a message that is sent on, which has no `Return-Path`.
    pub fn write_received(&self, id: QueueId, date: &str, out: &mut BytesMut) {
        if let Some(envelope) = self.envelope() {
            trace::write_received(out, envelope, id, &self.policy.hostname, date);
        }
    }

    /// The protocol of the session.
    #[must_use]
    pub fn service(&self) -> Service {
        self.service
    }

    /// Takes back a transaction that is over.
    pub fn reuse(&self, transaction: Box<Transaction>) {
        self.pool.keep(transaction);
    }

    /// The counts of the session so far.
    #[must_use]
    pub fn stats(&self) -> SessionStats {
        self.stats
    }

    /// The user who has logged in: here, or at the XCLIENT peer.
    fn user(&self) -> Option<&Rc<str>> {
        let proxied = self.proxied.as_deref();
        let there = proxied.and_then(|proxied| proxied.login.as_ref());
        self.user.as_ref().or(there)
    }

    /// Whether the client may use what EHLO offers.
    fn extended(&self) -> bool {
        self.hello.as_ref().is_some_and(|hello| hello.extended)
    }

    /// Whether replies have enhanced status codes (RFC 2034).
    fn has_enhanced_codes(&self) -> bool {
        self.extended() && !self.withholds(Extension::EnhancedStatusCodes)
    }
}
