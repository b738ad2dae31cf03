//! One connection as an observer sees it, between its turns.

use std::time::{Duration, Instant};

use super::Connection;
use crate::net::driver::{ConnectionId, ConnectionName, Driver, Wait};
use crate::net::lifecycle::Lifecycle;
use crate::net::peer::PeerAddress;
use crate::net::transport::Transport;

/// One connection as an observer sees it, between its turns.
pub struct ConnectionView<'a, D: Driver> {
    /// The id of the connection.
    pub id: ConnectionId,
    /// The name by which it can be told something.
    pub name: ConnectionName,
    /// The peer, or the client that it has named.
    pub peer: PeerAddress,
    /// The driver, which knows how far its protocol is.
    pub driver: &'a D,
    /// The stage of its life.
    pub lifecycle: Lifecycle,
    /// The wait that its driver returned last.
    pub wait: Wait<D::Ticket>,
    /// The time since it was accepted, or its dial began.
    pub age: Duration,
    /// Turns that it has had: how often something woke it.
    pub turns: u32,
    /// Octets read so far.
    pub bytes_in: u64,
    /// Octets written so far.
    pub bytes_out: u64,
    /// Octets that wait for room in the socket.
    pub unsent: usize,
}

impl<D: Driver, T: Transport> Connection<D, T> {
    /// A view of it, which has this `key` and waits for `wait`.
    pub(in crate::net) fn view(
        &self,
        key: usize,
        wait: Wait<D::Ticket>,
        now: Instant,
    ) -> ConnectionView<'_, D> {
        ConnectionView {
            id: self.id,
            name: ConnectionName { key, id: self.id },
            peer: self.peer,
            driver: &self.driver,
            lifecycle: self.lifecycle,
            wait,
            age: now.saturating_duration_since(self.opened.0),
            turns: self.turns,
            bytes_in: self.channel.bytes_in(),
            bytes_out: self.channel.bytes_out(),
            unsent: self.channel.unsent(),
        }
    }
}
