//! `mailoop queue` and the control socket in a spool: what a person and a program are shown, and how it ends.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mailoop::control::{Control, ControlRequest};
use mailoop::net::engine::Engine;
use mailoop::net::listener::Listener;
use mailoop::outbound::queue::RecipientState;
use mailoop::server::queue_answers::{QueueAction, answer};
use mailoop::store::Ticket;
use mailoop::store::spool::{
    ChangeCode, EncodedChange, MailId, SpoolEngine, SpoolOptions, SpoolSystem,
};
use tempfile::TempDir;

use crate::common::json::Json;
use crate::common::queue::{FakeQueue, NOW_MS, id};

/// `mailoop queue` in this folder, where nothing names a spool.
fn bare(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    command.arg("queue").args(arguments);
    command.env_clear().current_dir(folder);
    command
}

fn command(spool: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    command
        .args(["queue", "--spool"])
        .arg(spool)
        .args(arguments);
    command
}

fn run(spool: &Path, arguments: &[&str]) -> Output {
    command(spool, arguments).output().unwrap()
}

/// What it printed, if it ended well.
fn shown(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn failed(output: &Output, code: i32, message: &str) {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(message), "{said}");
}

/// Answers whoever asks of this queue, in a loop as the server's, while `ask` runs.
fn serve<T>(
    queue: impl FnOnce() -> FakeQueue + Send,
    ask: impl FnOnce(&Path) -> T,
) -> (T, Vec<Applied>) {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("queue.sock");
    let listener = Listener::bind_private((), &socket).unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let server = scope.spawn(|| {
            let mut queue = queue();
            let mut engine: Engine<Control> =
                Engine::new(vec![listener], Default::default()).unwrap();
            while !is_over.load(Ordering::Relaxed) {
                let wake = Instant::now() + Duration::from_millis(1);
                let welcome = |_: &_, _: &_| Some(Control::new());
                engine.tick(Some(wake), welcome, |_, _| {}).unwrap();
                let connections = engine.connections();
                for (ticket, request) in connections.shared_mut().take_requests() {
                    let ControlRequest::Queue(request) = request else {
                        panic!("{request:?}");
                    };
                    connections.complete(ticket, answer(request, &mut queue));
                }
            }
            queue.applied
        });
        let asked = ask(folder.path());
        is_over.store(true, Ordering::Relaxed);
        (asked, server.join().unwrap())
    })
}

type Applied = (QueueAction, MailId, Option<Vec<u16>>);

fn small_queue() -> FakeQueue {
    let mut queue = FakeQueue {
        // The client notices nothing of a disk that is slow.
        late_reads: 2,
        ..FakeQueue::default()
    };
    queue.add(
        1,
        60,
        "ada@example.org",
        &["bob@far.example", "\"b b\"@near.example"],
    );
    queue.add(2, 7200, "", &["ada@far.example"]);
    queue.mails.get_mut(&id(2)).unwrap().states[0] = RecipientState::Held;
    queue
}

#[test]
fn mail_is_listed_and_shown() {
    let ((list, json, show, sites), _) = serve(small_queue, |spool| {
        (
            shown(&run(spool, &["list"])),
            shown(&run(spool, &["list", "--json"])),
            shown(&run(spool, &["show", "Q000000070001"])),
            shown(&run(spool, &["sites"])),
        )
    });
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 5, "{list}");
    let fields: Vec<&str> = lines[0].split(' ').collect();
    assert_eq!(fields[..2], ["Q000000070001", "20"]);
    assert_eq!(fields[3..], ["<ada@example.org>", "waiting"]);
    assert!(
        lines[2].starts_with("  <\"b b\"@near.example> waiting, tries 3, next "),
        "{list}"
    );
    assert!(
        lines[2].ends_with(": 451 4.7.1 Greylisted, come back"),
        "{list}"
    );
    assert!(lines[3].ends_with(" <> held"), "{list}");
    let mails: Vec<_> = json.lines().map(Json::parse).collect();
    assert_eq!(mails.len(), 2);
    let mail = &mails[0];
    assert_eq!(mail.text("from"), Some("ada@example.org"));
    let seconds = |seconds: u64| seconds.to_string();
    let queued = seconds(NOW_MS / 1000 - 60);
    assert_eq!(mail.number("queued"), Some(queued.as_str()));
    let to = &mail.get("to").unwrap().list()[1];
    assert_eq!(to.text("address"), Some("\"b b\"@near.example"));
    let next = seconds(NOW_MS / 1000 + 60);
    assert_eq!(to.number("next"), Some(next.as_str()));
    assert!(show.ends_with("\n\nSubject: x\n"), "{show}");
    assert!(show.contains("\n  from: <ada@example.org>\n"), "{show}");
    assert_eq!(sites.lines().count(), 201);
}

#[test]
fn mail_is_changed_and_unknown_mail_is_told() {
    let ((), applied) = serve(small_queue, |spool| {
        let held = run(spool, &["hold", "Q000000070001", "Q000000070002"]);
        assert_eq!(shown(&held), "held: 2 messages, 3 recipients\n");
        let unknown = run(spool, &["release", "Q000000070003", "Q000000070001"]);
        failed(&unknown, 65, "no mail Q000000070003 is in the queue");
        // The other one is released all the same.
        assert_eq!(unknown.stdout, b"released: 1 message, 2 recipients\n");
        let deleted = run(
            spool,
            &[
                "delete",
                "--domain",
                "FAR.example",
                "--sender",
                "<>",
                "--older",
                "7200",
            ],
        );
        assert_eq!(shown(&deleted), "deleted: 1 message, 1 recipient\n");
        assert_eq!(
            shown(&run(spool, &["retry", "--all"])),
            "tried at once: 2 messages, 3 recipients\n"
        );
        failed(
            &run(spool, &["show", "Q000000070009"]),
            65,
            "no mail Q000000070009",
        );
        failed(&run(spool, &["show", "x"]), 65, "no mail is called");
        // One that can be no id keeps nobody from the others either.
        let other = run(spool, &["hold", "x", "Q000000070002"]);
        failed(&other, 65, "no mail is called \"x\"");
        assert_eq!(other.stdout, b"held: 1 message, 1 recipient\n");
        failed(&run(spool, &["hold", "x"]), 65, "no mail is called");
        let older = run(spool, &["hold", "--older", "1h"]);
        failed(&older, 64, "write seconds");
        failed(&run(spool, &["hold"]), 64, "say which mail");
        failed(&run(spool, &["hold", "--all", "--older", "1"]), 64, "--all");
    });
    use QueueAction::{Delete, Hold, Release, Retry};
    let expected = [
        (Hold, 1),
        (Hold, 2),
        (Release, 1),
        (Delete, 2),
        (Retry, 1),
        (Retry, 2),
        (Hold, 2),
    ];
    let applied: Vec<_> = applied
        .iter()
        .map(|(action, mail, _)| (*action, mail.count))
        .collect();
    assert_eq!(applied, expected);
}

#[test]
fn what_is_not_sure_yet_is_to_be_tried_again() {
    let empty = || FakeQueue {
        is_scanning: true,
        ..FakeQueue::default()
    };
    serve(empty, |spool| {
        for arguments in [
            &["list"][..],
            &["list", "--json"],
            &["sites"],
            &["show", "Q000000070001"],
            &["delete", "Q000000070001"],
            &["hold", "--all"],
        ] {
            let output = run(spool, arguments);
            failed(&output, 75, "still reads its spool");
            failed(&output, 75, "try again");
        }
    });
    let stuck = || FakeQueue {
        late_syncs: u32::MAX,
        sync_ms: 10_000,
        ..small_queue()
    };
    serve(stuck, |spool| {
        let held = run(spool, &["hold", "Q000000070001"]);
        failed(&held, 75, "the mail is held, but that is not stored yet");
        assert_eq!(held.stdout, b"held: 0 messages, 0 recipients\n");
    });
}

#[test]
fn a_long_listing_is_whole_and_may_be_cut_by_its_reader() {
    const MAILS: u32 = 20_000;
    let many = || {
        let mut queue = FakeQueue::default();
        for count in 0..MAILS {
            queue.add(count, 60, "ada@example.org", &["bob@far.example"]);
        }
        queue
    };
    let (listed, _) = serve(many, |spool| {
        let listed = shown(&run(spool, &["list"]));
        let mut cut = command(spool, &["list"]);
        let mut child = cut
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut first)
            .unwrap();
        // Whoever reads has had enough: that is no failure.
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{output:?}"
        );
        listed
    });
    assert_eq!(listed.lines().count(), 2 * MAILS as usize);
    assert!(listed.contains(&format!("\n{} ", id(MAILS - 1))));
}

#[test]
fn without_a_server_it_says_so() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "no spool").unwrap();
    for spool in [&file, &folder.path().join("none"), folder.path()] {
        for arguments in [&["list"][..], &["sites"], &["retry", "--all"]] {
            failed(&run(spool, arguments), 66, "cannot read the spool");
        }
    }
    fs::create_dir(folder.path().join("segments")).unwrap();
    for arguments in [&["sites"][..], &["hold", "--all"]] {
        let output = run(folder.path(), arguments);
        failed(
            &output,
            69,
            &format!("no server has the spool {}", folder.path().display()),
        );
    }
    // A socket of a server that is gone.
    drop(UnixListener::bind(folder.path().join("queue.sock")).unwrap());
    failed(
        &run(folder.path(), &["sites"]),
        69,
        "no server has the spool",
    );
}

#[test]
fn without_a_server_the_spool_is_read() {
    let folder = TempDir::new().unwrap();
    let spool = folder.path().join("spool");
    failed(&run(&spool, &["list"]), 66, "cannot read the spool");
    assert!(!spool.exists(), "nothing is made");
    let no_spool = run(folder.path(), &["list"]);
    failed(&no_spool, 66, "so it is no spool");
    let disk = SpoolSystem::open(&spool).unwrap();
    let mut engine = SpoolEngine::start(disk, SpoolOptions::default(), 1000).unwrap();
    let mail = MailId {
        instance: engine.instance(),
        count: 1,
    };
    let queue = small_queue();
    let envelope = &queue.mails[&id(1)].envelope;
    let ticket = Ticket(1);
    engine.open(ticket, mail, 2, &envelope.encode());
    engine.write(ticket, b"Subject: \x1b[2J\r\n x\r\n\r\nno: body\r\n");
    engine.submit(ticket);
    while engine.round() {}
    engine.change(EncodedChange {
        mail,
        code: ChangeCode::Done,
        recipients: vec![0],
        report: None,
    });
    while engine.round() {}
    drop(engine);
    let listed = shown(&run(&spool, &["list"]));
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 2, "{listed}");
    assert!(lines[0].starts_with("Q000003E80001 31 "), "{listed}");
    assert!(lines[0].ends_with(" <ada@example.org> waiting"), "{listed}");
    assert_eq!(lines[1], "  <\"b b\"@near.example> waiting");
    // The folder is named as for the server, and its usual one is the same.
    let other = TempDir::new().unwrap();
    let by_variable = bare(other.path(), &["list"])
        .env("MAILOOP_SPOOL", &spool)
        .output();
    assert_eq!(shown(&by_variable.unwrap()), listed);
    let usual = bare(folder.path(), &["list"])
        .env("MAILOOP_SPOOL", "")
        .output();
    assert_eq!(shown(&usual.unwrap()), listed);
    let show = shown(&run(&spool, &["show", "Q000003E80001"]));
    assert!(show.ends_with("\n\nSubject: ?[2J\n x\n"), "{show}");
    failed(
        &run(&spool, &["show", "Q000003E80002"]),
        65,
        "no mail Q000003E80002",
    );
    failed(
        &run(&spool, &["delete", "--all"]),
        69,
        "no server has the spool",
    );
}

#[test]
fn a_server_of_another_kind_is_told() {
    let folder = TempDir::new().unwrap();
    let listener = UnixListener::bind(folder.path().join("queue.sock")).unwrap();
    for (code, says, message) in [
        (
            75,
            "error too many look already\n",
            "too many look already; try again",
        ),
        (69, "220 mx ESMTP\n", "this is no control socket"),
        (69, "control 2 mailoop\n", "another version"),
        (69, "control 1 mailoop\nmail id=Q", "the server has ended"),
        (69, "", "the server has ended"),
    ] {
        let output = thread::scope(|scope| {
            scope.spawn(|| {
                let (mut peer, _) = listener.accept().unwrap();
                peer.write_all(says.as_bytes()).unwrap();
            });
            run(folder.path(), &["list"])
        });
        failed(&output, code, message);
    }
}
