//! LMTP over real sockets: where it is spoken, what is stored and what is logged.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::common::client::Client;
use crate::common::{TestServer, wait_until};

/// Makes it impossible to deliver to a mailbox.
fn block(server: &TestServer, address: &str) {
    let place = server.mailbox(address);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, "no folder").unwrap();
}

/// Sends a message to `recipients`; the code of each one's reply.
fn deliver<S: Read + Write>(client: &mut Client<S>, recipients: &[&str]) -> Vec<String> {
    client.ask("MAIL FROM:<a@example.com>", "250 ");
    for recipient in recipients {
        client.ask(&format!("RCPT TO:<{recipient}>"), "250 ");
    }
    client.ask("DATA", "354 ");
    client.say("x\r\n.\r\n");
    let code = |_| client.hear()[..3].to_owned();
    recipients.iter().map(code).collect()
}

fn hello<S: Read + Write>(stream: S) -> Client<S> {
    let mut client = Client::new(stream);
    client.expect("220 mx.example.org LMTP mailoop");
    client.say("LHLO client\r\n");
    while client.hear().starts_with("250-") {}
    client
}

#[test]
fn it_is_spoken_on_its_own_listeners_and_no_other_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("lmtp.sock");
    let unix = format!("unix:{}", socket.display());
    let mut server = TestServer::start(&["--listen-lmtp", &unix]);
    assert_eq!(server.stdout(), format!("listening lmtp {unix}\n"));
    let mut client = hello(UnixStream::connect(&socket).unwrap());
    assert_eq!(deliver(&mut client, &["b@example.org"]), ["250"]);
    let path = server.new_mail("b@example.org").pop().unwrap();
    let message = fs::read_to_string(path).unwrap();
    assert!(
        message.contains("from client (local)\n\tby mx.example.org with LMTP id "),
        "{message}"
    );
    client.ask("QUIT", "221 ");
    server.stop();
    assert!(!socket.exists(), "the socket file is left");
}

#[test]
fn it_is_spoken_beside_smtp() {
    let tcp = "127.0.0.1:0";
    let mut server = TestServer::start(&["--listen-lmtp", tcp, "--listen", tcp]);
    let stdout = server.stdout();
    let lines: Vec<_> = stdout.lines().collect();
    let smtp = lines[0].strip_prefix("listening smtp ").unwrap();
    let lmtp = lines[1].strip_prefix("listening lmtp ").unwrap();
    assert_eq!(lines.len(), 2);
    Client::connect(smtp).expect("220 mx.example.org ESMTP mailoop");
    Client::connect(lmtp).expect("220 mx.example.org LMTP mailoop");
    server.stop();
}

#[test]
fn one_line_tells_what_a_message_came_to() {
    let mut server = TestServer::start(&["--listen-lmtp", "127.0.0.1:0"]);
    block(&server, "bad@example.org");
    let mut client = hello(server.connect());
    for (recipients, codes, told) in [
        (["a@example.org", "b@example.org"], ["250", "250"], "stored"),
        (
            ["bad@example.org", "b@example.org"],
            ["451", "250"],
            "stored=1 rejected=451",
        ),
        (
            ["bad@example.org", "Bad@example.org"],
            ["451", "451"],
            "rejected=451 why=\"Error: cannot store the message, try again later\"",
        ),
    ] {
        assert_eq!(deliver(&mut client, &recipients), codes);
        let to = recipients
            .map(|recipient| format!("<{recipient}>"))
            .join(",");
        let line = format!(" from=<a@example.com> to={to} size=3 {told}\n");
        wait_until(&line, || server.log().contains(&line));
    }
    client.ask("QUIT", "221 ");
    server.stop();
    let log = server.log();
    let failed = log.lines().find(|line| {
        line.contains(" to=<bad@example.org> failed=\"cannot ") && line.ends_with(" reply=451")
    });
    assert!(failed.is_some(), "{log}");
    assert!(log.contains("closed=quit messages=2 errors=0 "), "{log}");
    assert_eq!(server.new_mail("b@example.org").len(), 2);
}

#[test]
fn a_message_that_one_recipient_has_was_accepted() {
    let mut server = TestServer::start(&["--listen-lmtp", "127.0.0.1:0", "--exit-after", "1"]);
    block(&server, "bad@example.org");
    let mut client = hello(server.connect());
    assert_eq!(deliver(&mut client, &["bad@example.org"]), ["451"]);
    let mixed = ["bad@example.org", "b@example.org"];
    assert_eq!(deliver(&mut client, &mixed), ["451", "250"]);
    client.expect("421 ");
    wait_until("the server to end", || server.has_ended());
}
