//! The log as an operator has it: where it goes, what a reader that does not read costs, how each line begins.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, PipeReader, Read, Write, pipe};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::fs::{CWD, Mode, OFlags, fcntl_getfl, mkfifoat};
use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, Signal, kill_process};

use crate::common::client::Client;
use crate::common::{TestServer, happens, wait_until};

const NONBLOCK: i32 = OFlags::NONBLOCK.bits().cast_signed();

/// A server whose log goes where the test wants it.
struct Logging {
    child: Child,
    address: String,
}

impl Logging {
    fn start(mut command: Command, stderr: impl Into<Stdio>) -> Self {
        let options = ["--discard", "--listen", "127.0.0.1:0"];
        command
            .args(options)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr);
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening smtp ");
        let address = address.expect("it does not listen").to_owned();
        Self { child, address }
    }

    /// One that leaves out no line.
    fn talkative(stderr: impl Into<Stdio>) -> Self {
        Self::start(serve(&["--max-errors", "1000000"]), stderr)
    }

    /// Connections that each leave a line, until so many octets of log are sure to be written.
    fn fill_log(&self, octets: usize) {
        const LINE_OCTETS: usize = 100;
        for _ in 0..octets / LINE_OCTETS {
            let mut client = Client::connect(&self.address);
            client.expect("220");
            client.say("QUIT\r\n");
            assert!(client.rest().starts_with("221"));
        }
    }

    fn stop(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        wait_until("the server to end", || {
            self.child.try_wait().unwrap().is_some()
        });
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    command.env_clear().arg("serve").args(options);
    command
}

/// Reads what is there, until the log says how many lines were dropped.
fn read_until_told(reader: &mut (impl Read + AsFd)) -> String {
    ioctl_fionbio(reader.as_fd(), true).unwrap();
    let mut text = Vec::new();
    let told = happens(|| {
        let mut buffer = [0; 65_536];
        while let Ok(read @ 1..) = reader.read(&mut buffer) {
            text.extend_from_slice(&buffer[..read]);
        }
        let told = b"lines_dropped=";
        text.windows(told.len()).any(|window| window == told) && text.ends_with(b"\n")
    });
    let text = String::from_utf8(text).unwrap();
    assert!(told, "{text}");
    text
}

/// How many lines the log says were dropped.
fn dropped(log: &str) -> usize {
    let counts = log.lines().filter_map(|line| {
        let (_, count) = line.split_once("lines_dropped=")?;
        Some(count.parse::<usize>().unwrap())
    });
    counts.sum()
}

#[test]
fn a_log_that_nobody_reads_stops_nobody_and_loses_lines_that_are_counted() {
    const CONNECTIONS: usize = 2500;
    let (mut reader, writer) = pipe().unwrap();
    let theirs = writer.try_clone().unwrap();
    let server = Logging::talkative(writer);
    // More than the pipe and the server hold together.
    server.fill_log(CONNECTIONS * 100);
    let flags = fcntl_getfl(&theirs).unwrap();
    let ours = "other writers of that pipe must not find it changed";
    assert!(!flags.contains(OFlags::NONBLOCK), "{ours}");
    drop(theirs);
    // Nothing happens but that somebody reads at last.
    let log = read_until_told(&mut reader);
    let kept = log
        .lines()
        .filter(|line| line.contains(" closed=quit "))
        .count();
    assert_eq!(kept + dropped(&log), CONNECTIONS, "{log}");
    assert!(kept > 500 && dropped(&log) > 500, "{kept}");
}

#[test]
fn a_socket_as_the_log_stops_nobody_either() {
    let (mut reader, writer) = UnixStream::pair().unwrap();
    let server = Logging::talkative(std::os::fd::OwnedFd::from(writer));
    let mut client = Client::connect(&server.address);
    client.hello();
    // A unix socket holds some 200 KiB, and the server 64.
    server.fill_log(500_000);
    client.ask("NOOP", "250");
    assert!(dropped(&read_until_told(&mut reader)) > 0);
}

#[test]
fn a_log_that_nobody_reads_does_not_keep_the_server_from_ending() {
    let (reader, writer) = pipe().unwrap();
    let mut server = Logging::talkative(writer);
    server.fill_log(200_000);
    server.stop();
    drop(reader);
}

/// A pipe with no room left, its reader and its writer.
fn full_pipe() -> (PipeReader, std::io::PipeWriter) {
    let (reader, writer) = pipe().unwrap();
    ioctl_fionbio(&writer, true).unwrap();
    while (&writer).write(&[b'x'; 4096]).is_ok() {}
    ioctl_fionbio(&writer, false).unwrap();
    (reader, writer)
}

#[test]
fn a_start_that_fails_ends_though_nobody_reads_why() {
    let (reader, writer) = full_pipe();
    let mut child = serve(&["--listen", "nowhere"])
        .stderr(writer)
        .spawn()
        .unwrap();
    wait_until("the program to end", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(64));
    drop(reader);
}

#[test]
fn a_limit_on_files_costs_lines_of_the_log_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut shell = Command::new("/bin/sh");
    // In blocks of 512 octets; bash has 1024.
    let line = "ulimit -f 8; exec \"$0\" \"$@\"";
    shell
        .env_clear()
        .args(["-c", line, env!("CARGO_BIN_EXE_mailoop"), "serve"])
        .arg("--log-file")
        .arg(&path);
    let mut server = Logging::start(shell, Stdio::null());
    server.fill_log(50_000);
    assert!(fs::metadata(&path).unwrap().len() <= 8 * 1024);
    // As logrotate does it.
    fs::rename(&path, folder.path().join("log.1")).unwrap();
    kill_process(Pid::from_child(&server.child), Signal::HUP).unwrap();
    wait_until("the new file", || path.exists());
    server.fill_log(100);
    server.stop();
    let log = fs::read_to_string(&path).unwrap();
    assert!(dropped(&log) > 100, "{log}");
    assert!(log.lines().all(|line| line.starts_with("time=")), "{log}");
}

#[test]
fn lines_begin_with_the_time_unless_the_journal_adds_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stderr");
    for (journal, stamped) in [(None, true), (Some("1:1"), true), (Some("here"), false)] {
        let file = File::create(&path).unwrap();
        let here = file.metadata().unwrap();
        let mut command = serve(&[]);
        if let Some(journal) = journal {
            let stream = format!("{}:{}", here.dev(), here.ino());
            let stream = journal.replace("here", &stream);
            command.env("JOURNAL_STREAM", stream);
        }
        let mut server = Logging::start(command, file);
        server.stop();
        let log = fs::read_to_string(&path).unwrap();
        assert!(log.contains("connections_max="));
        for line in log.lines() {
            // As in time=2026-11-28T15:09:45.123Z.
            let time = line.split(' ').next().unwrap();
            let is_time = time.starts_with("time=20") && time.len() == 29 && time.ends_with('Z');
            assert_eq!(is_time, stamped, "{journal:?}: {line}");
        }
    }
}

#[test]
fn a_signal_asks_for_the_state() {
    let server = TestServer::start(&[]);
    let mut client = Client::connect(server.address());
    client.begin_message("b@example.org");
    client.say("text\r\n.\r\n");
    client.expect("250");
    server.signal(Signal::USR1);
    let status = "\nstatus connections=1 messages=1 waiting=0 uptime=";
    wait_until("the state", || server.log().contains(status));
    for line in server
        .log()
        .lines()
        .filter(|line| line.starts_with("status "))
    {
        let (_, uptime) = line.rsplit_once('=').unwrap();
        assert!(uptime.parse::<u32>().unwrap() < 600, "{line}");
    }
    client.ask("NOOP", "250");
}

/// Whether the process `pid` catches SIGHUP.
fn catches_hangup(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    u64::from_str_radix(caught.unwrap().trim(), 16).unwrap() & 1 == 1
}

#[test]
fn a_signal_to_reload_does_not_end_a_server_that_is_yet_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    mkfifoat(CWD, &config, Mode::RUSR | Mode::WUSR).unwrap();
    let stderr = folder.path().join("stderr");
    let mut command = serve(&["--discard", "--listen", "127.0.0.1:0", "--config"]);
    command.arg(&config).stderr(File::create(&stderr).unwrap());
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    // It waits for its configuration until there is somebody who writes it.
    let write = |path: &Path| {
        OpenOptions::new()
            .write(true)
            .custom_flags(NONBLOCK)
            .open(path)
    };
    let mut writer = None;
    wait_until("the start", || {
        writer = write(&config).ok();
        writer.is_some()
    });
    assert!(catches_hangup(child.id()));
    for signal in [Signal::HUP, Signal::USR1] {
        kill_process(Pid::from_child(&child), signal).unwrap();
    }
    fs::remove_file(&config).unwrap();
    fs::write(&config, "max-errors = 7\n").unwrap();
    drop(writer);
    wait_until("the reload", || {
        let log = fs::read_to_string(&stderr).unwrap();
        assert_eq!(child.try_wait().unwrap(), None, "{log}");
        log.contains("signal=HUP configuration reloaded")
    });
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn signals_for_the_server_do_not_end_its_store_process() {
    let server = TestServer::start(&[]);
    let family = server.family();
    assert_eq!(family.len(), 2);
    for pid in &family {
        let pid = Pid::from_raw(i32::try_from(*pid).unwrap()).unwrap();
        for signal in [Signal::HUP, Signal::USR1] {
            kill_process(pid, signal).unwrap();
        }
    }
    wait_until("the reload", || server.log().contains("signal=HUP"));
    let mut client = Client::connect(server.address());
    client.begin_message("b@example.org");
    client.say("text\r\n.\r\n");
    client.expect("250");
    assert_eq!(server.family(), family);
}
