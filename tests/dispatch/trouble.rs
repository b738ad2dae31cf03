//! Hosts that break off, and a spool that cannot be read for a while.

use std::time::Duration;

use mailoop::outbound::queue::{Choice, RecipientState};
use mailoop::outbound::relay::OperatorCommand;
use mailoop::store::spool::ChangeKind;

use crate::hosts::{Answer, Taken};
use crate::world::{FIRST, SECOND, World};

const BOB: &str = "bob@there.example";
const EVE: &str = "eve@there.example";

/// A world in which there is a second host for what the first does not take.
fn world() -> World {
    World::new(&[&format!("*=smtp://{FIRST},smtp://{SECOND}")])
}

fn taken(host: &str, to: &[&str]) -> Taken {
    Taken {
        host: host.to_owned(),
        to: to.iter().map(|to| (*to).to_owned()).collect(),
    }
}

#[test]
fn new_mail_is_on_its_way_in_the_tick_in_which_it_comes() {
    let mut world = world();
    // Whatever the part of a second is at which it comes.
    for part in 0..20 {
        world.accept(&[BOB]);
        world.tick();
        assert!(world.is_busy(), "{part}");
        world.run();
        assert_eq!(world.hosts.taken.borrow().len(), part + 1);
        world.pass(Duration::from_millis(57));
    }
}

#[test]
fn the_next_host_gets_what_the_first_breaks_off_before_it_has_it() {
    let busy = Answer::SayAndClose("421 4.3.2 Busy");
    for (command, answer) in [
        ("MAIL", busy),
        ("RCPT", busy),
        ("RCPT", Answer::Close),
        ("DATA", busy),
        ("DATA", Answer::Close),
        ("DATA", Answer::Say("nonsense")),
        (".", busy),
    ] {
        let mut world = world();
        world.hosts.answer(FIRST, command, answer);
        world.accept(&[BOB, EVE]);
        world.run();
        let all = [taken(SECOND, &[BOB, EVE])];
        assert_eq!(*world.hosts.taken.borrow(), all, "{command} {answer:?}");
        assert_eq!(*world.hosts.dialed.borrow(), [FIRST, SECOND]);
        assert!(world.outbound.queue().is_empty());
        world.pass(Duration::from_secs(60));
        assert!(world.outbound.is_idle());
    }
}

#[test]
fn what_the_first_host_said_of_a_recipient_stays_said() {
    let mut world = world();
    world
        .hosts
        .answer(FIRST, "RCPT TO:<bob", Answer::Say("550 5.1.1 No such user"));
    world
        .hosts
        .answer(FIRST, "DATA", Answer::SayAndClose("421 4.3.2 Busy"));
    let mail = world.accept(&[BOB, EVE]);
    world.run();
    assert_eq!(*world.hosts.taken.borrow(), [taken(SECOND, &[EVE])]);
    let changes: Vec<_> = world
        .store
        .spool
        .changes
        .iter()
        .filter(|change| change.mail == mail)
        .map(|change| match &change.kind {
            ChangeKind::Failed(recipients, report) => {
                ("failed", recipients.clone(), report.is_some())
            }
            ChangeKind::Done(recipients, report) => ("done", recipients.clone(), report.is_some()),
            kind => panic!("{kind:?}"),
        })
        .collect();
    assert_eq!(
        changes,
        [("failed", vec![0], true), ("done", vec![1], false)]
    );
    assert!(world.outbound.queue().is_empty());
}

#[test]
fn where_no_host_takes_it_the_try_is_one() {
    for second in ["DATA", "", "nobody"] {
        let mut world = world();
        for command in ["DATA", second] {
            let host = if command == second && second != "DATA" {
                SECOND
            } else {
                FIRST
            };
            world
                .hosts
                .answer(host, command, Answer::SayAndClose("421 4.3.2 Busy"));
        }
        world
            .hosts
            .answer(SECOND, "DATA", Answer::SayAndClose("421 4.3.2 Busier"));
        if second == "nobody" {
            world.hosts.refuse(SECOND);
        }
        let mail = world.accept(&[BOB]);
        world.run();
        assert_eq!(*world.hosts.dialed.borrow(), [FIRST, SECOND], "{second}");
        let view = world.listed(mail)[&0];
        assert_eq!((view.state, view.tries), (RecipientState::Waiting, 1));
        let said = if second == "nobody" {
            "cannot connect to 192.0.2.2:25"
        } else {
            "421 4.3.2"
        };
        assert!(view.reply.contains(said), "{}", view.reply);
        assert!(world.outbound.is_idle());
    }
}

#[test]
fn what_is_taken_off_while_the_next_host_is_asked_is_not_sent() {
    let mut world = world();
    world
        .hosts
        .answer(FIRST, "DATA", Answer::SayAndClose("421 4.3.2 Busy"));
    let mail = world.accept(&[BOB, EVE]);
    while world.hosts.dialed.borrow().len() < 2 {
        world.tick();
    }
    let whom = Choice::Only(&[1]);
    let spool = &mut world.store.spool;
    let touched = world
        .outbound
        .command(OperatorCommand::Delete, mail, whom, spool);
    assert_eq!(touched.map(|touched| touched.in_flight), Some(1));
    world.run();
    assert_eq!(*world.hosts.taken.borrow(), [taken(SECOND, &[BOB])]);
    assert!(world.outbound.queue().is_empty());
}

#[test]
fn nothing_is_begun_without_a_spool_process_and_all_goes_on_with_the_next() {
    let mut world = world();
    world.store.spool.is_down = true;
    let mail = world.accept(&[BOB]);
    world.run();
    assert!(world.hosts.dialed.borrow().is_empty());
    let view = world.listed(mail)[&0];
    assert_eq!((view.state, view.tries), (RecipientState::Ready, 0));
    world.store.spool.is_down = false;
    world.run();
    assert_eq!(*world.hosts.taken.borrow(), [taken(FIRST, &[BOB])]);
}

#[test]
fn mail_that_ends_while_there_is_no_spool_process_is_reported_by_the_next() {
    let mut world = world();
    world.hosts.refuse(FIRST);
    world.hosts.refuse(SECOND);
    world.accept(&[BOB]);
    world.pass(Duration::from_secs(4 * 24 * 3600));
    world.store.spool.is_down = true;
    world.pass(Duration::from_secs(2 * 24 * 3600));
    let failed = |world: &World| {
        let changes = world.store.spool.changes.iter();
        let reports = changes.filter_map(|change| match &change.kind {
            ChangeKind::Failed(_, report) => Some(report.as_ref().map(|it| it.text.clone())),
            _ => None,
        });
        reports.collect::<Vec<_>>()
    };
    assert_eq!(failed(&world), []);
    world.store.spool.is_down = false;
    world.run();
    let failed = failed(&world);
    let report = failed[0].as_ref().expect("a report");
    let report = String::from_utf8_lossy(report);
    for expected in [
        "Reason: not delivered in 6 days; the last try ended so: cannot",
        "Status: 4.4.7\r\n",
    ] {
        assert!(report.contains(expected), "no {expected} in {report}");
    }
}

#[test]
fn mail_that_is_being_moved_is_read_once_it_is_known_where_it_is() {
    let mut world = world();
    let mail = world.accept(&[BOB]);
    world.store.spool.begin_move(mail);
    world.run();
    let view = world.listed(mail)[&0];
    assert_eq!((view.state, view.tries), (RecipientState::Active, 0));
    world.store.spool.end_move(mail);
    world.run();
    assert_eq!(*world.hosts.taken.borrow(), [taken(FIRST, &[BOB])]);
    // One that is never found again is deferred, which is no word of the host.
    let lost = world.accept(&[BOB]);
    world.store.spool.begin_move(lost);
    world.pass(Duration::from_secs(10));
    let view = world.listed(lost)[&0];
    assert_eq!((view.state, view.tries), (RecipientState::Waiting, 1));
    assert!(view.reply.contains("not where it was"), "{}", view.reply);
}

#[test]
fn a_report_says_that_time_is_over_and_what_was_said_last() {
    let mut world = world();
    for host in [FIRST, SECOND] {
        world
            .hosts
            .answer(host, "RCPT", Answer::Say("451 4.3.0 Not now"));
    }
    world.accept(&[BOB]);
    world.pass(Duration::from_secs(5 * 24 * 3600 + 60));
    let changes = world.store.spool.changes.iter();
    let mut reports = changes.filter_map(|change| match &change.kind {
        ChangeKind::Failed(_, report) => report.as_ref(),
        _ => None,
    });
    let report = String::from_utf8_lossy(&reports.next().unwrap().text).into_owned();
    for expected in [
        "    Reason: not delivered in 5 days\r\n",
        "    The answer of 192.0.2.1: 451 4.3.0 Not now\r\n",
        "Diagnostic-Code: smtp; 451 4.3.0 Not now\r\n",
    ] {
        assert!(report.contains(expected), "no {expected} in {report}");
    }
}
