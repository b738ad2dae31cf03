//! The server at the other end: it knows SMTP or LMTP, looks at all that it is told, and answers as its host wants.

mod moods;
mod texts;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mailoop::store::spool::MailId;

use texts::unstuffed;

use super::books::{Books, Received};
use super::hosts::Host;
use crate::journal::Journal;
use crate::prng::Prng;

/// What a peer is about to say.
#[derive(Debug, Default)]
pub struct Said {
    pub octets: Vec<u8>,
    /// The takes that it tells of.
    pub takes: Vec<u64>,
    pub closes: bool,
    pub resets: bool,
    /// Not before then.
    due: Option<Instant>,
}

/// What comes next from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Command,
    Text,
    /// So many octets are left of a chunk.
    Chunk(usize),
}

/// What a reply is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Session,
    Recipient,
    Message,
}

pub struct Peer {
    rng: Prng,
    host: Host,
    books: Rc<RefCell<Books>>,
    journal: Rc<Journal>,
    unread: Vec<u8>,
    /// So many of these hold no end of a text.
    searched: usize,
    /// Octets that were taken in.
    taken: u64,
    mode: Mode,
    is_greeted: bool,
    from: Option<String>,
    /// Those who were accepted.
    to: Vec<String>,
    text: Vec<u8>,
    said: VecDeque<Said>,
    /// It says nothing more, and listens no more.
    is_dead: bool,
}

type EventOf<'a> = &'a dyn Fn(u64) -> u64;
type PendingAt<'a> = &'a dyn Fn(u64) -> bool;

impl Peer {
    pub fn new(mut rng: Prng, host: Host, books: Rc<RefCell<Books>>, journal: Rc<Journal>) -> Self {
        let greeting = match rng.one_in(if host.manner.moody == 0 { 0 } else { 60 }) {
            true => "220 mail.example.org we are you".to_owned(),
            false => format!("220-{} greets\r\n220 you", host.name()),
        };
        let mut peer = Self {
            rng,
            host,
            books,
            journal,
            unread: Vec::new(),
            searched: 0,
            taken: 0,
            mode: Mode::Command,
            is_greeted: false,
            from: None,
            to: Vec::new(),
            text: Vec::new(),
            said: VecDeque::new(),
            is_dead: false,
        };
        peer.reply(&greeting, About::Session);
        peer
    }

    fn wrong(&self, what: impl FnOnce() -> String) {
        let name = self.host.name();
        self.journal.violation(|| format!("{name}: {}", what()));
    }

    /// Whether it waits for a command, and has answered all others.
    pub fn is_idle(&self) -> bool {
        self.is_greeted
            && !self.is_dead
            && self.said.is_empty()
            && self.from.is_none()
            && self.mode == Mode::Command
            && self.unread.is_empty()
    }

    /// Whether it has gone, and has said all it had to say.
    pub fn is_over(&self) -> bool {
        self.is_dead && self.said.is_empty()
    }

    /// When it will say something.
    pub fn due(&self) -> Option<Instant> {
        self.said.front().and_then(|said| said.due)
    }

    /// The client has gone; whether that is news.
    pub fn leave(&mut self) -> bool {
        !std::mem::replace(&mut self.is_dead, true)
    }

    /// The next that is to be said, if it is time.
    pub fn next_said(&mut self, now: Instant, all: bool) -> Option<Said> {
        let said = self.said.front_mut()?;
        if said.due.is_some_and(|due| due > now) {
            return None;
        }
        if !all && said.octets.len() > self.host.manner.piece {
            let octets = said.octets.drain(..self.host.manner.piece).collect();
            return Some(Said {
                octets,
                ..Said::default()
            });
        }
        self.said.pop_front()
    }

    /// Takes in what the client has written. `event_of` is the event at which an octet was written.
    pub fn hear(&mut self, octets: &[u8], event_of: EventOf<'_>, pending_at: PendingAt<'_>) {
        if self.is_dead {
            return;
        }
        self.unread.extend_from_slice(octets);
        while !self.is_dead && self.step(event_of, pending_at) {}
    }

    /// Takes in one line, or the next of a text; whether there was any.
    fn step(&mut self, event_of: EventOf<'_>, pending_at: PendingAt<'_>) -> bool {
        match self.mode {
            Mode::Command => {
                let Some(end) = memchr::memmem::find(&self.unread, b"\r\n") else {
                    return false;
                };
                let line = String::from_utf8_lossy(&self.unread[..end]).into_owned();
                self.consume(end + 2);
                self.command(&line);
                if self.mode == Mode::Chunk(0) {
                    self.end_of_text(event_of, pending_at);
                }
            }
            Mode::Text => {
                let Some(end) = self.end_of_data() else {
                    return false;
                };
                self.text = unstuffed(&self.unread[..end]);
                self.consume(end + 3);
                self.end_of_text(event_of, pending_at);
            }
            Mode::Chunk(size) => {
                if self.unread.len() < size {
                    return false;
                }
                self.text = self.unread[..size].to_vec();
                if !self.text.ends_with(b"\r\n") {
                    self.text.extend_from_slice(b"\r\n");
                }
                self.consume(size);
                self.end_of_text(event_of, pending_at);
            }
        }
        true
    }

    fn consume(&mut self, count: usize) {
        self.unread.drain(..count);
        self.taken += count as u64;
    }

    fn command(&mut self, line: &str) {
        self.journal
            .trace(|| format!("{} hears {line:?}", self.host.name()));
        let verb = line.split(' ').next().unwrap_or_default();
        let is_pipelined = !self.said.is_empty() || !self.unread.is_empty();
        if is_pipelined && !self.host.offers.pipelining && verb != "QUIT" && verb != "BDAT" {
            self.wrong(|| format!("{line:?} comes in a pipeline that is not offered"));
        }
        match verb {
            "EHLO" | "LHLO" if (verb == "LHLO") == self.host.is_lmtp => self.hello(),
            "HELO" => {
                self.host.offers = super::hosts::Offers::default();
                self.is_greeted = true;
                self.reply("250 hello", About::Session);
            }
            "MAIL" => self.sender(line),
            "RCPT" => self.recipient(line),
            "DATA" if self.to.is_empty() && !self.rng.one_in(3) => {
                self.end_transaction();
                self.reply("554 5.5.1 Nobody", About::Message);
            }
            "DATA" => {
                if self.reply("354 go on", About::Message) == Some(354) {
                    self.mode = Mode::Text;
                } else {
                    self.end_transaction();
                }
            }
            "BDAT" => {
                let mut words = line.split(' ').skip(1);
                let size = words.next().and_then(|size| size.parse().ok());
                if !self.host.offers.binary_mime || words.next() != Some("LAST") {
                    self.wrong(|| format!("{line:?} is not as offered"));
                }
                self.mode = Mode::Chunk(size.unwrap_or(0));
            }
            "RSET" => {
                self.end_transaction();
                self.reply("250 2.0.0 Ok", About::Session);
            }
            "QUIT" => {
                self.reply("221 2.0.0 Bye", About::Session);
                self.die(false);
            }
            _ => {
                self.wrong(|| format!("it hears {line:?}"));
                self.reply("500 5.5.1 What?", About::Session);
            }
        }
    }

    fn hello(&mut self) {
        self.is_greeted = true;
        if self.host.manner.moody > 0 && self.rng.one_in(40) {
            self.is_greeted = false;
            self.reply("502 5.5.1 No such command", About::Session);
            return;
        }
        let mut text = format!("250-{} hello", self.host.name());
        let lines = self.host.offers.lines();
        for (at, line) in lines.iter().enumerate() {
            let separator = if at + 1 < lines.len() { '-' } else { ' ' };
            text += &format!("\r\n250{separator}{line}");
        }
        self.reply(&text, About::Session);
    }

    fn sender(&mut self, line: &str) {
        if self.from.is_some() {
            self.wrong(|| format!("{line:?} within a transaction"));
        }
        let mut words = line.split(' ').skip(1);
        let from = words.next().and_then(|word| word.strip_prefix("FROM:"));
        let offers = self.host.offers;
        for word in words {
            let is_offered = match word.split('=').next().unwrap_or_default() {
                "SIZE" => offers.has_size,
                "BODY" if word.ends_with("BINARYMIME") => offers.binary_mime,
                "BODY" => offers.eight_bit_mime,
                "SMTPUTF8" => offers.smtputf8,
                "RET" | "ENVID" => offers.dsn,
                _ => false,
            };
            if !is_offered {
                self.wrong(|| format!("{word} of {line:?} is not offered"));
            }
        }
        let from = from.unwrap_or_default().to_owned();
        self.end_transaction();
        if self
            .reply("250 2.1.0 Ok", About::Session)
            .is_some_and(|code| code < 300)
        {
            self.from = Some(from);
        }
    }

    fn recipient(&mut self, line: &str) {
        let mut words = line.split(' ').skip(1);
        let to = words.next().and_then(|word| word.strip_prefix("TO:<"));
        let to = to.and_then(|to| to.strip_suffix('>')).unwrap_or_default();
        if words.next().is_some() && !self.host.offers.dsn {
            self.wrong(|| format!("a parameter of {line:?} is not offered"));
        }
        if self.from.is_none() {
            self.reply("503 5.5.1 Whose?", About::Recipient);
            return;
        }
        let code = self.reply("250 2.1.5 Ok", About::Recipient);
        if code.is_some_and(|code| code < 300) {
            self.to.push(to.to_owned());
        }
    }

    fn end_transaction(&mut self) {
        self.from = None;
        self.to.clear();
        self.text.clear();
        self.mode = Mode::Command;
    }

    /// The end of a message: it is taken or not, for each recipient or for all, and the reply comes in time or not.
    fn end_of_text(&mut self, event_of: EventOf<'_>, pending_at: PendingAt<'_>) {
        let to = std::mem::take(&mut self.to);
        let from = self.from.take().unwrap_or_default();
        let text = std::mem::take(&mut self.text);
        let written = event_of(self.taken);
        self.end_transaction();
        if to.is_empty() {
            self.reply("554 5.5.1 Nobody", About::Message);
            return;
        }
        let name = self.host.name();
        let found = self.books.borrow_mut().received(&Received {
            from: &from,
            to: &to,
            text: &text,
            written,
            was_pending_at: pending_at,
            peer: &name,
        });
        let Some((mail, indices)) = found else {
            return self.die(true);
        };
        self.journal
            .trace(|| format!("{name} has {mail} for {indices:?}"));
        let slow = self.host.manner.slow;
        let loses = self.rng.one_in(slow * 2);
        if self.rng.one_in(slow) {
            let seconds = self.rng.pick(&[1, 30, 400, 599, 601, 2000]);
            self.said.push_back(Said {
                due: Some(self.journal.now() + Duration::from_secs(seconds)),
                ..Said::default()
            });
        }
        let each: Vec<Vec<u16>> = match self.host.is_lmtp {
            true => indices.iter().map(|index| vec![*index]).collect(),
            false => vec![indices],
        };
        for indices in each {
            self.store(mail, &indices, loses);
        }
        if loses {
            self.books.borrow_mut().counts.add("replies lost", 1);
            let resets = self.rng.one_in(2);
            self.die(resets);
        }
    }

    /// Answers to the end of a message, for these recipients.
    fn store(&mut self, mail: MailId, indices: &[u16], loses: bool) {
        if self.is_dead {
            return;
        }
        let code = match loses {
            true => Some(250),
            false => self.reply("250 2.0.0 Ok: taken", About::Message),
        };
        if code.is_some_and(|code| code < 300) {
            let mut books = self.books.borrow_mut();
            let takes: Vec<u64> = indices
                .iter()
                .map(|index| books.takes(mail, *index))
                .collect();
            if let Some(said) = self.said.back_mut().filter(|_| !loses) {
                said.takes.extend(takes);
            }
        }
    }
}
