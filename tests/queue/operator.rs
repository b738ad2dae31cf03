//! Commands of the operator, and what they mean for mail that is under way.

use mailoop::outbound::queue::{
    Choice, NextJob, OutgoingEnd, QueueEvent, QueueLimits, RecipientOutcome, RecipientState,
    RetrySchedule, SiteState, StartedJob, Touched,
};

use crate::peers::Manner;
use crate::world::{DAY, SECOND, World};

fn world() -> World {
    World::new(1, RetrySchedule::default(), QueueLimits::default())
}

/// Opens a connection by hand, and takes its first job.
fn starts(world: &mut World) -> (mailoop::outbound::queue::OutgoingId, StartedJob) {
    let now = world.now();
    let connect = world.queue.wants_connection(now).expect("a connection");
    world.queue.opened(connect.connection);
    match world.queue.next_job(connect.connection, now) {
        NextJob::Job(job) => (connect.connection, job),
        other => panic!("{other:?}"),
    }
}

fn touched(recipients: u32, in_flight: u32) -> Option<Touched> {
    Some(Touched {
        recipients,
        in_flight,
    })
}

#[test]
fn mail_in_flight_that_is_deleted_does_not_come_back() {
    let mut world = world();
    let site = world.add_site(Manner::Up, 10);
    let mail = world.add_mail(&[(site, 2)], 0, false, false);
    let (_, job) = starts(&mut world);
    assert!(world.queue.is_wanted(job.job));
    assert_eq!(world.queue.delete(mail, Choice::Only(&[0])), touched(1, 1));
    assert!(!world.queue.is_wanted(job.job));
    assert_eq!(world.queue.delete(mail, Choice::All), touched(1, 1));
    let now = world.now();
    world.queue.settle(
        job.job,
        &[(0, RecipientOutcome::Deferred("450 Later"))],
        now,
    );
    assert!(world.queue.is_empty() && world.queue.next_wake(now + DAY).is_none());
    assert_eq!(world.queue.delete(mail, Choice::All), None);
}

#[test]
fn held_mail_does_not_expire_and_is_tried_once_more_when_it_is_released() {
    let mut world = world();
    let site = world.add_site(Manner::Refuses, 10);
    let mail = world.add_mail(&[(site, 1)], 0, false, false);
    let now = world.now();
    assert_eq!(world.queue.hold(mail, Choice::All, now), touched(1, 0));
    assert_eq!(world.queue.hold(mail, Choice::All, now), touched(0, 0));
    assert_eq!(world.queue.retry(mail, Choice::All, now), touched(0, 0));
    assert_eq!(world.queue.wants_connection(now), None);
    let late = now + 9 * DAY;
    while world.queue.next_wake(late).is_some() {
        assert_eq!(world.queue.next_event(late), None);
    }
    assert_eq!(world.queue.release(mail, Choice::All, late), touched(1, 0));
    let connect = world.queue.wants_connection(late).expect("a try");
    let NextJob::Job(job) = world.queue.next_job(connect.connection, late) else {
        panic!("no job");
    };
    let unreached = RecipientOutcome::Unreached("no route");
    world.queue.settle(job.job, &[(0, unreached)], late);
    world.queue.failed(connect.connection, late);
    let expired = QueueEvent::Expired {
        mail,
        recipients: vec![0],
    };
    assert_eq!(world.queue.next_event(late), Some(expired));
    assert_eq!(world.queue.next_event(late), None);
    world.queue.over(mail, &[0]);
    assert!(world.queue.is_empty());
}

#[test]
fn recipients_that_are_held_while_they_are_sent_to_are_held_if_they_wait_after_it() {
    let mut world = world();
    let site = world.add_site(Manner::Up, 10);
    let mail = world.add_mail(&[(site, 3)], 0, false, false);
    let (_, job) = starts(&mut world);
    let now = world.now();
    assert_eq!(
        world.queue.hold(mail, Choice::Only(&[1, 2]), now),
        touched(2, 2)
    );
    let later = RecipientOutcome::Deferred("450 4.2.0 Later");
    let outcomes = [(0, later), (1, later), (2, RecipientOutcome::Sent)];
    world.queue.settle(job.job, &outcomes, now);
    let listed = world.queue.recipients(mail, now);
    let mut listed: Vec<_> = listed
        .map(|to| (to.index, to.state, to.tries, to.reply))
        .collect();
    listed.sort_by_key(|(index, ..)| *index);
    let reply = "450 4.2.0 Later";
    let expected = [
        (0, RecipientState::Waiting, 1, reply),
        (1, RecipientState::Held, 1, reply),
    ];
    assert_eq!(listed, expected);
}

#[test]
fn retry_overrides_the_wait_of_mail_and_of_its_site() {
    let mut world = world();
    let site = world.add_site(Manner::Refuses, 10);
    let mails: Vec<_> = (0..10)
        .map(|_| world.add_mail(&[(site, 1)], 0, false, false))
        .collect();
    world.run_until(world.time + 10 * SECOND);
    let before = world.connects.len();
    let view = |world: &World| world.queue.sites_after(None, 9)[1].state;
    assert!(matches!(view(&world), SiteState::Down { .. }));
    world.peers.get_mut(&site).unwrap().manner = Manner::Up;
    let now = world.now();
    assert_eq!(world.queue.retry(mails[9], Choice::All, now), touched(1, 0));
    world.act();
    assert_eq!(world.connects.len(), before + 1);
    assert_eq!(view(&world), SiteState::Probing);
    world.run_until(world.time + SECOND);
    assert_eq!(view(&world), SiteState::Up);
    // Those that were tried when it was down wait for their own time.
    assert_eq!(world.queue.len(), 2);
}

#[test]
fn what_nobody_knows_waits_a_quarter_of_an_hour_unless_the_operator_says_so() {
    for retries in [false, true] {
        let mut world = world();
        let site = world.add_site(Manner::LosesReply, 10);
        let mail = world.add_mail(&[(site, 1)], 0, false, false);
        let begin = world.time;
        world.run_until(begin + SECOND);
        let view = world.queue.recipients(mail, world.now()).next().unwrap();
        assert_eq!(
            (view.state, view.reply),
            (RecipientState::Uncertain, "no reply")
        );
        world.peers.get_mut(&site).unwrap().manner = Manner::Up;
        if retries {
            let now = world.now();
            world.queue.retry(mail, Choice::All, now);
            world
                .ledger
                .mails
                .get_mut(&mail)
                .unwrap()
                .recipients
                .get_mut(&0)
                .unwrap()
                .not_before = 0;
        }
        world.run_until(begin + DAY);
        let sent = world.answers.last().unwrap().0 - begin;
        let expected = if retries {
            0..=2 * SECOND
        } else {
            900 * SECOND..=1081 * SECOND
        };
        assert!(expected.contains(&sent), "{sent}");
        assert!(world.queue.is_empty());
    }
}

#[test]
fn a_listing_goes_page_by_page_whatever_comes_and_goes() {
    let mut world = world();
    let site = world.add_site(Manner::Up, 10);
    let mails: Vec<_> = (0..1000)
        .map(|_| world.add_mail(&[(site, 1)], 0, false, false))
        .collect();
    let mut listed = Vec::new();
    while let page = world.queue.mails_after(listed.last().copied(), 64)
        && !page.is_empty()
    {
        // What was listed goes, and something new comes.
        for mail in &page {
            world.queue.delete(*mail, Choice::All);
        }
        listed.extend(page);
        if listed.len() < 500 {
            world.add_mail(&[(site, 1)], 0, false, false);
        }
    }
    assert_eq!(listed[..1000], mails);
    assert_eq!(listed.len(), 1000 + 7);
    assert!(world.queue.is_empty());
}

#[test]
fn a_site_tells_how_it_is() {
    let mut world = world();
    let site = world.add_site(Manner::Defers, 10);
    let begin = world.now();
    for age in [5000, 70_000, 3000] {
        world.add_mail(&[(site, 1)], age, false, false);
    }
    world.run_until(world.time + 60 * SECOND);
    let mail = world.add_mail(&[(site, 1)], 0, false, false);
    let now = world.now();
    world.queue.hold(mail, Choice::All, now);
    let view = world
        .queue
        .sites_after(Some(mailoop::outbound::queue::SiteId::LOCAL), 5);
    assert_eq!((view.len(), view[0].name), (1, "site 1"));
    assert_eq!(
        (view[0].waiting, view[0].ready, view[0].active, view[0].held),
        (3, 0, 0, 1)
    );
    assert_eq!((view[0].state, view[0].connections), (SiteState::Up, 0));
    assert!(view[0].oldest_ms.unwrap().abs_diff(begin - 70_000) <= 128);
}

#[test]
fn a_job_may_be_settled_after_its_connection_is_gone() {
    let mut world = world();
    let site = world.add_site(Manner::Up, 10);
    let mail = world.add_mail(&[(site, 2)], 0, false, false);
    let (connection, job) = starts(&mut world);
    let now = world.now();
    world.queue.closed(connection, OutgoingEnd::Done, now);
    world
        .queue
        .settle(job.job, &[(1, RecipientOutcome::Sent)], now);
    let states = world
        .queue
        .recipients(mail, now)
        .map(|to| (to.index, to.state));
    assert_eq!(states.collect::<Vec<_>>(), [(0, RecipientState::Ready)]);
    world.queue.drain();
    assert_eq!(world.queue.wants_connection(now), None);
    assert!(world.queue.next_wake(now).is_some_and(|wake| wake > now));
}
