//! A client that goes by its script, and compares what it hears with what it expects.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use bytes::BytesMut;

use super::dialogue::{Expected, Script, Step};
use super::digest::Digest;
use super::journal::Journal;
use super::tls::Opening;
use super::wire::Wire;

pub struct Client {
    pub number: usize,
    pub name: &'static str,
    pub address: SocketAddr,
    pub script: Script,
    pub wire: Rc<RefCell<Wire>>,
    /// At which step it connects.
    pub arrives: usize,
    /// Its place in the slab, once it was accepted.
    pub key: Option<usize>,
    journal: Rc<Journal>,
    received: BytesMut,
    /// Digest of all octets received.
    pub heard: Digest,
    /// How many replies it has had.
    pub replies: usize,
    /// It closed its side.
    closed: bool,
    /// What it was told at the end, if that was not in the script.
    dismissed: bool,
    /// It has seen the server's end, or a reset.
    over: bool,
}

/// Until when the server may not end a transaction, once it drains.
pub type DrainUntil = Option<Instant>;

impl Client {
    pub fn new(
        number: usize,
        name: &'static str,
        address: SocketAddr,
        script: Script,
        wire: Wire,
        journal: Rc<Journal>,
        arrives: usize,
    ) -> Self {
        Self {
            number,
            name,
            address,
            script,
            wire: Rc::new(RefCell::new(wire)),
            arrives,
            key: None,
            journal,
            received: BytesMut::new(),
            heard: Digest::default(),
            replies: 0,
            closed: false,
            dismissed: false,
            over: false,
        }
    }

    fn wrong(&self, what: impl FnOnce() -> String) {
        self.journal
            .violation(|| format!("client {} ({}): {}", self.number, self.name, what()));
    }

    /// Does what is next in its script, `eager`ly all that can be done now; whether anything was done.
    pub fn act(&mut self, eager: bool, drain: DrainUntil) -> bool {
        let reads = self.replies < self.script.reads || self.wire.borrow().is_handshaking();
        let mut moved = self.begin() | (reads && !self.over && self.listen(eager, drain));
        while !self.over {
            match self.script.steps.front_mut() {
                Some(Step::Send(bytes)) if !bytes.is_empty() => {
                    let most = if eager {
                        bytes.len()
                    } else {
                        self.script.pace.min(bytes.len())
                    };
                    self.wire.borrow_mut().send(&bytes.split_to(most));
                    if !eager {
                        return true;
                    }
                }
                Some(Step::Await(replies)) if self.replies < *replies => break,
                // All that it wants to say comes before.
                Some(Step::Close) if self.wire.borrow().is_handshaking() => break,
                Some(Step::AwaitClose) | None => break,
                Some(step) => {
                    match step {
                        Step::BeginTls => self.wire.borrow_mut().begin_tls(true),
                        Step::Close => self.wire.borrow_mut().close(),
                        Step::Abandon => self.wire.borrow_mut().abandon(),
                        Step::Reset => self.wire.borrow_mut().reset(),
                        Step::Send(_) | Step::Await(_) | Step::AwaitClose => {}
                    }
                    self.closed |= matches!(step, Step::Close | Step::Abandon | Step::Reset);
                    let gone = matches!(step, Step::Abandon | Step::Reset);
                    self.over |= gone;
                    self.script.steps.pop_front();
                }
            }
            moved = true;
        }
        moved
    }

    /// Begins with TLS, or what it has in place of that, if it is to and has not; whether it did.
    fn begin(&mut self) -> bool {
        let opening = std::mem::replace(&mut self.script.opening, Opening::InTheClear);
        let mut wire = self.wire.borrow_mut();
        match opening {
            Opening::InTheClear | Opening::ByStartTls => return false,
            Opening::FromTheStart => wire.begin_tls(true),
            Opening::Unfinished => wire.begin_tls(false),
            Opening::Garbage => wire.garbage = true,
        }
        true
    }

    fn listen(&mut self, eager: bool, drain: DrainUntil) -> bool {
        let most = if eager { usize::MAX } else { self.script.pace };
        let bytes = self.wire.borrow_mut().receive(most);
        self.received.extend_from_slice(&bytes);
        self.heard.add(&bytes);
        while let Some(reply) = self.next_reply() {
            self.hear(&reply, drain);
        }
        if self.wire.borrow().is_reset() {
            self.end(false);
        } else if self.wire.borrow().is_over() {
            self.end(true);
        }
        !bytes.is_empty() || self.over
    }

    /// Takes one whole reply off what was received.
    fn next_reply(&mut self) -> Option<String> {
        let mut length = 0;
        for line in self.received.split_inclusive(|byte| *byte == b'\n') {
            length += line.len();
            if !line.ends_with(b"\r\n") {
                return None;
            }
            if line.get(3) != Some(&b'-') {
                let reply = self.received.split_to(length);
                return Some(String::from_utf8_lossy(&reply).into_owned());
            }
        }
        None
    }

    fn hear(&mut self, reply: &str, drain: DrainUntil) {
        let expected = self.script.replies.get(self.replies);
        self.replies += 1;
        let as_expected = expected.is_some_and(|expected| is_expected(expected, reply));
        let before = self.script.replies.get(self.replies.wrapping_sub(2));
        let in_transaction = before.is_some_and(|before| before.in_transaction);
        if as_expected {
            return;
        }
        // That a timeout came in time was seen below.
        let timeout = reply.starts_with("421") && reply.contains("timeout");
        let drained = reply.starts_with("421") && reply.contains("shutting down");
        let in_time = drain.is_some_and(|until| !in_transaction || until <= self.journal.now());
        if drained && self.script.exact && !in_time {
            self.wrong(|| "was cut short by a drain".to_owned());
        }
        self.dismissed |= timeout || drained;
        if self.script.exact && !timeout && !drained {
            let expected = expected.map(|expected| expected.text.clone());
            self.wrong(|| format!("heard {reply:?} instead of {expected:?}"));
        }
    }

    /// The connection is at its end: in good order, or by a reset.
    fn end(&mut self, in_order: bool) {
        self.over = true;
        let lost = {
            let wire = self.wire.borrow();
            // Whoever is too slow to read loses what it has not read.
            wire.witness.gave_up || (!in_order && wire.witness.has_lingered())
        };
        let unheard = self.awaits_reply() && !self.dismissed && !lost;
        if self.script.exact && unheard && self.key.is_some() {
            self.wrong(|| {
                format!(
                    "lost its connection while it waits for {:?}",
                    self.next_expected()
                )
            });
        }
        if in_order && !self.received.is_empty() && !lost {
            let rest = String::from_utf8_lossy(&self.received);
            self.wrong(|| format!("a reply was cut: {rest:?}"));
        }
        self.script.steps.clear();
        if self.script.closes {
            self.wire.borrow_mut().close();
        }
    }

    fn awaits_reply(&self) -> bool {
        let awaited = self.script.steps.iter().filter_map(|step| match step {
            Step::Await(replies) => Some(*replies),
            _ => None,
        });
        awaited.max().is_some_and(|replies| self.replies < replies)
    }

    fn next_expected(&self) -> Option<&Expected> {
        self.script.replies.get(self.replies)
    }

    /// When everything is at rest: what it still waits for although the server has all it needs.
    pub fn check_at_rest(&self) {
        let wire = self.wire.borrow();
        if !wire.witness.is_live() {
            return;
        }
        if wire.witness.is_waiting() {
            self.wrong(|| "its message is not settled though the store is done".to_owned());
        }
        if let Some(what) = wire.left_behind() {
            self.wrong(|| format!("the server has left {what} behind"));
        }
        if self.script.exact && self.replies < self.script.reads && !self.over && !self.dismissed {
            match self.script.steps.front() {
                Some(Step::Await(_)) => {
                    self.wrong(|| format!("waits in vain for {:?}", self.next_expected()));
                }
                Some(Step::AwaitClose) => self.wrong(|| "waits in vain for the end".to_owned()),
                _ => {}
            }
        }
    }
}

fn is_expected(expected: &Expected, reply: &str) -> bool {
    if expected.queued {
        // Whose id that is was seen below.
        reply.starts_with(&expected.text)
    } else {
        reply == expected.text
    }
}
