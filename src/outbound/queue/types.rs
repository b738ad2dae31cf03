//! What the queue and its caller tell each other.

use smallvec::SmallVec;

use crate::store::spool::{MailId, SpoolPlace};

/// The most recipients of one job, which become recipients of one transaction.
pub const JOB_RECIPIENTS_MAX: usize = 50;
/// The most octets that are kept of the last reply to a recipient.
pub const KEPT_REPLY_BYTES_MAX: usize = 512;

/// A destination of mail: in general a route's list of hops. It is valid while mail or a connection of the site is in the queue,
/// or [`Queue::site`](super::Queue::site) has just given it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(pub u32);

impl SiteId {
    /// The site of mailboxes here. Its connections are not counted among those that leave the machine, and it is never down.
    pub const LOCAL: Self = Self(0);
}

/// A connection to a site, from [`Queue::wants_connection`](super::Queue::wants_connection) to
/// [`Queue::failed`](super::Queue::failed) or [`Queue::closed`](super::Queue::closed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutgoingId(pub u32);

/// A job: recipients of one mail at one site that go in one transaction. It is valid from
/// [`Queue::next_job`](super::Queue::next_job) to [`Queue::settle`](super::Queue::settle).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub(super) u32);

/// The bounds of the queue's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Connections that leave the machine, to all sites together.
    pub outgoing_max: u32,
    /// Connections to one site.
    pub outgoing_per_site_max: u16,
    /// Deliveries to mailboxes here at the same time.
    pub local_max: u16,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            outgoing_max: 200,
            outgoing_per_site_max: 20,
            local_max: 32,
        }
    }
}

/// A mail that joins the queue.
#[derive(Clone, Copy, Debug)]
pub struct NewMail<'a> {
    /// Its name.
    pub mail: MailId,
    /// Its place in the spool.
    pub place: SpoolPlace,
    /// When it came, in milliseconds of the epoch.
    pub arrived_ms: u64,
    /// For mail that is found in the spool at a start: until when the server before was alive, as far as anybody knows. Mail that was
    /// there for longer than its first wait has had its tries: it waits for the next one that its age has. All other mail is tried at
    /// once, as perhaps it never was. `None` for mail that comes now.
    pub tried_until_ms: Option<u64>,
    /// The recipients that are not over, by site; any number of them, no recipient twice.
    pub recipients: &'a [(SiteId, &'a [u16])],
    /// Whether its sender is null, as that of reports: it has a lifetime of its own, and nobody hears of its delay.
    pub has_null_sender: bool,
    /// Whether the operator holds it.
    pub is_held: bool,
    /// Whether its sender has been told of its delay.
    pub is_noticed: bool,
}

/// A connection that is to be opened now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect {
    /// The name of the connection for the queue.
    pub connection: OutgoingId,
    /// The site to connect to.
    pub site: SiteId,
    /// Whether this is the one connection that finds out whether the site is up again.
    pub is_probe: bool,
}

/// What a connection does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextJob {
    /// It sends this mail.
    Job(StartedJob),
    /// Nothing for now. A connection without a job is idle from here on: [`QueueEvent::Offer`] says when there is one, and its
    /// owner may close it at any time.
    Wait,
    /// The connection is closed, since the site may have fewer connections now, or another site's turn has come.
    Close,
}

/// A job that goes out now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartedJob {
    /// The job.
    pub job: JobId,
    /// The mail.
    pub mail: MailId,
    /// The place of the mail in the spool.
    pub place: SpoolPlace,
    /// Its recipients, at most [`JOB_RECIPIENTS_MAX`].
    pub recipients: SmallVec<[JobRecipient; 2]>,
}

/// A recipient of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobRecipient {
    /// Its index in the envelope.
    pub index: u16,
    /// Tries that were made before this one, as far as this process knows.
    pub tries: u16,
}

/// The outcome of a try for one recipient.
///
/// The replies are kept for listings and reports, of each the first [`KEPT_REPLY_BYTES_MAX`] octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipientOutcome<'a> {
    /// The site has it. The recipient leaves the queue.
    Sent,
    /// The site will never take it. The recipient leaves the queue.
    Failed,
    /// The site does not take it now: it waits for its next try.
    Deferred(&'a str),
    /// The host was not reached, or failed before it said anything of this recipient: it waits for its next try, and the site gets
    /// no credit.
    Unreached(&'a str),
    /// Nobody knows whether the site has it, since the reply to the end of the message never came: it waits, and not only for a moment.
    Uncertain(&'a str),
    /// Nothing was tried: it goes again at once. Only for what made progress (a host that takes fewer recipients a transaction than
    /// the job has) or for a kept connection that turned out to be dead; all else would be tried for ever.
    Again,
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutgoingEnd {
    /// It was not needed any more, was idle or in use for long enough, or a kept connection was found dead.
    Done,
    /// The peer said `421`, closed it in the middle, fell silent, or broke the protocol: fewer connections are opened.
    Broken,
}

/// What the queue wants done, other than new connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueEvent {
    /// This idle connection is to ask for its next job, at once.
    Offer(OutgoingId),
    /// This idle connection is to be closed, since another site has use for it.
    CloseIdle(OutgoingId),
    /// These recipients are given up. They stay listed until [`Queue::over`](super::Queue::over).
    Expired {
        /// The mail.
        mail: MailId,
        /// Its recipients that are given up; each is named once.
        recipients: Vec<u16>,
    },
    /// The sender is to be told that these recipients have not got the mail yet; once a mail.
    DelayNotice {
        /// The mail.
        mail: MailId,
        /// Its recipients that still wait.
        recipients: Vec<u16>,
    },
}

/// The recipients of a mail that the operator speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice<'a> {
    /// All.
    All,
    /// Recipients with these indices, in ascending order.
    Only(&'a [u16]),
}

/// How many recipients a command of the operator concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Recipients in all.
    pub recipients: u32,
    /// Recipients among them that are being sent to just now: the command takes effect before the end of the message, or after the reply.
    pub in_flight: u32,
}

/// The state of a recipient that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipientState {
    /// Waits for its next try, or for its site to be up again.
    Waiting,
    /// Goes as soon as a connection is free.
    Ready,
    /// Is being sent to.
    Active,
    /// The operator holds it.
    Held,
    /// The reply to the end of the message never came; waits.
    Uncertain,
    /// Given up; its report is not in the spool yet.
    Expired,
}

/// A recipient as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecipientView<'a> {
    /// Its index in the envelope.
    pub index: u16,
    /// Its site.
    pub site: SiteId,
    /// Its state.
    pub state: RecipientState,
    /// Tries that were made, as far as this process knows.
    pub tries: u16,
    /// When it is tried next, in milliseconds of the epoch; `None` where that depends on something else than time.
    pub next_ms: Option<u64>,
    /// The last reply; empty before the first. Where the queue holds too many different ones, only its code.
    pub reply: &'a str,
}

/// A mail as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailView {
    /// Its name.
    pub mail: MailId,
    /// Its place in the spool.
    pub place: SpoolPlace,
    /// When it came, in milliseconds of the epoch, to an eighth of a second.
    pub arrived_ms: u64,
    /// Whether its sender was told of its delay.
    pub is_noticed: bool,
}

/// The state of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteState {
    /// Takes mail, as far as is known.
    Up,
    /// Did not take connections; the next is tried at this time, in milliseconds of the epoch, or when mail falls due after it.
    Down {
        /// The earliest time of that connection.
        until_ms: u64,
    },
    /// One connection finds out whether it is up again.
    Probing,
    /// The hosts of its domain are being looked up.
    Resolving,
}

/// A site as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteView<'a> {
    /// The site.
    pub site: SiteId,
    /// Its name, as it was given to [`Queue::site`](super::Queue::site).
    pub name: &'a str,
    /// Its state.
    pub state: SiteState,
    /// Jobs that wait for their time.
    pub waiting: u32,
    /// Jobs that wait for a connection.
    pub ready: u32,
    /// Jobs that are being sent.
    pub active: u32,
    /// Jobs that the operator holds.
    pub held: u32,
    /// Connections, idle ones and those that are being opened among them.
    pub connections: u16,
    /// Connections that it may have.
    pub window: u16,
    /// When the oldest mail came that waits for it, in milliseconds of the epoch. Once that one has gone, an estimate until all others
    /// have been tried again.
    pub oldest_ms: Option<u64>,
    /// The policy of TLS by which its last connection was made; empty before the first.
    pub policy: &'static str,
    /// Why its last connection failed; empty since one has succeeded.
    pub error: &'a str,
}
