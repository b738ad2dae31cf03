//! How the client reads replies: cut anywhere, bounded, and never trusting that they are replies.

use bytes::BytesMut;
use mailoop::smtp::client::{
    ClientEvent, ClientFault, ClientSession, Pace, ProtocolError, REPLY_LINE_BYTES_MAX,
    REPLY_LINES_MAX,
};

/// What a fresh session makes of `input`, cut into two at `cut`.
fn greeted_with(input: &[u8], cut: usize) -> Result<ClientEvent, ProtocolError> {
    let mut session = ClientSession::new(None, Pace::Lockstep);
    let (mut first, mut second) = input.split_at(cut);
    match session.next(&mut first, &mut BytesMut::new())? {
        ClientEvent::NeedInput => session.next(&mut second, &mut BytesMut::new()),
        event => Ok(event),
    }
}

#[test]
fn replies_may_be_cut_at_every_octet() {
    for reply in [
        "220-a\r\n220-b\r\n220\r\n",
        "220-\n220 bare LF\n",
        "220\r\n",
        "220 \r\n",
        "220-\u{e4}\r\n220 \0\x1b\r\n",
    ] {
        for cut in 0..=reply.len() {
            assert_eq!(
                greeted_with(reply.as_bytes(), cut),
                Ok(ClientEvent::Ready),
                "{reply:?}"
            );
        }
        for end in 0..reply.len() {
            let incomplete = &reply.as_bytes()[..end];
            assert_eq!(
                greeted_with(incomplete, end / 2),
                Ok(ClientEvent::NeedInput),
                "{reply:?}"
            );
        }
    }
}

#[test]
fn a_reply_keeps_its_lines() {
    let mut session = ClientSession::new(None, Pace::Lockstep);
    let mut input = &b"554-5.7.1 No\x1b[2J\r\n554-\r\n554 service\r\n221 Bye\r\n"[..];
    assert_eq!(
        session.next(&mut input, &mut BytesMut::new()),
        Ok(ClientEvent::Unacceptable(ClientFault::Refused))
    );
    let lines: Vec<&[u8]> = session.reply().lines().collect();
    assert_eq!(
        lines,
        [&b"554-5.7.1 No\x1b[2J"[..], b"554-", b"554 service"]
    );
    assert_eq!(
        session.reply().to_string(),
        "554 5.7.1 No\\u{1b}[2J service"
    );
    assert_eq!(input, b"221 Bye\r\n");
}

#[test]
fn what_is_no_reply_is_an_error() {
    for garbage in [
        "\r\n",
        "hello\r\n",
        "22\r\n",
        "2200\r\n",
        "220_\r\n",
        " 220 x\r\n",
        "120 x\r\n",
        "620 x\r\n",
        "HTTP/1.1 400 Bad Request\r\n",
        "\u{16}\u{3}\u{1}\n",
        "220-a\r\n221 b\r\n",
        "220-a\r\n\r\n",
    ] {
        for cut in 0..=garbage.len() {
            if !garbage.is_char_boundary(cut) {
                continue;
            }
            let result = greeted_with(garbage.as_bytes(), cut);
            assert!(
                matches!(result, Err(ProtocolError::NotAReply(_))),
                "{garbage:?}: {result:?}"
            );
        }
    }
    let mut session = ClientSession::new(None, Pace::Lockstep);
    let out_of_place = session.next(&mut &b"354 Go\r\n"[..], &mut BytesMut::new());
    assert!(matches!(out_of_place, Err(ProtocolError::OutOfPlace(_))));
    let after = session.next(&mut &b"220 Hi\r\n"[..], &mut BytesMut::new());
    assert_eq!(after, Ok(ClientEvent::Closed));
}

#[test]
fn replies_are_bounded() {
    let line = |bytes: usize| format!("220 {}\r\n", "x".repeat(bytes - 6)).into_bytes();
    let longest = line(REPLY_LINE_BYTES_MAX);
    let longer = line(REPLY_LINE_BYTES_MAX + 1);
    for cut in [0, 1, 500, REPLY_LINE_BYTES_MAX - 1] {
        assert_eq!(greeted_with(&longest, cut), Ok(ClientEvent::Ready));
        assert_eq!(greeted_with(&longer, cut), Err(ProtocolError::LineTooLong));
    }
    let endless = vec![b'2'; REPLY_LINE_BYTES_MAX + 1];
    assert_eq!(greeted_with(&endless, 7), Err(ProtocolError::LineTooLong));

    let lines = |count: usize| "220-x\r\n".repeat(count - 1) + "220 x\r\n";
    let most = lines(REPLY_LINES_MAX);
    assert_eq!(greeted_with(most.as_bytes(), 9), Ok(ClientEvent::Ready));
    let more = lines(REPLY_LINES_MAX + 1);
    assert_eq!(
        greeted_with(more.as_bytes(), 9),
        Err(ProtocolError::TooManyLines)
    );

    // The count is that of one reply, not of a session.
    let mut session = ClientSession::new(None, Pace::Lockstep);
    let mut out = BytesMut::new();
    let greeting = session.next(&mut most.as_bytes(), &mut out);
    assert_eq!(greeting, Ok(ClientEvent::Ready));
    session.quit(&mut out);
    let goodbye = session.next(&mut most.as_bytes(), &mut out);
    assert_eq!(goodbye, Ok(ClientEvent::Closed));
}
