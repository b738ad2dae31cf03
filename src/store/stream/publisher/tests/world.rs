//! A store, and a connection by hand.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::super::*;
use crate::smtp::envelope::{Body, Hello, Peer};
use crate::smtp::path::ReversePath;
use crate::smtp::service::Service;
use crate::store::stream::{StreamMessage, StreamOutput};

/// The most octets that a store may have of messages, by its own count.
pub(super) const BOUND: usize = OPEN_BYTES_MAX + UNACKNOWLEDGED_BYTES_MAX + 2 * PART_BYTES_MAX;

/// A record as it was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SaidRecord {
    pub(super) subject: String,
    pub(super) token: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) payload: Vec<u8>,
}

impl SaidRecord {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

pub(super) struct PublisherWorld {
    pub(super) store: StreamPublisher,
    pub(super) now: Instant,
    /// How many records the connection takes in a tick.
    pub(super) room: usize,
    sent: Vec<SaidRecord>,
    /// The number of records that were said.
    pub(super) said: usize,
    sequence: u64,
}

struct SaidRecords<'a> {
    sent: &'a mut Vec<SaidRecord>,
    room: usize,
}

impl StreamOutput for SaidRecords<'_> {
    fn is_full(&self) -> bool {
        self.room == 0
    }

    fn publish(
        &mut self,
        subject: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        payload: &[u8],
    ) {
        self.room -= 1;
        let token = token.unwrap();
        assert!(token.bytes().all(|octet| octet.is_ascii_alphanumeric()));
        assert!(!token.starts_with("link"));
        let owned = |(name, value): &(&str, &str)| {
            assert!(!value.contains(['\r', '\n']));
            ((*name).to_owned(), (*value).to_owned())
        };
        self.sent.push(SaidRecord {
            subject: subject.to_owned(),
            token: token.to_owned(),
            headers: headers.iter().map(owned).collect(),
            payload: payload.to_vec(),
        });
    }
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn envelope_to(recipients: usize) -> Envelope {
    let recipient = |number: usize| {
        let address: crate::smtp::path::Mailbox =
            format!("user{number}@example.org").parse().unwrap();
        Recipient {
            mailboxes: std::iter::once(address.clone()).collect(),
            address,
            remote: Vec::new(),
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
            name: "c".into(),
            extended: true,
        },
        reverse_path: ReversePath::Mailbox("ada@example.org".parse().unwrap()),
        recipients: (0..recipients).map(recipient).collect(),
        body: Body::EightBitMime,
        smtputf8: false,
        dsn: None,
        sender_is_ours: false,
        quarantine: None,
    }
}

impl PublisherWorld {
    /// A store that takes mail.
    pub(super) fn ready() -> Self {
        Self::with(&mut || 7)
    }

    pub(super) fn with(random: &mut dyn FnMut() -> u64) -> Self {
        let now = Instant::now();
        let mut world = Self {
            store: StreamPublisher::new(random, now),
            now,
            room: usize::MAX,
            sent: Vec::new(),
            said: 0,
            sequence: 0,
        };
        assert_eq!(world.store.lost_since(), Some(now));
        assert!(world.store.admit(0, 0).is_err(), "it is not connected");
        world.store.set_state(StreamState::Ready);
        world.connect();
        world
    }

    pub(super) fn connect(&mut self) {
        self.store.connected(&StreamFacts {
            stream: "MAIL".into(),
            payload_bytes_max: 1 << 20,
        });
    }

    pub(super) fn lose(&mut self, why: &str) {
        self.store.set_state(StreamState::Lost {
            since: self.now,
            why: Rc::from(why),
        });
    }

    pub(super) fn begin(&mut self) -> Draft {
        self.store.begin(&envelope_to(1)).unwrap().1
    }

    pub(super) fn submit(&mut self, text: &[u8]) -> Ticket {
        let mut draft = self.begin();
        self.store.write(&mut draft, text).unwrap();
        self.store.submit(draft)
    }

    pub(super) fn advance(&mut self, time: Duration) {
        self.now += time;
    }

    /// A tick: the messages that it settled, each with its failure or `stored`.
    pub(super) fn tick(&mut self) -> Vec<(Ticket, String)> {
        self.store.set_time(self.now);
        let mut finished = Vec::new();
        self.store.commit(&mut finished);
        let before = self.sent.len();
        let mut connection = SaidRecords {
            sent: &mut self.sent,
            room: self.room,
        };
        self.store.send(&mut connection);
        self.said += self.sent.len() - before;
        assert!(self.store.open_bytes + self.store.outbox.bytes() <= BOUND);
        let told = finished.into_iter().map(|Finished { ticket, outcome }| {
            let told = match outcome {
                Outcome::Failed(failure) => failure.to_string(),
                _ => "stored".to_owned(),
            };
            (ticket, told)
        });
        told.collect()
    }

    pub(super) fn take_sent(&mut self) -> Vec<SaidRecord> {
        std::mem::take(&mut self.sent)
    }

    pub(super) fn answer(&mut self, token: &str, payload: &str) {
        self.store.received(StreamMessage {
            token: Some(token.into()),
            payload: payload.as_bytes().into(),
            ..StreamMessage::default()
        });
    }

    pub(super) fn answer_status(&mut self, token: &str, status: u16) {
        self.store.received(StreamMessage {
            token: Some(token.into()),
            status: Some(status),
            ..StreamMessage::default()
        });
    }

    /// Acknowledges this record.
    pub(super) fn acknowledge(&mut self, token: &str) {
        self.sequence += 1;
        let answer = format!(r#"{{"stream":"MAIL","seq":{}}}"#, self.sequence);
        self.answer(token, &answer);
    }

    /// Runs ticks and acknowledges whatever is said, until nothing is any more; the messages that were settled.
    pub(super) fn acknowledge_all(&mut self) -> Vec<(Ticket, String)> {
        let mut settled = self.tick();
        loop {
            let sent = self.take_sent();
            for sent in &sent {
                self.acknowledge(&sent.token);
            }
            let more = self.tick();
            if sent.is_empty() && more.is_empty() {
                return settled;
            }
            settled.extend(more);
        }
    }

    /// Runs the loop for so long as the server would: at once if something is pending, otherwise when it wakes. How often it ran.
    pub(super) fn run_until_quiet(&mut self, time: Duration) -> usize {
        let end = self.now + time;
        let mut turns = 0;
        loop {
            self.tick();
            turns += 1;
            assert!(turns < 10_000, "the loop does not rest");
            if self.store.is_pending() {
                continue;
            }
            match self.store.next_wake().filter(|at| *at <= end) {
                Some(at) => {
                    assert!(at > self.now, "it wakes for what it has done");
                    self.now = at;
                }
                None => break,
            }
        }
        self.now = end;
        turns
    }

    /// Checks that nothing is left of any message.
    #[track_caller]
    pub(super) fn assert_is_empty(&self) {
        assert!(self.store.messages.is_empty());
        assert_eq!((self.store.open_bytes, self.store.submitted), (0, 0));
        assert_eq!(self.store.outbox.bytes(), 0);
        assert!(self.store.deadlines.is_empty() && self.store.is_idle());
        assert_eq!(self.store.next_wake(), None);
        assert!(!self.store.is_pending());
    }
}
