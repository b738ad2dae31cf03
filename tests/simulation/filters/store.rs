//! The store of a server with filters: a shelf in memory, beside a hold whose process is simulated and is lost now and then.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Instant;

use mailoop::smtp::envelope::{Envelope, QueueId, Recipient};
use mailoop::store::hold::{HOLD_PROCESS, HeldFiles, Hold, HoldOptions, HoldStarter, HoldingStore};
use mailoop::store::{Admission, Draft, Failure, Finished, Outcome, Store, StorePipes, Ticket};
use tempfile::TempDir;

use crate::common::without_trace;
use crate::journal::Journal;

/// How far a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Open,
    Submitted,
    Stored,
    Aborted,
}

/// A message of the store.
#[derive(Clone, Debug)]
pub struct Kept {
    pub id: String,
    pub sender: String,
    pub recipients: Vec<String>,
    text: Vec<u8>,
    pub stage: Stage,
}

impl Kept {
    /// The text without what the server puts before it.
    pub fn text(&self) -> &[u8] {
        without_trace(&self.text)
    }

    fn address(&mut self, envelope: &Envelope) {
        self.sender = envelope.reverse_path.to_string();
        let recipients = envelope.recipients.iter();
        self.recipients = recipients.map(|it| it.address.to_string()).collect();
    }
}

/// All messages there ever were, and what the world does with the process of the hold.
pub struct Shelf {
    pub kept: Vec<Kept>,
    journal: Rc<Journal>,
    /// The process has something to do.
    pub awaits_process: bool,
    /// It may do that in the next tick.
    pub lets_process_work: bool,
    /// It is lost in the next tick.
    pub loses_process: bool,
    pub losses: usize,
    /// Whether a text was ever moved to the process.
    pub moves: usize,
    /// Octets of memory and disk that texts on hold take.
    pub held: (usize, u64),
}

impl Shelf {
    pub fn new(journal: Rc<Journal>) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            kept: Vec::new(),
            journal,
            awaits_process: false,
            lets_process_work: false,
            loses_process: false,
            losses: 0,
            moves: 0,
            held: (0, 0),
        }))
    }

    pub fn find(&self, id: &str) -> Option<&Kept> {
        self.kept.iter().find(|kept| kept.id == id)
    }

    fn end(&mut self, draft: &Draft, stage: Stage) {
        let kept = &mut self.kept[draft.key()];
        if kept.stage != Stage::Open {
            let id = kept.id.clone();
            self.journal.violation(|| format!("{id} was ended twice"));
        }
        kept.stage = stage;
    }
}

struct ShelfStore(Rc<RefCell<Shelf>>);

impl Store for ShelfStore {
    fn check(&mut self, _: &Recipient, _: &Envelope, _: usize) -> Result<Admission, Failure> {
        Ok(Admission::Granted(0))
    }

    fn begin(&mut self, envelope: &Envelope) -> Result<(QueueId, Draft), Failure> {
        let mut shelf = self.0.borrow_mut();
        let key = shelf.kept.len();
        let id = QueueId::new("SIM", key as u64 + 1);
        let mut kept = Kept {
            id: id.as_str().to_owned(),
            sender: String::new(),
            recipients: Vec::new(),
            text: Vec::new(),
            stage: Stage::Open,
        };
        kept.address(envelope);
        shelf.kept.push(kept);
        Ok((id, Draft::new(key)))
    }

    fn readdress(
        &mut self,
        draft: &mut Draft,
        envelope: &Envelope,
    ) -> Result<Option<QueueId>, Failure> {
        let mut shelf = self.0.borrow_mut();
        let count = shelf.kept.len();
        let kept = &mut shelf.kept[draft.key()];
        kept.address(envelope);
        // Every other message gets another name.
        if count.is_multiple_of(2) {
            return Ok(None);
        }
        let id = QueueId::new("NEW", draft.key() as u64 + 1);
        kept.id = id.as_str().to_owned();
        Ok(Some(id))
    }

    fn write(&mut self, draft: &mut Draft, text: &[u8]) -> Result<(), Failure> {
        let mut shelf = self.0.borrow_mut();
        if text.is_empty() || text.starts_with(b"\n") || text.ends_with(b"\r") {
            shelf.journal.violation(|| "a CRLF was split".to_owned());
        }
        shelf.kept[draft.key()].text.extend_from_slice(text);
        Ok(())
    }

    fn abort(&mut self, draft: Draft) {
        self.0.borrow_mut().end(&draft, Stage::Aborted);
    }

    fn submit(&mut self, draft: Draft) -> Ticket {
        self.0.borrow_mut().end(&draft, Stage::Submitted);
        Ticket(draft.key() as u64 + 1)
    }

    fn commit(&mut self, finished: &mut Vec<Finished>) {
        for (key, kept) in self.0.borrow_mut().kept.iter_mut().enumerate() {
            if kept.stage == Stage::Submitted {
                kept.stage = Stage::Stored;
                let ticket = Ticket(key as u64 + 1);
                let outcome = Outcome::Stored;
                finished.push(Finished { ticket, outcome });
            }
        }
    }

    fn is_pending(&self) -> bool {
        let shelf = self.0.borrow();
        shelf.kept.iter().any(|kept| kept.stage == Stage::Submitted)
    }
}

/// A starter of processes that are simulated.
#[derive(Debug)]
struct SimulatedStarter;

impl HoldStarter for SimulatedStarter {
    fn ask(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn take_pipes(&mut self) -> io::Result<Option<StorePipes>> {
        // Nobody reads or writes them: octets are carried by hand.
        let (_, requests) = io::pipe()?;
        let (reports, _) = io::pipe()?;
        Ok(Some(StorePipes { requests, reports }))
    }
}

/// The whole store, in the hands of the server.
pub struct SimStore {
    inner: RefCell<HoldingStore>,
    options: HoldOptions,
    shelf: Rc<RefCell<Shelf>>,
    files: HeldFiles,
    folder: TempDir,
}

impl SimStore {
    pub fn new(shelf: Rc<RefCell<Shelf>>, options: HoldOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hold = Hold::new(options, Box::new(SimulatedStarter));
        let inner = Box::new(ShelfStore(Rc::clone(&shelf)));
        Self {
            inner: RefCell::new(HoldingStore::new(inner, hold)),
            options,
            shelf,
            files: HeldFiles::open(folder.path()).unwrap(),
            folder,
        }
    }

    /// What happens to the process, beside the loop.
    fn work(&mut self) {
        drop(self.inner.get_mut().take_pipes(HOLD_PROCESS));
        let mut shelf = self.shelf.borrow_mut();
        let works = std::mem::take(&mut shelf.lets_process_work);
        let Some(client) = self.inner.get_mut().client(HOLD_PROCESS) else {
            return;
        };
        if std::mem::take(&mut shelf.loses_process) {
            client.disconnected(ErrorKind::UnexpectedEof.into());
            self.files = HeldFiles::open(self.folder.path()).unwrap();
            shelf.losses += 1;
        } else if works {
            self.files.exchange(client).unwrap();
        }
    }

    fn check_bounds(&mut self) {
        let options = self.options;
        let Some(hold) = self.inner.get_mut().hold() else {
            return;
        };
        let held = (hold.memory_bytes(), hold.disk_bytes());
        let mut shelf = self.shelf.borrow_mut();
        shelf.moves += usize::from(shelf.held.1 == 0 && held.1 > 0);
        shelf.held = held;
        if held.0 > options.memory_bytes_max || held.1 > options.disk_bytes_max {
            let wrong = || format!("{held:?} are on hold of {options:?}");
            shelf.journal.violation(wrong);
        }
    }
}

impl Store for SimStore {
    fn set_time(&mut self, now: Instant) {
        self.inner.get_mut().set_time(now);
    }

    fn check(
        &mut self,
        recipient: &Recipient,
        envelope: &Envelope,
        to_make: usize,
    ) -> Result<Admission, Failure> {
        self.inner.get_mut().check(recipient, envelope, to_make)
    }

    fn begin(&mut self, envelope: &Envelope) -> Result<(QueueId, Draft), Failure> {
        self.inner.get_mut().begin(envelope)
    }

    fn readdress(
        &mut self,
        draft: &mut Draft,
        envelope: &Envelope,
    ) -> Result<Option<QueueId>, Failure> {
        self.inner.get_mut().readdress(draft, envelope)
    }

    fn write(&mut self, draft: &mut Draft, text: &[u8]) -> Result<(), Failure> {
        self.inner.get_mut().write(draft, text)
    }

    fn abort(&mut self, draft: Draft) {
        self.inner.get_mut().abort(draft);
    }

    fn submit(&mut self, draft: Draft) -> Ticket {
        self.inner.get_mut().submit(draft)
    }

    fn commit(&mut self, finished: &mut Vec<Finished>) {
        self.check_bounds();
        self.inner.get_mut().commit(finished);
        self.work();
    }

    fn is_pending(&self) -> bool {
        let mut inner = self.inner.borrow_mut();
        let client = inner.client(HOLD_PROCESS);
        let awaits_process = client.is_some_and(|client| !client.output().is_empty());
        self.shelf.borrow_mut().awaits_process = awaits_process;
        inner.is_pending()
    }

    fn is_congested(&self) -> bool {
        self.inner.borrow().is_congested()
    }

    fn next_wake(&self) -> Option<Instant> {
        self.inner.borrow().next_wake()
    }

    fn hold(&mut self) -> Option<&mut Hold> {
        self.inner.get_mut().hold()
    }
}

impl Drop for SimStore {
    fn drop(&mut self) {
        self.check_bounds();
    }
}
