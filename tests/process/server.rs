//! The program from outside: what it prints, how it ends, what it holds under load.

use std::collections::HashSet;
use std::fs;
use std::io::BufReader;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::common::client::Client;
use crate::common::pauses::undisturbed;
use crate::common::{
    TestServer, files, happens, raise_descriptor_limit, wait_until, without_trace,
};
use rustix::process::Signal;
use socket2::{Domain, SockRef, Socket, Type};

/// Runs a command that is to end by itself.
fn run(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    command
        .args(arguments)
        .current_dir(&folder)
        .stdin(Stdio::null());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let ended = || child.try_wait().unwrap().is_some();
    if !happens(ended) {
        child.kill().unwrap();
        panic!("{arguments:?} does not end");
    }
    child.wait_with_output().unwrap()
}

/// Runs a command that is to fail with `code` and one line that holds `word`.
#[track_caller]
fn fails(arguments: &[&str], code: i32, word: &str) {
    let output = run(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    let line = said
        .lines()
        .filter(|line| line.starts_with("mailoop: "))
        .collect::<Vec<_>>();
    assert!(
        line.len() == 1 && line[0].contains(word),
        "{arguments:?}: {said}"
    );
    assert!(output.stdout.is_empty(), "{arguments:?}");
}

#[test]
fn a_wrong_command_line_is_told_in_one_line() {
    fails(&["serve", "--no-such-option"], 64, "--no-such-option");
    fails(&["serve", "--config", "x.toml"], 78, "x.toml: cannot read");
    fails(&["serve", "--listen", "localhost:25"], 64, "127.0.0.1:2525");
    fails(&["serve", "--max-message-size", "25X"], 64, "25M");
    fails(&["serve", "--max-errors", "0"], 64, "--max-errors");
    fails(&["serve", "--idle-timeout", "soon"], 64, "300");
    fails(
        &["serve", "--hostname", "not a name"],
        64,
        "mail.example.org",
    );
    fails(&["serve", "--end-of-data", ".x"], 64, "dot");
    fails(
        &["serve", "--end-of-data", "bye", "--bare-newline", "reject"],
        64,
        "--bare-newline",
    );
    fails(&["serve", "--bare-newline", "perhaps"], 64, "normalize");
    fails(&["serve", "--proxy-from", "10.0.0.1/8"], 64, "10.0.0.0/8");
    fails(&["serve", "--discard", "--maildir", "x"], 64, "--maildir");
    fails(&["receive"], 64, "receive");
}

#[test]
fn a_server_that_would_be_an_open_relay_does_not_start() {
    fails(&["serve", "--listen", "0.0.0.0:0"], 78, "--domain");
    fails(
        &["serve", "--listen", "127.0.0.1:0", "--listen", "[::]:0"],
        78,
        "--domain",
    );
    for dialect in [["--bare-newline", "accept"], ["--end-of-data", "bye"]] {
        fails(
            &[
                "serve",
                "--listen",
                "0.0.0.0:0",
                "--domain",
                "a.example",
                dialect[0],
                dialect[1],
            ],
            78,
            "smuggled",
        );
    }
    TestServer::start(&["--listen", "0.0.0.0:0", "--domain", "a.example"]).stop();
}

#[test]
fn what_cannot_be_had_is_told_with_its_exit_code() {
    let server = TestServer::start(&[]);
    fails(
        &["serve", "--listen", server.address()],
        69,
        "another program",
    );
    fails(
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--maildir",
            "/dev/null/mail",
        ],
        73,
        "--maildir",
    );
    fails(
        &["serve", "--listen", "unix:/no/such/folder/s"],
        69,
        "no such folder",
    );
    fails(
        &["serve", "--listen", "192.0.2.1:0", "--domain", "a.example"],
        69,
        "no such address",
    );
}

#[test]
fn help_and_version_are_everywhere() {
    for arguments in [&["--help"][..], &["serve", "--help"], &["--version"]] {
        let output = run(arguments);
        assert!(
            output.status.success() && output.stdout.len() > 10 && output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
}

#[test]
fn it_listens_on_every_kind_of_address_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("smtp.sock");
    let unix = format!("unix:{}", socket.display());
    // What an earlier server that was killed left behind.
    drop(UnixListener::bind(&socket).unwrap());
    let mut server = TestServer::start(&[
        "--listen",
        "127.0.0.1:0",
        "--listen",
        "[::1]:0",
        "--listen",
        &unix,
    ]);
    let stdout = server.stdout();
    let addresses: Vec<_> = stdout
        .lines()
        .map(|line| line.strip_prefix("listening smtp ").unwrap())
        .collect();
    assert_eq!(addresses[2], unix);
    for (address, peer) in [
        (addresses[0], "([127.0.0.1])"),
        (addresses[1], "([IPv6:::1])"),
    ] {
        let mut client = Client::connect(address);
        client.begin_message("tcp@example.org");
        client.say("x\r\n.\r\nQUIT\r\n");
        client.expect("250 Ok: queued as ");
        assert_eq!(client.rest(), "221 Bye\r\n");
        let new = server.new_mail("tcp@example.org").pop().unwrap();
        let message = fs::read_to_string(&new).unwrap();
        let id = new
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .split('.')
            .nth(1)
            .unwrap()
            .to_owned();
        let header = "Return-Path: <a@example.com>\nReceived: from client ";
        let by =
            format!("{peer}\n\tby mx.example.org with SMTP id {id}\n\tfor <tcp@example.org>;\n\t");
        assert!(
            message.starts_with(&format!("{header}{by}")) && message.ends_with(" +0000\n\nx\n"),
            "{message}"
        );
        fs::remove_file(new).unwrap();
    }
    let mut client = Client::new(UnixStream::connect(&socket).unwrap());
    client.begin_message("unix@example.org");
    client.say(".\r\nQUIT\r\n");
    client.expect("250");
    assert_eq!(client.rest(), "221 Bye\r\n");
    let message = fs::read_to_string(&server.new_mail("unix@example.org")[0]).unwrap();
    assert!(message.contains("from client (local)\n"), "{message}");
    fails(&["serve", "--listen", &unix], 69, "another program");
    server.stop();
    assert!(!socket.exists(), "the socket file is left");
}

#[test]
fn early_talkers_are_sent_away() {
    for (options, answer) in [(&[][..], "554 "), (&["--bare-newline", "accept"], "220 ")] {
        let mut server = TestServer::start(options);
        server.signal(Signal::STOP);
        let mut client = Client::connect(server.address());
        client.say("HELO client\r\nQUIT\r\n");
        server.signal(Signal::CONT);
        client.expect(answer);
        let rest = client.rest();
        assert_eq!(rest.is_empty(), answer == "554 ", "{rest}");
        server.stop();
    }
}

#[test]
fn what_is_behind_urgent_data_is_heard() {
    let server = TestServer::start(&[]);
    for _ in 0..20 {
        let mut client = Client::connect(server.address());
        client.expect("220");
        server.signal(Signal::STOP);
        client.say("NO");
        // The urgent octet itself is not part of the stream.
        SockRef::from(client.stream.get_ref())
            .send_out_of_band(b"!")
            .unwrap();
        client.say("OP\r\nNOOP\r\n");
        server.signal(Signal::CONT);
        client.expect("250");
        client.expect("250");
    }
}

#[test]
fn the_last_reply_arrives_though_there_is_unread_input() {
    let server = TestServer::start(&["--max-errors", "1"]);
    for _ in 0..20 {
        let mut client = Client::connect(server.address());
        client.expect("220");
        client.say(&format!("WHAT\r\n{}", "NOOP\r\n".repeat(20_000)));
        client.expect("500");
        client.expect("421");
        assert_eq!(client.rest(), "");
    }
}

#[test]
fn an_idle_client_is_told_and_closed() {
    // What a client says that has paused for longer is said to nobody, and the connection is reset.
    undisturbed(|| {
        let server = TestServer::start(&["--idle-timeout", "0.5"]);
        let mut client = Client::connect(server.address());
        client.expect("220");
        client.say("NOO");
        client.expect("421 mx.example.org Error: timeout exceeded");
        assert_eq!(client.rest(), "");
        drop(client);
        wait_until("the log of the connection", || {
            server.log().contains("closed=timeout")
        });
    });
}

#[test]
fn too_many_connections_are_told_so() {
    let server = TestServer::start(&["--max-connections", "2"]);
    let mut clients: Vec<_> = (0..2).map(|_| Client::connect(server.address())).collect();
    clients.iter_mut().for_each(|client| client.expect("220"));
    let mut third = Client::connect(server.address());
    third.expect("421");
    assert_eq!(third.rest(), "");
    clients[0].say("QUIT\r\n");
    assert_eq!(clients[0].rest(), "221 Bye\r\n");
    wait_until("room", || server.log().contains("closed=quit"));
    Client::connect(server.address()).expect("220");
}

#[test]
fn too_many_connections_from_one_address_are_told_so() {
    let server = TestServer::start(&["--max-connections-per-ip", "1"]);
    let mut first = Client::connect(server.address());
    first.expect("220");
    let mut second = Client::connect(server.address());
    second.expect("421");
    assert_eq!(second.rest(), "");
    let neighbour = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    neighbour
        .bind(&"127.0.0.2:0".parse::<SocketAddr>().unwrap().into())
        .unwrap();
    neighbour
        .connect(&server.address().parse::<SocketAddr>().unwrap().into())
        .unwrap();
    Client {
        stream: BufReader::new(TcpStream::from(neighbour)),
    }
    .expect("220");
    first.say("QUIT\r\n");
    assert_eq!(first.rest(), "221 Bye\r\n");
    wait_until("room", || server.log().contains("closed=quit"));
    Client::connect(server.address()).expect("220");
}

#[test]
fn it_ends_in_good_order_and_a_second_signal_ends_it_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = TestServer::start(&[]);
        let mut idle = Client::connect(server.address());
        idle.expect("220");
        let mut sender = Client::connect(server.address());
        sender.begin_message("b@example.org");
        server.signal(Signal::HUP);
        server.signal(signal);
        idle.expect("421");
        sender.say("text\r\n.\r\n");
        sender.expect("250 Ok: queued as");
        sender.expect("421");
        assert_eq!((idle.rest(), sender.rest()), (String::new(), String::new()));
        drop((idle, sender));
        wait_until("the end", || server.has_ended());
        server.stop();
        assert_eq!(server.new_mail("b@example.org").len(), 1);
    }
    let mut server = TestServer::start(&[]);
    let mut sender = Client::connect(server.address());
    sender.begin_message("b@example.org");
    server.signal(Signal::TERM);
    wait_until("the drain to begin", || {
        TcpStream::connect(server.address()).is_err()
    });
    server.stop();
}

#[test]
fn who_stands_at_the_door_when_it_closes_is_told_so() {
    let mut server = TestServer::start(&[]);
    server.signal(Signal::STOP);
    let mut clients: Vec<_> = (0..5).map(|_| Client::connect(server.address())).collect();
    server.signal(Signal::TERM);
    server.signal(Signal::CONT);
    for client in &mut clients {
        // Some may have been let in before the signal was heard.
        let said = client.rest();
        assert!(
            said.ends_with("421 Service shutting down, try again later\r\n"),
            "{said:?}"
        );
    }
    drop(clients);
    // A second signal would end it before it is done with them.
    wait_until("the end", || server.has_ended());
    server.stop();
    assert_eq!(server.log().matches(" closed=drain ").count(), 5);
}

#[test]
fn the_first_signal_does_not_cut_a_drain_that_has_begun_by_itself() {
    let mut server = TestServer::start(&["--exit-after", "1"]);
    let mut sender = Client::connect(server.address());
    sender.begin_message("b@example.org");
    let mut other = Client::connect(server.address());
    other.begin_message("c@example.org");
    other.say(".\r\n");
    other.expect("250");
    other.expect("421");
    server.signal(Signal::TERM);
    sender.say("text\r\n.\r\n");
    sender.expect("250 Ok: queued as");
    sender.expect("421");
    drop((sender, other));
    wait_until("the end", || server.has_ended());
    server.stop();
}

#[test]
fn a_socket_file_that_is_somebody_elses_by_now_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("smtp.sock");
    let unix = format!("unix:{}", socket.display());
    let mut first = TestServer::start(&["--listen", &unix]);
    fs::remove_file(&socket).unwrap();
    let mut second = TestServer::start(&["--listen", &unix]);
    first.stop();
    let mut client = Client {
        stream: BufReader::new(UnixStream::connect(&socket).unwrap()),
    };
    client.expect("220");
    drop(client);
    second.stop();
    assert!(!socket.exists());
}

#[cfg(feature = "smtputf8")]
#[test]
fn the_log_shows_addresses_in_utf_8_and_nothing_unseen() {
    let mut server = TestServer::start(&[]);
    let mut client = Client::connect(server.address());
    client.hello();
    client.ask("MAIL FROM:<用户@例え.jp> SMTPUTF8", "250");
    client.ask("RCPT TO:<b\u{202e}\u{200b}oof@bücher.example>", "250");
    client.ask("DATA", "354");
    client.ask("text\r\n.", "250");
    client.ask("QUIT", "221");
    server.stop();
    let log = server.log();
    let written =
        r#" from=<用户@例え.jp> to="<b\u{202e}\u{200b}oof@bücher.example>" size=6 stored"#;
    assert!(log.contains(written), "{log}");
}

#[cfg(not(feature = "smtputf8"))]
#[test]
fn what_takes_smtputf8_is_neither_offered_nor_taken() {
    let mut server = TestServer::start(&[]);
    let mut client = Client::connect(server.address());
    client.expect("220 ");
    client.say("EHLO client\r\n");
    loop {
        let line = client.hear();
        assert!(!line.contains("SMTPUTF8"), "{line}");
        if line.starts_with("250 ") {
            break;
        }
    }
    client.ask("MAIL FROM:<a@b> SMTPUTF8", "555 5.5.4 ");
    client.ask("MAIL FROM:<a@bücher.example>", "553 5.6.7 ");
    client.ask("MAIL FROM:<a@b>", "250 ");
    client.ask("RCPT TO:<a@bücher.example>", "553 5.6.7 ");
    client.ask("RCPT TO:<bücher@b>", "553 5.6.7 ");
    client.ask("RCPT TO:<a@xn--bcher-kva.example>", "250 ");
    client.ask("QUIT", "221 ");
    server.stop();
}

#[test]
fn the_log_has_one_line_a_message_and_one_a_connection() {
    let mut server = TestServer::start(&["--max-message-size", "10"]);
    let mut client = Client::connect(server.address());
    client.begin_message("b@example.org");
    client.say("text\r\n.\r\n");
    client.expect("250");
    client.envelope("\"a b\"@example.org");
    client.say("more text\r\n.\r\n");
    client.expect("552");
    client.say("QUIT\r\n");
    client.rest();
    server.stop();
    let log = server.log();
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.starts_with("conn=1 "))
        .collect();
    let (_, since_start) = log.split_once("connections_max=").unwrap();
    let others = since_start.lines().skip(1).count() - lines.len();
    assert_eq!(others, 1, "the sum at the end, and no other line: {log}");
    let id = lines[0].split(' ').nth(1).unwrap();
    assert_eq!(
        lines[0],
        format!("conn=1 {id} from=<a@example.com> to=<b@example.org> size=6 stored")
    );
    assert!(
        id.len() >= 15 && id[3..].bytes().all(|byte| byte.is_ascii_alphanumeric()),
        "{id}"
    );
    assert!(
        lines[1].contains(r#"to="<\"a b\"@example.org>" size=11 rejected=552"#),
        "{}",
        lines[1]
    );
    assert!(
        lines[2].contains(" closed=quit messages=1 errors=1 bytes_in="),
        "{}",
        lines[2]
    );
    assert_eq!(lines.len(), 3);
    let ended = log.lines().last().unwrap();
    assert!(
        ended.starts_with("ended connections=1 quit=1 peer=0 ") && ended.contains(" over_size=1 "),
        "{ended}"
    );
}

#[test]
fn large_messages_pass_through_little_memory() {
    const LIMIT: usize = 25 << 20;
    let mut server = TestServer::start(&[]);
    let mut warm = Client::connect(server.address());
    warm.begin_message("warm@example.org");
    warm.say("x\r\n.\r\n");
    warm.expect("250");
    let idle = server.memory_kib("VmRSS");
    let line = "Lines: of text, 78 characters long with its line end, over and over again...\r\n";
    for size in [10 << 20, LIMIT, LIMIT + 1] {
        let mut message = line.repeat(size / line.len() - 1);
        message.push_str(&"y".repeat(size - 2 - message.len()));
        message.push_str("\r\n");
        assert_eq!(message.len(), size);
        let to = format!("size{size}@example.org");
        let mut client = Client::connect(server.address());
        client.begin_message(&to);
        client.say(&message);
        client.say(".\r\n");
        if size > LIMIT {
            client.expect("552");
            wait_until("nothing to be left", || !server.mailbox(&to).exists());
        } else {
            client.expect("250");
            assert!(
                server.message(&to) == message.replace("\r\n", "\n").into_bytes(),
                "{size}: it was changed"
            );
        }
    }
    let most = server.memory_kib("VmHWM");
    assert!(most - idle < 8 << 10, "{idle} KiB became {most} KiB");
    server.stop();
}

#[test]
fn a_thousand_clients_with_ten_messages_each() {
    const CLIENTS: usize = 1000;
    raise_descriptor_limit();
    let mut server = TestServer::start(&["--log-level", "warn"]);
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|_| Client::connect(server.address()))
        .collect();
    for client in &mut clients {
        client.hello();
    }
    for message in 0..10 {
        for client in &mut clients {
            client.say("MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n");
        }
        for (number, client) in clients.iter_mut().enumerate() {
            client.expect("250 2.1.0");
            client.expect("250 2.1.5");
            client.expect("354");
            client.say(&format!("client {number} message {message}\r\n.\r\n"));
        }
        clients
            .iter_mut()
            .for_each(|client| client.expect("250 2.0.0 Ok: queued as "));
    }
    drop(clients);
    server.stop();
    let stored: HashSet<_> = server
        .new_mail("b@example.org")
        .iter()
        .map(|path| fs::read(path).unwrap())
        .collect();
    let texts: HashSet<_> = stored
        .iter()
        .map(|message| without_trace(message))
        .collect();
    assert_eq!((stored.len(), texts.len()), (10 * CLIENTS, 10 * CLIENTS));
    assert!(files(&server.mailbox("b@example.org").join("tmp")).is_empty());
    assert_eq!(files(&server.maildir().join("example.org")).len(), 1);
}

#[test]
fn a_peer_that_resets_leaves_no_file_behind() {
    let mut server = TestServer::start(&[]);
    let steps = [
        "",
        "HELO c\r\n",
        "MAIL FROM:<>\r\n",
        "RCPT TO:<b@example.org>\r\n",
        "DATA\r\n",
        "text\r\n",
        "more",
    ];
    for last in 0..steps.len() {
        let mut client = Client::connect(server.address());
        client.expect("220");
        for step in &steps[1..=last] {
            client.say(step);
            if !["text\r\n", "more"].contains(step) {
                client.hear();
            }
        }
        let socket = SockRef::from(client.stream.get_ref());
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }
    wait_until("all to be gone", || {
        server.log().matches("closed=peer").count() == steps.len()
    });
    wait_until("only the folder of instances to be there", || {
        files(&server.maildir()).len() == 1
    });
    server.stop();
}
