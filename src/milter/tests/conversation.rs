//! What is told and replied in the course of a session.

use crate::milter::client::StepOutcome;
use crate::milter::commands::StepKind;
use crate::milter::reply::FilterReply;
use crate::milter::step::{ClientAddress, FilterStep};
use crate::milter::terms::FilterOffer;

use super::filter::{FIELD, MAIL, PEER, RCPT, Scene, answer, packet};

#[test]
fn a_session_is_told_step_by_step() {
    let mut scene = Scene::new(&answer(6, 0x1ff, 0));
    for (name, value) in [
        ("j", "mx.example"),
        ("v", "mailoop 1"),
        ("client_addr", "192.0.2.1"),
        ("tls_version", "TLSv1.3"),
        ("i", "Q1"),
        ("rcpt_addr", "bob@example.org"),
        ("mail_addr", "ada@example.org"),
    ] {
        scene.macros.set(name, value.as_bytes());
    }
    let connect = FilterStep::Connect {
        name: b"client.example",
        address: ClientAddress::Ip("192.0.2.1:4711".parse().unwrap()),
    };
    let go = packet(b'c', b"");
    let steps: [(FilterStep<'_>, &[&str]); 10] = [
        (
            connect,
            &[
                r"DCj\x00mx.example\x00v\x00mailoop 1\x00{client_addr}\x00192.0.2.1\x00",
                r"Cclient.example\x004\x12g192.0.2.1\x00",
            ],
        ),
        (
            FilterStep::Hello(b"client"),
            &[r"DH{tls_version}\x00TLSv1.3\x00", r"Hclient\x00"],
        ),
        (
            FilterStep::Mail(&[b"<ada@example.org>", b"SIZE=12"]),
            &[
                r"DMi\x00Q1\x00{mail_addr}\x00ada@example.org\x00",
                r"M<ada@example.org>\x00SIZE=12\x00",
            ],
        ),
        (
            RCPT,
            &[
                r"DRi\x00Q1\x00{rcpt_addr}\x00bob@example.org\x00",
                r"R<bob@example.org>\x00",
            ],
        ),
        (FilterStep::Unknown(b"FOO bar"), &[r"UFOO bar\x00"]),
        (FilterStep::Data, &[r"DTi\x00Q1\x00", "T"]),
        (FIELD, &[r"LSubject\x00x\x00"]),
        (FilterStep::EndOfHeader, &[r"DNi\x00Q1\x00", "N"]),
        (FilterStep::Body(b"a\0b\r\n"), &[r"Ba\x00b\r\n"]),
        (FilterStep::EndOfMessage, &[r"DEi\x00Q1\x00", "E"]),
    ];
    for (step, packets) in steps {
        assert!(scene.client.wants(step.kind()));
        let (outcome, written) = scene.tell(step);
        assert_eq!(outcome, StepOutcome::Awaited);
        assert_eq!(written, packets);
        assert_eq!(scene.client.awaited(), Some(step.kind()));
        assert_eq!(scene.say(&go), Ok(vec![FilterReply::Continue]));
        assert_eq!(scene.client.awaited(), None);
    }
}

#[test]
fn the_end_of_a_message_leaves_nothing_to_be_aborted() {
    let mut scene = Scene::at_end();
    scene.say(&packet(b'c', b"")).unwrap();
    scene.is_unwanted(FilterStep::Abort);
    scene.go(MAIL);
    assert_eq!(
        scene.tell(FilterStep::Abort),
        (StepOutcome::Told, vec!["A".to_owned()])
    );
    assert_eq!(
        scene.tell(FilterStep::Quit),
        (StepOutcome::Told, vec!["Q".to_owned()])
    );
    scene.is_unwanted(MAIL);
    assert_eq!(scene.say(b"anything"), Ok(vec![]));
}

#[test]
fn steps_that_are_not_wanted_are_not_told_and_some_have_no_reply() {
    let steps = [
        (PEER, 0, Some(12)),
        (FilterStep::Hello(b"x"), 1, Some(13)),
        (MAIL, 2, Some(14)),
        (RCPT, 3, Some(15)),
        (FilterStep::Unknown(b"x"), 8, Some(17)),
        (FilterStep::Data, 9, Some(16)),
        (FIELD, 5, Some(7)),
        (FilterStep::EndOfHeader, 6, Some(18)),
        (FilterStep::Body(b"x"), 4, Some(19)),
    ];
    for (chosen, unwanted, no_reply) in steps {
        let mut without = Scene::new(&answer(6, 0, 1 << unwanted));
        let mut silent = Scene::new(&answer(6, 0, 1 << no_reply.unwrap()));
        for (step, ..) in steps {
            match step == chosen {
                true => {
                    without.is_unwanted(step);
                    let (outcome, written) = silent.tell(step);
                    assert_eq!((outcome, written.len()), (StepOutcome::Told, 1), "{step:?}");
                }
                false => {
                    without.go(step);
                    silent.go(step);
                }
            }
        }
        without.go(FilterStep::EndOfMessage);
        silent.go(FilterStep::EndOfMessage);
    }
}

#[test]
fn an_older_filter_is_told_no_step_that_it_does_not_know() {
    for (version, unknown, data) in [
        (2, false, false),
        (3, true, false),
        (4, true, true),
        (5, true, true),
        (6, true, true),
    ] {
        let mut scene = Scene::new(&answer(version, 0, 0));
        scene.macros.set("i", b"Q");
        scene.go(PEER);
        scene.go(MAIL);
        assert_eq!(scene.client.wants(StepKind::Unknown), unknown, "{version}");
        for (step, is_known) in [
            (FilterStep::Unknown(b"x"), unknown),
            (FilterStep::Data, data),
        ] {
            match is_known {
                true => scene.go(step),
                false => scene.is_unwanted(step),
            }
        }
        // Macros of the end of the header are known to the last version.
        let (_, written) = scene.tell(FilterStep::EndOfHeader);
        assert_eq!(written.len(), if version == 6 { 2 } else { 1 });
        assert_eq!(
            scene.say(&packet(b'c', b"")),
            Ok(vec![FilterReply::Continue])
        );
        let (outcome, _) = scene.tell(FilterStep::QuitNewConnection);
        assert_eq!(outcome == StepOutcome::Told, version == 6, "{version}");
    }
}

#[test]
fn what_is_accepted_is_not_asked_again() {
    let accept = packet(b'a', b"");
    for connect_only in [true, false] {
        let mut scene = Scene::new(&answer(6, 0, 0));
        if connect_only {
            assert_eq!(scene.replied(PEER, &accept), FilterReply::Accept);
        } else {
            scene.go(PEER);
            assert_eq!(
                scene.replied(FilterStep::Hello(b"x"), &accept),
                FilterReply::Accept
            );
        }
        assert!(scene.client.is_over());
        for step in [
            FilterStep::Hello(b"x"),
            MAIL,
            RCPT,
            FilterStep::EndOfMessage,
        ] {
            scene.is_unwanted(step);
        }
    }
    for accepted in [
        MAIL,
        RCPT,
        FilterStep::Data,
        FIELD,
        FilterStep::EndOfHeader,
        FilterStep::Body(b"x"),
    ] {
        for verdict in [&accept, &packet(b'd', b"")] {
            let mut scene = Scene::connected();
            if accepted != MAIL {
                scene.go(MAIL);
            }
            scene.replied(accepted, verdict);
            for step in [
                RCPT,
                FilterStep::Data,
                FIELD,
                FilterStep::Unknown(b"x"),
                FilterStep::EndOfMessage,
            ] {
                scene.is_unwanted(step);
            }
            assert!(!scene.client.is_over());
            // The next message is another one, which the filter learns of.
            let (outcome, written) = scene.tell(MAIL);
            assert_eq!((outcome, &written[0][..]), (StepOutcome::Awaited, "A"));
        }
    }
}

#[test]
fn a_refused_recipient_says_nothing_of_the_others() {
    for verdict in [
        packet(b'r', b""),
        packet(b't', b""),
        packet(b'y', b"550 No\0"),
    ] {
        let mut scene = Scene::connected();
        scene.go(MAIL);
        assert!(scene.replied(RCPT, &verdict).is_verdict());
        assert!(
            scene
                .replied(FilterStep::Unknown(b"x"), &verdict)
                .is_verdict()
        );
        scene.go(RCPT);
        // A message that is refused is not told on, and the one after that is.
        scene.replied(FilterStep::Data, &verdict);
        scene.is_unwanted(FIELD);
        assert_eq!(scene.tell(FilterStep::Abort).0, StepOutcome::Told);
        scene.go(MAIL);
        scene.go(FIELD);
        scene.replied(FilterStep::EndOfMessage, &verdict);
        scene.go(MAIL);
        scene.go(FIELD);
    }
}

#[test]
fn a_refused_client_is_no_more_asked_about() {
    for verdict in [
        packet(b'r', b""),
        packet(b't', b""),
        packet(b'y', b"421 4.7.1 x\0"),
        packet(b'f', b""),
        packet(b'4', b""),
    ] {
        let mut scene = Scene::new(&answer(6, 0, 0));
        scene.replied(PEER, &verdict);
        assert!(scene.client.is_over());
        scene.is_unwanted(FilterStep::Hello(b"x"));
        assert_eq!(scene.tell(FilterStep::Quit).0, StepOutcome::Told);
    }
    // A client that is dropped at first goes on, as with Postfix.
    let mut scene = Scene::new(&answer(6, 0, 0));
    assert_eq!(
        scene.replied(PEER, &packet(b'd', b"")),
        FilterReply::Discard
    );
    scene.go(MAIL);
    scene.go(RCPT);
    // One that is shut down later is as well.
    scene.replied(FilterStep::Data, &packet(b'4', b""));
    assert!(scene.client.is_over());
}

#[test]
fn a_kind_of_step_is_skipped_until_the_next_message() {
    let skip = packet(b's', b"");
    let mut scene = Scene::connected();
    for _ in 0..2 {
        scene.go(MAIL);
        scene.go(RCPT);
        assert_eq!(scene.replied(FIELD, &skip), FilterReply::Skip);
        scene.is_unwanted(FIELD);
        scene.go(FilterStep::EndOfHeader);
        scene.go(FilterStep::Body(b"a"));
        assert_eq!(
            scene.replied(FilterStep::Body(b"b"), &skip),
            FilterReply::Skip
        );
        assert!(!scene.client.wants(StepKind::Body));
        scene.is_unwanted(FilterStep::Body(b"c"));
        scene.go(FilterStep::EndOfMessage);
    }
    let offer = FilterOffer {
        protocol: 0,
        ..FilterOffer::default()
    };
    // libmilter does so where nobody offered it, too.
    let mut scene = Scene::offered(offer, &answer(6, 0, 0));
    scene.go(PEER);
    scene.go(MAIL);
    assert_eq!(scene.replied(FIELD, &skip), FilterReply::Skip);
    scene.is_unwanted(FIELD);
}

#[test]
fn replies_to_what_was_given_up_are_for_nobody() {
    let mut scene = Scene::at_end();
    assert_eq!(scene.tell(FilterStep::Abort).0, StepOutcome::Told);
    assert_eq!(scene.client.awaited(), None);
    scene.awaits(MAIL);
    // A change, progress and the verdict on the first message; then that on the second.
    let late = [packet(b'+', b"x\0"), packet(b'p', b""), packet(b'r', b"")].concat();
    assert_eq!(scene.say(&late), Ok(vec![]));
    assert_eq!(scene.client.awaited(), Some(StepKind::Mail));
    assert_eq!(
        scene.say(&packet(b'c', b"")),
        Ok(vec![FilterReply::Continue])
    );
    // Of another client nothing is told twice.
    scene.awaits(RCPT);
    assert_eq!(scene.tell(FilterStep::QuitNewConnection).1, ["A", "K"]);
    scene.is_unwanted(MAIL);
    scene.awaits(PEER);
    let both = [packet(b't', b""), packet(b'a', b"")].concat();
    assert_eq!(scene.say(&both), Ok(vec![FilterReply::Accept]));
}
