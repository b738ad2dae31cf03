//! Messages by BDAT in the store of the running server, compared with those by DATA.

use std::io::Write;

use crate::common::TestServer;
use crate::common::chunks::{ENVELOPE, in_chunks, stuffed};
use crate::common::client::Client;

/// Octets that follow from `seed`, and lengths between 0 and `most` that cut them.
fn noise(seed: u32) -> impl FnMut() -> u32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    }
}

fn random_sizes(length: usize, most: usize, seed: u32) -> Vec<usize> {
    let mut noise = noise(seed);
    let mut sizes = Vec::new();
    let mut left = length;
    while left > 0 {
        let size = (noise() as usize % (most + 1)).min(left);
        sizes.push(size);
        left -= size;
    }
    sizes
}

/// Says it all behind EHLO without waiting for any reply, and reads until the server closes.
fn say_at_once(server: &TestServer, envelope: &str, chunks: &[u8]) -> String {
    let mut client = Client::connect(server.address());
    client.hello();
    let wire = [envelope.as_bytes(), chunks, b"QUIT\r\n"].concat();
    let mut stream = client.stream.get_ref().try_clone().unwrap();
    let writer = std::thread::spawn(move || stream.write_all(&wire).unwrap());
    let said = client.rest();
    writer.join().unwrap();
    said
}

#[test]
fn a_maildir_gets_the_same_by_chunks_and_by_data() {
    let mut noise = noise(1);
    let line = |length: u32| [&vec![b'x'; length as usize][..], b"\r\n"].concat();
    let mut message = b"Subject: many lines\r\n\r\n.\r\n..\r\n.QUIT\r\n".to_vec();
    for _ in 0..20_000 {
        message.extend(line(noise() % 100));
    }
    let mut server = TestServer::start(&[]);
    let mut client = Client::connect(server.address());
    client.hello();
    client.envelope("b@example.org");
    client
        .stream
        .get_mut()
        .write_all(&stuffed(&message))
        .unwrap();
    client.expect("250 2.0.0 Ok: queued as ");
    client.ask("QUIT", "221");
    for (seed, most) in [(2, 100), (3, 20_000), (4, 1 << 20)] {
        let envelope = ENVELOPE.replace("<b@", &format!("<c{seed}@"));
        let sizes = random_sizes(message.len(), most, seed);
        let chunks = in_chunks(&message, &sizes);
        let said = say_at_once(&server, &envelope, &chunks);
        let last: Vec<_> = said.lines().rev().take(2).collect();
        assert!(last[1].starts_with("250 2.0.0 Ok: queued as "), "{last:?}");
        assert_eq!(said.matches("octets received").count(), sizes.len() - 1);
    }
    server.stop();
    let by_data = server.message("b@example.org");
    assert_eq!(
        by_data.len(),
        message.len() - message.iter().filter(|octet| **octet == b'\r').count()
    );
    for seed in 2..5 {
        let by_chunks = server.message(&format!("c{seed}@example.org"));
        assert!(by_chunks == by_data, "seed {seed}: it was changed");
    }
}

#[test]
fn a_maildir_keeps_a_binary_message_as_it_came() {
    let mut noise = noise(5);
    let line_ends = [&b"\r\n"[..], b"\n", b"\r", b"\0", b"\r\r\n"];
    let message: Vec<u8> = (0..200_000)
        .flat_map(|_| match noise() % 10 {
            end @ 0..5 => line_ends[end as usize].to_vec(),
            _ => vec![noise().to_le_bytes()[0]],
        })
        .collect();
    let mut server = TestServer::start(&["--bare-newline", "reject"]);
    let envelope = ENVELOPE.replace("com>", "com> BODY=BINARYMIME");
    let chunks = in_chunks(&message, &random_sizes(message.len(), 50_000, 6));
    let said = say_at_once(&server, &envelope, &chunks);
    assert!(said.contains("queued as"), "{said}");
    server.stop();
    let file = std::fs::read(&server.new_mail("b@example.org")[0]).unwrap();
    let trace = file
        .strip_suffix(&message[..])
        .expect("the message is there");
    let trace = String::from_utf8(trace.to_vec()).unwrap();
    // What is put in front of it are lines as it has them.
    assert!(trace.ends_with("\r\n") && trace.matches("\r\n").count() == trace.lines().count());
    assert!(
        trace.starts_with("Return-Path: <a@example.com>\r\nReceived: "),
        "{trace}"
    );
}
