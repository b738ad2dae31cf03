//! What passes between the server and a service manager: listening sockets, and news of its state.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::client::Client;
use crate::common::{TestServer, wait_until};
use rustix::process::Signal;
use socket2::{Domain, Socket, Type};

/// Runs the server as a service manager does, with the shell's standard streams as three passed sockets.
const PASS_THREE: &str = r#"export LISTEN_PID=$$ LISTEN_FDS=3 LISTEN_FDNAMES=smtp:smtp:smtp
exec "$0" "$@" 3<&0 4<&1 5<&2 0</dev/null 1>stdout 2>stderr"#;
/// The same with standard input alone.
const PASS_ONE: &str = r#"export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES="smtp"
exec "$0" "$@" 3<&0 0</dev/null 1>stdout 2>stderr"#;

fn start_with(socket: impl Into<OwnedFd>, args: &[&str]) -> TestServer {
    let stdio = [socket.into().into(), Stdio::null(), Stdio::null()];
    TestServer::start_by_shell(PASS_ONE, args, stdio)
}

#[track_caller]
fn deliver<S: Read + Write>(stream: S, to: &str) {
    let mut client = Client::new(stream);
    client.begin_message(to);
    client.say(".\r\nQUIT\r\n");
    client.expect("250");
    assert_eq!(client.rest(), "221 Bye\r\n");
}

/// The only message for `to`.
fn stored(server: &TestServer, to: &str) -> String {
    fs::read_to_string(&server.new_mail(to)[0]).unwrap()
}

#[test]
fn passed_sockets_of_every_kind_are_used_and_outlive_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("smtp.sock");
    let four = TcpListener::bind("127.0.0.1:0").unwrap();
    let six = TcpListener::bind("[::1]:0").unwrap();
    let local = UnixListener::bind(&path).unwrap();
    let addresses = [four.local_addr().unwrap(), six.local_addr().unwrap()];
    for _start in 0..2 {
        let sockets: [OwnedFd; 3] = [
            four.try_clone().unwrap().into(),
            six.try_clone().unwrap().into(),
            local.try_clone().unwrap().into(),
        ];
        // Whoever comes too early waits.
        let early = TcpStream::connect(addresses[0]).unwrap();
        let mut server = TestServer::start_by_shell(PASS_THREE, &[], sockets.map(Stdio::from));
        let [four, six] = addresses.map(|address| format!("listening smtp {address}\n"));
        let unix = format!("listening smtp unix:{}\n", path.display());
        assert_eq!(server.stdout(), [four, six, unix].concat());
        deliver(early, "early@example.org");
        deliver(
            TcpStream::connect(addresses[0]).unwrap(),
            "four@example.org",
        );
        deliver(TcpStream::connect(addresses[1]).unwrap(), "six@example.org");
        deliver(UnixStream::connect(&path).unwrap(), "local@example.org");
        assert!(stored(&server, "six@example.org").contains("([IPv6:::1])"));
        assert!(stored(&server, "local@example.org").contains("(local)"));
        let six = format!("inherited={} descriptor=4 name=smtp\n", addresses[1]);
        assert!(server.log().contains(&six), "{}", server.log());
        server.stop();
        assert!(path.exists(), "the socket file is the service manager's");
    }
}

#[cfg(feature = "http")]
#[test]
fn a_passed_socket_that_is_named_http_is_for_that() {
    use crate::common::http::HttpClient;

    let line = r#"export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=http
exec "$0" "$@" 3<&0 0</dev/null 1>stdout 2>stderr"#;
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let http = tcp.local_addr().unwrap().to_string();
    let stdio = [OwnedFd::from(tcp).into(), Stdio::null(), Stdio::null()];
    // It is no listener for mail.
    let mut server = TestServer::start_by_shell(line, &["--listen", "127.0.0.1:0"], stdio);
    assert_eq!(server.http_address(), http);
    assert_eq!(HttpClient::connect(&server).get("/readyz").status, 200);
    Client::connect(server.address()).expect("220 ");
    server.stop();
}

#[test]
fn a_passed_socket_that_is_named_lmtp_speaks_it() {
    let line = r#"export LISTEN_PID=$$ LISTEN_FDS=3 LISTEN_FDNAMES=smtp:lmtp:lmtp
exec "$0" "$@" 3<&0 4<&1 5<&2 0</dev/null 1>stdout 2>stderr"#;
    let tcp = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [smtp, lmtp] = [0, 1].map(|index| tcp[index].local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lmtp.sock");
    let local = UnixListener::bind(&path).unwrap();
    let [first, second] = tcp.map(OwnedFd::from);
    let sockets = [first, second, local.into()].map(Stdio::from);
    let name = ["--hostname", "mail.example.org"];
    let mut server = TestServer::start_by_shell(line, &name, sockets);
    let expected = format!(
        "listening smtp {smtp}\nlistening lmtp {lmtp}\nlistening lmtp unix:{}\n",
        path.display()
    );
    assert_eq!(server.stdout(), expected);
    let mut client = Client::new(TcpStream::connect(smtp).unwrap());
    client.expect("220 mail.example.org ESMTP ");
    let mut client = Client::new(TcpStream::connect(lmtp).unwrap());
    client.expect("220 mail.example.org LMTP ");
    let mut client = Client::new(UnixStream::connect(&path).unwrap());
    client.expect("220 mail.example.org LMTP ");
    drop(client);
    server.stop();
}

#[test]
fn a_passed_socket_replaces_the_default_listener_only() {
    let passed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = passed.local_addr().unwrap();
    let mut server = start_with(passed, &["--listen", "[::1]:0"]);
    let stdout = server.stdout();
    let lines: Vec<_> = stdout.lines().collect();
    assert_eq!(lines[0], format!("listening smtp {address}"));
    assert!(lines.len() == 2 && lines[1].starts_with("listening smtp [::1]:"));
    assert!(server.log().contains(" name=smtp\n"));

    let info = fs::read_to_string(format!("/proc/{}/fdinfo/3", server.pid())).unwrap();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = u32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
    assert!(flags & 0o2_000_000 != 0, "it is not close-on-exec: {info}");
    assert!(flags & 0o4000 != 0, "it blocks: {info}");
    server.stop();
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let line = r#"export LISTEN_PID=1 LISTEN_FDS=1
exec "$0" "$@" 3<&0 0</dev/null 1>stdout 2>stderr"#;
    let passed = TcpListener::bind("127.0.0.1:0").unwrap();
    let stdio = [OwnedFd::from(passed).into(), Stdio::null(), Stdio::null()];
    let mut server = TestServer::start_by_shell(line, &["--listen", "127.0.0.1:0"], stdio);
    assert_eq!(server.stdout().lines().count(), 1);
    assert!(!server.log().contains("inherited="));
    server.stop();
}

#[test]
fn a_socket_for_both_families_shows_who_is_there() {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
    socket.set_only_v6(false).unwrap();
    let any: SocketAddr = "[::]:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    socket.listen(16).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    let mut server = start_with(socket, &["--domain", "example.org"]);
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    deliver(stream, "b@example.org");
    let message = stored(&server, "b@example.org");
    assert!(message.contains(" ([127.0.0.1])\n"), "{message}");
    server.stop();
    assert!(server.log().contains(" peer=127.0.0.1:"));
}

/// What a server that is not to start says, given this descriptor without a name.
#[track_caller]
fn refused(descriptor: impl Into<OwnedFd>) -> String {
    refused_by_name("", descriptor)
}

/// The same of this name.
#[track_caller]
fn refused_by_name(name: &str, descriptor: impl Into<OwnedFd>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let line = r#"LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@" 3<&0 0</dev/null"#;
    let output = Command::new("/bin/sh")
        .env("LISTEN_FDNAMES", name)
        .args(["-c", line, env!("CARGO_BIN_EXE_mailoop"), "serve"])
        .current_dir(&folder)
        .stdin(descriptor.into())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn what_cannot_be_used_is_refused() {
    let public = refused(TcpListener::bind("0.0.0.0:0").unwrap());
    assert!(public.contains("--domain"), "{public}");
    let (connected, _other) = UnixStream::pair().unwrap();
    let (datagram, _other) = UnixDatagram::pair().unwrap();
    let file = tempfile::tempfile().unwrap();
    for descriptor in [connected.into(), datagram.into(), OwnedFd::from(file)] {
        let said = refused(descriptor);
        assert!(
            said.contains("descriptor 3") && said.contains("Accept=no"),
            "{said}"
        );
    }
}

#[test]
fn a_passed_socket_of_an_unknown_name_is_refused() {
    // The first is what systemd calls it where the socket unit says nothing.
    for name in ["mailoop.socket", "unknown", "SMTP", "imap"] {
        let said = refused_by_name(name, TcpListener::bind("127.0.0.1:0").unwrap());
        assert!(
            said.contains(&format!(
                "descriptor 3, which LISTEN_FDS announces: it is called {name}"
            )) && said.contains("smtp, smtps, submission, submissions, lmtp"),
            "{said}"
        );
    }
}

#[test]
fn the_service_manager_is_told_of_ready_and_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let name = format!("mailoop-test-{}", std::process::id());
    let on_path = UnixDatagram::bind(&path).unwrap();
    let address = UnixAddress::from_abstract_name(&name).unwrap();
    let abstract_one = UnixDatagram::bind_addr(&address).unwrap();
    for (manager, named) in [
        (on_path, path.display().to_string()),
        (abstract_one, format!("@{name}")),
    ] {
        manager
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let hear = || {
            let mut message = [0; 64];
            // Halted meanwhile, it is begun anew (signal(7)).
            let length = loop {
                match manager.recv(&mut message) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    received => break received.unwrap(),
                }
            };
            String::from_utf8(message[..length].to_vec()).unwrap()
        };
        let line = format!(r#"NOTIFY_SOCKET={named} exec "$0" "$@" 0</dev/null 1>stdout 2>stderr"#);
        let stdio = [Stdio::null(), Stdio::null(), Stdio::null()];
        let args = ["--listen", "127.0.0.1:0"];
        let mut server = TestServer::start_by_shell(&line, &args, stdio);
        assert_eq!(hear(), "READY=1\n");
        let mut client = Client::connect(server.address());
        server.signal(Signal::USR1);
        // Also every minute, which is too long for a test.
        assert!(hear().starts_with("STATUS=connections="));
        client.begin_message("b@example.org");
        server.signal(Signal::TERM);
        assert_eq!(hear(), "STOPPING=1\n");
        client.say(".\r\n");
        client.expect("250");
        drop(client);
        wait_until("the server to end", || server.has_ended());
        server.stop();
        manager.set_nonblocking(true).unwrap();
        assert!(manager.recv(&mut [0; 64]).is_err(), "it is told once");
    }
}

#[test]
fn a_service_manager_that_is_gone_is_no_reason_to_fail() {
    let line = r#"NOTIFY_SOCKET=/nowhere exec "$0" "$@" 0</dev/null 1>stdout 2>stderr"#;
    let stdio = [Stdio::null(), Stdio::null(), Stdio::null()];
    let mut server = TestServer::start_by_shell(line, &["--listen", "127.0.0.1:0"], stdio);
    server.stop();
    assert!(server.log().contains("service manager"), "{}", server.log());
}

#[test]
fn a_passed_public_socket_never_becomes_an_open_relay_by_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("mailoop.toml");
    fs::write(&config, "domain = ['a.example']").unwrap();
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let server = start_with(socket, &["--config", config.to_str().unwrap()]);
    for (written, told) in [
        ("", "the old configuration stays"),
        (
            "domain = ['a.example']\nbare-newline = 'accept'",
            "the old configuration stays",
        ),
        ("domain = ['b.example']", "configuration reloaded"),
    ] {
        let before = server.log().matches(told).count();
        fs::write(&config, written).unwrap();
        server.signal(Signal::HUP);
        wait_until(told, || server.log().matches(told).count() > before);
    }
}
