//! Throughput over loopback: `cargo bench --bench connections`, a minute and a half.
//!
//! The server is the real program, a process of its own, so it has a processor of its own where there are two. The
//! client is one thread with blocking sockets, and checks every reply. So an iteration is what a client waits for,
//! its own share of the work included. Which processors the two get can be worth a factor of two;
//! `taskset -c 0 cargo bench` leaves no choice, and its numbers are the ones to compare.
//!
//! - `kept`: so many sessions stay, and each sends one message of 1 KiB an iteration. `/pipelined` has the commands of a
//!   transaction in one write, `/in_turn` each behind the reply to the one before.
//! - `new`: the same with a connection for each message.
//! - `greeted`: a connection without a message.
//! - `durable`: as `kept/in_turn`, into a Maildir. Where a message costs less with more sessions, one commit did for
//!   several.
//! - `size`: one kept session, by the size of its messages. Bytes are those of the message as it is on the wire.
//!
//! Elements are messages, or connections where there is no message.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use common::client::{Client, Step, hello, in_step, quit, transaction};
use common::server::Server;
use common::{KIB, MIB};
use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group,
    criterion_main,
};
use mailoop::net::descriptors::raise_limit;

const SESSIONS: [usize; 4] = [1, 10, 100, 1000];
/// A disk takes its time.
const DURABLE_SESSIONS: [usize; 2] = [1, 100];
const DURABLE_SAMPLES: usize = 10;
/// A thousand connections take a tenth of a second.
const SAMPLES: usize = 20;

criterion_group! {
    name = benches;
    config = common::criterion()
        .sample_size(SAMPLES)
        .measurement_time(Duration::from_secs(1));
    targets = kept, new, greeted, durable, size
}
criterion_main!(benches);

fn kept(criterion: &mut Criterion) {
    let mut group = group(criterion, "kept");
    for (way, pipelined) in [("in_turn", false), ("pipelined", true)] {
        for sessions in SESSIONS {
            let server = Server::sink();
            bench_kept(
                &mut group,
                &server,
                way,
                sessions,
                &transaction(KIB, pipelined),
            );
        }
    }
}

fn new(criterion: &mut Criterion) {
    let server = Server::sink();
    let mut group = group(criterion, "new");
    for (way, pipelined) in [("in_turn", false), ("pipelined", true)] {
        let mut dialogue = hello();
        dialogue.extend(transaction(KIB, pipelined));
        dialogue.extend(quit());
        bench_new(&mut group, server.address, way, &dialogue);
    }
}

fn greeted(criterion: &mut Criterion) {
    let server = Server::sink();
    let mut group = group(criterion, "greeted");
    let mut dialogue = hello();
    dialogue.extend(quit());
    bench_new(&mut group, server.address, "in_turn", &dialogue);
}

fn durable(criterion: &mut Criterion) {
    let mut group = group(criterion, "durable");
    group.sample_size(DURABLE_SAMPLES);
    for sessions in DURABLE_SESSIONS {
        let server = Server::maildir();
        bench_kept(
            &mut group,
            &server,
            "in_turn",
            sessions,
            &transaction(KIB, false),
        );
    }
}

fn size(criterion: &mut Criterion) {
    let server = Server::sink();
    let mut group = group(criterion, "size");
    for (name, size) in [
        ("1KiB", KIB),
        ("64KiB", 64 * KIB),
        ("1MiB", MIB),
        ("10MiB", 10 * MIB),
    ] {
        let mut client = Client::connect(server.address);
        client.converse(&hello());
        let dialogue = transaction(size, false);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(name, |bencher| bencher.iter(|| client.converse(&dialogue)));
    }
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let _ = raise_limit();
    let mut group = criterion.benchmark_group(name);
    // The same number of iterations in every sample; with a rising one 20 samples need 210 iterations.
    group.sampling_mode(SamplingMode::Flat);
    group
}

/// Measures one message of each of so many sessions that stay.
fn bench_kept(
    group: &mut BenchmarkGroup<'_, WallTime>,
    server: &Server,
    way: &str,
    sessions: usize,
    dialogue: &[Step],
) {
    group.throughput(Throughput::Elements(sessions as u64));
    let mut clients = Vec::new();
    group.bench_function(BenchmarkId::new(way, sessions), |bencher| {
        if clients.is_empty() {
            clients = connect(server.address, sessions);
            in_step(&mut clients, &hello());
        }
        bencher.iter(|| in_step(&mut clients, dialogue));
    });
}

/// Measures connections that go through all of `dialogue`, so many at a time.
fn bench_new(
    group: &mut BenchmarkGroup<'_, WallTime>,
    server: SocketAddr,
    way: &str,
    dialogue: &[Step],
) {
    for sessions in SESSIONS {
        group.throughput(Throughput::Elements(sessions as u64));
        group.bench_function(BenchmarkId::new(way, sessions), |bencher| {
            bencher.iter(|| {
                let mut clients = connect(server, sessions);
                in_step(&mut clients, dialogue);
                clients.iter_mut().for_each(Client::expect_end);
            });
        });
    }
}

fn connect(server: SocketAddr, count: usize) -> Vec<Client<TcpStream>> {
    (0..count).map(|_| Client::connect(server)).collect()
}
