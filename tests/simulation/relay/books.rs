//! What becomes of every recipient of every mail, as seen from outside of the server: by its spool, its peers and its operator.
//!
//! Events are numbered. A peer *takes* a recipient when it says 2yz to the end of the data; the take is *heard* once the server has
//! read that reply, and *claimed* once it has told its spool so.

mod changes;
mod fate;
mod reports;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use mailoop::store::spool::{MailId, SpoolEnvelope};

pub use fate::Received;
use fate::{Fate, How, Take, Told};

use super::counts::Counts;
use crate::journal::Journal;

#[derive(Debug)]
struct Account {
    envelope: Rc<SpoolEnvelope>,
    fates: Vec<Fate>,
    notices: u32,
    /// How often it could not be read.
    failed_reads: u64,
}

/// The accounts of all mails.
pub struct Books {
    journal: Rc<Journal>,
    pub counts: Counts,
    event: u64,
    takes: u64,
    mails: BTreeMap<MailId, Account>,
    /// By their texts, as SMTP carries them.
    by_text: HashMap<Vec<u8>, MailId>,
    /// Who took which take.
    taken: HashMap<u64, (MailId, u16)>,
    /// The spool had no name for a report just now.
    pub lacks_name: bool,
    /// The server was told to end, and may give up what it has read.
    pub is_draining: bool,
}

impl Books {
    pub fn new(journal: Rc<Journal>) -> Self {
        Self {
            journal,
            counts: Counts::default(),
            event: 0,
            takes: 0,
            mails: BTreeMap::new(),
            by_text: HashMap::new(),
            taken: HashMap::new(),
            lacks_name: false,
            is_draining: false,
        }
    }

    /// The number of the next event.
    pub fn event(&mut self) -> u64 {
        self.event += 1;
        self.event
    }

    fn wrong(&self, what: impl FnOnce() -> String) {
        self.journal.violation(what);
    }

    /// A mail is in the spool for good.
    pub fn joined(&mut self, mail: MailId, envelope: &Rc<SpoolEnvelope>, text: &Rc<[u8]>) {
        let mut carried = text.to_vec();
        if !carried.ends_with(b"\r\n") {
            carried.extend_from_slice(b"\r\n");
        }
        self.by_text.insert(carried, mail);
        let fates = envelope.recipients.iter().map(|_| Fate::default());
        let account = Account {
            envelope: Rc::clone(envelope),
            fates: fates.collect(),
            notices: 0,
            failed_reads: 0,
        };
        if self.mails.insert(mail, account).is_some() {
            self.wrong(|| format!("the name {mail} was given twice"));
        }
        self.counts.add("mails", 1);
    }

    /// Whether a mail is, or was, in the spool.
    pub fn knows(&self, mail: MailId) -> bool {
        self.mails.contains_key(&mail)
    }

    /// The spool was read.
    pub fn read(&mut self, mail: MailId, is_readable: bool) {
        if let Some(account) = self.mails.get_mut(&mail) {
            account.failed_reads += u64::from(!is_readable);
        }
    }

    /// How often a mail could not be read.
    pub fn failed_reads(&self, mail: MailId) -> u64 {
        let account = self.mails.get(&mail);
        account.map_or(0, |account| account.failed_reads)
    }

    /// Recipients are held from now on.
    pub fn held(&mut self, mail: MailId, indices: impl IntoIterator<Item = u16>) {
        let event = self.event();
        let Some(account) = self.mails.get_mut(&mail) else {
            return;
        };
        for index in indices {
            let fate = &mut account.fates[usize::from(index)];
            if fate.holds.last().is_none_or(|(_, until)| until.is_some()) {
                fate.holds.push((event, None));
                self.counts.add("held", 1);
            }
        }
    }

    /// Recipients are not held any more.
    pub fn released(&mut self, mail: MailId, indices: impl IntoIterator<Item = u16>) {
        let event = self.event();
        let Some(account) = self.mails.get_mut(&mail) else {
            return;
        };
        for index in indices {
            let fate = account.fates.get_mut(usize::from(index));
            if let Some((_, until @ None)) = fate.and_then(|fate| fate.holds.last_mut()) {
                *until = Some(event);
            }
        }
    }

    /// The operator takes recipients off; some of them are being sent to.
    pub fn deletes(&mut self, mail: MailId, indices: &[u16], active: &[u16]) {
        let event = self.event();
        let Some(account) = self.mails.get_mut(&mail) else {
            return;
        };
        for index in indices {
            let fate = &mut account.fates[usize::from(*index)];
            if fate.told.is_none() {
                self.counts.add("deleted", 1);
                fate.told = Some(Told {
                    how: How::Deleted,
                    event,
                    in_flight: active.contains(index),
                });
            }
        }
    }

    /// The server is gone; what was not durable was never told.
    pub fn crashed(&mut self) {
        let event = self.event();
        self.lacks_name = false;
        self.is_draining = false;
        for account in self.mails.values_mut() {
            for fate in &mut account.fates {
                fate.told = fate.durable.map(|how| Told {
                    how,
                    event,
                    in_flight: false,
                });
                fate.delivered = 0;
                for take in &mut fate.takes {
                    take.is_settled = true;
                }
                if let Some((_, until @ None)) = fate.holds.last_mut() {
                    *until = Some(event);
                }
            }
        }
    }

    /// The server gave a connection up, with what it has read from it and not acted upon.
    pub fn gave_up(&mut self, takes: &[u64]) {
        if !self.is_draining {
            return;
        }
        for take in takes {
            let Some((mail, index)) = self.taken.get(take) else {
                continue;
            };
            let account = self.mails.get_mut(mail).unwrap();
            let takes = &mut account.fates[usize::from(*index)].takes;
            for known in takes.iter_mut().filter(|known| known.number == *take) {
                known.is_settled = true;
            }
        }
    }

    /// A peer has a whole message. Returns whose it is: recipients by their index, in the peer's order.
    pub fn received(&mut self, received: &Received<'_>) -> Option<(MailId, Vec<u16>)> {
        let Received { peer, .. } = received;
        let Some(mail) = self.by_text.get(received.text).copied() else {
            let text = String::from_utf8_lossy(received.text);
            let start: String = text.chars().take(200).collect();
            self.wrong(|| format!("{peer} got what nobody has sent: {start:?}"));
            return None;
        };
        let account = &self.mails[&mail];
        let mut faults = Vec::new();
        if received.from != account.envelope.sender.to_string() {
            faults.push(format!("from {}", received.from));
        }
        let mut indices = Vec::new();
        for to in received.to {
            let known = account.envelope.recipients.iter();
            let mut known = (0..).zip(known);
            let found = known.find(|(_, it)| !it.is_local && it.address.as_str() == to.as_str());
            let Some((index, _)) = found else {
                faults.push(format!("to {to}, who is no recipient"));
                continue;
            };
            if indices.contains(&index) {
                faults.push(format!("to {to} twice"));
            }
            indices.push(index);
            let fate = &account.fates[usize::from(index)];
            if let Some(fault) = fate.may_not_get(received) {
                faults.push(format!("to {to}, {fault}"));
            }
        }
        for fault in faults {
            self.wrong(|| format!("{peer} got {mail} {fault}"));
        }
        Some((mail, indices))
    }

    /// A peer says that a recipient has it. Returns the number of the take.
    pub fn takes(&mut self, mail: MailId, index: u16) -> u64 {
        self.takes += 1;
        let number = self.takes;
        let fate = &mut self.mails.get_mut(&mail).unwrap().fates[usize::from(index)];
        self.counts
            .add("doubles", u64::from(!fate.takes.is_empty()));
        fate.takes.push(Take {
            number,
            is_heard: false,
            is_settled: false,
        });
        self.taken.insert(number, (mail, index));
        number
    }

    /// The server has read that it was taken.
    pub fn heard(&mut self, take: u64) {
        let (mail, index) = self.taken[&take];
        let fate = &mut self.mails.get_mut(&mail).unwrap().fates[usize::from(index)];
        let mut takes = fate.takes.iter_mut();
        if let Some(take) = takes.find(|known| known.number == take) {
            take.is_heard = true;
        }
    }

    /// The server is asked to deliver to a mailbox here.
    pub fn delivers(&mut self, mail: MailId, index: u16) {
        let fate = self
            .mails
            .get(&mail)
            .map(|it| &it.fates[usize::from(index)]);
        if fate.is_none_or(|fate| fate.told.is_some_and(|told| !told.in_flight)) {
            self.wrong(|| format!("{mail} is delivered to {index}, who is over"));
        }
    }

    /// It was, and the server is told.
    pub fn delivered(&mut self, mail: MailId, index: u16) {
        self.counts.add("local deliveries", 1);
        if let Some(account) = self.mails.get_mut(&mail) {
            account.fates[usize::from(index)].delivered += 1;
        }
    }

    /// All is at rest: whatever was heard was told, but of mail that is `active`, whose other recipients may go by another transaction.
    pub fn check_at_rest(&self, active: &HashSet<(MailId, u16)>) {
        for (mail, account) in &self.mails {
            for (index, fate) in (0..).zip(&account.fates) {
                if active.contains(&(*mail, index)) {
                    continue;
                }
                if fate
                    .takes
                    .iter()
                    .any(|take| take.is_heard && !take.is_settled)
                {
                    self.wrong(|| format!("{mail}: that {index} has it was heard, and not told"));
                }
            }
        }
    }

    /// Nothing more happens: everybody who is not `left` is over, once.
    pub fn check_end(&self, left: &BTreeMap<MailId, Vec<u16>>) {
        for (mail, account) in &self.mails {
            let left = left.get(mail).map_or(&[][..], Vec::as_slice);
            for (index, fate) in (0..).zip(&account.fates) {
                let is_left = left.contains(&index);
                if is_left == fate.durable.is_some() {
                    self.wrong(|| {
                        format!("{mail}: recipient {index} is left: {is_left}, and {fate:?}")
                    });
                }
                if fate.failure_reports > 1 || fate.success_reports > 1 {
                    self.wrong(|| format!("{mail}: two reports for {index}: {fate:?}"));
                }
            }
        }
    }
}
