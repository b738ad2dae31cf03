//! The queue without a server: mail as it lies in the spool. Of tries nothing is known then.

use std::io;
use std::path::Path;

use super::client::unwritable;
use super::print::QueuePrinter;
use crate::control::queue_report::{MailReport, RecipientReport};
use crate::exit::{ExitCode, Failed};
use crate::smtp::fields::HeaderLine;
use crate::smtp::path::ReversePath;
use crate::store::spool::{FoundMail, MailId, SpoolEnvelope, SpoolInspection};

/// The most octets of a text in which a header is looked for.
const HEADER_BYTES_MAX: usize = 1024 * 1024;

/// Shows mail of a spool, one or all, in the order in which they lie.
///
/// # Errors
/// The spool cannot be read, or standard output cannot be written, or there is no such mail.
pub(super) fn show(
    spool: &Path,
    wanted: Option<MailId>,
    printer: &mut QueuePrinter,
) -> Result<(), Failed> {
    let unreadable = |error| unreadable(spool, &error);
    let mut inspection = SpoolInspection::open(spool).map_err(unreadable)?;
    let mut found = Vec::new();
    let mut is_found = wanted.is_none();
    let mut goes_on = true;
    while goes_on {
        goes_on = inspection.scan(&mut found);
        for mail in found.drain(..) {
            if wanted.is_some_and(|wanted| wanted != mail.mail) {
                continue;
            }
            let mut put = put_mail(&mail, printer);
            if wanted.is_some() {
                is_found = true;
                let text = inspection.text_start(mail.mail, mail.place, HEADER_BYTES_MAX);
                let text = text.map_err(unreadable)?;
                put = put.and_then(|()| put_header(&text, printer));
            }
            if let Err(error) = put {
                return unwritable(&error);
            }
        }
    }
    if let Err(error) = printer.finish() {
        return unwritable(&error);
    }
    if inspection.damaged() > 0 {
        eprintln!("Some of the spool cannot be read: there may be more mail.");
    }
    match wanted.filter(|_| !is_found) {
        Some(mail) => Err(Failed::new(
            ExitCode::Data,
            format_args!("no mail {mail} is in the spool"),
        )),
        None => Ok(()),
    }
}

/// Checks that there is a spool, though no server has it.
///
/// # Errors
/// There is none.
pub(super) fn check(spool: &Path) -> Result<(), Failed> {
    SpoolInspection::check(spool).map_err(|error| unreadable(spool, &error))
}

fn unreadable(spool: &Path, error: &io::Error) -> Failed {
    use io::ErrorKind::{InvalidInput, NotADirectory, NotFound};
    let code = match error.kind() {
        NotFound | NotADirectory | InvalidInput => ExitCode::NoInput,
        _ => ExitCode::Unavailable,
    };
    let spool = spool.display();
    let message =
        format_args!("cannot read the spool {spool}: {error}; name another one with --spool");
    Failed::new(code, message)
}

fn put_mail(found: &FoundMail, printer: &mut QueuePrinter) -> io::Result<()> {
    let envelope = SpoolEnvelope::decode(&found.envelope).ok();
    let sender = envelope.as_ref().map(|envelope| match &envelope.sender {
        ReversePath::Null => String::new(),
        ReversePath::Mailbox(sender) => sender.to_string(),
    });
    printer.mail(MailReport {
        id: found.mail.to_string(),
        size: found.place.text_bytes,
        queued: envelope
            .as_ref()
            .map_or(found.mail.instance.into(), |envelope| {
                envelope.arrived_ms / 1000
            }),
        sender,
        quarantine: envelope
            .as_ref()
            .and_then(|envelope| envelope.quarantine.as_deref().map(str::to_owned)),
        facts: Vec::new(),
    })?;
    for index in (0..found.recipients).filter(|index| !found.over.contains(index)) {
        let is_held = found.held.is_empty() || found.held.contains(&index);
        let state = match found.is_held && is_held {
            true => "held",
            false => "waiting",
        };
        let recipients = envelope.as_ref().map(|envelope| &envelope.recipients);
        let recipient = recipients.and_then(|recipients| recipients.get(usize::from(index)));
        printer.recipient(RecipientReport {
            address: recipient.map(|recipient| recipient.address.to_string()),
            state: state.to_owned(),
            ..RecipientReport::default()
        });
    }
    Ok(())
}

fn put_header(text: &[u8], printer: &mut QueuePrinter) -> io::Result<()> {
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        if matches!(HeaderLine::of(line), HeaderLine::Empty | HeaderLine::Text) {
            break;
        }
        printer.header(String::from_utf8_lossy(line).trim_end_matches(['\r', '\n']))?;
    }
    Ok(())
}
