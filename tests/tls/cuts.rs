//! Sessions in TLS that are cut: whoever can cut, or write into, the connection must not end a message (CVE-2026-45185).

use super::common::TestServer;
use super::common::client::Client as Speaker;
use super::common::dialogue::Way;
use super::common::memory::{Client, MemoryServer};
use super::common::{files, tls, wait_until};
use super::{GREETING, WAYS, ends, hello, in_tls, server};

const ENVELOPE: &[u8] = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\n";

/// How a connection is cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Fin,
    Reset,
    CloseNotify,
    CloseNotifyAndFin,
    ClearText(&'static [u8]),
    CloseNotifyAndClearText(&'static [u8]),
}

const END: &[u8] = b"more\r\n.\r\nQUIT\r\n";

const CUTS: [Cut; 7] = [
    Cut::Fin,
    Cut::Reset,
    Cut::CloseNotify,
    Cut::CloseNotifyAndFin,
    Cut::ClearText(END),
    Cut::ClearText(b"\r\n.\r\n"),
    Cut::CloseNotifyAndClearText(END),
];

impl Cut {
    fn make(self, server: &mut MemoryServer, client: &Client) {
        match self {
            Self::Fin => server.close(client),
            Self::Reset => server.reset(client),
            Self::CloseNotify => server.send_raw(client, &client.sealed_farewell()),
            Self::CloseNotifyAndFin => {
                server.send_raw(client, &client.sealed_farewell());
                server.close(client);
            }
            Self::ClearText(text) => server.send_raw(client, text),
            Self::CloseNotifyAndClearText(text) => {
                let farewell = client.sealed_farewell();
                server.send_raw(client, &[&farewell, text].concat());
            }
        }
    }
}

#[test]
fn a_message_that_is_cut_is_no_message() {
    let parts = [
        &b"DATA\r\n"[..],
        b"DATA\r\ntext",
        b"DATA\r\ntext\r\n.",
        b"DATA\r\ntext\r\n.\r",
        b"BDAT 100\r\n",
        b"BDAT 100 LAST\r\ntext",
        b"BDAT 6\r\ntext\r\n",
        b"BDAT 6\r\ntext\r\nBDAT 10 LAST\r\n",
        b"",
    ];
    for way in WAYS {
        for cut in CUTS {
            for part in parts {
                let mut server = server(way, &[]);
                let client = in_tls(&mut server, way);
                server.send(&client, ENVELOPE);
                for line in part.split_inclusive(|octet| *octet == b'\n') {
                    server.send(&client, line);
                }
                assert!(!client.is_closed(), "{part:?}");
                cut.make(&mut server, &client);
                let place = format!("{way:?}, {cut:?} behind {part:?}");
                assert!(client.is_gone() && server.is_empty(), "{place}");
                assert_eq!(server.shelf().stored, [b""; 0], "{place}");
                assert_eq!(server.shelf().unfinished, 0, "{place}");
            }
        }
    }
}

#[test]
fn a_message_counts_only_with_the_last_octet_of_its_last_record() {
    let mut server = server(Way::FromTheStart, &[]);
    let mut most = 1;
    for cut in 0.. {
        let client = in_tls(&mut server, Way::FromTheStart);
        server.send(&client, &[ENVELOPE, b"DATA\r\n"].concat());
        let end = client.sealed(b"text\r\n.\r\n");
        server.send_raw(&client, &end[..cut.min(end.len())]);
        server.close(&client);
        assert!(client.is_gone());
        most = end.len();
        if cut == most {
            break;
        }
        assert_eq!(server.shelf().stored.len(), 0, "cut at {cut} of {most}");
        assert_eq!(server.shelf().unfinished, 0);
    }
    assert!(most > 9);
    assert_eq!(server.shelf().stored, [b"\r\ntext\r\n"]);
}

#[test]
fn a_message_that_was_whole_before_the_cut_is_answered() {
    for says_so in [true, false] {
        let mut server = server(Way::FromTheStart, &[]);
        server.shelf().put_off = true;
        let client = in_tls(&mut server, Way::FromTheStart);
        server.send(&client, &[ENVELOPE, b"DATA\r\n"].concat());
        server.send(&client, b"text\r\n.\r\n");
        client.text();
        if says_so {
            server.send_raw(&client, &client.sealed_farewell());
        }
        server.close(&client);
        server.release_commits();
        assert_eq!(client.text(), "250 2.0.0 Ok: queued as TEST0001\r\n");
        assert!(client.is_gone());
        assert_eq!(server.shelf().stored, [b"\r\ntext\r\n"]);
    }
}

#[test]
fn a_peer_that_closes_behind_its_part_of_the_handshake_is_greeted() {
    for says_so in [true, false] {
        let mut server = server(Way::FromTheStart, &[]);
        let client = server.connect();
        let mut tls = tls::client();
        server.send_raw(&client, &hello(&mut tls));
        tls.read_tls(&mut &client.received_raw()[..]).unwrap();
        tls.process_new_packets().unwrap();
        if says_so {
            tls.send_close_notify();
        }
        let mut last = hello(&mut tls);
        while tls.wants_write() {
            last.extend(hello(&mut tls));
        }
        server.send_raw_and_close(&client, &last);
        client.begin_with(tls);
        assert_eq!(client.text(), GREETING);
        assert!(client.has_farewell() && client.is_gone());
    }
}

#[test]
fn half_a_command_is_no_command() {
    let mut server = server(Way::FromTheStart, &[]);
    let client = in_tls(&mut server, Way::FromTheStart);
    server.send(&client, b"NOOP\r\nNOOP");
    server.close(&client);
    assert_eq!(client.text(), "250 2.0.0 Ok\r\n");
    assert!(client.is_gone());
}

#[test]
fn nothing_is_left_of_a_message_that_is_cut_over_a_real_socket() {
    let mut server = TestServer::start(&["--listen-tls", "127.0.0.1:0", "--tls-self-signed"]);
    // More than is held back of a message, so that it has a file.
    let text = "a line of text\r\n".repeat(2000);
    for round in 0..60 {
        let mut client = tls::connect(server.address());
        client.hello();
        client.say("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\n");
        client.expect("250");
        client.expect("250");
        if round % 2 == 0 {
            client.ask("DATA", "354");
            client.say(&text);
        } else {
            client.say(&format!("BDAT 100000 LAST\r\n{text}"));
        }
        wait_until("its draft", || !server.tmp_mail("b@example.org").is_empty());
        cut(client, round % 6);
        wait_until("its draft to be gone", || {
            server.tmp_mail("b@example.org").is_empty()
        });
    }
    server.stop();
    assert!(server.new_mail("b@example.org").is_empty());
    let log = server.log();
    assert_eq!(ends(&log).count(), 60, "{log}");
    assert_eq!(
        ends(&log)
            .filter(|line| line.contains(" messages=0 "))
            .count(),
        60,
        "{log}"
    );
    // But for the folder of instances.
    assert_eq!(files(&server.maildir()).len(), 1);
}

type TlsStream = rustls::StreamOwned<rustls::ClientConnection, std::net::TcpStream>;

fn cut(client: Speaker<TlsStream>, how: usize) {
    use std::io::Write;
    let mut stream = client.stream.into_inner();
    if how >= 3 {
        stream.conn.send_close_notify();
        stream.flush().unwrap();
    }
    match how % 3 {
        0 => {}
        1 => socket2::SockRef::from(&stream.sock)
            .set_linger(Some(std::time::Duration::ZERO))
            .unwrap(),
        _ => {
            // The server may have gone already.
            let _ = stream.sock.write_all(END);
            let _ = std::io::Read::read(&mut stream.sock, &mut [0; 1]);
        }
    }
}
