//! A store that takes its time, fails where a seed wants it to, and compares what it gets with what was sent.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use mailoop::smtp::envelope::{Envelope, QueueId, Recipient};
use mailoop::smtp::reply::{self, Reply};
use mailoop::store::{Admission, Answer, Draft, Failure, Finished, Outcome, Store, Ticket};

use super::journal::Journal;
use super::prng::Prng;

/// What becomes of a message, decided when its client is made, so that the client knows what it is to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Stored,
    /// It cannot be opened.
    Unopened(Fault),
    /// Its trace header cannot be written.
    Untraced(Fault),
    /// No more than so many bytes of its text can be written.
    Unwritten(usize, Fault),
    /// It cannot be made durable.
    Uncommitted(Fault),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Full,
    Io,
}

impl Fault {
    fn failure(self) -> Failure {
        match self {
            Self::Full => Failure::Full("planted".into()),
            Self::Io => Failure::Io("planted".into()),
        }
    }

    pub fn reply(self) -> Reply {
        match self {
            Self::Full => reply::STORE_FULL,
            Self::Io => reply::STORE_FAILED,
        }
    }
}

/// A message that some client will send, or begin to.
struct Planned {
    client: usize,
    /// What is to be stored; `None` if it must never come so far.
    text: Option<Vec<u8>>,
    fate: Fate,
    begun: bool,
}

/// A message as the store has it.
struct Record {
    planned: usize,
    id: QueueId,
    /// Whether the first write came, which is the trace header.
    traced: bool,
    text: Vec<u8>,
    /// Whether each recipient is lost, where each has its own outcome.
    lost: Option<Vec<bool>>,
    stage: Stage,
}

impl Record {
    /// What lost recipients leave of it.
    fn outcome(&self) -> Outcome {
        let Some(lost) = &self.lost else {
            return Outcome::Stored;
        };
        let result = |lost: &bool| {
            if *lost {
                Err(Fault::Full.failure())
            } else {
                Ok(())
            }
        };
        Outcome::PerRecipient(lost.iter().map(result).collect())
    }
}

fn lost_recipients(envelope: &Envelope) -> Option<Vec<bool>> {
    let is_lost = |recipient: &Recipient| recipient.address.local_part() == LOST;
    let each = envelope.service.answers_each_recipient();
    each.then(|| envelope.recipients.iter().map(is_lost).collect())
}

/// Who is accepted, and gets nothing where each recipient has its own outcome.
pub const LOST: &str = "lost";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    Aborted,
    /// It will be settled by a commit, after so many steps.
    Submitted(usize),
    Stored,
    Failed,
}

/// What the simulation knows of all messages.
pub struct Ledger {
    journal: Rc<Journal>,
    rng: Prng,
    delay_max: usize,
    /// Whether it answers some questions later.
    asks: bool,
    /// Those that it has not answered, and after how many steps it will.
    questions: Vec<(Answer, usize)>,
    asked: u64,
    /// When it last answered one.
    answered: Option<Instant>,
    planned: Vec<Planned>,
    records: Vec<Record>,
    /// Whether it takes no more text.
    pub congested: bool,
    /// Whether the store has more to tell, and the loop has not been told so.
    pub completion: bool,
    /// How many messages were reported as stored.
    pub stored: u64,
    /// When a client's last message was settled, by client.
    settled: Vec<Option<Instant>>,
}

/// The first ticket, so that it is not mistaken for the place of a record.
const TICKETS: u64 = 1000;
/// The first ticket of a question.
const QUESTIONS: u64 = 1_000_000;

impl Ledger {
    pub fn new(journal: Rc<Journal>, mut rng: Prng, delay_max: usize) -> Self {
        Self {
            journal,
            asks: rng.one_in(2),
            rng,
            delay_max,
            questions: Vec::new(),
            asked: 0,
            answered: None,
            planned: Vec::new(),
            records: Vec::new(),
            congested: false,
            completion: false,
            stored: 0,
            settled: Vec::new(),
        }
    }

    /// Plans a message of `client`, and returns the reverse-path that it is known by.
    pub fn plan(&mut self, client: usize, text: Option<Vec<u8>>, fate: Fate) -> String {
        self.planned.push(Planned {
            client,
            text,
            fate,
            begun: false,
        });
        format!("<m{}@client.example>", self.planned.len() - 1)
    }

    /// Whether a message of `client` is submitted and not settled.
    pub fn is_waiting(&self, client: usize) -> bool {
        self.records_of(client)
            .any(|record| matches!(record.stage, Stage::Submitted(_)))
    }

    /// Whether somebody waits for an answer, or has just got one.
    pub fn is_asked(&self) -> bool {
        !self.questions.is_empty() || self.answered == Some(self.journal.now())
    }

    /// Answers now, at the next commit, or after up to so many steps.
    fn admit(
        &mut self,
        result: Result<(), Failure>,
        steps_max: usize,
    ) -> Result<Admission, Failure> {
        if !self.asks || self.rng.one_in(2) {
            return result.map(|()| Admission::Granted(1));
        }
        let ticket = Ticket(QUESTIONS + self.asked);
        self.asked += 1;
        let result = result.map(|()| 1);
        let steps = self.rng.below(steps_max + 1);
        self.completion |= steps == 0;
        self.questions.push((Answer { ticket, result }, steps));
        Ok(Admission::Asked(ticket))
    }

    fn answer(&mut self) -> Option<Answer> {
        let ready = self.questions.iter().position(|(_, steps)| *steps == 0)?;
        self.answered = Some(self.journal.now());
        Some(self.questions.remove(ready).0)
    }

    /// Whether a message of `client` is open, and the store takes no more text.
    pub fn is_kept_waiting(&self, client: usize) -> bool {
        self.congested && self.has_draft(client)
    }

    /// Whether a message of `client` is open.
    pub fn has_draft(&self, client: usize) -> bool {
        self.records_of(client)
            .any(|record| record.stage == Stage::Open)
    }

    fn records_of(&self, client: usize) -> impl Iterator<Item = &Record> {
        self.records
            .iter()
            .filter(move |record| self.planned[record.planned].client == client)
    }

    /// When the last message of `client` was settled.
    pub fn last_settled(&self, client: usize) -> Option<Instant> {
        self.settled.get(client).copied().flatten()
    }

    /// Client `client` is told that its message is queued as `id`.
    pub fn acknowledged(&self, client: usize, id: &str) {
        let record = self
            .records
            .iter()
            .find(|record| record.id.to_string() == id);
        let right = record.is_some_and(|record| {
            record.stage == Stage::Stored && self.planned[record.planned].client == client
        });
        if !right {
            let stage = record.map(|record| record.stage);
            self.journal.violation(|| {
                format!("client {client} is told of {id} as queued, which is {stage:?}")
            });
        }
    }

    /// The disk works on: commits come nearer to their end, or `all` of them to it.
    pub fn work(&mut self, all: bool) -> bool {
        let mut moved = self.congested;
        if self.congested && (all || self.rng.one_in(3)) {
            self.congested = false;
            self.completion = true;
        } else if !all && self.rng.one_in(20) {
            self.congested = true;
        }
        for (_, steps) in self.questions.iter_mut().filter(|(_, steps)| *steps > 0) {
            *steps = if all { 0 } else { *steps - 1 };
            moved = true;
            self.completion |= *steps == 0;
        }
        for record in &mut self.records {
            if let Stage::Submitted(steps @ 1..) = &mut record.stage {
                *steps = if all { 0 } else { *steps - 1 };
                moved = true;
                self.completion |= *steps == 0;
            }
        }
        moved
    }

    fn begin(&mut self, envelope: &Envelope) -> Result<(QueueId, Draft), Failure> {
        let path = envelope.reverse_path.to_string();
        let number = path
            .strip_prefix("<m")
            .and_then(|rest| rest.split('@').next());
        let index: usize = number.and_then(|number| number.parse().ok()).expect(&path);
        let planned = &mut self.planned[index];
        if std::mem::replace(&mut planned.begun, true) {
            self.journal
                .violation(|| format!("message {path} was begun twice"));
        }
        if let Fate::Unopened(fault) = planned.fate {
            return Err(fault.failure());
        }
        let id = QueueId::new("SIM", self.records.len() as u64 + 1);
        self.records.push(Record {
            planned: index,
            id,
            traced: false,
            text: Vec::new(),
            lost: lost_recipients(envelope),
            stage: Stage::Open,
        });
        Ok((id, Draft::new(self.records.len() - 1)))
    }

    fn write(&mut self, key: usize, text: &[u8]) -> Result<(), Failure> {
        let record = &mut self.records[key];
        let is_trace = !std::mem::replace(&mut record.traced, true);
        if text.is_empty() || text.starts_with(b"\n") {
            self.journal
                .violation(|| "a CRLF was split, or nothing written".to_owned());
        }
        match self.planned[record.planned].fate {
            Fate::Untraced(fault) if is_trace => return Err(fault.failure()),
            Fate::Unwritten(most, fault) if !is_trace && record.text.len() + text.len() > most => {
                return Err(fault.failure());
            }
            _ => {}
        }
        if !is_trace {
            record.text.extend_from_slice(text);
        } else if !text.starts_with(b"Return-Path: <") || !text.ends_with(b"\r\n") {
            self.journal.violation(|| "no trace header".to_owned());
        }
        Ok(())
    }

    fn end(&mut self, key: usize, stage: Stage) {
        let record = &mut self.records[key];
        if record.stage != Stage::Open {
            let id = record.id;
            self.journal.violation(|| format!("{id} was ended twice"));
        }
        record.stage = stage;
    }

    fn submit(&mut self, key: usize) -> Ticket {
        let delay = self.rng.below(self.delay_max + 1);
        self.end(key, Stage::Submitted(delay));
        let record = &self.records[key];
        let planned = &self.planned[record.planned];
        let text = &record.text[..];
        if planned.text.as_deref() != Some(text) {
            self.journal.violation(|| {
                let was = planned.text.as_deref().map(String::from_utf8_lossy);
                let is = String::from_utf8_lossy(text);
                format!(
                    "{} is not what client {} sent: {was:?} became {is:?}",
                    record.id, planned.client
                )
            });
        }
        Ticket(TICKETS + key as u64)
    }

    fn is_pending(&self) -> bool {
        let ready = |record: &Record| record.stage == Stage::Submitted(0);
        self.records.iter().any(ready) || self.questions.iter().any(|(_, steps)| *steps == 0)
    }

    fn commit(&mut self, finished: &mut Vec<Finished>) {
        let ready = |record: &Record| record.stage == Stage::Submitted(0);
        let mut keys: Vec<usize> = (0..self.records.len()).collect();
        keys.retain(|key| ready(&self.records[*key]));
        self.rng.shuffle(&mut keys);
        for key in keys {
            let record = &mut self.records[key];
            let planned = &self.planned[record.planned];
            let outcome = match planned.fate {
                Fate::Uncommitted(fault) => Outcome::Failed(fault.failure()),
                _ => record.outcome(),
            };
            let stored = outcome.is_stored();
            record.stage = if stored { Stage::Stored } else { Stage::Failed };
            self.stored += u64::from(stored);
            let client = planned.client;
            self.settled
                .resize(self.settled.len().max(client + 1), None);
            self.settled[client] = Some(self.journal.now());
            let ticket = Ticket(TICKETS + key as u64);
            self.journal
                .trace(|| format!("client {client} {} {outcome:?}", record.id));
            finished.push(Finished { ticket, outcome });
        }
    }
}

/// The ledger in the hands of the server.
pub struct SlowStore(pub Rc<RefCell<Ledger>>, pub Rc<Journal>);

/// There is never room for a message that is declared to have so many octets.
pub const UNFIT_SIZE: u64 = 7;

impl Store for SlowStore {
    fn admit(&mut self, declared_bytes: u64, _: u64) -> Result<Admission, Failure> {
        self.1.count_call();
        if declared_bytes == UNFIT_SIZE {
            // A sender does not wait for that for long, and begins.
            return Err(Failure::LittleLeft(0));
        }
        let mut ledger = self.0.borrow_mut();
        let steps_max = ledger.delay_max;
        ledger.admit(Ok(()), steps_max)
    }

    /// A recipient's fate is in its name.
    fn check(
        &mut self,
        recipient: &Recipient,
        envelope: &Envelope,
        to_make: usize,
    ) -> Result<Admission, Failure> {
        self.1.count_call();
        if to_make != envelope.recipients.len() {
            let wrong = || format!("{to_make} mailboxes to make for {envelope:?}");
            self.1.violation(wrong);
        }
        let result = match recipient.address.local_part() {
            "full" => Err(Fault::Full.failure()),
            "many" => Err(Failure::TooManyMailboxes),
            "bad" => Err(Failure::BadName),
            "io" => Err(Fault::Io.failure()),
            _ => Ok(()),
        };
        // One that is answered later than its client may wait would be refused.
        self.0.borrow_mut().admit(result, 0)
    }

    fn answer(&mut self) -> Option<Answer> {
        self.0.borrow_mut().answer()
    }

    fn begin(&mut self, envelope: &Envelope) -> Result<(QueueId, Draft), Failure> {
        self.1.count_call();
        self.0.borrow_mut().begin(envelope)
    }

    fn write(&mut self, draft: &mut Draft, text: &[u8]) -> Result<(), Failure> {
        self.1.count_call();
        self.0.borrow_mut().write(draft.key(), text)
    }

    fn abort(&mut self, draft: Draft) {
        self.1.count_call();
        self.0.borrow_mut().end(draft.key(), Stage::Aborted);
    }

    fn submit(&mut self, draft: Draft) -> Ticket {
        self.1.count_call();
        self.0.borrow_mut().submit(draft.key())
    }

    fn commit(&mut self, finished: &mut Vec<Finished>) {
        self.0.borrow_mut().commit(finished);
    }

    fn is_pending(&self) -> bool {
        self.0.borrow().is_pending()
    }

    fn is_congested(&self) -> bool {
        self.0.borrow().congested
    }
}
