//! What a filter may not do, and what comes of it.

use crate::milter::changes::FilterChange;
use crate::milter::commands::StepKind;
use crate::milter::error::{MilterError, reply_name};
use crate::milter::reply::FilterReply;
use crate::milter::step::FilterStep;
use crate::milter::terms::FilterOffer;

use super::filter::{FIELD, MAIL, PEER, RCPT, Scene, answer, packet};

/// A reply of each change, with the action that it takes.
pub(super) fn changes() -> Vec<(Vec<u8>, u32, FilterChange)> {
    let (name, value) = (Box::from(&b"X-A"[..]), Box::from(&b"b"[..]));
    let address = Box::from(&b"<c@d>"[..]);
    vec![
        (
            packet(b'h', b"X-A\0b\0"),
            1,
            FilterChange::AddHeader { name, value },
        ),
        (
            packet(b'i', b"\0\0\x01\x02X-A\0\0"),
            1,
            FilterChange::InsertHeader {
                index: 258,
                name: Box::from(&b"X-A"[..]),
                value: Box::default(),
            },
        ),
        (
            packet(b'm', b"\0\0\0\x02X-A\0b c\0"),
            16,
            FilterChange::ChangeHeader {
                index: 2,
                name: Box::from(&b"X-A"[..]),
                value: Box::from(&b"b c"[..]),
            },
        ),
        (
            packet(b'+', b"<c@d>\0"),
            4,
            FilterChange::AddRecipient {
                address,
                arguments: Box::default(),
            },
        ),
        (
            packet(b'2', b"<c@d>\0NOTIFY=NEVER\0"),
            128,
            FilterChange::AddRecipient {
                address: Box::from(&b"<c@d>"[..]),
                arguments: Box::from(&b"NOTIFY=NEVER"[..]),
            },
        ),
        (
            packet(b'-', b"<c@d>\0"),
            8,
            FilterChange::DeleteRecipient(Box::from(&b"<c@d>"[..])),
        ),
        (
            packet(b'e', b"<c@d>\0"),
            64,
            FilterChange::ChangeSender {
                address: Box::from(&b"<c@d>"[..]),
                arguments: Box::default(),
            },
        ),
    ]
}

#[test]
fn changes_come_at_the_end_and_as_agreed_only() {
    for (reply, action, change) in changes() {
        let command = reply[4];
        for allowed in [0x1ff, 0x1ff & !action] {
            let mut scene = Scene::new(&answer(6, allowed, 0));
            scene.go(PEER);
            scene.go(MAIL);
            scene.awaits(FilterStep::EndOfMessage);
            let octets = [&reply[..], &packet(b'c', b"")].concat();
            let replies = vec![FilterReply::Change(change.clone()), FilterReply::Continue];
            let expected = match allowed & action {
                0 => Err(MilterError::NotAgreed(command)),
                _ => Ok(replies),
            };
            assert_eq!(scene.say(&octets), expected);
        }
        let mut scene = Scene::connected();
        scene.go(MAIL);
        scene.awaits(FilterStep::Body(b"x"));
        let error = MilterError::WrongStep(command, StepKind::Body);
        assert_eq!(scene.say(&reply), Err(error));
        // Nothing follows an error.
        assert!(scene.client.is_over());
        scene.is_unwanted(FilterStep::Abort);
        scene.is_unwanted(MAIL);
        scene.is_unwanted(FilterStep::Quit);
    }
    let mut scene = Scene::at_end();
    let held = scene.say(&[packet(b'q', b"a reason\0"), packet(b'a', b"")].concat());
    let held = held.unwrap();
    assert_eq!(
        held[0],
        FilterReply::Quarantine(Box::from(&b"a reason"[..]))
    );
    assert_eq!(held[1], FilterReply::Accept);
    let mut scene = Scene::at_end();
    let reason = [b'x'; 300];
    let held = scene.say(&packet(b'q', &reason)).unwrap();
    assert_eq!(held, [FilterReply::Quarantine(Box::from(&reason[..255]))]);
    let mut scene = Scene::connected();
    scene.awaits(MAIL);
    let error = MilterError::WrongStep(b'q', StepKind::Mail);
    assert_eq!(scene.say(&packet(b'q', b"x\0")), Err(error));
}

#[test]
fn nothing_comes_unasked() {
    let replies = b"acdfprst4yhimb+2-eqO";
    for command in replies {
        let mut scene = Scene::connected();
        scene.go(MAIL);
        let error = scene.say(&packet(*command, b"550 x"));
        assert_eq!(
            error,
            Err(MilterError::Unasked(*command)),
            "{}",
            reply_name(*command)
        );
    }
    // A verdict is one.
    let mut scene = Scene::connected();
    scene.awaits(MAIL);
    let twice = packet(b'c', b"").repeat(2);
    assert_eq!(scene.say(&twice), Err(MilterError::Unasked(b'c')));
    let mut scene = Scene::connected();
    scene.awaits(MAIL);
    let error = MilterError::WrongStep(b'O', StepKind::Mail);
    assert_eq!(scene.say(&answer(6, 0, 0)), Err(error));
}

#[test]
fn a_filter_that_is_at_work_says_so_any_number_of_times() {
    let mut scene = Scene::connected();
    scene.awaits(MAIL);
    let working = packet(b'p', b"").repeat(3);
    assert_eq!(scene.say(&working), Ok(vec![FilterReply::Progress; 3]));
    assert_eq!(scene.client.awaited(), Some(StepKind::Mail));
    assert_eq!(
        scene.say(&packet(b't', b"")),
        Ok(vec![FilterReply::Tempfail])
    );
    assert!(FilterReply::Tempfail.is_verdict() && !FilterReply::Progress.is_verdict());
}

#[test]
fn replies_have_the_arguments_that_they_should() {
    for command in b"acdfprst4" {
        let mut scene = Scene::connected();
        scene.awaits(MAIL);
        let error = MilterError::Arguments(*command);
        assert_eq!(scene.say(&packet(*command, b"\0")), Err(error));
    }
    let wrong: [(u8, &[u8]); 19] = [
        (b'h', b""),
        (b'h', b"name\0"),
        (b'h', b"name\0value"),
        (b'h', b"name\0value\0more\0"),
        (b'h', b"name\0value\0\0"),
        (b'i', b"\0\0\0"),
        (b'i', b"\0\0\0\x01"),
        (b'i', b"\0\0\0\x01name\0value"),
        (b'm', b"\0\0\0\x01name\0value\0x"),
        (b'm', b""),
        (b'+', b""),
        (b'+', b"a@b"),
        (b'+', b"a@b\0c@d\0"),
        (b'2', b"a@b\0x\0y\0"),
        (b'2', b"a@b\0x"),
        (b'-', b"a@b\0\0"),
        (b'-', b"a@b"),
        (b'e', b""),
        (b'e', b"a@b\0x\0\0"),
    ];
    for (command, data) in wrong {
        let mut scene = Scene::at_end();
        let error = MilterError::Arguments(command);
        assert_eq!(
            scene.say(&packet(command, data)),
            Err(error),
            "{}",
            data.escape_ascii()
        );
    }
    let mut scene = Scene::at_end();
    assert_eq!(
        scene.say(&packet(b'y', b"250 Ok\0")),
        Err(MilterError::CustomReply)
    );
}

#[test]
fn a_body_may_come_in_one_packet_of_any_length() {
    let mut scene = Scene::at_end();
    let body = b"0123456789\r\n".repeat(20_000);
    let octets = [packet(b'b', &body), packet(b'b', b""), packet(b'c', b"")].concat();
    let mut whole = Vec::new();
    let mut replies = Vec::new();
    for part in octets.chunks(10_000) {
        for reply in scene.say(part).unwrap() {
            match reply {
                FilterReply::ReplaceBody(piece) => {
                    assert!(piece.len() <= 10_000);
                    whole.extend_from_slice(&piece);
                }
                reply => replies.push(reply),
            }
        }
        assert!(scene.client.kept() < 10);
    }
    assert_eq!(
        (whole == body, replies),
        (true, vec![FilterReply::Continue])
    );
}

#[test]
fn a_transaction_that_is_not_ended_is_aborted_by_the_next() {
    let mut scene = Scene::connected();
    scene.go(MAIL);
    scene.go(RCPT);
    let (_, written) = scene.tell(MAIL);
    assert_eq!(written, ["A", r"M<ada@example.org>\x00"]);
    scene.say(&packet(b'c', b"")).unwrap();
    let (_, written) = scene.tell(FilterStep::Hello(b"x"));
    assert_eq!(written, ["A", r"Hx\x00"]);
    scene.say(&packet(b'c', b"")).unwrap();
    let (_, written) = scene.tell(FilterStep::Hello(b"x"));
    assert_eq!(written, [r"Hx\x00"]);
}

#[test]
fn before_the_negotiation_and_the_client_nothing_is_told() {
    let mut scene = Scene::unanswered(FilterOffer::default());
    assert!(scene.client.is_negotiating() && !scene.client.is_over());
    for step in [PEER, MAIL, FilterStep::Abort, FilterStep::QuitNewConnection] {
        scene.is_unwanted(step);
    }
    assert_eq!(
        scene.say(&answer(6, 0, 0)),
        Ok(vec![FilterReply::Negotiated])
    );
    assert!(!scene.client.is_negotiating());
    for step in [
        MAIL,
        FIELD,
        FilterStep::Abort,
        FilterStep::QuitNewConnection,
    ] {
        scene.is_unwanted(step);
    }
    scene.go(PEER);
    scene.is_unwanted(PEER);
}
