//! Notifications to the service manager that started the process (sd_notify(3)).

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::inbound::metrics::ServerStatus;

/// Events in the life of the server.
#[derive(Clone, Copy, Debug)]
pub(super) enum ManagerState<'a> {
    /// Clients are served.
    Ready,
    /// No more clients are let in.
    Stopping,
    /// The status, for a person.
    Status(&'a ServerStatus),
}

/// The service manager, if there is one that wants to hear.
#[derive(Debug)]
pub struct ServiceManager {
    socket: Option<Socket>,
}

impl ServiceManager {
    /// The one that `NOTIFY_SOCKET` names. It is connected to now, while the process may still do so.
    #[must_use]
    pub fn from_environment() -> Self {
        let connected = env::var_os("NOTIFY_SOCKET").map(connect).transpose();
        Self {
            socket: connected.unwrap_or_else(|error| {
                warn(&error);
                None
            }),
        }
    }

    /// Whether somebody listens.
    pub(super) fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    pub(super) fn tell(&self, state: ManagerState<'_>) {
        let message = match state {
            ManagerState::Ready => "READY=1\n".to_owned(),
            ManagerState::Stopping => "STOPPING=1\n".to_owned(),
            ManagerState::Status(status) => format!("STATUS={status}\n"),
        };
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(message.as_bytes())
        {
            warn(&error);
        }
    }
}

fn connect(name: OsString) -> io::Result<Socket> {
    let mut path = name.into_vec();
    // The manual's way to write the NUL that an abstract address begins with.
    if let Some(first @ b'@') = path.first_mut() {
        *first = 0;
    }
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    // A manager that does not read must not stop the loop.
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(PathBuf::from(OsString::from_vec(path)))?)?;
    Ok(socket)
}

fn warn(error: &io::Error) {
    log::warn!("warning=\"cannot tell the service manager: {error}\"");
}
