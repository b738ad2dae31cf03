//! The process that works on the disk: the server goes on while it stands still, and without it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::thread;

use common::client::Client;
use common::{TestServer, files, wait_until};
use mailoop::smtp::envelope::{Body, Envelope, Hello, Peer, Recipient};
use mailoop::smtp::path::ReversePath;
use mailoop::smtp::service::Service;
use mailoop::store::{Maildir, MaildirOptions, Store};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

fn store_process(server: &TestServer) -> Pid {
    let [_, process] = server.family()[..] else {
        panic!("there is no store process");
    };
    Pid::from_raw(process.cast_signed()).unwrap()
}

/// A client whose message is complete but for its last line.
fn nearly_done(server: &TestServer, to: &str) -> Client<TcpStream> {
    let mut client = Client::connect(server.address());
    client.begin_message(to);
    client.say("text\r\n");
    client
}

#[test]
fn nobody_waits_while_the_disk_does() {
    let mut server = TestServer::start(&[]);
    let process = store_process(&server);
    let mut waiting = nearly_done(&server, "waiting@example.org");
    let mut other = Client::connect(server.address());
    other.hello();
    let before = server.memory_kib("VmRSS");
    kill_process(process, Signal::STOP).unwrap();
    waiting.say(".\r\n");

    let address = server.address().to_owned();
    let large = "A line of text, 78 characters long with its line end, over and over again...\r\n"
        .repeat(320_000);
    let text = large.clone();
    let sender = thread::spawn(move || {
        let mut client = Client::connect(&address);
        client.begin_message("large@example.org");
        client.say(&text);
        client.say(".\r\n");
        client.expect("250");
    });
    for _ in 0..100 {
        other.ask("NOOP", "250 2.0.0 Ok");
        other.ask("MAIL FROM:<a@example.com>", "250 2.1.0 Ok");
        other.ask("RCPT TO:<unknown@example.org>", "250 2.1.5 Ok");
        other.ask("RSET", "250 2.0.0 Ok");
    }
    let mut third = nearly_done(&server, "third@example.org");
    third.say(".\r\n");
    let more = server.memory_kib("VmRSS").saturating_sub(before);
    assert!(more < 8 * 1024, "{more} KiB of the message are in memory");
    assert!(!server.mailbox("third@example.org").exists());

    kill_process(process, Signal::CONT).unwrap();
    waiting.expect("250 Ok: queued as");
    third.expect("250 Ok: queued as");
    sender.join().unwrap();
    assert!(server.message("large@example.org") == large.replace("\r\n", "\n").into_bytes());
    server.stop();
}

#[test]
fn without_its_store_process_the_server_goes_on() {
    let mut server = TestServer::start(&[]);
    let process = store_process(&server);
    let mut complete = nearly_done(&server, "b@example.org");
    let mut open = nearly_done(&server, "b@example.org");
    kill_process(process, Signal::STOP).unwrap();
    complete.say(".\r\n");
    complete.say("NOOP\r\n");
    Client::connect(server.address()).hello();
    kill_process(process, Signal::KILL).unwrap();
    complete.expect("451 ");
    complete.expect("250 Ok");
    open.say(".\r\n");
    open.expect("451 ");

    for client in [&mut complete, &mut open] {
        client.ask("MAIL FROM:<a@example.com>", "250");
        client.ask("RCPT TO:<b@example.org>", "250");
        client.ask("DATA", "354");
        client.say("text\r\n.\r\n");
        client.expect("250 Ok: queued as");
    }
    assert_eq!(server.new_mail("b@example.org").len(), 2);
    let left = files(&server.mailbox("b@example.org").join("tmp"));
    assert!(left.is_empty(), "{left:?}");
    assert!(
        server
            .log()
            .contains("store=in-process error=\"the store process is gone: ")
    );
    server.stop();
}

#[test]
fn the_first_mailbox_of_all_is_made_without_it_too() {
    let mut server = TestServer::start(&[]);
    kill_process(store_process(&server), Signal::KILL).unwrap();
    wait_until("the server to notice", || {
        server.log().contains("store=in-process")
    });
    let mut client = nearly_done(&server, "b@example.org");
    client.say(".\r\n");
    client.expect("250 Ok: queued as");
    server.stop();
}

#[test]
fn it_hears_no_signal_that_is_for_the_server_and_holds_no_socket() {
    let mut server = TestServer::start(&[]);
    let process = store_process(&server);
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        kill_process(process, signal).unwrap();
    }
    let mut client = nearly_done(&server, "b@example.org");
    client.say(".\r\n");
    client.expect("250");
    assert_eq!(store_process(&server), process);
    let descriptors = fs::read_dir(format!("/proc/{}/fd", process.as_raw_nonzero())).unwrap();
    for descriptor in descriptors {
        let target = fs::read_link(descriptor.unwrap().path()).unwrap();
        let target = target.to_str().unwrap();
        assert!(!target.starts_with("socket:"), "{target}");
    }
    server.stop();
}

#[test]
fn it_ends_when_the_server_is_killed_and_leaves_nothing_open() {
    let server = TestServer::start(&[]);
    let process = store_process(&server);
    let _open = nearly_done(&server, "b@example.org");
    let tmp = server.mailbox("b@example.org").join("tmp");
    wait_until("the message to be begun", || tmp.exists());
    server.signal(Signal::KILL);
    wait_until("the store process to end", || {
        test_kill_process(process).is_err()
    });
    assert!(!tmp.exists());
}

#[test]
fn where_none_can_be_started_the_work_is_done_here() {
    let envelope = Envelope {
        service: Service::Smtp,
        peer: Peer::Local,
        hearsay: None,
        security: None,
        user: None,
        hello: Hello {
            name: "client".into(),
            extended: true,
        },
        reverse_path: ReversePath::Null,
        recipients: vec![Recipient {
            address: "a@d".parse().unwrap(),
            mailboxes: smallvec::smallvec!["a@d".parse().unwrap()],
        }],
        body: Body::SevenBit,
        smtputf8: false,
    };
    // The second one runs, but is not mailoop.
    for program in ["/nowhere/mailoop", "/bin/true"] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("mail");
        let options = MaildirOptions::new(&root, "mx", 10);
        let mut store = Maildir::open_apart(options, Path::new(program)).unwrap();
        assert!(store.descriptors().is_empty());
        let (_, draft) = store.begin(&envelope).unwrap();
        let ticket = store.submit(draft);
        let mut finished = Vec::new();
        store.commit(&mut finished);
        assert_eq!(finished[0].ticket, ticket);
        assert_eq!(files(&root.join("d/a/new")).len(), 1);
    }
}
