//! The octets that connections read: a record holds them where they were used, which may be long after they came.

use std::collections::{HashMap, VecDeque};
use std::fs::File;

use crate::net::driver::ConnectionId;
use crate::observe::file::{FrameReader, RecordError};
use crate::observe::frame::Frame;

/// The octet in place of those that nobody has looked at.
const UNUSED: u8 = b'x';

/// A second reader of the record, ahead of the replay, which finds the octets of each read.
pub(super) struct Contents {
    frames: FrameReader<File>,
    connections: HashMap<ConnectionId, Unread>,
    /// The one connection that is replayed, if it is one.
    only: Option<ConnectionId>,
    is_at_end: bool,
    /// Whether the record says that it ends.
    has_end: bool,
}

/// Octets of one connection that were found and not read yet.
#[derive(Default)]
struct Unread {
    used: VecDeque<u8>,
    /// The start of what was left at last.
    left: VecDeque<u8>,
    /// What was used in TLS, once that was begun: in front of it there are octets that TLS itself took.
    in_tls: Option<VecDeque<u8>>,
    is_over: bool,
    /// Whether octets were read that the record does not reach to.
    lacks_some: bool,
}

impl Unread {
    /// Whether so many octets are there, or there will be no more.
    fn has(&self, octets: usize) -> bool {
        self.used.len() >= octets || self.in_tls.is_some() || self.is_over
    }
}

impl Contents {
    pub(super) fn new(frames: FrameReader<File>, only: Option<ConnectionId>) -> Self {
        Self {
            frames,
            connections: HashMap::new(),
            only,
            is_at_end: false,
            has_end: false,
        }
    }

    /// Gives the next octets that a connection read.
    ///
    /// # Errors
    /// The record cannot be read on.
    pub(super) fn read(
        &mut self,
        connection: ConnectionId,
        buffer: &mut [u8],
    ) -> Result<(), RecordError> {
        let has = |unread: &Unread| unread.has(buffer.len());
        while !self.connections.get(&connection).is_some_and(has) && !self.is_at_end {
            self.look_ahead()?;
        }
        let unread = self.connections.entry(connection).or_default();
        unread.lacks_some |= !unread.has(buffer.len());
        for octet in buffer {
            let used = unread.used.pop_front();
            let left = || unread.left.pop_front();
            *octet = used.or_else(left).unwrap_or(UNUSED);
        }
        Ok(())
    }

    /// Whether one of these connections has read octets that the record does not reach to, and that may not be as they were.
    pub(super) fn are_missing(&self, connections: &[Option<ConnectionId>]) -> bool {
        let mut connections = connections.iter().flatten();
        connections.any(|connection| {
            let unread = self.connections.get(connection);
            unread.is_some_and(|unread| unread.lacks_some)
        })
    }

    /// Goes on with what was read in TLS.
    pub(super) fn begin_tls(&mut self, connection: ConnectionId) -> Result<(), RecordError> {
        let is_known = |unread: &Unread| unread.in_tls.is_some() || unread.is_over;
        while !self.connections.get(&connection).is_some_and(is_known) && !self.is_at_end {
            self.look_ahead()?;
        }
        let unread = self.connections.entry(connection).or_default();
        unread.used = unread.in_tls.take().unwrap_or_default();
        Ok(())
    }

    /// Whether the record says that it ends, where its end was met.
    pub(super) fn has_end(&self) -> bool {
        self.has_end
    }

    /// Forgets a connection that is over.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.connections.remove(&connection);
    }

    fn look_ahead(&mut self) -> Result<(), RecordError> {
        let Some(frame) = self.frames.next_frame()? else {
            self.is_at_end = true;
            return Ok(());
        };
        self.has_end |= matches!(frame, Frame::End { .. });
        let Some(connection) = frame.connection() else {
            return Ok(());
        };
        if self.only.is_some_and(|only| only != connection) {
            return Ok(());
        }
        match frame {
            Frame::Used { octets, .. } => {
                let unread = self.connections.entry(connection).or_default();
                unread.left.clear();
                let used = unread.in_tls.as_mut().unwrap_or(&mut unread.used);
                used.extend(octets);
            }
            Frame::Left { octets, .. } => {
                let unread = self.connections.entry(connection).or_default();
                unread.left = octets.iter().copied().collect();
            }
            Frame::TlsStarted { .. } => {
                let unread = self.connections.entry(connection).or_default();
                unread.in_tls = Some(VecDeque::new());
            }
            Frame::Closed { .. } => {
                let unread = self.connections.entry(connection).or_default();
                unread.is_over = true;
            }
            _ => {}
        }
        Ok(())
    }
}
