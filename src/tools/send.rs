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

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::dialogue::Dialogue;
use super::login::credentials;
use super::message::{self, Prepared};
use super::opening::Opening;
use super::world::{CONNECTION, Call, Dialed, LiveWorld, World};
use crate::exit::{ExitCode, Failed};
use crate::machine::client_name;
use crate::net::carrier::Carrier;
use crate::net::connections::Connections;
use crate::net::endpoint::Endpoint;
use crate::net::token::Token;
use crate::smtp::client::{Outgoing, Pace};
use crate::smtp::envelope::Hello;
pub use error::SendError;
pub use options::SendOptions;
use task::{Desk, SendOutcome, SendTask};
use transcript::Transcript;

/// Reads what the command asks for: the message from `file`, or from standard input, and the password of `user`, if one is to
/// log in.
///
/// # Errors
/// The message or a password cannot be read, or the message not be sent so.
pub fn read(
    mut options: SendOptions,
    file: Option<&Path>,
    user: Option<&str>,
) -> Result<Opening, Failed> {
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
    open(&options).map_err(Failed::from)
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
    let opening = open(options)?;
    let world = world(&opening)?;
    deliver(&opening, &world, options.verbose, dialogue)
}

/// Prepares what the dialogue begins with.
fn open(options: &SendOptions) -> Result<Opening, SendError> {
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
        parameters: None,
    };
    let encryption = options.encryption.as_ref();
    let tls = encryption.map(|encryption| encryption.with_server(&options.server));
    Ok(Opening {
        server: options.server.clone(),
        hello,
        says_hello: true,
        pace: Pace::Lockstep,
        mail: Rc::new(mail),
        message: prepared.wire.into(),
        tls: tls.transpose()?,
        trust: encryption.map(|encryption| Rc::clone(&encryption.trust)),
        login: options.login.clone(),
        timeout: options.timeout,
    })
}

/// The world as it is, in which the server is looked up.
///
/// # Errors
/// The server has no address, or there is no poll.
pub fn world(opening: &Opening) -> Result<Rc<dyn World>, SendError> {
    // Looking a name up blocks; one connection can afford that.
    let addresses = opening.server.resolve();
    let addresses = addresses.map_err(|error| unreachable(&opening.server, &error))?;
    Ok(Rc::new(LiveWorld::new(addresses)?))
}

/// Delivers a message, as [`send`], in this world.
///
/// # Errors
/// As [`send`].
pub fn deliver(
    opening: &Opening,
    world: &Rc<dyn World>,
    is_verbose: bool,
    dialogue: &mut dyn Write,
) -> Result<(), SendError> {
    let transcript = Transcript::new(dialogue, is_verbose);
    match try_addresses(opening, world, transcript)? {
        SendOutcome::Unreachable(error) => Err(unreachable(&opening.server, &error)),
        SendOutcome::Over(verdict) => verdict,
    }
}

fn unreachable(server: &Endpoint, error: &io::Error) -> SendError {
    SendError::Unavailable(format!(
        "cannot connect to {server}: {error}; is a server listening there?"
    ))
}

/// The connection over which a message goes, while there is one.
type SendConnections<'a> = Connections<Dialogue<SendTask<'a>>, Carrier>;

/// Tries the addresses of the server in turn, each for at most the timeout, and has the dialogue with the first that answers.
fn try_addresses<'a>(
    opening: &'a Opening,
    world: &Rc<dyn World>,
    transcript: Transcript<'a>,
) -> io::Result<SendOutcome> {
    let desk = Desk::new(transcript, world.probe());
    let mut connections: SendConnections<'a> = Connections::new(desk, world.now());
    loop {
        let call = Call {
            token: Token::new(CONNECTION, connections.next_key()),
            connection: connections.next_connection(),
            resets_on_close: false,
        };
        let outcome = match world.dial(call) {
            Ok(Dialed { transport, peer }) => {
                let session = opening.session(peer);
                let (tls, message) = (opening.tls.clone(), Rc::clone(&opening.message));
                let now = world.now();
                connections.set_time(now);
                let dialogue = Dialogue::new(SendTask::new(opening), session, tls, message, now);
                connections.dial(transport, dialogue, peer, now + opening.timeout);
                finish(&mut connections, &**world)?
            }
            Err(error) => SendOutcome::Unreachable(error),
        };
        match outcome {
            SendOutcome::Unreachable(_) if world.next_address() => {}
            outcome => return Ok(outcome),
        }
    }
}

/// Turns the loop until the connection is over.
fn finish(connections: &mut SendConnections<'_>, world: &dyn World) -> io::Result<SendOutcome> {
    loop {
        if let Some(outcome) = connections.shared_mut().take_outcome() {
            return Ok(outcome);
        }
        let now = world.poll(connections.next_wake())?;
        connections.set_time(now);
        world.events(&mut |token, readiness| connections.on_event(token.key, readiness));
        connections.tick(|_| {}, |step, _| world.step(step));
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
    use crate::net::dialer::Dialer;
    use crate::net::endpoint::SocketAddress;
    use crate::smtp::path::ReversePath;
    use std::net::{SocketAddr, TcpListener};
    use std::time::Duration;

    /// The outcome of a delivery to these addresses, each given a moment.
    fn outcome(addresses: &[SocketAddr]) -> SendOutcome {
        let opening = Opening {
            server: "name.example:25".parse().unwrap(),
            hello: Hello {
                name: "client.example".into(),
                extended: true,
            },
            says_hello: true,
            pace: Pace::Lockstep,
            mail: Rc::new(Outgoing {
                from: ReversePath::Null,
                to: Vec::new(),
                size: 0,
                eight_bit: false,
                parameters: None,
            }),
            message: [].into(),
            tls: None,
            trust: None,
            login: None,
            timeout: Duration::from_millis(100),
        };
        let addresses = addresses.iter().copied().map(SocketAddress::Tcp);
        let world: Rc<dyn World> = Rc::new(LiveWorld::new(addresses.collect()).unwrap());
        let mut shown = Vec::new();
        let transcript = Transcript::new(&mut shown, false);
        try_addresses(&opening, &world, transcript).unwrap()
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
