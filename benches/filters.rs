//! What others notice of filters that hang, trickle or talk nonsense: `cargo bench --bench filters`, a minute.
//!
//! Each row has a server of its own, and clients whose messages its filter is to see. Beside them one client, of whom the filter knows
//! nothing bad, says NOOP every few milliseconds; its times are printed beside those on a server that is idle, measured just before
//! and just after, since on a shared machine only that comparison means something. Filters and their clients yield the processor to
//! the server and to NOOP, as if they were on a machine of their own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod common;
// It is made for the tests; not all of it is used here.
#[allow(dead_code, clippy::panic, unreachable_pub)]
#[path = "../tests/common/filter.rs"]
mod filter;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::server::Server;
use filter::{
    ADD_HEADER, Act, CONTINUE, FilterScript, PROGRESS, REPLACE_BODY, ScriptedFilter, packet, texts,
};

/// How long a row is measured.
const SPAN: Duration = Duration::from_secs(3);
/// The pause between two NOOPs.
const PAUSE: Duration = Duration::from_millis(2);
/// The clients of a row, and the pause of each between two messages.
const CLIENTS: usize = 20;
const REST: Duration = Duration::from_millis(20);
/// How much more patient filters and clients are with the processor.
const NICE: i32 = 15;
/// A message of so many octets does not stay in memory while filters look at it.
const LONG_BYTES: usize = 200_000;

/// A filter, and what it is asked about.
struct Row {
    name: &'static str,
    message_bytes: usize,
    act: Option<(u8, Act)>,
}

fn rows() -> Vec<Row> {
    let row = |name, message_bytes, letter, act| Row {
        name,
        message_bytes,
        act: Some((letter, act)),
    };
    let changes = vec![
        (ADD_HEADER, texts(&["X-Seen", "yes"])),
        (CONTINUE, Vec::new()),
    ];
    let rewrite = Act::Rewrite(<[u8]>::to_ascii_uppercase, changes);
    let never = Duration::ZERO;
    let moment = Duration::from_millis(1);
    let big = packet(REPLACE_BODY, &[b'x'; 65_000]);
    vec![
        Row {
            name: "lets all pass",
            message_bytes: 1_000,
            act: None,
        },
        row("rewrites 200 kB", LONG_BYTES, b'E', rewrite),
        row("hangs at MAIL", 1_000, b'M', Act::Hang),
        row("hangs at the end of 200 kB", LONG_BYTES, b'E', Act::Hang),
        row("reads no more from DATA on", LONG_BYTES, b'T', Act::Deaf),
        row(
            "an octet a millisecond",
            1_000,
            b'M',
            Act::Drip(packet(CONTINUE, &[0; 60_000]), moment),
        ),
        row(
            "octets that are no packet",
            1_000,
            b'M',
            Act::Forever(vec![0xFF; 60_000], never),
        ),
        row(
            "progress, without an end",
            1_000,
            b'E',
            Act::Forever(packet(PROGRESS, b"").repeat(1_000), never),
        ),
        row(
            "a new body, without an end",
            1_000,
            b'E',
            Act::Forever(big, never),
        ),
        row("hangs up at MAIL", 1_000, b'M', Act::Close),
    ]
}

fn main() {
    println!(
        "milliseconds until another client has its reply to NOOP, while a filter does this with the mail of {CLIENTS} clients"
    );
    println!("| the filter | p50 | p99 | most | p99 on an idle server | more | asked |");
    println!("|---|---|---|---|---|---|---|");
    for row in rows() {
        let idle = Server::maildir();
        let before = noops(idle.address);
        let name = row.name;
        let (times, asked) = row.run();
        let mut idle_times = noops(idle.address);
        idle_times.extend(before);
        idle_times.sort();
        let (beside, alone) = (at(&times, 99), at(&idle_times, 99));
        println!(
            "| {} | {:.2} | {beside:.2} | {:.2} | {alone:.2} | {:+.2} | {asked} |",
            name,
            at(&times, 50),
            at(&times, 100),
            beside - alone,
        );
    }
}

/// The time below which this share of `times` is, in milliseconds.
fn at(times: &[Duration], percent: usize) -> f64 {
    let index = (times.len() * percent / 100).min(times.len() - 1);
    times[index].as_secs_f64() * 1000.0
}

impl Row {
    /// The times of NOOP, and how often the filter was asked about a message meanwhile.
    fn run(self) -> (Vec<Duration>, usize) {
        let filter = patiently(move || {
            ScriptedFilter::start(FilterScript {
                acts: self.act.into_iter().collect(),
                ..FilterScript::default()
            })
        });
        // Filters that have failed are asked about the next message soon, so that there is much to notice.
        let server = Server::maildir_with(&[
            "--milter",
            &filter.address,
            "--milter-command-timeout",
            "1",
            "--milter-content-timeout",
            "1",
        ]);
        let (over, asked) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let line = "x".repeat(70) + "\r\n";
        let message = line.repeat(self.message_bytes / line.len()) + ".\r\n";
        let (address, end, count) = (server.address, Arc::clone(&over), Arc::clone(&asked));
        let clients = patiently(move || {
            let client = move || {
                while !end.load(Ordering::Relaxed) {
                    // A server may end a session whose filter has failed.
                    let _ = send(address, &message);
                    count.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(REST);
                }
            };
            let client = Arc::new(client);
            let start = |_| {
                let client = Arc::clone(&client);
                thread::spawn(move || client())
            };
            (0..CLIENTS).map(start).collect::<Vec<_>>()
        });
        thread::sleep(SPAN / 3);
        let times = noops(server.address);
        over.store(true, Ordering::Relaxed);
        drop(server);
        for client in clients {
            client.join().unwrap();
        }
        (times, asked.load(Ordering::Relaxed))
    }
}

/// Does something in a thread, and in those that it starts, which yield the processor to others.
fn patiently<R: Send + 'static>(start: impl FnOnce() -> R + Send + 'static) -> R {
    let thread = thread::spawn(|| {
        rustix::process::nice(NICE).unwrap();
        start()
    });
    thread.join().unwrap()
}

/// Sends a message in a session of its own, as far as that is let.
fn send(address: SocketAddr, message: &str) -> std::io::Result<()> {
    let mut client = BufReader::new(TcpStream::connect(address)?);
    client.get_ref().set_nodelay(true)?;
    hear(&mut client)?;
    for line in [
        "EHLO c\r\n",
        "MAIL FROM:<a@example.com>\r\n",
        "RCPT TO:<b@example.org>\r\n",
        "DATA\r\n",
        message,
        "QUIT\r\n",
    ] {
        client.get_mut().write_all(line.as_bytes())?;
        if hear(&mut client)?.starts_with(['4', '5']) {
            break;
        }
    }
    Ok(())
}

/// How long each NOOP took, in order of length.
fn noops(address: SocketAddr) -> Vec<Duration> {
    let mut client = BufReader::new(TcpStream::connect(address).unwrap());
    client.get_ref().set_nodelay(true).unwrap();
    hear(&mut client).unwrap();
    let mut ask = |line: &str| {
        client.get_mut().write_all(line.as_bytes()).unwrap();
        hear(&mut client).unwrap();
    };
    ask("EHLO probe\r\n");
    let start = Instant::now();
    let mut times = Vec::new();
    while start.elapsed() < SPAN {
        let before = Instant::now();
        ask("NOOP\r\n");
        times.push(before.elapsed());
        thread::sleep(PAUSE);
    }
    times.sort();
    times
}

/// The last line of a reply.
fn hear(client: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    loop {
        let mut line = String::new();
        if client.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line.as_bytes().get(3) == Some(&b' ') {
            return Ok(line);
        }
    }
}
