//! Addresses that no mail goes to, in all forms: the special ranges, and IPv4 within IPv6.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::world::expect;
use crate::zone::MailZone;

/// The first and the last address of each special range of IPv4.
const FOURS: [(&str, &str); 16] = [
    ("0.0.0.0", "0.255.255.255"),
    ("10.0.0.0", "10.255.255.255"),
    ("100.64.0.0", "100.127.255.255"),
    ("127.0.0.1", "127.1.255.255"),
    ("127.3.0.0", "127.255.255.255"),
    ("169.254.0.0", "169.254.255.255"),
    ("172.16.0.0", "172.31.255.255"),
    ("192.0.0.0", "192.0.0.255"),
    ("192.0.2.0", "192.0.2.255"),
    ("192.88.99.0", "192.88.99.255"),
    ("192.168.0.0", "192.168.255.255"),
    ("198.18.0.0", "198.19.255.255"),
    ("198.51.100.0", "198.51.100.255"),
    ("203.0.113.0", "203.0.113.255"),
    ("224.0.0.0", "239.255.255.255"),
    ("240.0.0.0", "255.255.255.255"),
];

/// The same of IPv6.
const SIXES: [(&str, &str); 12] = [
    ("::", "::1"),
    ("::7f00:1", "::ffff:ffff"),
    ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:7f00:1"),
    ("100::", "100::ffff:ffff:ffff:ffff"),
    ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
];

/// An IPv4 address in IPv6: mapped, compatible, translated (RFC 6052) and 6to4.
fn embedded(four: &str) -> [String; 4] {
    let four: Ipv4Addr = four.parse().unwrap();
    let bits = u128::from(four.to_bits());
    [
        0xFFFF << 32 | bits,
        bits,
        0x64_FF9B << 96 | bits,
        0x2002 << 112 | bits << 80 | 1,
    ]
    .map(|bits| Ipv6Addr::from_bits(bits).to_string())
}

/// Zones whose only host has one of these addresses, by MX and as the domain itself.
fn zones_of(address: &str) -> [MailZone; 2] {
    let kind = if address.contains(':') { "AAAA" } else { "A" };
    [
        format!("@ MX = 60 mx 10 a.@; a.@ {kind} = 60 {address}"),
        format!("@ MX = nodata 60; @ {kind} = 60 {address}"),
    ]
    .map(|script| MailZone {
        about: format!("the address {address}"),
        script,
        fate: "failed 5.4.4",
        connections: "",
    })
}

#[test]
fn no_mail_goes_to_special_addresses() {
    let addresses = FOURS.iter().chain(&SIXES);
    let addresses = addresses.flat_map(|(first, last)| [*first, *last]);
    let mut zones: Vec<MailZone> = addresses.flat_map(zones_of).collect();
    for script in [
        "literal 127.0.0.1",
        "literal 10.0.0.1",
        "literal IPv6:::1",
        "literal IPv6:::ffff:127.0.0.1",
    ] {
        zones.push(MailZone {
            about: "a literal".to_owned(),
            script: script.to_owned(),
            fate: "failed 5.4.4",
            connections: "",
        });
    }
    expect(&zones);
}

#[test]
fn no_mail_goes_to_special_addresses_within_ipv6() {
    let addresses = FOURS.iter().flat_map(|(first, last)| {
        let [first, last] = [first, last].map(|four| embedded(four));
        first.into_iter().chain(last)
    });
    let zones: Vec<MailZone> = addresses
        .map(|address| {
            let [zone, _] = zones_of(&address);
            zone
        })
        .collect();
    expect(&zones);
}

#[test]
fn a_special_address_keeps_no_mail_from_others() {
    let others = "10.0.0.1 127.0.0.1 ::1 ::ffff:10.0.0.1 64:ff9b::10.0.0.1 2002:a00:1::1 fd00::1";
    let mut zones = Vec::new();
    for address in others.split(' ') {
        let kind = if address.contains(':') { "AAAA" } else { "A" };
        let record = format!("60 {address}");
        let zone = |about: &str, script: String, fate, connections| MailZone {
            about: format!("{address} {about}"),
            script,
            fate,
            connections,
        };
        let beside = match kind {
            "A" => format!("a.@ A = {record}, 60 {{up1}}"),
            _ => format!("a.@ AAAA = {record}; a.@ A = 60 {{up1}}"),
        };
        zones.extend([
            zone(
                "beside another",
                format!("@ MX = 60 mx 10 a.@; {beside}"),
                "sent",
                "up1",
            ),
            zone(
                "before another host",
                format!(
                    "@ MX = 60 mx 10 a.@, 60 mx 20 b.@; a.@ {kind} = {record}; b.@ A = 60 {{up1}}"
                ),
                "sent",
                "up1",
            ),
            zone(
                "after a host that is down",
                format!(
                    "@ MX = 60 mx 10 a.@, 60 mx 20 b.@; b.@ {kind} = {record}; a.@ A = 60 {{down1}}"
                ),
                "deferred 4.4.1",
                "",
            ),
        ]);
    }
    expect(&zones);
}
