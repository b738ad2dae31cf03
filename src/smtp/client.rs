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
mod reply;
mod security;
mod transaction;

use core::fmt::Write;
use core::mem;
use std::rc::Rc;

use bytes::BytesMut;

use super::envelope::Hello;
use super::security::ChannelBindings;
use capabilities::Capabilities;
use commands::command;
use reply::ReplyReader;
use transaction::Handover;

pub use event::{ClientEvent, ClientFault, Refusal, Subject, TooLarge};
pub use login::{ClientCredentials, ClientLogin};
pub use reply::{
    Printable, ProtocolError, REPLY_LINE_BYTES_MAX, REPLY_LINES_MAX, ReplyKind, ServerReply,
};
pub use security::ChannelSecurity;
pub use transaction::Outgoing;

/// Whether a command waits for the reply to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// One command, one reply.
    Lockstep,
    /// All commands of a transaction at once, where the server offers PIPELINING (RFC 2920).
    Pipelined,
}

/// The awaited reply, with what exists only until it comes.
#[derive(Debug)]
enum ClientState {
    AwaitingGreeting,
    AwaitingHello {
        extended: bool,
    },
    AwaitingStartTls,
    /// TLS, which the driver begins.
    AwaitingTls,
    LoggingIn(Box<dyn ClientLogin>),
    /// The reply to a login that was given up for this.
    AwaitingLoginEnd(ClientFault),
    /// Nothing is left to be done but to quit.
    AtItsEnd,
    Ready,
    /// A message may begin, with RSET, since a transaction that came to nothing is still open.
    ReadyToReset,
    AwaitingReset(Rc<Outgoing>),
    AwaitingMail(Rc<Outgoing>),
    AwaitingRcpt(Handover),
    AwaitingData(Handover),
    SendingMessage,
    AwaitingStored,
    /// The reply to a message that was left empty, as there is nobody to send it to.
    AwaitingNothing,
    AwaitingQuit,
    Closed,
}

impl ClientState {
    /// The name of the state, for observers.
    fn name(&self) -> &'static str {
        match self {
            Self::AwaitingGreeting => "AwaitingGreeting",
            Self::AwaitingHello { .. } => "AwaitingHello",
            Self::AwaitingStartTls => "AwaitingStartTls",
            Self::AwaitingTls => "AwaitingTls",
            Self::LoggingIn(_) | Self::AwaitingLoginEnd(_) => "LoggingIn",
            Self::Ready | Self::ReadyToReset => "Ready",
            Self::AwaitingReset(_) => "AwaitingReset",
            Self::AwaitingMail(_) => "AwaitingMail",
            Self::AwaitingRcpt(_) => "AwaitingRcpt",
            Self::AwaitingData(_) => "AwaitingData",
            Self::SendingMessage => "SendingMessage",
            Self::AwaitingStored | Self::AwaitingNothing => "AwaitingStored",
            Self::AwaitingQuit => "AwaitingQuit",
            Self::AtItsEnd | Self::Closed => "Closed",
        }
    }
}

/// One session with a server, over any number of messages.
#[derive(Debug)]
pub struct ClientSession {
    state: ClientState,
    hello: Option<Hello>,
    pace: Pace,
    security: ChannelSecurity,
    credentials: Option<Rc<dyn ClientCredentials>>,
    capabilities: Capabilities,
    reader: ReplyReader,
    refusals: Vec<Refusal>,
}

impl ClientSession {
    /// A session that awaits the greeting and then says `hello`: EHLO if it is extended, with HELO as the fallback
    /// back (RFC 5321 §3.2), else HELO. Without a `hello` it is ready as soon as it is greeted.
    #[must_use]
    pub fn new(hello: Option<Hello>, pace: Pace) -> Self {
        Self {
            state: ClientState::AwaitingGreeting,
            hello,
            pace,
            security: ChannelSecurity::Clear,
            credentials: None,
            capabilities: Capabilities::default(),
            reader: ReplyReader::default(),
            refusals: Vec::new(),
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

    /// The name of the present state, for observers.
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        self.state.name()
    }

    /// The last complete reply.
    #[must_use]
    pub fn reply(&self) -> &ServerReply {
        self.reader.reply()
    }

    /// The refusals since the last message began, in order.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
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

    /// Begins a message; after [`ClientEvent::Ready`], [`ClientEvent::Accepted`] or [`ClientEvent::Refused`].
    ///
    /// # Errors
    /// [`TooLarge`] if the server would refuse it for its size; nothing is written then.
    pub fn begin(&mut self, mail: Rc<Outgoing>, out: &mut BytesMut) -> Result<(), TooLarge> {
        debug_assert!(matches!(
            self.state,
            ClientState::Ready | ClientState::ReadyToReset
        ));
        if let Some(limit) = self
            .capabilities
            .size_max
            .filter(|&limit| mail.size > limit)
        {
            return Err(TooLarge { limit });
        }
        self.refusals.clear();
        if matches!(self.state, ClientState::Ready) {
            self.write_mail(&mail, out);
            self.state = ClientState::AwaitingMail(mail);
        } else {
            command(out, format_args!("RSET"));
            if self.pipelines() {
                self.write_mail(&mail, out);
            }
            self.state = ClientState::AwaitingReset(mail);
        }
        Ok(())
    }

    /// The message that was asked for is on its way, with its end line. Anywhere else this means nothing.
    pub fn message_sent(&mut self) {
        if matches!(self.state, ClientState::SendingMessage) {
            self.state = ClientState::AwaitingStored;
        }
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
        use ReplyKind::{Closing, Completed, GoAhead, NotNow, Refused};
        Ok(match (state, self.reply().kind()) {
            (ClientState::AwaitingQuit | ClientState::Closed, _) => {
                (ClientState::Closed, ClientEvent::Closed)
            }
            (_, Closing) => {
                self.refused(Subject::Session, ClientState::Closed, ClientEvent::Closed)
            }

            (state, kind) if state.is_opening() => self.open(state, kind, out)?,

            (ClientState::AwaitingReset(mail), Completed) => {
                if !self.pipelines() {
                    self.write_mail(&mail, out);
                }
                (ClientState::AwaitingMail(mail), ClientEvent::Replied)
            }
            (ClientState::AwaitingMail(mail), Completed) => self.proceed(Handover::new(mail), out),
            (ClientState::AwaitingMail(mail), NotNow | Refused) if self.pipelines() => {
                self.refuse(Subject::Sender);
                self.proceed(Handover::new(mail), out)
            }
            (ClientState::AwaitingMail(_), NotNow | Refused) => {
                self.refused(Subject::Sender, ClientState::Ready, ClientEvent::Refused)
            }
            (ClientState::AwaitingRcpt(transaction), Completed) => {
                self.proceed(transaction.answered(true), out)
            }
            (ClientState::AwaitingRcpt(transaction), NotNow | Refused) => {
                self.refuse(Subject::Recipient(transaction.answered));
                self.proceed(transaction.answered(false), out)
            }
            (ClientState::AwaitingData(Handover { accepted: 0, .. }), GoAhead) => {
                // RFC 2920 §3.1: the client has to end the message that it could not call back.
                command(out, format_args!("."));
                (ClientState::AwaitingNothing, ClientEvent::Replied)
            }
            (ClientState::AwaitingData(_), GoAhead) => {
                (ClientState::SendingMessage, ClientEvent::SendMessage)
            }
            (ClientState::AwaitingData(_), NotNow | Refused) => self.refused(
                Subject::Message,
                ClientState::ReadyToReset,
                ClientEvent::Refused,
            ),
            // The rest of the message would be read as commands, or not at all: there is no way on.
            (ClientState::SendingMessage, NotNow | Refused) => {
                self.refused(Subject::Message, ClientState::Closed, ClientEvent::Closed)
            }
            (ClientState::AwaitingStored, Completed) => (ClientState::Ready, ClientEvent::Accepted),
            (ClientState::AwaitingStored, NotNow | Refused) => {
                self.refused(Subject::Message, ClientState::Ready, ClientEvent::Refused)
            }
            (ClientState::AwaitingNothing, Completed | NotNow | Refused) => {
                (ClientState::Ready, ClientEvent::Refused)
            }
            _ => return Err(ProtocolError::OutOfPlace(self.reply().clone())),
        })
    }

    /// Goes on after the reply to MAIL or RCPT: to the next recipient, to DATA, or nowhere.
    fn proceed(&self, transaction: Handover, out: &mut BytesMut) -> (ClientState, ClientEvent) {
        let lockstep = !self.pipelines();
        if let Some(recipient) = transaction.mail.to.get(transaction.answered) {
            if lockstep {
                command(out, format_args!("RCPT TO:<{recipient}>"));
            }
            return (ClientState::AwaitingRcpt(transaction), ClientEvent::Replied);
        }
        if lockstep && transaction.accepted == 0 {
            return (ClientState::ReadyToReset, ClientEvent::Refused);
        }
        if lockstep {
            command(out, format_args!("DATA"));
        }
        (ClientState::AwaitingData(transaction), ClientEvent::Replied)
    }

    /// Writes MAIL with the parameters that were offered; in a pipeline also what follows it.
    fn write_mail(&self, mail: &Outgoing, out: &mut BytesMut) {
        // Writing to memory cannot fail.
        let _ = write!(out, "MAIL FROM:{}", mail.from);
        if self.capabilities.size {
            let _ = write!(out, " SIZE={}", mail.size);
        }
        if self.capabilities.eight_bit_mime && mail.eight_bit {
            out.extend_from_slice(b" BODY=8BITMIME");
        }
        out.extend_from_slice(b"\r\n");
        if self.pipelines() {
            for recipient in &mail.to {
                command(out, format_args!("RCPT TO:<{recipient}>"));
            }
            command(out, format_args!("DATA"));
        }
    }

    fn pipelines(&self) -> bool {
        self.pace == Pace::Pipelined && self.capabilities.pipelining
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
