//! What somebody sees who has never run it: where the mail is, what is refused, and how that is told.

use std::process::Command;

use crate::common::client::Client;
use crate::common::{TestServer, wait_until};

#[test]
fn the_start_tells_where_mail_goes_and_how_to_read_it() {
    let server = TestServer::start(&[]);
    let mailbox = server.maildir().canonicalize().unwrap().join("DOMAIN/USER");
    let mailbox = mailbox.display();
    let line = format!("maildir={mailbox} read=\"mutt -f {mailbox}\"\n");
    assert!(server.log().contains(&line), "{line}{}", server.log());
    assert!(!server.log().contains("submission"), "{}", server.log());
    let sink = TestServer::start(&["--discard"]);
    assert!(sink.log().contains("discard why="), "{}", sink.log());
    assert!(!sink.log().contains("maildir="), "{}", sink.log());
}

#[test]
fn the_start_tells_that_submitted_mail_is_not_sent_on() {
    let server = TestServer::start(&["--listen-submission", "127.0.0.1:0"]);
    let line = "submission why=\"mail for domains that are not ours is refused: nothing is sent on";
    assert!(server.log().contains(line), "{}", server.log());
}

/// What `mailoop` says to these arguments, and how it ends.
fn told(arguments: &[&str]) -> (String, String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    let output = command.args(arguments).env_clear().output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (text(output.stdout), text(output.stderr), code)
}

#[test]
fn who_says_nothing_is_told_what_there_is() {
    let (stdout, help, code) = told(&[]);
    assert_eq!((stdout.as_str(), code), ("", 64));
    for line in ["Usage: mailoop", "  serve "] {
        assert!(help.contains(line), "{line}: {help}");
    }
    assert_eq!(told(&["--help"]), (help, String::new(), 0));
}

#[test]
fn help_has_headings_and_fits_a_terminal() {
    let (help, _, code) = told(&["serve", "--help"]);
    assert_eq!(code, 0);
    for heading in [
        "Where to listen:",
        "Limits:",
        "Timeouts:",
        "The configuration:",
    ] {
        assert!(help.lines().any(|line| line == heading), "{heading} {help}");
    }
    assert!(
        help.contains("nothing is sent on to other servers"),
        "{help}"
    );
    assert!(
        help.lines().all(|line| line.chars().count() <= 80),
        "{help}"
    );
}

#[test]
fn a_typo_in_a_flag_or_a_command_is_answered_with_what_was_meant() {
    for (arguments, meant) in [
        (
            &["serve", "--max-error", "3"][..],
            "did you mean --max-errors? (see mailoop serve --help)",
        ),
        (&["serve", "--lisen=127.0.0.1:1"], "did you mean --listen? "),
        (&["sevre"], "did you mean serve? (see mailoop --help)"),
        (
            &["serve", "--quite-different"],
            "found (see mailoop serve --help)",
        ),
        (&["serve-store"], "'serve-store' (see mailoop --help)"),
    ] {
        let (stdout, said, code) = told(arguments);
        assert_eq!((stdout.as_str(), code), ("", 64), "{said}");
        assert!(said.contains(meant), "{meant}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

/// As with plain nc: the dot is no end of the message by default, and whoever typed it waits for nothing.
#[test]
fn who_waits_behind_a_bare_dot_finds_a_hint_in_the_log() {
    let hint = " hint=\"a dot on a line of its own came, but between bare LFs";
    for (options, text, hints) in [
        (&[][..], "Subject: x\n\nbody\n.\n", 1),
        (&[], "Subject: x\n\nbody\n.\nQUIT\n.\n", 1),
        (&["--bare-newline", "reject"], "Subject: x\n\nbody\n.\n", 1),
        (&[], "Subject: x\r\n\r\nbody\n.\n\r\n.\r\n", 0),
        (&[], "Subject: x\r\n\r\nbody\r\n..\r\n\n..\n", 0),
    ] {
        let mut server = TestServer::start(options);
        let mut client = Client::connect(server.address());
        client.begin_message("bob@example.org");
        // A line at a time, as a terminal has it.
        for line in text.split_inclusive('\n') {
            client.say(line);
        }
        drop(client);
        wait_until("the end of the connection", || {
            server.log().contains(" closed=")
        });
        server.stop();
        let log = server.log();
        assert_eq!(log.matches(hint).count(), hints, "{text:?} {log}");
    }
}

#[cfg(feature = "man")]
#[test]
fn manual_pages_and_completions_tell_of_every_command_and_flag() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made");
    let (written, said, code) = told(&["man", path.to_str().unwrap()]);
    assert_eq!((said.as_str(), code), ("", 0));
    let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
    assert_eq!(written.lines().count(), crate::common::files(&path).len());
    let page = read("mailoop-serve.1");
    for option in mailoop::config::options::all() {
        let flag = format!("--{}", option.name);
        // A hyphen that is not to be broken at is escaped.
        let told = page.contains(&flag.replace('-', "\\-"));
        assert_eq!(told, !option.hidden, "{flag}: {page}");
        for shell in ["mailoop", "_mailoop"] {
            let told = read(shell).contains(&flag);
            assert_eq!(told, !option.hidden, "{flag} in {shell}");
        }
    }
    assert!(
        read("mailoop.1").contains("mailoop\\-send"),
        "{}",
        read("mailoop.1")
    );
    for name in crate::common::files(&path) {
        let text = std::fs::read_to_string(&name).unwrap();
        assert!(!text.contains("store-process"), "{}", name.display());
    }
    let (pages, _, code) = told(&["man"]);
    assert_eq!(
        (pages.matches(".TH ").count(), code),
        (written.matches(".1\n").count(), 0)
    );
}
