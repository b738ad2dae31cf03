//! Clients that are judged: a student's, right and with each of its faults, and those that people use.

use std::fs;

use crate::common::pauses::undisturbed;
use crate::common::program::installed;
use crate::common::wait_until;
use crate::judged::{Fault, Told, assert_complete, judge, student, whole_run};

const FAULTS: [Fault; 20] = [
    ("lf-only", "line-ends", "CR LF, not in a bare LF"),
    (
        "speaks-first",
        "greeting",
        "nothing before the server has greeted",
    ),
    ("impatient", "slow", "waits some seconds"),
    ("any-greeting", "not-here", "greeted with 554 sends nothing"),
    (
        "ehlo-only",
        "helo-instead",
        "HELO where the server does not know EHLO",
    ),
    (
        "first-line-only",
        "multi-line",
        "all lines of a multi-line reply for one reply",
    ),
    (
        "read-is-reply",
        "in-pieces",
        "in however many pieces it comes",
    ),
    (
        "any-sender",
        "sender-refused",
        "sender is refused with 550 goes no further",
    ),
    (
        "any-recipient",
        "nobody-accepted",
        "all refused with 550 does not go on to DATA",
    ),
    (
        "one-refused-ends-all",
        "one-of-two",
        "sends the message to the other one",
    ),
    (
        "no-go-ahead",
        "go-ahead",
        "no text before the server has answered DATA",
    ),
    (
        "any-go-ahead",
        "data-refused",
        "DATA is refused with 554 does not send the text",
    ),
    ("no-stuffing", "dots", "begins with a dot gets one more dot"),
    (
        "dot-on-last-line",
        "last-line",
        "dot that ends the message has a line of its own",
    ),
    (
        "exits-zero",
        "text-refused",
        "exits with another code than 0",
    ),
    (
        "partly-is-sent",
        "one-of-two-told",
        "one was refused exits with another code than 0",
    ),
    (
        "lost-is-sent",
        "lost-after-text",
        "connection is lost after the dot",
    ),
    (
        "only-5yz",
        "nobody-accepted-now",
        "all deferred with 450 does not go on",
    ),
    (
        "unsent-without-bye",
        "lost-at-quit",
        "exits with 0 even if the connection is lost at QUIT",
    ),
    ("no-quit", "quit", "says QUIT before it closes"),
];

/// Judges a command whose words name host and port.
fn judge_command(options: &[&str], command: &[&str]) -> Told {
    judge(&[&["client", "--json"], options, &["--"], command].concat())
}

fn judge_student(options: &[&str], fault: Option<&str>) -> Told {
    let script = student("clients");
    let mut command = vec!["python3", "-B", "-E", "-s", script.to_str().unwrap()];
    command.extend(fault.into_iter().flat_map(|fault| ["--fault", fault]));
    command.extend([
        "{host}",
        "{port}",
        "a@example.com",
        "b@example.org",
        "c@example.org",
    ]);
    judge_command(options, &command)
}

/// All that a client fails of the whole run, which it may do.
#[track_caller]
fn assert_failed(command: &[&str], expected: &[&str]) {
    let told = whole_run(|only| judge_command(only, command));
    assert_eq!(told.failed, expected, "{}", told.told.text);
}

#[test]
fn a_correct_client_passes_every_check() {
    if !installed(&["python3"]) {
        return;
    }
    let run = whole_run(|only| judge_student(only, None));
    assert_eq!(run.failed, [""; 0], "{}", run.told.text);
    assert_eq!(run.told.with_result("skipped"), [""; 0]);
}

#[test]
fn each_fault_of_a_client_is_found_by_a_check_that_names_it() {
    if !installed(&["python3"]) {
        return;
    }
    assert_complete("clients", &FAULTS);
    for fault @ (name, check, _) in FAULTS {
        undisturbed(|| {
            let told = judge_student(&["--timeout", "2", "--only", check], Some(name));
            told.assert_fails_with(fault);
        });
    }
}

#[cfg(feature = "send")]
#[test]
fn mailoop_send_passes_every_check() {
    let program = env!("CARGO_BIN_EXE_mailoop");
    let mut command = vec![program, "send", "--server", "{host}:{port}"];
    command.extend(["--from", "a@example.com"]);
    command.extend(["--to", "b@example.org", "--to", "c@example.org"]);
    assert_failed(&command, &[]);
}

#[test]
fn curl_gives_up_all_recipients_for_one() {
    if !installed(&["curl"]) {
        return;
    }
    let mut command = vec!["curl", "--silent", "--crlf", "--upload-file", "-"];
    command.extend([
        "--url",
        "smtp://{host}:{port}",
        "--mail-from",
        "a@example.com",
    ]);
    command.extend([
        "--mail-rcpt",
        "b@example.org",
        "--mail-rcpt",
        "c@example.org",
    ]);
    assert_failed(&command, &["one-of-two"]);
}

#[test]
fn msmtp_wants_a_text_and_says_no_quit_when_it_is_refused() {
    if !installed(&["msmtp"]) {
        return;
    }
    let mut command = vec!["msmtp", "--host={host}", "--port={port}", "--tls=off"];
    command.extend([
        "--auth=off",
        "--from=a@example.com",
        "b@example.org",
        "c@example.org",
    ]);
    assert_failed(&command, &["code-alone", "refused-quit", "one-of-two"]);
}

#[test]
fn swaks_wants_a_text_and_takes_only_250() {
    if !installed(&["swaks"]) {
        return;
    }
    let mut command = vec![
        "swaks", "--server", "{host}", "--port", "{port}", "--data", "-",
    ];
    command.extend([
        "--from",
        "a@example.com",
        "--to",
        "b@example.org,c@example.org",
    ]);
    let failed = [
        "code-alone",
        "any-success",
        "one-of-two-told",
        "lost-at-quit",
    ];
    assert_failed(&command, &failed);
}

#[test]
fn a_command_that_cannot_be_run_is_told_at_once() {
    let told = judge_command(&[], &["/nonexistent/client", "{port}"]);
    assert_eq!(told.code, Some(69));
    assert!(
        told.errors.contains("cannot run /nonexistent/client"),
        "{}",
        told.errors
    );
    let told = judge_command(&[], &[]);
    assert_eq!(told.code, Some(64), "{}", told.errors);
}

#[test]
fn a_client_that_hangs_is_killed_with_all_that_it_started() {
    if !installed(&["python3"]) {
        return;
    }
    let script = "import socket, subprocess, sys\n\
                  connection = socket.create_connection(sys.argv[1:])\n\
                  child = subprocess.Popen(['sleep', '600'])\n\
                  print('child', child.pid, flush=True)\n\
                  child.wait()";
    let options = ["--timeout", "1", "--only", "quit"];
    // It has that second to say who its child is.
    let pid = undisturbed(|| {
        let told = judge_command(&options, &["python3", "-c", script, "{host}", "{port}"]);
        told.assert_fails_with(("hangs", "quit", "says QUIT"));
        let (_, rest) = told.text.split_once("printed \\\"child ").unwrap();
        rest.split_once('\\').unwrap().0.to_owned()
    });
    wait_until("the end of a child of the client", || {
        // Whoever takes over orphans may not have waited for it yet.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    });
}

#[test]
fn the_command_finds_host_and_port_in_its_words_and_its_environment() {
    let script =
        "test \"$1:$2\" = \"$MAILOOP_JUDGE_HOST:$MAILOOP_JUDGE_PORT\" && echo \"$1\" && exit 7";
    let told = judge_command(
        &["--only", "connects"],
        &["sh", "-c", script, "sh", "{host}", "{port}"],
    );
    assert!(
        told.text.contains("ended with exit code 7"),
        "{}",
        told.text
    );
    assert!(
        told.text.contains("printed \\\"127.0.0.1\\\""),
        "{}",
        told.text
    );
}
