//! The limit on descriptors, and the one that is kept in reserve for EMFILE.

use std::fs::File;
use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The most descriptors that this process may have, if there is a limit.
#[must_use]
pub fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Raises the soft limit on descriptors to the hard one, for this process and those it starts later.
///
/// # Errors
/// As setrlimit(2), with the limit that stays.
pub fn raise_limit() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum || limit.current.is_some() && limit.maximum.is_none() {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, raised).map_err(|error| {
            let why = format!("descriptor limit stays at {:?}: {error}", limit.current);
            io::Error::new(io::Error::from(error).kind(), why)
        })?;
    }
    Ok(())
}

/// Whether this is EMFILE or ENFILE: the process or the machine has no descriptor left.
pub(super) fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE)
    )
}

/// A descriptor that is given up when there is no other (EMFILE). Without it a server could neither accept clients nor send them
/// away, and its poll would tell of them for ever.
#[derive(Debug)]
pub struct Reserve(Option<File>);

impl Reserve {
    /// Takes a descriptor, if there is one.
    #[must_use]
    pub fn new() -> Self {
        Self(File::open("/dev/null").ok())
    }

    /// Gives the descriptor up; whether there was one.
    pub(super) fn release(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// Takes a descriptor again, if it was given up.
    pub fn restore(&mut self) {
        if self.0.is_none() {
            *self = Self::new();
        }
    }
}

impl Default for Reserve {
    fn default() -> Self {
        Self::new()
    }
}
