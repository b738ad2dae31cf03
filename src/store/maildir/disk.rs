//! What a store of Maildir folders asks of a file system. The store knows nothing else of it, so that a model of
//! one can take its place in tests and lose what a power cut would lose.

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
    /// What the system says.
    fn make_folder(&mut self, path: &str) -> io::Result<bool>;

    /// Removes an empty folder.
    ///
    /// # Errors
    /// What the system says.
    fn remove_folder(&mut self, path: &str) -> io::Result<()>;

    /// Whether there is a folder.
    ///
    /// # Errors
    /// What the system says, unless that there is none.
    fn has_folder(&mut self, path: &str) -> io::Result<bool>;

    /// The names in a folder, less those with a leading dot.
    ///
    /// # Errors
    /// What the system says.
    fn list(&mut self, path: &str) -> io::Result<Vec<String>>;

    /// Creates a file to be written. It is called `path`, at which nothing may be yet; or it has no name, where the file
    /// system has files without one and can give them one later: then nothing is left of it once nobody has it open.
    ///
    /// # Errors
    /// What the system says.
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
    /// What the system says.
    fn write(&mut self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;

    /// Creates a file as [`create`](Self::create) does, with all that is in another one.
    ///
    /// # Errors
    /// What the system says; nothing is left of the copy.
    fn copy(&mut self, file: &Self::File, path: &str) -> io::Result<Self::File>;

    /// Gives a file one more name.
    ///
    /// # Errors
    /// What the system says.
    fn link(&mut self, file: &Self::File, to: &str) -> io::Result<()>;

    /// Gives a file another name than it was created with, or its first one.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&mut self, file: &Self::File, to: &str) -> io::Result<()>;

    /// Takes away the name that a file was created with, if it has one.
    ///
    /// # Errors
    /// What the system says.
    fn discard(&mut self, file: &Self::File) -> io::Result<()>;

    /// Takes a name of a file away.
    ///
    /// # Errors
    /// What the system says.
    fn remove_file(&mut self, path: &str) -> io::Result<()>;

    /// Whether [`sync_all`](Self::sync_all) tells of every error.
    fn tells_all_errors(&self) -> bool;

    /// Whether [`sync_all`](Self::sync_all) covers a file.
    fn is_covered(&self, file: &Self::File) -> bool;

    /// Makes the data of a file durable.
    ///
    /// # Errors
    /// Any of it may be lost.
    fn sync_file(&mut self, file: &Self::File) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// Any of them may be lost.
    fn sync_folder(&mut self, path: &str) -> io::Result<()>;

    /// Makes everything durable that was written to the file system of the root, and sees that this still takes
    /// changes, by touching the file that was locked with `lock`.
    ///
    /// # Errors
    /// Any of it may be lost, whoever wrote it.
    fn sync_all(&mut self, lock: &Self::Lock) -> io::Result<()>;

    /// Locks a file, which is created if it is missing. It never waits: the loop may be what asks.
    ///
    /// # Errors
    /// `WouldBlock` if somebody else holds the lock; otherwise what the system says.
    fn lock(&mut self, path: &str) -> io::Result<Self::Lock>;

    /// Locks a file that is there, unless somebody else does.
    ///
    /// # Errors
    /// What the system says.
    fn try_lock(&mut self, path: &str) -> io::Result<Option<Self::Lock>>;

    /// Finds out whether files can be created without a name, by giving one the name `path` and taking it away again.
    fn probe(&mut self, path: &str) {
        let _ = path;
    }

    /// Looks at folders anew from here on: others may have moved them.
    fn forget(&mut self) {}
}
