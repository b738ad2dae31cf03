//! `mailoop trace` on records of the running server.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::common::dialogue::{Dialogue, Way};
use crate::common::json::Json;
use crate::dialogues::{is_for_sockets, play_over_socket};

/// Runs `mailoop trace` on a record.
fn trace(record: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    command.arg("trace").arg(record).args(options);
    command.output().unwrap()
}

/// What it shows.
fn shown(record: &Path, options: &[&str]) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = trace(record, options);
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{options:?}: {status}: {stderr}");
    String::from_utf8(stdout).unwrap()
}

/// The dialogue of this name.
fn dialogue(name: &str) -> Dialogue {
    let mut all = Dialogue::all().into_iter();
    all.find(|dialogue| dialogue.name == name).expect(name)
}

/// Plays a dialogue, and plays what a trace of its record is.
fn play_again(dialogue: &Dialogue, options: &[&str], way: Option<Way>) {
    assert!(is_for_sockets(dialogue), "{}", dialogue.name);
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    let recorded = [&["--record", record.to_str().unwrap()], options].concat();
    play_over_socket(dialogue, &recorded, way);
    let file = folder.path().join(&dialogue.name);
    fs::write(&file, shown(&record, &["--format", "dialogue"])).unwrap();
    let again = Dialogue::read(&file);
    assert_eq!(
        again.stored.len(),
        dialogue.stored.len(),
        "{}",
        dialogue.name
    );
    play_over_socket(&again, &[], None);
}

#[test]
fn a_trace_as_a_dialogue_is_one() {
    for name in [
        "binary.txt",
        "catch-all.txt",
        "classroom-lines.txt",
        "dots.txt",
        "early-data.txt",
        "errors-limit.txt",
        "lmtp-aliases.txt",
        "limits.txt",
        "smuggling-lf-dot-lf-reject.txt",
        "starttls-behind.txt",
        "submission-chunks.txt",
        "textbook.txt",
        "xclient-pipelined.txt",
    ] {
        play_again(&dialogue(name), &["--record-text"], None);
    }
}

#[test]
fn so_is_one_without_the_text() {
    play_again(&dialogue("dots.txt"), &[], None);
    play_again(&dialogue("submission-chunks.txt"), &[], None);
}

#[cfg(feature = "relay")]
#[test]
fn so_is_one_of_mail_for_elsewhere() {
    for name in ["relay-from.txt", "relay-own-name.txt"] {
        play_again(&dialogue(name), &["--record-text"], None);
    }
}

#[cfg(feature = "tls")]
#[test]
fn so_is_one_in_tls() {
    for way in [Way::ByStartTls, Way::FromTheStart] {
        let secured = dialogue("chunks.txt").secured(way).unwrap();
        play_again(&secured, &["--record-text"], Some(way));
    }
}

/// The record of a dialogue, in this folder.
fn record_of(name: &str, folder: &Path) -> PathBuf {
    let record = folder.join("record");
    let path = record.to_str().unwrap();
    play_over_socket(&dialogue(name), &["--record", path], None);
    record
}

#[test]
fn text_is_a_line_for_each_event_in_columns() {
    let folder = tempfile::tempdir().unwrap();
    let record = &record_of("textbook.txt", folder.path());
    let text = shown(record, &[]);
    let mut last = 0.0;
    for line in text.lines().skip(1) {
        let time: f64 = line[..12].trim().parse().unwrap();
        assert!(time >= last, "{line}");
        last = time;
        assert_eq!(&line[27..29], "  ", "{line}");
    }
    let told: Vec<_> = text.lines().filter_map(|line| line.get(29..)).collect();
    for event in [
        "S: 220 mail.example.org ESMTP mailoop",
        "C: QUIT",
        "state AwaitingCommit",
        "closed: quit",
    ] {
        assert!(
            told.iter().any(|told| told.starts_with(event)),
            "{event}: {text}"
        );
    }
    let one = shown(record, &["--connection", "1"]);
    assert!(
        one.lines().skip(1).all(|line| line[20..27].trim() == "1"),
        "{one}"
    );
    assert!(one.contains("C: QUIT"), "{one}");
}

#[test]
fn a_record_that_is_none_is_told_by_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let record = record_of("textbook.txt", folder.path());
    let exit = |path: &Path, options: &[&str]| trace(path, options).status.code();
    assert_eq!(exit(&folder.path().join("none"), &[]), Some(66));
    assert_eq!(exit(&record, &["--connection", "7"]), Some(65));
    assert_eq!(
        exit(&record, &["--connection", "7", "--format", "dialogue"]),
        Some(65)
    );
    assert_eq!(exit(&record, &["--format", "picture"]), Some(64));

    let octets = fs::read(&record).unwrap();
    let other = folder.path().join("other");
    fs::write(&other, "no record").unwrap();
    assert_eq!(exit(&other, &[]), Some(65));
    fs::write(&other, &octets[..octets.len() / 2]).unwrap();
    for format in ["text", "dialogue", "chrome"] {
        assert_eq!(exit(&other, &["--format", format]), Some(0), "{format}");
    }
    assert!(shown(&other, &[]).ends_with("the record is cut short\n"));
    let mut garbled = octets.clone();
    garbled[octets.len() / 2] ^= 1;
    fs::write(&other, garbled).unwrap();
    for format in ["text", "dialogue", "chrome"] {
        assert_eq!(exit(&other, &["--format", format]), Some(65), "{format}");
    }
}

#[test]
fn a_reader_who_has_seen_enough_ends_it_well() {
    let folder = tempfile::tempdir().unwrap();
    let record = record_of("refusals-limit.txt", folder.path());
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    command
        .arg("trace")
        .arg(&record)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::with_capacity(1, child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), &output.stderr[..]),
        (Some(0), &b""[..])
    );
}

/// A slice: its track, name, start and end in nanoseconds.
struct Slice<'a> {
    track: u64,
    name: &'a str,
    start: u64,
    end: u64,
    depth: usize,
}

/// The slices, which are sorted and nest.
fn slices(events: &[Json]) -> Vec<Slice<'_>> {
    let nanoseconds = |event: &Json, name| -> u64 {
        let (microseconds, rest) = event.number(name).unwrap().split_once('.').unwrap();
        assert_eq!(rest.len(), 3, "{event:?}");
        format!("{microseconds}{rest}").parse().unwrap()
    };
    let mut last = 0;
    let mut open: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut slices = Vec::new();
    for event in events {
        let start = nanoseconds(event, "ts");
        assert!(start >= last, "times go back: {event:?}");
        last = start;
        if event.text("ph") != Some("X") {
            continue;
        }
        let (track, end) = (
            event.number("tid").unwrap().parse().unwrap(),
            start + nanoseconds(event, "dur"),
        );
        let around = open.entry(track).or_default();
        while around
            .last()
            .is_some_and(|around| *around <= start && end > *around)
        {
            around.pop();
        }
        assert!(
            around.last().is_none_or(|around| end <= *around),
            "not nested: {event:?}"
        );
        slices.push(Slice {
            track,
            name: event.text("name").unwrap(),
            start,
            end,
            depth: around.len(),
        });
        around.push(end);
    }
    slices
}

/// Viewers keep the number of a track in 32 bits: tracks that differ above those would be one.
#[cfg(feature = "relay")]
#[test]
fn tracks_of_connections_that_go_out_are_their_own() {
    let record = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records/relay.record");
    let json = Json::parse(&shown(&record, &["--format", "chrome"]));
    let slices = slices(json.list());
    let is_outgoing = |slice: &&Slice<'_>| slice.name.starts_with("conn out ");
    assert!(slices.iter().filter(is_outgoing).count() > 0);
    assert!(slices.iter().all(|slice| slice.track < 1 << 31));
}

#[test]
fn a_timeline_is_json_whose_slices_nest() {
    let folder = tempfile::tempdir().unwrap();
    let record = record_of("textbook.txt", folder.path());
    let json = Json::parse(&shown(&record, &["--format", "chrome"]));
    let events = json.list();
    let slices = slices(events);
    let of = |track: u64| slices.iter().filter(move |slice| slice.track == track);
    for tick in of(1).filter(|slice| slice.name.starts_with("tick ")) {
        // A step that took no time may as well be taken for a part of the step before it.
        let is_within = |slice: &&Slice<'_>| {
            let is_step = slice.depth > 0 && !slice.name.starts_with("conn ");
            is_step && tick.start <= slice.start && slice.end <= tick.end
        };
        let steps: Vec<_> = of(1).filter(is_within).map(|slice| slice.name).collect();
        assert_eq!(
            steps,
            ["serve", "commit", "expire", "accept"],
            "{}",
            tick.name
        );
    }
    let phases: Vec<_> = of(2)
        .filter(|slice| slice.depth > 0)
        .map(|slice| slice.name)
        .collect();
    assert_eq!(
        phases[..6],
        ["greeting", "hello", "mail", "rcpt", "data", "commit"]
    );
    let count = |kind: &str, name: &str| {
        let is_it =
            |event: &&Json| event.text("ph") == Some(kind) && event.text("name") == Some(name);
        events.iter().filter(is_it).count()
    };
    for (kind, name) in [
        ("i", "readable"),
        ("i", "WouldBlock"),
        ("C", "open"),
        ("C", "waiting for the store"),
        ("C", "group size"),
        ("s", "ready"),
        ("s", "message"),
    ] {
        assert!(count(kind, name) > 0, "{kind} {name}");
    }
    assert_eq!(count("s", "message"), count("f", "message"));
    let names = events
        .iter()
        .filter(|event| event.text("name") == Some("thread_name"));
    let names: Vec<_> = names
        .filter_map(|event| event.get("args")?.text("name"))
        .collect();
    assert!(
        names[0] == "loop" && names[1].starts_with("conn 1 127.0.0.1:"),
        "{names:?}"
    );
}
