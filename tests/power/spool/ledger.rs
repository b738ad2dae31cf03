//! What was asked of the spool, what it said, and what so must be found.
//!
//! - A message that was reported durable is found until it is over, once, whole, with the state that was reported durable.
//! - A message that was refused or aborted is never found; nor is one that was not found once.
//! - A recipient whose Done was reported durable never comes back.
//! - A report is found if and only if the change that it came with is.

use std::collections::{BTreeMap, BTreeSet};

use mailoop::store::spool::{ChangeCode, EncodedChange, FoundMail, MailId, SpoolPlace};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Open,
    Submitted,
    /// It was reported durable, or was found.
    Settled,
    Refused,
    /// It was refused, but the disk took no word of that.
    MayBe,
    /// It is a report of which nobody knows yet.
    Pending,
    /// It is never found any more.
    Gone,
}

#[derive(Debug)]
pub struct Message {
    pub text: Vec<u8>,
    pub envelope: Vec<u8>,
    pub recipients: u16,
    pub standing: Standing,
    pub place: Option<SpoolPlace>,
    /// Recipients that are durably over.
    pub over: BTreeSet<u16>,
    /// Recipients that were ever said to be over.
    pub asked: BTreeSet<u16>,
    /// What it may be: held or not.
    held: BTreeSet<bool>,
    /// What changes under way make of that.
    held_asked: Vec<bool>,
    is_noticed: bool,
    pub noticed_asked: bool,
    /// Changes of which nobody knows whether they are durable.
    lost: Vec<EncodedChange>,
    /// Whether this scan has found it.
    is_found: bool,
}

#[derive(Debug, Default)]
pub struct Ledger {
    pub mails: BTreeMap<MailId, Message>,
}

impl Ledger {
    pub fn add(&mut self, mail: MailId, recipients: u16, standing: Standing, text: Vec<u8>) {
        let message = Message {
            text,
            envelope: format!("envelope of {mail}").into_bytes(),
            recipients,
            standing,
            place: None,
            over: BTreeSet::new(),
            asked: BTreeSet::new(),
            held: BTreeSet::from([false]),
            held_asked: Vec::new(),
            is_noticed: false,
            noticed_asked: false,
            lost: Vec::new(),
            is_found: false,
        };
        assert!(
            self.mails.insert(mail, message).is_none(),
            "{mail} is used again"
        );
    }

    pub fn mail(&mut self, mail: MailId) -> &mut Message {
        self.mails
            .get_mut(&mail)
            .unwrap_or_else(|| panic!("{mail} is none of ours"))
    }

    /// The messages that are known to be there.
    pub fn living(&self) -> Vec<MailId> {
        let living = self.mails.iter().filter(|(_, mail)| mail.is_living());
        living.map(|(mail, _)| *mail).collect()
    }

    /// A message was reported durable.
    pub fn settle(&mut self, mail: MailId, place: SpoolPlace) {
        let message = self.mail(mail);
        message.standing = Standing::Settled;
        message.place = Some(place);
        // No scan of this process looks at what is new.
        message.is_found = true;
    }

    /// A change was given to the spool.
    pub fn ask(&mut self, change: &EncodedChange) {
        let mail = self.mail(change.mail);
        mail.asked.extend(&change.recipients);
        match change.code {
            ChangeCode::Held | ChangeCode::Released => {
                let is_held = change.code == ChangeCode::Held;
                mail.held.insert(is_held);
                mail.held_asked.push(is_held);
            }
            ChangeCode::Noticed => mail.noticed_asked = true,
            _ => {}
        }
    }

    /// A change was reported durable.
    pub fn confirm(&mut self, change: &EncodedChange) {
        let mail = self.mail(change.mail);
        mail.over.extend(&change.recipients);
        match change.code {
            ChangeCode::Held | ChangeCode::Released => {
                let is_held = mail.held_asked.remove(0);
                mail.hold(is_held);
            }
            ChangeCode::Noticed => mail.is_noticed = true,
            _ => {}
        }
        if mail.over.len() == usize::from(mail.recipients) {
            mail.standing = Standing::Gone;
        }
        if let Some(report) = &change.report {
            let id = report.mail;
            let report = self.mail(id);
            assert_ne!(
                report.standing,
                Standing::Pending,
                "{id} came without its place"
            );
        }
    }

    /// Nobody will ever hear of a change.
    pub fn lose(&mut self, change: EncodedChange) {
        let mail = self.mail(change.mail);
        mail.held_asked.clear();
        mail.lost.push(change);
    }

    pub fn begin_scan(&mut self) {
        for message in self.mails.values_mut() {
            message.is_found = false;
        }
    }

    /// A message was found.
    pub fn find(&mut self, found: &FoundMail) {
        let id = found.mail;
        let mail = self.mail(id);
        assert!(!mail.is_found, "{id} is found twice");
        mail.is_found = true;
        let standing = mail.standing;
        let may_be = matches!(
            standing,
            Standing::Settled | Standing::Submitted | Standing::MayBe | Standing::Pending
        );
        assert!(may_be, "{id} is found, though {standing:?}: {mail:?}");
        assert_eq!(found.envelope, mail.envelope, "{id}");
        assert_eq!(found.recipients, mail.recipients, "{id}");
        let over: BTreeSet<u16> = found.over.iter().copied().collect();
        assert!(
            over.is_superset(&mail.over),
            "{id} comes back: {found:?} {mail:?}"
        );
        assert!(
            over.is_subset(&mail.asked),
            "{id} is over: {found:?} {mail:?}"
        );
        assert!(over.len() < usize::from(mail.recipients), "{id} is over");
        assert!(
            mail.held.contains(&found.is_held),
            "{id}: {found:?} {mail:?}"
        );
        assert!(found.is_noticed || !mail.is_noticed, "{id}: {found:?}");
        assert!(!found.is_noticed || mail.noticed_asked, "{id}: {found:?}");
        mail.standing = Standing::Settled;
        mail.place = Some(found.place);
        mail.is_noticed = found.is_noticed;
        let lost = std::mem::take(&mut mail.lost);
        for change in &lost {
            let all = change.recipients.iter().all(|at| over.contains(at));
            let any = change.recipients.iter().any(|at| over.contains(at));
            assert!(
                all == any || change.recipients.is_empty(),
                "{change:?} is torn: {found:?}"
            );
            let is_done = match change.code {
                ChangeCode::Noticed => found.is_noticed,
                _ => all,
            };
            if let Some(report) = &change.report {
                self.settle_report(report.mail, is_done);
            }
            if !is_done {
                // It may be asked for again.
                let mail = self.mail(id);
                mail.asked.retain(|at| !change.recipients.contains(at));
                mail.noticed_asked &= change.code != ChangeCode::Noticed;
            }
        }
        let mail = self.mail(id);
        mail.over = over;
        mail.hold(found.is_held);
    }

    /// What became of a report is known by its change.
    fn settle_report(&mut self, id: MailId, is_there: bool) {
        let report = self.mail(id);
        if report.standing == Standing::Pending {
            report.standing = if is_there {
                Standing::Settled
            } else {
                Standing::Gone
            };
        } else {
            assert!(is_there, "{id} is there without its change");
        }
    }

    /// All was found that was there when the engine of `instance` started.
    pub fn end_scan(&mut self, instance: u32, resent: &[EncodedChange]) {
        let pending = |id: MailId, mails: &BTreeMap<MailId, Message>| {
            mails[&id].standing == Standing::Pending
        };
        let ids: Vec<_> = self.mails.keys().copied().collect();
        for id in ids {
            let mail = self.mail(id);
            if mail.is_found || id.instance == instance {
                continue;
            }
            match mail.standing {
                Standing::Settled => {
                    let is_over = mail.asked.len() == usize::from(mail.recipients);
                    assert!(is_over, "{id} is lost: {mail:?}");
                    if !resent.iter().any(|change| change.mail == id) {
                        mail.standing = Standing::Gone;
                    }
                }
                Standing::Submitted | Standing::MayBe => mail.standing = Standing::Gone,
                _ => {}
            }
            for change in std::mem::take(&mut mail.lost) {
                let Some(report) = change.report else {
                    continue;
                };
                let is_certain = change.code != ChangeCode::Noticed;
                assert!(
                    !(is_certain && pending(report.mail, &self.mails)),
                    "{} is lost, though {id} is over",
                    report.mail
                );
                if pending(report.mail, &self.mails) {
                    self.mail(report.mail).standing = Standing::Gone;
                }
            }
        }
    }

    /// A process has ended, and told nothing more.
    pub fn end_process(&mut self) {
        for message in self.mails.values_mut() {
            if message.standing == Standing::Open {
                message.standing = Standing::Gone;
            }
        }
    }
}

impl Message {
    /// It is held or not, until changes under way come to something.
    pub fn hold(&mut self, is_held: bool) {
        self.held = self.held_asked.iter().copied().chain([is_held]).collect();
    }

    pub fn is_living(&self) -> bool {
        self.standing == Standing::Settled && self.place.is_some()
    }
}
