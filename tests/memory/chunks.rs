//! Messages by BDAT: the decoder, and chunks compared with DATA.

use crate::common::chunks::{ENVELOPE, in_chunks, stuffed};
use crate::common::memory::{Call, Client, MemoryServer, greeted, seconds};
use mailoop::smtp::chunk::{Chunk, ChunkDecoder};
use mailoop::smtp::data::{Bare, Piece};
use mailoop::smtp::envelope::Body;
use mailoop::smtp::line::BareNewline;
use proptest::prelude::*;

const MODES: [BareNewline; 3] = [
    BareNewline::Normalize,
    BareNewline::Reject,
    BareNewline::Accept,
];
const BODIES: [Body; 3] = [Body::SevenBit, Body::EightBitMime, Body::BinaryMime];

/// An octet of the message, or half a line end where that is an error.
type Item = Result<u8, Bare>;

/// What chunks of these sizes decode to; the decoder sees at most `read` octets at once.
fn decode(
    message: &[u8],
    sizes: &[usize],
    read: usize,
    body: Body,
    mode: BareNewline,
) -> Vec<Item> {
    let mut decoder = ChunkDecoder::new(body);
    let mut items = Vec::new();
    let mut rest = message;
    for (index, size) in sizes.iter().enumerate() {
        let mut chunk = Chunk::new(*size as u64, index + 1 == sizes.len());
        loop {
            // What is behind the chunk is there as well, and is to be left.
            let mut input = &rest[..read.min(rest.len())];
            let before = input.len();
            let piece = decoder.next(&mut chunk, &mut input, mode);
            rest = &rest[before - input.len()..];
            match piece {
                Piece::NeedInput => assert!(input.is_empty() && !rest.is_empty()),
                Piece::Text(text) => {
                    let split = text.is_empty() || text.starts_with(b"\n");
                    assert!(!split || body == Body::BinaryMime, "a CRLF was split");
                    items.extend(text.iter().copied().map(Ok));
                }
                Piece::Bare(bare) => items.push(Err(bare)),
                Piece::End => break,
            }
        }
        assert!(chunk.is_complete());
    }
    assert!(rest.is_empty(), "{} octets are left", rest.len());
    items
}

/// The same, as plainly as can be.
fn naive(message: &[u8], body: Body, mode: BareNewline) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for (at, octet) in message.iter().enumerate() {
        let behind_cr = at > 0 && message[at - 1] == b'\r';
        let before_lf = message.get(at + 1) == Some(&b'\n');
        let bare = match octet {
            b'\n' if !behind_cr => Some(Bare::Lf),
            b'\r' if !before_lf => Some(Bare::Cr),
            _ => None,
        };
        match (bare.filter(|_| body != Body::BinaryMime), mode) {
            (Some(bare), BareNewline::Reject) => items.push(Err(bare)),
            (Some(Bare::Lf), _) => items.extend([Ok(b'\r'), Ok(b'\n')]),
            (Some(Bare::Cr), BareNewline::Normalize) => items.push(Ok(b' ')),
            _ => items.push(Ok(*octet)),
        }
    }
    items
}

/// Octets of which many are halves of line ends.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![
        3 => Just(b'\r'),
        3 => Just(b'\n'),
        1 => Just(b'.'),
        3 => any::<u8>(),
    ];
    prop::collection::vec(octet, 0..60)
}

/// Lengths that cut so many octets in pieces, of which some are empty.
fn sizes(length: usize) -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..=length, 0..6).prop_map(move |mut cuts| {
        cuts.extend([0, length]);
        cuts.sort_unstable();
        cuts.windows(2).map(|ends| ends[1] - ends[0]).collect()
    })
}

fn octets_in_chunks() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    octets().prop_flat_map(|octets| {
        let length = octets.len();
        (Just(octets), sizes(length))
    })
}

/// A message as it may stand behind DATA: lines that end in CRLF, dots in front of some.
fn lines_in_chunks() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    let line = prop_oneof![
        Just(&b""[..]),
        Just(&b"."[..]),
        Just(&b"..x"[..]),
        Just(&b".QUIT"[..]),
        Just(&b"BDAT 5 LAST"[..]),
        Just(&b"Subject: gr\xC3\xBC\xDF \0"[..]),
    ];
    let lines = prop::collection::vec(line, 0..12);
    lines.prop_flat_map(|lines| {
        let lines: Vec<_> = lines
            .iter()
            .map(|line| [line, &b"\r\n"[..]].concat())
            .collect();
        let message = lines.concat();
        let length = message.len();
        (Just(message), sizes(length))
    })
}

proptest! {
    #[test]
    fn the_cuts_make_no_difference((message, sizes) in octets_in_chunks(), read in 1..20_usize) {
        for (mode, body) in MODES.into_iter().flat_map(|mode| BODIES.map(|body| (mode, body))) {
            let expected = naive(&message, body, mode);
            let whole = [message.len()];
            prop_assert_eq!(&decode(&message, &whole, usize::MAX, body, mode), &expected);
            prop_assert_eq!(&decode(&message, &sizes, usize::MAX, body, mode), &expected);
            prop_assert_eq!(&decode(&message, &sizes, read, body, mode), &expected);
        }
    }

    #[test]
    fn chunks_and_data_store_the_same((message, sizes) in lines_in_chunks(), read in 1..40_usize) {
        for mode in ["normalize", "reject", "accept"] {
            let mut server = MemoryServer::start(&["--bare-newline", mode]);
            let client = greeted(&mut server);
            server.send(&client, format!("EHLO c\r\n{ENVELOPE}DATA\r\n").as_bytes());
            server.send(&client, &stuffed(&message));
            server.send(&client, ENVELOPE.as_bytes());
            for piece in in_chunks(&message, &sizes).chunks(read) {
                server.send(&client, piece);
            }
            let said = client.text();
            prop_assert_eq!(said.matches("queued as").count(), 2, "{}", said);
            prop_assert_eq!(said.matches("octets received").count(), sizes.len() - 1);
            let shelf = server.shelf();
            // Without a header it is kept apart from the trace field.
            let text: [&[u8]; 2] = [b".", b"BDAT"];
            let apart = text.iter().any(|start| message.starts_with(start));
            let stored = [if apart { &b"\r\n"[..] } else { b"" }, &message].concat();
            prop_assert_eq!(&shelf.stored[0], &stored);
            prop_assert_eq!(&shelf.stored[1], &stored);
        }
    }
}

/// A client whose message has begun with a chunk of one octet.
fn between_chunks(server: &mut MemoryServer) -> Client {
    let client = greeted(server);
    server.send(
        &client,
        format!("EHLO c\r\n{ENVELOPE}BDAT 1\r\nx").as_bytes(),
    );
    assert!(
        client
            .text()
            .ends_with("250 2.0.0 Ok: 1 octets received\r\n")
    );
    assert_eq!(server.shelf().unfinished, 1);
    client
}

#[test]
fn who_leaves_within_or_between_chunks_leaves_nothing() {
    for more in [
        "",
        "BDAT 5 LAST\r",
        "BDAT 5 LAST\r\n",
        "BDAT 5 LAST\r\nfour",
        "BDAT 5\r\nwhole",
    ] {
        for resets in [false, true] {
            let mut server = MemoryServer::start(&[]);
            let client = between_chunks(&mut server);
            server.send(&client, more.as_bytes());
            if resets {
                server.reset(&client);
            } else {
                server.close(&client);
            }
            assert!(client.is_gone(), "{more:?}");
            assert_eq!(server.shelf().unfinished, 0, "{more:?}");
            assert_eq!(server.shelf().stored.len(), 0, "{more:?}");
        }
    }
}

#[test]
fn what_the_store_cannot_do_is_said_behind_the_chunk() {
    let failures = [
        (Call::Begin, "451 4.3.0", "503 5.5.1"),
        (Call::Trace, "451 4.3.0", "503 5.5.1"),
        (Call::Write, "451 4.3.0", "503 5.5.1"),
        (Call::Commit, "250 2.0.0", "451 4.3.0"),
    ];
    for (call, first, second) in failures {
        let mut server = MemoryServer::start(&[]);
        let client = greeted(&mut server);
        server.send(&client, format!("EHLO c\r\n{ENVELOPE}").as_bytes());
        client.text();
        server.shelf().fail = Some(call);
        server.send(&client, b"BDAT 6\r\nQUIT\r");
        assert_eq!(client.text(), "", "{call:?}: it was answered too early");
        server.send(&client, b"\nBDAT 6 LAST\r\nRSET\r\n");
        let said = client.text();
        let replies: Vec<_> = said.lines().collect();
        assert_eq!(replies.len(), 2, "{call:?}: {said}");
        assert!(
            replies[0].starts_with(first) && replies[1].starts_with(second),
            "{call:?}: {said}"
        );
        assert_eq!(server.shelf().unfinished, 0, "{call:?}");
        server.send(&client, format!("{ENVELOPE}BDAT 2 LAST\r\nok").as_bytes());
        assert!(client.text().contains("queued as"), "{call:?}");
        assert_eq!(server.shelf().stored, [b"\r\nok"], "{call:?}");
    }
}

#[test]
fn a_message_in_chunks_has_to_keep_the_least_rate() {
    let options = [
        "--idle-timeout",
        "10",
        "--min-rate",
        "10",
        "--session-timeout",
        "60",
    ];
    for (size, keeps) in [(200, true), (20, false)] {
        let mut server = MemoryServer::start(&options);
        let client = between_chunks(&mut server);
        // Every chunk is in time, and the session's time is up long before the last one.
        let told = (0..20).find(|_| {
            server.advance(seconds(9));
            let chunk = format!("BDAT {size}\r\n{}", "x".repeat(size));
            server.send(&client, chunk.as_bytes());
            client.text().starts_with("421 4.4.2")
        });
        assert_eq!(told.is_none(), keeps, "{size}: {told:?}");
        assert_eq!(server.shelf().unfinished, usize::from(keeps), "{size}");
    }
}

#[test]
fn a_next_chunk_or_the_rest_of_one_is_awaited_no_longer_than_any_command() {
    for more in ["", "BDAT 5", "BDAT 5\r\nfour"] {
        let options = ["--idle-timeout", "10", "--min-rate", "0"];
        let mut server = MemoryServer::start(&options);
        let client = between_chunks(&mut server);
        server.send(&client, more.as_bytes());
        server.advance(seconds(9));
        assert_eq!(client.text(), "", "{more:?}");
        server.advance(seconds(1));
        assert!(client.text().starts_with("421 4.4.2"), "{more:?}");
        assert_eq!(server.shelf().unfinished, 0, "{more:?}");
    }
}
