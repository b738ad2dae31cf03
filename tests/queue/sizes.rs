//! What the queue takes in memory, and how long its calls take.

use allocation_counter::measure;
use mailoop::outbound::queue::{Choice, NewMail, Queue, QueueLimits, RetrySchedule, SiteId};
use mailoop::store::spool::{MailId, SpoolPlace, TextFlags};

use crate::world::{DAY, SECOND, START_MS};

fn add(queue: &mut Queue, count: u32, site: SiteId) -> MailId {
    let mail = MailId {
        instance: 0x6929_F3A1 + count / 400_000,
        count,
    };
    let new = NewMail {
        mail,
        place: SpoolPlace {
            segment: 7,
            offset: 16 * count,
            envelope_bytes: 100,
            text_bytes: 1000,
            text_flags: TextFlags::default(),
        },
        arrived_ms: START_MS,
        tried_until_ms: None,
        recipients: &[(site, &[0])],
        has_null_sender: false,
        is_held: false,
        is_noticed: false,
    };
    assert!(queue.add(&new, START_MS));
    mail
}

fn new_queue() -> Queue {
    Queue::new(RetrySchedule::default(), QueueLimits::default(), START_MS)
}

/// Octets for each of so many mails.
fn octets_per_mail(mails: u32) -> f64 {
    let mut queue = new_queue();
    let site = queue.site("smtp://relay.example.org");
    let taken = measure(|| {
        for count in 0..mails {
            add(&mut queue, count, site);
        }
    });
    let octets = taken.bytes_current as f64 / f64::from(mails);
    println!("{mails} mails: {octets:.1} octets each");
    octets
}

#[test]
fn a_mail_takes_80_octets_at_most() {
    assert!(octets_per_mail(100_000) <= 80.0);
}

#[test]
#[ignore = "takes a while where nothing is optimized"]
fn a_million_mails_take_80_octets_each() {
    assert!(octets_per_mail(1_000_000) <= 80.0);
}

#[test]
fn a_site_takes_256_octets_at_most() {
    let mut queue = new_queue();
    let taken = measure(|| {
        for count in 0..100_000 {
            queue.site(&format!("smtp://mail.customer-{count}.example.org:25"));
        }
    });
    let octets = taken.bytes_current as f64 / 100_000.0;
    println!("a site takes {octets:.1} octets");
    assert!(octets <= 256.0);
    // Those that nobody needs are forgotten.
    for count in 100_000..200_000 {
        queue.site(&format!("smtp://mail.customer-{count}.example.org:25"));
    }
    assert!(queue.sites_after(None, usize::MAX).len() <= 100_001);
}

#[test]
fn a_queue_that_empties_gives_its_memory_back() {
    let mut queue = new_queue();
    let site = queue.site("smtp://relay.example.org");
    let taken = measure(|| {
        let mails: Vec<MailId> = (0..100_000)
            .map(|count| add(&mut queue, count, site))
            .collect();
        // All but one in a hundred go.
        for mail in mails.iter().filter(|mail| mail.count % 100 != 0) {
            queue.delete(*mail, Choice::All);
        }
        for mail in queue.mails_after(None, 100_000) {
            queue.delete(mail, Choice::All);
        }
        drop(mails);
    });
    assert!(queue.is_empty());
    assert!(
        taken.bytes_current < 200_000,
        "{} octets are left",
        taken.bytes_current
    );
}

#[test]
fn each_call_does_little_however_much_falls_due() {
    let mut queue = new_queue();
    let site = queue.site("smtp://relay.example.org");
    for count in 0..100_000 {
        add(&mut queue, count, site);
    }
    let (mut calls, mut events, mut expired) = (0, 0, 0);
    for now in [START_MS + 5 * 3600 * SECOND, START_MS + 6 * DAY] {
        while queue.next_wake(now).is_some_and(|wake| wake <= now) {
            while queue.wants_connection(now).is_some() {}
            let event = queue.next_event(now);
            calls += 1;
            events += usize::from(event.is_some());
            if let Some(mailoop::outbound::queue::QueueEvent::Expired { mail, recipients }) = event
            {
                queue.over(mail, &recipients);
                expired += 1;
            }
        }
    }
    println!("{calls} calls, {events} events");
    assert_eq!(expired, 100_000);
    assert!(queue.is_empty());
    // A call ends with an event, or after some hundreds of steps: of these each mail takes one at least.
    let without = calls - events;
    assert!(without >= 100_000 / 1000, "{without} calls did all of it");
}
