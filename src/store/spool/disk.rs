//! The file system as the spool sees it. The spool knows nothing else of it, so that a model can take its place in tests and
//! lose what a power cut would lose.

use std::io;

/// A file system below the root of a spool. Paths are relative to that root, and no component of one may be a symbolic link.
pub trait SpoolDisk {
    /// A file that is open for reading and writing.
    type File;
    /// A lock, which is held until this is dropped.
    type Lock;

    /// Makes a folder, unless it is there.
    ///
    /// # Errors
    /// Any error of the system.
    fn make_folder(&mut self, path: &str) -> io::Result<()>;

    /// Locks a file, which is created if it is missing. Never blocks.
    ///
    /// # Errors
    /// `WouldBlock` if somebody else holds the lock; otherwise any error of the system.
    fn lock(&mut self, path: &str) -> io::Result<Self::Lock>;

    /// The names in a folder, less those with a leading dot.
    ///
    /// # Errors
    /// Any error of the system.
    fn list(&mut self, path: &str) -> io::Result<Vec<String>>;

    /// Creates a file, at whose path nothing may be yet.
    ///
    /// # Errors
    /// Any error of the system.
    fn create(&mut self, path: &str) -> io::Result<Self::File>;

    /// Opens a file that is there.
    ///
    /// # Errors
    /// Any error of the system.
    fn open(&mut self, path: &str) -> io::Result<Self::File>;

    /// Octets of a file.
    ///
    /// # Errors
    /// Any error of the system.
    fn size(&mut self, file: &Self::File) -> io::Result<u64>;

    /// Reads from `offset` on, and says how much: less than there is room for only at the end of the file.
    ///
    /// # Errors
    /// Any error of the system.
    fn read_at(&mut self, file: &Self::File, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`, which is at most the end of the file.
    ///
    /// # Errors
    /// Any error of the system. Some of it may be written.
    fn write_at(&mut self, file: &Self::File, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes the data of a file durable (fdatasync).
    ///
    /// # Errors
    /// Any of it may be lost, and a second call would not tell.
    fn sync_file(&mut self, file: &Self::File) -> io::Result<()>;

    /// Makes the names in a folder durable (fsync of the folder).
    ///
    /// # Errors
    /// Any of them may be lost.
    fn sync_folder(&mut self, path: &str) -> io::Result<()>;

    /// Gives a file another name, and replaces what had that.
    ///
    /// # Errors
    /// Any error of the system.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Takes the name of a file away.
    ///
    /// # Errors
    /// Any error of the system.
    fn remove(&mut self, path: &str) -> io::Result<()>;

    /// The number of octets that may still be written; the greatest number where nobody knows.
    fn free_bytes(&mut self) -> u64;

    /// A number that nobody can guess, nor come by twice.
    fn random(&mut self) -> u64;
}

/// The root of the spool, as a path.
pub const SPOOL_ROOT: &str = ".";
