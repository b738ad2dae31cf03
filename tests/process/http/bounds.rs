//! Requests that are malformed, too large or too many at a time.

use std::time::Duration;

use super::{one, start};
use crate::common::http::HttpClient;
use crate::common::program::{installed, program, run};

/// The status of the response to a request, and whether the connection goes on after it.
#[track_caller]
fn outcome(client: &mut HttpClient) -> (u16, bool) {
    let reply = client.reply();
    (reply.status, reply.field("Connection") != Some("close"))
}

#[test]
fn what_is_malformed_or_too_large_is_refused_with_a_reason() {
    let server = start(&[]);
    let host = "Host: localhost\r\n";
    let long = |count: usize| "x".repeat(count);
    let many = "X: y\r\n".repeat(70);
    let large = format!("X: {}\r\n", long(17_000));
    let long_target = format!("GET /{} HTTP/1.1\r\n{host}\r\n", long(9_000));
    let endless_target = format!("GET /{}", long(17_000));
    for (request, status) in [
        // RFC 9112 §3: a request line.
        ("BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), 501),
        ("get / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), 501),
        (
            "CONNECT localhost:25 HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            501,
        ),
        ("GET / HTTP/2.0\r\nHost: localhost\r\n\r\n".to_owned(), 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 505),
        (
            "GET livez HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            400,
        ),
        (
            "GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            400,
        ),
        (
            "GET  /livez HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            400,
        ),
        (long_target, 414),
        (endless_target, 414),
        // §5: fields.
        (format!("GET / HTTP/1.1\r\n{host}Name : x\r\n\r\n"), 400),
        (format!("GET / HTTP/1.1\r\n{host}X: a\r\n b\r\n\r\n"), 400),
        (format!("GET / HTTP/1.1\r\n{host}X: a\0b\r\n\r\n"), 400),
        (format!("GET / HTTP/1.1\r\n{host}{many}\r\n"), 431),
        (format!("GET / HTTP/1.1\r\n{host}{large}\r\n"), 431),
        (
            format!("GET / HTTP/1.1\r\n{host}Expect: miracles\r\n\r\n"),
            417,
        ),
        // §6: the length of the body, about which nobody must be of two minds (§11.2).
        (
            format!("PUT / HTTP/1.1\r\n{host}Content-Length: x\r\n\r\n"),
            400,
        ),
        (
            format!("PUT / HTTP/1.1\r\n{host}Content-Length: -1\r\n\r\n"),
            400,
        ),
        (
            format!("PUT / HTTP/1.1\r\n{host}Content-Length: +1\r\n\r\n"),
            400,
        ),
        (
            format!("PUT / HTTP/1.1\r\n{host}Content-Length: 1, 1\r\n\r\n"),
            400,
        ),
        (
            format!("PUT / HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
            400,
        ),
        (
            format!(
                "PUT / HTTP/1.1\r\n{host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
            400,
        ),
        (
            format!("PUT / HTTP/1.1\r\n{host}Transfer-Encoding: gzip, chunked\r\n\r\n"),
            501,
        ),
        (
            format!("PUT / HTTP/1.1\r\n{host}Transfer-Encoding: xchunked\r\n\r\n"),
            501,
        ),
        (
            format!("PUT / HTTP/1.0\r\n{host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            400,
        ),
        (
            format!("PUT / HTTP/1.1\r\n{host}Content-Length: 1048577\r\n\r\n"),
            413,
        ),
        (
            format!("PUT / HTTP/1.1\r\n{host}Content-Length: 99999999999999999999999\r\n\r\n"),
            413,
        ),
        (
            format!("PUT / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n100001\r\n"),
            413,
        ),
        (
            format!(
                "PUT / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"
            ),
            413,
        ),
        (
            format!("PUT / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\nx\r\n"),
            400,
        ),
        (
            format!("PUT / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n"),
            400,
        ),
    ] {
        let mut client = HttpClient::connect(&server);
        client.say(&request);
        assert_eq!(outcome(&mut client), (status, false), "{request:.200}");
        client.expect_end();
    }
    assert_eq!(HttpClient::connect(&server).get("/livez").status, 200);
}

#[test]
fn bodies_come_whole_in_any_coding() {
    let server = start(&[]);
    let mut client = HttpClient::connect(&server);
    client.ask("POST /livez", &["Content-Length: 5"]);
    client.say("12");
    client.say("345");
    assert_eq!(outcome(&mut client), (405, true));
    client.ask("POST /livez", &["Transfer-Encoding: Chunked"]);
    for part in [
        "3;x=y\r",
        "\nabc\r\n",
        "0",
        "1\r\nd\r\n0\r\nTrailer: x\r\n",
        "\r\n",
    ] {
        client.say(part);
    }
    assert_eq!(outcome(&mut client), (405, true));
    // A client that waits to be asked for the body is.
    client.ask(
        "POST /livez",
        &["Content-Length: 2", "Expect: 100-continue"],
    );
    assert_eq!(client.head().status, 100);
    client.say("ab");
    assert_eq!(outcome(&mut client), (405, true));
    // One that is not let in is told at once.
    client.ask(
        "POST /livez",
        &[
            "Content-Length: 2",
            "Expect: 100-continue",
            "Origin: http://x",
        ],
    );
    assert_eq!(outcome(&mut client), (403, false));
    client.expect_end();
}

#[test]
fn a_request_comes_in_any_pieces() {
    let server = start(&[]);
    let request = "\r\nPOST /livez?a=b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    let mut client = HttpClient::connect(&server);
    for cut in 0..=request.len() {
        client.say(&request[..cut]);
        client.say(&request[cut..]);
        assert_eq!(outcome(&mut client), (405, true), "{cut}");
    }
    for octet in request.bytes() {
        client.say([octet]);
    }
    assert_eq!(outcome(&mut client), (405, true));
}

#[test]
fn curl_uses_all_of_it() {
    if !installed(&["curl"]) {
        return;
    }
    let server = start(&[]);
    let file = server.folder().join("body");
    std::fs::write(&file, vec![b'x'; 1 << 20]).unwrap();
    let curl = |arguments: &[&str]| {
        let mut curl = program("curl", &server);
        curl.args([
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code} %{num_connects}\n",
        ]);
        run(curl.args(arguments))
    };
    let livez = format!("http://{}/livez", server.http_address());
    assert_eq!(curl(&[&livez, "-o", "/dev/null", &livez]), "200 1\n200 0\n");
    assert_eq!(curl(&["-I", &livez]), "200 1\n");
    assert_eq!(curl(&["--http1.0", &livez]), "200 1\n");
    assert_eq!(
        curl(&[
            "--expect100-timeout",
            "20",
            "--data-binary",
            "@body",
            &livez
        ]),
        "405 1\n"
    );
    let chunked = ["-H", "Transfer-Encoding: chunked", "--data-binary", "@body"];
    assert_eq!(curl(&[&chunked[..], &[&livez]].concat()), "405 1\n");
    std::fs::write(&file, vec![b'x'; (1 << 20) + 1]).unwrap();
    assert_eq!(curl(&["--data-binary", "@body", &livez]), "413 1\n");
    assert_eq!(curl(&[&chunked[..], &[&livez]].concat()), "413 1\n");
}

#[test]
fn a_head_that_takes_too_long_is_given_up() {
    let server = start(&[]);
    let mut client = HttpClient::connect(&server);
    let begun = std::time::Instant::now();
    client.say("GET /livez HTTP/1.1\r\n");
    assert_eq!(outcome(&mut client), (408, false));
    assert!(begun.elapsed() >= Duration::from_secs(9));
    client.expect_end();
    assert_eq!(
        one(&server, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").status,
        200
    );
}
