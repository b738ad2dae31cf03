//! The frames of a client: what it begins with, and what came in to its loop beside events.

use super::table::frames;
use crate::net::driver::ConnectionId;
use crate::net::epoch::Nanoseconds;
use crate::net::peer::PeerAddress;
use crate::observe::codec::RecordValue;
use crate::observe::outcome::ErrorCode;
use crate::smtp::client::ClientFault;

frames! { ClientFrame
    /// A client begins; its recipients follow, then its [load](ClientFrame::Load) if it is one, then its message.
    1 Begun {
        /// The server as it was asked for.
        server: &'a str,
        /// The name to be greeted with.
        hello: &'a str,
        /// Whether that goes with EHLO.
        extended: bool,
        /// Whether it is said at all.
        says_hello: bool,
        /// Whether commands go out in groups.
        pipelined: bool,
        /// The reverse-path.
        from: &'a str,
        /// Octets of the message that are declared.
        size: u64,
        /// Whether the message holds octets beyond ASCII.
        eight_bit: bool,
        /// Whether TLS begins at once, if it is to begin.
        tls_at_once: Option<bool>,
        /// The user to log in as.
        login: Option<&'a str>,
        /// How long the server may be silent, in nanoseconds.
        timeout: Nanoseconds,
    }
    /// A recipient of the client's message.
    2 Recipient {
        /// The address.
        address: &'a str,
    }
    /// The load that the client puts on the server.
    3 Load {
        /// The most connections at a time.
        sessions: usize,
        /// How many transactions there are, unless they end by the clock.
        count: Option<u64>,
        /// How long transactions begin, in nanoseconds.
        time: Option<Nanoseconds>,
        /// How many begin a second.
        rate: Option<u32>,
        /// Whether a connection is kept for the next message.
        keep: bool,
        /// Whether a transaction is no more than a connection.
        connect_only: bool,
        /// The kind of hostile peers.
        hostile: Option<&'a str>,
        /// The number of hostile peers.
        peers: usize,
    }
    /// A part of the client's message as it goes over the wire.
    4 Message {
        /// The octets, hidden unless text is kept.
        octets: &'a [u8],
    }
    /// The client asked for the time.
    5 Clock {
        /// The time.
        now: Nanoseconds,
    }
    /// The client began a connection.
    6 Dialed {
        /// Its key.
        key: usize,
        /// Its id.
        connection: ConnectionId,
        /// Whether it ends with a reset when it is closed.
        resets_on_close: bool,
        /// The server.
        peer: PeerAddress,
        /// Whether a short read drains its transport.
        short_read_drains: bool,
        /// The result.
        result: Result<(), ErrorCode>,
    }
    /// The client gave an address of the server up.
    7 NextAddress {
        /// Whether there is another one.
        is_there: bool,
    }
    /// Signals asked the client to end.
    8 Signals {
        /// Their number.
        count: u32,
    }
    /// A transport that was dialed told whether it is connected.
    9 Connected {
        /// The connection.
        connection: ConnectionId,
        /// The result.
        result: Result<bool, ErrorCode>,
    }
    /// So much of a driver's own text, which is the client's message, is left to be written.
    10 OwnText {
        /// The connection.
        connection: ConnectionId,
        /// The octets.
        left: usize,
    }
    /// The client began a login.
    11 LoginBegun {
        /// The connection.
        connection: ConnectionId,
        /// The command, its response hidden, or why there is none.
        result: Result<&'a str, ClientFault>,
    }
    /// The client's login met a challenge.
    12 LoginResponse {
        /// The connection.
        connection: ConnectionId,
        /// Octets of the response, or why there is none.
        result: Result<usize, ClientFault>,
    }
    /// The client's login said whether the server may say that it worked.
    13 LoginMaySucceed {
        /// The connection.
        connection: ConnectionId,
        /// The answer.
        may_succeed: bool,
    }
}

impl ClientFrame<'_> {
    /// The connection that the frame is about, if it is about one.
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionId> {
        match *self {
            Self::Dialed {
                connection,
                result: Ok(()),
                ..
            }
            | Self::Connected { connection, .. }
            | Self::OwnText { connection, .. }
            | Self::LoginBegun { connection, .. }
            | Self::LoginResponse { connection, .. }
            | Self::LoginMaySucceed { connection, .. } => Some(connection),
            _ => None,
        }
    }
}
