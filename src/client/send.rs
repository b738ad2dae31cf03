//! `mailoop send`: one message through one connection.

use core::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mio::Poll;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::connect::connect;
use super::encryption::{Encryption, TrustError};
use super::exchange::Exchange;
use super::login::credentials;
use super::message::{self, Prepared};
use super::transcript::Transcript;
use crate::exit::{ExitCode, Failed};
use crate::machine::client_name;
use crate::net::channel::Channel;
use crate::net::endpoint::Endpoint;
use crate::smtp::client::{ChannelSecurity, ClientCredentials, ClientSession, Outgoing, Pace};
use crate::smtp::envelope::Hello;
use crate::smtp::path::{Mailbox, ReversePath};

/// What to send, and where.
#[derive(Clone, Debug)]
pub struct SendOptions {
    /// `HOST:PORT`, `[v6]:PORT` or `unix:PATH`.
    pub server: Endpoint,
    /// The sender.
    pub from: ReversePath,
    /// The recipients; at least one.
    pub to: Vec<Mailbox>,
    /// The message, lines ended in any way.
    pub message: Vec<u8>,
    /// The name to say HELO with, the textbook way. Without it the machine's name goes with EHLO.
    pub helo: Option<String>,
    /// Whether it has to go under TLS, and how. It goes in the clear if nothing is said here, and only then.
    pub encryption: Option<Encryption>,
    /// As whom to log in, if that has to be.
    pub login: Option<Rc<dyn ClientCredentials>>,
    /// The line that ends the message, which must not hold it: a dot, or that of the classroom dialect. If it is
    /// named the message is sent exactly as given, but for its line ends and stuffed dots; otherwise `Date`,
    /// `Message-ID`, `From` and `To` are added where they are missing.
    pub end_of_data: Option<String>,
    /// How long to wait for a connection, and from then on for each whole reply, or for room to write.
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

impl From<TrustError> for SendError {
    fn from(error: TrustError) -> Self {
        let what = error.to_string();
        match error {
            TrustError::Unreadable(_, error) => Self::Io(io::Error::new(error.kind(), what)),
            TrustError::NoCertificate(_) | TrustError::NoName(_) => Self::Refused(what),
            TrustError::NoAuthorities(_) | TrustError::Tls(_) => Self::Unavailable(what),
        }
    }
}

/// Runs the command: the message is read from `file`, or from standard input, and sent as `user`, if one is to log in.
///
/// # Errors
/// The message or a password cannot be read, or the server did not accept the message for every recipient.
pub fn run(
    mut options: SendOptions,
    file: Option<&Path>,
    user: Option<&str>,
) -> Result<(), Failed> {
    if options
        .encryption
        .as_ref()
        .is_some_and(|encryption| encryption.trust.includes_anybody())
    {
        let warning =
            "nobody checks who the server is (--insecure): it may be anybody who reads along";
        let _ = writeln!(io::stderr(), "mailoop: warning: {warning}");
    }
    options.login = user.map(credentials).transpose()?;
    options.message = read_message(file)?;
    send(&options, &mut io::stdout().lock()).map_err(|error| Failed::new(error.exit_code(), error))
}

/// Reads what is to be sent.
fn read_message(file: Option<&Path>) -> Result<Vec<u8>, Failed> {
    let cannot_read = |what: &dyn fmt::Display, error: io::Error| {
        Failed::new(ExitCode::Io, format_args!("cannot read {what}: {error}"))
    };
    match file {
        Some(path) => fs::read(path).map_err(|error| cannot_read(&path.display(), error)),
        None => {
            let mut message = Vec::new();
            let read = io::stdin().read_to_end(&mut message);
            read.map_err(|error| cannot_read(&"standard input", error))?;
            Ok(message)
        }
    }
}

/// Sends one message. The dialogue is written to `dialogue` if the options want it: each line behind `C: ` or
/// `S: `, the message as it went over the wire. Otherwise one line says with which reply the message was accepted.
///
/// # Errors
/// [`SendError`] if the server did not accept the message for every recipient.
pub fn send(options: &SendOptions, dialogue: &mut dyn Write) -> Result<(), SendError> {
    let hello = Hello {
        name: options.helo.clone().unwrap_or_else(client_name).into(),
        extended: options.helo.is_none(),
    };
    let prepared = prepare(options, &hello.name)?;
    let mail = Outgoing {
        from: options.from.clone(),
        to: options.to.clone(),
        size: prepared.size,
        eight_bit: prepared.eight_bit,
    };
    let encryption = options.encryption.as_ref();
    let tls = encryption
        .map(|encryption| encryption.trust.connector(&options.server))
        .transpose()?;
    let mut poll = Poll::new()?;
    let socket = connect(&options.server, &mut poll, options.timeout).map_err(|error| {
        let server = &options.server;
        SendError::Unavailable(format!(
            "cannot connect to {server}: {error}; is a server listening there?"
        ))
    })?;
    let security = match encryption {
        Some(encryption) if !encryption.begins_at_once() => ChannelSecurity::StartTls,
        _ if socket.is_local() => ChannelSecurity::Local,
        _ => ChannelSecurity::Clear,
    };
    let mut session = ClientSession::new(Some(hello), Pace::Lockstep).with_security(security);
    if let Some(credentials) = &options.login {
        session = session.with_login(Rc::clone(credentials));
    }
    let exchange = Exchange {
        options,
        mail: Rc::new(mail),
        session,
        poll,
        channel: Channel::new(socket),
        tls,
        message: prepared.wire,
        out: BytesMut::new(),
        written: 0,
        write_error: None,
        awaited_since: Instant::now(),
        verdict: None,
        transcript: Transcript::new(dialogue, options.verbose),
    };
    exchange.run()
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
