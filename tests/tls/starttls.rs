//! STARTTLS, and what is forgotten over it.

use std::fs;

use super::common::client::Client;
use super::common::dialogue::Way;
use super::common::memory::MemoryServer;
use super::common::{TestServer, tls};
use super::{EARLY, READY, before_tls, hello, in_tls, server};

#[test]
fn input_behind_starttls_ends_the_session() {
    let client_hello = hello(&mut tls::client());
    let command = &b"EHLO client\r\nSTARTTLS\r\n"[..];
    for options in [&[][..], &["--bare-newline", "accept"]] {
        for behind in [
            &b"RSET\r\n"[..],
            b"MAIL FROM:<a@example.com>\r\n",
            b"EHLO client\r\n",
            b"STARTTLS\r\n",
            b"\n",
            b"X",
            &client_hello,
        ] {
            let mut server = server(Way::ByStartTls, options);
            let client = server.connect();
            client.text();
            server.send(&client, &[command, behind].concat());
            let said = client.text();
            let (_, answer) = said.split_once("250 HELP\r\n").unwrap();
            assert_eq!(answer, EARLY.replace("554 ", "554 5.5.1 "), "{behind:x?}");
            assert!(client.is_closed());
            // No handshake comes of it.
            server.send_raw(&client, &client_hello);
            assert_eq!(client.received_raw(), b"");
        }
    }
}

#[test]
fn what_comes_behind_the_answer_in_the_clear_is_not_obeyed() {
    for behind in [
        &b"RSET\r\n"[..],
        b"EHLO client\r\n",
        b"MAIL FROM:<a@example.com>\r\n",
    ] {
        let mut server = server(Way::ByStartTls, &[]);
        let client = before_tls(&mut server, Way::ByStartTls);
        server.send(&client, behind);
        assert!(client.is_gone());
        let said = client.received_raw();
        // All that comes is an alert: its type, a version, its length, and that it is fatal.
        assert!(
            matches!(said[..], [0x15, 3, _, 0, 2, 2, _]),
            "{behind:?}: {said:x?}"
        );
    }
}

#[test]
fn commands_before_starttls_are_answered_in_the_clear() {
    let mut server = server(Way::ByStartTls, &[]);
    let client = server.connect();
    client.text();
    server.send(&client, b"NOOP\r\nEHLO client\r\nNOOP\r\nSTARTTLS\r\n");
    assert!(client.text().ends_with(&format!("250 2.0.0 Ok\r\n{READY}")));
    server.begin_tls(&client, usize::MAX);
    server.send(&client, b"EHLO client\r\n");
    assert!(client.text().contains("250 HELP\r\n"));
}

#[test]
fn the_answer_goes_out_before_the_first_octet_of_tls() {
    let mut server = server(Way::ByStartTls, &[]);
    let client = server.connect();
    server.send(&client, b"EHLO client\r\n");
    client.text();
    server.make_room(&client, 0);
    server.send(&client, b"STARTTLS\r\n");
    // A client that is in a hurry, and is not heard before.
    server.send_raw(&client, &hello(&mut tls::client()));
    server.make_room(&client, usize::MAX);
    let said = client.received_raw();
    let handshake = said.strip_prefix(READY.as_bytes()).unwrap();
    assert_eq!(handshake.first(), Some(&0x16), "{handshake:x?}");
}

#[test]
fn what_was_said_in_the_clear_is_forgotten() {
    let mut server = server(Way::ByStartTls, &[]);
    let client = before_tls(&mut server, Way::ByStartTls);
    server.begin_tls(&client, usize::MAX);
    assert_eq!(client.text(), "", "nobody is greeted twice");
    server.send(&client, b"MAIL FROM:<a@example.com>\r\n");
    assert!(client.text().starts_with("503 "));
    server.send(&client, b"EHLO client\r\n");
    let offers = client.text();
    assert!(offers.contains("250-SIZE") && !offers.contains("STARTTLS"));
}

#[test]
fn a_login_that_was_told_of_in_the_clear_is_forgotten() {
    let options = [
        "--listen-submission",
        "127.0.0.1:0",
        "--xclient-from",
        "10.1.2.3",
    ];
    let mut server = server(Way::ByStartTls, &options);
    let client = server.connect_from("10.1.2.3:40000", b"");
    let login = b"XCLIENT NAME=c.example LOGIN=ada\r\n";
    server.send(&client, login);
    server.send(&client, b"EHLO client\r\nSTARTTLS\r\n");
    assert!(client.text().ends_with(READY));
    server.begin_tls(&client, usize::MAX);
    for (before, code) in [(&b""[..], "530 "), (login, "250 ")] {
        server.send(&client, before);
        server.send(&client, b"EHLO client\r\n");
        client.text();
        server.send(&client, b"MAIL FROM:<ada@example.org>\r\n");
        let said = client.text();
        assert!(said.starts_with(code), "{said}");
    }
}

#[test]
fn a_certificate_that_was_taken_away_is_not_there_for_now() {
    let mut server = server(Way::ByStartTls, &[]);
    let secured = in_tls(&mut server, Way::ByStartTls);
    let client = server.connect();
    server.send(&client, b"EHLO client\r\n");
    assert!(client.text().contains("STARTTLS"));
    server.lose_certificates();
    server.send(&client, b"STARTTLS\r\n");
    assert!(client.text().starts_with("454 4.7.0 "));
    for client in [client, secured] {
        server.send(&client, b"NOOP\r\n");
        assert_eq!(client.text(), "250 2.0.0 Ok\r\n");
    }
}

#[test]
fn a_certificate_that_was_taken_away_is_offered_no_more() {
    let mut server = server(Way::ByStartTls, &[]);
    server.reconfigure(&[]);
    server.lose_certificates();
    let client = server.connect();
    server.send(&client, b"EHLO client\r\nSTARTTLS\r\n");
    let said = client.text();
    assert!(!said.contains("250-STARTTLS"));
    assert!(said.ends_with("502 5.5.1 Error: command not implemented\r\n"));
}

#[test]
fn the_trace_field_knows_the_hello_in_tls_only() {
    let mut server = TestServer::start(&["--tls-self-signed"]);
    let mut client = Client::connect(server.address());
    client.expect("220");
    client.say("EHLO earlier.example\r\n");
    while !client.hear().starts_with("250 ") {}
    client.ask("STARTTLS", "220");
    let mut client = tls::secured(client);
    client.say("EHLO later.example\r\n");
    while !client.hear().starts_with("250 ") {}
    client.envelope("b@example.org");
    client.ask(".", "250");
    client.ask("QUIT", "221");
    assert_eq!(client.rest(), "", "close_notify, and nothing else");
    server.stop();
    let stored = fs::read_to_string(&server.new_mail("b@example.org")[0]).unwrap();
    assert!(stored.contains("Received: from later.example ([127.0.0.1])"));
    assert!(stored.contains("TLSv1.3") && stored.contains("with ESMTPS id"));
    assert!(!stored.contains("earlier.example"), "{stored}");
}

#[test]
fn a_plain_server_knows_no_starttls() {
    let mut server = MemoryServer::start(&[]);
    let client = server.connect();
    server.send(&client, b"EHLO client\r\nSTARTTLS\r\n");
    let said = client.text();
    assert!(!said.contains("250-STARTTLS") && said.contains("502 5.5.1"));
}
