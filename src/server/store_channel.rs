//! The two pipes to a store process as one channel of the event loop: edge-triggered, read and written only after an
//! event, or the last operation, has said that it is worth it.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::net::channel::{Channel, Readiness};
use crate::net::transport::{Read, Transport};
use crate::store::{StoreClient, StorePipes};

/// The most bytes of reports that are read at once.
const READ_BYTES: usize = 4 * 1024;
/// The most bytes of reports that are read in a tick: more could keep connections waiting, as while a spool is scanned.
const REPORTS_BYTES_MAX: usize = 64 * 1024;

/// The event loop's end of the pipes to a store process. What the pipe has no room for stays in the [`StoreClient`],
/// which bounds it.
#[derive(Debug)]
pub struct StoreChannel {
    channel: Channel<StorePipes>,
    /// Whether the poll tells of it.
    is_registered: bool,
}

impl StoreChannel {
    /// A channel of which nothing is known: a read and a write are worth a try.
    #[must_use]
    pub fn new(pipes: StorePipes) -> Self {
        Self {
            channel: Channel::new(pipes),
            is_registered: false,
        }
    }

    /// Registers both pipes, unless that was done. Closing them deregisters them.
    ///
    /// # Errors
    /// The system refuses to poll them.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        if mem::replace(&mut self.is_registered, true) {
            return Ok(());
        }
        let [requests, reports] = self.descriptors().map(|pipe| pipe.as_raw_fd());
        registry.register(&mut SourceFd(&requests), token, Interest::WRITABLE)?;
        registry.register(&mut SourceFd(&reports), token, Interest::READABLE)
    }

    /// The descriptors of the two pipes: the first is written, the second read.
    #[must_use]
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        let StorePipes { requests, reports } = self.channel.transport();
        [requests.as_fd(), reports.as_fd()]
    }

    /// Notes the readiness that an event of either pipe reports.
    pub fn note(&mut self, event: Readiness) {
        self.channel.note(event);
    }

    /// Whether `client` has output, and the pipe room for it.
    #[must_use]
    pub fn can_send(&self, client: &dyn StoreClient) -> bool {
        self.channel.is_writable() && !client.output().is_empty()
    }

    /// Whether the last exchange has left reports in the pipe.
    #[must_use]
    pub fn has_reports(&self) -> bool {
        self.channel.is_readable()
    }

    /// Writes the requests of `client` as far as there is room, and hands it the reports that have come, up to a bound.
    ///
    /// # Errors
    /// The store process is gone, or does not speak its protocol.
    pub fn exchange(&mut self, client: &mut dyn StoreClient) -> io::Result<()> {
        let written = self.channel.write(client.output())?;
        client.sent(written);
        if self.channel.is_readable() {
            self.receive(client)?;
        }
        Ok(())
    }

    /// Reads reports until the pipe is drained, or the bound is reached.
    fn receive(&mut self, client: &mut dyn StoreClient) -> io::Result<()> {
        let mut buffer = [0; READ_BYTES];
        let mut room = REPORTS_BYTES_MAX;
        while self.channel.is_readable() && room > 0 {
            match self.channel.read(&mut buffer)? {
                Read::Eof => return Err(ErrorKind::UnexpectedEof.into()),
                read => {
                    client.received(&buffer[..read.count()])?;
                    room = room.saturating_sub(read.count());
                }
            }
        }
        Ok(())
    }

    /// Gives the pipes back.
    #[must_use]
    pub fn into_pipes(self) -> StorePipes {
        self.channel.into_transport()
    }
}

impl Transport for StorePipes {
    /// A read of a pipe stops short only where it is empty (pipe(7)), on Linux.
    fn short_read_drains(&self) -> bool {
        cfg!(target_os = "linux")
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reports.read(buffer)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.requests.write(bytes)
    }

    /// A pipe has one direction: it ends by being closed.
    fn shutdown_write(&mut self) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }
}
