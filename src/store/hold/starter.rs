//! What starts hold processes.

use core::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::process::HOLD_COMMAND;
use crate::store::StorePipes;
use crate::store::process::keeper::ProcessKeeper;

/// What starts hold processes, one at a time. No call blocks.
pub trait HoldStarter: fmt::Debug {
    /// Asks for a process. The one before it ends.
    ///
    /// # Errors
    /// None can be started.
    fn ask(&mut self) -> io::Result<()>;

    /// Takes the pipes to the process that was asked for, both non-blocking; `None` while it is not there.
    ///
    /// # Errors
    /// The process could not be started.
    fn take_pipes(&mut self) -> io::Result<Option<StorePipes>>;
}

/// A keeper of hold processes, or why there is none.
#[derive(Debug)]
pub struct KeptHold(Result<Option<ProcessKeeper>, Box<str>>);

impl KeptHold {
    /// Starts a keeper that runs `program`, which is mailoop, with files in `folder`, which is there. Called before the server is in its
    /// sandbox. Without a keeper all goes on, but for messages that memory has no room for: those are refused.
    #[must_use]
    pub fn start(program: &Path, folder: &Path) -> Self {
        match ProcessKeeper::start(program, HOLD_COMMAND, folder) {
            Ok(keeper) => Self(Ok(Some(keeper))),
            Err(error) => {
                log::warn!(
                    "hold=in-memory warning=\"cannot start a process for files in {}: {error}; filters see no large message, \
                     which is refused for now\"",
                    folder.display()
                );
                Self(Err(error.to_string().into()))
            }
        }
    }

    fn keeper(&self) -> io::Result<&ProcessKeeper> {
        match &self.0 {
            Ok(Some(keeper)) => Ok(keeper),
            Ok(None) => Err(ErrorKind::NotConnected.into()),
            Err(why) => Err(io::Error::other(why.as_ref())),
        }
    }
}

impl HoldStarter for KeptHold {
    fn ask(&mut self) -> io::Result<()> {
        self.keeper()?.ask()
    }

    fn take_pipes(&mut self) -> io::Result<Option<StorePipes>> {
        match self.keeper()?.take_pipes(false) {
            Ok(pipes) => {
                pipes.unblock()?;
                Ok(Some(pipes))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for KeptHold {
    /// Lets the keeper end, and waits a while for that.
    fn drop(&mut self) {
        if let Ok(Some(keeper)) = self.0.as_mut().map(Option::take) {
            keeper.end("hold");
        }
    }
}
