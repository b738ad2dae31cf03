//! Hosts that domains name, good and bad, ourselves among them: which are tried, and in which order.

use crate::common::HOSTNAME;
use crate::world::{LISTENER, OURS, expect};
use crate::zone::{MailZone, ZoneRow};

pub(crate) const HOSTS: [ZoneRow; 28] = [
    (
        "by preference",
        "@ MX = 60 mx 20 b.@, 60 mx 10 a.@; a.@ A = 60 {busy1}; b.@ A = 60 {up1}",
        "sent",
        "busy1 up1",
    ),
    (
        "equal preferences",
        "@ MX = 60 mx 10 a.@, 60 mx 10 b.@; a.@ A = 60 {up1}; b.@ A = 60 {up2}",
        "sent",
        "up1 or up2",
    ),
    (
        "equal preferences, one refuses",
        "@ MX = 60 mx 10 a.@, 60 mx 10 b.@, 60 mx 20 c.@; a.@ A = 60 {busy1}; b.@ A = 60 {up1}; c.@ A = 60 {up2}",
        "sent",
        "up1 or busy1 up1",
    ),
    (
        "the first host is down",
        "@ MX = 60 mx 10 a.@, 60 mx 20 b.@; a.@ A = 60 {down1}; b.@ A = 60 {up1}",
        "sent",
        "up1",
    ),
    (
        "all hosts are down",
        "@ MX = 60 mx 10 a.@, 60 mx 20 b.@; a.@ A = 60 {down1}; b.@ A = 60 {down2}",
        "deferred 4.4.1",
        "",
    ),
    (
        "the same host by two preferences",
        "@ MX = 60 mx 10 a.@, 60 mx 20 A.@; a.@ A = 60 {busy1}",
        "deferred 4.3.2",
        "busy1",
    ),
    (
        "a host is an alias",
        "@ MX = 60 mx 10 a.@; a.@ A = 60 -> b.@, b.@ 60 {up1}; a.@ AAAA = 60 -> b.@, nodata 60",
        "sent",
        "up1",
    ),
    (
        "a host is an alias of itself",
        "@ MX = 60 mx 10 a.@; a.@ A = 60 -> a.@; a.@ AAAA = 60 -> a.@",
        "deferred 4.4.3",
        "",
    ),
    (
        "a host is an alias in a circle, the next one is not",
        "@ MX = 60 mx 10 a.@, 60 mx 20 b.@; a.@ A = 60 -> c.@; c.@ A = 60 -> a.@; a.@ AAAA = 60 -> c.@; c.@ AAAA = 60 -> a.@; b.@ A = 60 {up1}",
        "sent",
        "up1",
    ),
    (
        "no such host",
        "@ MX = 60 mx 10 a.@; a.@ A = nxdomain 60; a.@ AAAA = nxdomain 60",
        "failed 5.4.4",
        "",
    ),
    (
        "no such host, the next one is",
        "@ MX = 60 mx 10 a.@, 60 mx 20 b.@; a.@ A = nxdomain 60; a.@ AAAA = nxdomain 60; b.@ A = 60 {up1}",
        "sent",
        "up1",
    ),
    (
        "no such host, the next one is down",
        "@ MX = 60 mx 10 a.@, 60 mx 20 b.@; a.@ A = nxdomain 60; a.@ AAAA = nxdomain 60; b.@ A = 60 {down1}",
        "deferred 4.4.1",
        "",
    ),
    (
        "a host without addresses",
        "@ MX = 60 mx 10 a.@; a.@ A = nodata 60; a.@ AAAA = nodata",
        "failed 5.4.4",
        "",
    ),
    (
        "a host by IPv6",
        "@ MX = 60 mx 10 a.@; a.@ AAAA = 60 ::ffff:{up1}",
        "sent",
        "up1",
    ),
    (
        "IPv4 of a host that nobody knows IPv6 of",
        "@ MX = 60 mx 10 a.@; a.@ A = 60 {up1}; a.@ AAAA = servfail",
        "sent",
        "up1",
    ),
    (
        "no IPv4 of a host that nobody knows IPv6 of",
        "@ MX = 60 mx 10 a.@; a.@ A = nodata 60; a.@ AAAA = servfail",
        "deferred 4.4.3",
        "",
    ),
    (
        "addresses of one host, of which two are tried",
        "@ MX = 60 mx 10 a.@, 60 mx 20 b.@; a.@ A = 60 {busy1}, 60 {busy2}, 60 {busy3}; b.@ A = 60 {up1}",
        "sent",
        "busy1 busy2 up1",
    ),
    (
        "an address in place of a host",
        "@ MX = 60 mx 10 {up1}; @ A = 60 {up2}",
        "failed 5.4.4",
        "",
    ),
    (
        "an address in place of a host beside another",
        "@ MX = 60 mx 10 {up1}, 60 mx 20 a.@; a.@ A = 60 {up2}",
        "sent",
        "up2",
    ),
    (
        "an address in brackets",
        "@ MX = 60 mx 10 [{up1}]; @ A = 60 {up2}",
        "failed 5.4.4",
        "",
    ),
    (
        "an address in brackets that is refused, beside another host",
        "@ MX = 60 mx 10 [10.0.0.1], 60 mx 20 a.@; a.@ A = 60 {up1}",
        "sent",
        "up1",
    ),
    (
        "an IPv6 address in brackets",
        "@ MX = 60 mx 10 [IPv6:::1], 60 mx 20 a.@; a.@ A = 60 {up1}",
        "sent",
        "up1",
    ),
    (
        "this machine by its usual name",
        "@ MX = 60 mx 10 localhost; localhost A = 60 {up1}",
        "failed 5.4.4",
        "",
    ),
    (
        "a URL in place of a host",
        "@ MX = 60 mx 10 http://a/; @ A = 60 {up1}",
        "failed 5.4.4",
        "",
    ),
    (
        "a URL beside a host",
        "@ MX = 60 mx 10 http://a/, 60 mx 20 a.@; a.@ A = 60 {up1}",
        "sent",
        "up1",
    ),
    (
        "a host with an underscore",
        "@ MX = 60 mx 10 mail_host.@; mail_host.@ A = 60 {up1}",
        "sent",
        "up1",
    ),
    (
        "a host with a hyphen at the end of a label",
        "@ MX = 60 mx 10 a-.@; a-.@ A = 60 {up1}",
        "sent",
        "up1",
    ),
    (
        "a host with a hyphen at the start, and the next one",
        "@ MX = 60 mx 10 -a.@, 60 mx 20 b.@; -a.@ A = 60 {busy1}; b.@ A = 60 {up1}",
        "sent",
        "busy1 up1",
    ),
];

/// `US` is our name, `OURS` and `LISTENER` are addresses of ours.
const OURSELVES: [ZoneRow; 13] = [
    (
        "we are best",
        "@ MX = 60 mx 10 US; US A = 60 OURS",
        "failed 5.4.6",
        "",
    ),
    (
        "we are best, in upper case",
        "@ MX = 60 mx 10 MX.EXAMPLE.ORG, 60 mx 20 a.@; a.@ A = 60 {up1}",
        "failed 5.4.6",
        "",
    ),
    (
        "we are as good as another",
        "@ MX = 60 mx 10 a.@, 60 mx 10 US; a.@ A = 60 {up1}",
        "failed 5.4.6",
        "",
    ),
    (
        "we are worse",
        "@ MX = 60 mx 10 a.@, 60 mx 20 US; a.@ A = 60 {up1}",
        "sent",
        "up1",
    ),
    (
        "we are worse, and the better one refuses",
        "@ MX = 60 mx 10 a.@, 60 mx 20 US, 60 mx 30 b.@; a.@ A = 60 {busy1}; b.@ A = 60 {up1}",
        "deferred 4.3.2",
        "busy1",
    ),
    (
        "one that is as good as we are is not asked",
        "@ MX = 60 mx 10 a.@, 60 mx 20 b.@, 60 mx 20 US; a.@ A = 60 {busy1}; b.@ A = 60 {up1}",
        "deferred 4.3.2",
        "busy1",
    ),
    (
        "our address",
        "@ MX = 60 mx 10 a.@; a.@ A = 60 OURS",
        "failed 5.4.6",
        "",
    ),
    (
        "our address in IPv6",
        "@ MX = 60 mx 10 a.@; a.@ AAAA = 60 ::ffff:OURS",
        "failed 5.4.6",
        "",
    ),
    (
        "our address beside another",
        "@ MX = 60 mx 10 a.@, 60 mx 20 b.@; a.@ A = 60 {up1}, 60 OURS; b.@ A = 60 {up2}",
        "failed 5.4.6",
        "",
    ),
    (
        "our address, and a worse host",
        "@ MX = 60 mx 10 a.@, 60 mx 20 b.@; a.@ A = 60 OURS; b.@ A = 60 {up1}",
        "failed 5.4.6",
        "",
    ),
    (
        "our address after a host that refuses",
        "@ MX = 60 mx 10 a.@, 60 mx 20 b.@, 60 mx 30 c.@; a.@ A = 60 {busy1}; b.@ A = 60 OURS; c.@ A = 60 {up1}",
        "deferred 4.3.2",
        "busy1",
    ),
    (
        "our listener",
        "@ MX = 60 mx 10 a.@; a.@ A = 60 LISTENER",
        "failed 5.4.6",
        "",
    ),
    (
        "the domain is our address",
        "@ MX = nodata 60; @ A = 60 OURS",
        "failed 5.4.6",
        "",
    ),
];

/// So many hosts with preferences, and their addresses.
fn many_hosts(kind: &str) -> String {
    let numbers = 1..=25;
    let named = numbers
        .clone()
        .map(|number| format!("60 mx {number} h{number}.@"));
    let named: Vec<_> = named.collect();
    let addresses = numbers.map(|number| format!("h{number}.@ A = 60 {{{kind}{number}}}"));
    let addresses: Vec<_> = addresses.collect();
    format!("@ MX = {}; {}", named.join(", "), addresses.join("; "))
}

/// Many hosts, and many addresses.
fn bounds() -> Vec<MailZone> {
    let zone = |about: &str, script: String, fate, connections| MailZone {
        about: about.to_owned(),
        script,
        fate,
        connections,
    };
    let addresses: Vec<_> = (1..=25)
        .map(|number| format!("60 {{busy{number}}}"))
        .collect();
    let addresses = addresses.join(", ");
    vec![
        zone(
            "25 hosts that refuse",
            many_hosts("busy"),
            "deferred 4.3.2",
            "busy1 busy2 busy3 busy4 busy5 busy6 busy7 busy8",
        ),
        zone("25 hosts", many_hosts("up"), "sent", "up1"),
        zone(
            "25 addresses that refuse",
            format!("@ MX = 60 mx 10 a.@; a.@ A = {addresses}"),
            "deferred 4.3.2",
            "busy1 busy2 busy3 busy4 busy5",
        ),
        zone(
            "25 hosts, of which the answer comes by a connection",
            format!(
                "@ MX = truncated 60 mx 0 b.@; {}",
                many_hosts("up").replacen("@ MX", "@ MX tcp", 1)
            ),
            "sent",
            "up1",
        ),
    ]
}

#[test]
fn hosts_are_tried_by_preference_within_bounds() {
    let rows = HOSTS.iter().copied().map(MailZone::of_row);
    let zones: Vec<MailZone> = rows.chain(bounds()).collect();
    expect(&zones);
}

/// Zones that lead to ourselves.
pub(crate) fn zones_of_ours() -> Vec<MailZone> {
    let rows = OURSELVES.iter().copied().map(MailZone::of_row);
    let zones = rows.map(|mut zone| {
        for (word, value) in [("US", HOSTNAME), ("OURS", OURS), ("LISTENER", LISTENER)] {
            let by_word = |text: &str| text.replace(&format!(" {word}"), &format!(" {value}"));
            zone.script = by_word(&zone.script).replace(":OURS", &format!(":{OURS}"));
        }
        zone
    });
    zones.collect()
}

#[test]
fn mail_does_not_come_back_to_us() {
    let zones = zones_of_ours();
    expect(&zones);
}
