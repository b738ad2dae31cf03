#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const EXAMPLE: &str = r#"{"version":1,"id":"A1B2C3D4E5F6G70001","time":1796000000000,"from":"ada@example.org","recipients":[{"address":"bob@example.org","mailboxes":["bob@example.org","\"b c\"@example.net"]}],"body":"8bitmime","smtputf8":false,"octets":70000,"parts":2,"first":17,"crc32c":"0badcafe"}"#;

fn example() -> StreamEnvelope {
    StreamEnvelope {
        id: QueueId::from_text("A1B2C3D4E5F6G70001").unwrap(),
        time_ms: 1_796_000_000_000,
        sender: ReversePath::Mailbox("ada@example.org".parse().unwrap()),
        recipients: vec![StreamRecipient {
            address: "bob@example.org".parse().unwrap(),
            mailboxes: vec![
                "bob@example.org".parse().unwrap(),
                "\"b c\"@example.net".parse().unwrap(),
            ],
        }],
        body: Body::EightBitMime,
        smtputf8: false,
        octets: 70_000,
        parts: 2,
        first: 17,
        crc32c: 0x0bad_cafe,
    }
}

#[test]
fn an_envelope_is_one_line_of_json_that_programs_may_rely_on() {
    assert_eq!(example().to_json(), EXAMPLE);
    assert_eq!(StreamEnvelope::from_json(EXAMPLE), Ok(example()));
}

#[test]
fn members_that_nobody_knows_change_nothing() {
    let json = EXAMPLE.replacen('{', r#"{"priority":[{"x":null}],"#, 1);
    assert_eq!(StreamEnvelope::from_json(&json), Ok(example()));
}

#[test]
fn a_newer_version_is_refused_by_name_whatever_else_it_has() {
    let error = StreamEnvelope::from_json(r#"{"version":7}"#).unwrap_err();
    assert_eq!(error, StreamEnvelopeError::Newer(7));
    let told = "a newer mailoop wrote this envelope, in version 7";
    assert_eq!(error.to_string(), told);
}

#[test]
fn what_is_no_envelope_is_refused_by_the_member_that_is_wrong() {
    for (from, to, member) in [
        (r#""version":1"#, r#""version":"1""#, "version"),
        (r#""version":1"#, r#""version":-1"#, "version"),
        (r#""version":1"#, r#""version":0.5"#, "version"),
        ("A1B2C3D4E5F6G70001", "", "id"),
        ("A1B2C3D4E5F6G70001", "a.b", "id"),
        ("1796000000000", "9007199254740993", "time"),
        ("ada@example.org", "ada", "from"),
        (
            r#"{"address":"bob@example.org","mailboxes":["bob@example.org","\"b c\"@example.net"]}"#,
            "",
            "recipients",
        ),
        (r#""bob@example.org","\"#, r#"1,"\"#, "recipients"),
        ("8bitmime", "9bit", "body"),
        ("false", "0", "smtputf8"),
        (r#""octets":70000,"#, "", "octets"),
        (r#""parts":2"#, r#""parts":4294967296"#, "parts"),
        (r#""first":17,"#, "", "first"),
        ("0badcafe", "+badcafe", "crc32c"),
        ("0badcafe", "badcafe", "crc32c"),
    ] {
        let json = EXAMPLE.replacen(from, to, 1);
        assert_ne!(json, EXAMPLE, "{from}");
        let error = StreamEnvelope::from_json(&json);
        assert_eq!(error, Err(StreamEnvelopeError::Member(member)), "{json}");
    }
    let error = StreamEnvelope::from_json("{").unwrap_err();
    assert!(matches!(error, StreamEnvelopeError::Json(_)));
}

#[test]
fn subjects_are_read_as_they_were_written() {
    let id = QueueId::new("0123456789abcd", 7);
    for (kind, subject) in [
        (StreamRecordKind::Message, "mail.message.0123456789abcd0007"),
        (StreamRecordKind::Part, "mail.part.0123456789abcd0007"),
        (StreamRecordKind::Aside, "mail.aside.0123456789abcd0007"),
    ] {
        assert_eq!(kind.subject(&id), subject);
        assert_eq!(StreamRecordKind::of_subject(subject), Some((kind, id)));
        let prefix = kind.pattern();
        assert!(subject.starts_with(prefix.trim_end_matches('*')));
    }
    for subject in [
        "",
        "mail",
        "mail.message",
        "mail.message.",
        "mail.message.a.b",
        "mail.letter.a",
        "mailx.message.a",
        "mail.message.a-1",
    ] {
        assert_eq!(StreamRecordKind::of_subject(subject), None, "{subject}");
    }
    assert_eq!(part_id(&id, 3), "0123456789abcd0007-3");
}

fn mailbox() -> impl Strategy<Value = Mailbox> {
    let local = prop_oneof![
        "[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,40}",
        "\"([a-z @.,]|\\\\[\"\\\\]){0,20}\"",
        "[a-z\u{e0}-\u{2ff}]{1,20}",
    ];
    let domain = prop_oneof![
        "[a-z]{1,20}(\\.[a-z0-9]{1,9}){0,3}",
        Just("[192.0.2.1]".into()),
    ];
    (local, domain).prop_filter_map("no address", |(local, domain): (String, String)| {
        format!("{local}@{domain}").parse().ok()
    })
}

fn recipient() -> impl Strategy<Value = StreamRecipient> {
    (mailbox(), vec(mailbox(), 0..4))
        .prop_map(|(address, mailboxes)| StreamRecipient { address, mailboxes })
}

prop_compose! {
    fn envelope()(
        id in "[a-zA-Z0-9]{1,30}",
        sender in proptest::option::of(mailbox()),
        recipients in vec(recipient(), 1..8),
        body in proptest::sample::select(vec![Body::SevenBit, Body::EightBitMime, Body::BinaryMime]),
        smtputf8: bool,
        numbers in proptest::array::uniform3(0..1_u64 << 53),
        parts: u32,
        crc32c: u32,
    ) -> StreamEnvelope {
        let [time_ms, octets, first] = numbers;
        StreamEnvelope {
            id: QueueId::from_text(&id).unwrap(),
            time_ms,
            sender: sender.map_or(ReversePath::Null, ReversePath::Mailbox),
            recipients,
            body,
            smtputf8,
            octets,
            parts,
            first: if parts == 0 { 0 } else { first },
            crc32c,
        }
    }
}

proptest! {
    #[test]
    fn an_envelope_is_read_as_it_was_written(envelope in envelope()) {
        let json = envelope.to_json();
        prop_assert!(!json.contains(['\r', '\n']));
        prop_assert_eq!(StreamEnvelope::from_json(&json), Ok(envelope));
    }

    #[test]
    fn garbage_is_no_envelope(text in ".{0,200}") {
        prop_assert!(StreamEnvelope::from_json(&text).is_err());
    }

    #[test]
    fn a_damaged_envelope_is_read_or_refused(at in 0..EXAMPLE.len(), octet in 0x20_u8..0x7f) {
        let mut json = EXAMPLE.as_bytes().to_vec();
        json[at] = octet;
        let _ = StreamEnvelope::from_json(std::str::from_utf8(&json).unwrap());
        let _ = StreamEnvelope::from_json(&EXAMPLE[..at]);
    }
}
