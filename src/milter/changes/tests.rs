use proptest::prelude::*;

use super::*;
use crate::milter::fields::split_message;

const HEADER: &[u8] = b"Received: one\r\nSubject: x\r\nReceived: two\r\n\tfolded\r\nTo: y\r\n";

fn boxed(text: &str) -> Box<[u8]> {
    text.as_bytes().into()
}

fn add(name: &str, value: &str) -> FilterChange {
    FilterChange::AddHeader {
        name: boxed(name),
        value: boxed(value),
    }
}

fn insert(index: u32, name: &str, value: &str) -> FilterChange {
    FilterChange::InsertHeader {
        index,
        name: boxed(name),
        value: boxed(value),
    }
}

fn change(index: u32, name: &str, value: &str) -> FilterChange {
    FilterChange::ChangeHeader {
        index,
        name: boxed(name),
        value: boxed(value),
    }
}

/// The header after these changes.
fn after(changes: &[FilterChange]) -> String {
    let mut all = MessageChanges::new(false);
    for change in changes {
        all.push(change.clone()).unwrap();
    }
    let (mut fields, _) = split_message(HEADER);
    all.apply_header(&mut fields);
    let texts: Vec<&[u8]> = fields.iter().map(MessageField::text).collect();
    let text = String::from_utf8(texts.concat()).unwrap();
    text.replace("\r\n\t", "~").replace("\r\n", "|")
}

#[test]
fn fields_are_put_where_postfix_puts_them() {
    let before = "Received: one|Subject: x|Received: two~folded|To: y|";
    assert_eq!(after(&[]), before);
    assert_eq!(after(&[add("A", "b\nc")]), format!("{before}A: b~c|"));
    for index in [0, 1] {
        assert_eq!(after(&[insert(index, "A", "b")]), format!("A: b|{before}"));
    }
    assert_eq!(
        after(&[insert(2, "A", "b")]),
        "Received: one|A: b|Subject: x|Received: two~folded|To: y|"
    );
    assert_eq!(
        after(&[insert(4, "A", "b")]),
        "Received: one|Subject: x|Received: two~folded|A: b|To: y|"
    );
    for index in [5, 6, u32::MAX] {
        assert_eq!(after(&[insert(index, "A", "b")]), format!("{before}A: b|"));
    }
}

#[test]
fn fields_are_changed_and_deleted_by_their_number_among_those_of_the_name() {
    for index in [0, 1] {
        assert_eq!(
            after(&[change(index, "received", "new")]),
            "received: new|Subject: x|Received: two~folded|To: y|"
        );
        assert_eq!(
            after(&[change(index, "RECEIVED", "")]),
            "Subject: x|Received: two~folded|To: y|"
        );
    }
    assert_eq!(
        after(&[change(2, "Received", "a\nb")]),
        "Received: one|Subject: x|Received: a~b|To: y|"
    );
    assert_eq!(
        after(&[change(2, "Received", "")]),
        "Received: one|Subject: x|To: y|"
    );
    // One that is not there is appended, or stays away.
    let before = after(&[]);
    for (index, name) in [(3, "Received"), (u32::MAX, "Received"), (1, "Nobody")] {
        assert_eq!(
            after(&[change(index, name, "new")]),
            format!("{before}{name}: new|")
        );
        assert_eq!(after(&[change(index, name, "")]), before);
    }
}

#[test]
fn each_change_sees_the_ones_before_it() {
    assert_eq!(
        after(&[
            change(1, "Received", ""),
            change(1, "Received", "was the second"),
            add("To", "z"),
            change(2, "to", "last"),
            insert(1, "A", "1"),
            insert(1, "A", "2"),
            change(2, "A", "3"),
        ]),
        "A: 2|A: 3|Subject: x|Received: was the second|To: y|to: last|"
    );
}

#[test]
fn what_is_no_name_is_ignored_and_told() {
    let mut changes = MessageChanges::new(false);
    assert!(changes.is_empty() && !changes.changes_header());
    for name in ["", "a b", "x:", "y\r\nZ"] {
        changes.push(add(name, "v")).unwrap();
        changes.push(insert(0, name, "v")).unwrap();
        changes.push(change(0, name, "v")).unwrap();
    }
    let (mut fields, _) = split_message(HEADER);
    let before = fields.clone();
    changes.apply_header(&mut fields);
    assert_eq!(fields, before);
    assert_eq!(changes.ignored_fields().count(), 12);
    assert_eq!(changes.ignored_fields().last(), Some(&b"y\r\nZ"[..]));
    assert!(changes.changes_header() && changes.envelope().next().is_none());
}

#[test]
fn a_mbox_line_has_no_number_among_fields_of_a_name() {
    let (mut fields, _) = split_message(b"From x\r\nA: b\r\n");
    let mut changes = MessageChanges::new(true);
    changes.push(change(1, "A", " c")).unwrap();
    changes.push(change(1, "From", "")).unwrap();
    changes.apply_header(&mut fields);
    let texts: Vec<&[u8]> = fields.iter().map(MessageField::text).collect();
    assert_eq!(texts, [&b"From x\r\n"[..], b"A: c\r\n"]);
}

#[test]
fn the_envelope_is_changed_in_order() {
    let recipient = |address: &str| FilterChange::AddRecipient {
        address: boxed(address),
        arguments: boxed("NOTIFY=NEVER"),
    };
    let sender = FilterChange::ChangeSender {
        address: boxed("<>"),
        arguments: boxed(""),
    };
    let envelope = [
        recipient("<a@b>"),
        FilterChange::DeleteRecipient(boxed("<c@d>")),
        sender,
        recipient("e@f"),
    ];
    let mut changes = MessageChanges::new(false);
    for change in &envelope {
        changes.push(change.clone()).unwrap();
        changes.push(add("X", "y")).unwrap();
    }
    assert!(changes.envelope().eq(&envelope));
}

#[test]
fn changes_are_bounded() {
    let mut changes = MessageChanges::new(false);
    for _ in 0..CHANGES_MAX {
        changes.push(add("X", "y")).unwrap();
    }
    let too_many = Err(MilterError::TooManyChanges);
    assert_eq!(changes.push(add("X", "y")), too_many);
    let mut changes = MessageChanges::new(false);
    let value = "x".repeat(CHANGES_BYTES_MAX / 8 - 1);
    for _ in 0..8 {
        changes.push(insert(1, "X", &value)).unwrap();
    }
    assert_eq!(
        changes.push(FilterChange::DeleteRecipient(boxed("x"))),
        too_many
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_header_stays_one(
        changes in prop::collection::vec((0_u32..6, 0_u8..3, "[ab: ]{0,3}", "[x\r\n \t]{0,6}"), 0..12),
        leading: bool,
    ) {
        let mut all = MessageChanges::new(leading);
        for (index, kind, name, value) in &changes {
            all.push(match kind {
                0 => add(name, value),
                1 => insert(*index, name, value),
                _ => change(*index, name, value),
            }).unwrap();
        }
        let (mut fields, _) = split_message(HEADER);
        all.apply_header(&mut fields);
        let mut message: Vec<u8> = fields.iter().flat_map(|field| field.text().to_vec()).collect();
        message.extend_from_slice(b"\r\nbody");
        let (again, body) = split_message(&message);
        prop_assert_eq!(body, b"body");
        prop_assert_eq!(again.len(), fields.len());
        for (a, b) in again.iter().zip(&fields) {
            prop_assert_eq!((a.name(), a.text()), (b.name(), b.text()));
        }
        let text = String::from_utf8(message).unwrap().replace("\r\n", "");
        prop_assert!(!text.contains(['\r', '\n']));
    }
}
