//! Peers that send much or read nothing, once they are in TLS.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::sync::Arc;

use ring::aead;
use rustls::{ClientConfig, ConnectionTrafficSecrets};

use super::common::dialogue::Way;
use super::common::memory::{Client, MemoryServer, seconds};
use super::common::program::{installed, program};
use super::common::{TestServer, tls, wait_until};
use super::{WAYS, before_tls, ends, hello, in_tls, server};

#[test]
fn who_does_not_read_is_not_read_either() {
    for way in WAYS {
        let mut server = server(way, &["--idle-timeout", "10"]);
        let client = in_tls(&mut server, way);
        server.make_room(&client, 0);
        let commands = client.sealed(&b"NOOP\r\n".repeat(100_000));
        server.send_raw(&client, &commands);
        let read = commands.len() - server.unread(&client);
        assert!(read <= 64 << 10, "{read} octets were read");
        // Some room lets the session go on, but only so far.
        server.make_room(&client, 64 << 10);
        let read_then = commands.len() - server.unread(&client);
        assert!(
            read_then > read && read_then <= 192 << 10,
            "{read_then} octets were read"
        );
        server.make_room(&client, usize::MAX);
        assert_eq!(client.text(), "250 2.0.0 Ok\r\n".repeat(100_000));

        server.make_room(&client, 0);
        server.send(&client, &b"NOOP\r\n".repeat(100_000));
        server.advance(seconds(10));
        assert!(client.is_gone() && server.is_empty());
    }
}

#[test]
fn who_reads_an_octet_at_a_time_hears_all() {
    let mut server = server(Way::FromTheStart, &[]);
    let client = in_tls(&mut server, Way::FromTheStart);
    server.make_room(&client, 0);
    server.send(&client, &b"NOOP\r\n".repeat(200));
    let mut said = String::new();
    for _ in 0..10_000 {
        server.make_room(&client, 1);
        said += &client.text();
    }
    assert_eq!(said, "250 2.0.0 Ok\r\n".repeat(200));
}

#[test]
fn a_read_that_drains_is_the_only_one() {
    let mut server = server(Way::FromTheStart, &[]);
    server.trust_short_reads();
    let client = in_tls(&mut server, Way::FromTheStart);
    let before = client.reads();
    server.send(&client, b"NOOP\r\n");
    assert_eq!(
        (client.reads() - before, &*client.text()),
        (1, "250 2.0.0 Ok\r\n")
    );
    // And a reply is one write, good-bye and all else aside.
    client.writes();
    server.send(&client, b"NOOP\r\nNOOP\r\n");
    assert_eq!(client.writes(), 1);
}

#[test]
fn others_have_their_turn_beside_much_input() {
    let mut server = server(Way::FromTheStart, &[]);
    let busy = in_tls(&mut server, Way::FromTheStart);
    server.send(&busy, b"MAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\n");
    server.send(&busy, b"DATA\r\n");
    let text = b"Text: a line of a very long message\r\n".repeat(20_000);
    let sealed = busy.sealed(&text);
    server.queue(&busy, &sealed);
    server.tick();
    let left = server.unread(&busy);
    let turn = sealed.len() - left;
    assert!(0 < turn && turn <= 256 << 10, "{turn} octets in a turn");
    server.queue(&busy, b"");
    assert_eq!(server.unread(&busy), left, "an event gives no second turn");
    server.send(&busy, b".\r\n");
    assert!(busy.text().contains("250 2.0.0 Ok: queued as TEST0001"));
    assert_eq!(server.shelf().stored, [text]);
}

#[test]
fn of_many_hellos_at_once_a_tick_signs_a_few() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pair.pem");
    let path = path.to_str().unwrap();
    let rsa = include_str!("rsa.pem").to_owned();
    let other_kind = tls::certificate_and_key("mail.example.org");
    for (pair, each_tick) in [(rsa, 1), (other_kind, 8)] {
        fs::write(path, pair).unwrap();
        let mut server = MemoryServer::start(&["--tls-cert", path, "--tls-key", path]);
        let mut in_the_clear = |address: &str| {
            let client = server.connect_from(address, b"");
            server.send(&client, b"EHLO client\r\n");
            server.send(&client, b"STARTTLS\r\n");
            client.received_raw();
            client
        };
        let many: Vec<_> = (0..40).map(|_| in_the_clear("192.0.2.1:25")).collect();
        let alone = in_the_clear("192.0.2.2:25");
        let other = server.connect();
        other.received_raw();
        for client in many.iter().chain([&alone]) {
            server.queue(client, &hello(&mut tls::client()));
        }
        let answered = |client: &&Client| !client.received_raw().is_empty();
        let mut left = many.len();
        let mut ticks = 0;
        while left > 0 {
            server.queue(&other, b"NOOP\r\n");
            server.tick();
            ticks += 1;
            assert_eq!(other.text(), "250 Ok\r\n");
            let signed = many.iter().filter(answered).count();
            assert!(signed <= each_tick, "{signed} in one tick");
            left -= signed;
            if ticks == 2 {
                assert!(answered(&&alone), "another address has its turn");
            }
        }
        assert!(ticks <= 2 + many.len() / each_tick, "{ticks} ticks");
    }
}

#[test]
fn new_keys_without_end_end_the_connection() {
    let mut server = server(Way::FromTheStart, &[]);
    let client = in_tls(&mut server, Way::FromTheStart);
    for round in 0..1000 {
        let update = client.with_tls(|tls| tls.refresh_traffic_keys().unwrap());
        server.send_raw(&client, &update);
        if client.is_gone() {
            assert!(round > 5, "a few are as may be");
            assert!(client.received_raw().len() < 8192);
            assert!(server.is_empty());
            return;
        }
    }
    panic!("it goes on after a thousand");
}

#[test]
fn new_keys_now_and_then_are_answered_by_new_keys() {
    let mut server = server(Way::FromTheStart, &[]);
    let client = in_tls(&mut server, Way::FromTheStart);
    for _ in 0..100 {
        server.send_raw(
            &client,
            &client.with_tls(|tls| tls.refresh_traffic_keys().unwrap()),
        );
        server.send(&client, b"NOOP\r\n");
        assert_eq!(client.text(), "250 2.0.0 Ok\r\n");
    }
}

#[test]
fn a_new_handshake_within_tls_is_refused() {
    if !installed(&["openssl"]) {
        return;
    }
    let server = TestServer::start(&["--listen-tls", "127.0.0.1:0", "--tls-self-signed"]);
    let mut client = program("openssl", &server)
        .args(["s_client", "-tls1_2", "-connect", server.address()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // A line that begins with this is a command to begin anew (openssl-s_client(1)).
    client.stdin.as_mut().unwrap().write_all(b"R\n").unwrap();
    wait_until("the client to have had enough", || {
        client.try_wait().unwrap().is_some()
    });
    wait_until("the end", || ends(&server.log()).count() == 1);
    wait_until("rest", || server.is_resting());
    tls::connect(server.address()).expect("220");
}

/// Goes on from the handshake of a client with the keys it has agreed on.
struct Encryptor {
    key: aead::LessSafeKey,
    nonce: [u8; 12],
    sequence: u64,
}

impl Encryptor {
    /// Begins TLS, and takes over from rustls, which would send no record without text.
    fn of(server: &mut MemoryServer, client: &Client) -> Self {
        let mut config = ClientConfig::clone(&tls::trusting());
        config.enable_secret_extraction = true;
        server.begin_tls_as(
            client,
            tls::client_of(Arc::new(config), "mail.example.org"),
            usize::MAX,
        );
        let secrets = client.take_tls().dangerous_extract_secrets().unwrap();
        let (sequence, ConnectionTrafficSecrets::Aes256Gcm { key, iv }) = secrets.tx else {
            panic!("another cipher was chosen");
        };
        let key = aead::UnboundKey::new(&aead::AES_256_GCM, key.as_ref()).unwrap();
        Self {
            key: aead::LessSafeKey::new(key),
            nonce: iv.as_ref().try_into().unwrap(),
            sequence,
        }
    }

    /// One record with this text, and so much padding (RFC 8446 §5.2).
    fn seal(&mut self, text: &[u8], padding: usize) -> Vec<u8> {
        const APPLICATION_DATA: u8 = 23;
        let mut nonce = self.nonce;
        for (octet, mask) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *octet ^= mask;
        }
        self.sequence += 1;
        let mut sealed = [text, &[APPLICATION_DATA], &vec![0; padding]].concat();
        let length = u16::try_from(sealed.len() + aead::AES_256_GCM.tag_len()).unwrap();
        let [high, low] = length.to_be_bytes();
        let header = [APPLICATION_DATA, 3, 3, high, low];
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(nonce, aead::Aad::from(header), &mut sealed)
            .unwrap();
        [&header[..], &sealed].concat()
    }
}

#[test]
fn a_record_without_text_is_neither_an_end_nor_progress() {
    for way in WAYS {
        let mut server = server(way, &["--idle-timeout", "10"]);
        let client = before_tls(&mut server, way);
        let mut encryptor = Encryptor::of(&mut server, &client);
        for _ in 0..9 {
            server.send_raw(&client, &encryptor.seal(b"", 0));
            server.advance(seconds(1));
        }
        assert!(!client.is_closed());
        server.advance(seconds(1));
        assert!(client.is_closed(), "{way:?}");
    }
}

#[test]
fn records_of_nearly_nothing_hold_no_turn() {
    // Of no text many in a row are refused by rustls.
    let kinds: [(&[&[u8]], usize); 2] = [(&[b"", b"", b"x"], 0), (&[b"x"], 16_000)];
    for (texts, padding) in kinds {
        let mut server = server(Way::FromTheStart, &[]);
        let client = before_tls(&mut server, Way::FromTheStart);
        let mut encryptor = Encryptor::of(&mut server, &client);
        server.send_raw(&client, &encryptor.seal(b"NOOP ", 0));
        let mut records = Vec::new();
        while records.len() < 4 << 20 {
            let more = texts.iter().flat_map(|text| encryptor.seal(text, padding));
            records.extend(more);
        }
        server.queue(&client, &records);
        server.tick();
        let turn = records.len() - server.unread(&client);
        assert!(0 < turn && turn <= 160 << 10, "{turn} octets in a turn");
        client.received_raw();
        server.send_raw(&client, &encryptor.seal(b"\r\nNOOP\r\n", 0));
        assert!(!server.has_unread(&client) && !client.is_closed());
        assert!(
            client.received_raw().len() > 30,
            "both commands are answered"
        );
    }
}

#[test]
fn records_of_one_octet_are_text_as_any() {
    let mut server = server(Way::FromTheStart, &[]);
    let client = before_tls(&mut server, Way::FromTheStart);
    let mut encryptor = Encryptor::of(&mut server, &client);
    server.send_raw(&client, &encryptor.seal(b"EHLO c\r\nMAIL FROM:<>\r\n", 0));
    server.send_raw(
        &client,
        &encryptor.seal(b"RCPT TO:<b@example.org>\r\nDATA\r\n", 0),
    );
    let text = b"Text: a line\r\n".repeat(1000);
    let records = text.chunks(1).flat_map(|octet| encryptor.seal(octet, 0));
    let records: Vec<_> = records.collect();
    server.send_raw(&client, &records);
    server.send_raw(&client, &encryptor.seal(b".\r\n", 0));
    assert_eq!(server.shelf().stored, [text]);
}
