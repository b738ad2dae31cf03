//! Senders are told, also of what is long, cannot be read for a while, or came from somebody who is here no more.

use std::time::Duration;

use mailoop::outbound::queue::RecipientState;
use mailoop::store::spool::{ChangeKind, SpooledReport};

use crate::hosts::Answer;
use crate::world::{FIRST, World};

const BOB: &str = "bob@there.example";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// A world with one host, which says this to each recipient.
fn world(answer: &'static str) -> World {
    let world = World::new(&[&format!("*=smtp://{FIRST}")]);
    world.hosts.answer(FIRST, "RCPT", Answer::Say(answer));
    world
}

fn deferring() -> World {
    world("450 4.2.0 Come back")
}

/// Takes the changes that were noted since, each with its name and report.
fn noted(world: &mut World) -> Vec<(&'static str, Option<SpooledReport>)> {
    let changes = std::mem::take(&mut world.store.spool.changes);
    let noted = changes.into_iter().map(|change| match change.kind {
        ChangeKind::Failed(recipients, report) => {
            assert_eq!(recipients, [0]);
            ("failed", report)
        }
        ChangeKind::Noticed(report) => ("noticed", report),
        kind => panic!("{kind:?}"),
    });
    noted
        .map(|(name, report)| (name, report.map(|report| *report)))
        .collect()
}

/// The only change that was noted, by its name, and the report with it: who is told, and the text.
#[track_caller]
fn only(world: &mut World) -> (&'static str, String, String) {
    let mut noted = noted(world);
    assert_eq!(noted.len(), 1, "{noted:?}");
    let (name, report) = noted.remove(0);
    let report = report.expect("somebody is told");
    let to = report.envelope.recipients[0].address.to_string();
    (name, to, String::from_utf8(report.text.into()).unwrap())
}

#[test]
fn a_report_on_a_long_message_has_its_header_though_that_is_read_from_the_disk() {
    let mut world = world("550 5.1.1 Nobody here");
    world.store.spool.is_long = true;
    world.accept(&[BOB]);
    world.run();
    let (name, to, text) = only(&mut world);
    assert_eq!((name, to.as_str()), ("failed", "ada@here.example"));
    assert!(text.contains("\r\nSubject: hi\r\n"), "{text}");
    assert!(world.outbound.queue().is_empty());

    let mut world = deferring();
    world.store.spool.is_long = true;
    world.accept(&[BOB]);
    world.pass(5 * HOUR);
    let (name, _, text) = only(&mut world);
    assert_eq!(name, "noticed");
    assert!(text.contains("\r\nSubject: hi\r\n"), "{text}");
    world.pass(5 * DAY);
    let (name, _, text) = only(&mut world);
    assert_eq!(name, "failed");
    assert!(text.contains("\r\nSubject: hi\r\n"), "{text}");
    assert!(world.outbound.queue().is_empty());
}

#[test]
fn a_drain_does_not_wait_for_the_disk_with_a_report() {
    let mut world = world("550 5.1.1 Nobody here");
    world.store.spool.is_long = true;
    world.store.spool.is_slow = true;
    world.accept(&[BOB]);
    world.run();
    assert!(noted(&mut world).is_empty());
    world.store.spool.is_broken = true;
    world.outbound.begin_drain(MINUTE);
    world.run();
    let (name, to, text) = only(&mut world);
    assert_eq!((name, to.as_str()), ("failed", "ada@here.example"));
    assert!(!text.contains("Subject: hi"), "{text}");
}

#[test]
fn mail_that_cannot_be_read_for_a_while_does_not_vanish_without_a_word() {
    for (time, name) in [(4 * HOUR, "noticed"), (5 * DAY, "failed")] {
        let mut world = deferring();
        let mail = world.accept(&[BOB]);
        world.pass(time - 5 * MINUTE);
        noted(&mut world);
        world.store.spool.is_broken = true;
        world.pass(65 * MINUTE);
        assert!(noted(&mut world).is_empty(), "{name}");
        assert_eq!(world.listed_or_none(mail), [RecipientState::Waiting]);
        world.store.spool.is_broken = false;
        world.pass(11 * MINUTE);
        let (noted, to, _) = only(&mut world);
        assert_eq!((noted, to.as_str()), (name, "ada@here.example"));
    }
}

#[test]
fn the_postmaster_hears_of_mail_that_is_given_up_unread() {
    let mut world = deferring();
    let mail = world.accept(&[BOB]);
    world.pass(5 * DAY - MINUTE);
    noted(&mut world);
    world.store.spool.is_broken = true;
    world.pass(5 * HOUR);
    assert!(noted(&mut world).is_empty());
    world.pass(2 * HOUR);
    let (name, to, text) = only(&mut world);
    assert_eq!((name, to.as_str()), ("failed", "postmaster@mx.example.org"));
    assert!(text.contains(&mail.to_string()), "{text}");
    assert!(world.outbound.queue().is_empty());
}

#[test]
fn the_postmaster_hears_for_a_sender_of_ours_who_is_here_no_more() {
    let mut world = world("550 5.1.1 Nobody here");
    world.store.spool.sender = Some("gone@here.example");
    for _ in 0..10 {
        world.accept(&[BOB]);
        world.run();
        let (name, to, _) = only(&mut world);
        assert_eq!((name, to.as_str()), ("failed", "postmaster@mx.example.org"));
    }
    world.accept(&[BOB]);
    world.run();
    let noted = noted(&mut world);
    assert!(matches!(noted[..], [("failed", None)]), "{noted:?}");
}

#[test]
fn nothing_new_is_begun_while_the_spool_can_note_no_more() {
    let mut world = deferring();
    world.store.spool.is_full = true;
    let mail = world.accept(&[BOB]);
    world.run();
    world.pass(6 * DAY);
    assert_eq!(*world.hosts.dialed.borrow(), [""; 0]);
    assert!(noted(&mut world).is_empty());
    assert_eq!(world.listed_or_none(mail), [RecipientState::Ready]);
    world.store.spool.is_full = false;
    world.run();
    let names: Vec<_> = noted(&mut world)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["failed"]);
}
