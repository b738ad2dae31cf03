//! What is made durable at once, and how.

use std::collections::{BTreeSet, HashMap};
use std::io;

use rustix::io::Errno;

use super::disk::Disk;
use crate::store::Failure;

/// The fewest files and folders for which one sync of the whole file system is used: for fewer it was measured to
/// take more time than one for each.
const TOGETHER_MIN: usize = 2;

/// What is to be made durable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Target {
    /// The data of a file.
    File(String),
    /// The names in a folder.
    Folder(String),
}

/// Files and folders that are made durable before any of them is relied on.
#[derive(Debug, Default)]
pub(super) struct Syncs {
    /// Those that a sync of the whole file system covers.
    covered: BTreeSet<Target>,
    others: BTreeSet<Target>,
}

impl Syncs {
    /// Adds what one message needs; a sync of the whole file system may cover all of it.
    pub(super) fn add(&mut self, targets: impl IntoIterator<Item = Target>, is_covered: bool) {
        if is_covered {
            self.covered.extend(targets);
        } else {
            self.others.extend(targets);
        }
    }

    /// Does it, by a sync of the whole file system where that can be `trusted` and is worth it. There is no second
    /// try: after a failed sync the kernel may take the lost pages for written, and the next one would succeed.
    pub(super) fn perform(self, disk: &mut impl Disk, trusted: bool) -> Synced {
        let together = trusted && self.covered.len() >= TOGETHER_MIN;
        let mut synced = Synced::default();
        if together {
            synced.all = disk.sync_all().err().as_ref().map(errno);
        }
        let one_by_one = self.covered.into_iter().filter(|_| !together);
        for target in one_by_one.chain(self.others) {
            let result = match &target {
                Target::File(path) => disk.sync_file(path),
                Target::Folder(path) => disk.sync_folder(path),
            };
            if let Err(error) = result {
                synced.failed.insert(target, errno(&error));
            }
        }
        synced
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Synced {
    /// An error of the whole file system, which may concern any file: it is everybody's.
    all: Option<Errno>,
    failed: HashMap<Target, Errno>,
}

impl Synced {
    /// Whether all of `targets` are durable.
    pub(super) fn result(&self, targets: impl IntoIterator<Item = Target>) -> Result<(), Failure> {
        let failed = |target| self.failed.get(&target).copied();
        match self.all.or_else(|| targets.into_iter().find_map(failed)) {
            Some(errno) => Err(io::Error::from(errno).into()),
            None => Ok(()),
        }
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// Whether the kernel reports errors of other files to a sync of the whole file system. Linux does since 5.8
/// (syncfs(2), Versions); before, lost data went unnoticed.
pub(super) fn is_trusted() -> bool {
    let system = rustix::system::uname();
    cfg!(target_os = "linux")
        && system
            .release()
            .to_str()
            .is_ok_and(|release| at_least(release, (5, 8)))
}

fn at_least(release: &str, version: (u32, u32)) -> bool {
    let mut numbers = release
        .split(|character: char| !character.is_ascii_digit())
        .map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= version,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_by_number() {
        for release in ["5.8.0", "5.10.0-28-amd64", "6.1", "10.0.1-x"] {
            assert!(at_least(release, (5, 8)), "{release}");
        }
        for release in ["5.7.19", "4.19.0", "", "x.y", "5"] {
            assert!(!at_least(release, (5, 8)), "{release}");
        }
    }
}
