//! The PROXY protocol: what a proxy says first of the client that it speaks for.
//!
//! Sections are those of HAProxy's `doc/proxy-protocol.txt`. Nothing is guessed: who is to send a header sends one,
//! and what cannot become one is known by its first wrong octet.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::str::FromStr;

use crate::net::cidr::decimal;

/// The most octets of a header of version 1, its CRLF counted in (§2.1).
pub const V1_BYTES_MAX: usize = 107;
/// The most octets of the addresses of version 2 with what a proxy adds to them. The specification sets no limit,
/// but means a header to fit in the smallest TCP segment, which has as many (§2).
pub const V2_BLOCK_BYTES_MAX: u16 = 536;

/// The start of every header of version 1 (§2.1).
const V1_START: &[u8] = b"PROXY ";
/// The start of every header of version 2 (§2.2): no text, and nothing that another protocol begins with.
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The octets of version 2 in front of the addresses.
const V2_FIXED_BYTES: usize = V2_SIGNATURE.len() + 4;

/// The start of the input, read as a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// No whole header yet.
    Incomplete,
    /// No header, whatever follows.
    Invalid,
    /// A header.
    Complete {
        /// Its octets; behind them the client speaks.
        length: usize,
        /// The address of the client.
        source: ProxySource,
    },
}

/// The address of a client, as its proxy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxySource {
    /// On the network.
    Address(SocketAddr),
    /// On a unix socket.
    Unix,
    /// The proxy does not say, or speaks for itself, as to see whether we are well: the peer is the connection's own.
    Unknown,
}

/// Reads the header at the start of `input`, of either version.
#[must_use]
pub fn read(input: &[u8]) -> Header {
    let start = &input[..input.len().min(V2_SIGNATURE.len())];
    if V2_SIGNATURE.starts_with(start) {
        read_v2(input)
    } else {
        read_v1(input)
    }
}

/// Whether somebody who was not asked for one sends a header.
#[must_use]
pub fn begins_header(input: &[u8]) -> bool {
    input.starts_with(V1_START) || input.starts_with(V2_SIGNATURE)
}

/// The octets at the start of `input` by which it is read. Octets that follow may be a client's, and are not for everybody.
#[must_use]
pub fn header_octets(input: &[u8]) -> &[u8] {
    let most = if V2_SIGNATURE.starts_with(input) || input.starts_with(V2_SIGNATURE) {
        V2_FIXED_BYTES + usize::from(V2_BLOCK_BYTES_MAX)
    } else if input.starts_with(V1_START) {
        let end = input.windows(2).position(|octets| octets == b"\r\n");
        end.map_or(V1_BYTES_MAX, |end| end + 2)
    } else {
        V1_START.len()
    };
    &input[..input.len().min(most)]
}

fn read_v1(input: &[u8]) -> Header {
    let start = &input[..input.len().min(V1_BYTES_MAX)];
    let Some(end) = start.windows(2).position(|octets| octets == b"\r\n") else {
        return if may_become_v1(start) {
            Header::Incomplete
        } else {
            Header::Invalid
        };
    };
    let length = end + 2;
    match v1_source(&start[..length]) {
        Some(source) => Header::Complete { length, source },
        None => Header::Invalid,
    }
}

/// `PROXY TCP4 source destination port port`, the same with `TCP6`, or `PROXY UNKNOWN` with anything behind it.
fn v1_source(line: &[u8]) -> Option<ProxySource> {
    let line = line.strip_suffix(b"\r\n")?.strip_prefix(V1_START)?;
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Some(ProxySource::Unknown);
    }
    let mut fields = str::from_utf8(line).ok()?.split(' ');
    let fields: [Option<&str>; 6] = core::array::from_fn(|_| fields.next());
    let [
        Some(family),
        Some(source),
        Some(destination),
        Some(port),
        Some(destination_port),
        None,
    ] = fields
    else {
        return None;
    };
    let address = match family {
        "TCP4" => v1_address::<Ipv4Addr>(source, destination),
        "TCP6" => v1_address::<Ipv6Addr>(source, destination),
        _ => None,
    };
    decimal::<u16>(destination_port)?;
    Some(ProxySource::Address(SocketAddr::new(
        address?,
        decimal(port)?,
    )))
}

/// The source, where both addresses are of the family.
fn v1_address<A: FromStr + Into<IpAddr>>(source: &str, destination: &str) -> Option<IpAddr> {
    destination.parse::<A>().ok()?;
    source.parse::<A>().ok().map(Into::into)
}

/// Whether some header begins with `start`. Instead of a grammar of beginnings there is the grammar, and for every
/// place in it the shortest ways to its end: if none of them makes a header, nothing does.
fn may_become_v1(start: &[u8]) -> bool {
    const SHORTEST: [&str; 3] = [
        "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n",
        "PROXY TCP6 :: :: 0 0\r\n",
        "PROXY UNKNOWN\r\n",
    ];
    const ENDS_OF_FIELD: [&str; 10] = [
        "", "0", ":", "::", ".0", "0.0", ".0.0", "0.0.0", ".0.0.0", "0.0.0.0",
    ];
    const ENDS_OF_LINE: [&str; 6] = [
        "\n",
        "\r\n",
        " 0\r\n",
        " 0 0\r\n",
        " :: 0 0\r\n",
        " 0.0.0.0 0 0\r\n",
    ];
    let makes_header = |field: &str, line: &str| {
        let line = [start, field.as_bytes(), line.as_bytes()].concat();
        line.len() <= V1_BYTES_MAX && v1_source(&line).is_some()
    };
    SHORTEST
        .iter()
        .any(|line| line.as_bytes().starts_with(start))
        || ENDS_OF_FIELD
            .iter()
            .any(|field| ENDS_OF_LINE.iter().any(|line| makes_header(field, line)))
}

/// Finds the source in the addresses of version 2.
type SourceReader = fn(&[u8]) -> Option<ProxySource>;

fn read_v2(input: &[u8]) -> Header {
    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;
    let mut fixed = input.iter().copied().skip(V2_SIGNATURE.len());
    let Some(command) = fixed.next() else {
        return Header::Incomplete;
    };
    if !matches!(command, LOCAL | PROXY) {
        return Header::Invalid;
    }
    let Some(family) = fixed.next() else {
        return Header::Incomplete;
    };
    let (block_min, source): (u16, SourceReader) = match (command, family) {
        // Whatever the addresses of a proxy that speaks for itself are, they are not of a client.
        (LOCAL, _) => (0, |_| Some(ProxySource::Unknown)),
        (PROXY, 0x11) => (12, v2_address::<4>),
        (PROXY, 0x21) => (36, v2_address::<16>),
        (PROXY, 0x31) => (216, |_| Some(ProxySource::Unix)),
        // §2.2: what is of no use to the receiver, as datagrams are to us, is as good as unspecified.
        (PROXY, 0x00..=0x02 | 0x10 | 0x12 | 0x20 | 0x22 | 0x30 | 0x32) => {
            (0, |_| Some(ProxySource::Unknown))
        }
        _ => return Header::Invalid,
    };
    let Some(high) = fixed.next() else {
        return Header::Incomplete;
    };
    let Some(low) = fixed.next() else {
        let within = u16::from_be_bytes([high, 0]) <= V2_BLOCK_BYTES_MAX;
        return if within {
            Header::Incomplete
        } else {
            Header::Invalid
        };
    };
    let block = u16::from_be_bytes([high, low]);
    if !(block_min..=V2_BLOCK_BYTES_MAX).contains(&block) {
        return Header::Invalid;
    }
    let length = V2_FIXED_BYTES + usize::from(block);
    let Some(block) = input.get(V2_FIXED_BYTES..length) else {
        return Header::Incomplete;
    };
    match source(block) {
        Some(source) => Header::Complete { length, source },
        None => Header::Invalid,
    }
}

/// The source of two addresses of `N` octets each and their ports. What may follow is of no use here.
fn v2_address<const N: usize>(block: &[u8]) -> Option<ProxySource>
where
    IpAddr: From<[u8; N]>,
{
    let source = block.first_chunk::<N>()?;
    let port = block.get(2 * N..)?.first_chunk()?;
    let address = SocketAddr::new(IpAddr::from(*source), u16::from_be_bytes(*port));
    Some(ProxySource::Address(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(header: Header) -> Option<String> {
        match header {
            Header::Complete {
                source: ProxySource::Address(address),
                ..
            } => Some(address.to_string()),
            Header::Complete { source, .. } => Some(format!("{source:?}")),
            Header::Incomplete | Header::Invalid => None,
        }
    }

    #[test]
    fn version_1_names_the_client() {
        for (line, client) in [
            (
                "PROXY TCP4 192.0.2.1 198.51.100.2 56324 25",
                "192.0.2.1:56324",
            ),
            (
                "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535",
                "255.255.255.255:65535",
            ),
            ("PROXY TCP4 0.0.0.0 0.0.0.0 0 0", "0.0.0.0:0"),
            ("PROXY TCP6 2001:db8::1 ::1 1 25", "[2001:db8::1]:1"),
            (
                "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 25",
                "[::ffff:192.0.2.1]:1",
            ),
            ("PROXY UNKNOWN", "Unknown"),
            ("PROXY UNKNOWN ", "Unknown"),
            ("PROXY UNKNOWN any thing\r at \n all", "Unknown"),
        ] {
            let header = read(format!("{line}\r\nEHLO c\r\n").as_bytes());
            assert_eq!(source(header).as_deref(), Some(client), "{line}");
            assert!(matches!(header, Header::Complete { length, .. } if length == line.len() + 2));
        }
    }

    #[test]
    fn the_first_wrong_octet_of_version_1_is_known() {
        for (right, wrong) in [
            ("", "E"),
            ("PROX", "y"),
            ("PROXY", "\r"),
            ("PROXY ", "TCP5"),
            ("PROXY TCP4", "\r\n"),
            ("PROXY TCP4 ", " "),
            ("PROXY TCP4 ", ":"),
            ("PROXY TCP4 1", " "),
            ("PROXY TCP4 25", "6"),
            ("PROXY TCP4 0", "1"),
            ("PROXY TCP4 1.2.3.4", "."),
            ("PROXY TCP4 1.2.3.4", "\r"),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 6553", "6"),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 0", "5"),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 ", "+"),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 25", " "),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 25", "\n"),
            ("PROXY TCP4 1.2.3.4 1.2.3.4 1 25\r", "\r"),
            ("PROXY TCP6 1234", "5"),
            ("PROXY TCP6 1:", " "),
            ("PROXY TCP6 1::2:", ":"),
            ("PROXY TCP6 1:2:3:4:5:6:7:8", ":"),
            ("PROXY TCP6 ::1", "%"),
            ("PROXY UNKNOWN", "S"),
            ("PROXY UNKNOWN\r", "x"),
        ] {
            assert_eq!(read(right.as_bytes()), Header::Incomplete, "{right:?}");
            let wrong = format!("{right}{wrong}");
            assert_eq!(read(wrong.as_bytes()), Header::Invalid, "{wrong:?}");
        }
    }

    #[test]
    fn version_1_has_its_longest_line() {
        let line = |length: usize| {
            format!(
                "PROXY UNKNOWN {}",
                "x".repeat(length - "PROXY UNKNOWN ".len())
            )
        };
        let longest = line(V1_BYTES_MAX - 2);
        assert_eq!(read(longest.as_bytes()), Header::Incomplete);
        assert_eq!(
            source(read(format!("{longest}\r\n").as_bytes())).as_deref(),
            Some("Unknown")
        );
        assert_eq!(read(line(V1_BYTES_MAX - 1).as_bytes()), Header::Invalid);
    }

    fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX).to_be_bytes();
        [V2_SIGNATURE, &[command, family], &length, block].concat()
    }

    #[test]
    fn version_2_names_the_client() {
        let ip4 = [192, 0, 2, 1, 198, 51, 100, 2, 0xDC, 4, 0, 25];
        let mut ip6 = [0; 36];
        ip6[..2].copy_from_slice(&[0xFD, 0]);
        ip6[33] = 7;
        let additions = [&ip4[..], &[3, 0, 4, 1, 2, 3, 4]].concat();
        for (command, family, block, client) in [
            (0x21, 0x11, &ip4[..], "192.0.2.1:56324"),
            (0x21, 0x11, &additions, "192.0.2.1:56324"),
            (0x21, 0x21, &ip6, "[fd00::]:7"),
            (0x21, 0x31, &[0; 216], "Unix"),
            (0x21, 0x00, b"", "Unknown"),
            (0x21, 0x00, b"anything", "Unknown"),
            (0x21, 0x12, &ip4, "Unknown"),
            (0x20, 0x00, b"", "Unknown"),
            (0x20, 0x11, &ip4, "Unknown"),
            (0x20, 0xFF, &[0; V2_BLOCK_BYTES_MAX as usize], "Unknown"),
        ] {
            let header = v2(command, family, block);
            let read = read(&[&header, &b"EHLO c\r\n"[..]].concat());
            assert_eq!(source(read).as_deref(), Some(client), "{header:x?}");
            assert!(matches!(read, Header::Complete { length, .. } if length == header.len()));
        }
    }

    #[test]
    fn the_first_wrong_octet_of_version_2_is_known() {
        for (right, wrong) in [
            (&b"\r\n\r\n\0\r\nQUI"[..], &b"t"[..]),
            (V2_SIGNATURE, b"\x11"),
            (V2_SIGNATURE, b"\x22"),
            (V2_SIGNATURE, b"\x21\x03"),
            (V2_SIGNATURE, b"\x21\x13"),
            (V2_SIGNATURE, b"\x21\x41"),
            (V2_SIGNATURE, b"\x21\x11\x03"),
            (V2_SIGNATURE, b"\x21\x11\x02\x19"),
            (V2_SIGNATURE, b"\x21\x11\x00\x0B"),
            (V2_SIGNATURE, b"\x21\x21\x00\x23"),
            (V2_SIGNATURE, b"\x21\x31\x00\xD7"),
        ] {
            let bytes = [right, wrong].concat();
            assert_eq!(read(&bytes), Header::Invalid, "{bytes:x?}");
            assert_eq!(
                read(&bytes[..bytes.len() - 1]),
                Header::Incomplete,
                "{bytes:x?}"
            );
        }
    }
}
