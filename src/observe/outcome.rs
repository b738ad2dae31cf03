//! Results of calls as a record holds them: errors of the system, failures of a store, facts of TLS.

use core::fmt;
use std::io::{self, ErrorKind};

use super::codec::RecordValue;
use crate::store::Failure;

/// An error of I/O: its number in the system, or else its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode {
    errno: Option<i32>,
    kind: u8,
}

/// The kinds that occur without a number. Another one is as [`ErrorKind::Other`].
const KINDS: [ErrorKind; 11] = [
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

/// A failure of a store, as a record holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureCode<'a> {
    /// As [`Failure::Full`].
    Full(&'a str),
    /// As [`Failure::LittleLeft`].
    LittleLeft(u64),
    /// As [`Failure::TooManyMailboxes`].
    TooManyMailboxes,
    /// As [`Failure::BadName`].
    BadName,
    /// As [`Failure::Io`].
    Io(&'a str),
}

impl<'a> From<&'a Failure> for FailureCode<'a> {
    fn from(failure: &'a Failure) -> Self {
        match failure {
            Failure::Full(text) => Self::Full(text),
            Failure::LittleLeft(bytes) => Self::LittleLeft(*bytes),
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
            FailureCode::TooManyMailboxes => Self::TooManyMailboxes,
            FailureCode::BadName => Self::BadName,
            FailureCode::Io(text) => Self::Io(text.into()),
        }
    }
}

impl<'a> RecordValue<'a> for FailureCode<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Full(text) => (0_u8.put(out), text.put(out)).1,
            Self::LittleLeft(bytes) => (1_u8.put(out), bytes.put(out)).1,
            Self::TooManyMailboxes => 2_u8.put(out),
            Self::BadName => 3_u8.put(out),
            Self::Io(text) => (4_u8.put(out), text.put(out)).1,
        }
    }

    fn take(from: &mut &'a [u8]) -> Option<Self> {
        Some(match u8::take(from)? {
            0 => Self::Full(<&str>::take(from)?),
            1 => Self::LittleLeft(u64::take(from)?),
            2 => Self::TooManyMailboxes,
            3 => Self::BadName,
            4 => Self::Io(<&str>::take(from)?),
            _ => return None,
        })
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

/// Progress of a handshake of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeCode<'a> {
    /// There may be more to read at once.
    Progress,
    /// Only an event tells of more.
    WouldBlock,
    /// The handshake is done.
    Done(TlsFactsCode<'a>),
}

impl<'a> RecordValue<'a> for HandshakeCode<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Progress => 0_u8.put(out),
            Self::WouldBlock => 1_u8.put(out),
            Self::Done(facts) => {
                2_u8.put(out);
                facts.put(out);
            }
        }
    }

    fn take(from: &mut &'a [u8]) -> Option<Self> {
        Some(match u8::take(from)? {
            0 => Self::Progress,
            1 => Self::WouldBlock,
            2 => Self::Done(TlsFactsCode::take(from)?),
            _ => return None,
        })
    }
}

/// The next thing that a login wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginCode<'a> {
    /// A challenge of so many octets is to be sent.
    Challenge(usize),
    /// A response.
    AwaitResponse,
    /// Iterations of key derivation.
    DeriveKey,
    /// Nothing: this user has logged in.
    LoggedIn(&'a str),
    /// Nothing: the response was no good.
    Malformed,
    /// Nothing: this user was refused.
    Refused(&'a str),
    /// Nothing: there were no random octets.
    NoRandomness,
}

impl<'a> RecordValue<'a> for LoginCode<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Challenge(length) => (0_u8.put(out), length.put(out)).1,
            Self::AwaitResponse => 1_u8.put(out),
            Self::DeriveKey => 2_u8.put(out),
            Self::LoggedIn(user) => (3_u8.put(out), user.put(out)).1,
            Self::Malformed => 4_u8.put(out),
            Self::Refused(user) => (5_u8.put(out), user.put(out)).1,
            Self::NoRandomness => 6_u8.put(out),
        }
    }

    fn take(from: &mut &'a [u8]) -> Option<Self> {
        Some(match u8::take(from)? {
            0 => Self::Challenge(usize::take(from)?),
            1 => Self::AwaitResponse,
            2 => Self::DeriveKey,
            3 => Self::LoggedIn(<&str>::take(from)?),
            4 => Self::Malformed,
            5 => Self::Refused(<&str>::take(from)?),
            6 => Self::NoRandomness,
            _ => return None,
        })
    }
}

/// The first answer of a store to a sender or a recipient.
pub type AdmissionCode<'a> = Result<Result<usize, u64>, FailureCode<'a>>;
