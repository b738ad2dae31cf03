//! The end of a command: one line for a person, one number for a script (sysexits.h).

use core::fmt;
use std::io::{self, Write};

/// A command that could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The exit code.
    pub code: ExitCode,
    /// The reason and what to do about it, in one line; a line for each mistake of a configuration.
    pub message: String,
}

/// The exit codes of sysexits.h that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// What was compared is different.
    Different = 1,
    /// The command line is wrong.
    Usage = 64,
    /// The input is wrong, or was refused for good.
    Data = 65,
    /// The input is missing.
    NoInput = 66,
    /// A thing that is needed is not there.
    Unavailable = 69,
    /// A file or folder cannot be made.
    CannotCreate = 73,
    /// Reading or writing failed.
    Io = 74,
    /// Another try may succeed later.
    TryAgain = 75,
    /// The configuration is wrong.
    Configuration = 78,
}

impl Failed {
    /// A failure with this `message`.
    pub fn new(code: ExitCode, message: impl fmt::Display) -> Self {
        Self {
            code,
            message: message.to_string(),
        }
    }

    /// All these failures as one, each told once, a line for each; `None` if there are none.
    #[must_use]
    pub fn all(failures: Vec<Self>) -> Option<Self> {
        let mut told: Option<Self> = None;
        for failed in failures {
            match &mut told {
                None => told = Some(failed),
                Some(told) if told.message.lines().any(|line| line == failed.message) => {}
                Some(told) => {
                    told.message.push('\n');
                    told.message += &failed.message;
                }
            }
        }
        told
    }
}

/// Gathers what is wrong with a configuration, so that all of it is told at once.
#[derive(Debug, Default)]
pub struct Mistakes(pub Vec<Failed>);

impl Mistakes {
    /// Takes what was read. A mistake is noted, and the default stands in its place: it serves to find further mistakes.
    pub fn note<T: Default>(&mut self, read: Result<T, Failed>) -> T {
        read.unwrap_or_else(|failed| {
            self.0.push(failed);
            T::default()
        })
    }

    /// Whether nothing is wrong so far.
    ///
    /// # Errors
    /// All mistakes that were noted.
    pub fn told(self) -> Result<(), Failed> {
        Failed::all(self.0).map_or(Ok(()), Err)
    }
}

/// Writes to standard output.
///
/// # Errors
/// It could not be written.
pub fn show(text: &str) -> Result<(), Failed> {
    io::stdout().write_all(text.as_bytes()).map_err(|error| {
        Failed::new(
            ExitCode::Io,
            format_args!("cannot write to standard output: {error}"),
        )
    })
}
