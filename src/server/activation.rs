//! Listening sockets that the service manager opened and passed on (sd_listen_fds(3)): it can keep a port open
//! over a restart, and bind one that we may not.

use core::fmt;
use std::{env, io};

use listenfd::ListenFd;
use socket2::Socket;

use super::listener::Listener;
use super::log_line::Value;
use crate::smtp::service::Service;

/// The descriptor of the first passed socket.
const FIRST_DESCRIPTOR: usize = 3;

/// A descriptor that was passed on, and is not what mailoop can use.
#[derive(Debug)]
pub struct ActivationError {
    descriptor: usize,
    error: io::Error,
}

impl fmt::Display for ActivationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { descriptor, error } = self;
        write!(
            f,
            "cannot listen on descriptor {descriptor}, which LISTEN_FDS announces: {error}; \
             the socket unit must say ListenStream= and Accept=no"
        )
    }
}

/// Takes the sockets that were passed to this process, which works once: the variables that tell of them are
/// removed from the environment. One that is named as a service is that service's (`FileDescriptorName=lmtp`); any
/// other is for SMTP.
///
/// # Errors
/// A descriptor is no listening stream socket.
pub fn inherited() -> Result<Vec<Listener>, ActivationError> {
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut passed = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..passed.len() {
        let descriptor = FIRST_DESCRIPTOR + index;
        let name = names.next().unwrap_or_default();
        let service = Service::named(name).unwrap_or_default();
        let listener = take(&mut passed, index)
            .and_then(|socket| Listener::inherit(service, socket))
            .map_err(|error| ActivationError { descriptor, error })?;
        let (address, name) = (listener.address(), Value(name));
        log::info!("inherited={address} descriptor={descriptor} name={name}");
        listeners.push(listener);
    }
    Ok(listeners)
}

fn take(passed: &mut ListenFd, index: usize) -> io::Result<Socket> {
    // One of the wrong family stays where it is.
    let tcp = passed.take_tcp_listener(index).ok().flatten();
    let unix = passed.take_unix_listener(index).ok().flatten();
    tcp.map(Socket::from)
        .or(unix.map(Socket::from))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is no stream socket"))
}
