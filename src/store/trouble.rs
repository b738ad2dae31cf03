//! What the system said about a file or a folder, in words for the operator: which path, and what to do.

use std::io;
use std::path::Path;
use std::{error, fmt};

use rustix::io::Errno;

/// A call that failed. As an [`io::Error`] it keeps its kind, and shows path and advice.
#[derive(Debug)]
pub(super) struct Trouble {
    what: &'static str,
    path: Box<Path>,
    errno: Errno,
    advice: &'static str,
}

impl Trouble {
    /// The system refused to do `what` (as in "cannot write") with `path`.
    pub(super) fn new(what: &'static str, path: &Path, errno: Errno) -> Self {
        Self {
            what,
            path: path.into(),
            errno,
            advice: advice(errno),
        }
    }

    /// Advises something else than is usual for this error.
    pub(super) fn advise(self, advice: &'static str) -> Self {
        Self { advice, ..self }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, path) = (self.what, self.path.display());
        write!(f, "cannot {what} {path}: {}", self.errno)?;
        if self.advice.is_empty() {
            return Ok(());
        }
        write!(f, "; {}", self.advice)
    }
}

impl error::Error for Trouble {}

impl From<Trouble> for io::Error {
    fn from(trouble: Trouble) -> Self {
        Self::new(Self::from(trouble.errno).kind(), trouble)
    }
}

/// The number of what the system said, if it was the system.
pub(super) fn errno(error: &io::Error) -> Option<Errno> {
    let trouble = error.get_ref().and_then(|error| error.downcast_ref());
    trouble
        .map(|trouble: &Trouble| trouble.errno)
        .or_else(|| Errno::from_io_error(error))
}

/// What the operator is to do.
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
        let error = io::Error::from(Trouble::new("write", path, Errno::NOSPC));
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
