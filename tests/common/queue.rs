//! A queue and a spool in memory, as an operator reaches them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::rc::Rc;

use mailoop::outbound::queue::{
    Choice, MailView, RecipientState, RecipientView, SiteId, SiteState, SiteView, Touched,
};
use mailoop::server::queue_answers::{QueueAccess, QueueAction, QueuedRead};
use mailoop::smtp::envelope::Body;
use mailoop::smtp::path::ReversePath;
use mailoop::store::spool::{ChangeCounts, MailId, SpoolEnvelope, SpoolPlace, SpoolRecipient};

pub const NOW_MS: u64 = 1_795_878_585_000;
pub const REPLY: &str = "451 4.7.1 Greylisted, come back";

/// A queue and a spool in memory, which count what they are asked.
#[derive(Default)]
pub struct FakeQueue {
    pub mails: BTreeMap<MailId, FakeMail>,
    pub is_scanning: bool,
    /// Reads that the disk is still to be waited for, before one succeeds.
    pub late_reads: u32,
    pub late_left: u32,
    /// Mails that come whenever a page is asked for.
    pub arrivals: u32,
    pub reads: usize,
    pub applied: Vec<(QueueAction, MailId, Option<Vec<u16>>)>,
    /// How often the spool is asked before the changes are durable, and the time that each takes.
    pub late_syncs: u32,
    pub sync_ms: u64,
    pub passed_ms: u64,
    /// How much later than its envelope says the queue thinks that a mail came.
    pub queued_late_ms: u64,
}

pub struct FakeMail {
    pub envelope: Rc<SpoolEnvelope>,
    pub states: Vec<RecipientState>,
    pub text: Rc<[u8]>,
    pub is_readable: bool,
}

pub fn id(count: u32) -> MailId {
    MailId { instance: 7, count }
}

impl FakeQueue {
    pub fn add(&mut self, count: u32, age_seconds: u64, sender: &str, recipients: &[&str]) {
        let recipients = recipients.iter().map(|address| SpoolRecipient {
            address: address.parse().unwrap(),
            is_local: false,
            named: None,
            dsn: None,
        });
        let envelope = SpoolEnvelope {
            arrived_ms: NOW_MS - age_seconds * 1000,
            sender: match sender {
                "" => ReversePath::Null,
                sender => ReversePath::Mailbox(sender.parse().unwrap()),
            },
            sender_is_ours: true,
            quarantine: None,
            user: Some("ada".into()),
            body: Body::SevenBit,
            smtputf8: false,
            dsn: None,
            recipients: recipients.collect(),
        };
        let mail = FakeMail {
            states: vec![RecipientState::Waiting; envelope.recipients.len()],
            envelope: Rc::new(envelope),
            text: b"Subject: x\r\n\r\nbody\r\n".as_slice().into(),
            is_readable: true,
        };
        self.mails.insert(id(count), mail);
    }

    fn read<T>(&mut self, mail: MailId, read: impl FnOnce(&FakeMail) -> T) -> QueuedRead<T> {
        if self.late_left > 0 {
            self.late_left -= 1;
            return QueuedRead::Later;
        }
        self.late_left = self.late_reads;
        self.reads += 1;
        match self.mails.get(&mail) {
            Some(mail) if mail.is_readable => QueuedRead::Now(read(mail)),
            _ => QueuedRead::Failed,
        }
    }
}

impl QueueAccess for FakeQueue {
    fn now_ms(&self) -> u64 {
        NOW_MS + self.passed_ms
    }

    fn is_scanning(&self) -> bool {
        self.is_scanning
    }

    fn mails_after(&self, after: Option<MailId>, max: usize) -> Vec<MailId> {
        let mails = self.mails.keys().filter(|mail| Some(**mail) > after);
        mails.take(max).copied().collect()
    }

    fn mail(&self, mail: MailId) -> Option<MailView> {
        let found = self.mails.get(&mail)?;
        Some(MailView {
            mail,
            place: SpoolPlace {
                segment: 1,
                offset: 0,
                envelope_bytes: 0,
                text_bytes: found.text.len().try_into().unwrap(),
                text_flags: Default::default(),
            },
            arrived_ms: found.envelope.arrived_ms + self.queued_late_ms,
            is_noticed: false,
        })
    }

    fn recipients(&self, mail: MailId, tell: &mut dyn FnMut(RecipientView<'_>) -> ControlFlow<()>) {
        let states = &self.mails[&mail].states;
        for (index, state) in (0..).zip(states) {
            let view = RecipientView {
                index,
                site: SiteId(1),
                state: *state,
                tries: 3,
                next_ms: Some(NOW_MS + 60_000),
                reply: REPLY,
            };
            if tell(view).is_break() {
                break;
            }
        }
    }

    fn sites_after(&self, after: Option<SiteId>, max: usize) -> Vec<SiteView<'_>> {
        let first = after.map_or(0, |site| site.0 + 1);
        let sites = (first..200).take(max).map(|site| SiteView {
            site: SiteId(site),
            name: "smtp://mx.example",
            state: SiteState::Down {
                until_ms: NOW_MS + 1500,
            },
            waiting: site,
            ready: 0,
            active: 0,
            held: 0,
            connections: 0,
            window: 2,
            oldest_ms: None,
            policy: "",
            error: "",
        });
        sites.collect()
    }

    fn envelope(&mut self, mail: &MailView) -> QueuedRead<Rc<SpoolEnvelope>> {
        for _ in 0..self.arrivals {
            let newest = self.mails.keys().next_back().unwrap().count;
            self.add(newest + 1, 0, "eve@example.org", &["bob@far.example"]);
            let newest = self.mails.values_mut().next_back().unwrap();
            Rc::get_mut(&mut newest.envelope).unwrap().arrived_ms = NOW_MS + 1000;
        }
        self.read(mail.mail, |mail| Rc::clone(&mail.envelope))
    }

    fn text(&mut self, mail: &MailView, at: u64, max: usize) -> QueuedRead<Rc<[u8]>> {
        self.read(mail.mail, |mail| {
            let rest = &mail.text[usize::try_from(at).unwrap()..];
            rest[..rest.len().min(max)].into()
        })
    }

    fn apply(&mut self, action: QueueAction, mail: MailId, whom: Choice<'_>) -> Option<Touched> {
        let states = self.mails.get_mut(&mail)?;
        let all: Vec<u16> = (0..states.states.len().try_into().unwrap()).collect();
        let (indices, only) = match whom {
            Choice::All => (all, None),
            Choice::Only(indices) => (indices.to_vec(), Some(indices.to_vec())),
        };
        self.applied.push((action, mail, only));
        Some(Touched {
            recipients: indices.len().try_into().unwrap(),
            in_flight: 0,
        })
    }

    fn change_counts(&mut self) -> ChangeCounts {
        let told = self.applied.len() as u64;
        let is_late = told > 0 && self.late_syncs > 0;
        self.late_syncs -= u32::from(is_late);
        self.passed_ms += self.sync_ms;
        ChangeCounts {
            told,
            durable: told - u64::from(is_late),
        }
    }
}
