//! The process that works on the disk: the server goes on while it stands still, and without it.

use std::fs::{self, File};
use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::common::client::{Client, read_some};
use crate::common::{TestServer, files, wait_until};
use mailoop::net::channel::Readiness;
use mailoop::server::store_channel::StoreChannel;
use mailoop::smtp::envelope::{Body, Envelope, Hello, Peer, Recipient};
use mailoop::smtp::path::ReversePath;
use mailoop::smtp::service::Service;
use mailoop::store::maildir::{CommitEngine, System};
use mailoop::store::{Maildir, MaildirOptions, Store, StorePipes};
use rustix::io::{ioctl_fionbio, ioctl_fionread};
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
    let large = "Lines: of text, 78 characters long with its line end, over and over again...\r\n"
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
fn who_opens_and_aborts_without_end_takes_nobodys_place() {
    let mut server = TestServer::start(&[]);
    let process = store_process(&server);
    let mut honest = nearly_done(&server, "honest@example.org");
    let mut flood = Client::connect(server.address());
    flood.hello();
    kill_process(process, Signal::STOP).unwrap();
    // What is aborted before it is longer than a buffer was never asked of the store process, whose pipe holds 1 MiB.
    let group = "MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nBDAT 5\r\ntext\nRSET\r\n";
    for _ in 0..20 {
        flood.say(&group.repeat(500));
        for _ in 0..4 * 500 {
            flood.expect("250 ");
        }
    }
    honest.say(".\r\n");
    let mut other = nearly_done(&server, "other@example.org");
    other.say(".\r\n");
    kill_process(process, Signal::CONT).unwrap();
    honest.expect("250 Ok: queued as");
    other.expect("250 Ok: queued as");
    assert!(!server.mailbox("b@example.org").exists());
    server.stop();
}

#[test]
fn whoever_comes_while_the_store_has_no_room_waits_and_is_not_refused() {
    const CLIENTS: usize = 100;
    let mut server = TestServer::start(&[]);
    let process = store_process(&server);
    let before = server.memory_kib("VmRSS");
    kill_process(process, Signal::STOP).unwrap();
    let address = server.address().to_owned();
    // As much again as the pipe and the queue hold, some of it in chunks that nobody waits for, and three messages a client.
    let senders = (0..CLIENTS).map(|number| {
        let address = address.clone();
        thread::spawn(move || {
            let mut client = Client::connect(&address);
            client.hello();
            let text = "A line of text of a message in chunks.\r\n".repeat(1500);
            let chunk = format!("BDAT {}\r\n{text}BDAT 2 LAST\r\n\r\n", text.len());
            let to = format!("m{}@example.org", number % 10);
            let message = format!("MAIL FROM:<a@example.com>\r\nRCPT TO:<{to}>\r\n{chunk}");
            client.say(&message.repeat(3));
            for _ in 0..3 {
                for reply in [
                    "250 2.1.0",
                    "250 2.1.5",
                    "250 2.0.0",
                    "250 2.0.0 Ok: queued as",
                ] {
                    client.expect(reply);
                }
            }
        })
    });
    let senders: Vec<_> = senders.collect();
    let mut small = nearly_done(&server, "small@example.org");
    small.say(".\r\n");
    let mut other = Client::connect(server.address());
    other.hello();
    for _ in 0..100 {
        other.ask("NOOP", "250 2.0.0 Ok");
    }
    wait_until("the server to rest", || server.is_resting());
    let more = server.memory_kib("VmRSS").saturating_sub(before);
    assert!(more < 12 * 1024, "{more} KiB of 18 MiB are in memory");
    kill_process(process, Signal::CONT).unwrap();
    small.expect("250 Ok: queued as");
    for sender in senders {
        sender.join().unwrap();
    }
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
    lose_store_process(&server);
    let mut client = nearly_done(&server, "b@example.org");
    client.say(".\r\n");
    client.expect("250 Ok: queued as");
    server.stop();
}

/// Kills the store process, and waits until the server knows.
fn lose_store_process(server: &TestServer) {
    kill_process(store_process(server), Signal::KILL).unwrap();
    wait_until("the server to notice", || {
        server.log().contains("store=in-process")
    });
}

#[test]
fn a_file_size_limit_costs_the_message_that_is_too_large_and_nothing_else() {
    for in_process in [false, true] {
        let mut server = TestServer::start_with_file_size(256, &[]);
        if in_process {
            lose_store_process(&server);
        }
        let before = server.family();
        let mut client = nearly_done(&server, "b@example.org");
        client.say(&"A line of text.\r\n".repeat(120_000));
        client.say(".\r\n");
        client.expect("452 ");
        for (text, address) in [("small", "b@example.org"), ("again", "c@example.org")] {
            client.ask("MAIL FROM:<a@example.com>", "250");
            client.ask(&format!("RCPT TO:<{address}>"), "250");
            client.ask("DATA", "354");
            client.say(&format!("{text}\r\n.\r\n"));
            client.expect("250 Ok: queued as");
        }
        assert_eq!(server.new_mail("b@example.org").len(), 1);
        assert_eq!(server.tmp_mail("b@example.org").len(), 0);
        assert_eq!(server.family(), before);
        server.stop();
    }
}

#[test]
fn the_loop_waits_for_no_sibling_that_starts() {
    let mut server = TestServer::start(&[]);
    let lock = File::open(server.maildir().join(".mailoop/lock")).unwrap();
    lock.lock().unwrap();
    lose_store_process(&server);
    let mut client = Client::connect(server.address());
    client.hello();
    client.ask("MAIL FROM:<a@example.com>", "250");
    client.ask("RCPT TO:<b@example.org>", "250");
    for _ in 0..3 {
        client.ask("DATA", "451 ");
        Client::connect(server.address()).hello();
        client.ask("RSET", "250");
        client.ask("MAIL FROM:<a@example.com>", "250");
        client.ask("RCPT TO:<b@example.org>", "250");
    }
    lock.unlock().unwrap();
    client.ask("DATA", "354");
    client.say("text\r\n.\r\n");
    client.expect("250 2.0.0 Ok: queued as");
    server.stop();
}

#[test]
fn two_signals_end_a_server_that_finds_its_store_locked() {
    let mut server = TestServer::start(&[]);
    let lock = File::open(server.maildir().join(".mailoop/lock")).unwrap();
    lock.lock().unwrap();
    // A transaction in flight, for which the first signal waits.
    let mut client = nearly_done(&server, "b@example.org");
    lose_store_process(&server);
    client.say(".\r\n");
    client.expect("451 ");
    client.ask("MAIL FROM:<a@example.com>", "250");
    client.ask("RCPT TO:<b@example.org>", "250");
    client.say("DATA\r\n");
    wait_until("the server to end", || {
        server.signal(Signal::TERM);
        server.has_ended()
    });
}

#[test]
fn a_start_waits_for_a_sibling_that_starts() {
    let first = TestServer::start(&[]);
    let root = first.maildir();
    let lock = File::open(root.join(".mailoop/lock")).unwrap();
    lock.lock().unwrap();
    let busy = CommitEngine::start(System::open(&root).unwrap(), 10, 10).unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::WouldBlock, "{busy}");
    let released = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        lock.unlock().unwrap();
    });
    Maildir::open(MaildirOptions::new(&root, "mx", 10)).unwrap();
    released.join().unwrap();
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
    let mut open = nearly_done(&server, "b@example.org");
    open.say(&"More than is held back.\r\n".repeat(1000));
    wait_until("the message to be begun", || {
        !server.tmp_mail("b@example.org").is_empty()
    });
    server.signal(Signal::KILL);
    wait_until("the store process to end", || {
        test_kill_process(process).is_err()
    });
    assert!(!server.mailbox("b@example.org").exists());
}

#[test]
fn where_none_can_be_started_the_work_is_done_here() {
    // The second one runs, but is not mailoop.
    for program in ["/nowhere/mailoop", "/bin/true"] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("mail");
        let options = MaildirOptions::new(&root, "mx", 10);
        let mut store = Maildir::open_with_process(options, Path::new(program)).unwrap();
        assert!(store.take_pipes(0).is_none() && store.client(0).is_none());
        let (_, draft) = store.begin(&envelope()).unwrap();
        let ticket = store.submit(draft);
        let mut finished = Vec::new();
        store.commit(&mut finished);
        assert_eq!(finished[0].ticket, ticket);
        assert_eq!(files(&root.join("d/a/new")).len(), 1);
    }
}

/// One recipient, `a@d`.
fn envelope() -> Envelope {
    Envelope {
        service: Service::Smtp,
        peer: Peer::Local,
        proxied: None,
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
            remote: Vec::new(),
            dsn: None,
        }],
        body: Body::SevenBit,
        smtputf8: false,
        dsn: None,
        sender_is_ours: false,
        quarantine: None,
    }
}

/// Both ends of the pipes to a store process, with the test in the middle: nothing goes on before it lets it.
struct Relay {
    process: StorePipes,
    requests: PipeReader,
    reports: PipeWriter,
}

impl Relay {
    fn between(process: StorePipes) -> (Self, StoreChannel) {
        let (requests, server_requests) = std::io::pipe().unwrap();
        let (server_reports, reports) = std::io::pipe().unwrap();
        let server = StorePipes {
            requests: server_requests,
            reports: server_reports,
        };
        ioctl_fionbio(&server.requests, true).unwrap();
        ioctl_fionbio(&server.reports, true).unwrap();
        // As the server's ends are.
        ioctl_fionbio(&process.requests, false).unwrap();
        ioctl_fionbio(&process.reports, false).unwrap();
        let relay = Self {
            process,
            requests,
            reports,
        };
        (relay, StoreChannel::new(server))
    }

    /// Passes on requests that are in the pipe.
    fn pass_requests(&mut self, octets: usize) {
        let mut buffer = vec![0; octets];
        self.requests.read_exact(&mut buffer).unwrap();
        self.process.requests.write_all(&buffer).unwrap();
    }

    /// Waits for reports, and passes them on.
    fn pass_reports(&mut self) {
        let mut buffer = [0; 4096];
        let received = read_some(&mut self.process.reports, &mut buffer).unwrap();
        self.reports.write_all(&buffer[..received]).unwrap();
    }
}

fn told(readable: bool, writable: bool) -> Readiness {
    Readiness {
        readable,
        writable,
        read_on: false,
    }
}

fn open_with_relay(root: &Path) -> (Maildir, Relay, StoreChannel) {
    let program = Path::new(env!("CARGO_BIN_EXE_mailoop"));
    let mut store =
        Maildir::open_with_process(MaildirOptions::new(root, "mx", 10), program).unwrap();
    let (relay, channel) = Relay::between(store.take_pipes(0).unwrap());
    (store, relay, channel)
}

#[test]
fn the_pipes_are_read_and_written_only_where_an_event_has_told_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, mut relay, mut channel) = open_with_relay(&folder.path().join("mail"));
    let mut finished = Vec::new();
    // Nothing is there, and from here on it takes an event.
    channel.exchange(store.client(0).unwrap()).unwrap();

    let (_, draft) = store.begin(&envelope()).unwrap();
    let ticket = store.submit(draft);
    let octets = store.client(0).unwrap().output().len();
    assert!(channel.can_send(store.client(0).unwrap()));
    channel.exchange(store.client(0).unwrap()).unwrap();
    assert!(store.client(0).unwrap().output().is_empty());
    relay.pass_requests(octets);
    while finished.is_empty() {
        relay.pass_reports();
        channel.exchange(store.client(0).unwrap()).unwrap();
        store.commit(&mut finished);
        assert!(finished.is_empty(), "it was read without an event");
        channel.note(told(true, false));
        channel.exchange(store.client(0).unwrap()).unwrap();
        store.commit(&mut finished);
    }
    assert_eq!(finished[0].ticket, ticket);
    assert!(finished[0].outcome.is_stored());
    assert_eq!(files(&folder.path().join("mail/d/a/new")).len(), 1);
}

#[test]
fn requests_that_find_no_room_are_kept_in_order_and_text_is_refused_at_their_bound() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, mut relay, mut channel) = open_with_relay(&folder.path().join("mail"));
    let (_, mut draft) = store.begin(&envelope()).unwrap();
    let line = [&[b'x'; 998][..], b"\r\n"].concat();
    let mut lines = 0;
    while !store.is_congested() {
        store.write(&mut draft, &line).unwrap();
        channel.exchange(store.client(0).unwrap()).unwrap();
        lines += 1;
    }
    assert!(lines > 256, "the pipe and the bound hold {lines} lines");
    assert!(!channel.can_send(store.client(0).unwrap()));
    let ticket = store.submit(draft);
    let mut finished = Vec::new();
    let mut steps = 0;
    while finished.is_empty() {
        let kept = store.client(0).unwrap().output().len();
        let waiting = ioctl_fionread(&relay.requests).unwrap();
        if waiting > 0 {
            relay.pass_requests(usize::try_from(waiting).unwrap());
            // Room alone changes nothing.
            channel.exchange(store.client(0).unwrap()).unwrap();
            assert_eq!(store.client(0).unwrap().output().len(), kept);
            channel.note(told(false, true));
        } else {
            relay.pass_reports();
            channel.note(told(true, false));
        }
        channel.exchange(store.client(0).unwrap()).unwrap();
        store.commit(&mut finished);
        steps += 1;
    }
    assert!(steps > 2, "{steps} steps");
    assert_eq!(finished[0].ticket, ticket);
    assert!(finished[0].outcome.is_stored());
    let stored = files(&folder.path().join("mail/d/a/new"));
    let stored = fs::read(&stored[0]).unwrap();
    assert_eq!(stored.len(), lines * 999);
}

#[test]
fn a_process_that_speaks_nonsense_counts_as_gone() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("mail");
    let (mut store, mut relay, mut channel) = open_with_relay(&root);
    let (_, draft) = store.begin(&envelope()).unwrap();
    let lost = store.submit(draft);
    relay.reports.write_all(b"\0\0\0\x09?12345678").unwrap();
    let client = store.client(0).unwrap();
    let error = channel.exchange(client).unwrap_err();
    client.disconnected(error);
    assert!(store.is_pending());
    let mut finished = Vec::new();
    store.commit(&mut finished);
    assert_eq!(finished[0].ticket, lost);
    assert!(!finished[0].outcome.is_stored());
    assert!(store.client(0).is_none());

    // The work goes on in this process.
    let (_, draft) = store.begin(&envelope()).unwrap();
    store.submit(draft);
    store.commit(&mut finished);
    assert!(finished[1].outcome.is_stored());
    assert_eq!(files(&root.join("d/a/new")).len(), 1);
}
