//! Messages on hold with the process that keeps the large ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use mailoop::net::channel::Readiness;
use mailoop::sandbox::{self, Needs, Sandbox};
use mailoop::server::store_channel::StoreChannel;
use mailoop::store::hold::{
    HOLD_PROCESS, HeldRead, HeldText, Hold, HoldAnswer, HoldOptions, HoldingStore, KeptHold,
};
use mailoop::store::{Discard, Failure, Store};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::{TempDir, tempdir};

use crate::common::processes::{is_running, unnamed_files};
use crate::common::{skipped, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);

/// A store with a hold, and what the event loop does for it.
struct HoldLoop {
    store: HoldingStore,
    channel: Option<StoreChannel>,
    folder: TempDir,
}

impl HoldLoop {
    fn new(program: &str) -> Self {
        let folder = tempdir().unwrap();
        let keeper = KeptHold::start(Path::new(program), folder.path());
        let hold = Hold::new(HoldOptions::default(), Box::new(keeper));
        Self {
            store: HoldingStore::new(Box::new(Discard::new()), hold),
            channel: None,
            folder,
        }
    }

    fn hold(&mut self) -> &mut Hold {
        self.store.hold().unwrap()
    }

    /// One turn of the loop, which waits a little for the process.
    fn turn(&mut self) -> Vec<HoldAnswer> {
        self.store.set_time(Instant::now());
        if self.channel.is_none() {
            self.channel = self.store.take_pipes(HOLD_PROCESS).map(StoreChannel::new);
        }
        if let Some(channel) = &mut self.channel {
            channel.note(Readiness {
                readable: true,
                writable: true,
                read_on: false,
            });
            if let Some(client) = self.store.client(HOLD_PROCESS)
                && let Err(error) = channel.exchange(client)
            {
                client.disconnected(error);
                self.channel = None;
            }
        }
        self.store.commit(&mut Vec::new());
        let pause = Timespec {
            tv_sec: 0,
            tv_nsec: 2_000_000,
        };
        let pipes = self.channel.as_ref().map(StoreChannel::descriptors);
        let mut polled: Vec<_> = pipes
            .iter()
            .map(|[_, reports]| PollFd::new(reports, PollFlags::IN))
            .collect();
        // Halted meanwhile it ends early, which is as well.
        let polled = poll(&mut polled, Some(&pause));
        assert!(matches!(polled, Ok(_) | Err(Errno::INTR)), "{polled:?}");
        std::iter::from_fn(|| self.hold().take_answer()).collect()
    }

    fn until<T>(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(done) = done(self) {
                return done;
            }
            assert!(Instant::now() < end, "waiting for {what}");
        }
    }

    fn write(&mut self, text: &mut HeldText, octets: &[u8]) -> Result<(), Failure> {
        for piece in octets.chunks(10_000) {
            self.hold().write(text, piece)?;
            while self.hold().is_congested() {
                self.turn();
            }
        }
        Ok(())
    }

    fn read(&mut self, text: &HeldText, offset: usize) -> Result<Vec<u8>, Failure> {
        let ticket = match self.hold().read(text, offset as u64, usize::MAX)? {
            HeldRead::Text(octets) => return Ok(octets.to_vec()),
            HeldRead::Asked(ticket) => ticket,
        };
        let answer = self.until("an answer", |this| this.turn().pop());
        assert_eq!(answer.ticket, ticket);
        answer.result.map(|octets| octets.to_vec())
    }

    fn read_all(&mut self, text: &HeldText) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let octets = self.read(text, all.len()).unwrap();
            if octets.is_empty() {
                return all;
            }
            all.extend(octets);
        }
    }

    /// The processes that work in the folder: the keeper, and the other one once it was needed.
    fn processes(&self) -> Vec<u32> {
        let folder = self.folder.path().canonicalize().unwrap();
        let entries = fs::read_dir("/proc").unwrap();
        let processes =
            entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        let works_here = |process: &u32| {
            let cwd = fs::read_link(format!("/proc/{process}/cwd"));
            cwd.is_ok_and(|cwd| cwd == folder)
        };
        processes.filter(works_here).collect()
    }

    /// The process that has the files.
    fn process(&self) -> Option<u32> {
        let is_worker = |process: &u32| {
            let arguments = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            arguments.ends_with(b"hold-process\0work\0")
        };
        self.processes().into_iter().find(is_worker)
    }

    fn signal(&self, signal: Signal) {
        let process = self.process().unwrap();
        let process = Pid::from_raw(process.try_into().unwrap()).unwrap();
        kill_process(process, signal).unwrap();
    }

    fn unnamed(&self) -> Vec<PathBuf> {
        let folder = self.folder.path().canonicalize().unwrap();
        let process = self.process();
        process.map_or_else(Vec::new, |process| unnamed_files(process, &folder))
    }

    /// Ends as the server does.
    fn close(mut self) {
        let processes = self.processes();
        assert!(!processes.is_empty());
        if let Some(channel) = self.channel.take() {
            self.store.return_pipes(HOLD_PROCESS, channel.into_pipes());
        }
        drop(self.store);
        assert!(!processes.into_iter().any(is_running), "they end with it");
    }
}

fn mailoop() -> HoldLoop {
    HoldLoop::new(env!("CARGO_BIN_EXE_mailoop"))
}

fn octets(count: usize) -> Vec<u8> {
    (0..=u8::MAX).cycle().take(count).collect()
}

#[test]
fn large_messages_are_files_without_a_name_and_small_ones_need_no_process() {
    let mut server = mailoop();
    let [mut small, mut large, mut dropped] = [(); 3].map(|()| server.hold().begin());
    server.write(&mut small, &octets(1000)).unwrap();
    server.turn();
    wait_until("the keeper", || server.processes().len() == 1);
    assert_eq!(server.process(), None);

    server.write(&mut large, &octets(3_000_000)).unwrap();
    server.write(&mut dropped, &octets(100_000)).unwrap();
    assert!(server.read_all(&large) == octets(3_000_000));
    assert_eq!(
        server.read(&dropped, 99_999).unwrap(),
        [octets(100_000)[99_999]]
    );
    assert_eq!(server.unnamed().len(), 2);
    assert_eq!(fs::read_dir(server.folder.path()).unwrap().count(), 0);
    assert_eq!(server.hold().memory_bytes(), 1024);

    server.hold().drop_text(dropped);
    server.until("a file to go", |this| {
        this.turn();
        (this.unnamed().len() == 1).then_some(())
    });
    assert_eq!(server.read_all(&small), octets(1000));
    server.hold().drop_text(small);
    server.hold().drop_text(large);
    server.close();
}

#[test]
fn a_hold_process_that_is_killed_is_followed_by_another() {
    let mut server = mailoop();
    let mut lost = server.hold().begin();
    server.write(&mut lost, &octets(100_000)).unwrap();
    server.read(&lost, 0).unwrap();
    let before = server.process().unwrap();
    server.signal(Signal::KILL);
    assert!(matches!(server.read(&lost, 0), Err(Failure::Io(_))));
    server.hold().drop_text(lost);

    let next = server.until("another process", |this| {
        this.turn();
        let mut next = this.hold().begin();
        match this.write(&mut next, &octets(100_000)) {
            Ok(()) => Some(next),
            // It rests before it starts one.
            Err(_) => {
                this.hold().drop_text(next);
                None
            }
        }
    });
    assert!(server.read_all(&next) == octets(100_000));
    assert_ne!(server.process(), Some(before));
    server.hold().drop_text(next);
    server.close();
}

#[test]
fn signals_for_the_server_do_not_end_its_hold_process() {
    let mut server = mailoop();
    let mut text = server.hold().begin();
    server.write(&mut text, &octets(100_000)).unwrap();
    server.read(&text, 0).unwrap();
    for signal in [Signal::HUP, Signal::USR1, Signal::INT, Signal::TERM] {
        server.signal(signal);
    }
    assert!(server.read_all(&text) == octets(100_000));
    server.hold().drop_text(text);
    server.close();
}

#[test]
fn a_hold_process_is_confined_to_its_folder() {
    let mut server = mailoop();
    let mut text = server.hold().begin();
    server.write(&mut text, &octets(100_000)).unwrap();
    server.read(&text, 0).unwrap();
    let here = thread::spawn(|| sandbox::enter(&Needs::default()));
    if let Sandbox::Unavailable(_) = here.join().unwrap() {
        skipped::note(&[skipped::LANDLOCK]);
        return;
    }
    // Who enters the sandbox gives up to gain rights, which is all that can be seen from outside.
    let status = fs::read_to_string(format!("/proc/{}/status", server.process().unwrap()));
    assert!(status.unwrap().contains("NoNewPrivs:\t1"));
    server.hold().drop_text(text);
    server.close();
}

#[test]
fn a_server_that_is_gone_takes_its_hold_processes_along_whatever_waits_in_the_pipes() {
    let mut server = mailoop();
    let mut texts: Vec<_> = (0..4).map(|_| server.hold().begin()).collect();
    for text in &mut texts {
        server.write(text, &octets(100_000)).unwrap();
    }
    server.read(&texts[0], 0).unwrap();
    // Their answers fill the pipe, which nobody reads.
    for text in &texts {
        assert!(matches!(
            server.hold().read(text, 0, usize::MAX),
            Ok(HeldRead::Asked(_))
        ));
    }
    let client = server.store.client(HOLD_PROCESS).unwrap();
    let channel = server.channel.take().unwrap();
    let mut pipes = channel.into_pipes();
    std::io::Write::write_all(&mut pipes.requests, client.output()).unwrap();
    client.sent(client.output().len());
    server.store.return_pipes(HOLD_PROCESS, pipes);
    server.close();
    drop(texts);
}

#[test]
fn without_a_program_to_run_large_messages_are_refused() {
    let mut server = HoldLoop::new("/no such program");
    let mut text = server.hold().begin();
    server.write(&mut text, &octets(60_000)).unwrap();
    let refused = server.write(&mut text, &octets(60_000)).unwrap_err();
    assert!(refused.to_string().contains("cannot start"), "{refused}");
    server.hold().drop_text(text);
}

#[test]
fn a_folder_that_takes_no_file_fails_the_message_and_says_why() {
    let mut server = mailoop();
    let [mut before, mut text] = [(); 2].map(|()| server.hold().begin());
    server.write(&mut before, &octets(100_000)).unwrap();
    server.read(&before, 0).unwrap();
    let path = server.folder.path().canonicalize().unwrap();
    fs::remove_dir(&path).unwrap();
    server.write(&mut text, &octets(100_000)).unwrap();
    let failure = server.read(&text, 0).unwrap_err();
    assert!(
        failure.to_string().contains(path.to_str().unwrap()),
        "{failure}"
    );
    assert!(server.read_all(&before) == octets(100_000), "others go on");
    server.hold().drop_text(text);
    server.hold().drop_text(before);
}
