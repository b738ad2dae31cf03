//! Reads of messages that may have to wait until the spool process has read ahead.

use std::collections::HashSet;
use std::io;
use std::mem;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use super::backend::SpoolBackend;
use super::client::gone;
use super::envelope::SpoolEnvelope;
use super::id::{MailId, SpoolPlace};
use super::ipc::SpoolRequest;
use super::reader::{SpoolReadError, SpoolReader};
use super::recent::RecentMails;
use super::store::{ReadResult, SpoolMail};
use crate::store::Ticket;

/// The first ticket of the spool: no other store counts so far, nor begins so high.
const FIRST_TICKET: u64 = 1 << 62;

/// Tickets of the spool, for messages, deliveries and reads.
#[derive(Debug)]
pub(super) struct SpoolTickets(u64);

impl SpoolTickets {
    pub(super) fn new() -> Self {
        Self(FIRST_TICKET)
    }

    /// The next ticket.
    pub(super) fn next(&mut self) -> Ticket {
        let ticket = Ticket(self.0);
        self.0 += 1;
        ticket
    }
}

/// The reader, and the reads that wait.
#[derive(Debug)]
pub(super) struct SpoolReads {
    reader: SpoolReader,
    recent: RecentMails,
    waiting: HashSet<Ticket>,
    tickets: SpoolTickets,
}

impl SpoolReads {
    /// Opens the folder of a spool, which is there.
    pub(super) fn open(root: &Path, now: Instant) -> io::Result<Self> {
        Ok(Self {
            reader: SpoolReader::open(root)?,
            recent: RecentMails::new(now),
            waiting: HashSet::new(),
            tickets: SpoolTickets::new(),
        })
    }

    /// The tickets of the spool.
    pub(super) fn tickets(&mut self) -> &mut SpoolTickets {
        &mut self.tickets
    }

    /// The messages that have just come.
    pub(super) fn recent(&mut self) -> &mut RecentMails {
        &mut self.recent
    }

    /// Reads the envelope of a message, and a text of few octets.
    pub(super) fn read(
        &mut self,
        mail: MailId,
        place: SpoolPlace,
        backend: &mut SpoolBackend,
    ) -> ReadResult<Rc<SpoolMail>> {
        if let Some(recent) = self.recent.take(mail) {
            return ReadResult::Now(recent);
        }
        let read = self.reader.read(mail, place).map(|record| {
            Rc::new(SpoolMail {
                envelope: Rc::new(record.envelope),
                text: record.text,
            })
        });
        self.result(read, backend)
    }

    /// Reads the envelope of a message only.
    pub(super) fn read_envelope(
        &mut self,
        mail: MailId,
        place: SpoolPlace,
        backend: &mut SpoolBackend,
    ) -> ReadResult<Rc<SpoolEnvelope>> {
        let read = self.reader.read_envelope(mail, place).map(Rc::new);
        self.result(read, backend)
    }

    /// Appends a piece of the text of a message.
    pub(super) fn read_piece(
        &mut self,
        mail: MailId,
        place: SpoolPlace,
        at: u64,
        max: usize,
        into: &mut Vec<u8>,
        backend: &mut SpoolBackend,
    ) -> ReadResult<usize> {
        let read = self.reader.read_piece(mail, place, at, max, into);
        self.result(read, backend)
    }

    fn result<T>(
        &mut self,
        read: Result<T, SpoolReadError>,
        backend: &mut SpoolBackend,
    ) -> ReadResult<T> {
        match read {
            Ok(read) => ReadResult::Now(read),
            Err(SpoolReadError::Gone) => ReadResult::Gone,
            Err(SpoolReadError::Failed(failure)) => ReadResult::Failed(failure),
            Err(SpoolReadError::NotCached(..)) if !backend.is_ready() => ReadResult::Failed(gone()),
            Err(SpoolReadError::NotCached(source, at, octets)) => {
                let ticket = self.tickets.next();
                self.waiting.insert(ticket);
                let request = SpoolRequest::ReadAhead(ticket, source, at, octets);
                backend.send(backend.generation(), &request);
                ReadResult::Later(ticket)
            }
        }
    }

    /// Notes the tickets of what was read ahead; of a lost process all: whoever waits tries again.
    pub(super) fn ready(&mut self, read_ahead: Vec<Ticket>, is_lost: bool) -> Vec<Ticket> {
        if is_lost {
            return mem::take(&mut self.waiting).into_iter().collect();
        }
        let mut ready = read_ahead;
        ready.retain(|ticket| self.waiting.remove(ticket));
        ready
    }
}
