//! A spool in memory, whose process comes and goes, and which moves mail.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use mailoop::smtp::envelope::{Body, Envelope, QueueId, Recipient};
use mailoop::smtp::path::ReversePath;
use mailoop::store::spool::{
    Change, MailId, QueuedMail, ReadResult, SpoolEnvelope, SpoolMail, SpoolPlace, SpoolRecipient,
    SpoolStore, TextFlags,
};
use mailoop::store::{Admission, Draft, Failure, Finished, Store, Ticket};

const TEXT: &[u8] = b"Subject: hi\r\n\r\nbody\r\n";

#[derive(Default)]
pub struct MemorySpool {
    mails: BTreeMap<MailId, Rc<SpoolEnvelope>>,
    queued: Vec<QueuedMail>,
    moved: Vec<(MailId, SpoolPlace)>,
    /// Mails that lie elsewhere than anybody was told.
    astray: BTreeSet<MailId>,
    /// Whether there is no process, and nothing is in memory.
    pub is_down: bool,
    /// Whether nothing is in memory, and the disk takes its time.
    pub is_cold: bool,
    /// Whether the disk gives nothing back.
    pub is_broken: bool,
    /// Reads that wait for the disk.
    awaited: Vec<Ticket>,
    pub reads: usize,
    /// Whether no more changes can be noted.
    pub is_full: bool,
    /// Whether texts are long, so that they are read in pieces, and not in memory at first.
    pub is_long: bool,
    /// Messages whose pieces are in memory.
    cached: BTreeSet<MailId>,
    /// Whether no more pieces come into memory.
    pub is_slow: bool,
    /// Whether messages were there at the start, accepted by an earlier process.
    pub is_found: bool,
    /// The sender of the messages that come.
    pub sender: Option<&'static str>,
    pub changes: Vec<Change>,
    pub envelopes_read: usize,
    /// What was delivered to mailboxes here, and how much of that was told.
    pub delivered: Vec<(MailId, u16)>,
    told_delivered: usize,
    count: u32,
}

/// A store that keeps nothing but what is sent on.
#[derive(Default)]
pub struct MemoryStore {
    pub spool: MemorySpool,
}

fn place(segment: u32) -> SpoolPlace {
    SpoolPlace {
        segment,
        offset: 16,
        envelope_bytes: 80,
        text_bytes: TEXT.len() as u64,
        text_flags: TextFlags::default(),
    }
}

impl MemorySpool {
    fn next_id(&mut self) -> MailId {
        self.count += 1;
        MailId {
            instance: 1,
            count: self.count,
        }
    }

    pub fn accept(&mut self, to: &[&str], arrived_ms: u64) -> MailId {
        let mail = self.next_id();
        let recipient = |address: &&str| SpoolRecipient {
            address: address.parse().unwrap(),
            is_local: false,
            named: None,
            dsn: None,
        };
        let sender = self.sender.unwrap_or("ada@here.example");
        let envelope = Rc::new(SpoolEnvelope {
            arrived_ms,
            sender: ReversePath::Mailbox(sender.parse().unwrap()),
            sender_is_ours: true,
            quarantine: None,
            user: None,
            body: Body::SevenBit,
            smtputf8: false,
            dsn: None,
            recipients: to.iter().map(recipient).collect(),
        });
        self.mails.insert(mail, Rc::clone(&envelope));
        self.queued.push(QueuedMail {
            mail,
            place: place(1),
            envelope,
            over: Vec::new(),
            is_found: self.is_found,
            is_held: false,
            held: Vec::new(),
            is_noticed: false,
        });
        mail
    }

    /// Moves a mail, and tells of it later.
    pub fn begin_move(&mut self, mail: MailId) {
        self.astray.insert(mail);
    }

    /// Tells of it.
    pub fn end_move(&mut self, mail: MailId) {
        self.moved.push((mail, place(2)));
    }

    fn look<T>(
        &mut self,
        mail: MailId,
        at: SpoolPlace,
        read: impl FnOnce(Rc<SpoolEnvelope>) -> T,
    ) -> ReadResult<T> {
        self.reads += 1;
        if self.is_down {
            return ReadResult::Failed(Failure::Io("the spool process is gone".into()));
        }
        let segment = if self.astray.contains(&mail) { 2 } else { 1 };
        if at.segment != segment {
            return ReadResult::Gone;
        }
        if self.is_cold {
            let ticket = Ticket(self.reads as u64);
            self.awaited.push(ticket);
            return ReadResult::Later(ticket);
        }
        if self.is_broken {
            return ReadResult::Failed(Failure::Io("an error of the disk".into()));
        }
        ReadResult::Now(read(Rc::clone(&self.mails[&mail])))
    }
}

impl SpoolStore for MemorySpool {
    fn take_queued(&mut self) -> Vec<QueuedMail> {
        std::mem::take(&mut self.queued)
    }

    fn set_queued(&mut self, _: usize) {}

    fn is_ready(&self) -> bool {
        !self.is_down
    }

    fn is_full(&self) -> bool {
        self.is_full
    }

    fn is_scanning(&self) -> bool {
        false
    }

    fn alive_until_ms(&self) -> Option<u64> {
        None
    }

    fn read(&mut self, mail: MailId, place: SpoolPlace) -> ReadResult<Rc<SpoolMail>> {
        let is_long = self.is_long;
        self.look(mail, place, |envelope| {
            let text = (!is_long).then(|| TEXT.into());
            Rc::new(SpoolMail { envelope, text })
        })
    }

    fn read_envelope(&mut self, mail: MailId, place: SpoolPlace) -> ReadResult<Rc<SpoolEnvelope>> {
        self.envelopes_read += 1;
        self.look(mail, place, |envelope| envelope)
    }

    fn read_piece(
        &mut self,
        mail: MailId,
        place: SpoolPlace,
        at: u64,
        _: usize,
        into: &mut Vec<u8>,
    ) -> ReadResult<usize> {
        assert_eq!(at, 0, "texts are short, after all");
        if self.cached.insert(mail) {
            self.reads += 1;
            let ticket = Ticket(self.reads as u64);
            if !self.is_slow {
                self.awaited.push(ticket);
            }
            return ReadResult::Later(ticket);
        }
        self.look(mail, place, |_| {
            into.extend_from_slice(TEXT);
            TEXT.len()
        })
    }

    fn take_ready(&mut self) -> Vec<Ticket> {
        if self.is_cold {
            return Vec::new();
        }
        std::mem::take(&mut self.awaited)
    }

    fn change(&mut self, change: Change) {
        self.changes.push(change);
    }

    fn take_moved(&mut self) -> Vec<(MailId, SpoolPlace)> {
        std::mem::take(&mut self.moved)
    }

    fn new_mail_id(&mut self) -> Result<MailId, Failure> {
        Ok(self.next_id())
    }

    fn deliver(&mut self, mail: MailId, _: SpoolPlace, recipient: u16) -> Ticket {
        self.delivered.push((mail, recipient));
        Ticket(self.delivered.len() as u64)
    }

    fn take_delivered(&mut self) -> Vec<(Ticket, Result<(), Failure>)> {
        let told = self.told_delivered..self.delivered.len();
        self.told_delivered = self.delivered.len();
        told.map(|at| (Ticket(at as u64 + 1), Ok(()))).collect()
    }
}

impl Store for MemoryStore {
    fn check(&mut self, _: &Recipient, _: &Envelope, _: usize) -> Result<Admission, Failure> {
        Ok(Admission::Granted(0))
    }

    fn begin(&mut self, _: &Envelope) -> Result<(QueueId, Draft), Failure> {
        Err(Failure::QueueFull)
    }

    fn write(&mut self, _: &mut Draft, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }

    fn abort(&mut self, _: Draft) {}

    fn submit(&mut self, _: Draft) -> Ticket {
        Ticket(0)
    }

    fn commit(&mut self, _: &mut Vec<Finished>) {}

    fn is_pending(&self) -> bool {
        false
    }

    fn spool(&mut self) -> Option<&mut dyn SpoolStore> {
        Some(&mut self.spool)
    }
}
