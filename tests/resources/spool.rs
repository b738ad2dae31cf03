//! What a queued message costs the engine of the spool in memory.

use allocation_counter::measure;
use mailoop::store::Ticket;
use mailoop::store::spool::{MailId, SpoolEngine, SpoolOptions, SpoolSystem};

/// A little more than fill a table of 2^18 places, which then has doubled.
const MAILS: u32 = 120_000;
const GROUP: u32 = 1000;
/// For each queued message.
const BYTES_MAX: u64 = 64;
/// For each message that a scan has found, while it goes on: what it was found with is told at once.
const SCAN_BYTES_MAX: u64 = 160;

#[test]
fn a_queued_message_costs_the_spool_sixty_four_octets() {
    let root = tempfile::tempdir().expect("a folder");
    let start = || {
        let disk = SpoolSystem::open(root.path()).expect("a spool");
        SpoolEngine::start(disk, SpoolOptions::default(), 1000).expect("it starts")
    };
    let mut engine = start();
    let instance = engine.instance();
    assert!(!engine.scan(&mut Vec::new()));
    let taken = measure(|| {
        for group in 0..MAILS / GROUP {
            for count in group * GROUP..(group + 1) * GROUP {
                let ticket = Ticket(count.into());
                engine.open(ticket, MailId { instance, count }, 1, b"envelope");
                engine.write(ticket, b"Subject: short\r\n");
                engine.submit(ticket);
            }
            while engine.round() {}
            assert_eq!(engine.settled().count(), GROUP as usize);
        }
    });
    assert_eq!(engine.queued(), MAILS as usize);
    let each = taken.bytes_current.cast_unsigned() / u64::from(MAILS);
    assert!(each <= BYTES_MAX, "{each} octets a message");

    drop(engine);
    let mut engine = start();
    let mut count = 0;
    let scanned = measure(|| {
        let mut found = Vec::new();
        while engine.scan(&mut found) {
            count += found.drain(..).count();
        }
        count += found.len();
    });
    assert_eq!(count, MAILS as usize);
    let each = scanned.bytes_current.cast_unsigned() / u64::from(MAILS);
    let most = scanned.bytes_max / u64::from(MAILS);
    assert!(
        each <= BYTES_MAX && most <= SCAN_BYTES_MAX,
        "{each}, {most}"
    );
}
