//! TLS behind a proxy, and limits on connections whose client is known only behind its header.

use std::io::Read;

use super::common::dialogue::Way;
use super::common::memory::{MemoryServer, ip, origin};
use super::common::{TestServer, tls, wait_until};
use super::{GREETING, hello, server};

const PROXY: &str = "10.1.2.3:40000";
const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n";
const V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0C\xC0\x00\x02\x01\xC6\x33\x64\x02\xDC\x04\x00\x19";

/// A server that trusts the proxies in 10.0.0.0/8.
fn trusting(options: &[&str], short_reads_drain: bool) -> MemoryServer {
    let mut server = server(Way::FromTheStart, options);
    server.trust(&["10.0.0.0/8"]);
    if short_reads_drain {
        server.trust_short_reads();
    }
    server
}

#[test]
fn header_and_hello_may_be_cut_anywhere() {
    for (header, short_reads_drain) in [(V1, false), (V2, false), (V1, true), (V2, true)] {
        let mut server = trusting(&[], short_reads_drain);
        let length = header.len() + hello(&mut tls::client()).len();
        for cut in 0..=length {
            let mut tls = tls::client();
            let said = [header, &hello(&mut tls)].concat();
            let (first, rest) = said.split_at(cut.min(said.len()));
            let client = server.connect_from(PROXY, first);
            server.send(&client, rest);
            server.begin_tls_as(&client, tls, usize::MAX);
            assert_eq!(client.text(), GREETING, "cut at {cut} of {length}");
            if cut == length {
                assert_eq!(origin(&mut server, &client), ip("192.0.2.1"));
            }
        }
    }
}

#[test]
fn a_header_inside_of_tls_is_none() {
    let mut server = server(Way::FromTheStart, &[]);
    let client = server.connect();
    server.begin_tls(&client, usize::MAX);
    assert_eq!(client.text(), GREETING);
    server.send(&client, V1);
    assert!(client.text().starts_with("500 "));
}

#[test]
fn one_too_many_of_an_address_hears_nothing_in_the_clear() {
    let mut server = trusting(&["--max-connections-per-ip", "1"], true);
    let said = [V1, &hello(&mut tls::client())].concat();
    let first = server.connect_from(PROXY, &said);
    assert_eq!(first.received_raw().first(), Some(&0x16));
    for early in [V1, &said] {
        let second = server.connect_from(PROXY, early);
        assert!(second.is_closed());
        let heard = second.received_raw();
        assert!(heard.first().is_none_or(|kind| matches!(kind, 0x15 | 0x16)));
        assert!(!heard.windows(4).any(|part| part == b"421 "), "{heard:x?}");
    }
    server.close(&first);
    let mut tls = tls::client();
    let third = server.connect_from(PROXY, &[V1, &hello(&mut tls)].concat());
    server.begin_tls_as(&third, tls, usize::MAX);
    assert_eq!(third.text(), GREETING);
}

/// What a connection hears before it is closed.
fn heard(server: &TestServer) -> Vec<u8> {
    let mut heard = Vec::new();
    server.connect().read_to_end(&mut heard).unwrap();
    heard
}

#[test]
fn a_handshake_counts_as_a_connection() {
    let smtps = ["--listen-tls", "127.0.0.1:0", "--tls-self-signed"];
    for limit in ["--max-connections", "--max-connections-per-ip"] {
        let server = TestServer::start(&[&smtps[..], &[limit, "1"]].concat());
        let within = server.connect();
        assert_eq!(heard(&server), b"", "nothing is said in the clear");
        drop(within);
        wait_until("its place", || {
            server.log().contains("closed=peer") && server.is_resting()
        });
        tls::connect(server.address()).expect("220");
    }
}
