//! No viewer is shown what proves a login, in whatever way it came, and whatever came of it.

use std::io::{Read, Write};

use super::{Viewer, start};
use crate::common::client::Client;
use crate::common::logins::UsersFile;
use crate::common::{tls, users_file};
use crate::record::secrets::{RIGHT, WRONG, assert_absent, plain, scram};
use mailoop::smtp::auth::text::to_base64;

const TEXT: &str = "Vincero-all-alba";

/// Logs in, in each way that there is; what must not be seen of it.
fn log_in<S: Read + Write>(mut connect: impl FnMut() -> Client<S>) -> Vec<Vec<u8>> {
    let mut secrets = vec![RIGHT.into(), WRONG.into(), TEXT.into()];
    for (password, code) in [(RIGHT, "235 "), (WRONG, "535 ")] {
        secrets.push(plain(password).into());
        connect().ask(&format!("AUTH PLAIN {}", plain(password)), code);
        let mut client = connect();
        client.ask("AUTH PLAIN", "334");
        client.ask(&plain(password), code);
        let mut client = connect();
        client.ask(&format!("AUTH LOGIN {}", to_base64(b"ada")), "334");
        client.ask(&to_base64(password.as_bytes()), code);
        let mut client = connect();
        client.ask("AUTH LOGIN", "334");
        client.ask(&to_base64(b"ada"), "334");
        client.ask(&to_base64(password.as_bytes()), code);
        secrets.extend(scram(&mut connect(), password, code));
    }
    // What comes where no login goes on, and a login that is given up.
    let mut client = connect();
    client.ask("AUTH NONESUCH", "504 ");
    client.ask(&plain(RIGHT), "500 ");
    client.ask("AUTH PLAIN", "334");
    client.ask("*", "501 ");
    client.ask(&plain(RIGHT), "500 ");
    // Text that is read as commands, since DATA was refused.
    client.ask("DATA", "503 ");
    client.ask(TEXT, "500 ");
    client.ask("QUIT", "221 ");
    secrets
}

#[test]
fn credentials_are_in_no_event() {
    let users = UsersFile::new();
    users.write(&users_file(&[("ada", RIGHT)]));
    let mut server = start(&[
        "--listen-submission",
        "127.0.0.1:0",
        "--users",
        &users.path(),
        "--auth-insecure",
        "--tls-self-signed",
        "--discard",
    ]);
    let submission = server.address_for("submission");
    let (mut viewer, _) = Viewer::connect(&server);
    let hello = || {
        let mut client = Client::connect(&submission);
        client.hello();
        client
    };
    let mut secrets = log_in(hello);
    secrets.extend(log_in(|| {
        let mut client = hello();
        client.ask("STARTTLS", "220 ");
        let mut client = tls::secured(client);
        client.hello_again();
        client
    }));
    server.stop();
    while viewer.next().is_some() {}
    assert!(viewer.raw.contains("AUTH PLAIN xxxx"), "{}", viewer.raw);
    assert!(viewer.raw.contains("\"credentials\""));
    assert!(viewer.raw.contains("Handshaking"));
    assert_absent(
        viewer.raw.as_bytes(),
        secrets.iter().map(|secret| &**secret),
    );
}
