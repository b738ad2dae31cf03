//! The lifecycle that every connection has, whatever its driver speaks.
//!
//! ```text
//! Dialing ──▶ Open ◀──▶ Handshaking
//!    │        │  │           │
//!    │        ▼  │           │
//!    │    Closing┼─▶ Lingering
//!    │        │  │       │   │
//!    └────────┴──┴─▶ Closed ◀┘
//! ```

use core::fmt;

/// The treatment of a socket whose driver is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Output is written and the sending side is shut down; then input is discarded until the peer closes, for a bounded
    /// time. A socket that is closed with unread input resets the connection, which could cost the peer the last reply.
    Linger,
    /// Output is written as for [`Linger`](Self::Linger), and the peer is waited for unless the peer has sent nothing more and the last replies are surely on their way.
    LingerUnlessIdle,
    /// Output is written; the peer, who has closed its side, is not waited for.
    Close,
    /// Output is written only as far as the socket takes it at once.
    Now,
    /// Nothing more is written.
    Abort,
}

/// The stages in the life of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// The socket does not say yet whether there is a peer.
    Dialing,
    /// In the handshake of TLS, for a bounded time.
    Handshaking,
    /// Its driver is served.
    Open,
    /// The last output is being written, for a bounded time.
    Closing(Ending),
    /// All is written and the sending side is shut down. For a bounded time input is discarded.
    Lingering,
    /// Over. It is removed as soon as its driver has the answer that it waits for.
    Closed,
}

impl Lifecycle {
    /// Whether a connection goes on from here to `next`: the arrows that `docs/architecture.md` explains.
    #[must_use]
    pub fn leads_to(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Dialing, Self::Open)
                | (Self::Open, Self::Handshaking | Self::Closing(_))
                | (Self::Handshaking, Self::Open)
                | (Self::Closing(_), Self::Lingering)
                | (
                    Self::Dialing
                        | Self::Open
                        | Self::Handshaking
                        | Self::Closing(_)
                        | Self::Lingering,
                    Self::Closed
                )
        )
    }

    /// The name of the stage.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dialing => "Dialing",
            Self::Handshaking => "Handshaking",
            Self::Open => "Open",
            Self::Closing(_) => "Closing",
            Self::Lingering => "Lingering",
            Self::Closed => "Closed",
        }
    }
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
