//! Faults of a rule's own text.

use core::error::Error;
use core::fmt;

/// A rule that cannot be read, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultError {
    /// The character at which it goes wrong, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for FaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.what)
    }
}

impl Error for FaultError {}
