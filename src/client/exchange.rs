//! One connection of a client, from its greeting to its end.
//!
//! The state machine decides, this carries: a readiness loop over one channel, so that every wait comes only after both reading
//! and writing met `WouldBlock`.

use std::io::{self, ErrorKind};
use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mio::{Events, Poll};

use super::connect::wait;
use super::encryption::Encryption;
use super::send::{SendError, SendOptions};
use super::transcript::Transcript;
use crate::net::channel::{Channel, Readiness};
use crate::net::link::{Handshake, StartTls, TlsFacts};
use crate::net::socket::Socket;
use crate::net::transport::Read;
use crate::smtp::client::{ClientEvent, ClientFault, ClientSession, Outgoing, Refusal, Subject};
use crate::smtp::security::ChannelBindings;

/// How much is read at once; most replies are far smaller.
const READ_BYTES: usize = 4096;
/// How long a server may take to say good-bye, when nothing depends on it any more.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection, and the message that is to go over it.
pub(super) struct Exchange<'a> {
    pub(super) options: &'a SendOptions,
    pub(super) mail: Rc<Outgoing>,
    pub(super) session: ClientSession,
    pub(super) poll: Poll,
    pub(super) channel: Channel<Socket>,
    /// What begins TLS, until its turn comes.
    pub(super) tls: Option<Rc<dyn StartTls>>,
    /// The message, until its turn comes.
    pub(super) message: Vec<u8>,
    /// What is to be written, and how much of it was.
    pub(super) out: BytesMut,
    pub(super) written: usize,
    /// Why no more can be written. The server may have said something before: that is still read.
    pub(super) write_error: Option<io::Error>,
    /// Since when the reply is awaited that is due: nothing was sent and no whole reply came since then. Parts of a reply
    /// are no progress, or a server could make it trickle for ever.
    pub(super) awaited_since: Instant,
    /// What became of the message, once that is known.
    pub(super) verdict: Option<Result<(), SendError>>,
    pub(super) transcript: Transcript<'a>,
}

impl Exchange<'_> {
    /// Runs the session to its end, and tells what became of the message.
    pub(super) fn run(mut self) -> Result<(), SendError> {
        let ended = self.converse();
        // A server that does not take it knows by its own good-bye that the session is over.
        let _ = self.channel.close_notify();
        match (self.verdict, ended) {
            // Once the message is decided, a good-bye that fails changes nothing (RFC 5321 §4.1.1.10).
            (Some(verdict), Ok(()) | Err(SendError::Unavailable(_) | SendError::TryAgain(_))) => {
                verdict
            }
            (_, ended) => ended,
        }
    }

    fn converse(&mut self) -> Result<(), SendError> {
        let encryption = self.options.encryption.as_ref();
        if encryption.is_some_and(Encryption::begins_at_once) {
            self.begin_tls()?;
        }
        let mut buffer = [0; READ_BYTES];
        let mut events = Events::with_capacity(1);
        loop {
            self.write()?;
            while let Some(bytes) = self.read(&mut buffer)? {
                if self.react(&buffer[..bytes])? == ClientEvent::Closed {
                    return Ok(());
                }
                self.write()?;
            }
            self.wait(&mut events)?;
        }
    }

    /// Begins TLS, and tells the session when it is there.
    fn begin_tls(&mut self) -> Result<(), SendError> {
        let Some(tls) = self.tls.take() else {
            return Ok(());
        };
        let begun = self.channel.begin_tls(&*tls, BytesMut::new());
        begun.map_err(|error| self.no_tls(&error))?;
        self.awaited_since = Instant::now();
        let facts = self.handshake()?;
        self.awaited_since = Instant::now();
        let bindings = ChannelBindings {
            exporter: facts.exporter,
            end_point: facts.end_point,
        };
        self.session.secured(bindings, &mut self.out);
        Ok(())
    }

    /// Goes on until the handshake of TLS is done.
    fn handshake(&mut self) -> Result<TlsFacts, SendError> {
        let mut events = Events::with_capacity(1);
        loop {
            let flushed = self.channel.write(&[]);
            if self.channel.is_readable() {
                let outcome = self.channel.handshake().outcome;
                if let Handshake::Done(facts) = outcome.map_err(|error| self.no_tls(&error))? {
                    return Ok(facts);
                }
            } else {
                // What the server said before it hung up was read first.
                flushed.map_err(|error| self.no_tls(&error))?;
                self.wait(&mut events)?;
            }
        }
    }

    /// The handshake failed.
    fn no_tls(&self, error: &io::Error) -> SendError {
        let server = &self.options.server;
        let encryption = self.options.encryption.as_ref();
        match encryption.and_then(|encryption| encryption.trust.explain(error, server)) {
            Some(why) => SendError::Unavailable(format!("{server}: {why}")),
            None => self.lost(&format!("the TLS handshake broke off: {error}")),
        }
    }

    /// Waits until the socket has something to read or room to write, as long as the reply that is due may take.
    fn wait(&mut self, events: &mut Events) -> Result<(), SendError> {
        let timeout = match self.verdict {
            Some(_) => self.options.timeout.min(GOODBYE_TIMEOUT),
            None => self.options.timeout,
        };
        let left = timeout.saturating_sub(self.awaited_since.elapsed());
        if !left.is_zero() && wait(&mut self.poll, events, left)? {
            for event in &*events {
                self.channel.note(Readiness::from(event));
            }
            return Ok(());
        }
        let seconds = timeout.as_secs_f32();
        Err(self.lost(&format!("no progress for {seconds} s")))
    }

    /// Writes what there is, until the socket takes no more.
    fn write(&mut self) -> Result<(), SendError> {
        while self.write_error.is_none() {
            let rest = &self.out[self.written..];
            match self.channel.write_once(rest) {
                Ok(None) => break,
                // Only TLS had something to write.
                Ok(Some(0)) => {}
                Ok(Some(count)) => {
                    let is_secret = self.session.is_logging_in();
                    self.transcript.sent(&rest[..count], is_secret)?;
                    self.written += count;
                    self.awaited_since = Instant::now();
                }
                Err(error) => {
                    self.write_error = Some(error);
                    // No event tells of what the server said before it hung up.
                    self.channel.note(Readiness {
                        readable: true,
                        writable: false,
                        read_on: true,
                    });
                }
            }
        }
        let is_sent = self.written == self.out.len() && self.channel.unsent() == 0;
        if is_sent && self.write_error.is_none() {
            self.out.clear();
            self.written = 0;
            self.session.message_sent();
        }
        Ok(())
    }

    /// Reads once; `None` if the socket has no more for now.
    fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, SendError> {
        if self.channel.is_readable() {
            match self.channel.read(buffer) {
                Ok(Read::Eof) => return Err(self.lost("the server closed the connection")),
                Ok(Read::WouldBlock) => {}
                Ok(read) => return Ok(Some(read.count())),
                // Under TLS an end is announced; else anybody may have caused it.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Err(self.lost("the connection was cut"));
                }
                Err(error) => return Err(self.lost(&error.to_string())),
            }
        }
        match self.write_error.take() {
            Some(error) => Err(self.lost(&error.to_string())),
            None => Ok(None),
        }
    }

    /// Hands input to the session and does what it says. Returns its last event: closed, or more is needed.
    fn react(&mut self, mut input: &[u8]) -> Result<ClientEvent, SendError> {
        loop {
            let event = self
                .session
                .next(&mut input, &mut self.out)
                .map_err(|error| {
                    let server = &self.options.server;
                    SendError::Unavailable(format!("{server} does not speak SMTP: {error}"))
                })?;
            if event == ClientEvent::NeedInput {
                return Ok(event);
            }
            self.awaited_since = Instant::now();
            self.transcript.received(self.session.reply())?;
            match event {
                ClientEvent::NeedInput | ClientEvent::Replied => {}
                ClientEvent::StartTls => self.begin_tls()?,
                ClientEvent::Unacceptable(fault) => self.decide_and_quit(self.verdict_of(fault)),
                ClientEvent::Ready => self.begin(),
                ClientEvent::SendMessage => {
                    self.out.extend_from_slice(&mem::take(&mut self.message));
                }
                ClientEvent::Accepted => {
                    let verdict = self.verdict_of_server(true);
                    if verdict.is_ok() {
                        let server = &self.options.server;
                        self.transcript.accepted(server, self.session.reply());
                    }
                    self.decide_and_quit(verdict);
                }
                ClientEvent::Refused => self.decide_and_quit(self.verdict_of_server(false)),
                ClientEvent::Closed => {
                    if self.verdict.is_none() {
                        self.verdict = Some(self.verdict_of_server(false));
                    }
                    return Ok(event);
                }
            }
        }
    }

    fn begin(&mut self) {
        if let Err(too_large) = self.session.begin(Rc::clone(&self.mail), &mut self.out) {
            let what = format!(
                "the message has {} octets, {} takes {} at most",
                self.mail.size, self.options.server, too_large.limit
            );
            self.decide_and_quit(Err(SendError::Refused(what)));
        }
    }

    fn decide_and_quit(&mut self, verdict: Result<(), SendError>) {
        self.verdict = Some(verdict);
        self.session.quit(&mut self.out);
    }

    /// What is to be said of a session that cannot go on.
    fn verdict_of(&self, fault: ClientFault) -> Result<(), SendError> {
        let server = &self.options.server;
        let what = match fault {
            ClientFault::Refused => return self.verdict_of_server(false),
            ClientFault::NoRandomness => "the system has nothing random to offer".to_owned(),
            ClientFault::NoStartTls => format!(
                "{server} offers no STARTTLS, and in the clear nothing is sent; has it a port for --tls?"
            ),
            ClientFault::NoLogin if self.options.encryption.is_none() => {
                format!(
                    "{server} offers no login that we know in the clear; try --starttls or --tls"
                )
            }
            ClientFault::NoLogin => {
                format!("{server} offers no login that we know; is this where mail is submitted?")
            }
            ClientFault::InTheClear => format!(
                "{server} wants the password itself, which anybody could read on its way; use --starttls or --tls"
            ),
            ClientFault::BadChallenge => {
                format!("{server} does not log in as its mechanism has it")
            }
            ClientFault::Impostor => format!(
                "{server} says that the login has worked, but not that it knows the password: it may be anybody"
            ),
        };
        Err(SendError::Unavailable(what))
    }

    /// What the replies so far make of the message. A refusal for good outweighs those for now: sending the
    /// same again would meet it again.
    fn verdict_of_server(&self, accepted: bool) -> Result<(), SendError> {
        let refusals = self.session.refusals();
        if accepted && refusals.is_empty() {
            return Ok(());
        }
        let mut what: Vec<String> = refusals
            .iter()
            .map(|refusal| self.describe(refusal))
            .collect();
        if accepted {
            let reply = self.session.reply();
            what.push(format!(
                "the other recipients will get the message: {reply}"
            ));
        }
        let what = what.join("; ");
        if refusals.iter().any(|refusal| refusal.reply.code() >= 500) {
            Err(SendError::Refused(what))
        } else {
            Err(SendError::TryAgain(format!("{what}; try again later")))
        }
    }

    fn describe(&self, refusal: &Refusal) -> String {
        let server = &self.options.server;
        let subject = match refusal.subject {
            Subject::Session => "the session".to_owned(),
            Subject::StartTls => "to begin TLS".to_owned(),
            Subject::Login => match &self.options.login {
                Some(credentials) => format!("the login of {}", credentials.user()),
                None => "the login".to_owned(),
            },
            Subject::Sender => format!("the sender {}", self.mail.from),
            Subject::Recipient(place) => match self.mail.to.get(place) {
                Some(recipient) => format!("the recipient <{recipient}>"),
                None => "a recipient".to_owned(),
            },
            Subject::Message => "the message".to_owned(),
        };
        format!("{server} refused {subject}: {}", refusal.reply)
    }

    /// The dialogue broke off.
    fn lost(&self, why: &str) -> SendError {
        SendError::TryAgain(format!("{}: {why}; try again later", self.options.server))
    }
}
