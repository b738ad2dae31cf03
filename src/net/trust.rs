//! The authorities that a client trusts to vouch for servers, and the reasons for having none.

use core::fmt;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use super::der;

/// The most TLSA records of a server that are looked at. Servers have one to four; each more is work for every handshake.
const ASSOCIATIONS_MAX: usize = 30;

/// The authorities that have to vouch for a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Trust {
    /// One of those whom this machine trusts.
    #[default]
    Machine,
    /// One of those in this PEM file, and nobody else.
    Authorities(PathBuf),
    /// Nobody has to: whoever answers will do.
    Anybody,
    /// The domain of the server by its TLSA records (DANE, RFC 7672 §3), which DNSSEC has authenticated. One of them has to
    /// be [usable](usable): without any the certificate cannot be verified, which is no failure of the server (§2.2).
    Associations {
        /// The TLSA records of the server.
        records: Rc<[TlsAssociation]>,
        /// The names for which its certificate may be, besides that of the server: the domain of the recipients (§3.2.2).
        names: Rc<[Rc<str>]>,
    },
}

/// What the certificate of a server has to match, by a TLSA record (RFC 6698 §2.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsAssociation {
    /// The certificate usage: 2 for an authority (DANE-TA), 3 for the server's own (DANE-EE).
    pub usage: u8,
    /// The selector: 0 for the whole certificate, 1 for its public key.
    pub selector: u8,
    /// The matching type: 0 for all octets, 1 for their SHA-256, 2 for their SHA-512.
    pub matching: u8,
    /// The data that is compared.
    pub data: Box<[u8]>,
}

impl TlsAssociation {
    /// Whether a certificate of a mail server can be verified by this record (RFC 7672 §3.1): it is of usage 2 or 3, its other
    /// numbers are known, and its data can be what they say.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        let is_known = matches!((self.usage, self.selector), (2 | 3, 0 | 1));
        is_known
            && match self.matching {
                0 => der::is_sequence(&self.data),
                1 => self.data.len() == 32,
                2 => self.data.len() == 64,
                _ => false,
            }
    }

    /// Whether `other` says the same kind of thing by a stronger digest, so that this record does not count (RFC 7671 §9).
    fn is_weaker_than(&self, other: &Self) -> bool {
        (self.usage, self.selector) == (other.usage, other.selector)
            && (self.matching, other.matching) == (1, 2)
    }
}

/// The records by which a certificate can be verified. There may be none: then TLS is still wanted, of whatever certificate
/// (RFC 7672 §2.2).
pub fn usable(records: &[TlsAssociation]) -> impl Iterator<Item = &TlsAssociation> {
    records.iter().filter(|record| record.is_usable())
}

/// The usable records that count: of those with a digest the ones with the strongest that is there for their usage and
/// selector, as a weaker one might be forged one day (RFC 7671 §9).
#[must_use]
pub fn strongest(records: &[TlsAssociation]) -> Vec<&TlsAssociation> {
    let is_outdone = |record: &TlsAssociation| {
        let mut others = usable(records);
        others.any(|other| record.is_weaker_than(other))
    };
    let strongest = usable(records).filter(|record| !is_outdone(record));
    strongest.take(ASSOCIATIONS_MAX).collect()
}

/// The certificate of a server is not one that its TLSA records allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssociationMismatch;

impl fmt::Display for AssociationMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("none of the server's TLSA records is for its certificate")
    }
}

impl core::error::Error for AssociationMismatch {}

/// Why there is nobody to trust.
#[derive(Debug)]
pub enum TrustError {
    /// A file that cannot be read.
    Unreadable(PathBuf, io::Error),
    /// A file without a certificate, or with a damaged one.
    NoCertificate(PathBuf),
    /// The machine trusts nobody; what went wrong where it was asked for them.
    NoAuthorities(String),
    /// No certificate can be for this server.
    NoName(String),
    /// TLS cannot be had as it is asked for.
    Tls(String),
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Self::NoCertificate(path) => {
                write!(
                    f,
                    "{} holds no certificate in PEM, or a damaged one",
                    path.display()
                )
            }
            Self::NoAuthorities(why) => write!(
                f,
                "this machine trusts nobody{why}; install ca-certificates, or name a file of those to be trusted"
            ),
            Self::NoName(server) => write!(f, "no certificate can be for {server}"),
            Self::Tls(error) => write!(f, "no TLS: {error}"),
        }
    }
}

impl core::error::Error for TrustError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(numbers: [u8; 3], data: &[u8]) -> TlsAssociation {
        let [usage, selector, matching] = numbers;
        TlsAssociation {
            usage,
            selector,
            matching,
            data: data.into(),
        }
    }

    #[test]
    fn records_are_usable_by_their_numbers_and_the_length_of_their_data() {
        for usage in 0..=4 {
            for selector in 0..=2 {
                for matching in 0..=3 {
                    let is_known =
                        matches!(usage, 2 | 3) && selector < 2 && matches!(matching, 1 | 2);
                    for length in [0, 20, 31, 32, 33, 63, 64, 65] {
                        let record = record([usage, selector, matching], &vec![7; length]);
                        let fits = length == 32 * usize::from(matching);
                        assert_eq!(record.is_usable(), is_known && fits, "{record:?}");
                    }
                }
            }
        }
        let whole = [0x30, 3, 2, 1, 9, 0];
        assert!(record([3, 0, 0], &whole[..5]).is_usable());
        assert!(!record([1, 0, 0], &whole[..5]).is_usable());
        for data in [&whole[..4], &whole, &[], &[2, 1, 9], &[0x30, 0x80, 0, 0]] {
            assert!(!record([3, 1, 0], data).is_usable(), "{data:?}");
        }
    }

    #[test]
    fn the_records_that_count_are_bounded_and_the_strongest_of_their_kind() {
        let many: Vec<TlsAssociation> = (0..100).map(|n| record([3, 1, 1], &[n; 32])).collect();
        assert_eq!(strongest(&many).len(), ASSOCIATIONS_MAX);
        let mut all = vec![
            record([3, 1, 1], &[1; 32]),
            record([3, 1, 2], &[1; 64]),
            record([3, 0, 1], &[1; 32]),
            record([2, 1, 1], &[1; 32]),
            record([3, 1, 0], &[0x30, 0]),
        ];
        assert_eq!(strongest(&all), all[1..].iter().collect::<Vec<_>>());
        // One that cannot be used outdoes nothing.
        all[1].data = [1; 63].into();
        let kept = [0, 2, 3, 4].map(|at: usize| &all[at]);
        assert_eq!(strongest(&all), kept);
    }
}
