//! The folder of a store, and what is missing above it.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Makes the folder `path` and what is missing above it, durably.
pub(super) fn create_root(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(Path::new(""));
    create_root(parent)?;
    match DirBuilder::new().mode(0o700).create(path) {
        // A sibling that starts at the same time was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made?,
    }
    File::open(Path::new(".").join(parent))?.sync_all()
}
