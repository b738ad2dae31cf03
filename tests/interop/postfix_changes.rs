//! Postfix, asked by a filter to change messages: they become what our own changes make of them, octet for octet.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use mailoop::milter::body::BodyLines;
use mailoop::milter::changes::{FilterChange, MessageChanges};
use mailoop::milter::fields::{MessageField, split_message};

use crate::common::TestServer;
use crate::common::program::installed;
use crate::postfix::Postfix;

/// Whether the filter gives values with the space after the colon (SMFIP_HDR_LEADSPC).
const LEADING_SPACE: u32 = 1 << 20;
/// All steps but the end of a message are not wanted.
const UNWANTED_STEPS: u32 = 0x37f;
const ALL_ACTIONS: u32 = 0x1ff;
const MESSAGES: u64 = 20;

const MESSAGE: &str = "From: ada@example.org\nX-A: one\nTo: bob@example.net\nReceived: from nowhere\nx-b: two\n\tfolded\n\
    X-A: three\nDate: Mon, 30 Nov 2026 12:00:00 +0000\nReceived: again\nMessage-ID: <1@example.org>\nX-A:\n\na body\n";

/// What a filter says of the next message.
#[derive(Default)]
struct Orders {
    protocol: u32,
    changes: Vec<FilterChange>,
    /// The pieces of a new body, if there is one.
    body: Vec<&'static str>,
}

fn packet(command: u8, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len() + 1).unwrap();
    [&length.to_be_bytes()[..], &[command], data].concat()
}

/// A change as a filter asks for it.
fn encoded(change: &FilterChange) -> Vec<u8> {
    match change {
        FilterChange::AddHeader { name, value } => {
            packet(b'h', &[name, &b"\0"[..], value, b"\0"].concat())
        }
        FilterChange::InsertHeader { index, name, value } => packet(
            b'i',
            &[&index.to_be_bytes(), &name[..], b"\0", value, b"\0"].concat(),
        ),
        FilterChange::ChangeHeader { index, name, value } => packet(
            b'm',
            &[&index.to_be_bytes(), &name[..], b"\0", value, b"\0"].concat(),
        ),
        change => panic!("{change:?} changes no text"),
    }
}

/// A filter that listens, and does to each message what its orders say.
fn listen(orders: Arc<Mutex<Orders>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let orders = orders.clone();
            thread::spawn(move || serve(&socket.unwrap(), &orders));
        }
    });
    port
}

/// Serves one connection up to its end.
fn serve(mut socket: &TcpStream, orders: &Mutex<Orders>) {
    let mut length = [0; 4];
    while socket.read_exact(&mut length).is_ok() {
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        socket.read_exact(&mut body).unwrap();
        let orders = orders.lock().unwrap();
        let answer = match body[0] {
            b'O' => {
                let numbers = [6, ALL_ACTIONS, UNWANTED_STEPS | orders.protocol];
                packet(b'O', &numbers.map(u32::to_be_bytes).concat())
            }
            b'E' => {
                let changes = orders.changes.iter().flat_map(encoded);
                let pieces = orders.body.iter();
                let pieces = pieces.flat_map(|piece| packet(b'b', piece.as_bytes()));
                changes.chain(pieces).chain(packet(b'c', b"")).collect()
            }
            _ => Vec::new(),
        };
        socket.write_all(&answer).unwrap();
    }
}

/// Numbers that look random (xorshift), the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 >> 33).unwrap() % end
    }

    fn pick<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        let count = u32::try_from(texts.len()).unwrap();
        texts[self.below(count) as usize]
    }
}

/// Some changes. Postfix counts its own trace field where one is inserted, which we keep in front: numbers that would come between
/// it and what was inserted before it are left out.
fn changes(numbers: &mut Numbers) -> Vec<FilterChange> {
    let mut changes = Vec::new();
    let mut before_trace = 0;
    for _ in 0..numbers.below(6) {
        let name = numbers.pick(&["X-A", "x-b", "Received", "X-New", "Subject"]);
        let value = numbers.pick(&[
            "",
            "v",
            " two  words ",
            "a\n b",
            "a\nb\n\tc",
            "a\n\nb",
            "end\n",
            "\tx",
        ]);
        let (name, value) = (name.as_bytes().into(), value.as_bytes().into());
        changes.push(match numbers.below(3) {
            0 => FilterChange::AddHeader { name, value },
            1 => {
                let index = match numbers.below(3) {
                    0 => 0,
                    _ => before_trace + 1 + numbers.below(14),
                };
                before_trace += u32::from(index == 0);
                FilterChange::InsertHeader { index, name, value }
            }
            _ => FilterChange::ChangeHeader {
                index: numbers.below(5),
                name,
                value,
            },
        });
    }
    changes
}

/// The pieces of a new body, or of none.
fn body(numbers: &mut Numbers) -> Vec<&'static str> {
    let mut pieces = Vec::new();
    for _ in 0..numbers.below(3) {
        let piece = numbers.pick(&[
            "",
            "line\r\n",
            "lf\n",
            ".dot\r\n",
            "half a line",
            "\r\n",
            "cr\r",
        ]);
        pieces.push(piece);
        // A CR that ends no line is not sent on by Postfix as it came.
        if piece.ends_with('\r') {
            pieces.push("\nmore");
        }
    }
    pieces
}

/// The message that our own changes make.
fn changed(orders: &Orders) -> Vec<u8> {
    let message = MESSAGE.replace('\n', "\r\n");
    let has_leading_space = orders.protocol & LEADING_SPACE != 0;
    let mut changes = MessageChanges::new(has_leading_space);
    for change in &orders.changes {
        changes.push(change.clone()).unwrap();
    }
    let (mut fields, mut body) = split_message(message.as_bytes());
    let (mut lines, mut replaced) = (BodyLines::default(), Vec::new());
    for piece in &orders.body {
        lines.write(piece.as_bytes(), &mut replaced);
    }
    lines.end(&mut replaced);
    if !orders.body.is_empty() {
        body = &replaced;
    }
    changes.apply_header(&mut fields);
    let header: Vec<&[u8]> = fields.iter().map(MessageField::text).collect();
    let text = [&header.concat()[..], b"\r\n", body].concat();
    text.split(|octet| *octet == b'\r')
        .collect::<Vec<_>>()
        .concat()
}

/// A stored message without the trace field of Postfix, wherever it is.
fn without_postfix(message: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(message.to_vec()).unwrap();
    let start = text
        .find("Received: by relay.example.com (Postfix")
        .unwrap();
    let mut end = start;
    for line in text[start..].split_inclusive('\n') {
        if end > start && !line.starts_with('\t') {
            break;
        }
        end += line.len();
    }
    [&message[..start], &message[end..]].concat()
}

#[test]
fn makes_the_same_changes() {
    if !installed(&["postfix", "sendmail"]) {
        return;
    }
    let mut server = TestServer::start(&[]);
    let orders = Arc::new(Mutex::new(Orders::default()));
    let settings = format!(
        "non_smtpd_milters = inet:127.0.0.1:{}\n",
        listen(orders.clone())
    );
    let transport = format!("smtp:[127.0.0.1]:{}", server.port());
    let Some(postfix) = Postfix::start_with(&transport, &settings) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("message");
    fs::write(&path, MESSAGE).unwrap();
    for seed in 1..=MESSAGES {
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let next = Orders {
            protocol: if seed % 2 == 0 { LEADING_SPACE } else { 0 },
            changes: changes(&mut numbers),
            body: body(&mut numbers),
        };
        let expected = changed(&next);
        *orders.lock().unwrap() = next;
        let recipient = format!("bob.{seed}@example.net");
        postfix.submit(&path, &[&recipient]);
        postfix.await_log(&[&format!("to=<{recipient}>"), "status=sent"]);
        let stored = without_postfix(&server.message(&recipient));
        assert!(
            stored == expected,
            "message {seed}: {:#?}\nby Postfix: {}\nby us: {}",
            orders.lock().unwrap().changes,
            stored.escape_ascii(),
            expected.escape_ascii()
        );
    }
    drop(postfix);
    server.stop();
}
