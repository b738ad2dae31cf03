//! A file system as the spool sees it, which keeps through a power cut what ext4, xfs and btrfs promise to keep, and nothing
//! else that it could lose.
//!
//! - What was written since the last sync of its file is there or not, for each sector of 512 octets by itself. What is not
//!   there is as it was before: zeros, what the file held in an earlier life, or what some other file left on the disk.
//! - A name is durable once a folder that it is in was synced. Until then each change of names is kept or not.
//! - A sync that fails may have lost what it was to write; the next one does not tell.
//! - A kill loses nothing.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;

use mailoop::store::spool::{SPOOL_ROOT, SpoolDisk};
use rustix::io::Errno;

use crate::names::{Entry, Fate, Kind, Names, Node};
use crate::prng::Prng;

pub const SECTOR: usize = 512;
/// The nodes of the folders: the root and what is made in it.
const FOLDERS: [&str; 4] = [SPOOL_ROOT, "segments", "big", "damaged"];

/// The content of a file, as it is read and as it is on the disk.
#[derive(Clone, Debug, Default)]
pub struct Content {
    pub present: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors that are not the same in both.
    dirty: BTreeSet<usize>,
}

/// How often calls fail: one in so many, never for 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Often {
    pub any: usize,
    pub sync: usize,
    /// One in so many begins a time in which nothing works but reading.
    pub dead: usize,
}

/// The machine that the spool is on.
#[derive(Clone, Debug)]
pub struct Machine {
    rng: Prng,
    names: Names,
    pub files: BTreeMap<Node, Content>,
    next: Node,
    locks: BTreeSet<Node>,
    pub often: Often,
    dead: usize,
    /// After so many calls the power is cut.
    power: Option<usize>,
    pub is_down: bool,
    /// The next calls of these names, of paths that begin so, fail; and whether what they were to write is written.
    pub fails: Vec<(&'static str, &'static str, bool)>,
    /// The most octets that all files have together, if there is such a bound.
    pub room: Option<usize>,
    /// A sector that cannot be read, of a path.
    pub unreadable: Option<(String, u64)>,
    /// Of the call that was named last.
    is_written: Option<bool>,
    /// How many calls have failed.
    pub faults: usize,
    pub calls: usize,
    trace: Option<Vec<String>>,
}

impl Machine {
    pub fn new(mut rng: Prng, often: Often, traced: bool) -> Self {
        Self {
            names: Names::new(false),
            files: BTreeMap::new(),
            next: FOLDERS.len(),
            locks: BTreeSet::new(),
            often,
            dead: 0,
            power: None,
            is_down: false,
            fails: Vec::new(),
            room: None,
            unreadable: None,
            is_written: None,
            faults: 0,
            calls: 0,
            trace: traced.then(Vec::new),
            rng: rng.fork(),
        }
    }

    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line());
        }
    }

    pub fn trace(&self) -> String {
        self.trace
            .iter()
            .flatten()
            .fold(String::new(), |all, line| all + line + "\n")
    }

    /// Cuts the power after so many calls, if at all.
    pub fn cut_after(&mut self, calls: Option<usize>) {
        self.power = calls;
    }

    /// Brings the machine up again after a power cut, with what is left.
    pub fn boot(&mut self) {
        let percent = self.rng.pick(&[0, 20, 50, 80, 100]);
        self.boot_with(percent);
    }

    /// Brings the machine up again after a power cut that so much in a hundred survives of what is in question.
    pub fn boot_with(&mut self, percent: usize) {
        self.tell(|| format!("POWER CUT, which {percent} % of what is in question survives"));
        let rng = &mut self.rng;
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
        let garbage: Vec<u8> = (0..SECTOR).map(|_| rng.below(256) as u8).collect();
        let others: Vec<_> = self
            .files
            .values()
            .map(|file| file.durable.clone())
            .collect();
        for file in self.files.values_mut() {
            file.cut(rng, percent, &garbage, &others);
        }
        (self.is_down, self.power, self.dead) = (false, None, 0);
        self.locks.clear();
    }

    /// Spends what one call takes; an error if there is no power for it, or it fails.
    fn spend(&mut self, call: &str, path: &str) -> io::Result<()> {
        self.calls += 1;
        let mut is_last = false;
        match &mut self.power {
            Some(0) if !self.is_down => {
                self.is_down = true;
                is_last = self.rng.one_in(2);
            }
            Some(calls @ 1..) => *calls -= 1,
            _ => {}
        }
        if self.is_down && !is_last {
            return Err(Errno::IO.into());
        }
        let is_read = matches!(call, "open" | "size" | "read" | "list" | "lock");
        self.dead = self.dead.saturating_sub(1);
        if self.rng.one_in(self.often.dead) {
            self.dead = self.rng.size(60);
        }
        let often = if call.starts_with("sync") {
            self.often.sync
        } else {
            self.often.any
        };
        let is_named =
            |(name, start, _): &(&str, &str, bool)| call == *name && path.starts_with(start);
        let named = self.fails.iter().position(is_named);
        self.is_written = named.map(|at| self.fails.remove(at).2);
        let is_struck = !is_read && (self.dead > 0 || self.rng.one_in(often));
        let fails = is_struck || named.is_some();
        self.tell(|| format!("  {call} {path}{}", if fails { ": FAILS" } else { "" }));
        if fails {
            self.faults += 1;
            return Err(self.rng.pick(&[Errno::IO, Errno::NOSPC]).into());
        }
        Ok(())
    }

    fn node(&self, path: &str) -> io::Result<Node> {
        let (folder, name) = place(path)?;
        let node = self.names.get(folder, name);
        node.ok_or_else(|| Errno::NOENT.into())
    }

    /// The content of a file, if it is there.
    pub fn content(&self, path: &str) -> Option<&Content> {
        self.files.get(&self.node(path).ok()?)
    }

    /// Changes what is on the disk, without the spool.
    pub fn flip(&mut self, path: &str, bit: usize) {
        let node = self.node(path).expect("a file");
        let file = self.files.get_mut(&node).expect("a file");
        for bytes in [&mut file.present, &mut file.durable] {
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    /// The octets of all files that have a name.
    pub fn used(&self) -> usize {
        let nodes = (0..FOLDERS.len()).flat_map(|folder| self.names.list(folder));
        let files = nodes.filter_map(|(_, node)| self.files.get(&node));
        files.map(|file| file.present.len()).sum()
    }

    /// An error if a file does not fit on the disk once it has `end` octets.
    fn check_room(&self, file: Node, end: usize) -> io::Result<()> {
        let grows = end.saturating_sub(self.files[&file].present.len());
        match self.room {
            Some(room) if grows > 0 && self.used() + grows > room => Err(Errno::NOSPC.into()),
            _ => Ok(()),
        }
    }

    pub fn list(&self, folder: &str) -> Vec<String> {
        let folder = FOLDERS
            .iter()
            .position(|name| *name == folder)
            .expect("a folder");
        self.names
            .list(folder)
            .map(|(name, _)| name.to_owned())
            .collect()
    }
}

fn place(path: &str) -> io::Result<(Node, &str)> {
    let (folder, name) = path.rsplit_once('/').unwrap_or((SPOOL_ROOT, path));
    let folder = FOLDERS.iter().position(|name| *name == folder);
    Ok((folder.ok_or(Errno::NOENT)?, name))
}

impl Content {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.present.len() < end {
            self.present.resize(end, 0);
        }
        self.present[offset..end].copy_from_slice(bytes);
        self.dirty.extend(offset / SECTOR..end.div_ceil(SECTOR));
    }

    /// Writes a sector to the disk.
    fn flush(&mut self, sector: usize) {
        let end = ((sector + 1) * SECTOR).min(self.present.len());
        let start = (sector * SECTOR).min(end);
        if self.durable.len() < end {
            self.durable.resize(end, 0);
        }
        self.durable[start..end].copy_from_slice(&self.present[start..end]);
    }

    fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty) {
            self.flush(sector);
        }
        self.durable.resize(self.present.len(), 0);
    }

    /// A sync that fails: each sector is written, waits on, or is lost and never written again.
    fn fail(&mut self, rng: &mut Prng) {
        let fate = rng.below(4);
        let is_seen = rng.one_in(2);
        for sector in std::mem::take(&mut self.dirty) {
            match if fate == 3 { rng.below(3) } else { fate } {
                0 => self.flush(sector),
                1 => drop(self.dirty.insert(sector)),
                _ if is_seen => {
                    // What is read from now on is what the disk has.
                    let end = ((sector + 1) * SECTOR).min(self.present.len());
                    for at in sector * SECTOR..end {
                        self.present[at] = self.durable.get(at).copied().unwrap_or(0);
                    }
                }
                _ => {}
            }
        }
    }

    fn cut(&mut self, rng: &mut Prng, percent: usize, garbage: &[u8], others: &[Vec<u8>]) {
        let old = self.durable.len();
        for sector in std::mem::take(&mut self.dirty) {
            if rng.below(100) < percent {
                self.flush(sector);
            } else if sector * SECTOR >= old && rng.one_in(4) {
                // The file is longer, but what was to be there is not: another file's blocks are.
                let end = ((sector + 1) * SECTOR).min(self.present.len());
                let stale = others.get(rng.below(others.len() + 1));
                let stale = stale.and_then(|other| other.get(sector * SECTOR..end));
                let stale = stale.unwrap_or(&garbage[..end - sector * SECTOR]).to_vec();
                self.durable.resize(self.durable.len().max(end), 0);
                self.durable[sector * SECTOR..end].copy_from_slice(&stale);
            }
        }
        if rng.one_in(2) && self.durable.len() < self.present.len() {
            self.durable.resize(self.present.len(), 0);
        }
        self.present.clone_from(&self.durable);
    }
}

/// The disk in the hands of one process.
#[derive(Debug)]
pub struct Model(pub Rc<RefCell<Machine>>);

#[derive(Debug)]
pub struct Lock(Rc<RefCell<Machine>>, Node);

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.borrow_mut().locks.remove(&self.1);
    }
}

/// A file that is open.
#[derive(Debug)]
pub struct Open(Node, String);

impl SpoolDisk for Model {
    type File = Open;
    type Lock = Lock;

    fn make_folder(&mut self, path: &str) -> io::Result<()> {
        // All folders are there; what a cut does to names is seen well enough in them.
        self.0.borrow_mut().spend("make", path)
    }

    fn lock(&mut self, path: &str) -> io::Result<Lock> {
        let mut machine = self.0.borrow_mut();
        machine.spend("lock", path)?;
        if !machine.locks.insert(0) {
            return Err(Errno::AGAIN.into());
        }
        Ok(Lock(Rc::clone(&self.0), 0))
    }

    fn list(&mut self, path: &str) -> io::Result<Vec<String>> {
        let mut machine = self.0.borrow_mut();
        machine.spend("list", path)?;
        Ok(machine.list(path))
    }

    fn create(&mut self, path: &str) -> io::Result<Open> {
        let machine = &mut *self.0.borrow_mut();
        machine.spend("create", path)?;
        let (folder, name) = place(path)?;
        if machine.names.get(folder, name).is_some() {
            return Err(Errno::EXIST.into());
        }
        let node = machine.next;
        machine.next += 1;
        machine
            .names
            .change(Kind::File, vec![Entry::new(folder, name, Some(node))]);
        machine.files.insert(node, Content::default());
        Ok(Open(node, path.to_owned()))
    }

    fn open(&mut self, path: &str) -> io::Result<Open> {
        let mut machine = self.0.borrow_mut();
        machine.spend("open", path)?;
        Ok(Open(machine.node(path)?, path.to_owned()))
    }

    fn size(&mut self, file: &Open) -> io::Result<u64> {
        let mut machine = self.0.borrow_mut();
        machine.spend("size", &file.1)?;
        Ok(machine.files[&file.0].present.len() as u64)
    }

    fn read_at(&mut self, file: &Open, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut machine = self.0.borrow_mut();
        machine.spend("read", &file.1)?;
        if let Some((path, sector)) = &machine.unreadable {
            let bad = *sector * SECTOR as u64..(*sector + 1) * SECTOR as u64;
            let end = offset + into.len() as u64;
            if *path == file.1 && offset < bad.end && bad.start < end {
                return Err(Errno::IO.into());
            }
        }
        let bytes = &machine.files[&file.0].present;
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&mut self, file: &Open, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let machine = &mut *self.0.borrow_mut();
        let spent = machine.spend("write", &file.1);
        let spent = spent.and_then(|()| machine.check_room(file.0, offset as usize + bytes.len()));
        let content = machine.files.get_mut(&file.0).expect("a file");
        assert!(
            offset as usize <= content.present.len(),
            "a hole in {}",
            file.1
        );
        if spent.is_err() && !machine.is_down {
            let written = machine.rng.below(bytes.len() + 1);
            content.write(offset as usize, &bytes[..written]);
        }
        spent?;
        content.write(offset as usize, bytes);
        Ok(())
    }

    fn sync_file(&mut self, file: &Open) -> io::Result<()> {
        let machine = &mut *self.0.borrow_mut();
        let spent = machine.spend("sync", &file.1);
        let content = machine.files.get_mut(&file.0).expect("a file");
        if spent.is_err() && !machine.is_down {
            match machine.is_written {
                Some(true) => content.sync(),
                // What is read is what was written, until the power is cut.
                Some(false) => content.dirty.clear(),
                None => content.fail(&mut machine.rng),
            }
        }
        spent?;
        content.sync();
        Ok(())
    }

    fn sync_folder(&mut self, path: &str) -> io::Result<()> {
        let machine = &mut *self.0.borrow_mut();
        let spent = machine.spend("sync folder", path);
        let folder = FOLDERS.iter().position(|name| *name == path);
        let folder = folder.ok_or(Errno::NOENT)?;
        let fails = spent.is_err();
        if fails && machine.is_down {
            return spent;
        }
        let rng = &mut machine.rng;
        machine.names.settle(
            |other| other == folder,
            |_| {
                if fails && rng.one_in(2) {
                    Fate::Pending
                } else {
                    Fate::Durable
                }
            },
        );
        spent
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let machine = &mut *self.0.borrow_mut();
        machine.spend("rename", &format!("{from} {to}"))?;
        let node = machine.node(from)?;
        let ((old, name), (new, new_name)) = (place(from)?, place(to)?);
        let entries = vec![
            Entry::new(old, name, None),
            Entry::new(new, new_name, Some(node)),
        ];
        machine.names.change(Kind::File, entries);
        Ok(())
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        let machine = &mut *self.0.borrow_mut();
        machine.spend("remove", path)?;
        machine.node(path)?;
        let (folder, name) = place(path)?;
        machine
            .names
            .change(Kind::File, vec![Entry::new(folder, name, None)]);
        Ok(())
    }

    fn free_bytes(&mut self) -> u64 {
        let machine = self.0.borrow();
        let free = machine.room.map(|room| room.saturating_sub(machine.used()));
        free.map_or(u64::MAX, |free| free as u64)
    }

    fn random(&mut self) -> u64 {
        let rng = &mut self.0.borrow_mut().rng;
        (rng.below(usize::MAX) as u64) ^ (rng.below(usize::MAX) as u64) << 1
    }
}
