//! Servers that are killed: at random moments under load, and at every system call by which they store. What a client
//! was told is what is there when the next server runs, and all of it is whole.
//!
//! `MAILOOP_KILL_ROUNDS=200 cargo test --release --test kill` takes its time; `MAILOOP_KILL_SEED` repeats the choice of
//! moments, though not what happens in them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::cast_possible_truncation)]
#![allow(unreachable_pub)]

mod calls;
#[path = "../common/mod.rs"]
mod common;
mod load;
mod message;
// It is made for the simulation; not all of it is used here.
#[allow(dead_code)]
#[path = "../simulation/prng.rs"]
mod prng;
#[cfg(feature = "relay")]
mod relay;
mod site;

use std::env;
use std::thread;
use std::time::{Duration, SystemTime};

use common::TestServer;
use common::processes::kill;
use load::{Fate, Fates, Load, Numbers, Session};
use prng::Prng;
use site::{Processes, Site};

/// How often servers are killed by chance.
const ROUNDS: u64 = 9;
/// How many clients send at a time.
const CLIENTS: usize = 8;
/// The longest time under load before a server is killed.
const LOAD_MILLISECONDS_MAX: usize = 300;
/// How many messages must go through where some server lives on.
const MESSAGES: usize = 50;

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().expect("a number"))
}

fn rounds() -> u64 {
    number("MAILOOP_KILL_ROUNDS").unwrap_or(ROUNDS)
}

/// The source of moments.
fn chance() -> Prng {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seed = number("MAILOOP_KILL_SEED").unwrap_or(now.unwrap().as_nanos() as u64);
    eprintln!("MAILOOP_KILL_SEED={seed}");
    Prng::new(seed)
}

fn wait_by_chance(chance: &mut Prng) {
    let time = chance.below(LOAD_MILLISECONDS_MAX) as u64;
    thread::sleep(Duration::from_millis(time));
}

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    /// The process that was started.
    Server,
    /// It, and all that it has started, in any order.
    All,
    /// One that it has started, or that one has.
    Child,
}

const VICTIMS: [Victim; 3] = [Victim::Server, Victim::All, Victim::Child];

impl Victim {
    /// Kills, and says whether the server is to live on.
    fn kill(self, server: &TestServer, processes: &Processes, chance: &mut Prng) -> bool {
        let mut family = processes.all().to_vec();
        let children = &family[1..];
        match self {
            Self::Child if children.is_empty() => {
                eprintln!("it has no children: the server itself is killed");
                kill(server.pid());
            }
            Self::Child => {
                kill(chance.pick(children));
                return true;
            }
            Self::Server => kill(server.pid()),
            Self::All => {
                chance.shuffle(&mut family);
                family.into_iter().for_each(kill);
            }
        }
        false
    }
}

/// Nobody lost a connection.
#[track_caller]
fn all_were_answered(fates: &Fates) {
    let answered = |fate: &Fate| !matches!(fate, Fate::Unanswered | Fate::Cut);
    let cut = fates.iter().find(|(_, fate)| !answered(fate));
    assert_eq!(cut, None);
}

/// What became of messages, in a line.
fn tell(what: &str, fates: &Fates) {
    let count = |of| fates.values().filter(|fate| **fate == of).count();
    eprintln!(
        "{what}: {} acknowledged, {} refused, {} failed, {} unanswered, {} cut",
        count(Fate::Acknowledged),
        count(Fate::Refused),
        count(Fate::Failed),
        count(Fate::Unanswered),
        count(Fate::Cut)
    );
}

#[test]
fn a_server_that_is_killed_has_kept_what_it_acknowledged() {
    killed_by_chance(&Site::new());
}

/// The same while filters change each message: it is there as they have changed it, and nothing that they looked at is left over.
#[cfg(feature = "milter")]
#[test]
fn a_server_that_is_killed_has_kept_what_it_acknowledged_as_filters_have_changed_it() {
    killed_by_chance(&Site::filtered());
}

fn killed_by_chance(site: &Site) {
    let (numbers, mut chance) = (Numbers::default(), chance());
    let mut server = site.start(&[]);
    let mut all = Fates::new();
    for (round, victim) in (0..rounds()).zip(VICTIMS.into_iter().cycle()) {
        let load = Load::start(server.address(), CLIENTS, &numbers);
        wait_by_chance(&mut chance);
        let processes = Processes::of(&server);
        let lives = victim.kill(&server, &processes, &mut chance);
        if lives {
            load.go_on(MESSAGES);
        }
        let fates = load.stop();
        tell(&format!("round {round}, {victim:?}"), &fates);
        if lives {
            all_were_answered(&fates);
            site.expect_none_on_hold(&Processes::of(&server));
            server.stop();
        }
        // The next one may start while children still do what the server had told them.
        if victim != Victim::Server {
            processes.expect_ended();
        }
        server = site.start(&[]);
        processes.expect_ended();
        site.check(&fates);
        all.extend(fates);
    }
    server.stop();
    // Otherwise no round was about anything.
    for fate in [Fate::Acknowledged, Fate::Unanswered] {
        assert!(all.values().any(|other| *other == fate), "none is {fate:?}");
    }
}

/// How many messages are half sent when one of two servers is killed: of so many, both get some.
const HELD: usize = 24;

#[test]
fn one_of_two_servers_that_is_killed_does_no_harm_to_the_other() {
    let (site, numbers, mut chance) = (Site::new(), Numbers::default(), chance());
    let mut staying = site.start(&["--reuse-port", "--listen", "127.0.0.1:0"]);
    let address = staying.address().to_owned();
    let options = ["--reuse-port", "--listen", &address];
    let mut killed = site.start(&options);
    for round in 0..rounds() {
        let held: Vec<_> = (0..HELD)
            .map(|_| {
                let (number, mut session) = (numbers.next(), Session::connect(&address).unwrap());
                assert!(session.begin(number).unwrap());
                (number, session)
            })
            .collect();
        let load = Load::start(&address, CLIENTS, &numbers);
        wait_by_chance(&mut chance);
        let processes = Processes::of(&killed);
        chance
            .pick(&[Victim::Server, Victim::All])
            .kill(&killed, &processes, &mut chance);
        load.go_on(MESSAGES);
        processes.expect_ended();
        // Its start sweeps up what the one that was killed has left, and nothing else.
        killed = site.start(&options);
        load.go_on(MESSAGES);
        let mut fates = load.stop();
        tell(&format!("round {round}"), &fates);
        let refused = |fate: &Fate| matches!(fate, Fate::Refused | Fate::Failed);
        assert!(!fates.values().any(refused));
        let finished: Fates = held
            .into_iter()
            .map(|(number, mut session)| {
                let (fate, _) = session.finish(number);
                (number, fate)
            })
            .collect();
        tell("  held", &finished);
        assert!(finished.values().any(|fate| *fate == Fate::Acknowledged));
        assert!(finished.values().any(|fate| *fate != Fate::Acknowledged));
        fates.extend(finished);
        site.check(&fates);
        std::mem::swap(&mut staying, &mut killed);
    }
    staying.stop();
    killed.stop();
}
