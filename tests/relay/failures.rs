//! What becomes of mail that a hop does not take.

use std::sync::{Mutex, mpsc};

use crate::common::pauses::undisturbed;
use crate::common::ports::deserted_address;
use crate::common::wait_until;
use crate::mail::{delicate, send};
use crate::sink::{Answer, Sink};
use crate::site::{Site, await_log, route_to, without_received};

const ADA: &str = "ada@here.example";
const BOB: &str = "bob@there.example";
const STRANGER: &str = "eve@far.example";

/// Everything stored for an address, as text.
fn reports(site: &Site, address: &str, count: usize) -> Vec<String> {
    let stored = site.await_stored(address, count).into_iter();
    stored
        .map(|text| String::from_utf8(text).expect("a report is in 7 bits"))
        .collect()
}

#[test]
fn a_deferred_message_is_tried_again() {
    let sink = Sink::with(
        |connection, said| match (connection, &said[..said.len().min(4)]) {
            (0, "RCPT") => Answer::Say("450 4.7.1 Greylisted"),
            _ => Answer::Usual,
        },
    );
    let site = Site::new();
    let mut server = site.start(&["--route", &route_to("*", sink.address()), "--retry", "6"]);
    let id = send(server.address(), ADA, &[BOB], &delicate());
    let id = format!("id={id}");
    let reply = "reply=\"450 4.7.1 Greylisted\"";
    await_log(
        &server,
        &[&id, "status=deferred", "dsn=4.7.1", "tries=1", reply],
    );
    let taken = sink.await_taken(1).remove(0);
    assert!(without_received(&taken.text) == delicate());
    await_log(&server, &[&id, "status=sent", "tries=2"]);
    site.await_empty();
    server.stop();
}

#[test]
fn a_failure_is_reported_to_a_sender_of_ours() {
    let sink = Sink::with(|_, said| match said.starts_with("RCPT TO:<bad") {
        true => Answer::Say("550-5.1.1 No such\r\n550 5.1.1 user"),
        false => Answer::Usual,
    });
    let site = Site::new();
    let mut server = site.start(&["--route", &route_to("*", sink.address())]);
    let id = send(
        server.address(),
        ADA,
        &["bad@there.example", BOB],
        &delicate(),
    );
    let report = reports(&site, ADA, 1).remove(0);
    for expected in [
        "Return-Path: <>\n",
        "Content-Type: multipart/report;",
        "Action: failed\n",
        "Status: 5.1.1\n",
        "Final-Recipient: rfc822; bad@there.example\n",
        "Diagnostic-Code: smtp; 550",
    ] {
        assert!(report.contains(expected), "no {expected} in {report}");
    }
    assert!(!report.contains("Final-Recipient: rfc822; bob"), "{report}");
    assert_eq!(sink.await_taken(1)[0].to, [BOB]);
    let reply = "reply=\"550 5.1.1 No such 5.1.1 user\"";
    await_log(
        &server,
        &[&format!("id={id}"), "status=failed", "dsn=5.1.1", reply],
    );
    site.await_empty();
    server.stop();
}

#[test]
fn a_stranger_gets_no_report_but_the_postmaster_does() {
    let sink = Sink::with(|_, said| match said.starts_with("MAIL") {
        true => Answer::Say("550 5.7.1 Not you"),
        false => Answer::Usual,
    });
    let site = Site::new();
    let mut server = site.start(&["--route", &route_to("*", sink.address())]);
    send(server.address(), STRANGER, &[BOB], &delicate());
    await_log(&server, &["status=failed", "dsn=5.7.1"]);
    site.await_empty();
    let postmaster = site.path("mail");
    let mut found = Vec::new();
    wait_until("a report", || {
        found = ["here.example", "mx.example.org"]
            .iter()
            .flat_map(|domain| {
                crate::common::files(&postmaster.join(domain).join("postmaster/new"))
            })
            .collect();
        !found.is_empty()
    });
    assert_eq!(found.len(), 1);
    let report = std::fs::read_to_string(&found[0]).unwrap();
    assert!(report.contains("Status: 5.7.1\n"), "{report}");
    // A bounce that fails is the end.
    send(server.address(), "", &[BOB], &delicate());
    site.await_empty();
    assert!(sink.taken().is_empty());
    server.stop();
}

#[test]
fn what_cannot_be_sent_for_long_is_given_up_and_reported() {
    // In three seconds, in which there has to be a try.
    undisturbed(mail_is_given_up_and_reported);
}

fn mail_is_given_up_and_reported() {
    let sink = Sink::with(|_, said| match said.starts_with("RCPT") {
        true => Answer::Say("451 4.3.0 Not now"),
        false => Answer::Usual,
    });
    let site = Site::recorded();
    let route = route_to("*", sink.address());
    let options = ["--route", &route, "--retry", "1", "--queue-lifetime", "3"];
    let mut server = site.start(&options);
    let id = send(server.address(), ADA, &[BOB], &delicate());
    let id = format!("id={id}");
    await_log(&server, &[&id, "status=expired", "dsn=4.4.7"]);
    let report = reports(&site, ADA, 1).remove(0);
    for expected in [
        "Action: failed\n",
        "Status: 4.4.7\n",
        "Remote-MTA: dns; 127.0.0.1\n",
        "Diagnostic-Code: smtp; 451 4.3.0 Not now\n",
        "Last-Attempt-Date: ",
    ] {
        assert!(report.contains(expected), "no {expected} in {report}");
    }
    site.await_empty();
    server.stop();
}

#[test]
fn what_is_wrong_with_a_route_is_told_with_what_to_do() {
    let sink = Sink::start();
    let plain = route_to("*", sink.address());
    let smtps = format!("*=smtps://{}?tls=encrypt", sink.address());
    let foreign = ["--outgoing-address", "192.0.2.200"];
    for (route, more, told) in [
        (
            &plain,
            &foreign[..],
            "is the --outgoing-address one of this machine?",
        ),
        (&smtps, &[], "write smtp:// in place of smtps://"),
    ] {
        if route == &smtps && cfg!(not(feature = "tls")) {
            continue;
        }
        let site = Site::new();
        let mut server = site.start(&[&["--route", route], more].concat());
        send(server.address(), ADA, &[BOB], &delicate());
        await_log(&server, &["status=deferred", told]);
        server.stop();
    }
}

#[test]
fn a_reply_that_never_came_is_uncertain_and_the_message_is_sent_again() {
    let sink = Sink::with(|connection, said| match (connection, said) {
        (0, ".") => Answer::Close,
        _ => Answer::Usual,
    });
    let site = Site::new();
    let mut server = site.start(&["--route", &route_to("*", sink.address()), "--retry", "2"]);
    send(server.address(), ADA, &[BOB], &delicate());
    await_log(&server, &["status=uncertain", "tries=1"]);
    sink.await_taken(1);
    await_log(&server, &["status=sent", "tries=2"]);
    site.await_empty();
    server.stop();
}

#[test]
fn what_a_drain_cuts_off_is_in_the_log() {
    for (step, status) in [(".", "uncertain"), ("RCPT", "none")] {
        // The hop says nothing more once it has heard that.
        let (release, is_released) = mpsc::channel::<()>();
        let (hear, heard) = mpsc::channel();
        let channels = Mutex::new((is_released, hear));
        let sink = Sink::with(move |_, said| {
            if said.starts_with(step) {
                let channels = channels.lock().unwrap();
                channels.1.send(()).unwrap();
                let _ = channels.0.recv();
            }
            Answer::Usual
        });
        let site = Site::recorded();
        let route = route_to("*", sink.address());
        let mut server = site.start(&["--route", &route, "--drain-timeout", "1"]);
        let id = send(server.address(), ADA, &[BOB], &delicate());
        heard.recv().unwrap();
        server.stop();
        let log = server.log();
        let line = format!("id={id} to=<{BOB}>");
        let line = log.lines().find(|it| it.contains(&line));
        let line = line.unwrap_or("status=none");
        assert!(line.contains(&format!("status={status}")), "{log}");
        assert!(site.queued() == [id], "it waits");
        drop(release);
    }
}

#[test]
fn the_second_hop_takes_what_the_first_does_not() {
    let second = Sink::start();
    let down = deserted_address();
    let busy = Sink::with(|_, said| match said {
        "" => Answer::SayAndClose("421 4.3.2 Busy"),
        _ => Answer::Usual,
    });
    for first in [&*down, busy.address()] {
        let site = Site::recorded();
        let route = format!("*=smtp://{first},smtp://{}", second.address());
        let mut server = site.start(&["--route", &route]);
        let before = second.taken().len();
        send(server.address(), ADA, &[BOB], &delicate());
        second.await_taken(before + 1);
        await_log(
            &server,
            &[
                "status=sent",
                &format!("]:{}", second.address().rsplit(':').next().unwrap()),
            ],
        );
        site.await_empty();
        server.stop();
    }
}

#[test]
fn a_hop_that_is_down_is_tried_again() {
    let address = deserted_address();
    let site = Site::new();
    let mut server = site.start(&["--route", &route_to("*", &address), "--retry", "1"]);
    for _ in 0..5 {
        send(server.address(), ADA, &[BOB], &delicate());
    }
    await_log(&server, &["status=deferred", "tries=1", "hop=none"]);
    let sink = Sink::listen(&address, |_, _| Answer::Usual, false);
    sink.await_taken(5);
    site.await_empty();
    server.stop();
}

#[test]
fn a_hop_that_says_421_is_left_and_tried_again() {
    let sink = Sink::with(|connection, said| match (connection, said) {
        (0, ".") => Answer::SayAndClose("421 4.3.2 Going down"),
        (1, "DATA") => Answer::SayAndClose("421 4.3.2 Going down"),
        (2, "") => Answer::SayAndClose("421 4.3.2 Going down"),
        _ => Answer::Usual,
    });
    let site = Site::new();
    let mut server = site.start(&["--route", &route_to("*", sink.address()), "--retry", "1"]);
    send(server.address(), ADA, &[BOB], &delicate());
    sink.await_taken(1);
    site.await_empty();
    assert_eq!(sink.taken().len(), 1);
    assert_eq!(sink.connections(), 4, "{}", server.log());
    server.stop();
}

#[test]
fn a_hop_that_is_ourselves_is_no_hop() {
    let sink = Sink::with(|_, said| match said {
        "" => Answer::Say("220 mx.example.org ESMTP"),
        hello if hello.starts_with("EHLO") => Answer::Say("250 mx.example.org"),
        _ => Answer::Usual,
    });
    let site = Site::new();
    let mut server = site.start(&["--route", &route_to("*", sink.address())]);
    send(server.address(), ADA, &[BOB], &delicate());
    // The operator can put that right: nothing is given up at once.
    await_log(&server, &["status=deferred", "our own name"]);
    assert!(sink.taken().is_empty());
    assert_eq!(site.queued().len(), 1);
    server.stop();
}

#[test]
fn a_hop_that_leaves_after_its_hello_counts_as_one_that_was_not_reached() {
    for answer in [
        Answer::SayAndClose("250 sink.example"),
        Answer::SayAndClose("250 sink.example\r\n421 4.3.2 Busy"),
        Answer::Say("250 sink.example\r\n550 5.1.1 One more"),
    ] {
        let shown = format!("{answer:?}");
        let hop = Sink::with(move |_, said| match said.starts_with("EHLO") {
            true => answer.clone(),
            false => Answer::Usual,
        });
        let site = Site::new();
        let mut server = site.start(&["--route", &route_to("*", hop.address())]);
        send(server.address(), ADA, &[BOB], &delicate());
        await_log(&server, &["status=deferred", "tries=1"]);
        site.queue_says(&["list"]);
        assert_eq!(hop.connections(), 1, "{shown}: {}", server.log());
        server.stop();

        let next = Sink::start();
        let site = Site::new();
        let route = format!("*=smtp://{},smtp://{}", hop.address(), next.address());
        let mut server = site.start(&["--route", &route]);
        send(server.address(), ADA, &[BOB], &delicate());
        next.await_taken(1);
        site.await_empty();
        assert_eq!(hop.connections(), 2, "{shown}: {}", server.log());
        server.stop();
    }
}
