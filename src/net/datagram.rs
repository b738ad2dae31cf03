//! Datagrams of UDP: sockets that are connected to one peer each, non-blocking and edge-triggered.
//!
//! A connected socket gets datagrams of its peer only: the kernel drops all others. It also tells by an error that nobody
//! listens there, where the peer's system says so.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};

use super::channel::Readiness;

/// A socket for datagrams to and from one peer. An operation that cannot go on fails with `WouldBlock`.
pub trait Datagrams {
    /// Sends one datagram. The network may lose it.
    ///
    /// # Errors
    /// As send(2). `ConnectionRefused` is about a datagram before: nobody listens there.
    fn send(&mut self, octets: &[u8]) -> io::Result<()>;

    /// Receives one datagram. Returns its length, at most that of the buffer, and its sender.
    ///
    /// # Errors
    /// As recv(2).
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)>;
}

/// A socket of the system for datagrams to and from one peer.
#[derive(Debug)]
pub struct DatagramSocket {
    socket: UdpSocket,
}

impl DatagramSocket {
    /// A socket with a port of its own, which the kernel picks at random.
    ///
    /// # Errors
    /// There are no descriptors or ports left, or there is no route to the peer.
    pub fn connect(peer: SocketAddr) -> io::Result<Self> {
        let any = match peer {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = UdpSocket::bind(any)?;
        socket.connect(peer)?;
        Ok(Self { socket })
    }

    /// Registers the socket, once: edge-triggered, it is quiet while nothing comes.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE)
    }
}

impl Datagrams for DatagramSocket {
    fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.socket.send(octets).map(drop)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.recv_from(buffer)
    }
}

/// A socket for datagrams with what events have told of it: an edge tells once, so a socket stays readable until it was found
/// empty.
#[derive(Debug)]
pub struct DatagramChannel<D> {
    socket: D,
    is_readable: bool,
}

impl<D: Datagrams> DatagramChannel<D> {
    /// A channel over a socket that is new: nothing has come yet.
    pub fn new(socket: D) -> Self {
        let is_readable = false;
        Self {
            socket,
            is_readable,
        }
    }

    /// Notes what an event told.
    pub fn note(&mut self, event: Readiness) {
        self.is_readable |= event.readable || event.read_on;
    }

    /// Whether something may have come.
    pub fn is_readable(&self) -> bool {
        self.is_readable
    }

    /// Sends one datagram. One that finds no room is lost, as on the network.
    ///
    /// # Errors
    /// As [`Datagrams::send`], without `WouldBlock`.
    pub fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        loop {
            match self.socket.send(octets) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                sent => return sent,
            }
        }
    }

    /// Receives one datagram: its length and its sender. `None` once the socket is empty: only an event tells of more.
    ///
    /// # Errors
    /// As [`Datagrams::receive`], without `WouldBlock`.
    pub fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
        loop {
            match self.socket.receive(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_readable = false;
                    return Ok(None);
                }
                received => return received.map(Some),
            }
        }
    }
}
