//! All about one mail: its envelope, the state of its recipients, its header.

use bytes::BytesMut;

use super::list::{mail_report, put_recipients, recipient_report};
use super::words::notify;
use super::{NextPart, QueueAccess, QueuedRead, ask, ask_later, unknown, write_line};
use crate::control::queue::{QueueRequest, ShowCursor};
use crate::control::queue_report::{HeaderReport, RecipientReport};
use crate::outbound::queue::{MailView, RecipientView, SiteId};
use crate::smtp::dsn::ReturnContent;
use crate::smtp::envelope::Body;
use crate::smtp::fields::HeaderLine;
use crate::store::spool::{MailId, SpoolEnvelope};

/// The most octets of a header that a part of an answer shows. Encoded, each may take three.
const HEADER_PIECE_BYTES_MAX: usize = 8 * 1024;
/// The most octets of a header that are shown.
const HEADER_BYTES_MAX: u64 = 1024 * 1024;

/// Writes the next part about a mail.
pub(super) fn show(
    id: MailId,
    cursor: ShowCursor,
    queue: &mut dyn QueueAccess,
    text: &mut BytesMut,
) -> NextPart {
    let Some(mail) = queue.mail(id) else {
        return match cursor {
            ShowCursor::Recipients(0) => unknown(id, queue),
            // It has gone while it was told of.
            _ => NextPart::End,
        };
    };
    match cursor {
        ShowCursor::Recipients(told) => show_envelope(&mail, told, queue, text),
        ShowCursor::Header { at, is_in_line } => show_header(&mail, at, is_in_line, queue, text),
    }
}

fn show_envelope(
    mail: &MailView,
    told: usize,
    queue: &mut dyn QueueAccess,
    text: &mut BytesMut,
) -> NextPart {
    let envelope = match queue.envelope(mail) {
        QueuedRead::Now(envelope) => Some(envelope),
        QueuedRead::Later => {
            let cursor = ShowCursor::Recipients(told);
            return ask_later(QueueRequest::Show(mail.mail, cursor));
        }
        QueuedRead::Failed => None,
    };
    let envelope = envelope.as_deref();
    if told == 0 {
        let mut report = mail_report(mail, envelope);
        report.facts = envelope.map_or_else(Vec::new, facts);
        if mail.is_noticed {
            report.facts.push(fact("told", "of the delay"));
        }
        write_line(text, &report);
    }
    let queue: &dyn QueueAccess = queue;
    let left = put_recipients(mail, told, queue, text, |view, text| {
        write_line(text, &with_facts(&view, envelope, queue));
    });
    let header = ShowCursor::Header {
        at: 0,
        is_in_line: false,
    };
    let next = left.map_or(header, ShowCursor::Recipients);
    ask(QueueRequest::Show(mail.mail, next))
}

fn fact(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Facts about an envelope beyond its sender.
fn facts(envelope: &SpoolEnvelope) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    if let Some(user) = &envelope.user {
        facts.push(fact("user", user));
    }
    match envelope.body {
        Body::SevenBit => {}
        Body::EightBitMime => facts.push(fact("body", "8BITMIME")),
        Body::BinaryMime => facts.push(fact("body", "BINARYMIME")),
    }
    if envelope.smtputf8 {
        facts.push(fact("needs", "SMTPUTF8"));
    }
    if let Some(dsn) = &envelope.dsn {
        match dsn.ret {
            Some(ReturnContent::Full) => facts.push(fact("ret", "FULL")),
            Some(ReturnContent::Headers) => facts.push(fact("ret", "HDRS")),
            None => {}
        }
        if let Some(id) = &dsn.envelope_id {
            facts.push(fact("envid", id));
        }
    }
    facts
}

/// The line about a recipient, with all that is known of it.
fn with_facts(
    view: &RecipientView<'_>,
    envelope: Option<&SpoolEnvelope>,
    queue: &dyn QueueAccess,
) -> RecipientReport {
    let mut report = recipient_report(view, envelope);
    let recipient = envelope.and_then(|envelope| envelope.recipients.get(usize::from(view.index)));
    if let Some(recipient) = recipient {
        if let Some(named) = &recipient.named {
            report.facts.push(fact("named", named.as_str()));
        }
        let dsn = recipient.dsn.as_deref();
        if let Some(asked) = dsn.and_then(|dsn| dsn.notify) {
            report.facts.push(fact("notify", &notify(asked)));
        }
        if let Some(original) = dsn.and_then(|dsn| dsn.original.as_deref()) {
            report.facts.push(fact("orcpt", original));
        }
    }
    if view.site == SiteId::LOCAL {
        report.facts.push(fact("site", "local"));
    } else {
        let before = view.site.0.checked_sub(1).map(SiteId);
        let sites = queue.sites_after(before, 1);
        let site = sites.iter().find(|site| site.site == view.site);
        report
            .facts
            .extend(site.map(|site| fact("site", site.name)));
    }
    report
}

/// Writes the lines of the header from the octet `at` on, which may be in the middle of a line.
fn show_header(
    mail: &MailView,
    mut at: u64,
    mut is_in_line: bool,
    queue: &mut dyn QueueAccess,
    text: &mut BytesMut,
) -> NextPart {
    let ask_from = |at, is_in_line| {
        let cursor = ShowCursor::Header { at, is_in_line };
        QueueRequest::Show(mail.mail, cursor)
    };
    let piece = match queue.text(mail, at, HEADER_PIECE_BYTES_MAX) {
        QueuedRead::Now(piece) => piece,
        QueuedRead::Later => return ask_later(ask_from(at, is_in_line)),
        QueuedRead::Failed => return NextPart::End,
    };
    let is_full = piece.len() >= HEADER_PIECE_BYTES_MAX;
    for line in piece.split_inclusive(|octet| *octet == b'\n') {
        let is_cut = is_full && !line.ends_with(b"\n");
        // The start of a line is told in the next part, with the rest of it, unless it fills a part by itself.
        if is_cut && line.len() < piece.len() {
            break;
        }
        let kind = HeaderLine::of(line);
        if !is_in_line && matches!(kind, HeaderLine::Empty | HeaderLine::Text) {
            return NextPart::End;
        }
        let shown = String::from_utf8_lossy(line);
        let shown = shown.trim_end_matches(['\r', '\n']);
        write_line(text, &HeaderReport(shown.to_owned()));
        at += line.len() as u64;
        is_in_line = is_cut;
    }
    if is_full && at < HEADER_BYTES_MAX {
        ask(ask_from(at, is_in_line))
    } else {
        NextPart::End
    }
}
