//! The room that a record has for an envelope.

use crate::json::put_text;
use crate::smtp::envelope::{Envelope, Recipient};
use crate::smtp::path::ReversePath;

/// The most octets of headers that a server of a stream stores, whatever it takes in.
const HEADERS_BYTES_MAX: usize = u16::MAX as usize;
/// Room for the other headers of a last record, of which the name of the stream is the longest.
const OTHER_HEADERS_BYTES: usize = 512;
/// Room for members of an envelope beside its addresses.
const OTHER_MEMBERS_BYTES: usize = 256;
/// Octets around the address and the mailboxes of a recipient, and around each mailbox.
const AROUND_RECIPIENT_BYTES: usize = r#"{"address":"","mailboxes":[]},"#.len();
const AROUND_MAILBOX_BYTES: usize = r#""","#.len();
/// The most octets that one of an address becomes in JSON.
const ESCAPED_BYTES_MAX: usize = 3;

/// The most octets of an envelope, where messages of a stream have so many in all.
pub(super) fn envelope_bytes_max(payload_bytes_max: usize) -> usize {
    let headers = payload_bytes_max.min(HEADERS_BYTES_MAX);
    headers.saturating_sub(OTHER_HEADERS_BYTES)
}

/// Whether an envelope of at most `bytes_max` octets has room for one more recipient.
pub(super) fn has_room(envelope: &Envelope, recipient: &Recipient, bytes_max: usize) -> bool {
    // Only large envelopes are measured exactly: nearly all are much smaller than there is room.
    if envelope_bytes(envelope, recipient, |text| text.len() * ESCAPED_BYTES_MAX) <= bytes_max {
        return true;
    }
    let mut escaped = Vec::new();
    let exact = envelope_bytes(envelope, recipient, |text| {
        escaped.clear();
        put_text(text, &mut escaped);
        escaped.len() - 2
    });
    exact <= bytes_max
}

/// Octets of an envelope with one more recipient, where `measure` says how many a text has in JSON.
fn envelope_bytes(
    envelope: &Envelope,
    recipient: &Recipient,
    mut measure: impl FnMut(&str) -> usize,
) -> usize {
    let mut bytes = OTHER_MEMBERS_BYTES;
    if let ReversePath::Mailbox(sender) = &envelope.reverse_path {
        bytes += measure(sender.as_str());
    }
    let one_more = std::slice::from_ref(recipient);
    for recipient in envelope.recipients.iter().chain(one_more) {
        bytes += AROUND_RECIPIENT_BYTES + measure(recipient.address.as_str());
        for mailbox in &recipient.mailboxes {
            bytes += AROUND_MAILBOX_BYTES + measure(mailbox.as_str());
        }
    }
    bytes
}
