//! From the envelope of a session to that of the spool: whom a message goes to in the end, each once.

use std::collections::HashSet;

use super::encoding::SPOOL_RECIPIENTS_MAX;
use super::envelope::{SpoolEnvelope, SpoolRecipient};
use crate::smtp::envelope::{Envelope, Recipient};
use crate::smtp::path::Mailbox;
use crate::store::Failure;

/// Makes the envelope of a message that came at `arrived_ms`. Its recipients are where aliases lead; an address to which
/// several lead is there once, as the first of them asked for it.
///
/// # Errors
/// [`Failure::Full`] if it has more recipients than the spool can name.
pub(super) fn spool_envelope(
    envelope: &Envelope,
    arrived_ms: u64,
) -> Result<SpoolEnvelope, Failure> {
    let addresses = envelope.recipients.iter();
    let addresses: usize = addresses
        .map(|it| it.mailboxes.len() + it.remote.len())
        .sum();
    let mut seen = HashSet::new();
    let mut recipients = Vec::with_capacity(envelope.recipients.len());
    for recipient in &envelope.recipients {
        let local = recipient.mailboxes.iter().map(|mailbox| (mailbox, true));
        let remote = recipient.remote.iter().map(|mailbox| (mailbox, false));
        for (address, is_local) in local.chain(remote) {
            // One alone, as nearly every message has, cannot be there twice.
            if addresses == 1 || seen.insert((is_local, identity(address, is_local))) {
                recipients.push(spool_recipient(recipient, address, is_local));
            }
        }
    }
    if recipients.len() > SPOOL_RECIPIENTS_MAX {
        return Err(Failure::Full("too many recipients for the spool".into()));
    }
    Ok(SpoolEnvelope {
        arrived_ms,
        sender: envelope.reverse_path.clone(),
        sender_is_ours: envelope.sender_is_ours,
        quarantine: envelope.quarantine.clone(),
        user: envelope.user.as_deref().map(Into::into),
        body: envelope.body,
        smtputf8: envelope.smtputf8,
        dsn: envelope.dsn.clone(),
        recipients,
    })
}

fn spool_recipient(recipient: &Recipient, address: &Mailbox, is_local: bool) -> SpoolRecipient {
    SpoolRecipient {
        address: address.clone(),
        is_local,
        named: (*address != recipient.address).then(|| recipient.address.clone()),
        dsn: recipient.dsn.clone(),
    }
}

/// The text that two spellings of an address have in common. Case in a local-part is for its own server to judge (RFC 5321
/// §2.4), and here it makes no difference.
fn identity(address: &Mailbox, is_local: bool) -> String {
    if is_local {
        return address.plain().as_str().to_owned();
    }
    let domain = address.ascii_domain().to_ascii_lowercase();
    format!("{}@{domain}", address.local_part_unquoted())
}
