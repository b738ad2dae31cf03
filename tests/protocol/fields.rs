//! What a message lacks: which fields, if it is submitted; an empty line, if it has no header; where these are put in, and
//! that the pieces make no difference.

use mailoop::smtp::envelope::QueueId;
use mailoop::smtp::fields::{FIELD_NAME_BYTES_MAX, MissingFields};
use proptest::prelude::*;

const DATE: &str = "Date: Thu, 29 Feb 2024 12:30:45 +0000\r\n";
const MESSAGE_ID: &str = "Message-ID: <TEST0001@mail.example.org>\r\n";

fn missing() -> MissingFields {
    let date = DATE.strip_prefix("Date: ").unwrap().trim_end();
    MissingFields::new(date, QueueId::new("TEST", 1), "mail.example.org")
}

/// What is stored of a message that is submitted in these pieces.
fn complete(pieces: &[&[u8]]) -> Vec<u8> {
    stored(missing(), pieces)
}

/// What is stored of it if it is to get no fields.
fn parted(pieces: &[&[u8]]) -> Vec<u8> {
    stored(MissingFields::default(), pieces)
}

fn stored(mut missing: MissingFields, pieces: &[&[u8]]) -> Vec<u8> {
    let mut stored = Vec::new();
    for piece in pieces {
        let given = missing.read(piece).to_vec();
        assert_eq!(missing.given(piece), given);
        stored.extend_from_slice(&given);
    }
    stored.extend_from_slice(missing.end());
    stored
}

#[track_caller]
fn becomes(message: impl AsRef<[u8]>, stored: impl AsRef<[u8]>) {
    check(complete, message.as_ref(), stored.as_ref());
}

#[track_caller]
fn check(store: fn(&[&[u8]]) -> Vec<u8>, message: &[u8], stored: &[u8]) {
    let octets: Vec<_> = message.chunks(1).collect();
    let mut ways = vec![vec![message], octets];
    ways.extend((0..message.len().min(100)).map(|cut| {
        let (first, rest) = message.split_at(cut);
        vec![first, rest]
    }));
    for pieces in ways {
        assert_eq!(
            store(&pieces).escape_ascii().to_string(),
            stored.escape_ascii().to_string()
        );
    }
}

/// All that is there.
fn both() -> String {
    [DATE, MESSAGE_ID].concat()
}

#[test]
fn what_is_there_is_not_put_in() {
    for date in [
        "Date: now\r\n",
        "DATE:now\r\n",
        "date \t : now\r\n",
        "Date:\r\n folded\r\n",
        "Date:\r\n",
    ] {
        becomes(
            format!("{date}\r\nbody"),
            format!("{date}{MESSAGE_ID}\r\nbody"),
        );
        let message = format!("{date}message-Id: x\r\nhello");
        becomes(&message, &message);
    }
    for other in [
        "Dat: x\r\n",
        "Dates: x\r\n",
        "X-Date: x\r\n",
        "Resent-Date: x\r\n",
        "X: y\r\n Date: folded\r\n",
        "X: Date: x\r\n",
        "Message-ID-: x\r\n",
    ] {
        let stored = format!("{other}{}\r\nDate: x\r\n", both());
        becomes(format!("{other}\r\nDate: x\r\n"), stored);
    }
}

#[test]
fn they_stand_at_the_end_of_the_header() {
    let both = both();
    for header in ["", "a: b\r\n", "a: b\r\n c\r\n \r\n\tc: d\r\n"] {
        // It is all there is.
        becomes(header, format!("{header}{both}"));
        becomes(format!("{header}\r\n"), format!("{header}{both}\r\n"));
        let body = "\r\nbody\r\n\r\n";
        becomes(format!("{header}{body}"), format!("{header}{both}{body}"));
        // What follows is no field.
        for body in [
            "hello",
            "hello\r\n",
            "hello world: x\r\n",
            ": x\r\n",
            "h\u{e9}llo: x\r\n",
            "na\x01me: x\r\n",
            "Date",
            "Date \t",
            "Date\r\n",
            "Date \r\n:",
            "\rDate: x\r\n",
            "\r",
        ] {
            let message = format!("{header}{body}");
            becomes(message, format!("{header}{both}\r\n{body}"));
        }
    }
    // It is folded from nothing.
    becomes(" Date: x\r\n", format!("{both}\r\n Date: x\r\n"));
    // A field whose line does not end is one.
    becomes("a: b", format!("a: b\r\n{both}"));
    becomes("Date: x", format!("Date: x\r\n{MESSAGE_ID}"));
    // Where octets are not lines, an LF may stand alone.
    becomes("a: b\n\nbody", format!("a: b\n{both}\nbody"));
}

/// Lines of an mbox, which come in front of a header.
const MBOX_LINES: [&str; 5] = [
    "From ada@example.org Thu Feb 29 12:30:45 2024\r\n",
    ">From ada Thu Feb 29 12:30:45 2024 remote from example\r\n",
    "From a\r\n>From b\r\n>>From c\r\n",
    "From \r\n",
    "From  a: b\r\n",
];

#[test]
fn a_line_of_an_mbox_ends_no_header() {
    let both = both();
    for mbox in MBOX_LINES {
        for header in ["a: b\r\n", "From: a\r\n", ""] {
            for end in ["", "\r\n", "\r\nbody\r\nFrom x\r\n"] {
                becomes(
                    format!("{mbox}{header}{end}"),
                    format!("{mbox}{header}{both}{end}"),
                );
            }
        }
        becomes(
            format!("{mbox}Date: x\r\nMessage-ID: y\r\nfrom z\r\n"),
            format!("{mbox}Date: x\r\nMessage-ID: y\r\nfrom z\r\n"),
        );
        // Elsewhere it is text.
        becomes(
            format!("a: b\r\n{mbox}c: d\r\n"),
            format!("a: b\r\n{both}\r\n{mbox}c: d\r\n"),
        );
    }
    becomes("From a", format!("From a\r\n{both}"));
    for undecided in ["From", "From ", ">From \t"] {
        becomes(undecided, format!("{both}\r\n{undecided}"));
    }
    // These are none.
    for text in [
        "from a\r\n",
        "Frome a\r\n",
        "From\ta\r\n",
        "> From a\r\n",
        "FROM a\r\n",
    ] {
        becomes(text, format!("{both}\r\n{text}"));
    }
    for field in ["From : a\r\n", ">From: a\r\n"] {
        becomes(field, format!("{field}{both}"));
    }
}

#[test]
fn text_is_kept_apart_from_what_is_in_front_of_it() {
    let apart = |message: &str| {
        check(
            parted,
            message.as_bytes(),
            format!("\r\n{message}").as_bytes(),
        );
    };
    let as_it_is = |message: &str| check(parted, message.as_bytes(), message.as_bytes());
    for message in [
        " by forged.example.org\r\n",
        "\tby forged.example.org\r\na: b\r\n\r\nbody\r\n",
        " \r\n",
        " ",
        "\t",
        "hello",
        "hello\r\n",
        "hello world: x\r\na: b\r\n",
        ": x\r\n",
        "h\u{e9}llo: x\r\n",
        "na\x01me: x\r\n",
        "\0\r\n",
        "\r",
        "\r \r\n",
        "from a\r\n",
        "From",
        &format!("{}: x", "x".repeat(FIELD_NAME_BYTES_MAX + 1)),
    ] {
        apart(message);
    }
    for message in [
        "",
        "\r\n",
        "\r\nbody\r\n",
        "\n",
        "a: b\r\n",
        "a: b",
        "a:",
        "a \t: b\r\n c\r\nno field\r\n",
        "Received: from x\r\n\tby y\r\n",
        &format!("{}: x", "x".repeat(FIELD_NAME_BYTES_MAX)),
    ] {
        as_it_is(message);
    }
    for mbox in MBOX_LINES {
        for behind in ["", "a: b\r\nc d\r\n", "\r\nbody", "\r\n\tby\r\n"] {
            as_it_is(&format!("{mbox}{behind}"));
        }
        for behind in ["\tby forged.example.org\r\n", "hello\r\na: b\r\n"] {
            let (message, stored) = (format!("{mbox}{behind}"), format!("{mbox}\r\n{behind}"));
            check(parted, message.as_bytes(), stored.as_bytes());
        }
    }
}

#[test]
fn a_message_with_a_header_comes_back_as_it_came() {
    let mut missing = MissingFields::default();
    let piece = b"Subject: x\r\nhello";
    assert_eq!(missing.read(piece).as_ptr(), piece.as_ptr());
    assert!(missing.is_empty());
}

#[test]
fn a_line_is_a_field_or_not_before_much_of_it_has_come() {
    for (length, is_field) in [
        (FIELD_NAME_BYTES_MAX, true),
        (FIELD_NAME_BYTES_MAX + 1, false),
        (100_000, false),
    ] {
        for name in ["x".repeat(length), format!("x{}", " ".repeat(length - 1))] {
            let line = format!("{name}: y\r\n");
            let end = format!("\r\n{line}");
            if is_field {
                becomes(format!("{line}\r\n"), format!("{line}{}\r\n", both()));
            } else {
                becomes(&line, both() + &end);
            }
        }
    }
    // However long it is, a field is given out as it comes.
    let mut missing = missing();
    assert_eq!(missing.read(b"Subject"), b"");
    assert_eq!(missing.read(b":"), b"Subject:");
    let long = "x".repeat(100_000);
    assert_eq!(missing.read(long.as_bytes()), long.as_bytes());
    assert!(!missing.is_empty());
    let end = [b"\r\n", DATE.as_bytes(), MESSAGE_ID.as_bytes()].concat();
    assert_eq!(missing.end(), end);
    assert!(missing.is_empty());
}

#[test]
fn nothing_is_looked_at_once_nothing_is_missing() {
    let mut missing = missing();
    missing.read(b"Date: x\r\nMessage-ID:");
    assert!(missing.is_empty());
    assert_eq!(missing.read(b"x\r\nhello"), b"x\r\nhello");
    assert_eq!(missing.end(), b"");
}

#[test]
fn a_server_without_a_date_misses_none() {
    let mut missing = MissingFields::new("", QueueId::new("TEST", 1), "[192.0.2.1]");
    assert_eq!(missing.end(), b"Message-ID: <TEST0001@[192.0.2.1]>\r\n");
}

/// What is stored, as plainly as can be, of a message that may lack these fields.
fn naive(message: &[u8], fields: &[(&str, &str)]) -> Vec<u8> {
    let is_empty = |line: &[u8]| line == b"\r\n" || line == b"\n";
    let name = |line: &[u8]| {
        let colon = line.iter().position(|octet| *octet == b':')?;
        let name = line[..colon].trim_ascii_end();
        let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
        let white = line[name.len()..colon]
            .iter()
            .all(|octet| b" \t".contains(octet));
        let short = colon <= FIELD_NAME_BYTES_MAX;
        (is_name && white && short).then(|| name.to_ascii_lowercase())
    };
    let mut fields = fields.to_vec();
    let mut lines = message.split_inclusive(|octet| *octet == b'\n').peekable();
    let is_mbox = |line: &[u8]| {
        let quotes = line.iter().take_while(|octet| **octet == b'>').count();
        // As long as nothing but white space follows, it may yet be a field.
        let white = |octet: &u8| b" \t".contains(octet);
        line[quotes..]
            .strip_prefix(b"From ")
            .is_some_and(|rest| !rest.iter().all(white))
            && name(line).is_none()
    };
    let mut mbox = 0;
    while let Some(line) = lines.next_if(|line| is_mbox(line)) {
        mbox += line.len();
    }
    let mut header = 0;
    while let Some(line) = lines.next_if(|line| {
        let is_folded = header > 0 && matches!(line[0], b' ' | b'\t');
        !is_empty(line) && (is_folded || name(line).is_some())
    }) {
        header += line.len();
        let found = name(line).filter(|_| !matches!(line[0], b' ' | b'\t'));
        fields.retain(|(name, _)| found.as_deref() != Some(name.as_bytes()));
    }
    let is_complete = fields.is_empty() && header > 0;
    let (header, body) = message.split_at(mbox + header);
    if is_complete {
        return message.to_vec();
    }
    let mut stored = header.to_vec();
    if !fields.is_empty() && !header.is_empty() && !header.ends_with(b"\n") {
        stored.extend_from_slice(b"\r\n");
    }
    stored.extend(fields.iter().flat_map(|(_, line)| line.bytes()));
    let is_end = lines.peek().is_none_or(|line| is_empty(line));
    if !is_end {
        stored.extend_from_slice(b"\r\n");
    }
    [stored, body.to_vec()].concat()
}

/// Lines that are such fields, and lines that nearly are.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        4 => "[Dd][Aa][Tt][Ee]",
        4 => "[Mm]essage-I[Dd]",
        4 => "[a-z-]{1,3}",
        1 => "Message-?",
        1 => "[ \t]Date",
        2 => ">?>?From ",
        1 => "[\r\u{e9}\x01]?Date",
    ];
    let line = (
        name,
        "[ \t]{0,2}",
        prop_oneof![8 => Just(":"), 1 => Just("")],
        "[x: ]{0,3}x?",
        prop_oneof![20 => Just("\r\n"), 1 => Just("\n"), 1 => Just("")],
    );
    prop_oneof![
        12 => line.prop_map(|(name, space, colon, rest, end)| [&name, &space, colon, &rest, end].concat().into_bytes()),
        1 => Just(b"\r\n".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..10),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn pieces_make_no_difference(
        lines in prop::collection::vec(line(), 0..8),
        cuts in prop::collection::vec(0..60_usize, 0..5),
    ) {
        let message = lines.concat();
        let octets: Vec<_> = message.chunks(1).collect();
        let mut cuts = cuts;
        cuts.retain(|cut| *cut <= message.len());
        cuts.extend([0, message.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|ends| &message[ends[0]..ends[1]]).collect();
        let fields = [("date", DATE), ("message-id", MESSAGE_ID)];
        for (store, fields) in [(complete as fn(&[&[u8]]) -> Vec<u8>, &fields[..]), (parted, &[])] {
            let stored = naive(&message, fields);
            for pieces in [&[&message[..]][..], &octets, &pieces] {
                prop_assert_eq!(store(pieces), stored.clone());
            }
        }
    }

    #[test]
    fn all_that_was_sent_is_stored(lines in prop::collection::vec(line(), 0..8)) {
        let message = lines.concat();
        let mut stored = complete(&[&message]);
        // The first of each may be the client's own, which then stays the only one.
        let added = stored.len() - message.len();
        prop_assert!(added <= DATE.len() + MESSAGE_ID.len() + 2 * b"\r\n".len());
        let at = (0..=message.len()).find(|at| message[*at..] == stored[at + added..]).unwrap();
        let put_in: Vec<_> = stored.drain(at..at + added).collect();
        prop_assert_eq!(stored, message);
        let text = String::from_utf8(put_in).unwrap();
        for field in [DATE, MESSAGE_ID] {
            prop_assert!(text.matches(field).count() <= 1, "{}", text);
        }
    }
}
