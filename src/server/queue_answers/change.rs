//! Changes of mail that an operator selects.

use bytes::BytesMut;

use super::list::came_later;
use super::{
    NextPart, PART_MAILS_MAX, QueueAccess, QueuedRead, ask, ask_later, end, try_again, unknown,
    write_line,
};
use crate::control::queue::{AwaitedSync, QueueAction, QueueChange, QueueRequest, QueueSelection};
use crate::outbound::queue::{Choice, MailView, Touched};
use crate::smtp::path::ReversePath;
use crate::store::spool::{MailId, SpoolEnvelope};

/// The most mails of a change with a line each in the log. Of more there is one line at the end.
const LINES_MAX: u64 = 10;
/// Time for the spool to make a change durable: more than a process takes that follows one that was lost.
const SYNC_TIMEOUT_MS: u64 = 30_000;

/// The recipients of one mail that a selection fits.
enum Selected {
    /// None.
    Nobody,
    /// All.
    All,
    /// Those with these indices.
    Only(Vec<u16>),
    /// The disk has to be waited for.
    Later,
}

/// Makes the next part of a change.
pub(super) fn change(
    mut change: QueueChange,
    queue: &mut dyn QueueAccess,
    text: &mut BytesMut,
) -> NextPart {
    if change.sync.is_some() {
        return finish(change, queue, text);
    }
    if let Some(mail) = change.selection.mail {
        return change_one(mail, change, queue, text);
    }
    let began_ms = *change.began_ms.get_or_insert(queue.now_ms());
    change.is_partial |= queue.is_scanning();
    let mails = queue.mails_after(change.after, PART_MAILS_MAX);
    if mails.is_empty() {
        return finish(change, queue, text);
    }
    for id in mails {
        if let Some(mail) = queue.mail(id) {
            if came_later(&mail, began_ms) {
                return finish(change, queue, text);
            }
            if !apply(&mail, &mut change, queue) {
                return ask_later(QueueRequest::Change(Box::new(change)));
            }
        }
        change.after = Some(id);
    }
    ask(QueueRequest::Change(Box::new(change)))
}

/// Makes a change of a mail that is named.
fn change_one(
    id: MailId,
    mut change: QueueChange,
    queue: &mut dyn QueueAccess,
    text: &mut BytesMut,
) -> NextPart {
    let Some(mail) = queue.mail(id) else {
        return unknown(id, queue);
    };
    change.began_ms.get_or_insert(queue.now_ms());
    if apply(&mail, &mut change, queue) {
        finish(change, queue, text)
    } else {
        ask_later(QueueRequest::Change(Box::new(change)))
    }
}

/// Tells what was changed, as soon as the spool has made that durable.
fn finish(mut change: QueueChange, queue: &mut dyn QueueAccess, text: &mut BytesMut) -> NextPart {
    let (counts, now_ms) = (queue.change_counts(), queue.now_ms());
    let sync = change.sync.unwrap_or_else(|| {
        log_many(&change);
        AwaitedSync {
            changes: counts.told,
            since_ms: now_ms,
        }
    });
    // The spool knows nothing of a try at once.
    if counts.durable < sync.changes && change.action != QueueAction::Retry {
        if now_ms.saturating_sub(sync.since_ms) >= SYNC_TIMEOUT_MS {
            return try_again(format_args!(
                "the mail is {}, but that is not stored yet and would not survive an end of the server: the log tells what \
                 the spool lacks",
                done(change.action)
            ));
        }
        change.sync = Some(sync);
        return ask_later(QueueRequest::Change(Box::new(change)));
    }
    write_line(text, &change.changed);
    end(change.is_partial, text)
}

/// Logs a change of so many mails that not each has a line.
fn log_many(change: &QueueChange) {
    let changed = &change.changed;
    if changed.messages > LINES_MAX {
        let (action, messages, recipients) =
            (done(change.action), changed.messages, changed.recipients);
        log::info!("action={action} messages={messages} recipients={recipients}");
    }
}

/// The word of the log for a change.
fn done(action: QueueAction) -> &'static str {
    match action {
        QueueAction::Hold => "held",
        QueueAction::Release => "released",
        QueueAction::Retry => "retried",
        QueueAction::Delete => "deleted",
    }
}

/// Changes the recipients of a mail that the selection fits. Returns whether the disk had all that this took.
fn apply(mail: &MailView, change: &mut QueueChange, queue: &mut dyn QueueAccess) -> bool {
    let began_ms = change.began_ms.unwrap_or(u64::MAX);
    let touched = match selected(mail, &change.selection, began_ms, queue) {
        Selected::Nobody => return true,
        Selected::Later => return false,
        Selected::All => queue.apply(change.action, mail.mail, Choice::All),
        Selected::Only(indices) => queue.apply(change.action, mail.mail, Choice::Only(&indices)),
    };
    let touched: Touched = touched.unwrap_or_default();
    let changed = &mut change.changed;
    changed.messages += u64::from(touched.recipients > 0);
    changed.recipients += u64::from(touched.recipients);
    changed.active += u64::from(touched.in_flight);
    if touched.recipients > 0 && changed.messages <= LINES_MAX {
        let (action, recipients) = (done(change.action), touched.recipients);
        log::info!("id={} action={action} recipients={recipients}", mail.mail);
    }
    true
}

/// Finds the recipients of a mail that a selection fits.
fn selected(
    mail: &MailView,
    selection: &QueueSelection,
    began_ms: u64,
    queue: &mut dyn QueueAccess,
) -> Selected {
    if let Some(older) = selection.older_seconds
        && began_ms.saturating_sub(mail.arrived_ms) / 1000 < older
    {
        return Selected::Nobody;
    }
    if !selection.asks_for_envelope() {
        return Selected::All;
    }
    match queue.envelope(mail) {
        QueuedRead::Now(envelope) => fitting(&envelope, selection),
        QueuedRead::Later => Selected::Later,
        // Nobody knows whom it is for.
        QueuedRead::Failed => Selected::Nobody,
    }
}

/// Finds the recipients in an envelope that a selection fits.
fn fitting(envelope: &SpoolEnvelope, selection: &QueueSelection) -> Selected {
    if let Some(wanted) = &selection.sender {
        let is_it = match (wanted, &envelope.sender) {
            (ReversePath::Null, ReversePath::Null) => true,
            (ReversePath::Mailbox(wanted), ReversePath::Mailbox(sender)) => {
                *wanted == sender.plain()
            }
            _ => false,
        };
        if !is_it {
            return Selected::Nobody;
        }
    }
    let Some(domain) = &selection.domain else {
        return Selected::All;
    };
    let indexed = (0..=u16::MAX).zip(&envelope.recipients);
    let there = indexed.filter(|(_, recipient)| {
        let address = &recipient.address;
        address.ascii_domain().eq_ignore_ascii_case(domain)
    });
    let indices: Vec<u16> = there.map(|(index, _)| index).collect();
    match indices.len() {
        0 => Selected::Nobody,
        count if count == envelope.recipients.len() => Selected::All,
        _ => Selected::Only(indices),
    }
}
