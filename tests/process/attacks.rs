//! What hostile peers do to the real server. What is a matter of bytes alone is in `tests/dialogues`.

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::common::client::{Client, read_some};
use crate::common::{TestServer, files, raise_descriptor_limit, wait_until};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use socket2::{Domain, Socket, Type};

fn hear(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 4096];
    let count = read_some(stream, &mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

/// Connects without waiting for the server to accept.
fn connect_at_once(server: &TestServer) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    let address: SocketAddr = server.address().parse().unwrap();
    match socket.connect(&address.into()) {
        Err(error)
            if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
        {
            panic!("{error}")
        }
        _ => socket,
    }
}

/// The first three characters that came on a socket, if any did.
fn code(socket: &mut Socket) -> Option<String> {
    let mut buffer = [0; 1024];
    match read_some(socket, &mut buffer) {
        Ok(count) if count >= 3 => Some(String::from_utf8_lossy(&buffer[..3]).into_owned()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_flood_is_told_so_and_costs_nothing_while_it_waits() {
    raise_descriptor_limit();
    let server = TestServer::start_with_descriptors(256, &["--discard", "--log-level", "warn"]);
    let mut flood: Vec<_> = (0..2000).map(|_| connect_at_once(&server)).collect();
    let mut told = 0;
    let mut served = 0;
    for socket in &mut flood {
        wait_until("an answer", || match code(socket).as_deref() {
            Some("220") => {
                served += 1;
                true
            }
            Some("421") => {
                told += 1;
                true
            }
            other => other.is_some_and(|code| panic!("{code}")),
        });
    }
    // (256 - 64) / 2, as docs/limits.md has it.
    assert_eq!((served, told), (96, 2000 - 96));
    wait_until("the server to rest", || server.is_resting());
    drop(flood);
    wait_until("service", || hear(&mut server.connect()).starts_with("220"));
}

/// Lets a running process open no more descriptors than this.
fn limit_descriptors(process: u32, descriptors: usize) {
    let limit = Rlimit {
        current: Some(descriptors as u64),
        maximum: Some(20_000),
    };
    prlimit(
        Pid::from_raw(process.cast_signed()),
        Resource::Nofile,
        limit,
    )
    .unwrap();
}

/// Takes all the descriptors that a server may open, and returns the connections that hold them.
fn exhaust(server: &TestServer) -> Vec<TcpStream> {
    limit_descriptors(server.pid(), server.descriptors());
    // Numbers below the limit may be free.
    let mut held = Vec::new();
    loop {
        let mut stream = server.connect();
        if !hear(&mut stream).starts_with("220") {
            return held;
        }
        held.push(stream);
    }
}

#[test]
fn without_any_descriptor_clients_are_still_told_so() {
    let server = TestServer::start(&["--discard"]);
    let mut early = server.connect();
    assert!(hear(&mut early).starts_with("220"));
    let held = exhaust(&server);
    wait_until("the reserve to be back", || server.is_resting());
    let open = server.descriptors();
    for _ in 0..100 {
        let mut late = server.connect();
        let said = hear(&mut late);
        assert!(said.starts_with("421"), "{said}");
        assert_eq!(hear(&mut late), "");
    }
    wait_until("the server to rest", || server.is_resting());
    assert_eq!(
        server.descriptors(),
        open,
        "the reserve is lost, or something leaks"
    );
    early.write_all(b"NOOP\r\n").unwrap();
    assert_eq!(hear(&mut early), "250 Ok\r\n");
    drop(held);
    limit_descriptors(server.pid(), 1000);
    assert!(hear(&mut server.connect()).starts_with("220"));
}

#[test]
fn a_message_that_gets_no_descriptor_is_refused_for_now() {
    let server = TestServer::start(&[]);
    let mut stream = server.connect();
    hear(&mut stream);
    stream.write_all(b"EHLO c\r\n").unwrap();
    hear(&mut stream);
    let mut send = || {
        let envelope = ["MAIL FROM:<>", "RCPT TO:<b@example.org>", "DATA"];
        for (line, code) in envelope.into_iter().zip(["250", "250", "354"]) {
            stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
            assert!(hear(&mut stream).starts_with(code));
        }
        stream.write_all(b".\r\n").unwrap();
        hear(&mut stream)
    };
    let [_, store_process] = server.family()[..] else {
        panic!("there is no store process");
    };
    // Standard streams, the root and the instance.
    limit_descriptors(store_process, 5);
    assert!(send().starts_with("452 4.3.1 "));
    limit_descriptors(store_process, 1000);
    assert!(send().starts_with("250 "));
}

#[test]
fn sessions_that_are_aborted_leave_nothing() {
    let mut server = TestServer::start(&["--log-level", "warn"]);
    let mut one = server.connect();
    hear(&mut one);
    let open = server.descriptors();
    let whole =
        b"HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nSubject: x\r\n\r\ntext";
    for round in 0..2000 {
        let mut stream = server.connect();
        let (last, reset) = (round % whole.len(), round % 2 == 0);
        if round % 3 > 0 {
            hear(&mut stream);
        }
        // A server that has had enough may reset first.
        let _ = stream.write_all(&whole[..last]);
        if reset {
            socket2::SockRef::from(&stream)
                .set_linger(Some(Duration::ZERO))
                .unwrap();
        }
    }
    wait_until("all to be gone", || server.descriptors() == open);
    // The store process cleans up a moment later.
    wait_until("only the folder of instances to be there", || {
        files(&server.maildir()).len() == 1
    });
    server.stop();
}

#[test]
fn nothing_a_client_says_breaks_a_header_or_a_log_line() {
    let mut server = TestServer::start(&[]);
    let mut stream = server.connect();
    let name = "x(\"<@>;\\,)y";
    for line in [
        &format!("HELO {name}"),
        "MAIL FROM:<\"a\\\"b c\"@example.com>",
        "RCPT TO:<b@example.org>",
        "DATA",
    ] {
        hear(&mut stream);
        stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
    }
    hear(&mut stream);
    stream
        .write_all(b"X: y\r\n.\r\nHELO \x1b[2J\r\nMAIL FROM:<a\nb@c>\r\n\x00\r\nQUIT\r\n")
        .unwrap();
    while !hear(&mut stream).is_empty() {}
    server.stop();
    let message = fs::read_to_string(&server.new_mail("b@example.org")[0]).unwrap();
    let lines: Vec<_> = message.lines().collect();
    assert_eq!(lines[0], "Return-Path: <\"a\\\"b c\"@example.com>");
    assert_eq!(lines[1], "Received: from x?????????y ([127.0.0.1])");
    assert!(
        lines[2..5].iter().all(|line| line.starts_with('\t')),
        "{message}"
    );
    assert_eq!(lines[5], "X: y");
    let log = server.log();
    assert!(
        log.bytes()
            .all(|byte| byte == b'\n' || byte == b' ' || byte.is_ascii_graphic()),
        "{log}"
    );
    let told: Vec<_> = log
        .lines()
        .filter(|line| line.starts_with("conn=1 "))
        .collect();
    // The message, the sender that was refused, and the end.
    assert_eq!(told.len(), 3, "{log}");
    assert!(told[1].contains(" rejected=501 "), "{log}");
    assert!(
        told[0].contains(r#" from="<\"a\\\"b c\"@example.com>" to=<b@example.org> "#),
        "{log}"
    );
}

#[test]
fn no_address_leads_out_of_the_store() {
    let mut server = TestServer::start(&[]);
    let mut stream = server.connect();
    let addresses = [
        "../../etc/x@d",
        "/@d",
        "a/b@d",
        "%2e%2e@d",
        "\"..\"@d",
        "\".\"@d",
        "\"../x\"@d",
        "\"\\.\"@d",
    ];
    for line in ["HELO c", "MAIL FROM:<>"] {
        hear(&mut stream);
        stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
    }
    hear(&mut stream);
    let mut accepted = 0;
    for address in addresses {
        stream
            .write_all(format!("RCPT TO:<{address}>\r\n").as_bytes())
            .unwrap();
        accepted += usize::from(hear(&mut stream).starts_with("250"));
    }
    stream.write_all(b"DATA\r\n").unwrap();
    hear(&mut stream);
    stream.write_all(b"x\r\n.\r\nQUIT\r\n").unwrap();
    while !hear(&mut stream).is_empty() {}
    server.stop();
    let mailboxes = files(&server.maildir().join("d"));
    // `".."@d` and `..` would be two; `"."` is written in two ways, and the first address is no dot-string.
    assert_eq!((accepted, mailboxes.len()), (7, 6), "{mailboxes:?}");
    let beside: Vec<_> = files(server.folder())
        .iter()
        .map(|path| path.file_name().unwrap().to_owned())
        .collect();
    assert_eq!(beside, ["mail", "stderr", "stdout"]);
}

#[test]
fn no_reply_is_lost_to_a_client_with_a_small_window_that_goes_on_after_quit() {
    let server = TestServer::start(&[]);
    for _ in 0..5 {
        let address: SocketAddr = server.address().parse().unwrap();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(1).unwrap();
        socket.connect(&address.into()).unwrap();
        let mut client = Client::new(TcpStream::from(socket));
        client.expect("220 ");
        client.say(&format!("{}QUIT\r\n", "NOOP\r\n".repeat(3000)));
        client.expect("250 ");
        client.say(&"NOOP\r\n".repeat(20_000));
        for reply in 1..3000 {
            let heard = client.hear();
            assert_eq!(heard, "250 Ok", "reply {reply}");
        }
        assert_eq!(client.rest(), "221 Bye\r\n");
    }
}
