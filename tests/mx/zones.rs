//! Domains whose name servers work, and what their records lead to.

use crate::world::{LISTENER, OURS, expect};
use crate::zone::{MailZone, ZoneRow};

pub(crate) const DOMAINS: [ZoneRow; 22] = [
    ("null MX", "@ MX = 60 mx 0 .", "failed 5.1.10", ""),
    (
        "a null MX twice",
        "@ MX = 60 mx 0 ., 60 mx 10 .",
        "failed 5.1.10",
        "",
    ),
    (
        "a null MX, and an address that counts for nothing",
        "@ MX = 60 mx 0 .; @ A = 60 {up1}",
        "failed 5.1.10",
        "",
    ),
    (
        "a null MX beside another host",
        "@ MX = 60 mx 0 ., 60 mx 10 a.@; a.@ A = 60 {up1}",
        "sent",
        "up1",
    ),
    ("no such domain", "@ * = nxdomain 60", "failed 5.1.2", ""),
    (
        "no such domain, without a SOA",
        "@ * = nxdomain",
        "failed 5.1.2",
        "",
    ),
    (
        "nothing at all",
        "@ MX = nodata 60; @ A = nodata; @ AAAA = nodata",
        "failed 5.4.4",
        "",
    ),
    (
        "no MX by A",
        "@ MX = nodata 60; @ A = 60 {up1}",
        "sent",
        "up1",
    ),
    (
        "no MX by A, without a SOA",
        "@ MX = nodata; @ A = 60 {up1}",
        "sent",
        "up1",
    ),
    (
        "no MX by AAAA",
        "@ MX = nodata 60; @ AAAA = 60 ::ffff:{up1}",
        "sent",
        "up1",
    ),
    (
        "no MX, and then no such name",
        "@ MX = nodata 60; @ A = nxdomain 60; @ AAAA = nxdomain 60",
        "failed 5.4.4",
        "",
    ),
    (
        "an alias in one answer",
        "@ MX = 60 -> c.@, c.@ 60 mx 10 a.@; a.@ A = 60 {up1}",
        "sent",
        "up1",
    ),
    (
        "an alias in two answers",
        "@ MX = 60 -> c.@; c.@ MX = 60 mx 10 a.@; a.@ A = 60 {up1}",
        "sent",
        "up1",
    ),
    (
        "aliases in a circle in one answer",
        "@ MX = 60 -> c.@, c.@ 60 -> @; @ A = 60 {up1}",
        "deferred 4.4.3",
        "",
    ),
    (
        "aliases in a circle in two answers",
        "@ MX = 60 -> c.@; c.@ MX = 60 -> @; @ A = 60 {up1}",
        "deferred 4.4.3",
        "",
    ),
    ("an alias of itself", "@ MX = 60 -> @", "deferred 4.4.3", ""),
    (
        "an alias of nothing",
        "@ MX = 60 -> c.@, nxdomain 60",
        "failed 5.1.2",
        "",
    ),
    (
        "an alias of a name without MX",
        "@ MX = 60 -> c.@, nodata 60; @ A = 60 -> c.@, c.@ 60 {up1}; @ AAAA = 60 -> c.@, nodata 60",
        "sent",
        "up1",
    ),
    (
        "an alias of a null MX",
        "@ MX = 60 -> c.@, c.@ 60 mx 0 .",
        "failed 5.1.10",
        "",
    ),
    (
        "records of other names and classes",
        "@ MX = other.example 60 mx 0 b.@, 60 mx 10 a.@; a.@ A = 60 ch {up2}, b.@ 60 {up2}, 60 {up1}; b.@ A = 60 {up2}",
        "sent",
        "up1",
    ),
    ("an address literal", "literal {up1}", "sent", "up1"),
    (
        "an address literal that is refused",
        "literal 127.0.0.1",
        "failed 5.4.4",
        "",
    ),
];

const POLICIES: [ZoneRow; 5] = [
    (
        "nobody knows whether there is a policy",
        "@ MX = 60 mx 10 a.@; a.@ A = 60 {up1}; _mta-sts.@ TXT = servfail",
        "sent",
        "up1",
    ),
    (
        "nobody says whether there is a policy",
        "@ MX = 60 mx 10 a.@; a.@ A = 60 {up1}; _mta-sts.@ TXT = silence",
        "sent",
        "up1",
    ),
    (
        "verified, and nothing for DANE",
        "@ MX = ad 60 mx 10 a.@; a.@ A = ad 60 {up1}; a.@ AAAA = ad nodata 60",
        "sent",
        "up1",
    ),
    (
        "verified, and nobody knows what there is for DANE",
        "@ MX = ad 60 mx 10 a.@; a.@ A = ad 60 {up1}; a.@ AAAA = ad nodata 60; _PORT._tcp.a.@ TLSA = servfail",
        "deferred 4.7.5",
        "",
    ),
    (
        "the next host where nobody knows what there is for DANE",
        "@ MX = ad 60 mx 10 a.@, 60 mx 20 b.@; a.@ A = ad 60 {up1}; a.@ AAAA = ad nodata 60; b.@ A = 60 {up2}; _PORT._tcp.a.@ TLSA = silence",
        "sent",
        "up2",
    ),
];

#[test]
fn domains_say_whether_and_where_they_take_mail() {
    let rows = DOMAINS.iter().chain(&POLICIES);
    let mut zones: Vec<MailZone> = rows.copied().map(MailZone::of_row).collect();
    for ours in [OURS, LISTENER] {
        zones.push(MailZone {
            about: format!("our address {ours} as a literal"),
            script: format!("literal {ours}"),
            fate: "failed 5.4.6",
            connections: "",
        });
    }
    expect(&zones);
}
