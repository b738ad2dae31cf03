//! A disk of this machine that fails as a test wants, and counts what it is asked.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use mailoop::store::maildir::{Disk, System};
use rustix::io::Errno;

/// The calls that were made, and the one that fails, counted from 0.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) made: Vec<String>,
    pub(crate) fails: Option<usize>,
    /// The folders that were listed.
    pub(crate) listed: Vec<String>,
}

/// What a disk can do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Abilities {
    /// It syncs everything at once.
    pub(crate) syncs_together: bool,
    /// A file can have two names.
    pub(crate) has_links: bool,
    /// A file can be without a name.
    pub(crate) has_unnamed: bool,
}

impl Abilities {
    /// Each of them with and without each other one.
    pub(crate) fn all() -> [Self; 4] {
        [
            (false, false, true),
            (false, true, false),
            (true, false, false),
            (true, true, true),
        ]
        .map(|(syncs_together, has_links, has_unnamed)| Self {
            syncs_together,
            has_links,
            has_unnamed,
        })
    }
}

/// A disk of which one call fails.
pub(crate) struct Faulty {
    pub(crate) disk: System,
    pub(crate) calls: Rc<RefCell<Calls>>,
    pub(crate) abilities: Abilities,
}

/// A file, and the path of one that is a copy.
pub(crate) struct Open(<System as Disk>::File, String);

impl Faulty {
    fn call(&self, name: &str, path: &str) -> io::Result<()> {
        let mut calls = self.calls.borrow_mut();
        calls.made.push(format!("{name} {path}"));
        if calls.fails == Some(calls.made.len() - 1) {
            return Err(Errno::DQUOT.into());
        }
        Ok(())
    }
}

impl Disk for Faulty {
    type File = Open;
    type Lock = <System as Disk>::Lock;

    fn make_folder(&mut self, path: &str) -> io::Result<bool> {
        self.call("make_folder", path)?;
        self.disk.make_folder(path)
    }

    fn remove_folder(&mut self, path: &str) -> io::Result<()> {
        self.disk.remove_folder(path)
    }

    fn has_folder(&mut self, path: &str) -> io::Result<bool> {
        self.disk.has_folder(path)
    }

    fn each_name(&mut self, path: &str, visit: &mut dyn FnMut(&str)) -> io::Result<()> {
        self.calls.borrow_mut().listed.push(path.to_owned());
        self.disk.each_name(path, visit)
    }

    fn create(&mut self, path: &str) -> io::Result<Self::File> {
        self.call("create", path)?;
        Ok(Open(self.disk.create(path)?, String::new()))
    }

    fn write(&mut self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()> {
        self.call("write", "")?;
        self.disk.write(&mut file.0, bytes)
    }

    fn copy(&mut self, file: &Self::File, path: &str) -> io::Result<Self::File> {
        self.call("copy", path)?;
        Ok(Open(self.disk.copy(&file.0, path)?, path.to_owned()))
    }

    fn link(&mut self, file: &Self::File, to: &str) -> io::Result<()> {
        self.call("link", to)?;
        if self.abilities.has_links {
            self.disk.link(&file.0, to)
        } else {
            Err(Errno::PERM.into())
        }
    }

    fn rename(&mut self, file: &Self::File, to: &str) -> io::Result<()> {
        self.call("rename", to)?;
        self.disk.rename(&file.0, to)
    }

    fn discard(&mut self, file: &Self::File) -> io::Result<()> {
        self.disk.discard(&file.0)
    }

    fn remove_file(&mut self, path: &str) -> io::Result<()> {
        self.disk.remove_file(path)
    }

    fn reports_all_errors(&self) -> bool {
        self.abilities.syncs_together
    }

    fn is_covered(&self, _: &Self::File) -> bool {
        true
    }

    fn sync_file(&mut self, file: &Self::File) -> io::Result<()> {
        self.call("sync_file", &file.1)
    }

    fn sync_folder(&mut self, path: &str) -> io::Result<()> {
        self.call("sync_folder", path)
    }

    fn sync_all(&mut self, _: &Self::Lock) -> io::Result<()> {
        self.call("sync_all", "")
    }

    fn lock(&mut self, path: &str) -> io::Result<Self::Lock> {
        self.disk.lock(path)
    }

    fn try_lock(&mut self, path: &str) -> io::Result<Option<Self::Lock>> {
        self.disk.try_lock(path)
    }

    fn probe(&mut self, path: &str) {
        if self.abilities.has_unnamed {
            self.disk.probe(path);
        }
    }

    fn forget(&mut self) {
        self.disk.forget();
    }
}
