//! Who gets in: the limits on connections, in all and by address, and the first turn.

use std::rc::Rc;

use super::{Connections, List, Slot};
use crate::net::transport::Transport;
use crate::server::census::Presence;
use crate::server::cidr::Cidr;
use crate::server::connection::{Connection, ConnectionId};
use crate::server::deadlines::Alarm;
use crate::server::peer::PeerAddress;
use crate::server::totals::Reason;
use crate::smtp::event::Limit;
use crate::smtp::service::Service;
use crate::smtp::stats::SessionStats;

impl<T: Transport> Connections<T> {
    /// The limit that one more connection, of this `peer`, would go past.
    pub fn limit_for(&self, peer: PeerAddress) -> Option<Limit> {
        let most_alike = self.limits.connections_per_ip_max;
        // Whom a proxy speaks for it will yet say.
        let ip = peer
            .ip()
            .filter(|_| most_alike != 0 && !self.is_proxy(peer));
        if self.census.open() >= self.limits.connections_max {
            return Some(Limit::Connections);
        }
        let alike = self.census.open_from(ip?);
        (alike >= most_alike).then_some(Limit::ConnectionsPerIp)
    }

    /// Counts a connection that was turned away, and logs its end.
    pub fn turned_away(&mut self, peer: PeerAddress, bytes_out: usize, reason: Reason) {
        let id = self.next_id();
        self.totals.turned_away += 1;
        self.totals.add(reason, SessionStats::default());
        log::info!(
            "conn={id} peer={peer} closed={reason} messages=0 errors=0 bytes_in=0 bytes_out={bytes_out} seconds=0.000"
        );
    }

    /// A name for a connection, also for one that is turned away.
    fn next_id(&mut self) -> ConnectionId {
        let id = ConnectionId(self.next_id);
        self.next_id += 1;
        id
    }

    /// Takes in a connection that was just accepted, on which `service` is spoken, and gives it its first turn.
    pub fn add(&mut self, transport: T, service: Service, peer: PeerAddress) {
        let id = self.next_id();
        let (policy, pool) = (Rc::clone(&self.policy), Rc::clone(&self.pool));
        let now = self.scratch.now;
        let mut connection = Connection::new(id, transport, service, peer, policy, pool, now);
        if self.is_proxy(peer) {
            connection.await_proxy_header();
        }
        self.census.note(Presence::default(), connection.presence());
        let key = self.slots.insert(Slot {
            connection,
            alarm: Alarm::default(),
            list: List::None,
        });
        self.turn(key, Connection::on_ready);
    }

    fn is_proxy(&self, peer: PeerAddress) -> bool {
        peer.ip()
            .is_some_and(|ip| Cidr::any_contains(&self.proxies, ip))
    }
}
