//! Messages that have just come, in memory: most are sent on at once, and need not be read from the disk for that.
//!
//! The spool has each of them as well, and nothing is told of one before that is durable. So any may be forgotten at any time, and
//! is read from the disk then.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::id::MailId;
use super::store::SpoolMail;
use crate::store::counted::CountedMap;

/// The most octets of text that are kept.
const RECENT_BYTES_MAX: usize = 2 << 20;
/// The most messages that are kept, however short they are.
const RECENT_MAILS_MAX: usize = 8192;
/// A message that nobody has read for so long waits for something.
const RECENT_TIME: Duration = Duration::from_secs(10);

/// Whole messages that nobody has read since they came.
///
/// While there is no room, what comes is not kept: mail is read in the order in which it came, so that to make room for the newest
/// would be to forget what is read next.
#[derive(Debug)]
pub(super) struct RecentMails {
    mails: CountedMap<MailId, Rc<SpoolMail>>,
    /// All that were kept, in their order; some were taken since.
    order: VecDeque<KeptMail>,
    /// Octets of text of those in `order`.
    bytes: usize,
    now: Instant,
}

/// The place of a message in the order.
#[derive(Debug)]
struct KeptMail {
    mail: MailId,
    bytes: usize,
    until: Instant,
}

impl RecentMails {
    /// Keeps nothing yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            mails: CountedMap::default(),
            order: VecDeque::new(),
            bytes: 0,
            now,
        }
    }

    /// Sets the time, and forgets what nobody has read for long.
    pub(super) fn set_time(&mut self, now: Instant) {
        self.now = now;
        while let Some(oldest) = self.order.front()
            && oldest.until <= now
        {
            self.forget_oldest();
        }
    }

    /// Keeps a message that has come, if there is room.
    pub(super) fn keep(&mut self, mail: MailId, whole: SpoolMail) {
        let bytes = whole.text.as_ref().map_or(0, |text| text.len());
        if self.bytes + bytes > RECENT_BYTES_MAX || self.order.len() >= RECENT_MAILS_MAX {
            return;
        }
        self.mails.insert(mail, Rc::new(whole));
        self.bytes += bytes;
        self.order.push_back(KeptMail {
            mail,
            bytes,
            until: self.now + RECENT_TIME,
        });
    }

    /// Takes a message out that is to be read: few are read twice, and those from the disk.
    pub(super) fn take(&mut self, mail: MailId) -> Option<Rc<SpoolMail>> {
        let taken = self.mails.remove(&mail)?;
        // Those that were taken mostly stand at the front.
        while let Some(oldest) = self.order.front()
            && !self.mails.contains_key(&oldest.mail)
        {
            self.forget_oldest();
        }
        Some(taken)
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.order.pop_front() {
            self.mails.remove(&oldest.mail);
            self.bytes -= oldest.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::envelope::Body;
    use crate::smtp::path::ReversePath;
    use crate::store::spool::SpoolEnvelope;

    fn mail(count: u32) -> MailId {
        MailId { instance: 1, count }
    }

    fn whole(octets: usize) -> SpoolMail {
        let envelope = SpoolEnvelope {
            arrived_ms: 0,
            sender: ReversePath::Null,
            sender_is_ours: false,
            quarantine: None,
            user: None,
            body: Body::SevenBit,
            smtputf8: false,
            dsn: None,
            recipients: Vec::new(),
        };
        SpoolMail {
            envelope: Rc::new(envelope),
            text: Some(vec![b'x'; octets].into()),
        }
    }

    #[test]
    fn a_message_is_taken_once() {
        let mut recent = RecentMails::new(Instant::now());
        recent.keep(mail(1), whole(10));
        recent.keep(mail(2), whole(20));
        assert_eq!(recent.take(mail(2)).as_deref(), Some(&whole(20)));
        assert_eq!(recent.take(mail(2)), None);
        assert_eq!(recent.take(mail(1)).as_deref(), Some(&whole(10)));
        assert_eq!((recent.bytes, recent.order.len()), (0, 0));
    }

    #[test]
    fn what_is_kept_is_bounded_in_octets_and_in_number() {
        for octets in [0, 1000, RECENT_BYTES_MAX + 1] {
            let mut recent = RecentMails::new(Instant::now());
            for count in 0..20_000 {
                recent.keep(mail(count), whole(octets));
                assert!(recent.bytes <= RECENT_BYTES_MAX);
                assert!(recent.order.len() <= RECENT_MAILS_MAX);
                assert_eq!(recent.mails.len(), recent.order.len());
            }
            // The oldest ones are read next.
            assert_eq!(recent.take(mail(0)).is_some(), octets <= RECENT_BYTES_MAX);
            assert_eq!(recent.take(mail(19_999)), None);
        }
    }

    #[test]
    fn what_nobody_reads_is_forgotten() {
        let now = Instant::now();
        let mut recent = RecentMails::new(now);
        recent.keep(mail(1), whole(10));
        recent.set_time(now + RECENT_TIME / 2);
        recent.keep(mail(2), whole(10));
        recent.set_time(now + RECENT_TIME);
        assert_eq!(recent.take(mail(1)), None);
        assert!(recent.take(mail(2)).is_some());
    }
}
