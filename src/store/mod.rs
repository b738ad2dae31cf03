//! Stores: the places that accepted mail goes to.
//!
//! A [`Store`] takes messages as they stream in and makes those that are complete durable *together*, by one group commit
//! in a tick of the event loop. A message is a [`Draft`] while its bytes arrive and a [`Ticket`] once it is complete and
//! waits to be durable:
//!
//! ```text
//! begin ──▶ Draft ──write…──▶ submit ──▶ Ticket ──commit──▶ Finished
//!             └──────────────▶ abort
//! ```
//!
//! Invariant: nothing is acknowledged to a sender before its `Finished` says so.
//!
//! A store knows no poll. Where other processes do its work, [`Store::take_pipes`] hands their pipes to the event loop, which
//! carries octets between them and each [`StoreClient`], as their readiness tells.

#[cfg(feature = "catch")]
mod catch;
#[cfg(feature = "relay")]
pub(crate) mod counted;
mod discard;
mod disk_error;
mod epoch;
#[cfg(feature = "milter")]
pub mod hold;
#[cfg(feature = "catch")]
pub mod inbox;
pub mod maildir;
mod process;
mod root;
#[cfg(feature = "relay")]
pub mod spool;
#[cfg(feature = "stream")]
pub mod stream;

use core::fmt;
use std::io;
use std::time::Instant;

use rustix::io::Errno;

#[cfg(feature = "relay")]
use self::epoch::unix_milliseconds;
use self::epoch::unix_seconds;
use crate::smtp::envelope::{Body, Envelope, QueueId, Recipient};
use crate::smtp::path::Mailbox;

#[cfg(feature = "catch")]
pub use catch::Catch;
pub use discard::Discard;
pub use maildir::{Maildir, MaildirOptions};
#[cfg(any(feature = "milter", feature = "relay"))]
pub use process::{KeptRole, keep};
pub use process::{StoreClient, StorePipes, THIS_PROGRAM};

/// The most processes that work for a store: one for mail that stays here, one for mail that is sent on, one for mail on hold.
pub const STORE_PROCESSES_MAX: usize = 3;

/// A place that mail is delivered to.
pub trait Store {
    /// Sets the time, once a tick.
    fn set_time(&mut self, now: Instant) {
        let _ = now;
    }

    /// Asks for room for a message of `declared_bytes`, 0 if nobody knows, so that `min_free` bytes are left; 0 for any.
    /// Called before a transaction begins; changes nothing. A store that has no limit, or does not know, has room.
    ///
    /// # Errors
    /// [`Failure::LittleLeft`].
    fn admit(&mut self, declared_bytes: u64, min_free: u64) -> Result<Admission, Failure> {
        let _ = (declared_bytes, min_free);
        Ok(Admission::Granted(0))
    }

    /// Asks whether the mailboxes of `recipient` could be delivered to if it joined the recipients of `envelope`, which may
    /// have `to_make` mailboxes made for them. Called before a recipient is accepted; changes nothing.
    ///
    /// # Errors
    /// [`Failure::TooManyMailboxes`] or [`Failure::BadName`].
    fn check(
        &mut self,
        recipient: &Recipient,
        envelope: &Envelope,
        to_make: usize,
    ) -> Result<Admission, Failure>;

    /// Takes the next answer to a query that was [`Asked`](Admission::Asked), if there is one. Called until there is none,
    /// after each [`commit`](Self::commit).
    fn answer(&mut self) -> Option<Answer> {
        None
    }

    /// Opens a message for the mailboxes of `envelope`; each gets it once. Where its service answers each recipient,
    /// one that fails does not keep it from the others; otherwise all get it or none. The name that it gets stands also in
    /// the reply, the trace header and the log.
    ///
    /// # Errors
    /// Any failure to open it; nothing is left behind.
    fn begin(&mut self, envelope: &Envelope) -> Result<(QueueId, Draft), Failure>;

    /// Opens a message for one mailbox, in which it is to be once however often it is delivered. It is then written, submitted
    /// and settled as any other.
    ///
    /// # Errors
    /// Any failure to open it, as of a store that cannot tell.
    fn begin_once(&mut self, delivery: &OnceDelivery<'_>) -> Result<Draft, Failure> {
        let why = format!("{} cannot be delivered once here", delivery.name);
        Err(Failure::Io(why.into()))
    }

    /// Looks whether a mailbox has a message of an earlier delivery. It is settled as any other: stored if it is there, otherwise failed,
    /// also where nobody can tell.
    ///
    /// # Errors
    /// Any failure to look, as of a store that cannot tell.
    fn look_for(&mut self, delivery: &OnceDelivery<'_>) -> Result<Ticket, Failure> {
        let why = format!("{} cannot be looked for here", delivery.name);
        Err(Failure::Io(why.into()))
    }

    /// Gives an open message to which nothing was written yet another envelope, as where a filter has changed its sender or its
    /// recipients. Returns its new name if it cannot keep the one that it has; whoever names it from here on says that.
    ///
    /// # Errors
    /// Any failure to do so, as of a store that cannot, or of a message that has text. The caller is then to
    /// [`abort`](Self::abort) the draft.
    fn readdress(
        &mut self,
        draft: &mut Draft,
        envelope: &Envelope,
    ) -> Result<Option<QueueId>, Failure> {
        let _ = (draft, envelope);
        Err(Failure::Io("no message is readdressed here".into()))
    }

    /// Appends to an open message: Internet message text (RFC 5322 §2.1), whose lines end in CRLF. No CRLF
    /// is ever split over two calls. If the envelope says [`Body::BinaryMime`], it is any octets, split anywhere, which
    /// are to be kept as they are.
    ///
    /// [`Body::BinaryMime`]: crate::smtp::envelope::Body::BinaryMime
    ///
    /// # Errors
    /// Any failure to write it. The caller is then to [`abort`](Self::abort) the draft.
    fn write(&mut self, draft: &mut Draft, text: &[u8]) -> Result<(), Failure>;

    /// Drops an open message and all traces of it.
    fn abort(&mut self, draft: Draft);

    /// Whether an open message goes to mailboxes from here, and so begins with `Return-Path` (RFC 5321 §4.4). What waits to be sent
    /// on does not.
    fn is_final_delivery(&self, draft: &Draft) -> bool {
        let _ = draft;
        true
    }

    /// Closes a complete message and hands it over to the next [`commit`](Self::commit).
    fn submit(&mut self, draft: Draft) -> Ticket;

    /// Makes all submitted messages durable, as one group, and pushes one [`Finished`] for each that is settled. A store with a store
    /// process settles them at a later call, after its [`client`](Self::client) has received something.
    fn commit(&mut self, finished: &mut Vec<Finished>);

    /// Whether [`commit`](Self::commit) has something to do at once.
    fn is_pending(&self) -> bool;

    /// Backpressure: whether so much waits to be written that no more message text should be read before
    /// [`commit`](Self::commit) has made room.
    fn is_congested(&self) -> bool {
        false
    }

    /// The instant at which [`commit`](Self::commit) has something to do without a report.
    fn next_wake(&self) -> Option<Instant> {
        None
    }

    /// The spool, if the store has one.
    #[cfg(feature = "relay")]
    fn spool(&mut self) -> Option<&mut dyn spool::SpoolStore> {
        None
    }

    /// What the store does on the connection to a stream, if it is behind one.
    #[cfg(feature = "stream")]
    fn stream(&mut self) -> Option<&mut dyn stream::StreamClient> {
        None
    }

    /// Counts of what was published to a stream, if the store is behind one.
    #[cfg(feature = "stream")]
    fn stream_counts(&self) -> Option<stream::publisher::StreamCounts> {
        None
    }

    /// Counts of what was delivered out of a stream, if that is what the store does.
    #[cfg(feature = "stream")]
    fn delivery_counts(&self) -> Option<stream::deliveries::DeliveryCounts> {
        None
    }

    /// Since when the store takes no mail at all, as one whose servers cannot be reached; `None` while it does.
    fn lost_since(&self) -> Option<Instant> {
        None
    }

    /// The inbox, if the store has one.
    #[cfg(feature = "catch")]
    fn inbox(&mut self) -> Option<&mut inbox::Inbox> {
        None
    }

    /// The texts on hold, if the store has room for such: for filters, which look at them.
    #[cfg(feature = "milter")]
    fn hold(&mut self) -> Option<&mut hold::Hold> {
        None
    }

    /// The texts on hold, if the store has room for such: for sessions, which bring them.
    #[cfg(feature = "milter")]
    fn held_texts(&mut self) -> Option<&mut dyn hold::HeldTexts> {
        self.hold().map(|hold| hold as &mut dyn hold::HeldTexts)
    }

    /// Takes the pipes to a store process, once: from here on the event loop reads and writes them, as their readiness tells.
    /// Processes are numbered below [`STORE_PROCESSES_MAX`]. `None` if there is none of this number, or its pipes were taken;
    /// asked again before each commit, since a process that is lost may be followed by another.
    fn take_pipes(&mut self, process: usize) -> Option<StorePipes> {
        let _ = process;
        None
    }

    /// The client of a store process, whose octets the event loop carries between the pipes and [`commit`](Self::commit).
    /// `None` if there is no process of this number, and after that is lost.
    fn client(&mut self, process: usize) -> Option<&mut dyn StoreClient> {
        let _ = process;
        None
    }

    /// Gives the pipes back, at shutdown. A store that is dropped with its pipes closes them and blocks until the
    /// process has finished what it was given, for two seconds at most.
    fn return_pipes(&mut self, process: usize, pipes: StorePipes) {
        let _ = (process, pipes);
    }
}

/// The first answer of a store to a sender or a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Admitted; so many mailboxes may have to be made for it.
    Granted(usize),
    /// Undecided until the [`Answer`] with this ticket.
    Asked(Ticket),
}

/// The later answer of a store to a sender or a recipient.
#[derive(Debug)]
pub struct Answer {
    /// The query, as [`Admission::Asked`] named it.
    pub ticket: Ticket,
    /// The number of mailboxes that may have to be made for it, or the failure that refuses it.
    pub result: Result<usize, Failure>,
}

/// A message for one mailbox that is delivered again after a crash, and is to be there once all the same.
#[derive(Clone, Copy, Debug)]
pub struct OnceDelivery<'a> {
    /// The mailbox.
    pub mailbox: &'a Mailbox,
    /// The seconds of the epoch at which the message came, a dot, and letters and digits that no other delivery has: the same
    /// at each try.
    pub name: &'a str,
    /// The declared kind of its body.
    pub body: Body,
    /// Whether an earlier try may have succeeded.
    pub may_be_there: bool,
}

/// A message whose bytes are still arriving. Only a store makes one, and it cannot be copied: whoever holds it
/// must give it back to that store, once, to [`submit`](Store::submit) or [`abort`](Store::abort) it.
#[derive(Debug)]
#[must_use]
pub struct Draft {
    /// The key of its store for it.
    key: usize,
}

impl Draft {
    /// Makes a draft that its store finds again by `key`.
    pub fn new(key: usize) -> Self {
        Self { key }
    }

    /// The key that its store gave it.
    #[must_use]
    pub fn key(&self) -> usize {
        self.key
    }
}

/// A complete message that waits to be durable. A store never uses one twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A submitted message that is settled.
#[derive(Debug)]
pub struct Finished {
    /// The message, as [`Store::submit`] named it.
    pub ticket: Ticket,
    /// The result.
    pub outcome: Outcome,
}

/// The result of a message, for each of its recipients.
#[derive(Debug)]
pub enum Outcome {
    /// Durable in the mailboxes of every recipient.
    Stored,
    /// In no mailbox.
    Failed(Failure),
    /// One result for each recipient of the envelope, in its order: durable in all mailboxes it leads to, or in none
    /// unless another recipient leads there as well. Only where the service of the envelope answers each recipient.
    PerRecipient(Vec<Result<(), Failure>>),
}

impl Outcome {
    /// Whether any recipient has it.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        match self {
            Self::Stored => true,
            Self::Failed(_) => false,
            Self::PerRecipient(results) => results.iter().any(Result::is_ok),
        }
    }

    /// The result for each of `recipients` recipients, in their order.
    #[must_use]
    pub fn for_each(self, recipients: usize) -> Vec<Result<(), Failure>> {
        match self {
            Self::Stored => (0..recipients).map(|_| Ok(())).collect(),
            Self::Failed(failure) => vec![Err(failure); recipients],
            Self::PerRecipient(results) => results,
        }
    }
}

/// Failures of a store.
#[derive(Clone, Debug)]
pub enum Failure {
    /// A resource that the message needs is used up: disk, quota, file size limit, descriptors. The text names the path and
    /// says what to do.
    Full(Box<str>),
    /// Fewer bytes are free than are to be kept free: so many.
    LittleLeft(u64),
    /// As many messages wait to be sent on as may.
    QueueFull,
    /// The limit on mailboxes that are made by themselves is reached.
    TooManyMailboxes,
    /// The address has no folder name: it is empty or too long.
    BadName,
    /// Any other I/O error. The text names the path and says what to do.
    Io(Box<str>),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(text) | Self::Io(text) => f.write_str(text),
            Self::LittleLeft(bytes) => {
                write!(f, "only {bytes} bytes left in the store")
            }
            Self::QueueFull => f.write_str("the queue is full"),
            Self::TooManyMailboxes => f.write_str("mailbox limit reached"),
            Self::BadName => f.write_str("no folder name for this address"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let text = error.to_string().into();
        match disk_error::errno(&error) {
            Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG | Errno::MFILE | Errno::NFILE) => {
                Self::Full(text)
            }
            _ => Self::Io(text),
        }
    }
}

/// The failure to give a message another envelope that has text already.
fn has_text() -> Failure {
    Failure::Io("a message that has text is not readdressed".into())
}
