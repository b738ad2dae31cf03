//! Jobs on their way to a connection and over it: which of them an outcome decides, and what the operator wants meanwhile.

use mailoop::outbound::queue::{Choice, QueueLimits, RecipientState};
use mailoop::outbound::relay::OperatorCommand;
use mailoop::store::spool::MailId;

use crate::hosts::Answer;
use crate::world::{FIRST, World};

const BOB: &str = "bob@there.example";
const EVE: &str = "eve@there.example";

fn world() -> World {
    World::new(&[&format!("*=smtp://{FIRST}")])
}

fn command(world: &mut World, command: OperatorCommand, mail: MailId, whom: Choice<'_>) {
    let spool = &mut world.store.spool;
    let touched = world.outbound.command(command, mail, whom, spool);
    assert!(touched.is_some(), "{command:?}");
}

/// The recipients of each message that was taken.
fn taken(world: &World) -> Vec<Vec<String>> {
    let taken = world.hosts.taken.borrow();
    taken.iter().map(|taken| taken.to.clone()).collect()
}

#[test]
fn of_two_jobs_of_one_mail_on_one_connection_each_has_its_outcome() {
    let limits = QueueLimits {
        outgoing_per_site_max: 1,
        ..QueueLimits::default()
    };
    let mut world = World::limited(&[&format!("*=smtp://{FIRST}")], limits);
    let hello = "250-host\r\n250 PIPELINING";
    world.hosts.answer(FIRST, "EHLO", Answer::Say(hello));
    // More than one transaction is for.
    let to: Vec<String> = (0..60).map(|at| format!("u{at}@there.example")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let mail = world.accept(&to);
    let active = |world: &World| {
        let states = world.listed_or_none(mail).into_iter();
        states.filter(|it| *it == RecipientState::Active).count()
    };
    while active(&world) < 50 {
        world.tick();
    }
    // The second job follows the first one to the same connection, which has no answer yet.
    world.hosts.is_silent.set(true);
    world.run();
    assert_eq!(active(&world), 60);
    let second: Vec<u16> = (50..60).collect();
    command(
        &mut world,
        OperatorCommand::Delete,
        mail,
        Choice::Only(&second),
    );
    world.run();
    world.hosts.is_silent.set(false);
    world.run();
    assert_eq!(taken(&world), [&to[..50]]);
    assert!(world.outbound.queue().is_empty());
}

#[test]
fn mail_that_is_taken_off_while_it_is_read_is_not_sent() {
    let mut world = world();
    world.store.spool.is_cold = true;
    let [all, one] = [[BOB, EVE]; 2].map(|to| world.accept(&to));
    world.run();
    command(&mut world, OperatorCommand::Delete, all, Choice::All);
    command(&mut world, OperatorCommand::Delete, one, Choice::Only(&[1]));
    world.store.spool.is_cold = false;
    world.run();
    assert_eq!(taken(&world), [[BOB]]);
    assert!(world.outbound.queue().is_empty());
}

#[test]
fn mail_that_is_held_while_it_is_read_is_not_sent_until_it_is_released() {
    let mut world = world();
    world.store.spool.is_cold = true;
    let mail = world.accept(&[BOB]);
    world.run();
    command(&mut world, OperatorCommand::Hold, mail, Choice::All);
    world.store.spool.is_cold = false;
    world.run();
    assert_eq!(world.listed_or_none(mail), [RecipientState::Held]);
    assert!(taken(&world).is_empty());
    command(&mut world, OperatorCommand::Release, mail, Choice::All);
    world.run();
    assert_eq!(taken(&world), [[BOB]]);
}

#[test]
fn a_tick_does_not_go_through_all_mail_that_cannot_be_read() {
    let mut world = world();
    world.store.spool.is_broken = true;
    let mails: Vec<_> = (0..300).map(|_| world.accept(&[BOB])).collect();
    for _ in 0..100 {
        let before = world.store.spool.reads;
        world.tick();
        assert!(world.store.spool.reads - before <= 20);
    }
    world.store.spool.is_broken = false;
    world.run();
    let waits = |mail: &&MailId| world.listed_or_none(**mail) == [RecipientState::Waiting];
    let deferred = mails.iter().filter(waits).count();
    assert!((1..300).contains(&deferred), "{deferred}");
    assert_eq!(taken(&world).len(), 300 - deferred);
}
