//! The spool as the event loop sees it: a part of a store, beside that of new messages.

use std::rc::Rc;

use super::change::{Change, ChangeCounts};
use super::envelope::SpoolEnvelope;
use super::id::{MailId, SpoolPlace};
use crate::store::{Failure, Ticket};

/// The most octets of a text that [`SpoolStore::read`] returns with the envelope. A longer one is read in pieces.
pub const TEXT_AT_ONCE_BYTES_MAX: u64 = 64 * 1024;

/// The spool of a store: what waits to be sent on, and what became of it. No call blocks.
pub trait SpoolStore {
    /// Takes the messages that joined the queue since the last call: those acknowledged now, found at the start, and reports.
    /// One that was found may be known already, if a spool process was lost before all were found: then only its place is new.
    fn take_queued(&mut self) -> Vec<QueuedMail>;

    /// Notes how many messages are in the queue: from some number on no more are taken.
    fn set_queued(&mut self, count: usize);

    /// Whether a spool process works. While there is none, nothing new is to be begun with messages of the spool.
    fn is_ready(&self) -> bool;

    /// Backpressure: whether so many changes wait to be durable that nothing new is to be begun which makes another.
    fn is_full(&self) -> bool {
        false
    }

    /// Whether messages of an earlier process are still being found.
    fn is_scanning(&self) -> bool;

    /// Whether an observer may see calls from here on. It is not to see those of an operator who looks at the queue: they change
    /// nothing, and nothing of the queue asks for them.
    fn set_observed(&mut self, is_observed: bool) {
        let _ = is_observed;
    }

    /// Until when the server before this one was alive at least, in milliseconds of the epoch: the time at which it last wrote to the
    /// spool. `None` where nobody knows.
    fn alive_until_ms(&self) -> Option<u64>;

    /// Reads the envelope of a message, and its text where that has at most [`TEXT_AT_ONCE_BYTES_MAX`] octets.
    fn read(&mut self, mail: MailId, place: SpoolPlace) -> ReadResult<Rc<SpoolMail>>;

    /// Reads the envelope of a message, whatever its text.
    fn read_envelope(&mut self, mail: MailId, place: SpoolPlace) -> ReadResult<Rc<SpoolEnvelope>>;

    /// Appends up to `max` octets of the text of a message, from the octet `at` on, to `into`. Returns how many; fewer than
    /// `max` only at the end. Whoever reads all pieces in their order hears at the last one whether the text is damaged.
    fn read_piece(
        &mut self,
        mail: MailId,
        place: SpoolPlace,
        at: u64,
        max: usize,
        into: &mut Vec<u8>,
    ) -> ReadResult<usize>;

    /// Takes the tickets of reads that are worth another try, since the last call.
    fn take_ready(&mut self) -> Vec<Ticket>;

    /// Changes the state of a message, durably with the next sync. The change is kept until then, and repeated to the next
    /// process if the present one is lost.
    fn change(&mut self, change: Change);

    /// How many changes there were since the start, and how many of them are durable. No observer sees this call: it is made for
    /// operators alone.
    fn change_counts(&mut self) -> ChangeCounts {
        ChangeCounts::default()
    }

    /// Takes the messages that lie elsewhere now, since the last call. Where they were, they are [gone](ReadResult::Gone) soon.
    fn take_moved(&mut self) -> Vec<(MailId, SpoolPlace)>;

    /// Makes the name of a message that is to join the spool with a change, as a report does; also while there is no spool process.
    ///
    /// # Errors
    /// There is no name left.
    fn new_mail_id(&mut self) -> Result<MailId, Failure>;

    /// Delivers a message to the mailbox of a recipient who is local, where it is once however often this is asked, also after
    /// a crash. The result comes with this ticket.
    fn deliver(&mut self, mail: MailId, place: SpoolPlace, recipient: u16) -> Ticket;

    /// Takes the results of deliveries, since the last call.
    fn take_delivered(&mut self) -> Vec<(Ticket, Result<(), Failure>)>;
}

/// A message that joined the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedMail {
    /// Its name.
    pub mail: MailId,
    /// Where it lies.
    pub place: SpoolPlace,
    /// Its envelope.
    pub envelope: Rc<SpoolEnvelope>,
    /// The recipients that are over, by their index, in order.
    pub over: Vec<u16>,
    /// Whether it was found in the spool at a start.
    pub is_found: bool,
    /// Whether nothing is sent to some recipients until they are released.
    pub is_held: bool,
    /// Those recipients, by their index, in order; none where it is all.
    pub held: Vec<u16>,
    /// Whether its sender was told of the delay.
    pub is_noticed: bool,
}

/// A message as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolMail {
    /// Its envelope.
    pub envelope: Rc<SpoolEnvelope>,
    /// Its text, whose lines end in CRLF unless it is binary; `None` where it is to be read in pieces.
    pub text: Option<Rc<[u8]>>,
}

/// The result of a read that must not block.
#[derive(Clone, Debug)]
pub enum ReadResult<T> {
    /// It was read.
    Now(T),
    /// The disk has to be asked: worth another try once [`SpoolStore::take_ready`] names the ticket.
    Later(Ticket),
    /// It is not there any more, or was moved meanwhile.
    Gone,
    /// It cannot be read.
    Failed(Failure),
}
