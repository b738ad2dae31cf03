//! Answers about the queue, and changes of it, for an operator: in parts of bounded work, so that neither a listing of a million nor a
//! change of all of them keeps the loop.
//!
//! A part goes through some mails, in the order of their names, and ends with the cursor from which the next one goes on, in a later
//! tick. Mail that comes and goes meanwhile moves no other.

mod change;
mod list;
mod show;
mod words;

use core::fmt::{self, Write};
use core::ops::ControlFlow;
use std::rc::Rc;

use bytes::BytesMut;

use crate::control::queue::QueueRequest;
use crate::control::queue_report::{SCANNING_LINE, SiteReport};
use crate::control::{AnswerPart, ControlRequest, NextPart, TRY_AGAIN_PREFIX};
use crate::outbound::queue::{
    Choice, MailView, RecipientView, SiteId, SiteState, SiteView, Touched,
};
use crate::store::spool::{ChangeCounts, MailId, SpoolEnvelope};
use words::seconds;

pub use crate::control::queue::QueueAction;

/// Octets of an answer after which a part of it ends.
const PART_BYTES_MAX: usize = 32 * 1024;
/// The most mails that a part goes through: reading an envelope costs some microseconds.
const PART_MAILS_MAX: usize = 128;
/// The most sites of a part.
const PART_SITES_MAX: usize = 64;

/// The queue and the spool, as an operator reaches them.
pub trait QueueAccess {
    /// The present time, in milliseconds of the epoch.
    fn now_ms(&self) -> u64;

    /// Whether the spool is still being read after a start, so that there is mail which is not in the queue yet.
    fn is_scanning(&self) -> bool;

    /// The first mails after this one, as [`Queue::mails_after`](crate::outbound::queue::Queue::mails_after).
    fn mails_after(&self, after: Option<MailId>, max: usize) -> Vec<MailId>;

    /// A mail in the queue.
    fn mail(&self, mail: MailId) -> Option<MailView>;

    /// Tells of the recipients of a mail that are not over, in an order that stays, until it is told to stop.
    fn recipients(&self, mail: MailId, tell: &mut dyn FnMut(RecipientView<'_>) -> ControlFlow<()>);

    /// The first sites after this one, as [`Queue::sites_after`](crate::outbound::queue::Queue::sites_after).
    fn sites_after(&self, after: Option<SiteId>, max: usize) -> Vec<SiteView<'_>>;

    /// Reads the envelope of a mail.
    fn envelope(&mut self, mail: &MailView) -> QueuedRead<Rc<SpoolEnvelope>>;

    /// Reads at most `max` octets of the text of a mail, from `at` on; none at its end.
    fn text(&mut self, mail: &MailView, at: u64, max: usize) -> QueuedRead<Rc<[u8]>>;

    /// Changes recipients of a mail, in the queue at once and in the spool soon. `None`: there is no such mail.
    fn apply(&mut self, action: QueueAction, mail: MailId, whom: Choice<'_>) -> Option<Touched>;

    /// How many changes the spool was told of, and how many of them are durable.
    fn change_counts(&mut self) -> ChangeCounts;
}

/// What came of reading a mail in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueuedRead<T> {
    /// It is here.
    Now(T),
    /// The disk has to be waited for: ask again in a moment.
    Later,
    /// It cannot be read.
    Failed,
}

/// Answers a question, or the next part of it.
pub fn answer(request: QueueRequest, queue: &mut dyn QueueAccess) -> AnswerPart {
    let mut text = BytesMut::new();
    let next = match request {
        QueueRequest::List(cursor) => list::list(cursor, queue, &mut text),
        QueueRequest::Show(mail, cursor) => show::show(mail, cursor, queue, &mut text),
        QueueRequest::Sites(after) => sites(after, queue, &mut text),
        QueueRequest::Change(change) => change::change(*change, queue, &mut text),
    };
    AnswerPart { text, next }
}

fn sites(after: Option<u32>, queue: &dyn QueueAccess, text: &mut BytesMut) -> NextPart {
    let sites = queue.sites_after(after.map(SiteId), PART_SITES_MAX);
    for site in &sites {
        let (state, until_ms) = match site.state {
            SiteState::Up => ("up", None),
            SiteState::Down { until_ms } => ("down", Some(until_ms)),
            SiteState::Probing => ("probing", None),
            SiteState::Resolving => ("resolving", None),
        };
        let report = SiteReport {
            name: site.name.to_owned(),
            state: state.to_owned(),
            until: until_ms.map(seconds),
            waiting: site.waiting,
            ready: site.ready,
            active: site.active,
            held: site.held,
            connections: site.connections,
            window: site.window,
            oldest: site.oldest_ms.map(seconds),
            policy: site.policy.to_owned(),
            error: site.error.to_owned(),
        };
        write_line(text, &report);
    }
    match sites.last() {
        Some(last) => ask(QueueRequest::Sites(Some(last.site.0))),
        None => end(queue.is_scanning(), text),
    }
}

/// The end of an answer that goes through all mail, which says whether that was only a part of it.
fn end(is_partial: bool, text: &mut BytesMut) -> NextPart {
    if is_partial {
        write_line(text, &SCANNING_LINE);
    }
    NextPart::End
}

/// The end of an answer about a mail that is not in the queue.
fn unknown(mail: MailId, queue: &dyn QueueAccess) -> NextPart {
    if queue.is_scanning() {
        return try_again(format_args!(
            "the server still reads its spool after a start, and has not found {mail} so far"
        ));
    }
    NextPart::Error(format!("no mail {mail} is in the queue"))
}

/// The end of an answer that may be another one later.
fn try_again(why: fmt::Arguments<'_>) -> NextPart {
    NextPart::Error(format!("{TRY_AGAIN_PREFIX}{why}"))
}

fn ask(request: QueueRequest) -> NextPart {
    NextPart::Ask(ControlRequest::Queue(request))
}

fn ask_later(request: QueueRequest) -> NextPart {
    NextPart::AskLater(ControlRequest::Queue(request))
}

fn write_line(text: &mut BytesMut, line: &impl fmt::Display) {
    // Memory takes all that is written.
    let _ = writeln!(text, "{line}");
}
