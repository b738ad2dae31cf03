//! Who writes to the store: an instance is one opening of it by one process.
//!
//! `DIR/.mailoop/` holds a file for each instance. Its name, eight hexadecimal digits, begins every queue id
//! of that instance, and whoever holds its lock is alive. Numbers only grow, whatever the clock does: the
//! highest file is never removed, and the next instance is higher.

use std::ffi::CString;
use std::fs::File;
use std::io;

use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};

use super::folders::{create, each_mailbox, make_folder, names, open_folder, open_if_folder};
use crate::store::unix_seconds;

/// The folder of the instance files. Its leading dot keeps it apart from domains.
const HOME: &str = ".mailoop";
/// Held while an instance is claimed: a sibling that starts just then must not take an instance file that is
/// created but not locked yet for that of a dead one.
const START_LOCK: &str = "lock";
const NAME_DIGITS: usize = 8;

/// A claimed instance.
#[derive(Debug)]
pub(super) struct Instance {
    name: String,
    /// Tells the others that this one is alive.
    _locked: File,
}

impl Instance {
    /// Claims a new instance of the store under `root`, and sweeps up after dead ones.
    pub(super) fn claim(root: &File) -> io::Result<Self> {
        make_folder(root, HOME)?;
        root.sync_all()?;
        let home = open_folder(root, HOME)?;
        let start_lock = open_file(&home, START_LOCK, OFlags::CREATE)?;
        start_lock.lock()?;

        let others = instances(&home)?;
        let name = next_name(others.iter().max())?;
        let file = create(&home, &name)?;
        file.try_lock()?;
        // Durable before any lower one goes, so that no power cut makes numbers free again.
        home.sync_all()?;

        let is_dead = |other: &String| {
            open_file(&home, other, OFlags::empty()).is_ok_and(|file| file.try_lock().is_ok())
        };
        let dead: Vec<String> = others.into_iter().filter(is_dead).collect();
        if let Err(error) = sweep(root, &home, &dead) {
            // What is left over harms nobody, and its instance files make the next start try again.
            log::warn!("sweep=incomplete error=\"{error}\"");
        }
        Ok(Self {
            name,
            _locked: file,
        })
    }

    /// The start of its queue ids.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// The names of all instances, alive and dead.
fn instances(home: &File) -> io::Result<Vec<String>> {
    let is_instance = |name: &String| {
        name.len() == NAME_DIGITS && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'))
    };
    let names = names(home)?.into_iter().map(CString::into_string);
    Ok(names.flatten().filter(is_instance).collect())
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

/// Removes what the `dead` instances left in any `tmp/`, then their files. What is not named by an instance
/// is left alone: Maildir leaves such files to the mail reader, after 36 hours.
fn sweep(root: &File, home: &File, dead: &[String]) -> io::Result<()> {
    if dead.is_empty() {
        return Ok(());
    }
    let mut swept = 0;
    each_mailbox(root, |mailbox| {
        let Some(tmp) = open_if_folder(mailbox, "tmp")? else {
            return Ok(());
        };
        for file in names(&tmp)? {
            let instance = file.to_str().ok().and_then(instance_of);
            if instance.is_some_and(|instance| dead.iter().any(|name| name == instance)) {
                unlinkat(&tmp, &file, AtFlags::empty())?;
                swept += 1;
            }
        }
        Ok(())
    })?;
    for name in dead {
        unlinkat(home, name, AtFlags::empty())?;
    }
    if swept > 0 {
        log::info!("swept={swept} instances={}", dead.len());
    }
    Ok(())
}

/// The instance that named a message file, `<seconds>.<queue id>.<host name>`.
fn instance_of(file_name: &str) -> Option<&str> {
    let mut parts = file_name.splitn(3, '.');
    let seconds = parts.next()?;
    let id = parts.next()?;
    parts.next()?;
    let ours = seconds.bytes().all(|byte| byte.is_ascii_digit())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if ours { id.get(..NAME_DIGITS) } else { None }
}

fn open_file(folder: &File, name: &str, create: OFlags) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | create;
    Ok(openat(folder, name, flags, Mode::RUSR | Mode::WUSR)?.into())
}
