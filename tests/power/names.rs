//! Names in folders: those there are, those that a power cut would leave, and the changes between the two.

use std::collections::BTreeMap;

/// A file or a folder.
pub type Node = usize;

/// What has become of something that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A power cut leaves it there, or does not.
    Pending,
    Durable,
    /// A power cut takes it away, whatever is synced until then.
    Lost,
}

/// What a name in a folder stands for from now on.
#[derive(Clone, Debug)]
pub struct Entry {
    pub folder: Node,
    pub name: String,
    pub node: Option<Node>,
}

impl Entry {
    pub fn new(folder: Node, name: &str, node: Option<Node>) -> Self {
        let name = name.to_owned();
        Self { folder, name, node }
    }

    fn place(&self) -> (Node, String) {
        (self.folder, self.name.clone())
    }
}

/// Whose names a change is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Folder,
}

/// One operation. A rename has two entries.
#[derive(Clone, Debug)]
struct Change {
    number: u64,
    kind: Kind,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
pub struct Names {
    present: BTreeMap<(Node, String), Node>,
    /// What is on the disk, and which change put it there: no older one can come after it.
    durable: BTreeMap<(Node, String), (u64, Option<Node>)>,
    pending: Vec<Change>,
    changes: u64,
    /// Whether the two entries of a rename are durable independently of each other. All journaling file systems
    /// make one transaction of them; POSIX promises nothing.
    in_halves: bool,
}

impl Names {
    pub fn new(in_halves: bool) -> Self {
        Self {
            present: BTreeMap::new(),
            durable: BTreeMap::new(),
            pending: Vec::new(),
            changes: 0,
            in_halves,
        }
    }

    pub fn get(&self, folder: Node, name: &str) -> Option<Node> {
        self.present.get(&(folder, name.to_owned())).copied()
    }

    pub fn list(&self, folder: Node) -> impl Iterator<Item = (&str, Node)> {
        let all = (folder, String::new())..(folder + 1, String::new());
        let entries = self.present.range(all);
        entries.map(|((_, name), node)| (name.as_str(), *node))
    }

    /// Makes one change, which is pending.
    pub fn change(&mut self, kind: Kind, entries: Vec<Entry>) {
        for entry in &entries {
            match entry.node {
                Some(node) => self.present.insert(entry.place(), node),
                None => self.present.remove(&entry.place()),
            };
        }
        self.changes += 1;
        self.pending.push(Change {
            number: self.changes,
            kind,
            entries,
        });
    }

    /// The names in a folder whose removal is pending.
    pub fn vanishing(&self, folder: Node) -> impl Iterator<Item = &str> {
        let entries = self.pending.iter().flat_map(|change| &change.entries);
        entries
            .filter(move |entry| entry.folder == folder && entry.node.is_none())
            .map(|entry| entry.name.as_str())
    }

    /// Decides on the changes that are pending in some folders. Whether one of them was lost.
    pub fn settle(
        &mut self,
        folders: impl Fn(Node) -> bool,
        mut decide: impl FnMut(Kind) -> Fate,
    ) -> bool {
        let mut lost = false;
        for change in std::mem::take(&mut self.pending) {
            let (number, kind, mut left) = (change.number, change.kind, Vec::new());
            let (mut concerned, others): (Vec<_>, Vec<_>) = change
                .entries
                .into_iter()
                .partition(|entry| folders(entry.folder));
            if self.in_halves || concerned.is_empty() {
                left.extend(others);
            } else {
                concerned.extend(others);
            }
            let mut fate = decide(kind);
            for entry in concerned {
                match fate {
                    Fate::Pending => left.push(entry),
                    Fate::Durable => self.write(number, &entry),
                    Fate::Lost => lost = true,
                }
                if self.in_halves {
                    fate = decide(kind);
                }
            }
            if !left.is_empty() {
                self.pending.push(Change {
                    number,
                    kind,
                    entries: left,
                });
            }
        }
        lost
    }

    fn write(&mut self, number: u64, entry: &Entry) {
        let place = entry.place();
        let written = self.durable.get(&place);
        if written.is_none_or(|(newest, _)| *newest < number) {
            self.durable.insert(place, (number, entry.node));
        }
    }

    /// Leaves what is on the disk.
    pub fn cut(&mut self) {
        self.pending.clear();
        let left = self.durable.iter();
        self.present = left
            .filter_map(|(place, (_, node))| Some((place.clone(), (*node)?)))
            .collect();
    }
}
