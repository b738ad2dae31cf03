//! Values as octets: numbers of seven bits an octet, octets and text after their length, the cases of enums by number.

use std::net::{IpAddr, SocketAddr};

use crate::inbound::Rejection;
use crate::net::channel::Readiness;
use crate::net::connections::TickStep;
use crate::net::driver::ConnectionId;
use crate::net::lifecycle::{Ending, Lifecycle};
use crate::net::link::HandshakeWork;
use crate::net::peer::PeerAddress;
use crate::net::probe::Content;
use crate::net::transport::Read;
use crate::smtp::client::ClientFault;
use crate::smtp::event::Limit;
use crate::smtp::line::BareNewline;
use crate::smtp::mechanism::Mechanism;
use crate::smtp::service::Service;

/// A value that a record holds.
pub trait RecordValue<'a>: Sized {
    /// Appends the value.
    fn put(&self, out: &mut Vec<u8>);

    /// Takes a value off the front; `None` if there is none, or no such value.
    fn take(from: &mut &'a [u8]) -> Option<Self>;
}

impl RecordValue<'_> for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        let mut rest = *self;
        while rest >= 0x80 {
            out.push((rest & 0x7F) as u8 | 0x80);
            rest >>= 7;
        }
        out.push((rest & 0x7F) as u8);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (octet, rest) = from.split_first()?;
            *from = rest;
            let bits = Self::from(octet & 0x7F);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if octet & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl RecordValue<'_> for $number {
            fn put(&self, out: &mut Vec<u8>) {
                // No number of this type is beyond 64 bits.
                u64::try_from(*self).unwrap_or(u64::MAX).put(out);
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                u64::take(from)?.try_into().ok()
            }
        }
    )*};
}

numbers! { u8 u16 u32 usize i32 }

impl RecordValue<'_> for bool {
    fn put(&self, out: &mut Vec<u8>) {
        u8::from(*self).put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        match u8::take(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl<'a> RecordValue<'a> for &'a [u8] {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        out.extend_from_slice(self);
    }

    fn take(from: &mut &'a [u8]) -> Option<Self> {
        let length = usize::take(from)?;
        let (octets, rest) = from.split_at_checked(length)?;
        *from = rest;
        Some(octets)
    }
}

impl<'a> RecordValue<'a> for &'a str {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_bytes().put(out);
    }

    fn take(from: &mut &'a [u8]) -> Option<Self> {
        str::from_utf8(<&[u8]>::take(from)?).ok()
    }
}

impl<'a, T: RecordValue<'a>> RecordValue<'a> for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(from: &mut &'a [u8]) -> Option<Self> {
        Some(match bool::take(from)? {
            true => Some(T::take(from)?),
            false => None,
        })
    }
}

impl<'a, T: RecordValue<'a>, E: RecordValue<'a>> RecordValue<'a> for Result<T, E> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_ok().put(out);
        match self {
            Ok(value) => value.put(out),
            Err(error) => error.put(out),
        }
    }

    fn take(from: &mut &'a [u8]) -> Option<Self> {
        Some(match bool::take(from)? {
            true => Ok(T::take(from)?),
            false => Err(E::take(from)?),
        })
    }
}

impl RecordValue<'_> for () {
    fn put(&self, _: &mut Vec<u8>) {}

    fn take(_: &mut &[u8]) -> Option<Self> {
        Some(())
    }
}

/// As text: what has a text form that is read back.
macro_rules! texts {
    ($($type:ty)*) => {$(
        impl RecordValue<'_> for $type {
            fn put(&self, out: &mut Vec<u8>) {
                self.to_string().as_str().put(out);
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                <&str>::take(from)?.parse().ok()
            }
        }
    )*};
}

texts! { SocketAddr IpAddr crate::net::cidr::Cidr crate::smtp::directory::AddressName crate::smtp::route::Route crate::smtp::senders::Sender }

/// The cases of an enum, by number.
macro_rules! cases {
    ($($type:ty { $($number:literal $case:pat => $value:expr,)* })*) => {$(
        impl RecordValue<'_> for $type {
            fn put(&self, out: &mut Vec<u8>) {
                let number: u8 = match self {
                    $($case => $number,)*
                };
                number.put(out);
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                Some(match u8::take(from)? {
                    $($number => $value,)*
                    _ => return None,
                })
            }
        }
    )*};
}

cases! {
    TickStep {
        0 Self::Serve => Self::Serve,
        1 Self::Commit => Self::Commit,
        2 Self::Expire => Self::Expire,
        3 Self::Reap => Self::Reap,
    }
    Service {
        0 Self::Smtp => Self::Smtp,
        1 Self::Smtps => Self::Smtps,
        2 Self::Submission => Self::Submission,
        3 Self::Submissions => Self::Submissions,
        4 Self::Lmtp => Self::Lmtp,
    }
    Rejection {
        0 Self::Drain => Self::Drain,
        1 Self::Limit(Limit::Connections) => Self::Limit(Limit::Connections),
        2 Self::Limit(Limit::ConnectionsPerIp) => Self::Limit(Limit::ConnectionsPerIp),
        3 Self::Limit(_) => Self::Limit(Limit::Descriptors),
        4 Self::StoreLost => Self::StoreLost,
    }
    Content {
        0 Self::Protocol => Self::Protocol,
        1 Self::Credentials => Self::Credentials,
        2 Self::Text => Self::Text,
        3 Self::Dropped => Self::Dropped,
        4 Self::Reply => Self::Reply,
    }
    HandshakeWork {
        0 Self::None => Self::None,
        1 Self::Symmetric => Self::Symmetric,
        2 Self::Signature => Self::Signature,
        3 Self::RsaSignature => Self::RsaSignature,
    }
    Lifecycle {
        0 Self::Dialing => Self::Dialing,
        1 Self::Handshaking => Self::Handshaking,
        2 Self::Open => Self::Open,
        3 Self::Lingering => Self::Lingering,
        4 Self::Closed => Self::Closed,
        5 Self::Closing(Ending::Linger) => Self::Closing(Ending::Linger),
        6 Self::Closing(Ending::LingerUnlessIdle) => Self::Closing(Ending::LingerUnlessIdle),
        7 Self::Closing(Ending::Close) => Self::Closing(Ending::Close),
        8 Self::Closing(Ending::Now) => Self::Closing(Ending::Now),
        9 Self::Closing(Ending::Abort) => Self::Closing(Ending::Abort),
    }
    Mechanism {
        0 Self::ScramPlus => Self::ScramPlus,
        1 Self::Scram => Self::Scram,
        2 Self::Plain => Self::Plain,
        3 Self::Login => Self::Login,
    }
    ClientFault {
        0 Self::NoStartTls => Self::NoStartTls,
        1 Self::NoLogin => Self::NoLogin,
        2 Self::InTheClear => Self::InTheClear,
        3 Self::BadChallenge => Self::BadChallenge,
        4 Self::Impostor => Self::Impostor,
        5 Self::NoRandomness => Self::NoRandomness,
        6 Self::Refused => Self::Refused,
    }
    BareNewline {
        0 Self::Normalize => Self::Normalize,
        1 Self::Reject => Self::Reject,
        2 Self::Accept => Self::Accept,
    }
}

impl RecordValue<'_> for Readiness {
    fn put(&self, out: &mut Vec<u8>) {
        for flag in [self.readable, self.writable, self.read_on] {
            flag.put(out);
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            readable: bool::take(from)?,
            writable: bool::take(from)?,
            read_on: bool::take(from)?,
        })
    }
}

impl RecordValue<'_> for ConnectionId {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        u64::take(from).map(Self)
    }
}

impl RecordValue<'_> for PeerAddress {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Unix => 0_u8.put(out),
            Self::Unknown => 1_u8.put(out),
            Self::Tcp(address) => {
                2_u8.put(out);
                address.put(out);
            }
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some(match u8::take(from)? {
            0 => Self::Unix,
            1 => Self::Unknown,
            2 => Self::Tcp(SocketAddr::take(from)?),
            _ => return None,
        })
    }
}

impl RecordValue<'_> for Read {
    fn put(&self, out: &mut Vec<u8>) {
        let case: u8 = match self {
            Self::Progress => 0,
            Self::WouldBlock => 1,
            Self::Eof => 2,
            Self::Data(_) => 3,
            Self::Drained(_) => 4,
        };
        case.put(out);
        if case > 2 {
            self.count().put(out);
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some(match u8::take(from)? {
            0 => Self::Progress,
            1 => Self::WouldBlock,
            2 => Self::Eof,
            3 => Self::Data(usize::take(from)?),
            4 => Self::Drained(usize::take(from)?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back<T: for<'a> RecordValue<'a>>(value: &T) -> Option<T> {
        let mut out = Vec::new();
        value.put(&mut out);
        let mut rest = &out[..];
        let read = T::take(&mut rest);
        assert!(rest.is_empty());
        read
    }

    #[test]
    fn numbers_come_back() {
        for value in [
            0,
            1,
            127,
            128,
            300,
            u64::from(u32::MAX),
            u64::MAX - 1,
            u64::MAX,
        ] {
            assert_eq!(back(&value), Some(value));
        }
        assert_eq!(back(&-0_i32), Some(0));
        assert_eq!(u8::take(&mut &[0x80, 2][..]), None, "256 is no octet");
        assert_eq!(u64::take(&mut &[0x80; 10][..]), None);
        assert_eq!(<&[u8]>::take(&mut &[5, 1][..]), None, "four are missing");
    }

    #[test]
    fn cases_come_back_and_others_are_refused() {
        for service in Service::ALL {
            assert_eq!(back(&service), Some(service));
        }
        assert_eq!(Service::take(&mut &[5][..]), None);
        let refusals = [
            Rejection::Drain,
            Rejection::Limit(Limit::Connections),
            Rejection::Limit(Limit::ConnectionsPerIp),
            Rejection::Limit(Limit::Descriptors),
            Rejection::StoreLost,
        ];
        for (number, refusal) in (0..).zip(refusals) {
            // Records of earlier versions have these numbers.
            assert_eq!(Rejection::take(&mut &[number][..]), Some(refusal));
            assert_eq!(back(&refusal), Some(refusal));
        }
        assert_eq!(back(&Read::Drained(7)), Some(Read::Drained(7)));
        assert_eq!(back(&Some(Ok::<_, bool>(3_u8))), Some(Some(Ok(3))));
    }
}
