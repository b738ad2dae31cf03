//! Every command × every kind of answer: 2yz, 4yz, 5yz, 421, garbage, close, silence. The class of each result as a table.

use mailoop::outbound::delivery::ResultClass;
use mailoop::outbound::desk::HopFault;
use mailoop::outbound::hop::HopProtocol;

use crate::world::{Mail, World, hop};

/// What a server does at a step, in the order of the tables.
const ANSWERS: [&str; 7] = [
    "250 Ok",
    "450 Later",
    "550 No",
    "421 Away",
    "what?",
    "close",
    "silence",
];

/// What becomes of a message for two recipients, both of which have it in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Both(ResultClass),
    /// Only the first one.
    First(ResultClass),
    /// There is no session.
    NoSession(HopFault),
}

use Fate::{Both, First, NoSession};
use HopFault::Greeting;
use ResultClass::{Again, Deferred, Failed, NextHost, Sent, Uncertain};

/// The steps of a session, and the right answer to each.
const STEPS: [(&str, &str); 7] = [
    ("greeting", "220 Hi"),
    ("hello", "250-Hi\r\n250 PIPELINING"),
    ("mail", "250 Ok"),
    ("first recipient", "250 Ok"),
    ("second recipient", "250 Ok"),
    ("data", "354 Go"),
    ("dot", "250 Ok"),
];

const NO_GREETING: [Fate; 7] = [
    Both(Sent),
    NoSession(Greeting),
    NoSession(Greeting),
    NoSession(Greeting),
    NoSession(Greeting),
    NoSession(Greeting),
    NoSession(Greeting),
];
const BOTH: [Fate; 7] = [
    Both(Sent),
    Both(Deferred),
    Both(Failed),
    Both(NextHost),
    Both(NextHost),
    Both(NextHost),
    Both(NextHost),
];
const FIRST: [Fate; 7] = [
    Both(Sent),
    First(Deferred),
    First(Failed),
    Both(NextHost),
    Both(NextHost),
    Both(NextHost),
    Both(NextHost),
];
/// A go-ahead that is a 2yz is none.
const DATA: [Fate; 7] = [
    Both(NextHost),
    Both(Deferred),
    Both(Failed),
    Both(NextHost),
    Both(NextHost),
    Both(NextHost),
    Both(NextHost),
];
const DOT: [Fate; 7] = [
    Both(Sent),
    Both(Deferred),
    Both(Failed),
    Both(NextHost),
    Both(Uncertain),
    Both(Uncertain),
    Both(Uncertain),
];

/// Plays a session whose answer to one step is another, and which is in lockstep or not.
fn play(world: &mut World, at: usize, answer: &str, is_lmtp: bool) {
    let mut steps: Vec<&str> = STEPS.iter().map(|(_, right)| *right).collect();
    let is_second_refused = at == 4 && !answer.starts_with('2');
    let is_first_refused = at == 3 && !answer.starts_with('2');
    if is_lmtp && !is_first_refused && !is_second_refused {
        steps.push("250 Ok");
    }
    for (step, right) in steps.into_iter().enumerate() {
        if world.is_closed {
            break;
        }
        let is_second_dot = is_lmtp && at == 6 && step == 7;
        let said = if step == at || is_second_dot {
            answer
        } else {
            right
        };
        match said {
            "close" => world.hang_up(),
            "silence" => world.wait(600),
            said => world.say(format!("{said}\r\n").as_bytes()),
        }
        let is_data_refused = at == 5 && step == 5;
        let is_mail_refused = at == 2 && step == 5;
        if (is_data_refused || is_mail_refused) && !said.starts_with('3') {
            break;
        }
    }
    if !world.is_closed {
        world.hang_up();
    }
    world.check();
}

fn fate(world: &World) -> Fate {
    if let Some((fault, _)) = world.failure {
        return NoSession(fault);
    }
    let class = |recipient| {
        let outcomes = world.outcomes.iter();
        let mut results = outcomes.filter(|it| it.mail == 1 && it.recipient == recipient);
        results.next().unwrap().result.class
    };
    match (class(0), class(1)) {
        (first, second) if first == second => Both(first),
        (first, Sent) => First(first),
        (Sent, second) => First(second),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_answer_to_each_command_has_its_class() {
    let tables = [NO_GREETING, NO_GREETING, BOTH, FIRST, FIRST, DATA, DOT];
    for is_lmtp in [false, true] {
        for (at, table) in tables.iter().enumerate() {
            for (answer, expected) in ANSWERS.iter().zip(table) {
                let mut hop = hop();
                if is_lmtp {
                    hop.protocol = HopProtocol::Lmtp;
                }
                let mut world = World::new(hop, [Mail::new(1, &["b@y", "c@y"])]);
                // A refused sender is refused for the recipients as well.
                let mut expected = *expected;
                let what = (STEPS[at].0, answer, is_lmtp);
                if at == 1 && *answer == "550 No" && !is_lmtp {
                    // It falls back to HELO.
                    world.say(b"220 Hi\r\n550 No\r\n");
                    assert!(world.heard().ends_with(b"HELO client.example\r\n"));
                    world.say(b"550 No\r\n");
                    world.check();
                    assert_eq!(fate(&world), NoSession(Greeting));
                    continue;
                }
                // Without PIPELINING each command has its turn.
                if at == 1 && *answer == "250 Ok" {
                    expected = Both(Sent);
                }
                play(&mut world, at, answer, is_lmtp);
                assert_eq!(fate(&world), expected, "{what:?}");
                for outcome in &world.outcomes {
                    let result = &outcome.result;
                    assert_ne!(result.class, Again, "{what:?}");
                    let is_for_good = result.status.class() == 5;
                    assert_eq!(is_for_good, result.class == Failed, "{what:?}");
                }
            }
        }
    }
}

#[test]
fn a_host_that_is_gone_with_its_reply_to_hello_takes_no_messages() {
    for reply in [
        "250 mx.y\r\n",
        "250 mx.y\r\n421 4.3.2 Away\r\n",
        "250 mx.y\r\n250 Ok\r\n",
    ] {
        let mut world = World::new(hop(), []);
        world.say(b"220 mx.y\r\n");
        world.say_and_hang_up(reply.as_bytes());
        world.check();
        assert_eq!(fate(&world), NoSession(Greeting), "{reply:?}");
    }
}

#[test]
fn a_connection_without_a_message_does_not_hold_up_the_end_of_the_server() {
    for said in ["", "220 mx.y\r\n", "220 mx.y\r\n250 mx.y\r\n"] {
        let mut world = World::new(hop(), []);
        for line in said.split_inclusive('\n') {
            world.say(line.as_bytes());
        }
        assert!(!world.is_closed);
        world.drain(30);
        world.check();
    }
}
