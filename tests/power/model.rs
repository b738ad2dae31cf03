//! A file system as the store sees it, which keeps through a power cut what ext4, xfs and btrfs promise to keep, and
//! nothing else that it could lose.
//!
//! - Data of a file is durable once the file, or everything, was synced. Until then each piece of it may be there, gone
//!   or torn, and the length of the file may be there without it.
//! - A name, of a file as of a folder, is durable once the folder it is in, or everything, was synced. Until then each
//!   change of names is kept or not, independently of all others. A rename is one change, also between two folders.
//! - What is reached by no name is gone.
//! - Data that could not be written is lost, and stays so. Each descriptor of the file is told once; whoever syncs
//!   everything, too; then syncs succeed again.
//! - A lock ends with its process.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::rc::Rc;

use mailoop::store::maildir::{Disk, ROOT};
use rustix::io::Errno;

use super::data::Data;
use super::faults::Call;
use super::machine::Machine;
use super::names::{Fate, Node};

/// The disk in the hands of one process.
#[derive(Debug)]
pub struct Model {
    machine: Rc<RefCell<Machine>>,
    /// The errors of the file system that this process knows of.
    errors: u64,
    /// Folders that are held open.
    held: HashMap<String, Node>,
}

/// A file that is open.
#[derive(Debug)]
pub struct OpenFile {
    node: Node,
    /// How many errors of it are known through this.
    errors: Cell<u64>,
    /// The name it was created with, if it has one.
    path: Option<String>,
}

#[derive(Debug)]
pub struct Lock(Rc<RefCell<Machine>>, Node);

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.borrow_mut().locks.remove(&self.1);
    }
}

impl Model {
    pub fn new(machine: &Rc<RefCell<Machine>>) -> Self {
        Self {
            machine: Rc::clone(machine),
            errors: machine.borrow().errors,
            held: HashMap::new(),
        }
    }

    /// Does what one call asks for, unless something is in the way.
    fn call<T>(
        &mut self,
        call: Call,
        path: &str,
        act: impl FnOnce(&mut Self, &mut Machine) -> io::Result<T>,
    ) -> io::Result<T> {
        self.call_or(call, path, act, |_, _| ())
    }

    /// The same, for a call that does harm when it fails.
    fn call_or<T>(
        &mut self,
        call: Call,
        path: &str,
        act: impl FnOnce(&mut Self, &mut Machine) -> io::Result<T>,
        harm: impl FnOnce(&mut Self, &mut Machine),
    ) -> io::Result<T> {
        let machine = Rc::clone(&self.machine);
        let machine = &mut *machine.borrow_mut();
        machine.spend()?;
        machine.pass();
        let done = match machine.faults.strike(call) {
            Some(errno) => {
                harm(self, machine);
                Err(errno.into())
            }
            None => act(self, machine),
        };
        machine.tell(|| match &done {
            Ok(_) => format!("{call:?} {path}"),
            Err(error) => format!("{call:?} {path}: {error}"),
        });
        done
    }

    fn folder(&mut self, machine: &Machine, path: &str) -> io::Result<Node> {
        if let Some(folder) = self.held.get(path) {
            return Ok(*folder);
        }
        let (parent, name) = self.parent(machine, path)?;
        let folder = if path == ROOT {
            machine.tree.at(ROOT)?
        } else {
            machine.tree.find(parent, name)?
        };
        if !machine.tree.is_folder(folder) {
            return Err(Errno::NOTDIR.into());
        }
        self.held.insert(path.to_owned(), folder);
        Ok(folder)
    }

    fn parent<'p>(&mut self, machine: &Machine, path: &'p str) -> io::Result<(Node, &'p str)> {
        match path.rsplit_once('/') {
            Some((parent, name)) => Ok((self.folder(machine, parent)?, name)),
            None => Ok((machine.tree.at(ROOT)?, path)),
        }
    }
}

impl Disk for Model {
    type File = OpenFile;
    type Lock = Lock;

    fn make_folder(&mut self, path: &str) -> io::Result<bool> {
        self.call(Call::MakeFolder, path, |disk, machine| {
            let (parent, name) = disk.parent(machine, path)?;
            match machine.tree.make(parent, name, None) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
                made => made.map(|_| true),
            }
        })
    }

    fn remove_folder(&mut self, path: &str) -> io::Result<()> {
        self.call_or(
            Call::RemoveFolder,
            path,
            |disk, machine| {
                let (parent, name) = disk.parent(machine, path)?;
                disk.held.clear();
                machine.tree.remove_folder(parent, name)
            },
            |_, machine| machine.refuse(None),
        )
    }

    fn has_folder(&mut self, path: &str) -> io::Result<bool> {
        self.call(Call::HasFolder, path, |disk, machine| {
            match disk.folder(machine, path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                found => found.map(|_| true),
            }
        })
    }

    fn each_name(&mut self, path: &str, visit: &mut dyn FnMut(&str)) -> io::Result<()> {
        self.call(Call::List, path, |disk, machine| {
            let folder = disk.folder(machine, path)?;
            let names = machine.tree.names.list(folder).map(|(name, _)| name);
            names.filter(|name| !name.starts_with('.')).for_each(visit);
            Ok(())
        })
    }

    fn create(&mut self, path: &str) -> io::Result<OpenFile> {
        self.call(Call::Create, path, |disk, machine| {
            let (folder, name) = disk.parent(machine, path)?;
            let is_named = machine.tree.device(folder) != 0 || !machine.has_unnamed;
            let node = if is_named {
                machine.tree.make(folder, name, Some(Data::default()))?
            } else {
                machine.tree.make_unnamed(folder)?
            };
            Ok(OpenFile {
                node,
                errors: Cell::new(0),
                path: is_named.then(|| path.to_owned()),
            })
        })
    }

    fn write(&mut self, file: &mut OpenFile, bytes: &[u8]) -> io::Result<()> {
        let path = format!("file {}", file.node);
        self.call_or(
            Call::Write,
            &path,
            |_, machine| {
                machine.tree.data_mut(file.node).append(bytes);
                Ok(())
            },
            |_, machine| {
                let written = machine.faults.written(bytes.len());
                machine.tree.data_mut(file.node).append(&bytes[..written]);
            },
        )
    }

    fn copy(&mut self, file: &OpenFile, path: &str) -> io::Result<OpenFile> {
        let mut copy = self.create(path)?;
        let bytes = self.machine.borrow().tree.data(file.node).read();
        match self.write(&mut copy, &bytes) {
            Ok(()) => Ok(copy),
            Err(error) => {
                let _ = self.discard(&copy);
                Err(error)
            }
        }
    }

    fn link(&mut self, file: &OpenFile, to: &str) -> io::Result<()> {
        self.call(Call::Link, to, |disk, machine| {
            let (folder, name) = disk.parent(machine, to)?;
            if let Some(path) = &file.path {
                let (old_folder, old_name) = disk.parent(machine, path)?;
                machine.tree.find(old_folder, old_name)?;
                if let Some(errno) = machine.no_links {
                    return Err(errno.into());
                }
            }
            machine.tree.link(file.node, folder, name)
        })
    }

    fn rename(&mut self, file: &OpenFile, to: &str) -> io::Result<()> {
        let Some(path) = &file.path else {
            return self.link(file, to);
        };
        self.call(Call::Rename, to, |disk, machine| {
            let from = disk.parent(machine, path)?;
            let to = disk.parent(machine, to)?;
            machine.tree.rename(from, to)
        })
    }

    fn discard(&mut self, file: &OpenFile) -> io::Result<()> {
        match &file.path {
            Some(path) => self.remove_file(path),
            None => Ok(()),
        }
    }

    fn remove_file(&mut self, path: &str) -> io::Result<()> {
        self.call_or(
            Call::RemoveFile,
            path,
            |disk, machine| {
                let (folder, name) = disk.parent(machine, path)?;
                machine.tree.remove_file(folder, name)
            },
            |_, machine| machine.refuse(Some(path)),
        )
    }

    fn reports_all_errors(&self) -> bool {
        self.machine.borrow().reports_all_errors
    }

    fn is_covered(&self, file: &OpenFile) -> bool {
        self.machine.borrow().tree.device(file.node) == 0
    }

    fn sync_file(&mut self, file: &OpenFile) -> io::Result<()> {
        let path = format!("file {}", file.node);
        self.call_or(
            Call::SyncFile,
            &path,
            |_, machine| {
                let data = machine.tree.data_mut(file.node);
                data.settle(|| Fate::Durable);
                if data.errors > file.errors.replace(data.errors) {
                    return Err(Errno::IO.into());
                }
                Ok(())
            },
            |_, machine| {
                machine.spoil(file.node);
                file.errors.set(machine.tree.data(file.node).errors);
            },
        )
    }

    fn sync_folder(&mut self, path: &str) -> io::Result<()> {
        self.call_or(
            Call::SyncFolder,
            path,
            |disk, machine| {
                let folder = disk.folder(machine, path)?;
                let is_it = |other| other == folder;
                machine.tree.names.settle(is_it, |_| Fate::Durable);
                Ok(())
            },
            |_, machine| {
                if let Ok(folder) = machine.tree.at(path) {
                    machine.spoil_names(folder, path);
                }
            },
        )
    }

    fn sync_all(&mut self, _: &Lock) -> io::Result<()> {
        self.call_or(
            Call::SyncAll,
            "",
            |disk, machine| {
                machine.tree.settle(0, || Fate::Durable, |_| Fate::Durable);
                let told = machine.errors > disk.errors && machine.reports_all_errors;
                disk.errors = machine.errors;
                if told {
                    return Err(Errno::IO.into());
                }
                Ok(())
            },
            |disk, machine| {
                machine.spoil_all();
                disk.errors = machine.errors;
            },
        )
    }

    fn lock(&mut self, path: &str) -> io::Result<Lock> {
        let shared = Rc::clone(&self.machine);
        self.call(Call::Lock, path, |disk, machine| {
            let (folder, name) = disk.parent(machine, path)?;
            let file = match machine.tree.find(folder, name) {
                Ok(file) => file,
                Err(_) => machine.tree.make(folder, name, Some(Data::default()))?,
            };
            assert!(machine.locks.insert(file), "somebody holds {path}");
            Ok(Lock(shared, file))
        })
    }

    fn try_lock(&mut self, path: &str) -> io::Result<Option<Lock>> {
        let shared = Rc::clone(&self.machine);
        self.call(Call::Lock, path, |disk, machine| {
            let (folder, name) = disk.parent(machine, path)?;
            let file = machine.tree.find(folder, name)?;
            let free = machine.locks.insert(file);
            Ok(free.then(|| Lock(shared, file)))
        })
    }

    fn forget(&mut self) {
        self.held.clear();
    }
}
