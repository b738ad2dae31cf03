//! A client that brings mail to a server with filters: in bursts, with DATA or BDAT, and some of them vanish.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;

use mailoop::milter::fields::take_field;

use super::profile::Profile;
use super::wire::Wire;
use crate::journal::Journal;
use crate::prng::Prng;

/// What a client has sent, each of which gets one reply.
#[derive(Clone, Debug)]
pub enum Sent {
    Connect,
    Hello,
    Mail(String),
    Recipient(String),
    Data,
    /// The text of a message after DATA, as it is to be stored.
    Text(Vec<u8>),
    /// A chunk of a message; whether it is the last, with which the whole text comes.
    Chunk(Option<Vec<u8>>),
    Reset,
    Noop,
    Quit,
}

pub struct Client {
    pub address: SocketAddr,
    pub wire: Rc<RefCell<Wire>>,
    rng: Prng,
    journal: Rc<Journal>,
    bursts: VecDeque<Vec<(Sent, Vec<u8>)>>,
    pub sent: Vec<Sent>,
    pub replies: Vec<String>,
    line: Vec<u8>,
    /// The reply that is not at its last line.
    reply: String,
    vanishes: usize,
    /// Whether it may be told to go at any time.
    may_be_ended: bool,
    /// Whether it has gone before its time.
    pub is_gone: bool,
    pub was_accepted: bool,
}

impl Client {
    pub fn new(
        address: SocketAddr,
        mut rng: Prng,
        wire: Wire,
        profile: &Profile,
        journal: Rc<Journal>,
    ) -> Self {
        let bursts = invent(&mut rng);
        Self {
            address,
            wire: Rc::new(RefCell::new(wire)),
            rng,
            journal,
            bursts,
            sent: vec![Sent::Connect],
            replies: Vec::new(),
            line: Vec::new(),
            reply: String::new(),
            vanishes: profile.vanishes,
            may_be_ended: profile.drain_at.is_some(),
            is_gone: false,
            was_accepted: false,
        }
    }

    /// Does what it can; whether it did anything.
    pub fn act(&mut self, all: bool) -> bool {
        if self.is_gone || !self.was_accepted {
            return false;
        }
        let most = if all { usize::MAX } else { self.rng.size(2000) };
        let octets = self.wire.borrow_mut().net.receive(most);
        for octet in &octets {
            self.line.push(*octet);
            if *octet == b'\n' {
                let line = std::mem::take(&mut self.line);
                self.hear(&String::from_utf8_lossy(&line));
            }
        }
        !octets.is_empty()
    }

    fn hear(&mut self, line: &str) {
        let address = self.address.ip();
        self.journal.trace(|| format!("{address} hears {line:?}"));
        self.reply.push_str(line);
        if line.as_bytes().get(3) == Some(&b'-') {
            return;
        }
        let reply = std::mem::take(&mut self.reply);
        let code = reply.get(..3).unwrap_or_default().to_owned();
        self.replies.push(reply);
        if self.replies.len() > self.sent.len() && !(self.may_be_ended && code == "421") {
            let wrong = || format!("{address} hears more than it asked for: {line:?}");
            return self.journal.violation(wrong);
        }
        if self.rng.one_in(self.vanishes) {
            self.is_gone = true;
            let resets = self.rng.one_in(2);
            return self.wire.borrow_mut().end(resets);
        }
        if self.replies.len() == self.sent.len() {
            let last = self.sent.last();
            if matches!(last, Some(Sent::Connect)) && code != "220" {
                // It is not welcome, and says good-bye.
                self.bursts.drain(..self.bursts.len() - 1);
            }
            if matches!(last, Some(Sent::Data)) && code != "354" {
                // There is no place for the text.
                self.bursts.pop_front();
            }
            if code != "421" {
                self.send();
            }
        }
    }

    fn send(&mut self) {
        let Some(burst) = self.bursts.pop_front() else {
            return;
        };
        let mut wire = self.wire.borrow_mut();
        for (sent, octets) in burst {
            let address = self.address.ip();
            self.journal.trace(|| {
                let shown = &octets[..octets.len().min(60)];
                format!("{address} says {}", shown.escape_ascii())
            });
            self.sent.push(sent);
            wire.say(&octets);
        }
        if matches!(self.sent.last(), Some(Sent::Quit)) {
            wire.end(false);
        }
    }

    /// Whether it has heard all that it is to hear, or the server's last word.
    pub fn is_done(&self) -> bool {
        let was_ended = self.replies.iter().any(|reply| reply.starts_with("421"));
        self.is_gone
            || was_ended
            || (self.bursts.is_empty() && self.replies.len() == self.sent.len())
    }
}

/// Invents what a client says: the bursts, each of which waits for the replies to the one before.
fn invent(rng: &mut Prng) -> VecDeque<Vec<(Sent, Vec<u8>)>> {
    let mut steps = vec![vec![(Sent::Hello, b"EHLO client.example\r\n".to_vec())]];
    let pipelines = rng.one_in(2);
    for message in 0..rng.between(1, 4) {
        let mut burst = Vec::new();
        if message > 0 {
            burst.push((Sent::Reset, b"RSET\r\n".to_vec()));
        }
        let sender = format!("<s{}@client.example>", rng.below(3));
        burst.push((
            Sent::Mail(sender.clone()),
            format!("MAIL FROM:{sender}\r\n").into(),
        ));
        for at in 0..rng.between(1, 3) {
            let to = format!("r{at}@example.org");
            burst.push((
                Sent::Recipient(to.clone()),
                format!("RCPT TO:<{to}>\r\n").into(),
            ));
        }
        if rng.one_in(6) {
            burst.push((Sent::Noop, b"NOOP\r\n".to_vec()));
        }
        if rng.one_in(12) {
            steps.push(burst);
            continue;
        }
        let text = text(rng);
        if rng.one_in(3) {
            chunks(rng, &text, &mut burst);
            steps.push(burst);
            continue;
        }
        burst.push((Sent::Data, b"DATA\r\n".to_vec()));
        let octets = stuffed(&text);
        steps.push(burst);
        steps.push(vec![(Sent::Text(stored(&text)), octets)]);
    }
    steps.push(vec![(Sent::Quit, b"QUIT\r\n".to_vec())]);
    if pipelines {
        return steps.into();
    }
    // Each step by itself.
    steps.into_iter().flatten().map(|step| vec![step]).collect()
}

fn chunks(rng: &mut Prng, text: &[u8], burst: &mut Vec<(Sent, Vec<u8>)>) {
    let mut rest = text;
    while rng.one_in(2) && !rest.is_empty() {
        let (chunk, others) = rest.split_at(rng.below(rest.len()));
        let head = format!("BDAT {}\r\n", chunk.len());
        burst.push((Sent::Chunk(None), [head.as_bytes(), chunk].concat()));
        rest = others;
    }
    let head = format!("BDAT {} LAST\r\n", rest.len());
    let octets = [head.as_bytes(), rest].concat();
    burst.push((Sent::Chunk(Some(stored(text))), octets));
}

/// A text as it is to be stored: one that does not begin with a field has an empty line in front.
fn stored(text: &[u8]) -> Vec<u8> {
    let begins_well = text.starts_with(b"\r\n") || take_field(&mut &text[..]).is_some();
    let front = if begins_well { "" } else { "\r\n" };
    [front.as_bytes(), text].concat()
}

fn text(rng: &mut Prng) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..rng.below(6) {
        let field = rng.pick(&[
            "Subject: hello\r\n",
            "To: r0@example.org,\r\n\tr1@example.org\r\n",
            "X-Seen:none\r\n",
            "X-Empty:\r\n",
            "subject:  two spaces\r\n",
        ]);
        text.extend_from_slice(field.as_bytes());
    }
    if rng.one_in(20) {
        let long = format!("X-Long: {}\r\n", "x".repeat(rng.between(100, 900)));
        text.extend(long.repeat(rng.size(100)).into_bytes());
    }
    if !text.is_empty() && rng.one_in(20) {
        // It has nothing but a header.
        return text;
    }
    if !text.is_empty() || rng.one_in(2) {
        text.extend_from_slice(b"\r\n");
    }
    if rng.one_in(25) {
        // Its line ends lie everywhere, also where a piece of it ends.
        text.extend_from_slice("x".repeat(rng.below(3)).as_bytes());
        text.extend_from_slice(&b"\r\n".repeat(rng.between(30_000, 70_000)));
    }
    let most = rng.pick(&[3, 30, 300, 300, 5000]);
    for _ in 0..rng.below(most) {
        let line = rng.pick(&["", ".", "..", "a line", ".dot", "some more words in a line"]);
        text.extend_from_slice(line.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    if text.is_empty() {
        text.extend_from_slice(b"one line\r\n");
    }
    text
}

/// A text as it is sent after DATA.
fn stuffed(text: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            octets.push(b'.');
        }
        octets.extend_from_slice(line);
    }
    octets.extend_from_slice(b".\r\n");
    octets
}
