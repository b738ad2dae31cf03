//! Reports from end to end: of every kind, as Python reads them; and none to those who are not ours, nor any for ever.

use std::fs;
use std::path::PathBuf;

use crate::common::pauses::undisturbed;
use crate::common::ports::free_port;
use crate::common::program::{installed, python, run};
use crate::common::{TestServer, files, wait_until};
use crate::mail::{client, give};
use crate::sink::{Answer, Sink};
use crate::site::{Site, route_to};

const ADA: &str = "ada@here.example";
const EVE: &str = "eve@far.example";
const TEXT: &[u8] = b"Subject: a report on this\r\n\r\nThe text that was sent.\r\n";

/// A hop that refuses by name, and may offer DSN.
fn hop(offers_dsn: bool) -> Sink {
    Sink::with(move |_, said| {
        if said.starts_with("EHLO") && offers_dsn {
            return Answer::Say("250-hop.example\r\n250-ENHANCEDSTATUSCODES\r\n250 DSN");
        }
        match said.strip_prefix("RCPT TO:<") {
            Some(to) if to.starts_with("bad") => Answer::Say("550 5.1.1 No such user"),
            Some(to) if to.starts_with("late") => Answer::Say("451 4.3.0 Not now"),
            _ => Answer::Usual,
        }
    })
}

/// Gives a message that asks for reports, by commands of its own.
fn give_asking(server: &TestServer, mail: &str, recipients: &[&str]) {
    let mut client = client(server.address());
    client.ask(mail, "250");
    for recipient in recipients {
        client.ask(&format!("RCPT TO:{recipient}"), "250");
    }
    client.ask("DATA", "354");
    client.say(std::str::from_utf8(TEXT).unwrap());
    client.say(".\r\n");
    client.expect("250");
    client.ask("QUIT", "221");
}

/// The files of the reports for an address, once there are so many.
fn await_reports(site: &Site, address: &str, count: usize) -> Vec<PathBuf> {
    site.await_stored(address, count);
    let (local_part, domain) = address.rsplit_once('@').unwrap();
    files(&site.path("mail").join(domain).join(local_part).join("new"))
}

/// The actions of these reports as Python reads them, which fails where they are none.
fn actions(reports: &[PathBuf]) -> Vec<String> {
    let printed = run(python("report.py").args(reports));
    let lines = printed.lines();
    let mut actions: Vec<_> = lines
        .map(|line| line.rsplit(' ').next().unwrap().to_owned())
        .collect();
    actions.sort();
    actions
}

/// The one of these texts with all of the words.
#[track_caller]
fn with_words(reports: &[PathBuf], words: &[&str]) -> String {
    let texts = reports.iter().map(|path| fs::read_to_string(path).unwrap());
    let mut texts = texts.filter(|text| words.iter().all(|word| text.contains(word)));
    let found = texts
        .next()
        .unwrap_or_else(|| panic!("no report with {words:?}"));
    assert!(texts.next().is_none(), "two reports with {words:?}");
    found
}

/// Options with which mail that waits is reported, and given up, within seconds, of which a pause may take all.
const HASTY: [&str; 8] = [
    "--retry",
    "1",
    "--delay-notice",
    "2",
    "--queue-lifetime",
    "5",
    "--bounce-lifetime",
    "5",
];

#[test]
fn a_sender_of_ours_hears_what_was_asked_for_and_python_reads_it() {
    if !installed(&["python3"]) {
        return;
    }
    undisturbed(a_sender_hears_what_was_asked_for);
}

fn a_sender_hears_what_was_asked_for() {
    let hop = hop(false);
    let site = Site::new();
    let route = route_to("*", hop.address());
    let mut server = site.start(&[&["--route", &*route][..], &HASTY].concat());
    give_asking(
        &server,
        &format!("MAIL FROM:<{ADA}> RET=HDRS ENVID=QQ+2B1"),
        &[
            "<bad@there.example> NOTIFY=FAILURE ORCPT=rfc822;Bad+2B@there.example",
            "<ok@there.example> NOTIFY=SUCCESS",
            "<late@there.example> NOTIFY=DELAY,FAILURE",
            "<bad-unheard@there.example> NOTIFY=NEVER",
            "<ok-unheard@there.example> NOTIFY=FAILURE",
            "<late-unheard@there.example> NOTIFY=SUCCESS",
        ],
    );
    site.await_empty();
    let reports = await_reports(&site, ADA, 4);
    assert_eq!(
        actions(&reports),
        ["delayed", "failed", "failed", "relayed"]
    );
    let failed = with_words(&reports, &["Status: 5.1.1\n"]);
    for words in [
        "Original-Envelope-Id: QQ+1\n",
        "Original-Recipient: rfc822; Bad+@there.example\n",
        "Final-Recipient: rfc822; bad@there.example\n",
        "Content-Type: text/rfc822-headers",
        "Subject: a report on this\n",
    ] {
        assert!(failed.contains(words), "no {words} in {failed}");
    }
    with_words(
        &reports,
        &[
            "Action: delayed\nStatus: 4.3.0\nRemote-MTA: dns; 127.0.0.1\n",
            "Diagnostic-Code: smtp; 451 4.3.0 Not now\nLast-Attempt-Date: ",
            "Will-Retry-Until: ",
            "late@there.example",
        ],
    );
    with_words(
        &reports,
        &[
            "Action: failed\nStatus: 4.4.7\n",
            "Final-Recipient: rfc822; late@there.example\n",
        ],
    );
    with_words(
        &reports,
        &[
            "Action: relayed\n",
            "Final-Recipient: rfc822; ok@there.example\n",
        ],
    );
    for path in &reports {
        let report = fs::read_to_string(path).unwrap();
        assert!(report.starts_with("Return-Path: <>\n"), "{report}");
        assert!(!report.contains("unheard"), "{report}");
        assert!(!report.contains("The text that was sent."), "{report}");
    }
    assert_eq!(
        hop.await_taken(1)[0].to,
        ["ok@there.example", "ok-unheard@there.example"]
    );
    server.stop();
}

#[test]
fn the_whole_message_comes_back_where_that_was_asked_for() {
    if !installed(&["python3"]) {
        return;
    }
    let hop = hop(false);
    let site = Site::new();
    let mut server = site.start(&["--route", &route_to("*", hop.address())]);
    let mail = format!("MAIL FROM:<{ADA}> RET=FULL");
    give_asking(&server, &mail, &["<bad@there.example>"]);
    let reports = await_reports(&site, ADA, 1);
    assert_eq!(actions(&reports), ["failed"]);
    let words = ["Content-Type: message/rfc822", "The text that was sent.\n"];
    with_words(&reports, &words);
    site.await_empty();
    server.stop();
}

#[test]
fn a_hop_that_makes_reports_is_asked_for_them() {
    let hop = hop(true);
    let site = Site::new();
    let mut server = site.start(&["--route", &route_to("*", hop.address())]);
    give_asking(
        &server,
        &format!("MAIL FROM:<{ADA}> RET=HDRS ENVID=QQ+2B1"),
        &["<ok@there.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;O+2Bk@there.example"],
    );
    hop.await_taken(1);
    site.await_empty();
    let heard = hop.heard().join("\n");
    for words in [
        "RET=HDRS",
        "ENVID=QQ+2B1",
        "NOTIFY=SUCCESS,DELAY",
        "ORCPT=rfc822;O+2Bk@there.example",
    ] {
        assert!(heard.contains(words), "no {words} in {heard}");
    }
    assert!(site.stored(ADA).is_empty());
    server.stop();
}

#[test]
fn nobody_elsewhere_hears_of_anything() {
    undisturbed(those_elsewhere_hear_nothing);
}

fn those_elsewhere_hear_nothing() {
    let hop = hop(false);
    let site = Site::new();
    let route = route_to("*", hop.address());
    let mut server = site.start(&[&["--route", &*route][..], &HASTY].concat());
    let all = "NOTIFY=SUCCESS,DELAY,FAILURE";
    let recipients = [
        format!("<bad@there.example> {all}"),
        format!("<ok@there.example> {all}"),
        format!("<late@there.example> {all}"),
        format!("<carl@here.example> {all}"),
    ];
    let recipients = recipients.each_ref().map(String::as_str);
    for from in [EVE, "", "eve@mx.example.net", "eve@sub.here.example"] {
        let mail = format!("MAIL FROM:<{from}> RET=FULL");
        give_asking(&server, &mail, &recipients);
    }
    site.await_empty();
    assert_eq!(hop.await_taken(4).len(), 4);
    for taken in hop.taken() {
        assert_eq!(taken.to, ["ok@there.example"]);
    }
    assert_eq!(site.stored("carl@here.example").len(), 4);
    // The postmaster hears of failures, those without a sender left out.
    let failures = server.log().matches(" status=failed ").count();
    assert_eq!(failures, 4, "{}", server.log());
    server.stop();
}

/// One of two servers, each of which has a route to the other.
struct Side {
    site: Site,
    server: TestServer,
}

impl Side {
    /// The server of `domain`, where nobody has a mailbox but the postmaster and Ada; its alias leads to the other side.
    fn start(domain: &str, port: u16, other: &str, other_port: u16) -> Self {
        let site = Site::new();
        let config = format!(
            "[aliases]\n\"round\" = \"round@{other}\"\n\"out\" = \"ghost@{other}\"\n\
             [mailboxes]\nclosed = true\nnames = [\"ada\"]\n\
             [routes]\n\"{other}\" = \"smtp://127.0.0.1:{other_port}\"\n"
        );
        let config = site.write("mailoop.toml", &config);
        let listen = format!("127.0.0.1:{port}");
        let name = format!("mx.{domain}");
        let options = [
            "--config",
            &*config,
            "--listen",
            &listen,
            "--hostname",
            &name,
            "--retry",
            "1",
        ];
        let server = site.start_named(&["--domain", domain], &options);
        Self { site, server }
    }
}

#[test]
fn two_servers_whose_mailboxes_do_not_exist_come_to_an_end() {
    let (east_port, west_port) = (free_port(), free_port());
    let mut east = Side::start("east.example", east_port, "west.example", west_port);
    let mut west = Side::start("west.example", west_port, "east.example", east_port);
    let (ada, ghost) = ("ada@east.example", "ghost@east.example");
    let mut client = client(east.server.address());
    for (from, to) in [
        (ghost, "ghost@west.example"),
        ("ghost@west.example", "out@east.example"),
        ("", "ghost@west.example"),
        (ada, "ghost@west.example"),
        (ada, "round@east.example"),
        (ghost, "round@west.example"),
        ("ghost@west.example", "round@west.example"),
        ("", "round@east.example"),
    ] {
        give(&mut client, from, &[to], TEXT);
    }
    client.ask("QUIT", "221");
    let is_over = |side: &Side| side.site.queue_says(&["list"]).is_empty();
    wait_until("both queues to be empty", || {
        is_over(&east) && is_over(&west) && is_over(&east)
    });
    // Ada hears of who is not there, and the postmaster of what went round: he of the side that saw it.
    let heard = east.site.await_stored(ada, 1).remove(0);
    assert!(String::from_utf8_lossy(&heard).contains("Status: 5.1.1\n"));
    let heard = west.site.await_stored("postmaster@mx.west.example", 3);
    for text in heard {
        assert!(String::from_utf8_lossy(&text).contains("Status: 5.4.6\n"));
    }
    for side in [&mut east, &mut west] {
        side.server.stop();
        let log = side.server.log();
        let reports = log.lines().filter_map(|line| line.split_once(" report=Q"));
        for (_, report) in reports {
            let id = format!("id=Q{} ", report.split(' ').next().unwrap());
            let mut lines = log.lines().filter(|line| line.contains(&id));
            assert!(lines.all(|line| line.contains(" hop=local ")), "{log}");
        }
        // Three times round, each message twice on its way out.
        assert!(log.matches(" stored\n").count() < 30, "{log}");
    }
}
