//! Connections in memory, whose ends take and give a few octets at a time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::rc::Rc;

use mailoop::net::transport::Transport;
use mailoop::stream::network::StreamPeer;

/// The most octets that wait for a server.
const ROOM: usize = 32 * 1024;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dial {
    Pending,
    Connected,
    Refused,
}

/// A connection.
pub struct Pipe {
    pub peer: StreamPeer,
    pub node: usize,
    pub key: usize,
    pub dial: Dial,
    /// Whether the client has dropped its end.
    pub is_dropped: bool,
    /// Whether there is something that poll has not told of.
    pub has_news: bool,
    pub octets_max: usize,
    is_closed: bool,
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
}

pub type SharedPipe = Rc<RefCell<Pipe>>;

/// The end of the client.
pub struct PipeEnd(pub SharedPipe);

impl Pipe {
    pub fn new(peer: StreamPeer, node: usize, key: usize) -> SharedPipe {
        Rc::new(RefCell::new(Self {
            peer,
            node,
            key,
            dial: Dial::Pending,
            is_dropped: false,
            has_news: false,
            octets_max: usize::MAX,
            is_closed: false,
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
        }))
    }

    /// Takes what the client has written.
    pub fn take(&mut self) -> Vec<u8> {
        let octets: Vec<u8> = self.to_server.drain(..).collect();
        self.has_news |= !octets.is_empty();
        octets
    }

    pub fn has_input(&self) -> bool {
        !self.to_server.is_empty()
    }

    /// Writes for the client to read.
    pub fn say(&mut self, octets: &[u8]) {
        if !self.is_closed {
            self.to_client.extend(octets);
            self.has_news = true;
        }
    }

    /// Ends the connection. What was written before can still be read.
    pub fn close(&mut self) {
        self.has_news |= !self.is_closed;
        self.is_closed = true;
        self.to_server.clear();
    }

    pub fn is_readable(&self) -> bool {
        self.is_closed || !self.to_client.is_empty()
    }
}

impl Transport for PipeEnd {
    fn short_read_drains(&self) -> bool {
        false
    }

    fn is_connected(&self) -> io::Result<bool> {
        match self.0.borrow().dial {
            Dial::Pending => Ok(false),
            Dial::Connected => Ok(true),
            Dial::Refused => Err(ErrorKind::ConnectionRefused.into()),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        let count = pipe.octets_max.min(buffer.len()).min(pipe.to_client.len());
        for (to, from) in buffer.iter_mut().zip(pipe.to_client.drain(..count)) {
            *to = from;
        }
        match count {
            0 if pipe.is_closed => Ok(0),
            0 => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        if pipe.is_closed {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let room = ROOM.saturating_sub(pipe.to_server.len());
        let count = room.min(pipe.octets_max).min(octets.len());
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        pipe.to_server.extend(&octets[..count]);
        Ok(count)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        self.0.borrow_mut().is_dropped = true;
    }
}
