//! Servers of others as next hops: every octet arrives at Postfix, Exim and aiosmtpd by SMTP, at Dovecot by LMTP.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::awkward::{Awkward, Taste, messages};
use crate::common::client::Client;
use crate::common::{files, wait_until};
use crate::mail::{client, delicate, give, send, with_lf};
use crate::postfix::{Postfix, can_run};
use crate::servers;
use crate::site::{Site, await_log, without_received};

const ADA: &str = "ada@here.example";
const BOB: &str = "bob@there.example";

/// How many messages each hop gets.
const MESSAGES: usize = 112;

/// A server that takes any octet, in lines of any length.
const OMNIVOROUS: Taste = Taste {
    line_max: 5000,
    nul: true,
};

/// A stored message from our own `Received` on, which comes after what the hop put in front, and without it.
fn as_given(path: &Path) -> Vec<u8> {
    let stored = fs::read(path).unwrap();
    let stored = with_lf(&stored);
    let ours = b"Received: from client (";
    let at = stored.windows(ours.len()).position(|window| window == ours);
    let at = at.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&stored)));
    without_received(&stored[at..])
}

/// Gives a message, by BDAT where its last line has no end.
fn give_awkward(client: &mut Client<std::net::TcpStream>, text: &[u8]) {
    if text.ends_with(b"\r\n") {
        give(client, ADA, &[BOB], text);
        return;
    }
    client.ask(&format!("MAIL FROM:<{ADA}> BODY=8BITMIME"), "250");
    client.ask(&format!("RCPT TO:<{BOB}>"), "250");
    client.say(&format!("BDAT {} LAST\r\n", text.len()));
    client.say(std::str::from_utf8(text).unwrap());
    client.expect("250");
}

/// What is stored in a folder, by the number in its header.
fn stored(folder: &Path) -> BTreeMap<usize, Vec<u8>> {
    let texts = files(folder).into_iter().map(|path| as_given(&path));
    let by_number = texts.map(|text| {
        let shown = String::from_utf8_lossy(&text).into_owned();
        let (_, rest) = shown.split_once("X-Number: ").expect("a number");
        let number = rest.lines().next().unwrap().parse().unwrap();
        (number, text)
    });
    by_number.collect()
}

/// Sends messages by a route, and compares what is in the folder then.
fn delivers(route: &str, options: &[&str], folder: &Path, taste: Taste) {
    let site = Site::new();
    let mut server = site.start(&[&["--route", route], options].concat());
    let mut client = client(server.address());
    for Awkward { text, .. } in messages(MESSAGES, taste) {
        give_awkward(&mut client, &text);
    }
    client.ask("QUIT", "221");
    // Each step has its time.
    for count in (1..=MESSAGES).step_by(10).chain([MESSAGES]) {
        wait_until(&format!("{count} messages by {route}"), || {
            files(folder).len() >= count
        });
    }
    site.await_empty();
    let stored = stored(folder);
    assert_eq!((stored.len(), files(folder).len()), (MESSAGES, MESSAGES));
    let mut wrong = Vec::new();
    for Awkward { number, mut text } in messages(MESSAGES, taste) {
        if !text.ends_with(b"\r\n") {
            text.extend(b"\r\n");
        }
        if stored[&number] != with_lf(&text) {
            wrong.push((number, number % 16));
        }
    }
    assert!(wrong.is_empty(), "by {route}, with their kinds: {wrong:?}");
    let log = server.log();
    let sent = log.matches(" status=sent ").count();
    assert_eq!(sent, MESSAGES, "{log}");
    assert_eq!(log.matches(" tries=1 ").count(), MESSAGES, "{log}");
    server.stop();
}

#[test]
fn postfix_knows_whom_it_has() {
    if !can_run(&["postfix"]) {
        return;
    }
    let postfix = Postfix::with_mailbox("", "");
    let route = format!("*=smtp://{}", postfix.address());
    let site = Site::new();
    let mut server = site.start(&["--route", &route]);
    let to = [
        "nobody@there.example",
        "bob@there.example",
        "bob@far.example",
    ];
    send(server.address(), ADA, &to, &delicate());
    await_log(
        &server,
        &["to=<nobody@there.example>", "status=failed", "dsn=5.1.1"],
    );
    await_log(&server, &["to=<bob@there.example>", "status=sent"]);
    // Postfix relays for this machine, and has nobody to give it to: it says nothing of that to us.
    site.await_stored(ADA, 1);
    site.await_empty();
    server.stop();
}

#[test]
fn postfix_takes_every_octet() {
    if can_run(&["postfix"]) {
        let postfix = Postfix::with_mailbox("", "");
        let route = format!("*=smtp://{}", postfix.address());
        delivers(&route, &[], &postfix.mail(), OMNIVOROUS);
    }
}

#[test]
fn dovecot_takes_every_octet_by_a_socket_file_and_by_tcp() {
    if !can_run(&["dovecot-lmtpd"]) {
        return;
    }
    for is_file in [true, false] {
        let dovecot = servers::dovecot();
        let route = match is_file {
            true => format!("*=lmtp:unix:{}", dovecot.path("lmtp").display()),
            false => format!("*=lmtp://{}", dovecot.address()),
        };
        delivers(&route, &[], &dovecot.path("mail/bob/new"), OMNIVOROUS);
    }
}

#[test]
fn exim_takes_every_octet() {
    if can_run(&["exim4", "unshare", "mount"]) {
        let exim = servers::exim();
        let route = format!("*=smtp://{}", exim.address());
        delivers(&route, &[], &exim.path("mail/new"), OMNIVOROUS);
    }
}

#[cfg(feature = "tls")]
mod over_tls {
    use super::*;
    use crate::common::ports::free_port;
    use crate::common::tls::Authority;

    /// A folder with an authority, and a certificate for this machine by its addresses and a name.
    fn papers() -> (tempfile::TempDir, String, String) {
        let folder = crate::postfix::open_folder();
        let authority = Authority::new("An authority");
        let names = ["127.0.0.1", "::1", "mx.there.example"];
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let ca = write("ca.pem", &authority.certificate());
        let certificate = write("hop.pem", &authority.certificate_and_key(&names));
        (folder, ca, certificate)
    }

    #[test]
    fn postfix_by_starttls_by_tls_by_ipv6_and_by_name() {
        if !can_run(&["postfix", "dnsmasq"]) {
            return;
        }
        let (_folder, ca, certificate) = papers();
        let settings = format!(
            "smtpd_tls_cert_file = {certificate}\n\
             smtpd_tls_key_file = {certificate}\n\
             smtpd_tls_security_level = may\n"
        );
        let (wrapped, six) = (free_port(), free_port());
        let services = format!(
            "127.0.0.1:{wrapped} inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n\
             [::1]:{six} inet n - n - - smtpd\n"
        );
        let postfix = Postfix::with_mailbox(&settings, &services);
        let port = postfix.address().replace("127.0.0.1:", "");
        let names = servers::dnsmasq("mx.there.example");
        let dns = ["--dns", &*names.address()];
        let verified = format!("?tls=verify&ca={ca}");
        let routes: [(&str, &[&str]); 4] = [
            (&format!("smtp://127.0.0.1:{port}{verified}"), &[]),
            (&format!("smtps://127.0.0.1:{wrapped}{verified}"), &[]),
            (&format!("smtp://[::1]:{six}{verified}"), &[]),
            (&format!("smtp://mx.there.example:{port}{verified}"), &dns),
        ];
        for (route, options) in routes {
            delivers(&format!("*={route}"), options, &postfix.mail(), OMNIVOROUS);
            for path in files(&postfix.mail()) {
                let text = fs::read(&path).unwrap();
                let text = String::from_utf8_lossy(&text);
                assert!(text.contains("with ESMTPS id "), "{route}: {text}");
                fs::remove_file(&path).unwrap();
            }
        }
    }

    #[test]
    fn aiosmtpd_takes_every_octet_of_lines_that_are_not_too_long() {
        if !can_run(&["aiosmtpd"]) {
            return;
        }
        let (_folder, ca, certificate) = papers();
        let aiosmtpd = servers::aiosmtpd(&certificate);
        let route = format!("*=smtps://{}?tls=verify&ca={ca}", aiosmtpd.address());
        let taste = Taste {
            line_max: 998,
            ..OMNIVOROUS
        };
        delivers(&route, &[], &aiosmtpd.path("mail/new"), taste);
    }
}
