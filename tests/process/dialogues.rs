//! Every dialogue in `tests/dialogues`, over real sockets.

// Some of it is for TLS only.
#![cfg_attr(not(feature = "tls"), allow(dead_code, unused_imports))]

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::client::read_some;
use crate::common::dialogue::{Dialogue, Step, Way, check_stored, matches};
use crate::common::{TestServer, files, tls, without_trace};
use rustls::StreamOwned;

/// The longest time that a dialogue waits for the server over a real socket.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Plays a dialogue with the real server, which has `more` options as well: in the clear, or in TLS.
pub(crate) fn play_over_socket(dialogue: &Dialogue, more: &[&str], way: Option<Way>) {
    let mut options: Vec<_> = dialogue.options.iter().map(String::as_str).collect();
    if !options.iter().any(|option| option.starts_with("--listen")) {
        options.extend(["--listen", "127.0.0.1:0"]);
    }
    if !options.contains(&"--hostname") {
        options.extend(["--hostname", "mail.example.org"]);
    }
    options.extend(more);
    let mut server = TestServer::start(&options);
    for mailbox in &dialogue.blocked {
        let place = server.mailbox(mailbox);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, "no folder").unwrap();
    }
    let mut stream = server.connect();
    let socket = stream.try_clone().unwrap();
    match way {
        None => converse(stream, dialogue),
        Some(way) => {
            if way == Way::ByStartTls {
                ask_for_tls(&mut stream, dialogue.hello());
            }
            converse(StreamOwned::new(tls::client(), stream), dialogue);
        }
    }
    leave(socket);
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
                let ended = stream.read_to_end(&mut rest);
                assert!(ended.is_ok(), "{}: {ended:?}", dialogue.name);
                assert_eq!(String::from_utf8_lossy(&rest), "", "{}", dialogue.name);
            }
        }
    }
}

/// Ends the connection, and waits until the server has ended it too: a server that is stopped before it sees the end says 421
/// to the client, and a record of it would hold that line.
fn leave(mut socket: TcpStream) {
    // A server that closed first may have left nothing to shut down, and a connection that was reset has no rest.
    let _ = socket.shutdown(Shutdown::Write);
    let _ = socket.read_to_end(&mut Vec::new());
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
        match read_some(stream, &mut byte) {
            Ok(1) => said.push(byte[0]),
            other => panic!("{other:?} behind {}", String::from_utf8_lossy(&said)),
        }
    }
    String::from_utf8(said).unwrap()
}

/// Whether it can be had over a real socket: talking before the greeting needs a server that is held, as `server.rs` has
/// it, a client is on the loopback, and nobody waits for long.
pub(crate) fn is_for_sockets(dialogue: &Dialogue) -> bool {
    let from = dialogue.from.as_deref();
    let is_long = |step: &Step| matches!(step, Step::Silence(time) if *time > SILENCE_MAX);
    dialogue.early.is_empty()
        && from.is_none_or(|address| address.starts_with("127.0.0.1:"))
        && !dialogue.steps.iter().any(is_long)
}

#[test]
fn over_real_sockets() {
    for dialogue in Dialogue::all().iter().filter(|each| is_for_sockets(each)) {
        play_over_socket(dialogue, &[], None);
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
            play_over_socket(dialogue, &[], Some(way));
        }
    }
}
