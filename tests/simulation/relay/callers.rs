//! Clients that bring mail: each sends one message, command by command, and goes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use mailoop::net::transport::Transport;
use mailoop::store::spool::MailId;

use super::books::Books;
use super::mails::OURS;
use crate::journal::Journal;
use crate::network::{Network, Signal, Weather};
use crate::prng::Prng;

pub struct Caller {
    pub net: Network,
    /// The key by which the server knows it.
    pub key: usize,
    pub is_dropped: bool,
    script: VecDeque<Vec<u8>>,
    heard: Vec<u8>,
    books: Rc<RefCell<Books>>,
    journal: Rc<Journal>,
}

impl Caller {
    pub fn new(
        mut rng: Prng,
        weather: Weather,
        domains: usize,
        books: Rc<RefCell<Books>>,
        journal: Rc<Journal>,
    ) -> Self {
        let mut script = VecDeque::from(["EHLO c\r\n".to_owned()]);
        script.push_back(format!("MAIL FROM:<user{}@{OURS}>\r\n", rng.below(3)));
        for at in 0..rng.between(1, 4) {
            let domain = match rng.one_in(5) {
                true => OURS.to_owned(),
                false => format!("s{}.net", rng.below(domains)),
            };
            script.push_back(format!("RCPT TO:<to{at}@{domain}>\r\n"));
        }
        script.push_back("DATA\r\n".to_owned());
        let lines = "..dots and text\r\n".repeat(rng.size(40));
        script.push_back(format!("Subject: called\r\n\r\n{lines}.\r\n"));
        script.push_back("QUIT\r\n".to_owned());
        Self {
            net: Network::new(rng, weather, true),
            key: 0,
            is_dropped: false,
            script: script.into_iter().map(String::into_bytes).collect(),
            heard: Vec::new(),
            books,
            journal,
        }
    }

    /// Does what it can; whether it did anything.
    pub fn act(&mut self, all: bool) -> bool {
        let octets = self.net.receive(usize::MAX);
        self.heard.extend_from_slice(&octets);
        while let Some(end) = memchr::memchr(b'\n', &self.heard) {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            if line.get(3) != Some(&b'-') {
                self.hear(&String::from_utf8_lossy(&line));
            }
        }
        self.net.travel(all) || !octets.is_empty()
    }

    fn hear(&mut self, reply: &str) {
        self.journal.trace(|| format!("a caller hears {reply:?}"));
        if let Some(id) = reply.trim_end().strip_prefix("250 2.0.0 Ok: queued as ") {
            let mail = MailId::from_queue_id(id);
            let mut books = self.books.borrow_mut();
            books.counts.add("brought", 1);
            if mail.is_none_or(|mail| !books.knows(mail)) {
                self.journal
                    .violation(|| format!("{reply:?}, and it is not kept"));
            }
        }
        if !reply.starts_with(['2', '3']) {
            self.script.clear();
        }
        match self.script.pop_front() {
            Some(octets) => self.net.flight.extend_from_slice(&octets),
            None if self.net.end == Signal::None => self.net.end = Signal::Sent,
            None => {}
        }
    }
}

/// The server's end.
pub struct CallerEnd(pub Rc<RefCell<Caller>>);

impl Transport for CallerEnd {
    fn short_read_drains(&self) -> bool {
        false
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut caller = self.0.borrow_mut();
        caller.journal.count_call();
        caller.net.read(buffer, false)
    }

    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut caller = self.0.borrow_mut();
        caller.journal.count_call();
        caller.net.write(octets)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for CallerEnd {
    fn drop(&mut self) {
        // While a panic unwinds it may be in use.
        if let Ok(mut caller) = self.0.try_borrow_mut() {
            caller.is_dropped = true;
        }
    }
}
