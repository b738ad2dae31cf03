//! The spool of a store that is recorded: every call of the dispatcher, with its result.

use std::rc::Rc;

use super::Recorder;
use super::store::RecordedStore;
use crate::observe::crc::crc32;
use crate::observe::frame::{RelayFrame, ReportCode, SpoolState};
use crate::observe::mask::hide_sent;
use crate::observe::outcome::{FailureCode, ReadCode};
use crate::observe::relay::{change_parts, index_octets, place_code};
use crate::store::spool::{
    Change, ChangeCounts, MailId, QueuedMail, ReadResult, SpoolEnvelope, SpoolMail, SpoolPlace,
    SpoolStore, SpooledReport,
};
use crate::store::{Failure, Ticket};

impl RecordedStore {
    /// The spool, if there is one; recorded where all connections are.
    pub(super) fn recorded_spool(&mut self) -> Option<&mut dyn SpoolStore> {
        let spool = self.inner.spool()?;
        self.spool.state = state_of(spool);
        if !self.recorder.is_whole() {
            return self.inner.spool();
        }
        Some(self)
    }

    /// Makes a call of the spool, which is there.
    fn call<R>(&mut self, call: impl FnOnce(&mut dyn SpoolStore) -> R) -> Option<R> {
        let Some(spool) = self.inner.spool() else {
            debug_assert!(false, "a spool does not go away");
            return None;
        };
        let result = call(spool);
        self.spool.state = state_of(spool);
        Some(result)
    }

    /// The state of the spool, which is recorded where it is news.
    fn state(&self) -> SpoolState {
        let state = self.spool.state;
        if self.spool.told.replace(Some(state)) != Some(state) {
            self.recorder.put_relay(RelayFrame::Spool { state });
        }
        state
    }

    fn put(&self, frame: RelayFrame<'_>) {
        if self.spool.is_observed {
            self.recorder.put_relay(frame);
        }
    }
}

impl Recorder {
    /// Whether every connection is recorded, so that mail that is sent on can be.
    pub(super) fn is_whole(&self) -> bool {
        self.options.peers.is_empty()
    }

    pub(super) fn put_relay(&self, frame: RelayFrame<'_>) {
        self.put(&frame.into());
    }

    /// Text of a message as a record holds it.
    fn sent_text(&self, text: &[u8]) -> Vec<u8> {
        match self.options.with_text {
            true => text.to_vec(),
            false => hide_sent(text),
        }
    }
}

/// The state that a spool is in.
fn state_of(spool: &dyn SpoolStore) -> SpoolState {
    SpoolState {
        is_ready: spool.is_ready(),
        is_full: spool.is_full(),
        is_scanning: spool.is_scanning(),
        alive_until_ms: spool.alive_until_ms(),
    }
}

/// The result of a read that is of no use.
fn gone<T>() -> ReadResult<T> {
    ReadResult::Gone
}

fn read_code<T>(result: &ReadResult<T>) -> ReadCode<'_> {
    match result {
        ReadResult::Now(_) => ReadCode::Now,
        ReadResult::Later(ticket) => ReadCode::Later(ticket.0),
        ReadResult::Gone => ReadCode::Gone,
        ReadResult::Failed(failure) => ReadCode::Failed(failure.into()),
    }
}

impl SpoolStore for RecordedStore {
    fn take_queued(&mut self) -> Vec<QueuedMail> {
        let queued = self.call(|spool| spool.take_queued()).unwrap_or_default();
        for mail in &queued {
            self.put(RelayFrame::Joined {
                mail: mail.mail.queue_id().as_str(),
                place: place_code(mail.place),
                envelope: &mail.envelope.encode(),
                over: &index_octets(&mail.over),
                is_found: mail.is_found,
                is_held: mail.is_held,
                held: &index_octets(&mail.held),
                is_noticed: mail.is_noticed,
            });
        }
        queued
    }

    fn set_queued(&mut self, count: usize) {
        self.call(|spool| spool.set_queued(count));
    }

    fn is_ready(&self) -> bool {
        self.state().is_ready
    }

    fn is_full(&self) -> bool {
        self.state().is_full
    }

    fn is_scanning(&self) -> bool {
        self.state().is_scanning
    }

    fn alive_until_ms(&self) -> Option<u64> {
        self.state().alive_until_ms
    }

    fn set_observed(&mut self, is_observed: bool) {
        self.spool.is_observed = is_observed;
    }

    fn read(&mut self, mail: MailId, place: SpoolPlace) -> ReadResult<Rc<SpoolMail>> {
        let result = self.call(|spool| spool.read(mail, place));
        let result = result.unwrap_or_else(gone);
        let read = match &result {
            ReadResult::Now(read) if self.spool.is_observed => Some(read),
            _ => None,
        };
        let text = read.and_then(|read| read.text.as_ref());
        let text = text.map(|text| self.recorder.sent_text(text));
        self.put(RelayFrame::Read {
            mail: mail.queue_id().as_str(),
            place: place_code(place),
            result: read_code(&result),
            envelope: &read.map_or(Vec::new(), |read| read.envelope.encode()),
            text: text.as_deref(),
        });
        result
    }

    fn read_envelope(&mut self, mail: MailId, place: SpoolPlace) -> ReadResult<Rc<SpoolEnvelope>> {
        let result = self.call(|spool| spool.read_envelope(mail, place));
        let result = result.unwrap_or_else(gone);
        let envelope = match &result {
            ReadResult::Now(envelope) if self.spool.is_observed => envelope.encode(),
            _ => Vec::new(),
        };
        self.put(RelayFrame::Read {
            mail: mail.queue_id().as_str(),
            place: place_code(place),
            result: read_code(&result),
            envelope: &envelope,
            text: None,
        });
        result
    }

    fn read_piece(
        &mut self,
        mail: MailId,
        place: SpoolPlace,
        at: u64,
        max: usize,
        into: &mut Vec<u8>,
    ) -> ReadResult<usize> {
        let before = into.len();
        let result = self.call(|spool| spool.read_piece(mail, place, at, max, into));
        let result = result.unwrap_or_else(gone);
        let octets = into.get(before..).unwrap_or_default();
        self.put(RelayFrame::Piece {
            mail: mail.queue_id().as_str(),
            from: at,
            bytes_max: max,
            result: read_code(&result),
            octets: &self.recorder.sent_text(octets),
        });
        result
    }

    fn take_ready(&mut self) -> Vec<Ticket> {
        let ready = self.call(|spool| spool.take_ready()).unwrap_or_default();
        for Ticket(ticket) in ready.iter().copied() {
            self.put(RelayFrame::ReadReady { ticket });
        }
        ready
    }

    fn change(&mut self, change: Change) {
        let (kind, recipients, report) = change_parts(&change.kind);
        let parts = report.map(|report| {
            let (mail, envelope) = (report.mail.queue_id(), report.envelope.encode());
            (mail, envelope, self.text_code(report))
        });
        self.put(RelayFrame::Changed {
            mail: change.mail.queue_id().as_str(),
            kind,
            recipients: &index_octets(recipients),
            report: parts.as_ref().map(|(mail, envelope, text)| ReportCode {
                mail: mail.as_str(),
                envelope,
                text: *text,
            }),
        });
        self.call(|spool| spool.change(change));
    }

    fn change_counts(&mut self) -> ChangeCounts {
        match self.inner.spool() {
            Some(spool) => spool.change_counts(),
            None => ChangeCounts::default(),
        }
    }

    fn take_moved(&mut self) -> Vec<(MailId, SpoolPlace)> {
        let moved = self.call(|spool| spool.take_moved()).unwrap_or_default();
        for (mail, place) in &moved {
            self.put(RelayFrame::Moved {
                mail: mail.queue_id().as_str(),
                place: place_code(*place),
            });
        }
        moved
    }

    fn new_mail_id(&mut self) -> Result<MailId, Failure> {
        let missing = || Err(Failure::Io("there is no spool".into()));
        let result = self.call(|spool| spool.new_mail_id());
        let result = result.unwrap_or_else(missing);
        let id = result.as_ref().map(|mail| mail.queue_id());
        self.put(RelayFrame::Named {
            result: match &id {
                Ok(id) => Ok(id.as_str()),
                Err(failure) => Err(FailureCode::from(*failure)),
            },
        });
        result
    }

    fn deliver(&mut self, mail: MailId, place: SpoolPlace, recipient: u16) -> Ticket {
        let ticket = self.call(|spool| spool.deliver(mail, place, recipient));
        let ticket = ticket.unwrap_or(Ticket(0));
        self.put(RelayFrame::LocalAsked {
            mail: mail.queue_id().as_str(),
            recipient,
            ticket: ticket.0,
        });
        ticket
    }

    fn take_delivered(&mut self) -> Vec<(Ticket, Result<(), Failure>)> {
        let delivered = self.call(|spool| spool.take_delivered());
        let delivered = delivered.unwrap_or_default();
        for (ticket, result) in &delivered {
            self.put(RelayFrame::LocalDone {
                ticket: ticket.0,
                result: result.as_ref().copied().map_err(FailureCode::from),
            });
        }
        delivered
    }
}

impl RecordedStore {
    /// The length and the checksum of the text of a report, where text is kept.
    fn text_code(&self, report: &SpooledReport) -> Option<(u64, u32)> {
        let keeps_text = self.recorder.options.with_text;
        keeps_text.then(|| (report.text.len() as u64, crc32(&report.text)))
    }
}
