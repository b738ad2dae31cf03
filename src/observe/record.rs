//! The recorder: it stands around a server and writes down what comes in and what is decided.
//!
//! Nothing waits for the file. Frames gather in a buffer of fixed size and go to a [sink](RecordSink) that never blocks, at the end
//! of each tick at the latest. Where the sink is too slow, or the record has reached its largest size, the record ends with a whole
//! frame, and the server goes on.

mod carrier;
#[cfg(feature = "send")]
pub mod client;
#[cfg(any(feature = "relay", feature = "send"))]
mod client_login;
mod connections;
mod core;
#[cfg(feature = "milter")]
mod filters;
#[cfg(feature = "milter")]
mod hold;
mod login;
pub mod process;
#[cfg(feature = "relay")]
mod relay;
#[cfg(feature = "relay")]
mod spool;
#[cfg(feature = "relay")]
mod spool_facts;
mod store;
mod ticks;
mod tls;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::{Buf, BytesMut};

use self::connections::WatchedConnections;
pub use self::core::CoreRecorder;
use super::file::{MAGIC, put_frame};
use super::frame::Frame;
use crate::net::cidr::Cidr;
use crate::net::driver::ConnectionId;
use crate::net::epoch::{Epoch, Nanoseconds};
use crate::net::peer::PeerAddress;

/// The most octets that wait for the sink.
const BUFFER_BYTES_MAX: usize = 1024 * 1024;
/// With so many octets that wait, the sink is tried before the end of the tick.
const BUFFER_HIGH_WATER_BYTES: usize = 64 * 1024;
/// Room for the last frame.
const END_BYTES_MAX: u64 = 32;

/// A place for a record, which never blocks.
pub trait RecordSink {
    /// Takes octets off the front of `octets`, as many as there is room for.
    ///
    /// # Errors
    /// The record cannot be written on.
    fn write(&mut self, octets: &mut BytesMut) -> io::Result<()>;

    /// Takes all octets, for which it may wait a while.
    ///
    /// # Errors
    /// They cannot be written.
    fn wait(&mut self, octets: &mut BytesMut) -> io::Result<()> {
        self.write(octets)
    }

    /// Takes the last octets, for which it may wait a while.
    ///
    /// # Errors
    /// They cannot be written.
    fn finish(&mut self, octets: &mut BytesMut) -> io::Result<()> {
        self.wait(octets)
    }
}

/// A record in memory, as tests keep one.
impl RecordSink for Rc<RefCell<Vec<u8>>> {
    fn write(&mut self, octets: &mut BytesMut) -> io::Result<()> {
        self.borrow_mut().extend_from_slice(octets);
        octets.clear();
        Ok(())
    }
}

/// The choices for a record.
#[derive(Clone, Debug, Default)]
pub struct RecordOptions {
    /// The command that is recorded.
    pub command: &'static str,
    /// Whether the text of messages is kept.
    pub with_text: bool,
    /// The peers whose connections are recorded; empty for all.
    pub peers: Vec<Cidr>,
    /// The most octets of the record.
    pub bytes_max: u64,
}

/// The clock by which the recorder tells when something happened within a tick.
pub type Clock = fn() -> Instant;

/// A recorder, which everything shares that writes frames.
pub struct Recorder {
    options: RecordOptions,
    clock: Clock,
    /// The start of the record.
    epoch: Cell<Epoch>,
    /// The number of ticks so far, and the start of the present one.
    ticks: Cell<u64>,
    tick: Cell<Instant>,
    /// The connection that is served now.
    current: Cell<ConnectionId>,
    /// Whether what the transport does is of TLS, which records itself.
    is_in_tls: Cell<bool>,
    connections: RefCell<WatchedConnections>,
    /// Reads of texts on hold that are answered later.
    #[cfg(feature = "milter")]
    reads: RefCell<Vec<hold::PendingRead>>,
    output: RefCell<Output>,
}

/// Frames on their way to the file.
struct Output {
    sink: Box<dyn RecordSink>,
    buffer: BytesMut,
    /// Octets that the record may still have.
    left: u64,
    /// Whether the last frame was written.
    is_ended: bool,
    /// Frames that came after it.
    lost: u64,
    scratch: Vec<u8>,
    frame: Vec<u8>,
}

impl Recorder {
    /// A recorder with these options.
    pub fn start(options: RecordOptions, sink: Box<dyn RecordSink>, clock: Clock) -> Rc<Self> {
        let now = clock();
        let recorder = Self {
            clock,
            epoch: Cell::new(Epoch(now)),
            ticks: Cell::new(0),
            tick: Cell::new(now),
            current: Cell::new(ConnectionId(0)),
            is_in_tls: Cell::new(false),
            connections: RefCell::default(),
            #[cfg(feature = "milter")]
            reads: RefCell::default(),
            output: RefCell::new(Output {
                sink,
                buffer: BytesMut::from(MAGIC),
                left: options.bytes_max.saturating_sub(MAGIC.len() as u64),
                is_ended: false,
                lost: 0,
                scratch: Vec::new(),
                frame: Vec::new(),
            }),
            options,
        };
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        recorder.put(&Frame::Start {
            program: env!("CARGO_PKG_VERSION"),
            command: recorder.options.command,
            wall: wall.map_or(0, |wall| wall.as_secs()),
            has_text: recorder.options.with_text,
            is_whole: recorder.options.peers.is_empty(),
        });
        Rc::new(recorder)
    }

    /// Whether connections of this peer are recorded.
    fn records(&self, peer: PeerAddress) -> bool {
        let peers = &self.options.peers;
        peers.is_empty() || peer.ip().is_some_and(|ip| Cidr::any_contains(peers, ip))
    }

    /// Whether the steps of the connection that is served now are recorded.
    fn records_current(&self) -> bool {
        self.records_connection(self.current.get())
    }

    fn records_connection(&self, connection: ConnectionId) -> bool {
        self.options.peers.is_empty() || self.connections.borrow().has(connection)
    }

    /// Counts times from here on.
    fn begin(&self, now: Instant) {
        self.epoch.set(Epoch(now));
        self.tick.set(now);
    }

    /// Nanoseconds since the start of the record.
    fn since_start(&self, instant: Instant) -> Nanoseconds {
        self.epoch.get().count(instant)
    }

    /// Nanoseconds since the start of the tick.
    fn at(&self) -> Nanoseconds {
        Epoch(self.tick.get()).count((self.clock)())
    }

    /// Adds a frame.
    fn put(&self, frame: &Frame<'_>) {
        self.output.borrow_mut().put(frame);
    }

    /// Adds a frame that is of one connection, if that is recorded.
    fn put_of(&self, connection: ConnectionId, frame: &Frame<'_>) {
        if self.records_connection(connection) {
            self.put(frame);
        }
    }

    /// Hands frames to the sink.
    fn flush(&self) {
        self.output.borrow_mut().flush();
    }

    /// Ends the record.
    pub fn end(&self) {
        let at = self.at();
        let mut output = self.output.borrow_mut();
        output.end(at);
        let Output { sink, buffer, .. } = &mut *output;
        if let Err(error) = sink.finish(buffer) {
            log::warn!("warning=\"the record lacks its end: {error}\"");
        }
        if output.lost > 0 {
            log::info!("record_lost_frames={}", output.lost);
        }
    }
}

impl Output {
    fn put(&mut self, frame: &Frame<'_>) {
        if self.is_ended {
            self.lost += 1;
            return;
        }
        self.frame.clear();
        put_frame(frame, &mut self.scratch, &mut self.frame);
        let length = self.frame.len() as u64;
        if length + END_BYTES_MAX > self.left {
            self.stop("it has reached its largest size");
            return;
        }
        if self.buffer.len() + self.frame.len() > BUFFER_BYTES_MAX {
            self.flush();
        }
        if self.buffer.len() + self.frame.len() > BUFFER_BYTES_MAX {
            self.stop("its file does not take it fast enough");
            return;
        }
        self.left -= length;
        self.buffer.extend_from_slice(&self.frame);
        if self.buffer.len() >= BUFFER_HIGH_WATER_BYTES {
            self.flush();
        }
    }

    /// Ends the record before the server ends.
    fn stop(&mut self, why: &str) {
        self.lost += 1;
        self.end(0);
        log::warn!("warning=\"the record ends: {why}\"");
    }

    fn end(&mut self, at: Nanoseconds) {
        if !self.is_ended {
            self.is_ended = true;
            let mut end = Vec::new();
            put_frame(&Frame::End { at }, &mut self.scratch, &mut end);
            self.buffer.extend_from_slice(&end);
        }
    }

    fn flush(&mut self) {
        let flushed = self.sink.write(&mut self.buffer);
        self.note(flushed);
    }

    /// Ends the record if its sink has failed.
    fn note(&mut self, flushed: io::Result<()>) {
        if let Err(error) = flushed {
            // What is in the file ends with a whole frame, or is read as cut short.
            self.buffer.advance(self.buffer.len());
            if !self.is_ended {
                self.is_ended = true;
                log::warn!("warning=\"the record ends: {error}\"");
            }
        }
    }
}
