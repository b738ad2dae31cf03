//! Long texts: written from their place or in pieces, with the server's objections in between.

use mailoop::outbound::delivery::ResultClass;
use mailoop::store::spool::TextFlags;

use crate::world::{Mail, World, hop};

const OPENING: &[u8] = b"220 mx.y\r\n";
const CAPABILITIES: &[u8] = b"250-mx.y\r\n250 PIPELINING\r\n";
const GO_AHEAD: &[u8] = b"250 Ok\r\n250 Ok\r\n354 Go\r\n";

/// A message of many lines, some of which begin with a dot.
fn long_mail(octets: usize, in_pieces: bool, dots: bool) -> Mail {
    let mut mail = Mail::new(1, &["b@y"]);
    let lines = (0_u32..).map(|number| match number % 7 {
        3 if dots => format!(".{number}\r\n"),
        _ => format!("{number} {}\r\n", "x".repeat(number as usize % 90)),
    });
    mail.text.clear();
    for line in lines {
        if mail.text.len() >= octets {
            break;
        }
        mail.text.extend(line.bytes());
    }
    if dots {
        mail.flags = mail.flags.union(TextFlags::DOT_LINE);
    }
    mail.in_pieces = in_pieces;
    mail
}

/// A connection that is about to be told to go on with its message.
fn at_go_ahead(mail: Mail, next: Option<Mail>) -> World {
    let mut world = World::new(hop(), [mail].into_iter().chain(next));
    world.say(OPENING);
    world.say(CAPABILITIES);
    world.heard();
    world
}

/// The text as it should be on the wire.
fn on_the_wire(mail: &Mail) -> String {
    let text = String::from_utf8(mail.text.clone()).unwrap();
    let stuffed = text.replace("\r\n.", "\r\n..");
    let first = if text.starts_with('.') { "." } else { "" };
    format!("{first}{stuffed}.\r\n")
}

#[test]
fn a_long_text_goes_out_whole_however_little_room_there_is() {
    for octets in [10_000, 16_384, 70_000, 200_000] {
        for (in_pieces, dots) in [(false, false), (false, true), (true, false), (true, true)] {
            for room in [usize::MAX, 5_000] {
                let mail = long_mail(octets, in_pieces, dots);
                let wire = on_the_wire(&mail);
                let mut world = at_go_ahead(mail, Some(Mail::new(2, &["c@y"])));
                world.wire.borrow_mut().room = Some(room);
                world.say(GO_AHEAD);
                let mut heard = Vec::new();
                while heard.len() < wire.len() {
                    let more = world.heard();
                    assert!(!more.is_empty() || room < usize::MAX, "it stands still");
                    heard.extend(more);
                    world.wire.borrow_mut().room = Some(room);
                    world.event();
                }
                heard.extend(world.heard());
                let next = "MAIL FROM:<a@x>\r\nRCPT TO:<c@y>\r\nDATA\r\n";
                let what = (octets, in_pieces, dots, room);
                assert!(heard == (wire + next).as_bytes(), "{what:?}: another text");
                world.say(b"250 Ok\r\n550 No\r\n503 No\r\n503 No\r\n");
                world.hang_up();
                world.check();
                let classes = world.outcomes.iter().map(|it| it.result.class);
                let classes: Vec<ResultClass> = classes.collect();
                assert_eq!(classes, [ResultClass::Sent, ResultClass::Failed]);
            }
        }
    }
}

#[test]
fn a_short_message_takes_one_write_and_one_round_trip() {
    let mails = (1..=9).map(|id| Mail::new(id, &["b@y"]));
    let mut world = World::new(hop(), mails);
    world.say(OPENING);
    world.say(CAPABILITIES);
    let begin = "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n";
    assert!(world.heard().ends_with(begin.as_bytes()));
    for id in 1..=9 {
        world.wire.borrow_mut().writes = 0;
        if id > 1 {
            world.say(&[&b"250 Ok\r\n"[..], GO_AHEAD].concat());
        } else {
            world.say(GO_AHEAD);
        }
        let next = if id < 9 { begin } else { "" };
        let heard = String::from_utf8(world.heard()).unwrap();
        assert_eq!(heard, format!("Subject: hi\r\n\r\nbody\r\n.\r\n{next}"));
        assert_eq!(world.wire.borrow().writes, 1, "{id}");
    }
    world.say(b"250 Ok\r\n");
    world.hang_up();
    world.check();
    let mut outcomes = world.outcomes.iter();
    assert!(outcomes.all(|it| it.result.class == ResultClass::Sent));
}

#[test]
fn a_server_may_object_amid_the_text() {
    for (reply, class) in [
        (&b"552 Too much\r\n"[..], ResultClass::Failed),
        (b"451 Not now\r\n", ResultClass::Deferred),
        (b"421 Going down\r\n", ResultClass::NextHost),
        // A reply to what is not said yet: it does not speak the protocol.
        (b"250 Ok\r\n", ResultClass::NextHost),
    ] {
        for in_pieces in [false, true] {
            let mail = long_mail(200_000, in_pieces, true);
            let mut world = at_go_ahead(mail, Some(Mail::new(2, &["c@y"])));
            world.wire.borrow_mut().room = Some(100_000);
            world.say(GO_AHEAD);
            world.say(reply);
            assert!(!world.heard().ends_with(b"\r\n.\r\n"));
            world.check();
            let classes = world.outcomes.iter().map(|it| (it.mail, it.result.class));
            let classes: Vec<(u32, ResultClass)> = classes.collect();
            assert_eq!(classes, [(1, class), (2, ResultClass::Again)], "{reply:?}");
        }
    }
}

#[test]
fn a_text_that_cannot_be_read_is_deferred_and_never_ended() {
    let mut world = at_go_ahead(long_mail(200_000, true, false), None);
    world.wire.borrow_mut().room = Some(10_000);
    world.say(GO_AHEAD);
    world.is_unreadable = true;
    world.wire.borrow_mut().room = None;
    world.event();
    assert!(!world.heard().ends_with(b"\r\n.\r\n"));
    world.check();
    let result = &world.outcomes[0].result;
    assert_eq!(result.class, ResultClass::Deferred);
    assert_eq!(result.status.to_string(), "4.3.0");
}

#[test]
fn a_server_that_takes_less_than_a_block_in_three_minutes_is_given_up() {
    for in_pieces in [false, true] {
        let mut world = at_go_ahead(long_mail(200_000, in_pieces, false), None);
        world.wire.borrow_mut().room = Some(70_000);
        world.say(GO_AHEAD);
        // The first block was taken; of the second one now and then a little.
        for _ in 0..17 {
            world.wait(10);
            world.wire.borrow_mut().room = Some(1);
            world.event();
            assert!(!world.is_closed);
        }
        world.wait(10);
        world.check();
        let result = &world.outcomes[0].result;
        assert_eq!(result.class, ResultClass::NextHost);
        assert_eq!(&*result.reply, "timed out amid the message");
    }
}

#[test]
fn a_text_is_cancelled_before_its_end() {
    for in_pieces in [false, true] {
        let mut world = at_go_ahead(long_mail(200_000, in_pieces, false), None);
        world.wire.borrow_mut().room = Some(70_000);
        world.say(GO_AHEAD);
        world.cancel(1, &[0]);
        world.wire.borrow_mut().room = None;
        assert!(!world.heard().ends_with(b"\r\n.\r\n"));
        world.check();
        assert_eq!(world.outcomes[0].result.class, ResultClass::Cancelled);
    }
}
