//! Every dialogue in `tests/dialogues`, in memory.

// Some of it is for TLS only.
#![cfg_attr(not(feature = "tls"), allow(dead_code, unused_imports))]

use std::time::Duration;

use crate::common::dialogue::{Dialogue, Step, Way, check_stored, matches};
use crate::common::memory::{Client, MemoryServer};

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
        let hello = dialogue.hello();
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
