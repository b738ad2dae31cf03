//! Postfix beside the same name server and the same hosts: what becomes of mail is the same, or listed here.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use crate::common::happens;
use crate::common::pauses::undisturbed;
use crate::common::program::{foreign, run};
use crate::faults::zones_with_faults;
use crate::hosts::{HOSTS, zones_of_ours};
use crate::name_server;
use crate::postfix::{Postfix, can_run};
use crate::world::{LISTENER, MailHosts, OURS, recipients, script_of_all, send_to_all};
use crate::zone::MailZone;
use crate::zones::DOMAINS;

/// With this variable the test is in namespaces of its own.
const WITHIN: &str = "MAILOOP_TEST_WITHIN";

/// What becomes of mail by Postfix where that is something else, by what the zone is about.
const DEVIATIONS: [(&str, &str); 22] = [
    // RFC 7505 §4.2 has a status for it since; other hosts beside the root make it no null MX.
    ("null MX", "failed 5.1.0"),
    ("a null MX twice", "failed 5.1.0"),
    (
        "a null MX, and an address that counts for nothing",
        "failed 5.1.0",
    ),
    ("a null MX beside another host", "failed 5.1.0"),
    ("an alias of a null MX", "failed 5.1.0"),
    // A domain that is not there is told from one without a host.
    ("no such domain", "failed 5.4.4"),
    ("no such domain, without a SOA", "failed 5.4.4"),
    ("an alias of nothing", "failed 5.4.4"),
    // Aliases in a circle are trouble that somebody may mend, and no word on whether there are MX records.
    ("aliases in a circle in one answer", "sent"),
    ("aliases in a circle in two answers", "sent"),
    ("an alias of itself", "failed 5.4.4"),
    ("a host is an alias of itself", "failed 5.4.4"),
    // An MX record names a host (RFC 5321 §5.1), and not this machine.
    ("an address in place of a host", "sent"),
    ("this machine by its usual name", "sent"),
    // Names that are none by RFC 1123 are not asked for.
    ("a host with a hyphen at the end of a label", "failed 5.4.4"),
    // The same address, which the system connects to as IPv4.
    ("our address in IPv6", "deferred 4.4.1"),
    // No fault of a name server is for good.
    ("FORMERR: the domain", "failed 5.4.3"),
    ("FORMERR: a host", "failed 5.4.3"),
    ("FORMERR: the domain as a host", "failed 5.4.3"),
    // The resolver of the C library takes it for an answer.
    ("a question in place of an answer: the domain", "sent"),
    ("a question in place of an answer: a host", "sent"),
    (
        "a question in place of an answer: the domain as a host",
        "sent",
    ),
];

fn zones() -> Vec<MailZone> {
    let rows = DOMAINS.iter().chain(&HOSTS).copied();
    let rows = rows.filter(|(_, script, ..)| !script.starts_with("literal "));
    let zones = rows.map(MailZone::of_row);
    // The C library waits long for an answer by TCP.
    let faults = zones_with_faults().into_iter();
    let faults = faults.filter(|zone| !zone.about.contains("silence by TCP"));
    zones.chain(zones_of_ours()).chain(faults).collect()
}

#[test]
fn postfix_comes_to_the_same_or_to_what_is_listed() {
    if !can_run(&["postfix", "unshare", "ip", "mount"]) {
        return;
    }
    if std::env::var_os(WITHIN).is_some() {
        return compare();
    }
    // Nobody waits for long for a name.
    undisturbed(compare_within_namespaces);
}

fn compare_within_namespaces() {
    // A name server for the C library has to be at port 53, and hosts at port 25.
    let test = "beside::postfix_comes_to_the_same_or_to_what_is_listed";
    let output = foreign("unshare")
        .args(["--mount", "--net"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(WITHIN, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}\n{error}");
    assert!(told.contains("1 passed"), "{told}");
}

fn compare() {
    run(foreign("ip").args(["link", "set", "lo", "up"]));
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(
        &file,
        "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n",
    )
    .unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    run(foreign("mount")
        .arg("--bind")
        .arg(file.path())
        .arg("/etc/resolv.conf"));
    let zones = zones();
    let reserved = TcpListener::bind("127.2.255.254:25").unwrap();
    let _hosts = MailHosts::start_at(25, &zones, reserved);
    name_server::start("127.0.0.1:53", script_of_all(&zones, 25));
    let postfix = Postfix::start(
        &format!(
            "myhostname = {}\n\
             proxy_interfaces = {OURS}, {LISTENER}\n\
             smtp_host_lookup = dns\n\
             smtpd_peername_lookup = no\n\
             smtp_tls_security_level =\n\
             mynetworks = 127.0.0.1\n\
             notify_classes =\n",
            crate::common::HOSTNAME
        ),
        "",
    );
    let recipients = recipients(&zones, 25);
    send_to_all(&postfix.address(), &recipients);
    let mut wrong = Vec::new();
    for (zone, to) in zones.iter().zip(&recipients) {
        let (fate, line) = fate_of(&postfix, to);
        let listed = DEVIATIONS.iter().find(|(about, _)| *about == zone.about);
        let expected = listed.map_or(zone.fate, |(_, fate)| fate);
        if fate != expected {
            wrong.push(format!("{}: {fate}, not {expected}: {line}", zone.about));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} zones:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// What has become of mail to a recipient, once that is known, and the line of the log.
fn fate_of(postfix: &Postfix, to: &str) -> (String, String) {
    let word = format!(" to=<{to}>, ");
    let mut line = String::new();
    happens(|| {
        let log = postfix.log();
        let found = log
            .lines()
            .find(|line| line.contains(&word) && line.contains("status="));
        line = found.unwrap_or_default().to_owned();
        !line.is_empty()
    });
    let value = |name: &str| {
        let rest = line.split_once(name).map_or("", |(_, rest)| rest);
        rest.split([' ', ',']).next().unwrap().to_owned()
    };
    let dsn = value("dsn=");
    let fate = match &*value("status=") {
        "sent" => "sent".to_owned(),
        "bounced" => format!("failed {dsn}"),
        status => format!("{status} {dsn}"),
    };
    (fate, line)
}
