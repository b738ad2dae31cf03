//! A delivery that may have come through before: its mailbox is searched for the message, just before the file gets its name there.
//!
//! One look at a mailbox serves all messages of a group commit that are for it. So a backlog into one large mailbox costs a listing
//! for a group, not for a message.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, ErrorKind};
use std::iter;
use std::time::{Duration, Instant};

use super::MessageDelivery;
use super::mailbox_link::LinkState;
use crate::store::Failure;
use crate::store::maildir::disk::Disk;
use crate::store::maildir::folders::MailboxPath;
use crate::store::maildir::names::{OnceName, key_of};

/// The age from which on a delivery is looked for in any case: whoever handed the message out may have taken it for lost, and another
/// process may have delivered it.
const LOOK_AFTER: Duration = Duration::from_secs(3);
/// The time for which a look is relied on. Another process may deliver meanwhile, and where a reader has taken that file to `cur/`, or
/// the other host has another name, no name stands in the way.
const LOOK_GOOD_FOR: Duration = Duration::from_millis(200);

/// What a look at one mailbox has found.
pub(in crate::store::maildir) struct MailboxLook {
    mailbox: MailboxPath,
    good_until: Instant,
    /// The keys of files that are there, out of those that were looked for.
    found: Result<BTreeSet<Box<str>>, Failure>,
}

impl MailboxLook {
    /// Looks for files with these keys in a mailbox.
    fn take<D: Disk>(disk: &mut D, mailbox: &MailboxPath, keys: &BTreeSet<&str>) -> Self {
        let begun = Instant::now();
        let found = found_of(disk, mailbox, keys).map_err(Failure::from);
        // A mailbox that takes longer to list is not listed again all the time.
        let good_for = begun.elapsed().max(LOOK_GOOD_FOR);
        Self {
            mailbox: mailbox.clone(),
            good_until: Instant::now() + good_for,
            found,
        }
    }

    fn is_good_for(&self, mailbox: &MailboxPath) -> bool {
        self.mailbox == *mailbox && Instant::now() < self.good_until
    }
}

impl<F> MessageDelivery<F> {
    /// The mailbox that is to have the message once.
    pub(in crate::store::maildir) fn once_mailbox(&self) -> Option<&MailboxPath> {
        self.names.once.as_ref()?;
        // It is the only one.
        self.links.first().map(|link| &link.mailbox)
    }

    /// Whether it is looked for and nothing else.
    pub(super) fn is_sought(&self) -> bool {
        self.names.once.as_ref().is_some_and(|once| once.is_sought)
    }

    /// Whether an earlier try may have succeeded, so that the message may be there though this one failed.
    pub(in crate::store::maildir) fn may_be_there(&self) -> bool {
        let once = self.names.once.as_ref();
        once.is_some_and(|once| once.may_be_there)
    }

    /// Looks for a message that may have been delivered before, and notes where it is. It relies on the last `look` if that was at the
    /// same mailbox, just now; otherwise it looks for the messages that come next as well, as far as they are for that mailbox.
    pub(in crate::store::maildir) fn look<D: Disk<File = F>>(
        &mut self,
        next: &VecDeque<Self>,
        look: &mut Option<MailboxLook>,
        disk: &mut D,
    ) {
        let is_late = self.result.is_ok() && self.opened.elapsed() >= LOOK_AFTER;
        if !is_late && !self.may_be_there() {
            return;
        }
        let Some(mailbox) = self.once_mailbox() else {
            return;
        };
        let is_good = look.as_ref().is_some_and(|look| look.is_good_for(mailbox));
        if !is_good {
            let all = iter::once(&*self).chain(next);
            let here = all.take_while(|delivery| delivery.once_mailbox() == Some(mailbox));
            let keys = here.filter_map(|delivery| delivery.names.once.as_ref()?.key());
            *look = Some(MailboxLook::take(disk, mailbox, &keys.collect()));
        }
        if let Some(look) = look {
            self.note_look(look);
        }
    }

    /// Notes what a look at its mailbox has found.
    fn note_look(&mut self, look: &MailboxLook) {
        let key = self.names.once.as_ref().and_then(OnceName::key);
        let Some(link) = self.links.first_mut() else {
            return;
        };
        match &look.found {
            Ok(found) if key.is_some_and(|key| found.contains(key)) => {
                link.state = LinkState::Found;
                // Of its file system nothing is known.
                link.is_covered = false;
                link.failure = None;
                self.result = Ok(());
            }
            Ok(_) if self.is_sought() => {
                self.result = Err(Failure::Io("the message is not there".into()));
            }
            Ok(_) => {}
            Err(failure) if self.result.is_ok() => self.result = Err(failure.clone()),
            Err(_) => {}
        }
    }
}

/// The keys out of `sought` that files in a mailbox have. A reader moves a file from `new/` to `cur/`, so `cur/` is looked at last.
fn found_of<D: Disk>(
    disk: &mut D,
    mailbox: &MailboxPath,
    sought: &BTreeSet<&str>,
) -> io::Result<BTreeSet<Box<str>>> {
    let mut found = BTreeSet::new();
    for folder in ["new", "cur"] {
        let mut visit = |name: &str| {
            if let Some(key) = key_of(name).and_then(|key| sought.get(key)) {
                found.insert(Box::from(*key));
            }
        };
        match disk.each_name(&format!("{mailbox}/{folder}"), &mut visit) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            visited => visited?,
        }
        if found.len() == sought.len() {
            break;
        }
    }
    Ok(found)
}
