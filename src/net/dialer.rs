//! Outgoing connections, begun without waiting for them.
//!
//! A connect(2) that is in progress is complete when an event tells that the socket is writable; then
//! [`Socket::is_connected`] tells what came of it. How long that may take is for the caller to say.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::net::{TcpStream, UnixStream};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Type};

use super::endpoint::SocketAddress;
use super::peer::PeerAddress;
use super::socket::Socket;

/// The most addresses of the loopback network that connections come from: each has its own ports, some 28,000.
const SOURCES_MAX: u8 = 100;

/// Makes connections to one server, which may have several addresses.
#[derive(Debug)]
pub struct Dialer {
    /// The addresses that are left; the last one is tried.
    addresses: Vec<SocketAddress>,
    /// Connections come from `127.0.0.{1 + source}`; while it is 0 the system chooses.
    source: u8,
}

impl Dialer {
    /// A dialer that tries these addresses in turn.
    #[must_use]
    pub fn new(mut addresses: Vec<SocketAddress>) -> Self {
        addresses.reverse();
        let source = 0;
        Self { addresses, source }
    }

    /// Gives the present address up; whether there is another one.
    pub fn next_address(&mut self) -> bool {
        self.addresses.pop().is_some() && !self.addresses.is_empty()
    }

    /// The server at the present address.
    pub fn peer(&self) -> PeerAddress {
        match self.addresses.last() {
            Some(SocketAddress::Tcp(address)) => (*address).into(),
            Some(SocketAddress::Unix(_)) => PeerAddress::Unix,
            None => PeerAddress::Unknown,
        }
    }

    /// Begins a connection to the present address.
    ///
    /// # Errors
    /// It failed at once. `WouldBlock` means that the backlog of a unix socket is full.
    pub fn dial(&mut self) -> io::Result<Socket> {
        let none = || io::Error::new(ErrorKind::NotFound, "the name has no address");
        let address = match self.addresses.last().ok_or_else(none)? {
            SocketAddress::Unix(path) => return UnixStream::connect(path).map(Socket::Unix),
            SocketAddress::Tcp(address) => *address,
        };
        loop {
            let stream = match self.connect(address) {
                Err(error) if is_out_of_ports(&error) && self.source < SOURCES_MAX => {
                    if !is_loopback_v4(address) {
                        return Err(io::Error::new(
                            error.kind(),
                            "no port is free, as each stays taken for a while after its connection has ended",
                        ));
                    }
                    self.source += 1;
                    continue;
                }
                stream => stream?,
            };
            // With Nagle's algorithm the end of a message would wait for the acknowledgement of what is before it.
            stream.set_nodelay(true)?;
            return Ok(Socket::Tcp(stream));
        }
    }

    fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        if self.source == 0 {
            return TcpStream::connect(address);
        }
        let source = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + u32::from(self.source));
        connect_from(source.into(), address)
    }
}

/// Begins a connection to `address`. Over TCP it comes from the one of `sources` that is of the family of the address, if there
/// is one; otherwise the system chooses.
///
/// # Errors
/// It failed at once. `WouldBlock` means that the backlog of a unix socket is full.
pub fn dial(address: &SocketAddress, sources: &[IpAddr]) -> io::Result<Socket> {
    let address = match address {
        SocketAddress::Unix(path) => return UnixStream::connect(path).map(Socket::Unix),
        SocketAddress::Tcp(address) => *address,
    };
    let mut sources = sources.iter();
    let stream = match sources.find(|source| source.is_ipv4() == address.is_ipv4()) {
        Some(source) => connect_from(*source, address)?,
        None => TcpStream::connect(address)?,
    };
    stream.set_nodelay(true)?;
    Ok(Socket::Tcp(stream))
}

fn connect_from(source: IpAddr, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket2::Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    match socket.connect(&address.into()) {
        Err(error) if Errno::from_io_error(&error) != Some(Errno::INPROGRESS) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

fn is_out_of_ports(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::ADDRNOTAVAIL | Errno::ADDRINUSE)
    )
}

fn is_loopback_v4(address: SocketAddr) -> bool {
    matches!(address.ip(), IpAddr::V4(ip) if ip.is_loopback())
}
