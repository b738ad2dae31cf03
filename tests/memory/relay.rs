//! No form of an address makes an open relay, wherever the client is; and who may send on may.

use crate::common::memory::{Client, MemoryServer};

/// The forms of a recipient that old servers took for a route, and whether who may send elsewhere may name them.
const FORMS: [(&str, bool); 33] = [
    ("<u@other.example>", true),
    ("<U@OTHER.example.>", true),
    ("<@ours.example:u@other.example>", true),
    ("<@ours.example,@mail.example.org:u@other.example>", true),
    ("<\"u\"@other.example>", true),
    ("<u+tag@other.example>", true),
    ("<u%third.example@other.example>", true),
    ("<u@sub.other.example>", true),
    ("u@other.example", true),
    ("<u%other.example@ours.example>", false),
    ("<u%other.example@mail.example.org>", false),
    ("<u%other.example%ours.example@ours.example>", false),
    ("<u+t%other.example@ours.example>", false),
    ("<\"u@other.example\"@ours.example>", false),
    ("<\"\\u@other.example\"@ours.example>", false),
    ("<\"u@other.example\">", false),
    ("<\"u%other.example\">", false),
    ("<\"u%other.example\"@ours.example@ours.example>", false),
    ("<other.example!u@ours.example>", false),
    ("<other.example!u>", false),
    ("<ours.example!other.example!u@ours.example>", false),
    ("<u%other.example>", false),
    ("<u@other.example@ours.example>", false),
    ("<@ours.example:u%other.example@ours.example>", false),
    ("<u@[192.0.2.1]>", false),
    ("<u@[127.0.0.1]>", false),
    ("<u@[IPv6:2001:db8::1]>", false),
    ("<u%other.example@[192.0.2.1]>", false),
    ("<u@ours.example,v@other.example>", false),
    ("<u@other.example>,<v@ours.example>", false),
    ("<u@other.example\t>", false),
    ("<>", false),
    ("<@other.example>", false),
];

const OPTIONS: [&str; 8] = [
    "--domain",
    "ours.example",
    "--hostname",
    "mail.example.org",
    "--route",
    "*=smtp://next.example",
    "--max-errors",
    "1000",
];

/// The forms that a client, in a session that has begun, is allowed.
fn accepted(server: &mut MemoryServer, client: &Client, sender: &str) -> Vec<&'static str> {
    server.send(client, format!("MAIL FROM:<{sender}>\r\n").as_bytes());
    let said = client.text();
    assert!(said.starts_with("250 "), "{said}");
    let taken = FORMS.iter().filter(|(form, _)| {
        server.send(client, format!("RCPT TO:{form}\r\n").as_bytes());
        let said = client.text();
        assert!(
            said.starts_with("250 ") || said.starts_with('5'),
            "{form}: {said}"
        );
        said.starts_with("250 ")
    });
    taken.map(|(form, _)| *form).collect()
}

#[test]
fn strangers_send_nothing_on_wherever_they_are() {
    let senders = ["a@example.com", "a@ours.example", "", "a@[127.0.0.1]"];
    let places = [
        Some("192.0.2.1:40000"),
        Some("127.0.0.1:40000"),
        Some("[::1]:40000"),
        Some("[::ffff:127.0.0.1]:40000"),
        Some("10.1.2.3:40000"),
        None,
    ];
    for more in [
        &[][..],
        &["--relay-from", "10.0.0.0/16"],
        &["--listen-lmtp", "127.0.0.1:0"],
    ] {
        let mut server = MemoryServer::start(&[&OPTIONS[..], more].concat());
        let hello = if more.contains(&"--listen-lmtp") {
            "LHLO"
        } else {
            "EHLO"
        };
        for place in places {
            let client = match place {
                Some(address) => server.connect_from(address, b""),
                None => server.connect(),
            };
            for sender in senders {
                server.send(&client, format!("{hello} c\r\n").as_bytes());
                assert!(!client.text().contains("DSN"), "{place:?}");
                let taken = accepted(&mut server, &client, sender);
                assert_eq!(taken, [""; 0], "{place:?} {sender} {more:?}");
            }
        }
    }
}

#[test]
fn who_may_send_elsewhere_may_not_by_way_of_our_names() {
    let allowed: Vec<_> = FORMS
        .iter()
        .filter_map(|(form, allowed)| allowed.then_some(*form))
        .collect();
    let trusted = ["--relay-from", "10.1.0.0/16"];
    let mut server = MemoryServer::start(&[&OPTIONS[..], &trusted].concat());
    let client = server.connect_from("10.1.2.3:40000", b"");
    server.send(&client, b"EHLO c\r\n");
    assert!(client.text().contains("250-DSN\r\n"));
    assert_eq!(accepted(&mut server, &client, "a@example.com"), allowed);

    let submission = [
        "--listen-submission",
        "127.0.0.1:0",
        "--xclient-from",
        "127.0.0.1",
    ];
    let mut server = MemoryServer::start(&[&OPTIONS[..], &submission].concat());
    let client = server.connect_from("127.0.0.1:40000", b"");
    client.text();
    server.send(&client, b"XCLIENT LOGIN=ada PROTO=ESMTP HELO=c\r\n");
    client.text();
    assert_eq!(accepted(&mut server, &client, "ada@ours.example"), allowed);
}
