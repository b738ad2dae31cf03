//! A store that takes no mail, as one whose servers cannot be reached.

use crate::common::memory::{ENVELOPE, GREETING, MemoryServer, greeted, in_data, seconds};

const CANNOT_STORE: &str = "451 Error: cannot store the message, try again later\r\n";
const LOST: &str = "421 Service not available: the store cannot be reached, try again later\r\n";

/// Has the store be lost from now on.
fn lose(server: &mut MemoryServer) {
    let now = server.now();
    server.shelf().lost_since = Some(now);
}

#[test]
fn senders_are_refused_at_once_and_connections_after_a_minute() {
    let mut server = MemoryServer::start(&[]);
    let sender = greeted(&mut server);
    let busy = in_data(&mut server);
    lose(&mut server);
    server.send(&sender, ENVELOPE);
    let replies = sender.text();
    assert!(replies.contains(CANNOT_STORE), "{replies}");

    server.advance(seconds(59));
    let late = server.connect_or_refuse();
    assert_eq!(late.text(), GREETING);
    server.advance(seconds(1));
    let refused = server.connect_or_refuse();
    assert_eq!(refused.text(), LOST);
    assert!(refused.is_closed());
    assert!(
        server.status().contains("store_lost=60 "),
        "{}",
        server.status()
    );

    // Who is there already may stay, and finish what has begun if the store takes it.
    server.send(&late, b"NOOP\r\n");
    assert_eq!(late.text(), "250 Ok\r\n");
    server.send(&busy, b"text\r\n.\r\n");
    assert!(busy.text().starts_with("250 "));

    server.shelf().lost_since = None;
    assert!(!server.status().contains("store_lost"));
    let again = server.connect_or_refuse();
    assert_eq!(again.text(), GREETING);
    server.send(&sender, b"MAIL FROM:<a@example.com>\r\n");
    assert_eq!(sender.text(), "250 Ok\r\n");
}

#[test]
#[cfg(feature = "http")]
fn a_server_whose_store_is_lost_is_not_ready() {
    let mut server = MemoryServer::start(&[]);
    let ready = server.ask_http("/readyz");
    assert!(ready.text().starts_with("HTTP/1.1 200"));
    lose(&mut server);
    server.advance(seconds(1));
    let lost = server.ask_http("/readyz");
    assert!(lost.text().starts_with("HTTP/1.1 503"));
    server.shelf().lost_since = None;
    server.advance(seconds(1));
    let ready = server.ask_http("/readyz");
    assert!(ready.text().starts_with("HTTP/1.1 200"));
}
