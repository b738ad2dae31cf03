//! JSON that is read: values as RFC 8259 has them, and bounds that no text passes.

use mailoop::json::{JsonError, JsonValue, put_text};
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::{collection, prop_assert_eq};

fn parse(text: &str) -> Result<JsonValue, JsonError> {
    JsonValue::parse(text.as_bytes())
}

fn text(text: &str) -> JsonValue {
    JsonValue::Text(text.to_owned())
}

#[test]
fn values_are_read() {
    for (json, value) in [
        ("null", JsonValue::Null),
        (" true ", JsonValue::Bool(true)),
        ("false\r\n", JsonValue::Bool(false)),
        ("0", JsonValue::Number(0.0)),
        ("-12.5e+1", JsonValue::Number(-125.0)),
        ("\"\"", text("")),
        (
            r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é""#,
            text("\"\\/\u{8}\u{c}\n\r\té😀é"),
        ),
        ("[ ]", JsonValue::Array(vec![])),
        (
            "[1,[\"a\"] , {} ]",
            JsonValue::Array(vec![
                JsonValue::Number(1.0),
                JsonValue::Array(vec![text("a")]),
                JsonValue::Object(vec![]),
            ]),
        ),
    ] {
        assert_eq!(parse(json), Ok(value), "{json}");
    }
    let object = parse(r#"{"IDs":["a","b"],"x":1,"x":"2"}"#).unwrap();
    let ids = object.get("IDs").unwrap();
    assert_eq!(ids.as_texts(), Some(vec!["a", "b"]));
    let last = object.get("x").unwrap();
    assert_eq!(last.as_text(), Some("2"), "the last of several counts");
    assert_eq!(object.get("y"), None);
    assert_eq!(parse("[1]").unwrap().as_texts(), None);
}

#[test]
fn faults_say_where_and_what() {
    for (json, at, what) in [
        ("", 0, "a value is missing"),
        (" [1 2]", 4, "no , or ]"),
        ("[1,]", 3, "no value"),
        ("{\"a\" 1}", 5, "no :"),
        ("{\"a\":1 \"b\":2}", 7, "no , or }"),
        ("{a:1}", 1, "no name of a member"),
        ("01", 2, "a number with a leading 0"),
        ("1.", 2, "a digit is missing"),
        ("-", 1, "a digit is missing"),
        (".5", 0, "no value"),
        ("nul", 0, "no value"),
        ("true false", 5, "something follows the value"),
        ("\"a", 2, "a string without its end"),
        ("\"a\nb\"", 2, "a control character in a string"),
        ("\"\\x\"", 2, "an unknown escape"),
        ("\"\\u12\"", 3, "no four hexadecimal digits"),
        ("\"\\u+123\"", 3, "no four hexadecimal digits"),
        ("\"\\u12é3\"", 3, "no four hexadecimal digits"),
        ("\"\\ud800\"", 7, "half a pair of surrogates"),
        ("\"\\ud800\\u0041\"", 13, "half a pair of surrogates"),
        ("\"\\udc00\"", 7, "half a pair of surrogates"),
        ("\u{feff}1", 0, "no value"),
    ] {
        assert_eq!(parse(json), Err(JsonError { at, what }), "{json}");
    }
    let error = JsonValue::parse(b"\"\xff\"").unwrap_err();
    assert_eq!(error.to_string(), "no JSON: no UTF-8 at octet 1");
}

#[test]
fn depth_and_number_of_values_are_bounded() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&nested(32)).is_ok());
    assert_eq!(parse(&nested(33)).unwrap_err().what, "nested too deep");
    let deep = "{\"a\":".repeat(100_000);
    assert_eq!(parse(&deep).unwrap_err().what, "nested too deep");
    let list = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
    assert!(parse(&list(99_999)).is_ok());
    assert_eq!(parse(&list(100_000)).unwrap_err().what, "too many values");
}

/// Any value, not deep.
fn values() -> impl Strategy<Value = JsonValue> {
    let leaf = prop_oneof![
        Just(JsonValue::Null),
        any::<bool>().prop_map(JsonValue::Bool),
        any::<i32>().prop_map(|number| JsonValue::Number(number.into())),
        (-1e9..1e9).prop_map(JsonValue::Number),
        any::<String>().prop_map(JsonValue::Text),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        let members = collection::vec((any::<String>(), inner.clone()), 0..8);
        prop_oneof![
            collection::vec(inner, 0..8).prop_map(JsonValue::Array),
            members.prop_map(JsonValue::Object),
        ]
    })
}

/// The text of a value, with blanks wherever they may be.
fn write(value: &JsonValue, out: &mut Vec<u8>) {
    out.push(b' ');
    match value {
        JsonValue::Null => out.extend_from_slice(b"null"),
        JsonValue::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
        JsonValue::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
        JsonValue::Text(text) => put_text(text, out),
        JsonValue::Array(elements) => {
            out.push(b'[');
            for (place, element) in elements.iter().enumerate() {
                out.extend_from_slice(if place > 0 { b"\t," } else { b"" });
                write(element, out);
            }
            out.extend_from_slice(b"\n]");
        }
        JsonValue::Object(members) => {
            out.push(b'{');
            for (place, (name, value)) in members.iter().enumerate() {
                out.extend_from_slice(if place > 0 { b"," } else { b"\r" });
                put_text(name, out);
                out.push(b':');
                write(value, out);
            }
            out.push(b'}');
        }
    }
}

proptest! {
    #[test]
    fn a_value_that_was_written_is_read_again(value in values()) {
        let mut json = Vec::new();
        write(&value, &mut json);
        prop_assert_eq!(JsonValue::parse(&json), Ok(value));
    }

    #[test]
    fn no_text_is_read_beyond_its_end(octets in "[\\[\\]{}\",:\\\\u0-9a-ftrnlse. +\\-é]{0,40}") {
        // Whatever it is, it is a value or a fault within the text.
        if let Err(error) = parse(&octets) {
            assert!(error.at <= octets.len());
        }
    }
}
