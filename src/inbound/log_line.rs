//! Log lines: `key=value`, one a happening, whatever a peer puts into them.

use core::fmt;

use crate::smtp::envelope::{QueueId, Recipient};
use crate::smtp::log_value::LogValue;
use crate::smtp::path::Mailbox;
use crate::smtp::reply::Reply;

/// Recipients as their client named them, in angle brackets, separated by commas.
pub(super) struct Recipients<'a>(pub(super) &'a [Recipient]);

impl fmt::Display for Recipients<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, recipient) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}<{}>", recipient.address)?;
        }
        Ok(())
    }
}

/// The queue id of a message, if it has one yet.
pub(super) struct Id<'a>(pub(super) Option<&'a QueueId>);

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => write!(f, " id={}", id.as_str()),
            None => Ok(()),
        }
    }
}

/// The mailboxes of recipients that led elsewhere than their address says: by an alias, the catch-all, or a tag that was left
/// off. Nothing if there are none.
pub(super) struct LedTo<'a>(pub(super) &'a [Recipient]);

impl LedTo<'_> {
    fn mailboxes(&self) -> impl Iterator<Item = &Mailbox> {
        let led = |recipient: &&Recipient| match &recipient.mailboxes[..] {
            [mailbox] => *mailbox != recipient.address && *mailbox != recipient.address.plain(),
            _ => true,
        };
        let recipients = self.0.iter().filter(led);
        recipients.flat_map(|recipient| &recipient.mailboxes)
    }
}

impl fmt::Display for LedTo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mailboxes().next().is_none() {
            return Ok(());
        }
        write!(f, " mailbox={}", LogValue(Addresses(|| self.mailboxes())))
    }
}

/// At most so many mailboxes are named, however many an alias leads to.
const MAILBOXES_NAMED_MAX: usize = 100;

/// Addresses in angle brackets, separated by commas, and the number of those that are too many.
struct Addresses<F>(F);

impl<'a, F: Fn() -> I, I: Iterator<Item = &'a Mailbox>> fmt::Display for Addresses<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut addresses = self.0();
        for (index, address) in addresses.by_ref().take(MAILBOXES_NAMED_MAX).enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}<{address}>")?;
        }
        match addresses.count() {
            0 => Ok(()),
            more => write!(f, ",+{more}"),
        }
    }
}

/// The outcome of a message: `stored`, or `rejected=452`, with every code there is; `stored=2 rejected=452` if that
/// many recipients have it and others do not.
pub(super) struct Outcomes<'a>(pub(super) &'a [Result<(), Reply>]);

impl fmt::Display for Outcomes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut codes = Vec::new();
        for reply in self.0.iter().filter_map(|outcome| outcome.err()) {
            if !codes.contains(&reply.code) {
                codes.push(reply.code);
            }
        }
        let stored = self.0.iter().filter(|outcome| outcome.is_ok()).count();
        match (stored, &codes[..]) {
            (_, []) => return f.write_str("stored"),
            (0, _) => {}
            _ => write!(f, "stored={stored} ")?,
        }
        for (index, code) in codes.iter().enumerate() {
            let before = if index == 0 { "rejected=" } else { "," };
            write!(f, "{before}{code}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::reply;

    #[test]
    fn outcomes_are_told_once_each() {
        let (full, failed) = (Err(reply::STORE_FULL), Err(reply::STORE_FAILED));
        for (outcomes, written) in [
            (&[Ok(())][..], "stored"),
            (&[Ok(()), Ok(())], "stored"),
            (&[full], "rejected=452"),
            (&[full, failed, full], "rejected=452,451"),
            (&[full, Ok(()), Ok(()), full], "stored=2 rejected=452"),
        ] {
            assert_eq!(Outcomes(outcomes).to_string(), written);
        }
    }
}
