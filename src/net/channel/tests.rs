//! Edge rules with a scripted transport, and with a scripted TLS.
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::*;
use crate::net::link::{HandshakeWork, TlsFacts, TlsSession};

/// A transport that takes so many octets a write, and gives what it is told to, call by call.
#[derive(Clone, Debug, Default)]
struct Scripted(Rc<RefCell<Script>>);

#[derive(Debug, Default)]
struct Script {
    reads: VecDeque<Result<&'static [u8], ErrorKind>>,
    writes: VecDeque<Result<usize, ErrorKind>>,
    written: Vec<u8>,
}

impl Scripted {
    fn new(
        reads: impl IntoIterator<Item = Result<&'static [u8], ErrorKind>>,
        writes: impl IntoIterator<Item = Result<usize, ErrorKind>>,
    ) -> Self {
        Self(Rc::new(RefCell::new(Script {
            reads: reads.into_iter().collect(),
            writes: writes.into_iter().collect(),
            written: Vec::new(),
        })))
    }
}

impl Transport for Scripted {
    fn short_read_drains(&self) -> bool {
        true
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.borrow_mut().reads.pop_front().unwrap()?;
        buffer[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut script = self.0.borrow_mut();
        let count = script.writes.pop_front().unwrap()?.min(bytes.len());
        script.written.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const READABLE: Readiness = Readiness {
    readable: true,
    writable: false,
    read_on: false,
};
const WRITABLE: Readiness = Readiness {
    readable: false,
    writable: true,
    read_on: false,
};

#[test]
fn a_channel_that_is_being_connected_tries_nothing_before_an_event() {
    let transport = Scripted::new([], [Ok(5)]);
    let mut channel = Channel::connecting(transport.clone());
    assert!(!channel.is_readable() && !channel.is_writable());
    assert_eq!(channel.write(b"hello").unwrap(), 0);
    channel.note(WRITABLE);
    assert_eq!(channel.write(b"hello").unwrap(), 5);
    assert_eq!(transport.0.borrow().written, b"hello");
}

#[test]
fn an_edge_that_was_told_is_not_forgotten_by_a_read_that_is_interrupted() {
    let reads = [
        Err(ErrorKind::WouldBlock),
        Err(ErrorKind::Interrupted),
        Ok(&b"abcd"[..]),
        Ok(b""),
    ];
    let mut channel = Channel::new(Scripted::new(reads, []));
    let mut buffer = [0; 4];
    assert_eq!(channel.read(&mut buffer).unwrap(), Read::WouldBlock);
    assert!(!channel.is_readable());
    channel.note(READABLE);
    assert_eq!(channel.read(&mut buffer).unwrap(), Read::Progress);
    assert!(
        channel.is_readable(),
        "an interrupted read has drained nothing"
    );
    assert_eq!(channel.read(&mut buffer).unwrap(), Read::Data(4));
    assert!(
        channel.is_readable(),
        "a read that fills the buffer may leave more"
    );
    assert_eq!(channel.read(&mut buffer).unwrap(), Read::Eof);
}

#[test]
fn one_write_is_one_call() {
    let transport = Scripted::new(
        [],
        [
            Ok(2),
            Err(ErrorKind::Interrupted),
            Err(ErrorKind::WouldBlock),
        ],
    );
    let mut channel = Channel::new(transport.clone());
    assert_eq!(channel.write_once(Link::write, b"abc").unwrap(), Some(2));
    assert_eq!(channel.write_once(Link::write, b"c").unwrap(), Some(0));
    assert_eq!(channel.write_once(Link::write, b"c").unwrap(), None);
    assert!(!channel.is_writable());
    assert_eq!(
        channel.write_once(Link::write, b"c").unwrap(),
        None,
        "no call before an event"
    );
    assert_eq!(transport.0.borrow().written, b"ab");
}

#[test]
fn backpressure_begins_at_the_high_water_mark_and_ends_when_the_peer_has_read() {
    let writes = [
        Err(ErrorKind::WouldBlock),
        Ok(1),
        Err(ErrorKind::WouldBlock),
        Ok(usize::MAX),
    ];
    let mut channel = Channel::new(Scripted::new([], writes));
    assert!(!channel.is_full(OUTPUT_HIGH_WATER_BYTES - 1));
    assert!(
        channel.is_full(OUTPUT_HIGH_WATER_BYTES),
        "what is gathered counts as well"
    );
    let mut replies = BytesMut::from(&[b'x'; OUTPUT_HIGH_WATER_BYTES][..]);
    channel.send(&mut replies).unwrap();
    assert!(channel.is_full(0));
    channel.note(WRITABLE);
    channel.send(&mut replies).unwrap();
    assert!(!channel.is_full(0) && channel.is_full(1));
    channel.note(WRITABLE);
    channel.send(&mut replies).unwrap();
    assert_eq!(channel.unsent(), 0);
}

/// TLS of which each record is one octet `#` and its text, and whose handshake is one `!` from each side.
#[derive(Debug)]
struct Sharp;

struct SharpSession {
    is_handshaking: bool,
    sealed: Vec<u8>,
}

impl StartTls for Sharp {
    fn start(&self, early: BytesMut, unsent: BytesMut) -> io::Result<Box<dyn TlsSession>> {
        assert!(early.is_empty());
        let sealed = [&unsent[..], b"!"].concat();
        Ok(Box::new(SharpSession {
            is_handshaking: true,
            sealed,
        }))
    }

    fn identity(&self) -> &[u8] {
        &[]
    }
}

impl TlsSession for SharpSession {
    fn handshake(&mut self, transport: &mut dyn Transport) -> HandshakeStep {
        let work = HandshakeWork::Symmetric;
        let outcome = match transport.read(&mut [0]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Handshake::WouldBlock),
            Err(error) => Err(error),
            Ok(_) => {
                self.is_handshaking = false;
                Ok(Handshake::Done(TlsFacts {
                    version: "sharp",
                    cipher: "none",
                    bits: 0,
                    exporter: None,
                    end_point: None,
                }))
            }
        };
        HandshakeStep { work, outcome }
    }

    fn is_handshaking(&self) -> bool {
        self.is_handshaking
    }

    fn read(&mut self, transport: &mut dyn Transport, buffer: &mut [u8]) -> io::Result<Read> {
        match transport.read(buffer) {
            Ok(count) => Ok(Read::Data(count)),
            Err(error) => Read::from_error(error),
        }
    }

    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        assert!(self.sealed.is_empty(), "what is held goes first");
        self.sealed = [b"#", text].concat();
        Ok(text.len())
    }

    fn held(&self) -> usize {
        self.sealed.len()
    }

    fn flush(&mut self, transport: &mut dyn Transport) -> io::Result<()> {
        while !self.sealed.is_empty() {
            let written = transport.write(&self.sealed)?;
            self.sealed.drain(..written);
        }
        Ok(())
    }

    fn close_notify(&mut self) -> io::Result<()> {
        self.sealed.extend_from_slice(b"$");
        Ok(())
    }
}

#[test]
fn tls_begins_after_the_clear_and_takes_no_text_before_its_handshake_is_done() {
    let reads = [Err(ErrorKind::WouldBlock), Ok(&b"!"[..])];
    let writes = [Err(ErrorKind::WouldBlock)].into_iter();
    let transport = Scripted::new(reads, writes.chain([Ok(usize::MAX); 4]));
    let mut channel = Channel::new(transport.clone());
    channel
        .send(&mut BytesMut::from("220 Go ahead\r\n"))
        .unwrap();
    channel.begin_tls(&Sharp, BytesMut::new()).unwrap();
    assert_eq!(
        channel.unsent(),
        15,
        "what was clear and unsent counts still"
    );
    assert!(matches!(
        channel.handshake().outcome,
        Ok(Handshake::WouldBlock)
    ));
    assert!(!channel.is_readable());
    channel.note(WRITABLE);
    channel.send(&mut BytesMut::from("250 Ok\r\n")).unwrap();
    assert_eq!(transport.0.borrow().written, b"220 Go ahead\r\n!");
    assert_eq!(channel.unsent(), 8, "text waits for the handshake");
    channel.note(READABLE);
    assert!(matches!(
        channel.handshake().outcome,
        Ok(Handshake::Done(_))
    ));
    channel.send(&mut BytesMut::new()).unwrap();
    channel.close_notify().unwrap();
    assert_eq!(channel.unsent(), 0);
    let written = transport.0.borrow().written.clone();
    assert_eq!(written, b"220 Go ahead\r\n!#250 Ok\r\n$");
    assert_eq!(channel.bytes_out(), 8);
}

#[test]
fn after_a_failed_write_what_was_received_is_read_before_the_failure_is_told() {
    let reads = [Ok(&b"421 "[..]), Err(ErrorKind::WouldBlock)];
    let mut channel = Channel::new(Scripted::new(reads, [Err(ErrorKind::ConnectionReset)]));
    let mut output = BytesMut::from(&b"text"[..]);
    assert!(channel.send(&mut output).is_err());
    channel.give_output_up();
    channel.note(WRITABLE);
    assert!(!channel.is_writable() && channel.is_readable());
    assert_eq!(channel.unsent(), 0);
    let mut buffer = [0; 16];
    assert_eq!(channel.read(&mut buffer).unwrap(), Read::Data(4));
    let error = channel.read(&mut buffer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}
