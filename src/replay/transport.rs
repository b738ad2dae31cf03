//! The transport of a replay: what is written is compared, what is read comes from the record.

use std::io::{self, ErrorKind};

use super::script::SharedScript;
use crate::net::driver::ConnectionId;
use crate::net::transport::Transport;
use crate::observe::crc::crc32;
use crate::observe::frame::{ClientFrame, Frame};

/// The transport of one connection.
pub(super) struct ReplayTransport {
    pub(super) connection: ConnectionId,
    pub(super) short_read_drains: bool,
    pub(super) script: SharedScript,
}

/// The result of a call after which nothing matters any more.
pub(super) fn nothing<T>() -> io::Result<T> {
    Err(ErrorKind::WouldBlock.into())
}

/// Whether the recorded checksum is that of these octets. One that is not there goes with any.
pub(super) fn fits(crc: Option<u32>, octets: &[u8]) -> bool {
    crc.is_none_or(|crc| crc == crc32(octets))
}

impl ReplayTransport {
    fn write_by(&mut self, octets: &[u8], last: bool) -> io::Result<usize> {
        let mut script = self.script.borrow_mut();
        let made = Frame::Write {
            connection: self.connection,
            at: 0,
            offered: octets.len(),
            crc: Some(crc32(octets)),
            is_last: last,
            result: Ok(octets.len()),
        };
        let result = script.call(&made, |recorded| match *recorded {
            Frame::Write {
                offered,
                crc,
                is_last,
                result,
                ..
            } if offered == octets.len() && is_last == last && fits(crc, octets) => Some(result),
            _ => None,
        });
        match result {
            Some(Ok(count)) => {
                let count = count.min(octets.len());
                script.wrote(self.connection, count);
                Ok(count)
            }
            Some(Err(error)) => Err(error.into()),
            None => nothing(),
        }
    }
}

impl Transport for ReplayTransport {
    fn is_connected(&self) -> io::Result<bool> {
        let made = ClientFrame::Connected {
            connection: self.connection,
            result: Ok(true),
        };
        let mut script = self.script.borrow_mut();
        let result = script.call_client(made, |recorded| match *recorded {
            ClientFrame::Connected { result, .. } => Some(result),
            _ => None,
        });
        Ok(result.unwrap_or(Ok(false))?)
    }

    fn short_read_drains(&self) -> bool {
        self.short_read_drains
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut script = self.script.borrow_mut();
        let made = Frame::Read {
            connection: self.connection,
            at: 0,
            result: Ok(0),
        };
        let result = script.call(&made, |recorded| match *recorded {
            Frame::Read { result, .. } => Some(result),
            _ => None,
        });
        match result {
            Some(Ok(count)) => {
                let count = count.min(buffer.len());
                script.contents(self.connection, &mut buffer[..count]);
                Ok(count)
            }
            Some(Err(error)) => Err(error.into()),
            None => nothing(),
        }
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.write_by(octets, false)
    }

    fn write_last(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.write_by(octets, true)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        let made = Frame::ShutdownWrite {
            connection: self.connection,
            result: Ok(()),
        };
        let result = self
            .script
            .borrow_mut()
            .call(&made, |recorded| match *recorded {
                Frame::ShutdownWrite { result, .. } => Some(result),
                _ => None,
            });
        result.map_or(Ok(()), |result| result.map_err(io::Error::from))
    }
}
