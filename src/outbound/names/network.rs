//! The network that name servers are asked by: sockets of the system, or a script of a test.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, BufReader, Read};
use std::net::SocketAddr;

use mio::Registry;

use crate::net::datagram::{DatagramSocket, Datagrams};
use crate::net::dialer::Dialer;
use crate::net::endpoint::SocketAddress;
use crate::net::socket::Socket;
use crate::net::token::Token;
use crate::net::transport::Transport;
use crate::outbound::dns::resolver::Random;

/// The octets of randomness that are fetched at once.
const RANDOM_BYTES: usize = 512;

/// A network by which name servers are asked.
pub trait NameNetwork {
    /// A socket for datagrams.
    type Datagram: Datagrams;
    /// A connection.
    type Stream: Transport;

    /// A new socket for datagrams to this server and from it, whose events are told under this key.
    ///
    /// # Errors
    /// It cannot be had.
    fn datagram(&mut self, server: SocketAddr, key: usize) -> io::Result<Self::Datagram>;

    /// A new connection to this server, which has begun to be made. Its events are told under this key, among those of
    /// connections.
    ///
    /// # Errors
    /// It cannot be had, or failed at once.
    fn stream(&mut self, server: SocketAddr, key: usize) -> io::Result<Self::Stream>;
}

/// The network of the system.
#[derive(Debug)]
pub struct LiveNames {
    registry: Registry,
    datagram_kind: u8,
    stream_kind: u8,
}

impl LiveNames {
    /// The network of the system. Its sockets are registered here, with tokens of these kinds.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn new(registry: &Registry, datagram_kind: u8, stream_kind: u8) -> io::Result<Self> {
        Ok(Self {
            registry: registry.try_clone()?,
            datagram_kind,
            stream_kind,
        })
    }
}

impl NameNetwork for LiveNames {
    type Datagram = DatagramSocket;
    type Stream = Socket;

    fn datagram(&mut self, server: SocketAddr, key: usize) -> io::Result<DatagramSocket> {
        let mut socket = DatagramSocket::connect(server)?;
        socket.register(&self.registry, Token::new(self.datagram_kind, key).into())?;
        Ok(socket)
    }

    fn stream(&mut self, server: SocketAddr, key: usize) -> io::Result<Socket> {
        let mut socket = Dialer::new(vec![SocketAddress::Tcp(server)]).dial()?;
        socket.register(&self.registry, Token::new(self.stream_kind, key).into())?;
        Ok(socket)
    }
}

/// The random numbers of the system.
///
/// # Errors
/// There is no `/dev/urandom`.
pub fn system_random() -> io::Result<Random> {
    let mut source = BufReader::with_capacity(RANDOM_BYTES, File::open("/dev/urandom")?);
    Ok(Box::new(move || {
        let mut octets = [0; 8];
        match source.read_exact(&mut octets) {
            Ok(()) => u64::from_ne_bytes(octets),
            // Its keys are random as well; this device does not fail.
            Err(_) => RandomState::new().build_hasher().finish(),
        }
    }))
}
