//! The messages that every client sends, and what must have become of them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::common::TestServer;
use crate::common::program::{beside, installed, python, run};

/// A message in several parts, one of them binary.
pub(crate) const MULTIPART: &str = "multipart.eml";
/// Text in UTF-8 as it is, encoded in no way.
pub(crate) const UTF8: &str = "utf8.eml";
/// Lines that begin with dots, and dots alone on a line.
pub(crate) const DOTS: &str = "dots.eml";
/// The line `end of email`, which ends a message in the classroom dialect only.
pub(crate) const END_OF_EMAIL: &str = "end_of_email.eml";

/// Who sends every message.
pub(crate) const SENDER: &str = "ada@example.org";
/// Who gets a message that goes to one.
pub(crate) const RECIPIENT: &str = "bob@example.net";
const TWO_RECIPIENTS: [&str; 2] = [RECIPIENT, "carol@example.com"];

/// A way to send a message byte for byte.
pub(crate) struct Client {
    /// What must be installed for it.
    pub(crate) programs: &'static [&'static str],
    /// Sends the message in a file, whose lines end in LF, to these recipients. Returns what was printed.
    pub(crate) send: fn(&TestServer, &Path, &[&str]) -> String,
}

/// The tests that each client passes.
macro_rules! sends_every_message {
    ($client:expr) => {
        #[test]
        fn sends_a_binary_attachment() {
            crate::message::arrives_whole(&$client, crate::message::MULTIPART);
        }

        #[test]
        fn sends_eight_bit_text() {
            crate::message::arrives_whole(&$client, crate::message::UTF8);
        }

        #[test]
        fn sends_lines_that_begin_with_dots() {
            crate::message::arrives_whole(&$client, crate::message::DOTS);
        }

        #[test]
        fn sends_the_line_end_of_email() {
            crate::message::arrives_whole(&$client, crate::message::END_OF_EMAIL);
        }

        #[test]
        fn sends_to_two_recipients_at_once() {
            crate::message::is_shared(&$client);
        }
    };
}
pub(crate) use sends_every_message;

/// The file of a message.
pub(crate) fn file(name: &str) -> PathBuf {
    beside("messages").join(name)
}

/// What the client sends is, byte for byte, what the mailbox holds. Returns what the client printed, if there is
/// such a client.
pub(crate) fn arrives_whole(client: &Client, message: &str) -> Option<String> {
    if !installed(client.programs) {
        return None;
    }
    let mut server = TestServer::start(&[]);
    let printed = (client.send)(&server, &file(message), &[RECIPIENT]);
    assert_same_text(
        &server.message(RECIPIENT),
        &fs::read(file(message)).unwrap(),
    );
    assert!(server.tmp_mail(RECIPIENT).is_empty());
    server.stop();
    Some(printed)
}

/// A message to two recipients is one file with a name in each mailbox.
pub(crate) fn is_shared(client: &Client) {
    if !installed(client.programs) {
        return;
    }
    let mut server = TestServer::start(&[]);
    (client.send)(&server, &file(MULTIPART), &TWO_RECIPIENTS);
    let files = TWO_RECIPIENTS.map(|recipient| {
        assert_same_text(
            &server.message(recipient),
            &fs::read(file(MULTIPART)).unwrap(),
        );
        fs::metadata(&server.new_mail(recipient)[0]).unwrap()
    });
    assert_eq!(files[0].ino(), files[1].ino());
    assert_eq!(files[0].nlink(), 2);
    server.stop();
}

/// `assert_eq!` that shows text.
pub(crate) fn assert_same_text(stored: &[u8], sent: &[u8]) {
    let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        stored == sent,
        "stored: {:?}\nsent: {:?}",
        show(stored),
        show(sent)
    );
}

/// The only message in a mailbox, which is named as its folders are, tells that it came with SMTPUTF8, from whom and for
/// whom.
pub(crate) fn assert_utf8_mail(server: &TestServer, mailbox: &str, from: &str, to: &str) {
    let [path] = &server.new_mail(mailbox)[..] else {
        panic!("not one message in {mailbox}\n{}", server.log());
    };
    let stored = String::from_utf8(fs::read(path).unwrap()).unwrap();
    let starts = format!("Return-Path: <{from}>\nReceived: from ");
    assert!(stored.starts_with(&starts), "{stored}");
    for part in [
        " with UTF8SMTP id ".to_owned(),
        format!("\n\tfor <{to}>;\n"),
    ] {
        assert!(stored.contains(&part), "{part:?} is not in {stored}");
    }
}

/// A message that a client composes by itself.
pub(crate) struct Composed {
    pub(crate) subject: &'static str,
    pub(crate) text: &'static str,
}

pub(crate) const PLAIN: Composed = Composed {
    subject: "The picture",
    text: "Hello,\n\n.\n..\n.hidden\nend of email\nAda",
};

pub(crate) const GERMAN: Composed = Composed {
    subject: "Schöne Grüße aus Köln",
    text: "Grüß Gott,\n\n.\n..\n.versteckt\nend of email\nAda",
};

impl Composed {
    /// A client composes this message, attaches a file and sends it; a mail reader finds all of it again.
    pub(crate) fn arrives(
        &self,
        programs: &[&str],
        compose: impl FnOnce(&TestServer, &Composed, &Path),
    ) {
        if !installed(programs) || !installed(&["python3"]) {
            return;
        }
        let mut server = TestServer::start(&[]);
        let sent = server.folder().join("picture.bin");
        fs::write(&sent, binary()).unwrap();
        compose(&server, self, &sent);

        let new = server.new_mail(RECIPIENT);
        assert_eq!(new.len(), 1, "{}", server.log());
        let received = server.folder().join("received.bin");
        let printed = run(python("parse.py").args([&new[0], &received]));
        assert_eq!(printed, format!("{}\n{}\n", self.subject, self.text));
        assert!(fs::read(received).unwrap() == binary());
        server.stop();
    }
}

/// Every octet, and what would end a message if it were not encoded.
fn binary() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..=255).cycle().take(64 * 1024).collect();
    bytes.extend_from_slice(b"\r\n.\r\n\n.\n");
    bytes
}
