//! Twenty and more sessions at once, of every kind, recorded and replayed.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use mailoop::smtp::auth::text::to_base64;
use rustix::process::Signal;
use socket2::SockRef;

use super::secrets::{RIGHT, WRONG, assert_absent, hello, plain, scram, shut_down};
use super::{RecordFile, bytes_out, holds};
use crate::common::client::Client;
use crate::common::logins::UsersFile;
use crate::common::{TestServer, tls, users_file, wait_until};

/// The text of every message.
const TEXT: &str = "Subject: wozzeck\r\nFrom: a@example.com\r\n\r\nmarie\r\n..\r\n.\r\n";
/// Peers with rights of their own.
const PROXY: &str = "127.0.0.2";
const SPOKESMAN: &str = "127.0.0.3";

type Plain = Client<TcpStream>;

/// The listeners of the server under test.
struct Addresses {
    smtp: String,
    submission: String,
    lmtp: String,
}

fn serve(record: &RecordFile, users: &UsersFile, options: &[&str]) -> TestServer {
    let users = users.path();
    let fixed = [
        ["--listen", "127.0.0.1:0"],
        ["--listen-submission", "127.0.0.1:0"],
        ["--listen-lmtp", "127.0.0.1:0"],
        ["--users", &users],
        ["--proxy-from", PROXY],
        ["--xclient-from", SPOKESMAN],
        ["--drain-timeout", "5"],
    ];
    let flags = ["--auth-insecure", "--tls-self-signed"];
    record.serve(&[fixed.as_flattened(), &flags, options].concat())
}

fn connect_from(source: &str, server: &str) -> Plain {
    Client::connect_from_ip(source.parse().unwrap(), server)
}

fn deliver<S: Read + Write>(client: &mut Client<S>) {
    client.ask("MAIL FROM:<ada@example.org>", "250");
    client.ask("RCPT TO:<b@example.org>", "250");
    client.ask("DATA", "354");
    client.say(TEXT);
    client.expect("250");
}

fn expect<S: Read + Write>(client: &mut Client<S>, codes: &[&str]) {
    codes.iter().for_each(|code| client.expect(code));
}

fn reset(client: Plain) {
    let stream = client.stream.into_inner();
    let socket = SockRef::from(&stream);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
}

/// The sessions, each of which is a client of its own.
const SESSIONS: [fn(&Addresses); 24] = [
    |to| {
        let mut client = hello(&to.smtp);
        client.say("MAIL FROM:<a@x>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@y>\r\nDATA\r\n");
        expect(&mut client, &["250", "250", "250", "354"]);
        client.say(&format!("{TEXT}MAIL FROM:<a@x>\r\nRSET\r\nQUIT\r\n"));
        expect(&mut client, &["250", "250", "250", "221"]);
    },
    |to| {
        let mut client = hello(&to.smtp);
        client.say("MAIL FROM:<a@x> BODY=BINARYMIME\r\nRCPT TO:<b@example.org>\r\n");
        client.say("BDAT 10\r\nwozzeck\r\n\nBDAT 5 LAST\r\nmarieQUIT\r\n");
        expect(&mut client, &["250", "250", "250", "250", "221"]);
    },
    |to| {
        let mut client = hello(&to.smtp);
        client.say("MAIL FROM:<a@x>\r\nRCPT TO:<b@example.org>\r\nBDAT 1000\r\nwozzeck");
        expect(&mut client, &["250", "250"]);
        shut_down(&mut client);
    },
    |to| {
        let mut client = hello(&to.smtp);
        client.say("MAIL FROM:<a@x>\r\nRCPT TO:<b@example.org>\r\nBDAT 10\r\nwozzeck...");
        expect(&mut client, &["250", "250", "250"]);
        client.ask("RSET", "250");
        client.say("BDAT 7 LAST\r\nwozzeck");
        client.expect("503");
        reset(client);
    },
    |to| {
        let mut client = hello(&to.smtp);
        client.envelope("b@example.org");
        client.say("wozzeck\r\n");
        reset(client);
    },
    |to| reset(hello(&to.smtp)),
    |to| {
        let mut client = Client::connect(&to.smtp);
        client.begin_message("b@example.org");
        client.say(&format!("{TEXT}NOOP\r\nQUI"));
        shut_down(&mut client);
    },
    |to| {
        let mut client = hello(&to.smtp);
        client.ask("STARTTLS", "220");
        let mut client = tls::secured(client);
        client.hello_again();
        deliver(&mut client);
        client.ask("QUIT", "221");
    },
    |to| {
        let mut client = hello(&to.submission);
        client.ask("STARTTLS", "220");
        let mut client = tls::secured(client);
        client.hello_again();
        client.ask(&format!("AUTH PLAIN {}", plain(RIGHT)), "235");
        deliver(&mut client);
        // It goes without a word.
    },
    |to| {
        let mut client = hello(&to.smtp);
        client.say("STARTTLS\r\nEHLO injected\r\n");
        shut_down(&mut client);
    },
    |to| {
        let mut client = hello(&to.submission);
        client.ask(&format!("AUTH PLAIN {}", plain(WRONG)), "535");
        client.ask(&format!("AUTH PLAIN {}", plain(RIGHT)), "235");
        deliver(&mut client);
    },
    |to| {
        let mut client = hello(&to.submission);
        client.ask("AUTH LOGIN", "334");
        client.ask("YWRh", "334");
        client.ask(&to_base64(RIGHT.as_bytes()), "235");
        client.ask("AUTH LOGIN", "503");
    },
    |to| {
        scram(&mut hello(&to.submission), RIGHT, "235");
        scram(&mut hello(&to.submission), WRONG, "535");
    },
    |to| {
        let mut client = hello(&to.smtp);
        client.say(&format!("AUTH PLAIN\r\n{}\r\nNOOP\r\n", plain(RIGHT)));
        expect(&mut client, &["50", "5", "250"]);
    },
    |to| {
        let mut client = hello(&to.submission);
        client.ask("AUTH LOGIN", "334");
        client.ask("*", "501");
        client.say(&format!("AUTH PLAIN\r\n{}\r\n", "A".repeat(13_000)));
        expect(&mut client, &["334", "5"]);
        client.ask("QUIT", "221");
    },
    |to| {
        let mut client = hello(&to.smtp);
        client.envelope("blocked@example.org");
        client.say(TEXT);
        client.expect("4");
        deliver(&mut client);
    },
    |to| {
        let mut client = Client::connect(&to.lmtp);
        client.expect("220");
        client.say("LHLO client\r\n");
        while !client.hear().starts_with("250 ") {}
        client.say("MAIL FROM:<a@x>\r\nRCPT TO:<blocked@example.org>\r\n");
        client.say("RCPT TO:<b@example.org>\r\nDATA\r\n");
        expect(&mut client, &["250", "250", "250", "354"]);
        client.say(TEXT);
        expect(&mut client, &["4", "250"]);
    },
    |to| {
        let mut client = connect_from(PROXY, &to.smtp);
        client.say("PROXY TCP4 192.0.2.7 192.0.2.8 7 25\r\n");
        client.hello();
        deliver(&mut client);
    },
    |to| {
        let mut client = connect_from(PROXY, &to.smtp);
        client.say(&format!("AUTH PLAIN {}\r\n", plain(RIGHT)));
        shut_down(&mut client);
    },
    |to| {
        let mut client = connect_from(SPOKESMAN, &to.smtp);
        client.hello();
        client.ask("XCLIENT ADDR=192.0.2.9 LOGIN=ada HELO=c PROTO=ESMTP", "220");
        client.hello_again();
        deliver(&mut client);
    },
    |to| {
        let mut client = Client::connect(&to.smtp);
        client.say("EHLO early\r\nMAIL FROM:<a@x>\r\n");
        shut_down(&mut client);
    },
    |to| {
        let mut client = Client::connect(&to.smtp);
        client.say("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWRh\r\n\r\n");
        shut_down(&mut client);
    },
    |to| {
        let mut client = hello(&to.smtp);
        client.say(&format!("{}\r\n", "x".repeat(5000)));
        client.expect("500");
        client.say("MAIL FROM:<a@x>\nRCPT TO:<b@example.org>\nDATA\n");
        expect(&mut client, &["250", "250", "354"]);
        client.say("Received: a\r\nno field\r\nbare\nlines\n.\nand\rmore\r\n.\r\n");
        client.expect("250");
        shut_down(&mut client);
    },
    |to| {
        let mut client = hello(&to.smtp);
        client.envelope("b@example.org");
        client.say(&"Received: from marie\r\n".repeat(120));
        client.say("\r\nwozzeck\r\n.\r\n");
        client.expect("554");
        client.ask("QUIT", "221");
    },
];

/// All sessions, at once.
fn converse(addresses: &Addresses) {
    let start = Barrier::new(SESSIONS.len());
    thread::scope(|scope| {
        for session in SESSIONS {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                session(addresses);
            });
        }
    });
}

fn mixed(options: &[&str]) {
    let (record, users) = (RecordFile::new(), UsersFile::new());
    users.write(&users_file(&[("ada", RIGHT)]));
    let mut server = serve(&record, &users, options);
    let addresses = Addresses {
        smtp: server.address().to_owned(),
        submission: server.address_for("submission"),
        lmtp: server.address_for("lmtp"),
    };
    // No message gets there.
    let blocked = server.mailbox("blocked@example.org");
    fs::create_dir_all(blocked.parent().unwrap()).unwrap();
    fs::write(blocked, "no folder").unwrap();
    converse(&addresses);

    // Other users, in the middle of a login by one of the former.
    let mut client = hello(&addresses.submission);
    client.ask("AUTH LOGIN", "334");
    users.write(&users_file(&[("eve", WRONG)]));
    server.signal(Signal::HUP);
    wait_until("the reload", || server.log().contains("reloaded"));
    client.ask("YWRh", "334");
    client.ask(&to_base64(RIGHT.as_bytes()), "535");
    // Whoever was let in is not any more.
    hello(&addresses.submission).ask(&format!("AUTH PLAIN {}", plain(RIGHT)), "535");

    // A drain, with an idle session and one in its message.
    let mut idle = hello(&addresses.smtp);
    let mut busy = hello(&addresses.smtp);
    busy.envelope("b@example.org");
    server.signal(Signal::TERM);
    idle.expect("421");
    busy.say(TEXT);
    busy.expect("250");
    wait_until("the server to end", || server.has_ended());

    assert_eq!(record.is_same(), (bytes_out(&server.log()), false));
    let octets = record.octets();
    let secrets = [RIGHT, WRONG].map(str::as_bytes);
    assert_absent(&octets, secrets);
    let has_text = options.contains(&"--record-text");
    for text in ["wozzeck", "marie"] {
        assert_eq!(holds(&octets, text), has_text, "{text}");
    }
}

#[test]
fn sessions_of_every_kind_at_once_are_replayed_octet_for_octet() {
    mixed(&[]);
}

#[test]
fn so_are_they_with_their_text() {
    mixed(&["--record-text"]);
}
