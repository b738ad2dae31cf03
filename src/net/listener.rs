//! Listening sockets: bind, accept, and the end of their socket files.

use core::fmt;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use rustix::fs::Mode;
use rustix::process::umask;
use socket2::{Domain, Protocol, SockAddr, SockRef, Type};

use super::descriptors::{Reserve, is_out_of_descriptors};
use super::endpoint::SocketAddress;
use super::socket::Socket;

/// The most connections that wait in the kernel to be accepted; it cuts this to its own limit.
pub const BACKLOG: i32 = 4096;

/// Why a listener could not be opened.
#[derive(Debug)]
pub struct BindError(SocketAddress, io::Error);

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(address, error) = self;
        write!(f, "cannot listen on {address}: ")?;
        match (address, error.kind()) {
            (SocketAddress::Unix(_), ErrorKind::AddrInUse) => f.write_str(
                "another program does, or the file is no socket; stop it, or choose another address",
            ),
            (SocketAddress::Unix(_), ErrorKind::NotFound) => {
                f.write_str("there is no such folder; make it, or choose another address")
            }
            (SocketAddress::Tcp(_), ErrorKind::AddrInUse) => {
                f.write_str("another program does; stop it, or choose another address")
            }
            (SocketAddress::Tcp(_), ErrorKind::AddrNotAvailable) => {
                f.write_str("this machine has no such address; choose another address")
            }
            (_, ErrorKind::PermissionDenied) => {
                f.write_str("not permitted; choose a port over 1023 or another place")
            }
            _ => write!(f, "{error}"),
        }
    }
}

impl From<BindError> for io::Error {
    fn from(error: BindError) -> Self {
        Self::new(error.1.kind(), error.to_string())
    }
}

/// Outcome of one accept(2). A peer on a unix socket has no address.
#[derive(Debug)]
pub enum Accepted {
    /// A new connection.
    Connection(Socket, Option<SocketAddr>),
    /// A connection there is no descriptor for. The [`Reserve`] let it in, so that its peer can be told; once that is closed,
    /// the reserve is to be restored.
    Surplus(Socket, Option<SocketAddr>),
    /// The peer is gone again; another may be waiting.
    Aborted,
    /// Nobody is waiting: only an event tells of more.
    Nobody,
    /// An error that only time can mend.
    Failed(io::Error),
}

/// One listening socket, with a tag that says what its connections are for. It has its address from the start, but TCP clients
/// get in only once it is registered: a process that shares a port and cannot serve yet must not catch anybody's clients.
#[derive(Debug)]
pub struct Listener<K> {
    socket: ListeningSocket,
    tag: K,
    address: SocketAddress,
    origin: ListenerOrigin,
    /// Whether somebody may be waiting: set by readiness, cleared only by `WouldBlock`.
    pub accept_ready: bool,
}

/// ListenerOrigin of a listener.
#[derive(Debug)]
enum ListenerOrigin {
    /// Opened by this process, with this socket file, by file system and number.
    Opened(Option<(u64, u64)>),
    /// Passed on by the process that started this one.
    Inherited,
}

#[derive(Debug)]
enum ListeningSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl<K: Copy> Listener<K> {
    /// Opens a socket on `address`; with `reuse_port`, beside other processes of the same user.
    ///
    /// # Errors
    /// It cannot listen there.
    pub fn bind(tag: K, address: &SocketAddress, reuse_port: bool) -> Result<Self, BindError> {
        Self::open(tag, address, reuse_port).map_err(|error| BindError(address.clone(), error))
    }

    /// Opens a socket file that only the user of this process can connect to, from its first instant.
    ///
    /// # Errors
    /// It cannot listen there.
    pub fn bind_private(tag: K, path: &Path) -> Result<Self, BindError> {
        // Permissions that are taken away after bind(2) come too late: somebody may have connected.
        let before = umask(Mode::from_raw_mode(0o177));
        let listener = Self::bind(tag, &SocketAddress::Unix(path.to_owned()), false);
        umask(before);
        listener
    }

    fn open(tag: K, address: &SocketAddress, reuse_port: bool) -> io::Result<Self> {
        let (socket, address) = match address {
            SocketAddress::Tcp(address) => {
                let listener = bind_tcp(*address, reuse_port)?;
                let address = listener.local_addr()?;
                (ListeningSocket::Tcp(listener), SocketAddress::Tcp(address))
            }
            SocketAddress::Unix(path) => {
                remove_stale(path)?;
                (
                    ListeningSocket::Unix(UnixListener::bind(path)?),
                    address.clone(),
                )
            }
        };
        Ok(Self {
            origin: ListenerOrigin::Opened(file_of(&address)),
            socket,
            tag,
            address,
            accept_ready: true,
        })
    }

    /// Takes over a stream socket that listens already.
    ///
    /// # Errors
    /// It does not listen, or the system refuses what is needed of it.
    pub fn inherit(tag: K, socket: socket2::Socket) -> io::Result<Self> {
        if !is_listening(&socket)? {
            let error = io::Error::new(ErrorKind::InvalidInput, "it does not listen");
            return Err(error);
        }
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        let (socket, address) = if let Some(address) = local.as_socket() {
            socket.set_tcp_nodelay(true)?;
            let listener = TcpListener::from_std(socket.into());
            (ListeningSocket::Tcp(listener), SocketAddress::Tcp(address))
        } else {
            let listener = UnixListener::from_std(socket.into());
            let path = unix_path(&local);
            (ListeningSocket::Unix(listener), SocketAddress::Unix(path))
        };
        Ok(Self {
            socket,
            tag,
            address,
            origin: ListenerOrigin::Inherited,
            accept_ready: true,
        })
    }

    /// The tag of its connections.
    #[must_use]
    pub fn tag(&self) -> K {
        self.tag
    }

    /// The address that it listens on, with the port that the kernel picked.
    #[must_use]
    pub fn address(&self) -> &SocketAddress {
        &self.address
    }

    /// Whether it was passed to us.
    #[must_use]
    pub fn is_inherited(&self) -> bool {
        matches!(self.origin, ListenerOrigin::Inherited)
    }

    /// Lets clients in, and has the poll tell of them.
    ///
    /// # Errors
    /// Somebody else began to listen there in the meantime, or the system refuses to poll it.
    pub fn register(&mut self, registry: &Registry, token: Token) -> Result<(), BindError> {
        let registered = match &mut self.socket {
            ListeningSocket::Tcp(listener) => {
                let listens = match self.origin {
                    ListenerOrigin::Opened(_) => SockRef::from(&*listener).listen(BACKLOG),
                    ListenerOrigin::Inherited => Ok(()),
                };
                listens.and_then(|()| registry.register(listener, token, Interest::READABLE))
            }
            ListeningSocket::Unix(listener) => {
                registry.register(listener, token, Interest::READABLE)
            }
        };
        registered.map_err(|error| BindError(self.address.clone(), error))
    }

    /// Accepts one connection, with the help of the reserve where descriptors have run out.
    pub fn accept(&mut self, reserve: &mut Reserve) -> Accepted {
        match self.accept_one() {
            Ok((stream, peer)) => Accepted::Connection(stream, peer),
            Err(error) if is_out_of_descriptors(&error) && reserve.release() => {
                // The caller closes what comes of this, and restores the reserve then.
                match self.accept_one() {
                    Ok((stream, peer)) => Accepted::Surplus(stream, peer),
                    Err(error) => {
                        reserve.restore();
                        self.accept_failed(error)
                    }
                }
            }
            Err(error) => self.accept_failed(error),
        }
    }

    fn accept_one(&self) -> io::Result<(Socket, Option<SocketAddr>)> {
        match &self.socket {
            ListeningSocket::Tcp(listener) => {
                let (stream, address) = listener.accept()?;
                Ok((Socket::Tcp(stream), Some(address)))
            }
            ListeningSocket::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                Ok((Socket::Unix(stream), None))
            }
        }
    }

    fn accept_failed(&mut self, error: io::Error) -> Accepted {
        match error.kind() {
            ErrorKind::WouldBlock => {
                self.accept_ready = false;
                Accepted::Nobody
            }
            // accept(2): errors of the connection that would have been, not of the listener.
            ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::PermissionDenied => Accepted::Aborted,
            _ => Accepted::Failed(error),
        }
    }
}

impl<K> Drop for Listener<K> {
    fn drop(&mut self) {
        // What was passed to us is not ours to remove, nor is what somebody else listens on by now.
        if let (SocketAddress::Unix(path), ListenerOrigin::Opened(file)) =
            (&self.address, &self.origin)
            && *file == file_of(&self.address)
        {
            // A socket file that stays is replaced at the next start.
            let _ = fs::remove_file(path);
        }
    }
}

/// The socket file of a listener, by file system and number.
fn file_of(address: &SocketAddress) -> Option<(u64, u64)> {
    match address {
        SocketAddress::Tcp(_) => None,
        SocketAddress::Unix(path) => fs::symlink_metadata(path)
            .ok()
            .map(|file| (file.dev(), file.ino())),
    }
}

fn bind_tcp(address: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for connections of the last run to be forgotten.
    socket.set_reuse_address(true)?;
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        // What `[::]` means must not depend on a setting of the machine.
        socket.set_only_v6(true)?;
    }
    // Accepted sockets inherit this. All replies of a turn go out in one write, so Nagle's algorithm could only
    // hold back the reply to a client that pipelines (44 ms, as delayed ACKs have it).
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(TcpListener::from_std(socket.into()))
}

#[cfg(target_os = "linux")]
fn is_listening(socket: &socket2::Socket) -> io::Result<bool> {
    socket.is_listener()
}

/// Not every system can tell; accepting fails then.
#[cfg(not(target_os = "linux"))]
fn is_listening(_socket: &socket2::Socket) -> io::Result<bool> {
    Ok(true)
}

/// The path of a unix socket; an abstract address is written as the manuals do, with an `@` before it.
fn unix_path(address: &SockAddr) -> PathBuf {
    match (address.as_pathname(), address.as_abstract_namespace()) {
        (Some(path), _) => path.to_owned(),
        (None, Some(name)) => OsString::from_vec([b"@", name].concat()).into(),
        (None, None) => PathBuf::new(),
    }
}

/// Removes a socket file that nobody listens on any more.
fn remove_stale(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
        return Ok(());
    }
    let probe = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Whoever is too busy to accept is alive as well: never wait for it.
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Ok(()),
    }
}
