//! Bits that flip on the disk: each is found, and only what it is in is lost.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use mailoop::store::Ticket;
use mailoop::store::spool::segment::segment_path;
use mailoop::store::spool::{
    ChangeCode, EncodedChange, FoundMail, MailId, SpoolEngine, SpoolOptions,
};

use super::disk::{Machine, Model, Often};
use super::world::read;
use crate::prng::Prng;

const MAILS: u32 = 6;

/// A spool with a few messages, one of which is over, that was not closed: after its last group may come anything.
fn spool() -> Machine {
    let machine = Rc::new(RefCell::new(Machine::new(
        Prng::new(1),
        Often::default(),
        false,
    )));
    let mut engine = start(&machine);
    let instance = engine.instance();
    for count in 0..MAILS {
        let mail = MailId { instance, count };
        let ticket = Ticket(count.into());
        engine.open(ticket, mail, 1, format!("envelope {count}").as_bytes());
        engine.write(ticket, format!("text {count}\r\n").repeat(4).as_bytes());
        engine.submit(ticket);
        assert!(engine.round());
    }
    engine.change(EncodedChange {
        mail: MailId { instance, count: 0 },
        code: ChangeCode::Done,
        recipients: vec![0],
        report: None,
    });
    while engine.round() {}
    engine.close();
    Rc::into_inner(machine)
        .expect("nobody else has it")
        .into_inner()
}

fn start(machine: &Rc<RefCell<Machine>>) -> SpoolEngine<Model> {
    let options = SpoolOptions {
        segment_bytes: 4096,
        ..SpoolOptions::default()
    };
    SpoolEngine::start(Model(Rc::clone(machine)), options, 1000).expect("it starts")
}

/// What a start finds, and can be read; and at how many places something is damaged.
fn found(machine: Machine) -> (BTreeMap<u32, Vec<u8>>, u64) {
    let machine = Rc::new(RefCell::new(machine));
    let mut engine = start(&machine);
    let mut found: Vec<FoundMail> = Vec::new();
    while engine.scan(&mut found) {}
    let machine = machine.borrow();
    let read = |found: &FoundMail| {
        let (envelope, text) = read(&machine, found.mail, found.place)?;
        assert_eq!(envelope, found.envelope);
        Some((found.mail.count, text))
    };
    (
        found.iter().filter_map(read).collect(),
        engine.stats().damaged,
    )
}

/// Flips each bit of the records, one at a time.
///
/// # Panics
/// If any does more harm than it may.
pub fn run() {
    let whole = spool();
    let path = segment_path(1);
    let bytes = whole.content(&path).expect("it is there").present.len();
    let (expected, damaged) = found(whole.clone());
    assert_eq!((expected.len(), damaged), (MAILS as usize - 1, 0));
    for bit in 0..bytes * 8 {
        let mut flipped = whole.clone();
        flipped.flip(&path, bit);
        let (read, damaged) = found(flipped);
        for (count, text) in &read {
            // The one that is over comes back where the record of that is bad.
            let text_of = |count: u32| format!("text {count}\r\n").repeat(4).into_bytes();
            assert_eq!(
                *text,
                text_of(*count),
                "bit {bit}: {count} is not what it was"
            );
        }
        let lost = expected
            .keys()
            .filter(|count| !read.contains_key(count))
            .count();
        assert!(lost <= 1, "bit {bit}: {lost} messages are lost");
        let came_back = read.contains_key(&0);
        assert!(
            lost == 0 && !came_back || damaged > 0,
            "bit {bit} is not found"
        );
    }
}
