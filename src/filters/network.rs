//! The seam to the network: connections to filters are begun here, over sockets in a server and without any in a simulation.

use std::io;

use crate::net::endpoint::SocketAddress;

/// The network, as far as filters need it.
pub trait FilterNetwork<T> {
    /// Begins a connection, of which events will come under `key`.
    ///
    /// # Errors
    /// The connection failed at once, as connect(2) does; or as epoll_ctl(2).
    fn connect(&mut self, address: &SocketAddress, key: usize) -> io::Result<T>;
}
