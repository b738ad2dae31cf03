//! TLS in a replay: above the encryption everything comes from the record.

use core::fmt;
use std::io;
use std::rc::Rc;

use bytes::BytesMut;

use super::probe::CurrentConnection;
use super::script::SharedScript;
use super::transport::{fits, nothing};
use crate::net::driver::ConnectionId;
use crate::net::link::{Handshake, HandshakeStep, HandshakeWork, StartTls, TlsFacts, TlsSession};
use crate::net::transport::{Read, Transport};
use crate::observe::crc::crc32;
use crate::observe::frame::Frame;
use crate::observe::outcome::{HandshakeCode, TlsFactsCode};

/// More ciphertext than any session holds.
const HELD_BYTES_MAX: usize = 1 << 30;

/// TLS as a server, whose certificates are in no record.
pub(super) struct ReplayTls {
    pub(super) script: SharedScript,
    pub(super) current: CurrentConnection,
}

struct ReplayTlsSession {
    connection: ConnectionId,
    script: SharedScript,
    is_handshaking: bool,
    held: usize,
}

impl fmt::Debug for ReplayTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplayTls")
    }
}

impl StartTls for ReplayTls {
    fn start(&self, _: BytesMut, _: BytesMut) -> io::Result<Box<dyn TlsSession>> {
        let own = self.current.get();
        let made = Frame::TlsStarted {
            connection: own,
            result: Ok(()),
            held: 0,
        };
        let mut script = self.script.borrow_mut();
        let started = script.call(&made, |recorded| match *recorded {
            Frame::TlsStarted { result, held, .. } => Some(result.map(|()| held)),
            _ => None,
        });
        script.begin_tls(own);
        let held = started.unwrap_or(Ok(0))?;
        let mut session = ReplayTlsSession {
            connection: own,
            script: Rc::clone(&self.script),
            is_handshaking: true,
            held: 0,
        };
        session.hold(held);
        Ok(Box::new(session))
    }

    fn identity(&self) -> &[u8] {
        b""
    }
}

impl ReplayTlsSession {
    /// Notes how many octets of ciphertext wait for room; of a number that no session has, as many as can be counted with.
    fn hold(&mut self, held: usize) {
        self.held = held.min(HELD_BYTES_MAX);
    }
}

impl TlsSession for ReplayTlsSession {
    fn handshake(&mut self, _: &mut dyn Transport) -> HandshakeStep {
        let made = Frame::Handshake {
            connection: self.connection,
            at: 0,
            work: HandshakeWork::None,
            result: Ok(HandshakeCode::Progress),
            held: 0,
        };
        let step = self
            .script
            .borrow_mut()
            .call(&made, |recorded| match *recorded {
                Frame::Handshake {
                    work, result, held, ..
                } => {
                    let outcome = match result {
                        Ok(HandshakeCode::Progress) => Ok(Handshake::Progress),
                        Ok(HandshakeCode::WouldBlock) => Ok(Handshake::WouldBlock),
                        Ok(HandshakeCode::Done(facts)) => Ok(Handshake::Done(facts_of(&facts))),
                        Err(error) => Err(error.into()),
                    };
                    Some((HandshakeStep { work, outcome }, held))
                }
                _ => None,
            });
        let Some((step, held)) = step else {
            return HandshakeStep {
                work: HandshakeWork::None,
                outcome: Ok(Handshake::WouldBlock),
            };
        };
        self.hold(held);
        self.is_handshaking &= !matches!(step.outcome, Ok(Handshake::Done(_)));
        step
    }

    fn is_handshaking(&self) -> bool {
        self.is_handshaking
    }

    fn read(&mut self, _: &mut dyn Transport, buffer: &mut [u8]) -> io::Result<Read> {
        let made = Frame::TlsRead {
            connection: self.connection,
            at: 0,
            result: Ok(Read::WouldBlock),
            held: 0,
        };
        let read = self
            .script
            .borrow_mut()
            .call(&made, |recorded| match *recorded {
                Frame::TlsRead { result, held, .. } => Some((result, held)),
                _ => None,
            });
        let Some((result, held)) = read else {
            return Ok(Read::WouldBlock);
        };
        self.hold(held);
        let read = result?.at_most(buffer.len());
        let mut script = self.script.borrow_mut();
        script.contents(self.connection, &mut buffer[..read.count()]);
        Ok(read)
    }

    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let made = Frame::TlsWrite {
            connection: self.connection,
            at: 0,
            offered: text.len(),
            crc: Some(crc32(text)),
            result: Ok(text.len()),
            held: 0,
        };
        let written = self
            .script
            .borrow_mut()
            .call(&made, |recorded| match *recorded {
                Frame::TlsWrite {
                    offered,
                    crc,
                    result,
                    held,
                    ..
                } if offered == text.len() && fits(crc, text) => Some((result, held)),
                _ => None,
            });
        let Some((result, held)) = written else {
            return nothing();
        };
        self.hold(held);
        let count = result?.min(text.len());
        self.script.borrow_mut().wrote(self.connection, count);
        Ok(count)
    }

    fn held(&self) -> usize {
        self.held
    }

    fn flush(&mut self, _: &mut dyn Transport) -> io::Result<()> {
        let made = Frame::TlsFlush {
            connection: self.connection,
            at: 0,
            result: Ok(()),
            held: 0,
        };
        let flushed = self
            .script
            .borrow_mut()
            .call(&made, |recorded| match *recorded {
                Frame::TlsFlush { result, held, .. } => Some((result, held)),
                _ => None,
            });
        let Some((result, held)) = flushed else {
            return nothing();
        };
        self.hold(held);
        Ok(result?)
    }

    fn close_notify(&mut self) -> io::Result<()> {
        let made = Frame::CloseNotify {
            connection: self.connection,
            result: Ok(()),
            held: 0,
        };
        let notified = self
            .script
            .borrow_mut()
            .call(&made, |recorded| match *recorded {
                Frame::CloseNotify { result, held, .. } => Some((result, held)),
                _ => None,
            });
        let Some((result, held)) = notified else {
            return Ok(());
        };
        self.hold(held);
        Ok(result?)
    }
}

fn facts_of(code: &TlsFactsCode<'_>) -> TlsFacts {
    TlsFacts {
        // There are a handful of these in a record, and the program ends with it.
        version: code.version.to_owned().leak(),
        cipher: code.cipher.to_owned().leak(),
        bits: code.bits,
        exporter: code.has_exporter.then_some([0; 32]),
        end_point: code.has_end_point.then(|| [][..].into()),
    }
}
