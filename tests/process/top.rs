//! `mailoop top`: in a terminal, and where there is none.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use crate::common::client::Client;
use crate::common::program::{installed, python};
use crate::common::{TestServer, wait_until};
use crate::control;

/// A server with a control socket, and the address of that.
fn start() -> (TestServer, String) {
    let server = control::start(&[]);
    let address = format!("unix:{}", control::socket(&server).display());
    (server, address)
}

/// What comes of it without a terminal.
fn top(server: &str) -> Output {
    let mut top = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    top.args(["top", "--server", server]).stdin(Stdio::null());
    top.output().unwrap()
}

/// What comes of it in a terminal in which this happens, and what is to be seen last.
fn at_a_terminal(steps: &str, server: &str) -> (Option<i32>, String) {
    let mut terminal = python("top.py");
    let program = env!("CARGO_BIN_EXE_mailoop");
    terminal.args([steps, program, "top", "--server", server]);
    let output = terminal.stdin(Stdio::null()).output().unwrap();
    let screen = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = String::from_utf8_lossy(&output.stderr);
    (output.status.code(), screen + &failed)
}

#[test]
fn without_a_terminal_one_snapshot_is_printed() {
    let (server, address) = start();
    let mut client = Client::connect(server.address());
    client.hello();
    let output = top(&address);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].starts_with("mailoop top   up 0:0"), "{said}");
    assert!(
        lines[0].ends_with(&format!("connections 1   messages 0   {address}")),
        "{said}"
    );
    assert!(
        lines[1].starts_with("loop  ") && lines[1].contains(" ticks/s   p99 "),
        "{said}"
    );
    assert_eq!(lines[2], "store    - messages/group   wait -   waiting 0");
    assert_eq!(lines[3], "phases   AwaitingMail 1");
    assert!(lines[5].trim_start().starts_with("ID PEER "), "{said}");
    assert!(
        lines[6].contains(" 127.0.0.1:") && lines[6].ends_with(" client"),
        "{said}"
    );
    assert_eq!(lines.len(), 7, "{said}");
}

#[test]
fn where_nothing_can_be_watched_one_line_says_so() {
    let (server, _) = start();
    let smtp = server.address().to_owned();
    for (address, said) in [
        (
            "unix:/no/such/socket",
            "cannot connect to unix:/no/such/socket: ",
        ),
        (&smtp, "this is no control socket"),
    ] {
        let output = top(address);
        assert_eq!(output.status.code(), Some(69), "{output:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            error.contains(said) && error.lines().count() == 1,
            "{error}"
        );
        assert_eq!(output.stdout, b"");
    }
    let unnamed = Command::new(env!("CARGO_BIN_EXE_mailoop"))
        .arg("top")
        .output();
    assert_eq!(unnamed.unwrap().status.code(), Some(64));
}

/// A control socket on which somebody else says this to whoever comes.
fn impostor(folder: &Path, says: &'static [u8]) -> String {
    let path = folder.join("impostor");
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // It may have heard enough before all is said.
        let _ = stream.write_all(says);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    format!("unix:{}", path.display())
}

#[test]
fn what_a_server_says_does_nothing_to_the_terminal_or_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let says = b"control 1\r\n.\nnews of a newer server\nconnection id=1 peer=\x1b[2J\xe2\x80\xae\x07 phase=\x1b]0;x \
        age_ms=1 wakes=1 read=1 written=1 unsent=1 waits=x\n.\n";
    let output = top(&impostor(folder.path(), says));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains(" ?[2J???? "), "{said}");
    let is_plain = |octet| matches!(octet, b'\n' | b' '..=b'~');
    assert!(said.bytes().all(is_plain), "{said:?}");
    for (says, error) in [
        (&b"control 2 mailoop\n"[..], "of another version"),
        (
            b"220 mail.example.org ESMTP\r\n",
            "this is no control socket",
        ),
        (&[b'x'; 100_000], "this is no control socket"),
        (b"error no\x1b[m\n", "the server says: no?[m"),
    ] {
        let output = top(&impostor(folder.path(), says));
        assert_eq!(output.status.code(), Some(69), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(error), "{said}");
    }
}

#[test]
fn a_full_house_is_told() {
    let (server, address) = start();
    let path = control::socket(&server);
    let clients: Vec<_> = (0..8)
        .map(|_| UnixStream::connect(&path).unwrap())
        .collect();
    let mut output = top(&address);
    // Some may not have been accepted when it came.
    wait_until("the last place to be taken", || {
        output = top(&address);
        output.status.code() == Some(69)
    });
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.ends_with("the server says: too many look already\n"),
        "{error}"
    );
    drop(clients);
}

#[test]
fn it_draws_until_a_key_ends_it_and_the_terminal_is_as_before() {
    if !installed(&["python3"]) {
        return;
    }
    let (server, address) = start();
    let mut client = Client::connect(server.address());
    client.hello();
    for keys in ["q", "Q", "\\x03"] {
        let steps = format!("text=AwaitingMail|text=q quits|keys={keys}");
        let (code, screen) = at_a_terminal(&steps, &address);
        assert_eq!(code, Some(0), "{screen}");
        assert!(
            screen.contains("*WAKES") && screen.contains(" client"),
            "{screen}"
        );
        assert!(screen.ends_with("\n--\n"), "nothing follows: {screen}");
    }
    // Keys sort and turn round; the picture follows the size of the terminal.
    let steps = "text=*WAKES|keys=i|text=*ID|keys=i|text=^ID|keys=?zr|text=*READ|size=40x8|text=PEER|text=\x1b[J|keys=q";
    let (code, screen) = at_a_terminal(steps, &address);
    assert_eq!(code, Some(0), "{screen}");
    let (picture, _) = screen.split_once("\n--\n").unwrap();
    let lines: Vec<_> = picture.split("\r\n").collect();
    assert_eq!(lines.len(), 8, "{screen}");
    for line in lines {
        let seen = ["\x1b[K", "\x1b[J", "\x1b[7m", "\x1b[m"];
        let text = seen
            .iter()
            .fold(line.to_owned(), |line, code| line.replace(code, ""));
        assert!(text.len() <= 40 && !text.contains('\x1b'), "{line:?}");
    }
    // A connection that ends is gone from the picture.
    client.say("QUIT\r\n");
    client.rest();
    let (code, screen) = at_a_terminal("text=connections 0|keys=q", &address);
    assert_eq!(code, Some(0), "{screen}");
}

#[test]
fn the_terminal_is_as_before_also_when_the_server_or_a_signal_ends_it() {
    if !installed(&["python3"]) {
        return;
    }
    let (server, address) = start();
    let (code, screen) = at_a_terminal("text=q quits|term", &address);
    assert_eq!(code, Some(0), "{screen}");
    let pid = server.pid();
    // A server that stands still is seen to; the keys work meanwhile.
    let steps =
        format!("text=q quits|run=kill -STOP {pid}|text=NO ANSWER for|run=kill -CONT {pid}|keys=q");
    let (code, screen) = at_a_terminal(&steps, &address);
    assert_eq!(code, Some(0), "{screen}");
    let steps = format!("text=q quits|run=kill {pid}");
    let (code, screen) = at_a_terminal(&steps, &address);
    assert_eq!(code, Some(69), "{screen}");
    let (_, after) = screen.split_once("\n--\n").unwrap();
    let line = format!("mailoop: {address}: the server has ended\r\n");
    assert_eq!(after, line);
}
