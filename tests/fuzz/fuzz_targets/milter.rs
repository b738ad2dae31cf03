//! What a mail filter says: read alike however it is cut, within bounds, and whatever it changes, a header is one.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use mailoop::milter::changes::MessageChanges;
use mailoop::milter::client::FilterClient;
use mailoop::milter::error::MilterError;
use mailoop::milter::fields::{is_field_name, split_message};
use mailoop::milter::macros::FilterMacros;
use mailoop::milter::reply::FilterReply;
use mailoop::milter::step::{ClientAddress, FilterStep};
use mailoop::milter::terms::FilterOffer;
use mailoop::milter::wire::PACKET_BYTES_MAX;

const BODY_BYTES_MAX: usize = 100;

// The first octet says how the rest is cut, the second how far the session is.
fuzz_target!(|bytes: &[u8]| {
    let [cut, steps, octets @ ..] = bytes else {
        return;
    };
    let whole = read(octets, usize::MAX, *steps);
    assert_eq!(read(octets, usize::from(*cut).max(1), *steps), whole);
});

/// Has a filter say this after each step that has a reply; its replies but for changes, and the error that ends them.
fn read(octets: &[u8], part: usize, steps: u8) -> (Vec<FilterReply>, Option<MilterError>) {
    let connect = FilterStep::Connect {
        name: b"client.example",
        address: ClientAddress::Unknown,
    };
    let told = [
        connect,
        FilterStep::Mail(&[b"<ada@example.org>"]),
        FilterStep::Recipient(&[b"<bob@example.org>"]),
        FilterStep::Body(b"x"),
        FilterStep::EndOfMessage,
    ];
    let mut out = BytesMut::new();
    let mut client = FilterClient::new(FilterOffer::default(), &mut out);
    let mut changes = MessageChanges::new(steps & 8 != 0, BODY_BYTES_MAX);
    let (mut replies, mut next) = (Vec::new(), 0);
    for mut part in octets.chunks(part) {
        loop {
            let reply = match client.read(&mut part) {
                Ok(Some(reply)) => reply,
                Ok(None) => break,
                Err(error) => return (replies, Some(error)),
            };
            let goes_on = reply.is_verdict() || reply == FilterReply::Negotiated;
            match reply {
                FilterReply::Change(change) => {
                    if let Err(error) = changes.push(change) {
                        return (replies, Some(error));
                    }
                }
                reply => replies.push(reply),
            }
            while goes_on && client.awaited().is_none() && next <= usize::from(steps & 7) {
                let Some(step) = told.get(next) else {
                    break;
                };
                client.tell(*step, &FilterMacros::default(), &mut out);
                next += 1;
            }
        }
        assert!(part.is_empty() && client.kept() <= PACKET_BYTES_MAX + 4);
    }
    check_header(&changes);
    (replies, None)
}

fn check_header(changes: &MessageChanges) {
    let (mut fields, _) = split_message(b"A: 1\r\nTo: 2\r\nA: 3\r\n");
    changes.apply_header(&mut fields);
    let mut message = Vec::new();
    for field in &fields {
        assert!(is_field_name(field.name()));
        message.extend_from_slice(field.text());
    }
    message.extend_from_slice(b"\r\n");
    assert_eq!(split_message(&message).0, fields);
}
