use super::*;
use crate::milter::step::FilterStep;
use crate::milter::tests::filter::{PEER, Scene, answer, packet, shown};

#[test]
fn values_are_found_by_their_names_with_and_without_braces() {
    let mut macros = FilterMacros::default();
    macros.set("client_addr", b"::1");
    macros.set("i", b"A");
    macros.set("i", b"B");
    for (name, value) in [
        ("client_addr", Some("::1")),
        ("{client_addr}", Some("::1")),
        ("i", Some("B")),
        ("{i}", Some("B")),
        ("{i", None),
        ("I", None),
        ("{}", None),
        ("", None),
    ] {
        assert_eq!(
            macros.get(name.as_bytes()),
            value.map(str::as_bytes),
            "{name}"
        );
    }
    macros.clear("i");
    assert_eq!(macros.get(b"i"), None);
}

#[test]
fn a_value_is_one_text_of_bounded_length() {
    let mut macros = FilterMacros::default();
    macros.set("x", b"a\0b\r\n\tc\x7f\xe9");
    assert_eq!(macros.get(b"x"), Some(&b"a?b???c?\xe9"[..]));
    macros.set("x", &[b'y'; MACRO_VALUE_BYTES_MAX + 1]);
    assert_eq!(macros.get(b"x").unwrap().len(), MACRO_VALUE_BYTES_MAX);
    macros.set("x", b"");
    assert_eq!(macros.get(b"x"), Some(&b""[..]));
}

#[test]
fn names_are_told_as_they_were_asked_for() {
    let mut macros = FilterMacros::default();
    let mut out = BytesMut::new();
    assert!(!macros.write(StepKind::Mail, b"i {j}", false, &mut out));
    assert_eq!(&out[..], b"");
    assert!(!macros.write(StepKind::Mail, b"i {j}", true, &mut out));
    macros.set("i", b"Q");
    macros.set("j", b"");
    assert!(macros.write(StepKind::Recipient, b" {i},\r\n i\t, k ,j", false, &mut out));
    assert_eq!(shown(&out), ["DM", r"DR{i}\x00Q\x00i\x00Q\x00j\x00\x00"]);
}

#[test]
fn macros_that_have_no_value_any_more_are_taken_back_once() {
    let mut scene = Scene::new(&answer(6, 0, 1));
    scene.macros.set("j", b"mx");
    scene.macros.set("cipher", b"C");
    // The filter does not want the step, and is told its macros.
    let (_, written) = scene.tell(PEER);
    assert_eq!(written, [r"DCj\x00mx\x00"]);
    let hello = |scene: &mut Scene| {
        let written = scene.tell(FilterStep::Hello(b"x")).1;
        scene.say(&packet(b'c', b"")).unwrap();
        written
    };
    assert_eq!(hello(&mut scene), [r"DH{cipher}\x00C\x00", r"Hx\x00"]);
    scene.macros.clear("cipher");
    assert_eq!(hello(&mut scene), ["DH", r"Hx\x00"]);
    assert_eq!(hello(&mut scene), [r"Hx\x00"]);
}
