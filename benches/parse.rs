//! Command lines and addresses, read: `cargo bench --bench parse`, a minute.
//!
//! - `line`: a line cut out of the input, as every command is.
//! - `command`: a line read into a command, with the addresses in it.
//! - `path`: an address alone.
//!
//! Elements are lines or addresses. A session costs hundreds of times what any of them does: what stands out here is
//! an attack, or a mistake.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mailoop::smtp::command::Command;
use mailoop::smtp::line::{BareNewline, LineReader, Reading};
use mailoop::smtp::path::forward_path;

criterion_group! {
    name = benches;
    config = common::criterion();
    targets = line, command, path
}
criterion_main!(benches);

fn line(criterion: &mut Criterion) {
    let longest = format!("NOOP {}\r\n", "x".repeat(505));
    let lines = [
        ("data", "DATA\r\n"),
        ("rcpt", "RCPT TO:<recipient@example.org>\r\n"),
        ("longest", &longest),
    ];
    bench(criterion, "line", &lines, |text| {
        let mut input = text.as_bytes();
        let mut reader = LineReader::default();
        let line = reader.next(&mut input, BareNewline::Normalize, Reading::Commands);
        black_box(line);
    });
}

fn command(criterion: &mut Criterion) {
    let longest = format!("RCPT TO:<{}>", longest_address());
    let commands = [
        ("ehlo", "EHLO client.example.org"),
        ("mail", "MAIL FROM:<sender@example.org>"),
        (
            "mail_parameters",
            "MAIL FROM:<sender@example.org> SIZE=1024 BODY=8BITMIME SMTPUTF8",
        ),
        ("rcpt", "RCPT TO:<recipient@example.org>"),
        ("rcpt_longest", &longest),
        ("data", "DATA"),
        ("bdat", "BDAT 1048576 LAST"),
        ("unknown", "HELLO client.example.org"),
    ];
    bench(criterion, "command", &commands, |line| {
        let _ = black_box(Command::parse(line.as_bytes()));
    });
}

fn path(criterion: &mut Criterion) {
    let longest = format!("<{}>", longest_address());
    let escaped = format!("<\"{}\"@example.org>", "\\\"".repeat(30));
    let paths = [
        ("shortest", "<a@b>"),
        ("usual", "<recipient@example.org>"),
        ("longest", &longest),
        ("quoted", "<\"no dots here\"@example.org>"),
        ("escaped", &escaped),
        (
            "source_route",
            "<@one.example,@two.example:recipient@example.org>",
        ),
        ("literal", "<recipient@[IPv6:2001:db8::1]>"),
        ("utf8", "<empf\u{e4}nger@b\u{fc}cher.example>"),
        ("a_label", "<recipient@xn--bcher-kva.example>"),
    ];
    bench(criterion, "path", &paths, |path| {
        let _ = black_box(forward_path(path.as_bytes()));
    });
}

/// An address of 254 octets, the most that fit between angle brackets (RFC 5321 §4.5.3.1.3).
fn longest_address() -> String {
    let label = "d".repeat(62);
    let local_part = "u".repeat(64);
    format!("{local_part}@{label}.{label}.{label}")
}

/// Measures what is done to each of these texts.
fn bench(criterion: &mut Criterion, name: &str, texts: &[(&str, &str)], read: impl Fn(&str)) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(1));
    for (name, text) in texts {
        group.bench_with_input(BenchmarkId::from_parameter(name), *text, |bencher, text| {
            bencher.iter(|| read(black_box(text)));
        });
    }
}
