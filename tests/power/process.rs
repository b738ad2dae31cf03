//! A process with a store, and what it is asked to do.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;

use mailoop::store::Ticket;
use mailoop::store::maildir::{CommitEngine, Disk, MailboxPath};

use super::ledger::{Ledger, Standing};
use super::machine::{Machine, Troubles};
use super::model::Model;
use super::prng::Prng;

/// The most bytes that are written at once.
const PIECE_BYTES_MAX: usize = 40;

#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub mailboxes_max: usize,
    pub group_max: usize,
}

pub struct Process {
    machine: Rc<RefCell<Machine>>,
    settings: Settings,
    engine: CommitEngine<Model>,
    /// Messages by their numbers: those that are open, and those that were submitted.
    open: Vec<(u64, String)>,
    submitted: BTreeMap<u64, String>,
    count: u64,
    /// Whether no other process has had the store open since it began.
    pub alone: bool,
    /// The domains and mailboxes that were there when it began.
    existing: BTreeSet<String>,
    /// The mailboxes of messages that it stored.
    used: BTreeSet<String>,
    /// How often something had interfered when it began.
    troubles: Troubles,
}

impl Process {
    /// Starts a store.
    ///
    /// # Errors
    /// What it says.
    pub fn start(
        machine: &Rc<RefCell<Machine>>,
        settings: Settings,
        alone: bool,
    ) -> io::Result<Self> {
        let troubles = machine.borrow().troubles();
        let Settings {
            mailboxes_max,
            group_max,
        } = settings;
        let engine = CommitEngine::start(Model::new(machine), mailboxes_max, group_max)?;
        let existing = machine.borrow().tree.folders();
        Ok(Self {
            machine: Rc::clone(machine),
            settings,
            engine,
            open: Vec::new(),
            submitted: BTreeMap::new(),
            count: 0,
            alone,
            existing: existing.into_iter().map(|(path, _)| path).collect(),
            used: BTreeSet::new(),
            troubles,
        })
    }

    pub fn instance(&self) -> &str {
        self.engine.instance()
    }

    fn tell(&self, line: impl FnOnce() -> String) {
        self.machine.borrow_mut().tell(line);
    }

    /// Opens a message for some mailboxes, which stand or fall together, or `each` alone, and returns its name.
    pub fn open(&mut self, addresses: &[&str], each: bool, ledger: &mut Ledger) -> String {
        self.count += 1;
        let name = format!("1000000000.{}{:04X}.mx", self.instance(), self.count);
        self.tell(|| format!("OPEN {name} for {addresses:?}"));
        let paths = addresses.iter().map(|address| {
            let mailbox = address.parse().expect("an address");
            MailboxPath::new(&mailbox).expect("a path")
        });
        let paths: Vec<_> = paths.collect();
        let size = if each { 1 } else { paths.len() };
        let groups: Vec<_> = paths.chunks(size).map(<[_]>::to_vec).collect();
        let names = |group: &Vec<MailboxPath>| group.iter().map(ToString::to_string).collect();
        ledger.open(&name, groups.iter().map(names).collect());
        self.engine.disk().forget();
        self.engine
            .open(Ticket(self.count), &name, groups, usize::MAX);
        self.open.push((self.count, name.clone()));
        name
    }

    /// Writes something to one of the open messages.
    pub fn write(&mut self, rng: &mut Prng, ledger: &mut Ledger) {
        if self.open.is_empty() {
            return;
        }
        let (number, name) = &self.open[rng.below(self.open.len())];
        let text: Vec<u8> = (0..rng.size(PIECE_BYTES_MAX))
            .map(|_| rng.pick(b"abcdefghij\n"))
            .collect();
        ledger.message(name).text.extend_from_slice(&text);
        self.tell(|| format!("WRITE {} bytes to {name}", text.len()));
        self.engine.write(Ticket(*number), &text);
    }

    /// Drops one of the open messages; the last one if it has failed, as a server does that waits for that.
    pub fn abort(&mut self, rng: &mut Prng, ledger: &mut Ledger) {
        let Some((last, _)) = self.open.last() else {
            return;
        };
        let failed = self.engine.has_failed(Ticket(*last));
        let index = if failed {
            self.open.len() - 1
        } else {
            rng.below(self.open.len())
        };
        let (number, name) = self.open.remove(index);
        self.tell(|| format!("ABORT {name}"));
        ledger.message(&name).standing = Standing::Aborted;
        let aborted = self.engine.abort(Ticket(number));
        assert!(aborted.is_err() || !failed, "{name} did not fail after all");
    }

    /// Submits one of the open messages.
    pub fn submit(&mut self, rng: &mut Prng, ledger: &mut Ledger) {
        if self.open.is_empty() {
            return;
        }
        let (number, name) = self.open.remove(rng.below(self.open.len()));
        self.tell(|| format!("SUBMIT {name}"));
        ledger.message(&name).standing = Standing::Submitted;
        self.engine.submit(Ticket(number));
        self.submitted.insert(number, name);
    }

    /// Lets the store work on the disk. Whether it had something to do.
    pub fn round(&mut self) -> bool {
        self.tell(|| "ROUND".to_owned());
        self.engine.round()
    }

    /// Hears what became of messages.
    pub fn hear(&mut self, ledger: &mut Ledger) {
        let undisturbed = self.is_undisturbed();
        for finished in self.engine.settled() {
            let name = self.submitted.remove(&finished.ticket.0);
            let name = name.unwrap_or_else(|| panic!("what is {finished:?}?"));
            let outcome = finished.outcome;
            self.machine
                .borrow_mut()
                .tell(|| format!("{name} is {outcome:?}"));
            ledger.settle(&name, &outcome);
            if outcome.is_stored() {
                self.used.extend(ledger.message(&name).mailboxes.clone());
            }
            if undisturbed {
                ledger.check_failures(&name, outcome);
            }
        }
    }

    /// Checks what it knows and what it has left, while it lives.
    ///
    /// # Panics
    /// If that is not as it should be.
    pub fn check(&self, ledger: &Ledger) {
        let machine = self.machine.borrow();
        ledger.check_drafts(&machine, self.instance());
        if self.alone && machine.outsider.removals == self.troubles.removals {
            let mailboxes = machine.tree.mailboxes();
            let room = self.settings.mailboxes_max.saturating_sub(mailboxes.len());
            assert_eq!(self.engine.mailbox_room(), room, "{mailboxes:?}");
            let present: BTreeSet<_> = mailboxes.into_iter().map(|(path, _)| path).collect();
            let existing = self.existing.iter().filter(|path| path.contains('/'));
            let few = present.len() <= self.settings.mailboxes_max.max(existing.clone().count());
            assert!(few, "too many mailboxes: {present:?}");
            let mut expected = existing.chain(&self.used);
            let gone = expected.find(|path| !present.contains(*path));
            let is_deleted = machine.outsider.touched.len() > self.troubles.touched;
            assert!(is_deleted || gone.is_none(), "{gone:?} is gone");
        }
    }

    /// Ends it as a server's end does: what is not complete is dropped, what is is delivered.
    pub fn finish(&mut self, ledger: &mut Ledger) {
        self.tell(|| "FINISH".to_owned());
        for (_, name) in self.open.drain(..) {
            ledger.message(&name).standing = Standing::Aborted;
        }
        self.engine.abort_all();
        // Data, names, and their removal.
        let rounds_max = 3 * self.submitted.len();
        let rounds = (0..=rounds_max).take_while(|_| self.round()).count();
        assert!(rounds <= rounds_max, "it comes to no end");
    }

    /// Checks that nothing is left to tell, and no folder that holds nothing.
    ///
    /// # Panics
    /// If there is.
    pub fn check_end(&self) {
        assert!(self.submitted.is_empty(), "{:?} not told", self.submitted);
        assert!(!self.engine.is_pending(), "something is left to do");
        let machine = self.machine.borrow();
        let troubles = machine.troubles();
        let could_remove = Troubles {
            faults: troubles.faults,
            ..self.troubles
        };
        if !self.alone || troubles != could_remove {
            return;
        }
        for (path, node) in machine.tree.folders() {
            let content = machine.tree.names.list(node).count();
            let known = self.existing.contains(&path) || self.used.contains(&path);
            let is_mailbox = path.contains('/');
            assert!(known || !is_mailbox && content > 0, "{path} is left over");
            let whole = !is_mailbox || content == 3 || self.existing.contains(&path);
            let could_make = troubles == self.troubles;
            assert!(whole || !could_make, "{path} is not whole");
        }
    }

    /// Whether there were no faults since its start, and nobody else was here.
    fn is_undisturbed(&self) -> bool {
        self.machine.borrow().troubles() == self.troubles
    }

    /// It is gone, and tells nothing any more.
    pub fn end(self, ledger: &mut Ledger) {
        let open = self.open.into_iter().map(|(_, name)| name);
        for name in open.chain(self.submitted.into_values()) {
            ledger.message(&name).standing = Standing::Unsettled;
        }
    }
}
