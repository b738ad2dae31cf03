//! Every dialogue in `tests/dialogues`, in memory and over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Some of it is for TLS only.
#![cfg_attr(not(feature = "tls"), allow(dead_code, unused_imports))]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::dialogue::{Dialogue, Step, Way, matches};
use common::memory::{Client, MemoryServer};
use common::{TestServer, files, tls, without_trace};
use rustls::StreamOwned;

/// In TLS longer dialogues do not come octet by octet.
const OCTET_BY_OCTET_MAX: usize = 4096;

/// Plays a dialogue against sessions in memory, what the client says cut in two at octet `cut` of it all.
fn play_in_memory(dialogue: &Dialogue, cut: usize) {
    let options: Vec<_> = dialogue.options.iter().map(String::as_str).collect();
    let mut server = MemoryServer::start(&options);
    server.shelf().blocked.clone_from(&dialogue.blocked);
    let client = match &dialogue.from {
        Some(address) => server.connect_from(address, &dialogue.early),
        None => server.connect_and_say(&dialogue.early),
    };
    play(&mut server, &client, dialogue, cut);
}

/// Plays it in TLS, every octet of which comes by itself or, if it is to be `fast`, as it was sent.
fn play_in_memory_in_tls(dialogue: &Dialogue, way: Way, fast: bool) {
    let options: Vec<_> = dialogue.options.iter().map(String::as_str).collect();
    let mut server = MemoryServer::start(&options);
    server.shelf().blocked.clone_from(&dialogue.blocked);
    let client = match &dialogue.from {
        Some(address) => server.connect_from(address, b""),
        None => server.connect(),
    };
    if way == Way::ByStartTls {
        assert!(client.text().starts_with("220 "), "{}", dialogue.name);
        let hello = hello(dialogue);
        server.send(&client, format!("{hello} client\r\n").as_bytes());
        assert!(
            client.text().contains("250-STARTTLS\r\n"),
            "{}",
            dialogue.name
        );
        server.send(&client, b"STARTTLS\r\n");
        assert_eq!(client.text(), "220 2.0.0 Ready to start TLS\r\n");
    }
    let piece = if fast { usize::MAX } else { 1 };
    server.begin_tls(&client, piece);
    play(&mut server, &client, dialogue, 0);
}

/// Plays it with a client of this server.
fn play(server: &mut MemoryServer, client: &Client, dialogue: &Dialogue, cut: usize) {
    let mut sent = 0;
    for (index, step) in dialogue.steps.iter().enumerate() {
        let place = || format!("{}, step {index}, cut at {cut}", dialogue.name);
        match step {
            Step::Client(bytes) => {
                let (first, rest) = bytes.split_at(cut.saturating_sub(sent).min(bytes.len()));
                server.send(client, first);
                server.send(client, rest);
                sent += bytes.len();
            }
            Step::Server(expected) => {
                let said = client.text();
                assert!(
                    matches(expected, &said),
                    "{}\n{expected}\nwas expected, and came\n{said}",
                    place()
                );
            }
            Step::Silence(time) => {
                let instant = Duration::from_nanos(1);
                server.advance(*time - instant);
                assert_eq!(client.text(), "", "{}: it is not silent", place());
                server.advance(instant);
            }
            Step::Closed => assert!(client.is_closed(), "{}: it is still open", place()),
        }
    }
    assert_eq!(client.text(), "", "{}: more was said", dialogue.name);
    let stored: Vec<_> = server
        .shelf()
        .stored
        .iter()
        .map(|text| with_lf(text))
        .collect();
    let expected: Vec<_> = dialogue.stored.iter().map(|text| with_lf(text)).collect();
    let place = format!("{}, cut at {cut}", dialogue.name);
    check_stored(&expected, &stored, &place);
    assert_eq!(
        server.shelf().unfinished,
        0,
        "{}: a message is left over",
        dialogue.name
    );
}

fn check_stored(expected: &[Vec<u8>], stored: &[Vec<u8>], place: &str) {
    let shown = |texts: &[Vec<u8>]| {
        let texts = texts.iter().map(|text| text.escape_ascii().to_string());
        texts.collect::<Vec<_>>().join("\n")
    };
    let mut pairs = expected.iter().zip(stored);
    assert!(
        expected.len() == stored.len() && pairs.all(|(expected, stored)| matches(expected, stored)),
        "{place}: to be stored was\n{}\nand was\n{}",
        shown(expected),
        shown(stored)
    );
}

/// A store in memory changes no line ends.
fn with_lf(text: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(text)
        .replace("\r\n", "\n")
        .into_bytes()
}

#[test]
fn in_memory() {
    for dialogue in Dialogue::all() {
        play_in_memory(&dialogue, 0);
    }
}

#[cfg_attr(not(feature = "tls"), ignore = "TLS is left out")]
#[test]
fn in_memory_in_tls() {
    for way in [Way::ByStartTls, Way::FromTheStart] {
        let all = Dialogue::all().into_iter();
        let dialogues: Vec<_> = all.filter_map(|dialogue| dialogue.secured(way)).collect();
        assert!(dialogues.len() > 20, "where are the dialogues?");
        for dialogue in &dialogues {
            play_in_memory_in_tls(dialogue, way, true);
            if dialogue.client_octets() < OCTET_BY_OCTET_MAX {
                play_in_memory_in_tls(dialogue, way, false);
            }
        }
    }
}

#[test]
fn in_memory_cut_at_every_octet() {
    for dialogue in Dialogue::all().iter().filter(|dialogue| dialogue.cuttable) {
        for cut in 1..dialogue.client_octets() {
            play_in_memory(dialogue, cut);
        }
    }
}

/// Plays a dialogue with the real server: in the clear, or in TLS.
fn play_over_socket(dialogue: &Dialogue, way: Option<Way>) {
    let mut options: Vec<_> = dialogue.options.iter().map(String::as_str).collect();
    if !options.iter().any(|option| option.starts_with("--listen")) {
        options.extend(["--listen", "127.0.0.1:0"]);
    }
    options.extend(["--hostname", "mail.example.org"]);
    let mut server = TestServer::start(&options);
    for mailbox in &dialogue.blocked {
        let place = server.mailbox(mailbox);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, "no folder").unwrap();
    }
    let mut stream = server.connect();
    match way {
        None => converse(stream, dialogue),
        Some(way) => {
            if way == Way::ByStartTls {
                ask_for_tls(&mut stream, hello(dialogue));
            }
            converse(StreamOwned::new(tls::client(), stream), dialogue);
        }
    }
    server.stop();
    check_store(&server, dialogue);
}

/// Says STARTTLS as soon as that may be said.
fn ask_for_tls(stream: &mut TcpStream, hello: &str) {
    read_lines(stream, 1);
    stream
        .write_all(format!("{hello} client\r\n").as_bytes())
        .unwrap();
    while !read_lines(stream, 1).starts_with("250 ") {}
    stream.write_all(b"STARTTLS\r\n").unwrap();
    assert_eq!(read_lines(stream, 1), "220 2.0.0 Ready to start TLS\r\n");
}

/// The hello of an extended session.
fn hello(dialogue: &Dialogue) -> &'static str {
    let is_lmtp = |option: &String| option == "--listen-lmtp";
    if dialogue.options.iter().any(is_lmtp) {
        "LHLO"
    } else {
        "EHLO"
    }
}

/// Says and hears what is in the dialogue. That nothing is behind the last word also means that TLS ends as it should.
fn converse(mut stream: impl Read + Write, dialogue: &Dialogue) {
    for (index, step) in dialogue.steps.iter().enumerate() {
        match step {
            Step::Client(bytes) => stream.write_all(bytes).unwrap(),
            Step::Server(expected) => {
                let said = read_lines(&mut stream, expected.lines().count());
                let place = format!("{}, step {index}", dialogue.name);
                assert!(
                    matches(expected, &said),
                    "{place}\n{expected}\nwas expected, and came\n{said}"
                );
            }
            // In memory it is seen that it lasts.
            Step::Silence(_) => {}
            Step::Closed => {
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).unwrap();
                assert_eq!(String::from_utf8_lossy(&rest), "", "{}", dialogue.name);
            }
        }
    }
}

fn check_store(server: &TestServer, dialogue: &Dialogue) {
    let mut stored: Vec<_> = glob(&server.maildir(), "new");
    stored.sort_by_key(|path| path.file_name().unwrap().to_owned());
    // A message for several recipients has one name in all their mailboxes.
    stored.dedup_by_key(|path| path.file_name().unwrap().to_owned());
    let stored: Vec<_> = stored
        .iter()
        .map(|path| without_trace(&fs::read(path).unwrap()).to_vec())
        .collect();
    check_stored(&dialogue.stored, &stored, &dialogue.name);
    assert_eq!(
        glob(&server.maildir(), "tmp"),
        Vec::<PathBuf>::new(),
        "{}",
        dialogue.name
    );
}

/// All files in `mail/*/*/{folder}`.
fn glob(maildir: &Path, folder: &str) -> Vec<PathBuf> {
    let mailboxes = files(maildir).into_iter().flat_map(|domain| files(&domain));
    let mailboxes = mailboxes.filter(|mailbox| mailbox.is_dir());
    mailboxes
        .flat_map(|mailbox| files(&mailbox.join(folder)))
        .collect()
}

fn read_lines(stream: &mut impl Read, count: usize) -> String {
    let mut said = Vec::new();
    let mut byte = [0];
    while said.iter().filter(|byte| **byte == b'\n').count() < count {
        match stream.read(&mut byte) {
            Ok(1) => said.push(byte[0]),
            other => panic!("{other:?} behind {}", String::from_utf8_lossy(&said)),
        }
    }
    String::from_utf8(said).unwrap()
}

/// Whether it can be had over a real socket: talking before the greeting needs a server that is held, as tests/server.rs
/// has it, and a client is on the loopback.
fn is_for_sockets(dialogue: &Dialogue) -> bool {
    let from = dialogue.from.as_deref();
    dialogue.early.is_empty() && from.is_none_or(|address| address.starts_with("127.0.0.1:"))
}

#[test]
fn over_real_sockets() {
    for dialogue in Dialogue::all().iter().filter(|each| is_for_sockets(each)) {
        play_over_socket(dialogue, None);
    }
}

#[cfg_attr(not(feature = "tls"), ignore = "TLS is left out")]
#[test]
fn over_real_sockets_in_tls() {
    for way in [Way::ByStartTls, Way::FromTheStart] {
        let all = Dialogue::all().into_iter().filter(is_for_sockets);
        let dialogues: Vec<_> = all.filter_map(|dialogue| dialogue.secured(way)).collect();
        assert!(dialogues.len() > 20, "where are the dialogues?");
        for dialogue in &dialogues {
            play_over_socket(dialogue, Some(way));
        }
    }
}
