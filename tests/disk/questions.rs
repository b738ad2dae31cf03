//! What clients ask while others wait for the disk.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::TestServer;
use crate::common::client::Client;
use crate::probe::{Latencies, Trickle};

pub const QUESTIONS: [Question; 9] = [
    greeting,
    ehlo,
    noop,
    mail,
    rcpt_of_known,
    rcpt_of_new,
    data_for_known,
    data_for_new,
    line_of_text,
];

/// The mailbox that is there from the beginning.
pub const KNOWN: &str = "known@example.org";
/// The server's unix socket, in its folder. There one sees what the server has read.
pub const SOCKET: &str = "socket";

/// Between two questions of a client.
const OFTEN: Duration = Duration::from_millis(10);
/// The same, where files are made for them.
const NOW_AND_THEN: Duration = Duration::from_millis(50);
/// Recipients of a transaction; the server takes a hundred.
const RECIPIENTS: u64 = 50;

/// Asks a server until that is over.
pub type Question = fn(&TestServer, &Over) -> Latencies;

/// Whether it is time to stop.
#[derive(Default)]
pub struct Over(AtomicBool);

impl Over {
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn greeted(server: &TestServer) -> Client<TcpStream> {
    let mut client = Client::connect(server.address());
    client.hello();
    client
}

fn greeting(server: &TestServer, over: &Over) -> Latencies {
    let mut latencies = Latencies::new("connection to greeting", OFTEN);
    while !over.is_set() {
        latencies.note(|| Client::connect(server.address()).expect("220 "));
    }
    latencies
}

fn ehlo(server: &TestServer, over: &Over) -> Latencies {
    let mut client = greeted(server);
    let mut latencies = Latencies::new("EHLO", OFTEN);
    while !over.is_set() {
        latencies.note(|| client.hello_again());
    }
    latencies
}

pub fn noop(server: &TestServer, over: &Over) -> Latencies {
    let mut client = greeted(server);
    let mut latencies = Latencies::new("NOOP", OFTEN);
    while !over.is_set() {
        latencies.note(|| client.ask("NOOP", "250 "));
    }
    latencies
}

fn mail(server: &TestServer, over: &Over) -> Latencies {
    let mut client = greeted(server);
    let mut latencies = Latencies::new("MAIL", OFTEN);
    while !over.is_set() {
        latencies.note(|| client.ask("MAIL FROM:<a@example.com>", "250 "));
        client.ask("RSET", "250 ");
    }
    latencies
}

fn rcpt_of_known(server: &TestServer, over: &Over) -> Latencies {
    let latencies = Latencies::new("RCPT, known mailbox", OFTEN);
    rcpt(server, over, latencies, |_| KNOWN.to_owned())
}

fn rcpt_of_new(server: &TestServer, over: &Over) -> Latencies {
    let latencies = Latencies::new("RCPT, new mailbox", OFTEN);
    let address = |count| format!("rcpt{count}@example.org");
    rcpt(server, over, latencies, address)
}

fn rcpt(
    server: &TestServer,
    over: &Over,
    mut latencies: Latencies,
    address: impl Fn(u64) -> String,
) -> Latencies {
    let mut client = greeted(server);
    for count in 0.. {
        if over.is_set() {
            break;
        }
        if count % RECIPIENTS == 0 {
            client.ask("RSET", "250 ");
            client.ask("MAIL FROM:<a@example.com>", "250 ");
        }
        let line = format!("RCPT TO:<{}>", address(count));
        latencies.note(|| client.ask(&line, "250 "));
    }
    latencies
}

fn data_for_known(server: &TestServer, over: &Over) -> Latencies {
    let latencies = Latencies::new("DATA, known mailbox", NOW_AND_THEN);
    data(server, over, latencies, |_| KNOWN.to_owned())
}

fn data_for_new(server: &TestServer, over: &Over) -> Latencies {
    let latencies = Latencies::new("DATA, new mailbox", NOW_AND_THEN);
    let address = |count| format!("data{count}@example.org");
    data(server, over, latencies, address)
}

/// From DATA to 354; then the client goes.
fn data(
    server: &TestServer,
    over: &Over,
    mut latencies: Latencies,
    address: impl Fn(u64) -> String,
) -> Latencies {
    for count in 0.. {
        if over.is_set() {
            break;
        }
        let mut client = greeted(server);
        client.ask("MAIL FROM:<a@example.com>", "250 ");
        client.ask(&format!("RCPT TO:<{}>", address(count)), "250 ");
        latencies.note(|| client.ask("DATA", "354 "));
    }
    latencies
}

fn line_of_text(server: &TestServer, over: &Over) -> Latencies {
    let mut trickle = Trickle::begin(&server.folder().join(SOCKET), KNOWN);
    let mut latencies = Latencies::new("line of a message", OFTEN);
    while !over.is_set() {
        latencies.note(|| trickle.send_line());
    }
    latencies
}
