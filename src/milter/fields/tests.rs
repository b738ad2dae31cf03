use super::*;

fn composed(name: &str, value: &str, has_leading_space: bool) -> String {
    let field = MessageField::compose(name.as_bytes(), value.as_bytes(), has_leading_space);
    assert_eq!(field.name(), name.as_bytes());
    String::from_utf8(field.text().to_vec()).unwrap()
}

#[test]
fn a_field_of_a_filter_is_folded_as_postfix_does() {
    for (value, text) in [
        ("b", "A: b\r\n"),
        ("", "A: \r\n"),
        (" b", "A:  b\r\n"),
        ("b\n\tc\n d\ne", "A: b\r\n\tc\r\n d\r\n\te\r\n"),
        ("b\r\n\tc\r\nd\r\n", "A: b\r\n\tc\r\n\td\r\n\t\r\n"),
        ("b\n\nc", "A: b\r\n\t\r\n\tc\r\n"),
        ("b\rc\r", "A: b c\r\n"),
        ("b\r\r\nc", "A: b \r\n\tc\r\n"),
    ] {
        assert_eq!(
            composed("A", value, false),
            text,
            "{}",
            value.escape_default()
        );
    }
    assert_eq!(composed("A", " b\nc", true), "A: b\r\n\tc\r\n");
    assert_eq!(composed("A", "b", true), "A:b\r\n");
}

#[test]
fn a_message_is_split_into_its_fields_and_its_body() {
    let message = b"From x\r\nA: 1\r\n 2\r\n\t3\r\nB :x\r\nc:\r\n\r\nD: body\r\n";
    let (fields, body) = split_message(message);
    assert_eq!(body, b"D: body\r\n");
    let seen: Vec<(&[u8], &[u8])> = fields
        .iter()
        .map(|field| (field.name(), field.value()))
        .collect();
    let expected: [(&[u8], &[u8]); 4] = [
        (b"", b""),
        (b"A", b" 1\r\n 2\r\n\t3\r\n"),
        (b"B", b"x\r\n"),
        (b"c", b"\r\n"),
    ];
    assert_eq!(seen, expected);
    let texts: Vec<&[u8]> = fields.iter().map(MessageField::text).collect();
    assert_eq!(texts.concat(), message[..message.len() - 11]);
}

#[test]
fn a_body_may_begin_without_an_empty_line() {
    for (message, fields, body) in [
        (&b""[..], 0, &b""[..]),
        (b"\r\n", 0, b""),
        (b"\r\n\r\n", 0, b"\r\n"),
        (b"text\r\n", 0, b"text\r\n"),
        (b" folded\r\nA: b\r\n", 0, b" folded\r\nA: b\r\n"),
        (b"A: b\r\ntext: no\r\nmore text\r\n", 2, b"more text\r\n"),
        (b"A: b", 1, b""),
        (b"A: b\r\n", 1, b""),
        (b"A: b\r\n\r\n", 1, b""),
        (b"A: b\n\nbody", 1, b"body"),
        (b"A: b\r\nno end", 1, b"no end"),
    ] {
        let split = split_message(message);
        assert_eq!(
            (split.0.len(), split.1),
            (fields, body),
            "{}",
            message.escape_ascii()
        );
    }
}

#[test]
fn names_of_fields_are_visible_and_hold_no_colon() {
    for name in ["A", "X-Spam_Flag!", "~"] {
        assert!(is_field_name(name.as_bytes()));
    }
    for name in ["", "a b", "a:", ":", "a\t", "a\r\nB", "\u{e9}", "a\x7f"] {
        assert!(!is_field_name(name.as_bytes()), "{}", name.escape_default());
    }
    assert!(is_field_name(&[b'x'; FIELD_NAME_BYTES_MAX]));
    assert!(!is_field_name(&[b'x'; FIELD_NAME_BYTES_MAX + 1]));
}
