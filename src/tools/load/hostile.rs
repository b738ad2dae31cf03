//! Hostile peers beside the load, whose numbers then tell how others fare meanwhile.

mod peer;

use core::fmt;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use slab::Slab;

use crate::net::channel::Readiness;
use crate::net::dialer::Dialer;
use crate::net::socket::Socket;
use crate::smtp::client::Outgoing;
use crate::smtp::envelope::Hello;
use peer::{Behaviour, Pace, Peer, Stage, Turn};

/// How long a slow peer rests behind every octet.
const SLOW_PAUSE: Duration = Duration::from_secs(1);
/// How much a fast peer says at once.
const BLOCK_BYTES: usize = 1 << 16;

/// What hostile peers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hostility {
    /// A command that never ends, an octet a second.
    SlowCommand,
    /// The same with a message.
    SlowMessage,
    /// Commands without end, and not one reply is read.
    NeverReads,
    /// A command line without end, as fast as can be.
    EndlessLine,
    /// The same with a message, all of it one line.
    EndlessMessage,
    /// A command before the greeting, or what would be one: a server may be faster.
    EarlyTalker,
    /// A reset: at once, behind the greeting, and within a message, in turn.
    Abort,
    /// Unknown commands, as fast as can be.
    Errors,
    /// HTTP.
    WrongProtocol,
    /// A connection and nothing else.
    Flood,
}

impl Hostility {
    /// All of them with their names.
    pub const NAMES: [(&'static str, Self); 10] = [
        ("slow-command", Self::SlowCommand),
        ("slow-message", Self::SlowMessage),
        ("never-reads", Self::NeverReads),
        ("endless-line", Self::EndlessLine),
        ("endless-message", Self::EndlessMessage),
        ("early-talker", Self::EarlyTalker),
        ("abort", Self::Abort),
        ("errors", Self::Errors),
        ("wrong-protocol", Self::WrongProtocol),
        ("flood", Self::Flood),
    ];

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let mut names = Self::NAMES.iter();
        names
            .find(|(known, _)| *known == name)
            .map(|(_, hostility)| *hostility)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let mut names = Self::NAMES.iter();
        names
            .find(|(_, hostility)| *hostility == self)
            .map_or("", |(name, _)| name)
    }

    /// What the `number`th peer does.
    fn behaviour(self, number: u64) -> Behaviour {
        let behaviour = |stage, says: &'static [u8], pace| Behaviour {
            stage,
            says,
            pace,
            reads: true,
        };
        match self {
            Self::SlowCommand => behaviour(Stage::Greeted, b"a", Pace::Slow),
            Self::SlowMessage => behaviour(Stage::InMessage, b"a", Pace::Slow),
            Self::NeverReads => Behaviour {
                reads: false,
                ..behaviour(Stage::Greeted, b"NOOP\r\n", Pace::Fast)
            },
            Self::EndlessLine => behaviour(Stage::Greeted, b"a", Pace::Fast),
            Self::EndlessMessage => behaviour(Stage::InMessage, b"a", Pace::Fast),
            Self::EarlyTalker => behaviour(Stage::AtOnce, b"EHLO early\r\n", Pace::Ask),
            Self::Abort => match number % 3 {
                0 => behaviour(Stage::AtOnce, b"", Pace::Abort),
                1 => behaviour(Stage::Greeted, b"EHLO", Pace::Abort),
                _ => behaviour(Stage::InMessage, b"Subject: cut off\r\n", Pace::Abort),
            },
            Self::Errors => behaviour(Stage::Greeted, b"NONSENSE\r\n", Pace::Fast),
            Self::WrongProtocol => behaviour(
                Stage::Greeted,
                b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
                Pace::Once,
            ),
            Self::Flood => behaviour(Stage::AtOnce, b"", Pace::Once),
        }
    }
}

/// How a hostile peer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// The server closed, with this code as its last word.
    Reply(u16),
    /// The server closed without a word, or the socket failed.
    Closed,
    /// It left.
    Left,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(code) => write!(f, "{code}"),
            Self::Closed => f.write_str("closed"),
            Self::Left => f.write_str("left"),
        }
    }
}

/// The hostile peers of a run: always as many, as each that ends is followed by another.
pub(super) struct Attack {
    hostility: Hostility,
    peers_max: usize,
    hello: Hello,
    mail: Rc<Outgoing>,
    peers: Slab<Peer>,
    /// Keys of those that may have something to read or to say.
    runnable: Vec<usize>,
    /// What fast peers say, over and over.
    block: Vec<u8>,
    last_octet: Instant,
    /// How many peers there were.
    pub(super) begun: u64,
    pub(super) endings: BTreeMap<Ending, u64>,
}

impl Attack {
    /// An attack by so many peers at a time.
    pub(super) fn new(
        hostility: Hostility,
        peers_max: usize,
        hello: Hello,
        mail: Rc<Outgoing>,
        now: Instant,
    ) -> Self {
        let says = hostility.behaviour(0).says;
        let times = BLOCK_BYTES / says.len().max(1);
        Self {
            hostility,
            peers_max,
            hello,
            mail,
            peers: Slab::new(),
            runnable: Vec::new(),
            block: says.repeat(times),
            last_octet: now,
            begun: 0,
            endings: BTreeMap::new(),
        }
    }

    pub(super) fn hostility(&self) -> Hostility {
        self.hostility
    }

    /// Begins peers in place of those that have ended, at most so many at once. They are to be registered by their
    /// keys.
    pub(super) fn reinforce(
        &mut self,
        dialer: &mut Dialer,
        most: usize,
        register: impl Fn(&mut Socket, usize) -> io::Result<()>,
    ) {
        let missing = self.peers_max - self.peers.len();
        for _ in 0..missing.min(most) {
            let entry = self.peers.vacant_entry();
            // The server, or this machine, may be past its limits: that is what an attack is about.
            let Ok(mut stream) = dialer.dial() else {
                return;
            };
            if register(&mut stream, entry.key()).is_err() {
                return;
            }
            let behaviour = self.hostility.behaviour(self.begun);
            entry.insert(Peer::new(stream, behaviour, self.hello.clone()));
            self.begun += 1;
        }
    }

    pub(super) fn on_event(&mut self, key: usize, readiness: Readiness) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.note(readiness);
            self.runnable.push(key);
        }
    }

    /// Whether somebody has something to do without an event.
    pub(super) fn has_work(&self) -> bool {
        !self.runnable.is_empty()
    }

    /// Gives a turn to everybody who has something to do.
    pub(super) fn turn(&mut self, buffer: &mut [u8]) {
        for key in std::mem::take(&mut self.runnable) {
            let Some(peer) = self.peers.get_mut(key) else {
                continue;
            };
            match peer.turn(buffer, &self.block, &self.mail) {
                Turn::Waiting => {}
                Turn::Unfinished => self.runnable.push(key),
                Turn::Over(ending) => {
                    self.peers.remove(key);
                    *self.endings.entry(ending).or_default() += 1;
                }
            }
        }
    }

    /// Lets slow peers say another octet, once it is time.
    pub(super) fn beat(&mut self, now: Instant) {
        if now.saturating_duration_since(self.last_octet) >= SLOW_PAUSE {
            self.last_octet = now;
            for (key, peer) in &mut self.peers {
                if peer.may_say_an_octet() {
                    self.runnable.push(key);
                }
            }
        }
    }
}
