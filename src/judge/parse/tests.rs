#![allow(clippy::panic, clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::judge::check::{CheckLevel, CheckValue, ExpectedAnswer, SayingPart};

/// A check with this dialogue.
fn dialogue(lines: &str) -> Result<Vec<CheckStep>, String> {
    let text = format!("check: a\nmust: hold.\n{lines}\n");
    let read = checks("a.txt", &text, JudgedSide::Server);
    let read = read.map_err(|fault| fault.to_string())?;
    Ok(read[0].steps.clone())
}

fn octets(text: &str) -> SayingPart {
    SayingPart::Octets(text.as_bytes().to_vec(), 1)
}

#[test]
fn a_file_has_a_head_and_checks_with_heads_of_their_own() {
    let text = "\
# For a course.
group: order
step: 3
rfc: 5321 §4.1.4
dialect: classroom

check: one
must: Hold.
C: NOOP
S: 250

check: two
should: Hold as well.
step: 4
dialect: both
points: 7
hint: Try it.
first: one
closed
";
    let read = checks("a.txt", text, JudgedSide::Server).unwrap();
    let [one, two] = &read[..] else {
        panic!("{read:?}");
    };
    assert_eq!((one.name.as_str(), one.group.as_str()), ("one", "order"));
    assert_eq!((one.step, one.points, one.place.line), (3, 1, 7));
    assert_eq!(one.level, CheckLevel::Must);
    assert_eq!(one.rfc, "5321 §4.1.4");
    assert_eq!(one.dialects, [Dialect::Classroom]);
    assert_eq!((two.step, two.points), (4, 7));
    assert_eq!(two.level, CheckLevel::Should);
    assert_eq!(two.dialects.len(), 2);
    assert_eq!(two.first.as_deref(), Some("one"));
    assert_eq!(two.hint.as_deref(), Some("Try it."));
}

#[test]
fn lines_in_a_row_are_said_at_once() {
    let steps = dialogue("C: a\nC~ b\\r\\x0A\nC2: c\npause 1s\nC2: d").unwrap();
    let said: Vec<_> = steps
        .iter()
        .map(|step| (step.peers.from, &step.action))
        .collect();
    let [
        (1, CheckAction::Say(first)),
        (2, CheckAction::Say(_)),
        pause,
        _,
    ] = &said[..]
    else {
        panic!("{said:?}");
    };
    assert_eq!(first.parts, [octets("a"), octets("\r\n"), octets("b\r\n")]);
    assert_eq!(pause.1, &CheckAction::Pause(Duration::from_secs(1)));
}

#[test]
fn values_cuts_and_repetitions_are_read() {
    let steps = dialogue("C| MA|IL <{from}>\\\\\nC* 3 x\\r\\n").unwrap();
    let CheckAction::Say(saying) = &steps[0].action else {
        panic!("{steps:?}");
    };
    let parts = [
        octets("MA"),
        SayingPart::Cut,
        octets("IL <"),
        SayingPart::Value(CheckValue::From),
        octets(">\\"),
        SayingPart::Octets(b"x\r\n".to_vec(), 3),
    ];
    assert_eq!(saying.parts, parts);
}

#[test]
fn replies_are_codes_first_digits_or_the_end() {
    let steps = dialogue("within 300ms\nS2-50: 250|55|4|closed *ok*\nS* 3 2").unwrap();
    let CheckAction::Hear(heard) = &steps[0].action else {
        panic!("{steps:?}");
    };
    let code = |code: &str| ExpectedAnswer::Code(code.to_owned());
    assert_eq!(steps[0].peers, Peers { from: 2, to: 50 });
    assert_eq!(
        heard.any,
        [code("250"), code("55"), code("4"), ExpectedAnswer::Closed]
    );
    assert_eq!(heard.text.as_deref(), Some("*ok*"));
    assert_eq!(heard.within, Some(Duration::from_millis(300)));
    assert!(matches!(&steps[1].action, CheckAction::Hear(heard) if heard.count == 3));
}

#[test]
fn a_fault_names_its_line_and_what_would_be_right() {
    for (lines, what) in [
        ("S: ok", "a.txt:3: \"ok\" is no reply: write a code as 250"),
        ("S: 2500", "is no reply"),
        ("S: 150", "is no reply"),
        ("S~ 250", "is written with a colon"),
        ("C: \\q", "a backslash begins"),
        ("C: {name}", "a brace begins {from}"),
        ("C* x", "repeats nothing"),
        ("C* 99999999 0123456789", "at most 16 MiB"),
        ("C0: a", "are no peers"),
        ("C3-2: a", "are no peers"),
        ("C101: a", "are no peers"),
        ("wait 1s", "is no step of a dialogue: write one of C:"),
        ("quiet 1m", "is no time"),
        ("quiet 61s", "is no time"),
        ("pause 0s", "is no time"),
        ("close 1 2", "is no step"),
        (
            "C: a\npoints: 3",
            "a.txt:4: \"points:\" stands before the dialogue",
        ),
        ("weight: 3", "\"weight:\" is unknown"),
        ("step: 0", "is no step of an assignment"),
        ("dialect: esmtp", "is no dialect"),
        ("points: many", "are no points"),
        ("first:", "has nothing behind it"),
        ("first: A b", "is no name"),
        ("# nothing", "has no dialogue"),
        ("C: a\noctet by octet", "ends with"),
        ("within 1s\nC: a", "is for the line that has to come"),
    ] {
        let fault = dialogue(lines).unwrap_err();
        assert!(fault.starts_with("a.txt:"), "{fault}");
        assert!(fault.contains(what), "{lines:?}: {fault}");
    }
    for (text, what) in [
        ("C: a", "a.txt:1: a line of a dialogue belongs to a check"),
        ("close", "a step of a dialogue belongs to a check"),
        ("check: A", "is no name of a check"),
        (
            "check: a\nC: a",
            "a.txt:1: the check \"a\" lacks its sentence",
        ),
    ] {
        let fault = checks("a.txt", text, JudgedSide::Server).unwrap_err();
        assert!(fault.to_string().contains(what), "{text:?}: {fault}");
    }
}

#[test]
fn where_a_client_is_judged_the_server_speaks() {
    let text = "check: a\nmust: hold.\nS: 220 hi\nC: EHLO *\n";
    let read = checks("a.txt", text, JudgedSide::Client).unwrap();
    let [said, heard] = &read[0].steps[..] else {
        panic!("{read:?}");
    };
    assert!(matches!(said.action, CheckAction::Say(_)));
    assert!(
        matches!(&heard.action, CheckAction::Hear(heard) if heard.text.as_deref() == Some("EHLO *"))
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_with_its_line(text in "\\PC*") {
        if let Err(fault) = checks("a.txt", &text, JudgedSide::Server) {
            prop_assert!(fault.place.line >= 1);
        }
    }

    #[test]
    fn any_lines_of_the_format_are_read_or_refused(
        lines in proptest::collection::vec(
            "(C|S|check|must|quiet|close|within|octet by octet|C2|S\\*|C\\||C~)(:)? ?[0-9a-z{}\\\\|. ]{0,12}",
            0..12,
        )
    ) {
        let text = format!("check: a\nmust: hold.\n{}\n", lines.join("\n"));
        if let Err(fault) = checks("a.txt", &text, JudgedSide::Server) {
            prop_assert!(fault.place.line <= lines.len() + 3);
        }
    }

    #[test]
    fn what_is_said_is_what_was_escaped(octets in proptest::collection::vec(any::<u8>(), 1..40)) {
        let escaped: String = octets.iter().map(|octet| format!("\\x{octet:02X}")).collect();
        let steps = dialogue(&format!("C~ {escaped}")).unwrap();
        let CheckAction::Say(saying) = &steps[0].action else {
            panic!("{steps:?}");
        };
        prop_assert_eq!(&saying.parts[..], &[SayingPart::Octets(octets, 1)]);
    }
}
