//! The engine on a real file system.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use super::SpoolEngine;
use crate::store::spool::handover::{
    ChangeCode, EncodedChange, EncodedReport, FoundMail, SpoolOptions,
};
use crate::store::spool::id::{MailId, SpoolPlace};
use crate::store::spool::record::RecordHead;
use crate::store::spool::segment::{SegmentHead, segment_path};
use crate::store::spool::system::SpoolSystem;
use crate::store::{Failure, Ticket};

const NOW: u32 = 1_700_000_000;

fn small() -> SpoolOptions {
    SpoolOptions {
        segment_bytes: 4096,
        big_bytes: 512,
        drafts_bytes: 2048,
        ..SpoolOptions::default()
    }
}

type Engine = SpoolEngine<SpoolSystem>;

fn start(root: &Path, options: SpoolOptions) -> Engine {
    let disk = SpoolSystem::open(root).unwrap();
    SpoolEngine::start(disk, options, NOW).unwrap()
}

/// Takes one message in.
fn take(
    engine: &mut Engine,
    count: u32,
    recipients: u16,
    text: &[u8],
) -> Result<SpoolPlace, Failure> {
    let mail = MailId {
        instance: engine.instance(),
        count,
    };
    let ticket = Ticket(count.into());
    engine.open(
        ticket,
        mail,
        recipients,
        format!("envelope {count}").as_bytes(),
    );
    for piece in text.chunks(100) {
        engine.write(ticket, piece);
    }
    engine.submit(ticket);
    assert!(engine.round());
    let settled = engine.settled().next().unwrap();
    assert_eq!(settled.ticket, ticket);
    settled.result
}

fn over(engine: &mut Engine, mail: MailId, recipients: &[u16]) {
    let before = engine.changes_durable();
    engine.change(change(mail, ChangeCode::Done, recipients));
    assert!(engine.round());
    assert_eq!(engine.changes_durable(), before + 1);
}

fn change(mail: MailId, code: ChangeCode, recipients: &[u16]) -> EncodedChange {
    EncodedChange {
        mail,
        code,
        recipients: recipients.to_vec(),
        report: None,
    }
}

fn scan(engine: &mut Engine) -> BTreeMap<MailId, FoundMail> {
    let mut found = Vec::new();
    while engine.scan(&mut found) {}
    let count = found.len();
    let found: BTreeMap<_, _> = found.into_iter().map(|found| (found.mail, found)).collect();
    assert_eq!(found.len(), count, "found twice");
    found
}

/// Reads the message at a place, as whoever sends it does.
fn read(root: &Path, mail: MailId, place: SpoolPlace) -> Option<(Vec<u8>, Vec<u8>)> {
    let segment = fs::read(root.join(segment_path(place.segment))).ok()?;
    let seed = SegmentHead::decode(&segment).ok()?.seed();
    let record = segment.get(usize::try_from(place.offset).unwrap()..)?;
    let head = RecordHead::decode(seed, record).filter(|head| head.mail == mail)?;
    let (envelope, _) = head.payload(&record[RecordHead::BYTES..])?;
    let text = if head.inline_bytes() == 0 && head.text_bytes > 0 {
        fs::read(root.join(crate::store::spool::big_path(mail))).ok()?
    } else {
        let start = usize::try_from(head.text_start()).unwrap();
        record[start..start + usize::try_from(head.text_bytes).unwrap()].to_vec()
    };
    assert_eq!(place.text_flags, head.text_flags);
    (crc32c::crc32c(&text) == head.text_crc).then(|| (envelope.to_vec(), text))
}

#[test]
fn what_was_settled_is_found_again_with_its_state() {
    let root = tempfile::tempdir().unwrap();
    let mut engine = start(root.path(), small());
    let instance = engine.instance();
    let id = |count| MailId { instance, count };
    assert!(!engine.scan(&mut Vec::new()));
    let mut places = BTreeMap::new();
    let text = |count: u32| format!("{count}\r\n").repeat(if count == 7 { 400 } else { 5 });
    for count in 0..20 {
        let place = take(&mut engine, count, 3, text(count).as_bytes()).unwrap();
        places.insert(id(count), place);
    }
    over(&mut engine, id(1), &[0, 1, 2]);
    over(&mut engine, id(2), &[0, 2]);
    over(&mut engine, id(7), &[1]);
    engine.change(change(id(3), ChangeCode::Held, &[]));
    engine.change(change(id(4), ChangeCode::Held, &[]));
    engine.change(change(id(4), ChangeCode::Released, &[]));
    engine.change(change(id(6), ChangeCode::Held, &[1]));
    engine.change(change(id(6), ChangeCode::Held, &[0, 2]));
    let report = EncodedReport {
        mail: id(99),
        recipients: 1,
        envelope: b"report".to_vec(),
        text: b"Subject: late\r\n".to_vec(),
    };
    let noticed = EncodedChange {
        report: Some(report),
        ..change(id(5), ChangeCode::Noticed, &[])
    };
    engine.change(noticed.clone());
    // Told twice, it counts once.
    engine.change(noticed);
    while engine.round() {}
    assert_eq!(engine.changes_durable(), 10);
    let reported: Vec<_> = engine.reported().collect();
    assert_eq!(reported.len(), 1);
    places.extend(reported);
    assert_eq!(engine.queued(), 20);
    drop(engine);

    for life in 1..4 {
        let mut engine = start(root.path(), small());
        assert_eq!(engine.instance(), NOW + life);
        let found = scan(&mut engine);
        assert_eq!(found.len(), 20);
        for (mail, found) in found {
            assert_eq!(Some(&found.place), places.get(&mail));
            let over: &[u16] = match mail.count {
                2 => &[0, 2],
                7 => &[1],
                _ => &[],
            };
            assert_eq!(found.over, over);
            assert_eq!(found.is_held, matches!(mail.count, 3 | 6));
            let held: &[u16] = if mail.count == 6 { &[0, 2] } else { &[] };
            assert_eq!(found.held, held);
            assert_eq!(found.is_noticed, mail.count == 5);
            let (envelope, read) = read(root.path(), mail, found.place).unwrap();
            assert_eq!(envelope, found.envelope);
            match mail.count {
                99 => assert_eq!(
                    (&envelope[..], &read[..]),
                    (&b"report"[..], &b"Subject: late\r\n"[..])
                ),
                count => assert_eq!(read, text(count).as_bytes()),
            }
        }
        assert_eq!(engine.stats().damaged, 0);
        if life == 2 {
            engine.close();
        }
    }
}

#[test]
fn little_more_is_written_than_was_received_and_segments_are_used_again() {
    let root = tempfile::tempdir().unwrap();
    let options = SpoolOptions {
        segment_bytes: 64 << 10,
        ..SpoolOptions::default()
    };
    let mut engine = start(root.path(), options);
    while engine.scan(&mut Vec::new()) {}
    let instance = engine.instance();
    let envelope = [b'e'; 100];
    for group in 0..60 {
        for count in group * 10..group * 10 + 10 {
            let ticket = Ticket(count.into());
            engine.open(ticket, MailId { instance, count }, 1, &envelope);
            engine.write(ticket, &[b'x'; 1024]);
            engine.submit(ticket);
            if let Some(count) = count.checked_sub(10) {
                engine.change(change(MailId { instance, count }, ChangeCode::Done, &[0]));
            }
        }
        while engine.round() {}
        assert!(engine.settled().all(|settled| settled.result.is_ok()));
        while engine.compact() {}
    }
    let stats = engine.stats();
    let percent = stats.written_bytes * 100 / stats.received_bytes;
    assert!(percent <= 115, "{percent} %: {stats:?}");
    assert_eq!(stats.copied_bytes, 0);
    assert!(stats.retired >= 8, "{stats:?}");
    let segments = fs::read_dir(root.path().join("segments")).unwrap().count();
    assert!(segments <= 2 + options.spare_segments, "{segments} files");
}

#[test]
fn files_of_no_message_are_removed_and_a_message_without_its_file_is_told() {
    let root = tempfile::tempdir().unwrap();
    let mut engine = start(root.path(), small());
    let instance = engine.instance();
    while engine.scan(&mut Vec::new()) {}
    for count in 0..3 {
        take(&mut engine, count, 1, &[b'x'; 1000]).unwrap();
    }
    engine.open(
        Ticket(9),
        MailId { instance, count: 9 },
        1,
        b"never complete",
    );
    engine.write(Ticket(9), &[b'x'; 1000]);
    drop(engine);
    let big = root.path().join("big");
    let files = || fs::read_dir(&big).unwrap().count();
    assert_eq!(files(), 4);
    let mut engine = start(root.path(), small());
    assert_eq!(scan(&mut engine).len(), 3);
    assert_eq!((files(), engine.stats().damaged), (3, 0));
    over(&mut engine, MailId { instance, count: 0 }, &[0]);
    while engine.compact() {}
    assert_eq!(files(), 2);
    drop(engine);

    let gone = MailId { instance, count: 1 };
    fs::remove_file(root.path().join(crate::store::spool::big_path(gone))).unwrap();
    fs::write(
        big.join(MailId { instance, count: 8 }.to_string()),
        b"whose?",
    )
    .unwrap();
    let mut engine = start(root.path(), small());
    let found = scan(&mut engine);
    assert_eq!(found.len(), 2);
    assert!(read(root.path(), gone, found[&gone].place).is_none());
    assert_eq!(engine.stats().damaged, 1);
    // Where something is missing, nothing that may belong to it is removed.
    assert_eq!(files(), 2);
}

#[test]
fn one_process_works_on_a_spool_and_none_that_is_older_than_it() {
    let root = tempfile::tempdir().unwrap();
    let engine = start(root.path(), small());
    let disk = SpoolSystem::open(root.path()).unwrap();
    let error = Engine::start(disk, small(), NOW).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    drop(engine);

    let segment = root.path().join(segment_path(1));
    let mut bytes = fs::read(&segment).unwrap();
    for copy in bytes.chunks_mut(512).take(2) {
        copy[16] = 2;
        let crc = crc32c::crc32c(&copy[..508]);
        copy[508..].copy_from_slice(&crc.to_le_bytes());
    }
    fs::write(&segment, bytes).unwrap();
    let disk = SpoolSystem::open(root.path()).unwrap();
    let error = Engine::start(disk, small(), NOW).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert!(error.to_string().contains("segments/00000001"), "{error}");
}
