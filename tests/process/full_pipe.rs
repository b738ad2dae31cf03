//! A server whose store process is slow does not end before what it has to tell it is in the pipe.

use std::io::{self, ErrorKind, PipeReader, Read as _, Write as _};
use std::time::{Duration, Instant, UNIX_EPOCH};

use mailoop::net::channel::Readiness;
use mailoop::server::core::ServerCore;
use mailoop::smtp::envelope::{Envelope, QueueId, Recipient};
use mailoop::store::{Admission, Draft, Failure, Finished, Store, StoreClient, StorePipes, Ticket};
use rustix::io::ioctl_fionbio;

use crate::common::memory::config;

/// A store that has something to tell its process.
struct TalkingStore {
    pipes: Option<StorePipes>,
    client: TalkingClient,
}

struct TalkingClient(Vec<u8>);

impl StoreClient for TalkingClient {
    fn output(&self) -> &[u8] {
        &self.0
    }

    fn sent(&mut self, octets: usize) {
        self.0.drain(..octets);
    }

    fn received(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn disconnected(&mut self, why: io::Error) {
        panic!("{why}");
    }

    fn take_start(&mut self) -> Option<io::Result<()>> {
        None
    }
}

impl Store for TalkingStore {
    fn check(&mut self, _: &Recipient, _: &Envelope, _: usize) -> Result<Admission, Failure> {
        unreachable!();
    }

    fn begin(&mut self, _: &Envelope) -> Result<(QueueId, Draft), Failure> {
        unreachable!();
    }

    fn write(&mut self, _: &mut Draft, _: &[u8]) -> Result<(), Failure> {
        unreachable!();
    }

    fn abort(&mut self, _: Draft) {}

    fn submit(&mut self, _: Draft) -> Ticket {
        unreachable!();
    }

    fn commit(&mut self, _: &mut Vec<Finished>) {}

    fn is_pending(&self) -> bool {
        false
    }

    fn take_pipes(&mut self, process: usize) -> Option<StorePipes> {
        self.pipes.take_if(|_| process == 0)
    }

    fn client(&mut self, process: usize) -> Option<&mut dyn StoreClient> {
        (process == 0).then_some(&mut self.client as &mut dyn StoreClient)
    }
}

/// A server that drains, whose pipe is full; and the other end of that.
fn draining(now: Instant) -> (ServerCore<StorePipes>, PipeReader, io::PipeWriter) {
    let (requests_end, mut requests) = io::pipe().unwrap();
    let (reports, reports_end) = io::pipe().unwrap();
    for pipe in [&requests_end as &dyn std::os::fd::AsFd, &requests, &reports] {
        ioctl_fionbio(pipe.as_fd(), true).unwrap();
    }
    let filling = loop {
        if let Err(error) = requests.write(&[b'x'; 4096]) {
            break error;
        }
    };
    assert_eq!(filling.kind(), ErrorKind::WouldBlock);
    let store = TalkingStore {
        pipes: Some(StorePipes { requests, reports }),
        client: TalkingClient(b"news".to_vec()),
    };
    let options = ["--drain-timeout", "30"];
    let mut core = ServerCore::new(config(&options).rules(), Box::new(store), now);
    core.set_time(now, UNIX_EPOCH);
    core.ask_to_drain();
    core.tick(|_, _| {});
    assert!(core.is_draining());
    (core, requests_end, reports_end)
}

#[test]
fn a_server_does_not_end_before_its_store_process_was_told_everything() {
    let now = Instant::now();
    let (mut core, mut requests, _reports) = draining(now);
    assert!(!core.is_empty());
    let mut room = vec![0; 1 << 20];
    let _ = requests.read(&mut room).unwrap();
    core.store_channel(0).unwrap().note(Readiness {
        readable: false,
        writable: true,
        read_on: false,
    });
    core.tick(|_, _| {});
    assert!(core.is_empty());
    let octets = requests.read(&mut room).unwrap();
    assert_eq!(room[..octets], *b"news");
}

#[test]
fn a_server_does_not_wait_for_its_store_process_for_longer_than_a_drain_takes() {
    let now = Instant::now();
    let (mut core, _requests, _reports) = draining(now);
    let end = now + Duration::from_secs(30);
    assert_eq!(core.next_wake(), Some(end));
    core.set_time(end, UNIX_EPOCH);
    core.tick(|_, _| {});
    assert!(core.is_empty());
}
