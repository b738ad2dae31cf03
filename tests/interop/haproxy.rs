//! Behind the real HAProxy, which says in a PROXY header whom it speaks for.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use crate::common::program::{Running, foreign, installed};
use crate::common::{TestServer, wait_until};
use socket2::{Domain, Socket, Type};

/// Where a client connects from: unlike HAProxy, which connects from 127.0.0.1.
const CLIENT: &str = "127.0.0.2";
/// Where HAProxy listens: nobody else here does, so that a port that was free is still free.
const FRONTEND: &str = "127.0.0.3:0";
const RECIPIENT: &str = "recipient@example.org";

#[test]
fn delivers_for_the_client_that_haproxy_names() {
    if !installed(&["haproxy"]) {
        return;
    }
    let mut server = TestServer::start(&["--proxy-from", "127.0.0.1"]);
    let (_haproxy, frontends) = start_haproxy(&server, &["send-proxy", "send-proxy-v2"]);
    let clients = frontends.map(|frontend| {
        let mut stream = connect(frontend);
        let client = stream.local_addr().unwrap();
        deliver(&mut stream);
        client
    });
    let messages = server.new_mail(RECIPIENT);
    assert_eq!(messages.len(), clients.len(), "{}", server.log());
    for message in messages {
        let text = fs::read_to_string(message).unwrap();
        let received = format!("Received: from client.example.org ([{CLIENT}])");
        assert!(text.contains(&received), "{text}");
    }
    server.stop();
    for client in clients {
        let line = format!(" peer={client} closed=quit messages=1 ");
        assert!(server.log().contains(&line), "no{line}in {}", server.log());
    }
}

#[test]
fn answers_when_haproxy_speaks_for_itself() {
    if !installed(&["haproxy"]) {
        return;
    }
    let server = TestServer::start(&["--proxy-from", "127.0.0.1"]);
    let (_haproxy, _) = start_haproxy(&server, &["send-proxy-v2 check inter 100ms"]);
    wait_until("a health check to end well", || {
        let log = server.log();
        let mut checks = log.lines().filter(|line| line.contains(" closed=quit "));
        checks.any(|line| line.contains(" peer=127.0.0.1:"))
    });
}

#[test]
fn a_proxy_that_says_nothing_of_the_client_is_left_without_a_word() {
    let mut server = TestServer::start(&["--proxy-from", "127.0.0.1"]);
    // What closes before its header, as a probe of the port does, is no error.
    for (said, reason) in [
        ("EHLO client\r\n", "error"),
        ("PROXY TCP4 192.0.2.1\r\n", "error"),
        ("PROXY TCP4", "peer"),
        ("", "peer"),
    ] {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        let proxy = stream.local_addr().unwrap();
        stream.write_all(said.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // With input unread the connection may be reset.
        let _ = stream.read_to_end(&mut answer);
        assert_eq!(answer, b"");
        let line = format!(" peer={proxy} closed={reason} messages=0 ");
        wait_until("its line in the log", || server.log().contains(&line));
    }
    server.stop();
}

#[test]
fn nobody_else_is_believed() {
    let mut server = TestServer::start(&["--proxy-from", "192.0.2.0/24", "--proxy-from", "::1"]);
    let mut stream = BufReader::new(connect(server.address().parse().unwrap()));
    assert!(hear(&mut stream).starts_with("220 "));
    stream
        .get_mut()
        .write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\nQUIT\r\n")
        .unwrap();
    assert!(hear(&mut stream).starts_with("500 "));
    assert!(hear(&mut stream).starts_with("221 "));
    let client = stream.get_ref().local_addr().unwrap();
    drop(stream);
    server.stop();
    let line = format!(" peer={client} closed=quit ");
    assert!(server.log().contains(&line), "{}", server.log());
}

/// Starts HAProxy in front of the server, and returns where it listens, once for each of these ways to tell the
/// server of its clients.
fn start_haproxy<const N: usize>(
    server: &TestServer,
    ways: &[&str; N],
) -> (Running, [SocketAddr; N]) {
    // All at once, so that no port is picked twice.
    let reserved = ways.map(|_| TcpListener::bind(FRONTEND).unwrap());
    let frontends = reserved
        .each_ref()
        .map(|listener| listener.local_addr().unwrap());
    drop(reserved);
    let mut configuration = String::from(
        "defaults\n mode tcp\n option smtpchk HELO haproxy\n timeout connect 20s\n timeout client 20s\n timeout server 20s\n",
    );
    let backend = server.address();
    for (index, (way, frontend)) in ways.iter().zip(&frontends).enumerate() {
        configuration +=
            &format!("listen mail{index}\n bind {frontend}\n server mailoop {backend} {way}\n");
    }
    let file = server.folder().join("haproxy.cfg");
    fs::write(&file, configuration).unwrap();
    let mut command = foreign("haproxy");
    command.arg("-db").arg("-f").arg(&file).stdin(Stdio::null());
    let output = fs::File::create(server.folder().join("haproxy.log")).unwrap();
    command.stdout(output.try_clone().unwrap()).stderr(output);
    let mut haproxy = Running(command.spawn().unwrap());
    wait_until("HAProxy to listen", || {
        let ended = haproxy.0.try_wait().unwrap();
        let said = || fs::read_to_string(server.folder().join("haproxy.log")).unwrap();
        assert!(ended.is_none(), "HAProxy: {ended:?}\n{}", said());
        frontends
            .iter()
            .all(|frontend| TcpStream::connect(frontend).is_ok())
    });
    (haproxy, frontends)
}

/// Connects from the client's address.
fn connect(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let client: SocketAddr = format!("{CLIENT}:0").parse().unwrap();
    socket.bind(&client.into()).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

/// Sends one message, a textbook session.
fn deliver(stream: &mut TcpStream) {
    let mut stream = BufReader::new(stream);
    let recipient = format!("RCPT TO:<{RECIPIENT}>");
    let steps = [
        ("220", "HELO client.example.org"),
        ("250", "MAIL FROM:<sender@example.com>"),
        ("250", &recipient),
        ("250", "DATA"),
        ("354", "Subject: hello\r\n\r\nbody\r\n."),
        ("250", "QUIT"),
    ];
    for (code, line) in steps {
        let heard = hear(&mut stream);
        assert!(heard.starts_with(code), "{heard} before {line}");
        stream
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())
            .unwrap();
    }
    assert!(hear(&mut stream).starts_with("221"));
}

fn hear(stream: &mut impl BufRead) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    line
}
