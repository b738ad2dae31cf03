//! What `docs/limits.md` promises of memory, measured on the real server.

// Some of it is for TLS only.
#![cfg_attr(not(feature = "tls"), allow(dead_code, unused_imports))]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::StreamOwned;
use socket2::SockRef;

use crate::common::client::read_some;
use crate::common::{TestServer, raise_descriptor_limit, tls, wait_until};

/// What the document promises: bytes of an idle connection, and of the worst one.
const IDLE_BYTES_MAX: u64 = 1024;
const HOSTILE_BYTES_MAX: u64 = 192 * 1024;
/// The same in TLS.
const HOSTILE_TLS_BYTES_MAX: u64 = 192 * 1024;
const IDLE_TLS_BYTES_MAX: u64 = 12 * 1024;
const HANDSHAKE_BYTES_MAX: u64 = 80 * 1024;

/// Reads until what came ends in `end`.
fn hear(stream: &mut impl Read, end: &str) {
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    while !heard.ends_with(end.as_bytes()) {
        let count = read_some(stream, &mut buffer).unwrap();
        assert!(
            count > 0,
            "closed behind {}",
            String::from_utf8_lossy(&heard)
        );
        heard.extend_from_slice(&buffer[..count]);
    }
}

#[test]
fn an_idle_connection_costs_what_is_promised() {
    const COUNT: u64 = 4000;
    raise_descriptor_limit();
    let server = TestServer::start(&["--discard", "--log-level", "warn"]);
    let mut idle = Vec::new();
    let mut measure = |count: u64| {
        for _ in 0..count {
            let mut stream = server.connect();
            hear(&mut stream, "mailoop\r\n");
            stream.write_all(b"EHLO client.example.com\r\n").unwrap();
            hear(&mut stream, "250 HELP\r\n");
            idle.push(stream);
        }
        server.memory_kib("VmRSS") * 1024
    };
    let few = measure(100);
    let many = measure(COUNT);
    let each = (many - few) / COUNT;
    eprintln!("an idle connection: {each} bytes");
    assert!(each <= IDLE_BYTES_MAX, "{each} bytes each");
}

/// Has a client take as much of the server as may be: `reads` on to the end of that, or never again.
fn be_hostile<S: Read + Write>(stream: &mut S, reads: bool) {
    hear(stream, "mailoop\r\n");
    // As many recipients as there may be, each as long as it may be, and so are the mailboxes that they lead to; one
    // for all of them.
    let domain = format!("{}.{}.{}", "d".repeat(63), "d".repeat(63), "d".repeat(56));
    let recipient = format!("RCPT TO:<{}+t@{domain}>\r\n", "u".repeat(62));
    stream
        .write_all(format!("EHLO {}\r\nMAIL FROM:<>\r\n", "h".repeat(255)).as_bytes())
        .unwrap();
    hear(stream, "2.1.0 Ok\r\n");
    for _ in 0..100 {
        stream.write_all(recipient.as_bytes()).unwrap();
        hear(stream, "2.1.5 Ok\r\n");
    }
    if reads {
        stream.write_all(b"DATA\r\n").unwrap();
        hear(stream, "itself\r\n");
        stream
            .write_all(&b"text without an end\r\n".repeat(1000))
            .unwrap();
    }
}

/// Sends commands until the server takes no more.
fn pipeline<S: Write>(stream: &mut S, socket: impl Fn(&S) -> &TcpStream) {
    // What the kernel takes in for it is not the server's affair.
    SockRef::from(socket(stream))
        .set_recv_buffer_size(4096)
        .unwrap();
    socket(stream).set_nonblocking(true).unwrap();
    while stream.write(&b"NOOP\r\n".repeat(10_000)).is_ok() {}
}

const HOSTILE_OPTIONS: [&str; 4] = ["--log-level", "error", "--max-errors", "1000000"];

#[test]
fn the_worst_connection_costs_no_more_than_is_promised() {
    const COUNT: usize = 40;
    let server = TestServer::start(&HOSTILE_OPTIONS);
    let before = server.memory_kib("VmRSS") * 1024;
    let mut hostile: Vec<_> = (0..COUNT).map(|_| server.connect()).collect();
    for (number, stream) in hostile.iter_mut().enumerate() {
        be_hostile(stream, number % 2 == 0);
    }
    for stream in hostile.iter_mut().skip(1).step_by(2) {
        pipeline(stream, |stream| stream);
    }
    wait_until("the server to rest", || server.is_resting());
    let most = server.memory_kib("VmHWM") * 1024;
    let each = (most - before) / COUNT as u64;
    eprintln!("a hostile connection: {each} bytes");
    assert!(each <= HOSTILE_BYTES_MAX, "{each} bytes each");
    // They are closed here, in good order; nobody is to be in doubt which of them was read from.
    drop(hostile);
}

#[cfg_attr(not(feature = "tls"), ignore = "TLS is left out")]
#[test]
fn the_worst_session_in_tls_costs_no_more_than_is_promised() {
    const COUNT: usize = 40;
    let smtps = ["--listen-tls", "127.0.0.1:0", "--tls-self-signed"];
    let server = TestServer::start(&[&smtps[..], &HOSTILE_OPTIONS].concat());
    let before = server.memory_kib("VmRSS") * 1024;
    let connect = |_| StreamOwned::new(tls::client(), server.connect());
    let mut hostile: Vec<_> = (0..COUNT).map(connect).collect();
    for (number, stream) in hostile.iter_mut().enumerate() {
        be_hostile(stream, number % 2 == 0);
    }
    for (number, stream) in hostile.iter_mut().enumerate() {
        if number % 2 == 0 {
            // The longest record there is, but for its last octet.
            stream.conn.writer().write_all(&[b'x'; 1 << 14]).unwrap();
            let mut record = Vec::new();
            stream.conn.write_tls(&mut record).unwrap();
            stream.sock.write_all(&record[..record.len() - 1]).unwrap();
        } else {
            pipeline(stream, |stream| &stream.sock);
        }
    }
    wait_until("the server to rest", || server.is_resting());
    let most = server.memory_kib("VmHWM") * 1024;
    let each = (most - before) / COUNT as u64;
    eprintln!("a hostile session in TLS: {each} bytes");
    assert!(each <= HOSTILE_TLS_BYTES_MAX, "{each} bytes each");
    drop(hostile);
}

#[test]
fn an_endless_line_needs_no_memory() {
    let server = TestServer::start(&["--max-message-size", "1M"]);
    let mut stream = server.connect();
    hear(&mut stream, "mailoop\r\n");
    let before = server.memory_kib("VmRSS");
    let part = [b'x'; 1 << 20];
    for _ in 0..64 {
        stream.write_all(&part).unwrap();
    }
    stream
        .write_all(b"\r\nHELO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
        .unwrap();
    hear(&mut stream, "itself\r\n");
    for _ in 0..64 {
        stream.write_all(&part).unwrap();
    }
    stream.write_all(b"\r\n.\r\n").unwrap();
    hear(&mut stream, "552 Error: message exceeds the size limit\r\n");
    let grown = server.memory_kib("VmHWM") - before;
    assert!(grown < 1024, "it took {grown} KiB");
    assert!(
        !server.mailbox("b@example.org").exists(),
        "something is left"
    );
}

/// A server whose clients may begin TLS in both ways; where it listens for TLS.
fn start_with_tls() -> (TestServer, String) {
    let server = TestServer::start(&[
        "--discard",
        "--log-level",
        "warn",
        "--tls-self-signed",
        "--listen",
        "127.0.0.1:0",
        "--listen-tls",
        "127.0.0.1:0",
    ]);
    let smtps = server.address_for("smtps");
    (server, smtps)
}

#[cfg_attr(not(feature = "tls"), ignore = "TLS is left out")]
#[test]
fn an_idle_session_in_tls_costs_what_is_promised() {
    const COUNT: u64 = 1000;
    raise_descriptor_limit();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (server, smtps) = start_with_tls();
        // Nobody comes back: each has a handshake of its own.
        let mut config = (*tls::trusting_in(&[version])).clone();
        config.resumption = rustls::client::Resumption::disabled();
        let config = Arc::new(config);
        let mut idle = Vec::new();
        let mut measure = |count: u64| {
            for _ in 0..count {
                let tls = tls::client_of(Arc::clone(&config), "mail.example.org");
                let stream = TcpStream::connect(&smtps).unwrap();
                let mut stream = StreamOwned::new(tls, stream);
                hear(&mut stream, "mailoop\r\n");
                stream.write_all(b"EHLO client.example.com\r\n").unwrap();
                hear(&mut stream, "250 HELP\r\n");
                idle.push(stream);
            }
            server.memory_kib("VmRSS") * 1024
        };
        let few = measure(100);
        let many = measure(COUNT);
        let each = (many - few) / COUNT;
        eprintln!("an idle session in {:?}: {each} bytes", version.version);
        assert!(each <= IDLE_TLS_BYTES_MAX, "{each} bytes each");
    }
}

/// The most a handshake may keep: a hello that is nearly as long as any may be, and does not end.
#[cfg_attr(not(feature = "tls"), ignore = "TLS is left out")]
#[test]
fn a_handshake_without_an_end_costs_no_more_than_is_promised() {
    const COUNT: u64 = 200;
    const LENGTH: u16 = 65_500;
    const RECORD: usize = 16 * 1024;
    let (server, smtps) = start_with_tls();
    let before = server.memory_kib("VmRSS") * 1024;
    // A ClientHello in records of 16 KiB, all but its last octet. With the heads of its records it may have 65,535.
    let [high, low] = (LENGTH - 4).to_be_bytes();
    let mut message = vec![0; usize::from(LENGTH)];
    message[..4].copy_from_slice(&[1, 0, high, low]);
    let mut hello = Vec::new();
    for part in message[..message.len() - 1].chunks(RECORD) {
        let [high, low] = u16::try_from(part.len()).unwrap().to_be_bytes();
        hello.extend_from_slice(&[0x16, 3, 1, high, low]);
        hello.extend_from_slice(part);
    }
    let mut hostile = Vec::new();
    for _ in 0..COUNT {
        let mut stream = TcpStream::connect(&smtps).unwrap();
        stream.write_all(&hello).unwrap();
        hostile.push(stream);
    }
    wait_until("the server to rest", || server.is_resting());
    let each = (server.memory_kib("VmHWM") * 1024 - before) / COUNT;
    eprintln!("a handshake without an end: {each} bytes");
    for stream in &mut hostile {
        stream.set_nonblocking(true).unwrap();
        let waits = stream.read(&mut [0; 1]).unwrap_err();
        assert_eq!(waits.kind(), std::io::ErrorKind::WouldBlock);
    }
    assert!(each <= HANDSHAKE_BYTES_MAX, "{each} bytes each");
}
