//! The user of the process: root for as long as it takes to open its listeners, then one who owns the mail and
//! nothing else. It never runs another program, and no program could give it rights back.

use core::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path};

/// Why the process could not become another user.
#[derive(Debug)]
pub enum UserError {
    /// Nobody has that name.
    Unknown,
    /// Only root may become somebody else.
    NotRoot,
    /// The rights of root could be had back.
    NotForGood,
    /// The system does not do it.
    System(io::Error),
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("there is no such user"),
            Self::NotRoot => f.write_str("only root may do so; start as root or without --user"),
            Self::NotForGood => {
                f.write_str("it could become root again; start it without securebits")
            }
            Self::System(error) => error.fmt(f),
        }
    }
}

impl<E: Into<io::Error>> From<E> for UserError {
    fn from(error: E) -> Self {
        Self::System(error.into())
    }
}

/// Makes the process the user `name` with all groups of that user, for good, and gives it these `files`, which
/// were made by root for its use. Who is that user already stays as they are.
///
/// # Errors
/// [`UserError`]; the process may be anybody then, and is to end.
#[cfg(target_os = "linux")]
pub fn become_user(name: &str, files: &[&Path]) -> Result<(), UserError> {
    use std::ffi::CString;
    use std::os::unix::fs::{FileTypeExt, lchown};

    use nix::unistd::{Uid, User, getresgid, getresuid, initgroups, setresgid, setresuid, setuid};

    let user = User::from_name(name)?.ok_or(UserError::Unknown)?;
    let is = |uid: Uid| {
        let now = getresuid()?;
        Ok::<_, UserError>([now.real, now.effective, now.saved] == [uid; 3])
    };
    if is(user.uid)? {
        return Ok(());
    }
    if !Uid::effective().is_root() {
        return Err(UserError::NotRoot);
    }
    for file in files {
        // What was there before, as a terminal or what a link leads to, stays whose it is.
        let kind = file.symlink_metadata()?.file_type();
        if kind.is_file() || kind.is_socket() {
            lchown(file, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        }
    }
    // Groups first: who is not root any more may not change them.
    initgroups(&CString::new(name)?, user.gid)?;
    setresgid(user.gid, user.gid, user.gid)?;
    setresuid(user.uid, user.uid, user.uid)?;

    let group = getresgid()?;
    let in_group = [group.real, group.effective, group.saved] == [user.gid; 3];
    let back_to_root = !user.uid.is_root() && setuid(Uid::from_raw(0)).is_ok();
    if back_to_root || !in_group || !is(user.uid)? {
        return Err(UserError::NotForGood);
    }
    log::info!("user={name} uid={} gid={}", user.uid, user.gid);
    Ok(())
}

/// Not known how to here.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn become_user(_name: &str, _files: &[&Path]) -> Result<(), UserError> {
    Err(UserError::System(io::ErrorKind::Unsupported.into()))
}

/// Whether the process has the rights of root.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether nobody but root can say what file is at `path`: no folder on the way to it belongs to somebody else or can be written
/// by others, and nothing on the way is a symbolic link. In a folder with the sticky bit, as `/tmp`, nobody else moves a folder
/// of root's.
#[must_use]
pub fn only_root_changes(path: &Path) -> bool {
    let Ok(path) = std::path::absolute(path) else {
        return false;
    };
    let is_straight = path.components().all(|part| part != Component::ParentDir);
    let is_link = fs::symlink_metadata(&path).is_ok_and(|file| file.is_symlink());
    let is_safe = |(index, folder): (usize, &Path)| {
        fs::symlink_metadata(folder).is_ok_and(|folder| {
            let others_write = folder.mode() & 0o022 != 0;
            let is_sticky = folder.mode() & 0o1000 != 0;
            let may_write = others_write && !(is_sticky && index > 0);
            folder.is_dir() && folder.uid() == 0 && !may_write
        })
    };
    is_straight && !is_link && path.ancestors().skip(1).enumerate().all(is_safe)
}

/// Whether there is somebody to become.
///
/// # Errors
/// [`UserError`].
pub fn find_user(name: &str) -> Result<(), UserError> {
    #[cfg(target_os = "linux")]
    return nix::unistd::User::from_name(name)?
        .map(|_| ())
        .ok_or(UserError::Unknown);
    #[cfg(not(target_os = "linux"))]
    return become_user(name, &[]);
}

/// Gives up what a program with the set-user-ID bit could give: should an intruder run one, it gets no rights.
pub fn gain_no_more() {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_no_new_privs() {
        log::warn!("warning=\"programs could still give rights: {error}\"");
    }
}
