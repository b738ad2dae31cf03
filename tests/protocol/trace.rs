//! The header fields put in front of every message: what is in them, and what a client cannot get into them.

use std::net::IpAddr;
use std::rc::Rc;

use bytes::BytesMut;
use mailoop::smtp::envelope::{Body, Envelope, Hello, Peer, QueueId, Recipient};
use mailoop::smtp::path::ReversePath;
use mailoop::smtp::security::{ChannelBindings, Security};
use mailoop::smtp::service::Service;
use mailoop::smtp::trace;

fn envelope(hello: &str, extended: bool, recipients: &[&str]) -> Envelope {
    Envelope {
        service: Service::Smtp,
        peer: Peer::Ip("192.0.2.1".parse().unwrap()),
        proxied: None,
        security: None,
        user: None,
        hello: Hello {
            name: hello.into(),
            extended,
        },
        reverse_path: ReversePath::Mailbox("a@example.com".parse().unwrap()),
        recipients: recipients
            .iter()
            .map(|address| Recipient {
                address: address.parse().unwrap(),
                mailboxes: smallvec::smallvec!["elsewhere@example.org".parse().unwrap()],
                remote: Vec::new(),
                dsn: None,
            })
            .collect(),
        body: Body::default(),
        smtputf8: false,
        dsn: None,
        sender_is_ours: false,
        quarantine: None,
    }
}

fn trace(envelope: &Envelope) -> String {
    const DATE: &str = "Thu, 29 Feb 2024 12:30:45 +0000";
    let mut out = BytesMut::new();
    let id = QueueId::new("TEST", 1);
    trace::write(&mut out, envelope, id, "mail.example.org", DATE);
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn one_recipient_is_named() {
    assert_eq!(
        trace(&envelope("client", false, &["b@example.org"])),
        "Return-Path: <a@example.com>\r\n\
         Received: from client ([192.0.2.1])\r\n\
         \tby mail.example.org with SMTP id TEST0001\r\n\
         \tfor <b@example.org>;\r\n\
         \tThu, 29 Feb 2024 12:30:45 +0000\r\n"
    );
}

#[cfg(feature = "smtputf8")]
#[test]
fn what_asked_for_smtputf8_says_so_and_is_in_utf_8() {
    let mut envelope = envelope("client", true, &["büro@bücher.example"]);
    envelope.reverse_path = ReversePath::Mailbox("用户@例え.jp".parse().unwrap());
    for (service, smtputf8, protocol) in [
        (Service::Smtp, true, "UTF8SMTP"),
        (Service::Smtp, false, "ESMTP"),
        (Service::Submission, true, "UTF8SMTP"),
        (Service::Submission, false, "ESMTP"),
        (Service::Lmtp, true, "UTF8LMTP"),
        (Service::Lmtp, false, "LMTP"),
    ] {
        (envelope.service, envelope.smtputf8) = (service, smtputf8);
        assert_eq!(
            trace(&envelope),
            format!(
                "Return-Path: <用户@例え.jp>\r\n\
                 Received: from client ([192.0.2.1])\r\n\
                 \tby mail.example.org with {protocol} id TEST0001\r\n\
                 \tfor <büro@bücher.example>;\r\n\
                 \tThu, 29 Feb 2024 12:30:45 +0000\r\n"
            )
        );
    }
}

#[test]
fn tls_and_a_login_are_named() {
    let mut envelope = envelope("client", true, &["b@example.org"]);
    let security = Rc::new(Security {
        version: "TLSv1.3",
        cipher: "TLS_AES_256_GCM_SHA384",
        bits: 256,
        bindings: ChannelBindings::default(),
    });
    for (secure, user, extended, protocol) in [
        (true, None, true, "ESMTPS"),
        (true, Some("ada"), true, "ESMTPSA"),
        (false, Some("ada"), true, "ESMTPA"),
        (true, Some("ada"), false, "SMTP"),
    ] {
        envelope.security = secure.then(|| Rc::clone(&security));
        envelope.user = user.map(Rc::from);
        let hello = &mut envelope.hello;
        hello.extended = extended;
        let tls = if secure {
            "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n"
        } else {
            ""
        };
        assert_eq!(
            trace(&envelope),
            format!(
                "Return-Path: <a@example.com>\r\n\
                 Received: from client ([192.0.2.1])\r\n\
                 {tls}\tby mail.example.org with {protocol} id TEST0001\r\n\
                 \tfor <b@example.org>;\r\n\
                 \tThu, 29 Feb 2024 12:30:45 +0000\r\n"
            )
        );
    }
}

#[test]
fn several_recipients_do_not_learn_of_each_other() {
    let mut envelope = envelope("[127.0.0.1]", true, &["b@example.org", "c@example.org"]);
    envelope.reverse_path = ReversePath::Null;
    envelope.peer = Peer::Ip(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]));
    assert_eq!(
        trace(&envelope),
        "Return-Path: <>\r\n\
         Received: from [127.0.0.1] ([IPv6:::1])\r\n\
         \tby mail.example.org with ESMTP id TEST0001;\r\n\
         \tThu, 29 Feb 2024 12:30:45 +0000\r\n"
    );
}

#[test]
fn a_client_cannot_write_header_text_with_its_name() {
    for (name, written) in [
        ("a-b_c.d:[E]9", "a-b_c.d:[E]9"),
        ("x([10.0.0.1])by", "x?[10.0.0.1]?by"),
        ("a;\"b\"<c>@d,e\\f=g", "a??b??c??d?e?f?g"),
        ("a\r\nb\tc d\0\u{fc}", "a??b?c?d??"),
    ] {
        let trace = trace(&envelope(name, false, &["b@example.org"]));
        assert!(
            trace.contains(&format!("\r\nReceived: from {written} ([192.0.2.1])\r\n")),
            "{name:?}: {trace}"
        );
    }
}
