//! PROXY headers: against a naive reader of whole ones, and more input changes no answer.

#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use mailoop::net::cidr::Cidr;
use mailoop::inbound::proxy::{Header, ProxySource, V1_BYTES_MAX, V2_BLOCK_BYTES_MAX, read};

// The first octet chooses where else to cut.
fuzz_target!(|bytes: &[u8]| {
    let [cut, input @ ..] = bytes else {
        return;
    };
    let answer = read(input);
    if let Some(expected) = naive(input) {
        assert_eq!(answer, expected);
    } else {
        assert_eq!(answer, Header::Incomplete);
        may_become_complete(input);
    }
    let before = read(&input[..usize::from(*cut).min(input.len())]);
    assert!(
        before == Header::Incomplete || before == answer,
        "{before:?}, then {answer:?}"
    );
    if let Ok(text) = str::from_utf8(input)
        && let Ok(network) = text.parse::<Cidr>()
    {
        assert_eq!(network.to_string().parse(), Ok(network));
    }
});

/// What whole lines and blocks are; `None` where there is only the start of one, or of what is wrong already.
fn naive(input: &[u8]) -> Option<Header> {
    const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    let complete = |length, source| Header::Complete { length, source };
    if input.starts_with(SIGNATURE) {
        let &[command, family, high, low, ref block @ ..] = &input[SIGNATURE.len()..] else {
            return wrong(input);
        };
        let length = usize::from(high) << 8 | usize::from(low);
        let end = SIGNATURE.len() + 4 + length;
        let octets = |range: std::ops::Range<usize>| block.get(range).unwrap_or_default();
        let port = |at| u16::from_be_bytes(octets(at..at + 2).try_into().unwrap_or_default());
        let ip4: [u8; 4] = octets(0..4).try_into().unwrap_or_default();
        let ip6: [u8; 16] = octets(0..16).try_into().unwrap_or_default();
        let (least, source) = match (command, family) {
            (0x20, _) => (0, ProxySource::Unknown),
            (0x21, 0x11) => (12, ProxySource::Address(SocketAddr::new(ip4.into(), port(8)))),
            (0x21, 0x21) => (36, ProxySource::Address(SocketAddr::new(ip6.into(), port(32)))),
            (0x21, 0x31) => (216, ProxySource::Unix),
            (0x21, _) if family >> 4 <= 3 && family & 0xF <= 2 => (0, ProxySource::Unknown),
            _ => return Some(Header::Invalid),
        };
        if length < least || length > usize::from(V2_BLOCK_BYTES_MAX) {
            return Some(Header::Invalid);
        }
        return (input.len() >= end).then(|| complete(end, source));
    }
    let Some(end) = input.windows(2).position(|octets| octets == b"\r\n") else {
        return wrong(input);
    };
    if SIGNATURE.starts_with(input) {
        return None;
    }
    let header = naive_line(&input[..end]).map(|source| complete(end + 2, source));
    Some(
        header
            .filter(|_| end + 2 <= V1_BYTES_MAX)
            .unwrap_or(Header::Invalid),
    )
}

/// Of a start the reader knows best whether it is wrong; that it says so too late is found by going on from it.
fn wrong(input: &[u8]) -> Option<Header> {
    (read(input) == Header::Invalid).then_some(Header::Invalid)
}

fn naive_line(line: &[u8]) -> Option<ProxySource> {
    if line == b"PROXY UNKNOWN" || line.starts_with(b"PROXY UNKNOWN ") {
        return Some(ProxySource::Unknown);
    }
    let fields: Vec<_> = str::from_utf8(line).ok()?.split(' ').collect();
    let &["PROXY", family, source, destination, port, destination_port] = &fields[..] else {
        return None;
    };
    let address = |text: &str| match family {
        "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    };
    let number = |text: &str| {
        text.parse::<u16>()
            .ok()
            .filter(|port| port.to_string() == text)
    };
    address(destination)?;
    number(destination_port)?;
    Some(ProxySource::Address(SocketAddr::new(
        address(source)?,
        number(port)?,
    )))
}

/// Goes on from what is incomplete, always by an octet that may stand there, to a whole header.
fn may_become_complete(input: &[u8]) {
    let mut header = input.to_vec();
    while read(&header) == Header::Incomplete {
        assert!(
            header.len() < 16 + usize::from(V2_BLOCK_BYTES_MAX),
            "it comes to no end"
        );
        let likely = b"\n\r 0:.".iter().copied();
        let next = likely
            .chain(0..=u8::MAX)
            .find(|octet| read(&[&header[..], &[*octet]].concat()) != Header::Invalid);
        header.push(next.expect("nothing may follow"));
    }
}
