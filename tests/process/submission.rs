//! What submission leaves in the store of the running server.

use std::fs;

use crate::common::TestServer;
use crate::common::client::Client;

const OPTIONS: [&str; 4] = [
    "--listen-submission",
    "127.0.0.1:0",
    "--xclient-from",
    "127.0.0.1",
];
const LOGIN: &str = "XCLIENT LOGIN=ada PROTO=ESMTP HELO=client\r\n";

#[test]
fn the_fields_that_are_put_in_say_what_the_trace_field_says() {
    let mut server = TestServer::start(&OPTIONS);
    let listening = format!("listening submission {}\n", server.address());
    assert_eq!(server.stdout(), listening);
    let mut client = Client::connect(server.address());
    client.expect("220 ");
    client.say(LOGIN);
    client.expect("220 mx.example.org ESMTP mailoop");
    for (line, code) in [
        ("MAIL FROM:<ada@example.org>", "250 2.1.0"),
        ("RCPT TO:<b@example.org>", "250 2.1.5"),
        ("DATA", "354"),
    ] {
        client.ask(line, code);
    }
    client.say("Subject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n");
    let queued = client.hear();
    let (_, id) = queued.split_once("queued as ").expect("it is stored");
    assert_eq!(client.rest(), "221 2.0.0 Bye\r\n");
    server.stop();
    let stored = fs::read_to_string(&server.new_mail("b@example.org")[0]).unwrap();
    let (trace, message) = stored.split_once("Subject: x\n").unwrap();
    let received = format!("\tby mx.example.org with ESMTPA id {id}\n\tfor <b@example.org>;\n\t");
    let (_, date) = trace.split_once(&received).expect(&stored);
    let date = date.trim_end();
    assert_eq!(
        message,
        format!("Date: {date}\nMessage-ID: <{id}@mx.example.org>\n\nbody\n")
    );
}

#[cfg(all(feature = "tls", feature = "auth"))]
#[test]
fn submission_under_tls_from_the_first_octet_is_submission() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    fs::write(&users, crate::common::users_file(&[("ada", "pencil")])).unwrap();
    fs::set_permissions(&users, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let listen = ["--listen-submissions", "127.0.0.1:0", "--tls-self-signed"];
    let users = ["--users", users.to_str().unwrap()];
    let mut server = TestServer::start(&[listen, [users[0], users[1], "--discard"]].concat());
    let listening = format!("listening submissions {}\n", server.address());
    assert_eq!(server.stdout(), listening);
    let mut client = crate::common::tls::connect(server.address());
    client.hello();
    for (line, code) in [
        ("MAIL FROM:<ada@example.org>", "530 5.7.0"),
        ("AUTH PLAIN AGFkYQBwZW5jaWw=", "235 2.7.0"),
        ("MAIL FROM:<eve@example.org>", "553 5.7.1"),
        ("MAIL FROM:<ada@example.org>", "250 2.1.0"),
        ("QUIT", "221 "),
    ] {
        client.ask(line, code);
    }
    server.stop();
    assert!(!server.log().contains("warning="), "{}", server.log());
}
