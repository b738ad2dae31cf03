use proptest::prelude::*;

use super::*;

fn lines(body: &[u8], part: usize) -> Vec<u8> {
    let mut lines = BodyLines::default();
    let mut out = Vec::new();
    for piece in body.chunks(part) {
        lines.write(piece, &mut out);
    }
    lines.end(&mut out);
    out
}

#[test]
fn lines_end_in_crlf_however_they_came() {
    for (body, expected) in [
        (&b""[..], &b""[..]),
        (b"\n", b"\r\n"),
        (b"a", b"a\r\n"),
        (b"a\r\nb\nc\r\n", b"a\r\nb\r\nc\r\n"),
        (b"\r\n\r\n", b"\r\n\r\n"),
        (b"a\rb", b"a b\r\n"),
        (b"a\r\r\nb\r", b"a \r\nb \r\n"),
        (b"\0\xe9\n", b"\0\xe9\r\n"),
    ] {
        for part in 1..4 {
            assert_eq!(lines(body, part), expected, "{}", body.escape_ascii());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_cr_and_every_lf_is_of_a_line_end(
        body in prop::collection::vec(prop::sample::select(&b"\r\nab"[..]), 0..40),
        part in 1_usize..5,
    ) {
        let made = lines(&body, part);
        prop_assert_eq!(&made, &lines(&body, usize::MAX));
        let without = String::from_utf8(made).unwrap().replace("\r\n", "");
        prop_assert!(!without.contains(['\r', '\n']));
    }
}
