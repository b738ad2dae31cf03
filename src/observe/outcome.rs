//! Results of calls as a record holds them: errors of the system, failures of a store, facts of TLS.

mod filter;

use core::fmt;
use std::io::{self, ErrorKind};

use super::codec::RecordValue;
use crate::store::Failure;

pub use filter::{GivenCode, HeldBody, NewHeader, PassedCode, values};

/// An error of I/O: its number in the system, or else its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode {
    errno: Option<i32>,
    kind: u8,
}

/// The kinds that occur without a number. Another one is as [`ErrorKind::Other`].
const KINDS: [ErrorKind; 15] = [
    ErrorKind::Other,
    ErrorKind::WouldBlock,
    ErrorKind::Interrupted,
    ErrorKind::UnexpectedEof,
    ErrorKind::InvalidData,
    ErrorKind::BrokenPipe,
    ErrorKind::ConnectionReset,
    ErrorKind::TimedOut,
    ErrorKind::WriteZero,
    ErrorKind::NotFound,
    ErrorKind::ConnectionAborted,
    ErrorKind::ConnectionRefused,
    ErrorKind::NetworkUnreachable,
    ErrorKind::HostUnreachable,
    ErrorKind::NotConnected,
];

impl From<&io::Error> for ErrorCode {
    fn from(error: &io::Error) -> Self {
        let kind = KINDS.iter().position(|kind| *kind == error.kind());
        Self {
            errno: error.raw_os_error(),
            kind: kind.and_then(|kind| kind.try_into().ok()).unwrap_or(0),
        }
    }
}

impl From<ErrorCode> for io::Error {
    fn from(code: ErrorCode) -> Self {
        match code.errno {
            Some(errno) => Self::from_raw_os_error(errno),
            None => KINDS[usize::from(code.kind) % KINDS.len()].into(),
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match io::Error::from(*self) {
            error if error.kind() == ErrorKind::WouldBlock => f.write_str("WouldBlock"),
            error => error.fmt(f),
        }
    }
}

impl RecordValue<'_> for ErrorCode {
    fn put(&self, out: &mut Vec<u8>) {
        self.errno.put(out);
        self.kind.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            errno: <Option<i32> as RecordValue<'_>>::take(from)?,
            kind: u8::take(from)?,
        })
    }
}

/// A result of a call, with its error as a code.
pub(super) fn coded<T: Copy>(result: &io::Result<T>) -> Result<T, ErrorCode> {
    match result {
        Ok(value) => Ok(*value),
        Err(error) => Err(error.into()),
    }
}

/// An enum whose cases are told apart by number, and hold one value or none.
macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($(#[$case_doc:meta])* $number:literal $case:ident $(($type:ty))?,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name<'a> {
            $($(#[$case_doc])* $case $(($type))?,)*
        }

        impl<'a> RecordValue<'a> for $name<'a> {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(numbered!(@pattern value $case $(($type))?) => {
                        out.push($number);
                        $(<$type as RecordValue<'a>>::put(value, out);)?
                    })*
                }
            }

            fn take(from: &mut &'a [u8]) -> Option<Self> {
                Some(match u8::take(from)? {
                    $($number => Self::$case $((<$type>::take(from)?))?,)*
                    _ => return None,
                })
            }
        }
    };
    (@pattern $value:ident $case:ident) => { Self::$case };
    (@pattern $value:ident $case:ident ($type:ty)) => { Self::$case($value) };
}

numbered! {
    /// A failure of a store, as a record holds it.
    FailureCode {
        /// As [`Failure::Full`].
        0 Full(&'a str),
        /// As [`Failure::LittleLeft`].
        1 LittleLeft(u64),
        /// As [`Failure::TooManyMailboxes`].
        2 TooManyMailboxes,
        /// As [`Failure::BadName`].
        3 BadName,
        /// As [`Failure::Io`].
        4 Io(&'a str),
        /// As [`Failure::QueueFull`].
        5 QueueFull,
    }
}

numbered! {
    /// What came of a read of the spool, as a record holds it.
    ReadCode {
        /// It was read.
        0 Now,
        /// It comes under this ticket.
        1 Later(u64),
        /// The text is not there any more.
        2 Gone,
        /// It cannot be read.
        3 Failed(FailureCode<'a>),
    }
}

numbered! {
    /// The answer to a name, as a record holds it.
    NameCode {
        /// It comes later.
        0 Later,
        /// What was found, as octets.
        1 Found(&'a [u8]),
        /// Nothing was, for a reason of this number.
        2 Failed(u8),
    }
}

impl<'a> From<&'a Failure> for FailureCode<'a> {
    fn from(failure: &'a Failure) -> Self {
        match failure {
            Failure::Full(text) => Self::Full(text),
            Failure::LittleLeft(bytes) => Self::LittleLeft(*bytes),
            Failure::QueueFull => Self::QueueFull,
            Failure::TooManyMailboxes => Self::TooManyMailboxes,
            Failure::BadName => Self::BadName,
            Failure::Io(text) => Self::Io(text),
        }
    }
}

impl From<FailureCode<'_>> for Failure {
    fn from(code: FailureCode<'_>) -> Self {
        match code {
            FailureCode::Full(text) => Self::Full(text.into()),
            FailureCode::LittleLeft(bytes) => Self::LittleLeft(bytes),
            FailureCode::QueueFull => Self::QueueFull,
            FailureCode::TooManyMailboxes => Self::TooManyMailboxes,
            FailureCode::BadName => Self::BadName,
            FailureCode::Io(text) => Self::Io(text.into()),
        }
    }
}

impl fmt::Display for FailureCode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Failure::from(*self).fmt(f)
    }
}

/// The part of the facts of a TLS session that a record holds: what binds a login to the channel is secret, and only whether it is
/// there matters to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsFactsCode<'a> {
    /// The version.
    pub version: &'a str,
    /// The cipher suite.
    pub cipher: &'a str,
    /// The bits of its key.
    pub bits: u16,
    /// Whether there is a `tls-exporter`.
    pub has_exporter: bool,
    /// Whether there is a `tls-server-end-point`.
    pub has_end_point: bool,
}

impl<'a> RecordValue<'a> for TlsFactsCode<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        let Self {
            version,
            cipher,
            bits,
            has_exporter,
            has_end_point,
        } = self;
        version.put(out);
        cipher.put(out);
        bits.put(out);
        has_exporter.put(out);
        has_end_point.put(out);
    }

    fn take(from: &mut &'a [u8]) -> Option<Self> {
        Some(Self {
            version: <&str>::take(from)?,
            cipher: <&str>::take(from)?,
            bits: u16::take(from)?,
            has_exporter: bool::take(from)?,
            has_end_point: bool::take(from)?,
        })
    }
}

numbered! {
    /// Progress of a handshake of TLS.
    HandshakeCode {
        /// There may be more to read at once.
        0 Progress,
        /// Only an event tells of more.
        1 WouldBlock,
        /// The handshake is done.
        2 Done(TlsFactsCode<'a>),
    }
}

numbered! {
    /// The next thing that a login wants.
    LoginCode {
        /// A challenge of so many octets is to be sent.
        0 Challenge(usize),
        /// A response.
        1 AwaitResponse,
        /// Iterations of key derivation.
        2 DeriveKey,
        /// Nothing: this user has logged in.
        3 LoggedIn(&'a str),
        /// Nothing: the response was no good.
        4 Malformed,
        /// Nothing: this user was refused.
        5 Refused(&'a str),
        /// Nothing: there were no random octets.
        6 NoRandomness,
    }
}

numbered! {
    /// A step on which filters decide, as a record holds it.
    StepCode {
        /// A client of this name has connected.
        0 Connect(&'a str),
        /// A client has said this name.
        1 Hello(&'a str),
        /// MAIL with these arguments, one after the other.
        2 Sender(&'a [u8]),
        /// RCPT with these arguments, one after the other.
        3 Recipient(&'a [u8]),
        /// DATA, or the first BDAT.
        4 Data,
        /// A command that is unknown.
        5 Unknown,
        /// The text of this number on hold is a whole message.
        6 Message(usize),
    }
}

numbered! {
    /// The verdict of filters, as a record holds it.
    VerdictCode {
        /// The step goes on; whether a filter wants to see the message.
        0 Pass(bool),
        /// The step is refused with this reply.
        1 Refuse(GivenCode<'a>),
        /// The step goes on, and nothing is kept of the message.
        2 Discard,
        /// The message may be stored: so.
        3 Store(PassedCode<'a>),
    }
}

/// The first answer of a store to a sender or a recipient.
pub type AdmissionCode<'a> = Result<Result<usize, u64>, FailureCode<'a>>;
