//! The server as a process of its own: the program that is installed, not a part of it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A running `mailoop serve`. It ends when this is dropped, also by a failed check.
pub struct Server {
    process: Child,
    pub address: SocketAddr,
    /// Where its mail goes, which is removed behind it.
    _maildir: Option<TempDir>,
}

impl Server {
    /// One that drops all mail.
    pub fn sink() -> Self {
        Self::start(&["--listen", "127.0.0.1:0", "--discard"], None)
    }

    /// The same in TLS from the first octet, with these files.
    pub fn tls_sink(certificate: &Path, key: &Path) -> Self {
        let [certificate, key] = [certificate, key].map(as_text);
        let listen = ["--listen-tls", "127.0.0.1:0", "--discard"];
        let files = ["--tls-cert", certificate, "--tls-key", key];
        Self::start(&[&listen[..], &files].concat(), None)
    }

    /// One that keeps it.
    pub fn maildir() -> Self {
        Self::maildir_with(&[])
    }

    /// The same with these options.
    pub fn maildir_with(options: &[&str]) -> Self {
        let maildir = folder();
        let path = as_text(maildir.path()).to_owned();
        let ours = ["--listen", "127.0.0.1:0", "--maildir", &path];
        Self::start(&[&ours, options].concat(), Some(maildir))
    }

    /// One that keeps it, where `all` is an alias of so many mailboxes.
    pub fn maildir_with_alias(mailboxes: usize) -> Self {
        let folder = folder();
        let names = (0..mailboxes).map(|number| format!("\"m{number}@example.org\""));
        let names = names.collect::<Vec<_>>().join(", ");
        let file = folder.path().join("mailoop.toml");
        std::fs::write(&file, format!("[aliases]\n\"all\" = [{names}]\n")).unwrap();
        let maildir = folder.path().join("mail");
        let [file, maildir] = [&file, &maildir].map(|path| as_text(path).to_owned());
        let options = [
            "--listen",
            "127.0.0.1:0",
            "--config",
            &file,
            "--maildir",
            &maildir,
        ];
        Self::start(&options, Some(folder))
    }

    fn start(options: &[&str], maildir: Option<TempDir>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
        command
            .args(["serve", "--log-level", "error"])
            .args(options);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line.trim_end().rsplit(' ').next().unwrap_or_default();
        Self {
            process,
            address: address.parse().expect("the server starts"),
            _maildir: maildir,
        }
    }

    /// Memory that is resident, in octets, where the system tells it as Linux does.
    pub fn resident(&self) -> Option<u64> {
        let path = PathBuf::from(format!("/proc/{}/status", self.process.id()));
        let status = std::fs::read_to_string(path).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // If it is gone already, both have nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A folder for mail, in `MAILOOP_BENCH_DIR` or else in the target directory: `/tmp` is in memory on many machines, where durability would
/// cost nothing.
pub fn folder() -> TempDir {
    let parent =
        std::env::var_os("MAILOOP_BENCH_DIR").unwrap_or(env!("CARGO_TARGET_TMPDIR").into());
    TempDir::new_in(parent).unwrap()
}

fn as_text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
