//! Files and folders by their paths, and what a power cut leaves of them.

use std::io;

use mailoop::store::maildir::ROOT;
use rustix::io::Errno;

use super::data::Data;
use super::names::{Entry, Fate, Kind, Names, Node};
use super::prng::Prng;

pub const ROOT_NODE: Node = 0;
/// A domain whose folder is a file system of its own.
pub const OTHER_DEVICE: &str = "mount.example";

/// A file, or a folder.
#[derive(Debug)]
struct Inode {
    /// The file system it is on; 0 is that of the root.
    device: u8,
    /// The content of a file; none of a folder, which has its names.
    data: Option<Data>,
    /// Whether it is a folder that was removed.
    removed: bool,
}

#[derive(Debug)]
pub struct Tree {
    pub names: Names,
    inodes: Vec<Inode>,
}

impl Tree {
    pub fn new(in_halves: bool) -> Self {
        let mut tree = Self {
            names: Names::new(in_halves),
            inodes: Vec::new(),
        };
        tree.add(0, None);
        let mount = tree.add(1, None);
        let entry = Entry::new(ROOT_NODE, OTHER_DEVICE, Some(mount));
        tree.names.change(Kind::Folder, vec![entry]);
        tree.names.settle(|_| true, |_| Fate::Durable);
        tree
    }

    fn add(&mut self, device: u8, data: Option<Data>) -> Node {
        self.inodes.push(Inode {
            device,
            data,
            removed: false,
        });
        self.inodes.len() - 1
    }

    pub fn device(&self, node: Node) -> u8 {
        self.inodes[node].device
    }

    pub fn is_folder(&self, node: Node) -> bool {
        self.inodes[node].data.is_none()
    }

    pub fn data(&self, file: Node) -> &Data {
        self.inodes[file].data.as_ref().expect("a file")
    }

    pub fn data_mut(&mut self, file: Node) -> &mut Data {
        self.inodes[file].data.as_mut().expect("a file")
    }

    /// What `name` is in a folder.
    pub fn find(&self, folder: Node, name: &str) -> io::Result<Node> {
        if !self.is_folder(folder) {
            return Err(Errno::NOTDIR.into());
        }
        let found = self.names.get(folder, name);
        found.ok_or_else(|| Errno::NOENT.into())
    }

    /// What is at a path.
    pub fn at(&self, path: &str) -> io::Result<Node> {
        let names = path.split('/').filter(|name| *name != ROOT);
        names
            .into_iter()
            .try_fold(ROOT_NODE, |folder, name| self.find(folder, name))
    }

    /// Makes a file or a folder.
    pub fn make(&mut self, folder: Node, name: &str, data: Option<Data>) -> io::Result<Node> {
        self.check_new(folder, name)?;
        let kind = if data.is_some() {
            Kind::File
        } else {
            Kind::Folder
        };
        let node = self.add(self.device(folder), data);
        self.names
            .change(kind, vec![Entry::new(folder, name, Some(node))]);
        Ok(node)
    }

    /// Makes a file on the file system of a folder, without a name.
    pub fn make_unnamed(&mut self, folder: Node) -> io::Result<Node> {
        if self.inodes[folder].removed {
            return Err(Errno::NOENT.into());
        }
        Ok(self.add(self.device(folder), Some(Data::default())))
    }

    /// Gives a file one more name.
    pub fn link(&mut self, file: Node, folder: Node, name: &str) -> io::Result<()> {
        self.check_new(folder, name)?;
        if self.device(file) != self.device(folder) {
            return Err(Errno::XDEV.into());
        }
        self.names
            .change(Kind::File, vec![Entry::new(folder, name, Some(file))]);
        Ok(())
    }

    /// Gives a file another name.
    pub fn rename(&mut self, from: (Node, &str), to: (Node, &str)) -> io::Result<()> {
        let file = self.find(from.0, from.1)?;
        self.check_new(to.0, to.1)?;
        if self.device(file) != self.device(to.0) {
            return Err(Errno::XDEV.into());
        }
        let (old, new) = (
            Entry::new(from.0, from.1, None),
            Entry::new(to.0, to.1, Some(file)),
        );
        self.names.change(Kind::File, vec![old, new]);
        Ok(())
    }

    /// Nothing here ever replaces a file.
    fn check_new(&self, folder: Node, name: &str) -> io::Result<()> {
        if self.inodes[folder].removed {
            return Err(Errno::NOENT.into());
        }
        match self.find(folder, name) {
            Ok(_) => Err(Errno::EXIST.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub fn remove_file(&mut self, folder: Node, name: &str) -> io::Result<()> {
        let file = self.find(folder, name)?;
        if self.is_folder(file) {
            return Err(Errno::ISDIR.into());
        }
        self.names
            .change(Kind::File, vec![Entry::new(folder, name, None)]);
        Ok(())
    }

    pub fn remove_folder(&mut self, parent: Node, name: &str) -> io::Result<()> {
        let folder = self.find(parent, name)?;
        if !self.is_folder(folder) {
            return Err(Errno::NOTDIR.into());
        }
        if self.device(folder) != self.device(parent) {
            return Err(Errno::BUSY.into());
        }
        if self.names.list(folder).next().is_some() {
            return Err(Errno::NOTEMPTY.into());
        }
        self.inodes[folder].removed = true;
        self.names
            .change(Kind::Folder, vec![Entry::new(parent, name, None)]);
        Ok(())
    }

    /// Decides on all that is pending on a device. Whether data was lost, and whether names were.
    pub fn settle(
        &mut self,
        device: u8,
        mut data_fate: impl FnMut() -> Fate,
        names_fate: impl FnMut(Kind) -> Fate,
    ) -> (bool, bool) {
        let mut lost = false;
        for inode in self
            .inodes
            .iter_mut()
            .filter(|inode| inode.device == device)
        {
            if let Some(data) = &mut inode.data {
                lost |= data.settle(&mut data_fate);
            }
        }
        let inodes = &self.inodes;
        let is_there = |folder: Node| inodes[folder].device == device;
        (lost, self.names.settle(is_there, names_fate))
    }

    /// The files whose data is pending.
    pub fn unwritten(&self) -> Vec<Node> {
        let is_pending = |data: &Data| data.is_pending();
        (0..self.inodes.len())
            .filter(|node| self.inodes[*node].data.as_ref().is_some_and(is_pending))
            .collect()
    }

    /// Leaves what a power cut leaves: of the names that are pending, about so many in a hundred.
    pub fn cut(&mut self, rng: &mut Prng, percent: usize) {
        self.names.settle(
            |_| true,
            |_| {
                if rng.below(100) < percent {
                    Fate::Durable
                } else {
                    Fate::Lost
                }
            },
        );
        self.names.cut();
        for inode in &mut self.inodes {
            // It is back, or reached by no name.
            inode.removed = false;
            if let Some(data) = &mut inode.data {
                data.cut(rng);
            }
        }
    }

    /// The paths and nodes of all domains and mailboxes.
    pub fn folders(&self) -> Vec<(String, Node)> {
        let mut found = Vec::new();
        let domains = self.names.list(ROOT_NODE);
        for (domain, folder) in domains.filter(|(name, _)| !name.starts_with('.')) {
            found.push((domain.to_owned(), folder));
            let mailboxes = self.names.list(folder);
            found.extend(mailboxes.map(|(name, node)| (format!("{domain}/{name}"), node)));
        }
        found
    }

    /// The paths and nodes of all mailboxes.
    pub fn mailboxes(&self) -> Vec<(String, Node)> {
        let mut found = self.folders();
        found.retain(|(path, _)| path.contains('/'));
        found
    }

    /// The names and nodes of the files in a subfolder of a mailbox.
    pub fn files(&self, mailbox: Node, subfolder: &str) -> Vec<(String, Node)> {
        let folder = self.find(mailbox, subfolder);
        let files = folder.map(|folder| self.names.list(folder));
        let files = files.into_iter().flatten();
        files.map(|(name, node)| (name.to_owned(), node)).collect()
    }
}
