//! A store whose every call is recorded.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use super::Recorder;
#[cfg(feature = "relay")]
use super::spool_facts::WatchedSpool;
use crate::observe::crc::crc32;
use crate::observe::frame::{Frame, QueuedAs, RelayFrame};
use crate::observe::outcome::{AdmissionCode, FailureCode};
use crate::smtp::envelope::{Envelope, QueueId, Recipient};
#[cfg(feature = "milter")]
use crate::store::hold::{HeldTexts, Hold};
#[cfg(feature = "catch")]
use crate::store::inbox::Inbox;
#[cfg(feature = "relay")]
use crate::store::spool::SpoolStore;
#[cfg(feature = "stream")]
use crate::store::stream::StreamClient;
#[cfg(feature = "stream")]
use crate::store::stream::deliveries::DeliveryCounts;
#[cfg(feature = "stream")]
use crate::store::stream::publisher::StreamCounts;
use crate::store::{
    Admission, Answer, Draft, Failure, Finished, OnceDelivery, Outcome, Store, StoreClient,
    StorePipes, Ticket,
};

/// A store whose every call is recorded.
pub(super) struct RecordedStore {
    pub(super) inner: Box<dyn Store>,
    pub(super) recorder: Rc<Recorder>,
    /// Whether it was congested when that was asked last.
    is_congested: Cell<bool>,
    /// The facts about its spool.
    #[cfg(feature = "relay")]
    pub(super) spool: WatchedSpool,
}

impl RecordedStore {
    pub(super) fn new(inner: Box<dyn Store>, recorder: Rc<Recorder>) -> Self {
        Self {
            inner,
            recorder,
            is_congested: Cell::new(false),
            #[cfg(feature = "relay")]
            spool: WatchedSpool::default(),
        }
    }
}

fn admission(result: &Result<Admission, Failure>) -> AdmissionCode<'_> {
    match result {
        Ok(Admission::Granted(to_make)) => Ok(Ok(*to_make)),
        Ok(Admission::Asked(Ticket(ticket))) => Ok(Err(*ticket)),
        Err(failure) => Err(failure.into()),
    }
}

impl Store for RecordedStore {
    #[cfg(feature = "catch")]
    fn inbox(&mut self) -> Option<&mut Inbox> {
        self.inner.inbox()
    }

    fn set_time(&mut self, now: Instant) {
        self.inner.set_time(now);
    }

    fn admit(&mut self, declared_bytes: u64, min_free: u64) -> Result<Admission, Failure> {
        let connection = self.recorder.current.get();
        let result = self.inner.admit(declared_bytes, min_free);
        let frame = Frame::Admit {
            connection,
            declared: declared_bytes,
            result: admission(&result),
        };
        self.recorder.put_of(connection, &frame);
        result
    }

    fn check(
        &mut self,
        recipient: &Recipient,
        envelope: &Envelope,
        to_make: usize,
    ) -> Result<Admission, Failure> {
        let connection = self.recorder.current.get();
        let result = self.inner.check(recipient, envelope, to_make);
        let frame = Frame::Check {
            connection,
            recipient: recipient.address.as_str(),
            to_make,
            result: admission(&result),
        };
        self.recorder.put_of(connection, &frame);
        result
    }

    fn answer(&mut self) -> Option<Answer> {
        let answer = self.inner.answer()?;
        self.recorder.put(&Frame::Answered {
            ticket: answer.ticket.0,
            result: answer.result.as_ref().copied().map_err(FailureCode::from),
        });
        Some(answer)
    }

    fn begin(&mut self, envelope: &Envelope) -> Result<(QueueId, Draft), Failure> {
        let connection = self.recorder.current.get();
        self.recorder
            .connections
            .borrow_mut()
            .begin_text(connection);
        let result = self.inner.begin(envelope);
        let frame = Frame::Begin {
            connection,
            from: &envelope.reverse_path.to_string(),
            recipients: envelope.recipients.len(),
            result: match &result {
                Ok((id, draft)) => Ok(QueuedAs {
                    id: id.as_str(),
                    draft: draft.key(),
                }),
                Err(failure) => Err(failure.into()),
            },
        };
        self.recorder.put_of(connection, &frame);
        if let Ok((_, draft)) = &result
            && !self.inner.is_final_delivery(draft)
        {
            let spooled = RelayFrame::Spooled { connection };
            self.recorder.put_of(connection, &spooled.into());
        }
        result
    }

    fn begin_once(&mut self, delivery: &OnceDelivery<'_>) -> Result<Draft, Failure> {
        self.inner.begin_once(delivery)
    }

    fn look_for(&mut self, delivery: &OnceDelivery<'_>) -> Result<Ticket, Failure> {
        self.inner.look_for(delivery)
    }

    fn readdress(
        &mut self,
        draft: &mut Draft,
        envelope: &Envelope,
    ) -> Result<Option<QueueId>, Failure> {
        let connection = self.recorder.current.get();
        let was_final = self.inner.is_final_delivery(draft);
        let result = self.inner.readdress(draft, envelope);
        let frame = Frame::Readdress {
            connection,
            draft: draft.key(),
            from: &envelope.reverse_path.to_string(),
            recipients: envelope.recipients.len(),
            result: match &result {
                Ok(id) => Ok(id.as_ref().map(QueueId::as_str)),
                Err(failure) => Err(failure.into()),
            },
        };
        self.recorder.put_of(connection, &frame);
        if was_final && !self.inner.is_final_delivery(draft) {
            let spooled = RelayFrame::Spooled { connection };
            self.recorder.put_of(connection, &spooled.into());
        }
        result
    }

    fn write(&mut self, draft: &mut Draft, text: &[u8]) -> Result<(), Failure> {
        let connection = self.recorder.current.get();
        let result = self.inner.write(draft, text);
        let frame = Frame::Text {
            connection,
            draft: draft.key(),
            octets: text.len(),
            crc: self.recorder.options.with_text.then(|| crc32(text)),
            result: result.as_ref().copied().map_err(FailureCode::from),
        };
        self.recorder.put_of(connection, &frame);
        result
    }

    fn abort(&mut self, draft: Draft) {
        let connection = self.recorder.current.get();
        let frame = Frame::Abort {
            connection,
            draft: draft.key(),
        };
        self.recorder.put_of(connection, &frame);
        self.inner.abort(draft);
    }

    fn is_final_delivery(&self, draft: &Draft) -> bool {
        self.inner.is_final_delivery(draft)
    }

    fn submit(&mut self, draft: Draft) -> Ticket {
        let connection = self.recorder.current.get();
        let key = draft.key();
        let ticket = self.inner.submit(draft);
        let frame = Frame::Submit {
            connection,
            draft: key,
            ticket: ticket.0,
        };
        self.recorder.put_of(connection, &frame);
        ticket
    }

    fn commit(&mut self, finished: &mut Vec<Finished>) {
        let before = finished.len();
        self.inner.commit(finished);
        let settled = &finished[before..];
        for message in settled {
            put_settled(&self.recorder, message);
        }
        if !settled.is_empty() {
            self.recorder.put(&Frame::Committed {});
        }
    }

    fn is_pending(&self) -> bool {
        self.inner.is_pending()
    }

    fn is_congested(&self) -> bool {
        let is_congested = self.inner.is_congested();
        if self.is_congested.replace(is_congested) != is_congested {
            self.recorder.put(&Frame::Congested { is_congested });
        }
        is_congested
    }

    fn next_wake(&self) -> Option<Instant> {
        self.inner.next_wake()
    }

    #[cfg(feature = "milter")]
    fn hold(&mut self) -> Option<&mut Hold> {
        self.inner.hold()
    }

    #[cfg(feature = "milter")]
    fn held_texts(&mut self) -> Option<&mut dyn HeldTexts> {
        self.inner.held_texts()?;
        Some(self)
    }

    #[cfg(feature = "relay")]
    fn spool(&mut self) -> Option<&mut dyn SpoolStore> {
        self.recorded_spool()
    }

    #[cfg(feature = "stream")]
    fn stream(&mut self) -> Option<&mut dyn StreamClient> {
        self.inner.stream()
    }

    #[cfg(feature = "stream")]
    fn stream_counts(&self) -> Option<StreamCounts> {
        self.inner.stream_counts()
    }

    #[cfg(feature = "stream")]
    fn delivery_counts(&self) -> Option<DeliveryCounts> {
        self.inner.delivery_counts()
    }

    fn lost_since(&self) -> Option<Instant> {
        self.inner.lost_since()
    }

    fn take_pipes(&mut self, process: usize) -> Option<StorePipes> {
        self.inner.take_pipes(process)
    }

    fn client(&mut self, process: usize) -> Option<&mut dyn StoreClient> {
        self.inner.client(process)
    }

    fn return_pipes(&mut self, process: usize, pipes: StorePipes) {
        self.inner.return_pipes(process, pipes);
    }
}

fn put_settled(recorder: &Recorder, message: &Finished) {
    let ticket = message.ticket.0;
    match &message.outcome {
        Outcome::Stored => recorder.put(&Frame::Settled { ticket, each: None }),
        Outcome::Failed(failure) => {
            let each = Some(0);
            recorder.put(&Frame::Settled { ticket, each });
            let result = Err(failure.into());
            recorder.put(&Frame::Delivered { result });
        }
        Outcome::PerRecipient(results) => {
            let each = Some(results.len());
            recorder.put(&Frame::Settled { ticket, each });
            for result in results {
                let result = result.as_ref().copied().map_err(FailureCode::from);
                recorder.put(&Frame::Delivered { result });
            }
        }
    }
}
