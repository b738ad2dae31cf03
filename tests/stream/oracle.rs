//! The parser against the decoder of `watermelon-proto`, which others wrote, over what servers say and what becomes of that.
//!
//! Where both take octets they read the same of them. Ours refuses more: words that are no words, and subjects with controls; and it
//! takes more: verbs in any case, texts without quotes, headers that are none.

use std::collections::VecDeque;

use bytes::BufMut;
use mailoop::stream::wire::{ServerOp, WireParser};
use watermelon_proto::headers::HeaderName;
use watermelon_proto::proto::{ServerOp as OtherOp, StreamDecoder};

use crate::prng::Prng;
use crate::seeds;

const SEEDS: u64 = 20_000;
/// The names of header fields.
const NAMES: [&str; 2] = ["A", "Nats-Msg-Id"];

/// What both tell of one thing that a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Info,
    Ping,
    Pong,
    Success,
    Complaint,
    Message {
        subscription: String,
        subject: String,
        reply: Option<String>,
        status: Option<u16>,
        headers: [(&'static str, Vec<String>); 2],
        payload: Vec<u8>,
    },
}

#[test]
fn octets_that_both_take_are_read_alike() {
    if let Some(seed) = seeds::only() {
        return run(seed);
    }
    seeds::run_all("stream", SEEDS, run);
}

fn run(seed: u64) {
    let mut prng = Prng::new(seed);
    let mut octets = Vec::new();
    for _ in 0..prng.size(6) {
        say(&mut prng, &mut octets);
    }
    let (ours, error) = read_ours(&octets, &mut prng);
    let (others, other_error) = read_others(&octets);
    let errors = (error, other_error);
    assert_eq!(errors, (None, None), "{}", octets.escape_ascii());
    assert_eq!(ours, others, "{}", octets.escape_ascii());
    for _ in 0..10 {
        let mut mutated = octets.clone();
        for _ in 0..prng.size(3) {
            mutate(&mut prng, &mut mutated);
        }
        let (ours, _) = read_ours(&mutated, &mut prng);
        let (others, _) = read_others(&mutated);
        // One may stop where the other goes on.
        let both = ours.iter().zip(&others);
        let is_odd = mutated
            .windows(4)
            .any(|it| it.eq_ignore_ascii_case(b"NATS"));
        for (ours, other) in both {
            match (ours, other) {
                // Headers that are none: ours leaves them out, or takes what it can.
                (Told::Message { payload: one, .. }, Told::Message { payload: two, .. })
                    if is_odd =>
                {
                    assert_eq!(one, two, "{}", mutated.escape_ascii());
                }
                _ => assert_eq!(ours, other, "{}", mutated.escape_ascii()),
            }
        }
    }
}

/// Appends something that a server says.
fn say(prng: &mut Prng, out: &mut Vec<u8>) {
    let subject = prng.pick(&[
        "a",
        "mail.message.x",
        "_INBOX.0.1",
        "$JS.ACK.MAIL.d.1.2.3.4.5",
    ]);
    let reply = prng.pick(&["", " r", " $JS.ACK.MAIL.d.1.2.3"]);
    let number = prng.below(3) + 1;
    let payload: Vec<u8> = (0..prng.below(20))
        .map(|_| prng.pick(b"ab\r\n \0\xff"))
        .collect();
    let text = match prng.below(8) {
        0 => "PING\r\n".to_owned(),
        1 => "PONG\r\n".to_owned(),
        2 => "+OK\r\n".to_owned(),
        3 => "-ERR 'Stale Connection'\r\n".to_owned(),
        4 => {
            let info = r#"{"server_id":"X","server_name":"n","version":"2","go":"go","host":"10.0.0.1","port":1,"headers":true,"max_payload":9,"proto":1,"client_id":1}"#;
            format!("INFO {info} \r\n")
        }
        5 => format!("MSG {subject} {number}{reply} {}\r\n", payload.len()),
        _ => {
            let status = prng.pick(&["", " 503", " 404 No Messages"]);
            let fields = prng.pick(&["", "A: b\r\n", "A: b\r\nNats-Msg-Id: 1 2\r\n"]);
            let headers = format!("NATS/1.0{status}\r\n{fields}\r\n");
            let bytes = headers.len() + payload.len();
            format!(
                "HMSG {subject} {number}{reply} {} {bytes}\r\n{headers}",
                headers.len()
            )
        }
    };
    out.extend_from_slice(text.as_bytes());
    if text.starts_with("MSG") || text.starts_with("HMSG") {
        out.extend(payload);
        out.extend(b"\r\n");
    }
}

fn mutate(prng: &mut Prng, octets: &mut Vec<u8>) {
    if octets.is_empty() {
        return;
    }
    let at = prng.below(octets.len());
    match prng.below(4) {
        0 => octets[at] = prng.below(256) as u8,
        1 => octets[at] = prng.pick(b" \t\r\n0199:'aM"),
        2 => drop(octets.remove(at)),
        _ => octets.insert(at, prng.pick(b" \r\n0aA:")),
    }
}

fn read_ours(octets: &[u8], prng: &mut Prng) -> (Vec<Told>, Option<String>) {
    let mut parser = WireParser::default();
    let mut told = Vec::new();
    let mut rest = octets;
    while !rest.is_empty() {
        let (mut part, after) = rest.split_at(prng.size(rest.len()));
        rest = after;
        loop {
            match parser.next(&mut part) {
                Ok(Some(op)) => told.push(of_ours(op)),
                Ok(None) => break,
                Err(error) => return (told, Some(error.to_string())),
            }
        }
    }
    (told, None)
}

fn of_ours(op: ServerOp) -> Told {
    match op {
        ServerOp::Info(_) => Told::Info,
        ServerOp::Ping => Told::Ping,
        ServerOp::Pong => Told::Pong,
        ServerOp::Success => Told::Success,
        ServerOp::Complaint(_) => Told::Complaint,
        ServerOp::Message(it) => {
            let headers = NAMES.map(|name| {
                let fields = it.message.headers.iter();
                let values = fields.filter(|(known, _)| **known == *name);
                (name, values.map(|(_, value)| value.to_string()).collect())
            });
            Told::Message {
                subscription: it.subscription.to_string(),
                subject: it.message.subject.into(),
                reply: it.message.reply.map(Into::into),
                status: it.message.status,
                headers,
                payload: it.message.payload.into(),
            }
        }
    }
}

fn read_others(octets: &[u8]) -> (Vec<Told>, Option<String>) {
    let mut decoder = StreamDecoder::new();
    decoder.read_buf().put_slice(octets);
    let mut told = VecDeque::new();
    loop {
        match decoder.decode() {
            Ok(Some(op)) => told.push_back(of_others(op)),
            Ok(None) => return (told.into(), None),
            Err(error) => return (told.into(), Some(format!("{error:?}"))),
        }
    }
}

fn of_others(op: OtherOp) -> Told {
    match op {
        OtherOp::Info { .. } => Told::Info,
        OtherOp::Ping => Told::Ping,
        OtherOp::Pong => Told::Pong,
        OtherOp::Success => Told::Success,
        OtherOp::Error { .. } => Told::Complaint,
        OtherOp::Message { message } => {
            let headers = NAMES.map(|name| {
                let known = HeaderName::from_static(name);
                let values = message.base.headers.get_all(&known);
                (name, values.map(ToString::to_string).collect())
            });
            Told::Message {
                subscription: message.subscription_id.to_string(),
                subject: message.base.subject.to_string(),
                reply: message.base.reply_subject.map(|it| it.to_string()),
                status: message.status_code.map(Into::into),
                headers,
                payload: message.base.payload.to_vec(),
            }
        }
    }
}
