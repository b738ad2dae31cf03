//! What was asked of the store, what it said, and what so must be on the disk.

use std::collections::BTreeMap;

use mailoop::store::{Failure, Outcome};

use super::machine::Machine;
use super::tree::Tree;

/// What is known of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Open,
    Submitted,
    Aborted,
    Stored,
    Failed,
    /// Whoever had it is gone, and told nothing.
    Unsettled,
}

#[derive(Debug)]
pub struct Message {
    /// The mailboxes it is for, as they stand or fall together.
    groups: Vec<Vec<String>>,
    /// All of them; once it is settled, those that have it if it is stored.
    pub mailboxes: Vec<String>,
    pub text: Vec<u8>,
    pub standing: Standing,
}

/// All messages, by the names of their files.
#[derive(Debug, Default)]
pub struct Ledger(BTreeMap<String, Message>);

impl Ledger {
    pub fn open(&mut self, name: &str, groups: Vec<Vec<String>>) {
        let message = Message {
            mailboxes: groups.concat(),
            groups,
            text: Vec::new(),
            standing: Standing::Open,
        };
        let older = self.0.insert(name.to_owned(), message);
        assert!(older.is_none(), "{name} is used again");
    }

    pub fn message(&mut self, name: &str) -> &mut Message {
        self.0.get_mut(name).expect("a message of ours")
    }

    pub fn count(&self, standing: Standing) -> usize {
        let messages = self.0.values();
        messages
            .filter(|message| message.standing == standing)
            .count()
    }

    /// The store tells what became of a message.
    pub fn settle(&mut self, name: &str, outcome: &Outcome) {
        let message = self.message(name);
        let before = message.standing;
        assert_eq!(before, Standing::Submitted, "{name} is {outcome:?}");
        message.standing = match outcome {
            Outcome::Stored => Standing::Stored,
            Outcome::Failed(_) => Standing::Failed,
            Outcome::PerRecipient(results) => {
                let groups = message.groups.iter().zip(results);
                let stored = groups.filter(|(_, result)| result.is_ok());
                let stored: Vec<_> = stored.flat_map(|(group, _)| group.clone()).collect();
                if stored.is_empty() {
                    Standing::Failed
                } else {
                    message.mailboxes = stored;
                    Standing::Stored
                }
            }
        };
    }

    /// Checks why groups of a message failed although nothing went wrong: there are too many mailboxes.
    ///
    /// # Panics
    /// If it is anything else.
    pub fn check_failures(&self, name: &str, outcome: Outcome) {
        let groups = &self.0[name].groups;
        for (group, result) in groups.iter().zip(outcome.for_each(groups.len())) {
            let expected = matches!(result, Ok(()) | Err(Failure::TooManyMailboxes));
            assert!(
                expected,
                "{name} for {group:?}, without a fault: {result:?}"
            );
        }
    }

    /// Checks all mailboxes, at any time.
    ///
    /// - Whatever is in a `new/` is a whole message that was submitted for this mailbox.
    /// - A message that was reported stored is there, once, unless a reader took it.
    /// - A message that was reported failed is not there. A fault while it is withdrawn may leave it, or let a power
    ///   cut bring it back.
    ///
    /// # Panics
    /// If something is not as it should be.
    pub fn check(&self, machine: &Machine) {
        let tree = &machine.tree;
        let mut found = BTreeMap::new();
        for (mailbox, node) in tree.mailboxes() {
            for subfolder in ["new", "cur"] {
                for (name, file) in tree.files(node, subfolder) {
                    let path = format!("{mailbox}/{subfolder}/{name}");
                    let message = self.0.get(&name);
                    let message = message.unwrap_or_else(|| panic!("{path} is no message"));
                    let text = tree.data(file).read();
                    assert!(text == message.text, "{path} is torn");
                    let mut for_it = message.groups.iter().flatten();
                    assert!(for_it.any(|it| *it == mailbox), "{path} is misplaced");
                    let place = (mailbox.clone(), name);
                    let touched = machine.outsider.touched.contains(&place);
                    let removed = machine.outsider.removed.contains(&mailbox);
                    let excused = touched || removed || machine.is_stuck(&path);
                    match message.standing {
                        Standing::Failed => assert!(excused, "{path} was refused"),
                        Standing::Open | Standing::Aborted => panic!("{path} was not submitted"),
                        Standing::Stored if !message.mailboxes.contains(&mailbox) => {
                            assert!(excused, "{path} was refused, though not others");
                        }
                        _ => {}
                    }
                    let twice = found.insert(place, path).filter(|_| !touched);
                    assert_eq!(twice, None, "a message is there twice");
                }
            }
        }
        for (name, message) in &self.0 {
            for mailbox in &message.mailboxes {
                let place = (mailbox.clone(), name.clone());
                assert!(
                    message.standing != Standing::Stored
                        || found.contains_key(&place)
                        || machine.outsider.touched.contains(&place),
                    "{mailbox}/new/{name} was reported stored, and is gone"
                );
            }
        }
    }

    /// Checks that a store that lives, by the start of its names, has left nothing in any `tmp/` but what it works on.
    ///
    /// # Panics
    /// If it has.
    pub fn check_drafts(&self, machine: &Machine, instance: &str) {
        for (path, name) in drafts(&machine.tree) {
            let standing = self.0[&name].standing;
            let alive = matches!(standing, Standing::Open | Standing::Submitted);
            let ours = name.contains(&format!(".{instance}"));
            let stuck = machine.is_stuck(&path);
            assert!(alive || !ours || stuck, "{path} is left over, {standing:?}");
        }
    }
}

/// The paths and names of all files in any `tmp/`.
pub fn drafts(tree: &Tree) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (mailbox, node) in tree.mailboxes() {
        let files = tree.files(node, "tmp").into_iter();
        found.extend(files.map(|(name, _)| (format!("{mailbox}/tmp/{name}"), name)));
    }
    found
}
