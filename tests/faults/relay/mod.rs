//! Mail that is sent on, while a call fails, once, of the processes that do it: the mail is refused for now, or waits, and
//! arrives; it is never lost, and nobody is told that it failed.

// They are made for other tests of the relay; not all of them is used here.
#[allow(dead_code)]
#[path = "../../kill/relay/clients.rs"]
mod clients;
#[allow(dead_code)]
#[path = "../../relay/sink.rs"]
mod sink;
#[allow(dead_code)]
#[path = "../../relay/site.rs"]
mod site;
#[allow(dead_code)]
#[path = "../../kill/relay/trial.rs"]
mod trial;

use std::env;
use std::time::Duration;

use clients::Clients;
use trial::{Role, Sum, Trial};

use crate::common::processes::{is_running, kill};
use crate::common::program::installed;
use crate::common::tracer::Tracer;
use crate::common::wait_until;

const CLIENTS: usize = 2;
/// How many messages each of them sends.
const MESSAGES: usize = 3;
/// Far more calls of one name than there are in one test.
const CALLS_MAX: usize = 10_000;

/// Calls of the spool process by which it hears and tells.
const PIPE_CALLS: [(&str, &[&str]); 2] =
    [("read", &["EIO", "EINTR"]), ("write", &["EIO", "EINTR"])];

/// Its calls of the disk, in its start as well, and how each fails.
const SPOOL_CALLS: [(&str, &[&str]); 12] = [
    ("pwrite64", &["ENOSPC", "EIO", "EDQUOT", "EINTR", "EFBIG"]),
    ("fdatasync", &["EIO", "ENOSPC", "EDQUOT"]),
    ("fsync", &["EIO", "ENOSPC"]),
    ("openat", &["EMFILE", "ENOSPC", "EIO", "EACCES", "EROFS"]),
    ("unlinkat", &["EIO", "EROFS", "EACCES"]),
    ("renameat,renameat2", &["EIO", "ENOSPC", "EROFS"]),
    ("mkdirat", &["EIO", "ENOSPC", "EROFS"]),
    ("getdents64", &["EIO", "ENOMEM"]),
    ("pread64", &["EIO", "EINTR"]),
    ("statx,fstat,newfstatat", &["EIO", "ENOMEM"]),
    ("fstatfs", &["EIO", "ENOSYS"]),
    ("flock", &["EIO", "ENOLCK", "EINTR"]),
];

/// Calls of the loop: its reads of the spool, what it tells the spool process, names, and connections to the hop.
const LOOP_CALLS: [(&str, &[&str]); 12] = [
    ("openat", &["EMFILE", "EIO", "EACCES", "ENFILE"]),
    ("preadv2,pread64", &["EIO", "EINTR", "EOPNOTSUPP"]),
    ("socket", &["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]),
    (
        "connect",
        &["ENETUNREACH", "EADDRNOTAVAIL", "EACCES", "EINTR", "ENOMEM"],
    ),
    ("getsockopt", &["ENOBUFS"]),
    ("setsockopt", &["ENOBUFS", "ENOMEM"]),
    ("epoll_ctl", &["ENOMEM", "ENOSPC"]),
    ("sendto", &["ECONNRESET", "ENOBUFS", "EINTR"]),
    ("recvfrom", &["ECONNRESET", "ENOMEM", "EINTR"]),
    ("read", &["EIO", "EINTR"]),
    ("write", &["EPIPE", "EIO", "EINTR"]),
    ("statx,fstat,newfstatat", &["EIO", "ENOMEM"]),
];

/// Calls of the keeper, when another spool process is wanted.
const KEEPER_CALLS: [(&str, &[&str]); 5] = [
    ("pipe2", &["EMFILE", "ENFILE"]),
    ("clone,clone3,vfork", &["EAGAIN", "ENOMEM"]),
    ("fcntl", &["EPERM"]),
    ("kill", &["EPERM"]),
    ("wait4,waitid", &["EINTR", "ECHILD"]),
];

/// Where a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Loop,
    Spool,
    /// A keeper that starts another spool process, and that from its beginning.
    Start,
}

/// Which calls of one name fail: all in a long run, else fewer and fewer.
fn calls() -> impl Iterator<Item = usize> {
    let all = env::var_os("MAILOOP_FAULTS").is_some();
    let next = move |call: &usize| {
        Some(if all {
            call + 1
        } else {
            call + call.div_ceil(2)
        })
    };
    std::iter::successors(Some(1), next).take_while(|call| *call < CALLS_MAX)
}

/// Lets each of these calls fail in each way.
fn each_call_fails(place: Place, calls_and_errors: &[(&str, &[&str])]) {
    if !installed(&["strace"]) {
        return;
    }
    let (mut sum, mut hits) = (Sum::default(), 0);
    for (call, errors) in calls_and_errors {
        let mut here = 0;
        for error in *errors {
            // Some calls are made only once. The name has the resolver asked as well.
            let mut trial = Trial::with("localhost", Duration::ZERO);
            for nth in calls() {
                let failed = fails(
                    &mut trial,
                    place,
                    call,
                    &format!("error={error}:when={nth}"),
                );
                here += failed;
                if failed == 0 {
                    break;
                }
            }
            // What was refused is not found by another server, either.
            trial.restart();
            sum.add(trial.end());
        }
        eprintln!("{place:?}: {here} faults of {call}");
        hits += here;
    }
    eprintln!("{place:?}: {hits} faults, {sum:?}");
    assert!(hits > calls_and_errors.len(), "hardly anything failed");
}

/// Lets one call fail while mail is sent. Returns how many did.
fn fails(trial: &mut Trial, place: Place, call: &str, fault: &str) -> usize {
    let before = trial.taken();
    let role = match place {
        Place::Loop => Role::Loop,
        Place::Spool => Role::Spool,
        Place::Start => Role::Keeper,
    };
    let traced = trial.process(role).expect("it runs");
    let tracer = Tracer::attach(&[traced], call, fault);
    if place == Place::Start {
        kill(trial.process(Role::Spool).expect("it runs"));
    }
    let clients = Clients::start(trial.server.address(), CLIENTS, MESSAGES, &trial.numbers);
    wait_until("a fault, or all to be sent", || {
        let is_lost = place == Place::Spool && !is_running(traced);
        tracer.has_failed() || is_lost || clients.are_over() && trial.is_at_rest()
    });
    trial.note(clients.finish());
    let failed = tracer.detach();
    trial.note_kill(&[], before);
    let has_ended = trial.server.has_ended();
    assert!(!has_ended, "{place:?} {call} {fault} ended the server");
    trial.revive();
    failed.len()
}

#[test]
fn a_call_of_the_spool_process_that_fails_once_loses_nothing() {
    each_call_fails(Place::Spool, &[&SPOOL_CALLS[..], &PIPE_CALLS].concat());
}

#[test]
fn a_call_in_the_start_of_a_spool_process_that_fails_once_loses_nothing() {
    each_call_fails(Place::Start, &[&SPOOL_CALLS[..], &KEEPER_CALLS].concat());
}

#[test]
fn a_call_of_the_loop_of_a_relay_that_fails_once_loses_nothing() {
    each_call_fails(Place::Loop, &LOOP_CALLS);
}
