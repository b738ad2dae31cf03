//! The files that a running server has to change.

use std::path::PathBuf;

/// The files that a running server has to change, by their folders.
#[derive(Debug, Default)]
pub struct Needs {
    /// Folders below which files and folders come and go.
    pub writable: Vec<PathBuf>,
    /// Folders in which files are only removed.
    pub removable: Vec<PathBuf>,
}

/// A way to enter a sandbox. Returns the newest ABI of Landlock that the kernel knows, or why nothing is refused.
pub(super) type EnterSandbox = fn(&Needs) -> Result<u32, String>;
