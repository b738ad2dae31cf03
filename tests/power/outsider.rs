//! Others who work in the mailboxes: a mail reader, and whoever removes a mailbox.

use std::collections::BTreeSet;

use super::names::Node;
use super::prng::Prng;
use super::tree::Tree;

#[derive(Debug)]
pub struct Outsider {
    rng: Prng,
    /// One call in so many somebody does something; 0 is never.
    often: usize,
    /// Whether mail is deleted, and mailboxes removed, also.
    removes: bool,
    /// The messages, by mailbox and name, that somebody has touched: where they are is no longer ours to say.
    pub touched: BTreeSet<(String, String)>,
    /// How many mailboxes, or parts of one, were removed.
    pub removals: usize,
    /// Which ones: what the store had removed there just then, nobody can make durable any more.
    pub removed: BTreeSet<String>,
}

impl Outsider {
    pub fn new(mut rng: Prng, removes: bool) -> Self {
        Self {
            often: rng.pick(&[0, 0, 10, 30, 100]),
            removes: removes && rng.one_in(2),
            rng,
            touched: BTreeSet::new(),
            removals: 0,
            removed: BTreeSet::new(),
        }
    }

    /// Nobody comes any more.
    pub fn leave(&mut self) {
        self.often = 0;
    }

    /// Perhaps somebody does something, which this tells.
    pub fn act(&mut self, tree: &mut Tree) -> Option<String> {
        if !self.rng.one_in(self.often) {
            return None;
        }
        let mailboxes = tree.mailboxes();
        if mailboxes.is_empty() {
            return None;
        }
        let (mailbox, node) = &mailboxes[self.rng.below(mailboxes.len())];
        if self.removes && self.rng.one_in(4) {
            return Some(self.remove(tree, mailbox, *node));
        }
        self.read(tree, mailbox, *node)
    }

    /// A reader sees a message.
    fn read(&mut self, tree: &mut Tree, mailbox: &str, node: Node) -> Option<String> {
        let mail = tree.files(node, "new");
        let new = tree.find(node, "new").ok()?;
        let cur = tree.find(node, "cur").ok()?;
        let (name, _) = mail.get(self.rng.below(mail.len()))?;
        self.touched.insert((mailbox.to_owned(), name.clone()));
        if self.removes && self.rng.one_in(2) {
            tree.remove_file(new, name).expect("it is there");
            return Some(format!("a reader deletes {mailbox}/new/{name}"));
        }
        tree.rename((new, name), (cur, name)).ok()?;
        Some(format!("a reader moves {mailbox}/new/{name} to cur"))
    }

    /// Somebody removes a mailbox, or a folder of it, with all that is in it.
    fn remove(&mut self, tree: &mut Tree, mailbox: &str, node: Node) -> String {
        self.removals += 1;
        self.removed.insert(mailbox.to_owned());
        let whole = self.rng.one_in(2);
        let some = self.rng.pick(&["tmp", "new", "cur"]);
        for folder in ["tmp", "new", "cur"] {
            if !whole && folder != some {
                continue;
            }
            let Ok(inner) = tree.find(node, folder) else {
                continue;
            };
            for (name, _) in tree.files(node, folder) {
                self.touched.insert((mailbox.to_owned(), name.clone()));
                tree.remove_file(inner, &name).expect("it is there");
            }
            tree.remove_folder(node, folder).expect("it is empty");
        }
        if !whole {
            return format!("somebody removes {mailbox}/{some}");
        }
        let (domain, name) = mailbox.split_once('/').expect("a domain");
        let domain = tree.at(domain).expect("it is there");
        tree.remove_folder(domain, name).expect("it is empty");
        format!("somebody removes {mailbox}")
    }
}
