//! One run: a server that sends mail on, and all around it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use mailoop::config::Config;
use mailoop::outbound::queue::{Choice, RecipientState};
use mailoop::outbound::relay::OperatorCommand;
use mailoop::server::probe::CoreProbe;
use mailoop::smtp::service::Service;
use mailoop::store::spool::MailId;

use super::books::Books;
use super::counts::Counts;
use super::hosts::routes;
use super::internet::Internet;
use super::parts::Parts;
use super::profile::Profile;
use super::server::{SimServer, wall, wall_ms};
use super::spool::Spool;
use super::{mails, rest};
use crate::journal::Journal;
use crate::prng::Prng;

/// How many rounds it may take until everything is at rest.
const ROUNDS_MAX: usize = 50_000;
/// How many leaps of time it may take until nothing is left.
const LEAPS_MAX: usize = 5_000;
/// The time that a connection takes to end at most, once the time of a drain is up.
const LINGER: Duration = Duration::from_secs(1);

pub struct World<'a> {
    base: &'a Config,
    rng: Prng,
    pub journal: Rc<Journal>,
    profile: Rc<Profile>,
    pub books: Rc<RefCell<Books>>,
    pub spool: Rc<RefCell<Spool>>,
    pub internet: Rc<RefCell<Internet>>,
    pub server: SimServer,
    routes: Vec<String>,
    watch: Option<Watch>,
}

/// Makes an observer of a server, one after another.
pub type Watch = Rc<dyn Fn() -> Box<dyn CoreProbe>>;

/// Runs one seed to its end.
///
/// # Panics
/// If anything was not as it is to be.
pub fn run(seed: u64, base: &Config, tracing: bool) -> Counts {
    run_watched(seed, base, tracing, None)
}

/// The same, with each server watched.
pub fn run_watched(seed: u64, base: &Config, tracing: bool, watch: Option<Watch>) -> Counts {
    let journal = Rc::new(Journal::new(tracing));
    let mut world = World::new(Prng::new(seed), base, journal, watch);
    world.live();
    std::mem::take(&mut world.books.borrow_mut().counts)
}

impl<'a> World<'a> {
    fn new(mut rng: Prng, base: &'a Config, journal: Rc<Journal>, watch: Option<Watch>) -> Self {
        let profile = Rc::new(Profile::new(&mut rng));
        journal.trace(|| format!("{profile:#?}"));
        let books = Rc::new(RefCell::new(Books::new(Rc::clone(&journal))));
        let spool = Spool::new(
            Rc::clone(&journal),
            Rc::clone(&books),
            rng.fork(),
            profile.spool,
        );
        let spool = Rc::new(RefCell::new(spool));
        let internet = Internet::new(
            Rc::clone(&journal),
            Rc::clone(&books),
            rng.fork(),
            profile.weather,
            profile.hosts,
        );
        let internet = Rc::new(RefCell::new(internet));
        let routes = routes(profile.domains, &internet.borrow().hosts, &mut rng);
        let parts = Parts {
            base,
            journal: &journal,
            profile: &profile,
            spool: &spool,
            internet: &internet,
            watch: watch.as_ref(),
        };
        let server = parts.start(&routes, &mut rng);
        Self {
            base,
            rng,
            journal,
            profile,
            books,
            spool,
            internet,
            server,
            routes,
            watch,
        }
    }

    fn live(&mut self) {
        for _ in 0..self.profile.steps {
            self.step();
        }
        if !self.rng.one_in(3) {
            self.internet.borrow_mut().get_well();
        }
        self.outlast();
        if self.rng.one_in(2) {
            self.release_all();
            self.outlast();
        }
        let left = rest::left(self);
        self.books.borrow().check_end(&left);
        self.journal.check();
    }

    /// Everybody may do something, or not.
    fn step(&mut self) {
        let profile = Rc::clone(&self.profile);
        if self.rng.below(profile.steps) < profile.mails * 2 {
            self.join_one();
        }
        self.internet.borrow_mut().work(false);
        self.spool.borrow_mut().work(false);
        if self.rng.one_in(profile.moves) {
            self.spool.borrow_mut().move_one();
        }
        if self.rng.one_in(profile.losses) {
            self.spool.borrow_mut().lose_process();
        }
        if self.rng.one_in(profile.moods) {
            self.internet.borrow_mut().change_manner();
        }
        if self.rng.one_in(profile.operator) {
            self.operate();
        }
        if self.rng.one_in(profile.reloads) {
            self.reload();
        }
        if self.rng.one_in(profile.drains) {
            self.journal.trace(|| "a signal".to_owned());
            self.books.borrow_mut().is_draining = true;
            self.server.core.ask_to_drain();
        }
        self.pass_time();
        self.server.maybe_tick(false);
        self.end_if_drained();
        if self.rng.one_in(profile.crashes) {
            self.journal.trace(|| "a crash".to_owned());
            self.books.borrow_mut().counts.add("crashes", 1);
            self.restart(false);
        }
        self.journal.check();
    }

    fn pass_time(&mut self) {
        if self.rng.one_in(3) {
            let milliseconds = self.rng.size(2000) as u64;
            self.journal.advance(Duration::from_millis(milliseconds));
        }
        if self.rng.one_in(self.profile.leaps) {
            let seconds = self
                .rng
                .pick(&[5, 10, 30, 60, 120, 300, 600, 900, 4000, 90_000]);
            self.journal.advance(Duration::from_secs(seconds));
        }
    }

    fn join_one(&mut self) {
        if self.rng.one_in(4) {
            return self.call();
        }
        let now_ms = wall_ms(&self.journal);
        let mut spool = self.spool.borrow_mut();
        if !spool.is_ready {
            return;
        }
        let mail = spool.next_mail();
        let (envelope, text) = mails::invent(mail, self.profile.domains, now_ms, &mut self.rng);
        self.journal
            .trace(|| format!("{mail} of {} octets: {envelope:?}", text.len()));
        spool.join(mail, envelope, &text);
    }

    /// A client brings a mail.
    fn call(&mut self) {
        if self.server.core.is_draining() {
            return;
        }
        let key = self.server.core.next_key();
        let domains = self.profile.domains;
        let carrier = self.internet.borrow_mut().call(key, domains);
        let peer = SocketAddr::from(([192, 0, 2, 1], 25)).into();
        let connection = self.server.core.next_connection();
        let carrier = match self.server.core.probe() {
            Some(probe) => probe.carry(carrier, connection, peer),
            None => carrier,
        };
        self.server.core.add(carrier, Service::Smtp, peer);
    }

    /// Some mail in the queue.
    fn any_mail(&mut self) -> Option<MailId> {
        let queue = self.server.core.outbound()?.queue();
        let count = self.rng.below(queue.len().max(1)) + 1;
        queue.mails_after(None, count).last().copied()
    }

    /// The operator commands something about some recipients of some mail.
    fn operate(&mut self) {
        let Some(mail) = self.any_mail() else {
            return;
        };
        let now_ms = wall_ms(&self.journal);
        let outbound = self.server.core.outbound().unwrap();
        let views: Vec<(u16, RecipientState)> = outbound
            .queue()
            .recipients(mail, now_ms)
            .map(|view| (view.index, view.state))
            .collect();
        let mut chosen: Vec<u16> = views.iter().map(|(index, _)| *index).collect();
        chosen.sort_unstable();
        let is_all = self.rng.one_in(2);
        if !is_all {
            chosen.retain(|_| self.rng.one_in(2));
        }
        let whom = if is_all {
            Choice::All
        } else {
            Choice::Only(&chosen)
        };
        use OperatorCommand::{Delete, Hold, Release, Retry};
        let command = self.rng.pick(&[Hold, Release, Retry, Delete]);
        self.journal
            .trace(|| format!("the operator: {command:?} {mail} {whom:?}, {views:?}"));
        let is_active = |index: &u16| {
            let state = views
                .iter()
                .find(|(it, _)| it == index)
                .map(|(_, state)| *state);
            matches!(
                state,
                Some(RecipientState::Active | RecipientState::Expired)
            )
        };
        let (active, waiting): (Vec<u16>, Vec<u16>) = chosen.iter().partition(|it| is_active(it));
        match command {
            Hold => self.books.borrow_mut().held(mail, waiting),
            Release => self
                .books
                .borrow_mut()
                .released(mail, chosen.iter().copied()),
            Delete => self.books.borrow_mut().deletes(mail, &chosen, &active),
            Retry => {}
        }
        let before = self.spool.borrow().changes;
        let touched = self.server.core.command_queue(command, mail, whom);
        let is_told = self.spool.borrow().changes > before;
        if matches!(command, Hold | Delete) && !is_told {
            self.journal
                .violation(|| format!("the spool does not hear of {command:?} {mail}"));
        }
        if touched.is_none() {
            self.journal
                .violation(|| format!("{mail} was in the queue"));
        }
    }

    fn release_all(&mut self) {
        self.server.last_chance_ms = wall_ms(&self.journal);
        let queue = self.server.outbound().queue();
        for mail in queue.mails_after(None, usize::MAX) {
            self.books.borrow_mut().released(mail, 0..200);
            let core = &mut self.server.core;
            core.command_queue(OperatorCommand::Release, mail, Choice::All);
        }
    }

    /// SIGHUP: other routes, another schedule, other limits.
    fn reload(&mut self) {
        self.journal.trace(|| "a reload".to_owned());
        self.books.borrow_mut().counts.add("reloads", 1);
        if self.rng.one_in(2) {
            let hosts = self.internet.borrow().hosts.clone();
            self.routes = routes(self.profile.domains, &hosts, &mut self.rng);
        }
        let mut rng = self.rng.fork();
        let settings = self.parts().settings(&self.routes, &mut rng);
        self.server.expects(&settings);
        let rules = self.parts().rules(&settings);
        self.server.core.reload(rules);
        let (now, wall) = (self.journal.now(), wall(&self.journal));
        self.server.core.reload_relay(settings, now, wall);
    }

    fn parts(&self) -> Parts<'_> {
        Parts {
            base: self.base,
            journal: &self.journal,
            profile: &self.profile,
            spool: &self.spool,
            internet: &self.internet,
            watch: self.watch.as_ref(),
        }
    }

    /// The server ends once it is drained; another one follows.
    fn end_if_drained(&mut self) {
        if self.server.core.is_draining() && self.server.core.is_empty() {
            self.books.borrow_mut().counts.add("drains", 1);
            self.restart(true);
        }
    }

    fn restart(&mut self, in_order: bool) {
        self.journal
            .trace(|| format!("a restart, in order: {in_order}"));
        let mut rng = self.rng.fork();
        self.internet.borrow_mut().forget();
        let server = self.parts().start(&self.routes, &mut rng);
        drop(std::mem::replace(&mut self.server, server));
        self.spool.borrow_mut().restart(in_order);
        if in_order && self.internet.borrow().live() > 0 {
            self.journal
                .violation(|| "a connection outlives its server".to_owned());
        }
    }

    /// Time stands still until nobody can do anything more.
    fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let mut moved = self.spool.borrow_mut().work(true);
            moved |= self.internet.borrow_mut().work(true);
            moved |= self.server.maybe_tick(true);
            self.journal.check();
            if !moved {
                rest::check(self);
                self.check_drain();
                self.end_if_drained();
                return self.journal.check();
            }
        }
        panic!("it does not come to rest");
    }

    fn check_drain(&mut self) {
        let now = self.journal.now();
        let until = self
            .server
            .draining_since
            .map(|since| since + self.profile.drain + LINGER);
        if until.is_some_and(|until| until < now) && !self.server.core.is_empty() {
            let load = self.server.outbound().load();
            self.journal
                .violation(|| format!("the drain does not end: {load:?}"));
        }
    }

    /// Lets time pass until nothing is left, or only what is held.
    fn outlast(&mut self) {
        for _ in 0..LEAPS_MAX {
            self.settle();
            let is_over = rest::is_only_held(self) && self.spool.borrow().is_idle();
            if is_over && self.server.draining_since.is_none() && self.internet.borrow().live() == 0
            {
                return;
            }
            let times = [
                self.server.core.next_wake(),
                self.internet.borrow().next_time(),
            ];
            let Some(time) = times.into_iter().flatten().min() else {
                if self.server.core.is_draining() || !self.spool.borrow().is_idle() {
                    continue;
                }
                return self
                    .journal
                    .violation(|| "the loop sleeps for ever, and mail waits".to_owned());
            };
            let time = time.saturating_duration_since(self.journal.now());
            self.journal.advance(time);
        }
        panic!("mail does not come to its end");
    }
}
