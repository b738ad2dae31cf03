//! The file system as the store sees it. The store knows nothing else of it, so that a model can take its place in tests and
//! lose what a power cut would lose.

use std::io;

/// The root of the store, as a path.
pub const ROOT: &str = ".";

/// A file system below the root of a store. Paths are relative to that root, and no component of one may be a
/// symbolic link.
pub trait Disk {
    /// A file that is being written.
    type File;
    /// A lock, which is held until this is dropped.
    type Lock;

    /// Makes a folder, and says whether it was missing.
    ///
    /// # Errors
    /// Any error of the system.
    fn make_folder(&mut self, path: &str) -> io::Result<bool>;

    /// Removes an empty folder.
    ///
    /// # Errors
    /// Any error of the system.
    fn remove_folder(&mut self, path: &str) -> io::Result<()>;

    /// Whether there is a folder.
    ///
    /// # Errors
    /// Any error of the system, except that there is none.
    fn has_folder(&mut self, path: &str) -> io::Result<bool>;

    /// Shows `visit` the names in a folder, less those with a leading dot, one after the other: there may be millions.
    ///
    /// # Errors
    /// Any error of the system.
    fn each_name(&mut self, path: &str, visit: &mut dyn FnMut(&str)) -> io::Result<()>;

    /// The names in a folder, less those with a leading dot.
    ///
    /// # Errors
    /// Any error of the system.
    fn list(&mut self, path: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        self.each_name(path, &mut |name| names.push(name.to_owned()))?;
        Ok(names)
    }

    /// Creates a file to be written. The file is called `path`, at which nothing may be yet; or it has no name, where the file
    /// system has files without one and can give them one later: then nothing is left of it once nobody has it open.
    ///
    /// # Errors
    /// Any error of the system.
    fn create(&mut self, path: &str) -> io::Result<Self::File>;

    /// Creates a file without a name that is to have one in the mailbox of `path`, which is not there yet; `None` if that
    /// cannot be done. So a message that is aborted has made no folders, which cost more than all else.
    fn create_ahead(&mut self, path: &str) -> Option<io::Result<Self::File>> {
        let _ = path;
        None
    }

    /// Appends to a file.
    ///
    /// # Errors
    /// Any error of the system.
    fn write(&mut self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;

    /// Creates a file as [`create`](Self::create) does, with all that is in another one.
    ///
    /// # Errors
    /// Any error of the system; nothing is left of the copy.
    fn copy(&mut self, file: &Self::File, path: &str) -> io::Result<Self::File>;

    /// Gives a file one more name.
    ///
    /// # Errors
    /// Any error of the system.
    fn link(&mut self, file: &Self::File, to: &str) -> io::Result<()>;

    /// Gives a file another name than it was created with, or its first one.
    ///
    /// # Errors
    /// `AlreadyExists` if there is a file of that name, unless the file system can only replace it; otherwise any error of the system.
    fn rename(&mut self, file: &Self::File, to: &str) -> io::Result<()>;

    /// Takes away the name that a file was created with, if it has one.
    ///
    /// # Errors
    /// Any error of the system.
    fn discard(&mut self, file: &Self::File) -> io::Result<()>;

    /// Takes a name of a file away.
    ///
    /// # Errors
    /// Any error of the system.
    fn remove_file(&mut self, path: &str) -> io::Result<()>;

    /// Whether [`sync_all`](Self::sync_all) reports every error.
    fn reports_all_errors(&self) -> bool;

    /// Whether [`sync_all`](Self::sync_all) covers a file.
    fn is_covered(&self, file: &Self::File) -> bool;

    /// Makes the data of a file durable (fdatasync).
    ///
    /// # Errors
    /// Any of it may be lost.
    fn sync_file(&mut self, file: &Self::File) -> io::Result<()>;

    /// Makes the names in a folder durable (fsync of the folder).
    ///
    /// # Errors
    /// Any of them may be lost.
    fn sync_folder(&mut self, path: &str) -> io::Result<()>;

    /// Makes everything durable that was written to the file system of the root (syncfs), and checks that this still takes
    /// changes, by touching the file that was locked with `lock`.
    ///
    /// # Errors
    /// Any of it may be lost, whoever wrote it.
    fn sync_all(&mut self, lock: &Self::Lock) -> io::Result<()>;

    /// Locks a file, which is created if it is missing. Never blocks, since the event loop may be the caller.
    ///
    /// # Errors
    /// `WouldBlock` if somebody else holds the lock; otherwise any error of the system.
    fn lock(&mut self, path: &str) -> io::Result<Self::Lock>;

    /// Locks a file that is there, unless somebody else does.
    ///
    /// # Errors
    /// Any error of the system.
    fn try_lock(&mut self, path: &str) -> io::Result<Option<Self::Lock>>;

    /// Finds out whether files can be created without a name, by giving one the name `path` and taking it away again.
    fn probe(&mut self, path: &str) {
        let _ = path;
    }

    /// Forgets the folders that are held open: others may have moved them.
    fn forget(&mut self) {}
}
