//! Into Maildir folders: by way of the tables in a configuration file, and only while there is room.

use std::fs;

use crate::common::TestServer;
use crate::common::client::Client;
use rustix::fs::statvfs;

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
        "to=<Info@A.example> mailbox=<ann@a.example>,<bob@b.example> size=5 stored",
        "to=\"<sales@a.example>,<\\\"ann\\\"@a.example>,<info@a.example>\" mailbox=",
    ] {
        assert!(log.contains(to), "{to}: {log}");
    }
}

#[test]
fn with_too_little_left_no_message_begins() {
    let server = TestServer::start(&["--min-free", "1000000G"]);
    let mut client = Client::connect(server.address());
    client.hello();
    client.ask("MAIL FROM:<a@example.com>", "452 4.3.1 ");
    client.ask("RCPT TO:<b@example.org>", "503 ");
    client.ask("MAIL FROM:<a@example.com>", "452 4.3.1 ");
    client.ask("NOOP", "250 ");
    let log = server.log();
    assert!(
        log.contains("failed=\"only ") && log.contains("reply=452"),
        "{log}"
    );

    let limitless = TestServer::start(&["--min-free", "0", "--max-message-size", "1000000G"]);
    let mut client = Client::connect(limitless.address());
    client.hello();
    client.ask("MAIL FROM:<a@example.com> SIZE=1000000000000000", "250 ");
}

#[test]
fn a_message_that_would_leave_too_little_does_not_begin() {
    let status = statvfs(std::env::temp_dir()).unwrap();
    let free = status.f_bavail * status.f_frsize;
    let half = (free / 2).to_string();
    let server = TestServer::start(&["--min-free", &half, "--max-message-size", "1000000G"]);
    let mut client = Client::connect(server.address());
    client.hello();
    let mail = |size: u64| format!("MAIL FROM:<a@example.com> SIZE={size}");
    client.ask(&mail(free / 4 * 3), "452 4.3.1 ");
    client.ask(&mail(1_000_000_000_000_000), "452 4.3.1 ");
    client.ask(&mail(free / 4), "250 ");
    client.ask("RSET", "250 ");
    client.ask("MAIL FROM:<a@example.com>", "250 ");
}

#[test]
fn aliases_make_up_no_endless_envelope() {
    let members: Vec<_> = (0..99).map(|number| format!("'m{number}'")).collect();
    let config = format!("[aliases]\nall = [{}]", members.join(", "));
    let server = start(&config, &[]);
    let mut client = Client::connect(server.address());
    client.hello();
    for _ in 0..2 {
        client.ask("MAIL FROM:<a@example.com>", "250 ");
        // The eleventh goes past 1000 mailboxes more than recipients.
        for _ in 0..11 {
            client.ask("RCPT TO:<all@example.org>", "250 ");
        }
        client.ask("RCPT TO:<all@example.org>", "452 4.5.3 ");
        client.ask("RCPT TO:<b@example.org>", "452 4.5.3 ");
        client.ask("DATA", "354 ");
        client.say("text\r\n.\r\n");
        client.expect("250 ");
    }
    for number in [0, 50, 98] {
        let mailbox = format!("m{number}@example.org");
        assert_eq!(server.new_mail(&mailbox).len(), 2, "{mailbox}");
    }
}
