//! Name servers that fail, lie or are silent: nothing of that is for good, and nothing of it leads mail elsewhere.

use crate::world::expect;
use crate::zone::MailZone;

/// Faults, by what a server says in place of `RECORDS`, and `FORGED`, which somebody else would like to be believed.
const FAULTS: [(&str, &str); 20] = [
    ("SERVFAIL", "servfail"),
    ("REFUSED", "refused"),
    ("FORMERR", "formerr"),
    ("NOTIMP", "notimp"),
    ("silence", "silence"),
    ("the id of another question", "wrong id FORGED"),
    ("another question", "wrong question FORGED"),
    ("a question of another type", "wrong type FORGED"),
    ("another port", "wrong address FORGED"),
    ("two questions", "two questions FORGED"),
    ("a question in place of an answer", "a question FORGED"),
    ("garbage", "garbage"),
    ("pointers in a circle", "pointers"),
    ("a message that is cut", "cut RECORDS"),
    ("an empty message", "empty"),
    ("three octets", "short"),
    ("a server that does not ask others", "lame nodata"),
    ("late", "after 3000 RECORDS"),
    (
        "truncated, and silence by TCP",
        "truncated FORGED; NAME TYPE tcp = silence",
    ),
    (
        "truncated, and no TCP",
        "truncated FORGED; NAME TYPE tcp = unreachable",
    ),
];

/// What passes: mail goes to the right host all the same.
const OVERCOME: [(&str, &str); 8] = [
    ("a wrong id before the answer", "wrong id FORGED & RECORDS"),
    (
        "another port before the answer",
        "wrong address FORGED & RECORDS",
    ),
    (
        "another question before the answer",
        "wrong question FORGED & RECORDS",
    ),
    ("garbage by another id", "short & RECORDS"),
    ("late by a second", "after 1000 RECORDS"),
    ("truncated", "truncated FORGED; NAME TYPE tcp = RECORDS"),
    ("no EDNS", "edns formerr RECORDS"),
    ("the answer twice", "RECORDS & FORGED"),
];

/// The rule of a fault for a question.
fn rule(name: &str, kind: &str, fault: &str, records: &str, forged: &str) -> String {
    let rule = fault.replace("NAME", name).replace("TYPE", kind);
    let rule = rule.replace("RECORDS", records).replace("FORGED", forged);
    format!("{name} {kind} = {rule}")
}

/// The zone in which the question for the MX records has this fault.
fn of_domain(fault: &str) -> String {
    let mx = rule("@", "MX", fault, "60 mx 10 a.@", "60 mx 10 b.@");
    format!("{mx}; @ A = 60 {{up3}}; a.@ A = 60 {{up1}}; b.@ A = 60 {{up2}}")
}

/// The zone in which the questions for the addresses of the first host have this fault.
fn of_host(fault: &str, others: &str) -> String {
    let four = rule("a.@", "A", fault, "60 {up1}", "60 {up2}");
    let six = rule("a.@", "AAAA", fault, "nodata 60", "60 ::ffff:{up2}");
    format!("@ MX = 60 mx 10 a.@{others}; {four}; {six}")
}

/// The same without MX records.
fn of_implicit_host(fault: &str) -> String {
    of_host(fault, "")
        .replace("60 mx 10 a.@", "nodata 60")
        .replace("a.@", "@")
}

/// Zones in which every fault is at every place.
pub(crate) fn zones_with_faults() -> Vec<MailZone> {
    let mut zones = Vec::new();
    for (about, fault) in FAULTS {
        let next = format!("{}; b.@ A = 60 {{up3}}", of_host(fault, ", 60 mx 20 b.@"));
        for (of, script, fate, connections) in [
            ("the domain", of_domain(fault), "deferred 4.4.3", ""),
            ("a host", of_host(fault, ""), "deferred 4.4.3", ""),
            (
                "the domain as a host",
                of_implicit_host(fault),
                "deferred 4.4.3",
                "",
            ),
            ("a host before another", next, "sent", "up3"),
        ] {
            // The wrong type is MX.
            if fault.starts_with("wrong type") && of == "the domain" {
                continue;
            }
            zones.push(MailZone {
                about: format!("{about}: {of}"),
                script,
                fate,
                connections,
            });
        }
    }
    zones
}

#[test]
fn no_fault_of_name_servers_is_for_good() {
    let zones = zones_with_faults();
    expect(&zones);
}

#[test]
fn what_is_not_the_answer_is_passed_over() {
    let mut zones = Vec::new();
    for (about, fault) in OVERCOME {
        for (of, script) in [
            ("the domain", of_domain(fault)),
            ("a host", of_host(fault, "")),
            ("the domain as a host", of_implicit_host(fault)),
        ] {
            zones.push(MailZone {
                about: format!("{about}: {of}"),
                script,
                fate: "sent",
                connections: "up1",
            });
        }
    }
    expect(&zones);
}

#[test]
fn one_bad_answer_is_made_good_by_the_next() {
    let faults = [
        "servfail",
        "refused",
        "silence",
        "cut 60 {up2}",
        "after 3000 60 {up2}",
    ];
    let zones = faults.map(|fault| MailZone {
        about: format!("once {fault}"),
        script: format!("@ MX = 60 mx 10 a.@; once a.@ A = {fault}; a.@ A = 60 {{up1}}"),
        fate: "sent",
        connections: "up1",
    });
    expect(&zones);
}
