//! Faults by rule in a record: what was decided is there, so that each connection replays by itself, whatever the others counted.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use super::RecordFile;
use crate::common::TestServer;
use crate::common::client::Client;

const RULES: [&str; 14] = [
    "--rule",
    "connect #4 = 554 no service here",
    "--rule",
    "hello * #1 = delay 20ms",
    "--rule",
    "mail * 1/min by from = 450 4.7.1 slow down",
    "--rule",
    "rcpt * #1 by rcpt = delay 30ms, 451 greylisted",
    "--rule",
    "data eve@* = 451 4.3.2 not now",
    "--rule",
    "end void@* = drop",
    "--rule",
    "end last@* = close",
];

/// Says lines, and reads so many replies to them.
fn say(client: &mut Client<TcpStream>, lines: &str, replies: &[&str]) {
    client.say(lines);
    for reply in replies {
        client.expect(reply);
    }
}

/// Sessions that the rules of before decide on, each by what the others have counted.
fn sessions(server: &TestServer) {
    let connect = || {
        let mut client = Client::connect(server.address());
        client.expect("220");
        say(&mut client, "HELO client\r\n", &["250"]);
        client
    };
    let (mut first, mut second) = (connect(), connect());
    let mail = "MAIL FROM:<ann@example.com>\r\n";
    let recipient = "RCPT TO:<bob@example.org>\r\n";
    say(&mut first, &format!("{mail}{recipient}"), &["250", "451"]);
    say(&mut second, &format!("{mail}RSET\r\n"), &["450", "250"]);
    say(&mut second, "MAIL FROM:<>\r\n", &["250"]);
    let others = "RCPT TO:<eve@example.org>\r\n";
    say(
        &mut second,
        &format!("{recipient}{others}{others}DATA\r\n"),
        &["250", "451", "250", "451"],
    );
    let void = "RCPT TO:<void@example.org>\r\n";
    say(
        &mut first,
        &format!("{void}{void}DATA\r\n"),
        &["451", "250", "354"],
    );
    say(&mut first, "lost\r\n.\r\nQUIT\r\n", &["250", "221"]);
    let mut third = connect();
    let last = "RCPT TO:<last@example.org>\r\n";
    say(
        &mut third,
        &format!("MAIL FROM:<eve@example.com>\r\n{last}{last}DATA\r\n"),
        &["250", "451", "250", "354"],
    );
    third.say("hung up on\r\n.\r\n");
    assert_eq!(third.rest(), "");
    let mut fourth = Client::connect(server.address());
    fourth.expect("554");
    say(&mut fourth, "QUIT\r\n", &["221"]);
    say(&mut second, "QUIT\r\n", &["221"]);
}

#[test]
fn sessions_with_faults_replay_together_and_each_alone() {
    let record = RecordFile::new();
    let mut server = record.serve(&RULES);
    sessions(&server);
    server.stop();
    let log = server.log();
    assert_eq!(record.is_same(), (super::bytes_out(&log), false), "{log}");
    for connection in 1..=4 {
        let mut replay = Command::new(env!("CARGO_BIN_EXE_mailoop"));
        replay.arg("replay").arg(Path::new(&record.path));
        let output = replay
            .args(["--connection", &connection.to_string()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{connection}: {said}");
    }
    assert!(record.holds("rcpt * #1 by rcpt = delay 30ms, 451 greylisted"));
}
