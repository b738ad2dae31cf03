//! Name servers that others wrote: dnsmasq, and Unbound with NSD for what is signed, where they are installed.

use std::net::{SocketAddr, UdpSocket};
use std::process::Stdio;

use mailoop::outbound::dns::answer::NameKind;

use crate::common::program::{Running, foreign, installed};
use crate::common::signed_zone::{SIGNED_ZONE_PROGRAMS, SignedZones, TestZone};
use crate::common::wait_until;
use crate::sockets::NameLoop;

/// A port of the loopback interface that is free for both protocols, as far as one can know.
fn free_address() -> SocketAddr {
    crate::sockets::one_port().0.local_addr().unwrap()
}

#[test]
fn dnsmasq_is_understood() {
    if !installed(&["dnsmasq"]) {
        return;
    }
    let address = free_address();
    let many = (1..=120).map(|number| format!("--host-record=many.example,192.0.2.{number}"));
    let mut command = foreign("dnsmasq");
    command
        .args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--pid-file=",
        ])
        .args(["--no-resolv", "--no-hosts", "--bind-interfaces", "--user="])
        .args(["--listen-address=127.0.0.1", "--local=/example/"])
        .arg(format!("--port={}", address.port()))
        .args(["--host-record=mail.example,192.0.2.1,2001:db8::1"])
        .args([
            "--host-record=four.example,192.0.2.4",
            "--txt-record=text.example,hello",
        ])
        .args([
            "--cname=alias.example,mail.example",
            "--cname=loop.example,alias.example",
        ])
        .args(many)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut server = Running(command.spawn().unwrap());
    wait_until("dnsmasq has its port", || {
        assert!(server.0.try_wait().unwrap().is_none(), "{command:?}");
        UdpSocket::bind(address).is_err() && std::net::TcpStream::connect(address).is_ok()
    });
    let mut names = NameLoop::new(&[address]);
    let answers = names.look_up(&[
        "mail.example",
        "MAIL.Example",
        "four.example",
        "alias.example",
        "loop.example",
        "text.example",
        "gone.example",
        "elsewhere.test",
    ]);
    assert_eq!(
        answers,
        [
            "192.0.2.1 2001:db8::1",
            "192.0.2.1 2001:db8::1",
            "192.0.2.4",
            "192.0.2.1 2001:db8::1 = mail.example",
            "192.0.2.1 2001:db8::1 = mail.example",
            "NoData",
            "NoSuchName",
            "Refused",
        ]
    );
    let many = names.look_up(&["many.example"]);
    assert_eq!(many[0].split(' ').count(), 30, "by TCP: {many:?}");
}

const TLSA: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[test]
fn what_unbound_has_verified_is_authenticated_and_nothing_else() {
    if !installed(&SIGNED_ZONE_PROGRAMS) {
        return;
    }
    let signed = format!(
        "@ MX 20 second
         @ MX 10 mail
         @ TXT \"v=spf1 \" \"-all\"
         mail A 192.0.2.1
         mail AAAA 2001:db8::1
         second A 192.0.2.2
         _25._tcp.mail TLSA 3 1 1 {TLSA}
         _25._tcp.mail TLSA 2 1 1 {TLSA}
         alias CNAME mail
         out CNAME mail.plain.example.
         astray CNAME mail.bogus.example."
    );
    let plain = format!(
        "@ MX 10 mail\nmail A 192.0.2.3\n_25._tcp.mail TLSA 3 1 1 {TLSA}\nin CNAME mail.example."
    );
    let bogus = format!("@ MX 10 mail\nmail A 192.0.2.4\n_25._tcp.mail TLSA 3 1 1 {TLSA}");
    let zones = SignedZones::start(&[
        TestZone::signed("example", &signed),
        TestZone::unsigned("plain.example", &plain),
        TestZone::bogus("bogus.example", &bogus),
    ]);
    let tlsa = format!("3:1:1:{TLSA}");
    let both = format!("{tlsa} 2:1:1:{TLSA} AD");
    let expected = [
        (
            NameKind::Exchangers,
            "example",
            "10:mail.example 20:second.example AD",
        ),
        (
            NameKind::MailHost,
            "mail.example",
            "192.0.2.1 2001:db8::1 AD",
        ),
        (NameKind::MailHost, "second.example", "192.0.2.2 AD"),
        (NameKind::Associations, "_25._tcp.mail.example", &both),
        (
            NameKind::Associations,
            "_25._tcp.second.example",
            "NoSuchName",
        ),
        (NameKind::Associations, "mail.example", "NoData"),
        (NameKind::Texts, "example", "\"v=spf1 -all\" AD"),
        (
            NameKind::MailHost,
            "alias.example",
            "192.0.2.1 2001:db8::1 = mail.example AD",
        ),
        (
            NameKind::MailHost,
            "out.example",
            "192.0.2.3 = mail.plain.example",
        ),
        (
            NameKind::Exchangers,
            "plain.example",
            "10:mail.plain.example",
        ),
        (NameKind::MailHost, "mail.plain.example", "192.0.2.3"),
        (
            NameKind::MailHost,
            "in.plain.example",
            "192.0.2.1 2001:db8::1 = mail.example",
        ),
        (NameKind::Associations, "_25._tcp.mail.plain.example", &tlsa),
        (NameKind::Exchangers, "bogus.example", "ServerFailure"),
        (NameKind::MailHost, "mail.bogus.example", "ServerFailure"),
        (NameKind::MailHost, "astray.example", "ServerFailure"),
        (
            NameKind::Associations,
            "_25._tcp.mail.bogus.example",
            "ServerFailure",
        ),
        (NameKind::MailHost, "elsewhere.other", "ServerFailure"),
    ];
    let questions = expected.map(|(kind, name, _)| (kind, name));
    let answers = NameLoop::new(&[zones.address()]).ask(&questions);
    for ((kind, name, expected), answer) in expected.into_iter().zip(&answers) {
        let sorted = |text: &str| {
            let mut words: Vec<_> = text.split(' ').map(str::to_owned).collect();
            words.sort();
            words
        };
        // Servers change the order of records.
        assert_eq!(
            sorted(answer),
            sorted(expected),
            "{kind:?} {name}: {}",
            zones.log()
        );
    }
    // Who has the zones verifies nothing.
    let answers = NameLoop::new(&[zones.authority()]).ask(&questions[..1]);
    assert_eq!(answers, ["10:mail.example 20:second.example"]);
}
