//! Addresses to which no mail for strangers goes, whatever their name servers say.
//!
//! An address out of DNS is chosen by whoever owns the domain. It could be a service of this machine or of a network behind it, which
//! would take what a stranger says to it for ours. The ranges are those of the registries of special addresses (RFC 6890).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Ranges of IPv4, each by its first address and the bits of its prefix.
const SPECIAL_V4: [([u8; 4], u32); 16] = [
    // This network, which is this machine (RFC 791).
    ([0, 0, 0, 0], 8),
    // Private (RFC 1918).
    ([10, 0, 0, 0], 8),
    // Behind a carrier's translation (RFC 6598).
    ([100, 64, 0, 0], 10),
    // Loopback.
    ([127, 0, 0, 0], 8),
    // Link-local (RFC 3927).
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    // Protocol assignments (RFC 6890).
    ([192, 0, 0, 0], 24),
    // Documentation (RFC 5737).
    ([192, 0, 2, 0], 24),
    // The former anycast of 6to4 (RFC 7526).
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    // Benchmarks (RFC 2544).
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    // Multicast.
    ([224, 0, 0, 0], 4),
    // Reserved (RFC 1112), and broadcast.
    ([240, 0, 0, 0], 4),
    ([255, 255, 255, 255], 32),
];

/// Ranges of IPv6.
const SPECIAL_V6: [([u16; 8], u32); 10] = [
    // The unspecified address and loopback, and the former IPv4-compatible ones (RFC 4291).
    ([0, 0, 0, 0, 0, 0, 0, 0], 96),
    // Translation within one network (RFC 8215).
    ([0x64, 0xFF9B, 1, 0, 0, 0, 0, 0], 48),
    // Discarded (RFC 6666).
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64),
    // Protocol assignments with Teredo, in which somebody else chooses an IPv4 address (RFC 4380), and ORCHID.
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    // Documentation (RFC 3849, RFC 9637).
    ([0x2001, 0xDB8, 0, 0, 0, 0, 0, 0], 32),
    ([0x3FFF, 0, 0, 0, 0, 0, 0, 0], 20),
    // Segment routing (RFC 9602).
    ([0x5F00, 0, 0, 0, 0, 0, 0, 0], 16),
    // Unique local (RFC 4193).
    ([0xFC00, 0, 0, 0, 0, 0, 0, 0], 7),
    // Link-local, and the former site-local next to it.
    ([0xFE80, 0, 0, 0, 0, 0, 0, 0], 9),
    // Multicast.
    ([0xFF00, 0, 0, 0, 0, 0, 0, 0], 8),
];

/// Whether an address is in a range that is not a part of the public Internet. One that has an IPv4 address within counts by that.
#[must_use]
pub fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_special_v4(address),
        IpAddr::V6(address) => {
            embedded(address).is_some_and(is_special_v4)
                || SPECIAL_V6.iter().any(|(network, bits)| {
                    let first = Ipv6Addr::from(*network).to_bits();
                    (first ^ address.to_bits()) >> (128 - bits) == 0
                }) && address.to_ipv4_mapped().is_none()
        }
    }
}

fn is_special_v4(address: Ipv4Addr) -> bool {
    SPECIAL_V4.iter().any(|(network, bits)| {
        let first = Ipv4Addr::from(*network).to_bits();
        (first ^ address.to_bits()) >> (32 - bits) == 0
    })
}

/// The IPv4 address that packets to an IPv6 one end at: of IPv4-mapped ones, translation (RFC 6052) and 6to4 (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = address.to_bits();
    #[expect(clippy::cast_possible_truncation, reason = "32 bits are wanted")]
    match address.segments() {
        [0, 0, 0, 0, 0, 0xFFFF, ..] | [0x64, 0xFF9B, 0, 0, 0, 0, ..] => {
            Some(Ipv4Addr::from_bits(bits as u32))
        }
        [0x2002, ..] => Some(Ipv4Addr::from_bits((bits >> 80) as u32)),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_where_they_should() {
        for (special, public) in [
            ("0.255.255.255", "1.0.0.0"),
            ("10.0.0.0", "9.255.255.255"),
            ("10.255.255.255", "11.0.0.0"),
            ("100.64.0.0", "100.63.255.255"),
            ("100.127.255.255", "100.128.0.0"),
            ("127.0.0.1", "126.255.255.255"),
            ("127.255.255.255", "128.0.0.0"),
            ("169.254.0.1", "169.253.255.255"),
            ("172.16.0.0", "172.15.255.255"),
            ("172.31.255.255", "172.32.0.0"),
            ("192.0.0.255", "192.0.1.0"),
            ("192.0.2.1", "192.0.3.0"),
            ("192.168.0.1", "192.169.0.0"),
            ("198.19.255.255", "198.20.0.0"),
            ("198.51.100.7", "198.51.101.0"),
            ("203.0.113.7", "203.0.114.0"),
            ("224.0.0.1", "223.255.255.255"),
            ("255.255.255.255", "8.8.8.8"),
            ("::", "2000::"),
            ("::1", "2600::1"),
            ("::192.0.2.1", "2001:200::"),
            ("::ffff:127.0.0.1", "::ffff:8.8.8.8"),
            ("64:ff9b::10.0.0.1", "64:ff9b::8.8.8.8"),
            ("2002:7f00:1::1", "2002:808:808::1"),
            ("2001:db8::1", "2001:db9::1"),
            ("fc00::1", "fbff::1"),
            ("fdff::1", "2a00::1"),
            ("fe80::1", "fe7f::1"),
            ("fec0::1", "2003::1"),
            ("ff02::1", "2400::1"),
        ] {
            assert!(is_special(special.parse().unwrap()), "{special}");
            assert!(!is_special(public.parse().unwrap()), "{public}");
        }
    }
}
