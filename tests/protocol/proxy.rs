//! PROXY headers: what a proxy writes is read, however it is cut, and nothing else is taken for it.

use std::net::{IpAddr, SocketAddr};

use mailoop::inbound::proxy::{Header, ProxySource, V1_BYTES_MAX, V2_BLOCK_BYTES_MAX, read};
use mailoop::net::cidr::Cidr;
use proptest::prelude::*;

const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 1. The destination is of the same family.
fn v1(source: SocketAddr) -> Vec<u8> {
    let (family, destination) = match source {
        SocketAddr::V4(_) => ("TCP4", "198.51.100.25"),
        SocketAddr::V6(_) => ("TCP6", "2001:db8::25"),
    };
    let (ip, port) = (source.ip(), source.port());
    format!("PROXY {family} {ip} {destination} {port} 25\r\n").into_bytes()
}

/// A header of version 2, these octets behind its addresses.
fn v2(source: SocketAddr, additions: &[u8]) -> Vec<u8> {
    let (family, addresses) = match source.ip() {
        IpAddr::V4(ip) => (0x11, [ip.octets(); 2].concat()),
        IpAddr::V6(ip) => (0x21, [ip.octets(); 2].concat()),
    };
    let ports = [source.port().to_be_bytes(), 25_u16.to_be_bytes()].concat();
    v2_of(
        0x21,
        family,
        &[addresses, ports, additions.to_vec()].concat(),
    )
}

fn v2_of(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [V2_SIGNATURE, &[command, family], &length, block].concat()
}

/// Headers that are right, with what they say.
fn header() -> impl Strategy<Value = (Vec<u8>, ProxySource)> {
    let addressed = |header: fn(SocketAddr, &[u8]) -> Vec<u8>| {
        (
            any::<SocketAddr>(),
            prop::collection::vec(any::<u8>(), 0..500),
        )
            .prop_map(move |(source, additions)| {
                // What has no place in a header: the scope and flow of an IPv6 address.
                let source = SocketAddr::new(source.ip(), source.port());
                (header(source, &additions), ProxySource::Address(source))
            })
    };
    let unknown = "PROXY UNKNOWN( [ -~]{0,91})?\r\n"
        .prop_map(|line| (line.into_bytes(), ProxySource::Unknown));
    let local = (
        any::<u8>(),
        prop::collection::vec(any::<u8>(), 0..=usize::from(V2_BLOCK_BYTES_MAX)),
    )
        .prop_map(|(family, block)| (v2_of(0x20, family, &block), ProxySource::Unknown));
    let unix = prop::collection::vec(any::<u8>(), 216..300)
        .prop_map(|block| (v2_of(0x21, 0x31, &block), ProxySource::Unix));
    let families = prop::sample::select(vec![0x00, 0x01, 0x02, 0x10, 0x12, 0x20, 0x22, 0x30, 0x32]);
    let unspecified = (families, prop::collection::vec(any::<u8>(), 0..50))
        .prop_map(|(family, block)| (v2_of(0x21, family, &block), ProxySource::Unknown));
    prop_oneof![
        unspecified,
        addressed(|source, _| v1(source)),
        addressed(v2),
        unknown,
        local,
        unix
    ]
}

/// Octets that are nearly a header.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let edited = (header(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        |((mut header, _), at, octet)| {
            *at.get_mut(&mut header) = octet;
            header
        },
    );
    let line = "PROXY (TCP4|TCP6|UNKNOWN)[0-9a-fA-F:. ]{0,100}(\r\n)?".prop_map(String::into_bytes);
    let octets = prop::collection::vec(any::<u8>(), 0..200);
    prop_oneof![edited, line, octets]
}

/// Goes on from `start`, always by an octet that may stand there, until the header is complete.
fn complete(start: &[u8]) -> Vec<u8> {
    let mut header = start.to_vec();
    // Lines first come to an end; addresses of version 2 are whatever comes.
    let octets = || b"\n\r 0:.".iter().copied().chain(0..=u8::MAX);
    while read(&header) == Header::Incomplete {
        let longest = V1_BYTES_MAX.max(16 + usize::from(V2_BLOCK_BYTES_MAX));
        assert!(
            header.len() < longest,
            "{start:x?} comes to no end: {header:x?}"
        );
        let next =
            octets().find(|octet| read(&[&header[..], &[*octet]].concat()) != Header::Invalid);
        header.push(next.unwrap_or_else(|| panic!("nothing may follow {header:x?}")));
    }
    header
}

proptest! {
    #[test]
    fn a_header_is_read_however_it_is_cut((header, source) in header(), client in prop::collection::vec(any::<u8>(), 0..20)) {
        for cut in 0..header.len() {
            prop_assert_eq!(read(&header[..cut]), Header::Incomplete, "cut at {}", cut);
        }
        let complete = Header::Complete { length: header.len(), source };
        prop_assert_eq!(read(&header), complete);
        prop_assert_eq!(read(&[header, client].concat()), complete);
    }

    #[test]
    fn more_input_changes_no_answer(octets in nearly()) {
        let mut answer = Header::Incomplete;
        for cut in 0..=octets.len() {
            let next = read(&octets[..cut]);
            prop_assert!(answer == Header::Incomplete || answer == next, "cut at {}", cut);
            if let Header::Complete { length, .. } = next {
                prop_assert!(cut >= length && length > 0);
            }
            answer = next;
        }
    }

    #[test]
    fn what_is_not_invalid_can_become_a_header(octets in nearly()) {
        let start = (0..=octets.len()).rev().map(|cut| &octets[..cut]);
        let start = start.clone().find(|start| read(start) == Header::Incomplete).unwrap();
        let header = complete(start);
        let whole = matches!(read(&header), Header::Complete { length, .. } if length == header.len());
        prop_assert!(whole, "{:x?}", header);
    }

    #[test]
    fn a_network_is_read_as_it_is_shown(address in any::<IpAddr>()) {
        let network: Cidr = address.to_string().parse().unwrap();
        prop_assert!(network.contains(address));
        prop_assert_eq!(network.to_string().parse(), Ok(network));
    }

    #[test]
    fn a_network_holds_the_addresses_that_begin_as_it_does(address in any::<[u8; 4]>(), other in any::<[u8; 4]>(), bits in 0..=32_usize) {
        let binary = |octets: [u8; 4]| octets.iter().map(|octet| format!("{octet:08b}")).collect::<String>();
        let text = format!("{}/{bits}", IpAddr::from(address));
        let network: Cidr = match text.parse() {
            Ok(network) => network,
            Err(error) => {
                prop_assert!(binary(address)[bits..].contains('1'), "{}", error);
                return Ok(());
            }
        };
        prop_assert!(!binary(address)[bits..].contains('1'));
        prop_assert_eq!(network.contains(other.into()), binary(other)[..bits] == binary(address)[..bits]);
    }

    #[test]
    fn any_text_is_a_network_or_not(text in "[0-9a-f:./]{0,50}") {
        if let Ok(network) = text.parse::<Cidr>() {
            prop_assert_eq!(network.to_string().parse(), Ok(network));
        }
    }
}
