//! Files without a name, which get one when their data is durable (open(2), `O_TMPFILE`).

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, CWD, OFlags, linkat, openat};
use rustix::io::Errno;

use super::{FILE_MODE, System};
use crate::store::maildir::disk::{Disk, ROOT};

/// The flag by which a file without a name is created in a folder.
#[cfg(target_os = "linux")]
const UNNAMED: OFlags = OFlags::TMPFILE;
/// The flag by which a file is linked by its descriptor alone.
#[cfg(target_os = "linux")]
const BY_DESCRIPTOR: AtFlags = AtFlags::EMPTY_PATH;
/// Neither flag exists here, so that the probe fails: a folder is no file to be written.
#[cfg(not(target_os = "linux"))]
const UNNAMED: OFlags = OFlags::CREATE;
#[cfg(not(target_os = "linux"))]
const BY_DESCRIPTOR: AtFlags = AtFlags::empty();
/// The most bytes of a message that are copied at once.
const COPY_BYTES: usize = 64 * 1024;

/// Ways in which message files of the root's file system get their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// Created with a name.
    AtOnce,
    /// Created without a name, and linked by their descriptor (`AT_EMPTY_PATH`). Before Linux 6.10 this takes
    /// `CAP_DAC_READ_SEARCH`.
    Descriptor,
    /// Created without a name, and linked by the name that `/proc` has for their descriptor.
    Proc,
}

/// A message that is being written.
#[derive(Debug)]
pub struct MessageFile {
    pub(super) file: File,
    /// The path at which it was created, with a name or without.
    pub(super) path: Box<str>,
    pub(super) is_named: bool,
    pub(super) is_at_root: bool,
}

impl System {
    /// Creates a message file, without a name if that can be done.
    pub(super) fn create_file(&mut self, path: &str) -> rustix::io::Result<MessageFile> {
        let (parent, name) = path.rsplit_once('/').unwrap_or((ROOT, path));
        let folder = self.folder(parent)?;
        // To be read where it has to be copied.
        let open = |name: &str, how: OFlags| {
            let flags = how | OFlags::RDWR | OFlags::CLOEXEC;
            openat(&folder.file, name, flags, FILE_MODE)
        };
        let named = || open(name, OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW);
        let unnamed = if self.naming == Naming::AtOnce || !folder.is_at_root {
            Err(Errno::OPNOTSUPP)
        } else {
            open(ROOT, UNNAMED)
        };
        let is_named = matches!(unnamed, Err(Errno::OPNOTSUPP | Errno::PERM));
        // ext4 says EPERM for a folder that was removed; what that means a file with a name is told.
        let file = if is_named { named()? } else { unnamed? };
        Ok(MessageFile {
            file: file.into(),
            path: path.into(),
            is_named,
            is_at_root: folder.is_at_root,
        })
    }

    /// Creates a message file without a name in the folder of the domain of `path`, or, where not even that is there, in the
    /// root; none where files have names, or on another file system, since it could not be linked from there. Nor is there one
    /// for a mailbox that only lacks something, which is made.
    pub(super) fn create_file_ahead(
        &mut self,
        path: &str,
    ) -> rustix::io::Result<Option<MessageFile>> {
        let (mailbox, domain) = mailbox_of(path);
        if self.naming == Naming::AtOnce {
            return Ok(None);
        }
        match self.folder(mailbox) {
            Err(Errno::NOENT) => {}
            found => return found.map(|_| None),
        }
        let folder = match self.folder(domain) {
            Err(Errno::NOENT) => self.folder(ROOT)?,
            folder => folder?,
        };
        if !folder.is_at_root {
            return Ok(None);
        }
        let flags = UNNAMED | OFlags::RDWR | OFlags::CLOEXEC;
        let file = match openat(&folder.file, ROOT, flags, FILE_MODE) {
            // The root is gone, which ext4 tells by EPERM; to make a folder in it tells more.
            Err(Errno::NOENT | Errno::PERM) => return Ok(None),
            opened => opened?.into(),
        };
        Ok(Some(MessageFile {
            file,
            path: path.into(),
            is_named: false,
            is_at_root: true,
        }))
    }

    /// Gives a message file one more name, or its first one.
    pub(super) fn link_file(&mut self, file: &MessageFile, to: &str) -> rustix::io::Result<()> {
        let (to, new_name) = self.parent(to)?;
        let file_in = &file.file;
        match self.naming {
            _ if file.is_named => {
                let (from, name) = self.parent(&file.path)?;
                linkat(&from, name, &to, new_name, AtFlags::empty())
            }
            Naming::Proc => {
                let name = format!("/proc/self/fd/{}", file_in.as_raw_fd());
                linkat(CWD, name, &to, new_name, AtFlags::SYMLINK_FOLLOW)
            }
            _ => linkat(file_in, "", &to, new_name, BY_DESCRIPTOR),
        }
    }

    /// Finds out how files can be named later, by giving one the name `path` and taking it away again.
    pub(super) fn find_naming(&mut self, path: &str) {
        for naming in [Naming::Descriptor, Naming::Proc] {
            self.naming = naming;
            // A process that was killed here has left it.
            let _ = self.remove_file(path);
            if self
                .create_file(path)
                .is_ok_and(|file| !file.is_named && self.link_file(&file, path).is_ok())
            {
                let _ = self.remove_file(path);
                return;
            }
        }
        let _ = self.remove_file(path);
        self.naming = Naming::AtOnce;
    }
}

/// The folders of the mailbox and of the domain that a path is in.
fn mailbox_of(path: &str) -> (&str, &str) {
    let domain = path.split_once('/').map_or(ROOT, |(domain, _)| domain);
    let mut folders = path.rsplitn(3, '/').skip(2);
    (folders.next().unwrap_or(domain), domain)
}

/// Copies all of `from` behind what is in `to`.
pub(super) fn copy_all(from: &File, to: &mut File) -> io::Result<()> {
    let mut bytes = vec![0; COPY_BYTES];
    let mut offset = 0;
    loop {
        match from.read_at(&mut bytes, offset) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                to.write_all(&bytes[..read])?;
                offset += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_was_removed_while_it_is_held_is_not_there() {
        let root = tempfile::tempdir().unwrap();
        let mut disk = System::open(root.path()).unwrap();
        disk.probe("probe");
        disk.make_folder("a").unwrap();
        let file = disk.create("a/1").unwrap();
        disk.discard(&file).unwrap();
        std::fs::remove_dir(root.path().join("a")).unwrap();
        let error = disk.create("a/2").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
    }
}
