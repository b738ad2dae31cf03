//! What holds for whatever is read of a message, for the tests here and for `tests/fuzz`.

use mailoop::outbound::dns::answer::{NameFound, NameRecords};
use mailoop::outbound::dns::message::{DnsFinding, DnsReply};
use mailoop::outbound::dns::records::{
    ADDRESSES_MAX, ALIASES_MAX, ASSOCIATION_BYTES_MAX, ASSOCIATIONS_MAX, DnsRecordKind,
    EXCHANGERS_MAX, TEXT_BYTES_MAX, TEXTS_MAX,
};

/// The AD bit in the fourth octet of a message.
const AUTHENTICATED: u8 = 0x20;

/// All kinds of records that are asked for.
pub const KINDS: [DnsRecordKind; 5] = [
    DnsRecordKind::Ipv4,
    DnsRecordKind::Ipv6,
    DnsRecordKind::Exchangers,
    DnsRecordKind::Associations,
    DnsRecordKind::Texts,
];

/// The most octets of a name as zone files write it: each may take four.
const ESCAPED_BYTES_MAX: usize = 4 * 255;

/// Fails if a reply is not within bounds, or more authenticated than its octets say.
pub fn check(reply: &DnsReply, octets: &[u8], kind: DnsRecordKind, wants_authenticated: bool) {
    let may_be_authenticated = wants_authenticated && octets[3] & AUTHENTICATED != 0;
    match reply {
        DnsReply::Found(DnsFinding { found, aliases, .. }) => {
            assert_eq!(found.is_authenticated, may_be_authenticated);
            assert_eq!(found.canonical.is_some(), *aliases > 0);
            assert!(*aliases <= ALIASES_MAX);
            check_found(found, kind);
        }
        DnsReply::Alias(alias) => {
            assert_eq!(alias.is_authenticated, may_be_authenticated);
            assert!((1..=ALIASES_MAX).contains(&alias.aliases));
        }
        _ => {}
    }
}

fn check_found(found: &NameFound, kind: DnsRecordKind) {
    let is_within = |count: usize, most: usize| (1..=most).contains(&count);
    match (&found.records, kind) {
        (NameRecords::Addresses(addresses), DnsRecordKind::Ipv4 | DnsRecordKind::Ipv6) => {
            assert!(is_within(addresses.len(), ADDRESSES_MAX));
            let is_four = kind == DnsRecordKind::Ipv4;
            for address in &**addresses {
                assert!(address.is_ipv4() == is_four && !address.is_unspecified());
            }
        }
        (NameRecords::Exchangers(exchangers), DnsRecordKind::Exchangers) => {
            assert!(is_within(exchangers.len(), EXCHANGERS_MAX));
            assert!(exchangers.is_sorted_by_key(|exchanger| exchanger.preference));
            for host in exchangers.iter().map(|exchanger| &exchanger.host) {
                let is_shown = |octet: u8| (0x20..0x7f).contains(&octet);
                assert!(host.len() <= ESCAPED_BYTES_MAX && host.bytes().all(is_shown));
                assert_eq!(**host, host.to_ascii_lowercase());
            }
        }
        (NameRecords::Associations(associations), DnsRecordKind::Associations) => {
            assert!(is_within(associations.len(), ASSOCIATIONS_MAX));
            for association in &**associations {
                assert!(association.data.len() <= ASSOCIATION_BYTES_MAX);
            }
        }
        (NameRecords::Texts(texts), DnsRecordKind::Texts) => {
            assert!(is_within(texts.len(), TEXTS_MAX));
            assert!(texts.iter().all(|text| text.len() <= TEXT_BYTES_MAX));
        }
        other => panic!("{other:?}"),
    }
    let canonical = found.canonical.as_ref();
    assert!(canonical.is_none_or(|name| name.len() <= ESCAPED_BYTES_MAX));
}
