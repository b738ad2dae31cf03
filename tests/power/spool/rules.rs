//! The rules that keep a finished message from coming back, each where it is needed: seeds seldom come to such places.

use std::cell::RefCell;
use std::rc::Rc;

use mailoop::store::Ticket;
use mailoop::store::spool::segment::segment_path;
use mailoop::store::spool::{
    ChangeCode, EncodedChange, EncodedReport, FoundMail, MailId, SpoolEngine, SpoolOptions,
    SpoolPlace,
};

use super::disk::{Machine, Model, Often};
use super::world::read;
use crate::prng::Prng;

const NOW: u32 = 1000;

/// A spool on a disk that fails where it is told to.
struct Spool {
    machine: Rc<RefCell<Machine>>,
    engine: Option<SpoolEngine<Model>>,
    options: SpoolOptions,
    count: u32,
}

impl Spool {
    fn new(options: SpoolOptions) -> Self {
        Self::seeded(1, options)
    }

    fn seeded(seed: u64, options: SpoolOptions) -> Self {
        let machine = Machine::new(Prng::new(seed), Often::default(), false);
        let mut spool = Self {
            machine: Rc::new(RefCell::new(machine)),
            engine: None,
            options,
            count: 0,
        };
        spool.start();
        spool
    }

    /// Segments of a few messages, and pieces of one.
    fn small() -> Self {
        Self::new(SpoolOptions {
            segment_bytes: 2048,
            spare_segments: 0,
            reserve_segments: 0,
            settle_seconds: 100,
            copy_bytes: 1,
            ..SpoolOptions::default()
        })
    }

    fn start(&mut self) {
        self.engine = None;
        let disk = Model(Rc::clone(&self.machine));
        self.engine = Some(SpoolEngine::start(disk, self.options, NOW).unwrap());
    }

    fn engine(&mut self) -> &mut SpoolEngine<Model> {
        self.engine.as_mut().unwrap()
    }

    /// All messages that a start finds.
    fn restart(&mut self) -> Vec<MailId> {
        self.find().iter().map(|found| found.mail).collect()
    }

    fn find(&mut self) -> Vec<FoundMail> {
        self.start();
        let mut found = Vec::new();
        for second in 1.. {
            self.engine().set_time(NOW + second);
            if !self.engine().scan(&mut found) {
                break;
            }
        }
        found
    }

    fn cut(&mut self, percent: usize) -> Vec<MailId> {
        self.engine = None;
        self.machine.borrow_mut().boot_with(percent);
        self.restart()
    }

    fn fail(&mut self, call: &'static str, path: &'static str, is_written: bool) {
        self.machine
            .borrow_mut()
            .fails
            .push((call, path, is_written));
    }

    /// Takes in a message of about 300 octets, and says whether that went well.
    fn take(&mut self) -> (MailId, Option<SpoolPlace>) {
        self.count += 1;
        let mail = MailId {
            instance: self.engine().instance(),
            count: self.count,
        };
        let ticket = Ticket(self.count.into());
        let engine = self.engine();
        engine.open(ticket, mail, 1, b"envelope");
        engine.write(ticket, &[b'x'; 240]);
        engine.submit(ticket);
        engine.round();
        let settled = engine.settled().next().unwrap();
        (mail, settled.result.ok())
    }

    /// Tells that a message is done, and says whether that is durable.
    fn done(&mut self, mail: MailId) -> bool {
        let before = self.engine().changes_durable();
        self.engine().change(EncodedChange {
            mail,
            code: ChangeCode::Done,
            recipients: vec![0],
            report: None,
        });
        self.engine().round();
        self.engine().changes_durable() > before
    }

    /// The same, where a full disk may refuse it in one segment before it is in the next.
    fn done_in_time(&mut self, mail: MailId) -> bool {
        let before = self.engine().changes_durable();
        self.done(mail);
        for _ in 0..3 {
            self.engine().round();
        }
        self.engine().changes_durable() > before
    }

    fn moved(&mut self) -> Vec<MailId> {
        self.engine().moved().map(|(mail, _)| mail).collect()
    }

    /// Compacts until a message is moved.
    fn move_one(&mut self) -> MailId {
        loop {
            assert!(self.engine().compact(), "nothing is moved");
            if let [mail] = self.moved()[..] {
                return mail;
            }
        }
    }
}

/// A log whose oldest segment has two messages left; the second segment is open.
fn two_left() -> (Spool, [MailId; 2]) {
    let mut spool = Spool::small();
    assert_eq!(spool.restart(), []);
    // The first segment holds three and is closed by the fourth.
    let mails: Vec<_> = (0..4).map(|_| spool.take().0).collect();
    assert!(spool.done(mails[2]) && spool.done(mails[3]));
    (spool, [mails[0], mails[1]])
}

#[test]
fn what_is_over_in_the_cold_log_is_not_found_in_the_hot_one() {
    let (mut spool, left) = two_left();
    spool.options.hot_bytes = 0;
    spool.restart();
    assert_eq!(spool.move_one(), left[0]);
    // The other one keeps the segment where it is.
    spool.options.hot_bytes = 1 << 30;
    let mut found = spool.restart();
    found.sort_unstable();
    assert_eq!(found, left);
    assert!(spool.done(left[0]));
    while spool.engine().compact() {}
    for _ in 0..3 {
        assert_eq!(
            spool.restart(),
            [left[1]],
            "a message that is over comes back"
        );
        while spool.engine().compact() {}
    }
    assert!(spool.done(left[1]));
    while spool.engine().compact() {}
    assert_eq!(spool.restart(), []);
    while spool.engine().compact() {}
    let segments = spool.machine.borrow().list("segments");
    assert_eq!(segments.len(), 1, "{segments:?}");
}

#[test]
fn no_change_is_durable_in_one_log_while_an_unnamed_copy_may_lie_in_the_other() {
    let (mut spool, left) = two_left();
    spool.options.hot_bytes = 0;
    spool.restart();
    // The copy is written, but the disk says that it is not, and takes no word of that.
    let cold = "segments/";
    assert_eq!(spool.move_one(), left[0]);
    spool.fail("sync", cold, true);
    assert!(!spool.engine().compact());
    spool.fail("create", cold, false);
    let is_durable = spool.done(left[1]);
    let found = spool.cut(100);
    assert!(!is_durable || !found.contains(&left[1]), "it comes back");
    assert_eq!(found.len(), 2);
}

#[test]
fn what_only_the_memory_of_the_machine_holds_is_not_told_as_durable() {
    for fails in [false, true] {
        let mut spool = Spool::small();
        assert_eq!(spool.restart(), []);
        let (mail, place) = spool.take();
        assert!(place.is_some());
        // The process is killed after it has written that it is done, before the sync.
        spool.machine.borrow_mut().cut_after(Some(1));
        assert!(!spool.done(mail));
        let mut machine = spool.machine.borrow_mut();
        machine.is_down = false;
        machine.cut_after(None);
        drop(machine);
        if fails {
            spool.fail("sync", "segments/00000002", false);
        }
        let is_found = spool.restart().contains(&mail);
        let is_durable = spool.done(mail);
        assert!(is_durable);
        let found = spool.cut(0);
        assert!(
            !found.contains(&mail),
            "it comes back; found before: {is_found}"
        );
    }
}

#[test]
fn a_group_whose_sync_failed_is_never_found_though_it_is_there() {
    let mut spool = Spool::small();
    assert_eq!(spool.restart(), []);
    let (first, place) = spool.take();
    assert!(place.is_some());
    spool.fail("sync", "segments/", true);
    let (_, place) = spool.take();
    assert!(place.is_none(), "it is refused");
    let (second, place) = spool.take();
    assert!(place.is_some(), "the next segment takes it");
    let mut found = spool.cut(100);
    found.sort_unstable();
    assert_eq!(found, [first, second]);
    assert_eq!(spool.engine().stats().damaged, 0);
}

#[test]
fn a_sector_that_cannot_be_read_takes_what_is_in_it_and_the_file_is_kept() {
    let mut spool = Spool::new(SpoolOptions {
        reserve_segments: 0,
        ..SpoolOptions::default()
    });
    assert_eq!(spool.restart(), []);
    let mails: Vec<_> = (0..100).map(|_| spool.take().0).collect();
    let path = segment_path(2);
    spool.machine.borrow_mut().unreadable = Some((path, 40));
    let found = spool.restart();
    let lost = mails.iter().filter(|mail| !found.contains(mail)).count();
    // What is read around it is a page.
    assert!((1..=15).contains(&lost), "{lost} are lost");
    assert!(spool.engine().stats().damaged > 0);
    for mail in found {
        assert!(spool.done(mail));
    }
    while spool.engine().compact() {}
    assert_eq!(spool.machine.borrow().list("damaged"), ["00000002"]);
}

#[test]
fn a_segment_whose_head_cannot_be_read_keeps_no_other_mail_from_being_taken() {
    let mut spool = Spool::new(SpoolOptions {
        reserve_segments: 0,
        ..SpoolOptions::default()
    });
    assert_eq!(spool.restart(), []);
    let mut mails = vec![spool.take().0, spool.take().0];
    let segments = spool.machine.borrow().list("segments");
    let path = segment_path(2);
    spool.machine.borrow_mut().unreadable = Some((path, 0));
    assert_eq!(spool.restart(), []);
    let (mail, place) = spool.take();
    assert!(place.is_some_and(|place| place.segment > 2), "{place:?}");
    mails.push(mail);
    assert_eq!(spool.machine.borrow().list("damaged"), [""; 0]);
    // Nothing of it was written over, and it can be read again.
    spool.machine.borrow_mut().unreadable = None;
    let mut found = spool.restart();
    found.sort_unstable();
    assert_eq!(found, mails);
    assert!(segments.contains(&"00000002".to_owned()), "{segments:?}");
}

#[test]
fn a_torn_tail_has_no_message_that_is_not_whole_and_no_failure_without_its_report() {
    let mut counts = [0; 3];
    for seed in 0..200 {
        let mut spool = Spool::seeded(seed, SpoolOptions::default());
        assert_eq!(spool.restart(), []);
        let (failed, place) = spool.take();
        assert!(place.is_some());
        let instance = failed.instance;
        let [report, mail] = [2, 3].map(|count| MailId { instance, count });
        let text = vec![b'y'; 2000];
        let engine = spool.engine();
        engine.change(EncodedChange {
            mail: failed,
            code: ChangeCode::Failed,
            recipients: vec![0],
            report: Some(EncodedReport {
                mail: report,
                recipients: 1,
                envelope: b"envelope".to_vec(),
                text: text.clone(),
            }),
        });
        engine.open(Ticket(3), mail, 1, b"envelope");
        engine.write(Ticket(3), &text);
        engine.submit(Ticket(3));
        // The power goes between the write and the sync: of each sector by itself nobody knows whether it is there.
        spool.machine.borrow_mut().cut_after(Some(1));
        spool.engine().round();
        spool.engine = None;
        spool.machine.borrow_mut().boot_with(90);
        let found = spool.find();
        let machine = spool.machine.borrow();
        for found in &found {
            let is_whole = read(&machine, found.mail, found.place).is_some();
            assert!(is_whole, "seed {seed}: {} is torn", found.mail);
        }
        let is_found = |mail| found.iter().any(|found| found.mail == mail);
        let is_over = !is_found(failed);
        assert_eq!(
            is_over,
            is_found(report),
            "seed {seed}: one without the other"
        );
        counts[usize::from(is_over) + usize::from(is_found(mail))] += 1;
    }
    assert!(
        counts.iter().all(|count| *count > 5),
        "{counts:?} shows nothing"
    );
}

/// A spool on a disk that its messages have filled, and these.
fn full_disk() -> (Spool, Vec<MailId>) {
    let mut spool = Spool::new(SpoolOptions {
        segment_bytes: 1 << 20,
        ..SpoolOptions::default()
    });
    assert_eq!(spool.restart(), []);
    let mut mails = vec![spool.take().0];
    let used = spool.machine.borrow().used();
    spool.machine.borrow_mut().room = Some(used + 100_000);
    while let (mail, Some(_)) = spool.take() {
        mails.push(mail);
    }
    assert!(mails.len() > 50, "{}", mails.len());
    (spool, mails)
}

#[test]
fn on_a_full_disk_all_that_happens_is_noted_and_what_is_over_makes_room() {
    let (mut spool, mails) = full_disk();
    assert!(spool.take().1.is_none(), "the reserve is not for mail");
    // Each start takes a segment of its own.
    for _ in 0..2 {
        let found = spool.restart();
        assert_eq!(found.len(), mails.len());
    }
    for mail in &mails {
        assert!(
            spool.done_in_time(*mail),
            "{mail} is done, and that is lost"
        );
    }
    while spool.engine().compact() {}
    assert_eq!(spool.restart(), [], "what was sent comes back");
    while spool.engine().compact() {}
    assert!(spool.take().1.is_some(), "there is room again");
}

#[test]
fn a_dead_segment_that_keeps_the_disk_full_makes_room() {
    let (mut spool, mails) = full_disk();
    let used = spool.machine.borrow().used();
    for mail in &mails {
        assert!(spool.done_in_time(*mail));
    }
    while spool.engine().compact() {}
    let (left, room) = (spool.machine.borrow().used(), used);
    assert!(left < room / 2, "{left} of {room} octets stay");
}

#[test]
fn the_only_segment_ends_once_it_is_dead_and_the_disk_nearly_full() {
    let mut spool = Spool::new(SpoolOptions {
        segment_bytes: 1 << 20,
        ..SpoolOptions::default()
    });
    assert_eq!(spool.restart(), []);
    let mails: Vec<_> = (0..300).map(|_| spool.take().0).collect();
    while spool.engine().compact() {}
    let used = spool.machine.borrow().used();
    spool.machine.borrow_mut().room = Some(used + 40_000);
    for mail in mails {
        assert!(spool.done_in_time(mail));
    }
    assert!(spool.engine().free_bytes() > 100_000, "nothing lives there");
    while spool.engine().compact() {}
    let left = spool.machine.borrow().used();
    assert!(left + 80_000 < used, "{left} of {used} octets stay");
    assert!(spool.take().1.is_some());
}
