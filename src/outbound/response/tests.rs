use proptest::prelude::*;

use super::*;

const TEXT_BYTES_MAX: usize = 64 * 1024;

/// The text of a response, which is told in parts of so many octets; an end of the connection follows.
fn read_in_parts(octets: &[u8], part: usize) -> Result<Vec<u8>, ResponseFault> {
    let mut response = WantedResponse::new("text/plain", TEXT_BYTES_MAX);
    for part in octets.chunks(part) {
        if response.receive(part)? {
            break;
        }
    }
    response.end()
}

/// The text of a response, which must be the same in any parts.
fn read(text: &str) -> Result<String, ResponseFault> {
    let whole = read_in_parts(text.as_bytes(), usize::MAX);
    for part in [1, 2, 3, 7, 1000] {
        assert_eq!(
            read_in_parts(text.as_bytes(), part),
            whole,
            "{part}: {text}"
        );
    }
    whole.map(|text| String::from_utf8(text).unwrap())
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";

#[test]
fn the_end_is_told_by_length_by_chunks_or_by_the_connection() {
    for (rest, text) in [
        ("Content-Length: 5\r\n\r\nmode:extra", "mode:"),
        (
            "content-length:5\r\nContent-Length: 5\r\n\r\nmode:",
            "mode:",
        ),
        ("Content-Length: 0\r\n\r\nmode:", ""),
        ("\r\nmode: none", "mode: none"),
        ("\r\n", ""),
        (
            "Transfer-Encoding: chunked\r\n\r\n3\r\nmod\r\nA ;x=y\r\ne: enforce\r\n0\r\n\r\nextra",
            "mode: enforce",
        ),
        (
            "Transfer-Encoding: Chunked\r\nContent-Length: 1\r\n\r\n02\r\nab\r\n000\r\nX: y\r\n\r\n",
            "ab",
        ),
        (
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\nab\n0\n\n",
            "ab",
        ),
    ] {
        assert_eq!(
            read(&format!("{HEAD}{rest}")),
            Ok(text.to_owned()),
            "{rest}"
        );
    }
}

#[test]
fn heads_are_of_many_kinds() {
    for head in [
        "HTTP/1.0 200\r\ncontent-TYPE:\ttext/plain; charset=utf-8 \r\n\r\n",
        "HTTP/1.1 200 \r\nServer: x\r\nX-Empty:\r\nContent-Type: Text/Plain;charset=\"a;b\"\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\nContent-Type: text/plain\n\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: identity\r\n\r\n",
    ] {
        assert_eq!(read(&format!("{head}x")), Ok("x".to_owned()), "{head}");
    }
}

#[test]
fn what_is_no_response_for_us_is_refused() {
    use ResponseFault::{ContentType, CutShort, NotHttp, Status};
    let type_of = |media: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\n\r\nx");
    let after_head = |rest: &str| format!("{HEAD}{rest}");
    for (text, error) in [
        (String::new(), CutShort),
        ("HTTP/1.1 200 OK".to_owned(), CutShort),
        (HEAD.to_owned(), CutShort),
        (after_head("Content-Length: 5\r\n\r\nmode"), CutShort),
        (
            after_head("Transfer-Encoding: chunked\r\n\r\n3\r\nab"),
            CutShort,
        ),
        (
            after_head("Transfer-Encoding: chunked\r\n\r\n0\r\n"),
            CutShort,
        ),
        (
            "HTTP/1.1 301 Moved\r\nLocation: https://a.example/\r\n\r\n".to_owned(),
            Status(301),
        ),
        ("HTTP/1.1 404 Not Found\r\n".to_owned(), Status(404)),
        ("HTTP/1.1 204 No Content\r\n".to_owned(), Status(204)),
        ("HTTP/1.1 999 x\r\n".to_owned(), Status(999)),
        ("HTTP/2 200\r\n".to_owned(), NotHttp),
        ("HTTP/1.1 2000\r\n".to_owned(), NotHttp),
        ("HTTP/1.1 099\r\n".to_owned(), NotHttp),
        ("HTTP/1.x 200\r\n".to_owned(), NotHttp),
        ("220 mail.example.org ESMTP\r\n".to_owned(), NotHttp),
        ("\r\n".to_owned(), NotHttp),
        (
            "HTTP/1.1 200 OK\r\n\r\nversion: STSv1".to_owned(),
            ContentType,
        ),
        (type_of("text/html"), ContentType),
        (type_of("text/plainer"), ContentType),
        (type_of("application/octet-stream"), ContentType),
        (after_head("Content-Encoding: gzip\r\n\r\nx"), ContentType),
    ] {
        assert_eq!(read(&text), Err(error), "{text}");
    }
}

#[test]
fn a_body_of_no_good_length_is_refused() {
    use ResponseFault::{NotHttp, TooLong};
    for (rest, error) in [
        ("Transfer-Encoding: gzip, chunked\r\n\r\n", NotHttp),
        ("Content-Length: -1\r\n\r\n", NotHttp),
        ("Content-Length: 1, 1\r\n\r\n", NotHttp),
        ("Content-Length: 1\r\nContent-Length: 2\r\n\r\n", NotHttp),
        ("Content-Length: 9999999999999999\r\n\r\n", NotHttp),
        ("Content-Length: 65537\r\n\r\n", TooLong),
        ("Content-Length: 999999999999999\r\n\r\n", TooLong),
        ("no field\r\n\r\n", NotHttp),
        (" folded: x\r\n\r\n", NotHttp),
        (": x\r\n\r\n", NotHttp),
        (
            "Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n",
            TooLong,
        ),
        (
            "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            NotHttp,
        ),
        ("Transfer-Encoding: chunked\r\n\r\n-1\r\n", NotHttp),
        ("Transfer-Encoding: chunked\r\n\r\n\r\n", NotHttp),
        ("Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", NotHttp),
    ] {
        let text = format!("{HEAD}{rest}");
        assert_eq!(read(&text), Err(error), "{text}");
    }
}

#[test]
fn nothing_is_kept_beyond_the_bounds() {
    let whole = "x".repeat(TEXT_BYTES_MAX);
    let length = format!("{HEAD}Content-Length: 65536\r\n\r\n{whole}");
    assert_eq!(
        read_in_parts(length.as_bytes(), 4096),
        Ok(whole.clone().into_bytes())
    );
    let chunk = "8000\r\n".to_owned() + &"x".repeat(0x8000) + "\r\n";
    for endless in [
        format!("{HEAD}\r\n{whole}x"),
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}1\r\nx"),
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n1;{whole}"),
        format!(
            "{HEAD}Transfer-Encoding: chunked\r\n\r\n{}",
            "1\r\nx\r\n".repeat(20_000)
        ),
        format!(
            "{HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\n{}",
            "X: y\r\n".repeat(20_000)
        ),
        format!("{HEAD}{}", "X: y\r\n".repeat(20_000)),
        format!("{HEAD}X: {whole}"),
        format!("HTTP/1.1 200 {whole}"),
        "HTTP/1.1 100 Continue\r\n\r\n".repeat(20_000),
    ] {
        let mut response = WantedResponse::new("text/plain", TEXT_BYTES_MAX);
        let mut parts = endless.as_bytes().chunks(1000);
        let outcome = parts.find_map(|part| response.receive(part).err());
        assert_eq!(outcome, Some(ResponseFault::TooLong), "{:.80}", endless);
        assert!(response.text.len() <= TEXT_BYTES_MAX && response.line.len() <= LINES_BYTES_MAX);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn any_octets_are_read_alike_in_any_parts(
        text in "(HTTP/1.1 (200|103) OK\r\n|Content-Type: text/plain\r\n|Content-Length: [0-9]{1,3}\r\n|Transfer-Encoding: chunked\r\n|\r\n|[0-9a-f]{1,2}\r\n|.{0,9}\r?\n){0,14}",
        octets in proptest::collection::vec(any::<u8>(), 0..200),
        part in 1_usize..40,
    ) {
        prop_assert_eq!(
            read_in_parts(text.as_bytes(), part),
            read_in_parts(text.as_bytes(), usize::MAX)
        );
        let _ = read_in_parts(&octets, part);
    }

    #[test]
    fn chunks_of_any_sizes_are_the_text(parts in proptest::collection::vec("[a-z\r\n]{1,40}", 0..20)) {
        let chunk = |part: &String| format!("{:x}\r\n{part}\r\n", part.len());
        let chunks: String = parts.iter().map(chunk).collect();
        let response = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
        prop_assert_eq!(read_in_parts(response.as_bytes(), 5), Ok(parts.concat().into_bytes()));
    }
}
