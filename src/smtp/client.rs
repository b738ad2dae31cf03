//! The client's side of the dialogue (RFC 5321 §3), sans-IO: the mirror of the server's session.
//!
//! [`ClientSession::next`] takes what the server sent, cut anywhere, and reads one reply from it. It writes
//! the command that follows into the buffer it is handed, and its [`Event`] says what is left to its caller:
//! to begin a message, to stream it, to quit. Whoever owns the socket only carries bytes.

#[cfg_attr(not(feature = "auth"), path = "client/auth_absent.rs")]
mod auth;
mod event;
mod offers;
mod opening;
mod reply;
mod transaction;
mod way;

use core::fmt;
use core::mem;
use std::io::Write;

use super::envelope::Hello;
use super::security::ChannelBindings;
use auth::Login;
use offers::Offers;
use opening::say_hello;
use reply::ReplyReader;
use transaction::Transaction;

pub use auth::Credentials;
pub use event::{Event, Fault, Refusal, Subject, TooLarge};
pub use reply::{
    Kind, Printable, ProtocolError, REPLY_LINE_BYTES_MAX, REPLY_LINES_MAX, ServerReply,
};
pub use transaction::Outgoing;
pub use way::Way;

/// Whether a command waits for the reply to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// One command, one reply.
    Lockstep,
    /// All commands of a transaction at once, where the server offers PIPELINING (RFC 2920).
    Pipelined,
}

/// What is awaited, and what exists only until it comes.
#[derive(Debug)]
enum State<'a> {
    AwaitingGreeting,
    AwaitingHello {
        extended: bool,
    },
    AwaitingStartTls,
    /// TLS, which the driver begins.
    AwaitingTls,
    LoggingIn(Box<Login>),
    /// The reply to a login that was given up for this.
    AwaitingLoginEnd(Fault),
    /// Nothing is left to be done but to quit.
    AtItsEnd,
    Ready,
    /// As `Ready`, but a transaction that came to nothing is still open: the next one begins with RSET.
    ReadyToReset,
    AwaitingReset(&'a Outgoing),
    AwaitingMail(&'a Outgoing),
    AwaitingRcpt(Transaction<'a>),
    AwaitingData(Transaction<'a>),
    SendingMessage,
    AwaitingStored,
    /// The reply to a message that was left empty, as there is nobody to send it to.
    AwaitingNothing,
    AwaitingQuit,
    Closed,
}

/// One session with a server, over any number of messages.
#[derive(Debug)]
pub struct ClientSession<'a> {
    state: State<'a>,
    hello: Option<&'a Hello>,
    pace: Pace,
    way: Way,
    credentials: Option<&'a Credentials>,
    offers: Offers,
    reader: ReplyReader,
    refusals: Vec<Refusal>,
}

impl<'a> ClientSession<'a> {
    /// A session that awaits the greeting and then says `hello`: EHLO if it is extended, with HELO as the way
    /// back (RFC 5321 §3.2), else HELO. Without a `hello` it is ready as soon as it is greeted.
    #[must_use]
    pub fn new(hello: Option<&'a Hello>, pace: Pace) -> Self {
        Self {
            state: State::AwaitingGreeting,
            hello,
            pace,
            way: Way::Open,
            credentials: None,
            offers: Offers::default(),
            reader: ReplyReader::default(),
            refusals: Vec::new(),
        }
    }

    /// The same session by this way, if it is not an open one.
    #[must_use]
    pub fn by(self, way: Way) -> Self {
        Self { way, ..self }
    }

    /// The same session, with a login before the first message.
    #[must_use]
    pub fn with_login(self, credentials: &'a Credentials) -> Self {
        let credentials = Some(credentials);
        Self {
            credentials,
            ..self
        }
    }

    /// Whether what the client says now belongs to a login.
    #[must_use]
    pub fn is_logging_in(&self) -> bool {
        matches!(self.state, State::LoggingIn(_) | State::AwaitingLoginEnd(_))
    }

    /// The last complete reply.
    #[must_use]
    pub fn reply(&self) -> &ServerReply {
        self.reader.reply()
    }

    /// What was refused since the last message began, in order.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// Reads one reply from the front of `input` and writes into `out` what it calls for. To be called until
    /// it needs input, and again when there is more.
    ///
    /// # Errors
    /// [`ProtocolError`] if the server does not speak SMTP; the session is closed then.
    pub fn next(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Result<Event, ProtocolError> {
        let state = mem::replace(&mut self.state, State::Closed);
        if matches!(state, State::Closed) {
            return Ok(Event::Closed);
        }
        if !self.reader.read(input)? {
            self.state = state;
            return Ok(Event::NeedInput);
        }
        let (state, event) = self.step(state, out)?;
        if event == Event::StartTls && !input.is_empty() {
            // The mirror of CVE-2011-0411: it would be taken for what was said under TLS.
            return Err(ProtocolError::BehindStartTls);
        }
        self.state = state;
        Ok(event)
    }

    /// The connection is in TLS, either from its start or as [`Event::StartTls`] wanted it. Then the session begins
    /// anew: what was said in the clear may have come from anybody (RFC 3207 §4.2).
    pub fn secured(&mut self, bindings: ChannelBindings, out: &mut Vec<u8>) {
        self.way = Way::Secure(bindings);
        if let (State::AwaitingTls, Some(hello)) = (&self.state, self.hello) {
            self.offers = Offers::default();
            (self.state, _) = say_hello(&hello.name, hello.extended, out);
        }
    }

    /// Begins a message; after [`Event::Ready`], [`Event::Accepted`] or [`Event::Refused`].
    ///
    /// # Errors
    /// [`TooLarge`] if the server would refuse it for its size; nothing is written then.
    pub fn begin(&mut self, mail: &'a Outgoing, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        debug_assert!(matches!(self.state, State::Ready | State::ReadyToReset));
        if let Some(limit) = self.offers.size_max.filter(|&limit| mail.size > limit) {
            return Err(TooLarge { limit });
        }
        self.refusals.clear();
        if matches!(self.state, State::Ready) {
            self.write_mail(mail, out);
            self.state = State::AwaitingMail(mail);
        } else {
            command(out, format_args!("RSET"));
            if self.pipelines() {
                self.write_mail(mail, out);
            }
            self.state = State::AwaitingReset(mail);
        }
        Ok(())
    }

    /// The message that was asked for is on its way, with its end line. Anywhere else this means nothing.
    pub fn message_sent(&mut self) {
        if matches!(self.state, State::SendingMessage) {
            self.state = State::AwaitingStored;
        }
    }

    /// Says good-bye; whenever a message could begin, and after [`Event::Unacceptable`].
    pub fn quit(&mut self, out: &mut Vec<u8>) {
        debug_assert!(matches!(
            self.state,
            State::Ready | State::ReadyToReset | State::AtItsEnd
        ));
        command(out, format_args!("QUIT"));
        self.state = State::AwaitingQuit;
    }

    /// The protocol: what a reply means in a state. Its first digit decides (RFC 5321 §4.3.2).
    fn step(
        &mut self,
        state: State<'a>,
        out: &mut Vec<u8>,
    ) -> Result<(State<'a>, Event), ProtocolError> {
        use Kind::{Closing, Completed, GoAhead, NotNow, Refused};
        Ok(match (state, self.reply().kind()) {
            (State::AwaitingQuit | State::Closed, _) => (State::Closed, Event::Closed),
            (_, Closing) => self.refused(Subject::Session, State::Closed, Event::Closed),

            (state, kind) if state.is_opening() => self.open(state, kind, out)?,

            (State::AwaitingReset(mail), Completed) => {
                if !self.pipelines() {
                    self.write_mail(mail, out);
                }
                (State::AwaitingMail(mail), Event::Replied)
            }
            (State::AwaitingMail(mail), Completed) => self.proceed(Transaction::new(mail), out),
            (State::AwaitingMail(mail), NotNow | Refused) if self.pipelines() => {
                self.refuse(Subject::Sender);
                self.proceed(Transaction::new(mail), out)
            }
            (State::AwaitingMail(_), NotNow | Refused) => {
                self.refused(Subject::Sender, State::Ready, Event::Refused)
            }
            (State::AwaitingRcpt(transaction), Completed) => {
                self.proceed(transaction.answered(true), out)
            }
            (State::AwaitingRcpt(transaction), NotNow | Refused) => {
                self.refuse(Subject::Recipient(transaction.answered));
                self.proceed(transaction.answered(false), out)
            }
            (State::AwaitingData(Transaction { accepted: 0, .. }), GoAhead) => {
                // RFC 2920 §3.1: the client has to end the message that it could not call back.
                command(out, format_args!("."));
                (State::AwaitingNothing, Event::Replied)
            }
            (State::AwaitingData(_), GoAhead) => (State::SendingMessage, Event::SendMessage),
            (State::AwaitingData(_), NotNow | Refused) => {
                self.refused(Subject::Message, State::ReadyToReset, Event::Refused)
            }
            // The rest of the message would be read as commands, or not at all: there is no way on.
            (State::SendingMessage, NotNow | Refused) => {
                self.refused(Subject::Message, State::Closed, Event::Closed)
            }
            (State::AwaitingStored, Completed) => (State::Ready, Event::Accepted),
            (State::AwaitingStored, NotNow | Refused) => {
                self.refused(Subject::Message, State::Ready, Event::Refused)
            }
            (State::AwaitingNothing, Completed | NotNow | Refused) => {
                (State::Ready, Event::Refused)
            }
            _ => return Err(ProtocolError::OutOfPlace(self.reply().clone())),
        })
    }

    /// Goes on after the reply to MAIL or RCPT: to the next recipient, to DATA, or nowhere.
    fn proceed(&self, transaction: Transaction<'a>, out: &mut Vec<u8>) -> (State<'a>, Event) {
        let lockstep = !self.pipelines();
        if let Some(recipient) = transaction.mail.to.get(transaction.answered) {
            if lockstep {
                command(out, format_args!("RCPT TO:<{recipient}>"));
            }
            return (State::AwaitingRcpt(transaction), Event::Replied);
        }
        if lockstep && transaction.accepted == 0 {
            return (State::ReadyToReset, Event::Refused);
        }
        if lockstep {
            command(out, format_args!("DATA"));
        }
        (State::AwaitingData(transaction), Event::Replied)
    }

    /// Writes MAIL with the parameters that were offered; in a pipeline also what follows it.
    fn write_mail(&self, mail: &Outgoing, out: &mut Vec<u8>) {
        // Writing to memory cannot fail.
        let _ = write!(out, "MAIL FROM:{}", mail.from);
        if self.offers.size {
            let _ = write!(out, " SIZE={}", mail.size);
        }
        if self.offers.eight_bit_mime && mail.eight_bit {
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
        self.pace == Pace::Pipelined && self.offers.pipelining
    }

    fn refuse(&mut self, subject: Subject) {
        let reply = self.reply().clone();
        self.refusals.push(Refusal { subject, reply });
    }

    /// Remembers a refusal and goes where it leads.
    fn refused(&mut self, subject: Subject, state: State<'a>, event: Event) -> (State<'a>, Event) {
        self.refuse(subject);
        (state, event)
    }
}

fn command(out: &mut Vec<u8>, line: fmt::Arguments<'_>) {
    // Writing to memory cannot fail.
    let _ = out.write_fmt(line);
    out.extend_from_slice(b"\r\n");
}
