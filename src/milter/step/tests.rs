use super::*;
use crate::milter::tests::filter::shown;

fn written(step: FilterStep<'_>, has_leading_space: bool) -> String {
    let mut out = BytesMut::new();
    step.write(has_leading_space, &mut out);
    let mut packets = shown(&out);
    assert_eq!(packets.len(), 1);
    packets.pop().unwrap()
}

#[test]
fn clients_have_addresses_of_four_kinds() {
    let ip = |text: &str| ClientAddress::Ip(text.parse().unwrap());
    for (address, expected) in [
        (ip("192.0.2.1:25"), r"Cx\x004\x00\x19192.0.2.1\x00"),
        (ip("[2001:db8::1]:65535"), r"Cx\x006\xff\xff2001:db8::1\x00"),
        (ClientAddress::Unix(b"/run/x"), r"Cx\x00L\x00\x00/run/x\x00"),
        (ClientAddress::Unknown, r"Cx\x00U"),
    ] {
        let step = FilterStep::Connect {
            name: b"x",
            address,
        };
        assert_eq!(written(step, false), expected);
    }
}

#[test]
fn values_of_fields_are_told_as_postfix_does() {
    for (value, plain, with_space) in [
        (&b" x\r\n"[..], "x", " x"),
        (b"x", "x", "x"),
        (b"", "", ""),
        (b" ", "", " "),
        (b"\r\n", "", ""),
        (b"  x\r\n", " x", "  x"),
        (b"\tx\n", r"\tx", r"\tx"),
        (b" a\r\n\tb\r\n c\r\n", r"a\n\tb\n c", r" a\n\tb\n c"),
        (b"\r\n a\r\n", r"\n a", r"\n a"),
        (b" a\n b\r c\0d\r\n", r"a\n b\r c d", r" a\n b\r c d"),
    ] {
        let step = FilterStep::Header {
            name: b"Name \t",
            value,
        };
        assert_eq!(written(step, false), format!(r"LName\x00{plain}\x00"));
        assert_eq!(written(step, true), format!(r"LName\x00{with_space}\x00"));
    }
}

#[test]
fn a_long_field_is_cut() {
    for lines in [1, 1000] {
        let value = [&b"x".repeat(100_000 / lines)[..], b"\r\n\t"]
            .concat()
            .repeat(lines);
        let name = [b'n'; 2000];
        let step = FilterStep::Header {
            name: &name,
            value: &value,
        };
        let mut out = BytesMut::new();
        step.write(false, &mut out);
        assert_eq!(out.len(), 5 + 65_535);
        assert_eq!(out[5 + 1000], 0);
        assert_eq!(
            out[5 + 1001..].iter().position(|octet| *octet == 0),
            Some(64_533)
        );
    }
}

#[test]
fn every_step_has_its_own_command_and_name() {
    let name = b"x";
    let arguments: &[&[u8]] = &[b"a", b"b"];
    let address = ClientAddress::Unknown;
    let steps = [
        (FilterStep::Connect { name, address }, r"Cx\x00U"),
        (FilterStep::Hello(name), r"Hx\x00"),
        (FilterStep::Mail(arguments), r"Ma\x00b\x00"),
        (FilterStep::Recipient(arguments), r"Ra\x00b\x00"),
        (FilterStep::Data, "T"),
        (FilterStep::Header { name, value: name }, r"Lx\x00x\x00"),
        (FilterStep::EndOfHeader, "N"),
        (FilterStep::Body(name), "Bx"),
        (FilterStep::EndOfMessage, "E"),
        (FilterStep::Unknown(name), r"Ux\x00"),
        (FilterStep::Abort, "A"),
        (FilterStep::QuitNewConnection, "K"),
        (FilterStep::Quit, "Q"),
    ];
    let mut names: Vec<&str> = Vec::new();
    for (step, expected) in steps {
        assert_eq!(written(step, false), expected);
        assert!(!names.contains(&step.kind().name()));
        names.push(step.kind().name());
    }
}
