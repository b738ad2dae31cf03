//! One run: engines that take mail and changes, and are interrupted by faults, kills and power cuts.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use mailoop::store::Ticket;
use mailoop::store::spool::record::RecordHead;
use mailoop::store::spool::segment::{SegmentHead, segment_path};
use mailoop::store::spool::{
    ChangeCode, EncodedChange, EncodedReport, MailId, SpoolEngine, SpoolOptions, SpoolPlace,
    big_path,
};

use super::disk::{Machine, Model, Often};
use super::ledger::{Ledger, Standing};
use crate::prng::Prng;

const STARTS_MAX: usize = 200;

/// What happened in a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    pub settled: usize,
    pub refused: usize,
    pub changes: usize,
    pub moved: usize,
    pub retired: usize,
    pub reports: usize,
    pub cuts: usize,
    pub faults: usize,
}

impl Sum {
    pub fn add(&mut self, other: Self) {
        self.settled += other.settled;
        self.refused += other.refused;
        self.changes += other.changes;
        self.moved += other.moved;
        self.retired += other.retired;
        self.reports += other.reports;
        self.cuts += other.cuts;
        self.faults += other.faults;
    }
}

pub struct World {
    rng: Prng,
    pub machine: Rc<RefCell<Machine>>,
    ledger: Ledger,
    engine: Option<SpoolEngine<Model>>,
    options: SpoolOptions,
    now: u32,
    count: u32,
    instance: u32,
    /// Messages that are being written, with what of their text is still to come.
    open: Vec<(MailId, usize)>,
    submitted: Vec<MailId>,
    /// Changes that were given to the engine and are not confirmed.
    changes: VecDeque<EncodedChange>,
    confirmed: u64,
    is_scanning: bool,
    /// Messages that were refused, while the disk takes no word of it.
    unsound: Vec<MailId>,
    pub sum: Sum,
}

impl World {
    pub fn new(seed: u64, traced: bool) -> Self {
        let mut rng = Prng::new(seed);
        let often = if rng.one_in(3) {
            Often::default()
        } else {
            Often {
                any: rng.pick(&[0, 30, 100, 300]),
                sync: rng.pick(&[0, 5, 20, 60]),
                dead: rng.pick(&[0, 0, 300]),
            }
        };
        let options = SpoolOptions {
            segment_bytes: rng.pick(&[2048, 4096, 8192, 32768]),
            big_bytes: rng.pick(&[300, 1000, 5000]),
            drafts_bytes: rng.pick(&[500, 2000, 20000]),
            group_bytes: rng.pick(&[500, 3000, 100_000]),
            spare_segments: rng.pick(&[0, 1, 2, 4]),
            reserve_segments: rng.pick(&[0, 1, 3]),
            settle_seconds: rng.pick(&[0, 5, 600]),
            hot_bytes: rng.pick(&[0, 6000, 20_000, 1 << 30]),
            scan_bytes: rng.pick(&[100, 2000, 4 << 20]),
            copy_bytes: rng.pick(&[300, 2000, 256 << 10]),
        };
        let machine = Machine::new(rng.fork(), often, traced);
        let mut world = Self {
            rng,
            machine: Rc::new(RefCell::new(machine)),
            ledger: Ledger::default(),
            engine: None,
            options,
            now: 1000,
            count: 0,
            instance: 0,
            open: Vec::new(),
            submitted: Vec::new(),
            changes: VecDeque::new(),
            confirmed: 0,
            is_scanning: false,
            unsound: Vec::new(),
            sum: Sum::default(),
        };
        world.tell(|| format!("{options:?} {often:?}"));
        world
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        self.machine.borrow_mut().tell(line);
    }

    /// Runs to the end.
    pub fn run(&mut self) {
        for _ in 0..self.rng.between(1, 5) {
            self.live();
        }
        self.end();
        self.sum.faults = self.machine.borrow().faults;
    }

    /// From the start of an engine to its end.
    fn live(&mut self) {
        self.plan_cut();
        self.start();
        for _ in 0..self.rng.size(250) {
            self.step();
            if self.engine.is_none() {
                return;
            }
        }
        match self.rng.below(4) {
            0 => self.cut(),
            1 => self.kill(),
            2 => self.kill_all(),
            _ => self.close(),
        }
    }

    fn plan_cut(&mut self) {
        let cut = self.rng.one_in(2).then(|| self.rng.size(600));
        self.machine.borrow_mut().cut_after(cut);
    }

    fn start(&mut self) {
        for tries in 0..STARTS_MAX {
            if self.machine.borrow().is_down {
                self.cut();
                self.plan_cut();
            }
            if tries == STARTS_MAX / 2 {
                self.machine.borrow_mut().often = Often::default();
            }
            self.tell(|| "START".to_owned());
            let disk = Model(Rc::clone(&self.machine));
            let Ok(engine) = SpoolEngine::start(disk, self.options, self.now) else {
                continue;
            };
            if self.machine.borrow().is_down {
                continue;
            }
            assert!(
                engine.instance() > self.instance,
                "an instance is used again"
            );
            self.instance = engine.instance();
            self.engine = Some(engine);
            (self.confirmed, self.count, self.is_scanning) = (0, 0, true);
            self.ledger.begin_scan();
            // Changes that were not confirmed are given again, to an engine that may not have found their messages.
            let resent: Vec<_> = self.changes.iter().cloned().collect();
            for change in resent {
                self.engine().change(change);
            }
            return;
        }
        panic!("it does not start");
    }

    fn engine(&mut self) -> &mut SpoolEngine<Model> {
        self.engine.as_mut().expect("an engine")
    }

    fn step(&mut self) {
        match self.rng.below(100) {
            0..15 => self.open(),
            15..30 => self.write(),
            30..45 => self.submit(),
            45..47 => self.abort(),
            47..62 => self.change(),
            62..77 => drop(self.engine().round()),
            77..85 => self.scan(),
            85..97 => drop(self.engine().compact()),
            _ => {
                self.now += self.rng.size(20) as u32;
                let now = self.now;
                self.engine().set_time(now);
            }
        }
        self.hear();
    }

    fn open(&mut self) {
        let mail = self.new_mail();
        let recipients = self.rng.size(10) as u16;
        let bytes = self.rng.size(3000);
        let text = self.text(mail, bytes);
        self.ledger.add(mail, recipients, Standing::Open, text);
        let envelope = self.ledger.mail(mail).envelope.clone();
        self.tell(|| format!("OPEN {mail} for {recipients}"));
        self.engine()
            .open(ticket(mail), mail, recipients, &envelope);
        if self.rng.one_in(8) {
            self.tell(|| format!("HOLD {mail}"));
            self.ledger.mail(mail).hold(true);
            self.engine().hold(ticket(mail));
        }
        self.open.push((mail, 0));
    }

    fn new_mail(&mut self) -> MailId {
        self.count += 1;
        MailId {
            instance: self.instance,
            count: self.count,
        }
    }

    fn text(&mut self, mail: MailId, bytes: usize) -> Vec<u8> {
        let line = format!("{mail} says\r\n");
        line.bytes().cycle().take(bytes).collect()
    }

    /// Some message that is open, if any is.
    fn pick_open(&mut self) -> Option<usize> {
        let count = self.open.len();
        (count > 0).then(|| self.rng.below(count))
    }

    fn write(&mut self) {
        if let Some(at) = self.pick_open() {
            let more = self.rng.size(2000);
            self.write_some(at, more);
        }
    }

    fn write_some(&mut self, at: usize, more: usize) {
        let (mail, written) = self.open[at];
        let text = &self.ledger.mail(mail).text;
        let end = (written + more).min(text.len());
        let piece = text[written..end].to_vec();
        self.engine().write(ticket(mail), &piece);
        self.open[at].1 = end;
    }

    fn submit(&mut self) {
        if let Some(at) = self.pick_open() {
            self.write_some(at, usize::MAX / 2);
            let (mail, _) = self.open.swap_remove(at);
            self.ledger.mail(mail).standing = Standing::Submitted;
            self.tell(|| format!("SUBMIT {mail}"));
            self.engine().submit(ticket(mail));
            self.submitted.push(mail);
        }
    }

    fn abort(&mut self) {
        if let Some(at) = self.pick_open() {
            let (mail, _) = self.open.swap_remove(at);
            self.ledger.mail(mail).standing = Standing::Gone;
            self.engine().abort(ticket(mail));
        }
    }

    /// A change of some message that is known.
    fn change(&mut self) {
        let living = self.ledger.living();
        if living.is_empty() {
            return;
        }
        let mail = living[self.rng.below(living.len())];
        let message = self.ledger.mail(mail);
        let asked = message.asked.clone();
        let left: Vec<u16> = (0..message.recipients)
            .filter(|at| !asked.contains(at))
            .collect();
        let is_noticed = message.noticed_asked;
        let codes = [ChangeCode::Done, ChangeCode::Failed, ChangeCode::Deleted];
        let mut code = self.rng.pick(&codes);
        let mut recipients = Vec::new();
        match self.rng.below(8) {
            0 => code = ChangeCode::Held,
            1 => code = ChangeCode::Released,
            // There is nobody to tell of the delay of what is over.
            2 if !is_noticed && !left.is_empty() => code = ChangeCode::Noticed,
            _ if left.is_empty() => return,
            _ => {
                let all = self.rng.one_in(2);
                recipients.extend(left.into_iter().filter(|_| all || self.rng.one_in(2)));
                if recipients.is_empty() {
                    return;
                }
            }
        }
        let can_report = matches!(
            code,
            ChangeCode::Done | ChangeCode::Failed | ChangeCode::Noticed
        );
        let report = (can_report && self.rng.one_in(2)).then(|| self.report());
        let change = EncodedChange {
            mail,
            code,
            recipients,
            report,
        };
        self.tell(|| format!("CHANGE {change:?}"));
        self.ledger.ask(&change);
        self.changes.push_back(change.clone());
        self.engine().change(change);
    }

    fn report(&mut self) -> EncodedReport {
        let mail = self.new_mail();
        let bytes = self.rng.size(1500);
        let text = self.text(mail, bytes);
        self.ledger.add(mail, 1, Standing::Pending, text.clone());
        EncodedReport {
            mail,
            recipients: 1,
            envelope: self.ledger.mail(mail).envelope.clone(),
            text,
        }
    }

    fn scan(&mut self) {
        let mut found = Vec::new();
        let is_more = self.engine().scan(&mut found);
        if self.machine.borrow().is_down {
            return;
        }
        for found in found {
            self.tell(|| format!("FOUND {found:?}"));
            self.ledger.find(&found);
            self.check_place(found.mail);
        }
        if !is_more && self.is_scanning {
            self.is_scanning = false;
            let resent: Vec<_> = self.changes.iter().cloned().collect();
            self.ledger.end_scan(self.instance, &resent);
        }
        let damaged = self.engine().stats().damaged;
        assert_eq!(damaged, 0, "nothing was damaged");
    }

    /// Hears what the engine tells, if it still can.
    fn hear(&mut self) {
        if self.machine.borrow().is_down {
            return self.cut();
        }
        let engine = self.engine();
        let settled: Vec<_> = engine.settled().collect();
        let reported: Vec<_> = engine.reported().collect();
        let moved: Vec<_> = engine.moved().collect();
        let (durable, is_stuck) = (engine.changes_durable(), engine.is_stuck());
        for settled in settled {
            let at = self
                .submitted
                .iter()
                .position(|mail| ticket(*mail) == settled.ticket);
            let mail = self.submitted.swap_remove(at.expect("a message of ours"));
            self.tell(|| format!("SETTLED {mail} {:?}", settled.result));
            match settled.result {
                Ok(place) => self.settle(mail, place),
                Err(_) => {
                    self.ledger.mail(mail).standing = Standing::Refused;
                    self.unsound.push(mail);
                    self.sum.refused += 1;
                }
            }
        }
        for (mail, place) in reported {
            self.sum.reports += 1;
            self.settle(mail, place);
        }
        for (mail, place) in moved {
            self.tell(|| format!("MOVED {mail} {place:?}"));
            self.sum.moved += 1;
            self.ledger.mail(mail).place = Some(place);
            self.check_place(mail);
        }
        if !is_stuck {
            self.unsound.clear();
        }
        while self.confirmed < durable {
            self.confirmed += 1;
            self.sum.changes += 1;
            let change = self.changes.pop_front().expect("a change of ours");
            self.tell(|| {
                format!(
                    "DURABLE {} {:?} {:?}",
                    change.mail, change.code, change.recipients
                )
            });
            self.ledger.confirm(&change);
        }
        if self.rng.one_in(10) {
            for mail in self.ledger.living() {
                self.check_place(mail);
            }
        }
    }

    fn settle(&mut self, mail: MailId, place: SpoolPlace) {
        self.ledger.settle(mail, place);
        self.sum.settled += 1;
        self.check_place(mail);
    }

    /// Reads a message where it is said to be, as whoever sends it does.
    fn check_place(&mut self, mail: MailId) {
        let message = self.ledger.mail(mail);
        if !message.is_living() || message.asked.len() == usize::from(message.recipients) {
            return;
        }
        let place = message.place.expect("a place");
        let machine = self.machine.borrow();
        let read = read(&machine, mail, place);
        let (text, envelope) = (message.text.clone(), message.envelope.clone());
        assert!(
            read == Some((envelope, text)),
            "{mail} is not at {place:?}: {read:?}"
        );
    }

    /// The power is cut: all ends at once, and what is not durable is lost.
    fn cut(&mut self) {
        self.sum.cuts += 1;
        self.machine.borrow_mut().is_down = true;
        self.end_process(true);
        self.machine.borrow_mut().boot();
    }

    /// The process ends at once. Whoever gave it changes keeps them.
    fn kill(&mut self) {
        self.tell(|| "KILL".to_owned());
        self.end_process(false);
    }

    /// All processes end at once.
    fn kill_all(&mut self) {
        self.tell(|| "KILL ALL".to_owned());
        self.end_process(true);
    }

    fn close(&mut self) {
        self.tell(|| "CLOSE".to_owned());
        if let Some(engine) = self.engine.take() {
            self.sum.retired += engine.stats().retired as usize;
            engine.close();
        }
        self.end_process(false);
        if self.machine.borrow().is_down {
            self.cut();
        }
    }

    fn end_process(&mut self, are_changes_lost: bool) {
        if let Some(engine) = self.engine.take() {
            self.sum.retired += engine.stats().retired as usize;
        }
        self.open.clear();
        self.submitted.clear();
        for mail in self.unsound.drain(..) {
            self.ledger.mail(mail).standing = Standing::MayBe;
        }
        self.ledger.end_process();
        if are_changes_lost {
            for change in self.changes.drain(..) {
                self.ledger.lose(change);
            }
        }
    }

    /// Nothing goes wrong any more: what is there is found, ends, and leaves nothing behind.
    fn end(&mut self) {
        let mut machine = self.machine.borrow_mut();
        machine.often = Often::default();
        drop(machine);
        for life in 0..3 {
            self.machine.borrow_mut().cut_after(None);
            self.machine.borrow_mut().is_down = false;
            self.start();
            while self.is_scanning {
                self.now += 1;
                let now = self.now;
                self.engine().set_time(now);
                self.scan();
                self.hear();
            }
            if life < 2 {
                self.work_off();
                if self.rng.one_in(2) {
                    self.cut();
                } else {
                    self.kill_all();
                }
            }
        }
        assert_eq!(self.ledger.living(), [], "something is left");
        while self.engine().compact() {}
        let machine = self.machine.borrow();
        assert_eq!(machine.list("big"), Vec::<String>::new());
        let segments = machine.list("segments").len();
        assert!(
            segments <= 2 + self.options.spare_segments + self.options.reserve_segments,
            "{segments} are left"
        );
    }

    /// Has everything that is there end.
    fn work_off(&mut self) {
        for mail in self.ledger.living() {
            let message = self.ledger.mail(mail);
            let asked = message.asked.clone();
            let left = (0..message.recipients)
                .filter(|at| !asked.contains(at))
                .collect();
            let change = EncodedChange {
                mail,
                code: ChangeCode::Done,
                recipients: left,
                report: None,
            };
            self.ledger.ask(&change);
            self.changes.push_back(change.clone());
            self.engine().change(change);
        }
        for _ in 0..1000 {
            let is_more = self.engine().round();
            self.hear();
            let is_compacting = self.engine().compact();
            self.hear();
            if !is_more && !is_compacting && self.changes.is_empty() {
                return;
            }
        }
        panic!("it comes to no end");
    }
}

fn ticket(mail: MailId) -> Ticket {
    Ticket(u64::from(mail.instance) << 32 | u64::from(mail.count))
}

/// Reads the message at a place: envelope and text.
pub fn read(machine: &Machine, mail: MailId, place: SpoolPlace) -> Option<(Vec<u8>, Vec<u8>)> {
    let segment = &machine.content(&segment_path(place.segment))?.present;
    let seed = SegmentHead::decode(segment).ok()?.seed();
    let record = segment.get(place.offset as usize..)?;
    let head = RecordHead::decode(seed, record).filter(|head| head.mail == mail)?;
    let (envelope, _) = head.payload(&record[RecordHead::BYTES..])?;
    let start = head.text_start() as usize;
    let text = if head.inline_bytes() == head.text_bytes {
        record.get(start..start + head.text_bytes as usize)?
    } else {
        &machine.content(&big_path(mail))?.present
    };
    assert_eq!(head.envelope_bytes, place.envelope_bytes);
    assert_eq!(head.text_bytes, place.text_bytes);
    (crc32c(text) == head.text_crc).then(|| (envelope.to_vec(), text.to_vec()))
}

/// The checksum of the format, written once more.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0x82F6_3B78 } else { 0 }
        })
    };
    !bytes.iter().fold(!0, step)
}
