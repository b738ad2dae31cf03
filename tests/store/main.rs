//! The store alone, on the file system of this machine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod disk;
mod looks;
mod maildir;
mod once;
mod outcomes;
mod readdress;
