//! How a command ends: one line for a person, one number for a script (sysexits.h).

use core::fmt;
use std::io::{self, Write};

/// A command that could not do what it was asked.
#[derive(Debug)]
pub struct Failed {
    /// What it ends with.
    pub code: ExitCode,
    /// What went wrong and what to do about it, in one line.
    pub message: String,
}

/// The exit codes of sysexits.h that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// The command line is wrong.
    Usage = 64,
    /// The input is wrong, or was refused for good.
    Data = 65,
    /// What is needed is not there.
    Unavailable = 69,
    /// A file or folder cannot be made.
    CannotCreate = 73,
    /// Reading or writing failed.
    Io = 74,
    /// It may work later.
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
