//! Connection throughput over loopback: `cargo bench --bench connections`, about a minute.
//!
//! The server is the real program, a child in the same process group, so it has a processor of its own where
//! there are two. The client is as plain as can be: blocking sockets, one thread, every reply code checked. So
//! an iteration is what a client waits for, its own share of the work included. Which processors the two get
//! can be worth a factor of two; `taskset -c 0 cargo bench` leaves no choice, and its numbers are the ones to
//! compare.
//!
//! - `connection`: one connection after the other, without a message, with one that is dropped, and with one
//!   that is made durable in a Maildir. Elements are connections.
//! - `interleaved`: the same with ten connections open at a time. Elements are connections here too: where
//!   they cost less than above, the loop served several in one tick, and one commit did for several messages.
//! - `message`: one message a connection, by size. Bytes are those of the message as it is on the wire.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group,
    criterion_main,
};
use tempfile::TempDir;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// How many connections the interleaved client has open.
const INTERLEAVED: usize = 10;
/// A benchmark of a server that hangs shall fail.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// More than the longest reply, the one to EHLO.
const REPLY_BYTES_MAX: usize = 1024;

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        // A tenth of the default: the plots take as long as the measurements otherwise.
        .nresamples(10_000);
    targets = connection, interleaved, message
}
criterion_main!(benches);

fn connection(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("connection");
    every_kind(&mut group, 1);
    group.finish();
}

fn interleaved(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(format!("interleaved_{INTERLEAVED}"));
    every_kind(&mut group, INTERLEAVED);
    group.finish();
}

/// Measures `count` connections at a time, of each kind.
fn every_kind(group: &mut BenchmarkGroup<'_, WallTime>, count: usize) {
    group.throughput(Throughput::Elements(count as u64));
    // The same number of iterations in every sample; with a rising one 100 samples need 5050 iterations.
    group.sampling_mode(SamplingMode::Flat);
    let sink = Server::sink();
    let maildir = Server::maildir();
    let greetings = greetings_only();
    let one_message = with_message(KIB);
    group.bench_function("connect_ehlo_quit", |bencher| {
        bencher.iter(|| converse(sink.address, count, &greetings));
    });
    group.bench_function("message_1k", |bencher| {
        bencher.iter(|| converse(sink.address, count, &one_message));
    });
    group.bench_function("maildir_1k", |bencher| {
        bencher.iter(|| converse(maildir.address, count, &one_message));
    });
}

fn message(criterion: &mut Criterion) {
    let sink = Server::sink();
    let mut group = criterion.benchmark_group("message");
    group.sampling_mode(SamplingMode::Flat);
    for (name, size) in [
        ("1KiB", KIB),
        ("64KiB", 64 * KIB),
        ("1MiB", MIB),
        ("10MiB", 10 * MIB),
    ] {
        let dialogue = with_message(size);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| converse(sink.address, 1, &dialogue));
        });
    }
    group.finish();
}

/// A running `mailoop serve`. It ends when this is dropped, also by a failed check.
struct Server {
    process: Child,
    address: SocketAddr,
    /// Where its mail goes, which is removed behind it.
    _maildir: Option<TempDir>,
}

impl Server {
    /// One that drops all mail.
    fn sink() -> Self {
        let mut command = Self::command();
        command.arg("--discard");
        Self::start(command, None)
    }

    /// One that keeps it. The folder is in the target directory: `/tmp` is in memory on many machines, where
    /// durability would cost nothing.
    fn maildir() -> Self {
        let maildir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut command = Self::command();
        command.arg("--maildir").arg(maildir.path());
        Self::start(command, Some(maildir))
    }

    fn command() -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--log-level", "warn"]);
        command
    }

    fn start(mut command: Command, maildir: Option<TempDir>) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening smtp ");
        Self {
            process,
            address: address.expect("the server starts").parse().unwrap(),
            _maildir: maildir,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // If it is gone already, both have nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a client says, and the code of the reply that it then waits for.
struct Step {
    says: Vec<u8>,
    code: &'static str,
}

fn step(says: impl Into<Vec<u8>>, code: &'static str) -> Step {
    Step {
        says: says.into(),
        code,
    }
}

/// The least a client can say.
fn greetings_only() -> Vec<Step> {
    vec![
        step("", "220"),
        step("EHLO client.example.org\r\n", "250"),
        step("QUIT\r\n", "221"),
    ]
}

/// The same with a message of `size` octets.
fn with_message(size: usize) -> Vec<Step> {
    let mut dialogue = greetings_only();
    let at = dialogue.len() - 1;
    let transaction = [
        step("MAIL FROM:<sender@example.org>\r\n", "250"),
        step("RCPT TO:<recipient@example.org>\r\n", "250"),
        step("DATA\r\n", "354"),
        step([&text(size), &b".\r\n"[..]].concat(), "250"),
    ];
    dialogue.splice(at..at, transaction);
    dialogue
}

/// A message of `size` octets, in lines as people write them.
fn text(size: usize) -> Vec<u8> {
    const HEADER: &str = "From: <sender@example.org>\r\nSubject: benchmark\r\n\r\n";
    const LINE: &str =
        "The quick brown fox jumps over the lazy dog, and then over the next one.\r\n";
    const CRLF: &[u8] = b"\r\n";
    let mut text = HEADER.as_bytes().to_vec();
    while text.len() + LINE.len() <= size - CRLF.len() {
        text.extend_from_slice(LINE.as_bytes());
    }
    text.resize(size - CRLF.len(), b'-');
    text.extend_from_slice(CRLF);
    text
}

/// Has `count` connections go through `dialogue` in lock-step: all of them say a step before the first one
/// waits for its reply.
fn converse(server: SocketAddr, count: usize, dialogue: &[Step]) {
    let mut clients: Vec<Client> = (0..count).map(|_| Client::connect(server)).collect();
    for Step { says, code } in dialogue {
        for client in &mut clients {
            client.say(says);
        }
        for client in &mut clients {
            client.expect(code);
        }
    }
    for client in &mut clients {
        client.expect_end();
    }
}

/// One connection.
struct Client {
    stream: TcpStream,
}

impl Client {
    fn connect(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).expect("the server accepts");
        // Otherwise the last segment of a message may wait for the ACK of those before it, which is delayed.
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(REPLY_TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(REPLY_TIMEOUT)).unwrap();
        Self { stream }
    }

    fn say(&mut self, words: &[u8]) {
        self.stream.write_all(words).expect("the server reads");
    }

    /// Reads a reply, of which the last line tells all that matters here.
    fn expect(&mut self, code: &str) {
        let mut buffer = [0; REPLY_BYTES_MAX];
        let mut length = 0;
        let reply = loop {
            let read = self.stream.read(&mut buffer[length..]);
            length += match read.expect("the server replies") {
                0 => break &buffer[..length],
                read => read,
            };
            if let Some(reply) = last_line(&buffer[..length]) {
                break reply;
            }
        };
        let reply = String::from_utf8_lossy(reply);
        assert!(reply.starts_with(code), "{code} expected, not {reply:?}");
    }

    /// Waits until the server closes. Whoever closes first has the connection in TIME_WAIT for a minute; a
    /// client would run out of ports (28,000 here, some seconds' worth), a server has only the one.
    fn expect_end(&mut self) {
        let read = self.stream.read(&mut [0]).expect("the server closes");
        assert_eq!(read, 0, "nothing comes behind 221");
    }
}

/// The last line of a reply that is complete: several lines have a hyphen behind the code of all but this one.
fn last_line(reply: &[u8]) -> Option<&[u8]> {
    let lines = reply.strip_suffix(b"\r\n")?;
    let line = lines.rsplit(|octet| *octet == b'\n').next()?;
    (line.get(3) == Some(&b' ')).then_some(line)
}
