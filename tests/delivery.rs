//! From the wire into Maildir folders by way of the tables in a configuration file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;

use common::TestServer;
use common::client::Client;

/// A server with this configuration file, and more options.
fn start(config: &str, options: &[&str]) -> TestServer {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailoop.toml");
    fs::write(&path, config).unwrap();
    let file = ["--config", path.to_str().unwrap()];
    TestServer::start(&[&file, &["--listen", "127.0.0.1:0"], options].concat())
}

#[test]
fn a_message_for_an_alias_is_in_each_of_its_mailboxes_once() {
    let mut server = start(
        "domain = ['a.example', 'b.example']\n\
         [aliases]\n\
         sales = ['ann', 'bob@b.example']\n\
         info = ['sales', 'ANN@a.example']\n",
        &[],
    );
    let mut client = Client::connect(server.address());
    client.begin_message("Info@A.example");
    client.say("one\r\n.\r\n");
    client.expect("250 Ok: queued as ");
    client.ask("MAIL FROM:<a@example.com>", "250");
    for recipient in ["sales@a.example", "\"ann\"@a.example", "info@a.example"] {
        client.ask(&format!("RCPT TO:<{recipient}>"), "250");
    }
    client.ask("DATA", "354");
    client.say("two\r\n.\r\n");
    client.expect("250 Ok: queued as ");
    client.ask("QUIT", "221");
    server.stop();
    for mailbox in ["ann@a.example", "bob@b.example"] {
        let mut texts = Vec::new();
        for path in server.new_mail(mailbox) {
            texts.push(fs::read_to_string(path).unwrap());
        }
        texts.sort_by_key(|text| text.ends_with("\ntwo\n"));
        assert_eq!(texts.len(), 2, "{mailbox}: {texts:?}");
        assert!(texts[0].ends_with("\none\n") && texts[1].ends_with("\ntwo\n"));
        // What the client said, not what it leads to, and nothing where there are several.
        assert!(
            texts[0].contains("\n\tfor <Info@A.example>;\n"),
            "{}",
            texts[0]
        );
        assert!(!texts[1].contains("\tfor <"), "{}", texts[1]);
    }
    for mailbox in ["info@a.example", "sales@a.example"] {
        assert!(!server.mailbox(mailbox).exists(), "{mailbox}");
    }
    let log = server.log();
    for to in [
        "to=<Info@A.example> size=5 stored",
        "to=\"<sales@a.example>,<\\\"ann\\\"@a.example>,<info@a.example>\" size=5 stored",
    ] {
        assert!(log.contains(to), "{to}: {log}");
    }
}
