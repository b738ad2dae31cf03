//! TLS with a server: whom to believe that it is the one it is taken for, and what to tell a person when that fails.

mod explanation;
mod trust;

pub use trust::Trust;
