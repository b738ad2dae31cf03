//! MAIL and RCPT with their parameters, each only where the server offers the extension that it belongs to.

use core::fmt::Write;

use bytes::BytesMut;

use super::capabilities::Capabilities;
use super::transaction::Outgoing;
use crate::smtp::dsn::{MessageDsn, Notify, RecipientDsn, ReturnContent};

/// Writes MAIL.
pub(super) fn write_mail(mail: &Outgoing, capabilities: &Capabilities, out: &mut BytesMut) {
    // Writing to memory cannot fail.
    let _ = write!(out, "MAIL FROM:{}", mail.from);
    if capabilities.size {
        let _ = write!(out, " SIZE={}", mail.size);
    }
    if mail.is_binary() {
        out.extend_from_slice(b" BODY=BINARYMIME");
    } else if capabilities.eight_bit_mime && mail.eight_bit {
        out.extend_from_slice(b" BODY=8BITMIME");
    }
    if let Some(parameters) = &mail.parameters {
        if parameters.smtputf8 {
            out.extend_from_slice(b" SMTPUTF8");
        }
        if let Some(dsn) = parameters.dsn.as_ref().filter(|_| capabilities.dsn) {
            write_message_dsn(dsn, out);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes RCPT for the recipient at this place.
pub(super) fn write_rcpt(
    mail: &Outgoing,
    place: usize,
    capabilities: &Capabilities,
    out: &mut BytesMut,
) {
    let Some(recipient) = mail.to.get(place) else {
        debug_assert!(false, "a recipient is written once");
        return;
    };
    let _ = write!(out, "RCPT TO:<{recipient}>");
    let parameters = mail.parameters.as_ref().filter(|_| capabilities.dsn);
    let dsn = parameters.and_then(|parameters| parameters.recipients.get(place)?.as_ref());
    if let Some(dsn) = dsn {
        write_recipient_dsn(dsn, out);
    }
    out.extend_from_slice(b"\r\n");
}

fn write_message_dsn(dsn: &MessageDsn, out: &mut BytesMut) {
    match dsn.ret {
        Some(ReturnContent::Full) => out.extend_from_slice(b" RET=FULL"),
        Some(ReturnContent::Headers) => out.extend_from_slice(b" RET=HDRS"),
        None => {}
    }
    if let Some(id) = &dsn.envelope_id {
        let _ = write!(out, " ENVID={id}");
    }
}

fn write_recipient_dsn(dsn: &RecipientDsn, out: &mut BytesMut) {
    if let Some(notify) = dsn.notify {
        let events = [
            (notify.success, "SUCCESS"),
            (notify.failure, "FAILURE"),
            (notify.delay, "DELAY"),
            (notify == Notify::NEVER, "NEVER"),
        ];
        let mut separator = " NOTIFY=";
        for (_, name) in events.iter().filter(|(is_wanted, _)| *is_wanted) {
            let _ = write!(out, "{separator}{name}");
            separator = ",";
        }
    }
    if let Some(original) = &dsn.original {
        let _ = write!(out, " ORCPT={original}");
    }
}
