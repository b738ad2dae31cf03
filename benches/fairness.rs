//! What others notice of clients that ask for all the work they can: `cargo bench --bench fairness`, half a minute.
//!
//! Each row has a server of its own. One client says NOOP every few milliseconds, and another brings small messages; their
//! times are printed beside those on an idle server, since on a shared machine only that comparison means something.
//! The clients of a row share a thread, which takes a processor of its own if there is one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod common;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::server::Server;
use mailoop::net::descriptors::raise_limit;

/// How long a row is measured.
const SPAN: Duration = Duration::from_secs(3);
/// The pause between two NOOPs.
const PAUSE: Duration = Duration::from_millis(2);
/// How much the clients of a row send at once.
const BATCH_BYTES: usize = 128 * 1024;

/// Clients that repeat something as fast as the server lets them.
struct Crowd {
    name: &'static str,
    count: usize,
    /// What each says first, a line at a time.
    hello: &'static [&'static str],
    /// What each repeats without waiting.
    group: &'static str,
}

const EHLO: &[&str] = &["EHLO c\r\n"];
const ROWS: [Crowd; 8] = [
    Crowd {
        name: "nobody",
        count: 0,
        hello: EHLO,
        group: "",
    },
    Crowd {
        name: "1 × NOOP",
        count: 1,
        hello: EHLO,
        group: "NOOP\r\n",
    },
    Crowd {
        name: "1 × RCPT to an alias of 90",
        count: 1,
        hello: EHLO,
        group: "MAIL FROM:<a@example.com>\r\nRCPT TO:<all@example.org>\r\nRSET\r\n",
    },
    Crowd {
        name: "1 × EHLO",
        count: 1,
        hello: EHLO,
        group: "EHLO c\r\n",
    },
    Crowd {
        name: "1 × MAIL, RCPT, BDAT 0, RSET",
        count: 1,
        hello: EHLO,
        group: "MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nBDAT 0\r\nRSET\r\n",
    },
    Crowd {
        name: "1000 × MAIL, RSET",
        count: 1000,
        hello: EHLO,
        group: "MAIL FROM:<a@example.com>\r\nRSET\r\n",
    },
    Crowd {
        name: "1000 × RCPT to an alias of 90",
        count: 1000,
        hello: EHLO,
        group: "MAIL FROM:<a@example.com>\r\nRCPT TO:<all@example.org>\r\nRSET\r\n",
    },
    Crowd {
        name: "1000 × text of stuffed dots",
        count: 1000,
        hello: &[
            "EHLO c\r\n",
            "MAIL FROM:<a@example.com>\r\n",
            "RCPT TO:<b@example.org>\r\n",
            "DATA\r\n",
        ],
        group: "..\r\n",
    },
];

fn main() {
    let _ = raise_limit();
    println!("milliseconds until another client has its reply, beside these");
    println!("| beside | NOOP p50 | p99 | most | a message p50 | most |");
    println!("|---|---|---|---|---|---|");
    for crowd in &ROWS {
        // Fewer than one address may have made in a minute, or its session would end by its refusals.
        let server = Server::maildir_with_alias(90);
        let over = Arc::new(AtomicBool::new(false));
        let busy = thread::spawn({
            let (over, address) = (Arc::clone(&over), server.address);
            move || crowd.run(address, &over)
        });
        thread::sleep(SPAN / 3);
        let address = server.address;
        let messages = thread::spawn(move || measure(address, deliver));
        let noops = measure(address, noop);
        let messages = messages.join().unwrap();
        over.store(true, Ordering::Relaxed);
        busy.join().unwrap();
        println!(
            "| {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |",
            crowd.name,
            at(&noops, 50),
            at(&noops, 99),
            at(&noops, 100),
            at(&messages, 50),
            at(&messages, 100),
        );
    }
}

/// The time below which this share of `times` is, in milliseconds.
fn at(times: &[Duration], percent: usize) -> f64 {
    let index = (times.len() * percent / 100).min(times.len() - 1);
    times[index].as_secs_f64() * 1000.0
}

/// Does something again and again, and returns how long each time took, in order of length.
fn measure(address: SocketAddr, act: fn(&mut BufReader<TcpStream>)) -> Vec<Duration> {
    let mut client = BufReader::new(TcpStream::connect(address).unwrap());
    client.get_ref().set_nodelay(true).unwrap();
    hear(&mut client);
    ask(&mut client, "EHLO probe\r\n");
    let start = Instant::now();
    let mut times = Vec::new();
    while start.elapsed() < SPAN || times.is_empty() {
        let before = Instant::now();
        act(&mut client);
        times.push(before.elapsed());
        thread::sleep(PAUSE);
    }
    times.sort();
    times
}

fn noop(client: &mut BufReader<TcpStream>) {
    ask(client, "NOOP\r\n");
}

fn deliver(client: &mut BufReader<TcpStream>) {
    ask(client, "MAIL FROM:<a@example.com>\r\n");
    ask(client, "RCPT TO:<probe@example.org>\r\n");
    ask(client, "DATA\r\n");
    let reply = ask(client, "text\r\n.\r\n");
    assert!(reply.starts_with("250 "), "{reply}");
}

fn ask(client: &mut BufReader<TcpStream>, command: &str) -> String {
    client.get_mut().write_all(command.as_bytes()).unwrap();
    hear(client)
}

/// The last line of a reply.
fn hear(client: &mut BufReader<TcpStream>) -> String {
    loop {
        let mut line = String::new();
        assert!(
            client.read_line(&mut line).unwrap() > 0,
            "the server closes"
        );
        if line.as_bytes().get(3) == Some(&b' ') {
            return line;
        }
    }
}

impl Crowd {
    /// Keeps all clients as busy as the server lets them be.
    fn run(&self, address: SocketAddr, over: &AtomicBool) {
        let mut clients: Vec<_> = (0..self.count).map(|_| self.connect(address)).collect();
        let batch = self.group.repeat(BATCH_BYTES / self.group.len().max(1));
        let mut sent = vec![0; clients.len()];
        let mut buffer = vec![0; BATCH_BYTES];
        while !over.load(Ordering::Relaxed) {
            let mut moved = false;
            for (client, sent) in clients.iter_mut().zip(&mut sent) {
                // A client that always had more to read would keep the others of its thread waiting.
                if let Ok(read) = client.read(&mut buffer) {
                    assert!(read > 0, "the server closes");
                    moved = true;
                }
                match client.write(&batch.as_bytes()[*sent..]) {
                    Ok(written) => {
                        *sent = (*sent + written) % batch.len();
                        moved = true;
                    }
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
            if !moved {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn connect(&self, address: SocketAddr) -> TcpStream {
        let mut client = BufReader::new(TcpStream::connect(address).unwrap());
        hear(&mut client);
        for line in self.hello {
            ask(&mut client, line);
        }
        let client = client.into_inner();
        client.set_nonblocking(true).unwrap();
        client
    }
}
