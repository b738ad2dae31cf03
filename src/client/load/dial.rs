//! New connections to the server, each begun without waiting for it.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::net::{TcpStream, UnixStream};
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Type};

use crate::net::endpoint::{Endpoint, SocketAddress};
use crate::net::socket::Socket;

/// How many addresses of the loopback network connections may come from: each has its own ports, some 28,000.
const SOURCES_MAX: u8 = 100;

/// Makes connections to one server.
#[derive(Debug)]
pub(super) struct Dialer {
    /// Those of the server; the last one is tried.
    addresses: Vec<SocketAddress>,
    /// Connections come from `127.0.0.{1 + source}`; while it is 0 the system chooses.
    source: u8,
}

impl Dialer {
    /// Looks the addresses of `server` up.
    ///
    /// # Errors
    /// The name has no address.
    pub(super) fn new(server: &Endpoint) -> io::Result<Self> {
        let mut addresses = server.resolve()?;
        addresses.reverse();
        let source = 0;
        Ok(Self { addresses, source })
    }

    /// Gives the address up that nobody answers at; whether there is another one.
    pub(super) fn next_address(&mut self) -> bool {
        self.addresses.pop().is_some() && !self.addresses.is_empty()
    }

    /// Begins a connection; whether it succeeds is told by events.
    ///
    /// # Errors
    /// It failed at once. `WouldBlock` means that the server has not yet accepted as many as may wait.
    pub(super) fn dial(&mut self) -> io::Result<Socket> {
        let address = match self.addresses.last().ok_or(ErrorKind::NotFound)? {
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
            // The end of a message must not wait for the acknowledgement of what is before it.
            stream.set_nodelay(true)?;
            return Ok(Socket::Tcp(stream));
        }
    }

    fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        if self.source == 0 {
            return TcpStream::connect(address);
        }
        let source = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + u32::from(self.source));
        let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::from((source, 0)).into())?;
        match socket.connect(&address.into()) {
            Err(error) if Errno::from_io_error(&error) != Some(Errno::INPROGRESS) => Err(error),
            _ => Ok(TcpStream::from_std(socket.into())),
        }
    }
}

/// Has a connection end with a reset as soon as it is closed.
pub(super) fn reset_on_close(stream: &Socket) -> io::Result<()> {
    match stream {
        Socket::Tcp(stream) => SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO)),
        // A unix socket that is closed while there is something to read does so by itself.
        Socket::Unix(_) => Ok(()),
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
