//! Single messages, and what becomes of each.

use std::collections::VecDeque;
use std::fs;
use std::time::Duration;

use mailoop::store::Store;

use super::world::{Process, World, text};

const BOB: &str = "bob@example.org";
const EVE: &str = "eve@example.org";

/// Lets a process deliver to Bob, but not say that it did.
fn deliver_unsaid(world: &mut World, process: &mut Process) {
    for _ in 0..1000 {
        world.commit(process);
        if !world.mailbox(BOB).is_empty() {
            return;
        }
        world.receive(process, usize::MAX);
        world.send(process, 1000);
    }
    panic!("nothing was delivered");
}

#[test]
fn a_short_message_is_delivered_and_leaves_the_stream() {
    let mut world = World::new();
    let mail = world.publish(&[BOB, EVE], b"Subject: short\r\n\r\ntext\r\n");
    let mut process = world.start();
    world.ticks(&mut process, 10);
    world.check(&[mail], "short");
    assert_eq!(world.model.said, ["+ACK"]);
    assert!(world.model.messages.is_empty());
}

#[test]
fn a_mailbox_that_two_recipients_lead_to_has_a_message_once() {
    let mut world = World::new();
    let mut mail = world.publish(&[BOB, "BOB@Example.org", BOB], b"Subject: once\r\n\r\n");
    let mut process = world.start();
    world.ticks(&mut process, 10);
    mail.mailboxes.truncate(1);
    world.check(&[mail], "twice");
}

#[test]
fn a_long_message_is_put_together_and_its_parts_go_after_it() {
    let mut world = World::new();
    let all: Vec<String> = (0..20).map(|n| format!("user{n}@example.org")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let mails = [
        world.publish(&[BOB], &text(5000)),
        world.publish(&[BOB, EVE], &text(20_000)),
        world.publish(&all, &text(3000)),
    ];
    let mut process = world.start();
    world.ticks(&mut process, 300);
    world.check(&mails, "long");
    assert!(world.model.messages.is_empty());
    assert_eq!(world.model.said, ["+ACK"; 3]);
}

#[test]
fn parts_that_were_stored_out_of_order_are_put_in_order() {
    let mut world = World::new();
    let id = world.new_id();
    let text = text(6000);
    world.publish_parts(id, &text, |number| number % 3 == 2);
    world.publish_parts(id, &text, |number| number == 7);
    let first = world.publish_parts(id, &text, |number| number == 1);
    world.publish_parts(id, &text, |_| true);
    let mail = world.publish_last(id, &[BOB], &text, first);
    let mut process = world.start();
    world.ticks(&mut process, 100);
    world.check(&[mail], "out of order");
    assert!(world.model.messages.is_empty());
}

#[test]
fn a_record_that_cannot_be_read_is_set_aside_after_five_tries() {
    let mut world = World::new();
    let id = world.new_id();
    world.publish_record(id, "{\"version\":1}", b"text");
    let good = world.publish(&[BOB], b"Subject: good\r\n\r\n");
    let mut process = world.start();
    for _ in 0..30 {
        world.ticks(&mut process, 5);
        world.wait(Duration::from_secs(1));
    }
    world.check(&[good], "beside");
    let said = world.model.said.iter();
    let said: Vec<&str> = said
        .map(String::as_str)
        .filter(|it| *it != "+ACK")
        .collect();
    let second = 1_000_000_000_u64;
    let naks: Vec<String> = [1, 2, 4, 8]
        .map(|wait| format!("-NAK {{\"delay\":{}}}", wait * second))
        .to_vec();
    assert_eq!(said[..4], naks);
    assert_eq!(said[4..], ["+TERM"]);
    let counts = process.store.delivery_counts().unwrap();
    assert_eq!((counts.delivered, counts.failed, counts.aside), (1, 4, 1));
    assert_eq!(world.model.messages.len(), 1);
    let aside = world.model.messages.values().next().unwrap();
    assert_eq!(aside.subject, format!("mail.aside.{id}"));
    assert_eq!(aside.payload, b"text");
    let header = |name: &str| aside.headers.iter().find(|(known, _)| **known == *name);
    assert_eq!(&*header("Nats-Msg-Id").unwrap().1, format!("{id}-aside-1"));
    assert_eq!(&*header("Mailoop-Envelope").unwrap().1, "{\"version\":1}");
    let why = &header("Mailoop-Aside").unwrap().1;
    assert!(why.contains("envelope"), "{why}");
}

#[test]
fn a_message_whose_part_is_missing_or_damaged_is_set_aside_with_its_parts() {
    for damage in [0, 1] {
        let mut world = World::new();
        let id = world.new_id();
        let mut text = text(4000);
        let first = world.publish_parts(id, &text, |number| damage == 1 || number != 3);
        text[2000] ^= damage;
        world.publish_last(id, &[BOB], &text, first);
        let mut process = world.start();
        for _ in 0..30 {
            world.ticks(&mut process, 20);
            world.wait(Duration::from_secs(1));
        }
        assert_eq!(world.model.count("mail.aside."), 1);
        assert!(world.model.count("mail.part.") > 3);
        assert_eq!(world.model.count("mail.message."), 0);
        assert!(world.mailbox(BOB).is_empty());
        assert_eq!(world.model.said.last().unwrap(), "+TERM");
    }
}

#[test]
fn two_records_of_one_name_that_cannot_be_read_are_both_set_aside() {
    let mut world = World::new();
    let id = world.new_id();
    for payload in ["one", "two"] {
        let subject = format!("mail.message.{id}");
        world.model.publish(&subject, &[], payload.as_bytes());
    }
    let mut process = world.start();
    for _ in 0..30 {
        world.ticks(&mut process, 5);
        world.wait(Duration::from_secs(1));
    }
    assert_eq!(world.model.count("mail.message."), 0);
    assert_eq!(world.model.count("mail.aside."), 2);
}

#[test]
fn a_record_that_would_be_too_long_set_aside_stays() {
    let mut world = World::new();
    let id = world.new_id();
    // A server ends the connection of whoever says more than it takes.
    world.publish_record(id, "", &vec![b'x'; (1 << 20) - 100]);
    let mut process = world.start();
    for _ in 0..1300 {
        world.ticks(&mut process, 5);
        world.wait(Duration::from_secs(1));
    }
    assert_eq!(world.model.count("mail.message."), 1);
    assert_eq!(world.model.count("mail.aside."), 0);
    assert!(world.model.said.len() < 8, "{:?}", world.model.said);
}

#[test]
fn a_record_that_is_too_long_to_be_taken_in_stays() {
    let mut world = World::new();
    let id = world.new_id();
    world.publish_record(id, "", b"much");
    world.model.is_left_out = true;
    let mut process = world.start();
    for _ in 0..1300 {
        world.ticks(&mut process, 5);
        world.wait(Duration::from_secs(1));
    }
    assert_eq!(world.model.count("mail.message."), 1);
    assert_eq!(world.model.count("mail.aside."), 0);
    assert!(world.model.said.len() < 4, "{:?}", world.model.said);
}

#[test]
fn a_part_that_is_too_long_to_be_taken_in_holds_nobody_up() {
    let mut world = World::new();
    let text = text(3000);
    for _ in 0..4 {
        let id = world.new_id();
        let first = world.publish_parts(id, &text, |number| number != 2);
        let subject = format!("mail.part.{id}");
        let headers = [("Mailoop-Part", "2")];
        world.model.publish(&subject, &headers, &[b'x'; 5000]);
        world.publish_last(id, &[BOB], &text, first);
    }
    world.model.answer_bytes_max = 5000;
    let mail = world.publish(&[EVE], &text);
    let mut process = world.start();
    for _ in 0..400 {
        world.ticks(&mut process, 10);
        world.wait(Duration::from_millis(300));
    }
    world.check(&[mail], "beside a part that is too long");
    assert_eq!(world.model.count("mail.aside."), 4);
}

#[test]
fn a_message_that_cannot_be_set_aside_stays() {
    let mut world = World::new();
    let id = world.new_id();
    world.publish_record(id, "", b"");
    world.model.is_full = true;
    let mut process = world.start();
    for _ in 0..200 {
        world.ticks(&mut process, 5);
        world.wait(Duration::from_secs(1));
    }
    assert_eq!(world.model.count("mail.message."), 1);
    world.model.is_full = false;
    for _ in 0..70 {
        world.ticks(&mut process, 5);
        world.wait(Duration::from_secs(1));
    }
    assert_eq!(world.model.count("mail.message."), 0);
    assert_eq!(world.model.count("mail.aside."), 1);
}

#[test]
fn a_newer_record_is_left_where_it_is() {
    let mut world = World::new();
    let id = world.new_id();
    world.publish_record(id, "{\"version\":2}", b"");
    let mut process = world.start();
    for _ in 0..100 {
        world.ticks(&mut process, 2);
        world.wait(Duration::from_secs(60));
    }
    assert_eq!(world.model.count("mail.message."), 1);
    assert_eq!(world.model.count("mail.aside."), 0);
    assert!(world.model.said.len() < 12, "{:?}", world.model.said);
}

#[test]
fn a_mailbox_that_fails_is_tried_again_and_the_others_have_it_once() {
    let mut world = World::new();
    fs::create_dir_all(world.folder(BOB).parent().unwrap()).unwrap();
    fs::write(world.folder(BOB), "no folder").unwrap();
    let mails = [
        world.publish(&[EVE, BOB], b"Subject: one\r\n\r\n"),
        world.publish(&[BOB, EVE], &text(3000)),
    ];
    let mut process = world.start();
    for _ in 0..100 {
        world.ticks(&mut process, 20);
        world.wait(Duration::from_secs(2));
        world.read_mail(EVE);
    }
    assert_eq!(world.mailbox(EVE).len(), 2);
    assert_eq!(world.model.count("mail.message."), 2);
    let counts = process.store.delivery_counts().unwrap();
    assert!(counts.failed >= 10, "{counts:?}");
    assert_eq!((counts.delivered, counts.aside), (0, 0));
    fs::remove_file(world.folder(BOB)).unwrap();
    for _ in 0..100 {
        world.ticks(&mut process, 20);
        world.wait(Duration::from_secs(2));
    }
    world.check(&mails, "after a failure");
    assert!(world.model.messages.is_empty());
    let counts = process.store.delivery_counts().unwrap();
    assert_eq!((counts.delivered, counts.again, counts.here), (2, 2, 0));
}

#[test]
fn a_mailbox_that_fails_with_thousands_of_messages_holds_nobody_up() {
    let mut world = World::new();
    fs::create_dir_all(world.folder(BOB).parent().unwrap()).unwrap();
    fs::write(world.folder(BOB), "no folder").unwrap();
    for _ in 0..3000 {
        world.publish(&[BOB], b"Subject: one of many\r\n\r\n");
    }
    let mail = world.publish(&[EVE], b"Subject: one of few\r\n\r\n");
    let mut process = world.start();
    for _ in 0..60 {
        world.ticks(&mut process, 4);
        world.wait(Duration::from_millis(500));
    }
    world.check(&[mail], "beside a mailbox that fails");
    assert_eq!(world.model.count("mail.message."), 3000);
}

#[test]
fn what_was_delivered_is_found_before_anything_is_fetched() {
    let mut world = World::new();
    let mail = world.publish(&[BOB], &text(5000));
    let mut process = world.start();
    // It is in its mailbox, and the process is killed before it says so.
    deliver_unsaid(&mut world, &mut process);
    world.model.disconnect(process.client);
    drop(process);
    world.read_mail(BOB);
    assert_eq!(world.model.count("mail.message."), 1);
    // Somebody has removed the parts meanwhile.
    world
        .model
        .messages
        .retain(|_, it| !it.subject.starts_with("mail.part."));
    world.wait(Duration::from_secs(61));
    let mut process = world.start();
    world.ticks(&mut process, 20);
    world.check(&[mail], "killed");
    assert!(world.model.messages.is_empty());
}

#[test]
fn what_was_delivered_is_found_though_the_consumer_was_made_anew() {
    let mut world = World::new();
    let mail = world.publish(&[BOB], b"Subject: one\r\n\r\n");
    let mut process = world.start();
    deliver_unsaid(&mut world, &mut process);
    world.read_mail(BOB);
    world.disconnect(&mut process);
    world.model.remove_consumer();
    drop(process);
    world.wait(Duration::from_secs(10));
    let mut process = world.start();
    world.ticks(&mut process, 20);
    world.check(&[mail], "made anew");
    assert_eq!(world.model.said, ["+ACK"]);
}

#[test]
fn what_takes_long_is_told_to_the_consumer() {
    let mut world = World::new();
    fs::create_dir_all(world.root.path()).unwrap();
    let mail = world.publish(&[BOB], &text(100_000));
    let mut process = world.start();
    // A part a second takes more than the two minutes that the consumer waits twice.
    for _ in 0..200 {
        world.tick(&mut process);
        world.wait(Duration::from_secs(1));
    }
    world.check(&[mail], "long");
    let working = world.model.said.iter().filter(|it| *it == "+WPI").count();
    assert!((5..12).contains(&working), "{:?}", world.model.said);
    let others = world.model.said.iter().filter(|it| *it != "+WPI");
    assert_eq!(others.collect::<Vec<_>>(), ["+ACK"]);
}

#[test]
fn at_the_end_nothing_more_is_pulled_and_what_was_not_begun_goes_back() {
    let mut world = World::new();
    for _ in 0..8 {
        world.publish(&[BOB], &text(50_000));
    }
    let mut process = world.start();
    world.ticks(&mut process, 4);
    process.store.stream().unwrap().begin_drain();
    world.publish(&[BOB], b"Subject: too late\r\n\r\n");
    let mut seconds = 0;
    while !process.store.stream().unwrap().is_idle() {
        world.tick(&mut process);
        world.wait(Duration::from_millis(100));
        seconds += 1;
        assert!(seconds < 80, "it does not end");
    }
    world.model.disconnect(process.client);
    drop(process);
    let said = world.model.said.clone();
    assert!(
        said.iter().filter(|it| *it == "-NAK").count() >= 4,
        "{said:?}"
    );
    let delivered = world.mailbox(BOB).len();
    assert_eq!(said.iter().filter(|it| *it == "+ACK").count(), delivered);
    assert_eq!(world.model.count("mail.message."), 9 - delivered);
    // Another one has them soon.
    world.wait(Duration::from_secs(3));
    let mut process = world.start();
    world.ticks(&mut process, 1000);
    assert_eq!(world.mailbox(BOB).len(), 9);
    assert!(world.model.messages.is_empty());
}

#[test]
fn parts_that_nothing_leads_to_are_swept_after_an_hour() {
    let mut world = World::new();
    let lost = world.new_id();
    world.publish_parts(lost, &text(3000), |_| true);
    let aside = world.new_id();
    world.publish_parts(aside, &text(3000), |_| true);
    world
        .model
        .publish(&format!("mail.aside.{aside}"), &[], b"");
    let waiting = world.new_id();
    let first = world.publish_parts(waiting, &text(3000), |_| true);
    let newer = world
        .envelope(waiting, &[BOB], &text(3000), first)
        .to_json();
    let newer = newer.replace("\"version\":1", "\"version\":2");
    world.publish_record(waiting, &newer, b"");
    let parts = world.model.count("mail.part.");
    let mut process = world.start();
    let mut run = |world: &mut World, minutes: u64| {
        for _ in 0..minutes {
            world.wait(Duration::from_secs(60));
            world.ticks(&mut process, 40);
        }
    };
    run(&mut world, 50);
    let young = world.new_id();
    world.publish_parts(young, &text(3000), |_| true);
    run(&mut world, 9);
    assert_eq!(world.model.count("mail.part."), parts / 3 * 4);
    run(&mut world, 5);
    assert_eq!(world.model.count("mail.part."), parts);
    assert_eq!(world.model.count(&format!("mail.part.{lost}")), 0);
    run(&mut world, 60);
    assert_eq!(world.model.count(&format!("mail.part.{young}")), 0);
    assert_eq!(world.model.count("mail.part."), parts / 3 * 2);
}

#[test]
fn a_record_that_is_larger_than_a_pull_holds_nobody_up() {
    let mut world = World::new();
    let id = world.new_id();
    world.publish_record(id, "", &vec![b'x'; 5_000_000]);
    let mail = world.publish(&[BOB], b"Subject: after it\r\n\r\n");
    let mut process = world.start();
    for _ in 0..60 {
        world.ticks(&mut process, 4);
        world.wait(Duration::from_millis(500));
    }
    world.check(&[mail], "after a large one");
    // It can neither be delivered nor set aside.
    assert_eq!(world.model.count("mail.message."), 1);
}

#[test]
fn messages_here_have_a_bound() {
    let mut world = World::new();
    for _ in 0..3000 {
        world.publish(&[BOB], b"Subject: one of many\r\n\r\n");
    }
    let mut process = world.start();
    world.receive(&mut process, usize::MAX);
    for _ in 0..10 {
        // Nothing is committed.
        world.send(&mut process, 1000);
        world.receive(&mut process, usize::MAX);
    }
    let waiting: usize = world.model.inboxes.values().map(VecDeque::len).sum();
    assert_eq!(waiting, 0);
    process.store.stream().unwrap().begin_drain();
    world.send(&mut process, 10_000);
    let given_back = world.model.said.iter().filter(|it| *it == "-NAK").count();
    assert_eq!(given_back, 1000);
}

#[test]
fn a_text_that_begins_with_its_return_path_gets_no_second_one() {
    let mut world = World::new();
    let long = [&b"Return-Path: <>\r\n"[..], &text(3000)].concat();
    let texts = [&b"Return-Path: <>\r\nSubject: short\r\n\r\n"[..], &long];
    let mails = texts.map(|text| {
        let mut mail = world.publish(&[BOB], text);
        mail.text = text["Return-Path: <>\r\n".len()..].to_vec();
        mail
    });
    let mut process = world.start();
    world.ticks(&mut process, 30);
    world.check(&mails, "with a return path");
}
