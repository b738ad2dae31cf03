//! Groups of commands (RFC 2920): their replies go out together, and none waits for what has not come.

use crate::common::memory::{Call, Client, MemoryServer, START_DATA, greeted, seconds};

/// What is sent, and what is answered to it in one write.
#[track_caller]
fn answered_at_once(server: &mut MemoryServer, client: &Client, said: &str, replies: &str) {
    client.writes();
    server.send(client, said.as_bytes());
    assert_eq!(client.text(), replies, "{said}");
    assert_eq!(client.writes(), usize::from(!replies.is_empty()), "{said}");
}

const HELLO: &str = "250 Hello c, pleased to meet you.\r\n";
const OK: &str = "250 Ok\r\n";
const REFUSED: &str = "501 Error: syntax error in argument\r\n";

#[test]
fn the_replies_of_a_group_are_one_write() {
    let mut server = MemoryServer::start(&["--max-recipients", "200"]);
    let client = greeted(&mut server);
    let recipients = "RCPT TO:<b@example.org>\r\n".repeat(200);
    answered_at_once(
        &mut server,
        &client,
        &format!("HELO c\r\nMAIL FROM:<a@example.com>\r\n{recipients}DATA\r\n"),
        &format!("{HELLO}{}{START_DATA}", OK.repeat(201)),
    );
}

#[test]
fn errors_resets_and_asides_break_no_group() {
    let mut server = MemoryServer::start(&["--domain", "example.org"]);
    let client = greeted(&mut server);
    for (said, reply) in [
        ("HELO c", HELLO),
        ("MAIL FROM:<a@example.com>", OK),
        ("RCPT TO:<>", REFUSED),
        (
            "RCPT TO:<b@elsewhere.example>",
            "550 Relay not permitted\r\n",
        ),
        ("WHAT", "500 Error: command not recognized\r\n"),
        ("NOOP", OK),
        ("VRFY b", "252 Send some mail, I'll try my best\r\n"),
        ("RSET", OK),
        (
            "RCPT TO:<b@example.org>",
            "503 Error: need MAIL command\r\n",
        ),
        ("MAIL FROM:<>", OK),
        ("RCPT TO:<b@example.org>", OK),
    ] {
        answered_at_once(&mut server, &client, &format!("{said}\r\n"), reply);
    }
    let group = "RSET\r\nMAIL FROM:<>\r\nRCPT TO:<>\r\nNOOP\r\nRSET\r\nMAIL FROM:<>\r\n\
                 RCPT TO:<b@example.org>\r\nDATA\r\n";
    let replies = format!("{OK}{OK}{REFUSED}{OK}{OK}{OK}{OK}{START_DATA}");
    answered_at_once(&mut server, &client, group, &replies);
}

#[test]
fn data_is_taken_if_and_only_if_there_is_a_recipient() {
    let mut server = MemoryServer::start(&["--domain", "example.org"]);
    let client = greeted(&mut server);
    let refused = "HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@elsewhere.example>\r\nDATA\r\n";
    let replies = format!("{HELLO}{OK}550 Relay not permitted\r\n503 Error: need RCPT command\r\n");
    answered_at_once(&mut server, &client, refused, &replies);
    // A client that asked without hope goes on (RFC 2920 §3.1).
    let next = "RSET\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n";
    let replies = format!("{OK}{OK}{OK}{START_DATA}");
    answered_at_once(&mut server, &client, next, &replies);
    answered_at_once(
        &mut server,
        &client,
        ".\r\n",
        "250 Ok: queued as TEST0001\r\n",
    );
}

#[test]
fn no_reply_waits_for_more_input_wherever_a_group_is_cut() {
    let group = "HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<>\r\nRSET\r\nNOOP\r\nQUIT\r\n";
    let replies = [HELLO, OK, REFUSED, OK, OK, "221 Bye\r\n"];
    for cut in 1..group.len() {
        let mut server = MemoryServer::start(&[]);
        let client = greeted(&mut server);
        let (first, rest) = group.split_at(cut);
        let complete = first.matches('\n').count();
        answered_at_once(&mut server, &client, first, &replies[..complete].concat());
        answered_at_once(&mut server, &client, rest, &replies[complete..].concat());
    }
}

#[test]
fn a_group_behind_a_message_is_answered_with_it() {
    let mut server = MemoryServer::start(&[]);
    let client = greeted(&mut server);
    let group = "MAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n";
    let replies = format!("{OK}{OK}{START_DATA}");
    answered_at_once(
        &mut server,
        &client,
        &format!("HELO c\r\n{group}"),
        &format!("{HELLO}{replies}"),
    );
    server.shelf().put_off = true;
    answered_at_once(&mut server, &client, &format!("text\r\n.\r\n{group}"), "");
    server.advance(seconds(1));
    assert_eq!(client.text(), "", "it is not durable yet");
    server.release_commits();
    assert_eq!(
        client.text(),
        format!("250 Ok: queued as TEST0001\r\n{replies}")
    );
    assert_eq!(client.writes(), 1);
    // What becomes of one message makes no difference to the next.
    server.shelf().fail = Some(Call::Commit);
    answered_at_once(&mut server, &client, &format!(".\r\n{group}"), "");
    server.release_commits();
    let failed = "451 Error: cannot store the message, try again later\r\n";
    assert_eq!(client.text(), format!("{failed}{replies}"));
    assert_eq!(client.writes(), 1);
}
