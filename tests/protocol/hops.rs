//! Counting `Received` fields: what is one, where the header ends, and that the pieces make no difference.

use mailoop::smtp::hops::{HOPS_MAX, Hops};
use proptest::prelude::*;

fn too_many(pieces: &[&[u8]]) -> bool {
    let mut hops = Hops::new();
    for piece in pieces {
        hops.read(piece);
    }
    hops.are_too_many()
}

/// As plainly as can be.
fn count(text: &[u8]) -> usize {
    let text = String::from_utf8_lossy(text);
    let lines = text.split("\r\n").take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.split_once(':'));
    names
        .filter(|(name, _)| {
            let name = name.trim_end_matches([' ', '\t']);
            name.eq_ignore_ascii_case("received")
        })
        .count()
}

#[test]
fn one_more_than_the_limit_is_too_many() {
    let fields = |count: usize| b"Received: x\r\n".repeat(count);
    assert!(!too_many(&[&fields(HOPS_MAX)]));
    assert!(too_many(&[&fields(HOPS_MAX + 1)]));
    let body = [&fields(HOPS_MAX)[..], b"\r\n", &fields(1)].concat();
    assert!(!too_many(&[&body]));
    let no_body = [&b"\r\n"[..], &fields(HOPS_MAX + 1)].concat();
    assert!(!too_many(&[&no_body]));
}

/// Lines that are such fields, and lines that nearly are.
fn line() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        8 => "[Rr][Ee][Cc][Ee][Ii][Vv][Ee][Dd]",
        1 => "[Rr]eceive",
        1 => "Received-SPF",
        1 => " Received",
        1 => "\rReceived",
        1 => "XReceived",
    ];
    let line = (
        name,
        "[ \t]{0,2}",
        prop_oneof![8 => ":", 1 => ""],
        "[x:\r ]{0,3}x",
    );
    prop_oneof![
        20 => line.prop_map(|(name, space, colon, rest)| format!("{name}{space}{colon}{rest}\r\n")),
        1 => Just("\r\n".to_owned()),
    ]
}

proptest! {
    #[test]
    fn pieces_make_no_difference(
        lines in prop::collection::vec(line(), 0..15),
        cuts in prop::collection::vec(1000..1300_usize, 0..5),
    ) {
        let text = ["Received:\r\n".repeat(HOPS_MAX - 4), lines.concat()].concat().into_bytes();
        let expected = count(&text) > HOPS_MAX;
        prop_assert_eq!(too_many(&[&text]), expected);
        let octets: Vec<_> = text.chunks(1).collect();
        prop_assert_eq!(too_many(&octets), expected);
        let mut cuts = cuts;
        cuts.retain(|cut| *cut <= text.len());
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|ends| &text[ends[0]..ends[1]]).collect();
        prop_assert_eq!(too_many(&pieces), expected);
    }

    #[test]
    fn any_octets_are_counted_alike(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = [&b"Received:\r\n".repeat(HOPS_MAX)[..], &text].concat();
        let octets: Vec<_> = text.chunks(1).collect();
        prop_assert_eq!(too_many(&octets), too_many(&[&text]));
    }
}
