//! Message data: what goes in comes out, and only its end is its end, however it is cut.

use mailoop::smtp::data::{DataDecoder, DataRules, EndText, Piece};
use mailoop::smtp::line::BareNewline;
use proptest::prelude::*;

const MODES: [BareNewline; 3] = [
    BareNewline::Normalize,
    BareNewline::Reject,
    BareNewline::Accept,
];

/// What `input` decodes to, and how much of it was used up to the end; the decoder sees it in these chunks.
fn decode(chunks: &[&[u8]], rules: DataRules<'_>) -> (Vec<u8>, Option<usize>) {
    let mut decoder = DataDecoder::new();
    let mut text = Vec::new();
    let mut used = 0;
    for chunk in chunks {
        let mut input = *chunk;
        loop {
            match decoder.next(&mut input, rules) {
                Piece::NeedInput => break,
                Piece::Text(piece) => {
                    assert!(
                        !piece.is_empty() && !piece.starts_with(b"\n"),
                        "a CRLF was split"
                    );
                    text.extend_from_slice(piece);
                }
                Piece::Bare(bare) => text.extend(format!("{bare:?}").bytes()),
                Piece::End => return (text, Some(used + chunk.len() - input.len())),
            }
        }
        assert!(input.is_empty(), "input was left");
        used += chunk.len();
    }
    (text, None)
}

fn rules(bare_newline: BareNewline) -> DataRules<'static> {
    DataRules {
        bare_newline,
        end_text: None,
    }
}

/// Dots as a client adds them (RFC 5321 §4.5.2).
fn stuff(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

/// Octets that matter to the decoder, far more often than chance would have them.
fn tricky() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![
        Just(b'\r'),
        Just(b'\n'),
        Just(b'.'),
        Just(b'a'),
        Just(0),
        any::<u8>()
    ];
    prop::collection::vec(octet, 0..60)
}

/// Lines as a client may send them.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![Just(b'.'), Just(b' '), any::<u8>()]
        .prop_filter("no line end", |b| !b"\r\n".contains(b));
    let line = prop::collection::vec(octet, 0..12).prop_map(|line| [&line[..], b"\r\n"].concat());
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_goes_in_comes_out(message in message(), behind in tricky()) {
        let wire = stuff(&message);
        let input = [&wire[..], &behind].concat();
        for mode in MODES {
            prop_assert_eq!(decode(&[&input], rules(mode)), (message.clone(), Some(wire.len())));
        }
    }

    #[test]
    fn cuts_change_nothing(input in tricky(), first in 0..60_usize, second in 0..60_usize) {
        let end_text = EndText::new("aa").unwrap();
        for mode in MODES {
            for end_text in [None, Some(&end_text)] {
                let rules = DataRules { bare_newline: mode, end_text };
                let (a, b) = (first.min(second).min(input.len()), first.max(second).min(input.len()));
                let whole = decode(&[&input], rules);
                prop_assert_eq!(&decode(&[&input[..a], &input[a..b], &input[b..]], rules), &whole);
                let octets: Vec<_> = input.chunks(1).collect();
                prop_assert_eq!(decode(&octets, rules), whole);
            }
        }
    }

    #[test]
    fn only_crlf_dot_crlf_ends_a_message(input in tricky()) {
        for mode in [BareNewline::Normalize, BareNewline::Reject] {
            let (text, end) = decode(&[&input], rules(mode));
            let at_start = if input.starts_with(b".\r\n") { Some(3) } else { None };
            let within = input.windows(5).position(|octets| octets == b"\r\n.\r\n").map(|at| at + 5);
            prop_assert_eq!(end, at_start.or(within));
            if mode == BareNewline::Normalize {
                let bare = text.iter().enumerate().any(|(at, octet)| match octet {
                    b'\r' => text.get(at + 1) != Some(&b'\n'),
                    b'\n' => at == 0 || text[at - 1] != b'\r',
                    _ => false,
                });
                prop_assert!(!bare, "a bare line end is left");
            }
        }
    }
}

/// Long text is looked at in blocks, octet by octet it cannot be.
#[test]
fn what_is_odd_is_found_wherever_in_long_text_it_is() {
    let odd: [&[u8]; 10] = [
        b"\n",
        b"\r",
        b"\r\n.",
        b"\r\n..",
        b"\n.",
        b"\r.",
        b"\r\r\n",
        b"\r\n\n",
        b"\r\n.\r\n",
        b"\n.\r\n",
    ];
    for line in [
        "text\r\n",
        "a line that is no part of another\r\n",
        "\r\n",
        "x",
    ] {
        let text: Vec<u8> = line.bytes().cycle().take(400).collect();
        for at in 0..text.len() {
            for odd in odd {
                let input = [&text[..at], odd, &text[at..]].concat();
                let rules = rules(MODES[at % MODES.len()]);
                let octets: Vec<_> = input.chunks(1).collect();
                let whole = decode(&[&input], rules);
                assert_eq!(whole, decode(&octets, rules), "{odd:?} at {at} in {line:?}");
            }
        }
    }
}
