//! Kinds of attacks: what hostile peers do, and how they end.

use core::fmt;

/// What hostile peers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttackKind {
    /// A command that never ends, an octet a second.
    SlowCommand,
    /// A message that never ends, an octet a second.
    SlowMessage,
    /// Commands without end, and not one reply is read.
    NeverReads,
    /// A command line without end, as fast as can be.
    EndlessLine,
    /// A message without end and all of it one line, as fast as can be.
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

impl AttackKind {
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
            .map(|(_, kind)| *kind)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let mut names = Self::NAMES.iter();
        names
            .find(|(_, kind)| *kind == self)
            .map_or("", |(name, _)| name)
    }

    /// What the `number`th peer does.
    pub(super) fn behaviour(self, number: u64) -> Behaviour {
        let behaviour = |stage, says: &'static [u8], pace| Behaviour {
            stage,
            says,
            pace,
            reads: true,
        };
        match self {
            Self::SlowCommand => behaviour(AttackStage::Greeted, b"a", AttackPace::Slow),
            Self::SlowMessage => behaviour(AttackStage::InMessage, b"a", AttackPace::Slow),
            Self::NeverReads => Behaviour {
                reads: false,
                ..behaviour(AttackStage::Greeted, b"NOOP\r\n", AttackPace::Fast)
            },
            Self::EndlessLine => behaviour(AttackStage::Greeted, b"a", AttackPace::Fast),
            Self::EndlessMessage => behaviour(AttackStage::InMessage, b"a", AttackPace::Fast),
            Self::EarlyTalker => behaviour(AttackStage::AtOnce, b"EHLO early\r\n", AttackPace::Ask),
            Self::Abort => match number % 3 {
                0 => behaviour(AttackStage::AtOnce, b"", AttackPace::Abort),
                1 => behaviour(AttackStage::Greeted, b"EHLO", AttackPace::Abort),
                _ => behaviour(
                    AttackStage::InMessage,
                    b"Subject: cut off\r\n",
                    AttackPace::Abort,
                ),
            },
            Self::Errors => behaviour(AttackStage::Greeted, b"NONSENSE\r\n", AttackPace::Fast),
            Self::WrongProtocol => behaviour(
                AttackStage::Greeted,
                b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
                AttackPace::Once,
            ),
            Self::Flood => behaviour(AttackStage::AtOnce, b"", AttackPace::Once),
        }
    }
}

/// How a hostile peer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttackEnding {
    /// The server closed, with this code as its last word.
    Reply(u16),
    /// The server closed without a word, or the socket failed.
    Closed,
    /// It left.
    Left,
}

impl AttackEnding {
    /// The ending in a word, for observers.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Reply(_) => "refused",
            Self::Closed => "closed",
            Self::Left => "left",
        }
    }
}

impl fmt::Display for AttackEnding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(code) => write!(f, "{code}"),
            Self::Closed => f.write_str("closed"),
            Self::Left => f.write_str("left"),
        }
    }
}

/// What a peer does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Behaviour {
    /// How far it behaves.
    pub(super) stage: AttackStage,
    /// What it says then.
    pub(super) says: &'static [u8],
    pub(super) pace: AttackPace,
    /// Whether it reads what it is told.
    pub(super) reads: bool,
}

/// How far a dialogue has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttackStage {
    /// There is a connection.
    AtOnce,
    /// The server has greeted.
    Greeted,
    /// The server waits for the message.
    InMessage,
}

/// How a peer says what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttackPace {
    /// Once, and waits.
    Once,
    /// Once, and leaves if there is an answer and not an end.
    Ask,
    /// Once, and resets the connection.
    Abort,
    /// Over and over, an octet at a time.
    Slow,
    /// Over and over.
    Fast,
}
