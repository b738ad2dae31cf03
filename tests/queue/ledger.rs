//! What is known of each recipient from outside, and what must hold of it.

use std::collections::BTreeMap;

use mailoop::outbound::queue::{
    Queue, QueueEvent, RecipientOutcome, RecipientState, RetrySchedule, SiteId, StartedJob,
};
use mailoop::store::spool::{MailId, SpoolPlace};

/// A recipient as it is known from outside.
#[derive(Clone, Debug)]
pub struct Known {
    pub site: SiteId,
    pub state: KnownState,
    /// Before this it must not be tried; in true time.
    pub not_before: u64,
    pub tries: u16,
    /// When each try began.
    pub tried_at: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownState {
    Queued,
    Active,
    Held,
    /// Held or deleted while it is being sent to.
    ActiveToHold,
    ActiveToDelete,
    Expired,
    Over,
}

#[derive(Clone, Debug)]
pub struct KnownMail {
    pub place: SpoolPlace,
    pub arrived: u64,
    pub has_null_sender: bool,
    pub noticed: u32,
    pub noticed_at: Option<u64>,
    /// The lifetime does not count before this: it was released, or found at a start.
    pub recipients: BTreeMap<u16, Known>,
}

/// All mail that there ever was.
#[derive(Debug, Default)]
pub struct Ledger {
    pub mails: BTreeMap<MailId, KnownMail>,
    pub sent: u64,
    pub failed: u64,
    pub expired: u64,
    pub deleted: u64,
}

/// Milliseconds of a tick of the queue.
pub const TICK_MS: u64 = 128;

impl Ledger {
    /// Notes a try: it is of recipients that may be tried, and not too early.
    pub fn starts(&mut self, job: &StartedJob, site: SiteId, time: u64) {
        let mail = self.mails.get_mut(&job.mail).expect("a mail that is known");
        assert_eq!(job.place, mail.place, "{:?}", job.mail);
        assert!((1..=50).contains(&job.recipients.len()));
        for tried in &job.recipients {
            let known = mail.recipients.get_mut(&tried.index).unwrap();
            assert_eq!(known.state, KnownState::Queued, "{:?} {tried:?}", job.mail);
            assert_eq!((known.site, known.tries), (site, tried.tries));
            assert!(
                time >= known.not_before,
                "{:?} is tried {} ms too early: {known:?}",
                job.mail,
                known.not_before - time
            );
            known.state = KnownState::Active;
            known.tried_at.push(time);
        }
    }

    /// Notes what came of a try.
    pub fn settles(
        &mut self,
        job: &StartedJob,
        outcomes: &[(u16, RecipientOutcome<'_>)],
        schedule: &RetrySchedule,
        time: u64,
    ) {
        let mail = self.mails.get_mut(&job.mail).unwrap();
        let age = time - mail.arrived;
        for (index, outcome) in outcomes {
            let known = mail.recipients.get_mut(index).unwrap();
            let wait = match outcome {
                RecipientOutcome::Sent => {
                    self.sent += 1;
                    known.state = KnownState::Over;
                    continue;
                }
                RecipientOutcome::Failed => {
                    self.failed += 1;
                    known.state = KnownState::Over;
                    continue;
                }
                RecipientOutcome::Deferred(_) | RecipientOutcome::Unreached(_) => {
                    // Where its age comes to the next wait just now, either is right.
                    wait(schedule, age).min(wait(schedule, age.saturating_sub(2 * TICK_MS)))
                }
                RecipientOutcome::Uncertain(_) => {
                    (*schedule.waits_ms.iter().max().unwrap()).min(900_000)
                }
                RecipientOutcome::Again => 0,
            };
            known.tries += u16::from(!matches!(outcome, RecipientOutcome::Again));
            known.not_before = time + wait;
            known.state = match known.state {
                KnownState::ActiveToHold => KnownState::Held,
                KnownState::ActiveToDelete => {
                    self.deleted += 1;
                    KnownState::Over
                }
                _ => KnownState::Queued,
            };
        }
    }

    /// Notes an event of a mail.
    pub fn happens(&mut self, event: &QueueEvent, schedule: &RetrySchedule, time: u64) {
        match event {
            QueueEvent::Expired { mail, recipients } => {
                let known = self.mails.get_mut(mail).unwrap();
                let lifetime = if known.has_null_sender {
                    schedule.bounce_lifetime_ms
                } else {
                    schedule.lifetime_ms
                };
                assert!(
                    time >= known.arrived + lifetime,
                    "{mail:?} expires too early"
                );
                assert!(!recipients.is_empty());
                for index in recipients {
                    let recipient = known.recipients.get_mut(index).unwrap();
                    assert_eq!(recipient.state, KnownState::Queued, "{mail:?} {index}");
                    recipient.state = KnownState::Expired;
                    self.expired += 1;
                }
            }
            QueueEvent::DelayNotice { mail, recipients } => {
                let known = self.mails.get_mut(mail).unwrap();
                known.noticed += 1;
                known.noticed_at = Some(time);
                assert_eq!((known.noticed, known.has_null_sender), (1, false));
                assert!(time >= known.arrived + schedule.delay_notice_ms.unwrap());
                for index in recipients {
                    assert!(!matches!(
                        known.recipients[index].state,
                        KnownState::Held | KnownState::Expired | KnownState::Over
                    ));
                }
            }
            QueueEvent::Offer(_) | QueueEvent::CloseIdle(_) => {}
        }
    }

    /// Compares all with what the queue lists: each recipient is in exactly one state, and the right one.
    pub fn check(&self, queue: &Queue, now_ms: u64) {
        let mut listed = Vec::new();
        while let page = queue.mails_after(listed.last().copied(), 7)
            && !page.is_empty()
        {
            listed.extend(page);
        }
        let open = |mail: &&MailId| {
            let mut recipients = self.mails[*mail].recipients.values();
            recipients.any(|known| known.state != KnownState::Over)
        };
        let expected: Vec<MailId> = self.mails.keys().filter(open).copied().collect();
        assert_eq!(listed, expected);
        let mut jobs_at: BTreeMap<SiteId, u32> = BTreeMap::new();
        for id in &listed {
            let mail = &self.mails[id];
            assert_eq!(queue.place(*id), Some(mail.place));
            let mut views: Vec<_> = queue.recipients(*id, now_ms).collect();
            views.sort_by_key(|view| view.index);
            let known: Vec<_> = mail
                .recipients
                .iter()
                .filter(|(_, known)| known.state != KnownState::Over)
                .collect();
            assert_eq!(
                views.len(),
                known.len(),
                "{id:?}: {views:#?} but {known:#?}"
            );
            for (view, (index, known)) in views.iter().zip(known) {
                assert_eq!((view.index, view.site), (*index, known.site), "{id:?}");
                assert_eq!(view.tries, known.tries, "{id:?} {index}");
                let fits = match known.state {
                    KnownState::Queued => matches!(
                        view.state,
                        RecipientState::Waiting | RecipientState::Ready | RecipientState::Uncertain
                    ),
                    KnownState::Active | KnownState::ActiveToHold | KnownState::ActiveToDelete => {
                        view.state == RecipientState::Active
                    }
                    KnownState::Held => view.state == RecipientState::Held,
                    KnownState::Expired => view.state == RecipientState::Expired,
                    KnownState::Over => false,
                };
                assert!(fits, "{id:?} {index}: {known:?} but {view:?}");
                *jobs_at.entry(view.site).or_default() += 1;
            }
        }
        for site in queue.sites_after(None, usize::MAX) {
            let jobs = site.waiting + site.ready + site.active + site.held;
            let recipients = jobs_at.get(&site.site).copied().unwrap_or(0);
            assert!(jobs <= recipients, "{site:?} has {recipients} recipients");
        }
    }

    /// Recipients that are not over.
    pub fn open(&self) -> usize {
        let recipients = self
            .mails
            .values()
            .flat_map(|mail| mail.recipients.values());
        recipients
            .filter(|known| known.state != KnownState::Over)
            .count()
    }
}

/// The wait after a try at this age, without the jitter.
pub fn wait(schedule: &RetrySchedule, age: u64) -> u64 {
    let mut start = 0;
    let mut wait = 0;
    for next in &schedule.waits_ms {
        if start > age {
            break;
        }
        wait = *next;
        start += wait;
    }
    wait
}
