//! `mailoop passwd`: who may log in, and by which password.
//!
//! The file is replaced in one step, so a server reads the old one or the new one. Where that cannot be, as for a file that a
//! container has mounted by itself, its text is written over in place. Only one `mailoop passwd` at a time works in a folder.

use core::fmt;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufRead, ErrorKind, IsTerminal, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::exit::{ExitCode, Failed, show};
use crate::smtp::auth::Users;
use crate::smtp::auth::text::saslprep;
use crate::smtp::auth::users::{ITERATIONS, StoredCredentials, name_in, new_header, user_name};
use crate::terminal::{PASSWORD_BYTES_MAX, ask_password};

/// The permissions of a new file: its owner's, and nobody else's.
const MODE: u32 = 0o600;
/// The permissions that are kept of an old file's: its group may have been given leave to read it.
const MODE_KEPT: u32 = 0o640;

/// Errors of a file whose place no other file can take, or beside which none can be made: it is a mount point, or its folder
/// may not be changed.
const CANNOT_RENAME: [ErrorKind; 4] = [
    ErrorKind::ResourceBusy,
    ErrorKind::CrossesDevices,
    ErrorKind::PermissionDenied,
    ErrorKind::ReadOnlyFilesystem,
];

/// A change of the users file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PasswdOptions {
    /// The user whose line changes.
    pub(super) user: String,
    /// The users file.
    pub(super) file: PathBuf,
    /// Whether the line is removed.
    pub(super) delete: bool,
}

/// Gives a user a password, or takes the user out of the file.
///
/// # Errors
/// The name or the password cannot be one; the file is none, or cannot be read or replaced.
pub(super) fn passwd(options: &PasswdOptions) -> Result<(), Failed> {
    let name = user_name(&options.user)
        .map_err(|reason| Failed::new(ExitCode::Usage, format_args!("USER: {reason}")))?;
    let credentials = match options.delete {
        true => None,
        // Before anything is locked: who types takes time.
        false => Some(credentials(&read_password(&name)?)?),
    };
    let file = UsersFile::lock(&options.file)?;
    let old = file.read()?;
    let (text, done) = edit(&old, &name, credentials.as_ref())?;
    file.replace(&old, &text)?;
    let place = options.file.display();
    show(&format!(
        "{place}: {done}; a running server heeds it after SIGHUP\n"
    ))
}

/// The password, prepared: from the terminal, if somebody sits there, otherwise the first line of standard input.
fn read_password(name: &str) -> Result<String, Failed> {
    let wrong =
        |reason: &dyn fmt::Display| Failed::new(ExitCode::Data, format_args!("password: {reason}"));
    let typed = if io::stdin().is_terminal() {
        let ask = |prompt: String| ask_password(&prompt).map_err(|error| wrong(&error));
        let typed = ask(format!("New password of {name}: "))?;
        if typed != ask("The same again: ".to_owned())? {
            return Err(wrong(&"the two are not the same"));
        }
        typed
    } else {
        first_line().map_err(|error| wrong(&error))?
    };
    if typed.is_empty() {
        return Err(wrong(&"it is empty"));
    }
    let prepared =
        saslprep(&typed).ok_or_else(|| wrong(&"it holds characters that no password may hold"))?;
    Ok(prepared.into_owned())
}

fn first_line() -> io::Result<String> {
    let most = PASSWORD_BYTES_MAX as u64 + 2;
    let mut line = Vec::new();
    io::stdin().lock().take(most).read_until(b'\n', &mut line)?;
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > PASSWORD_BYTES_MAX {
        return Err(io::Error::other("it is too long"));
    }
    String::from_utf8(line.to_vec()).map_err(|_| io::Error::other("write it in UTF-8"))
}

fn credentials(password: &str) -> Result<StoredCredentials, Failed> {
    StoredCredentials::new(password, ITERATIONS).ok_or_else(no_randomness)
}

fn no_randomness() -> Failed {
    Failed::new(ExitCode::TryAgain, "the system has nothing random to offer")
}

/// The text of the file with new credentials of `name`, or without any, and what was done to it. All other lines stay as
/// they are.
fn edit(
    old: &str,
    name: &str,
    credentials: Option<&StoredCredentials>,
) -> Result<(String, String), Failed> {
    let mut lines: Vec<_> = old.lines().map(str::to_owned).collect();
    if lines.is_empty() {
        lines.push(new_header().ok_or_else(no_randomness)?);
    }
    let mut named = lines.iter().skip(1);
    let at = named.position(|line| name_in(line) == Some(name));
    let at = at.map(|behind_header| behind_header + 1);
    let done = match (at, credentials) {
        (Some(at), Some(credentials)) => {
            lines[at] = format!("{name}:{credentials}");
            format!("{name} has a new password")
        }
        (None, Some(credentials)) => {
            lines.push(format!("{name}:{credentials}"));
            format!("{name} has a password")
        }
        (Some(at), None) => {
            lines.remove(at);
            format!("{name} is taken out")
        }
        (None, None) => {
            return Err(Failed::new(
                ExitCode::Data,
                format_args!("{name}: there is no such user"),
            ));
        }
    };
    Ok((lines.join("\n") + "\n", done))
}

/// A users file, there or not, in a folder where nobody else changes one meanwhile.
struct UsersFile {
    /// Without symbolic links.
    path: PathBuf,
    /// The lock, for as long as this is open.
    folder: File,
}

impl UsersFile {
    fn lock(named: &Path) -> Result<Self, Failed> {
        Self::try_lock(named).map_err(|error| cannot("use", named, &error))
    }

    fn try_lock(named: &Path) -> io::Result<Self> {
        // A link stays one, and leads to the new file as it did to the old one.
        let path = match fs::canonicalize(named) {
            Ok(path) => path,
            Err(error) if error.kind() == ErrorKind::NotFound && !named.is_symlink() => {
                let folder = named.parent().filter(|folder| *folder != Path::new(""));
                let name = named.file_name().ok_or(ErrorKind::IsADirectory)?;
                fs::canonicalize(folder.unwrap_or(Path::new(".")))?.join(name)
            }
            Err(error) => return Err(error),
        };
        if path.exists() && !path.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let folder = File::open(path.parent().ok_or(ErrorKind::IsADirectory)?)?;
        flock(&folder, FlockOperation::LockExclusive)?;
        Ok(Self { path, folder })
    }

    /// Its text, of which every line is good; empty where there is no file yet.
    fn read(&self) -> Result<String, Failed> {
        let text = match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(String::new()),
            text => text.map_err(|error| cannot("read", &self.path, &error))?,
        };
        if text.is_empty() {
            return Ok(text);
        }
        Users::parse(&text).map(|_| text).map_err(|bad| {
            let (place, line, reason) = (self.path.display(), bad.line, bad.reason);
            Failed::new(ExitCode::Data, format_args!("{place}:{line}: {reason}"))
        })
    }

    fn replace(&self, old: &str, text: &str) -> Result<(), Failed> {
        let mut name = OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(".new");
        let new = self.path.with_file_name(name);
        let replaced = self.try_replace(&new, text).or_else(|error| {
            // It may not have been made.
            let _ = fs::remove_file(&new);
            match error.kind() {
                kind if CANNOT_RENAME.contains(&kind) && self.path.exists() => {
                    self.write_over(old, text)
                }
                _ => Err(error),
            }
        });
        replaced.map_err(|error| {
            Failed::new(
                ExitCode::CannotCreate,
                format_args!("cannot write {}: {error}", self.path.display()),
            )
        })
    }

    /// Writes `text` over the old one. Should there be no room for it, the old one, for which there was, is put back.
    fn write_over(&self, old: &str, text: &str) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(&self.path)?;
        let write = |text: &str| {
            file.write_all_at(text.as_bytes(), 0)?;
            file.set_len(text.len() as u64)?;
            file.sync_all()
        };
        write(text).inspect_err(|_| {
            let _ = write(old);
        })
    }

    fn try_replace(&self, new: &Path, text: &str) -> io::Result<()> {
        // One that was killed left it.
        match fs::remove_file(new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(new)?;
        match fs::metadata(&self.path) {
            Ok(old) => {
                let made = file.metadata()?;
                if (made.uid(), made.gid()) != (old.uid(), old.gid()) {
                    fchown(&file, Some(old.uid()), Some(old.gid()))?;
                }
                let mode = MODE | old.mode() & MODE_KEPT;
                file.set_permissions(Permissions::from_mode(mode))?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(new, &self.path)?;
        self.folder.sync_all()
    }
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Failed {
    let place = path.display();
    Failed::new(ExitCode::Io, format_args!("cannot {what} {place}: {error}"))
}
