//! `mailoop send`: one message through one connection.
//!
//! The state machine decides, this carries: a readiness loop over one socket, edge-triggered, so that every
//! wait comes only after both reading and writing met `WouldBlock`.

use core::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::{Events, Poll};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::message::{self, Prepared};
use super::socket::{self, Socket};
use super::transcript::Transcript;
use crate::config;
use crate::exit::ExitCode;
use crate::smtp::client::{ClientSession, Event, Outgoing, Pace, Refusal, Subject};
use crate::smtp::envelope::Hello;
use crate::smtp::path::{Mailbox, ReversePath};

/// How much is read at once; most replies are far smaller.
const READ_BYTES: usize = 4096;
/// How long a server may take to say good-bye, when nothing depends on it any more.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(5);

/// What to send, and where.
#[derive(Clone, Debug)]
pub struct SendOptions {
    /// `HOST:PORT`, `[v6]:PORT` or `unix:PATH`.
    pub server: String,
    /// The sender.
    pub from: ReversePath,
    /// The recipients; at least one.
    pub to: Vec<Mailbox>,
    /// The message, lines ended in any way.
    pub message: Vec<u8>,
    /// The name to say HELO with, the textbook way. Without it the machine's name goes with EHLO.
    pub helo: Option<String>,
    /// The line that ends the message, which must not hold it: a dot, or that of the classroom dialect. If it is
    /// named the message is sent exactly as given, but for its line ends and stuffed dots; otherwise `Date`,
    /// `Message-ID`, `From` and `To` are added where they are missing.
    pub end_of_data: Option<String>,
    /// How long to wait for a connection, and from then on for any progress.
    pub timeout: Duration,
    /// Whether to write the dialogue down.
    pub verbose: bool,
}

/// Why a message was not accepted, or not for everybody.
#[derive(Debug)]
pub enum SendError {
    /// There is no SMTP server.
    Unavailable(String),
    /// The server refused for now, or the dialogue broke off.
    TryAgain(String),
    /// The server refused for good, or the message cannot be sent as it is.
    Refused(String),
    /// Something failed on this side.
    Io(io::Error),
}

impl SendError {
    /// What a command that ends in this ends with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Refused(_) => ExitCode::Data,
            Self::Unavailable(_) => ExitCode::Unavailable,
            Self::Io(_) => ExitCode::Io,
            Self::TryAgain(_) => ExitCode::TryAgain,
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(what) | Self::TryAgain(what) | Self::Refused(what) => {
                f.write_str(what)
            }
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for SendError {}

impl From<io::Error> for SendError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Sends one message. The dialogue is written to `dialogue` if the options want it: each line behind `C: ` or
/// `S: `, the message as it went over the wire.
///
/// # Errors
/// [`SendError`] if the server did not accept the message for every recipient.
pub fn send(options: &SendOptions, dialogue: &mut dyn Write) -> Result<(), SendError> {
    let hello = Hello {
        name: options.helo.clone().unwrap_or_else(config::client_name),
        extended: options.helo.is_none(),
    };
    let prepared = prepare(options, &hello.name)?;
    let mail = Outgoing {
        from: options.from.clone(),
        to: options.to.clone(),
        size: prepared.size,
        eight_bit: prepared.eight_bit,
    };
    let mut poll = Poll::new()?;
    let socket = Socket::connect(&options.server, &mut poll, options.timeout).map_err(|error| {
        let server = &options.server;
        SendError::Unavailable(format!(
            "cannot connect to {server}: {error}; is a server listening there?"
        ))
    })?;
    let mut exchange = Exchange {
        options,
        mail: &mail,
        session: ClientSession::new(Some(&hello), Pace::Lockstep),
        poll,
        socket,
        message: prepared.wire,
        out: Vec::new(),
        written: 0,
        write_error: None,
        last_progress: Instant::now(),
        verdict: None,
        transcript: Transcript::new(options.verbose.then_some(dialogue)),
    };
    let ended = exchange.run();
    match (exchange.verdict, ended) {
        // Once the message is decided, a good-bye that fails changes nothing (RFC 5321 §4.1.1.10).
        (Some(verdict), Ok(()) | Err(SendError::Unavailable(_) | SendError::TryAgain(_))) => {
            verdict
        }
        (_, ended) => ended,
    }
}

/// Checks what would break the dialogue, and prepares the message.
fn prepare(options: &SendOptions, name: &str) -> Result<Prepared, SendError> {
    let refused = |what: String| Err(SendError::Refused(what));
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return refused(format!(
            "\"{}\" is no name to say HELO with",
            name.escape_debug()
        ));
    }
    if options.to.is_empty() {
        return refused("there is no recipient".to_owned());
    }
    let end_line = options.end_of_data.as_deref().unwrap_or(".");
    if end_line.is_empty() || end_line.contains(['\r', '\n']) {
        return refused("the end-of-data text must be one line, and not an empty one".to_owned());
    }
    let mut fields = Vec::new();
    if options.end_of_data.is_none() {
        let now = OffsetDateTime::now_utc();
        let date = now.format(&Rfc2822).map_err(io::Error::other)?;
        let unique = format!("{:x}.{:x}", now.unix_timestamp_nanos(), std::process::id());
        fields = message::standard_fields(&options.from, &options.to, date, &unique, name);
    }
    message::prepare(&options.message, &fields, end_line).or_else(|early| {
        refused(format!(
            "{early}, \"{end_line}\"; choose another end-of-data text"
        ))
    })
}

/// One connection, from its greeting to its end.
struct Exchange<'a> {
    options: &'a SendOptions,
    mail: &'a Outgoing,
    session: ClientSession<'a>,
    poll: Poll,
    socket: Socket,
    /// The message, until its turn comes.
    message: Vec<u8>,
    /// What is to be written, and how much of it was.
    out: Vec<u8>,
    written: usize,
    /// Why no more can be written. The server may have said something before: that is still read.
    write_error: Option<io::Error>,
    last_progress: Instant,
    /// What became of the message, once that is known.
    verdict: Option<Result<(), SendError>>,
    transcript: Transcript<'a>,
}

impl Exchange<'_> {
    /// Runs the session to its end.
    fn run(&mut self) -> Result<(), SendError> {
        let mut buffer = [0; READ_BYTES];
        let mut events = Events::with_capacity(1);
        loop {
            self.write()?;
            while let Some(bytes) = self.read(&mut buffer)? {
                if self.react(&buffer[..bytes])? == Event::Closed {
                    return Ok(());
                }
                self.write()?;
            }
            let timeout = match self.verdict {
                Some(_) => self.options.timeout.min(GOODBYE_TIMEOUT),
                None => self.options.timeout,
            };
            let left = timeout.saturating_sub(self.last_progress.elapsed());
            if left.is_zero() {
                let seconds = timeout.as_secs_f32();
                return Err(self.lost(&format!("no progress for {seconds} s")));
            }
            socket::wait(&mut self.poll, &mut events, left)?;
        }
    }

    /// Writes what there is, until the socket takes no more.
    fn write(&mut self) -> Result<(), SendError> {
        while self.written < self.out.len() && self.write_error.is_none() {
            match self.socket.write(&self.out[self.written..]) {
                Ok(0) => self.write_error = Some(ErrorKind::WriteZero.into()),
                Ok(bytes) => {
                    let end = self.written + bytes;
                    self.transcript.sent(&self.out[self.written..end])?;
                    self.written = end;
                    self.last_progress = Instant::now();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.write_error = Some(error),
            }
        }
        if self.write_error.is_none() {
            self.out.clear();
            self.written = 0;
            self.session.message_sent();
        }
        Ok(())
    }

    /// Reads what there is; `None` if the socket has no more for now.
    fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, SendError> {
        loop {
            match self.socket.read(buffer) {
                Ok(0) => return Err(self.lost("the server closed the connection")),
                Ok(bytes) => {
                    self.last_progress = Instant::now();
                    return Ok(Some(bytes));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return match self.write_error.take() {
                        Some(error) => Err(self.lost(&error.to_string())),
                        None => Ok(None),
                    };
                }
                Err(error) => return Err(self.lost(&error.to_string())),
            }
        }
    }

    /// Hands input to the session and does what it says. Returns its last event: closed, or more is needed.
    fn react(&mut self, mut input: &[u8]) -> Result<Event, SendError> {
        loop {
            let event = self
                .session
                .next(&mut input, &mut self.out)
                .map_err(|error| {
                    let server = &self.options.server;
                    SendError::Unavailable(format!("{server} does not speak SMTP: {error}"))
                })?;
            if event == Event::NeedInput {
                return Ok(event);
            }
            self.transcript.received(self.session.reply())?;
            match event {
                Event::NeedInput | Event::Replied => {}
                Event::Ready => self.begin(),
                Event::SendMessage => self.out.append(&mut self.message),
                Event::Accepted => self.decide_and_quit(self.verdict_of_server(true)),
                Event::Refused => self.decide_and_quit(self.verdict_of_server(false)),
                Event::Closed => {
                    if self.verdict.is_none() {
                        self.verdict = Some(self.verdict_of_server(false));
                    }
                    return Ok(event);
                }
            }
        }
    }

    fn begin(&mut self) {
        if let Err(too_large) = self.session.begin(self.mail, &mut self.out) {
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
            what.push("the other recipients will get the message".to_owned());
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
