//! A store that outlives its servers, and what must be in it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::common::processes::is_running;
use crate::common::{TestServer, files, wait_until, without_trace};
use crate::load::{Fate, Fates};
use crate::message::{number_of, recipients};

/// A store.
pub struct Site {
    folder: TempDir,
}

impl Site {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn maildir(&self) -> PathBuf {
        self.folder.path().join("mail")
    }

    /// Starts a server on it.
    pub fn start(&self, options: &[&str]) -> TestServer {
        let maildir = self.maildir();
        // A long run makes many mailboxes.
        let ours = [
            "--max-mailboxes",
            "1000000",
            "--maildir",
            maildir.to_str().unwrap(),
        ];
        TestServer::start(&[&ours, options].concat())
    }

    /// Starts one under another program, and returns it as an error if it ends before it listens.
    pub fn try_start_under(&self, wrapper: &[&str]) -> Result<TestServer, TestServer> {
        let maildir = self.maildir();
        TestServer::try_start_under(wrapper, &["--maildir", maildir.to_str().unwrap()])
    }

    /// The mailbox folders.
    fn mailboxes(&self) -> Vec<PathBuf> {
        let domains = files(&self.maildir()).into_iter();
        let domains = domains.filter(|folder| !folder.ends_with(".mailoop"));
        domains.flat_map(|domain| files(&domain)).collect()
    }

    /// Every file that is not delivered.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let mailboxes = self.mailboxes().into_iter();
        mailboxes
            .flat_map(|mailbox| files(&mailbox.join("tmp")))
            .collect()
    }

    /// Waits until nothing is left over, then sees that every message has come where its fate allows, and takes them
    /// out of the mailboxes, as a reader would.
    #[track_caller]
    pub fn check(&self, fates: &Fates) {
        wait_until("tmp/ to be empty", || self.leftovers().is_empty());
        let mut stored: HashMap<(u64, String), usize> = HashMap::new();
        for mailbox in self.mailboxes() {
            for file in files(&mailbox.join("new")) {
                let number = number_of(&read(&file));
                let number = number.unwrap_or_else(|| panic!("torn: {}", file.display()));
                *stored.entry((number, address(&mailbox))).or_default() += 1;
                fs::remove_file(file).unwrap();
            }
        }
        for (number, fate) in fates {
            for recipient in recipients(*number) {
                let copies = stored.remove(&(*number, recipient)).unwrap_or(0);
                let allowed = match fate {
                    Fate::Acknowledged => 1..=1,
                    Fate::Unanswered | Fate::Failed => 0..=1,
                    Fate::Refused | Fate::Cut | Fate::GivenUp => 0..=0,
                };
                assert!(
                    allowed.contains(&copies),
                    "{copies} of message {number}, {fate:?}"
                );
            }
        }
        assert!(stored.is_empty(), "nobody sent these there: {stored:?}");
    }
}

/// A stored message less its trace header.
fn read(file: &Path) -> String {
    let stored = fs::read(file).unwrap();
    // A torn one may lack its header.
    if !stored.starts_with(b"Return-Path: ") {
        return String::new();
    }
    String::from_utf8_lossy(without_trace(&stored)).into_owned()
}

/// Whose mailbox a folder is.
fn address(mailbox: &Path) -> String {
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    format!("{}@{}", name(mailbox), name(mailbox.parent().unwrap()))
}

/// The processes of a server, to see that none outlives it.
pub struct Processes(Vec<u32>);

impl Processes {
    pub fn of(server: &TestServer) -> Self {
        Self(server.family())
    }

    pub fn has_one_ended(&self) -> bool {
        !self.0.iter().all(|process| is_running(*process))
    }

    pub fn expect_ended(&self) {
        wait_until("all processes to end", || {
            !self.0.iter().any(|process| is_running(*process))
        });
    }
}
