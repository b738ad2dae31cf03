//! Errors of the system with their path, and advice for the operator.

use std::io;
use std::path::Path;
use std::{error, fmt};

use rustix::io::Errno;

/// A system call that failed on a path. As an [`io::Error`] it keeps its kind, and shows path and advice.
#[derive(Debug)]
pub(super) struct DiskError {
    what: &'static str,
    path: Box<Path>,
    errno: Errno,
    advice: &'static str,
}

impl DiskError {
    /// Makes the error of a system that refused to do `what` (as in "cannot write") with `path`.
    pub(super) fn new(what: &'static str, path: &Path, errno: Errno) -> Self {
        Self {
            what,
            path: path.into(),
            errno,
            advice: advice(errno),
        }
    }

    /// Replaces the advice that is usual for this error.
    pub(super) fn advise(self, advice: &'static str) -> Self {
        Self { advice, ..self }
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, path) = (self.what, self.path.display());
        write!(f, "cannot {what} {path}: {}", self.errno)?;
        if self.advice.is_empty() {
            return Ok(());
        }
        write!(f, "; {}", self.advice)
    }
}

impl error::Error for DiskError {}

impl From<DiskError> for io::Error {
    fn from(error: DiskError) -> Self {
        Self::new(Self::from(error.errno).kind(), error)
    }
}

/// The error number of an error of the system; `None` for any other error.
pub(super) fn errno(error: &io::Error) -> Option<Errno> {
    let inner = error.get_ref().and_then(|error| error.downcast_ref());
    inner
        .map(|error: &DiskError| error.errno)
        .or_else(|| Errno::from_io_error(error))
}

/// The usual advice for an error number; empty where there is none.
fn advice(errno: Errno) -> &'static str {
    match errno {
        Errno::NOSPC => "make room there, in blocks and in inodes (df, df -i)",
        Errno::DQUOT => "raise the disk quota of the user mailoop runs as",
        Errno::FBIG => "raise the limit on file sizes (ulimit -f)",
        Errno::MFILE => "raise the limit on descriptors (ulimit -n)",
        Errno::NFILE => "raise the system's limit on open files (fs.file-max)",
        Errno::ACCESS | Errno::PERM => "it must belong to the user mailoop runs as",
        Errno::ROFS => "mount it writable again, once the kernel's log tells why it is not",
        Errno::IO => "the disk may be failing: the kernel's log tells more",
        Errno::LOOP | Errno::NOTDIR => "a folder must be there, and no symbolic link",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_learns_path_and_remedy_and_the_kind_is_kept() {
        let path = Path::new("/srv/mail/d/a/tmp");
        let error = io::Error::from(DiskError::new("write", path, Errno::NOSPC));
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(errno(&error), Some(Errno::NOSPC));
        let text = error.to_string();
        assert!(
            text.starts_with("cannot write /srv/mail/d/a/tmp: "),
            "{text}"
        );
        assert!(text.contains("; make room there"), "{text}");
    }
}
