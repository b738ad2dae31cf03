//! Clients that send message after message, and know what became of each.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::common::wait_until;
use crate::message::{recipients, text};

/// A server that is alive answers sooner.
const REPLY_TIMEOUT: Duration = Duration::from_secs(60);
/// A client that lost its server, or found none, rests so long.
const REST: Duration = Duration::from_millis(5);

/// What a client knows of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// There was a 250.
    Acknowledged,
    /// There was a 4yz before its text was sent.
    Refused,
    /// There was a 4yz at its end. It may be there all the same: who should have stored it was killed before it told.
    Failed,
    /// It was sent, or was about to be, and no answer came.
    Unanswered,
    /// The connection ended before.
    Cut,
    /// The client itself ended the connection before.
    GivenUp,
}

pub type Fates = HashMap<u64, Fate>;

/// A connection that keeps to the rules.
pub struct Session {
    stream: BufReader<TcpStream>,
}

impl Session {
    pub fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
        stream.set_nodelay(true)?;
        let mut session = Self {
            stream: BufReader::new(stream),
        };
        session.reply("220")?;
        session.say("HELO client\r\n", "250")?;
        Ok(session)
    }

    /// Sends the message of this number. An error is that of the connection, and the end of it.
    pub fn deliver(&mut self, number: u64) -> (Fate, io::Result<()>) {
        match self.begin(number) {
            Ok(true) => self.finish(number),
            Ok(false) => (Fate::Refused, Ok(())),
            Err(error) => (Fate::Cut, Err(error)),
        }
    }

    /// Goes as far as 354, unless the message is refused.
    pub fn begin(&mut self, number: u64) -> io::Result<bool> {
        let recipients = recipients(number).into_iter();
        let recipients = recipients.map(|recipient| format!("RCPT TO:<{recipient}>\r\n"));
        let mail = "MAIL FROM:<a@example.com>\r\n".to_owned();
        for line in std::iter::once(mail).chain(recipients) {
            if !self.say(&line, "250")? {
                return self.say("RSET\r\n", "250").map(|_| false);
            }
        }
        if !self.say("DATA\r\n", "354")? {
            return self.say("RSET\r\n", "250").map(|_| false);
        }
        Ok(true)
    }

    /// Sends text behind 354, more than the server holds back.
    pub fn say_text(&mut self) -> io::Result<()> {
        let text = "a line of a message that is never complete\r\n".repeat(1000);
        self.stream.get_mut().write_all(text.as_bytes())
    }

    /// Sends all behind 354.
    pub fn finish(&mut self, number: u64) -> (Fate, io::Result<()>) {
        let text = text(number).replace('\n', "\r\n") + ".\r\n";
        match self.say(&text, "250") {
            Ok(true) => (Fate::Acknowledged, Ok(())),
            Ok(false) => (Fate::Failed, Ok(())),
            Err(error) => (Fate::Unanswered, Err(error)),
        }
    }

    fn say(&mut self, words: &str, code: &str) -> io::Result<bool> {
        self.stream.get_mut().write_all(words.as_bytes())?;
        self.reply(code)
    }

    /// Whether the reply has this code; otherwise it is one of 452 and 451.
    fn reply(&mut self, code: &str) -> io::Result<bool> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        if !line.ends_with('\n') {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        let refused = line.starts_with("451 ") || line.starts_with("452 ");
        assert!(line.starts_with(code) || refused, "{code}: {line}");
        Ok(!refused)
    }
}

/// Gives every message a number of its own.
#[derive(Clone, Default)]
pub struct Numbers(Arc<AtomicU64>);

impl Numbers {
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// Sends messages in one session, as long as that lasts and `goes_on` says so of the last fate.
fn talk(
    address: &str,
    numbers: &Numbers,
    fates: &mut Fates,
    mut goes_on: impl FnMut(Fate) -> bool,
) -> io::Result<()> {
    let mut session = Session::connect(address)?;
    loop {
        let number = numbers.next();
        let (fate, connection) = session.deliver(number);
        fates.insert(number, fate);
        connection?;
        if !goes_on(fate) {
            return Ok(());
        }
    }
}

/// Clients at work.
pub struct Load {
    acknowledged: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Fates>>,
}

impl Load {
    /// Starts so many clients, each of which sends until the load is stopped. One that loses its connection takes
    /// another.
    pub fn start(address: &str, clients: usize, numbers: &Numbers) -> Self {
        let (acknowledged, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let client = |_| {
            let (address, numbers) = (address.to_owned(), numbers.clone());
            let (acknowledged, stop) = (acknowledged.clone(), stop.clone());
            thread::spawn(move || {
                let mut fates = Fates::new();
                while !stop.load(Ordering::Relaxed) {
                    let ended = talk(&address, &numbers, &mut fates, |fate| {
                        let more = usize::from(fate == Fate::Acknowledged);
                        acknowledged.fetch_add(more, Ordering::Relaxed);
                        !stop.load(Ordering::Relaxed)
                    });
                    if ended.is_err() {
                        thread::sleep(REST);
                    }
                }
                fates
            })
        };
        Self {
            clients: (0..clients).map(client).collect(),
            acknowledged,
            stop,
        }
    }

    /// Waits until so many more messages are acknowledged.
    pub fn go_on(&self, messages: usize) {
        let before = self.acknowledged.load(Ordering::Relaxed);
        wait_until("messages to be acknowledged", || {
            self.acknowledged.load(Ordering::Relaxed) >= before + messages
        });
    }

    /// What became of every message.
    pub fn stop(self) -> Fates {
        self.stop.store(true, Ordering::Relaxed);
        let fates = self.clients.into_iter().map(JoinHandle::join);
        fates.flat_map(Result::unwrap).collect()
    }
}

/// Sends so many messages in each of so many sessions, which all go on at the same time, and one more that ends before
/// its message does. A session whose connection ends sends no more.
pub fn send(address: &str, sessions: usize, messages: usize, numbers: &Numbers) -> Fates {
    let client = |_| {
        let (address, numbers) = (address.to_owned(), numbers.clone());
        thread::spawn(move || {
            let (mut fates, mut left) = (Fates::new(), messages);
            // Its end is in the last fate.
            let _ = talk(&address, &numbers, &mut fates, |_| {
                left -= 1;
                left > 0
            });
            fates
        })
    };
    let clients: Vec<_> = (0..sessions).map(client).collect();
    let number = numbers.next();
    // Whatever comes of it, it is not to be there.
    let _ = Session::connect(address).and_then(|mut session| session.begin(number));
    let mut fates = Fates::from([(number, Fate::GivenUp)]);
    for client in clients {
        fates.extend(client.join().unwrap());
    }
    fates
}
