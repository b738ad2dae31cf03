//! The spool alone: `cargo bench --bench spool`, half a minute.
//!
//! So many senders hand in messages of 1 KiB, each the next one as soon as the last is acknowledged, which is as soon as a sync has
//! covered it. There is no socket and no protocol; each message is done at once for its recipient, as it is where nothing is
//! deferred.
//!
//! - `engine`: the work on the disk, in this process, which knows what it wrote: octets of the logs to octets that were received,
//!   and syncs of groups.
//! - `process`: the same in a process of its own, behind pipes, as the server has it.
//!
//! `MAILOOP_BENCH_DIR` is where the folder is made, otherwise the target directory: in memory durability costs nothing.
//! `MAILOOP_BENCH_SECONDS` is the length of a row.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod common;

#[cfg(not(feature = "relay"))]
fn main() {
    println!("this build has no spool");
}

#[cfg(feature = "relay")]
fn main() {
    spool::main();
}

#[cfg(feature = "relay")]
mod spool {
    use std::collections::HashMap;
    use std::env;
    use std::net::{IpAddr, Ipv4Addr};
    use std::path::Path;
    use std::time::{Duration, Instant, SystemTime};

    use mailoop::net::channel::Readiness;
    use mailoop::server::store_channel::StoreChannel;
    use mailoop::smtp::envelope::{Body, Envelope, Hello, Peer, Recipient};
    use mailoop::smtp::path::{Mailbox, ReversePath};
    use mailoop::smtp::service::Service;
    use mailoop::store::spool::{
        Change, ChangeCode, ChangeKind, EncodedChange, MailId, RelayStore, RelayStoreOptions,
        SPOOL_PROCESS, SpoolEngine, SpoolEnvelope, SpoolOptions, SpoolRecipient, SpoolStats,
        SpoolSystem,
    };
    use mailoop::store::{Discard, Store, Ticket};
    use rustix::event::{PollFd, PollFlags, poll};
    use smallvec::smallvec;

    use super::common::{KIB, server::folder, text};

    const SENDERS: [usize; 4] = [1, 16, 256, 1000];
    const SECONDS: u64 = 3;
    /// The number of the spool process.
    const PROCESS: usize = SPOOL_PROCESS;

    /// What the senders of a row saw, and what was written for them if that is known.
    #[derive(Default)]
    struct Row {
        acknowledged: u64,
        /// Microseconds until each acknowledgement.
        waits: Vec<u64>,
        stats: Option<SpoolStats>,
    }

    pub(super) fn main() {
        let seconds = env::var("MAILOOP_BENCH_SECONDS");
        let seconds = seconds.map_or(SECONDS, |seconds| seconds.parse().expect("a number"));
        let time = Duration::from_secs(seconds);
        println!("messages of 1 KiB, {seconds} s a row");
        println!(
            "| | senders | acknowledged/s | p50, p99 in ms | written/received | syncs | messages a sync |"
        );
        println!("|---|---|---|---|---|---|---|");
        for senders in SENDERS {
            print("engine", senders, time, engine(senders, time));
            print("process", senders, time, process(senders, time));
        }
    }

    fn print(name: &str, senders: usize, time: Duration, mut row: Row) {
        row.waits.sort_unstable();
        let wait = |part: usize| row.waits[row.waits.len() * part / 100] as f64 / 1000.0;
        let rate = row.acknowledged as f64 / time.as_secs_f64();
        let written = row.stats.map_or("- | - | -".to_owned(), |stats| {
            format!(
                "{:.3} | {} | {:.1}",
                stats.written_bytes as f64 / stats.received_bytes as f64,
                stats.groups,
                row.acknowledged as f64 / stats.groups as f64
            )
        });
        println!(
            "| {name} | {senders} | {rate:.0} | {:.2}, {:.2} | {written} |",
            wait(50),
            wait(99)
        );
    }

    fn engine(senders: usize, time: Duration) -> Row {
        let root = folder();
        let disk = SpoolSystem::open(root.path()).unwrap();
        let mut engine = SpoolEngine::start(disk, SpoolOptions::default(), now_seconds()).unwrap();
        assert!(!engine.scan(&mut Vec::new()));
        let (envelope, text) = (spool_envelope().encode(), text(KIB));
        let instance = engine.instance();
        let mut row = Row::default();
        let mut sent = HashMap::new();
        let (mut count, mut idle) = (0, senders);
        let end = Instant::now() + time;
        while Instant::now() < end {
            for _ in 0..std::mem::take(&mut idle) {
                count += 1;
                let ticket = Ticket(u64::from(count));
                engine.open(ticket, MailId { instance, count }, 1, &envelope);
                engine.write(ticket, &text);
                engine.submit(ticket);
                sent.insert(ticket, Instant::now());
            }
            engine.set_time(now_seconds());
            engine.round();
            let settled: Vec<_> = engine.settled().collect();
            for mail in settled {
                mail.result.unwrap();
                row.note(sent.remove(&mail.ticket).unwrap());
                idle += 1;
                let count = u32::try_from(mail.ticket.0).unwrap();
                engine.change(EncodedChange {
                    mail: MailId { instance, count },
                    code: ChangeCode::Done,
                    recipients: vec![0],
                    report: None,
                });
            }
            engine.compact();
        }
        row.stats = Some(engine.stats());
        row
    }

    fn process(senders: usize, time: Duration) -> Row {
        let root = folder();
        let options = RelayStoreOptions::new(root.path(), usize::MAX);
        let program = Path::new(env!("CARGO_BIN_EXE_mailoop"));
        let mut store = RelayStore::open(Box::new(Discard::new()), &options, program).unwrap();
        let mut channel = StoreChannel::new(store.take_pipes(PROCESS).unwrap());
        let (envelope, text) = (envelope(), text(KIB));
        let mut row = Row::default();
        let mut sent = HashMap::new();
        let mut finished = Vec::new();
        let mut idle = senders;
        let end = Instant::now() + time;
        while Instant::now() < end {
            store.set_time(Instant::now());
            for _ in 0..std::mem::take(&mut idle) {
                let (_, mut draft) = store.begin(&envelope).unwrap();
                store.write(&mut draft, &text).unwrap();
                sent.insert(store.submit(draft), Instant::now());
            }
            channel.exchange(store.client(PROCESS).unwrap()).unwrap();
            store.commit(&mut finished);
            for message in finished.drain(..) {
                assert!(message.outcome.is_stored());
                row.note(sent.remove(&message.ticket).unwrap());
                idle += 1;
            }
            let spool = store.spool().unwrap();
            for queued in spool.take_queued() {
                spool.change(Change {
                    mail: queued.mail,
                    kind: ChangeKind::Done(vec![0], None),
                });
            }
            if idle == 0 {
                wait(&mut store, &mut channel);
            }
        }
        store.return_pipes(PROCESS, channel.into_pipes());
        row
    }

    /// Waits as the event loop does: for room only with requests that found none.
    fn wait(store: &mut RelayStore, channel: &mut StoreChannel) {
        let client = store.client(PROCESS).unwrap();
        if channel.can_send(client) || channel.has_reports() {
            return;
        }
        let has_output = !client.output().is_empty();
        let [requests, reports] = channel.descriptors();
        let mut polled = [
            PollFd::new(&reports, PollFlags::IN),
            PollFd::new(&requests, PollFlags::OUT),
        ];
        poll(&mut polled[..1 + usize::from(has_output)], None).unwrap();
        let [readable, writable] = polled.map(|pipe| !pipe.revents().is_empty());
        channel.note(Readiness {
            readable,
            writable,
            read_on: false,
        });
    }

    impl Row {
        /// Notes that a message was acknowledged which was handed in then.
        fn note(&mut self, sent: Instant) {
            self.acknowledged += 1;
            let wait = u64::try_from(sent.elapsed().as_micros());
            self.waits.push(wait.unwrap_or(u64::MAX));
        }
    }

    fn now_seconds() -> u32 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        u32::try_from(since.unwrap().as_secs()).unwrap()
    }

    fn mailbox(text: &str) -> Mailbox {
        text.parse().unwrap()
    }

    /// One recipient elsewhere, as nearly every message has.
    fn spool_envelope() -> SpoolEnvelope {
        SpoolEnvelope {
            arrived_ms: 1_795_000_000_000,
            sender: ReversePath::Mailbox(mailbox("sender@example.org")),
            sender_is_ours: true,
            quarantine: None,
            user: None,
            body: Body::EightBitMime,
            smtputf8: false,
            dsn: None,
            recipients: vec![SpoolRecipient {
                address: mailbox("recipient@example.net"),
                is_local: false,
                named: None,
                dsn: None,
            }],
        }
    }

    /// The same as a session has it.
    fn envelope() -> Envelope {
        let recipient = mailbox("recipient@example.net");
        Envelope {
            service: Service::Smtp,
            peer: Peer::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            proxied: None,
            security: None,
            user: None,
            hello: Hello {
                name: "client.example.org".into(),
                extended: true,
            },
            reverse_path: ReversePath::Mailbox(mailbox("sender@example.org")),
            recipients: vec![Recipient {
                address: recipient.clone(),
                mailboxes: smallvec![],
                remote: vec![recipient],
                dsn: None,
            }],
            body: Body::EightBitMime,
            smtputf8: false,
            dsn: None,
            sender_is_ours: true,
            quarantine: None,
        }
    }
}
