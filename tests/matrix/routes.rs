//! The levels that a route of the operator demands.

use crate::common::client::Client;
use crate::common::pauses::undisturbed;
use crate::common::program::{faketime, installed};
use crate::common::{TestServer, wait_until};
use crate::fates::{Case, compare, send_all};
use crate::peers::{PROGRAMS, Peer, Peers};
use crate::table::{Level, TABLE};

/// The library by which a clock runs.
const FAKETIME: &str = "libfaketime.so.1";
/// A clock by which the five minutes of a handshake, and of any other step, are five seconds.
const CLOCK: &str = "+0 x60";

/// The level of a route, and its options.
fn levels(peers: &Peers) -> [(Level, String); 3] {
    let authority = peers.authority();
    let verify = format!("tls=verify&ca={}", authority.to_str().unwrap());
    [
        (Level::May, "tls=may".to_owned()),
        (Level::Encrypt, "tls=encrypt".to_owned()),
        (Level::Verify, verify),
    ]
}

/// The rest of an address for one peer at one level.
fn domain(peer: Peer, level: Level) -> String {
    format!("{}.{}.example", peer.kind(), level.name())
}

/// The routes to some of the peers at each level, and a retry each second.
fn options(peers: &Peers, is_chosen: impl Fn(Peer) -> bool) -> Vec<String> {
    let mut options: Vec<String> = [
        "--retry",
        "1",
        "--relay-from",
        "127.0.0.0/8",
        "--spool",
        "spool",
    ]
    .map(str::to_owned)
    .to_vec();
    for peer in Peer::ALL.into_iter().filter(|peer| is_chosen(*peer)) {
        for (level, tls) in levels(peers) {
            let (domain, address, port) = (domain(peer, level), peer.address(), peers.port());
            options.push("--route".to_owned());
            options.push(format!("{domain}=smtp://{address}:{port}?{tls}"));
        }
    }
    options
}

/// A message for some of the peers at each level.
fn cases(is_chosen: impl Fn(Peer) -> bool) -> Vec<Case> {
    let rows = TABLE.iter().filter(|(peer, ..)| is_chosen(*peer));
    let cases = rows.flat_map(|(peer, _, fates)| {
        let levels = Level::ALL.iter().zip(fates).take(3);
        levels.map(|(level, fate)| Case {
            domain: domain(*peer, *level),
            peer: *peer,
            expected: *fate,
        })
    });
    cases.collect()
}

#[test]
fn mail_goes_in_tls_or_in_the_clear_or_waits_as_the_table_has_it() {
    if !installed(&PROGRAMS) {
        return;
    }
    let peers = Peers::start();
    // Who hangs does so for five minutes.
    let is_chosen = |peer| peer != Peer::Hangs;
    let (options, cases) = (options(&peers, is_chosen), cases(is_chosen));
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let mut server = TestServer::start(&options);
    send_all(&server, &cases);
    compare(&server, &peers, &cases, || {});
    server.stop();
}

#[test]
fn the_next_hop_has_it_in_tls_before_this_one_has_it_in_the_clear() {
    if !installed(&PROGRAMS) {
        return;
    }
    let peers = Peers::start();
    let hop = |peer: Peer| format!("smtp://{}:{}?tls=may", peer.address(), peers.port());
    let route = format!("*={},{}", hop(Peer::Closes), hop(Peer::Good));
    let options = [
        "--relay-from",
        "127.0.0.0/8",
        "--retry",
        "1",
        "--route",
        &route,
    ];
    let mut server = TestServer::start(&options);
    for number in 0..3 {
        let mut client = Client::connect(server.address());
        client.hello();
        client.ask("MAIL FROM:<from@a.example>", "250");
        client.ask(&format!("RCPT TO:<{number}@a.example>"), "250");
        client.ask("DATA", "354");
        client.say("Subject: matrix\r\n\r\n.\r\n");
        client.expect("250");
        wait_until("a message at the second hop", || {
            let address = format!("{number}@a.example");
            let events = peers.events();
            let taken = events.iter().find(|event| event.address == address);
            taken.is_some_and(|taken| {
                assert_eq!((&*taken.kind, &*taken.channel), ("good", "TLSv1.3"));
                true
            })
        });
    }
    server.stop();
}

#[test]
fn a_handshake_that_hangs_ends_after_five_minutes() {
    if !installed(&PROGRAMS) || !installed(&[FAKETIME]) {
        return;
    }
    // By this clock a pause of five seconds is one of five minutes.
    undisturbed(who_hangs_is_left);
}

fn who_hangs_is_left() {
    let peers = Peers::start();
    let is_chosen = |peer| peer == Peer::Hangs;
    let (options, cases) = (options(&peers, is_chosen), cases(is_chosen));
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let library = format!("LD_PRELOAD={}", faketime().unwrap());
    let clock = format!("FAKETIME={CLOCK}");
    let mut server = TestServer::start_under(&["/usr/bin/env", &library, &clock], &options);
    send_all(&server, &cases);
    // A wait of the system takes no part in the clock: the server looks at it when something comes.
    let mut waker = Client::connect(server.address());
    waker.hello();
    compare(&server, &peers, &cases, || {
        waker.ask("NOOP", "250");
    });
    server.stop();
}
