//! Servers that are killed at a system call: at each one by which they store, and at each one of their start. strace
//! kills them before the call is made.

use std::env;

use rustix::process::Signal;

use crate::all_were_answered;
use crate::common::processes::{in_folder, is_stopped, kill};
use crate::common::program::installed;
use crate::common::tracer::Tracer;
use crate::common::{name_files_at_once, wait_until};
use crate::load::{Fate, Fates, Numbers, Session, send};
use crate::site::{Processes, Site};

/// The calls by which a store changes, or is found.
const CALLS: [&str; 9] = [
    "openat",
    "write",
    "mkdirat",
    "linkat",
    "renameat,renameat2",
    "fsync",
    "fdatasync",
    "syncfs",
    "unlinkat",
];
/// Far more calls of one name than there are in one test.
const CALLS_MAX: usize = 10_000;
/// How many sessions send at a time, and how many messages each.
const SESSIONS: usize = 3;
const MESSAGES: usize = 2;

/// Whether this is a long run.
pub fn is_long() -> bool {
    env::var_os("MAILOOP_KILL_ROUNDS").is_some()
}

/// Which calls of one name to kill at: all in a long run, else fewer and fewer.
pub fn calls() -> impl Iterator<Item = usize> {
    let all = is_long();
    let next = move |call: &usize| {
        Some(if all {
            call + 1
        } else {
            call + call.div_ceil(2)
        })
    };
    std::iter::successors(Some(1), next).take_while(|call| *call < CALLS_MAX)
}

#[test]
fn a_server_that_is_killed_at_a_call_has_kept_what_it_acknowledged() {
    if !installed(&["strace"]) {
        return;
    }
    let numbers = Numbers::default();
    for call in CALLS {
        let killed = calls().take_while(|nth| killed_at(&Site::new(), call, *nth, &numbers));
        eprintln!("killed at {} calls of {call}", killed.count());
    }
}

/// The calls by which a server and its hold process have a message changed, beyond those by which they store it.
#[cfg(feature = "milter")]
const CALLS_OF_CHANGES: [&str; 6] = [
    "pwrite64",
    "pread64",
    "openat",
    "read,readv,recvfrom",
    "write,writev,sendto",
    "close",
];

#[cfg(feature = "milter")]
#[test]
fn a_server_that_is_killed_at_a_call_has_kept_what_it_acknowledged_as_filters_have_changed_it() {
    if !installed(&["strace"]) {
        return;
    }
    let numbers = Numbers::default();
    for call in CALLS_OF_CHANGES {
        let killed = calls().take_while(|nth| killed_at(&Site::filtered(), call, *nth, &numbers));
        eprintln!("amid changes killed at {} calls of {call}", killed.count());
    }
}

/// Has messages sent to a server one process of which is killed at this call, and another server look after what is
/// left. Says whether it came to that.
fn killed_at(site: &Site, call: &str, nth: usize, numbers: &Numbers) -> bool {
    if nth.is_multiple_of(2) {
        name_files_at_once(&site.maildir());
    }
    let mut server = site.start(&[]);
    // Some processes are started at the first need.
    let mut fates = match site.messages_to_begin_with() {
        0 => Fates::new(),
        messages => send(server.address(), 1, messages, numbers),
    };
    let processes = Processes::of(&server);
    let tracer = Tracer::attach(processes.all(), call, &format!("signal=SIGKILL:when={nth}"));
    fates.extend(send(server.address(), SESSIONS, MESSAGES, numbers));
    tracer.detach();
    // Who lost a process may refuse some, but not for long.
    wait_until("a message to be stored, or the server to end", || {
        let next = send(server.address(), 1, 1, numbers);
        let stored = next.values().any(|fate| *fate == Fate::Acknowledged);
        fates.extend(next);
        stored || server.has_ended()
    });
    let killed = processes.has_one_ended();
    if !server.has_ended() {
        all_were_answered(&fates);
        server.stop();
    }
    processes.expect_ended();
    let mut next = site.start(&[]);
    site.check(&fates);
    next.stop();
    killed
}

#[test]
fn a_server_that_is_killed_at_its_start_leaves_the_next_one_all_it_needs() {
    if !installed(&["strace"]) {
        return;
    }
    let numbers = Numbers::default();
    for call in CALLS {
        let killed = calls().take_while(|nth| killed_at_start(call, *nth, &numbers));
        eprintln!("at its start killed at {} calls of {call}", killed.count());
    }
}

/// Has a server left work for the next one, which is killed at this call, and another one look after what is left. Says
/// whether it came to that before it listened.
fn killed_at_start(call: &str, nth: usize, numbers: &Numbers) -> bool {
    let site = Site::new();
    // Of files without a name nothing would be left.
    name_files_at_once(&site.maildir());
    let fates = leave_unfinished(&site, numbers);
    let listened = start_and_kill(&site, call, nth);
    let mut next = site.start(&[]);
    site.check(&fates);
    next.stop();
    !listened
}

/// Kills a server with messages in all states.
fn leave_unfinished(site: &Site, numbers: &Numbers) -> Fates {
    let server = site.start(&[]);
    let mut fates = send(server.address(), 1, MESSAGES, numbers);
    let unfinished: Vec<_> = (0..SESSIONS)
        .map(|_| {
            let (number, mut session) =
                (numbers.next(), Session::connect(server.address()).unwrap());
            assert!(session.begin(number).unwrap());
            session.say_text().unwrap();
            fates.insert(number, Fate::Cut);
            session
        })
        .collect();
    wait_until("their files", || site.leftovers().len() >= unfinished.len());
    let processes = Processes::of(&server);
    // Nobody gets to clear up behind the other.
    server.signal(Signal::STOP);
    wait_until("the server to stop", || is_stopped(server.pid()));
    server.family().into_iter().rev().for_each(kill);
    processes.expect_ended();
    drop(unfinished);
    fates
}

/// Starts a server that is killed at this call or some time later. Says whether it listened before.
fn start_and_kill(site: &Site, call: &str, nth: usize) -> bool {
    let (trace, inject) = (
        format!("trace={call}"),
        format!("inject={call}:signal=SIGKILL:when={nth}"),
    );
    // strace as a grandchild, so that the server itself is our child.
    let output = ["-D", "-f", "-o", "/dev/null"];
    let strace = [&["strace"], &output[..], &["-e", &trace, "-e", &inject]].concat();
    let started = site.try_start_under(&strace);
    let listened = started.is_ok();
    let server = started.unwrap_or_else(|ended| ended);
    kill(server.pid());
    for folder in [server.folder(), &site.maildir()] {
        wait_until("all processes to end", || in_folder(folder).is_empty());
    }
    listened
}
