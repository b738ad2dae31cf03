//! Clients of HTTP that take what they can get, while mail goes on.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use mailoop::http::driver::VIEWERS_MAX;

use super::start;
use crate::common::client::Client;
use crate::common::http::HttpClient;
use crate::common::pauses::undisturbed;
use crate::common::{TestServer, raise_descriptor_limit, wait_until};

/// Time in which anybody is to be served, whatever others do: half of that for which a slow client is waited for.
const SOON: Duration = Duration::from_secs(5);

/// The most clients of HTTP.
const CLIENTS_MAX: f64 = 256.0;

/// Sends so many messages, one connection each.
#[track_caller]
fn send(server: &TestServer, count: usize) {
    for _ in 0..count {
        let mut client = Client::connect(server.address());
        client.begin_message("ann@example.org");
        client.say("hello\r\n.\r\nQUIT\r\n");
        client.expect("250");
        client.expect("221");
    }
}

#[track_caller]
fn clients(server: &TestServer) -> f64 {
    let text = HttpClient::connect(server).get("/metrics").body;
    let text = String::from_utf8(text).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("mailoop_http_clients "));
    line.unwrap().parse().unwrap()
}

#[test]
fn a_thousand_idle_and_a_hundred_slow_clients_hold_up_nobody() {
    raise_descriptor_limit();
    let server = start(&["--discard", "--log-level", "warn"]);
    let connect = || TcpStream::connect(server.http_address()).unwrap();
    let _idle: Vec<_> = (0..1000).map(|_| connect()).collect();
    let mut slow: Vec<_> = (0..100).map(|_| connect()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /livez HTTP/1.1\r\nX: ").unwrap();
    }
    for _ in 0..20 {
        for stream in &mut slow {
            // Those that had to make room do not hear it.
            let _ = stream.write_all(b"x");
        }
        undisturbed(|| {
            let begun = Instant::now();
            send(&server, 5);
            assert_eq!(HttpClient::connect(&server).get("/livez").status, 200);
            assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        });
    }
    let clients = clients(&server);
    assert!(clients <= CLIENTS_MAX, "{clients}");
    // Idle clients cost nothing.
    wait_until("rest", || server.is_resting());
    assert_eq!(server.log(), "");
}

#[test]
fn a_flood_of_requests_leaves_mail_its_turns() {
    let server = start(&["--discard", "--log-level", "warn"]);
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(200);
    let mut flood: Vec<_> = (0..50)
        .map(|_| TcpStream::connect(server.http_address()).unwrap())
        .collect();
    for stream in &mut flood {
        // Nobody reads the responses, so the last of these find no room.
        stream.set_nonblocking(true).unwrap();
        let _ = stream.write(request.as_bytes());
    }
    undisturbed(|| {
        let begun = Instant::now();
        send(&server, 20);
        assert_eq!(HttpClient::connect(&server).get("/livez").status, 200);
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    });
    wait_until("rest", || server.is_resting());
    let unread = server.memory_kib("VmRSS");
    assert!(unread < 64 * 1024, "{unread} KiB");
}

#[test]
fn of_viewers_there_are_so_many_and_no_more() {
    let server = start(&[]);
    let view = || {
        let mut client = HttpClient::connect(&server);
        client.ask("GET /api/loop", &[]);
        let head = client.head();
        (client, head)
    };
    let mut viewers: Vec<_> = (0..VIEWERS_MAX).map(|_| view()).collect();
    for (_, head) in &viewers {
        assert_eq!(head.field("Content-Type"), Some("text/event-stream"));
        assert_eq!((head.status, head.field("Content-Length")), (200, None));
    }
    assert_eq!(view().1.status, 503);
    viewers.pop();
    wait_until("room for one more", || view().1.status == 200);
}
