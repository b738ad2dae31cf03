//! The listing of all mail.

use core::ops::ControlFlow;

use bytes::BytesMut;

use super::words::{seconds, sender, state};
use super::{
    NextPart, PART_BYTES_MAX, PART_MAILS_MAX, QueueAccess, QueuedRead, ask, ask_later, end,
    write_line,
};
use crate::control::queue::{ListCursor, QueueRequest};
use crate::control::queue_report::{MailReport, RecipientReport};
use crate::outbound::queue::{MailView, RecipientView};
use crate::store::spool::SpoolEnvelope;

/// How much later than the start of a listing a mail may have come and still be listed: so exact its time is.
const ARRIVAL_SLACK_MS: u64 = 250;

/// Whether a mail came after this listing, or change, had begun. All those that come after it did, too, but for some that the clock was
/// set back for.
pub(super) fn came_later(mail: &MailView, began_ms: u64) -> bool {
    mail.arrived_ms > began_ms.saturating_add(ARRIVAL_SLACK_MS)
}

/// Writes the next part of a listing.
pub(super) fn list(
    mut cursor: ListCursor,
    queue: &mut dyn QueueAccess,
    text: &mut BytesMut,
) -> NextPart {
    let began_ms = *cursor.began_ms.get_or_insert(queue.now_ms());
    cursor.is_partial |= queue.is_scanning();
    let mails = queue.mails_after(cursor.after, PART_MAILS_MAX);
    if mails.is_empty() {
        return end(cursor.is_partial, text);
    }
    for id in mails {
        if let Some(mail) = queue.mail(id) {
            if came_later(&mail, began_ms) {
                return end(cursor.is_partial, text);
            }
            let envelope = match queue.envelope(&mail) {
                QueuedRead::Now(envelope) => Some(envelope),
                QueuedRead::Later => return ask_later(QueueRequest::List(cursor)),
                QueuedRead::Failed => None,
            };
            let told = cursor.recipients;
            if let Some(told) = put_mail(&mail, envelope.as_deref(), told, queue, text) {
                cursor.recipients = told;
                return ask(QueueRequest::List(cursor));
            }
        }
        cursor.after = Some(id);
        cursor.recipients = 0;
        if text.len() >= PART_BYTES_MAX {
            break;
        }
    }
    ask(QueueRequest::List(cursor))
}

/// Writes a mail and its recipients but for those that were told. Returns how many were, if some are left for the next part.
fn put_mail(
    mail: &MailView,
    envelope: Option<&SpoolEnvelope>,
    told: usize,
    queue: &dyn QueueAccess,
    text: &mut BytesMut,
) -> Option<usize> {
    let mut is_headed = told > 0;
    put_recipients(mail, told, queue, text, |view, text| {
        // A mail whose recipients are all over is in the queue for a moment, and not listed.
        if !std::mem::replace(&mut is_headed, true) {
            write_line(text, &mail_report(mail, envelope));
        }
        write_line(text, &recipient_report(&view, envelope));
    })
}

/// Writes the recipients of a mail from the one after so many on. Returns how many were told, if some are left for the next part.
pub(super) fn put_recipients(
    mail: &MailView,
    told: usize,
    queue: &dyn QueueAccess,
    text: &mut BytesMut,
    mut put: impl FnMut(RecipientView<'_>, &mut BytesMut),
) -> Option<usize> {
    let mut seen = 0;
    let mut left = None;
    queue.recipients(mail.mail, &mut |view| {
        if seen >= told {
            if text.len() >= PART_BYTES_MAX {
                left = Some(seen);
                return ControlFlow::Break(());
            }
            put(view, text);
        }
        seen += 1;
        ControlFlow::Continue(())
    });
    left
}

pub(super) fn mail_report(mail: &MailView, envelope: Option<&SpoolEnvelope>) -> MailReport {
    // The queue knows it by an eighth of a second.
    let arrived_ms = envelope.map_or(mail.arrived_ms, |envelope| envelope.arrived_ms);
    MailReport {
        id: mail.mail.to_string(),
        size: mail.place.text_bytes,
        queued: seconds(arrived_ms),
        sender: envelope.map(|envelope| sender(&envelope.sender)),
        quarantine: envelope.and_then(|it| it.quarantine.as_deref().map(str::to_owned)),
        facts: Vec::new(),
    }
}

pub(super) fn recipient_report(
    view: &RecipientView<'_>,
    envelope: Option<&SpoolEnvelope>,
) -> RecipientReport {
    let recipient = envelope.and_then(|envelope| envelope.recipients.get(usize::from(view.index)));
    RecipientReport {
        address: recipient.map(|recipient| recipient.address.to_string()),
        state: state(view.state).to_owned(),
        tries: view.tries,
        next: view.next_ms.map(seconds),
        reply: view.reply.to_owned(),
        facts: Vec::new(),
    }
}
