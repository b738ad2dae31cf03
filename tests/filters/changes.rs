//! What filters change is what is stored.

use crate::common::TestServer;
use crate::common::client::Client;
use crate::common::files;
use crate::common::filter::{
    ADD_HEADER, ADD_RECIPIENT, Act, CHANGE_HEADER, CHANGE_SENDER, CONTINUE, DELETE_RECIPIENT,
    INSERT_HEADER, REPLACE_BODY, ScriptedFilter, texts,
};

const MESSAGE: &str = "Subject: hello\r\nX-A: 1\r\nX-A: 2\r\n\r\nbody\r\n";

/// A filter that makes these changes at the end of a message.
fn changing(changes: &[(u8, Vec<u8>)]) -> ScriptedFilter {
    let mut packets = changes.to_vec();
    packets.push((CONTINUE, Vec::new()));
    ScriptedFilter::acting(b'E', Act::Reply(packets))
}

fn numbered(index: u32, name: &str, value: &str) -> Vec<u8> {
    [&index.to_be_bytes()[..], &texts(&[name, value])].concat()
}

/// Starts a server with these filters, and has it take a message to `b@example.org`.
fn sent(filters: &[&ScriptedFilter], message: &str) -> TestServer {
    let mut args = vec!["--listen", "127.0.0.1:0"];
    for filter in filters {
        args.extend(["--milter", &filter.address]);
    }
    let mut server = TestServer::start(&args);
    let mut client = Client::connect(server.address());
    client.hello();
    client.ask("MAIL FROM:<a@client.example>", "250");
    client.ask("RCPT TO:<b@example.org>", "250");
    client.ask("DATA", "354");
    client.say(&format!("{message}.\r\n"));
    client.expect("250");
    client.ask("QUIT", "221");
    server.stop();
    server
}

fn stored(filters: &[&ScriptedFilter], message: &str) -> String {
    let server = sent(filters, message);
    let mail = String::from_utf8(server.message("b@example.org")).unwrap();
    // Lines of a file on this machine end in LF.
    mail.replace('\n', "\r\n")
}

#[test]
fn header_fields_are_added_put_in_changed_and_deleted() {
    let filter = changing(&[
        (ADD_HEADER, texts(&["X-Last", "z"])),
        (INSERT_HEADER, numbered(1, "X-First", "a")),
        (CHANGE_HEADER, numbered(2, "X-A", "two")),
        (CHANGE_HEADER, numbered(1, "Subject", "")),
    ]);
    assert_eq!(
        stored(&[&filter], MESSAGE),
        "X-First: a\r\nX-A: 1\r\nX-A: two\r\nX-Last: z\r\n\r\nbody\r\n"
    );
}

#[test]
fn a_body_is_replaced() {
    let filter = changing(&[
        (REPLACE_BODY, b"other\r\n".to_vec()),
        (REPLACE_BODY, b"text\nof three".to_vec()),
    ]);
    let wanted = MESSAGE.replace("body\r\n", "other\r\ntext\r\nof three\r\n");
    assert_eq!(stored(&[&filter], MESSAGE), wanted);
}

#[test]
fn a_long_message_is_whole_however_it_is_changed() {
    let body = "all work and no play\r\n".repeat(100_000);
    let message = format!("Subject: long\r\n\r\n{body}");
    let unchanged = ScriptedFilter::start(crate::common::filter::FilterScript::default());
    assert!(stored(&[&unchanged], &message) == message);
    let filter = changing(&[(ADD_HEADER, texts(&["X-Seen", "yes"]))]);
    let wanted = format!("Subject: long\r\nX-Seen: yes\r\n\r\n{body}");
    assert!(stored(&[&filter], &message) == wanted);
    let seen: usize = filter
        .told()
        .iter()
        .filter(|it| it.starts_with('B'))
        .map(|it| it.len() - 1)
        .sum();
    assert_eq!(seen, body.len());
}

#[test]
fn each_filter_sees_what_those_before_it_have_changed() {
    let first = changing(&[
        (ADD_HEADER, texts(&["X-One", "1"])),
        (REPLACE_BODY, b"new\r\n".to_vec()),
    ]);
    let second = changing(&[(CHANGE_HEADER, numbered(1, "X-One", "2"))]);
    let wanted = MESSAGE.replace("\r\n\r\nbody", "\r\nX-One: 2\r\n\r\nnew");
    assert_eq!(stored(&[&first, &second], MESSAGE), wanted);
    let told = second.told();
    assert!(told.contains(&"LX-One|1|".to_owned()), "{told:?}");
    assert!(told.contains(&"Bnew\r\n".to_owned()), "{told:?}");
}

#[test]
fn sender_and_recipients_are_changed() {
    let filter = changing(&[
        (CHANGE_SENDER, texts(&["<other@client.example>"])),
        (ADD_RECIPIENT, texts(&["<c@example.org>"])),
        (DELETE_RECIPIENT, texts(&["<b@example.org>"])),
        (ADD_RECIPIENT, texts(&["no address at all"])),
    ]);
    let server = sent(&[&filter], MESSAGE);
    assert!(server.new_mail("b@example.org").is_empty());
    let mail = std::fs::read_to_string(&server.new_mail("c@example.org")[0]).unwrap();
    assert!(
        mail.starts_with("Return-Path: <other@client.example>\nReceived: "),
        "{mail}"
    );
    assert!(mail.ends_with(&MESSAGE.replace('\r', "")), "{mail}");
    let log = server.log();
    for told in [
        " milter_change_ignored=\"add recipient no address at all\"",
        " milter_change=envelope from=<other@client.example> to=<c@example.org>\n",
    ] {
        assert!(log.contains(told), "{told}: {log}");
    }
    assert_eq!(files(&server.maildir().join("example.org")).len(), 1);
}

#[test]
fn a_message_for_nobody_any_more_is_taken_and_dropped() {
    let filter = changing(&[(DELETE_RECIPIENT, texts(&["<b@example.org>"]))]);
    let server = sent(&[&filter], MESSAGE);
    assert!(server.new_mail("b@example.org").is_empty());
    let log = server.log();
    assert!(
        log.contains(" milter_change=envelope from=<a@client.example> to=\"\"\n"),
        "{log}"
    );
    let told = " from=<a@client.example> to=<b@example.org> size=40 discarded\n";
    assert!(log.contains(told), "{log}");
}
