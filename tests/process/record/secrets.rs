//! No record holds what proves a login, whatever came of it.

use std::fs;
use std::io::{Read, Write};

use mailoop::smtp::auth::text::{from_base64, to_base64};
use mailoop::smtp::client::ChannelSecurity;
use mailoop::smtp::mechanism::Mechanism;
use mailoop::smtp::sasl::SASL;

use super::{RecordFile, bytes_out, holds};
use crate::common::TestServer;
use crate::common::client::Client;
use crate::common::logins::UsersFile;
use crate::common::users_file;

pub(crate) const RIGHT: &str = "Wozzeck-rasiert";
pub(crate) const WRONG: &str = "Lulu-im-Schrank";

/// The texts by which a secret is known, in every encoding that SASL has.
pub(crate) fn encodings(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![secret.to_vec()];
    for before in 0..3 {
        for after in 0..3 {
            // Within other octets, at each place of the three that base64 takes together. What its neighbours go into is left out.
            let padded = [&vec![0; before], secret, &vec![0; after]].concat();
            let text = to_base64(&padded).into_bytes();
            let start = (before * 8).div_ceil(6);
            let end = (before + secret.len()) * 8 / 6;
            all.push(text[start..end].to_vec());
        }
    }
    all.push(secret.iter().rev().copied().collect());
    all
}

/// Fails where a record holds one of these secrets.
#[track_caller]
pub(crate) fn assert_absent<'a>(record: &[u8], secrets: impl IntoIterator<Item = &'a [u8]>) {
    for secret in secrets {
        for encoding in encodings(secret) {
            let shown = String::from_utf8_lossy(&encoding);
            assert!(!holds(record, &encoding), "it holds {shown}");
        }
    }
}

/// A PLAIN message.
pub(crate) fn plain(password: &str) -> String {
    to_base64(format!("\0ada\0{password}").as_bytes())
}

/// Logs in by SCRAM; all that was said of it on either side.
pub(crate) fn scram<S: Read + Write>(
    client: &mut Client<S>,
    password: &str,
    code: &str,
) -> Vec<Vec<u8>> {
    let credentials = (SASL.unwrap().credentials)("ada", password).unwrap();
    let (mut login, command) = credentials
        .begin(&[Mechanism::Scram], &ChannelSecurity::Local)
        .unwrap();
    let mut said = vec![command.rsplit(' ').next().unwrap().to_owned()];
    client.say(&format!("{command}\r\n"));
    loop {
        let reply = client.hear();
        let Some(challenge) = reply.strip_prefix("334 ") else {
            assert!(reply.starts_with(code), "{reply}");
            break;
        };
        said.push(challenge.to_owned());
        let response = login.respond(challenge.as_bytes()).unwrap();
        said.push(response.clone());
        client.say(&format!("{response}\r\n"));
    }
    let messages = said.iter().filter(|text| !text.is_empty());
    let mut secrets: Vec<Vec<u8>> = messages.clone().map(|text| text.clone().into()).collect();
    for text in messages {
        let message = String::from_utf8(from_base64(text.as_bytes()).unwrap()).unwrap();
        // Nonces, salts, proofs and signatures; what else there is is short.
        let values = message.split(',').filter_map(|part| part.get(2..));
        secrets.extend(values.filter(|value| value.len() > 9).map(Into::into));
    }
    assert!(secrets.len() > 5);
    secrets
}

/// A server that is recorded and lets Ada in, in the clear as well.
fn serve(record: &RecordFile, users: &UsersFile) -> TestServer {
    let listeners = [
        "--listen",
        "127.0.0.1:0",
        "--listen-submission",
        "127.0.0.1:0",
    ];
    let logins = ["--users", &users.path(), "--auth-insecure", "--discard"];
    record.serve(&[listeners, logins].concat())
}

fn ada() -> UsersFile {
    let users = UsersFile::new();
    users.write(&users_file(&[("ada", RIGHT)]));
    users
}

pub(crate) fn hello(address: &str) -> Client<std::net::TcpStream> {
    let mut client = Client::connect(address);
    client.hello();
    client
}

#[test]
fn no_login_leaves_its_secrets() {
    let (record, users) = (RecordFile::new(), ada());
    let mut server = serve(&record, &users);
    let submission = server.address_for("submission");
    let mut secrets = Vec::new();
    for (password, code) in [(RIGHT, "235"), (WRONG, "535")] {
        secrets.push(password.as_bytes().to_vec());
        secrets.push(plain(password).into());
        let blob = plain(password);
        hello(&submission).ask(&format!("AUTH PLAIN {blob}"), code);
        hello(&submission).ask(&format!("auth  plain\t{blob}"), "5");
        let mut client = hello(&submission);
        client.ask("AUTH PLAIN", "334");
        client.ask(&blob, code);
        let password64 = to_base64(password.as_bytes());
        let mut client = hello(&submission);
        client.ask("AUTH LOGIN", "334");
        client.ask("YWRh", "334");
        client.ask(&password64, code);
        let mut client = hello(&submission);
        client.ask("AUTH LOGIN YWRh", "334");
        client.ask(&password64, code);
        secrets.extend(scram(&mut hello(&submission), password, code));
    }
    server.stop();
    assert_absent(&record.octets(), secrets.iter().map(|secret| &secret[..]));
    assert_eq!(record.is_same(), (bytes_out(&server.log()), false));
    let users = fs::read_to_string(users.path()).unwrap();
    let keys = users.split([':', '$', ',', '\n']);
    let keys: Vec<_> = keys.filter(|key| key.len() > 15).collect();
    assert!(keys.len() > 2, "{users}");
    assert_absent(&record.octets(), keys.iter().map(|key| key.as_bytes()));
}

#[test]
fn a_login_that_is_not_offered_or_given_up_leaves_no_secrets_either() {
    let (record, users) = (RecordFile::new(), ada());
    let mut server = serve(&record, &users);
    let (smtp, submission) = (
        server.address().to_owned(),
        server.address_for("submission"),
    );
    let (blob, word) = (plain(RIGHT), to_base64(RIGHT.as_bytes()));
    // Not offered; what follows is taken for a command.
    for script in [
        format!("AUTH PLAIN {blob}\r\n"),
        format!("AUTH PLAIN\r\n{blob}\r\n"),
        format!("AUTH LOGIN\r\nYWRh\r\n{word}\r\n"),
        format!("AUTH LOGIN\nYWRh\n{word}\n"),
        format!("AUTH {blob}\r\nNOOP\r\n{word}\r\n"),
        format!("AUTH PLAIN\r\n{blob}\r\nx {word} HTTP/1.1\r\nNOOP\r\n"),
        format!("AUTH PLAIN {blob} {}\r\n", "x".repeat(20_000)),
        format!("AUTH PLAIN {}{blob}\r\n", "x".repeat(20_000)),
        format!("AUTH PLAIN {blob}"),
        format!("AUTH LOGIN\r\n{word}"),
        format!("MAIL FROM:<a@x>\r\nAUTH PLAIN {blob}\r\nRCPT TO:<b@y>\r\n{word}\r\n"),
    ] {
        for address in [&smtp, &submission] {
            let mut client = hello(address);
            client.say(&script);
            shut_down(&mut client);
        }
    }
    // Before the greeting, and in the place of EHLO.
    for script in [
        format!("AUTH PLAIN {blob}\r\n"),
        format!("EHLO c\r\nAUTH PLAIN {blob}\r\n"),
        format!("AUTH LOGIN\r\nYWRh\r\n{word}\r\nQUIT\r\n"),
    ] {
        for address in [&smtp, &submission] {
            let mut client = Client::connect(address);
            client.say(&script);
            shut_down(&mut client);
        }
    }
    // Offered and given up, too long, cut, no base64, half said.
    for script in [
        format!("AUTH LOGIN\r\nYWRh\r\n*\r\n{word}\r\n"),
        format!("AUTH LOGIN\r\nYWRh\r\n{word}"),
        format!("AUTH PLAIN\r\n{blob}"),
        format!("AUTH PLAIN\r\n{}{blob}\r\nNOOP\r\n", "A".repeat(13_000)),
        format!("AUTH PLAIN\r\n{blob}!\r\n{word}\r\n"),
        format!("AUTH PLAIN\r\n{RIGHT}\r\n{RIGHT}\r\n"),
        format!("AUTH PLAIN {RIGHT}\r\n"),
        format!("AUTH LOGIN YWRh {word}\r\n"),
        format!("AUTH SCRAM-SHA-256 {word}\r\n{word}\r\n"),
        format!("AUTH CRAM-MD5\r\n{word}\r\n"),
        format!("AUTH PLAIN {blob}\r\nAUTH PLAIN {blob}\r\n{blob}\r\n"),
    ] {
        let mut client = hello(&submission);
        client.say(&script);
        shut_down(&mut client);
    }
    server.stop();
    let secrets = [RIGHT.as_bytes(), blob.as_bytes(), word.as_bytes()];
    assert_absent(&record.octets(), secrets);
    assert_eq!(record.is_same(), (bytes_out(&server.log()), false));
}

/// Says no more, and hears the rest.
pub(crate) fn shut_down(client: &mut Client<std::net::TcpStream>) {
    let stream = client.stream.get_mut();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    // A server that closes on unread input resets the connection.
    let _ = client.stream.read_to_end(&mut rest);
}

#[test]
fn text_that_is_sent_though_nobody_asked_for_it_is_not_kept() {
    let record = RecordFile::new();
    let mut server = record.serve(&["--discard"]);
    for command in ["DATA", "BDAT", "BDAT 12 LAST", "MAIL FROM:<a@b>\r\nDATA"] {
        let mut client = hello(server.address());
        client.say(&format!(
            "{command}\r\nSubject: wozzeck\r\n\r\nmarie\r\n.\r\nQUIT\r\n"
        ));
        shut_down(&mut client);
    }
    server.stop();
    for text in ["wozzeck", "marie"] {
        assert!(!record.holds(text), "{text}");
    }
    assert_eq!(record.is_same(), (bytes_out(&server.log()), false));
}
