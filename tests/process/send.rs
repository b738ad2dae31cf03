//! `mailoop send` against the real server.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::common::TestServer;
use crate::common::dialogue::matches;
use mailoop::cli::{self, Request};
use mailoop::exit::ExitCode;

fn send(server: &TestServer, arguments: &[&str], message: &str) -> Output {
    send_as("", server.address(), arguments, message)
}

/// Sends with this password to the server at `address`.
pub(crate) fn send_as(password: &str, address: &str, arguments: &[&str], message: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mailoop"))
        .args(["send", "--server", address])
        .args(arguments)
        .env("MAILOOP_PASSWORD", password)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have found something wrong before it reads this.
    let _ = child.stdin.take().unwrap().write_all(message.as_bytes());
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

const TEXTBOOK: &str = "\
S: 220 mx.example.org ESMTP mailoop
C: HELO example.com
S: 250 Hello example.com, pleased to meet you.
C: MAIL FROM:<sender@fci-cu.edu.eg.com>
S: 250 Ok
C: RCPT TO:<recipient@fci-cu.edu.eg.com>
S: 250 Ok
C: DATA
S: 354 Enter message, ending with \"end of email\" on a line by itself
C: Subject: This is the subject of the email
C:
C: This is the body of the email
C: end of email
S: 250 Ok: queued as <id>
C: QUIT
S: 221 Bye
";

#[test]
fn it_plays_the_textbook_session() {
    let server = TestServer::start(&["--end-of-data", "end of email"]);
    let message = "Subject: This is the subject of the email\n\nThis is the body of the email\n";
    let output = send(
        &server,
        &[
            "-v",
            "--helo",
            "example.com",
            "--end-of-data",
            "end of email",
            "--from",
            "sender@fci-cu.edu.eg.com",
            "--to",
            "recipient@fci-cu.edu.eg.com",
        ],
        message,
    );
    let dialogue = stdout(&output);
    assert!(matches(TEXTBOOK, &dialogue), "{dialogue}");
    assert_eq!(
        server.message("recipient@fci-cu.edu.eg.com"),
        message.as_bytes()
    );
}

#[test]
fn it_plays_the_session_that_the_readme_shows() {
    let server = TestServer::start(&["--hostname", "mail.example.org"]);
    let readme = include_str!("../../README.md");
    let shown = |start: &str, end: &str| {
        let from = readme.find(start).unwrap();
        readme[from..from + readme[from..].find(end).unwrap()].to_owned()
    };
    let arguments = [
        "-v",
        "--helo",
        "example.com",
        "--end-of-data",
        ".",
        "--from",
        "sender@example.com",
    ];
    let output = send(
        &server,
        &[&arguments[..], &["--to", "recipient@example.org"]].concat(),
        "Subject: hello\n\nbody\n",
    );
    let dialogue = shown("S: 220", "$ cat").replace("6B0453FA0001", "<id>");
    assert!(matches(&dialogue, stdout(&output)), "{}", stdout(&output));
    let new = std::fs::read_to_string(&server.new_mail("recipient@example.org")[0]).unwrap();
    let file = shown("Return-Path: ", "```");
    let varies = |line: &&str| !line.contains(" id ") && !line.contains(" +0000");
    assert_eq!(
        new.lines().filter(varies).collect::<Vec<_>>(),
        file.lines().filter(varies).collect::<Vec<_>>()
    );
}

#[test]
fn it_says_only_what_was_accepted_unless_asked_and_adds_what_is_missing() {
    let server = TestServer::start(&[]);
    let arguments = [
        "--from",
        "a@example.com",
        "--to",
        "b@example.org",
        "--to",
        "c@example.org",
    ];
    let output = send(
        &server,
        &arguments,
        "Subject: x\r\n\n.\n..\nGr\u{fc}\u{df}e",
    );
    let accepted = format!(
        "{} accepted the message: 250 2.0.0 Ok: queued as ",
        server.address()
    );
    assert!(
        stdout(&output).starts_with(&accepted),
        "{}",
        stdout(&output)
    );
    assert_eq!(stdout(&output).lines().count(), 1);
    let message = String::from_utf8(server.message("b@example.org")).unwrap();
    let (header, body) = message.split_once("\n\n").unwrap();
    assert_eq!(body, ".\n..\nGr\u{fc}\u{df}e\n");
    for field in [
        "Subject: x",
        "Date: ",
        "Message-ID: <",
        "From: a@example.com",
        "To: b@example.org,",
    ] {
        assert!(
            header.lines().any(|line| line.starts_with(field)),
            "{field} is not in\n{header}"
        );
    }
    assert_eq!(server.message("c@example.org"), message.as_bytes());
}

#[test]
fn it_ends_with_what_the_server_said() {
    let server = TestServer::start(&[
        "--domain",
        "example.org",
        "--max-recipients",
        "1",
        "--max-message-size",
        "1k",
    ]);
    let from = ["--from", "a@example.com", "--to", "b@example.org"];
    let ended = |arguments: &[&str], message: &str, code: i32, word: &str| {
        let output = send(&server, arguments, message);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(
            said.lines().count() == 1 && said.starts_with("mailoop: ") && said.contains(word),
            "{said}"
        );
    };
    ended(
        &["--from", "a@example.com", "--to", "b@elsewhere.example"],
        "x",
        65,
        "Relay not permitted",
    );
    ended(
        &[&from[..], &["--to", "c@example.org"]].concat(),
        "x",
        75,
        "too many recipients",
    );
    ended(&from, &"x".repeat(2000), 65, "octets");
    ended(
        &[&from[..], &["--end-of-data", "bye"]].concat(),
        "one\nbye\ntwo\n",
        65,
        "bye",
    );
    ended(
        &[&from[..], &["/no/such/file"]].concat(),
        "",
        74,
        "/no/such/file",
    );
    let output = Command::new(env!("CARGO_BIN_EXE_mailoop"))
        .args([
            "send",
            "--server",
            "127.0.0.1:1",
            "--from",
            "a@b",
            "--to",
            "c@d",
        ])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(69));
}

#[test]
fn a_wrong_command_line_is_told_in_one_line() {
    for (arguments, word) in [
        (
            &["--server", "127.0.0.1", "--from", "a@b", "--to", "c@d"][..],
            "HOST:PORT",
        ),
        (&["--server", "127.0.0.1:1", "--from", "a@b"], "--to"),
        (
            &["--server", "127.0.0.1:1", "--from", "a@b", "--to", "nobody"],
            "user@example.org",
        ),
        (
            &["--form", "a@example.org"],
            "did you mean --from? (see mailoop send --help)",
        ),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
        let output = command.arg("send").args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {said}");
        assert!(
            said.lines().count() == 1 && said.starts_with("mailoop: ") && said.contains(word),
            "{arguments:?}: {said}"
        );
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_is_there_for_it() {
    for (arguments, word) in [
        (&["--help"][..], "  send "),
        (&["send", "--help"], "--from <ADDR>"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
        let output = command.args(arguments).output().unwrap();
        assert!(stdout(&output).contains(word), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn a_client_writes_addresses_in_ascii() {
    for [from, to] in [["a@b", "ü@b"], ["a@b", "a@ü"], ["ü@b", "a@b"]] {
        let arguments = [
            "mailoop", "send", "--server", "h:1", "--from", from, "--to", to,
        ];
        let parsed = cli::parse(arguments.map(Into::into));
        assert!(parsed.is_err_and(|failed| failed.code == ExitCode::Usage));
    }
}

#[test]
fn a_client_names_itself_in_one_printable_word() {
    let parse = |name: &str| {
        let arguments = [
            "mailoop", "send", "--server", "h:1", "--from", "", "--to", "a@b", "--helo", name,
        ];
        cli::parse(arguments.map(Into::into))
    };
    for name in ["client", "[127.0.0.1]", "under_score"] {
        match parse(name) {
            Ok(Request::Run(send)) => {
                let helo = format!("helo: {:?}", Some(name));
                assert!(format!("{send:?}").contains(&helo), "{send:?}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    for name in ["", "a b", "a\r\nQUIT", "\u{fc}"] {
        assert!(parse(name).is_err_and(|failed| failed.code == ExitCode::Usage));
    }
}

/// A server at `localhost` with a certificate that its file vouches for, and with Ada, whose password is `pencil`.
#[cfg(all(feature = "tls", feature = "auth"))]
struct Secured {
    server: TestServer,
    certificate: String,
    _folder: tempfile::TempDir,
}

#[cfg(all(feature = "tls", feature = "auth"))]
impl Secured {
    fn start(listen: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let certificate = write("pem", crate::common::tls::certificate_and_key("localhost"));
        let users = write("users", crate::common::users_file(&[("ada", "pencil")]));
        let shown = ["--tls-cert", &certificate, "--tls-key", &certificate];
        let known = ["--users", &users, listen, "127.0.0.1:0"];
        Self {
            server: TestServer::start(&[shown, known].concat()),
            certificate,
            _folder: folder,
        }
    }

    fn send(&self, password: &str, arguments: &[&str]) -> Output {
        let envelope = ["--from", "ada@example.com", "--to", "b@example.org"];
        let address = format!("localhost:{}", self.server.port());
        let arguments = [&envelope, arguments].concat();
        send_as(password, &address, &arguments, "Subject: x\n\nbody\n")
    }
}

#[cfg(all(feature = "tls", feature = "auth"))]
#[test]
fn it_logs_in_under_tls() {
    for (listen, begin, login) in [
        (
            "--listen-submission",
            "--starttls",
            "\nS: 220 2.0.0 Ready to start TLS\nC: EHLO ",
        ),
        ("--listen-submissions", "--tls", "S: 220 "),
    ] {
        let secured = Secured::start(listen);
        let trust = ["--tls-ca", &secured.certificate];
        let output = secured.send(
            "pencil",
            &[&[begin, "-v", "--auth", "ada"], &trust[..]].concat(),
        );
        let dialogue = stdout(&output);
        let shown =
            "\nC: AUTH SCRAM-SHA-256-PLUS ***\nS: 334 ***\nC: ***\nS: 334 ***\nC:\nS: 235 2.7.0 ";
        assert!(
            dialogue.contains(login) && dialogue.contains(shown),
            "{dialogue}"
        );
        let mail = std::fs::read_to_string(&secured.server.new_mail("b@example.org")[0]).unwrap();
        assert!(mail.contains(" with ESMTPSA "), "{mail}");

        let output = secured.send("Pencil", &[&[begin, "--auth", "ada"], &trust[..]].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(65), "{said}");
        assert!(
            said.contains("refused the login of ada: 535 5.7.8 "),
            "{said}"
        );

        // Nobody on this machine vouches for it, and who does not ask gets a warning.
        let output = secured.send("pencil", &[begin, "--auth", "ada"]);
        assert_eq!(output.status.code(), Some(69), "{output:?}");
        let output = secured.send("pencil", &[begin, "--auth", "ada", "--insecure"]);
        stdout(&output);
        let warning = String::from_utf8(output.stderr).unwrap();
        assert!(
            warning.starts_with("mailoop: warning: ") && warning.lines().count() == 1,
            "{warning}"
        );
        assert_eq!(secured.server.new_mail("b@example.org").len(), 2);
    }
}

#[test]
fn options_that_do_not_go_together_are_a_usage_error() {
    for (arguments, feature, word) in [
        (
            &["--tls", "--starttls"][..],
            cfg!(feature = "tls"),
            "--starttls",
        ),
        (
            &["--starttls", "--helo", "x"],
            cfg!(feature = "tls"),
            "--helo",
        ),
        (&["--insecure"], cfg!(feature = "tls"), "--tls"),
        (&["--tls-ca", "x"], cfg!(feature = "tls"), "--tls"),
        (
            &["--tls", "--tls-ca", "x", "--insecure"],
            cfg!(feature = "tls"),
            "--insecure",
        ),
        (
            &["--auth", "ada", "--helo", "x"],
            cfg!(feature = "auth"),
            "--helo",
        ),
        (
            &["--auth", "ada"],
            cfg!(feature = "auth"),
            "neither of them empty",
        ),
    ] {
        let envelope = ["--from", "a@b", "--to", "c@d"];
        let arguments = [&envelope, arguments].concat();
        let output = send_as("", "127.0.0.1:1", &arguments, "");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{said}");
        let word = if feature { word } else { "unexpected argument" };
        assert!(said.lines().count() == 1 && said.contains(word), "{said}");
    }
}
