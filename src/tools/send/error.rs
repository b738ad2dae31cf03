//! Failures of `mailoop send`, each with what a person is told.

use core::fmt;
use std::io;

use crate::exit::{ExitCode, Failed};
use crate::tools::encryption::TrustError;

/// Why a message was not accepted, or not for everybody.
#[derive(Debug)]
pub enum SendError {
    /// There is no SMTP server.
    Unavailable(String),
    /// The server refused for now, or the dialogue broke off.
    TryAgain(String),
    /// The server refused for good, or the message cannot be sent as it is.
    Refused(String),
    /// Something failed on this side.
    Io(io::Error),
}

impl SendError {
    /// What a command that ends in this ends with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Refused(_) => ExitCode::Data,
            Self::Unavailable(_) => ExitCode::Unavailable,
            Self::Io(_) => ExitCode::Io,
            Self::TryAgain(_) => ExitCode::TryAgain,
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(what) | Self::TryAgain(what) | Self::Refused(what) => {
                f.write_str(what)
            }
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for SendError {}

impl From<io::Error> for SendError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<TrustError> for SendError {
    fn from(error: TrustError) -> Self {
        let what = error.to_string();
        match error {
            TrustError::Unreadable(_, error) => Self::Io(io::Error::new(error.kind(), what)),
            TrustError::NoCertificate(_) | TrustError::NoName(_) => Self::Refused(what),
            TrustError::NoAuthorities(_) | TrustError::Tls(_) => Self::Unavailable(what),
        }
    }
}

impl From<SendError> for Failed {
    fn from(error: SendError) -> Self {
        Self::new(error.exit_code(), error)
    }
}
