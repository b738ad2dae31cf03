//! A disk that fails: any call by which a message is stored, once, in any way, and the message is refused; the next
//! one is stored. strace plants the faults. And folders that are gone of a sudden.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(unreachable_pub)]

#[path = "../common/mod.rs"]
mod common;
mod message;
#[cfg(feature = "relay")]
mod relay;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use common::client::Client;
use common::processes::{is_stopped, kill};
use common::program::installed;
use common::tracer::Tracer;
use common::{TestServer, files, name_files_at_once, wait_until};
use message::Message;
use rustix::process::Signal;

/// The calls by which a message may be stored.
const CALLS: [&str; 8] = [
    "openat",
    "mkdirat",
    "write",
    "linkat",
    "renameat,renameat2",
    "fsync",
    "fdatasync",
    "syncfs",
];
/// How they fail, and what the client is told.
const ERRORS: [(&str, &str); 5] = [
    ("EIO", "451 4.3.0 "),
    ("ENOSPC", "452 4.3.1 "),
    ("EACCES", "451 4.3.0 "),
    ("EDQUOT", "452 4.3.1 "),
    ("EROFS", "451 4.3.0 "),
];

/// The nth call of a name fails in one process.
#[derive(Clone, Copy, Debug)]
struct Fault {
    process: u32,
    call: &'static str,
    nth: usize,
    error: &'static str,
    /// How the client is told.
    told: &'static str,
}

impl Fault {
    fn plant(&self) -> Tracer {
        let what = format!("error={}:when={}", self.error, self.nth);
        Tracer::attach(&[self.process], self.call, &what)
    }
}

/// A way to send messages while a call fails; returns them, and the calls that did.
type Way = fn(&mut Site, &Fault) -> (Vec<Message>, Vec<String>);

/// A server, and how many messages were for it.
struct Site {
    server: TestServer,
    messages: usize,
}

impl Site {
    fn new() -> Self {
        Self {
            server: TestServer::start(&[]),
            messages: 0,
        }
    }

    /// A server without the processes that work for it, which does the work itself, in files that have names.
    fn without_help() -> Self {
        let mut site = Self::new();
        name_files_at_once(&site.server.maildir());
        site.server.family()[1..].iter().copied().for_each(kill);
        wait_until("the server to be alone", || site.server.family().len() == 1);
        site.must_store();
        site
    }

    fn message(&mut self) -> Message {
        self.messages += 1;
        Message::new(&self.server, self.messages)
    }

    /// Sends a message. Returns it, and the calls that failed.
    fn alone(&mut self, fault: &Fault) -> (Vec<Message>, Vec<String>) {
        let tracer = fault.plant();
        let mut message = self.message();
        message.send();
        (vec![message], tracer.detach())
    }

    /// Sends two messages, and ends them in the same tick; only then calls fail.
    fn together(&mut self, fault: &Fault) -> (Vec<Message>, Vec<String>) {
        let mut messages = vec![self.message(), self.message()];
        for message in &mut messages {
            assert!(message.begin(), "{}", message.said);
        }
        self.server.signal(Signal::STOP);
        wait_until("the server to stop", || is_stopped(self.server.pid()));
        for message in &mut messages {
            message.finish();
        }
        let tracer = fault.plant();
        self.server.signal(Signal::CONT);
        for message in &mut messages {
            message.said = message.client.hear();
        }
        (messages, tracer.detach())
    }

    /// Sends a message, which must be stored.
    fn must_store(&mut self) {
        let mut message = self.message();
        message.send();
        assert!(message.is_stored(), "{}", message.said);
        message.check(&self.server);
    }

    /// Lets a call fail while messages are sent.
    fn fails(&mut self, send: Way, fault: &Fault) -> Hit {
        let (mut messages, hit) = send(self, fault);
        let maildir = self.server.maildir();
        let hit = match &hit[..] {
            [] => Hit::Nothing,
            [call] if call.contains(maildir.to_str().unwrap()) => Hit::Store,
            _ => Hit::Other,
        };
        if hit == Hit::Store {
            let refused = messages.iter().filter(|message| message.is_refused());
            let said: Vec<_> = refused.map(|message| &*message.said).collect();
            let told = said.iter().all(|said| said.starts_with(fault.told));
            assert!(told && !said.is_empty(), "{said:?} after {fault:?}");
            wait_until("the log to name the path", || {
                let log = self.server.log();
                log.contains("failed=\"cannot ") && log.contains(maildir.to_str().unwrap())
            });
        }
        for message in &mut messages {
            match hit {
                Hit::Other => message.check_unknown(&self.server),
                Hit::Nothing | Hit::Store => message.check(&self.server),
            }
        }
        self.must_store();
        hit
    }
}

/// What a fault has hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hit {
    Nothing,
    /// A file or a folder of the store.
    Store,
    /// Something else, as the log, or what the processes of the server tell each other.
    Other,
}

/// Every call fails in every way, in each process.
fn every_call_fails(start: fn() -> Site, send: Way) {
    if !installed(&["strace"]) {
        return;
    }
    let mut hits = BTreeMap::new();
    for call in CALLS {
        for process in 0..start().server.family().len() {
            *hits.entry(call).or_insert(0) += each_fails(start, send, process, call);
        }
    }
    eprintln!("calls of the store that failed: {hits:?}");
    let hit = |names: &[&str]| names.iter().any(|call| hits[call] > 0);
    assert!(hit(&["openat"]) && hit(&["linkat", "renameat,renameat2"]));
    assert!(hit(&["fsync", "fdatasync", "syncfs"]));
}

/// Lets each call of this name fail, and says how often that was one of the store.
fn each_fails(start: fn() -> Site, send: Way, process: usize, call: &'static str) -> usize {
    let (mut site, mut hits) = (start(), 0);
    for (error, told) in ERRORS {
        for nth in 1.. {
            let fault = Fault {
                process: site.server.family()[process],
                call,
                nth,
                error,
                told,
            };
            match site.fails(send, &fault) {
                Hit::Nothing => break,
                Hit::Store => hits += 1,
                // Its processes may have left one another.
                Hit::Other => site = start(),
            }
        }
    }
    site.server.stop();
    hits
}

#[test]
fn a_call_that_fails_once_costs_one_message_and_leaves_nothing() {
    every_call_fails(Site::new, Site::alone);
}

#[test]
fn a_call_that_fails_once_for_two_messages_leaves_nothing() {
    every_call_fails(Site::new, Site::together);
}

#[test]
fn a_call_that_fails_once_in_the_server_itself_leaves_nothing() {
    every_call_fails(Site::without_help, Site::alone);
}

#[test]
fn a_call_that_fails_once_in_the_server_itself_for_two_messages_leaves_nothing() {
    every_call_fails(Site::without_help, Site::together);
}

#[test]
fn without_links_each_mailbox_has_a_file_of_its_own() {
    if !installed(&["strace"]) {
        return;
    }
    for error in ["EPERM", "EOPNOTSUPP", "EMLINK", "EXDEV"] {
        let mut site = Site::without_help();
        let tracer = Tracer::attach(&[site.server.pid()], "linkat", &format!("error={error}"));
        let mut message = site.message();
        message.send();
        assert!(message.is_stored(), "{error}: {}", message.said);
        assert_eq!(tracer.detach().len(), 1, "{error}");
        message.check(&site.server);
        for address in &message.to {
            let [file] = &site.server.new_mail(address)[..] else {
                panic!("{error}: not one file for {address}");
            };
            assert_eq!(fs::metadata(file).unwrap().nlink(), 1, "{error}");
        }
        site.server.stop();
    }
}

/// What may become of the folders under a Maildir, one of which is a mailbox.
type Loss = fn(&Path, &Path);

const LOSSES: [(&str, Loss); 5] = [
    ("a mailbox is removed", |_, mailbox| {
        fs::remove_dir_all(mailbox).unwrap();
    }),
    ("its new/ is removed", |_, mailbox| {
        fs::remove_dir_all(mailbox.join("new")).unwrap();
    }),
    ("it is moved away", |maildir, mailbox| {
        fs::rename(mailbox, maildir.join("moved away")).unwrap();
    }),
    ("its domain is removed", |_, mailbox| {
        fs::remove_dir_all(mailbox.parent().unwrap()).unwrap();
    }),
    ("all is removed", |maildir, _| {
        for folder in files(maildir) {
            fs::remove_dir_all(folder).unwrap();
        }
    }),
];

#[test]
fn folders_that_are_gone_are_made_anew_or_the_message_is_refused() {
    for start in [Site::new, Site::without_help] {
        for (name, lose) in LOSSES {
            for begun in [false, true] {
                let mut site = start();
                let said = lose_and_send(&mut site, lose, begun);
                eprintln!("{name}, begun={begun}: {said}");
                site.must_store();
                site.server.stop();
            }
        }
    }
}

/// Sends a message for a mailbox whose folder is lost, before or in the middle. Returns what came of it.
fn lose_and_send(site: &mut Site, lose: Loss, begun: bool) -> String {
    let (mut before, mut message) = (site.message(), site.message());
    before.send();
    before.check(&site.server);
    message.to[0] = before.to[0].clone();
    if begun {
        assert!(message.begin(), "{}", message.said);
        message.say_text();
        wait_until("its file", || {
            site.server.tmp_mail(&message.to[0]).len() == 1
        });
    }
    lose(&site.server.maildir(), &site.server.mailbox(&message.to[0]));
    if begun {
        message.finish();
        message.said = message.client.hear();
    } else {
        message.send();
    }
    message.check(&site.server);
    message.said
}

#[test]
fn a_store_that_is_gone_refuses() {
    let mut site = Site::new();
    let maildir = site.server.maildir();
    fs::remove_dir_all(&maildir).unwrap();
    let mut message = site.message();
    message.send();
    eprintln!("all is gone: {}", message.said);
    message.check(&site.server);
    site.server.stop();
    let log = site.server.log();
    assert!(log.contains(maildir.to_str().unwrap()), "{log}");
    assert!(log.contains("restart mailoop"), "{log}");
}

#[test]
fn a_store_that_cannot_tell_what_is_left_takes_what_comes() {
    if !installed(&["strace"]) {
        return;
    }
    let mut site = Site::new();
    let tracer = Tracer::attach(&site.server.family(), "fstatfs", "error=EIO:when=1");
    site.must_store();
    drop(tracer);
    site.server.stop();
    let log = site.server.log();
    assert!(log.contains("free=unknown error="), "{log}");
}

#[test]
fn a_call_of_the_loop_that_fails_once_costs_nobody_the_connection() {
    if !installed(&["strace"]) {
        return;
    }
    let calls = [
        "accept4:error=ECONNABORTED",
        "accept4:error=EINTR",
        "accept4:error=ENOBUFS",
        "accept4:error=EMFILE",
    ];
    for call in calls.into_iter().chain([
        "epoll_wait:error=EINTR",
        "recvfrom:error=EINTR",
        "sendto:error=EINTR",
    ]) {
        let (name, errno) = call.split_once(":error=").unwrap();
        let mut server = TestServer::start(&[]);
        let tracer = Tracer::attach(&[server.pid()], name, &format!("error={errno}:when=1"));
        let mut first = Client::connect(server.address());
        let said = first.hear();
        // The reserve takes a client only to send it away.
        let expected = if errno == "EMFILE" { "421 " } else { "220 " };
        assert!(said.starts_with(expected), "{call}: {said}");
        let mut second = Client::connect(server.address());
        second.expect("220 ");
        // Who is heard only now has come through another call of each: the tracer must not leave in the middle of one.
        second.ask("NOOP", "250");
        drop(tracer);
        server.stop();
        // What is wrong with one client is no reason to leave the listener alone for a while.
        let pauses = server.log().matches("cannot accept").count();
        assert_eq!(pauses, usize::from(errno == "ENOBUFS"), "{call}");
    }
}
