//! The client's side of the dialogue (RFC 5321 §3), sans-IO: the mirror of the server's session.
//!
//! [`ClientSession::next`] takes what the server sent, cut anywhere, and reads one reply from it. It writes
//! the command that follows into the buffer it is handed, and its [`ClientEvent`] says what is left to its caller:
//! to begin a message, to stream it, to quit. Whoever owns the socket only carries bytes.

mod capabilities;
mod commands;
mod event;
mod login;
mod opening;
mod parameters;
mod reply;
mod security;
mod state;
mod stuffing;
mod transacting;
mod transaction;

use core::mem;
use std::rc::Rc;

use bytes::BytesMut;

use super::envelope::Hello;
use super::security::ChannelBindings;
use super::status::EnhancedStatus;
use capabilities::Capabilities;
use commands::command;
use reply::ReplyReader;
use state::ClientState;

pub use event::{ClientEvent, ClientFault, Obstacle, Refusal, Subject, TooLarge};
pub use login::{ClientCredentials, ClientLogin};
pub use reply::{
    Printable, ProtocolError, REPLY_LINE_BYTES_MAX, REPLY_LINES_MAX, ReplyKind, ServerReply,
};
pub use security::ChannelSecurity;
pub use state::Awaited;
pub use stuffing::DotStuffing;
pub use transaction::{Outgoing, OutgoingParameters};

/// Whether a command waits for the reply to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// One command, one reply.
    Lockstep,
    /// All commands of a transaction at once, where the server offers PIPELINING (RFC 2920).
    Pipelined,
}

/// One session with a server, over any number of messages.
#[derive(Debug)]
pub struct ClientSession {
    state: ClientState,
    hello: Option<Hello>,
    is_lmtp: bool,
    pace: Pace,
    security: ChannelSecurity,
    credentials: Option<Rc<dyn ClientCredentials>>,
    capabilities: Capabilities,
    reader: ReplyReader,
    /// The subject of the last reply.
    subject: Subject,
    refusals: Vec<Refusal>,
    /// The message that was begun behind the final dot of the one before it.
    next: Option<Rc<Outgoing>>,
}

impl ClientSession {
    /// A session that awaits the greeting and then says `hello`: EHLO if it is extended, with HELO as the fallback
    /// back (RFC 5321 §3.2), else HELO. Without a `hello` it is ready as soon as it is greeted.
    #[must_use]
    pub fn new(hello: Option<Hello>, pace: Pace) -> Self {
        Self {
            state: ClientState::AwaitingGreeting,
            hello,
            is_lmtp: false,
            pace,
            security: ChannelSecurity::Clear,
            credentials: None,
            capabilities: Capabilities::default(),
            reader: ReplyReader::default(),
            subject: Subject::Session,
            refusals: Vec::new(),
            next: None,
        }
    }

    /// Returns the session for a server that speaks LMTP (RFC 2033): its hello is LHLO, and each recipient has a reply to the
    /// message.
    #[must_use]
    pub fn with_lmtp(self) -> Self {
        Self {
            is_lmtp: true,
            ..self
        }
    }

    /// Returns the session for a channel that is protected by `security`.
    #[must_use]
    pub fn with_security(self, security: ChannelSecurity) -> Self {
        Self { security, ..self }
    }

    /// Returns the session with a login before the first message.
    #[must_use]
    pub fn with_login(self, credentials: Rc<dyn ClientCredentials>) -> Self {
        let credentials = Some(credentials);
        Self {
            credentials,
            ..self
        }
    }

    /// Whether what the client says now belongs to a login.
    #[must_use]
    pub fn is_logging_in(&self) -> bool {
        matches!(
            self.state,
            ClientState::LoggingIn(_) | ClientState::AwaitingLoginEnd(_)
        )
    }

    /// Whether the server makes reports on deliveries (RFC 3461).
    #[must_use]
    pub fn offers_dsn(&self) -> bool {
        self.capabilities.dsn
    }

    /// The name of the present state, for observers.
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        self.state.name()
    }

    /// What it waits for.
    #[must_use]
    pub fn awaited(&self) -> Awaited {
        self.state.awaited()
    }

    /// The last complete reply.
    #[must_use]
    pub fn reply(&self) -> &ServerReply {
        self.reader.reply()
    }

    /// What the last complete reply is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// The enhanced status code of the last complete reply: that of its text where the reply code fits, as Postfix takes it, also
    /// from a server that announces none (RFC 2034); else what the reply code says.
    #[must_use]
    pub fn status(&self) -> EnhancedStatus {
        let reply = self.reply();
        let basic = EnhancedStatus::of_reply_code(reply.code());
        let text = reply.texts().next().unwrap_or_default();
        EnhancedStatus::at_start_of(text)
            .filter(|own| own.class() == basic.class())
            .unwrap_or(basic)
    }

    /// The most recipients of one transaction that the server has told of (RFC 9422).
    #[must_use]
    pub fn recipients_max(&self) -> Option<usize> {
        self.capabilities.recipients_max
    }

    /// The most transactions of one session that the server has told of (RFC 9422).
    #[must_use]
    pub fn messages_max(&self) -> Option<u64> {
        self.capabilities.messages_max
    }

    /// The refusals since the last message began, in order.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// Forgets the refusals, of which a caller that looks at each [reply](Self::reply) needs no list.
    pub fn forget_refusals(&mut self) {
        self.refusals.clear();
    }

    /// Reads one reply from the front of `input` and writes into `out` what it calls for. To be called until
    /// it needs input, and again when there is more.
    ///
    /// # Errors
    /// [`ProtocolError`] if the server does not speak SMTP; the session is closed then.
    pub fn next(
        &mut self,
        input: &mut &[u8],
        out: &mut BytesMut,
    ) -> Result<ClientEvent, ProtocolError> {
        let state = mem::replace(&mut self.state, ClientState::Closed);
        if matches!(state, ClientState::Closed) {
            return Ok(ClientEvent::Closed);
        }
        if !self.reader.read(input)? {
            self.state = state;
            return Ok(ClientEvent::NeedInput);
        }
        self.subject = state.subject();
        let (state, event) = self.step(state, out)?;
        if event == ClientEvent::StartTls && !input.is_empty() {
            // The mirror of CVE-2011-0411: it would be taken for what was said under TLS.
            return Err(ProtocolError::BehindStartTls);
        }
        self.state = state;
        Ok(event)
    }

    /// The connection is in TLS, either from its start or as [`ClientEvent::StartTls`] wanted it. Then the session begins
    /// anew: what was said in the clear may have come from anybody (RFC 3207 §4.2).
    pub fn secured(&mut self, bindings: ChannelBindings, out: &mut BytesMut) {
        self.security = ChannelSecurity::Tls(bindings);
        if let (ClientState::AwaitingTls, Some(hello)) = (&self.state, &self.hello) {
            let extended = hello.extended;
            self.capabilities = Capabilities::default();
            (self.state, _) = self.say_hello(extended, out);
        }
    }

    /// The reason for which the server would not take a message, if one is known.
    #[must_use]
    pub fn obstacle(&self, mail: &Outgoing) -> Option<Obstacle> {
        let capabilities = &self.capabilities;
        let is_smtputf8 = mail.parameters.as_ref().is_some_and(|it| it.smtputf8);
        match capabilities.size_max.filter(|&limit| mail.size > limit) {
            Some(limit) => Some(Obstacle::TooLarge(TooLarge { limit })),
            None if is_smtputf8 && !capabilities.smtputf8 => Some(Obstacle::NoSmtpUtf8),
            None if mail.is_binary() && !capabilities.binary_mime => Some(Obstacle::NoBinaryMime),
            None => None,
        }
    }

    /// Begins a message; after [`ClientEvent::Ready`], [`ClientEvent::Accepted`] or [`ClientEvent::Refused`].
    ///
    /// # Errors
    /// [`TooLarge`] if the server would refuse it for its size; nothing is written then.
    pub fn begin(&mut self, mail: Rc<Outgoing>, out: &mut BytesMut) -> Result<(), TooLarge> {
        debug_assert!(matches!(
            self.state,
            ClientState::Ready | ClientState::ReadyToReset
        ));
        if let Some(Obstacle::TooLarge(too_large)) = self.obstacle(&mail) {
            return Err(too_large);
        }
        self.refusals.clear();
        if matches!(self.state, ClientState::Ready) {
            self.write_mail(&mail, out);
            self.state = ClientState::AwaitingMail(mail);
        } else {
            command(out, format_args!("RSET"));
            if self.is_pipelining() {
                self.write_mail(&mail, out);
            }
            self.state = ClientState::AwaitingReset(mail);
        }
        Ok(())
    }

    /// The message that was asked for is on its way, with its end line. Anywhere else this means nothing.
    pub fn message_sent(&mut self) {
        self.state = match mem::replace(&mut self.state, ClientState::Closed) {
            ClientState::SendingMessage(transaction) => ClientState::AwaitingStored(transaction),
            state => state,
        };
    }

    /// Says good-bye; whenever a message could begin, and after [`ClientEvent::Unacceptable`].
    pub fn quit(&mut self, out: &mut BytesMut) {
        debug_assert!(matches!(
            self.state,
            ClientState::Ready | ClientState::ReadyToReset | ClientState::AtItsEnd
        ));
        command(out, format_args!("QUIT"));
        self.state = ClientState::AwaitingQuit;
    }

    /// The protocol: what a reply means in a state. Its first digit decides (RFC 5321 §4.3.2).
    fn step(
        &mut self,
        state: ClientState,
        out: &mut BytesMut,
    ) -> Result<(ClientState, ClientEvent), ProtocolError> {
        Ok(match (state, self.reply().kind()) {
            (ClientState::AwaitingQuit | ClientState::Closed, _) => {
                (ClientState::Closed, ClientEvent::Closed)
            }
            (_, ReplyKind::Closing) => {
                self.refused(Subject::Session, ClientState::Closed, ClientEvent::Closed)
            }

            (state, kind) if state.is_opening() => self.open(state, kind, out)?,

            (state, kind) => self.transact(state, kind, out)?,
        })
    }

    fn refuse(&mut self, subject: Subject) {
        let reply = self.reply().clone();
        self.refusals.push(Refusal { subject, reply });
    }

    /// Remembers a refusal and goes where it leads.
    fn refused(
        &mut self,
        subject: Subject,
        state: ClientState,
        event: ClientEvent,
    ) -> (ClientState, ClientEvent) {
        self.refuse(subject);
        (state, event)
    }
}
