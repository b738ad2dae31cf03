//! The servers that are measured. Each starts with folders of its own and goes when it is dropped; its folders
//! stay until all is measured, because to remove many files slows the disk for a while.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};

/// How long a server may take to answer the first connection, in steps.
const START_STEPS_MAX: u32 = 200;
const START_STEP: Duration = Duration::from_millis(50);
/// More than so many processes of one Postfix are no good comparison.
const POSTFIX_SESSIONS_MAX: usize = 100;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// mailoop that drops all mail: what the load generator and the loop are able to do.
    Discard,
    /// No server: the same calls in a plain loop, in groups of the same size.
    Loop,
    /// mailoop that makes every message durable for itself.
    GroupsOfOne,
    /// mailoop as it is.
    Groups,
    /// Postfix, which syncs a queue file before it accepts.
    Postfix,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Discard => "mailoop --discard",
            Self::Loop => "a plain loop",
            Self::GroupsOfOne => "mailoop, groups of one",
            Self::Groups => "mailoop",
            Self::Postfix => "Postfix",
        }
    }

    /// Why this server is not measured with so many sessions, if it is not.
    pub(crate) fn missing(self, sessions: usize) -> Option<&'static str> {
        if self != Self::Postfix {
            return None;
        }
        if sessions > POSTFIX_SESSIONS_MAX {
            Some("skipped: it has a process for each session")
        } else if !geteuid().is_root() {
            Some("skipped: it needs root")
        } else if postconf("mail_version").is_none() {
            Some("skipped: it is not installed")
        } else {
            None
        }
    }

    /// Starts it with a fresh `folder`, for so many sessions; what is no server has none.
    pub(crate) fn start(self, folder: &Path, sessions: usize) -> Option<Server> {
        Some(match self {
            Self::Loop => return None,
            Self::Discard => mailoop(&["--discard"]),
            Self::Groups => mailoop(&["--maildir", folder.to_str().unwrap()]),
            Self::GroupsOfOne => {
                let maildir = folder.to_str().unwrap();
                mailoop(&["--maildir", maildir, "--max-commit-group", "1"])
            }
            Self::Postfix => postfix(folder, sessions),
        })
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    process: Process,
}

enum Process {
    Mailoop(Child),
    /// With this configuration.
    Postfix(PathBuf),
}

impl Drop for Server {
    fn drop(&mut self) {
        match &mut self.process {
            Process::Mailoop(child) => {
                // It has ended already if this fails.
                let _ = kill_process(Pid::from_child(child), Signal::TERM);
                let _ = child.wait();
            }
            Process::Postfix(configuration) => {
                let _ = control(configuration, "stop");
            }
        }
    }
}

fn mailoop(options: &[&str]) -> Server {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mailoop"))
        .args(["serve", "--listen", "127.0.0.1:0", "--log-level", "warn"])
        .args(options)
        .env_clear()
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("listening smtp ");
    Server {
        address: address.expect("mailoop starts").parse().unwrap(),
        process: Process::Mailoop(child),
    }
}

/// A private Postfix that receives over TCP and drops what it has in its queue. It is spared all that is no part
/// of a message's way: names of clients, counts of them, the pause by which it slows those who send fast.
fn postfix(folder: &Path, sessions: usize) -> Server {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let configuration = folder.join("configuration");
    for name in ["configuration", "queue", "data"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    let owner = fs::metadata(postconf("data_directory").unwrap()).unwrap();
    chown(folder.join("data"), Some(owner.uid()), Some(owner.gid())).unwrap();
    fs::write(configuration.join("main.cf"), main_cf(folder)).unwrap();
    fs::write(
        configuration.join("master.cf"),
        master_cf(address, sessions),
    )
    .unwrap();
    let started = control(&configuration, "start");
    assert!(started, "Postfix does not start: {}", folder.display());
    let server = Server {
        address,
        process: Process::Postfix(configuration),
    };
    let answers = (0..START_STEPS_MAX).any(|_| {
        thread::sleep(START_STEP);
        TcpStream::connect(address).is_ok()
    });
    assert!(answers, "Postfix does not listen: {}", folder.display());
    server
}

fn main_cf(folder: &Path) -> String {
    let folder = folder.display();
    let mut lines = format!(
        "compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
myhostname = mx.example.org
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
default_transport = discard
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
in_flow_delay = 0
"
    );
    for name in [
        "daemon_directory",
        "command_directory",
        "meta_directory",
        "shlib_directory",
    ] {
        let value = postconf(name).unwrap_or_default();
        lines.push_str(&format!("{name} = {value}\n"));
    }
    lines
}

fn master_cf(address: SocketAddr, sessions: usize) -> String {
    let mut lines = format!("{address} inet n - n - {sessions} smtpd\n");
    for (name, kind, private, wakeup, processes, command) in [
        ("cleanup", "unix", "n", "-", "0", "cleanup"),
        ("qmgr", "unix", "n", "300", "1", "qmgr"),
        ("rewrite", "unix", "-", "-", "-", "trivial-rewrite"),
        ("bounce", "unix", "-", "-", "0", "bounce"),
        ("defer", "unix", "-", "-", "0", "bounce"),
        ("trace", "unix", "-", "-", "0", "bounce"),
        ("proxymap", "unix", "-", "-", "-", "proxymap"),
        ("error", "unix", "-", "-", "-", "error"),
        ("retry", "unix", "-", "-", "-", "error"),
        ("discard", "unix", "-", "-", "-", "discard"),
    ] {
        lines.push_str(&format!(
            "{name} {kind} {private} - n {wakeup} {processes} {command}\n"
        ));
    }
    lines
}

/// A setting of the Postfix that is installed.
fn postconf(name: &str) -> Option<String> {
    let output = Command::new("postconf").args(["-h", name]).output().ok()?;
    let value = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!value.is_empty()).then_some(value)
}

/// Has the Postfix of this configuration start or stop, and says whether it did.
fn control(configuration: &Path, what: &str) -> bool {
    let output = File::create(configuration.join(what)).unwrap();
    let mut postfix = Command::new("postfix");
    postfix.arg("-c").arg(configuration).arg(what);
    postfix
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .status()
        .is_ok_and(|status| status.success())
}
