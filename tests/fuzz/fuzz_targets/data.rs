//! Message data, cut anywhere: the decoder against one that looks at the whole at once.

#![no_main]

mod cuts;

use libfuzzer_sys::fuzz_target;
use mailoop::smtp::data::{Bare, DataDecoder, DataRules, EndText, Piece};
use mailoop::smtp::line::BareNewline;

const END: &[u8] = b"\r\n.\r\n";

/// An octet of the message, or half a line end where that is an error.
type Item = Result<u8, Bare>;

// The first octet chooses the rules and the second how the others are cut.
fuzz_target!(|bytes: &[u8]| {
    let [rules, cut, input @ ..] = bytes else {
        return;
    };
    let end_text = match rules / 3 % 3 {
        0 => None,
        1 => EndText::new("end of email"),
        _ => EndText::new("aa"),
    };
    let rules = DataRules {
        bare_newline: match rules % 3 {
            0 => BareNewline::Normalize,
            1 => BareNewline::Reject,
            _ => BareNewline::Accept,
        },
        end_text: end_text.as_ref(),
    };
    // So that every message has an end.
    let input = [input, END].concat();
    let (expected, length) = naive(&input, rules);
    let (decoded, used) = decode(&input, *cut, rules);
    assert_eq!(used, length, "where the message ends");
    assert_eq!(decoded, expected);
});

fn decode(input: &[u8], cut: u8, rules: DataRules<'_>) -> (Vec<Item>, usize) {
    let mut decoder = DataDecoder::new();
    let mut items = Vec::new();
    let mut used = 0;
    for piece in cuts::pieces(input, cut) {
        let mut rest = piece;
        loop {
            match decoder.next(&mut rest, rules) {
                Piece::NeedInput => break,
                Piece::Text(text) => {
                    assert!(!text.is_empty() && text[0] != b'\n', "a CRLF was split");
                    items.extend(text.iter().copied().map(Ok));
                }
                Piece::Bare(bare) => items.push(Err(bare)),
                Piece::End => return (items, used + piece.len() - rest.len()),
            }
        }
        assert!(rest.is_empty(), "input was left");
        used += piece.len();
    }
    panic!("the end was missed");
}

/// What `input` decodes to, and the octets up to its end.
fn naive(input: &[u8], rules: DataRules<'_>) -> (Vec<Item>, usize) {
    let accept = rules.bare_newline == BareNewline::Accept;
    let mut items = Vec::new();
    let mut at = 0;
    let mut line_start = true;
    while at < input.len() {
        let rest = &input[at..];
        if line_start {
            if let Some(length) = end(rest, rules, accept) {
                return (items, at + length);
            }
            at += usize::from(rest[0] == b'.');
        }
        let rest = &input[at..];
        let (length, replacement): (usize, &[Item]) = match (rest, rules.bare_newline) {
            ([b'\r', b'\n', ..], _) => (2, &[Ok(b'\r'), Ok(b'\n')]),
            ([b'\n', ..], BareNewline::Reject) => (1, &[Err(Bare::Lf)]),
            ([b'\n', ..], _) => (1, &[Ok(b'\r'), Ok(b'\n')]),
            ([b'\r', ..], BareNewline::Reject) => (1, &[Err(Bare::Cr)]),
            ([b'\r', ..], BareNewline::Normalize) => (1, &[Ok(b' ')]),
            (_, _) => (1, &[Ok(rest[0])]),
        };
        line_start = length == 2 || (accept && rest[0] == b'\n');
        items.extend_from_slice(replacement);
        at += length;
    }
    panic!("there is no end");
}

/// The octets of the line that ends the message, if it is at the start of `rest`.
fn end(rest: &[u8], rules: DataRules<'_>, accept: bool) -> Option<usize> {
    let is_end = |line: &[u8]| rest.starts_with(line).then_some(line.len());
    let text = rules.end_text.map_or("", EndText::as_str);
    is_end(b".\r\n")
        .or_else(|| is_end(b".\n").filter(|_| accept))
        .or_else(|| is_end(format!("{text}\r\n").as_bytes()).filter(|_| !text.is_empty()))
        .or_else(|| is_end(format!("{text}\n").as_bytes()).filter(|_| !text.is_empty()))
}
