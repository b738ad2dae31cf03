//! Kills at a system call, of each process of a relay: at each one by which it works on the spool or tells another, and at each
//! one of the start of a spool process.

use super::clients::Clients;
use super::trial::{Role, Sum, Trial};
use crate::calls::{calls, is_long};
use crate::common::processes::{is_resting, is_running, kill};
use crate::common::program::installed;
use crate::common::tracer::Tracer;
use crate::common::{happens, wait_until};

const CLIENTS: usize = 3;
/// How many messages each of them sends.
const MESSAGES: usize = 3;
/// How many calls share a spool.
const TRIAL_KILLS: usize = 40;

/// The calls by which the loop tells the others, and sends.
const LOOP_CALLS: [&str; 8] = [
    "read",
    "write",
    "sendto",
    "recvfrom",
    "connect",
    "openat",
    "preadv2,pread64",
    "close",
];
const SPOOL_CALLS: [&str; 8] = [
    "read",
    "write",
    "pwrite64",
    "fdatasync",
    "fsync",
    "openat",
    "unlinkat",
    "poll,ppoll",
];
const KEEPER_CALLS: [&str; 6] = [
    "read",
    "sendmsg",
    "pipe2",
    "clone,clone3,vfork",
    "wait4,waitid",
    "kill",
];
/// Those of a spool process that starts.
const START_CALLS: [&str; 12] = [
    "execve",
    "openat",
    "mkdirat",
    "flock,fcntl",
    "getdents64",
    "pread64",
    "pwrite64",
    "fdatasync",
    "fsync",
    "renameat",
    "unlinkat",
    "write",
];

/// Who is killed at calls, and how it comes to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// While mail goes through.
    AtWork(Role),
    /// Another spool process is wanted, and starts.
    AtStart,
}

impl Way {
    fn wants_another_process(self) -> bool {
        self == Self::AtStart || self == Self::AtWork(Role::Keeper)
    }
}

/// Kills at each call of these names, and sees what came of it.
fn killed_at_calls(way: Way, names: &[&str]) {
    if !installed(&["strace"]) {
        return;
    }
    let mut sum = Sum::default();
    for name in names {
        let (mut trial, mut count, mut here) = (Trial::new(), 0, 0);
        // A process that is killed in its start is followed by another after a second only.
        let is_sample = matches!(way, Way::AtStart) && !is_long();
        for nth in calls().step_by(if is_sample { 2 } else { 1 }) {
            if !killed_at(&mut trial, way, name, nth) {
                break;
            }
            count += 1;
            here += 1;
            if here == TRIAL_KILLS {
                sum.add(std::mem::replace(&mut trial, Trial::new()).end());
                here = 0;
            }
        }
        sum.add(trial.end());
        eprintln!("{way:?}: killed at {count} calls of {name}");
    }
    eprintln!("{way:?}: {sum:?}");
    assert!(
        sum.kills > names.len(),
        "hardly anybody was killed: {sum:?}"
    );
}

/// Kills a process at this call while mail is sent, and has the server go on. Says whether it came to that.
fn killed_at(trial: &mut Trial, way: Way, name: &str, nth: usize) -> bool {
    let roles = [Role::Loop, Role::Store, Role::Spool, Role::Keeper];
    let processes = roles.map(|role| trial.await_process(role));
    let [_, _, spool, keeper] = processes;
    let traced = match way {
        Way::AtWork(role) => trial.await_process(role),
        // Whoever it starts is traced from the beginning.
        Way::AtStart => keeper,
    };
    let (before, scans) = (trial.taken(), trial.scans());
    let tracer = Tracer::attach(&[traced], name, &format!("signal=SIGKILL:when={nth}"));
    let clients = Clients::start(trial.server.address(), CLIENTS, MESSAGES, &trial.numbers);
    if way.wants_another_process() {
        clients.go_on(1);
        kill(spool);
        trial.note_kill(&[Role::Spool], before);
    }
    let mut is_killed = false;
    wait_until("somebody to be killed, or all to be sent", || {
        is_killed = match way {
            Way::AtStart => tracer.has_killed(),
            Way::AtWork(_) => !is_running(traced),
        };
        let is_followed = !way.wants_another_process() || trial.scans() > scans;
        is_killed || is_followed && clients.are_over() && trial.is_at_rest()
    });
    if way == Way::AtStart {
        // It has ended its last try, and rests before the next.
        happens(|| is_resting(keeper) || !is_running(keeper));
    }
    tracer.detach();
    let gone = roles.into_iter().zip(processes);
    let gone: Vec<_> = gone.filter(|(_, process)| !is_running(*process)).collect();
    let gone: Vec<_> = gone.into_iter().map(|(role, _)| role).collect();
    if is_killed {
        trial.note_kill(&gone, before);
    }
    trial.note(clients.finish());
    trial.revive();
    is_killed
}

#[test]
fn a_loop_that_is_killed_at_a_call_loses_nothing_and_reports_nothing_twice() {
    killed_at_calls(Way::AtWork(Role::Loop), &LOOP_CALLS);
}

#[test]
fn a_spool_process_that_is_killed_at_a_call_loses_nothing_and_reports_nothing_twice() {
    killed_at_calls(Way::AtWork(Role::Spool), &SPOOL_CALLS);
}

#[test]
fn a_keeper_that_is_killed_at_a_call_loses_nothing_and_reports_nothing_twice() {
    killed_at_calls(Way::AtWork(Role::Keeper), &KEEPER_CALLS);
}

#[test]
fn a_store_process_that_is_killed_at_a_call_loses_nothing_and_reports_nothing_twice() {
    killed_at_calls(
        Way::AtWork(Role::Store),
        &[
            "read",
            "write",
            "openat",
            "linkat",
            "fdatasync",
            "fsync",
            "syncfs",
        ],
    );
}

#[test]
fn a_spool_process_that_is_killed_in_its_start_leaves_the_next_one_all_it_needs() {
    killed_at_calls(Way::AtStart, &START_CALLS);
}
