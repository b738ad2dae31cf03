//! A spool that takes its time: reads that wait for the disk, changes that are durable in groups some steps later, mail that is
//! moved, a process that is lost and comes back, and a server that is killed.
//!
//! What the process has to tell is told by the next commit, as in `RelayStore`.

mod moves;
mod process;
mod reads;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::rc::Rc;

use mailoop::store::spool::{Change, ChangeKind, MailId, QueuedMail, SpoolEnvelope, SpoolPlace};
use mailoop::store::{Failure, Finished, Outcome, Ticket};

use super::books::Books;
use super::mails::flags_of;
use super::server::wall_ms;
use crate::journal::Journal;
use crate::prng::Prng;

/// How a spool misbehaves. Chances are one in so many calls; 0 is never.
#[derive(Clone, Copy, Debug)]
pub struct SpoolWeather {
    /// A read has to wait.
    pub later: usize,
    pub failed: usize,
    /// A delivery to a mailbox fails.
    pub undelivered: usize,
    /// Chance of each piece of work in a step.
    pub pace: usize,
}

/// A mail on the disk.
pub struct Kept {
    pub envelope: Rc<SpoolEnvelope>,
    pub text: Rc<[u8]>,
    pub place: SpoolPlace,
    pub over: BTreeSet<u16>,
    /// The recipients that are held; none of them where it is all.
    pub held: Option<Vec<u16>>,
    pub is_noticed: bool,
}

/// What the process tells the server, in order.
enum News {
    Queued(QueuedMail),
    Moved(MailId, SpoolPlace),
    Ready(Ticket),
    Delivered(Ticket, MailId, u16, Result<(), Failure>),
    Finished(Ticket, bool),
}

/// A message that is being taken in.
pub struct SimDraft {
    pub mail: MailId,
    pub envelope: SpoolEnvelope,
    pub text: Vec<u8>,
    pub ticket: Ticket,
}

pub struct Spool {
    journal: Rc<Journal>,
    pub books: Rc<RefCell<Books>>,
    rng: Prng,
    pub weather: SpoolWeather,
    // What a crash leaves.
    pub disk: BTreeMap<MailId, Kept>,
    boxes: HashSet<(MailId, u16)>,
    instance: u32,
    // What it takes away.
    count: u32,
    last_ticket: u64,
    last_segment: u32,
    pending: VecDeque<Change>,
    /// Changes so far.
    pub changes: u64,
    pub drafts: BTreeMap<usize, SimDraft>,
    pub submitted: Vec<SimDraft>,
    news: VecDeque<News>,
    /// Mail that was moved of which the server does not know yet.
    unsaid_moves: Vec<MailId>,
    /// Places that are read still though the mail is elsewhere.
    old_places: HashSet<(MailId, SpoolPlace)>,
    waiting: Vec<Ticket>,
    /// Reads that were waited for, and are not waited for again.
    fetched: HashSet<MailId>,
    deliveries: Vec<(Ticket, MailId, u16)>,
    unfound: Vec<MailId>,
    pub is_ready: bool,
    /// Where the server knows mail to be.
    told_places: HashMap<MailId, SpoolPlace>,
    /// When the server was last told of mail, which may have been over its age by then.
    pub told_ms: u64,
    /// When the server before was last seen alive.
    pub alive_until_ms: Option<u64>,
    // What a commit has passed on.
    pub queued: Vec<QueuedMail>,
    pub moved: Vec<(MailId, SpoolPlace)>,
    pub ready: Vec<Ticket>,
    pub delivered: Vec<(Ticket, Result<(), Failure>)>,
    /// The poll has something to tell of.
    pub edge: bool,
}

impl Spool {
    pub fn new(
        journal: Rc<Journal>,
        books: Rc<RefCell<Books>>,
        rng: Prng,
        weather: SpoolWeather,
    ) -> Self {
        Self {
            journal,
            books,
            rng,
            weather,
            disk: BTreeMap::new(),
            boxes: HashSet::new(),
            instance: 1,
            count: 0,
            last_ticket: 0,
            last_segment: 0,
            pending: VecDeque::new(),
            changes: 0,
            drafts: BTreeMap::new(),
            submitted: Vec::new(),
            news: VecDeque::new(),
            unsaid_moves: Vec::new(),
            old_places: HashSet::new(),
            waiting: Vec::new(),
            fetched: HashSet::new(),
            deliveries: Vec::new(),
            unfound: Vec::new(),
            is_ready: true,
            told_places: HashMap::new(),
            told_ms: 0,
            alive_until_ms: None,
            queued: Vec::new(),
            moved: Vec::new(),
            ready: Vec::new(),
            delivered: Vec::new(),
            edge: false,
        }
    }

    fn tell(&mut self, news: News) {
        self.news.push_back(news);
        self.edge = true;
    }

    pub fn next_ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }

    pub fn next_mail(&mut self) -> MailId {
        self.count += 1;
        MailId {
            instance: self.instance,
            count: self.count,
        }
    }

    fn next_place(&mut self, text: &[u8]) -> SpoolPlace {
        self.last_segment += 1;
        SpoolPlace {
            segment: self.last_segment,
            offset: 0,
            envelope_bytes: 1,
            text_bytes: text.len() as u64,
            text_flags: flags_of(text),
        }
    }

    /// A mail is there for good.
    pub fn keep(&mut self, mail: MailId, envelope: SpoolEnvelope, text: &[u8]) {
        let place = self.next_place(text);
        let (envelope, text) = (Rc::new(envelope), Rc::from(text));
        self.books.borrow_mut().joined(mail, &envelope, &text);
        let kept = Kept {
            envelope,
            text,
            place,
            over: BTreeSet::new(),
            held: None,
            is_noticed: false,
        };
        self.disk.insert(mail, kept);
    }

    /// A mail is there, and the queue is to hear of it.
    pub fn join(&mut self, mail: MailId, envelope: SpoolEnvelope, text: &[u8]) {
        self.keep(mail, envelope, text);
        self.tell_queued(mail, false);
    }

    fn tell_queued(&mut self, mail: MailId, is_found: bool) {
        let kept = &self.disk[&mail];
        let queued = QueuedMail {
            mail,
            place: kept.place,
            envelope: Rc::clone(&kept.envelope),
            over: Vec::new(),
            is_found,
            is_held: kept.held.is_some(),
            held: kept.held.clone().unwrap_or_default(),
            is_noticed: kept.is_noticed,
        };
        self.journal
            .trace(|| format!("spool: {mail} joins, found: {is_found}"));
        self.tell(News::Queued(queued));
    }

    /// Passes on what the process has told.
    pub fn take_news(&mut self, finished: &mut Vec<Finished>) {
        for news in std::mem::take(&mut self.news) {
            match news {
                News::Queued(queued) => {
                    self.told_places.insert(queued.mail, queued.place);
                    let over = self.over_of(&queued);
                    self.told_ms = wall_ms(&self.journal);
                    self.queued.push(QueuedMail { over, ..queued });
                }
                News::Moved(mail, place) => {
                    self.told_places.insert(mail, place);
                    self.moved.push((mail, place));
                }
                News::Ready(ticket) => self.ready.push(ticket),
                News::Delivered(ticket, mail, index, result) => {
                    if result.is_ok() {
                        self.books.borrow_mut().delivered(mail, index);
                    }
                    self.delivered.push((ticket, result));
                }
                News::Finished(ticket, is_stored) => finished.push(Finished {
                    ticket,
                    outcome: match is_stored {
                        true => Outcome::Stored,
                        false => Outcome::Failed(lost()),
                    },
                }),
            }
        }
    }

    /// Does some of its work, or `all`; whether there was any.
    pub fn work(&mut self, all: bool) -> bool {
        let mut moved = false;
        if self.is_ready {
            moved |= self.find(all) | self.settle_submitted(all) | self.sync(all);
            moved |= self.read_ahead(all) | self.say_moves(all);
        } else if all || self.rng.one_in(4 * self.weather.pace) {
            self.journal
                .trace(|| "spool: there is a process again".to_owned());
            self.is_ready = true;
            self.edge = true;
            moved = true;
        }
        moved | self.deliver_some(all)
    }

    fn is_time(&mut self, all: bool) -> bool {
        all || self.rng.one_in(self.weather.pace)
    }

    /// Finds mail of an earlier process.
    fn find(&mut self, all: bool) -> bool {
        if self.unfound.is_empty() || !self.is_time(all) {
            return false;
        }
        let count = self.rng.between(1, self.unfound.len());
        for mail in self.unfound.drain(..count).collect::<Vec<_>>() {
            if self.disk.contains_key(&mail) {
                self.books.borrow_mut().counts.add("found", 1);
                self.tell_queued(mail, true);
            }
        }
        true
    }

    pub fn is_scanning(&self) -> bool {
        !self.unfound.is_empty()
    }

    fn settle_submitted(&mut self, all: bool) -> bool {
        if self.submitted.is_empty() || !self.is_time(all) {
            return false;
        }
        for draft in std::mem::take(&mut self.submitted) {
            self.join(draft.mail, draft.envelope, &draft.text);
            self.tell(News::Finished(draft.ticket, true));
        }
        true
    }

    /// Makes some changes durable, together.
    fn sync(&mut self, all: bool) -> bool {
        if self.pending.is_empty() || !self.is_time(all) {
            return false;
        }
        let count = self.rng.between(1, self.pending.len());
        self.make_durable(count);
        true
    }

    fn make_durable(&mut self, count: usize) {
        for Change { mail, kind } in self.pending.drain(..count).collect::<Vec<_>>() {
            self.journal
                .trace(|| format!("spool: {mail} {} is durable", name_of(&kind)));
            self.books.borrow_mut().durable(mail, &kind);
            let Some(kept) = self.disk.get_mut(&mail) else {
                continue;
            };
            kept.over.extend(over_by(&kind));
            let (held, is_noticed) = (&mut kept.held, &mut kept.is_noticed);
            let report = match kind {
                ChangeKind::Done(_, report) | ChangeKind::Failed(_, report) => report,
                ChangeKind::Noticed(report) => {
                    *is_noticed = true;
                    report
                }
                ChangeKind::Held(recipients) => {
                    *held = Some(recipients);
                    None
                }
                ChangeKind::Released => {
                    *held = None;
                    None
                }
                ChangeKind::Deleted(_) => None,
            };
            if let Some(report) = report {
                self.join(report.mail, report.envelope, &report.text);
            }
        }
        let is_live =
            |_: &MailId, kept: &mut Kept| kept.over.len() < kept.envelope.recipients.len();
        self.disk.retain(is_live);
    }

    fn read_ahead(&mut self, all: bool) -> bool {
        let mut waiting = std::mem::take(&mut self.waiting);
        let before = waiting.len();
        waiting.retain(|ticket| {
            let is_done = self.is_time(all);
            if is_done {
                self.tell(News::Ready(*ticket));
            }
            !is_done
        });
        self.waiting = waiting;
        self.waiting.len() < before
    }

    pub fn change(&mut self, change: Change) {
        self.journal.count_call();
        let (mail, name) = (change.mail, name_of(&change.kind));
        self.journal.trace(|| format!("spool: {mail} {name}"));
        self.books.borrow_mut().changed(change.mail, &change.kind);
        self.changes += 1;
        self.pending.push_back(change);
    }

    /// Whether nothing waits but for the server.
    pub fn is_idle(&self) -> bool {
        self.pending.is_empty()
            && self.waiting.is_empty()
            && self.deliveries.is_empty()
            && self.submitted.is_empty()
            && self.unfound.is_empty()
            && self.news.is_empty()
    }
}

fn over_by(kind: &ChangeKind) -> Vec<u16> {
    match kind {
        ChangeKind::Done(indices, _)
        | ChangeKind::Failed(indices, _)
        | ChangeKind::Deleted(indices) => indices.clone(),
        ChangeKind::Noticed(_) | ChangeKind::Held(_) | ChangeKind::Released => Vec::new(),
    }
}

fn name_of(kind: &ChangeKind) -> String {
    let report = |report: &Option<_>| if report.is_some() { "with" } else { "without" };
    match kind {
        ChangeKind::Done(indices, told) => format!("done {indices:?} {} report", report(told)),
        ChangeKind::Failed(indices, told) => format!("failed {indices:?} {} report", report(told)),
        ChangeKind::Noticed(told) => format!("noticed {} report", report(told)),
        ChangeKind::Held(indices) => format!("held {indices:?}"),
        ChangeKind::Released => "released".to_owned(),
        ChangeKind::Deleted(indices) => format!("deleted {indices:?}"),
    }
}

pub fn lost() -> Failure {
    Failure::Io("planted".into())
}
