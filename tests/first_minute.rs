//! What somebody sees who has never run it: where the mail is, what is refused, and how that is told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::TestServer;

#[test]
fn the_start_tells_where_mail_goes_and_how_to_read_it() {
    let server = TestServer::start(&[]);
    let mailbox = server.maildir().canonicalize().unwrap().join("DOMAIN/USER");
    let mailbox = mailbox.display();
    let line = format!("maildir={mailbox} read=\"mutt -f {mailbox}\"\n");
    assert!(server.log().contains(&line), "{line}{}", server.log());
    assert!(!server.log().contains("submission"), "{}", server.log());
    let sink = TestServer::start(&["--discard"]);
    assert!(sink.log().contains("discard why="), "{}", sink.log());
    assert!(!sink.log().contains("maildir="), "{}", sink.log());
}

#[test]
fn the_start_tells_that_submitted_mail_is_not_sent_on() {
    let server = TestServer::start(&["--listen-submission", "127.0.0.1:0"]);
    let line = "submission why=\"mail for domains that are not ours is refused: nothing is sent on";
    assert!(server.log().contains(line), "{}", server.log());
}
