//! Hops that are scripted: they take what comes unless a rule says otherwise, and keep it.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::common::wait_until;

/// What every hop offers.
const HELLO: &str = "250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 100000000\r\n250 ENHANCEDSTATUSCODES";

/// What a hop does instead of what it usually would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It takes what was said.
    Usual,
    /// It says these lines.
    Say(&'static str),
    /// It says these lines and closes.
    SayAndClose(&'static str),
    /// It closes without a word.
    Close,
}

/// Decides what a hop does, by the number of the connection, counted from 0, and what was said there: a command, `""` at the
/// start, `"."` after a message.
type Rule = dyn Fn(usize, &str) -> Answer + Send + Sync;

/// A message that a hop took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    pub from: String,
    pub to: Vec<String>,
    /// With CRLF and without the dots of the transport.
    pub text: Vec<u8>,
}

/// What all connections of a hop share.
struct Shared {
    rule: Box<Rule>,
    is_lmtp: bool,
    taken: Mutex<Vec<Taken>>,
    heard: Mutex<Vec<String>>,
    connections: AtomicUsize,
    /// Messages whose final dot came in one piece with what followed it.
    followed: AtomicUsize,
    is_over: AtomicBool,
}

/// A hop, which ends with its test.
pub(crate) struct Sink {
    address: String,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

impl Sink {
    /// One that takes all.
    pub(crate) fn start() -> Self {
        Self::with(|_, _| Answer::Usual)
    }

    /// One that goes by a rule.
    pub(crate) fn with(rule: impl Fn(usize, &str) -> Answer + Send + Sync + 'static) -> Self {
        Self::listen("127.0.0.1:0", rule, false)
    }

    /// The same for LMTP.
    pub(crate) fn lmtp(rule: impl Fn(usize, &str) -> Answer + Send + Sync + 'static) -> Self {
        Self::listen("127.0.0.1:0", rule, true)
    }

    /// One at this address.
    pub(crate) fn listen(
        address: &str,
        rule: impl Fn(usize, &str) -> Answer + Send + Sync + 'static,
        is_lmtp: bool,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let shared = Arc::new(Shared {
            rule: Box::new(rule),
            is_lmtp,
            taken: Mutex::default(),
            heard: Mutex::default(),
            connections: AtomicUsize::new(0),
            followed: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        });
        Self {
            address: listener.local_addr().unwrap().to_string(),
            shared: Arc::clone(&shared),
            listening: Some(thread::spawn(move || accept(&listener, &shared))),
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// All that it took so far.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.shared.taken.lock().unwrap().clone()
    }

    /// How many messages it took so far.
    pub(crate) fn taken_count(&self) -> usize {
        self.shared.taken.lock().unwrap().len()
    }

    /// Every command that it heard, of all connections.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.shared.heard.lock().unwrap().clone()
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// How many messages came in one piece with the commands that followed them.
    pub(crate) fn followed(&self) -> usize {
        self.shared.followed.load(Ordering::Relaxed)
    }

    /// Waits until it has taken so many messages, and returns them.
    #[track_caller]
    pub(crate) fn await_taken(&self, count: usize) -> Vec<Taken> {
        wait_until(&format!("{count} messages at the hop"), || {
            self.taken_count() >= count
        });
        self.taken()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(&self.address);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.is_over.load(Ordering::Relaxed) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let shared = Arc::clone(shared);
        let number = shared.connections.fetch_add(1, Ordering::Relaxed);
        thread::spawn(move || {
            let mut hop = Hop {
                shared: &shared,
                number,
                stream: BufReader::new(stream),
                mail: Taken::default(),
            };
            // A server that is killed ends it in the middle.
            let _ = hop.serve();
            let _ = hop.stream.get_ref().shutdown(Shutdown::Both);
        });
    }
}

/// One connection of a hop.
struct Hop<'a> {
    shared: &'a Shared,
    number: usize,
    stream: BufReader<TcpStream>,
    mail: Taken,
}

impl Hop<'_> {
    fn serve(&mut self) -> io::Result<()> {
        self.stream.get_ref().set_nodelay(true)?;
        self.answer("", "220 sink.example ESMTP")?;
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_owned();
            self.shared.heard.lock().unwrap().push(line.clone());
            if !self.command(&line)? {
                return Ok(());
            }
        }
    }

    /// Whether the connection goes on.
    fn command(&mut self, line: &str) -> io::Result<bool> {
        let verb = &line[..line.len().min(4)];
        let usual = match verb {
            "EHLO" | "LHLO" => HELLO,
            "MAIL" => "250 2.1.0 Ok",
            "RCPT" => "250 2.1.5 Ok",
            "DATA" if self.mail.to.is_empty() => {
                return self.say("503 5.5.1 No recipients").map(|()| true);
            }
            "DATA" => "354 Go on",
            "QUIT" => "221 2.0.0 Bye",
            _ => "250 2.0.0 Ok",
        };
        if !self.answer(line, usual)? {
            return Ok(true);
        }
        let address = line.split(['<', '>']).nth(1).unwrap_or_default();
        match verb {
            "MAIL" => {
                self.mail = Taken {
                    from: address.to_owned(),
                    ..Taken::default()
                }
            }
            "RCPT" => self.mail.to.push(address.to_owned()),
            "DATA" => self.message()?,
            "RSET" => self.mail = Taken::default(),
            _ => {}
        }
        Ok(verb != "QUIT")
    }

    fn message(&mut self) -> io::Result<()> {
        loop {
            let mut line = Vec::new();
            if self.stream.read_until(b'\n', &mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line == b".\r\n" {
                break;
            }
            let dots = usize::from(line.first() == Some(&b'.'));
            self.mail.text.extend_from_slice(&line[dots..]);
        }
        let is_followed = !self.stream.buffer().is_empty();
        let followed = &self.shared.followed;
        followed.fetch_add(usize::from(is_followed), Ordering::Relaxed);
        if !self.shared.is_lmtp {
            if self.answer(".", "250 2.0.0 Ok")? {
                self.keep();
            }
            return Ok(());
        }
        let to = std::mem::take(&mut self.mail.to);
        for recipient in to {
            if self.answer(&format!(".{recipient}"), "250 2.0.0 Ok")? {
                self.mail.to.push(recipient);
            }
        }
        if !self.mail.to.is_empty() {
            self.keep();
        }
        Ok(())
    }

    fn keep(&mut self) {
        let mail = std::mem::take(&mut self.mail);
        self.shared.taken.lock().unwrap().push(mail);
    }

    /// Answers what was said, usually so. Returns whether it took it; an error ends the connection.
    fn answer(&mut self, said: &str, usual: &str) -> io::Result<bool> {
        match (self.shared.rule)(self.number, said) {
            Answer::Usual => self.say(usual).map(|()| true),
            Answer::Say(reply) => self.say(reply).map(|()| reply.starts_with(['2', '3'])),
            Answer::SayAndClose(reply) => {
                self.say(reply)?;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Answer::Close => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    /// Says it in one write: of a line that comes in two parts the second may come after the next command.
    fn say(&mut self, reply: &str) -> io::Result<()> {
        let reply = format!("{reply}\r\n");
        self.stream.get_mut().write_all(reply.as_bytes())
    }
}
