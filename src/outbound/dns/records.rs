//! The records of an answer: those of one kind, at the end of the aliases of the name that was asked for, within bounds.

use std::net::IpAddr;
use std::time::Duration;

use domain::base::iana::Class;
use domain::base::name::ParsedName;
use domain::base::rdata::{ParseRecordData, UnknownRecordData};
use domain::base::{ParsedRecord, Record, Rtype};
use domain::rdata::{A, Aaaa, Cname, Mx, Txt};

use super::answer::{MailExchanger, NameError, NameRecords};
use super::host_name::name_text;
use crate::net::trust::TlsAssociation;

/// The most aliases (CNAME) from a name to what it stands for.
pub const ALIASES_MAX: u8 = 8;
/// The most addresses of one name.
pub const ADDRESSES_MAX: usize = 30;
/// The most exchangers of one domain.
pub const EXCHANGERS_MAX: usize = 20;
/// The most associations of one service.
pub const ASSOCIATIONS_MAX: usize = 30;
/// The most octets of an association: certificates have fewer.
pub const ASSOCIATION_BYTES_MAX: usize = 4096;
/// The most texts of one name.
pub const TEXTS_MAX: usize = 16;
/// The most octets of a text.
pub const TEXT_BYTES_MAX: usize = 4096;

/// The kind of records that a question asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DnsRecordKind {
    /// IPv4 addresses (A).
    Ipv4,
    /// IPv6 addresses (AAAA).
    Ipv6,
    /// Hosts that take mail (MX).
    Exchangers,
    /// What certificates have to match (TLSA).
    Associations,
    /// Texts (TXT).
    Texts,
}

impl DnsRecordKind {
    pub(super) fn rtype(self) -> Rtype {
        match self {
            Self::Ipv4 => Rtype::A,
            Self::Ipv6 => Rtype::AAAA,
            Self::Exchangers => Rtype::MX,
            Self::Associations => Rtype::TLSA,
            Self::Texts => Rtype::TXT,
        }
    }
}

/// The owner of a record within a message.
pub(super) type Owner<'a> = ParsedName<&'a [u8]>;
type AnyRecord<'a> = ParsedRecord<'a, [u8]>;

/// The way from the name of a question along its aliases.
pub(super) struct Chain<'a> {
    /// The name at which it has arrived.
    pub(super) name: Owner<'a>,
    /// The aliases on the way to that.
    pub(super) aliases: u8,
    seconds: u32,
}

impl<'a> Chain<'a> {
    pub(super) fn new(name: Owner<'a>) -> Self {
        Self {
            name,
            aliases: 0,
            seconds: u32::MAX,
        }
    }

    /// The least time to live so far.
    pub(super) fn ttl(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    /// Notes the time to live of a record. One whose highest bit is set counts as 0 (RFC 2181 §8).
    fn note_ttl(&mut self, record: &AnyRecord<'_>) {
        let seconds = record.ttl().as_secs();
        let seconds = i32::try_from(seconds).map_or(0, |_| seconds);
        self.seconds = self.seconds.min(seconds);
    }

    /// The records of this kind that the name has, perhaps none; `None` where they cannot be read.
    pub(super) fn records(
        &mut self,
        kind: DnsRecordKind,
        records: &[AnyRecord<'a>],
    ) -> Option<NameRecords> {
        let is_wanted = |record: &&AnyRecord<'a>| {
            record.rtype() == kind.rtype() && record.class() == Class::IN && self.is_owner(record)
        };
        let wanted: Vec<_> = records.iter().filter(is_wanted).collect();
        wanted.iter().for_each(|record| self.note_ttl(record));
        Some(match kind {
            DnsRecordKind::Ipv4 => {
                let fours = all::<A>(&wanted)?;
                addresses(fours.iter().map(|four| four.addr().into()))
            }
            DnsRecordKind::Ipv6 => {
                let sixes = all::<Aaaa>(&wanted)?;
                addresses(sixes.iter().map(|six| six.addr().into()))
            }
            DnsRecordKind::Exchangers => exchangers(all(&wanted)?),
            DnsRecordKind::Associations => associations(&all(&wanted)?)?,
            DnsRecordKind::Texts => texts(&all(&wanted)?),
        })
    }

    /// Goes on to what the name stands for; whether it is an alias.
    pub(super) fn follow(&mut self, records: &[AnyRecord<'a>]) -> Result<bool, NameError> {
        let is_alias = |record: &&AnyRecord<'a>| {
            record.rtype() == Rtype::CNAME && record.class() == Class::IN && self.is_owner(record)
        };
        let Some(record) = records.iter().find(is_alias) else {
            return Ok(false);
        };
        self.aliases += 1;
        if self.aliases > ALIASES_MAX {
            return Err(NameError::BadAnswer);
        }
        let alias = record.to_record::<Cname<Owner<'a>>>();
        let Ok(Some(alias)) = alias else {
            return Err(NameError::BadAnswer);
        };
        self.note_ttl(record);
        self.name = alias.into_data().into_cname();
        Ok(true)
    }

    fn is_owner(&self, record: &AnyRecord<'_>) -> bool {
        record.owner() == self.name
    }
}

/// What is in all of these records. `None` where octets are missing, left over or wrong.
fn all<'a, D: ParseRecordData<'a, [u8]>>(records: &[&AnyRecord<'a>]) -> Option<Vec<D>> {
    let data = |record: &&AnyRecord<'a>| record.to_record().ok()?.map(Record::into_data);
    records.iter().map(data).collect()
}

fn addresses(all: impl Iterator<Item = IpAddr>) -> NameRecords {
    let of_hosts = all.filter(|address| leads_to_a_host(*address));
    NameRecords::Addresses(of_hosts.take(ADDRESSES_MAX).collect())
}

/// Whether one host can have this address. Servers that block a name say that it has the unspecified one, which would lead here.
fn leads_to_a_host(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !address.is_unspecified() && !address.is_multicast() && !is_broadcast
}

/// The exchangers that are tried first.
fn exchangers(mut all: Vec<Mx<Owner<'_>>>) -> NameRecords {
    all.sort_by_key(Mx::preference);
    let kept = all.iter().take(EXCHANGERS_MAX).map(|record| MailExchanger {
        preference: record.preference(),
        host: name_text(record.exchange()).into(),
    });
    NameRecords::Exchangers(kept.collect())
}

/// The associations: usage, selector and matching type, an octet each, and their data (RFC 6698 §2.1). `None` where one is too short.
fn associations(all: &[UnknownRecordData<&[u8]>]) -> Option<NameRecords> {
    let kept = all.iter().take(ASSOCIATIONS_MAX).map(|record| {
        let ([usage, selector, matching], data) = record.data().split_first_chunk()?;
        // Without the record a host could seem to have no DANE; without its data it matches nothing.
        let is_kept = data.len() <= ASSOCIATION_BYTES_MAX;
        Some(TlsAssociation {
            usage: *usage,
            selector: *selector,
            matching: *matching,
            data: if is_kept { data.into() } else { Box::default() },
        })
    });
    let kept: Option<_> = kept.collect();
    kept.map(NameRecords::Associations)
}

/// The texts, their strings joined. A part of a text would say something else than the whole.
fn texts(all: &[Txt<&[u8]>]) -> NameRecords {
    let joined = all
        .iter()
        .map(|text| text.iter().collect::<Vec<_>>().concat());
    let kept = joined.filter(|text| text.len() <= TEXT_BYTES_MAX);
    NameRecords::Texts(kept.take(TEXTS_MAX).map(Vec::into_boxed_slice).collect())
}
