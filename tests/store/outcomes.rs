//! Who has a message when a call of the disk fails: every call there is, one at a time, for recipients that share one
//! outcome and for those that have each their own.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::rc::Rc;

use mailoop::smtp::path::Mailbox;
use mailoop::store::maildir::{CommitEngine, MailboxPath, System};
use mailoop::store::{Failure, Outcome, Ticket};
use tempfile::TempDir;

use super::disk::{Abilities, Calls, Faulty};

struct Delivery {
    root: TempDir,
    engine: CommitEngine<Faulty>,
    calls: Rc<RefCell<Calls>>,
}

impl Delivery {
    fn new(abilities: Abilities) -> Self {
        let root = tempfile::tempdir().unwrap();
        let calls = Rc::new(RefCell::new(Calls::default()));
        let disk = Faulty {
            disk: System::open(root.path()).unwrap(),
            calls: Rc::clone(&calls),
            abilities,
        };
        let engine = CommitEngine::start(disk, 1000, 100).unwrap();
        Self {
            root,
            engine,
            calls,
        }
    }

    /// Delivers message number `number` while the call `fails` does; the result of each group, and the calls.
    fn deliver(
        &mut self,
        number: u64,
        groups: &[&[&str]],
        fails: Option<usize>,
    ) -> (Vec<Result<(), Failure>>, Vec<String>) {
        *self.calls.borrow_mut() = Calls {
            fails,
            ..Calls::default()
        };
        let path = |name: &&str| {
            let mailbox: Mailbox = format!("{name}@d").parse().unwrap();
            MailboxPath::new(&mailbox).unwrap()
        };
        let paths = groups.iter().map(|group| group.iter().map(path).collect());
        let ticket = Ticket(number);
        let engine = &mut self.engine;
        engine.open(
            ticket,
            &format!("{number}.ID.mx"),
            paths.collect(),
            usize::MAX,
        );
        engine.write(ticket, b"x\n");
        engine.submit(ticket);
        while engine.round() {}
        let finished = engine.settled().next().unwrap();
        assert_eq!(finished.ticket, ticket);
        if let Outcome::PerRecipient(results) = &finished.outcome {
            assert!(groups.len() > 1 && results.iter().any(Result::is_err));
        }
        let made = std::mem::take(&mut self.calls.borrow_mut().made);
        (finished.outcome.for_each(groups.len()), made)
    }

    /// Whether a mailbox has message number `number`.
    fn has(&self, name: &str, number: u64) -> bool {
        let mailbox = self.root.path().join("d").join(name);
        let mut drafts = fs::read_dir(mailbox.join("tmp")).into_iter().flatten();
        assert!(drafts.next().is_none(), "{name}: a draft is left");
        mailbox.join(format!("new/{number}.ID.mx")).exists()
    }
}

/// Lets each call of a delivery fail, on disks of all kinds, in mailboxes that are there already and in fresh ones;
/// `judge` is told the call, and which groups have the message.
fn each_fault(groups: &[&[&str]], mut judge: impl FnMut(&str, &[bool])) {
    for abilities in Abilities::all() {
        for fresh in [false, true] {
            each_fault_of(abilities, groups, fresh, &mut judge);
        }
    }
}

fn each_fault_of(
    abilities: Abilities,
    groups: &[&[&str]],
    fresh: bool,
    judge: &mut impl FnMut(&str, &[bool]),
) {
    for fault in 0.. {
        let mut delivery = Delivery::new(abilities);
        if !fresh {
            delivery.deliver(1, groups, None);
        }
        let (results, calls) = delivery.deliver(2, groups, Some(fault));
        let Some(call) = calls.get(fault) else {
            assert!(fault > 3 && results.iter().all(Result::is_ok));
            return;
        };
        let have: Vec<_> = results.iter().map(Result::is_ok).collect();
        for result in &results {
            assert!(matches!(result, Ok(()) | Err(Failure::Full(_))), "{call}");
        }
        for mailbox in groups.concat() {
            let groups = groups.iter().zip(&have);
            let wanted = groups
                .filter(|(group, _)| group.contains(&mailbox))
                .any(|(_, has)| *has);
            assert_eq!(delivery.has(mailbox, 2), wanted, "{call}: {mailbox}");
            let folder: &Path = &delivery.root.path().join("d").join(mailbox);
            assert_eq!(folder.exists(), wanted || !fresh, "{call}: {mailbox}");
        }
        let (again, _) = delivery.deliver(3, groups, None);
        assert!(again.iter().all(Result::is_ok), "{call}: the next message");
        judge(call, &have);
    }
}

#[test]
fn one_outcome_for_all_is_all_or_nothing() {
    each_fault(&[&["a", "b", "c"]], |call, have| {
        assert_eq!(have, [false], "{call}");
    });
}

#[test]
fn a_mailbox_that_fails_fails_alone() {
    let mut alone = [0; 3];
    each_fault(&[&["a"], &["b"], &["c"]], |call, have| {
        let failed = ["a", "b", "c"].map(|name| call.contains(&format!(" d/{name}")));
        match failed.iter().position(|failed| *failed) {
            Some(index) => {
                let others = [0, 1, 2].map(|other| other != index);
                assert_eq!(have, others, "{call}");
                alone[index] += 1;
            }
            // The domain is looked for before each mailbox.
            None if call == "make_folder d" => {
                let failed = have.iter().filter(|has| !**has);
                assert_eq!(failed.count(), 1, "{call}");
            }
            None => assert_eq!(have, [false; 3], "{call}"),
        }
    });
    assert!(alone.iter().all(|faults| *faults > 0), "{alone:?}");
}

#[test]
fn who_leads_to_a_mailbox_that_fails_fails_and_nobody_else() {
    let groups: &[&[&str]] = &[&["a", "b"], &["b", "c"], &["a", "a"], &["c"]];
    let mut mixed = 0;
    each_fault(groups, |call, have| {
        let named = ["a", "b", "c"].map(|name| call.contains(&format!(" d/{name}")));
        let expected: &[bool] = match named {
            [true, ..] => &[false, true, false, true],
            [_, true, _] => &[false, false, true, true],
            [.., true] => &[true, false, true, false],
            _ if call == "make_folder d" => return,
            _ => &[false; 4],
        };
        assert_eq!(have, expected, "{call}");
        mixed += usize::from(have.contains(&true));
    });
    assert!(mixed >= 12, "{mixed}");
}

#[test]
fn without_links_each_mailbox_has_a_file_of_its_own() {
    for abilities in Abilities::all() {
        let mut delivery = Delivery::new(abilities);
        let (results, _) = delivery.deliver(1, &[&["a", "b"], &["c"]], None);
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        for name in ["a", "b", "c"] {
            assert!(delivery.has(name, 1));
            let file = delivery.root.path().join(format!("d/{name}/new/1.ID.mx"));
            assert_eq!(fs::read(&file).unwrap(), b"x\n");
            let links = if abilities.has_links { 3 } else { 1 };
            assert_eq!(fs::metadata(&file).unwrap().nlink(), links, "{abilities:?}");
        }
    }
}
