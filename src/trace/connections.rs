//! Connections as a trace follows them.

use std::collections::HashMap;

use crate::net::driver::ConnectionId;
use crate::net::lifecycle::Lifecycle;
use crate::net::peer::PeerAddress;
use crate::net::transport::Read;
use crate::observe::frame::{ClientFrame, Frame, RelayFrame};

/// A connection that is open in the record.
#[derive(Clone, Debug)]
pub(super) struct TracedConnection {
    pub(super) peer: PeerAddress,
    /// Its key, by which events name it.
    key: Option<usize>,
    /// Octets read so far; in TLS those of the text.
    pub(super) bytes_in: u64,
    /// Octets written so far; in TLS those of the text.
    pub(super) bytes_out: u64,
    /// Octets that were said and not written.
    output: u64,
    /// Octets that TLS holds.
    held: u64,
    /// The ticket of the answer of the store that it waits for.
    ticket: Option<u64>,
    /// Whether its end was announced to the peer.
    pub(super) is_closing: bool,
}

impl TracedConnection {
    fn new(key: Option<usize>, peer: PeerAddress) -> Self {
        Self {
            peer,
            key,
            bytes_in: 0,
            bytes_out: 0,
            output: 0,
            held: 0,
            ticket: None,
            is_closing: false,
        }
    }

    /// Octets that wait for room in the socket.
    pub(super) fn unsent(&self) -> u64 {
        self.output.saturating_add(self.held)
    }

    fn wrote(&mut self, octets: usize) {
        self.bytes_out = self.bytes_out.saturating_add(octets as u64);
        self.output = self.output.saturating_sub(octets as u64);
    }

    /// Notes what a frame tells of its octets.
    fn count(&mut self, frame: &Frame<'_>) {
        match *frame {
            Frame::Read {
                result: Ok(octets), ..
            }
            | Frame::TlsRead {
                result: Ok(Read::Data(octets) | Read::Drained(octets)),
                ..
            } => self.bytes_in = self.bytes_in.saturating_add(octets as u64),
            Frame::Write {
                result: Ok(octets), ..
            }
            | Frame::TlsWrite {
                result: Ok(octets), ..
            } => self.wrote(octets),
            Frame::Said { octets, .. } => self.output += octets.len() as u64,
            Frame::TlsStarted { .. } => self.output = 0,
            Frame::Entered {
                stage: Lifecycle::Lingering | Lifecycle::Closed,
                ..
            } => (self.output, self.held, self.is_closing) = (0, 0, true),
            _ => {}
        }
        if let Frame::TlsStarted { held, .. }
        | Frame::Handshake { held, .. }
        | Frame::TlsRead { held, .. }
        | Frame::TlsWrite { held, .. }
        | Frame::TlsFlush { held, .. }
        | Frame::CloseNotify { held, .. } = *frame
        {
            self.held = held as u64;
        }
    }
}

/// The connections that are open in the record.
#[derive(Debug, Default)]
pub(super) struct TracedConnections {
    all: HashMap<ConnectionId, TracedConnection>,
    by_key: HashMap<usize, ConnectionId>,
    /// The same of connections to other servers, which have keys of their own.
    outgoing_by_key: HashMap<usize, ConnectionId>,
    by_ticket: HashMap<u64, ConnectionId>,
    /// The connection whose message is being settled.
    settling: Option<ConnectionId>,
    totals: ConnectionTotals,
}

/// Totals over the connections that are open in the record.
#[derive(Debug, Default)]
struct ConnectionTotals {
    /// Octets that wait for room in sockets.
    unsent: u64,
    /// Connections whose end was not announced to the peer.
    open: usize,
}

impl ConnectionTotals {
    fn add(&mut self, connection: &TracedConnection) {
        self.unsent = self.unsent.saturating_add(connection.unsent());
        self.open += usize::from(!connection.is_closing);
    }

    fn take_off(&mut self, connection: &TracedConnection) {
        self.unsent = self.unsent.saturating_sub(connection.unsent());
        self.open -= usize::from(!connection.is_closing);
    }
}

impl TracedConnections {
    /// Notes a connection that a frame begins.
    fn begin(&mut self, frame: &Frame<'_>) {
        match *frame {
            Frame::Added {
                key,
                connection,
                peer,
                ..
            }
            | Frame::Client {
                frame:
                    ClientFrame::Dialed {
                        key,
                        connection,
                        peer,
                        result: Ok(()),
                        ..
                    },
            } => {
                self.insert(connection, TracedConnection::new(Some(key), peer));
                self.by_key.insert(key, connection);
            }
            Frame::Relay {
                frame:
                    RelayFrame::Dialed {
                        key,
                        connection,
                        result: Ok(peer),
                        ..
                    },
            } => {
                self.insert(connection, TracedConnection::new(Some(key), peer));
                self.outgoing_by_key.insert(key, connection);
            }
            Frame::Refused {
                connection, peer, ..
            } => {
                let mut refused = TracedConnection::new(None, peer);
                refused.is_closing = true;
                self.insert(connection, refused);
            }
            _ => {}
        }
    }

    /// Notes what a frame tells, but for an end.
    pub(super) fn see(&mut self, frame: &Frame<'_>) {
        self.begin(frame);
        match *frame {
            Frame::Settled { ticket, .. } => self.settling = self.answer(ticket),
            Frame::Answered { ticket, .. } => drop(self.answer(ticket)),
            _ => {}
        }
        let Some(id) = frame.connection() else {
            return;
        };
        if !self.all.contains_key(&id) {
            // A record may begin amid a connection.
            self.insert(id, TracedConnection::new(None, PeerAddress::Unknown));
        }
        let Some(connection) = self.all.get_mut(&id) else {
            return;
        };
        self.totals.take_off(connection);
        connection.count(frame);
        self.totals.add(connection);
        if let Frame::Submit { ticket, .. }
        | Frame::Admit {
            result: Ok(Err(ticket)),
            ..
        }
        | Frame::Check {
            result: Ok(Err(ticket)),
            ..
        } = *frame
        {
            if let Some(before) = connection.ticket.replace(ticket) {
                self.by_ticket.remove(&before);
            }
            self.by_ticket.insert(ticket, id);
        }
    }

    fn insert(&mut self, id: ConnectionId, connection: TracedConnection) {
        self.totals.add(&connection);
        if let Some(before) = self.all.insert(id, connection) {
            self.totals.take_off(&before);
        }
    }

    fn answer(&mut self, ticket: u64) -> Option<ConnectionId> {
        let id = self.by_ticket.get(&ticket).copied();
        if let Some(connection) = id.and_then(|id| self.all.get_mut(&id)) {
            connection.ticket = None;
        }
        id
    }

    /// Forgets what a frame ends, once it was shown.
    pub(super) fn forget(&mut self, frame: &Frame<'_>) {
        match *frame {
            Frame::Closed { connection, .. } => {
                let Some(closed) = self.all.remove(&connection) else {
                    return;
                };
                self.totals.take_off(&closed);
                let by_key = match connection.is_outgoing() {
                    true => &mut self.outgoing_by_key,
                    false => &mut self.by_key,
                };
                if let Some(key) = closed.key
                    && by_key.get(&key) == Some(&connection)
                {
                    by_key.remove(&key);
                }
                if let Some(ticket) = closed.ticket {
                    self.by_ticket.remove(&ticket);
                }
            }
            Frame::Settled { ticket, .. } | Frame::Answered { ticket, .. } => {
                self.by_ticket.remove(&ticket);
            }
            _ => {}
        }
    }

    /// The connection that a frame concerns.
    pub(super) fn of(&self, frame: &Frame<'_>) -> Option<ConnectionId> {
        match *frame {
            Frame::Event { key, .. } => self.by_key.get(&key).copied(),
            Frame::Relay {
                frame: RelayFrame::Event { key, .. },
            } => self.outgoing_by_key.get(&key).copied(),
            Frame::Settled { ticket, .. } | Frame::Answered { ticket, .. } => {
                self.by_ticket.get(&ticket).copied()
            }
            Frame::Delivered { .. } => self.settling,
            _ => frame.connection(),
        }
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&TracedConnection> {
        self.all.get(&id)
    }

    /// The number of connections whose end was not announced to the peer.
    pub(super) fn open(&self) -> usize {
        self.totals.open
    }

    /// Octets that wait for room in sockets.
    pub(super) fn unsent(&self) -> u64 {
        self.totals.unsent
    }

    /// The number of connections that wait for an answer of the store.
    pub(super) fn awaiting(&self) -> usize {
        self.by_ticket.len()
    }
}
