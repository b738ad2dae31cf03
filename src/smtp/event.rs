//! Events by which a session tells its driver what to do.

use core::fmt;

use super::envelope::{Hello, Recipient};
use super::login::LoginAttempt;
use super::reply::Reply;
use super::transaction::Transaction;
use super::xclient::Attributes;

/// The next thing to be done by the driver.
#[derive(Debug)]
pub enum Event<'a> {
    /// Get more input; what is left of it is no whole command.
    NeedInput,
    /// Nothing: a command was answered.
    Answered,
    /// Nothing: a command was refused with this reply.
    CommandRefused(Reply),
    /// Say whether this hello is answered: `Session::accept_hello` or `Session::refuse_hello`. Only a session
    /// [asks](super::session::Session) that was told to.
    CheckHello(Hello),
    /// Say what an unknown command is answered: `Session::answer_unknown`. Only a session [asks](super::session::Session) that was told to.
    CheckUnknown,
    /// Say whether there is room for a message of the declared size: `Session::accept_sender` or `Session::refuse`.
    CheckRoom(Box<Transaction>),
    /// Say whether this recipient can be delivered to: `Session::accept_recipient` or `Session::refuse`.
    CheckRecipient(Recipient),
    /// Open a message for `Session::envelope`: `Session::receive_message` or `Session::refuse`.
    BeginMessage,
    /// Nothing: the octets of a chunk are awaited, which is answered behind them.
    BeginChunk,
    /// Append this to the message. If that fails: `Session::refuse_message`.
    Text(&'a [u8]),
    /// Nothing: text was taken that comes with the next one.
    Withheld,
    /// Drop the open message: it will be refused at its end, or the client wants it no more.
    AbortMessage,
    /// Go on with this client instead, as if it had just connected: `Session::set_client`, then `Session::greet`.
    Identified(Box<Attributes>),
    /// Go on in TLS: `Session::start_tls`, and `Session::secure` once its handshake is done, or `Session::refuse`.
    StartTls,
    /// Give some of the iterations that a password takes: `Session::derive_key`. Until they are done the session takes no input.
    DeriveKey,
    /// Log this, and let as much time pass before anything else as you like; where the login was refused, so much at least. The
    /// client is told only then, by the next step or by `Session::end_login`.
    Login(Box<LoginAttempt>),
    /// Nothing: text of a message that will be refused was thrown away.
    Discarded,
    /// A message that was refused has ended and got this reply.
    Refused(Box<Transaction>, Reply),
    /// Make the complete message durable, then tell `Session::stored`. Until then the session takes no input.
    EndOfMessage,
    /// Close the connection once the replies are written.
    Close(CloseReason),
}

impl Event<'static> {
    /// The event after a command had this `reply`.
    pub(super) fn answered(reply: Reply) -> Self {
        if reply.is_refusal() {
            Self::CommandRefused(reply)
        } else {
            Self::Answered
        }
    }
}

/// Why a connection ended, from the decision to the log line and the counter. A session decides all but [`Peer`](Self::Peer).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client said QUIT.
    Quit,
    /// The client closed its side.
    Peer,
    /// The client was too slow.
    Timeout,
    /// The client went past a limit, or there was no room for it.
    Limit(Limit),
    /// The server was about to end.
    Drain,
    /// The client does not speak SMTP, or its socket failed.
    Error,
}

impl CloseReason {
    /// The words for it in the log.
    pub const WORDS: [&'static str; 6] = ["quit", "peer", "timeout", "limit", "drain", "error"];

    /// The index of its word in [`WORDS`](Self::WORDS).
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Quit => 0,
            Self::Peer => 1,
            Self::Timeout => 2,
            Self::Limit(_) => 3,
            Self::Drain => 4,
            Self::Error => 5,
        }
    }
}

impl fmt::Display for CloseReason {
    /// The word for it, as it stands after `closed=`; of a limit, which one it was.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::WORDS[self.index()])?;
        match self {
            Self::Limit(limit) => write!(f, " limit={limit}"),
            _ => Ok(()),
        }
    }
}

/// A limit that ends a session, or lets none begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The errors of a session.
    Errors,
    /// Its refusals, for good or for now.
    Refusals,
    /// Its messages.
    Messages,
    /// The connections of a server.
    Connections,
    /// The connections from one address.
    ConnectionsPerIp,
    /// The descriptors of the process.
    Descriptors,
    /// The time for which a store may be lost.
    Store,
    /// A rule by which faults are made.
    #[cfg(feature = "catch")]
    Rule,
}

impl fmt::Display for Limit {
    /// The option that sets it, so that the operator knows what to change; another name where none does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Errors => "max-errors",
            Self::Refusals => "refusals",
            Self::Messages => "max-messages-per-session",
            Self::Connections => "max-connections",
            Self::ConnectionsPerIp => "max-connections-per-ip",
            Self::Descriptors => "descriptors",
            Self::Store => "store",
            #[cfg(feature = "catch")]
            Self::Rule => "rule",
        })
    }
}

/// The phase of a session, as far as its timeouts depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A whole command, between transactions.
    Idle,
    /// A whole command, within a transaction.
    Command,
    /// The next octets of a message, or its next chunk.
    Message,
    /// The iterations of a password, or time that is to pass behind a refused one.
    Login,
    /// The store.
    Commit,
    /// Nothing more.
    Closing,
}
