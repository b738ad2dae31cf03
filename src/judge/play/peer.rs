//! One peer of a check: its connection, and what came by it.

use core::fmt;
use std::io;

use crate::judge::reply::{HeardFront, HeardReply, read_reply};

/// The most octets that are kept unread; nobody awaits more.
const UNREAD_BYTES_MAX: usize = 256 * 1024;

/// The end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerEnd {
    /// The server closed it.
    Closed,
    /// It failed.
    Failed(String),
    /// There was no connection to be had.
    Unreachable(String),
}

impl PeerEnd {
    /// The end by this error of a socket.
    #[must_use]
    pub fn failed(error: &io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl fmt::Display for PeerEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Failed(error) => write!(f, "the connection broke: {error}"),
            Self::Unreachable(error) => write!(f, "no connection: {error}"),
        }
    }
}

/// One peer.
#[derive(Default)]
pub(super) struct PlayPeer {
    life: PeerLife,
    /// What came and was not looked at yet.
    unread: Vec<u8>,
    /// The last reply that was awaited.
    pub(super) last: Option<HeardReply>,
    /// The first line that did not end in CR LF.
    pub(super) bare_line: Option<Vec<u8>>,
    /// Whether it was told that it has nothing more to do here.
    pub(super) is_excused: bool,
    /// Whether the last step was to hear it, so that nothing more has to come unasked.
    pub(super) has_been_heard: bool,
}

#[derive(Default)]
enum PeerLife {
    #[default]
    New,
    Connecting,
    There,
    Ended(PeerEnd),
    /// The judge has closed it.
    Gone,
}

impl PlayPeer {
    pub(super) fn is_new(&self) -> bool {
        matches!(self.life, PeerLife::New)
    }

    pub(super) fn connects(&mut self) {
        self.life = PeerLife::Connecting;
    }

    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.life, PeerLife::Connecting)
    }

    pub(super) fn connected(&mut self) {
        self.life = PeerLife::There;
    }

    /// Whether there is a connection, or will be.
    pub(super) fn is_there(&self) -> bool {
        matches!(self.life, PeerLife::Connecting | PeerLife::There)
    }

    pub(super) fn leaves(&mut self) {
        self.life = PeerLife::Gone;
    }

    pub(super) fn ended(&mut self, end: PeerEnd) {
        if self.is_there() {
            self.life = PeerLife::Ended(end);
        }
    }

    /// How its connection ended, if the judge did not close it.
    pub(super) fn end(&self) -> Option<&PeerEnd> {
        match &self.life {
            PeerLife::Ended(end) => Some(end),
            _ => None,
        }
    }

    pub(super) fn received(&mut self, octets: &[u8]) {
        let room = UNREAD_BYTES_MAX - self.unread.len();
        self.unread
            .extend_from_slice(&octets[..octets.len().min(room)]);
    }

    pub(super) fn unread(&self) -> &[u8] {
        &self.unread
    }

    /// Takes a reply off the front of what came.
    pub(super) fn take_reply(&mut self) -> HeardFront {
        let front = read_reply(&self.unread);
        if let HeardFront::Reply(reply, taken) = &front {
            self.unread.drain(..taken);
            let bare = reply.lines.iter().find(|line| !line.ends_with(b"\r\n"));
            if self.bare_line.is_none() {
                self.bare_line = bare.cloned();
            }
            self.last = Some(reply.clone());
        }
        front
    }

    /// Whether a reply to QUIT has come after the last one that was awaited.
    pub(super) fn has_heard_goodbye(&self) -> bool {
        let mut lines = self.unread.split_inclusive(|octet| *octet == b'\n');
        lines.any(|line| line.starts_with(b"221") && line.ends_with(b"\n"))
    }

    /// Whether what it says now would be text of a message.
    pub(super) fn is_in_text(&self) -> bool {
        self.last
            .as_ref()
            .is_some_and(|reply| reply.code() == "354")
    }
}
