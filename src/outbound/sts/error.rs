//! The reasons why a policy was not fetched.

use core::fmt;

use super::policy::StsPolicyError;
use crate::outbound::dns::answer::NameError;
use crate::outbound::response::ResponseFault;

/// Why a policy was not fetched, though the domain's record says that there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyFetchError {
    /// The policy host has no address, as far as is known.
    Address(NameError),
    /// All addresses of the policy host are such as no stranger may lead us to.
    SpecialAddress,
    /// No connection could be made.
    Unreachable,
    /// The policy host took too long.
    Timeout,
    /// There was no TLS with a certificate for the policy host.
    Tls(String),
    /// The connection broke before all was there.
    CutShort,
    /// The response has another status than 200.
    Status(u16),
    /// The response is not of the type `text/plain`.
    ContentType,
    /// The response is longer than a policy may be.
    TooLong,
    /// The response makes no sense.
    NotHttp,
    /// The text is no policy.
    Policy(StsPolicyError),
    /// Too many policies are being fetched.
    Busy,
    /// This program was built without TLS, or trusts nobody.
    NoTls(String),
}

impl PolicyFetchError {
    /// The error of a name that it amounts to.
    #[must_use]
    pub fn name_error(&self) -> NameError {
        match self {
            // A host that is not there is no answer on whether there is a policy: the record says so.
            Self::Address(error) if error.is_certain() => NameError::Unreachable,
            Self::Address(error) => *error,
            Self::SpecialAddress | Self::Tls(_) => NameError::Refused,
            Self::Unreachable | Self::CutShort => NameError::Unreachable,
            Self::Timeout => NameError::Timeout,
            Self::Status(_)
            | Self::ContentType
            | Self::TooLong
            | Self::NotHttp
            | Self::Policy(_) => NameError::BadAnswer,
            Self::Busy => NameError::Busy,
            Self::NoTls(_) => NameError::ServerFailure,
        }
    }

    /// Whether no request was made, so that another address of the host may do better.
    #[must_use]
    pub fn is_before_request(&self) -> bool {
        matches!(self, Self::Unreachable | Self::Tls(_))
    }

    /// Whether the policy host was not asked at all.
    #[must_use]
    pub fn is_own(&self) -> bool {
        matches!(self, Self::Busy | Self::NoTls(_))
    }
}

impl From<ResponseFault> for PolicyFetchError {
    fn from(fault: ResponseFault) -> Self {
        match fault {
            ResponseFault::CutShort => Self::CutShort,
            ResponseFault::Status(status) => Self::Status(status),
            ResponseFault::ContentType => Self::ContentType,
            ResponseFault::TooLong => Self::TooLong,
            ResponseFault::NotHttp => Self::NotHttp,
        }
    }
}

impl fmt::Display for PolicyFetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address(error) => return write!(f, "its address is not known: {error}"),
            Self::Tls(why) => return write!(f, "no TLS: {why}"),
            Self::Status(status) => return write!(f, "HTTP status {status} in place of 200"),
            Self::NoTls(why) => why,
            Self::SpecialAddress => "its addresses are special, or ours: nobody leads us there",
            Self::Unreachable => "no connection can be made",
            Self::Timeout => "it took too long",
            Self::CutShort => "the connection broke",
            Self::ContentType => "the response is not of the type text/plain",
            Self::TooLong => "the response is too long",
            Self::NotHttp => "the response makes no sense",
            Self::Policy(error) => error.name(),
            Self::Busy => "too many policies are being fetched",
        })
    }
}

impl core::error::Error for PolicyFetchError {}
