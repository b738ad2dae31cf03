//! `serve --record` and `mailoop replay`: the real program with all that may happen to it at once, recorded and run again.

#[cfg(all(feature = "auth", feature = "tls"))]
mod crowd;
mod file;
#[cfg(feature = "catch")]
mod rules;
#[cfg(feature = "auth")]
pub(crate) mod secrets;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::common::TestServer;

/// A record in a folder of its own, which goes with it.
pub(crate) struct RecordFile {
    folder: TempDir,
    pub(crate) path: String,
}

impl RecordFile {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("loop.record");
        Self {
            path: path.to_str().unwrap().to_owned(),
            folder,
        }
    }

    /// A server that is recorded in it.
    pub(crate) fn serve(&self, options: &[&str]) -> TestServer {
        TestServer::start(&[&["--record", &self.path], options].concat())
    }

    /// A path beside it.
    fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn octets(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }

    /// Whether this stands in it anywhere.
    pub(crate) fn holds(&self, wanted: &str) -> bool {
        holds(&self.octets(), wanted)
    }

    pub(crate) fn replay(&self) -> Output {
        replay(Path::new(&self.path))
    }

    /// Replays it, which is the same. Returns how many octets were written and whether it is cut short.
    #[track_caller]
    pub(crate) fn is_same(&self) -> (u64, bool) {
        let output = self.replay();
        let said = String::from_utf8_lossy(&output.stdout);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}{error}");
        let counts = said.strip_prefix("same: ").unwrap().trim_end();
        let complete = counts.strip_suffix(", cut short");
        let is_cut_short = complete.is_some();
        let counts = complete.unwrap_or(counts);
        let octets = counts.rsplit(", ").next().unwrap();
        let octets = octets.strip_suffix(" octets").unwrap();
        (octets.parse().unwrap(), is_cut_short)
    }
}

fn replay(record: &Path) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    program.arg("replay").arg(record).env_clear();
    program.output().unwrap()
}

/// Octets that all connections were sent, as the log adds up.
fn bytes_out(log: &str) -> u64 {
    let sent = log.split(" bytes_out=").skip(1);
    sent.map(|rest| {
        let end = rest.find(|octet: char| !octet.is_ascii_digit());
        rest[..end.unwrap()].parse::<u64>().unwrap()
    })
    .sum()
}

fn holds(octets: &[u8], wanted: impl AsRef<[u8]>) -> bool {
    memchr::memmem::find(octets, wanted.as_ref()).is_some()
}
