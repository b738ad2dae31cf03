//! Fsync: makes the files and folders of one group commit durable, one by one or by one syncfs.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;

use super::disk::Disk;
use crate::store::{Failure, Ticket};

/// The fewest files and folders for which syncfs is used: for fewer it was measured to take more time than an fsync for
/// each.
const TOGETHER_MIN: usize = 2;

/// Files and folders that are made durable together, before any of them is relied on.
pub(super) struct FsyncBatch<'a, F> {
    /// Files, of which the data counts, with their messages; and whether syncfs covers them.
    files: Vec<(Ticket, &'a F, bool)>,
    /// Folders, of which the names count; and whether syncfs covers them.
    folders: BTreeMap<String, bool>,
}

impl<'a, F> FsyncBatch<'a, F> {
    pub(super) fn new() -> Self {
        Self {
            files: Vec::new(),
            folders: BTreeMap::new(),
        }
    }

    pub(super) fn add_file(&mut self, ticket: Ticket, file: &'a F, is_covered: bool) {
        self.files.push((ticket, file, is_covered));
    }

    pub(super) fn add_folders(&mut self, folders: Vec<(String, bool)>) {
        for (folder, is_covered) in folders {
            let covered = self.folders.entry(folder).or_insert(true);
            // One message may fail to reach another file system where the next one is stored.
            *covered &= is_covered;
        }
    }

    /// Makes all of it durable, by one syncfs where that reports all errors and is worth it. There is no second
    /// try: after a failed fsync the kernel may take the lost pages for written, and the next one would succeed.
    pub(super) fn perform<D: Disk<File = F>>(self, disk: &mut D, lock: &D::Lock) -> FsyncResults {
        let files = self.files.iter().filter(|(_, _, is_covered)| *is_covered);
        let folders = self.folders.values().filter(|is_covered| **is_covered);
        let together = files.count() + folders.count() >= TOGETHER_MIN && disk.reports_all_errors();
        let mut synced = FsyncResults::default();
        if together {
            synced.all = disk.sync_all(lock).err().map(Failure::from);
        }
        for (ticket, file, is_covered) in self.files {
            if !(together && is_covered)
                && let Err(error) = disk.sync_file(file)
            {
                synced.files.insert(ticket, error.into());
            }
        }
        for (folder, is_covered) in self.folders {
            if !(together && is_covered)
                && let Err(error) = disk.sync_folder(&folder)
            {
                synced.folders.insert(folder, error.into());
            }
        }
        synced
    }
}

/// The results of a batch.
#[derive(Debug, Default)]
pub(super) struct FsyncResults {
    /// The error of syncfs, which may concern any file: it is everybody's.
    all: Option<Failure>,
    files: HashMap<Ticket, Failure>,
    folders: HashMap<String, Failure>,
}

impl FsyncResults {
    /// Whether syncfs failed.
    pub(super) fn has_failed_as_a_whole(&self) -> bool {
        self.all.is_some()
    }

    /// Says whether the data of a message is durable.
    ///
    /// # Errors
    /// Any of it may be lost.
    pub(super) fn file(&self, ticket: Ticket) -> Result<(), Failure> {
        let failure = self.all.as_ref().or_else(|| self.files.get(&ticket));
        failure.cloned().map_or(Ok(()), Err)
    }

    /// Says whether the names in all of `folders` are durable.
    ///
    /// # Errors
    /// Any of them may be lost.
    pub(super) fn folders(&self, folders: &[String]) -> Result<(), Failure> {
        let mut failed = folders.iter().filter_map(|folder| self.folders.get(folder));
        let failure = self.all.as_ref().or_else(|| failed.next());
        failure.cloned().map_or(Ok(()), Err)
    }
}

/// Whether syncfs of the file system of `root` reports every error.
#[cfg(target_os = "linux")]
pub(super) fn reports_all_errors(root: &File) -> bool {
    /// File systems that are known to; an overlay, for one, does not ask all that is below it.
    const FILE_SYSTEMS: [u64; 3] = [EXT4, XFS, BTRFS];
    const EXT4: u64 = 0xEF53;
    const XFS: u64 = 0x5846_5342;
    const BTRFS: u64 = 0x9123_683E;
    let known = rustix::fs::fstatfs(root)
        .is_ok_and(|root| FILE_SYSTEMS.contains(&root.f_type.cast_unsigned()));
    // syncfs(2), Versions: before, data of other files was lost in silence.
    known && is_release_at_least(5, 8)
}

/// Syncfs exists on Linux only.
#[cfg(not(target_os = "linux"))]
pub(super) fn reports_all_errors(_: &File) -> bool {
    false
}

/// Whether the running kernel has at least this release.
fn is_release_at_least(major: u32, minor: u32) -> bool {
    let system = rustix::system::uname();
    let numbers = system.release().to_str().unwrap_or_default();
    let mut numbers = numbers
        .split(|character: char| !character.is_ascii_digit())
        .map_while(|number| number.parse().ok());
    (numbers.next(), numbers.next()) >= (Some(major), Some(minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_by_number() {
        assert!(is_release_at_least(2, 6));
        assert!(!is_release_at_least(1000, 0));
    }
}
