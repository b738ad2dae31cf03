//! The rules that a server runs by. A reload swaps them whole.

use std::rc::Rc;
use std::time::Duration;

use crate::net::cidr::Cidr;
use crate::net::link::StartTls;
use crate::smtp::policy::Policy;

/// Everything that the operator has decided about connections and sessions.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The rules of sessions. A session keeps those with which it began, but for the users.
    pub policy: Rc<Policy>,
    /// The bounds of connections.
    pub limits: Limits,
    /// Networks of proxies: their connections begin with a PROXY header, and nobody else's is believed.
    pub proxies: Vec<Cidr>,
    /// Networks of XCLIENT peers, which may name the client that they speak for.
    pub xclient_peers: Vec<Cidr>,
    /// Networks of peers that may send to wherever a route leads, without a login.
    pub relay_peers: Vec<Cidr>,
    /// TLS as a server with its certificates, where there are any.
    pub tls: Option<Rc<dyn StartTls>>,
}

/// The bounds of the connections of a server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most connections at a time.
    pub connections_max: usize,
    /// The most of them from one IP address; 0 for no limit.
    pub connections_per_ip_max: usize,
    /// The most connections that linger; the oldest goes first.
    pub lingering_max: usize,
    /// The time for a whole command, or until the next bytes of a message.
    pub idle_timeout: Duration,
    /// The least rate of a message in bytes a second, averaged over an idle timeout; 0 for no limit.
    pub min_rate: u64,
    /// The time for a whole connection; a message that keeps the least rate is not cut short by it.
    pub session_timeout: Duration,
    /// The time for transactions in flight once the server was told to stop.
    pub drain_timeout: Duration,
    /// The octets that a message which begins must leave in the store; 0 for any.
    pub min_free: u64,
    /// After so many stored messages the server stops by itself; 0 for never.
    pub exit_after: u64,
    /// The most recipients elsewhere in an hour of one login; 0 for no limit.
    pub user_rate: u32,
}
