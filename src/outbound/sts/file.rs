//! The file in which known policies outlive a restart. Without it, who attacks a domain right after one would meet a server that
//! knows of no policy.
//!
//! The first line has the version, and each policy follows after a line with its domain, its id, when it was fetched (in milliseconds
//! of the epoch) and the octets of its text:
//!
//! ```text
//! mailoop mta-sts 1
//! example.org 20160831085700Z 1795000000000 69
//! version: STSv1
//! mode: enforce
//! mx: mail.example.org
//! max_age: 604800
//! ```
//!
//! Invariant: the file is replaced by a new one whose text is on the disk. The loop cannot wait for that (fsync), so the new file gets
//! its name a minute after it was written, when the system has written it by itself; at the end of the server there is time to wait.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::known::{KNOWN_BYTES_MAX, KnownPolicies};
use super::policy::{POLICY_BYTES_MAX, StsPolicy};
use super::record::is_id;
use crate::outbound::dns::host_name::HostName;

/// The version that is written; older ones are read.
const VERSION: u32 = 1;
/// The first line before its version.
const HEAD: &str = "mailoop mta-sts ";
/// The names of the file, and of the one that takes its place.
const NAME: &str = "policies";
const NEW_NAME: &str = "policies.new";
/// The least time between two writes, and for the system to have written what it was given.
const WRITE_INTERVAL: Duration = Duration::from_secs(60);
/// The most octets that are read: the policies, and the first line.
const FILE_BYTES_MAX: usize = KNOWN_BYTES_MAX + 1024;

/// The file of known policies, in a folder of its own.
#[derive(Debug)]
pub struct PolicyFile {
    /// None where policies are kept in memory only.
    folder: Option<PathBuf>,
    /// Whether policies have changed since the last write.
    is_changed: bool,
    written_at: Option<Instant>,
    /// When the new file was written that has not taken its place.
    staged_at: Option<Instant>,
}

impl PolicyFile {
    /// The file in this folder, and the policies in it. A folder that is missing is no fault, until something is written.
    #[must_use]
    pub fn open(folder: Option<PathBuf>, now_ms: u64) -> (Self, KnownPolicies) {
        let mut known = KnownPolicies::default();
        let file = |folder| Self {
            folder,
            is_changed: false,
            written_at: None,
            staged_at: None,
        };
        let Some(folder) = folder else {
            return (file(None), known);
        };
        let path = folder.join(NAME);
        let read = read(&path).and_then(|text| parse(&text, now_ms, &mut known));
        match read {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let (path, why) = (path.display(), error.to_string());
                let and = match error.kind() {
                    ErrorKind::Unsupported => "it is left alone, and nothing is kept in it",
                    _ => "policies that were behind this are fetched again",
                };
                log::warn!("warning=\"{path}: {}; {and}\"", why.escape_debug());
                if error.kind() == ErrorKind::Unsupported {
                    return (file(None), known);
                }
            }
            Ok(()) => {}
        }
        (file(Some(folder)), known)
    }

    /// Makes the folder, for this user only.
    ///
    /// # Errors
    /// As mkdir(2), but where it is there.
    pub fn make_folder(folder: &Path) -> io::Result<()> {
        match fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes note that policies have changed.
    pub fn note_change(&mut self) {
        self.is_changed = true;
    }

    /// The instant at which [`tick`](Self::tick) has something to do.
    #[must_use]
    pub fn next_wake(&self, now: Instant) -> Option<Instant> {
        self.folder.as_ref()?;
        let after = |at: Instant| at + WRITE_INTERVAL;
        match self.staged_at {
            Some(staged_at) => Some(after(staged_at)),
            None => self.is_changed.then(|| self.written_at.map_or(now, after)),
        }
    }

    /// Writes the policies if they have changed and it is time; puts the new file in place of the old one once it is on the disk.
    pub fn tick(&mut self, known: &KnownPolicies, now: Instant, now_ms: u64) {
        if self.next_wake(now).is_none_or(|wake| wake > now) {
            return;
        }
        let Some(folder) = &self.folder else {
            return;
        };
        let done = match self.staged_at.take() {
            Some(_) => fs::rename(folder.join(NEW_NAME), folder.join(NAME)),
            None => {
                self.is_changed = false;
                self.written_at = Some(now);
                let written = write(folder, known, now_ms);
                self.staged_at = written.is_ok().then_some(now);
                written.map(drop)
            }
        };
        if let Err(error) = done {
            // It is tried again in a minute.
            self.is_changed = true;
            self.written_at = Some(now);
            warn(folder, &error);
        }
    }

    /// Writes what has changed, and waits until it is on the disk.
    pub fn finish(&mut self, known: &KnownPolicies, now_ms: u64) {
        let Some(folder) = &self.folder else {
            return;
        };
        if !self.is_changed && self.staged_at.is_none() {
            return;
        }
        let written = write(folder, known, now_ms).and_then(|file| {
            file.sync_all()?;
            fs::rename(folder.join(NEW_NAME), folder.join(NAME))?;
            File::open(folder)?.sync_all()
        });
        if let Err(error) = written {
            warn(folder, &error);
        }
        (self.is_changed, self.staged_at) = (false, None);
    }
}

fn warn(folder: &Path, error: &io::Error) {
    let folder = folder.display();
    log::warn!("warning=\"cannot keep MTA-STS policies in {folder}: {error}\"");
}

/// Writes the new file, and hands it to the system.
fn write(folder: &Path, known: &KnownPolicies, now_ms: u64) -> io::Result<File> {
    let mut text = format!("{HEAD}{VERSION}\n").into_bytes();
    for (domain, entry) in known.all(now_ms) {
        let (id, fetched, length) = (&entry.id, entry.fetched_ms, entry.text.len());
        writeln!(text, "{domain} {id} {fetched} {length}")?;
        text.extend_from_slice(&entry.text);
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(folder.join(NEW_NAME))?;
    file.write_all(&text)?;
    Ok(file)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let file = File::open(path)?;
    file.take(FILE_BYTES_MAX as u64).read_to_end(&mut text)?;
    Ok(text)
}

/// Reads the file, and keeps all of its policies that hold.
///
/// # Errors
/// `Unsupported` for a later version, `InvalidData` for what is none; what came before is kept.
fn parse(text: &[u8], now_ms: u64, known: &mut KnownPolicies) -> io::Result<()> {
    let damaged = || io::Error::new(ErrorKind::InvalidData, "it is damaged");
    let mut rest = text;
    let head = take_line(&mut rest).ok_or_else(damaged)?;
    let version = head.strip_prefix(HEAD).map(str::parse);
    match version {
        Some(Ok(1..=VERSION)) => {}
        Some(Ok(version)) if version > VERSION => {
            let why = format!("its version is {version}, and this program knows {VERSION}");
            return Err(io::Error::new(ErrorKind::Unsupported, why));
        }
        _ => return Err(damaged()),
    }
    while !rest.is_empty() {
        let (domain, id, fetched_ms, policy) = take_entry(&mut rest).ok_or_else(damaged)?;
        known.keep(domain, id, &policy, fetched_ms);
    }
    known.remove_ended(now_ms);
    Ok(())
}

fn take_entry<'a>(rest: &mut &'a [u8]) -> Option<(HostName, &'a str, u64, StsPolicy)> {
    let line = take_line(rest)?;
    let mut words = line.split(' ');
    let domain = HostName::parse(words.next()?)?;
    let id = words.next().filter(|id| is_id(id.as_bytes()))?;
    let fetched_ms = words.next()?.parse().ok()?;
    let length = words.next()?.parse().ok()?;
    let is_one = length <= POLICY_BYTES_MAX && words.next().is_none();
    let (text, after) = rest.split_at_checked(length).filter(|_| is_one)?;
    *rest = after;
    Some((domain, id, fetched_ms, StsPolicy::parse(text).ok()?))
}

fn take_line<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let end = memchr::memchr(b'\n', rest)?;
    let (line, after) = rest.split_at_checked(end)?;
    *rest = after.get(1..)?;
    str::from_utf8(line).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
