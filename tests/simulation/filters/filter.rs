//! A filter at its end of a connection: it hears packets, keeps a record of them, and acts as its seed wants.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::acts::{Act, Outcome, Temper, act, packet};
use super::profile::Profile;
use super::wire::{Dial, Wire};
use crate::journal::Journal;
use crate::prng::Prng;

/// Time that the server may take for what is on its way, beyond a deadline.
const SLACK: Duration = Duration::from_secs(2);

/// How often a filter dawdles: the progress of all filters with one message comes to an end after an hour.
const DAWDLES_MAX: usize = 8;

/// The bits of the protocol, from the sixth version on, that say which steps have no reply.
const NO_REPLIES: [(u8, u32); 8] = [
    (b'L', 1 << 7),
    (b'C', 1 << 12),
    (b'H', 1 << 13),
    (b'M', 1 << 14),
    (b'R', 1 << 15),
    (b'T', 1 << 16),
    (b'N', 1 << 18),
    (b'B', 1 << 19),
];
/// The bits of the protocol that say which steps are not wanted.
const UNWANTED: [(u8, u32); 8] = [
    (b'C', 1 << 0),
    (b'H', 1 << 1),
    (b'M', 1 << 2),
    (b'R', 1 << 3),
    (b'B', 1 << 4),
    (b'L', 1 << 5),
    (b'N', 1 << 6),
    (b'T', 1 << 9),
];
/// The bit that has values of fields keep the space after the colon.
const LEADING_SPACE: u32 = 1 << 20;

/// What was agreed on with a filter.
#[derive(Clone, Copy, Debug)]
pub struct Agreed {
    pub version: u32,
    pub actions: u32,
    pub protocol: u32,
}

impl Agreed {
    fn new(rng: &mut Prng) -> Self {
        let version = rng.pick(&[6, 6, 6, 5, 4, 3, 2]);
        let mut protocol = 0;
        for (letter, bit) in UNWANTED {
            let is_known = letter != b'T' || version >= 4;
            protocol |= if is_known && rng.one_in(8) { bit } else { 0 };
        }
        for (_, bit) in NO_REPLIES {
            protocol |= if version >= 6 && rng.one_in(6) {
                bit
            } else {
                0
            };
        }
        if version >= 6 && rng.one_in(3) {
            protocol |= LEADING_SPACE;
        }
        let actions = if rng.one_in(3) {
            rng.below(0x100)
        } else {
            0xff
        };
        Self {
            version,
            actions: actions as u32,
            protocol,
        }
    }

    /// Whether the filter is told of such steps.
    pub fn wants(self, letter: u8) -> bool {
        let bit = UNWANTED.iter().find(|(other, _)| *other == letter);
        let is_known = letter != b'T' || self.version >= 4;
        is_known && bit.is_none_or(|(_, bit)| self.protocol & bit == 0)
    }

    pub fn replies(self, letter: u8) -> bool {
        let bit = NO_REPLIES.iter().find(|(other, _)| *other == letter);
        bit.is_none_or(|(_, bit)| self.protocol & bit == 0)
    }

    /// Whether the filter replies to the first step.
    pub fn answers_first(self) -> bool {
        self.wants(b'C') && self.replies(b'C')
    }

    pub fn has_leading_space(self) -> bool {
        self.protocol & LEADING_SPACE != 0
    }
}

/// A step that a filter was told, and what it did.
#[derive(Clone, Debug)]
pub struct Told {
    pub letter: u8,
    pub data: Vec<u8>,
    pub act: Option<Act>,
}

/// What a filter was told of one client.
#[derive(Debug)]
pub struct Service {
    pub client: IpAddr,
    pub told: Vec<Told>,
    /// Whether the connection had served another client before.
    pub is_reused: bool,
    /// Whether the filter said more than it was asked before, so that nobody can tell what its replies belong to.
    pub is_doubtful: bool,
}

impl Service {
    /// Whether it said nothing at the first step that makes sense, or nothing of that step was heard.
    pub fn is_lost_at_first(&self) -> bool {
        let act = self
            .told
            .first()
            .map(|told| (told.letter, told.act.as_ref()));
        match act {
            Some((b'C', Some(act))) => matches!(act.outcome, Outcome::Fault),
            Some(_) => false,
            None => true,
        }
    }
}

/// A filter at its end of a connection.
pub struct SimFilter {
    pub number: usize,
    rng: Prng,
    journal: Rc<Journal>,
    profile: Rc<Profile>,
    temper: Temper,
    pub agreed: Agreed,
    /// Whether it is one that never comes to the first step.
    pub is_broken: bool,
    /// The clients that it works for, one after the other, each from when it is known.
    pub services: Vec<Service>,
    heard: Vec<u8>,
    says: VecDeque<(Instant, Vec<u8>)>,
    ends: Option<bool>,
    has_ended: bool,
    /// Whether it does not read any more, and after how many octets that begins.
    pub stalls: bool,
    reads: usize,
    /// Since when the server waits for its reply, and how long it may.
    awaited: Option<(Instant, Duration)>,
    pub faults: usize,
    dawdled: usize,
}

impl SimFilter {
    pub fn new(number: usize, mut rng: Prng, journal: Rc<Journal>, profile: Rc<Profile>) -> Self {
        let agreed = Agreed::new(&mut rng);
        Self {
            number,
            temper: profile.temper,
            is_broken: rng.one_in(profile.temper.misbehaves),
            awaited: Some((journal.now(), profile.connect)),
            // One that does not reply to the first step would not be missed there.
            reads: match agreed.answers_first() && rng.one_in(profile.temper.misbehaves) {
                true => rng.between(300, 3000),
                false => usize::MAX,
            },
            rng,
            journal,
            profile,
            agreed,
            services: Vec::new(),
            heard: Vec::new(),
            says: VecDeque::new(),
            ends: None,
            has_ended: false,
            stalls: false,
            faults: 0,
            dawdled: 0,
        }
    }

    /// Reads and speaks; whether it did anything.
    pub fn act(&mut self, wire: &mut Wire, all: bool) -> bool {
        if wire.dial != Dial::Up {
            return false;
        }
        let mut moved = false;
        if !self.stalls && !self.has_ended {
            let most = if all {
                usize::MAX
            } else {
                self.rng.size(100_000)
            };
            let octets = wire.net.receive(most.min(self.reads));
            self.reads -= octets.len();
            moved |= !octets.is_empty();
            self.heard.extend_from_slice(&octets);
            while let Some(length) = self.heard.first_chunk() {
                let end = u32::from_be_bytes(*length) as usize + 4;
                if self.heard.len() < end {
                    break;
                }
                let packet: Vec<u8> = self.heard.drain(..end).skip(4).collect();
                self.hear(packet[0], &packet[1..]);
            }
            // Not before anybody knows for whom it works.
            if self.reads == 0 && self.services.is_empty() {
                self.reads = 1000;
            }
            self.stalls = self.reads == 0;
        }
        let now = self.journal.now();
        while self.says.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, octets)) = self.says.pop_front() {
                wire.say(&octets);
                moved = true;
            }
        }
        if self.says.is_empty()
            && let Some(resets) = self.ends.take()
        {
            wire.end(resets);
            self.has_ended = true;
            moved = true;
        }
        moved
    }

    /// When it will say something.
    pub fn due(&self) -> Option<Instant> {
        self.says.front().map(|(due, _)| *due)
    }

    fn hear(&mut self, letter: u8, data: &[u8]) {
        let number = self.number;
        self.journal.trace(|| {
            let letter = char::from(letter);
            let data = &data[..data.len().min(60)];
            format!("filter {number} hears {letter} {}", data.escape_ascii())
        });
        match letter {
            b'O' => self.negotiate(data),
            b'D' => self.learn(data),
            b'A' => self.awaited = None,
            b'Q' => self.ends = Some(false),
            b'K' => {
                self.awaited = None;
                if self.agreed.answers_first() && self.rng.one_in(self.temper.misbehaves) {
                    self.ends = Some(self.rng.one_in(2));
                }
            }
            _ => self.step(letter, data),
        }
    }

    fn negotiate(&mut self, data: &[u8]) {
        if data.len() != 12 {
            self.journal
                .violation(|| "an offer has twelve octets".to_owned());
        }
        let agreed = self.agreed;
        let mut numbers = [agreed.version, agreed.actions, agreed.protocol];
        if self.is_broken {
            match self.rng.below(4) {
                0 => return,
                1 => {
                    self.ends = Some(self.rng.one_in(2));
                    return;
                }
                2 => numbers[0] = self.rng.pick(&[0, 1, 7]),
                _ => {
                    self.speak(&[(self.profile.connect * 3 / 2, packet(b'c', b""))]);
                    return;
                }
            }
        } else {
            self.awaited = None;
        }
        let answer = packet(b'O', &numbers.map(u32::to_be_bytes).concat());
        let delay = self.rng.one_in(self.temper.dawdles);
        let delay = if delay {
            self.profile.connect / 3
        } else {
            Duration::ZERO
        };
        self.speak(&[(delay, answer)]);
    }

    /// Learns for whom it works, from the macros of the first step.
    fn learn(&mut self, data: &[u8]) {
        if data.first() != Some(&b'C') {
            return;
        }
        let mut texts = data[1..].split(|octet| *octet == 0);
        let value = texts
            .find(|text| *text == b"{client_addr}")
            .and_then(|_| texts.next());
        let address = value.and_then(|it| std::str::from_utf8(it).ok()?.parse().ok());
        let Some(client) = address else {
            let wrong = || "a filter does not hear of its client".to_owned();
            return self.journal.violation(wrong);
        };
        let steps = self.services.iter().flat_map(|service| &service.told);
        let mut outcomes = steps.filter_map(|told| Some(&told.act.as_ref()?.outcome));
        self.services.push(Service {
            client,
            told: Vec::new(),
            is_reused: !self.services.is_empty(),
            is_doubtful: outcomes.any(|it| matches!(it, Outcome::Unasked)),
        });
    }

    fn step(&mut self, letter: u8, data: &[u8]) {
        if !self.agreed.wants(letter) || self.is_broken {
            let letter = char::from(letter);
            self.journal
                .violation(|| format!("{letter} is told to one that does not want it"));
        }
        let timeout = match letter {
            b'L' | b'N' | b'B' | b'E' => self.profile.content,
            _ => self.profile.command,
        };
        let replies = self.agreed.replies(letter);
        let mut temper = self.temper;
        if self.dawdled >= DAWDLES_MAX {
            temper.dawdles = 0;
        }
        let act = replies.then(|| act(&mut self.rng, temper, letter, self.agreed.actions, timeout));
        if let Some(act) = &act {
            self.journal
                .trace(|| format!("filter {} does {:?}", self.number, act.outcome));
            self.speak(&act.says);
            let dawdles = act.says.first().is_some_and(|(time, _)| !time.is_zero());
            self.dawdled += usize::from(dawdles);
            self.ends = act.ends;
            self.faults += usize::from(!matches!(act.outcome, Outcome::Verdict(_)));
            let is_fault = matches!(act.outcome, Outcome::Fault);
            self.awaited = is_fault.then_some((self.journal.now(), timeout));
        }
        let data = data.to_vec();
        let told = Told { letter, data, act };
        match self.services.last_mut() {
            Some(service) => service.told.push(told),
            None => self
                .journal
                .violation(|| "a step comes before its macros".to_owned()),
        }
    }

    fn speak(&mut self, says: &[(Duration, Vec<u8>)]) {
        let mut due = self.journal.now();
        for (delay, octets) in says {
            due += *delay;
            self.says.push_back((due, octets.clone()));
        }
    }

    /// The server does not wait beyond the deadline.
    pub fn check_deadline(&self, wire: &Wire) {
        let now = self.journal.now();
        if let Some((since, time)) = self.awaited
            && !wire.is_dropped
            && now > since + time + SLACK
        {
            let waited = now - since;
            self.journal
                .violation(|| format!("filter {} is waited for, {waited:?}", self.number));
        }
    }
}
