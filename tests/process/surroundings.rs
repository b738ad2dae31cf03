//! The program among others: descriptors that run out, places that are taken, time that passes, what it logs.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::client::Client;
use crate::common::pauses::undisturbed;
use crate::common::{TestServer, happens, wait_until};
use rustix::process::Signal;

/// How much processor time the server has used.
fn processor_time(server: &TestServer) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2);
    // Linux tells this in hundredths of a second.
    Duration::from_millis(ticks.map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum())
}

#[test]
fn it_rests_while_nothing_happens() {
    let mut server = TestServer::start(&[]);
    let mut client = Client::connect(server.address());
    client.hello();
    let mut sender = Client::connect(server.address());
    sender.hello();
    sender.envelope("b@example.org");
    Client::connect(server.address()).hello();
    wait_until("rest", || server.is_resting());
    // A machine that pauses wakes everybody.
    undisturbed(|| {
        let before = (processor_time(&server), server.wakes());
        thread::sleep(Duration::from_secs(1));
        let used = processor_time(&server).saturating_sub(before.0);
        assert!(used < Duration::from_millis(100), "{used:?} for nothing");
        let wakes = server.wakes() - before.1;
        assert!(wakes < 10, "it wakes up {wakes} times for nothing");
    });
    drop((client, sender));
    server.stop();
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious");
    fs::write(&path, "text").unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mailoop"))
        .args(["serve", "--discard", "--listen"])
        .arg(format!("unix:{}", path.display()))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let is_over = happens(|| child.try_wait().unwrap().is_some());
    child.kill().unwrap();
    let ended = child.wait().unwrap();
    assert_eq!((is_over, ended.code()), (true, Some(69)));
    assert_eq!(fs::read_to_string(&path).unwrap(), "text");
}

#[test]
fn any_ipv6_address_means_no_ipv4_address() {
    let mut server = TestServer::start(&["--listen", "[::]:0", "--domain", "example.org"]);
    TcpStream::connect(format!("[::1]:{}", server.port())).unwrap();
    // A server of another test may listen at 127.0.0.1 and this port.
    let over_ipv4 = TcpStream::connect(format!("127.79.0.1:{}", server.port()));
    assert!(over_ipv4.is_err(), "it depends on a setting of the machine");
    server.stop();
}

#[test]
fn a_restart_does_not_wait_for_connections_of_the_last_run() {
    let mut server = TestServer::start(&[]);
    let mut client = Client::connect(server.address());
    client.expect("220 ");
    client.ask("QUIT", "221 ");
    // The server closes first: it is its side that is remembered.
    assert_eq!(client.rest(), "");
    drop(client);
    let address = server.address().to_owned();
    server.stop();
    TestServer::start(&["--listen", &address]).stop();
}

#[test]
fn a_drain_ends_when_its_time_is_up() {
    let mut server = TestServer::start(&["--drain-timeout", "0.3"]);
    let mut sender = Client::connect(server.address());
    sender.hello();
    sender.ask("MAIL FROM:<a@example.com>", "250 ");
    let started = Instant::now();
    server.signal(Signal::TERM);
    sender.expect("421 4.3.2 Service shutting down");
    assert!(started.elapsed() >= Duration::from_millis(250));
    assert_eq!(sender.rest(), "");
    drop(sender);
    wait_until("the end", || server.has_ended());
    server.stop();
    assert!(server.log().contains(" closed=drain "), "{}", server.log());
}

#[test]
fn data_and_fin_that_are_found_together_are_both_heard() {
    let mut server = TestServer::start(&[]);
    let mut client = Client::connect(server.address());
    client.expect("220 ");
    server.signal(Signal::STOP);
    client.say("NOOP\r\nNOO");
    client.stream.get_mut().shutdown(Shutdown::Write).unwrap();
    server.signal(Signal::CONT);
    assert_eq!(client.rest(), "250 Ok\r\n");
    wait_until("the log of the connection", || {
        server.log().contains("closed=peer")
    });
    server.stop();
}

#[test]
fn who_was_told_good_bye_does_not_keep_others_out() {
    let mut server = TestServer::start(&["--max-connections", "1", "--max-errors", "1"]);
    let mut lingering = Client::connect(server.address());
    lingering.expect("220 ");
    lingering.ask("WHAT", "500 ");
    lingering.expect("421 ");
    // It keeps its side open, so the server waits for a second before it closes.
    assert_eq!(lingering.rest(), "");
    let mut next = Client::connect(server.address());
    next.expect("220 ");
    drop((lingering, next));
    server.stop();
    assert!(server.log().contains(" closed=limit "), "{}", server.log());
}

#[test]
fn mailboxes_that_cannot_be_made_are_refused_at_rcpt() {
    let mut server = TestServer::start(&["--max-mailboxes", "1"]);
    let mut client = Client::connect(server.address());
    client.hello();
    client.ask("MAIL FROM:<a@example.com>", "250 ");
    client.ask("RCPT TO:<\"\"@example.org>", "501 5.1.3 ");
    client.ask("RCPT TO:<b@example.org>", "250 2.1.5 ");
    client.ask("RCPT TO:<c@example.org>", "452 4.2.2 ");
    client.ask("DATA", "354 ");
    client.ask("text\r\n.", "250 2.0.0 Ok: queued as ");
    drop(client);
    server.stop();
    assert_eq!(server.message("b@example.org"), b"\ntext\n");
}

#[test]
fn the_log_counts_what_happened() {
    let options = ["--max-recipients", "5", "--max-message-size", "10"];
    let mut server = TestServer::start(&options);
    let mut quits = Client::connect(server.address());
    quits.expect("220 ");
    quits.ask("QUIT", "221 ");
    assert_eq!(quits.rest(), "");
    let mut browser = Client::connect(server.address());
    browser.expect("220 ");
    browser.ask("GET / HTTP/1.1", "554 ");
    assert_eq!(browser.rest(), "");
    drop(browser);
    let mut sender = Client::connect(server.address());
    sender.hello();
    sender.ask("MAIL FROM:<a@example.com>", "250 ");
    sender.ask("RCPT TO:<b@example.org>", "250 ");
    sender.ask("RCPT TO:<c@example.org>", "250 ");
    sender.ask("DATA", "354 ");
    let text = "0123456789abcdef\r\n".repeat(10_000);
    sender.ask(&format!("{text}."), "552 ");
    drop(sender);
    server.stop();
    let log = server.log();
    let bytes_out = "220 mx.example.org ESMTP mailoop\r\n221 Bye\r\n".len();
    for line in [
        "warning=\"--max-recipients 5 is less than the 100 ",
        &format!(" closed=quit messages=0 errors=0 bytes_in=6 bytes_out={bytes_out} seconds="),
        " closed=error messages=0 errors=1 bytes_in=16 ",
        &format!(
            " to=<b@example.org>,<c@example.org> size={} rejected=552",
            text.len()
        ),
    ] {
        assert!(log.contains(line), "no {line:?} in\n{log}");
    }
    for told in log.split(" seconds=").skip(1) {
        let (whole, thousandths) = told.lines().next().unwrap().split_once('.').unwrap();
        assert!(whole.parse::<u8>().is_ok(), "{told}");
        assert!(
            thousandths.len() == 3 && thousandths.parse::<u16>().is_ok(),
            "{told}"
        );
    }
}

#[test]
fn a_sink_leaves_no_folder() {
    let mut server = TestServer::start(&["--discard"]);
    let mut client = Client::connect(server.address());
    client.hello();
    client.ask("MAIL FROM:<a@example.com>", "250 ");
    client.ask("RCPT TO:<b@example.org>", "250 ");
    client.ask("DATA", "354 ");
    client.ask("text\r\n.", "250 2.0.0 Ok: queued as ");
    drop(client);
    server.stop();
    assert!(!server.maildir().exists());
}

#[test]
fn a_client_that_reads_late_gets_every_reply() {
    const COMMANDS: usize = 300_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("smtp.sock");
    let mut server = TestServer::start(&["--listen", &format!("unix:{}", path.display())]);
    let mut writer = UnixStream::connect(&path).unwrap();
    let mut reader = BufReader::new(writer.try_clone().unwrap());
    reader
        .get_ref()
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.starts_with("220 "), "{line}");
    let says = thread::spawn(move || writer.write_all(&b"NOOP\r\n".repeat(COMMANDS)));
    // Both directions are full by now, so the server waits for room.
    thread::sleep(Duration::from_millis(300));
    assert!(!says.is_finished(), "it reads on though nobody reads it");
    let mut replies = vec![0; b"250 Ok\r\n".len() * COMMANDS];
    reader.read_exact(&mut replies).unwrap();
    assert!(replies == b"250 Ok\r\n".repeat(COMMANDS));
    says.join().unwrap().unwrap();
    drop(reader);
    server.stop();
}

#[test]
fn more_clients_at_once_than_one_tick_accepts_are_all_greeted() {
    const CLIENTS: usize = 100;
    let mut server = TestServer::start(&[]);
    server.signal(Signal::STOP);
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|_| Client::connect(server.address()))
        .collect();
    server.signal(Signal::CONT);
    clients.iter_mut().for_each(|client| client.expect("220 "));
    drop(clients);
    server.stop();
}
