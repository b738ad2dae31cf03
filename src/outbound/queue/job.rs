//! A job: recipients of one mail at one site that are in one state, and what one recipient is while nobody is done with it.

use smallvec::SmallVec;

use super::links::Links;
use super::replies::KeptReply;
use super::ticks::Tick;

/// The state of a job. All but the first two of a site are counted for themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum JobState {
    /// There is no job.
    #[default]
    Empty,
    /// Its timer runs.
    Waiting,
    /// Its timer runs; nobody knows whether the site has the mail.
    Uncertain,
    /// Stands in a lane of its site.
    Ready,
    /// Joins its lane when another job of its mail and site leaves it: so a mail with many recipients takes turns with others.
    Behind,
    /// Is under way.
    Active,
    /// Held by the operator.
    Held,
    /// Given up, until the spool is told, with its report.
    Expired,
}

/// A recipient that is not over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct QueuedRecipient {
    pub(super) index: u16,
    pub(super) tries: u16,
    pub(super) reply: KeptReply,
    /// What the operator wants once its transaction is over.
    pub(super) wish: Wish,
}

/// The operator's wish for a recipient that is being sent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Wish {
    #[default]
    None,
    /// Hold it if it has not been sent.
    Hold,
    /// Forget it.
    Delete,
}

/// The recipients of a job; nearly all jobs have one.
pub(super) type JobRecipients = SmallVec<[QueuedRecipient; 2]>;

/// No further job of the mail.
pub(super) const NO_JOB: u32 = u32::MAX;

/// A job as it is kept: 28 octets.
#[derive(Clone, Copy, Debug)]
pub(super) struct JobRecord {
    /// The next job of the mail. Those of a site follow each other.
    pub(super) sibling: u32,
    /// Links of the timer wheel or of a lane.
    pub(super) links: Links,
    /// When its timer goes off; the number of its connection while it is under way.
    pub(super) due: Tick,
    /// The only recipient's index and wish, or where the recipients are; and whether it was never tried.
    packed: u32,
    tries: u16,
    reply: KeptReply,
    site: [u8; 3],
    pub(super) state: JobState,
}

/// The most sites: so many fit the number in a job.
pub(super) const SITES_MAX: u32 = 1 << 24;

const MANY: u32 = 1 << 31;
const FRESH: u32 = 1 << 30;
const WISH_SHIFT: u32 = 16;
const VALUE: u32 = FRESH - 1;

impl Default for JobRecord {
    fn default() -> Self {
        Self {
            sibling: NO_JOB,
            links: Links::default(),
            due: Tick::NEVER,
            packed: 0,
            tries: 0,
            reply: KeptReply::NONE,
            site: [0; 3],
            state: JobState::Empty,
        }
    }
}

impl JobRecord {
    /// A job of a site, for now without recipients.
    pub(super) fn new(site: u32, state: JobState, due: Tick, is_fresh: bool) -> Self {
        let [site @ .., _] = site.to_le_bytes();
        Self {
            due,
            site,
            state,
            packed: if is_fresh { FRESH } else { 0 },
            ..Self::default()
        }
    }

    /// The site.
    pub(super) fn site(&self) -> u32 {
        let [a, b, c] = self.site;
        u32::from_le_bytes([a, b, c, 0])
    }

    /// Whether it was never tried.
    pub(super) fn is_fresh(&self) -> bool {
        self.packed & FRESH != 0
    }

    /// Notes that it was tried.
    pub(super) fn set_tried(&mut self) {
        self.packed &= !FRESH;
    }

    /// The number of the list of its recipients, if it has several.
    pub(super) fn list(&self) -> Option<u32> {
        (self.packed & MANY != 0).then_some(self.packed & VALUE)
    }

    /// Lets its recipients be in this list.
    pub(super) fn set_list(&mut self, list: u32) {
        self.packed = self.packed & FRESH | MANY | list;
        (self.tries, self.reply) = (0, KeptReply::NONE);
    }

    /// The only recipient of a job that has no list.
    pub(super) fn single(&self) -> QueuedRecipient {
        QueuedRecipient {
            index: u16::try_from(self.packed & 0xFFFF).unwrap_or(0),
            tries: self.tries,
            reply: self.reply,
            wish: match (self.packed & VALUE) >> WISH_SHIFT {
                0 => Wish::None,
                1 => Wish::Hold,
                _ => Wish::Delete,
            },
        }
    }

    /// Makes this its only recipient.
    pub(super) fn set_single(&mut self, recipient: QueuedRecipient) {
        let wish = match recipient.wish {
            Wish::None => 0,
            Wish::Hold => 1,
            Wish::Delete => 2,
        };
        self.packed = self.packed & FRESH | wish << WISH_SHIFT | u32::from(recipient.index);
        (self.tries, self.reply) = (recipient.tries, recipient.reply);
    }
}
