//! Instances: an instance is one opening of the store by one process.
//!
//! `DIR/.mailoop/` holds a file for each instance. Its name, eight hexadecimal digits, begins every queue id
//! of that instance, and whoever holds its lock is alive. Numbers only grow, whatever the clock does: the
//! highest file is never removed, and the next instance is higher.

use std::io;

use super::disk::{Disk, ROOT};
use super::folders::{each_mailbox, list_if_folder};
use crate::store::unix_seconds;

/// The folder of the instance files. Its leading dot keeps it apart from domains.
const HOME: &str = ".mailoop";
/// The file that is locked while an instance is claimed: a sibling that starts just then must not take an instance file that is
/// created but not locked yet for that of a dead one.
const START_LOCK: &str = ".mailoop/lock";
/// The name that a file is given, and loses again, while an instance is claimed.
const PROBE: &str = ".mailoop/probe";
const NAME_DIGITS: usize = 8;
/// The fewest digits that follow it in a queue id.
const COUNT_DIGITS_MIN: usize = 4;

/// A claimed instance.
#[derive(Debug)]
pub(super) struct Instance<L> {
    name: String,
    /// Tells the others that this one is alive.
    lock: L,
}

impl<L> Instance<L> {
    /// Claims a new instance of the store, and sweeps up after dead ones.
    ///
    /// # Errors
    /// `WouldBlock` while a sibling claims one; otherwise any error of the disk.
    pub(super) fn claim(disk: &mut impl Disk<Lock = L>) -> io::Result<Self> {
        disk.make_folder(HOME)?;
        disk.sync_folder(ROOT)?;
        let start_lock = disk.lock(START_LOCK).map_err(locked)?;

        let others = instances(disk)?;
        let name = next_name(others.iter().max())?;
        let lock = disk.lock(&file_of(&name))?;
        // Durable before any lower one goes, so that no power cut makes numbers free again.
        disk.sync_folder(HOME)?;

        disk.probe(PROBE);

        let (mut alive, mut dead) = (Vec::new(), Vec::new());
        for other in others {
            match disk.try_lock(&file_of(&other)) {
                Ok(Some(_)) => dead.push(other),
                _ => alive.push(other),
            }
        }
        // Whoever starts from now on finds our instance file locked, and takes a higher number, which is not swept.
        drop(start_lock);
        if let Err(error) = sweep(disk, &name, &alive, &dead) {
            // What is left over harms nobody, and its instance files make the next start try again.
            log::warn!("sweep=incomplete error=\"{error}\"");
        }
        Ok(Self { name, lock })
    }

    /// The lock of its file.
    pub(super) fn lock(&self) -> &L {
        &self.lock
    }

    /// The start of its queue ids.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// The file that the instance `name` has locked while it is alive.
fn file_of(name: &str) -> String {
    format!("{HOME}/{name}")
}

/// The names of all instances, alive and dead.
fn instances(disk: &mut impl Disk) -> io::Result<Vec<String>> {
    let mut names = disk.list(HOME)?;
    names.retain(|name| name.len() == NAME_DIGITS && is_number(name));
    Ok(names)
}

fn is_number(digits: &str) -> bool {
    let mut digits = digits.bytes();
    digits.all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'))
}

/// The name of an instance after `highest`: the time, unless the clock went back or two start in a second.
fn next_name(highest: Option<&String>) -> io::Result<String> {
    let now = u32::try_from(unix_seconds()).unwrap_or(0);
    let after = match highest {
        Some(name) => u32::from_str_radix(name, 16)
            .ok()
            .and_then(|number| number.checked_add(1))
            .ok_or_else(|| io::Error::other("no instance number is left"))?,
        None => 0,
    };
    Ok(format!("{:08X}", now.max(after)))
}

/// Says who holds the start lock, if that is why an instance could not be claimed.
fn locked(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock {
        let why = format!("another process that starts in this folder holds {START_LOCK}");
        return io::Error::new(io::ErrorKind::WouldBlock, why);
    }
    error
}

/// Removes what instances before `own` that are not `alive` left in any `tmp/`, then the files of the `dead` ones.
/// An instance without a file is dead as well: a power cut may keep the removal of that file, and not of what was removed
/// before it. Files that no instance has named are left alone: Maildir leaves those to the mail reader, after 36 hours.
/// A sibling may sweep at the same time.
fn sweep(disk: &mut impl Disk, own: &str, alive: &[String], dead: &[String]) -> io::Result<()> {
    if dead.is_empty() {
        return Ok(());
    }
    let mut swept = 0;
    each_mailbox(disk, |disk, mailbox| {
        let tmp = format!("{mailbox}/tmp");
        for file in list_if_folder(disk, &tmp)? {
            let is_dead = |instance| instance < own && alive.iter().all(|name| name != instance);
            if instance_of(&file).is_some_and(is_dead)
                && remove_if_there(disk, &format!("{tmp}/{file}"))?
            {
                swept += 1;
            }
        }
        Ok(())
    })?;
    for name in dead {
        remove_if_there(disk, &file_of(name))?;
    }
    if swept > 0 {
        log::info!("swept={swept} instances={}", dead.len());
    }
    Ok(())
}

/// Removes a file, and says whether it was there.
fn remove_if_there(disk: &mut impl Disk, path: &str) -> io::Result<bool> {
    match disk.remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true),
    }
}

/// The instance that named a message file, `<seconds>.<queue id>.<host name>`.
fn instance_of(file_name: &str) -> Option<&str> {
    let mut parts = file_name.splitn(3, '.');
    let seconds = parts.next()?;
    let id = parts.next()?;
    parts.next()?;
    let ours = seconds.bytes().all(|byte| byte.is_ascii_digit())
        && id.len() >= NAME_DIGITS + COUNT_DIGITS_MIN
        && is_number(id);
    if ours { id.get(..NAME_DIGITS) } else { None }
}
