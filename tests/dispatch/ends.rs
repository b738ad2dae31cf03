//! Hosts that end before they have a message, and a server that ends.

use std::cell::RefCell;
use std::sync::Once;
use std::time::Duration;

use log::{LevelFilter, Log, Metadata, Record};
use mailoop::outbound::queue::RecipientState;

use crate::hosts::Answer;
use crate::world::{FIRST, SECOND, World};

const BOB: &str = "bob@there.example";

thread_local! {
    static LINES: RefCell<Vec<String>> = RefCell::default();
}

/// The log of each test.
struct Lines;

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        LINES.with_borrow_mut(|lines| lines.push(record.args().to_string()));
    }

    fn flush(&self) {}
}

fn keep_the_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Lines).unwrap();
        log::set_max_level(LevelFilter::Info);
    });
}

fn one() -> World {
    World::new(&[&format!("*=smtp://{FIRST}")])
}

fn two() -> World {
    World::new(&[&format!("*=smtp://{FIRST},smtp://{SECOND}")])
}

#[test]
fn a_host_that_ends_with_its_reply_to_hello_counts_as_a_try() {
    for hello in [
        Answer::SayAndClose("250 host"),
        Answer::SayAndClose("250 host\r\n421 4.3.2 Away"),
        Answer::Say("250 host\r\n250 once more"),
    ] {
        let mut world = one();
        world.hosts.answer(FIRST, "EHLO", hello);
        let mail = world.accept(&[BOB]);
        world.run();
        let view = world.listed(mail)[&0];
        assert_eq!((view.state, view.tries), (RecipientState::Waiting, 1));
        assert!(!view.reply.is_empty());
        world.pass(Duration::from_secs(3600));
        let dials = world.hosts.dialed.borrow().len();
        assert!((2..12).contains(&dials), "{dials} dials for {hello:?}");
        // It comes back.
        world.hosts.answer(FIRST, "EHLO", Answer::Say("250 host"));
        world.pass(Duration::from_secs(3 * 3600));
        assert_eq!(world.hosts.taken.borrow().len(), 1, "{hello:?}");
    }
}

#[test]
fn the_next_host_gets_what_one_that_ends_with_its_reply_to_hello_does_not() {
    let mut world = two();
    let away = Answer::SayAndClose("250 host\r\n421 4.3.2 Away");
    world.hosts.answer(FIRST, "EHLO", away);
    world.accept(&[BOB]);
    world.run();
    assert_eq!(*world.hosts.dialed.borrow(), [FIRST, SECOND]);
    assert_eq!(world.hosts.taken.borrow()[0].host, SECOND);
    assert!(world.outbound.queue().is_empty());
}

#[test]
fn the_log_names_a_host_that_was_reached() {
    keep_the_log();
    for (command, answer) in [
        ("", Answer::Say("554 No")),
        ("EHLO", Answer::Say("450 Later")),
        ("EHLO", Answer::SayAndClose("250 host\r\n421 4.3.2 Away")),
        ("MAIL", Answer::SayAndClose("421 4.3.2 Away")),
    ] {
        for mut world in [one(), two()] {
            world.hosts.answer(FIRST, command, answer);
            world.hosts.answer(SECOND, command, answer);
            world.accept(&[BOB]);
            world.run();
        }
        let lines = LINES.take();
        let tries: Vec<&String> = lines
            .iter()
            .filter(|line| line.contains("status=deferred"))
            .collect();
        assert_eq!(tries.len(), 2, "{lines:?}");
        for (line, host) in tries.iter().zip(["192.0.2.1", "192.0.2.2"]) {
            let place = format!(" hop={host}[{host}]:25 ");
            assert!(line.contains(&place), "no {place} in {line}");
        }
    }
    // Nobody was there.
    let mut world = one();
    world.hosts.refuse(FIRST);
    world.accept(&[BOB]);
    world.run();
    let lines = LINES.take();
    assert!(
        lines.iter().any(|line| line.contains(" hop=none ")),
        "{lines:?}"
    );
}

#[test]
fn a_disk_that_hangs_does_not_hold_up_the_end_of_the_server() {
    let mut world = one();
    world.hosts.refuse(FIRST);
    world.store.spool.is_cold = true;
    world.accept(&[BOB]);
    world.run();
    world.outbound.begin_drain(Duration::from_secs(30));
    world.run();
    assert!(!world.outbound.is_idle());
    world.pass(Duration::from_secs(31));
    assert!(world.outbound.is_idle());
}
