//! Message text, decoded: `cargo bench --bench data`, a minute.
//!
//! A mebibyte, in pieces of 64 KiB as the loop reads them.
//!
//! - `dots`: what DATA brings, up to the dot that ends it. `plain` is text as people write it; of `dotty` every line
//!   begins with a dot; the others are the worst there can be: nothing but line ends, nothing but dots between them,
//!   nothing but half line ends. `classroom` is the plain one where another line ends a message as well.
//! - `chunk`: the same by BDAT, where only half line ends have to be found, and in `binary` nothing.
//!
//! Bytes are those on the wire. Text that comes faster than the network brings it costs nothing to speak of; the worst
//! tells what an attacker can make a byte cost.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::hint::black_box;

use common::{KIB, MIB};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mailoop::smtp::chunk::{Chunk, ChunkDecoder};
use mailoop::smtp::data::{DataDecoder, DataRules, EndText, Piece};
use mailoop::smtp::envelope::Body;
use mailoop::smtp::line::BareNewline;

/// As much as the loop reads at once.
const READ_BYTES: usize = 64 * KIB;

criterion_group! {
    name = benches;
    config = common::criterion();
    targets = dots, chunk
}
criterion_main!(benches);

/// The texts by name, each a mebibyte.
fn texts() -> Vec<(&'static str, Vec<u8>)> {
    let line = "..The quick brown fox jumps over the lazy dog, and then over the next one.\r\n";
    vec![
        ("plain", common::text(MIB)),
        ("one_line", vec![b'x'; MIB]),
        ("dotty", filled(line)),
        ("line_ends", filled("\r\n")),
        ("dots", filled("..\r\n")),
        ("bare_lf", filled("\n")),
        ("bare_cr", filled("\r")),
    ]
}

/// A mebibyte of `pattern`.
fn filled(pattern: &str) -> Vec<u8> {
    pattern.bytes().cycle().take(MIB).collect()
}

fn dots(criterion: &mut Criterion) {
    let rules = DataRules {
        bare_newline: BareNewline::Normalize,
        end_text: None,
    };
    let mut group = criterion.benchmark_group("dots");
    for (name, text) in texts() {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &text, |bencher, text| {
            bencher.iter(|| decode(text, rules));
        });
    }
    let end_text = EndText::new("end of email").unwrap();
    let classroom = DataRules {
        end_text: Some(&end_text),
        ..rules
    };
    let plain = common::text(MIB);
    group.bench_function("classroom", |bencher| {
        bencher.iter(|| decode(&plain, classroom));
    });
}

/// Decodes `wire`, which holds no end; how many pieces of text that makes.
fn decode(wire: &[u8], rules: DataRules<'_>) -> usize {
    let mut decoder = DataDecoder::new();
    let mut pieces = 0;
    for mut input in wire.chunks(READ_BYTES) {
        loop {
            match decoder.next(&mut input, rules) {
                Piece::NeedInput => break,
                piece => {
                    black_box(piece);
                    pieces += 1;
                }
            }
        }
    }
    pieces
}

fn chunk(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chunk");
    for (name, text) in texts() {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &text, |bencher, text| {
            bencher.iter(|| decode_chunk(text, Body::EightBitMime));
        });
    }
    let bare = filled("\n");
    group.bench_function("binary", |bencher| {
        bencher.iter(|| decode_chunk(&bare, Body::BinaryMime));
    });
}

/// Decodes `wire` as one chunk; how many pieces of text that makes.
fn decode_chunk(wire: &[u8], body: Body) -> usize {
    let mut decoder = ChunkDecoder::new(body);
    let mut chunk = Chunk::new(wire.len() as u64, true);
    let mut pieces = 0;
    for mut input in wire.chunks(READ_BYTES) {
        loop {
            match decoder.next(&mut chunk, &mut input, BareNewline::Normalize) {
                Piece::NeedInput | Piece::End => break,
                piece => {
                    black_box(piece);
                    pieces += 1;
                }
            }
        }
    }
    pieces
}
