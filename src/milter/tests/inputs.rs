//! Any octets at all: nothing panics, they are read alike however they are cut, and what is kept stays within bounds.
//!
//! `MAILOOP_FILTER_INPUTS=10000000` reads more of them than is usual.

use std::env;

use crate::milter::changes::MessageChanges;
use crate::milter::error::MilterError;
use crate::milter::fields::{is_field_name, split_message};
use crate::milter::reply::FilterReply;
use crate::milter::step::FilterStep;
use crate::milter::wire::PACKET_BYTES_MAX;

use super::filter::{FIELD, MAIL, PEER, RCPT, Scene, answer, packet};
use super::rules;

const INPUTS: u64 = 3_000;

/// Numbers that look random (xorshift), the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end.max(1)
    }
}

/// Replies that are mostly well made.
fn replies(numbers: &mut Numbers) -> Vec<u8> {
    let mut octets = Vec::new();
    let changes = rules::changes();
    for _ in 0..=numbers.below(4) {
        let reply = match numbers.below(6) {
            0 => packet(b"acdfprst4"[numbers.below(9)], b""),
            1 => packet(b'y', b"550-5.7.1 a%%\r\n550 5.7.1 b\0"),
            2 => packet(b'q', b"why\0"),
            3 => answer(6, 0x1ff, 0x400),
            _ => changes[numbers.below(changes.len())].0.clone(),
        };
        octets.extend_from_slice(&reply);
    }
    octets
}

/// Changes octets at a few places.
fn mutate(octets: &mut Vec<u8>, numbers: &mut Numbers) {
    for _ in 0..numbers.below(4) {
        let at = numbers.below(octets.len());
        let random = b"\0\x01\x02\xff\r\n 5-:abO"[numbers.below(13)];
        match numbers.below(5) {
            _ if octets.is_empty() => octets.push(random),
            0 => octets[at] ^= 1 << numbers.below(8),
            1 => octets[at] = random,
            2 => octets.truncate(at),
            3 => octets.insert(at, random),
            _ => drop(octets.remove(at)),
        }
    }
}

/// Has a filter say octets in parts of this length at some step; all that is read, and the error that ends it.
fn read(octets: &[u8], step: usize, part: usize) -> (Vec<FilterReply>, Option<MilterError>) {
    let mut scene = match step {
        0 => Scene::unanswered(Default::default()),
        1 => Scene::new(&answer(6, 0x1ff, 0)),
        2..8 => Scene::connected(),
        _ => Scene::at_end(),
    };
    let steps = [
        PEER,
        MAIL,
        RCPT,
        FilterStep::Data,
        FIELD,
        FilterStep::EndOfHeader,
        FilterStep::Body(b"x"),
    ];
    match steps.get(step.wrapping_sub(1)) {
        Some(step) => drop(scene.tell(*step)),
        None if step == 9 => drop(scene.tell(FilterStep::Abort)),
        None => {}
    }
    let mut replies: Vec<FilterReply> = Vec::new();
    let mut changes = MessageChanges::new(false);
    for part in octets.chunks(part) {
        let mut rest = part;
        loop {
            let reply = match scene.client.read(&mut rest) {
                Ok(Some(reply)) => reply,
                Ok(None) => break,
                Err(error) => return (replies, Some(error)),
            };
            match reply {
                FilterReply::Change(change) => {
                    if let Err(error) = changes.push(change) {
                        return (replies, Some(error));
                    }
                }
                FilterReply::ReplaceBody(piece) => match replies.last_mut() {
                    // Where it is cut is nothing that is said.
                    Some(FilterReply::ReplaceBody(last)) => last.extend_from_slice(&piece),
                    _ => replies.push(FilterReply::ReplaceBody(piece)),
                },
                reply => replies.push(reply),
            }
        }
        assert!(rest.is_empty() && scene.client.kept() <= PACKET_BYTES_MAX + 4);
    }
    check_header(&changes);
    (replies, None)
}

/// Whatever a filter changes, a header is one.
fn check_header(changes: &MessageChanges) {
    let (mut fields, _) = split_message(b"X-A: 1\r\nTo: 2\r\nX-A: 3\r\n");
    changes.apply_header(&mut fields);
    let mut message = Vec::new();
    for field in &fields {
        assert!(is_field_name(field.name()));
        message.extend_from_slice(field.text());
    }
    message.extend_from_slice(b"\r\n");
    assert_eq!(split_message(&message).0, fields);
}

#[test]
fn any_octets_are_read_alike_in_any_parts() {
    let wanted = env::var("MAILOOP_FILTER_INPUTS").map(|inputs| inputs.parse().unwrap());
    let (mut whole, mut wrong) = (0, 0);
    for seed in 1..=wanted.unwrap_or(INPUTS) {
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut octets = replies(&mut numbers);
        mutate(&mut octets, &mut numbers);
        let step = numbers.below(10);
        let once = read(&octets, step, octets.len().max(1));
        let part = 1 + numbers.below(9);
        assert_eq!(
            read(&octets, step, part),
            once,
            "seed {seed}: {}",
            octets.escape_ascii()
        );
        *(if once.1.is_some() {
            &mut wrong
        } else {
            &mut whole
        }) += 1;
    }
    assert!(
        whole > 100 && wrong > 100,
        "{whole} good inputs, {wrong} bad ones"
    );
}
