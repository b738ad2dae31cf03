//! libmilter, the library that most filters are made with: it is told each step in all versions, and asks for all changes.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;

use mailoop::milter::body::BodyLines;
use mailoop::milter::changes::{FilterChange, MessageChanges};
use mailoop::milter::fields::{MessageField, split_message};
use mailoop::milter::reply::FilterReply;
use mailoop::milter::step::{BODY_CHUNK_BYTES_MAX, FilterStep};
use mailoop::milter::terms::FilterOffer;

use crate::common::program::{Running, beside, foreign, installed};
use crate::common::wait_until;
use crate::opendkim::{CLIENT, Connection};

const HEADER: &[u8] = b"Subject:  two\r\n\tlines\r\nX-Gone: x\r\n\r\n";
const TOLD: &str = "\
connect localhost ('127.0.0.1', 4711) mx.example.org None
hello client.example.org
mail <ada@example.org> ('SIZE=3',) ada@example.org
header Subject ' two\\n\\tlines'
header X-Gone 'x'
body 65535
";

/// Tells all of a session; how it replies to the recipients, and to the end of the message.
fn session(connection: &mut Connection) -> (Vec<FilterReply>, Vec<FilterReply>) {
    connection.macros.set("client_addr", b"127.0.0.1");
    connection.macros.set("mail_addr", b"ada@example.org");
    connection.tell(CLIENT);
    connection.tell(FilterStep::Hello(b"client.example.org"));
    connection.tell(FilterStep::Mail(&[b"<ada@example.org>", b"SIZE=3"]));
    let recipients: [&[u8]; 3] = [
        b"<bob@example.net>",
        b"<many@example.net>",
        b"<one@example.net>",
    ];
    let replies = recipients.map(|recipient| connection.tell(FilterStep::Recipient(&[recipient])));
    connection.tell(FilterStep::Unknown(b"FOO"));
    connection.tell(FilterStep::Data);
    for field in &split_message(HEADER).0 {
        let (name, value) = (field.name(), field.value());
        connection.tell(FilterStep::Header { name, value });
    }
    connection.tell(FilterStep::EndOfHeader);
    let chunk = [b'y'; BODY_CHUNK_BYTES_MAX];
    assert_eq!(
        connection.tell(FilterStep::Body(&chunk)),
        [FilterReply::Skip]
    );
    assert_eq!(connection.tell(FilterStep::Body(&chunk)), []);
    (replies.concat(), connection.tell(FilterStep::EndOfMessage))
}

/// Checks the replies to the recipients.
fn check_refusals(replies: &[FilterReply]) {
    let [
        FilterReply::Continue,
        FilterReply::Custom(many),
        FilterReply::Custom(one),
    ] = replies
    else {
        panic!("{replies:?}");
    };
    let lines: Vec<&[u8]> = many.lines().collect();
    assert_eq!(
        lines,
        [
            &b"550-5.7.1 one"[..],
            b"550-5.7.1 100% sure",
            b"550 5.7.1 three"
        ]
    );
    assert_eq!(one.lines().collect::<Vec<_>>(), [b"451 4.7.1 later"]);
}

/// Checks what is to become of the message.
fn check_changes(replies: Vec<FilterReply>) {
    let mut changes = MessageChanges::new(false);
    let (mut lines, mut body) = (BodyLines::default(), Vec::new());
    let mut others = Vec::new();
    for reply in replies {
        match reply {
            FilterReply::Change(change) => changes.push(change).unwrap(),
            FilterReply::ReplaceBody(piece) => lines.write(&piece, &mut body),
            reply => others.push(reply),
        }
    }
    let held = FilterReply::Quarantine(Box::from(&b"because"[..]));
    assert_eq!(others, [FilterReply::Progress, held, FilterReply::Accept]);
    let text = |text: &str| Box::from(text.as_bytes());
    let added = |address: &str, arguments: &str| FilterChange::AddRecipient {
        address: text(address),
        arguments: text(arguments),
    };
    let envelope = [
        added("<carol@example.net>", ""),
        added("<dave@example.net>", "NOTIFY=NEVER"),
        FilterChange::DeleteRecipient(text("<bob@example.net>")),
        FilterChange::ChangeSender {
            address: text("<>"),
            arguments: text("RET=HDRS"),
        },
    ];
    assert!(changes.envelope().eq(&envelope));
    let (mut fields, _) = split_message(HEADER);
    changes.apply_header(&mut fields);
    let header: Vec<&[u8]> = fields.iter().map(MessageField::text).collect();
    assert_eq!(
        header.concat(),
        b"X-First: c\r\nSubject: changed\r\nX-Last: a\r\n b\r\n"
    );
    lines.end(&mut body);
    assert!(body.len() == 70_002 && body.ends_with(b"xxx\r\n"));
}

#[test]
fn is_told_all_steps_and_asks_for_all_changes_in_all_versions() {
    if !installed(&["pymilter"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut filter = foreign("/usr/bin/python3");
    filter
        .args(["-B", "-E", "-s"])
        .arg(beside("libmilter.py"))
        .arg(path("socket"));
    filter.stdout(File::create(path("told")).unwrap());
    let _running = Running(filter.spawn().unwrap());
    wait_until("libmilter", || UnixStream::connect(path("socket")).is_ok());
    for version in [6, 4, 3, 2] {
        let offer = FilterOffer {
            version,
            ..FilterOffer::default()
        };
        let mut connection = Connection::open(&path("socket"), offer);
        File::create(path("told")).unwrap();
        // The second client on the connection of the first one.
        let clients = if version == 6 { 2 } else { 1 };
        for _ in 0..clients {
            let (refusals, end) = session(&mut connection);
            check_refusals(&refusals);
            check_changes(end);
            connection.tell(FilterStep::Mail(&[b"<x@example.org>"]));
            connection.tell(FilterStep::QuitNewConnection);
        }
        connection.tell(FilterStep::Quit);
        let told = fs::read_to_string(path("told")).unwrap();
        let told = told.trim_start_matches('\0');
        let expected = format!("{TOLD}mail <x@example.org> () ada@example.org\n").repeat(clients);
        assert_eq!(told, expected, "version {version}");
    }
}
