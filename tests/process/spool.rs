//! The spool with its process: messages come, are read, delivered and found again, whatever is killed meanwhile.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mailoop::net::channel::Readiness;
use mailoop::server::store_channel::StoreChannel;
use mailoop::smtp::envelope::{Body, Envelope, Hello, Peer, QueueId, Recipient};
use mailoop::smtp::path::{Mailbox, ReversePath};
use mailoop::smtp::service::Service;
use mailoop::store::spool::{
    Change, ChangeKind, MailId, QueuedMail, ReadResult, RelayStore, RelayStoreOptions,
    SPOOL_PROCESS, SpoolMail, SpoolPlace, SpoolStore, SpooledReport,
};
use mailoop::store::{
    Failure, Finished, Maildir, MaildirOptions, STORE_PROCESSES_MAX, Store, Ticket,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::{TempDir, tempdir};

use crate::common::client::Client;
use crate::common::{TestServer, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);
const QUEUED_MAX: usize = 1000;

/// A relay store, and what the event loop does for it.
struct Loop {
    store: Box<RelayStore>,
    channels: [Option<StoreChannel>; STORE_PROCESSES_MAX],
    finished: Vec<Finished>,
    queued: Vec<QueuedMail>,
    delivered: Vec<(Ticket, Result<(), Failure>)>,
    ready: Vec<Ticket>,
}

impl Loop {
    fn try_open(folder: &Path) -> std::io::Result<Self> {
        let program = Path::new(env!("CARGO_BIN_EXE_mailoop"));
        let options = MaildirOptions::new(&folder.join("mail"), "mx.example.org", 100);
        let local = Maildir::open_with_process(options, program)?;
        let mut options = RelayStoreOptions::new(&spool(folder), QUEUED_MAX);
        options.restart_rest_max = Duration::from_millis(20);
        Ok(Self {
            store: Box::new(RelayStore::open(Box::new(local), &options, program)?),
            channels: Default::default(),
            finished: Vec::new(),
            queued: Vec::new(),
            delivered: Vec::new(),
            ready: Vec::new(),
        })
    }

    fn open(folder: &TempDir) -> Self {
        Self::try_open(folder.path()).unwrap()
    }

    /// One turn of the loop, which waits a little for the processes.
    fn turn(&mut self) {
        let store = &mut *self.store;
        store.set_time(Instant::now());
        for (process, slot) in self.channels.iter_mut().enumerate() {
            if slot.is_none() {
                *slot = store.take_pipes(process).map(StoreChannel::new);
            }
            if let Some(channel) = slot
                && let Some(client) = store.client(process)
                && let Err(error) = channel.exchange(client)
            {
                client.disconnected(error);
                *slot = None;
            }
        }
        store.commit(&mut self.finished);
        let spool = store.spool().unwrap();
        self.queued.extend(spool.take_queued());
        self.delivered.extend(spool.take_delivered());
        self.ready.extend(spool.take_ready());
        self.wait();
    }

    fn wait(&mut self) {
        let pipes = self.channels.iter().flatten();
        let pipes: Vec<_> = pipes.flat_map(StoreChannel::descriptors).collect();
        let flags = [PollFlags::OUT, PollFlags::IN].into_iter().cycle();
        let mut polled: Vec<_> = pipes
            .iter()
            .zip(flags)
            .filter(|(_, flags)| *flags == PollFlags::IN)
            .map(|(pipe, flags)| PollFd::new(pipe, flags))
            .collect();
        let pause = Timespec {
            tv_sec: 0,
            tv_nsec: 2_000_000,
        };
        // Halted meanwhile it ends early, which is as well.
        let polled = poll(&mut polled, Some(&pause));
        assert!(matches!(polled, Ok(_) | Err(Errno::INTR)), "{polled:?}");
        for channel in self.channels.iter_mut().flatten() {
            channel.note(Readiness {
                readable: true,
                writable: true,
                read_on: false,
            });
        }
    }

    /// Goes on until `done` returns something.
    fn until<T>(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(done) = done(self) {
                return done;
            }
            assert!(Instant::now() < end, "waiting for {what}");
            self.turn();
        }
    }

    fn spool(&mut self) -> &mut dyn SpoolStore {
        self.store.spool().unwrap()
    }

    fn begin(&mut self, to: &[&str], text: &str) -> Result<(QueueId, Ticket), Failure> {
        let (id, mut draft) = self.store.begin(&envelope(to))?;
        for piece in text.as_bytes().chunks(8192) {
            self.store.write(&mut draft, piece).unwrap();
        }
        Ok((id, self.store.submit(draft)))
    }

    /// Sends a message, and waits until it is settled.
    fn send(&mut self, to: &[&str], text: &str) -> Result<QueueId, Failure> {
        let (id, ticket) = self.begin(to, text)?;
        let finished = self.until("a message to be settled", |this| {
            let at = this
                .finished
                .iter()
                .position(|message| message.ticket == ticket);
            at.map(|at| this.finished.remove(at))
        });
        let result = finished.outcome.for_each(1).remove(0);
        result.map(|()| id)
    }

    /// The next message of the queue.
    fn next_queued(&mut self) -> QueuedMail {
        self.until("a message to be queued", |this| {
            (!this.queued.is_empty()).then(|| this.queued.remove(0))
        })
    }

    fn read(&mut self, mail: MailId, place: SpoolPlace) -> SpoolMail {
        self.until("a message to be read", |this| {
            match this.spool().read(mail, place) {
                ReadResult::Now(mail) => Some((*mail).clone()),
                ReadResult::Later(ticket) => {
                    this.until("a read", |this| this.ready.contains(&ticket).then_some(()));
                    None
                }
                unread => panic!("{unread:?}"),
            }
        })
    }

    fn deliver(&mut self, queued: &QueuedMail, recipient: u16) -> Result<(), Failure> {
        let ticket = self.spool().deliver(queued.mail, queued.place, recipient);
        self.until("a delivery", |this| {
            let at = this
                .delivered
                .iter()
                .position(|(other, _)| *other == ticket);
            at.map(|at| this.delivered.remove(at).1)
        })
    }

    /// Ends as the server does.
    fn close(mut self) {
        for (process, slot) in self.channels.iter_mut().enumerate() {
            if let Some(channel) = slot.take() {
                self.store.return_pipes(process, channel.into_pipes());
            }
        }
    }

    /// Waits until all messages of earlier processes are found, and returns them.
    fn found(&mut self) -> Vec<QueuedMail> {
        self.until("the scan", |this| {
            (!this.spool().is_scanning()).then_some(())
        });
        self.turn();
        std::mem::take(&mut self.queued)
    }
}

fn spool(folder: &Path) -> PathBuf {
    folder.join("spool")
}

/// Addresses at `here` are mailboxes here.
fn envelope(to: &[&str]) -> Envelope {
    let recipient = |address: &&str| {
        let address: Mailbox = address.parse().unwrap();
        let is_local = address.domain() == "here";
        Recipient {
            mailboxes: is_local.then(|| address.clone()).into_iter().collect(),
            remote: (!is_local).then(|| address.clone()).into_iter().collect(),
            address,
            dsn: None,
        }
    };
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
        reverse_path: ReversePath::Mailbox("ada@here".parse().unwrap()),
        recipients: to.iter().map(recipient).collect(),
        body: Body::SevenBit,
        smtputf8: false,
        dsn: None,
        sender_is_ours: true,
        quarantine: None,
    }
}

/// The spool process that works in a folder.
fn spool_process(folder: &Path) -> Option<Pid> {
    let folder = spool(folder).canonicalize().unwrap();
    let entries = fs::read_dir("/proc").unwrap();
    let processes = entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let mut working = processes.filter(|process: &i32| {
        let proc = PathBuf::from(format!("/proc/{process}"));
        let arguments = fs::read(proc.join("cmdline")).unwrap_or_default();
        fs::read_link(proc.join("cwd"))
            .is_ok_and(|cwd| cwd.as_os_str().as_bytes() == folder.as_os_str().as_bytes())
            && arguments.ends_with(b"work\0")
    });
    working.next().and_then(Pid::from_raw)
}

fn kill(folder: &Path) -> Pid {
    let process = spool_process(folder).expect("no spool process");
    kill_process(process, Signal::KILL).unwrap();
    process
}

/// Damages the text of the only message that has a file for it.
fn flip_last_bit_of_text(folder: &TempDir) {
    let big = fs::read_dir(spool(folder.path()).join("big")).unwrap();
    let big = big.map(|entry| entry.unwrap().path()).next().unwrap();
    let mut octets = fs::read(&big).unwrap();
    *octets.last_mut().unwrap() ^= 1;
    fs::write(&big, octets).unwrap();
}

fn new_mail(folder: &TempDir, mailbox: &str) -> Vec<String> {
    let new = folder.path().join("mail/here").join(mailbox).join("new");
    let Ok(entries) = fs::read_dir(new) else {
        return Vec::new();
    };
    let texts = entries.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    texts.collect()
}

const TEXT: &str = "Received: from client\r\nSubject: x\r\n\r\n.text\r\n";

#[test]
fn mail_for_elsewhere_is_queued_and_read_as_it_came() {
    let folder = tempdir().unwrap();
    let mut server = Loop::open(&folder);
    let id = server
        .send(&["bob@there", "carl@here", "Bob@there", "bob@THERE"], TEXT)
        .unwrap();
    let queued = server.next_queued();
    assert_eq!(queued.mail.queue_id(), id);
    assert!(!queued.is_found && queued.over.is_empty());
    let recipients: Vec<_> = queued
        .envelope
        .recipients
        .iter()
        .map(|recipient| (recipient.address.as_str(), recipient.is_local))
        .collect();
    assert_eq!(
        recipients,
        [
            ("bob@there", false),
            ("carl@here", true),
            ("Bob@there", false)
        ]
    );
    let mail = server.read(queued.mail, queued.place);
    assert_eq!(mail.envelope, queued.envelope);
    assert_eq!(mail.text.as_deref(), Some(TEXT.as_bytes()));
    assert!(queued.place.text_flags.has_dot_line());
    // What stays here does not take the way of the spool.
    server.send(&["carl@here"], TEXT).unwrap();
    assert_eq!(new_mail(&folder, "carl").len(), 1);
    assert!(server.queued.is_empty());
    server.close();
}

#[test]
fn a_message_that_is_readdressed_goes_where_its_last_envelope_leads() {
    let folder = tempdir().unwrap();
    let mut server = Loop::open(&folder);
    let finish = |server: &mut Loop, mut draft| {
        server.store.write(&mut draft, TEXT.as_bytes()).unwrap();
        for to in ["x@here", "x@there"] {
            let again = server.store.readdress(&mut draft, &envelope(&[to]));
            assert!(again.is_err(), "it has text");
        }
        let ticket = server.store.submit(draft);
        let finished = server.until("a message to be settled", |this| this.finished.pop());
        assert!(finished.ticket == ticket && finished.outcome.is_stored());
    };

    // From a mailbox to another one it keeps its name.
    let (_, mut draft) = server.store.begin(&envelope(&["carl@here"])).unwrap();
    let renamed = server
        .store
        .readdress(&mut draft, &envelope(&["dora@here"]));
    assert_eq!(renamed.unwrap(), None);
    assert!(server.store.is_final_delivery(&draft));
    finish(&mut server, draft);
    assert_eq!(new_mail(&folder, "dora").len(), 1);

    // The spool names it anew.
    let (id, mut draft) = server.store.begin(&envelope(&["carl@here"])).unwrap();
    let to = envelope(&["dora@here", "bob@there"]);
    let renamed = server.store.readdress(&mut draft, &to).unwrap().unwrap();
    assert!(MailId::from_queue_id(id.as_str()).is_none());
    assert!(!server.store.is_final_delivery(&draft));
    finish(&mut server, draft);
    let queued = server.next_queued();
    assert_eq!(queued.mail.queue_id(), renamed);
    assert_eq!(queued.envelope.recipients.len(), 2);
    server.deliver(&queued, 0).unwrap();
    assert_eq!(new_mail(&folder, "dora").len(), 2);

    // What was to be sent on stays in the spool, which delivers it to mailboxes.
    let (id, mut draft) = server.store.begin(&envelope(&["bob@there"])).unwrap();
    let renamed = server
        .store
        .readdress(&mut draft, &envelope(&["carl@here"]));
    assert_eq!(renamed.unwrap(), None);
    let refused = server.store.readdress(&mut draft, &envelope(&[]));
    assert!(refused.is_err(), "it goes to nobody");
    finish(&mut server, draft);
    let queued = server.next_queued();
    assert_eq!(queued.mail.queue_id(), id);
    server.deliver(&queued, 0).unwrap();
    let carl = new_mail(&folder, "carl");
    assert_eq!(carl.len(), 1);
    assert!(carl[0].starts_with("Return-Path: <ada@here>\n"));
    server.close();
}

#[test]
fn a_long_message_is_read_and_delivered_in_pieces() {
    let folder = tempdir().unwrap();
    let mut server = Loop::open(&folder);
    let lines = "0123456789 0123456789 0123456789 0123456789 0123456789 01234\r\n".repeat(20_000);
    let text = format!("{TEXT}{lines}");
    server.send(&["bob@there", "carl@here"], &text).unwrap();
    let queued = server.next_queued();
    let mail = server.read(queued.mail, queued.place);
    assert_eq!(
        (mail.text, queued.place.text_bytes),
        (None, text.len() as u64)
    );
    let mut read = Vec::new();
    while read.len() < text.len() {
        let at = read.len() as u64;
        let (mail, place) = (queued.mail, queued.place);
        match server
            .spool()
            .read_piece(mail, place, at, 50_000, &mut read)
        {
            ReadResult::Now(octets) => assert!(octets > 0),
            ReadResult::Later(ticket) => {
                server.until("a read", |this| this.ready.contains(&ticket).then_some(()));
            }
            unread => panic!("{unread:?}"),
        }
    }
    assert!(read == text.as_bytes());
    server.deliver(&queued, 1).unwrap();
    let stored = new_mail(&folder, "carl").remove(0);
    let expected = format!("Return-Path: <ada@here>\n{}", text.replace("\r\n", "\n"));
    assert!(stored == expected);

    // A damaged one is not taken for what it was.
    flip_last_bit_of_text(&folder);
    server.deliver(&queued, 1).unwrap_err();
    assert_eq!(new_mail(&folder, "carl").len(), 1);
    server.close();
}

#[test]
fn a_damaged_text_is_noticed_also_where_a_piece_ends_within_a_line_end() {
    let folder = tempdir().unwrap();
    let mut server = Loop::open(&folder);
    // The CR is the last octet of the first piece that is copied, and the LF the first one of the next.
    let text = format!(
        "{}\r\n{}\r\n",
        "x".repeat(64 * 1024 - 1),
        "y".repeat(100_000)
    );
    let to = ["bob@there", "carl@here", "dora@here"];
    server.send(&to, &text).unwrap();
    let queued = server.next_queued();
    server.deliver(&queued, 1).unwrap();
    let stored = new_mail(&folder, "carl").remove(0);
    let expected = format!("Return-Path: <ada@here>\n{}", text.replace("\r\n", "\n"));
    assert!(stored == expected);
    flip_last_bit_of_text(&folder);
    server.deliver(&queued, 2).unwrap_err();
    assert_eq!(new_mail(&folder, "dora").len(), 0);
    server.close();
}

#[test]
fn what_is_done_is_not_found_and_what_is_not_is_found_and_delivered_once() {
    let folder = tempdir().unwrap();
    let mut server = Loop::open(&folder);
    server.send(&["bob@there", "carl@here"], TEXT).unwrap();
    server.send(&["dora@there"], TEXT).unwrap();
    let (mixed, over) = (server.next_queued(), server.next_queued());
    server.deliver(&mixed, 1).unwrap();
    let report = SpooledReport {
        mail: server.spool().new_mail_id().unwrap(),
        envelope: (*mixed.envelope).clone(),
        text: TEXT.as_bytes().into(),
    };
    let report_mail = report.mail;
    server.spool().change(Change {
        mail: over.mail,
        kind: ChangeKind::Failed(vec![0], Some(Box::new(report))),
    });
    server.spool().change(Change {
        mail: mixed.mail,
        kind: ChangeKind::Done(vec![0], None),
    });
    let queued = server.next_queued();
    assert_eq!(queued.mail, report_mail);
    assert_eq!(
        server.read(queued.mail, queued.place).text.as_deref(),
        Some(TEXT.as_bytes())
    );
    server.close();

    let mut server = Loop::open(&folder);
    let found = server.found();
    let names: BTreeSet<_> = found.iter().map(|queued| queued.mail).collect();
    assert_eq!(names, BTreeSet::from([mixed.mail, report_mail]));
    let again = found
        .iter()
        .find(|queued| queued.mail == mixed.mail)
        .unwrap();
    assert!(again.is_found);
    assert_eq!(again.over, [0]);
    assert_eq!(again.envelope, mixed.envelope);
    // Nobody had noted that it was delivered.
    server.deliver(again, 1).unwrap();
    assert_eq!(new_mail(&folder, "carl").len(), 1);
    server.close();
}

#[test]
fn a_spool_has_one_process() {
    let folder = tempdir().unwrap();
    let server = Loop::open(&folder);
    let error = Loop::try_open(folder.path()).err().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}");
    server.close();
    Loop::open(&folder).close();
}

#[test]
fn a_full_queue_takes_no_mail_for_elsewhere() {
    let folder = tempdir().unwrap();
    let mut server = Loop::open(&folder);
    let envelope = envelope(&["bob@there", "carl@here"]);
    let [remote, local] = &envelope.recipients[..] else {
        unreachable!();
    };
    server.spool().set_queued(QUEUED_MAX);
    let refused = server.store.check(remote, &envelope, 0);
    assert!(matches!(refused, Err(Failure::QueueFull)), "{refused:?}");
    server.store.check(local, &envelope, 0).unwrap();
    server.spool().set_queued(QUEUED_MAX - 1);
    server.store.check(remote, &envelope, 0).unwrap();
    server.turn();
    let _ = server.store.admit(0, u64::MAX);
    let refused = server.store.check(remote, &envelope, 0);
    assert!(matches!(refused, Err(Failure::Full(_))), "{refused:?}");
    server.close();
}

#[test]
fn the_room_on_the_disk_is_looked_at_again_while_nothing_is_stored() {
    let folder = tempdir().unwrap();
    let mut server = Loop::open(&folder);
    let envelope = envelope(&["bob@there"]);
    let free = |server: &mut Loop| match server.store.check(&envelope.recipients[0], &envelope, 0) {
        // "only N bytes left in …"
        Err(Failure::Full(told)) => told.split(' ').nth(1).unwrap().parse::<u64>().unwrap(),
        checked => panic!("{checked:?}"),
    };
    server.turn();
    let _ = server.store.admit(0, u64::MAX);
    let before = free(&mut server);
    fs::write(folder.path().join("other"), vec![7; 32 << 20]).unwrap();
    server.until("another word on the room", |server| {
        (free(server) != before).then_some(())
    });
    server.close();
}

#[test]
fn changes_that_are_in_the_pipe_when_a_server_is_killed_are_noted() {
    let folder = tempdir().unwrap();
    let mut server = Loop::open(&folder);
    server.send(&["over@there"], TEXT).unwrap();
    server.send(&["kept@there"], TEXT).unwrap();
    let (over, kept) = (server.next_queued(), server.next_queued());
    let process = spool_process(folder.path()).unwrap();
    kill_process(process, Signal::STOP).unwrap();
    let mut change = |mail, kind| server.spool().change(Change { mail, kind });
    // More than the process reads at once.
    for _ in 0..20_000 {
        change(kept.mail, ChangeKind::Noticed(None));
    }
    change(over.mail, ChangeKind::Done(vec![0], None));
    server.until("room in the pipe", |server| {
        let client = server.store.client(SPOOL_PROCESS).unwrap();
        client.output().is_empty().then_some(())
    });
    server.channels = Default::default();
    kill_process(process, Signal::CONT).unwrap();
    drop(server);

    let mut server = Loop::open(&folder);
    let found: Vec<_> = server.found().iter().map(|queued| queued.mail).collect();
    assert_eq!(found, [kept.mail]);
    server.close();
}

#[test]
fn a_process_that_is_killed_is_followed_by_another_and_nothing_acknowledged_is_lost() {
    let folder = tempdir().unwrap();
    let mut server = Loop::open(&folder);
    let kept = server.send(&["kept@there"], TEXT).unwrap();
    let over = server.send(&["over@there"], TEXT).unwrap();
    let (kept_mail, over_mail) = (server.next_queued(), server.next_queued());
    // It is stopped, so that what it is given now stays unsettled.
    kill_process(spool_process(folder.path()).unwrap(), Signal::STOP).unwrap();
    let (lost, ticket) = server.begin(&["lost@there"], TEXT).unwrap();
    server.spool().change(Change {
        mail: over_mail.mail,
        kind: ChangeKind::Done(vec![0], None),
    });
    server.turn();
    kill(folder.path());
    let refused = server.until("the loss", |this| this.finished.pop());
    assert_eq!(refused.ticket, ticket);
    assert!(!refused.outcome.is_stored());
    server.until("another process", |this| {
        this.spool().is_ready().then_some(())
    });
    let later = server.send(&["later@there"], TEXT).unwrap();
    // The loop knows its messages, and reads them where they are.
    assert_eq!(
        server.read(kept_mail.mail, kept_mail.place).text.as_deref(),
        Some(TEXT.as_bytes())
    );
    server.found();
    server.close();

    let mut server = Loop::open(&folder);
    let found = server.found().into_iter();
    let names: BTreeSet<_> = found.map(|queued| queued.mail.to_string()).collect();
    assert_eq!(
        names,
        BTreeSet::from([kept, later].map(|id| id.to_string())),
        "over: {over}, lost: {lost}"
    );
    server.close();
}

#[test]
fn kills_at_random_lose_nothing_that_was_acknowledged() {
    let seed = u64::from(std::process::id());
    eprintln!("seed {seed}");
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = |bound: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % bound
    };
    let folder = tempdir().unwrap();
    let mut server = Loop::open(&folder);
    let (mut stored, mut begun) = (BTreeSet::new(), 0);
    for _ in 0..20 {
        let kill_at = Instant::now() + Duration::from_micros(next(20_000));
        let mut waiting = Vec::new();
        let mut killed = None;
        while killed.is_none() || !waiting.is_empty() {
            if Instant::now() >= kill_at && killed.is_none() {
                killed = Some(kill(folder.path()));
            }
            if killed.is_none() && waiting.len() < 16 {
                begun += 1;
                waiting.extend(server.begin(&["bob@there"], TEXT));
            }
            server.turn();
            for finished in std::mem::take(&mut server.finished) {
                let at = waiting
                    .iter()
                    .position(|(_, ticket)| *ticket == finished.ticket);
                let (id, _) = waiting.swap_remove(at.unwrap());
                if finished.outcome.is_stored() {
                    assert!(stored.insert(id.to_string()), "{id} twice");
                }
            }
        }
        server.until("another process", |this| {
            let process = spool_process(folder.path());
            (process.is_some() && process != killed && this.spool().is_ready()).then_some(())
        });
    }
    let queued: BTreeSet<_> = server
        .queued
        .iter()
        .map(|queued| queued.mail.to_string())
        .collect();
    assert_eq!(queued, stored);
    server.found();
    server.close();
    let mut server = Loop::open(&folder);
    let found = server.found();
    let count = found.len();
    let found: BTreeSet<_> = found
        .into_iter()
        .map(|queued| queued.mail.to_string())
        .collect();
    assert_eq!(count, found.len());
    assert_eq!(found, stored, "of {begun} messages, seed {seed}");
    assert!(
        stored.len() > 20,
        "only {} of {begun} messages",
        stored.len()
    );
    server.close();
}

/// A server that sends mail for elsewhere to a port where nobody listens.
const RELAY: [&str; 3] = [
    "--domain=example.org",
    "--route=*=smtp://127.0.0.1:1",
    "--relay-from=127.0.0.0/8",
];

/// The reply to a message for elsewhere, or to DATA where that is refused.
fn reply(server: &TestServer) -> String {
    let mut client = Client::connect(server.address());
    client.hello();
    client.ask("MAIL FROM:<ada@example.org>", "250 ");
    client.ask("RCPT TO:<bob@example.net>", "250 ");
    client.say("DATA\r\n");
    let go_ahead = client.hear();
    if !go_ahead.starts_with("354 ") {
        return go_ahead;
    }
    client.say("Subject: x\r\n\r\ntext\r\n.\r\n");
    client.hear()
}

#[test]
fn a_server_in_its_sandbox_goes_on_with_another_spool_process() {
    let mut server = TestServer::start(&RELAY);
    let queued = reply(&server);
    assert!(queued.starts_with("250 2.0.0 Ok: queued as Q"), "{queued}");
    for _ in 0..3 {
        let killed = kill(server.folder());
        wait_until("another spool process", || {
            spool_process(server.folder()).is_some_and(|process| process != killed)
        });
        // It may still have to say that it is ready.
        wait_until("a message to be taken", || {
            reply(&server).starts_with("250 ")
        });
    }
    let log = server.log();
    assert!(
        log.contains("spool=lost") && log.contains("spool=started"),
        "{log}"
    );
    server.stop();
    assert!(spool_process(server.folder()).is_none());
}

#[test]
fn a_server_that_has_nothing_to_do_takes_the_next_spool_process_at_once() {
    let server = TestServer::start(&RELAY);
    wait_until("the spool to be read", || {
        server.log().contains("spool=scanned")
    });
    kill(server.folder());
    // Nobody connects, and no timer wakes it.
    wait_until("another process to be ready", || {
        server.log().contains("spool=started")
    });
    assert!(reply(&server).starts_with("250 "));
}

#[test]
fn a_spool_that_is_taken_away_takes_no_mail() {
    let server = TestServer::start(&RELAY);
    assert!(reply(&server).starts_with("250 "));
    fs::remove_dir_all(spool(server.folder())).unwrap();
    let refused = reply(&server);
    assert!(refused.starts_with("451 4.3.0 "), "{refused}");
    let told = "it was removed while it was in use: start mailoop again";
    wait_until("the log to tell of it", || server.log().contains(told));
    let refused = reply(&server);
    assert!(refused.starts_with("451 "), "{refused}");
}

#[test]
fn a_server_whose_spool_another_one_has_ends_with_75() {
    let server = TestServer::start(&RELAY);
    let spool = spool(server.folder());
    let second = Command::new(env!("CARGO_BIN_EXE_mailoop"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--maildir",
            "mail",
            "--spool",
        ])
        .arg(spool)
        .args(RELAY)
        .current_dir(tempdir().unwrap().path())
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(75), "{log}");
    assert!(log.contains("another process"), "{log}");
    assert!(reply(&server).starts_with("250 "));
}
