//! A store that outlives its servers, and what must be in it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

#[cfg(feature = "milter")]
use crate::common::filter::{
    ADD_HEADER, ADD_RECIPIENT, Act, CONTINUE, FilterScript, ScriptedFilter, texts,
};
use crate::common::processes::{is_running, unnamed_files};
use crate::common::{TestServer, files, wait_until, without_trace};
use crate::load::{Fate, Fates};
#[cfg(feature = "milter")]
use crate::message::LONG;
use crate::message::{number_of, recipients};

/// Whom a filter adds to the recipients of each message.
#[cfg(feature = "milter")]
const ADDED: &str = "added@example.org";
/// The field that it adds.
#[cfg(feature = "milter")]
const FIELD: &str = "X-Changed: yes\n";

/// What a filter does to each message: it writes the body in capitals.
#[cfg(feature = "milter")]
fn changes() -> FilterScript {
    let packets = vec![
        (ADD_HEADER, texts(&["X-Changed", "yes"])),
        (ADD_RECIPIENT, texts(&[ADDED])),
        (CONTINUE, Vec::new()),
    ];
    FilterScript {
        acts: vec![(b'E', Act::Rewrite(<[u8]>::to_ascii_uppercase, packets))],
        ..FilterScript::default()
    }
}

/// A message as it was before it was changed; `None` if that is not what a filter makes of any.
#[cfg(feature = "milter")]
fn changed_back(stored: &str) -> Option<String> {
    let (header, body) = stored.split_once("\n\n")?;
    let header = header.strip_suffix(FIELD.trim_end())?;
    let is_changed = !body.contains(|letter: char| letter.is_ascii_lowercase());
    is_changed.then(|| format!("{header}\n{}", body.to_ascii_lowercase()))
}

/// A store.
pub struct Site {
    folder: TempDir,
    /// A filter that changes each message on its way there.
    #[cfg(feature = "milter")]
    filter: Option<ScriptedFilter>,
}

impl Site {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            #[cfg(feature = "milter")]
            filter: None,
        }
    }

    /// One before which a filter changes each message, and adds a recipient.
    #[cfg(feature = "milter")]
    pub fn filtered() -> Self {
        Self {
            filter: Some(ScriptedFilter::start(changes())),
            ..Self::new()
        }
    }

    /// So many messages are sent to a server before it has started all of its processes: among them is one that is too long for memory,
    /// where filters look at it.
    pub fn messages_to_begin_with(&self) -> usize {
        #[cfg(feature = "milter")]
        if self.filter.is_some() {
            return LONG;
        }
        0
    }

    /// What the filter adds to the options of a server.
    fn filters(&self) -> Vec<&str> {
        #[cfg(feature = "milter")]
        if let Some(filter) = &self.filter {
            return vec!["--milter", &filter.address];
        }
        Vec::new()
    }

    /// The number of a message that is whole, and changed as it is to be.
    fn number_in(&self, stored: &str) -> Option<u64> {
        #[cfg(feature = "milter")]
        if self.filter.is_some() {
            return number_of(&changed_back(stored)?);
        }
        number_of(stored)
    }

    /// Whom a message is to have come to.
    fn recipients(&self, number: u64) -> Vec<String> {
        let recipients = recipients(number);
        #[cfg(feature = "milter")]
        if self.filter.is_some() {
            return [recipients, vec![ADDED.to_owned()]].concat();
        }
        recipients
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
        // It would keep all that it was ever told.
        #[cfg(feature = "milter")]
        if let Some(filter) = &self.filter {
            filter.follow(changes());
        }
        TestServer::start(&[&ours, &self.filters()[..], options].concat())
    }

    /// Starts one under another program, and returns it as an error if it ends before it listens.
    pub fn try_start_under(&self, wrapper: &[&str]) -> Result<TestServer, TestServer> {
        let maildir = self.maildir();
        let ours = ["--maildir", maildir.to_str().unwrap()];
        TestServer::try_start_under(wrapper, &[&ours, &self.filters()[..]].concat())
    }

    /// The mailbox folders.
    fn mailboxes(&self) -> Vec<PathBuf> {
        let domains = files(&self.maildir()).into_iter();
        let domains = domains.filter(|folder| folder.is_dir() && !folder.ends_with(".mailoop"));
        domains.flat_map(|domain| files(&domain)).collect()
    }

    /// Every file that is not delivered, or was for filters to look at.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let mailboxes = self.mailboxes().into_iter();
        let undelivered = mailboxes.flat_map(|mailbox| files(&mailbox.join("tmp")));
        let beside = files(&self.maildir()).into_iter();
        undelivered
            .chain(beside.filter(|path| path.is_file()))
            .collect()
    }

    /// Waits until none of these processes has anything more of a message for filters to look at.
    pub fn expect_none_on_hold(&self, processes: &Processes) {
        let folder = self.maildir().canonicalize().unwrap();
        wait_until("no text to be on hold", || {
            let mut processes = processes.0.iter();
            processes.all(|process| unnamed_files(*process, &folder).is_empty())
        });
    }

    /// Waits until nothing is left over, then sees that every message has come where its fate allows, and takes them
    /// out of the mailboxes, as a reader would.
    #[track_caller]
    pub fn check(&self, fates: &Fates) {
        wait_until("tmp/ to be empty", || self.leftovers().is_empty());
        let mut stored: HashMap<(u64, String), usize> = HashMap::new();
        for mailbox in self.mailboxes() {
            for file in files(&mailbox.join("new")) {
                let number = self.number_in(&read(&file));
                let number = number.unwrap_or_else(|| panic!("torn: {}", file.display()));
                *stored.entry((number, address(&mailbox))).or_default() += 1;
                fs::remove_file(file).unwrap();
            }
        }
        for (number, fate) in fates {
            for recipient in self.recipients(*number) {
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
    /// The server, and all that work for it.
    pub fn of(server: &TestServer) -> Self {
        let mut all = vec![server.pid()];
        let mut next = 0;
        while let Some(process) = all.get(next) {
            let list = format!("/proc/{process}/task/{process}/children");
            let list = fs::read_to_string(list).unwrap_or_default();
            all.extend(
                list.split_whitespace()
                    .map(|pid| pid.parse::<u32>().unwrap()),
            );
            next += 1;
        }
        Self(all)
    }

    pub fn all(&self) -> &[u32] {
        &self.0
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
