//! What an operator does with a queue that is at work, and with the routes of it.

use std::fs;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;

use crate::common::{processes, wait_until};
use crate::mail::{delicate, send};
use crate::sink::{Answer, Sink, Taken};
use crate::site::{OURS, Site, await_log, route_to};

const ADA: &str = "ada@here.example";
const BOB: &str = "bob@there.example";

/// A hop that takes nothing until it is opened.
fn gate() -> (Sink, Arc<AtomicBool>) {
    let is_open = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&is_open);
    let sink = Sink::with(move |_, said| {
        if said.starts_with("RCPT") && !asked.load(Ordering::Relaxed) {
            return Answer::Say("450 4.2.0 Closed");
        }
        Answer::Usual
    });
    (sink, is_open)
}

#[test]
fn mail_is_held_released_deleted_and_tried_at_once() {
    let (sink, is_open) = gate();
    let site = Site::recorded();
    let route = route_to("*", sink.address());
    let options = ["--route", &route, "--retry", "3600"];
    let mut server = site.start(&options);
    let ids: Vec<_> = ["a@x.example", "b@y.example", "c@z.example"]
        .iter()
        .map(|to| {
            let id = send(server.address(), ADA, &[to], &delicate());
            let line = [&format!("id={id}"), "status=deferred"];
            await_log(&server, &line);
            id
        })
        .collect();
    let list = site.queue_says(&["list"]);
    for expected in [&*ids[0], ADA, "a@x.example", "450 4.2.0 Closed"] {
        assert!(list.contains(expected), "no {expected} in {list}");
    }
    assert!(
        site.queue_says(&["show", &ids[0]])
            .contains("Subject: delicate")
    );
    assert!(site.queue_says(&["sites"]).contains(sink.address()));
    site.queue_says(&["hold", "--domain", "y.example"]);
    site.queue_says(&["delete", &ids[2]]);
    assert_eq!(site.queued(), ids[..2]);
    assert_eq!(site.queue(&["delete", &ids[2]]).status.code(), Some(65));

    // What was held and deleted stays so.
    server.stop();
    assert_eq!(site.queued(), ids[..2]);
    let mut server = site.start(&options);
    wait_until("the scan", || site.queued() == ids[..2]);
    is_open.store(true, Ordering::Relaxed);
    site.queue_says(&["retry", "--all"]);
    assert_eq!(sink.await_taken(1)[0].to, ["a@x.example"]);
    wait_until("one to be left", || site.queued() == ids[1..2]);
    let list = site.queue_says(&["list", "--json"]);
    assert!(list.contains("\"state\":\"held\""), "{list}");
    site.queue_says(&["release", &ids[1]]);
    assert_eq!(sink.await_taken(2)[1].to, ["b@y.example"]);
    site.await_empty();
    assert_eq!(sink.taken().len(), 2);
    server.stop();
}

#[test]
fn an_operator_hears_of_a_change_once_a_kill_would_not_undo_it() {
    let (sink, _) = gate();
    let site = Site::new();
    let route = route_to("*", sink.address());
    let mut server = site.start(&["--route", &route, "--retry", "3600"]);
    let ids = [(); 3].map(|()| {
        let id = send(server.address(), ADA, &[BOB], &delicate());
        await_log(&server, &[&format!("id={id}"), "status=deferred"]);
        id
    });
    let worker = || {
        let mut here = processes::in_folder(&site.spool()).into_iter();
        here.find(|process| {
            let arguments = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            arguments.ends_with(b"work\0")
        })
    };
    let ask = |arguments: [&str; 2]| site.queue_command(&arguments).spawn().unwrap();

    // As long as the spool does nothing, nobody hears of it; the next process is told of it again.
    let stopped = worker().unwrap();
    processes::signal(stopped, Signal::STOP);
    let mut held = ask(["hold", &ids[0]]);
    await_log(&server, &[&format!("id={} action=held", ids[0])]);
    // The server, in which all commands come in order, has had many turns since.
    site.queue_says(&["list"]);
    assert_eq!(held.try_wait().unwrap(), None);
    processes::kill(stopped);
    assert_eq!(held.wait().unwrap().code(), Some(0));

    // The end of a server waits for those who are to hear of theirs.
    wait_until("another spool process", || {
        worker().is_some_and(|process| process != stopped)
    });
    let stopped = worker().unwrap();
    processes::signal(stopped, Signal::STOP);
    let mut deleted = ask(["delete", &ids[1]]);
    await_log(&server, &[&format!("id={} action=deleted", ids[1])]);
    server.signal(Signal::TERM);
    let address = server.address();
    wait_until("a drain", || TcpStream::connect(address).is_err());
    assert_eq!(deleted.try_wait().unwrap(), None);
    processes::signal(stopped, Signal::CONT);
    assert_eq!(deleted.wait().unwrap().code(), Some(0));
    server.stop();
    let list = site.queue_says(&["list"]);
    assert!(!list.contains(&ids[1]) && list.contains("> held"), "{list}");
}

#[test]
fn what_an_operator_does_and_what_waits_is_in_the_log() {
    let (sink, _) = gate();
    let site = Site::new();
    let route = route_to("*", sink.address());
    let mut server = site.start(&["--route", &route, "--retry", "3600"]);
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(send(
            server.address(),
            ADA,
            &[BOB, "b@x.example"],
            &delicate(),
        ));
    }
    wait_until("all to be queued", || site.queued().len() == ids.len());
    server.signal(Signal::USR1);
    await_log(&server, &["status ", "queued=12 sites_down=0 "]);
    site.queue_says(&["hold", &ids[0]]);
    let line = format!("id={} action=held recipients=2", ids[0]);
    await_log(&server, &[&line]);
    site.queue_says(&["delete", "--all"]);
    await_log(&server, &["action=deleted messages=12 recipients=24"]);
    // Ten have a line of their own.
    let lines = server.log().matches("action=deleted recipients=2").count();
    assert_eq!(lines, 10);
    server.stop();
}

#[test]
fn a_recipient_that_is_held_stays_so_alone() {
    let (sink, is_open) = gate();
    let site = Site::new();
    let route = route_to("*", sink.address());
    let options = ["--route", &route, "--retry", "3600"];
    let mut server = site.start(&options);
    let to = ["a@x.example", "b@y.example", "c@x.example"];
    let id = send(server.address(), ADA, &to, &delicate());
    await_log(&server, &["to=<c@x.example>", "status=deferred"]);
    site.queue_says(&["hold", "--domain", "y.example"]);
    let states = |list: &str| {
        let recipient = |to: &&str| {
            let line = list.lines().find(|line| line.contains(*to)).unwrap();
            line.contains("> held")
        };
        to.iter().map(recipient).collect::<Vec<bool>>()
    };
    server.stop();
    assert_eq!(states(&site.queue_says(&["list"])), [false, true, false]);
    let mut server = site.start(&options);
    wait_until("the scan", || site.queued().len() == 1);
    assert_eq!(states(&site.queue_says(&["list"])), [false, true, false]);
    is_open.store(true, Ordering::Relaxed);
    site.queue_says(&["retry", "--all"]);
    assert_eq!(sink.await_taken(1)[0].to, ["a@x.example", "c@x.example"]);
    site.queue_says(&["release", &id]);
    assert_eq!(sink.await_taken(2)[1].to, ["b@y.example"]);
    site.await_empty();
    server.stop();
}

#[test]
fn mail_that_is_left_without_a_route_is_told_of() {
    let (sink, _) = gate();
    let site = Site::new();
    let route = route_to("*", sink.address());
    let mut server = site.start(&["--route", &route, "--retry", "3600"]);
    send(server.address(), ADA, &[BOB], &delicate());
    server.stop();
    let mut server = site.start(&[]);
    let spool = site.spool();
    let told = format!(
        "mail waits in the spool {}, and stays there",
        spool.display()
    );
    await_log(&server, &[&told, "mailoop queue --spool"]);
    server.stop();
    fs::remove_dir_all(&spool).unwrap();
    let mut server = site.start(&[]);
    server.stop();
    assert!(!server.log().contains("stays there"));
}

#[test]
fn a_full_queue_is_told_as_such() {
    let (sink, is_open) = gate();
    let site = Site::new();
    let route = route_to("*", sink.address());
    let options = [
        "--route",
        &route,
        "--retry",
        "3600",
        "--max-queue-messages",
        "1",
    ];
    let mut server = site.start(&options);
    send(server.address(), ADA, &[BOB], &delicate());
    await_log(&server, &["status=deferred"]);
    let mut client = crate::mail::client(server.address());
    client.ask("MAIL FROM:<ada@here.example>", "250");
    let full = "452 4.3.1 Error: the queue of mail for elsewhere is full, try again later";
    client.ask("RCPT TO:<eve@there.example>", full);
    client.ask(&format!("RCPT TO:<carl@{OURS}>"), "250");
    client.ask("RSET", "250");
    is_open.store(true, Ordering::Relaxed);
    site.queue_says(&["retry", "--all"]);
    site.await_empty();
    client.ask("MAIL FROM:<ada@here.example>", "250");
    client.ask("RCPT TO:<eve@there.example>", "250");
    client.ask("QUIT", "221");
    server.stop();
}

#[test]
fn a_spool_has_one_server() {
    let sink = Sink::start();
    let site = Site::new();
    let route = route_to("*", sink.address());
    let mut server = site.start(&["--route", &route]);
    let mut second = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    let mail = site.path("other");
    second
        .args(["serve", "--listen", "127.0.0.1:0", "--domain", OURS])
        .args(["--route", &route, "--hostname", "mx.example.org"])
        .arg("--spool")
        .arg(site.spool())
        .arg("--maildir")
        .arg(&mail)
        .env_clear();
    let output = second.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(75), "{error}");
    assert!(error.contains("belongs to another process"), "{error}");
    // The first one does not mind, and is still asked by the operator.
    send(server.address(), ADA, &[BOB], &delicate());
    sink.await_taken(1);
    site.await_empty();
    server.stop();
}

#[test]
fn a_reload_brings_other_routes() {
    let (closed, open) = (gate().0, Sink::start());
    let site = Site::new();
    let config = |sink: &Sink| {
        let route = format!("[routes]\n\"*\" = \"smtp://{}\"\n", sink.address());
        site.write("mailoop.toml", &route)
    };
    let path = config(&closed);
    let options = [
        "--config",
        &path,
        "--listen",
        "127.0.0.1:0",
        "--hostname",
        "mx.example.org",
        "--retry",
        "3600",
    ];
    let mut server = site.start(&options);
    send(server.address(), ADA, &["old@there.example"], &delicate());
    await_log(&server, &["status=deferred"]);

    fs::write(&path, "[routes]\n\"*\" = \"smtp//\"\n").unwrap();
    server.signal(Signal::HUP);
    await_log(&server, &["mailoop.toml"]);
    config(&open);
    server.signal(Signal::HUP);
    wait_until("a new route to be gone by", || {
        send(server.address(), ADA, &[BOB], &delicate());
        !open.taken().is_empty()
    });
    // What was there before goes that way, too, when it is due.
    wait_until("the old one to arrive", || {
        site.queue_says(&["retry", "--all"]);
        let is_old = |mail: &Taken| mail.to == ["old@there.example"];
        open.taken().iter().any(is_old)
    });
    site.await_empty();
    server.stop();
}

#[cfg(feature = "tls")]
#[test]
fn a_reload_brings_the_authority_that_mail_in_the_queue_was_wanting() {
    use crate::common::TestServer;
    use crate::common::tls::Authority;
    use crate::site::await_mail;

    let site = Site::new();
    let [wrong, right] = ["Wrong", "Right"].map(Authority::new);
    let certificate = site.write("hop.pem", &right.certificate_and_key(&["127.0.0.1"]));
    let tls = ["--tls-cert", &certificate, "--tls-key", &certificate];
    let hop = TestServer::start(&[&["--hostname", "next.example.net"], &tls[..]].concat());
    let ca = site.write("ca.pem", &wrong.certificate());
    let route = format!("*=smtp://{}?tls=verify&ca={ca}", hop.address());
    let mut server = site.start(&["--route", &route, "--retry", "3600"]);
    send(server.address(), ADA, &[BOB], &delicate());
    await_log(&server, &["status=deferred", "tries=1"]);

    site.write("ca.pem", &right.certificate());
    server.signal(Signal::HUP);
    await_log(&server, &["reload"]);
    site.queue_says(&["retry", "--all"]);
    await_mail(&hop, BOB, 1);
    site.await_empty();
    server.stop();
}
