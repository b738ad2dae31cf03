//! The hold of a store that is recorded: what a session does with its texts, and what is read of them.

use super::Recorder;
use super::store::RecordedStore;
use crate::net::driver::ConnectionId;
use crate::observe::crc::crc32;
use crate::observe::frame::{FilterFrame, Frame};
use crate::observe::mask::hide_sent;
use crate::observe::outcome::{FailureCode, ReadCode};
use crate::observe::packed::pack;
use crate::store::Failure;
use crate::store::hold::{HeldRead, HeldText, HeldTexts, HoldAnswer, HoldTicket};

/// A read of a text that is answered later.
pub(super) struct PendingRead {
    text: usize,
    ticket: HoldTicket,
    connection: ConnectionId,
}

impl Recorder {
    /// Records a frame of filters, if its connection is recorded.
    pub(super) fn put_filter(&self, frame: FilterFrame<'_>) {
        let connection = frame.connection();
        if connection.is_none_or(|connection| self.records_connection(connection)) {
            self.put(&Frame::Filter { frame });
        }
    }

    /// Text of a message on hold as a record holds it.
    fn packed_text(&self, text: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        match self.options.with_text {
            true => pack(text, &mut packed),
            false => pack(&hide_sent(text), &mut packed),
        }
        packed
    }

    /// Records what was read of a text, later than it was asked for.
    pub(super) fn saw_read(&self, answer: &HoldAnswer) {
        let mut reads = self.reads.borrow_mut();
        let index = reads.iter().position(|read| read.ticket == answer.ticket);
        let Some(read) = index.map(|index| reads.swap_remove(index)) else {
            return;
        };
        let octets = answer.result.as_ref().map(|text| self.packed_text(text));
        self.put_filter(FilterFrame::ReadDone {
            connection: read.connection,
            ticket: answer.ticket.of_store().0,
            result: octets.as_deref().map_err(|failure| (*failure).into()),
        });
    }

    fn forget_read(&self, text: usize) {
        self.reads.borrow_mut().retain(|read| read.text != text);
    }
}

fn missing() -> Failure {
    debug_assert!(false, "a hold does not go away");
    Failure::Io("there is no hold".into())
}

impl HeldTexts for RecordedStore {
    fn begin(&mut self) -> HeldText {
        let text = match self.inner.held_texts() {
            Some(hold) => hold.begin(),
            None => HeldText::new(usize::MAX),
        };
        self.recorder.put_filter(FilterFrame::Begun {
            connection: self.recorder.current.get(),
            text: text.key(),
        });
        text
    }

    fn write(&mut self, text: &mut HeldText, octets: &[u8]) -> Result<(), Failure> {
        let result = match self.inner.held_texts() {
            Some(hold) => hold.write(text, octets),
            None => Err(missing()),
        };
        self.recorder.put_filter(FilterFrame::Text {
            connection: self.recorder.current.get(),
            text: text.key(),
            octets: octets.len(),
            crc: self.recorder.options.with_text.then(|| crc32(octets)),
            result: result.as_ref().copied().map_err(FailureCode::from),
        });
        result
    }

    fn len(&mut self, text: &HeldText) -> u64 {
        let hold = self.inner.held_texts();
        hold.map_or(0, |hold| hold.len(text))
    }

    fn read(
        &mut self,
        text: &HeldText,
        offset: u64,
        bytes_max: usize,
    ) -> Result<HeldRead<'_>, Failure> {
        let Self {
            inner, recorder, ..
        } = self;
        let connection = recorder.current.get();
        let hold = inner.held_texts().ok_or_else(missing)?;
        let result = hold.read(text, offset, bytes_max);
        recorder.forget_read(text.key());
        let (code, octets) = match &result {
            Ok(HeldRead::Text(text)) => (ReadCode::Now, recorder.packed_text(text)),
            Ok(HeldRead::Asked(ticket)) => {
                recorder.reads.borrow_mut().push(PendingRead {
                    text: text.key(),
                    ticket: *ticket,
                    connection,
                });
                (ReadCode::Later(ticket.of_store().0), Vec::new())
            }
            Err(failure) => (ReadCode::Failed(failure.into()), Vec::new()),
        };
        recorder.put_filter(FilterFrame::Read {
            connection,
            text: text.key(),
            from: offset,
            result: code,
            octets: &octets,
        });
        result
    }

    fn drop_text(&mut self, text: HeldText) {
        self.recorder.forget_read(text.key());
        self.recorder.put_filter(FilterFrame::Dropped {
            connection: self.recorder.current.get(),
            text: text.key(),
        });
        if let Some(hold) = self.inner.held_texts() {
            hold.drop_text(text);
        }
    }
}
