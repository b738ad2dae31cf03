//! Processes that deliver from a model stream into one Maildir, on a clock that only the test moves.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mailoop::smtp::envelope::{Body, QueueId};
use mailoop::smtp::path::ReversePath;
use mailoop::store::stream::StreamFacts;
use mailoop::store::stream::deliveries::Deliveries;
use mailoop::store::stream::record::{StreamEnvelope, StreamRecipient, part_id};
use mailoop::store::{Maildir, MaildirOptions, Store};
use tempfile::TempDir;

use super::model::{ClientId, Model, Output};

/// The time that the consumer waits for an acknowledgement.
pub(super) const ACK_WAIT: Duration = Duration::from_secs(60);
/// The start of the test, in milliseconds of the epoch.
pub(super) const START_MS: u64 = 1_796_000_000_000;
/// The octets of a part, much less than a real one.
pub(super) const PART: usize = 700;

/// A process that delivers.
pub(super) struct Process {
    pub(super) store: Deliveries,
    pub(super) client: ClientId,
    pub(super) is_connected: bool,
}

/// A message as a test publishes it.
#[derive(Clone, Debug)]
pub(super) struct Mail {
    pub(super) id: QueueId,
    pub(super) mailboxes: Vec<String>,
    pub(super) text: Vec<u8>,
}

pub(super) struct World {
    pub(super) model: Model,
    pub(super) root: TempDir,
    start: Instant,
    clients: ClientId,
    ids: u64,
}

impl World {
    pub(super) fn new() -> Self {
        let mut model = Model::default();
        model.now_ms = START_MS;
        // What is synced there costs nothing.
        let memory = Path::new("/dev/shm");
        let root = match memory.is_dir() {
            true => TempDir::new_in(memory),
            false => TempDir::new(),
        };
        Self {
            model,
            root: root.unwrap(),
            start: Instant::now(),
            clients: 0,
            ids: 0,
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.model.now_ms - START_MS)
    }

    pub(super) fn wait(&mut self, time: Duration) {
        self.model.now_ms += u64::try_from(time.as_millis()).unwrap();
    }

    /// Starts a process, connected.
    pub(super) fn start(&mut self) -> Process {
        self.start_over(self.maildir())
    }

    pub(super) fn maildir(&self) -> Box<dyn Store> {
        let options = MaildirOptions::new(self.root.path(), "mx.example.org", 1000);
        Box::new(Maildir::open(options).unwrap())
    }

    /// Starts a process on a store.
    pub(super) fn start_over(&mut self, local: Box<dyn Store>) -> Process {
        self.clients += 1;
        let mut process = Process {
            store: Deliveries::new(local, ACK_WAIT, self.now(), self.model.now_ms),
            client: self.clients,
            is_connected: false,
        };
        self.connect(&mut process);
        process
    }

    pub(super) fn connect(&mut self, process: &mut Process) {
        self.model
            .inboxes
            .insert(process.client, Default::default());
        process.is_connected = true;
        let facts = StreamFacts {
            stream: "MAIL".into(),
            payload_bytes_max: 1 << 20,
        };
        process.store.stream().unwrap().connected(&facts);
    }

    pub(super) fn disconnect(&mut self, process: &mut Process) {
        self.model.disconnect(process.client);
        process.is_connected = false;
        process.store.stream().unwrap().disconnected();
    }

    /// The part of a tick before anything is heard or said.
    pub(super) fn commit(&mut self, process: &mut Process) -> usize {
        process.store.set_time(self.now());
        let mut finished = Vec::new();
        process.store.commit(&mut finished);
        finished.len()
    }

    /// What is heard: `most` messages.
    pub(super) fn receive(&mut self, process: &mut Process, most: usize) {
        self.model.run();
        if !process.is_connected {
            return;
        }
        for _ in 0..most {
            let Some(inbox) = self.model.inboxes.get_mut(&process.client) else {
                return;
            };
            let Some(message) = inbox.pop_front() else {
                return;
            };
            process.store.stream().unwrap().received(message);
        }
    }

    /// What is said: `room` messages.
    pub(super) fn send(&mut self, process: &mut Process, room: usize) {
        if !process.is_connected {
            return;
        }
        let mut out = Output {
            model: &mut self.model,
            client: process.client,
            room,
        };
        process.store.stream().unwrap().send(&mut out);
    }

    /// A whole tick.
    pub(super) fn tick(&mut self, process: &mut Process) {
        self.commit(process);
        self.receive(process, usize::MAX);
        self.send(process, 1000);
    }

    /// Ticks of a process that has nothing else to wait for.
    pub(super) fn ticks(&mut self, process: &mut Process, count: usize) {
        for _ in 0..count {
            self.tick(process);
        }
    }

    pub(super) fn new_id(&mut self) -> QueueId {
        self.ids += 1;
        QueueId::new("TESTEDGE000001", self.ids)
    }

    /// Publishes a mail; in parts if it is longer than one.
    pub(super) fn publish(&mut self, mailboxes: &[&str], text: &[u8]) -> Mail {
        let id = self.new_id();
        let first = self.publish_parts(id, text, |_| true);
        self.publish_last(id, mailboxes, text, first)
    }

    /// Publishes those parts of a text of which `is_there` says so. Returns the sequence of the first.
    pub(super) fn publish_parts(
        &mut self,
        id: QueueId,
        text: &[u8],
        is_there: impl Fn(usize) -> bool,
    ) -> u64 {
        let mut first = 0;
        if text.len() <= PART {
            return first;
        }
        for (index, part) in text.chunks(PART).enumerate() {
            let number = index + 1;
            if is_there(number) {
                let name = part_id(&id, u32::try_from(number).unwrap());
                let number = number.to_string();
                let headers = [("Nats-Msg-Id", &*name), ("Mailoop-Part", &*number)];
                let sequence = self
                    .model
                    .publish(&format!("mail.part.{id}"), &headers, part);
                if index == 0 {
                    first = sequence;
                }
            }
        }
        first
    }

    pub(super) fn envelope(
        &self,
        id: QueueId,
        mailboxes: &[&str],
        text: &[u8],
        first: u64,
    ) -> StreamEnvelope {
        let recipients = mailboxes.iter().map(|mailbox| StreamRecipient {
            address: mailbox.parse().unwrap(),
            mailboxes: vec![mailbox.parse().unwrap()],
        });
        let parts = match text.len() {
            0..=PART => 0,
            length => length.div_ceil(PART),
        };
        StreamEnvelope {
            id,
            time_ms: self.model.now_ms,
            sender: ReversePath::Null,
            recipients: recipients.collect(),
            body: Body::SevenBit,
            smtputf8: false,
            octets: text.len() as u64,
            parts: u32::try_from(parts).unwrap(),
            first,
            crc32c: crc32c::crc32c(text),
        }
    }

    pub(super) fn publish_last(
        &mut self,
        id: QueueId,
        mailboxes: &[&str],
        text: &[u8],
        first: u64,
    ) -> Mail {
        let envelope = self.envelope(id, mailboxes, text, first).to_json();
        self.publish_record(id, &envelope, if text.len() > PART { &[] } else { text });
        Mail {
            id,
            mailboxes: mailboxes.iter().map(|it| (*it).to_owned()).collect(),
            text: text.to_vec(),
        }
    }

    pub(super) fn publish_record(&mut self, id: QueueId, envelope: &str, payload: &[u8]) {
        let headers = [("Nats-Msg-Id", id.as_str()), ("Mailoop-Envelope", envelope)];
        let subject = format!("mail.message.{id}");
        self.model.publish(&subject, &headers, payload);
    }

    /// The messages of a mailbox, by their names without what a reader appends.
    pub(super) fn mailbox(&self, mailbox: &str) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        for folder in ["new", "cur"] {
            for path in entries(&self.folder(mailbox).join(folder)) {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read(path).unwrap()));
            }
        }
        found
    }

    pub(super) fn folder(&self, mailbox: &str) -> PathBuf {
        let (local, domain) = mailbox.split_once('@').unwrap();
        self.root.path().join(domain).join(local)
    }

    /// A reader moves all new mail of a mailbox.
    pub(super) fn read_mail(&self, mailbox: &str) {
        let folder = self.folder(mailbox);
        for path in entries(&folder.join("new")) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            fs::rename(&path, folder.join("cur").join(format!("{name}:2,S"))).unwrap();
        }
    }

    /// Checks that each mail is in each of its mailboxes once, whole, and nothing else is there.
    pub(super) fn check(&self, mails: &[Mail], what: &str) {
        let mut wanted: BTreeMap<&str, Vec<&Mail>> = BTreeMap::new();
        for mail in mails {
            for mailbox in &mail.mailboxes {
                wanted.entry(mailbox).or_default().push(mail);
            }
        }
        for (mailbox, mails) in wanted {
            let found = self.mailbox(mailbox);
            for mail in &mails {
                let id = mail.id.to_string();
                let copies = found.iter().filter(|(name, _)| name.contains(&id));
                let texts: Vec<&Vec<u8>> = copies.map(|(_, text)| text).collect();
                assert_eq!(texts.len(), 1, "{what}: {id} in {mailbox}");
                let text = String::from_utf8_lossy(&mail.text).replace("\r\n", "\n");
                let stored = String::from_utf8_lossy(texts[0]);
                assert_eq!(stored, format!("Return-Path: <>\n{text}"), "{what}: {id}");
            }
            assert_eq!(found.len(), mails.len(), "{what}: {mailbox}");
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// A text of lines, of about so many octets.
pub(super) fn text(octets: usize) -> Vec<u8> {
    let mut text = b"Subject: a text of lines\r\n\r\n".to_vec();
    let mut line = 0;
    while text.len() < octets {
        line += 1;
        // Lines of all lengths, so that parts end anywhere, also between CR and LF.
        text.extend(std::iter::repeat_n(b'x', line % 61));
        text.extend_from_slice(b"\r\n");
    }
    text
}
