//! Filters that others wrote: OpenDKIM, OpenDMARC, rspamd, pyspf-milter and ClamAV, with the settings of docs/filters.md. None asks a name server: each is
//! given the records that it would find there.

mod clamav;
mod dkim;
mod dmarc;
mod rspamd;
mod spf;
mod ways;

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::common::program::{Running, foreign};
use crate::common::wait_until;

/// How often a filter is looked at for whether it has ended, before it is killed.
const END_LOOKS_MAX: usize = 1_000;

/// A running filter of others, which has its socket and its files in a folder of its own.
struct RealFilter {
    folder: TempDir,
    running: Running,
}

impl RealFilter {
    /// Starts the command that is made for such a folder, whose filter is to listen at `socket` there.
    fn start(command: impl FnOnce(&Path) -> Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(folder.path());
        let log = fs::File::create(folder.path().join("printed")).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let mut running = Running(command.spawn().unwrap());
        let printed = || fs::read_to_string(folder.path().join("printed")).unwrap();
        wait_until("a filter to listen", || {
            let ended = running.0.try_wait().unwrap();
            assert!(ended.is_none(), "{command:?}: {ended:?}\n{}", printed());
            UnixStream::connect(folder.path().join("socket")).is_ok()
        });
        Self { folder, running }
    }

    /// What `--milter` takes.
    fn address(&self) -> String {
        format!("unix:{}/socket", self.folder.path().display())
    }
}

impl Drop for RealFilter {
    /// Asks it to end, so that it ends its own processes: those of rspamd would outlive one that is killed.
    fn drop(&mut self) {
        let child = &mut self.running.0;
        let _ = kill_process(Pid::from_child(child), Signal::TERM);
        for _ in 0..END_LOOKS_MAX {
            if !matches!(child.try_wait(), Ok(None)) {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The settings that the page of the documentation has for this file, with these texts in the place of others.
fn documented(file: &str, replacements: &[(&str, &str)]) -> String {
    let page = include_str!("../../docs/filters.md");
    let (_, block) = page.split_once(&format!("\n# {file}\n")).unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let mut settings = block.to_owned();
    for (old, new) in replacements {
        assert!(settings.contains(old), "{file} has no {old}");
        settings = settings.replace(old, new);
    }
    settings
}

/// An OpenDKIM with these settings, which finds this record.
fn opendkim(settings: &str, record: &str) -> RealFilter {
    RealFilter::start(|folder| {
        let path = |name: &str| folder.join(name).display().to_string();
        fs::write(path("records"), format!("{record}\n")).unwrap();
        // Nobody is trusted for his address: the server of the test and its clients have the same.
        let settings = settings.replace("/run/opendkim/opendkim.sock", &path("socket"));
        let settings = format!(
            "{settings}\nTestDNSData file:{}\nInternalHosts 192.0.2.77\nSyslog no\n",
            path("records")
        );
        fs::write(path("settings"), settings).unwrap();
        let mut opendkim = foreign("opendkim");
        opendkim.args(["-f", "-x", &path("settings")]);
        opendkim
    })
}
