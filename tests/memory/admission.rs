//! Senders and recipients that wait for what the store says: the loop asks the disk nothing.

use crate::common::memory::{GREETING, MemoryServer, greeted, seconds};

#[test]
fn who_waits_for_an_answer_is_neither_read_nor_timed_out_and_goes_on_in_order() {
    let mut server = MemoryServer::start(&["--idle-timeout", "10"]);
    server.shelf().asks = true;
    server.shelf().put_off = true;
    let client = greeted(&mut server);
    let other = greeted(&mut server);
    server.send(&client, b"HELO c\r\n");
    client.text();
    server.send(
        &client,
        b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\nDATA\r\n",
    );
    assert_eq!(client.text(), "");
    server.send(&other, b"NOOP\r\n");
    assert_eq!(other.text(), "250 Ok\r\n");
    server.release_commits();
    assert_eq!(
        client.text(),
        "250 Ok\r\n250 Ok\r\n250 Ok\r\n354 Enter message, ending with \".\" on a line by itself\r\n"
    );
    server.send(&client, b"text\r\n.\r\nMAIL FROM:<a@example.com>\r\n");
    server.release_commits();
    assert!(client.text().starts_with("250 Ok: queued as"));

    server.send(&client, b"RCPT TO:<b@example.org>\r\n");
    server.advance(seconds(9));
    assert_eq!(client.text(), "", "a recipient is not to blame");
    server.advance(seconds(1));
    assert_eq!(
        client.text(),
        "451 Error: cannot store the message, try again later\r\n"
    );
    server.send(&client, b"RCPT TO:<c@example.org>\r\n");
    server.release_commits();
    assert_eq!(client.text(), "250 Ok\r\n");
}

#[test]
fn a_sender_waits_a_second_at_most() {
    let mut server = MemoryServer::start(&[]);
    server.shelf().asks = true;
    server.shelf().put_off = true;
    let client = greeted(&mut server);
    server.send(&client, b"HELO c\r\nMAIL FROM:<a@example.com>\r\nNOOP\r\n");
    client.text();
    server.advance(seconds(1));
    assert_eq!(client.text(), "250 Ok\r\n250 Ok\r\n");
    // The answer that comes all the same is nobody's.
    server.release_commits();
    assert_eq!(client.text(), "");
}

#[test]
fn whoever_leaves_while_the_store_is_asked_leaves_nothing() {
    for ends in [0, 1, 2] {
        let mut server = MemoryServer::start(&["--drain-timeout", "5"]);
        server.shelf().asks = true;
        server.shelf().put_off = true;
        let client = server.connect();
        assert_eq!(client.text(), GREETING);
        server.send(&client, b"HELO c\r\n");
        server.send(&client, b"MAIL FROM:<a@example.com>\r\n");
        match ends {
            0 => server.reset(&client),
            1 => server.close(&client),
            _ => server.drain(),
        }
        server.advance(seconds(6));
        server.release_commits();
        server.advance(seconds(6));
        assert!(server.is_empty(), "{ends}");
    }
}
