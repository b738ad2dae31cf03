//! Questions about names, and their answers.

use core::fmt;
use std::net::IpAddr;
use std::rc::Rc;

use crate::net::trust::TlsAssociation;

/// Addresses of one host, at most 30. Both families are among the first ones, where it has both.
pub type HostAddresses = Rc<[IpAddr]>;

/// The number of a question, by which its answer is known later. Each call of `ask` gets its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameTicket(pub u64);

/// A question about a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameQuestion {
    /// The kind of what is asked for.
    pub kind: NameKind,
    /// The name.
    pub name: Rc<str>,
}

/// The kind of what is asked of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameKind {
    /// Addresses of a host that the operator names: an address itself, with or without brackets, a name of the hosts file, one without a
    /// dot in the domains of the search list, or an absolute one (A and AAAA).
    Host,
    /// Addresses of a host that name servers have named (A and AAAA). The name is absolute, and nothing of this machine is looked into:
    /// an address in place of the name is no name of a host, and `localhost` has no addresses.
    MailHost,
    /// The hosts that take mail for a domain (MX, RFC 5321 §5.1).
    Exchangers,
    /// The certificates of a service, by the name of its port as `_25._tcp.mail.example` (TLSA, RFC 6698 §3).
    Associations,
    /// Texts (TXT).
    Texts,
    /// The MTA-STS policy of a domain (RFC 8461 §3.2), which its policy host is asked for by HTTPS.
    Policy,
}

impl NameQuestion {
    /// The addresses of a host that the operator names.
    #[must_use]
    pub fn host(name: &str) -> Self {
        Self::new(NameKind::Host, name)
    }

    /// A question of this kind.
    #[must_use]
    pub fn new(kind: NameKind, name: &str) -> Self {
        let name = name.into();
        Self { kind, name }
    }
}

/// The first word on a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameAnswer {
    /// What was asked for is known already.
    Now(NameResult),
    /// The answer comes with this ticket, within ten seconds; that of a policy within a minute.
    Later(NameTicket),
}

/// What was found, or why nothing was.
pub type NameResult = Result<NameFound, NameError>;

/// What was found of a name.
///
/// # What DANE may conclude (RFC 7672 §2.1 and 2.2)
/// - `is_authenticated` for the exchangers of a domain and for the addresses of one of them: associations are worth asking for, at
///   `_25._tcp.` before `canonical` where there is one, else before the name itself; at the name too where `canonical` has none.
/// - Associations with `is_authenticated` are to be obeyed. Without it they are worth nothing: anybody may have put them there.
/// - [`NameError::NoData`] and [`NameError::NoSuchName`] for associations: the host has none, so there is no DANE. A server that is
///   trusted has verified that for a signed zone, and answers with SERVFAIL where somebody has taken records away.
/// - Any other error, for whichever of these questions: nobody knows, and the host or the domain has to wait. To go on without DANE
///   would give way to whoever can disturb answers.
/// - Addresses without `is_authenticated` but with `canonical`: the name may still be in a signed zone, and its alias lead out of it.
///   Associations of the name itself then decide, if they are authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameFound {
    /// What was asked for.
    pub records: NameRecords,
    /// The name at the end of its aliases (CNAME), where there are some: in lower case, without the final dot. Where both families of
    /// addresses have one, that of the first.
    pub canonical: Option<Rc<str>>,
    /// Whether a name server that is trusted has verified all of it by DNSSEC, aliases as well (the AD bit, RFC 6840 §5.8). Trusted is
    /// one on this machine, or any where resolv.conf says `trust-ad`. Nothing that this machine knows by itself is authenticated.
    pub is_authenticated: bool,
}

/// Records of one kind, at least one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameRecords {
    /// Addresses, in the order in which they are tried.
    Addresses(HostAddresses),
    /// The hosts that take mail, at most 20: those of the lowest preference first, of equal ones in the order of the answer.
    Exchangers(Rc<[MailExchanger]>),
    /// What certificates have to match, at most 30. One whose data has more than 4,096 octets has none of them here: it matches no
    /// certificate, and still says that there is DANE.
    Associations(Rc<[TlsAssociation]>),
    /// Texts, each with its strings joined, at most 16. One of more than 4,096 octets is left out.
    Texts(Rc<[Box<[u8]>]>),
    /// The text of a policy.
    Policy(Rc<[u8]>),
}

/// A host that takes mail for a domain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailExchanger {
    /// Its preference: the lowest is tried first.
    pub preference: u16,
    /// Its name in lower case, without the final dot: empty for the root, which stands for no host (RFC 7505).
    ///
    /// A domain may name anything here, as an address (`192.0.2.1`, `[192.0.2.1]`), a URL or octets beyond ASCII. That is kept as zone
    /// files write it (RFC 1035 §5.1), and [`NameKind::MailHost`] answers [`NameError::NoHostName`] for it without asking anybody.
    pub host: Box<str>,
}

impl NameRecords {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Addresses(addresses) => addresses.is_empty(),
            Self::Exchangers(exchangers) => exchangers.is_empty(),
            Self::Associations(associations) => associations.is_empty(),
            Self::Texts(texts) => texts.is_empty(),
            Self::Policy(_) => false,
        }
    }

    /// The octets that they take in memory, beside those of the list.
    fn octets(&self) -> usize {
        match self {
            Self::Addresses(addresses) => size_of_val(&**addresses),
            Self::Exchangers(exchangers) => {
                let hosts = exchangers.iter().map(|exchanger| exchanger.host.len());
                size_of_val(&**exchangers) + hosts.sum::<usize>()
            }
            Self::Associations(associations) => {
                let data = associations.iter().map(|record| record.data.len());
                size_of_val(&**associations) + data.sum::<usize>()
            }
            Self::Texts(texts) => {
                let octets = texts.iter().map(|text| text.len());
                size_of_val(&**texts) + octets.sum::<usize>()
            }
            Self::Policy(text) => text.len(),
        }
    }
}

impl NameFound {
    /// Addresses that nobody has verified, of a name without aliases.
    #[must_use]
    pub fn addresses(addresses: HostAddresses) -> Self {
        Self {
            records: NameRecords::Addresses(addresses),
            canonical: None,
            is_authenticated: false,
        }
    }

    /// The octets that it takes in memory beside its own.
    pub(super) fn octets(&self) -> usize {
        let canonical = self.canonical.as_ref().map_or(0, |name| name.len());
        self.records.octets() + canonical
    }
}

/// The reason why nothing was found of a name, as far as is known now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameError {
    /// The text is no name of a host.
    NoHostName,
    /// There is no such name (NXDOMAIN).
    NoSuchName,
    /// The name exists, and has no record of the kind (NODATA, RFC 2308 §2.2).
    NoData,
    /// The name servers failed (SERVFAIL), or cannot do what was asked of them.
    ServerFailure,
    /// The name servers refused the question.
    Refused,
    /// The name servers answered with nonsense, or with aliases that lead nowhere.
    BadAnswer,
    /// No name server can be reached.
    Unreachable,
    /// No name server answered in time.
    Timeout,
    /// Too many names are being looked up.
    Busy,
}

impl NameError {
    /// Whether a name server has said so for certain. All else is trouble on the way to it.
    #[must_use]
    pub fn is_certain(self) -> bool {
        matches!(self, Self::NoHostName | Self::NoSuchName | Self::NoData)
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoHostName => "this is no name of a host",
            Self::NoSuchName => "there is no such name (NXDOMAIN)",
            Self::NoData => "the name has no such record",
            Self::ServerFailure => "the name server failed (SERVFAIL)",
            Self::Refused => "the name server refused the question (REFUSED)",
            Self::BadAnswer => "the name server's answer makes no sense",
            Self::Unreachable => "no name server can be reached",
            Self::Timeout => "no name server answered in time",
            Self::Busy => "too many names are being looked up",
        })
    }
}

impl core::error::Error for NameError {}
