//! `mailoop expect` with a server for tests: what it waits for, prints and tells, and how it ends.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::TestServer;
use crate::common::client::Client;
use crate::common::pauses::undisturbed;

/// A message from Ann to Bob, and a recipient whom no field names.
fn send(server: &TestServer, subject: &str, text: &str) {
    let mut client = Client::connect(server.address());
    client.expect("220");
    client.say("HELO client\r\n");
    client.expect("250");
    client.say("MAIL FROM:<ann@example.com>\r\nRCPT TO:<bob@example.org>\r\nRCPT TO:<eve@example.org>\r\nDATA\r\n");
    for reply in ["250", "250", "250", "354"] {
        client.expect(reply);
    }
    client.say(&format!(
        "From: ann@example.com\r\nTo: bob@example.org\r\nSubject: {subject}\r\n\r\n{text}\r\n.\r\nQUIT\r\n"
    ));
    client.expect("250");
    client.expect("221");
}

fn expect(server: &TestServer, arguments: &[&str]) -> Child {
    let url = format!("http://{}", server.http_address());
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    command
        .args(["expect", "--http", &url])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// The exit code, standard output and standard error.
fn ended(child: Child) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
    (status.code().unwrap(), stdout, stderr)
}

#[test]
fn a_message_that_is_there_is_found_at_once() {
    let server = TestServer::start_catch(&[]);
    send(&server, "Your code", "The code is 123456.");
    send(&server, "Your other code", "The code is 654321.");
    for (arguments, stdout) in [
        (&[][..], ""),
        (
            &["--to", "bob@example.org", "--from", "ann@example.com"],
            "",
        ),
        (
            &["--to", "eve@example.org", "--extract", r"\d+"],
            "123456\n654321\n",
        ),
        (
            &["--subject", "^Your code$", "--extract", r"is (\d+)"],
            "123456\n",
        ),
        (
            &["--body", "654", "--extract", "[Cc]ode.*"],
            "code is 654321.\n",
        ),
        (&["--count", "2", "--extract", r"\d+"], "123456\n654321\n"),
        (&["--count", "0", "--subject", "none", "--within", "0"], ""),
    ] {
        undisturbed(|| {
            let begun = Instant::now();
            let ended = ended(expect(&server, arguments));
            assert_eq!(
                ended,
                (0, stdout.to_owned(), String::new()),
                "{arguments:?}"
            );
            assert!(begun.elapsed() < Duration::from_secs(5), "it waited");
        });
    }
}

#[test]
fn a_message_that_is_to_come_is_waited_for() {
    let server = TestServer::start_catch(&[]);
    let waiting = expect(
        &server,
        &[
            "--subject",
            "welcome",
            "--extract",
            r"https://\S+",
            "--within",
            "600",
        ],
    );
    let both = expect(&server, &["--count", "2", "--within", "600"]);
    send(&server, "something else", "not this");
    send(&server, "welcome", "Click https://example.org/a?b=c here.");
    let begun = Instant::now();
    assert_eq!(
        ended(waiting),
        (0, "https://example.org/a?b=c\n".to_owned(), String::new())
    );
    assert_eq!(ended(both), (0, String::new(), String::new()));
    assert!(
        begun.elapsed() < Duration::from_secs(300),
        "it slept through it"
    );
}

#[test]
fn what_does_not_come_is_told_with_what_came_instead() {
    let server = TestServer::start_catch(&["--rule", "rcpt gone@* = 550 5.1.1 no such user"]);
    let (code, stdout, stderr) = ended(expect(&server, &["--within", "0"]));
    assert_eq!((code, &*stdout), (1, ""));
    assert!(
        stderr.contains("a message expected within 0 s, 0 came; the inbox is empty"),
        "{stderr}"
    );
    send(&server, "hello", "text");
    let mut client = Client::connect(server.address());
    client.expect("220");
    client.say(
        "HELO client\r\nMAIL FROM:<ann@example.com>\r\nRCPT TO:<gone@example.org>\r\nQUIT\r\n",
    );
    for reply in ["250", "250", "550", "221"] {
        client.expect(reply);
    }
    let (code, stdout, stderr) = ended(expect(&server, &["--subject", "welcome", "--within", "1"]));
    assert_eq!((code, &*stdout), (1, ""));
    for told in [
        "a message expected within 1 s, 0 came",
        "from ann@example.com to bob@example.org: hello",
        "C: RCPT TO:<gone@example.org>",
        "S: 550 no such user",
        "S: 250 Ok: queued as ",
    ] {
        assert!(stderr.contains(told), "{told} is not in\n{stderr}");
    }
    send(&server, "hello", "again");
    let (code, _, stderr) = ended(expect(&server, &["--count", "1", "--within", "60"]));
    assert_eq!(code, 1, "{stderr}");
    assert!(
        stderr.contains("exactly 1 expected within 60 s, 2 came"),
        "{stderr}"
    );
}

#[test]
fn what_is_wrong_is_told_by_the_exit_code() {
    let server = TestServer::start_catch(&[]);
    for option in ["--to", "--from", "--subject"] {
        let (code, _, stderr) = ended(expect(&server, &[option, "", "--within", "0"]));
        assert_eq!(code, 64, "{option}: {stderr}");
    }
    for option in ["--subject", "--body", "--extract"] {
        let (code, _, stderr) = ended(expect(&server, &[option, "(", "--within", "0"]));
        assert_eq!(code, 64, "{stderr}");
        assert!(stderr.contains("no regular expression"), "{stderr}");
    }
    let at = |url: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
        command
            .args(["expect", "--within", "0"])
            .env("MAILOOP_HTTP", url);
        let Output { status, stderr, .. } = command.output().unwrap();
        (status.code(), String::from_utf8(stderr).unwrap())
    };
    let (code, stderr) = at("https://127.0.0.1:8025");
    assert_eq!(code, Some(64), "{stderr}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let strange = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"220 this is SMTP\r\n").unwrap();
    });
    let (code, stderr) = at(&format!("http://{address}/"));
    assert_eq!(code, Some(69), "{stderr}");
    strange.join().unwrap();
    let (code, stderr) = at(&address.to_string());
    assert_eq!(code, Some(69), "{stderr}");
    assert!(stderr.contains("cannot connect"), "{stderr}");
    // A server without an inbox says so.
    let plain = TestServer::start(&["--http", "127.0.0.1:0"]);
    let (code, _, stderr) = ended(expect(&plain, &["--within", "0"]));
    assert_eq!(code, 69, "{stderr}");
    assert!(stderr.contains("keeps no inbox"), "{stderr}");
}

#[test]
fn a_server_that_wants_a_token_is_shown_the_one_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, token: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, token).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (right, wrong) = (path("right", "s3cret\n"), path("wrong", "other\n"));
    let (blank, none) = (path("blank", "two words\n"), path("none", "") + "x");
    let server = TestServer::start_catch(&["--http-token", &right]);
    send(&server, "Your code", "The code is 123456.");
    for (token, code, told) in [
        (None, 69, "wants a token: give --http-token FILE"),
        (Some(&wrong), 69, "wants another token"),
        (Some(&blank), 64, "one line"),
        (Some(&none), 64, "cannot read it"),
        (Some(&right), 0, ""),
    ] {
        let mut arguments = vec!["--within", "0", "--extract", r"\d+"];
        if let Some(token) = token {
            arguments.extend(["--http-token", token]);
        }
        let (ended_with, stdout, stderr) = ended(expect(&server, &arguments));
        assert_eq!(ended_with, code, "{token:?}: {stderr}");
        assert!(stderr.contains(told), "{token:?}: {stderr}");
        assert_eq!(stdout.is_empty(), code != 0, "{token:?}: {stdout}");
    }
    // The server's own variable names it as well.
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    command
        .args(["expect", "--within", "0"])
        .env("MAILOOP_HTTP", server.http_address())
        .env("MAILOOP_HTTP_TOKEN", &right);
    assert_eq!(command.status().unwrap().code(), Some(0));
}

#[test]
fn a_message_that_fits_but_for_what_is_extracted_is_told_as_that() {
    let server = TestServer::start_catch(&[]);
    let mut client = Client::connect(server.address());
    client.expect("220");
    client
        .say("HELO client\r\nMAIL FROM:<ann@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n");
    for reply in ["250", "250", "250", "354"] {
        client.expect(reply);
    }
    client.say("Subject: no names\r\n\r\ncode 123\r\n.\r\nQUIT\r\n");
    client.expect("250");
    client.expect("221");
    let extract = ["--extract", r"kode (\d+)", "--within", "0"];
    let fail = |more: &[&str]| {
        let (code, stdout, stderr) = ended(expect(&server, &[more, &extract].concat()));
        assert_eq!((code, &*stdout), (1, ""), "{stderr}");
        stderr
    };
    let stderr = fail(&["--to", "bob@example.org"]);
    for told in [
        r"a message expected within 0 s; a message came, --extract kode (\d+) found nothing in it",
        "from ann@example.com (envelope) to bob@example.org (envelope): no names",
    ] {
        assert!(stderr.contains(told), "{told} is not in\n{stderr}");
    }
    let stderr = fail(&["--to", "zed@example.org"]);
    assert!(
        stderr.contains("a message expected within 0 s, 0 came\n"),
        "{stderr}"
    );
    send(&server, "hello", "code 456");
    let stderr = fail(&["--to", "bob@example.org"]);
    assert!(stderr.contains("; 2 messages came, --extract"), "{stderr}");
}
