//! The control socket: who may connect, what is asked and answered, and what clients of it cannot do to the server.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::common::client::Client;
use crate::common::pauses::undisturbed;
use crate::common::program::{foreign, installed};
use crate::common::{TestServer, raise_descriptor_limit, wait_until};

/// A server whose control socket is `control` in its folder.
pub(crate) fn start(options: &[&str]) -> TestServer {
    TestServer::start(&[&["--control", "control"], options].concat())
}

pub(crate) fn socket(server: &TestServer) -> PathBuf {
    server.folder().join("control")
}

/// A client of the control socket.
struct Watcher {
    lines: BufReader<UnixStream>,
}

impl Watcher {
    fn silent(server: &TestServer) -> Self {
        let stream = UnixStream::connect(socket(server)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Self {
            lines: BufReader::new(stream),
        }
    }

    /// A client that has heard the greeting.
    fn connect(server: &TestServer) -> Self {
        let mut watcher = Self::silent(server);
        let greeting = watcher.line();
        assert!(greeting.starts_with("control 1 mailoop "), "{greeting}");
        watcher
    }

    fn say(&mut self, text: &str) {
        self.lines.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// The next line; empty at the end.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The lines of the next answer, without the last one.
    fn answer(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.line() {
                end if end == "." => return lines,
                line if line.is_empty() => panic!("it ended after {lines:?}"),
                line => lines.push(line),
            }
        }
    }

    fn ask(&mut self, command: &str) -> Vec<String> {
        self.say(&format!("{command}\n"));
        self.answer()
    }

    /// The line about the loop.
    fn about_loop(&mut self) -> String {
        self.ask("loop").remove(0)
    }
}

/// The number in a field of a line.
fn number(line: &str, name: &str) -> u64 {
    let value = value(line, name);
    value.parse().unwrap_or_else(|_| panic!("{name} in {line}"))
}

fn value<'a>(line: &'a str, name: &str) -> &'a str {
    let mut fields = line.split(' ');
    let found = fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name} in {line}"))
}

#[test]
fn only_its_user_may_connect_and_the_file_goes_with_the_server() {
    let mut server = TestServer::start_under(
        &["sh", "-c", "umask 0; exec \"$@\"", "sh"],
        &["--control", "control"],
    );
    let path = socket(&server);
    let file = path.symlink_metadata().unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o7777, 0o600);
    // The umask is again what it was: mail is for whom the operator says.
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    assert!(status.contains("Umask:\t0000"), "{status}");
    assert!(server.log().contains("control=unix:control\n"));
    server.stop();
    assert!(!path.exists());
}

#[test]
fn the_file_is_for_nobody_else_from_its_first_instant() {
    if !installed(&["strace"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut strace = foreign("strace");
    strace.args(["-o", "calls", "-e", "trace=umask,bind"]);
    strace.arg(env!("CARGO_BIN_EXE_mailoop"));
    // It ends after it has opened its sockets.
    let options = ["--listen", "127.0.0.1:0", "--user", "no such user"];
    strace.args(["serve", "--discard", "--control", "control"]);
    let output = strace.args(options).current_dir(&folder).output().unwrap();
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    let calls = fs::read_to_string(folder.path().join("calls")).unwrap();
    let calls: Vec<_> = calls.lines().collect();
    let bound = calls.iter().position(|call| call.contains("\"control\""));
    let bound = bound.unwrap_or_else(|| panic!("{calls:#?}"));
    assert!(calls[bound - 1].starts_with("umask(0177)"), "{calls:#?}");
    assert!(
        !folder.path().join("control").exists(),
        "a start that failed leaves it"
    );
}

#[test]
fn a_stale_socket_is_replaced_and_one_in_use_is_not() {
    let server = start(&[]);
    let path = socket(&server);
    let second = Command::new(env!("CARGO_BIN_EXE_mailoop"))
        .args(["serve", "--discard", "--listen", "127.0.0.1:0", "--control"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(69));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("cannot listen on unix:"), "{said}");
    assert!(said.contains("another program does"), "{said}");

    let folder = tempfile::tempdir().unwrap();
    let stale = folder.path().join("control");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    let mut third = TestServer::start(&["--control", stale.to_str().unwrap()]);
    UnixStream::connect(&stale).unwrap();
    third.stop();
    assert!(!stale.exists());
    Watcher::connect(&server);
}

#[test]
fn connections_are_listed_with_what_they_do() {
    let server = start(&[]);
    let mut client = Client::connect(server.address());
    client.hello();
    let mut sender = Client::connect(server.address());
    sender.hello();
    sender.envelope("b@example.org");
    let mut watcher = Watcher::connect(&server);
    let listed = watcher.ask("connections");
    assert_eq!(listed.len(), 2, "{listed:?}");
    for (line, phase) in listed.iter().zip(["AwaitingMail", "ReceivingData"]) {
        assert!(line.starts_with("connection id="), "{line}");
        assert!(value(line, "peer").starts_with("127.0.0.1:"), "{line}");
        assert_eq!(value(line, "phase"), phase, "{line}");
        assert_eq!(value(line, "waits"), "client", "{line}");
        assert!(number(line, "age_ms") < 600_000, "{line}");
        assert!(number(line, "wakes") >= 2, "{line}");
        assert!(
            number(line, "read") > 5 && number(line, "written") > 30,
            "{line}"
        );
        assert_eq!(number(line, "unsent"), 0, "{line}");
    }
    let before = watcher.about_loop();
    assert_eq!(number(&before, "connections"), 2);
    assert_eq!(number(&before, "messages"), 0);
    sender.ask("text\r\n.", "250 ");
    let after = watcher.about_loop();
    assert_eq!(number(&after, "messages"), 1, "{after}");
    assert_eq!(number(&after, "grouped"), 1, "{after}");
    assert_eq!(number(&after, "groups"), 1, "{after}");
    assert!(
        number(&after, "ticks") > 0 && number(&after, "events") > 0,
        "{after}"
    );
    assert!(number(&after, "waited_us") > 0, "{after}");
    let both = watcher.ask("snapshot");
    assert!(both[0].starts_with("loop ") && both.len() == 3, "{both:?}");
}

#[test]
fn commands_may_come_at_once_and_garbage_is_answered() {
    let server = start(&[]);
    let mut watcher = Watcher::connect(&server);
    watcher.say("lo");
    watcher.say("op\r\nhelp\n\nnonsense \x1b[2J\nwatch soon\nloop\nquit\nloop\n");
    assert_eq!(watcher.answer().len(), 1);
    let help = watcher.answer();
    for command in ["help", "loop", "connections", "snapshot", "watch", "quit"] {
        let line = format!("help {command}");
        assert!(help.iter().any(|help| help.starts_with(&line)), "{help:?}");
    }
    assert_eq!(watcher.line(), "error no such command; write help");
    assert_eq!(watcher.line(), "error no such command; write help");
    assert_eq!(watcher.line(), "error write watch MILLISECONDS");
    assert_eq!(watcher.answer().len(), 1);
    assert_eq!(watcher.line(), "");

    let mut endless = Watcher::connect(&server);
    endless.say(&"x".repeat(513));
    assert_eq!(endless.line(), "error the line is too long");
    assert_eq!(endless.line(), "");
    let mut octets = Watcher::connect(&server);
    octets.lines.get_mut().write_all(b"\0\xff\xfe\n").unwrap();
    assert_eq!(octets.line(), "error no such command; write help");
    // One that says all at once and closes its side is answered.
    let mut script = Watcher::connect(&server);
    script.say("loop\nconnections\n");
    script.lines.get_mut().shutdown(Shutdown::Write).unwrap();
    assert_eq!((script.answer().len(), script.answer().len()), (1, 0));
    assert_eq!(script.line(), "");
}

#[test]
fn a_snapshot_comes_again_until_the_next_command() {
    let server = start(&[]);
    let mut watcher = Watcher::connect(&server);
    watcher.say("watch 50\n");
    let first = watcher.answer().remove(0);
    let second = watcher.answer().remove(0);
    let passed = number(&second, "uptime_ms") - number(&first, "uptime_ms");
    assert!(passed >= 40, "{passed}");
    // What was on its way comes before the answer to the command.
    watcher.say("help\n");
    while watcher.answer()[0].starts_with("loop ") {}
    assert!(watcher.about_loop().starts_with("loop "));
}

#[test]
fn the_ninth_client_is_told_so() {
    let server = start(&[]);
    let watchers: Vec<_> = (0..8).map(|_| Watcher::connect(&server)).collect();
    let mut ninth = Watcher::silent(&server);
    assert_eq!(ninth.line(), "error too many look already");
    assert_eq!(ninth.line(), "");
    drop(watchers);
    wait_until("a place", || {
        Watcher::silent(&server).line().starts_with("control ")
    });
}

#[test]
fn a_client_that_never_reads_costs_nobody_anything() {
    let server = start(&["--discard"]);
    let before = server.memory_kib("VmRSS");
    let mut watchers: Vec<_> = (0..7).map(|_| Watcher::connect(&server)).collect();
    for watcher in &mut watchers {
        watcher.say("watch 50\n");
        let stream = watcher.lines.get_mut();
        stream.set_nonblocking(true).unwrap();
        // Until the server reads no more of it.
        while stream.write(&b"help\n".repeat(1000)).is_ok() {}
    }
    wait_until("the server to rest", || server.is_resting());
    for _ in 0..20 {
        Client::connect(server.address()).hello();
    }
    Watcher::connect(&server).about_loop();
    let grown = server.memory_kib("VmRSS").saturating_sub(before);
    // Of each what one read brings, and the unsent output. What was sent would be answered by tens of MiB.
    assert!(grown < 4096, "it took {grown} KiB");
}

#[test]
fn a_crowd_is_listed_in_parts_while_others_are_served() {
    const CROWD: usize = 1000;
    raise_descriptor_limit();
    let server = start(&["--discard", "--log-level", "warn"]);
    let crowd: Vec<_> = (0..CROWD)
        .map(|_| {
            let mut client = Client::connect(server.address());
            client.expect("220");
            client
        })
        .collect();
    let mut watcher = Watcher::connect(&server);
    let listed = watcher.ask("connections");
    assert_eq!(listed.len(), CROWD);
    let mut ids: Vec<_> = listed.iter().map(|line| number(line, "id")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), CROWD);
    // One that reads only the first of it holds up nobody, and costs no more than a part of it.
    let mut slow = Watcher::connect(&server);
    slow.say("watch 50\n");
    slow.line();
    let ticks = number(&watcher.about_loop(), "ticks");
    Client::connect(server.address()).hello();
    assert!(watcher.about_loop().starts_with("loop "), "{ticks}");
    drop(crowd);
}

#[test]
fn it_is_served_until_the_drain_is_over() {
    let mut server = start(&[]);
    let mut sender = Client::connect(server.address());
    sender.begin_message("b@example.org");
    let mut watcher = Watcher::connect(&server);
    server.signal(Signal::TERM);
    wait_until("the drain", || {
        std::net::TcpStream::connect(server.address()).is_err()
    });
    // Also one that comes only now.
    for watcher in [&mut watcher, &mut Watcher::connect(&server)] {
        assert_eq!(number(&watcher.about_loop(), "connections"), 1);
    }
    sender.ask("text\r\n.", "250 ");
    let mut rest = String::new();
    watcher.lines.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    wait_until("the server to end", || server.has_ended());
    assert!(!socket(&server).exists());
}

#[test]
fn nobody_who_watches_wakes_the_server_for_nothing() {
    let server = start(&["--discard"]);
    let mut watcher = Watcher::connect(&server);
    watcher.about_loop();
    // A machine that pauses wakes everybody.
    undisturbed(|| {
        let before = server.wakes();
        std::thread::sleep(Duration::from_millis(500));
        let wakes = server.wakes() - before;
        assert!(wakes < 5, "{wakes} wakes");
    });
}
