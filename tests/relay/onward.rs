//! What arrives at the next hop is what was given, octet by octet, whatever way it went.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::client::Client;
use crate::common::pauses::undisturbed;
use crate::common::{TestServer, wait_until};
use crate::mail::{client, delicate, give, long, send, with_lf};
use crate::sink::{Answer, Sink};
use crate::site::{
    OURS, Site, await_log, await_mail, route_to, without_both_traces, without_received,
};

const ADA: &str = "ada@here.example";
const BOB: &str = "bob@there.example";

/// The next hop: a server of ours for any domain, which has another name.
fn next_hop(options: &[&str]) -> TestServer {
    TestServer::start(&[&["--hostname", "next.example.net"], options].concat())
}

#[test]
fn every_octet_arrives_with_our_trace_on_top() {
    let mut hop = next_hop(&[]);
    let site = Site::new();
    let route = route_to("*", hop.address());
    let mut server = site.start(&["--route", &route]);
    let texts = [
        delicate(),
        long(1 << 20),
        b"no header\r\n".to_vec(),
        Vec::new(),
    ];
    for (number, text) in texts.iter().enumerate() {
        let to = format!("bob.{number}@there.example");
        let id = send(server.address(), ADA, &[&to], text);
        let stored = await_mail(&hop, &to, 1).remove(0);
        assert!(stored.starts_with(b"Return-Path: <ada@here.example>\nReceived: from "));
        let head = String::from_utf8_lossy(&stored[..stored.len().min(1500)]).into_owned();
        assert_eq!(head.matches("Return-Path:").count(), 1, "{head}");
        assert_eq!(head.matches("Received: from").count(), 2, "{head}");
        let ours = format!("by mx.example.org with ESMTP id {id}");
        assert!(
            head.replace("\n\t", " ").contains(&ours) || head.contains(&ours),
            "{head}"
        );
        let mut expected = with_lf(text);
        if text == b"no header\r\n" {
            expected.insert(0, b'\n');
        }
        assert!(
            without_both_traces(&stored) == expected,
            "message {number}: {head}"
        );
        let id = format!("id={id}");
        let to = format!("to=<{to}>");
        await_log(&server, &[&id, &to, "status=sent", "dsn=2.0.0", "tries=1"]);
    }
    site.await_empty();
    server.stop();
    hop.stop();
}

#[test]
fn the_largest_message_has_a_file_of_its_own_until_it_is_sent() {
    let mut hop = next_hop(&[]);
    let site = Site::new();
    let route = route_to("*", hop.address());
    let mut server = site.start(&["--route", &route]);
    let text = long((25 << 20) - 1000);
    send(server.address(), ADA, &[BOB], &text);
    let stored = await_mail(&hop, BOB, 1).remove(0);
    assert!(without_both_traces(&stored) == with_lf(&text));
    site.await_empty();
    let big = site.spool().join("big");
    wait_until("its file to be gone", || crate::site::holds_no_file(&big));
    server.stop();
    hop.stop();
}

#[test]
fn nothing_is_put_in_front_on_the_way_but_one_received() {
    let sink = Sink::start();
    let site = Site::new();
    let mut server = site.start(&["--route", &route_to("*", sink.address())]);
    send(server.address(), ADA, &[BOB], &delicate());
    let taken = sink.await_taken(1).remove(0);
    assert_eq!((&*taken.from, &taken.to[..]), (ADA, &[BOB.to_owned()][..]));
    assert!(without_received(&taken.text) == delicate());
    site.await_empty();
    server.stop();
}

#[test]
fn each_recipient_goes_by_its_route_and_ours_stay_here_once() {
    let (east, west) = (Sink::start(), Sink::start());
    let site = Site::recorded();
    let routes = [
        route_to("*.east.example", east.address()),
        route_to("*", west.address()),
    ];
    let mut server = site.start(&["--route", &routes[0], "--route", &routes[1]]);
    let to = [
        "a@x.east.example",
        "b@x.east.example",
        "c@west.example",
        "carl@here.example",
        "CARL@here.example",
        "dora@here.example",
    ];
    send(server.address(), ADA, &to, &delicate());
    let east = east.await_taken(1);
    let west = west.await_taken(1);
    site.await_empty();
    assert_eq!((east.len(), west.len()), (1, 1));
    assert_eq!(east[0].to, to[..2]);
    assert_eq!(west[0].to, to[2..3]);
    assert!(without_received(&east[0].text) == delicate());
    for address in ["carl@here.example", "dora@here.example"] {
        let stored = site.await_stored(address, 1).remove(0);
        assert!(crate::common::without_trace(&stored) == with_lf(&delicate()));
    }
    server.stop();
}

#[test]
fn a_connection_is_kept_for_what_follows() {
    // For five seconds, of which a pause may take all.
    undisturbed(|| {
        let sink = Sink::start();
        let site = Site::new();
        let mut server = site.start(&["--route", &route_to("*", sink.address())]);
        let mut client = client(server.address());
        for number in 1..=20 {
            give(&mut client, ADA, &[BOB], &delicate());
            sink.await_taken(number);
        }
        assert_eq!(sink.connections(), 1);
        let hellos = sink.heard();
        let hellos = hellos.iter().filter(|line| line.starts_with("EHLO"));
        assert_eq!(hellos.count(), 1);
        site.await_empty();
        server.stop();
        wait_until("a good-bye", || sink.heard().last().unwrap() == "QUIT");
    });
}

#[test]
fn lmtp_has_an_outcome_for_each_recipient() {
    let hop = Sink::lmtp(|_, said| match said {
        ".bad@there.example" => Answer::Say("550 5.2.1 Disabled"),
        ".late@there.example" => Answer::Say("450 4.2.1 Later"),
        _ => Answer::Usual,
    });
    let site = Site::new();
    let route = format!("*=lmtp://{}", hop.address());
    let mut server = site.start(&["--route", &route]);
    let to = ["bad@there.example", BOB, "late@there.example"];
    send(server.address(), ADA, &to, &delicate());
    assert_eq!(hop.await_taken(1)[0].to, [BOB]);
    await_log(
        &server,
        &["to=<bad@there.example>", "status=failed", "dsn=5.2.1"],
    );
    await_log(
        &server,
        &["to=<late@there.example>", "status=deferred", "dsn=4.2.1"],
    );
    await_log(&server, &["to=<bob@there.example>", "status=sent"]);
    // The report of the one, the other goes on waiting.
    site.await_stored(ADA, 1);
    let list = site.queue_says(&["list"]);
    assert!(
        list.contains("late@there.example") && !list.contains("bad@"),
        "{list}"
    );
    server.stop();
}

#[test]
fn lmtp_by_a_socket_file_and_by_tcp() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("lmtp").display());
    for listen in [&*socket, "127.0.0.1:0"] {
        let mut hop = next_hop(&["--listen-lmtp", listen]);
        let route = match hop.address() {
            address if address.starts_with("unix:") => format!("*=lmtp:{address}"),
            address => format!("*=lmtp://{address}"),
        };
        let site = Site::new();
        let mut server = site.start(&["--route", &route]);
        send(
            server.address(),
            ADA,
            &[BOB, "carl@there.example"],
            &delicate(),
        );
        for to in [BOB, "carl@there.example"] {
            let stored = await_mail(&hop, to, 1).remove(0);
            assert!(without_both_traces(&stored) == with_lf(&delicate()));
        }
        site.await_empty();
        server.stop();
        hop.stop();
    }
}

#[test]
fn a_message_by_bdat_that_lacks_its_last_line_end_gets_one() {
    let sink = Sink::start();
    let site = Site::new();
    let mut server = site.start(&["--route", &route_to("*", sink.address())]);
    let mut client: Client<_> = client(server.address());
    client.ask(&format!("MAIL FROM:<{ADA}>"), "250");
    client.ask(&format!("RCPT TO:<{BOB}>"), "250");
    client.say("BDAT 21 LAST\r\nSubject: x\r\n\r\n.no end");
    client.expect("250");
    let taken = sink.await_taken(1).remove(0);
    let text = without_received(&taken.text);
    assert_eq!(
        String::from_utf8_lossy(&text),
        "Subject: x\r\n\r\n.no end\r\n"
    );
    site.await_empty();
    server.stop();
}

#[test]
fn an_alias_leads_out_and_the_sender_stays() {
    let sink = Sink::start();
    let site = Site::new();
    let aliases = site.write(
        "mailoop.toml",
        "[aliases]\n\"sales\" = [\"a@elsewhere.example\", \"carl@here.example\"]\n",
    );
    let route = route_to("*", sink.address());
    let options = [
        "--config",
        &aliases,
        "--listen",
        "127.0.0.1:0",
        "--hostname",
        "mx.example.org",
        "--route",
        &route,
    ];
    let mut server = site.start(&options);
    let sales = format!("sales@{OURS}");
    send(server.address(), "eve@far.example", &[&sales], &delicate());
    let taken = sink.await_taken(1).remove(0);
    assert_eq!(taken.from, "eve@far.example");
    assert_eq!(taken.to, ["a@elsewhere.example"]);
    site.await_stored("carl@here.example", 1);
    site.await_empty();
    server.stop();
}

#[cfg(feature = "tls")]
mod over_tls {
    use super::*;
    use crate::common::tls::Authority;

    /// Sends a message by a route with these options to a hop that has a certificate for this name. The hop.
    fn sent_to(
        name: &str,
        tls: &str,
        hop_options: &[&str],
        options: &[&str],
    ) -> (Site, TestServer, TestServer) {
        let site = Site::recorded();
        let authority = Authority::new("An authority");
        site.write("ca.pem", &authority.certificate());
        let certificate = site.write("hop.pem", &authority.certificate_and_key(&[name]));
        let hop = next_hop(
            &[
                &["--tls-cert", &certificate, "--tls-key", &certificate],
                hop_options,
            ]
            .concat(),
        );
        let ca = site.path("ca.pem");
        let tls = tls.replace("CA", ca.to_str().unwrap());
        let route = format!("*=smtp://{}?{tls}", hop.address());
        let server = site.start(&[&["--route", &route], options].concat());
        send(server.address(), ADA, &[BOB], &delicate());
        (site, server, hop)
    }

    #[test]
    fn starttls_with_and_without_a_look_at_the_certificate() {
        for (name, tls) in [
            ("elsewhere.example", "tls=may"),
            ("elsewhere.example", "tls=encrypt"),
            ("127.0.0.1", "tls=verify&ca=CA"),
        ] {
            let (site, mut server, mut hop) = sent_to(name, tls, &[], &[]);
            let stored = await_mail(&hop, BOB, 1).remove(0);
            let head = String::from_utf8_lossy(&stored[..600]).into_owned();
            assert!(head.contains("ESMTPS"), "{tls}: {head}");
            assert!(without_both_traces(&stored) == with_lf(&delicate()));
            await_log(&server, &["status=sent", "tls=TLSv1.3"]);
            site.await_empty();
            server.stop();
            hop.stop();
        }
    }

    #[test]
    fn a_certificate_of_another_is_worth_nothing_where_it_is_looked_at() {
        let (site, mut server, mut hop) = sent_to("other.example", "tls=verify&ca=CA", &[], &[]);
        await_log(&server, &["status=deferred"]);
        assert!(hop.new_mail(BOB).is_empty());
        assert_eq!(site.queued().len(), 1);
        server.stop();
        hop.stop();
    }

    #[cfg(feature = "auth")]
    #[test]
    fn a_login_at_the_hop() {
        use std::os::unix::fs::PermissionsExt;

        let users = crate::common::logins::UsersFile::new();
        let passwords = tempfile::NamedTempFile::new().unwrap();
        fs::write(passwords.path(), "ada pencil\n").unwrap();
        fs::set_permissions(passwords.path(), fs::Permissions::from_mode(0o600)).unwrap();
        let (site, mut server, mut hop) = sent_to(
            "127.0.0.1",
            "tls=verify&ca=CA&auth=ada",
            &[
                "--listen-submission",
                "127.0.0.1:0",
                "--users",
                &users.path(),
            ],
            &["--route-passwords", passwords.path().to_str().unwrap()],
        );
        let stored = await_mail(&hop, BOB, 1).remove(0);
        let head = String::from_utf8_lossy(&stored[..600]).into_owned();
        assert!(head.contains("ESMTPSA"), "{head}");
        // Submission adds fields that are missing to the header.
        let given = with_lf(&delicate());
        let body = given.windows(2).position(|pair| pair == b"\n\n").unwrap();
        let text = without_both_traces(&stored);
        assert!(
            text.starts_with(&given[..body]) && text.ends_with(&given[body..]),
            "{head}"
        );
        site.await_empty();
        server.stop();
        hop.stop();
    }
}

#[test]
fn the_next_message_follows_the_final_dot_in_one_write() {
    // A text that is read late is sent late.
    undisturbed(messages_follow_the_final_dot);
}

fn messages_follow_the_final_dot() {
    const MESSAGES: usize = 40;
    let is_up = Arc::new(AtomicBool::new(false));
    let is_up_there = Arc::clone(&is_up);
    let hop = Sink::with(move |_, said| match said {
        "" if !is_up_there.load(Ordering::Relaxed) => Answer::SayAndClose("421 4.3.2 Not yet"),
        _ => Answer::Usual,
    });
    let site = Site::new();
    let route = route_to("*", hop.address());
    let server = site.start(&["--route", &route, "--max-outgoing-per-site", "1"]);
    let mut sender = client(server.address());
    for _ in 0..MESSAGES {
        give(&mut sender, ADA, &[BOB], b"Subject: many\r\n\r\ntext\r\n");
    }
    is_up.store(true, Ordering::Relaxed);
    site.queue_says(&["retry", "--all"]);
    hop.await_taken(MESSAGES);
    // The first one may have gone before the second was at hand, and nothing follows the last.
    let followed = hop.followed();
    assert!(followed >= MESSAGES - 2, "{followed} of {MESSAGES}");
}
