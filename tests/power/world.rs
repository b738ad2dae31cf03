//! One run: stores that receive messages, and are interrupted by faults, kills and power cuts.

use std::cell::RefCell;
use std::rc::Rc;

use super::ledger::{Ledger, Standing, drafts};
use super::machine::{Machine, Trace};
use super::prng::Prng;
use super::process::{Process, Settings};
use super::tree::OTHER_DEVICE;

const MAILBOXES: [&str; 6] = [
    "a@one.example",
    "b@one.example",
    "c@two.example",
    "d@two.example",
    "e@mount.example",
    "f@mount.example",
];
/// Where the store notes its instances.
const HOME: &str = ".mailoop";
const RECIPIENTS_MAX: usize = 4;
/// How often a store may be in vain told to start, before its disk is left alone.
const STARTS_MAX: usize = 10;
/// How many messages may fail after the last fault, before one is stored: the first may meet an error that nobody was
/// told of yet.
const LATE_FAILURES_MAX: usize = 1;

/// What happened in a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    pub stored: usize,
    pub failed: usize,
    pub unsettled: usize,
    pub cuts: usize,
    pub faults: usize,
}

impl Sum {
    pub fn add(&mut self, other: Self) {
        self.stored += other.stored;
        self.failed += other.failed;
        self.unsettled += other.unsettled;
        self.cuts += other.cuts;
        self.faults += other.faults;
    }
}

struct World {
    rng: Prng,
    machine: Rc<RefCell<Machine>>,
    ledger: Ledger,
    processes: Vec<Process>,
    settings: Settings,
    /// Whether two stores may be open at a time.
    siblings: bool,
    /// In so many steps of a thousand the stores work on the disk.
    rounds: usize,
    cuts: usize,
}

/// Runs one seed to its end.
///
/// # Panics
/// If anything was not as it is to be.
pub fn run(seed: u64, trace: Option<Trace>) -> Sum {
    let mut rng = Prng::new(seed);
    let siblings = rng.one_in(4);
    let machine = Machine::new(rng.fork(), siblings, trace.clone());
    let settings = Settings {
        mailboxes_max: rng.pick(&[1, 3, 1000, 1000]),
        group_max: rng.pick(&[1, 2, 3, 1000]),
    };
    let rounds = rng.pick(&[20, 100, 300]);
    if let Some(trace) = trace {
        let profile = format!("{settings:?} {machine:?}");
        trace.borrow_mut().push(profile);
    }
    let mut world = World {
        rng,
        machine: Rc::new(RefCell::new(machine)),
        ledger: Ledger::default(),
        processes: Vec::new(),
        settings,
        siblings,
        rounds,
        cuts: 0,
    };
    for _ in 0..world.rng.between(1, 4) {
        world.live();
    }
    world.end();
    Sum {
        stored: world.ledger.count(Standing::Stored),
        failed: world.ledger.count(Standing::Failed),
        unsettled: world.ledger.count(Standing::Unsettled),
        cuts: world.cuts,
        faults: world.machine.borrow().faults.count,
    }
}

impl World {
    /// From the start of a store to the end of all.
    fn live(&mut self) {
        self.plan_cut(400);
        self.start();
        for _ in 0..self.rng.size(150) {
            self.step();
            if self.processes.is_empty() {
                return;
            }
        }
        match self.rng.below(4) {
            0 => self.cut(),
            1 => {
                while !self.processes.is_empty() {
                    self.kill();
                }
            }
            _ => self.finish(),
        }
    }

    /// Perhaps the power is cut some time.
    fn plan_cut(&mut self, calls_max: usize) {
        let cut = self.rng.one_in(2).then(|| self.rng.size(calls_max));
        self.machine.borrow_mut().cut_after(cut);
    }

    fn is_down(&self) -> bool {
        self.machine.borrow().is_down
    }

    fn tell(&self, line: &str) {
        self.machine.borrow_mut().tell(|| line.to_owned());
    }

    /// Starts one store more, whatever is in its way.
    fn start(&mut self) {
        for tries in 0.. {
            self.tell("START");
            if tries == STARTS_MAX {
                self.cut();
                self.machine.borrow_mut().faults.heal();
            }
            let alone = self.processes.is_empty();
            let started = Process::start(&self.machine, self.settings, alone);
            if self.is_down() {
                drop(started);
                self.cut();
                self.plan_cut(50);
                continue;
            }
            match started {
                Ok(process) => {
                    self.processes.push(process);
                    break;
                }
                Err(error) => assert!(tries < STARTS_MAX, "it does not start: {error}"),
            }
        }
        if let [processes @ .., _] = &mut self.processes[..] {
            for process in processes {
                process.alone = false;
            }
        }
        self.check();
    }

    /// One thing happens.
    fn step(&mut self) {
        let which = self.rng.below(self.processes.len());
        let addresses = self.addresses();
        let each = self.rng.one_in(2);
        let (process, ledger) = (&mut self.processes[which], &mut self.ledger);
        if self.rng.below(1000) < self.rounds {
            process.round();
            return self.look();
        }
        match self.rng.below(1000) {
            0..300 => {
                process.open(&addresses, each, ledger);
            }
            300..650 => process.write(&mut self.rng, ledger),
            650..950 => process.submit(&mut self.rng, ledger),
            950..980 => process.abort(&mut self.rng, ledger),
            980..985 => self.kill(),
            _ if self.siblings && self.processes.len() == 1 => self.start(),
            _ => {}
        }
        self.look();
    }

    /// Some mailboxes, half the time of one file system.
    fn addresses(&mut self) -> Vec<&'static str> {
        let mut addresses = MAILBOXES;
        self.rng.shuffle(&mut addresses);
        let mut addresses = addresses[..self.rng.between(1, RECIPIENTS_MAX)].to_vec();
        let is_other = |address: &str| address.ends_with(OTHER_DEVICE);
        let first = is_other(addresses[0]);
        if self.rng.one_in(2) {
            addresses.retain(|address| is_other(address) == first);
        }
        addresses
    }

    /// Hears what the stores tell, if they still can, and looks at the disk.
    fn look(&mut self) {
        if self.is_down() {
            return self.cut();
        }
        for process in &mut self.processes {
            process.hear(&mut self.ledger);
        }
        self.check();
    }

    fn check(&self) {
        self.ledger.check(&self.machine.borrow());
        for process in &self.processes {
            process.check(&self.ledger);
        }
    }

    /// A store ends at once.
    fn kill(&mut self) {
        self.tell("KILL");
        let which = self.rng.below(self.processes.len());
        self.processes.swap_remove(which).end(&mut self.ledger);
    }

    /// All ends at once.
    fn cut(&mut self) {
        self.cuts += 1;
        for process in self.processes.drain(..) {
            process.end(&mut self.ledger);
        }
        self.machine.borrow_mut().boot();
        self.check();
    }

    /// The stores end well.
    fn finish(&mut self) {
        for process in &mut self.processes {
            process.finish(&mut self.ledger);
        }
        self.look();
        for process in self.processes.drain(..) {
            process.check_end();
        }
    }

    /// Nothing goes wrong any more: what was left over goes, and messages are stored again.
    fn end(&mut self) {
        while let Some(process) = self.processes.pop() {
            process.end(&mut self.ledger);
        }
        let mut machine = self.machine.borrow_mut();
        machine.cut_after(None);
        machine.faults.heal();
        machine.outsider.leave();
        let aborted = machine.faults.aborted;
        drop(machine);
        if aborted {
            self.cut();
        }
        for life in 0..2 {
            self.start();
            let left = drafts(&self.machine.borrow().tree);
            assert_eq!(left, [], "after the start of a store");
            let instances = self.instances();
            assert_eq!(instances.len(), 1, "{instances:?}");
            if life == 0 {
                self.store_one();
            }
            self.cut();
        }
    }

    /// The instances that have a file.
    fn instances(&self) -> Vec<String> {
        let tree = &self.machine.borrow().tree;
        let home = tree.at(HOME).expect("it is there");
        let mut names: Vec<_> = tree
            .names
            .list(home)
            .map(|(name, _)| name.to_owned())
            .collect();
        names.retain(|name| name != "lock");
        names
    }

    /// Stores a message.
    fn store_one(&mut self) {
        let mailboxes = self.machine.borrow().tree.mailboxes();
        let known = |address: &&str| {
            let (local, domain) = address.split_once('@').expect("an address");
            let path = format!("{domain}/{local}");
            mailboxes.iter().any(|(mailbox, _)| *mailbox == path)
        };
        // One that is there, for no more may be made.
        let address = MAILBOXES.into_iter().find(known).unwrap_or(MAILBOXES[0]);
        for _ in 0..=LATE_FAILURES_MAX {
            let (process, ledger) = (&mut self.processes[0], &mut self.ledger);
            let name = process.open(&[address], false, ledger);
            process.write(&mut self.rng, ledger);
            process.submit(&mut self.rng, ledger);
            process.finish(ledger);
            self.look();
            if self.ledger.message(&name).standing == Standing::Stored {
                return;
            }
        }
        panic!("nothing is stored any more");
    }
}
