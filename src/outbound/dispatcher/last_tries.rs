//! When recipients that wait were tried last, by which host, and with which status: for the reports on delays, and on mail that is
//! given up. It is kept for the last few thousand, so that a long queue costs no more memory.

use std::rc::Rc;

use crate::smtp::status::EnhancedStatus;
use crate::store::spool::MailId;

/// The most recipients of which it is kept.
const TRIES_MAX: usize = 8192;

/// A try that has not decided a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LastTry {
    /// The name of the host that was reached.
    pub(super) host: Option<Rc<str>>,
    /// The status of its reply, or of what happened.
    pub(super) status: EnhancedStatus,
    /// When that was, in milliseconds of the epoch.
    pub(super) at_ms: u64,
}

/// The last tries of recipients.
#[derive(Debug, Default)]
pub(super) struct LastTries {
    /// Each in the place that its name gives it, where it takes the place of another one.
    places: Vec<Option<(MailId, u16, LastTry)>>,
}

impl LastTries {
    /// Notes a try.
    pub(super) fn note(&mut self, mail: MailId, recipient: u16, tried: LastTry) {
        let place = place(mail, recipient);
        if self.places.len() <= place {
            self.places.resize(place + 1, None);
        }
        self.places[place] = Some((mail, recipient, tried));
    }

    /// The last try of a recipient, if it is still known.
    pub(super) fn get(&self, mail: MailId, recipient: u16) -> Option<&LastTry> {
        match self.places.get(place(mail, recipient))? {
            Some((of, index, tried)) if (*of, *index) == (mail, recipient) => Some(tried),
            _ => None,
        }
    }
}

/// The place of a recipient: those of mail that comes one after the other have places of their own.
fn place(mail: MailId, recipient: u16) -> usize {
    let number = mail.instance.wrapping_mul(40_503);
    let number = number.wrapping_add(mail.count);
    let number = number.wrapping_add(u32::from(recipient).wrapping_mul(257));
    number as usize % TRIES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_thousands_are_known_and_no_more_are_kept() {
        let mut tries = LastTries::default();
        let mail = |count| MailId { instance: 7, count };
        let tried = |at_ms| LastTry {
            host: Some("mx.example".into()),
            status: EnhancedStatus::new(4, 2, 0),
            at_ms,
        };
        assert_eq!(tries.get(mail(1), 0), None);
        for count in 0..20_000 {
            tries.note(mail(count), 0, tried(count.into()));
        }
        tries.note(mail(19_999), 0, tried(1));
        assert_eq!(tries.get(mail(19_999), 0), Some(&tried(1)));
        assert_eq!(tries.get(mail(19_999), 1), None);
        assert_eq!(tries.get(mail(12_000), 0), Some(&tried(12_000)));
        assert_eq!(tries.get(mail(5), 0), None);
        assert_eq!(tries.places.len(), TRIES_MAX);
    }
}
