//! HTTP in the loop: what is understood, who is let in, what is told, and what clients cannot do to the mail.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::FileTypeExt;

use rustix::process::Signal;

use crate::common::client::Client;
use crate::common::http::{HttpClient, HttpReply};
use crate::common::{TestServer, wait_until};

mod attacks;
mod bounds;
#[cfg(feature = "catch")]
mod long;
mod metrics;

/// A server that listens for HTTP on a port.
fn start(options: &[&str]) -> TestServer {
    TestServer::start(&[&["--http", "127.0.0.1:0"], options].concat())
}

/// Says a request as it stands on a connection of its own; the response.
#[track_caller]
fn one(server: &TestServer, request: &str) -> HttpReply {
    let mut client = HttpClient::connect(server);
    client.say(request);
    client.reply()
}

#[test]
fn probes_are_answered_on_one_connection() {
    let mut server = start(&[]);
    assert_eq!(
        server.stdout(),
        format!(
            "listening smtp {}\nlistening http {}\n",
            server.address(),
            server.http_address()
        )
    );
    let mut client = HttpClient::connect(&server);
    for path in [
        "/livez",
        "/readyz",
        "/readyz?wait=20",
        "http://localhost/livez",
    ] {
        let reply = client.get(path);
        assert_eq!((reply.status, reply.text()), (200, "ok\n"), "{path}");
        for (name, value) in [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", "default-src 'none'"),
            ("Referrer-Policy", "no-referrer"),
        ] {
            assert_eq!(reply.field(name), Some(value), "{reply:?}");
        }
        assert!(
            reply
                .field("Date")
                .is_some_and(|date| date.ends_with(" GMT"))
        );
        let cors = reply
            .fields
            .iter()
            .any(|(name, _)| name.starts_with("access-control"));
        assert!(!cors, "{reply:?}");
    }
    assert_eq!(client.get("/nothing").status, 404);
    // What is asked ahead is answered in order.
    for path in ["/nothing", "/livez", "/readyz"] {
        client.ask(&format!("GET {path}"), &[]);
    }
    let statuses = [(); 3].map(|()| client.reply().status);
    assert_eq!(statuses, [404, 200, 200]);
    server.stop();
}

#[test]
fn connections_end_when_one_side_wants_it() {
    let server = start(&[]);
    let mut client = HttpClient::connect(&server);
    client.ask("GET /livez", &["Connection: close"]);
    assert_eq!(client.reply().field("Connection"), Some("close"));
    client.expect_end();

    let mut client = HttpClient::connect(&server);
    client.say("GET /livez HTTP/1.0\r\n\r\n");
    assert_eq!(client.reply().field("Connection"), Some("close"));
    client.expect_end();

    let mut client = HttpClient::connect(&server);
    for _ in 0..2 {
        client.say("GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!(client.reply().field("Connection"), Some("keep-alive"));
    }
    // The body of a response to HEAD is not sent, only told of.
    client.ask("HEAD /livez", &[]);
    assert_eq!(client.head().field("Content-Length"), Some("3"));
    assert_eq!(client.get("/livez").status, 200);
}

#[test]
fn a_client_that_speaks_something_else_is_told_so() {
    let server = start(&[]);
    let tls = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03";
    for said in [
        &b"EHLO client.example\r\n"[..],
        tls,
        b"\r\n\r\nHELO x\r\n",
        b"GET /\r\n",
        b"hello",
    ] {
        let mut client = HttpClient::connect(&server);
        client.say(said);
        client.say("\r\n\r\n");
        let reply = client.reply();
        assert_eq!(
            (reply.status, reply.field("Connection")),
            (400, Some("close"))
        );
        client.expect_end();
    }
}

#[test]
fn hosts_and_pages_of_other_names_are_not_let_in() {
    let server = start(&["--http-host", "mail", "--http", "unix:http.sock"]);
    let status = |server: &TestServer, request: &str, fields: &str| {
        one(server, &format!("{request} HTTP/1.1\r\n{fields}\r\n")).status
    };
    for (host, expected) in [
        ("localhost", 200),
        ("127.0.0.1:8025", 200),
        ("[::1]", 200),
        ("mail:8025", 200),
        ("MAIL", 200),
        ("evil.example", 403),
        ("mail.evil.example:80", 403),
        ("", 403),
    ] {
        let fields = format!("Host: {host}\r\n");
        assert_eq!(status(&server, "GET /livez", &fields), expected, "{host}");
    }
    for (request, fields, expected) in [
        ("GET /livez", "", 400),
        ("GET /livez", "Host: mail\r\nhost: mail\r\n", 400),
        ("GET http://evil.example/livez", "Host: mail\r\n", 403),
        ("GET http://mail/livez", "Host: evil.example\r\n", 200),
        // A page may look, though it is shown nothing; to change something it has to be one of ours.
        (
            "GET /livez",
            "Host: mail\r\nOrigin: http://evil.example\r\n",
            200,
        ),
        (
            "POST /livez",
            "Host: mail\r\nOrigin: http://evil.example\r\n",
            403,
        ),
        ("POST /livez", "Host: mail\r\nOrigin: null\r\n", 403),
        (
            "POST /livez",
            "Host: mail\r\nOrigin: http://mail:8025\r\n",
            405,
        ),
        (
            "GET /api/loop",
            "Host: mail\r\nOrigin: http://evil.example\r\n",
            403,
        ),
    ] {
        assert_eq!(
            status(&server, request, fields),
            expected,
            "{request} {fields}"
        );
    }
    let path = server.folder().join("http.sock");
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
    let mut client = HttpClient::connect_to(&format!("unix:{}", path.display()));
    client.say("GET /livez HTTP/1.1\r\nHost: whatever\r\n\r\n");
    assert_eq!(client.reply().status, 200);
    drop(client);
    let mut server = server;
    server.stop();
    assert!(!path.exists(), "the socket file goes with the server");
}

#[test]
fn a_token_is_asked_for_by_all_but_probes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "s3cret\n").unwrap();
    let file = file.to_str().unwrap();
    let mut server = TestServer::start(&["--http", "0.0.0.0:0", "--http-token", file]);
    let ask = |server: &TestServer, path: &str, authorization: &str| {
        let authorization = match authorization {
            "" => String::new(),
            shown => format!("Authorization: {shown}\r\n"),
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}\r\n");
        one(server, &request)
    };
    for (path, shown, expected) in [
        ("/livez", "", 200),
        ("/readyz", "Bearer wrong", 200),
        ("/metrics", "", 401),
        ("/metrics", "Bearer wrong", 401),
        ("/metrics", "Basic s3cret", 401),
        ("/metrics", "Bearer s3cret", 200),
        ("/livez/../metrics", "", 401),
        ("/api/loop", "", 401),
    ] {
        let reply = ask(&server, path, shown);
        assert_eq!(reply.status, expected, "{path} {shown}");
        let challenge = (expected == 401).then_some("Bearer");
        assert_eq!(reply.field("WWW-Authenticate"), challenge);
    }
    fs::write(file, "an0ther\n").unwrap();
    server.signal(Signal::HUP);
    wait_until("the other token", || {
        ask(&server, "/metrics", "Bearer an0ther").status == 200
    });
    assert_eq!(ask(&server, "/metrics", "Bearer s3cret").status, 401);
    // A file that is no good leaves the token as it was.
    fs::write(file, "two words\n").unwrap();
    server.signal(Signal::HUP);
    wait_until("a warning", || server.log().contains("without blanks"));
    assert_eq!(ask(&server, "/metrics", "Bearer an0ther").status, 200);
    assert!(!server.log().contains("s3cret"), "{}", server.log());
    server.stop();
}

#[test]
fn a_server_that_drains_says_so_to_the_last() {
    let mut server = start(&[]);
    let mut idle = HttpClient::connect(&server);
    assert_eq!(idle.get("/readyz").status, 200);
    let mut viewer = HttpClient::connect(&server);
    viewer.ask("GET /api/loop", &[]);
    assert_eq!(viewer.head().status, 200);
    let mut mail = Client::connect(server.address());
    mail.begin_message("ann@example.org");
    server.signal(Signal::TERM);
    idle.expect_end();
    wait_until("the stream to end", || viewer.line().is_none());
    let mut late = HttpClient::connect(&server);
    late.ask("GET /readyz", &[]);
    let reply = late.reply();
    assert_eq!(
        (reply.status, reply.field("Connection")),
        (503, Some("close"))
    );
    late.expect_end();
    // Nobody waits for what will not come any more.
    assert_eq!(
        HttpClient::connect(&server).get("/readyz?wait=60").status,
        503
    );
    assert_eq!(HttpClient::connect(&server).get("/livez").status, 200);
    // One that asks nothing does not hold the end up.
    let _silent = TcpStream::connect(server.http_address()).unwrap();
    mail.say(".\r\n");
    mail.expect("250");
    wait_until("the end", || server.has_ended());
    assert!(
        server.log().contains("ended connections=1"),
        "{}",
        server.log()
    );
}
