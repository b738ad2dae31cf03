//! Delivery to Maildir folders, `DIR/<domain>/<local-part>/{tmp,new,cur}`.
//!
//! A message is written to a file in the `tmp/` of its first recipient. At commit its data is made durable
//! first; then it gets its names, a hard link in the `new/` of every other recipient and a rename into the
//! first one's; then those folders are made durable; and only then is it reported stored. So nothing in any
//! `new/` is ever torn, and nothing that was reported is lost by a power cut.
//!
//! - `folders` knows where mailboxes are, and opens, makes and removes their folders.
//! - `instance` makes the names of this process its own, and sweeps up what dead processes left.
//! - `text` is the file of a message that is still being written.
//! - `sync` makes the data of many such files durable at once.
//! - `delivery` is the way of a written message from `tmp/` to `new/`.

mod delivery;
mod folders;
mod instance;
mod sync;
mod text;

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;

use rustix::io::Errno;
use slab::Slab;

use self::delivery::Delivery;
use self::folders::{Folders, MailboxPath};
use self::instance::Instance;
use self::text::TextFile;
use super::{Draft, Failure, Finished, Store, Ticket, unix_seconds};
use crate::smtp::envelope::{Envelope, QUEUE_ID_BYTES_MAX, QueueId};
use crate::smtp::path::Mailbox;

/// The most bytes of a file name.
const FILE_NAME_BYTES_MAX: usize = 254;
/// The most digits of the time in a file name.
const SECONDS_DIGITS_MAX: usize = 20;
/// The most bytes of the host name in a file name: what time, queue id and two dots leave.
const HOST_BYTES_MAX: usize = FILE_NAME_BYTES_MAX - SECONDS_DIGITS_MAX - QUEUE_ID_BYTES_MAX - 2;

/// A store of Maildir folders, which it makes as mail for them comes in.
///
/// Several processes may have the same folder open. Dropping it leaves its instance file behind, so that
/// the number stays taken; the next start sweeps that up.
#[derive(Debug)]
pub struct Maildir {
    folders: Folders,
    instance: Instance,
    /// The host name as file names tell it.
    host: String,
    /// How many messages were begun.
    count: u64,
    drafts: Slab<Message>,
    submitted: Vec<Message>,
    /// Whether a sync of the whole file system tells of every error.
    sync_trusted: bool,
}

/// A message whose file is still open, which is the only descriptor it holds.
#[derive(Debug)]
struct Message {
    delivery: Delivery,
    text: TextFile,
}

impl Maildir {
    /// Opens the store in the folder `root`, which is made if it is missing. Its file names end in `hostname`,
    /// and it makes new mailboxes by itself while there are fewer than `max_mailboxes`. Mailboxes are
    /// counted now; those that others make or remove later are not seen.
    ///
    /// # Errors
    /// The folder cannot be made or read, or no instance can be claimed in it.
    pub fn open(root: &Path, hostname: &str, max_mailboxes: usize) -> io::Result<Self> {
        folders::create_root(root)?;
        let root = File::open(root)?;
        let instance = Instance::claim(&root)?;
        Ok(Self {
            folders: Folders::open(root, max_mailboxes)?,
            instance,
            host: host_in_file_name(hostname),
            count: 0,
            drafts: Slab::new(),
            submitted: Vec::new(),
            sync_trusted: sync::is_trusted(),
        })
    }
}

impl Maildir {
    /// Makes the data of all submitted messages durable and closes their files.
    fn sync_data(&mut self) -> Vec<Delivery> {
        let files = self.submitted.len();
        if !sync::worth_together(files, self.sync_trusted) {
            return self.submitted.drain(..).map(Message::sync).collect();
        }
        // The files stay open until their data is durable, so that the kernel cannot forget an error of theirs.
        let (synced, device) = (self.folders.sync_all(), self.folders.device());
        self.submitted
            .drain(..)
            .map(|message| message.synced(&synced, device))
            .collect()
    }
}

impl Store for Maildir {
    fn check(&mut self, recipient: &Mailbox, accepted: &[Mailbox]) -> Result<(), Failure> {
        let mailbox = MailboxPath::new(recipient)?;
        // Only near the limit does it matter which of the accepted ones exist or are the same.
        if self.folders.exists(&mailbox)? || self.folders.room() > accepted.len() {
            return Ok(());
        }
        let mut missing = BTreeSet::from([mailbox]);
        for recipient in accepted {
            let mailbox = MailboxPath::new(recipient)?;
            if !self.folders.exists(&mailbox)? {
                missing.insert(mailbox);
            }
        }
        if missing.len() > self.folders.room() {
            return Err(Failure::TooManyMailboxes);
        }
        Ok(())
    }

    fn begin(&mut self, envelope: &Envelope) -> Result<Draft, Failure> {
        let (first, others) = distinct(&envelope.recipients)?;
        self.count += 1;
        let id = QueueId::new(self.instance.name(), self.count);
        let file_name = format!("{}.{id}.{}", unix_seconds(), self.host);
        let file = self.folders.create_in_tmp(&first, &file_name)?;
        let ticket = Ticket(self.count);
        let key = self.drafts.insert(Message {
            delivery: Delivery::new(ticket, file_name, first, others),
            text: TextFile::new(file),
        });
        Ok(Draft::new(id, key))
    }

    // A `Draft` of ours cannot be copied, so its key is good in `write`, and once in `abort` or `submit`.
    fn write(&mut self, draft: &mut Draft, text: &[u8]) -> Result<(), Failure> {
        Ok(self.drafts[draft.key()].text.write(text)?)
    }

    fn abort(&mut self, draft: Draft) {
        let message = self.drafts.remove(draft.key());
        message.delivery.abandon(&mut self.folders);
    }

    fn submit(&mut self, draft: Draft) -> Ticket {
        let mut message = self.drafts.remove(draft.key());
        message.delivery.result = message.text.flush().map_err(Failure::from);
        let ticket = message.delivery.ticket;
        self.submitted.push(message);
        ticket
    }

    fn commit(&mut self, finished: &mut Vec<Finished>) {
        let mut group = self.sync_data();
        for delivery in &mut group {
            delivery.give_names(&mut self.folders);
        }
        delivery::sync_names(&mut group, &self.folders);
        // What is kept is settled before a failed message removes folders that it made.
        for delivery in &group {
            delivery.keep_folders(&mut self.folders);
        }
        let folders = &mut self.folders;
        finished.extend(group.into_iter().map(|delivery| delivery.finish(folders)));
    }
}

impl Message {
    /// Makes its data durable and closes its file.
    fn sync(self) -> Delivery {
        let Self { mut delivery, text } = self;
        if delivery.result.is_ok() {
            delivery.result = text.sync().map_err(Failure::from);
        }
        delivery
    }

    /// Closes its file, whose data was made durable with that of all others on `device`. An error may be that of
    /// any of them, so it is everybody's.
    fn synced(mut self, synced: &io::Result<()>, device: u64) -> Delivery {
        if !self.text.is_on(device) {
            // A mailbox may be on a file system of its own.
            return self.sync();
        }
        if let (Ok(()), Err(error)) = (&self.delivery.result, synced) {
            let errno = Errno::from_io_error(error).unwrap_or(Errno::IO);
            self.delivery.result = Err(io::Error::from(errno).into());
        }
        self.delivery
    }
}

/// The mailboxes of `recipients`, each one once, in their order: the first and the others.
fn distinct(recipients: &[Mailbox]) -> Result<(MailboxPath, Vec<MailboxPath>), Failure> {
    let Some((first, rest)) = recipients.split_first() else {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "no recipient");
        return Err(error.into());
    };
    let first = MailboxPath::new(first)?;
    let mut others = Vec::new();
    for recipient in rest {
        let mailbox = MailboxPath::new(recipient)?;
        if mailbox != first && !others.contains(&mailbox) {
            others.push(mailbox);
        }
    }
    Ok((first, others))
}

/// `hostname` as it stands in a file name. Maildir writes `/` and `:` as backslash and octal number, since the one
/// ends a folder name and the other begins the flags; control characters get the same here.
fn host_in_file_name(hostname: &str) -> String {
    let mut host = String::new();
    for character in hostname.chars() {
        let escaped = match character {
            '/' | ':' | '\0'..='\x1F' | '\x7F' => format!("\\{:03o}", u32::from(character)),
            _ => character.to_string(),
        };
        if host.len() + escaped.len() > HOST_BYTES_MAX {
            break;
        }
        host.push_str(&escaped);
    }
    host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_fit_into_file_names() {
        assert_eq!(host_in_file_name("mail.example.org"), "mail.example.org");
        assert_eq!(host_in_file_name("a/b:c\0"), "a\\057b\\072c\\000");
        let host = host_in_file_name(&"x:".repeat(200));
        assert!(host.len() <= HOST_BYTES_MAX && host.len() > HOST_BYTES_MAX - 4);
        assert!(host.ends_with('x') || host.ends_with("\\072"), "{host}");
    }
}
