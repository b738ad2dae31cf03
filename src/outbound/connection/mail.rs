//! A transaction as the client's session takes it, made of a message in the spool.

use core::fmt::Write;

use smallvec::SmallVec;

use crate::outbound::delivery::HopDelivery;
use crate::smtp::client::{Outgoing, OutgoingParameters};
use crate::smtp::dsn::RecipientDsn;
use crate::smtp::envelope::Body;
use crate::smtp::path::Mailbox;
use crate::store::spool::SpoolRecipient;

/// Makes the transaction for these recipients. One whose index leads beyond the envelope is left out.
pub(super) fn outgoing(delivery: &HopDelivery, recipients: &[u16]) -> Outgoing {
    let envelope = &delivery.envelope;
    let recipients = recipients.iter();
    let recipients: SmallVec<[&SpoolRecipient; 4]> = recipients
        .filter_map(|&index| envelope.recipients.get(usize::from(index)))
        .collect();
    let is_binary = envelope.body == Body::BinaryMime;
    let asks = envelope.dsn.is_some() || recipients.iter().any(|it| it.dsn.is_some());
    let parameters = (is_binary || envelope.smtputf8 || asks).then(|| {
        Box::new(OutgoingParameters {
            is_binary,
            smtputf8: envelope.smtputf8,
            dsn: envelope.dsn.as_deref().cloned(),
            recipients: recipients.iter().map(|it| recipient_dsn(it)).collect(),
        })
    });
    Outgoing {
        from: envelope.sender.clone(),
        to: recipients.iter().map(|it| it.address.clone()).collect(),
        size: delivery.text.bytes,
        eight_bit: delivery.text.is_eight_bit,
        parameters,
    }
}

/// What is asked of reports on a recipient. Where its sender has asked for some and named no original address, that is the one it
/// named in RCPT (RFC 3461 §5.2.1).
fn recipient_dsn(recipient: &SpoolRecipient) -> Option<RecipientDsn> {
    let mut dsn = recipient.dsn.as_deref()?.clone();
    if dsn.notify.is_some() && dsn.original.is_none() {
        let named = recipient.named.as_ref().unwrap_or(&recipient.address);
        dsn.original = Some(original(named).into());
    }
    Some(dsn)
}

/// An address as ORCPT has it: in xtext (RFC 3461 §4), or beyond ASCII in unitext (RFC 6533 §3).
fn original(address: &Mailbox) -> String {
    let is_ascii = address.is_ascii();
    let mut text = String::from(if is_ascii { "rfc822;" } else { "utf-8;" });
    for character in address.as_str().chars() {
        let is_plain = !character.is_ascii() || character.is_ascii_graphic();
        let is_special = matches!(character, '+' | '=') || !is_ascii && character == '\\';
        // Writing to memory cannot fail.
        let _ = match u32::from(character) {
            _ if is_plain && !is_special => text.write_char(character),
            code if is_ascii => write!(text, "+{code:02X}"),
            code => write!(text, "\\x{{{code:02X}}}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn original_addresses_are_in_xtext_or_unitext() {
        for (address, text) in [
            ("ada@example.org", "rfc822;ada@example.org"),
            ("a+b=c@x.example", "rfc822;a+2Bb+3Dc@x.example"),
            ("\"a b\\\\\"@x.example", "rfc822;\"a+20b\\\\\"@x.example"),
            #[cfg(feature = "smtputf8")]
            (
                "\"ä+ \\\\\"@x.example",
                "utf-8;\"ä\\x{2B}\\x{20}\\x{5C}\\x{5C}\"@x.example",
            ),
        ] {
            let address: Mailbox = address
                .parse()
                .unwrap_or_else(|_| unreachable!("{address}"));
            assert_eq!(original(&address), text);
        }
    }
}
