#![allow(clippy::unwrap_used, clippy::panic)]

mod bounds;
mod order;
mod world;

use std::time::Duration;

use self::world::{PublisherWorld, envelope_to, seconds};
use super::*;
use crate::store::stream::record::StreamEnvelope;

const ACKNOWLEDGED: &str = r#"{"stream":"MAIL","seq":41}"#;

fn envelope_of(sent: &world::SaidRecord) -> StreamEnvelope {
    StreamEnvelope::from_json(sent.header("Mailoop-Envelope").unwrap()).unwrap()
}

#[test]
fn a_short_message_is_one_record_and_stored_once_that_is_acknowledged() {
    let mut world = PublisherWorld::ready();
    let (id, mut draft) = world.store.begin(&envelope_to(2)).unwrap();
    world.store.write(&mut draft, b"Subject: x\r\n").unwrap();
    world.store.write(&mut draft, b"\r\ntext\r\n").unwrap();
    let ticket = world.store.submit(draft);
    assert!(world.tick().is_empty());
    let [sent] = &world.take_sent()[..] else {
        panic!("no record, or several");
    };
    assert_eq!(sent.subject, format!("mail.message.{id}"));
    assert_eq!(sent.header("Nats-Msg-Id"), Some(id.as_str()));
    assert_eq!(sent.header("Nats-Expected-Stream"), Some("MAIL"));
    assert_eq!(sent.payload, b"Subject: x\r\n\r\ntext\r\n");
    let envelope = envelope_of(sent);
    assert_eq!((envelope.id, envelope.parts), (id, 0));
    assert_eq!(envelope.recipients.len(), 2);
    assert_eq!(envelope.crc32c, crc32c::crc32c(&sent.payload));
    assert_eq!(envelope.octets, sent.payload.len() as u64);

    world.answer(&sent.token, ACKNOWLEDGED);
    assert!(world.store.is_pending());
    assert_eq!(world.tick(), [(ticket, "stored".to_owned())]);
    world.assert_is_empty();
}

#[test]
fn a_long_message_gets_its_last_record_after_all_parts_in_any_order() {
    let mut world = PublisherWorld::ready();
    let mut draft = world.begin();
    let text: Vec<u8> = (0..=u8::MAX).cycle().take(150_000).collect();
    for piece in text.chunks(10_000) {
        world.store.write(&mut draft, piece).unwrap();
    }
    world.tick();
    let mut parts = world.take_sent();
    assert_eq!(parts.len(), 2);
    let ticket = world.store.submit(draft);
    world.tick();
    parts.extend(world.take_sent());
    let number = |part: &world::SaidRecord| part.header("Mailoop-Part").map(str::to_owned);
    let numbers: Vec<_> = parts.iter().filter_map(number).collect();
    assert_eq!(numbers, ["1", "2", "3"]);
    assert!(parts.iter().all(|part| part.payload.len() <= 64 * 1024));
    for (part, sequence) in [(2, 9), (0, 7), (1, 8)] {
        assert!(world.take_sent().is_empty(), "the last record is early");
        let answer = format!(r#"{{"stream":"MAIL","seq":{sequence}}}"#);
        world.answer(&parts[part].token, &answer);
        world.tick();
    }
    let [last] = &world.take_sent()[..] else {
        panic!("no last record");
    };
    let envelope = envelope_of(last);
    assert_eq!((envelope.parts, envelope.first), (3, 7));
    let whole: Vec<u8> = parts.iter().flat_map(|part| part.payload.clone()).collect();
    assert!(whole == text && last.payload.is_empty());
    assert_eq!(envelope.crc32c, crc32c::crc32c(&text));
    world.answer(&last.token, ACKNOWLEDGED);
    assert_eq!(world.tick(), [(ticket, "stored".to_owned())]);
    world.assert_is_empty();
}

#[test]
fn a_message_that_is_readdressed_is_published_with_its_last_envelope() {
    let mut world = PublisherWorld::ready();
    let (id, mut draft) = world.store.begin(&envelope_to(1)).unwrap();
    assert_eq!(
        world.store.readdress(&mut draft, &envelope_to(3)).unwrap(),
        None
    );
    world.store.write(&mut draft, b"text\r\n").unwrap();
    assert!(world.store.readdress(&mut draft, &envelope_to(1)).is_err());
    world.store.submit(draft);
    world.tick();
    let sent = world.take_sent().remove(0);
    let envelope = envelope_of(&sent);
    assert_eq!((envelope.id, envelope.recipients.len()), (id, 3));
    assert_eq!(envelope.octets, 6);
    world.answer(&sent.token, ACKNOWLEDGED);
    assert_eq!(world.tick().len(), 1);
    world.assert_is_empty();
}

#[test]
fn a_text_that_just_does_not_fit_beside_its_envelope_is_a_part() {
    for (octets, records) in [(65_000, 1), (65_400, 2), (65_536, 2), (65_537, 3)] {
        let mut world = PublisherWorld::ready();
        let mut draft = world.begin();
        world.store.write(&mut draft, &vec![b'x'; octets]).unwrap();
        world.store.submit(draft);
        let outcomes = world.acknowledge_all();
        assert_eq!(outcomes.len(), 1, "{octets}");
        assert_eq!(world.said, records, "{octets}");
    }
}

#[test]
fn what_is_not_answered_is_said_again_with_the_same_octets_and_fails_after_30_seconds() {
    let mut world = PublisherWorld::ready();
    let ticket = world.submit(b"text\r\n");
    world.tick();
    let first = world.take_sent().remove(0);
    for _ in 0..9 {
        world.advance(Duration::from_millis(2999));
        assert!(world.tick().is_empty() && world.take_sent().is_empty());
        world.advance(Duration::from_millis(1));
        assert!(world.tick().is_empty());
        assert_eq!(world.take_sent(), std::slice::from_ref(&first));
    }
    world.advance(seconds(3));
    let told = "the stream has not acknowledged it in 30 seconds";
    assert_eq!(world.tick(), [(ticket, told.to_owned())]);
    assert!(world.take_sent().is_empty());
    world.answer(&first.token, ACKNOWLEDGED);
    assert!(world.tick().is_empty(), "it is too late");
    world.assert_is_empty();
}

#[test]
fn what_was_not_said_is_not_acknowledged_and_nothing_is_twice() {
    let mut world = PublisherWorld::ready();
    world.room = 0;
    let ticket = world.submit(b"text\r\n");
    assert!(world.tick().is_empty());
    for token in ["1pffffffff", "1p1", "2pffffffff", "1PFFFFFFFF", "1p", ""] {
        world.answer(token, ACKNOWLEDGED);
    }
    assert!(world.tick().is_empty(), "nothing was said");
    world.room = usize::MAX;
    world.tick();
    let said = world.take_sent().remove(0);
    assert_eq!(said.token, "1pffffffff");
    world.answer(&said.token, ACKNOWLEDGED);
    world.answer(&said.token, ACKNOWLEDGED);
    assert_eq!(world.tick(), [(ticket, "stored".to_owned())]);
    world.assert_is_empty();
}

#[test]
fn an_election_is_waited_for_and_errors_are_told() {
    let mut world = PublisherWorld::ready();
    let ticket = world.submit(b"text\r\n");
    world.tick();
    let first = world.take_sent().remove(0);
    world.answer_status(&first.token, 503);
    assert!(world.tick().is_empty() && world.take_sent().is_empty());
    world.advance(Duration::from_millis(250));
    world.tick();
    assert_eq!(world.take_sent(), std::slice::from_ref(&first));
    let error = r#"{"error":{"code":400,"err_code":10060,"description":"wrong"}}"#;
    world.answer(&first.token, error);
    let told = "the stream MAIL refuses it: wrong (error 10060)";
    assert_eq!(world.tick(), [(ticket, told.to_owned())]);
    world.assert_is_empty();
}

#[test]
fn a_full_stream_refuses_an_open_message_with_the_next_of_its_text() {
    let mut world = PublisherWorld::ready();
    let mut draft = world.begin();
    world.store.write(&mut draft, &[b'x'; 70_000]).unwrap();
    world.tick();
    let part = world.take_sent().remove(0);
    let full = r#"{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}"#;
    world.answer(&part.token, full);
    assert!(world.tick().is_empty());
    let error = world.store.write(&mut draft, b"more\r\n").unwrap_err();
    assert!(matches!(error, Failure::Full(_)), "{error}");
    world.store.abort(draft);
    world.assert_is_empty();
}

#[test]
fn a_message_that_failed_before_its_end_fails_at_its_end() {
    let mut world = PublisherWorld::ready();
    let mut draft = world.begin();
    world.store.write(&mut draft, &[b'x'; 65_536]).unwrap();
    world.tick();
    let part = world.take_sent().remove(0);
    world.answer_status(&part.token, 400);
    let ticket = world.store.submit(draft);
    let told = "the stream MAIL answers with the status 400";
    assert_eq!(world.tick(), [(ticket, told.to_owned())]);
    world.assert_is_empty();
}

#[test]
fn a_new_connection_hears_all_again_that_was_not_acknowledged_amid_parts_too() {
    let mut world = PublisherWorld::ready();
    let mut draft = world.begin();
    world.store.write(&mut draft, &[b'x'; 140_000]).unwrap();
    let short = world.submit(b"text\r\n");
    world.tick();
    let sent = world.take_sent();
    assert_eq!(sent.len(), 3);
    world.answer(&sent[0].token, ACKNOWLEDGED);
    world.store.disconnected();
    assert!(!world.store.is_pending(), "nobody could take it");
    world.advance(seconds(4));
    world.tick();
    assert!(world.take_sent().is_empty());
    world.connect();
    world.tick();
    assert_eq!(world.take_sent(), sent[1..]);
    let again = world.store.stream_counts().unwrap().again;
    assert_eq!(again, 2);
    world.answer(
        &sent[2].token,
        r#"{"stream":"MAIL","seq":9,"duplicate":true}"#,
    );
    assert_eq!(world.tick(), [(short, "stored".to_owned())]);
    world.acknowledge(&sent[1].token);
    world.store.submit(draft);
    assert_eq!(world.acknowledge_all().len(), 1);
    world.assert_is_empty();
}

#[test]
fn a_lost_stream_takes_nothing_and_what_it_acknowledges_does_not_count() {
    let mut world = PublisherWorld::ready();
    assert!(world.store.lost_since().is_none());
    let ticket = world.submit(b"text\r\n");
    world.tick();
    let sent = world.take_sent();
    let since = world.now;
    world.lose("n2 does not sync always");
    assert_eq!(world.store.lost_since(), Some(since));
    let told = "the stream takes no mail: n2 does not sync always";
    let error = world.store.admit(0, 0).unwrap_err();
    assert!(matches!(error, Failure::Io(_)) && error.to_string() == told);
    assert!(world.store.begin(&envelope_to(1)).is_err());
    world.answer(&sent[0].token, ACKNOWLEDGED);
    world.advance(seconds(5));
    assert!(world.tick().is_empty() && world.take_sent().is_empty());
    world.store.set_state(StreamState::Ready);
    assert!(world.store.is_pending());
    world.tick();
    assert_eq!(world.take_sent(), sent);
    world.answer(&sent[0].token, ACKNOWLEDGED);
    assert_eq!(world.tick(), [(ticket, "stored".to_owned())]);

    let ticket = world.submit(b"text\r\n");
    world.lose("nobody answers");
    world.advance(seconds(30));
    let told = "the stream takes no mail: nobody answers";
    assert_eq!(world.tick(), [(ticket, told.to_owned())]);
    world.assert_is_empty();
}

#[test]
fn of_a_message_that_is_aborted_nothing_more_is_said() {
    let mut world = PublisherWorld::ready();
    let mut draft = world.begin();
    world.store.write(&mut draft, &[b'x'; 140_000]).unwrap();
    world.room = 1;
    world.tick();
    let sent = world.take_sent();
    assert_eq!(sent.len(), 1);
    world.store.abort(draft);
    world.room = usize::MAX;
    world.answer(&sent[0].token, ACKNOWLEDGED);
    world.advance(seconds(10));
    world.tick();
    assert!(world.take_sent().is_empty());
    world.assert_is_empty();
}

#[test]
fn a_message_whose_text_stands_still_for_half_an_hour_is_given_up() {
    let mut world = PublisherWorld::ready();
    let mut draft = world.begin();
    world.store.write(&mut draft, &[b'x'; 70_000]).unwrap();
    world.acknowledge_all();
    world.advance(seconds(30 * 60 - 1));
    world.tick();
    world.store.write(&mut draft, b"more\r\n").unwrap();
    world.advance(seconds(1));
    world.tick();
    let error = world.store.write(&mut draft, b"more\r\n").unwrap_err();
    assert_eq!(error.to_string(), "its text stands still for half an hour");
    world.store.abort(draft);
    world.assert_is_empty();
}

#[test]
fn recipients_are_refused_that_a_record_has_no_room_for() {
    let mut world = PublisherWorld::ready();
    let bytes_max = 65_535 - 512;
    let mut envelope = envelope_to(1);
    let recipient = envelope.recipients[0].clone();
    while world.store.check(&recipient, &envelope, 0).is_ok() {
        envelope.recipients.push(recipient.clone());
    }
    let error = world.store.check(&recipient, &envelope, 0).unwrap_err();
    assert!(matches!(error, Failure::Full(_)));
    let json = PublishedMessage::new(QueueId::new("x", 1), &envelope);
    let json = json.envelope.to_json();
    assert!(
        (bytes_max - 1500..=bytes_max).contains(&json.len()),
        "{}",
        json.len()
    );
    let (_, mut draft) = world.store.begin(&envelope).unwrap();
    world.store.write(&mut draft, &[b'x'; 1000]).unwrap();
    world.store.submit(draft);
    assert_eq!(world.acknowledge_all()[0].1, "stored");
}

#[test]
fn queue_ids_of_two_stores_differ_and_have_room_for_their_count() {
    let mut number = 0_u64;
    let mut random = || {
        number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
        number
    };
    let mut id = || {
        let mut world = PublisherWorld::with(&mut random);
        world.store.begin(&envelope_to(1)).unwrap().0
    };
    let (one, two) = (id(), id());
    assert_ne!(one, two);
    assert_eq!(one.as_str().len(), 14 + 4);
    assert_ne!(one.as_str()[..14], two.as_str()[..14]);
}

#[test]
fn a_store_wakes_only_when_it_has_something_to_do() {
    let mut world = PublisherWorld::ready();
    assert_eq!(world.store.next_wake(), None);
    assert!(!world.store.is_pending());
    world.submit(b"text\r\n");
    world.room = 0;
    world.tick();
    assert!(
        !world.store.is_pending(),
        "the connection says when it has room"
    );
    assert_eq!(world.store.next_wake(), Some(world.now + seconds(30)));
    world.room = usize::MAX;
    let turns = world.run_until_quiet(seconds(29));
    // At once, and nine times again.
    assert_eq!(world.take_sent().len(), 10);
    assert!(turns <= 11, "{turns} turns of the loop");
    world.lose("gone");
    world.store.disconnected();
    assert_eq!(world.run_until_quiet(seconds(100)), 2);
    world.assert_is_empty();
    assert_eq!(world.store.next_wake(), None);
}
