//! Clients as the session sees them, and those that a trusted peer names by XCLIENT.

use std::net::SocketAddr;

use crate::net::peer::PeerAddress;
use crate::smtp::envelope::Peer;
use crate::smtp::xclient::{Attribute, Attributes};

/// The peer as the session sees it.
pub(super) fn peer(peer: PeerAddress) -> Peer {
    match peer {
        PeerAddress::Tcp(address) => Peer::Ip(address.ip()),
        PeerAddress::Unix => Peer::Local,
        PeerAddress::Unknown => Peer::Unknown,
    }
}

/// The client that the XCLIENT peer `by` names. Without its port that is 0: the one it had was another's.
pub(super) fn client_of(by: PeerAddress, named: &Attributes) -> PeerAddress {
    let port = match (&named.port, &named.address, by) {
        (Attribute::Known(port), ..) => *port,
        (Attribute::Unsaid, Attribute::Unsaid, PeerAddress::Tcp(address)) => address.port(),
        _ => 0,
    };
    match (&named.address, by) {
        (Attribute::Known(ip), _) => SocketAddr::new(*ip, port).into(),
        (Attribute::Unavailable, _) => PeerAddress::Unknown,
        (Attribute::Unsaid, PeerAddress::Tcp(address)) => {
            SocketAddr::new(address.ip(), port).into()
        }
        (Attribute::Unsaid, other) => other,
    }
}
