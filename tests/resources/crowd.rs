//! Honest clients among hostile ones. `MAILOOP_TEST_CROWD=5000 cargo test --release --test resources crowd -- --nocapture`
//! has the full crowd, and holds the honest clients' latency against what it is without it.

use std::env;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::client::read_some;
use crate::common::{TestServer, raise_descriptor_limit};

const HONEST: usize = 100;
/// Messages of each honest client, before the crowd comes and while it is there.
const ROUNDS: usize = 50;

/// What a hostile client does whenever it has its turn.
#[derive(Clone, Copy)]
enum Kind {
    /// Sends a command octet by octet.
    Slow,
    /// Says nothing.
    Silent,
    /// Sends commands and reads no reply.
    NeverReading,
    /// Sends a line without an end.
    EndlessLine,
    /// Resets, and comes again.
    Aborting,
}

const KINDS: [Kind; 5] = [
    Kind::Slow,
    Kind::Silent,
    Kind::NeverReading,
    Kind::EndlessLine,
    Kind::Aborting,
];

struct Hostile {
    kind: Kind,
    stream: TcpStream,
}

impl Hostile {
    fn new(kind: Kind, address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self { kind, stream }
    }

    fn act(&mut self, address: &str) {
        // Whether it can be written does not matter, nor whether the server has had enough.
        let _ = match self.kind {
            Kind::Slow => self.stream.write(b"N"),
            Kind::Silent => Ok(0),
            Kind::NeverReading => self.stream.write(&b"NOOP\r\n".repeat(100)),
            Kind::EndlessLine => self.stream.write(&[b'x'; 4096]),
            Kind::Aborting => {
                socket2::SockRef::from(&self.stream)
                    .set_linger(Some(Duration::ZERO))
                    .unwrap();
                *self = Self::new(self.kind, address);
                Ok(0)
            }
        };
    }
}

struct Honest {
    stream: TcpStream,
}

impl Honest {
    fn new(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let mut honest = Self { stream };
        honest.expect("220");
        honest.say("HELO honest\r\n");
        honest.expect("250");
        honest
    }

    fn expect(&mut self, code: &str) {
        let mut buffer = [0; 512];
        let count = read_some(&mut self.stream, &mut buffer).unwrap();
        let said = String::from_utf8_lossy(&buffer[..count]);
        assert!(said.starts_with(code) && said.ends_with("\r\n"), "{said}");
    }

    fn say(&mut self, words: &str) {
        self.stream.write_all(words.as_bytes()).unwrap();
    }
}

/// Lets everyone send its messages at the same time, step by step; returns the 99th percentile of the time that
/// one took.
fn send_all(honest: &mut [Honest]) -> Duration {
    let steps = [
        ("MAIL FROM:<a@example.com>\r\n", "250"),
        ("RCPT TO:<b@example.org>\r\n", "250"),
        ("DATA\r\n", "354"),
        ("a line of text\r\n.\r\n", "250"),
    ];
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for (words, code) in steps {
            honest.iter_mut().for_each(|client| client.say(words));
            for client in &mut *honest {
                client.expect(code);
                times.extend((words.ends_with(".\r\n")).then(|| start.elapsed()));
            }
        }
    }
    times.sort();
    times[times.len() * 99 / 100]
}

#[test]
fn honest_clients_go_on_among_hostile_ones() {
    let full = env::var("MAILOOP_TEST_CROWD")
        .ok()
        .map(|count| count.parse::<usize>().unwrap());
    let count = full.unwrap_or(500);
    raise_descriptor_limit();
    let server = TestServer::start(&[
        "--discard",
        "--log-level",
        "error",
        "--max-errors",
        "1000000",
    ]);
    let address = server.address().to_owned();
    let mut honest: Vec<_> = (0..HONEST).map(|_| Honest::new(&address)).collect();
    let alone = send_all(&mut honest);
    let memory = server.memory_kib("VmRSS");

    let mut crowd: Vec<_> = (0..count)
        .map(|number| Hostile::new(KINDS[number % KINDS.len()], &address))
        .collect();
    let over = Arc::new(AtomicBool::new(false));
    let acting = thread::spawn({
        let over = Arc::clone(&over);
        move || {
            while !over.load(Ordering::Relaxed) {
                for part in crowd.chunks_mut(50) {
                    part.iter_mut().for_each(|hostile| hostile.act(&address));
                    // The crowd is large, not quick: what is measured is the server, not who gets the processor.
                    thread::sleep(Duration::from_millis(2));
                }
            }
        }
    });
    let among = send_all(&mut honest);
    over.store(true, Ordering::Relaxed);
    acting.join().unwrap();

    let grown = server.memory_kib("VmHWM") - memory;
    let ratio = among.as_secs_f64() / alone.as_secs_f64();
    eprintln!(
        "{count} hostile: p99 {among:?}, alone {alone:?}: {ratio:.2} times; {grown} KiB more"
    );
    assert!(
        grown < 160 * count as u64,
        "{grown} KiB are more than docs/limits.md promises"
    );
    if full.is_some() {
        assert!(ratio <= 3.0, "the honest clients had to wait");
    }
}
