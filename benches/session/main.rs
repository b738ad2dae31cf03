//! Sessions in memory, without a network, a loop or a store: `cargo bench --bench session`, a minute.
//!
//! What is left of a server is its protocol: lines, commands, addresses, message text, replies, the trace header.
//!
//! - `dialogue`: from the greeting to QUIT with one message of 1 KiB, said in the ways that there are. Beside
//!   `ehlo`, the others tell what an extension costs who uses it.
//! - `transaction`: one more message in a session that has had some.
//! - `policy`: the dialogue of `dialogue/ehlo` under what an operator may have decided. Beside `plain`, the others tell
//!   what an extension or a rule costs those who do not use it.
//! - `message`: one of a mebibyte. Bytes are those of its text.
//!
//! Elements are dialogues or transactions.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "../common/mod.rs"]
mod common;
mod policies;
mod server;

use common::{KIB, MIB};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use policies::{plain, policies};
use server::Server;

/// As much as the loop reads at once.
const READ_BYTES: usize = 64 * KIB;

const HELO: &str = "HELO client.example.org\r\n";
const EHLO: &str = "EHLO client.example.org\r\n";
const MAIL: &str = "MAIL FROM:<sender@example.org>\r\n";
const MAIL_PARAMETERS: &str = if cfg!(feature = "smtputf8") {
    "MAIL FROM:<sender@example.org> SIZE=1024 BODY=8BITMIME SMTPUTF8\r\n"
} else {
    "MAIL FROM:<sender@example.org> SIZE=1024 BODY=8BITMIME\r\n"
};
const RCPT: &str = "RCPT TO:<recipient@example.org>\r\n";
const DATA: &str = "DATA\r\n";
const QUIT: &str = "QUIT\r\n";

criterion_group! {
    name = benches;
    config = common::criterion();
    targets = dialogue, transaction, policy, message
}
criterion_main!(benches);

/// What a client sends, a read each.
type Reads = Vec<Vec<u8>>;

fn reads(parts: &[&[&str]]) -> Reads {
    parts
        .iter()
        .map(|part| part.concat().into_bytes())
        .collect()
}

/// A message of `size` octets as DATA has it.
fn dotted(size: usize) -> String {
    String::from_utf8(common::text(size)).unwrap() + ".\r\n"
}

/// The same as one chunk.
fn chunk(size: usize) -> String {
    format!("BDAT {size} LAST\r\n") + &String::from_utf8(common::text(size)).unwrap()
}

/// A transaction, said in the ways that there are.
fn ways() -> [(&'static str, &'static str, Reads); 6] {
    let (text, chunk) = (&dotted(KIB)[..], &chunk(KIB)[..]);
    let unhurried = reads(&[&[MAIL], &[RCPT], &[DATA], &[text]]);
    [
        ("helo", HELO, unhurried.clone()),
        ("ehlo", EHLO, unhurried),
        (
            "parameters",
            EHLO,
            reads(&[&[MAIL_PARAMETERS], &[RCPT], &[DATA], &[text]]),
        ),
        ("pipelined", EHLO, reads(&[&[MAIL, RCPT, DATA], &[text]])),
        ("bdat", EHLO, reads(&[&[MAIL], &[RCPT], &[chunk]])),
        ("bdat_pipelined", EHLO, reads(&[&[MAIL, RCPT, chunk]])),
    ]
}

fn dialogue(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dialogue");
    group.throughput(Throughput::Elements(1));
    let mut server = Server::new(plain());
    for (name, hello, transaction) in ways() {
        let dialogue = whole(hello, transaction);
        group.bench_function(name, |bencher| bencher.iter(|| server.serve(&dialogue)));
    }
}

fn transaction(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("transaction");
    group.throughput(Throughput::Elements(1));
    let mut server = Server::new(plain());
    for (name, hello, transaction) in ways() {
        let mut session = server.session();
        server.converse(&mut session, &[hello.into()]);
        group.bench_function(name, |bencher| {
            bencher.iter(|| server.converse(&mut session, &transaction));
        });
    }
}

fn policy(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("policy");
    group.throughput(Throughput::Elements(1));
    let [_, (_, hello, transaction), ..] = ways();
    let dialogue = whole(hello, transaction);
    for (name, policy) in policies() {
        let mut server = Server::new(policy);
        group.bench_function(name, |bencher| bencher.iter(|| server.serve(&dialogue)));
    }
}

fn message(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("message");
    group.throughput(Throughput::Bytes(MIB as u64));
    let mut server = Server::new(plain());
    for (name, before, message) in [
        ("data", &[MAIL, RCPT, DATA][..], dotted(MIB)),
        ("bdat", &[MAIL, RCPT][..], chunk(MIB)),
    ] {
        let mut session = server.session();
        server.converse(&mut session, &[EHLO.into()]);
        let mut transaction = reads(&[before]);
        transaction.extend(message.as_bytes().chunks(READ_BYTES).map(<[u8]>::to_vec));
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| server.converse(&mut session, &transaction));
        });
    }
}

fn whole(hello: &str, transaction: Reads) -> Reads {
    let mut dialogue = reads(&[&[hello]]);
    dialogue.extend(transaction);
    dialogue.push(QUIT.into());
    dialogue
}
