//! Heads and bodies of HTTP requests in memory: wherever they are cut, whatever is in them.

use mailoop::http::Method;
use mailoop::http::body::{BODY_BYTES_MAX, BodyDecoder, BodyLength};
use mailoop::http::parse::{HEAD_BYTES_MAX, parse_head};
use proptest::collection::vec;
use proptest::prelude::*;

/// Heads that are right.
const HEADS: [&str; 5] = [
    "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET /a%20b?x=y&z HTTP/1.0\r\n\r\n",
    "POST http://mail:8025/x HTTP/1.1\r\nHost: other\r\nTransfer-Encoding: chunked\r\nConnection: x, close\r\n\r\n",
    "PUT /y HTTP/1.1\nHost: [::1]:80\nContent-Length: 17\nExpect: 100-continue\n\n",
    "OPTIONS * HTTP/1.1\r\nhost:  mail \r\nORIGIN: null\r\nAuthorization: Bearer x\r\nX:\r\n\r\n",
];

#[test]
fn a_head_says_the_same_wherever_it_is_cut() {
    for head in HEADS {
        for cut in 0..head.len() {
            let part = parse_head(&head.as_bytes()[..cut]);
            assert_eq!(part, Ok(None), "{:?}", &head[..cut]);
        }
        let whole = parse_head(head.as_bytes());
        assert!(
            matches!(&whole, Ok(Some((_, length))) if *length == head.len()),
            "{whole:?}"
        );
        for rest in ["\0", "GET / HTTP/1.1\r\n", "\r\n\r\n"] {
            assert_eq!(parse_head(format!("{head}{rest}").as_bytes()), whole);
        }
    }
}

#[test]
fn a_head_is_read_as_the_standard_has_it() {
    let read = |head: &str| parse_head(head.as_bytes()).unwrap().unwrap().0;
    let [plain, old, absolute, body, options] = HEADS.map(read);
    assert!(plain.keeps_alive && plain.body == BodyLength::Octets(0));
    assert!(!old.keeps_alive && old.host.is_none());
    assert_eq!(old.target.path, "/a b");
    assert_eq!(absolute.host.as_deref(), Some("mail:8025"));
    assert!(!absolute.keeps_alive && absolute.body == BodyLength::Chunked);
    assert!(body.expects_continue && body.body == BodyLength::Octets(17));
    assert_eq!(
        (options.method, &*options.target.path),
        (Method::Options, "*")
    );
    assert_eq!(options.host.as_deref(), Some("mail"));
    assert_eq!(options.authorization.as_deref(), Some("Bearer x"));
}

/// Takes a body that comes in pieces of these sizes, again and again.
fn take(length: BodyLength, octets: &[u8], sizes: &[usize]) -> Result<Option<Vec<u8>>, u16> {
    let mut decoder = BodyDecoder::new(length);
    let (mut kept, mut at) = (Vec::new(), 0);
    for size in sizes.iter().cycle() {
        let end = octets.len().min(at + size);
        kept.extend_from_slice(&octets[at..end]);
        at = end;
        let mut input = &kept[..];
        match decoder.take(&mut input) {
            Ok(Some(body)) => return Ok(Some(body.to_vec())),
            Ok(None) if at == octets.len() => return Ok(None),
            Ok(None) => kept = input.to_vec(),
            Err(response) => return Err(response.status),
        }
        assert!(kept.len() <= 300, "what it leaves is bounded");
    }
    Ok(None)
}

/// A body in chunks of these sizes.
fn chunked(body: &[u8], sizes: &[usize], trailer: &str) -> Vec<u8> {
    let (mut octets, mut rest) = (Vec::new(), body);
    for size in sizes.iter().cycle() {
        let (chunk, after) = rest.split_at((*size).min(rest.len()));
        if chunk.is_empty() {
            break;
        }
        octets.extend_from_slice(format!("{:X};a=\"b\"\r\n", chunk.len()).as_bytes());
        octets.extend_from_slice(chunk);
        octets.extend_from_slice(b"\r\n");
        rest = after;
    }
    octets.extend_from_slice(format!("0\r\n{trailer}\r\n").as_bytes());
    octets
}

proptest! {
    #[test]
    fn a_body_is_the_same_in_whatever_coding_and_pieces(
        body in vec(any::<u8>(), 0..2000),
        chunks in vec(1..500usize, 1..5),
        pieces in vec(1..300usize, 1..5),
    ) {
        let octets = chunked(&body, &chunks, "Trailer: x\r\n");
        prop_assert_eq!(take(BodyLength::Chunked, &octets, &pieces), Ok(Some(body.clone())));
        prop_assert_eq!(take(BodyLength::Chunked, &octets[..octets.len() - 1], &pieces), Ok(None));
        let length = BodyLength::Octets(body.len());
        prop_assert_eq!(take(length, &body, &pieces), Ok(Some(body)));
    }

    #[test]
    fn a_head_that_was_changed_is_read_or_refused(
        head in 0..HEADS.len(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        end in any::<prop::sample::Index>(),
    ) {
        let mut octets = HEADS[head].as_bytes().to_vec();
        for (at, octet) in changes {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        let whole = parse_head(&octets);
        if let Err(response) = &whole {
            prop_assert!(matches!(response.status, 400 | 414 | 417 | 431 | 501 | 505 | 413));
        }
        // What was refused in part is refused in whole, and what was read in part is all there is.
        let part = parse_head(&octets[..=end.index(octets.len())]);
        if !matches!(part, Ok(None)) {
            prop_assert_eq!(part.is_ok(), whole.is_ok());
        }
    }

    #[test]
    fn nonsense_is_no_chunk(octets in vec(any::<u8>(), 0..600), pieces in vec(1..300usize, 1..3)) {
        if let Ok(Some(body)) = take(BodyLength::Chunked, &octets, &pieces) {
            prop_assert!(body.len() < octets.len());
        }
    }
}

#[test]
fn what_is_too_large_is_refused_before_it_is_kept() {
    let endless = [b"GET /".to_vec(), vec![b'x'; HEAD_BYTES_MAX]].concat();
    assert_eq!(parse_head(&endless).map_err(|it| it.status), Err(414));
    let fields = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(HEAD_BYTES_MAX));
    assert_eq!(
        parse_head(fields.as_bytes()).map_err(|it| it.status),
        Err(431)
    );
    let chunk = format!("{:x}\r\n", BODY_BYTES_MAX + 1);
    assert_eq!(take(BodyLength::Chunked, chunk.as_bytes(), &[1]), Err(413));
    let line = format!("1;{}", "x".repeat(300));
    assert_eq!(take(BodyLength::Chunked, line.as_bytes(), &[1]), Err(400));
}
