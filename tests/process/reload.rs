//! SIGHUP: another configuration while sessions run, and a log file that was renamed.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::common::{TestServer, wait_until};
use rustix::process::Signal;
use tempfile::TempDir;

const LISTEN: &str = "listen = ['127.0.0.1:0']\n";

/// A server with a configuration file.
struct Reloading {
    server: TestServer,
    folder: TempDir,
}

impl Reloading {
    fn start(config: &str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailoop.toml");
        fs::write(&path, config).unwrap();
        let mut arguments = vec!["--config", path.to_str().unwrap()];
        arguments.extend(options);
        let server = TestServer::start(&arguments);
        Self { server, folder }
    }

    /// Changes the file, and waits until the log says `answer` about it, once more than before.
    fn reload(&self, config: &str, answer: &str) {
        let count = || self.server.log().matches(answer).count();
        let before = count();
        fs::write(self.folder.path().join("mailoop.toml"), config).unwrap();
        self.server.signal(Signal::HUP);
        wait_until(answer, || count() > before);
    }

    fn connect(&self) -> Client {
        Client::connect(&self.server)
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    /// A client, and what it is greeted with.
    fn connect(server: &TestServer) -> Self {
        let stream = TcpStream::connect(server.address()).unwrap();
        let timeout = Some(Duration::from_secs(60));
        stream.set_read_timeout(timeout).unwrap();
        Self(BufReader::new(stream))
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    /// A client that has said HELO.
    fn greeted(mut self) -> Self {
        assert!(self.hear().starts_with("220 "));
        self.ask("HELO client", "250 ");
        self
    }

    /// What EHLO tells of limits.
    #[track_caller]
    fn offers(&mut self) -> String {
        self.ask("EHLO client", "250-");
        let mut limits = Vec::new();
        loop {
            let line = self.hear();
            if line.starts_with("250-SIZE") || line.starts_with("250-LIMITS") {
                limits.push(line.trim_end().to_owned());
            }
            if line.starts_with("250 ") {
                return limits.join(" ");
            }
        }
    }

    #[track_caller]
    fn ask(&mut self, line: &str, answer: &str) {
        let stream = self.0.get_mut();
        stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        let heard = self.hear();
        assert!(heard.starts_with(answer), "{line}: {heard}");
    }
}

const RELOADED: &str = "signal=HUP configuration reloaded";
const KEPT: &str = "signal=HUP warning=\"the old configuration stays: ";

#[test]
fn new_sessions_follow_the_new_configuration_and_old_ones_the_old() {
    let mail = "MAIL FROM:<a@example.org> SIZE=2000";
    let running = Reloading::start(&format!("{LISTEN}max-message-size = 3000"), &[]);
    let mut old = running.connect();
    let before = "250-SIZE 3000 250-LIMITS RCPTMAX=100";
    assert!(old.hear().starts_with("220 "));
    assert_eq!(old.offers(), before);
    old.ask(mail, "250 ");
    running.reload(
        &format!(
            "{LISTEN}max-message-size = 1000\nmax-recipients = 200\nmax-messages-per-session = 9"
        ),
        RELOADED,
    );
    old.ask("RSET", "250 ");
    old.ask(mail, "250 ");
    assert_eq!(old.offers(), before);
    let mut new = running.connect();
    assert!(new.hear().starts_with("220 "));
    assert_eq!(
        new.offers(),
        "250-SIZE 1000 250-LIMITS RCPTMAX=200 MAILMAX=9"
    );
    new.ask(mail, "552 ");
}

#[test]
fn a_bad_file_changes_nothing_but_the_log() {
    let mut running = Reloading::start(&format!("{LISTEN}domain = ['a.example']"), &[]);
    for (bad, why) in [
        (
            "domain = ['b.example']\nmax-errors = 'x'",
            ":2: max-errors = 'x': write a number",
        ),
        ("domain = ['b.example'", ":1: "),
        (
            "domain = ['b.example']\nmax-error = 1",
            "did you mean max-errors?",
        ),
    ] {
        running.reload(bad, KEPT);
        let log = running.server.log();
        assert!(
            log.lines()
                .any(|line| line.contains(KEPT) && line.contains(why)),
            "{log}"
        );
        let mut client = running.connect().greeted();
        client.ask("MAIL FROM:<a@example.org>", "250 ");
        client.ask("RCPT TO:<b@a.example>", "250 ");
        client.ask("RCPT TO:<b@b.example>", "550 ");
    }
    fs::remove_file(running.folder.path().join("mailoop.toml")).unwrap();
    running.server.signal(Signal::HUP);
    wait_until("no file", || running.server.log().contains("cannot read"));
    running.reload(LISTEN, RELOADED);
    running.connect().greeted();
    running.server.stop();
}

#[test]
fn who_may_send_is_read_again() {
    let submission = "listen-submission = ['127.0.0.1:0']\nxclient-from = ['127.0.0.1']\n";
    let running = Reloading::start(submission, &[]);
    let logged_in = || {
        let mut client = running.connect();
        assert!(client.hear().starts_with("220 "));
        client.ask("XCLIENT LOGIN=ann HELO=client", "220 ");
        client
    };
    let (ann, bob) = ("MAIL FROM:<ann@a.example>", "MAIL FROM:<bob@a.example>");
    let mut old = logged_in();
    old.ask(bob, "553 ");
    running.reload(
        &format!("{submission}[senders]\nann = 'bob@a.example'"),
        RELOADED,
    );
    let mut new = logged_in();
    new.ask(ann, "553 ");
    new.ask(bob, "250 ");
    old.ask(ann, "250 ");
}

#[test]
fn who_there_is_is_read_again_and_a_bad_table_leaves_it_as_it_was() {
    let closed = format!("{LISTEN}domain = ['a.example']\n[mailboxes]\nclosed = true\nnames = ");
    let running = Reloading::start(&format!("{closed}['ann']"), &[]);
    let in_transaction = || {
        let mut client = running.connect().greeted();
        client.ask("MAIL FROM:<a@example.org>", "250 ");
        client
    };
    let (ann, bob) = ("RCPT TO:<ann@a.example>", "RCPT TO:<bob@a.example>");
    let mut old = in_transaction();
    old.ask(ann, "250 ");
    old.ask(bob, "550 No such user here");
    running.reload(&format!("{closed}['ann', 'bob']"), RELOADED);
    in_transaction().ask(bob, "250 ");
    // A session goes by what it began with.
    old.ask(bob, "550 ");
    for (bad, why) in [
        (
            "[]\n[aliases]\ncarl = 'carl'",
            ":7: [aliases] carl: it goes round in a loop",
        ),
        (
            "[]\n[aliases]\ncarl = 'a@b.example'",
            ":7: [aliases] carl = a@b.example: ",
        ),
        ("['ann', 1]", ":5: [mailboxes] names = 1: "),
    ] {
        running.reload(&format!("{closed}{bad}"), KEPT);
        let log = running.server.log();
        assert!(log.contains(why), "{why}: {log}");
        let mut client = in_transaction();
        client.ask(bob, "250 ");
        client.ask("RCPT TO:<carl@a.example>", "550 ");
    }
    running.reload(
        &format!("{closed}['bob']\n[aliases]\ncarl = 'bob'"),
        RELOADED,
    );
    let mut client = in_transaction();
    client.ask(ann, "550 ");
    client.ask("RCPT TO:<carl@a.example>", "250 ");
    running.reload(&format!("{LISTEN}domain = ['a.example']"), RELOADED);
    in_transaction().ask("RCPT TO:<whoever@a.example>", "250 ");
}

#[test]
fn limits_apply_from_then_on_and_what_takes_a_restart_is_told() {
    let running = Reloading::start(&format!("{LISTEN}max-connections = 1"), &[]);
    let _first = running.connect().greeted();
    assert!(running.connect().hear().starts_with("421 "));
    let more = "listen = ['127.0.0.1:0', '[::1]:0']\ndiscard = true\nmax-connections = 2";
    running.reload(more, RELOADED);
    let _second = running.connect().greeted();
    assert!(running.connect().hear().starts_with("421 "));
    // Once more: it takes a restart still.
    running.reload(more, RELOADED);
    let log = running.server.log();
    for name in ["listen", "maildir", "discard"] {
        let warning = format!("warning=\"{name} has changed, which takes a restart\"");
        assert_eq!(log.matches(&warning).count(), 2, "{log}");
    }
    assert_eq!(log.matches("takes a restart").count(), 6, "{log}");
    // As many as the descriptors allow, and no more.
    running.reload(&format!("{LISTEN}max-connections = 4294967295"), RELOADED);
    let log = running.server.log();
    let (_, count) = log.rsplit_once("connections_max=").unwrap();
    assert!(!count.starts_with("4294967295"), "{log}");

    let mut third = running.connect().greeted();
    running.reload(&format!("{LISTEN}min-free = '1000000G'"), RELOADED);
    third.ask("MAIL FROM:<a@example.org>", "452 ");
    running.reload(&format!("{LISTEN}min-free = 0"), RELOADED);
    third.ask("MAIL FROM:<a@example.org>", "250 ");
}

#[test]
fn a_listener_that_stays_public_never_becomes_an_open_relay() {
    let public = "listen = ['0.0.0.0:0']\ndomain = ['a.example']";
    let running = Reloading::start(public, &[]);
    running.reload(LISTEN, KEPT);
    running.reload(
        &format!("{LISTEN}domain = ['a.example']\nend-of-data = 'bye'"),
        KEPT,
    );
    running.reload(&format!("{LISTEN}domain = ['b.example']"), RELOADED);
}

#[test]
fn a_log_file_is_opened_again_after_it_was_renamed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let config = format!("{LISTEN}log-file = {path:?}\nlog-level = 'info'");
    fs::write(&path, "old line\n").unwrap();
    let running = Reloading::start(&config, &[]);
    let session = || {
        let mut client = running.connect().greeted();
        client.ask("QUIT", "221 ");
    };
    session();
    wait_until("conn=1", || read(&path).contains("conn=1 "));
    assert!(read(&path).starts_with("old line\n"));

    // Also where the configuration is bad.
    let mut renamed = path.clone();
    for (config, answer) in [(config.as_str(), RELOADED), ("x = 1", KEPT)] {
        renamed.set_extension(format!("{}", answer.len()));
        fs::rename(&path, &renamed).unwrap();
        fs::write(running.folder.path().join("mailoop.toml"), config).unwrap();
        running.server.signal(Signal::HUP);
        wait_until(answer, || read(&path).contains(answer));
    }
    session();
    wait_until("conn=2", || read(&path).contains("conn=2 "));
    assert!(!read(&renamed).contains("conn=2 "));

    // To another place, and another level.
    running.reload(
        "listen = ['[::1]:0']\nlog-level = 'warn'",
        "takes a restart",
    );
    session();
    running.reload("x = 1", KEPT);
    assert!(!running.server.log().contains("conn=3 ") && !read(&path).contains("conn=3 "));

    // A place that cannot be: the log stays where it was.
    let nowhere = format!("{LISTEN}log-file = '/dev/null/log'");
    running.reload(&nowhere, "the log stays where it was");
    running.reload("x = 1", KEPT);
}

#[test]
fn a_log_file_that_cannot_move_goes_on_where_it_was_and_is_rotated_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let running = Reloading::start(&format!("{LISTEN}log-file = {path:?}"), &[]);
    let nowhere = format!("{LISTEN}log-file = '/dev/null/log'");
    fs::write(running.folder.path().join("mailoop.toml"), nowhere).unwrap();
    for number in 0..2 {
        fs::rename(&path, folder.path().join(format!("log.{number}"))).unwrap();
        running.server.signal(Signal::HUP);
        wait_until("the warning", || {
            read(&path).contains("another folder takes a restart")
        });
    }
}

#[test]
fn a_log_file_that_cannot_be_opened_is_told_before_anything_else() {
    let output = Command::new(env!("CARGO_BIN_EXE_mailoop"))
        .args([
            "serve",
            "--log-file",
            "/dev/null/log",
            "--listen",
            "127.0.0.1:0",
        ])
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(73), "{said}");
    assert!(
        said.contains("--log-file") && said.lines().count() == 1,
        "{said}"
    );
}
