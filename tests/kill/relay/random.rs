//! Kills at random moments, of each process and of some together.

use std::thread;
use std::time::Duration;

use super::clients::Clients;
use super::trial::{Role, Sum, Trial};
use crate::{chance, rounds};

const CLIENTS: usize = 4;
/// How many messages go through between two kills, at least.
const MESSAGES: usize = 5;
/// The longest time after that.
const LOAD_MICROSECONDS_MAX: usize = 40_000;
/// How many kills share a spool.
const TRIAL_KILLS: usize = 40;
/// The same where only the spool process is killed, which rests the longer before its start the more often it is.
const SPOOL_KILLS: usize = 6;

/// Who is killed at the same time.
const VICTIMS: [&[Role]; 8] = [
    &[Role::Spool],
    &[Role::Loop],
    &[Role::Keeper],
    &[Role::Keeper, Role::Spool],
    &[Role::Spool],
    &[Role::Loop, Role::Spool],
    &[Role::Store],
    &[Role::Loop, Role::Keeper, Role::Spool, Role::Store],
];

#[test]
fn killed_at_random_a_relay_loses_nothing_and_reports_nothing_twice() {
    let (mut chance, mut sum) = (chance(), Sum::default());
    // As many as there are victims, at least.
    let mut left = (rounds() as usize).next_multiple_of(VICTIMS.len());
    while left > 0 {
        let (mut trial, kills) = (Trial::new(), left.min(TRIAL_KILLS));
        for kill in 0..kills {
            let victims = VICTIMS[kill % VICTIMS.len()];
            let clients =
                Clients::start(trial.server.address(), CLIENTS, usize::MAX, &trial.numbers);
            clients.go_on(MESSAGES);
            thread::sleep(Duration::from_micros(
                chance.below(LOAD_MICROSECONDS_MAX) as u64
            ));
            trial.kill(victims);
            let goes_on = !victims.contains(&Role::Loop) && victims != [Role::Keeper, Role::Spool];
            if goes_on {
                clients.go_on(MESSAGES);
            }
            trial.note(clients.stop());
            trial.revive();
        }
        sum.add(trial.end());
        left -= kills;
        eprintln!("killed at random: {sum:?}");
    }
}

#[test]
fn while_only_the_spool_process_is_killed_nothing_comes_twice_and_nothing_refused_is_sent() {
    let (mut chance, mut sum) = (chance(), Sum::default());
    let mut left = rounds() as usize;
    while left > 0 {
        let (mut trial, kills) = (Trial::new(), left.min(SPOOL_KILLS));
        let clients = Clients::start(trial.server.address(), CLIENTS, usize::MAX, &trial.numbers);
        for _ in 0..kills {
            clients.go_on(MESSAGES);
            thread::sleep(Duration::from_micros(
                chance.below(LOAD_MICROSECONDS_MAX) as u64
            ));
            trial.kill(&[Role::Spool]);
        }
        clients.go_on(MESSAGES);
        trial.note(clients.stop());
        sum.add(trial.end());
        left -= kills;
    }
    eprintln!("spool process killed at random: {sum:?}");
    assert_eq!(sum.doubles, 0);
}

#[test]
fn a_server_that_is_asked_to_end_loses_nothing_and_sends_nothing_twice() {
    let mut trial = Trial::with("127.0.0.1", Duration::from_millis(20));
    let clients = Clients::start(trial.server.address(), CLIENTS, usize::MAX, &trial.numbers);
    clients.go_on(10 * MESSAGES);
    trial.server.stop();
    trial.note(clients.stop());
    trial.revive();
    // Nobody was killed, so that any double is one too many.
    trial.end();
}
