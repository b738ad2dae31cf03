//! A model of a stream and its consumer, as far as those who deliver need one: NATS JetStream without a network, on a clock of its own.

use std::collections::{BTreeMap, HashMap, VecDeque};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mailoop::json::JsonValue;
use mailoop::store::stream::{StreamMessage, StreamOutput};

/// A client of the stream.
pub(super) type ClientId = usize;

/// A message of the stream.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) subject: String,
    pub(super) headers: Vec<(Box<str>, Box<str>)>,
    pub(super) payload: Vec<u8>,
    pub(super) stored_ms: u64,
}

/// A message that was handed out and not acknowledged.
#[derive(Clone, Debug)]
struct Unacknowledged {
    tries: u64,
    due_ms: u64,
}

#[derive(Debug)]
struct Pull {
    client: ClientId,
    token: String,
    messages: u64,
    octets: u64,
    end_ms: u64,
}

#[derive(Debug)]
struct Consumer {
    made_ms: u64,
    ack_wait_ms: u64,
    open_max: usize,
    /// The sequence from which on nothing was handed out.
    next: u64,
    place: u64,
    open: BTreeMap<u64, Unacknowledged>,
    pulls: VecDeque<Pull>,
}

/// The stream.
#[derive(Default)]
pub(super) struct Model {
    pub(super) now_ms: u64,
    pub(super) messages: BTreeMap<u64, Stored>,
    last: u64,
    known: HashMap<String, u64>,
    consumer: Option<Consumer>,
    /// What clients are to receive.
    pub(super) inboxes: HashMap<ClientId, VecDeque<StreamMessage>>,
    /// Every acknowledgement, as it was said.
    pub(super) said: Vec<String>,
    /// Whether nobody answers, as without a leader.
    pub(super) is_leaderless: bool,
    /// Whether messages come without what is in them, as those that are too long.
    pub(super) is_left_out: bool,
    /// The most octets of an answer that a client takes in, if that is to be heeded.
    pub(super) answer_bytes_max: usize,
    /// Whether there is no room for more messages.
    pub(super) is_full: bool,
}

/// The way of a client to the stream.
pub(super) struct Output<'a> {
    pub(super) model: &'a mut Model,
    pub(super) client: ClientId,
    /// The messages that are taken before it is full.
    pub(super) room: usize,
}

impl StreamOutput for Output<'_> {
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
        assert!(self.room > 0, "said although it is full: {subject}");
        self.room -= 1;
        self.model
            .take(self.client, subject, token, headers, payload);
    }
}

impl Model {
    /// Publishes a message, and returns its sequence.
    pub(super) fn publish(
        &mut self,
        subject: &str,
        headers: &[(&str, &str)],
        payload: &[u8],
    ) -> u64 {
        let id = headers.iter().find(|(name, _)| *name == "Nats-Msg-Id");
        if let Some((_, id)) = id {
            if let Some(sequence) = self.known.get(*id) {
                return *sequence;
            }
            self.known.insert((*id).to_owned(), self.last + 1);
        }
        self.last += 1;
        let headers = headers.iter();
        let stored = Stored {
            subject: subject.to_owned(),
            headers: headers
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
            payload: payload.to_vec(),
            stored_ms: self.now_ms,
        };
        self.messages.insert(self.last, stored);
        self.last
    }

    /// The messages whose subject begins so.
    pub(super) fn count(&self, subject: &str) -> usize {
        let messages = self.messages.values();
        messages
            .filter(|it| it.subject.starts_with(subject))
            .count()
    }

    /// Ends the connection of a client.
    pub(super) fn disconnect(&mut self, client: ClientId) {
        self.inboxes.remove(&client);
        if let Some(consumer) = &mut self.consumer {
            consumer.pulls.retain(|pull| pull.client != client);
        }
    }

    /// Has the consumer led by another server: pulls are gone.
    pub(super) fn change_leader(&mut self) {
        let Some(consumer) = &mut self.consumer else {
            return;
        };
        for pull in std::mem::take(&mut consumer.pulls) {
            self.status(&pull, 409, "Leadership Change");
        }
    }

    /// Removes the consumer, with all that it knows.
    pub(super) fn remove_consumer(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            for pull in &consumer.pulls {
                self.status(pull, 409, "Consumer Deleted");
            }
        }
    }

    fn status(&mut self, pull: &Pull, status: u16, why: &str) {
        self.send(
            pull.client,
            StreamMessage {
                token: Some(pull.token.as_str().into()),
                status: Some(status),
                headers: vec![("Description".into(), why.into())],
                ..StreamMessage::default()
            },
        );
    }

    fn send(&mut self, client: ClientId, message: StreamMessage) {
        if let Some(inbox) = self.inboxes.get_mut(&client) {
            inbox.push_back(message);
        }
    }

    fn answer(&mut self, client: ClientId, token: Option<&str>, json: String) {
        let Some(token) = token else { return };
        self.send(
            client,
            StreamMessage {
                token: Some(token.into()),
                payload: json.into_bytes().into(),
                ..StreamMessage::default()
            },
        );
    }

    /// Takes what a client says.
    fn take(
        &mut self,
        client: ClientId,
        subject: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        payload: &[u8],
    ) {
        if self.is_leaderless {
            if let Some(token) = token {
                self.send(
                    client,
                    StreamMessage {
                        token: Some(token.into()),
                        status: Some(503),
                        ..StreamMessage::default()
                    },
                );
            }
            return;
        }
        if let Some(rest) = subject.strip_prefix("$JS.ACK.MAIL.mailoop-deliver.") {
            return self.acknowledge(client, token, rest, payload);
        }
        let Some(api) = subject.strip_prefix("$JS.API.") else {
            let json = match self.is_full {
                true => {
                    r#"{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}"#
                        .to_owned()
                }
                false => {
                    let sequence = self.publish(subject, headers, payload);
                    format!(r#"{{"stream":"MAIL","seq":{sequence}}}"#)
                }
            };
            return self.answer(client, token, json);
        };
        let request = JsonValue::parse(payload).unwrap();
        let number = |value: &JsonValue, name| match value.get(name) {
            Some(JsonValue::Number(number)) => *number as u64,
            _ => 0,
        };
        match api {
            "CONSUMER.DURABLE.CREATE.MAIL.mailoop-deliver" => {
                let config = request.get("config").unwrap();
                let ack_wait_ms = number(config, "ack_wait") / 1_000_000;
                let open_max = number(config, "max_ack_pending") as usize;
                let json = self.make_consumer(ack_wait_ms, open_max);
                self.answer(client, token, json);
            }
            "CONSUMER.MSG.NEXT.MAIL.mailoop-deliver" => {
                let pull = Pull {
                    client,
                    token: token.unwrap().to_owned(),
                    messages: number(&request, "batch"),
                    octets: match number(&request, "max_bytes") {
                        0 => u64::MAX,
                        octets => octets,
                    },
                    end_ms: self.now_ms + number(&request, "expires") / 1_000_000,
                };
                match &mut self.consumer {
                    Some(consumer) => consumer.pulls.push_back(pull),
                    None => self.status(&pull, 503, ""),
                }
            }
            "STREAM.MSG.GET.MAIL" => {
                let json = self.get(&request, number(&request, "seq"));
                let is_long = self.answer_bytes_max > 0 && json.len() > self.answer_bytes_max;
                if is_long {
                    let token = token.map(Into::into);
                    let message = StreamMessage {
                        token,
                        is_left_out: true,
                        ..StreamMessage::default()
                    };
                    return self.send(client, message);
                }
                self.answer(client, token, json);
            }
            "STREAM.PURGE.MAIL" => {
                let filter = request.get("filter").unwrap().as_text().unwrap();
                let before = self.messages.len();
                self.messages.retain(|_, message| message.subject != filter);
                let purged = before - self.messages.len();
                let json = format!(r#"{{"success":true,"purged":{purged}}}"#);
                self.answer(client, token, json);
            }
            _ => panic!("unknown request {subject}"),
        }
    }

    fn make_consumer(&mut self, ack_wait_ms: u64, open_max: usize) -> String {
        let now_ms = self.now_ms;
        let consumer = self.consumer.get_or_insert_with(|| Consumer {
            made_ms: now_ms,
            ack_wait_ms,
            open_max,
            next: 1,
            place: 0,
            open: BTreeMap::new(),
            pulls: VecDeque::new(),
        });
        consumer.ack_wait_ms = ack_wait_ms;
        consumer.open_max = open_max;
        let created = rfc3339(consumer.made_ms);
        let (place, last) = (consumer.place, consumer.next - 1);
        format!(
            r#"{{"name":"mailoop-deliver","created":"{created}","delivered":{{"consumer_seq":{place},"stream_seq":{last}}}}}"#
        )
    }

    fn get(&self, request: &JsonValue, from: u64) -> String {
        let text = |name| request.get(name).and_then(JsonValue::as_text);
        let fits = |pattern: &str, subject: &str| match pattern.strip_suffix('>') {
            Some(prefix) => subject.starts_with(prefix),
            None => subject == pattern,
        };
        let mut messages = self.messages.iter();
        let found = match (text("next_by_subj"), text("last_by_subj")) {
            (Some(pattern), _) => {
                let mut messages = self.messages.range(from..);
                messages.find(|(_, message)| fits(pattern, &message.subject))
            }
            (None, Some(pattern)) => messages.rfind(|(_, message)| fits(pattern, &message.subject)),
            (None, None) => messages.find(|(sequence, _)| **sequence == from),
        };
        let Some((sequence, message)) = found else {
            return r#"{"error":{"code":404,"err_code":10037,"description":"no message found"}}"#
                .to_owned();
        };
        let mut headers = "NATS/1.0\r\n".to_owned();
        for (name, value) in &message.headers {
            headers += &format!("{name}: {value}\r\n");
        }
        headers += "\r\n";
        format!(
            r#"{{"message":{{"subject":"{}","seq":{sequence},"hdrs":"{}","data":"{}","time":"{}"}}}}"#,
            message.subject,
            STANDARD.encode(headers),
            STANDARD.encode(&message.payload),
            rfc3339(message.stored_ms)
        )
    }

    fn acknowledge(&mut self, client: ClientId, token: Option<&str>, rest: &str, how: &[u8]) {
        let how = String::from_utf8(how.to_vec()).unwrap();
        self.said.push(how.clone());
        let sequence: u64 = rest.split('.').nth(1).unwrap().parse().unwrap();
        let now_ms = self.now_ms;
        if let Some(consumer) = &mut self.consumer
            && let Some(open) = consumer.open.get_mut(&sequence)
        {
            let (verb, rest) = how.split_once(' ').unwrap_or((&how, ""));
            match verb {
                "+ACK" | "+TERM" => {
                    consumer.open.remove(&sequence);
                    self.messages.remove(&sequence);
                }
                "-NAK" => {
                    let delay = rest
                        .strip_prefix("{\"delay\":")
                        .map_or(0, |rest| rest.trim_end_matches('}').parse().unwrap());
                    open.due_ms = now_ms + delay / 1_000_000;
                }
                "+WPI" => open.due_ms = now_ms + consumer.ack_wait_ms,
                _ => panic!("unknown acknowledgement {how}"),
            }
        }
        self.answer(client, token, String::new());
    }

    /// Hands messages out, and ends pulls whose time is over.
    pub(super) fn run(&mut self) {
        let now_ms = self.now_ms;
        while !self.is_leaderless
            && let Some(consumer) = &mut self.consumer
        {
            if let Some(at) = consumer.pulls.iter().position(|it| it.end_ms <= now_ms) {
                let pull = consumer.pulls.remove(at).unwrap();
                self.status(&pull, 408, "Request Timeout");
                continue;
            }
            let mut open = consumer.open.iter();
            let due = open.find(|(sequence, it)| {
                it.due_ms <= now_ms && self.messages.contains_key(*sequence)
            });
            let due = due.map(|(sequence, _)| *sequence);
            let mut fresh = self.messages.range(consumer.next..);
            let fresh = || {
                fresh
                    .find(|(_, message)| message.subject.starts_with("mail.message."))
                    .map(|(sequence, _)| *sequence)
                    .filter(|_| consumer.open.len() < consumer.open_max)
            };
            let Some(sequence) = due.or_else(fresh) else {
                return;
            };
            let Some(pull) = consumer.pulls.front_mut() else {
                return;
            };
            let message = self.messages[&sequence].clone();
            let size = message.payload.len() + message.subject.len();
            if size as u64 > pull.octets {
                let pull = consumer.pulls.pop_front().unwrap();
                self.status(&pull, 409, "Message Size Exceeds MaxBytes");
                continue;
            }
            pull.octets -= size as u64;
            pull.messages -= 1;
            let client = pull.client;
            if pull.messages == 0 {
                consumer.pulls.pop_front();
            }
            consumer.place += 1;
            consumer.next = consumer.next.max(sequence + 1);
            let due_ms = now_ms + consumer.ack_wait_ms;
            let open = consumer.open.entry(sequence);
            let open = open.or_insert(Unacknowledged { tries: 0, due_ms });
            open.tries += 1;
            open.due_ms = due_ms;
            let (tries, place, stored) = (open.tries, consumer.place, message.stored_ms);
            let reply =
                format!("$JS.ACK.MAIL.mailoop-deliver.{tries}.{sequence}.{place}.{stored}000000.0");
            let is_left_out = self.is_left_out;
            let mut message = StreamMessage {
                subject: message.subject.into(),
                reply: Some(reply.into()),
                headers: message.headers,
                payload: message.payload.into(),
                is_left_out,
                ..StreamMessage::default()
            };
            if is_left_out {
                (message.headers, message.payload) = Default::default();
            }
            self.send(client, message);
        }
    }
}

fn rfc3339(milliseconds: u64) -> String {
    let nanoseconds = i128::from(milliseconds) * 1_000_000;
    let at = time::OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap();
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond()
    )
}
