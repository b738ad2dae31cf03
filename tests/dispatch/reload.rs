//! A reload: other routes, another lifetime.

use std::time::Duration;

use mailoop::outbound::queue::RecipientState;
use mailoop::store::spool::ChangeKind;

use crate::hosts::Answer;
use crate::world::{FIRST, SECOND, THIRD, World};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn any(host: &str) -> String {
    format!("*=smtp://{host}")
}

#[test]
fn mail_that_waits_goes_by_the_new_route() {
    let mut world = World::new(&[&any(FIRST)]);
    world.hosts.refuse(FIRST);
    let mails: Vec<_> = (0..500)
        .map(|_| world.accept(&["bob@there.example"]))
        .collect();
    world.run();
    assert!(world.hosts.taken.borrow().is_empty());
    world.reload(&[&any(SECOND)], 5 * DAY);
    for mail in &mails {
        // What waited for the probe of the site goes at once; what was deferred waits as it did.
        let is_gone = world.outbound.queue().place(*mail).is_none();
        assert!(is_gone || world.site(*mail).contains(SECOND));
    }
    assert!(world.hosts.taken.borrow().len() >= 497);
    world.pass(HOUR);
    assert!(world.outbound.queue().is_empty());
    assert_eq!(world.hosts.taken.borrow().len(), 500);
}

#[test]
fn each_recipient_goes_its_way_and_what_is_being_sent_follows() {
    let mut world = World::new(&[&any(FIRST)]);
    world
        .hosts
        .answer(FIRST, "RCPT", Answer::Say("450 4.2.0 Later"));
    let to = ["a@x.example", "b@y.example", "c@x.example", "d@z.example"];
    let mail = world.accept(&to);
    // Until the transaction is under way.
    while !world.listed_or_none(mail).contains(&RecipientState::Active) {
        world.tick();
    }
    let (x, y) = (
        format!("x.example=smtp://{SECOND}"),
        format!("y.example=smtp://{THIRD}"),
    );
    world.reload(&[&x, &y, &any(FIRST)], 5 * DAY);
    world.pass(HOUR);
    let mut taken = world.hosts.taken.borrow().clone();
    taken.sort_by(|a, b| a.host.cmp(&b.host));
    let taken: Vec<_> = taken
        .iter()
        .map(|it| (&*it.host, it.to.join(" ")))
        .collect();
    let expected = [
        (SECOND, "a@x.example c@x.example".to_owned()),
        (THIRD, "b@y.example".to_owned()),
    ];
    assert_eq!(taken, expected);
    assert_eq!(world.listed(mail).keys().collect::<Vec<_>>(), [&3]);
}

#[test]
fn what_has_no_route_any_more_waits_for_one() {
    let mut world = World::new(&[&any(FIRST)]);
    world.hosts.refuse(FIRST);
    let mail = world.accept(&["bob@there.example"]);
    world.run();
    let other = format!("other.example=smtp://{SECOND}");
    world.reload(&[&other], 5 * DAY);
    world.pass(2 * HOUR);
    let view = world.listed(mail)[&0];
    assert_eq!(view.state, RecipientState::Waiting);
    assert!(
        view.reply.contains("no route leads there any more"),
        "{}",
        view.reply
    );
    assert!(world.hosts.taken.borrow().is_empty());
    world.reload(&[&other, &any(SECOND)], 5 * DAY);
    world.pass(3 * HOUR);
    assert_eq!(world.hosts.taken.borrow().len(), 1);
    assert!(world.outbound.queue().is_empty());
}

#[test]
fn a_shorter_lifetime_is_for_mail_in_the_queue_too() {
    let mut world = World::new(&[&any(FIRST)]);
    world.hosts.refuse(FIRST);
    let old = world.accept(&["bob@there.example"]);
    world.pass(10 * HOUR);
    let young = world.accept(&["bob@there.example"]);
    world.pass(HOUR);
    world.reload(&[&any(FIRST)], 3 * HOUR);
    let given_up = |world: &World| {
        let changes = world.store.spool.changes.iter();
        let failed = changes.filter(|change| matches!(change.kind, ChangeKind::Failed(..)));
        failed.map(|change| change.mail).collect::<Vec<_>>()
    };
    assert_eq!(given_up(&world), [old]);
    world.pass(HOUR);
    assert_eq!(given_up(&world), [old]);
    world.pass(HOUR + HOUR / 10);
    assert_eq!(given_up(&world), [old, young]);
}

#[test]
fn a_domain_that_has_become_ours_has_its_mailboxes_here() {
    let domain = |domain: &str| format!("{domain}=smtp://{FIRST}");
    let routes = [domain("here.example"), domain("there.example")];
    let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
    let to = ["ada@here.example", "bob@there.example", "eve@here.example"];
    // By a reload of the configuration, and by a restart with another.
    for is_restart in [false, true] {
        let mut world = World::new(if is_restart { &routes[1..] } else { &routes });
        world.hosts.refuse(FIRST);
        world.store.spool.is_found = is_restart;
        let mail = world.accept(&to);
        world.run();
        if !is_restart {
            assert!(world.store.spool.delivered.is_empty());
            world.reload(&routes[1..], 5 * DAY);
        }
        world.pass(3 * HOUR);
        assert_eq!(world.store.spool.delivered, [(mail, 0)]);
        // Eve has no mailbox in this domain, and no route leads there any more.
        let left: Vec<u16> = world.listed(mail).keys().copied().collect();
        assert_eq!(left, [1, 2]);
    }
}
