//! `mailoop send`: one message through one connection.

mod error;
mod options;
mod task;
mod transcript;
mod verdict;

use core::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::dialogue::Dialogue;
use super::encryption::{Start, TlsStart};
use super::login::credentials;
use super::message::{self, Prepared};
use crate::exit::{ExitCode, Failed};
use crate::machine::client_name;
use crate::net::dialer::Dialer;
use crate::net::endpoint::SocketAddress;
use crate::net::engine::Engine;
use crate::net::peer::PeerAddress;
use crate::smtp::client::{ChannelSecurity, ClientSession, Outgoing, Pace};
use crate::smtp::envelope::Hello;
pub use error::SendError;
pub use options::SendOptions;
use task::{Desk, SendOutcome, SendTask};
use transcript::Transcript;

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
    let tls = options
        .encryption
        .as_ref()
        .map(|encryption| encryption.with_server(&options.server))
        .transpose()?;
    let unreachable = |error: io::Error| {
        let server = &options.server;
        SendError::Unavailable(format!(
            "cannot connect to {server}: {error}; is a server listening there?"
        ))
    };
    // Looking a name up blocks; one connection can afford that.
    let addresses = options.server.resolve().map_err(unreachable)?;
    let opening = Opening {
        options,
        hello,
        mail: Rc::new(mail),
        tls,
        message: prepared.wire.into(),
    };
    let transcript = Transcript::new(dialogue, options.verbose);
    match deliver(&opening, addresses, transcript)? {
        SendOutcome::Unreachable(error) => Err(unreachable(error)),
        SendOutcome::Over(verdict) => verdict,
    }
}

/// Beginning of a dialogue, alike at each address that is tried.
struct Opening<'a> {
    options: &'a SendOptions,
    hello: Hello,
    mail: Rc<Outgoing>,
    tls: Option<TlsStart>,
    /// The message as it goes over the wire.
    message: Rc<[u8]>,
}

/// Tries the addresses of the server in turn, each for at most the timeout, and has the dialogue with the first that answers.
fn deliver<'a>(
    opening: &Opening<'a>,
    addresses: Vec<SocketAddress>,
    transcript: Transcript<'a>,
) -> io::Result<SendOutcome> {
    let mut dialer = Dialer::new(addresses);
    let mut engine: Engine<Dialogue<SendTask<'a>>> =
        Engine::new(Vec::new(), Desk::new(transcript))?;
    loop {
        let outcome = match dialer.dial() {
            Ok(socket) => {
                let peer = dialer.peer();
                let session = session(opening, peer);
                let task = SendTask::new(opening.options, Rc::clone(&opening.mail));
                let (tls, message) = (opening.tls.clone(), Rc::clone(&opening.message));
                let now = Instant::now();
                let dialogue = Dialogue::new(task, session, tls, message, now);
                engine.dial(socket, dialogue, peer, now + opening.options.timeout)?;
                finish(&mut engine)?
            }
            Err(error) => SendOutcome::Unreachable(error),
        };
        match outcome {
            SendOutcome::Unreachable(_) if dialer.next_address() => {}
            outcome => return Ok(outcome),
        }
    }
}

fn session(opening: &Opening<'_>, peer: PeerAddress) -> ClientSession {
    let security = match &opening.tls {
        Some(tls) if tls.start == Start::ByCommand => ChannelSecurity::StartTls,
        _ if peer.is_on_this_machine() => ChannelSecurity::Local,
        _ => ChannelSecurity::Clear,
    };
    let hello = Some(opening.hello.clone());
    let session = ClientSession::new(hello, Pace::Lockstep).with_security(security);
    match &opening.options.login {
        Some(credentials) => session.with_login(Rc::clone(credentials)),
        None => session,
    }
}

/// Turns the loop until the connection is over.
fn finish(engine: &mut Engine<Dialogue<SendTask<'_>>>) -> io::Result<SendOutcome> {
    loop {
        if let Some(outcome) = engine.connections().shared_mut().take_outcome() {
            return Ok(outcome);
        }
        engine.tick(None, |_, _| None, |_, _| {})?;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, clippy::unwrap_used)]

    use super::*;
    use crate::smtp::path::ReversePath;
    use std::net::{SocketAddr, TcpListener};
    use std::time::Duration;

    /// The outcome of a delivery to these addresses, each given a moment.
    fn outcome(addresses: &[SocketAddr]) -> SendOutcome {
        let server = "name.example:25".parse().unwrap();
        let options = SendOptions {
            server,
            from: ReversePath::Null,
            to: Vec::new(),
            message: Vec::new(),
            helo: None,
            encryption: None,
            login: None,
            end_of_data: None,
            timeout: Duration::from_millis(100),
            verbose: false,
        };
        let opening = Opening {
            options: &options,
            hello: Hello {
                name: "client.example".into(),
                extended: true,
            },
            mail: Rc::new(Outgoing {
                from: ReversePath::Null,
                to: Vec::new(),
                size: 0,
                eight_bit: false,
            }),
            tls: None,
            message: [].into(),
        };
        let addresses = addresses.iter().copied().map(SocketAddress::Tcp);
        let mut shown = Vec::new();
        let transcript = Transcript::new(&mut shown, false);
        deliver(&opening, addresses.collect(), transcript).unwrap()
    }

    #[test]
    fn the_next_address_is_tried() {
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        let both = [closed.unwrap(), open.local_addr().unwrap()];
        // Nobody greets at the open one, but the connection is there.
        assert!(matches!(
            outcome(&both),
            SendOutcome::Over(Err(SendError::TryAgain(_)))
        ));
        match outcome(&both[..1]) {
            SendOutcome::Unreachable(error) => {
                assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
            }
            SendOutcome::Over(verdict) => panic!("{verdict:?}"),
        }
    }

    #[test]
    fn no_answer_is_not_waited_for_any_longer() {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let listener = listener.unwrap();
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        listener.bind(&any_port.into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();

        // Nobody accepts; once the backlog is full, the kernel does not answer any more.
        let mut dialer = Dialer::new(vec![SocketAddress::Tcp(address)]);
        let waiting: Vec<_> = (0..10).map(|_| dialer.dial().unwrap()).collect();
        match outcome(&[address]) {
            SendOutcome::Unreachable(error) => assert_eq!(error.kind(), io::ErrorKind::TimedOut),
            SendOutcome::Over(verdict) => panic!("the backlog takes everybody: {verdict:?}"),
        }
        drop(waiting);
    }
}
