//! Listening sockets that the service manager opened and passed on (sd_listen_fds(3)): it can keep a port open
//! over a restart, and bind one that we may not.

use core::fmt;
use std::{env, io};

use listenfd::ListenFd;
use socket2::Socket;

use crate::net::endpoint::SocketAddress;
use crate::net::listener::Listener;
use crate::smtp::log_value::LogValue;
use crate::smtp::service::Service;

/// The name of sockets for HTTP.
const HTTP: &str = "http";
/// The descriptor of the first passed socket.
const FIRST_DESCRIPTOR: usize = 3;

/// A descriptor that was passed on, and is not what mailoop can use.
#[derive(Debug)]
pub struct ActivationError {
    descriptor: usize,
    fault: Fault,
}

/// Faults of such a descriptor.
#[derive(Debug)]
enum Fault {
    /// Its name is that of no service.
    Name(String),
    /// The descriptor is no listening stream socket.
    Socket(io::Error),
}

impl fmt::Display for ActivationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { descriptor, fault } = self;
        write!(
            f,
            "cannot listen on descriptor {descriptor}, which LISTEN_FDS announces: "
        )?;
        match fault {
            Fault::Socket(error) => write!(
                f,
                "{error}; the socket unit must say ListenStream= and Accept=no"
            ),
            Fault::Name(name) => {
                let mut names = Service::ALL.map(Service::name).join(", ");
                if cfg!(feature = "http") {
                    names = format!("{names}, {HTTP}");
                }
                write!(
                    f,
                    "it is called {}, which is no service; the socket unit must say FileDescriptorName= and one of {names}",
                    LogValue(name)
                )
            }
        }
    }
}

/// Sockets that were passed to this process.
#[derive(Debug, Default)]
pub struct BoundListeners {
    /// Listeners for mail.
    pub mail: Vec<Listener<Service>>,
    /// Listeners for HTTP.
    pub http: Vec<Listener<()>>,
}

/// Takes the sockets that were passed to this process, which works once: the variables that tell of them are
/// removed from the environment. Its name says for which service a socket is (`FileDescriptorName=lmtp`). One without a name, as
/// from a manager that gives none, is for SMTP; another name is a mistake, by which passwords could be sent in the clear.
///
/// # Errors
/// A descriptor is no listening stream socket, or its name is that of no service.
pub fn inherited() -> Result<BoundListeners, ActivationError> {
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut passed = ListenFd::from_env();
    let mut inherited = BoundListeners::default();
    for index in 0..passed.len() {
        let descriptor = FIRST_DESCRIPTOR + index;
        let name = names.next().unwrap_or_default();
        let failed = |fault| ActivationError { descriptor, fault };
        let socket = take(&mut passed, index).map_err(|error| failed(Fault::Socket(error)));
        let announce = |address: &SocketAddress| {
            let name = LogValue(name);
            log::info!("inherited={address} descriptor={descriptor} name={name}");
        };
        if name == HTTP && cfg!(feature = "http") {
            let listener = Listener::inherit((), socket?);
            let listener = listener.map_err(|error| failed(Fault::Socket(error)))?;
            announce(listener.address());
            inherited.http.push(listener);
            continue;
        }
        let service = match name {
            "" => Service::default(),
            _ => Service::named(name).ok_or_else(|| failed(Fault::Name(name.to_owned())))?,
        };
        let listener = Listener::inherit(service, socket?);
        let listener = listener.map_err(|error| failed(Fault::Socket(error)))?;
        announce(listener.address());
        inherited.mail.push(listener);
    }
    Ok(inherited)
}

fn take(passed: &mut ListenFd, index: usize) -> io::Result<Socket> {
    // One of the wrong family stays where it is.
    let tcp = passed.take_tcp_listener(index).ok().flatten();
    let unix = passed.take_unix_listener(index).ok().flatten();
    tcp.map(Socket::from)
        .or(unix.map(Socket::from))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is no stream socket"))
}
