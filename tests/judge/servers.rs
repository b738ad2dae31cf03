//! Servers that are judged: a student's, right and with each of its faults.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::common::pauses::undisturbed;
use crate::common::program::{Running, installed};
use crate::judged::{Fault, assert_complete, judge, python, whole_run};

const FAULTS: [Fault; 45] = [
    (
        "no-greeting",
        "greeting",
        "greeted with 220 as soon as it is connected",
    ),
    ("greeting-250", "greeting", "greeted with 220"),
    ("lf-only", "crlf", "ends in CR LF"),
    ("quit-unanswered", "quit", "QUIT is answered with 221"),
    (
        "quit-stays-open",
        "quit-closes",
        "closes the connection after its reply to QUIT",
    ),
    (
        "ehlo-never-ends",
        "ehlo",
        "EHLO is answered with 250, in one line or several",
    ),
    (
        "mail-before-hello",
        "mail-before-hello",
        "MAIL before HELO is refused",
    ),
    (
        "rcpt-before-mail",
        "rcpt-before-mail",
        "RCPT before MAIL is refused",
    ),
    (
        "data-without-rcpt",
        "data-before-rcpt",
        "DATA before RCPT is refused",
    ),
    (
        "nested-mail",
        "mail-twice",
        "A second MAIL amid a transaction is refused",
    ),
    (
        "rset-forgets-nothing",
        "rset-ends-transaction",
        "RSET is answered with 250 and ends the transaction",
    ),
    (
        "hello-forgets-nothing",
        "ehlo-resets",
        "EHLO amid a transaction ends that",
    ),
    (
        "one-message",
        "two-messages",
        "A second message in the same session",
    ),
    (
        "keeps-recipients",
        "rcpt-after-message",
        "A message ends its transaction",
    ),
    ("case-sensitive", "any-case", "small letters"),
    (
        "unknown-250",
        "unknown-command",
        "An unknown command is refused",
    ),
    (
        "unknown-closes",
        "goes-on-after-error",
        "After a command that was refused the session goes on",
    ),
    (
        "never-recovers",
        "goes-on-after-error",
        "After a command that was refused the session goes on",
    ),
    (
        "no-noop",
        "noop-changes-nothing",
        "NOOP amid a transaction is answered with 250",
    ),
    (
        "no-null-sender",
        "null-sender",
        "The empty address <> is taken as a sender",
    ),
    (
        "any-syntax",
        "mail-without-from",
        "MAIL without FROM: is refused",
    ),
    ("data-250", "data", "DATA is answered with 354"),
    (
        "read-is-command",
        "command-in-pieces",
        "comes in several pieces is put together",
    ),
    (
        "rest-lost",
        "command-in-pieces",
        "comes in several pieces is put together",
    ),
    (
        "first-line-only",
        "one-write",
        "Commands that come in one segment are each answered",
    ),
    (
        "dot-in-own-read",
        "text-at-once",
        "in one segment with the text",
    ),
    (
        "end-split-missed",
        "end-of-data-cut",
        "found wherever it is cut into segments",
    ),
    (
        "any-dot-ends",
        "dot-and-more",
        "a dot and something else ends no message",
    ),
    ("unstuffs-first", "dots", "A line of two dots"),
    (
        "lf-dot-ends",
        "bare-lf",
        "A dot between two LF without CR ends no message",
    ),
    (
        "empty-hangs",
        "empty-message",
        "ends a message without any text",
    ),
    (
        "commands-in-text",
        "commands-in-text",
        "Lines of a message are no commands",
    ),
    (
        "line-of-1000",
        "long-text-line",
        "A line of text may have 1000 octets",
    ),
    ("ascii-only", "eight-bit", "Octets beyond ASCII in a text"),
    (
        "one-buffer",
        "sixty-four-kilobytes",
        "A message of 64 KiB is taken",
    ),
    (
        "reply-too-early",
        "no-reply-in-text",
        "No line of a message is answered, but the one that ends it",
    ),
    (
        "one-client",
        "second-client",
        "A second client is served within a second while the first one is silent",
    ),
    (
        "ten-clients",
        "fifty-clients",
        "Of fifty clients at once each is served",
    ),
    (
        "one-state",
        "sessions-apart",
        "Each client has a session of its own",
    ),
    (
        "one-recipient",
        "several-recipients",
        "A message may have several recipients",
    ),
    (
        "refused-ends-all",
        "one-bad-recipient",
        "A recipient that is refused leaves the others",
    ),
    (
        "impatient",
        "slow-client",
        "A client that thinks for two seconds is waited for",
    ),
    (
        "dies-in-data",
        "vanishes-in-text",
        "lives on when a client vanishes amid its text",
    ),
    (
        "dies-in-command",
        "vanishes-in-command",
        "lives on when a client vanishes amid a command",
    ),
    (
        "dies-of-reset",
        "resets-in-text",
        "lives on when a client resets the connection",
    ),
];

/// Servers that are judged side by side; most of their time somebody waits.
const AT_ONCE: usize = 4;

/// A student's server, and its address.
fn start(fault: Option<&str>) -> (Running, String) {
    let mut command = python("servers");
    command.args(fault.into_iter().flat_map(|fault| ["--fault", fault]));
    let mut server = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let stdout = server.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening smtp ").unwrap();
    (Running(server), address.to_owned())
}

#[test]
fn a_correct_server_passes_every_check() {
    if !installed(&["python3"]) {
        return;
    }
    let (_server, address) = start(None);
    let server = ["server", &address, "--json"];
    let run = whole_run(|only| judge(&[&server[..], only].concat()));
    let text = &run.told.text;
    assert_eq!(run.failed, [""; 0], "{text}");
    assert_eq!(run.told.with_result("skipped"), [""; 0], "{text}");
}

#[test]
fn each_fault_of_a_server_is_found_by_a_check_that_names_it() {
    if !installed(&["python3"]) {
        return;
    }
    assert_complete("servers", &FAULTS);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(fault) = FAULTS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    undisturbed(|| {
                        let (_server, address) = start(Some(fault.0));
                        let told = judge(&[
                            "server",
                            &address,
                            "--json",
                            "--timeout",
                            "2",
                            "--only",
                            fault.1,
                        ]);
                        told.assert_fails_with(*fault);
                    });
                }
            });
        }
    });
}
