//! Long responses: they are not copied, and clients that do not read them take nothing but their place.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::common::client::Client;
use crate::common::http::HttpClient;
use crate::common::pauses::undisturbed;
use crate::common::{TestServer, raise_descriptor_limit, wait_until};

/// Octets of the text of the message.
const TEXT_BYTES: usize = 20 << 20;
/// Clients that do not read, as many as there may be but one.
const DEAF: usize = 255;
/// Memory that they may take together: far less than one copy of the message each.
const MEMORY_KIB_MAX: u64 = 24 * 1024;

const RAW: &str = "GET /api/v1/message/latest/raw HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A server that has caught one long message.
fn start() -> TestServer {
    let server = TestServer::start_catch(&["--log-level", "warn"]);
    let mut client = Client::connect(server.address());
    client.begin_message("ann@example.org");
    let line = [&[b'x'; 62][..], b"\r\n"].concat();
    client.say(&String::from_utf8(line.repeat(TEXT_BYTES / line.len())).unwrap());
    client.say(".\r\nQUIT\r\n");
    client.expect("250");
    server
}

#[test]
fn a_long_message_comes_whole_also_when_read_slowly() {
    let mut server = start();
    let mut client = HttpClient::connect(&server);
    for _ in 0..2 {
        client.say(RAW);
        let reply = client.reply();
        assert_eq!(reply.status, 200);
        assert!(reply.body.len() > TEXT_BYTES, "{}", reply.body.len());
        assert!(reply.body.ends_with(b"xxx\r\n"));
    }
    // One that begins to read is not cut off by the end of the server.
    client.say(RAW);
    let head = client.head();
    server.signal(rustix::process::Signal::TERM);
    let mut rest = head;
    rest.body = vec![0; rest.field("Content-Length").unwrap().parse().unwrap()];
    client.read_exact(&mut rest.body);
    assert!(rest.body.ends_with(b"xxx\r\n"));
    wait_until("the end", || server.has_ended());
}

#[test]
fn clients_that_do_not_read_hold_no_copy_and_keep_others_waiting_for_a_place_only() {
    raise_descriptor_limit();
    let server = start();
    let before = server.memory_kib("VmRSS");
    let mut deaf: Vec<TcpStream> = (0..DEAF)
        .map(|_| {
            let mut stream = TcpStream::connect(server.http_address()).unwrap();
            stream.write_all(RAW.as_bytes()).unwrap();
            // It has begun to hear, so its request was whole.
            stream.read_exact(&mut [0; 8]).unwrap();
            stream
        })
        .collect();
    let taken = server.memory_kib("VmRSS").saturating_sub(before);
    assert!(taken < MEMORY_KIB_MAX, "{taken} KiB");
    let mut last = HttpClient::connect(&server);
    assert_eq!(last.get("/livez").status, 200);
    last.say(RAW);
    assert_eq!(last.head().status, 200);
    // Now all of them read a response, and nobody is idle.
    let mut refused = HttpClient::connect(&server);
    let reply = refused.reply();
    assert_eq!(
        (reply.status, reply.field("Connection")),
        (503, Some("close"))
    );
    refused.expect_end();
    undisturbed(|| {
        let begun = Instant::now();
        let mut mail = Client::connect(server.address());
        mail.begin_message("ann@example.org");
        mail.say("hello\r\n.\r\n");
        mail.expect("250");
        let taken = begun.elapsed();
        assert!(taken < Duration::from_secs(5), "{taken:?}");
    });
    wait_until("rest", || server.is_resting());
    deaf.pop();
    wait_until("a place", || {
        let mut client = HttpClient::connect(&server);
        client.ask("GET /livez", &[]);
        client.reply().status == 200
    });
}

#[test]
fn responses_that_are_made_for_clients_that_do_not_read_are_bounded() {
    let server = start();
    let before = server.memory_kib("VmRSS");
    // Some 20 MiB each, which are made of the message for each of them.
    let request = "GET /api/v2/messages?limit=1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut statuses = Vec::new();
    let deaf: Vec<HttpClient> = (0..12)
        .map(|_| {
            let mut client = HttpClient::connect(&server);
            client.say(request);
            statuses.push(client.head().status);
            client
        })
        .collect();
    let begun = statuses.iter().filter(|status| **status == 200).count();
    let refused = statuses.iter().filter(|status| **status == 503).count();
    assert!((1..=4).contains(&begun), "{statuses:?}");
    assert_eq!(begun + refused, statuses.len(), "{statuses:?}");
    let taken = server.memory_kib("VmRSS").saturating_sub(before);
    assert!(taken < 200 * 1024, "{taken} KiB");
    assert_eq!(HttpClient::connect(&server).get("/readyz").status, 200);
    drop(deaf);
    wait_until("room", || {
        let mut client = HttpClient::connect(&server);
        client.say(request);
        client.head().status == 200
    });
}
