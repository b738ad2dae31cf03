//! When mail is tried first: new mail at once, mail that is found after a restart by its age.

use mailoop::outbound::queue::{NewMail, Queue, QueueLimits, RecipientState, RetrySchedule};
use mailoop::store::spool::{MailId, SpoolPlace, TextFlags};

use crate::world::{DAY, HOUR, SECOND, START_MS};

const MINUTE: u64 = 60 * SECOND;

fn queue(now_ms: u64) -> Queue {
    Queue::new(RetrySchedule::default(), QueueLimits::default(), now_ms)
}

/// Adds a mail of this age for one recipient. When it is tried, from now on: `None` for at once.
fn tried_in(
    queue: &mut Queue,
    count: u32,
    age_ms: u64,
    tried_until_ms: Option<u64>,
    now_ms: u64,
) -> Option<u64> {
    let mail = MailId { instance: 1, count };
    let site = queue.site("a");
    let new = NewMail {
        mail,
        place: SpoolPlace {
            segment: 1,
            offset: 16,
            envelope_bytes: 80,
            text_bytes: 1000,
            text_flags: TextFlags::EIGHT_BIT,
        },
        arrived_ms: now_ms - age_ms,
        tried_until_ms,
        recipients: &[(site, &[0])],
        has_null_sender: false,
        is_held: false,
        is_noticed: false,
    };
    assert!(queue.add(&new, now_ms));
    let recipient = queue.recipients(mail, now_ms).next().unwrap();
    match recipient.state {
        RecipientState::Ready => None,
        RecipientState::Waiting => recipient.next_ms.map(|at| at - now_ms),
        state => panic!("{state:?}"),
    }
}

#[test]
fn new_mail_is_tried_at_once() {
    // Whatever part of a tick of the queue's clock has gone by.
    for part in 0..300 {
        let mut queue = queue(START_MS);
        let now_ms = START_MS + 1000 + part;
        assert_eq!(tried_in(&mut queue, 1, 3, None, now_ms), None, "{part} ms");
        assert_eq!(queue.next_wake(now_ms), Some(now_ms), "{part} ms");
        assert!(queue.wants_connection(now_ms).is_some(), "{part} ms");
    }
}

#[test]
fn mail_that_was_deferred_waits_for_its_next_try() {
    let now_ms = START_MS;
    let mut queue = queue(now_ms);
    for count in 1..100 {
        // Tries were after 5 to 6 minutes and after 15 to 18, and the next one is after 35 to 42.
        let tried_in = tried_in(&mut queue, count, 20 * MINUTE, Some(now_ms), now_ms).unwrap();
        assert!((15 * MINUTE..23 * MINUTE).contains(&tried_in), "{tried_in}");
    }
    assert_eq!(queue.wants_connection(now_ms), None);
    // All that was due while no server ran does not come at once, either.
    let ended_ms = now_ms - 10 * HOUR;
    let mut waits: Vec<u64> = (100..1100)
        .map(|count| {
            let age_ms = DAY + u64::from(count) * 37 * SECOND;
            tried_in(&mut queue, count, age_ms, Some(ended_ms), now_ms).unwrap()
        })
        .collect();
    waits.sort_unstable();
    let quarters = [waits[0], waits[250], waits[500], waits[750], waits[999]];
    assert!(quarters[4] <= 2 * HOUR * 12 / 10 + SECOND, "{quarters:?}");
    let is_spread = |pair: &[u64]| pair[1] - pair[0] > 10 * MINUTE;
    assert!(quarters.windows(2).all(is_spread), "{quarters:?}");
}

#[test]
fn mail_that_was_perhaps_never_tried_is_tried_at_once() {
    let now_ms = START_MS;
    let mut queue = queue(now_ms);
    // It came when the server was about to end, which was 3 hours ago, or a moment before a quick restart.
    let ended_ms = now_ms - 3 * HOUR;
    for (count, age_ms, tried_until_ms) in [
        (1, 3 * HOUR + 4 * MINUTE, ended_ms),
        (2, 4 * MINUTE, now_ms),
        (3, 0, now_ms),
    ] {
        let tried_in = tried_in(&mut queue, count, age_ms, Some(tried_until_ms), now_ms);
        assert_eq!(tried_in, None, "mail {count}");
    }
    // What is over its age has a last chance.
    let last = tried_in(&mut queue, 4, 6 * DAY, Some(now_ms), now_ms);
    assert_eq!(last, None);
}
