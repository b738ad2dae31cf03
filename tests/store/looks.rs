//! How often a mailbox is listed for messages that may be there already.

use std::cell::RefCell;
use std::fs;
use std::rc::Rc;

use mailoop::smtp::path::Mailbox;
use mailoop::store::maildir::{CommitEngine, MailboxPath, System};
use mailoop::store::{Outcome, Ticket};
use tempfile::TempDir;

use super::disk::{Abilities, Calls, Faulty};

struct World {
    root: TempDir,
    engine: CommitEngine<Faulty>,
    calls: Rc<RefCell<Calls>>,
    count: u64,
}

impl World {
    fn new(group_max: usize) -> Self {
        let root = tempfile::tempdir().unwrap();
        let calls = Rc::new(RefCell::new(Calls::default()));
        let disk = Faulty {
            disk: System::open(root.path()).unwrap(),
            calls: Rc::clone(&calls),
            abilities: Abilities::all()[3],
        };
        let engine = CommitEngine::start(disk, 1000, group_max).unwrap();
        Self {
            root,
            engine,
            calls,
            count: 0,
        }
    }

    /// Hands over a message for a mailbox whose file there has this name, after marks as a store process is told.
    fn submit(&mut self, local: &str, name: &str) {
        self.count += 1;
        let ticket = Ticket(self.count);
        let mailbox: Mailbox = format!("{local}@d").parse().unwrap();
        let groups = vec![vec![MailboxPath::new(&mailbox).unwrap()]];
        let names = format!("9.{:08X}{:04X}.mx/{name}", 1, self.count);
        self.engine.open(ticket, &names, groups, usize::MAX);
        self.engine.write(ticket, b"x\n");
        self.engine.submit(ticket);
    }

    /// Makes all durable that was handed over. Returns how many were stored, how many were not, and the folders that were listed.
    fn commit(&mut self) -> (usize, usize, Vec<String>) {
        self.calls.borrow_mut().listed.clear();
        while self.engine.round() {}
        let outcomes = self.engine.settled().map(|finished| finished.outcome);
        let (stored, not): (Vec<_>, Vec<_>) = outcomes.partition(Outcome::is_stored);
        let listed = self.calls.borrow().listed.clone();
        (stored.len(), not.len(), listed)
    }

    fn count_in(&self, folder: &str) -> usize {
        let entries = fs::read_dir(self.root.path().join("d").join(folder));
        entries.into_iter().flatten().count()
    }
}

#[test]
fn a_group_of_messages_that_may_be_there_lists_each_mailbox_once() {
    let mut world = World::new(100);
    for _ in 0..2 {
        for number in 0..60 {
            for local in ["a", "b"] {
                world.submit(local, &format!("?7.Q{number}.mx"));
            }
        }
        let (stored, failed, listed) = world.commit();
        assert_eq!((stored, failed), (120, 0));
        // One round of 100 messages, and one of 20: at most eight, or some more where the machine stood still meanwhile.
        assert!((4..24).contains(&listed.len()), "{listed:?}");
        assert_eq!((world.count_in("a/new"), world.count_in("b/new")), (60, 60));
        assert_eq!(world.count_in("a/tmp"), 0);
    }
}

#[test]
fn messages_that_are_only_sought_share_a_look() {
    let mut world = World::new(100);
    for number in 0..10 {
        world.submit("a", &format!("7.Q{number}.mx"));
    }
    let (stored, _, listed) = world.commit();
    // What cannot be there is not looked for.
    assert!(stored == 10 && listed.len() < 10, "{listed:?}");
    for number in 0..20 {
        world.submit("a", &format!("??7.Q{number}.other"));
    }
    let (stored, failed, listed) = world.commit();
    assert_eq!((stored, failed), (10, 10));
    assert!((2..8).contains(&listed.len()), "{listed:?}");
    assert_eq!(world.count_in("a/new"), 10);
}

#[test]
fn a_message_that_is_there_is_found_on_a_full_disk() {
    for fails in 0.. {
        let mut world = World::new(100);
        world.submit("a", "7.Q1.mx");
        world.commit();
        let calls = Rc::clone(&world.calls);
        calls.borrow_mut().made.clear();
        calls.borrow_mut().fails = Some(fails);
        world.submit("a", "?7.Q1.mx");
        let (stored, _, _) = world.commit();
        let made = calls.borrow().made.clone();
        let Some(call) = made.get(fails) else {
            assert!(fails >= 2, "{made:?}");
            return;
        };
        let is_sync = call.starts_with("sync");
        assert_eq!(stored, usize::from(!is_sync), "{made:?}");
        assert_eq!(world.count_in("a/new"), 1, "{call}");
    }
}
