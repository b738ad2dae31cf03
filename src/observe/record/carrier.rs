//! Transports whose every call is recorded.

use std::io;
use std::rc::Rc;

use super::Recorder;
use crate::net::carrier::Carrier;
use crate::net::driver::ConnectionId;
use crate::net::transport::Transport;
use crate::observe::crc::crc32;
use crate::observe::frame::{ClientFrame, Frame};
use crate::observe::outcome::coded;

/// A transport whose every call is recorded, but for those that TLS makes.
struct RecordedTransport {
    inner: Carrier,
    connection: ConnectionId,
    recorder: Rc<Recorder>,
}

impl Recorder {
    /// Records a transport of this connection.
    pub fn carry(self: &Rc<Self>, inner: Carrier, connection: ConnectionId) -> Carrier {
        Carrier::Watched(Box::new(RecordedTransport {
            inner,
            connection,
            recorder: Rc::clone(self),
        }))
    }

    /// The checksum of octets that are offered, unless they may be hidden ones.
    pub(super) fn crc_of(
        &self,
        connection: ConnectionId,
        offered: &[u8],
        result: &io::Result<usize>,
    ) -> Option<u32> {
        let all_taken = matches!(result, Ok(taken) if *taken == offered.len());
        let mut connections = self.connections.borrow_mut();
        (!connections.hides_output(connection, all_taken)).then(|| crc32(offered))
    }
}

impl RecordedTransport {
    fn write_by(
        &mut self,
        octets: &[u8],
        is_last: bool,
        write: fn(&mut Carrier, &[u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if self.recorder.is_in_tls.get() {
            return write(&mut self.inner, octets);
        }
        let at = self.recorder.at();
        let result = write(&mut self.inner, octets);
        self.recorder.put(&Frame::Write {
            connection: self.connection,
            at,
            offered: octets.len(),
            crc: self.recorder.crc_of(self.connection, octets, &result),
            is_last,
            result: coded(&result),
        });
        result
    }
}

impl Transport for RecordedTransport {
    fn short_read_drains(&self) -> bool {
        self.inner.short_read_drains()
    }

    fn is_connected(&self) -> io::Result<bool> {
        let result = self.inner.is_connected();
        let frame = ClientFrame::Connected {
            connection: self.connection,
            result: coded(&result),
        };
        self.recorder.put(&frame.into());
        result
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = self.recorder.at();
        let result = self.inner.read(buffer);
        if !self.recorder.is_in_tls.get() {
            self.recorder.put(&Frame::Read {
                connection: self.connection,
                at,
                result: coded(&result),
            });
        }
        result
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.write_by(octets, false, Carrier::write)
    }

    fn write_last(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.write_by(octets, true, Carrier::write_last)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        let result = self.inner.shutdown_write();
        self.recorder.put(&Frame::ShutdownWrite {
            connection: self.connection,
            result: coded(&result),
        });
        result
    }
}
