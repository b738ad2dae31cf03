//! Sessions by hand: lines typed one at a time into nc or telnet, each reply awaited.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::common::program::{Running, installed, program, run_with_file};
use crate::common::{TestServer, wait_until};
use crate::message::{RECIPIENT, assert_same_text};

/// What is typed in most of these tests, up to the end of the message.
pub(crate) const UP_TO_THE_END: &str = "
S: 220 mx.example.org ESMTP mailoop
C: HELO client.example.org
S: 250 Hello client.example.org, pleased to meet you.
C: MAIL FROM:<ada@example.org>
S: 250 Ok
C: RCPT TO:<bob@example.net>
S: 250 Ok
C: DATA
S: 354 Enter message, ending with \".\" on a line by itself
C: Subject: by hand
C:
C: Hello Bob.
C: ..
C: end of email
";
pub(crate) const END: &str = "
C: .
S: 250 Ok: queued as
C: QUIT
S: 221 Bye
";
/// The message: the server took the dot that hides another.
pub(crate) const MESSAGE: &str = "Subject: by hand\n\nHello Bob.\n.\nend of email\n";

/// Someone at a keyboard, before a program that sends what is typed and shows what comes back.
pub(crate) struct Hand {
    running: Running,
    screen: PathBuf,
    /// How many lines of the screen were read.
    lines_read: usize,
}

impl Hand {
    fn start(name: &str, args: &[&str], server: &TestServer) -> Self {
        let (host, port) = server.address().rsplit_once(':').unwrap();
        let mut command = program(name, server);
        command.args(args).args([host, port]);
        Self::before(&mut command, server)
    }

    /// Before this program, which connects to the server.
    pub(crate) fn before(command: &mut Command, server: &TestServer) -> Self {
        let screen = server.folder().join("screen");
        let child = command
            .stdin(Stdio::piped())
            .stdout(File::create(&screen).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            running: Running(child),
            screen,
            lines_read: 0,
        }
    }

    /// Types the lines behind `C:` and waits for those behind `S:`, which may go on beyond what is written here.
    pub(crate) fn hold(&mut self, dialogue: &str) {
        for line in dialogue.lines().filter(|line| !line.is_empty()) {
            match line.split_at(2) {
                ("C:", text) => self.type_keys(&format!("{}\n", text.trim_start())),
                ("S:", text) => {
                    let shown = self.next_line();
                    assert!(shown.starts_with(&text[1..]), "{line}, but: {shown}");
                }
                _ => panic!("neither C: nor S: {line}"),
            }
        }
    }

    fn type_keys(&mut self, keys: &str) {
        let mut keyboard = self.running.0.stdin.as_ref().unwrap();
        keyboard.write_all(keys.as_bytes()).unwrap();
    }

    fn next_line(&mut self) -> String {
        let mut line = None;
        wait_until("a reply", || {
            let screen = fs::read_to_string(&self.screen).unwrap();
            let mut complete = screen.split_inclusive('\n').skip(self.lines_read);
            line = complete.next().map(str::to_owned);
            line.as_ref().is_some_and(|line| line.ends_with('\n'))
        });
        self.lines_read += 1;
        line.unwrap().trim_end().to_owned()
    }

    /// Waits for the program to end by itself, as it does when the server hangs up.
    pub(crate) fn hang_up(mut self) {
        drop(self.running.0.stdin.take());
        wait_until("the program to see the end", || {
            self.running.0.try_wait().unwrap().is_some()
        });
    }
}

fn assert_stored(server: &TestServer, message: &str) {
    assert_same_text(&server.message(RECIPIENT), message.as_bytes());
}

#[test]
fn nc_with_crlf() {
    if !installed(&["nc"]) {
        return;
    }
    let mut server = TestServer::start(&[]);
    let mut nc = Hand::start("nc", &["-C"], &server);
    nc.hold(UP_TO_THE_END);
    nc.hold(END);
    nc.hang_up();
    assert_stored(&server, MESSAGE);
    server.stop();
}

#[test]
fn telnet() {
    if !installed(&["telnet"]) {
        return;
    }
    let mut server = TestServer::start(&[]);
    let mut telnet = Hand::start("telnet", &[], &server);
    telnet.hold("S: Trying\nS: Connected to\nS: Escape character is");
    telnet.hold(UP_TO_THE_END);
    telnet.hold(END);
    telnet.hang_up();
    assert_stored(&server, MESSAGE);
    server.stop();
}

#[test]
fn plain_nc_works_where_bare_newlines_are_accepted() {
    if !installed(&["nc"]) {
        return;
    }
    let mut server = TestServer::start(&["--bare-newline", "accept"]);
    let mut nc = Hand::start("nc", &[], &server);
    nc.hold(UP_TO_THE_END);
    nc.hold(END);
    nc.hang_up();
    assert_stored(&server, MESSAGE);
    server.stop();
}

#[test]
fn plain_nc_cannot_end_a_message_by_default() {
    if !installed(&["nc"]) {
        return;
    }
    let mut server = TestServer::start(&[]);
    let mut nc = Hand::start("nc", &[], &server);
    nc.hold(UP_TO_THE_END);
    // Only the second dot stands between CRLFs; the first, and what looks like a command, are text.
    nc.hold("C: .\nC: QUIT\n");
    nc.type_keys("\r\n.\r\n");
    nc.hold("S: 250 Ok: queued as\nC: QUIT\nS: 221 Bye\n");
    nc.hang_up();
    // The line behind a bare LF does not begin behind CRLF: no dot is taken off it, not even a hiding one.
    let message = MESSAGE.replace("\n.\n", "\n..\n");
    assert_stored(&server, &format!("{message}.\nQUIT\n\n"));
    server.stop();
}

#[test]
fn plain_nc_in_the_classroom_dialect() {
    if !installed(&["nc"]) {
        return;
    }
    let mut server = TestServer::start(&["--end-of-data", "end of email"]);
    let mut nc = Hand::start("nc", &[], &server);
    // Its last line ends the message here.
    nc.hold(&UP_TO_THE_END.replace("ending with \".\"", "ending with \"end of email\""));
    nc.hold("S: 250 Ok: queued as\nC: QUIT\nS: 221 Bye\n");
    nc.hang_up();
    assert_stored(&server, MESSAGE.strip_suffix("end of email\n").unwrap());
    server.stop();
}

/// All that is typed in [`UP_TO_THE_END`] and [`END`], as one piece of text.
fn typed_at_once() -> String {
    let lines = UP_TO_THE_END.lines().chain(END.lines());
    let typed = lines.filter_map(|line| line.strip_prefix("C:"));
    typed
        .map(|line| format!("{}\n", line.trim_start()))
        .collect()
}

/// `nc -N` with a whole session as its input. Returns the replies.
fn pipe_into_nc(server: &TestServer) -> String {
    let (host, port) = server.address().rsplit_once(':').unwrap();
    let input = server.folder().join("input");
    fs::write(&input, typed_at_once()).unwrap();
    run_with_file(program("nc", server).args(["-N", host, port]), &input)
}

#[test]
fn a_session_piped_into_nc_works_where_bare_newlines_are_accepted() {
    if !installed(&["nc"]) {
        return;
    }
    let mut server = TestServer::start(&["--bare-newline", "accept"]);
    let replies = pipe_into_nc(&server);
    let codes: Vec<_> = replies.lines().map(|line| &line[..3]).collect();
    assert_eq!(
        codes,
        ["220", "250", "250", "250", "354", "250", "221"],
        "{replies}"
    );
    assert_stored(&server, MESSAGE);
    server.stop();
}

#[test]
fn a_session_piped_into_nc_is_refused_by_default() {
    if !installed(&["nc"]) {
        return;
    }
    let mut server = TestServer::start(&[]);
    let replies = pipe_into_nc(&server);
    // It is early talk behind DATA; if it overtakes the greeting, even before that.
    let last = replies.lines().last().unwrap();
    assert!(last.starts_with("554 "), "{replies}");
    assert!(server.new_mail(RECIPIENT).is_empty());
    server.stop();
}
