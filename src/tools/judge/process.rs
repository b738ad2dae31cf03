//! The command that is judged, as a process with all that it starts: begun, watched, and killed in the end.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, Read, Seek, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::judge::scripted::ClientExit;

/// The variables of the environment that say where to connect to.
const HOST_VARIABLE: &str = "MAILOOP_JUDGE_HOST";
const PORT_VARIABLE: &str = "MAILOOP_JUDGE_PORT";
/// The most octets of what it prints that are kept; the last ones are.
const PRINTED_BYTES_MAX: usize = 4 * 1024;
/// The most octets of what it prints that are read at once.
const READ_BYTES: usize = 64 * 1024;

/// The command that runs.
pub(super) struct JudgedProcess {
    child: Child,
    /// Its number, which is that of its process group too.
    pid: Pid,
    output: PipeReader,
    printed: Vec<u8>,
    has_ended: bool,
}

impl JudgedProcess {
    /// Starts a command that is to connect to this address and finds `input` on its standard input.
    ///
    /// # Errors
    /// It cannot be run, or there is no pipe for what it prints.
    pub(super) fn start(words: &[OsString], address: SocketAddr, input: &[u8]) -> io::Result<Self> {
        let (host, port) = reachable(address);
        let mut words = words.iter().map(|word| filled_in(word, &host, &port));
        let mut file = File::from(memfd_create("message", MemfdFlags::CLOEXEC)?);
        file.write_all(input)?;
        file.rewind()?;
        let (output, stdout) = io::pipe()?;
        ioctl_fionbio(&output, true)?;
        let child = Command::new(words.next().unwrap_or_default())
            .args(words)
            .env(HOST_VARIABLE, &host)
            .env(PORT_VARIABLE, &port)
            .stdin(file)
            .stderr(stdout.try_clone()?)
            .stdout(stdout)
            // So that whatever it starts can be killed with it.
            .process_group(0)
            .spawn()?;
        Ok(Self {
            pid: Pid::from_child(&child),
            child,
            output,
            printed: Vec::new(),
            has_ended: false,
        })
    }

    /// The pipe of what it prints, which is non-blocking.
    pub(super) fn output(&self) -> &PipeReader {
        &self.output
    }

    /// Reads what it has printed since, as far as it fits in one read. Whether there may be more.
    pub(super) fn read_output(&mut self) -> bool {
        let mut buffer = vec![0; READ_BYTES];
        match self.output.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.printed.extend_from_slice(&buffer[..count]);
                let excess = self.printed.len().saturating_sub(PRINTED_BYTES_MAX);
                self.printed.drain(..excess);
                true
            }
            Err(error) => error.kind() == ErrorKind::Interrupted,
        }
    }

    /// The last of what it has printed.
    pub(super) fn printed(&self) -> &[u8] {
        &self.printed
    }

    /// How it has ended, if it has, which is told once. All that it has started ends with it.
    pub(super) fn exit(&mut self) -> Option<ClientExit> {
        if self.has_ended || !self.is_waitable() {
            return None;
        }
        self.end();
        let status = self.child.wait().ok()?;
        let signal = || ClientExit::Signal(status.signal().unwrap_or_default());
        Some(status.code().map_or_else(signal, ClientExit::Code))
    }

    /// Whether it has ended and not been waited for. Until then no other process can get its number.
    fn is_waitable(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(waitid(WaitId::Pid(self.pid), options), Ok(Some(_)))
    }

    /// Kills it, if it has not ended.
    pub(super) fn kill(&mut self) {
        if !self.has_ended {
            self.end();
            // There is nothing to be learned from that.
            let _ = self.child.wait();
        }
    }

    /// Kills its process group.
    fn end(&mut self) {
        self.has_ended = true;
        // It fails where all have ended already.
        let _ = kill_process_group(self.pid, Signal::KILL);
    }
}

impl Drop for JudgedProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Host and port for a client of this listener: one on any address is reached by the loopback interface.
fn reachable(address: SocketAddr) -> (String, String) {
    let host = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    (host.to_string(), address.port().to_string())
}

/// A word of the command, with host and port where it names them.
fn filled_in(word: &OsStr, host: &str, port: &str) -> OsString {
    match word.to_str() {
        Some(text) => text.replace("{host}", host).replace("{port}", port).into(),
        None => word.to_owned(),
    }
}
