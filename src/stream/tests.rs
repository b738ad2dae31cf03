//! Any octets at all of servers: nothing panics, they are read alike however they are cut, what is kept stays within bounds, and what was
//! read is what it claims to be.
//!
//! `MAILOOP_STREAM_INPUTS=100000000` reads more of them than is usual.

use std::env;

use super::complaint::Complaint;
use super::headers::parse_headers;
use super::info::ServerInfo;
use super::monitor::MonitorFacts;
use super::promise::{check_delivered_stream, check_stream};
use super::report::StreamAnswer;
use super::target::NODES_MAX;
use super::wire::{CONTROL_LINE_BYTES_MAX, MESSAGE_BYTES_MAX, ServerOp, WireError, WireParser};

const INPUTS: u64 = 5_000;
/// The most fields of headers, as their reader has it.
const FIELDS_MAX: usize = 256;
/// The most replicas of a stream, with its leader, as their reader has it.
const REPLICAS_MAX: usize = 64;

/// What servers say in JSON: INFO, answers for the stream, those of monitors, and all that JSON has besides.
const JSON: [&str; 8] = [
    r#"{"server_id":"NA2W","server_name":"n0","version":"2.15.1","headers":true,"max_payload":1048576,"jetstream":true,"ldm":true,"connect_urls":["127.0.0.1:4222","[::1]:4223","n3"]}"#,
    r#"{"config":{"num_replicas":3,"storage":"file","retention":"workqueue","discard":"new","duplicate_window":120000000000,"subjects":["mail.>"],"max_msg_size":-1,"mirror":null,"sealed":false},"cluster":{"leader":"n2","replicas":[{"name":"n1","current":true,"active":1}]}}"#,
    r#"{"config":{},"cluster":{"leader":"n0","leader_since":"2026-11-30T14:15:53.5Z","replicas":[{"name":"a","current":false,"offline":true,"active":0},{}]},"ts":"2026-11-30T14:16:03Z"}"#,
    r#"{"error":{"code":404,"err_code":10059,"description":"stream not found"}}"#,
    r#"{"error":{"code":503,"err_code":10076,"description":"JetStream not enabled"}}"#,
    r#"{"server_name":"n1","max_payload":8388608,"jetstream":{"config":{"sync_always":true}}}"#,
    r#"{"stream":"MAIL","seq":7,"duplicate":true}"#,
    "[1.5e-3,-0,\"\\ud83d\\ude00\\n\\u00e9\u{e9}\",[[]],{\"a\":null}, false]",
];
const HEADERS: [&str; 4] = [
    "NATS/1.0\r\n\r\n",
    "NATS/1.0 503\r\n\r\n",
    "NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 1\r\n\r\n",
    "NATS/1.0\r\nNats-Msg-Id: a1\r\nx: \r\n\r\n",
];
const PLAIN: [&str; 7] = [
    "PING\r\n",
    "pong \r\n",
    "+OK\r\n",
    "-ERR 'Authorization Violation'\r\n",
    "-ERR 'Permissions Violation for Publish to \"a\"'\r\n",
    "MSG a 1 1200000\r\nx",
    "MSG a 1 99999\r\n",
];
/// Octets that mean something somewhere.
const OCTETS: &[u8] = b"\0\r\n \t:.0129-+e\"\\/{}[],uaMH\x7f\xc3\xff";

/// Numbers that look random (xorshift), the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end.max(1)
    }

    fn one_of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.below(texts.len())]
    }
}

/// Changes octets at a few places, or none; now and then a few of them are there many times.
fn mutate(octets: &mut Vec<u8>, numbers: &mut Numbers) {
    for _ in 0..numbers.below(4) {
        let at = numbers.below(octets.len());
        let random = OCTETS[numbers.below(OCTETS.len())];
        match numbers.below(200) {
            _ if octets.is_empty() => octets.push(random),
            0 => {
                let end = octets.len().min(at + 1 + numbers.below(8));
                let times = numbers.below(2 * CONTROL_LINE_BYTES_MAX) / (end - at);
                octets.splice(at..at, octets[at..end].repeat(times));
            }
            1..20 => octets.truncate(at),
            20..60 => octets[at] ^= 1 << numbers.below(8),
            60..110 => octets[at] = random,
            110..150 => octets.insert(at, random),
            _ => drop(octets.remove(at)),
        }
    }
}

/// Things that a server says, mostly well made on the outside.
fn said(numbers: &mut Numbers) -> Vec<u8> {
    let mut octets = Vec::new();
    for _ in 0..=numbers.below(3) {
        let mut json = numbers.one_of(&JSON).as_bytes().to_vec();
        mutate(&mut json, numbers);
        match numbers.below(4) {
            0 => octets.extend_from_slice(numbers.one_of(&PLAIN).as_bytes()),
            1 => octets.extend([b"INFO ", &*json, b" \r\n"].concat()),
            2 => {
                octets.extend(format!("MSG _INBOX.7 1 {}\r\n", json.len()).bytes());
                octets.extend([&*json, b"\r\n"].concat());
            }
            _ => {
                let mut headers = numbers.one_of(&HEADERS).as_bytes().to_vec();
                mutate(&mut headers, numbers);
                let (head, all) = (headers.len(), headers.len() + json.len());
                octets.extend(format!("HMSG mail.a 7 r.s {head} {all}\r\n").bytes());
                octets.extend([&*headers, &*json, b"\r\n"].concat());
            }
        }
    }
    mutate(&mut octets, numbers);
    octets
}

/// Reads octets in parts that end where it is said; all that is in them, and the error that ends it.
fn read(octets: &[u8], mut part: impl FnMut() -> usize) -> (Vec<ServerOp>, Option<WireError>) {
    let mut parser = WireParser::default();
    let mut ops = Vec::new();
    let mut rest = octets;
    while !rest.is_empty() {
        let (mut input, behind) = rest.split_at(part().clamp(1, rest.len()));
        rest = behind;
        loop {
            match parser.next(&mut input) {
                Ok(Some(op)) => ops.push(op),
                Ok(None) => break,
                Err(error) => return (ops, Some(error)),
            }
        }
        assert!(input.is_empty() && parser.kept() <= octets.len() - rest.len());
    }
    (ops, None)
}

/// Fields are within bounds, and read the same when they are written as they should be.
fn check_headers(octets: &[u8]) {
    let (status, fields) = parse_headers(octets);
    assert!(status.is_none_or(|status| status < 1000) && fields.len() <= FIELDS_MAX);
    let status_text = status.map_or(String::new(), |status| format!(" {status:03}"));
    let mut text = format!("NATS/1.0{status_text}\r\n");
    for (name, value) in &fields {
        assert!(!name.is_empty() && !name.contains([':', '\n']) && !value.contains('\n'));
        assert_eq!(value.trim_ascii(), &**value);
        text.extend([name, ": ", value, "\r\n"]);
    }
    assert_eq!(parse_headers(text.as_bytes()), (status, fields), "{text:?}");
}

/// Every text may come from every server, whatever it was asked; whether it is an INFO.
fn check_json(status: Option<u16>, text: &[u8]) -> bool {
    if let StreamAnswer::Found(report) = StreamAnswer::parse(status, text) {
        let names = report.replicas.iter().map(|it| &it.name);
        assert!(status.is_none() && report.replicas.len() <= REPLICAS_MAX && names.is_sorted());
        let _ = (check_stream(&report), check_delivered_stream(&report));
    }
    let is_monitor = MonitorFacts::parse(text).is_ok();
    let info = ServerInfo::parse(text);
    assert!(!is_monitor || info.is_ok());
    let Ok(info) = info else {
        return false;
    };
    assert!(info.servers.len() <= NODES_MAX);
    for node in info.servers {
        assert_eq!(node.to_string().parse().as_ref(), Ok(&node));
    }
    true
}

/// Checks all that a server said; whether some of it is JSON.
fn check(ops: &[ServerOp]) -> bool {
    let mut has_json = false;
    for op in ops {
        match op {
            ServerOp::Info(text) => has_json |= check_json(None, text),
            ServerOp::Message(it) => {
                assert!(it.is_whole || it.message.payload.is_empty());
                assert!(it.message.payload.len() <= MESSAGE_BYTES_MAX);
                has_json |= check_json(it.message.status, &it.message.payload);
            }
            ServerOp::Complaint(text) => drop(Complaint::of(text).error(text).to_string()),
            ServerOp::Ping | ServerOp::Pong | ServerOp::Success => {}
        }
    }
    has_json
}

#[test]
fn any_octets_are_read_alike_in_any_parts() {
    let wanted = env::var("MAILOOP_STREAM_INPUTS").map(|inputs| inputs.parse().unwrap());
    let (mut whole, mut wrong, mut with_json) = (0, 0, 0);
    for seed in 1..=wanted.unwrap_or(INPUTS) {
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let octets = said(&mut numbers);
        let once = read(&octets, || usize::MAX);
        let longest = 1 + numbers.below(octets.len());
        let cut = read(&octets, || 1 + numbers.below(longest));
        assert_eq!(cut, once, "seed {seed}: {}", octets.escape_ascii());
        with_json += u64::from(check(&once.0));
        let mut headers = numbers.one_of(&HEADERS).as_bytes().to_vec();
        mutate(&mut headers, &mut numbers);
        check_headers(&headers);
        *(if once.1.is_some() {
            &mut wrong
        } else {
            &mut whole
        }) += 1;
    }
    assert!(
        whole > 100 && wrong > 100 && with_json > 100,
        "{whole} good inputs, {wrong} bad ones, {with_json} with JSON"
    );
}
