//! Stores: `cargo bench --bench store`, a minute.
//!
//! So many messages of 1 KiB are begun, written and submitted, and then made durable together, as in one tick of the
//! loop. Elements are messages: where one costs less in a larger group, they share what the disk takes.
//!
//! - `discard`: the store that keeps nothing.
//! - `maildir`: the work in this process. The folder is in the target directory, or in `MAILOOP_BENCH_DIR`.
//! - `maildir_process`: the work in a process of its own, as the server has it.
//!
//! What sessions gain from groups is told by `durable`, ways to sync by `sync`.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use common::KIB;
use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use mailoop::net::channel::Readiness;
use mailoop::server::store_channel::StoreChannel;
use mailoop::smtp::envelope::{Body, Envelope, Hello, Peer, Recipient};
use mailoop::smtp::path::{Mailbox, ReversePath};
use mailoop::smtp::service::Service;
use mailoop::store::{Discard, Finished, Maildir, MaildirOptions, Store};
use rustix::event::{PollFd, PollFlags, poll};
use smallvec::smallvec;

const GROUPS: [usize; 3] = [1, 10, 100];

criterion_group! {
    name = benches;
    config = common::criterion().sample_size(20);
    targets = discard, maildir, maildir_process
}
criterion_main!(benches);

fn discard(criterion: &mut Criterion) {
    bench(
        &mut criterion.benchmark_group("discard"),
        &mut Discard::new(),
    );
}

fn maildir(criterion: &mut Criterion) {
    let folder = common::server::folder();
    let mut store = Maildir::open(options(folder.path())).unwrap();
    bench(&mut criterion.benchmark_group("maildir"), &mut store);
}

fn maildir_process(criterion: &mut Criterion) {
    let folder = common::server::folder();
    let program = Path::new(env!("CARGO_BIN_EXE_mailoop"));
    let mut store = Maildir::open_with_process(options(folder.path()), program).unwrap();
    bench(
        &mut criterion.benchmark_group("maildir_process"),
        &mut store,
    );
}

fn options(folder: &Path) -> MaildirOptions {
    MaildirOptions::new(folder, "mail.example.org", 10)
}

fn bench(group: &mut BenchmarkGroup<'_, WallTime>, store: &mut dyn Store) {
    let envelope = envelope();
    let text = common::text(KIB);
    let mut finished = Vec::new();
    let mut channel = store.take_pipes(0).map(StoreChannel::new);
    group.sampling_mode(SamplingMode::Flat);
    for size in GROUPS {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(size.to_string(), |bencher| {
            bencher.iter(|| {
                for _ in 0..size {
                    let (_, mut draft) = store.begin(&envelope).unwrap();
                    store.write(&mut draft, &text).unwrap();
                    store.submit(draft);
                }
                commit(store, channel.as_mut(), size, &mut finished);
            });
        });
    }
}

/// Waits until so many messages are durable.
fn commit(
    store: &mut dyn Store,
    mut channel: Option<&mut StoreChannel>,
    count: usize,
    finished: &mut Vec<Finished>,
) {
    finished.clear();
    loop {
        exchange(store, channel.as_deref_mut());
        store.commit(finished);
        if finished.len() >= count {
            break;
        }
        wait(store, channel.as_deref_mut());
    }
    assert!(finished.iter().all(|message| message.outcome.is_stored()));
}

fn exchange(store: &mut dyn Store, channel: Option<&mut StoreChannel>) {
    if let (Some(channel), Some(client)) = (channel, store.client(0)) {
        channel.exchange(client).unwrap();
    }
}

/// Waits as the event loop does: for room only with requests that found none.
fn wait(store: &mut dyn Store, channel: Option<&mut StoreChannel>) {
    let (Some(channel), Some(client)) = (channel, store.client(0)) else {
        return;
    };
    if channel.can_send(client) {
        return;
    }
    let has_output = !client.output().is_empty();
    let [requests, reports] = channel.descriptors();
    let mut polled = [
        PollFd::new(&reports, PollFlags::IN),
        PollFd::new(&requests, PollFlags::OUT),
    ];
    poll(&mut polled[..1 + usize::from(has_output)], None).unwrap();
    let [readable, writable] = polled.map(|pipe| !pipe.revents().is_empty());
    channel.note(Readiness {
        readable,
        writable,
        read_on: false,
    });
}

/// One recipient, as nearly every message has.
fn envelope() -> Envelope {
    let mailbox = |text: &str| -> Mailbox { text.parse().unwrap() };
    let recipient = mailbox("recipient@example.org");
    Envelope {
        service: Service::Smtp,
        peer: Peer::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        proxied: None,
        security: None,
        user: None,
        hello: Hello {
            name: "client.example.org".into(),
            extended: true,
        },
        reverse_path: ReversePath::Mailbox(mailbox("sender@example.org")),
        recipients: vec![Recipient {
            address: recipient.clone(),
            mailboxes: smallvec![recipient],
            remote: Vec::new(),
            dsn: None,
        }],
        body: Body::EightBitMime,
        smtputf8: false,
        dsn: None,
        sender_is_ours: false,
        quarantine: None,
    }
}
