//! Clients that send mail for elsewhere, for mailboxes here, and for somebody whom the hop does not know.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::common::wait_until;

/// Whom reports go to.
pub const ADA: &str = "ada@here.example";
pub const BOB: &str = "bob@there.example";
pub const CARL: &str = "carl@here.example";
/// Whom the hop does not know.
pub const BAD: &str = "bad@there.example";

/// A server that is alive answers sooner.
const REPLY_TIMEOUT: Duration = Duration::from_secs(60);
/// A client that was refused, or found no server, rests so long.
const REST: Duration = Duration::from_millis(5);

/// What a client knows of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Acknowledged,
    /// There was a refusal: it is never sent.
    Refused,
    /// No answer came, or from one who ended too soon: it may be there all the same.
    Unanswered,
}

pub type Fates = BTreeMap<usize, Fate>;

/// To whom the message of this number goes.
pub fn recipients(number: usize) -> &'static [&'static str] {
    const CASES: [&[&str]; 4] = [&[BOB], &[BOB, CARL], &[BAD], &[BAD, BOB, CARL]];
    CASES[number % CASES.len()]
}

/// Now and then one that has a file of its own in the spool.
fn text(number: usize) -> String {
    let lines = if number % 7 == 3 { 4000 } else { number % 50 };
    let filler = "something to be synced\r\n".repeat(lines);
    format!("Subject: x\r\nX-Number: {number};\r\n\r\n{filler}")
}

/// The number of a message, or of that which a report is about; none if a message is not whole.
pub fn number_of(stored: &[u8]) -> Option<usize> {
    let stored = String::from_utf8_lossy(stored).replace("\r\n", "\n");
    let (_, rest) = stored.split_once("X-Number: ")?;
    let number = rest.split(';').next()?.parse().ok()?;
    let is_report = stored.contains("message/delivery-status");
    let is_whole = stored.ends_with(&text(number).replace("\r\n", "\n"));
    (is_report || is_whole).then_some(number)
}

/// Gives every message a number of its own.
#[derive(Clone, Default)]
pub struct Numbers(Arc<AtomicUsize>);

impl Numbers {
    fn next(&self) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// Clients at work.
pub struct Clients {
    acknowledged: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Fates>>,
}

impl Clients {
    /// Starts so many, each of which sends as many messages, or until all are stopped.
    pub fn start(address: &str, count: usize, messages: usize, numbers: &Numbers) -> Self {
        let (acknowledged, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let client = |_| {
            let (address, numbers) = (address.to_owned(), numbers.clone());
            let (acknowledged, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
            thread::spawn(move || {
                let mut fates = Fates::new();
                while !stop.load(Ordering::Relaxed) && fates.len() < messages {
                    let number = numbers.next();
                    let fate = deliver(&address, number).unwrap_or(Fate::Unanswered);
                    fates.insert(number, fate);
                    if fate == Fate::Acknowledged {
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                    } else {
                        thread::sleep(REST);
                    }
                }
                fates
            })
        };
        Self {
            clients: (0..count).map(client).collect(),
            acknowledged,
            stop,
        }
    }

    /// Waits until so many more are acknowledged.
    #[track_caller]
    pub fn go_on(&self, messages: usize) {
        let before = self.acknowledged.load(Ordering::Relaxed);
        wait_until("messages to be acknowledged", || {
            self.acknowledged.load(Ordering::Relaxed) >= before + messages
        });
    }

    /// Whether all have sent what they had to.
    pub fn are_over(&self) -> bool {
        self.clients.iter().all(JoinHandle::is_finished)
    }

    pub fn stop(self) -> Fates {
        self.stop.store(true, Ordering::Relaxed);
        self.finish()
    }

    /// What became of every message.
    pub fn finish(self) -> Fates {
        let fates = self.clients.into_iter().map(JoinHandle::join);
        fates.flat_map(Result::unwrap).collect()
    }
}

/// Sends a message in a session of its own.
fn deliver(address: &str, number: usize) -> io::Result<Fate> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let mut ask = |said: &str| {
        stream.get_mut().write_all(said.as_bytes())?;
        let mut line = String::new();
        stream.read_line(&mut line)?;
        if !line.ends_with('\n') {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        assert!(!line.starts_with('5'), "refused for good: {line}");
        io::Result::Ok(line.starts_with(['2', '3']))
    };
    let mail = format!("MAIL FROM:<{ADA}>\r\n");
    let rcpts = recipients(number).iter();
    let rcpts = rcpts.map(|to| format!("RCPT TO:<{to}>\r\n"));
    let data = format!("{}.\r\n", text(number));
    let start = [String::new(), "HELO client\r\n".into(), mail].into_iter();
    for line in start.chain(rcpts).chain(["DATA\r\n".into(), data]) {
        if !ask(&line)? {
            return Ok(Fate::Refused);
        }
    }
    Ok(Fate::Acknowledged)
}
