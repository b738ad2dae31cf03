//! TLS whose every call is recorded, above the encryption.

use core::fmt;
use std::io;
use std::rc::Rc;

use bytes::BytesMut;

use super::Recorder;
use crate::net::driver::ConnectionId;
use crate::net::link::{Handshake, HandshakeStep, StartTls, TlsFacts, TlsSession};
use crate::net::transport::{Read, Transport};
use crate::observe::frame::Frame;
use crate::observe::outcome::{HandshakeCode, TlsFactsCode, coded};

/// TLS in one role, whose sessions are recorded.
pub(super) struct RecordedTls {
    pub(super) inner: Rc<dyn StartTls>,
    pub(super) recorder: Rc<Recorder>,
}

/// A session of TLS that is recorded.
struct RecordedTlsSession {
    inner: Box<dyn TlsSession>,
    connection: ConnectionId,
    recorder: Rc<Recorder>,
}

impl fmt::Debug for RecordedTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl StartTls for RecordedTls {
    fn start(&self, early: BytesMut, unsent: BytesMut) -> io::Result<Box<dyn TlsSession>> {
        let connection = self.recorder.current.get();
        let started = self.inner.start(early, unsent);
        let (result, held) = match &started {
            Ok(session) => (Ok(()), session.held()),
            Err(error) => (Err(error.into()), 0),
        };
        let frame = Frame::TlsStarted {
            connection,
            result,
            held,
        };
        self.recorder.put_of(connection, &frame);
        let inner = started?;
        if !self.recorder.records_current() {
            return Ok(inner);
        }
        Ok(Box::new(RecordedTlsSession {
            inner,
            connection,
            recorder: Rc::clone(&self.recorder),
        }))
    }

    fn identity(&self) -> &[u8] {
        self.inner.identity()
    }
}

impl RecordedTlsSession {
    /// Makes a call that uses the transport; what that does is not recorded.
    fn call<R>(&mut self, act: impl FnOnce(&mut dyn TlsSession) -> R) -> R {
        self.recorder.is_in_tls.set(true);
        let result = act(&mut *self.inner);
        self.recorder.is_in_tls.set(false);
        result
    }
}

impl TlsSession for RecordedTlsSession {
    fn handshake(&mut self, transport: &mut dyn Transport) -> HandshakeStep {
        let at = self.recorder.at();
        let step = self.call(|inner| inner.handshake(transport));
        let result = match &step.outcome {
            Ok(Handshake::Progress) => Ok(HandshakeCode::Progress),
            Ok(Handshake::WouldBlock) => Ok(HandshakeCode::WouldBlock),
            Ok(Handshake::Done(facts)) => Ok(HandshakeCode::Done(code_of(facts))),
            Err(error) => Err(error.into()),
        };
        self.recorder.put(&Frame::Handshake {
            connection: self.connection,
            at,
            work: step.work,
            result,
            held: self.inner.held(),
        });
        step
    }

    fn is_handshaking(&self) -> bool {
        self.inner.is_handshaking()
    }

    fn read(&mut self, transport: &mut dyn Transport, buffer: &mut [u8]) -> io::Result<Read> {
        let at = self.recorder.at();
        let result = self.call(|inner| inner.read(transport, buffer));
        self.recorder.put(&Frame::TlsRead {
            connection: self.connection,
            at,
            result: coded(&result),
            held: self.inner.held(),
        });
        result
    }

    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let at = self.recorder.at();
        let result = self.inner.write(text);
        self.recorder.put(&Frame::TlsWrite {
            connection: self.connection,
            at,
            offered: text.len(),
            crc: self.recorder.crc_of(self.connection, text, &result),
            result: coded(&result),
            held: self.inner.held(),
        });
        result
    }

    fn held(&self) -> usize {
        self.inner.held()
    }

    fn flush(&mut self, transport: &mut dyn Transport) -> io::Result<()> {
        let at = self.recorder.at();
        let result = self.call(|inner| inner.flush(transport));
        self.recorder.put(&Frame::TlsFlush {
            connection: self.connection,
            at,
            result: coded(&result),
            held: self.inner.held(),
        });
        result
    }

    fn close_notify(&mut self) -> io::Result<()> {
        let result = self.inner.close_notify();
        self.recorder.put(&Frame::CloseNotify {
            connection: self.connection,
            result: coded(&result),
            held: self.inner.held(),
        });
        result
    }
}

fn code_of(facts: &TlsFacts) -> TlsFactsCode<'_> {
    TlsFactsCode {
        version: facts.version,
        cipher: facts.cipher,
        bits: facts.bits,
        has_exporter: facts.exporter.is_some(),
        has_end_point: facts.end_point.is_some(),
    }
}
