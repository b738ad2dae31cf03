//! Nobody but who may sends mail on, in whatever disguise: the forms of nmap's script smtp-open-relay and more, from everywhere.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use crate::common::TestServer;
use crate::common::client::Client;
use crate::sink::Sink;
use crate::site::{OURS, Site, holds_no_file, route_to};

/// Senders: nobody, somebody elsewhere, somebody here, and one by the address of this machine.
const SENDERS: [&str; 6] = [
    "",
    "antispam@elsewhere.example",
    "antispam@here.example",
    "antispam@mx.example.org",
    "antispam@[127.0.0.1]",
    "postmaster@here.example",
];

/// Recipients that lead elsewhere, openly: who may send there does so.
const OPEN: [&str; 11] = [
    "relaytest@elsewhere.example",
    "RELAYTEST@ELSEWHERE.example",
    "relaytest@elsewhere.example.",
    "\"relay test\"@elsewhere.example",
    "@here.example:relaytest@elsewhere.example",
    "@mx.example.org,@here.example:relaytest@elsewhere.example",
    "@[127.0.0.1]:relaytest@elsewhere.example",
    "relaytest@here.example.elsewhere.example",
    "relaytest@sub.here.example",
    "relaytest@localhost",
    "relaytest@127.0.0.1",
];

/// Recipients here that others would send on elsewhere, and some that are none.
const DISGUISED: [&str; 28] = [
    "relaytest%elsewhere.example@[127.0.0.1]",
    "relaytest%elsewhere.example@here.example",
    "relaytest%elsewhere.example@mx.example.org",
    "relaytest%elsewhere.example",
    "\"relaytest@elsewhere.example\"",
    "\"relaytest%elsewhere.example\"",
    "relaytest@elsewhere.example@[127.0.0.1]",
    "\"relaytest@elsewhere.example\"@[127.0.0.1]",
    "\"relaytest@elsewhere.example\"@here.example",
    "\"relaytest\\@elsewhere.example\"@here.example",
    "\"\\relaytest@elsewhere.example\"@here.example",
    "relaytest@elsewhere.example@here.example",
    "relaytest\\@elsewhere.example@here.example",
    "elsewhere.example!relaytest",
    "elsewhere.example!relaytest@[127.0.0.1]",
    "elsewhere.example!relaytest@here.example",
    "here.example!elsewhere.example!relaytest@here.example",
    "relaytest%elsewhere.example%here.example@here.example",
    "relaytest+tag%elsewhere.example@here.example",
    "@here.example:relaytest%elsewhere.example@here.example",
    "@elsewhere.example:relaytest%elsewhere.example@here.example",
    "@here.example,@elsewhere.example:\"relaytest@elsewhere.example\"@here.example",
    "relaytest%elsewhere.example@HERE.EXAMPLE.",
    "relaytest@[127.0.0.1]",
    "relaytest@[IPv6:::1]",
    "relaytest",
    "elsewhere.example:relaytest@here.example",
    "relaytest@elsewhere.example,bob@here.example",
];

const OUTSIDE: Ipv4Addr = Ipv4Addr::new(127, 9, 9, 9);
const TRUSTED: Ipv4Addr = Ipv4Addr::new(127, 7, 7, 7);

/// A server with a route for everything, which trusts one address.
fn server(site: &Site, sink: &Sink, options: &[&str]) -> TestServer {
    let (spool, mail) = (site.spool(), site.path("mail"));
    let route = route_to("*", sink.address());
    let own = [
        "--spool",
        spool.to_str().unwrap(),
        "--maildir",
        mail.to_str().unwrap(),
        "--domain",
        OURS,
        "--route",
        &route,
        "--relay-from",
        "127.7.7.7",
        "--max-errors",
        "10000",
    ];
    TestServer::start(&[&own, options].concat())
}

fn connect(server: &TestServer, from: Ipv4Addr, listener: &str) -> Client<TcpStream> {
    let mut client = Client::connect_from_ip(from, &server.address_for(listener));
    client.hello();
    client
}

/// The number of senders that are taken, and the recipients of these, with the sender.
fn taken<S: Read + Write>(client: &mut Client<S>, recipients: &[&str]) -> (usize, Vec<String>) {
    let (mut senders, mut taken) = (0, Vec::new());
    for from in SENDERS {
        client.say(&format!("MAIL FROM:<{from}>\r\n"));
        let is_sender = client.hear().starts_with('2');
        senders += usize::from(is_sender);
        for to in recipients {
            client.say(&format!("RCPT TO:<{to}>\r\n"));
            let reply = client.hear();
            let is_reply = reply.starts_with(['2', '4', '5']);
            assert!(is_reply, "<{to}>: {reply:?}");
            if reply.starts_with('2') {
                assert!(is_sender, "<{to}> without a sender");
                taken.push(format!("<{from}> <{to}>"));
            }
        }
        client.ask("RSET", "250");
    }
    (senders, taken)
}

/// Asks for all forms. What was taken that should not, and the reverse.
fn ask_for_all<S: Read + Write>(mut client: Client<S>, name: &str, is_trusted: bool) -> String {
    let mut wrong = String::new();
    for taken in taken(&mut client, &DISGUISED).1 {
        let _ = writeln!(wrong, "{name}: {taken} is taken");
    }
    let (senders, open) = taken(&mut client, &OPEN);
    let expected = if is_trusted { senders * OPEN.len() } else { 0 };
    if open.len() != expected || is_trusted && senders == 0 {
        let _ = writeln!(wrong, "{name}: of those elsewhere {open:?}");
    }
    client.ask("QUIT", "221");
    wrong
}

#[test]
fn no_disguise_opens_the_relay() {
    let sink = Sink::start();
    let site = Site::new();
    let mut server = server(&site, &sink, &[]);
    let mut wrong = String::new();
    for (name, from, is_trusted) in [
        ("outside", OUTSIDE, false),
        ("loopback", Ipv4Addr::LOCALHOST, false),
        ("trusted", TRUSTED, true),
    ] {
        wrong += &ask_for_all(connect(&server, from, "smtp"), name, is_trusted);
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(sink.taken().is_empty() && site.queued().is_empty());
    assert!(holds_no_file(&site.path("mail").join(OURS)));
    server.stop();
}

#[cfg(all(feature = "auth", feature = "tls"))]
#[test]
fn a_login_opens_what_is_elsewhere_and_nothing_in_disguise() {
    let users = crate::common::logins::UsersFile::new();
    let sink = Sink::start();
    let site = Site::new();
    let users = users.path();
    let listeners = [
        "--listen",
        "127.0.0.1:0",
        "--listen-submission",
        "127.0.0.1:0",
    ];
    let options = [&listeners[..], &["--users", &users, "--tls-self-signed"]].concat();
    let mut server = server(&site, &sink, &options);
    for (listener, login, is_trusted) in [
        ("submission", false, false),
        ("submission", true, true),
        // There no login is offered.
        ("smtp", false, false),
    ] {
        let mut clear = connect(&server, OUTSIDE, listener);
        clear.ask("STARTTLS", "220");
        let mut client = crate::common::tls::secured(clear);
        client.hello_again();
        if login {
            client.ask(crate::common::logins::RIGHT.trim_end(), "235");
        }
        let wrong = ask_for_all(client, listener, is_trusted);
        assert!(wrong.is_empty(), "{wrong}");
    }
    assert!(sink.taken().is_empty() && site.queued().is_empty());
    server.stop();
}

#[test]
fn what_is_sent_on_goes_where_it_says() {
    let sink = Sink::start();
    let site = Site::new();
    let mut server = server(&site, &sink, &[]);
    let mut client = connect(&server, TRUSTED, "smtp");
    client.ask("MAIL FROM:<ada@here.example>", "250");
    for to in OPEN {
        client.ask(&format!("RCPT TO:<{to}>"), "250");
    }
    client.ask("DATA", "354");
    client.say("Subject: forms\r\n\r\n.\r\n");
    client.expect("250");
    client.ask("QUIT", "221");
    let taken = sink.await_taken(1).remove(0);
    // Without the hosts on the way (RFC 5321 §4.1.1.3), and each once.
    assert_eq!(taken.to.len(), 7, "{:?}", taken.to);
    for to in &taken.to {
        assert!(!to.contains(':'), "{to}");
    }
    site.await_empty();
    server.stop();
}

#[test]
fn nmap_finds_no_open_relay() {
    use crate::common::program::{foreign, installed, run};
    if !installed(&["nmap"]) {
        return;
    }
    let sink = Sink::start();
    let site = Site::new();
    let mut closed = server(&site, &sink, &[]);
    let looks = |server: &TestServer| {
        // The `+` has the script run at a port that is not one of its own.
        let script = "+smtp-open-relay";
        let mut nmap = foreign("nmap");
        nmap.args(["-Pn", "-n", "-sT", "-p", server.port(), "--script", script]);
        nmap.args(["--script-args", "smtp-open-relay.domain=elsewhere.example"]);
        run(nmap.arg("127.0.0.1"))
    };
    let printed = looks(&closed);
    let verdict = "Server doesn't seem to be an open relay, all tests failed";
    assert!(printed.contains(verdict), "{printed}");
    closed.stop();
    // It sees what it is to see where this machine is trusted.
    let site = Site::new();
    let route = route_to("*", sink.address());
    let mut open = site.start(&["--route", &route, "--max-errors", "100"]);
    let printed = looks(&open);
    assert!(printed.contains("Server is an open relay ("), "{printed}");
    open.stop();
    assert!(sink.taken().is_empty());
}
