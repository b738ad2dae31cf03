//! What `docs/limits.md` promises of memory, measured on the real server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;

use socket2::SockRef;

use common::{TestServer, raise_descriptor_limit, wait_until};

/// What the document promises: bytes of an idle connection, and of the worst one.
const IDLE_BYTES_MAX: u64 = 1024;
const HOSTILE_BYTES_MAX: u64 = 128 * 1024;

/// Reads until what came ends in `end`.
fn hear(stream: &mut TcpStream, end: &str) {
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    while !heard.ends_with(end.as_bytes()) {
        let count = stream.read(&mut buffer).unwrap();
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

#[test]
fn the_worst_connection_costs_no_more_than_is_promised() {
    const COUNT: usize = 40;
    let server = TestServer::start(&["--log-level", "error", "--max-errors", "1000000"]);
    let before = server.memory_kib("VmRSS") * 1024;
    let mut hostile = Vec::new();
    for number in 0..COUNT {
        let mut stream = server.connect();
        hear(&mut stream, "mailoop\r\n");
        // As many recipients as there may be, each as long as it may be, and so are the mailboxes that they lead to;
        // one for all of them.
        let domain = format!("{}.{}.{}", "d".repeat(63), "d".repeat(63), "d".repeat(56));
        let recipient = format!("RCPT TO:<{}+t@{domain}>\r\n", "u".repeat(62));
        stream
            .write_all(format!("EHLO {}\r\nMAIL FROM:<>\r\n", "h".repeat(255)).as_bytes())
            .unwrap();
        hear(&mut stream, "2.1.0 Ok\r\n");
        for _ in 0..100 {
            stream.write_all(recipient.as_bytes()).unwrap();
            hear(&mut stream, "2.1.5 Ok\r\n");
        }
        if number % 2 == 0 {
            stream.write_all(b"DATA\r\n").unwrap();
            hear(&mut stream, "itself\r\n");
            stream
                .write_all(&b"text without an end\r\n".repeat(1000))
                .unwrap();
        }
        hostile.push(stream);
    }
    // The others never read again, and pipeline until the server takes no more.
    for stream in hostile.iter_mut().skip(1).step_by(2) {
        // What the kernel takes in for it is not the server's affair.
        SockRef::from(&*stream).set_recv_buffer_size(4096).unwrap();
        stream.set_nonblocking(true).unwrap();
        while stream.write(&b"NOOP\r\n".repeat(10_000)).is_ok() {}
    }
    wait_until("the server to rest", || server.is_resting());
    let most = server.memory_kib("VmHWM") * 1024;
    let each = (most - before) / COUNT as u64;
    eprintln!("a hostile connection: {each} bytes");
    assert!(each <= HOSTILE_BYTES_MAX, "{each} bytes each");
    // They are closed here, in good order; nobody is to be in doubt which of them was read from.
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
