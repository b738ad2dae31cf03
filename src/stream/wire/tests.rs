use proptest::prelude::*;

use super::*;

/// Everything that is said in parts of so many octets, and the error that ends it.
fn read_in_parts(octets: &[u8], part: usize) -> (Vec<ServerOp>, Option<WireError>) {
    let mut parser = WireParser::default();
    let mut ops = Vec::new();
    for mut part in octets.chunks(part) {
        loop {
            match parser.next(&mut part) {
                Ok(Some(op)) => ops.push(op),
                Ok(None) => break,
                Err(error) => return (ops, Some(error)),
            }
        }
        assert!(part.is_empty(), "what is not all there is kept here");
    }
    (ops, None)
}

/// Everything that is said, which must be the same in any parts.
fn read(octets: &[u8]) -> (Vec<ServerOp>, Option<WireError>) {
    let whole = read_in_parts(octets, usize::MAX);
    for part in [1, 2, 3, 7, 1000] {
        let parts = read_in_parts(octets, part);
        assert_eq!(parts, whole, "{part}: {}", octets.escape_ascii());
    }
    whole
}

fn message(op: &ServerOp) -> &WireMessage {
    match op {
        ServerOp::Message(message) => message,
        op => panic!("{op:?} is no message"),
    }
}

#[test]
fn verbs_are_of_any_case() {
    for text in ["PING\r\nPONG\r\n+OK\r\n", "ping\r\nPong \r\n+ok\t\r\n"] {
        let ops = vec![ServerOp::Ping, ServerOp::Pong, ServerOp::Success];
        assert_eq!(read(text.as_bytes()), (ops, None), "{text}");
    }
    let (ops, error) = read(b"-ERR 'Stale Connection'\r\n-err\tplain\r\n-ERR\r\n-ERR '\r\n");
    let texts = ["Stale Connection", "plain", "", "'"].map(|text| ServerOp::Complaint(text.into()));
    assert_eq!((ops, error), (texts.to_vec(), None));
    let (ops, error) = read(b"INFO {\"a\":1} \r\ninfo\t{}\r\n");
    let infos = [&b"{\"a\":1}"[..], b"{}"].map(|text| ServerOp::Info(text.into()));
    assert_eq!((ops, error), (infos.to_vec(), None));
}

#[test]
fn messages_have_subjects_replies_headers_and_payloads() {
    let (ops, error) = read(
        b"MSG a.b 1 2\r\nhi\r\nmsg  a.b\t1  r.s 0\r\n\r\nHMSG a 7 12 14\r\nNATS/1.0\r\n\r\n\r\n\r\n\
          HMSG a 1 r 25 27\r\nNATS/1.0 503\r\nName: x\r\n\r\nhi\r\n",
    );
    assert_eq!((ops.len(), error), (4, None));
    let first = message(&ops[0]);
    assert_eq!((first.subscription, &*first.message.subject), (1, "a.b"));
    assert_eq!(
        (&first.message.reply, &*first.message.payload),
        (&None, &b"hi"[..])
    );
    let second = message(&ops[1]);
    assert_eq!(second.message.reply.as_deref(), Some("r.s"));
    assert!(second.message.payload.is_empty() && second.is_whole);
    let third = message(&ops[2]);
    assert_eq!(
        (third.subscription, &*third.message.payload),
        (7, &b"\r\n"[..])
    );
    let fourth = message(&ops[3]);
    assert_eq!(fourth.message.status, Some(503));
    assert_eq!(fourth.message.header("Name"), Some("x"));
    assert_eq!(&*fourth.message.payload, b"hi");
}

#[test]
fn what_no_server_says_is_refused() {
    use WireError::{Arguments, LineEnd, MessageEnd, MessageTooLong, Verb};
    for (text, error) in [
        ("PING\n", LineEnd),
        ("\n", LineEnd),
        ("\r\n", Verb),
        ("PINGS\r\n", Verb),
        ("PING x\r\n", Arguments),
        (" PING\r\n", Verb),
        ("PUB a 0\r\n", Verb),
        ("MSG\r\n", Arguments),
        ("MSG a 1\r\n", Arguments),
        ("MSG a 1 r 0 x\r\n", Arguments),
        ("MSG a x 0\r\n", Arguments),
        ("MSG a 1 -1\r\n", Arguments),
        ("MSG a 1 +1\r\n", Arguments),
        ("MSG a\0 1 0\r\n", Arguments),
        ("MSG a\r 1 0\r\n", Arguments),
        ("MSG \ra 1 0\r\n", Arguments),
        ("MSG a 1 0\r\r\n", Arguments),
        ("MSG a 1 9999999999999999\r\n", Arguments),
        ("MSG a 1 999999999\r\n", MessageTooLong),
        ("MSG a 1 1\r\nabc", MessageEnd),
        ("MSG a 1 1\r\na\n\n", MessageEnd),
        ("HMSG a 1 1\r\n", Arguments),
        ("HMSG a 1 3 2\r\n", Arguments),
        ("HMSG a 1 r 2 2 2\r\n", Arguments),
    ] {
        assert_eq!(read(text.as_bytes()), (vec![], Some(error)), "{text:?}");
    }
}

#[test]
fn lines_are_bounded() {
    let long = |verb: &str, bytes: usize| format!("{verb}{}", "x".repeat(bytes - verb.len()));
    for (verb, max) in [
        ("-ERR ", CONTROL_LINE_BYTES_MAX),
        ("INFO ", INFO_LINE_BYTES_MAX),
    ] {
        let fits = long(verb, max - 2) + "\r\n";
        assert_eq!(read_in_parts(fits.as_bytes(), 100).1, None, "{verb}");
        for line in [long(verb, max + 1), long(verb, max) + "\r\n"] {
            let error = read_in_parts(line.as_bytes(), 100).1;
            assert_eq!(error, Some(WireError::LineTooLong), "{verb}");
        }
    }
}

#[test]
fn a_message_that_is_too_long_is_told_of_without_its_text() {
    for (bytes, is_whole) in [(MESSAGE_BYTES_MAX, true), (MESSAGE_BYTES_MAX + 1, false)] {
        let mut octets = format!("HMSG a 1 r 12 {bytes}\r\nNATS/1.0\r\n\r\n").into_bytes();
        octets.extend(vec![b'x'; bytes - 12]);
        octets.extend(b"\r\nPING\r\n");
        let mut parser = WireParser::default();
        let mut ops = Vec::new();
        for mut part in octets.chunks(4096) {
            while let Some(op) = parser.next(&mut part).unwrap() {
                ops.push(op);
            }
            assert!(is_whole || parser.kept() <= 2, "{}", parser.kept());
        }
        let told = message(&ops[0]);
        assert_eq!(told.is_whole, is_whole);
        assert_eq!(
            told.message.payload.len(),
            if is_whole { bytes - 12 } else { 0 }
        );
        assert_eq!(told.message.reply.as_deref(), Some("r"));
        assert_eq!(ops[1], ServerOp::Ping);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn any_octets_are_read_alike_in_any_parts(
        text in "(PING\r\n|\\+OK\r\n|-ERR '[a-z]{0,4}'\r\n|INFO \\{\\}\r\n|H?MSG [a-z.]{1,3} 1( r)?( [0-9])? [0-9]{1,2}\r\n|.{0,9}\r\n|[A-Z]{0,4}){0,12}",
        octets in proptest::collection::vec(any::<u8>(), 0..100),
        part in 1_usize..40,
    ) {
        for octets in [text.as_bytes(), &octets] {
            prop_assert_eq!(read_in_parts(octets, part), read_in_parts(octets, usize::MAX));
        }
    }
}
