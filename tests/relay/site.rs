//! Servers that send mail on, whose spool and mailboxes outlive them.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::common::{TestServer, files, wait_until, without_trace};

/// The only domain of ours.
pub(crate) const OURS: &str = "here.example";

/// With this variable all servers of these tests are recorded, and their records replayed.
const RECORD_VARIABLE: &str = "MAILOOP_TEST_RECORD";

/// A spool and mailboxes.
pub(crate) struct Site {
    folder: TempDir,
    /// Whether its servers are recorded.
    is_recorded: bool,
    /// The number of servers so far.
    started: Cell<usize>,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            is_recorded: std::env::var_os(RECORD_VARIABLE).is_some(),
            started: Cell::new(0),
        }
    }

    /// One whose servers are recorded; once they are gone, their records replay.
    pub(crate) fn recorded() -> Self {
        let mut site = Self::new();
        site.is_recorded = cfg!(feature = "record");
        site
    }

    /// The records of its servers.
    pub(crate) fn records(&self) -> Vec<PathBuf> {
        let numbers = 0..self.started.get();
        let records = numbers.map(|number| self.path(&format!("{number}.record")));
        records.filter(|_| self.is_recorded).collect()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn spool(&self) -> PathBuf {
        self.path("spool")
    }

    /// Starts a server on it, which sends on for everybody on this machine.
    pub(crate) fn start(&self, options: &[&str]) -> TestServer {
        self.start_named(&["--domain", OURS], options)
    }

    /// The same under another program.
    pub(crate) fn start_under(&self, wrapper: &[&str], options: &[&str]) -> TestServer {
        let options = [&["--domain", OURS], options].concat();
        self.with_options(&options, |options| {
            TestServer::start_under(wrapper, options)
        })
    }

    /// The same with other domains of ours.
    pub(crate) fn start_named(&self, domains: &[&str], options: &[&str]) -> TestServer {
        self.with_options(&[domains, options].concat(), TestServer::start)
    }

    /// Calls with these options and those of the site.
    fn with_options<T>(&self, options: &[&str], call: impl FnOnce(&[&str]) -> T) -> T {
        let (spool, mail) = (self.spool(), self.path("mail"));
        let ours = [
            "--spool",
            spool.to_str().unwrap(),
            "--maildir",
            mail.to_str().unwrap(),
            "--relay-from",
            "127.0.0.0/8",
        ];
        let number = self.started.replace(self.started.get() + 1);
        let record = self.path(&format!("{number}.record"));
        let record = ["--record", record.to_str().unwrap()];
        let record = if self.is_recorded { &record[..] } else { &[] };
        call(&[&ours, record, options].concat())
    }

    /// Runs `mailoop queue` on its spool.
    pub(crate) fn queue(&self, arguments: &[&str]) -> Output {
        self.queue_command(arguments).output().unwrap()
    }

    /// The command that does that.
    pub(crate) fn queue_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
        command.arg("queue").arg("--spool").arg(self.spool());
        command.args(arguments).env_clear();
        command
    }

    /// What `mailoop queue` says, once the server has read its spool.
    #[track_caller]
    pub(crate) fn queue_says(&self, arguments: &[&str]) -> String {
        let mut output = self.queue(arguments);
        if reads_still(&output) {
            wait_until("the server to read its spool", || {
                output = self.queue(arguments);
                !reads_still(&output)
            });
        }
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The ids of all that waits.
    pub(crate) fn queued(&self) -> Vec<String> {
        let list = self.queue_says(&["list", "--json"]);
        let ids = list.lines().map(|line| {
            let (_, rest) = line.split_once("\"id\":\"").expect(line);
            rest.split('"').next().unwrap().to_owned()
        });
        ids.collect()
    }

    /// Waits until nothing is left in the queue.
    #[track_caller]
    pub(crate) fn await_empty(&self) {
        let mut list = String::new();
        wait_until("the queue to be empty", || {
            list = self.queue_says(&["list"]);
            list.is_empty()
        });
    }

    /// All that is stored for an address of ours, with its trace.
    pub(crate) fn stored(&self, address: &str) -> Vec<Vec<u8>> {
        let (local_part, domain) = address.rsplit_once('@').unwrap();
        let new = self.path("mail").join(domain).join(local_part).join("new");
        let messages = files(&new).into_iter().map(|path| fs::read(path).unwrap());
        messages.collect()
    }

    /// Waits until so many messages are stored for an address, and returns them.
    #[track_caller]
    pub(crate) fn await_stored(&self, address: &str, count: usize) -> Vec<Vec<u8>> {
        wait_until(&format!("{count} messages for {address}"), || {
            self.stored(address).len() >= count
        });
        let stored = self.stored(address);
        assert_eq!(stored.len(), count, "for {address}");
        stored
    }
}

#[cfg(feature = "record")]
impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for record in self.records() {
            let replayed = mailoop::replay::replay(&record, None);
            let replayed = replayed.unwrap_or_else(|error| panic!("{error}"));
            if let Some(difference) = replayed.difference {
                let kept = std::env::temp_dir().join("different.record");
                fs::copy(&record, &kept).unwrap();
                panic!("{difference}: {}", kept.display());
            }
        }
    }
}

/// Waits until there are messages for this address at a server, and returns them with their trace.
#[track_caller]
pub(crate) fn await_mail(server: &TestServer, address: &str, count: usize) -> Vec<Vec<u8>> {
    wait_until(&format!("{count} messages for {address}"), || {
        server.new_mail(address).len() >= count
    });
    let paths = server.new_mail(address);
    assert_eq!(paths.len(), count, "for {address}");
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Waits until the log of a server has a line with all of these.
#[track_caller]
pub(crate) fn await_log(server: &TestServer, words: &[&str]) -> String {
    let mut found = None;
    let found_it = crate::common::happens(|| {
        let log = server.log();
        let line = log
            .lines()
            .find(|line| words.iter().all(|word| line.contains(word)));
        found = line.map(str::to_owned);
        found.is_some()
    });
    assert!(found_it, "{words:?} is not in the log:\n{}", server.log());
    found.unwrap()
}

/// What a hop stored, less what it and the server that sent it on put in front: `Return-Path` and two `Received`.
#[track_caller]
pub(crate) fn without_both_traces(stored: &[u8]) -> Vec<u8> {
    without_received(without_trace(stored))
}

/// A text less the `Received` on top of it.
#[track_caller]
pub(crate) fn without_received(text: &[u8]) -> Vec<u8> {
    let mut lines = text.split_inclusive(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let shown = String::from_utf8_lossy(first);
    assert!(first.starts_with(b"Received: from "), "{shown}");
    let folded = lines.take_while(|line| matches!(line.first(), Some(b' ' | b'\t')));
    text[first.len() + folded.map(<[u8]>::len).sum::<usize>()..].to_vec()
}

/// The address of a hop as `--route` takes it.
pub(crate) fn route_to(pattern: &str, address: &str) -> String {
    format!("{pattern}=smtp://{address}")
}

/// A folder is there and holds no file, at any depth.
pub(crate) fn holds_no_file(folder: &Path) -> bool {
    files(folder).is_empty()
}

/// Whether the server had still to read its spool when it was asked.
fn reads_still(output: &Output) -> bool {
    let error = String::from_utf8_lossy(&output.stderr);
    output.status.code() == Some(75) && error.contains("still reads its spool")
}
