//! Logins: what they cost those who do not log in, how long a refusal takes, and which files of users are refused.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use crate::common::logins::{RIGHT, UsersFile, WRONG};
use crate::common::memory::{Client, MemoryServer, config, greeted, seconds, try_config};
use crate::common::users_file;
use mailoop::net::budget::TICK_ITERATIONS_MAX;
use mailoop::smtp::service::Service;

const LOGGED_IN: &str = "235 2.7.0 Authentication successful\r\n";
const REFUSED: &str = "535 5.7.8 Error: authentication failed\r\n";
/// How many rounds the passwords here take.
const ROUNDS: u32 = 4096;

/// A server that lets Ada in.
fn server(users: &UsersFile, options: &[&str]) -> MemoryServer {
    let path = users.path();
    let needed = ["--users", &path, "--auth-insecure", "--auth-everywhere"];
    MemoryServer::start(&[&needed, options].concat())
}

/// A client that may log in.
fn extended(server: &mut MemoryServer) -> Client {
    let client = greeted(server);
    server.send(&client, b"EHLO c\r\n");
    assert!(
        client
            .text()
            .contains("250-AUTH SCRAM-SHA-256 PLAIN LOGIN\r\n")
    );
    client
}

#[test]
fn a_hundred_wrong_passwords_keep_nobody_else_waiting() {
    let users = UsersFile::new();
    let mut server = server(&users, &[]);
    let guessers: Vec<_> = (0..100).map(|_| extended(&mut server)).collect();
    let other = extended(&mut server);
    for guesser in &guessers {
        server.queue(guesser, WRONG.as_bytes());
    }
    let mut ticks = 0;
    while server.has_work() {
        server.queue(&other, b"NOOP\r\n");
        server.tick();
        assert_eq!(other.text(), "250 2.0.0 Ok\r\n", "at once");
        ticks += 1;
    }
    // The first round of each is done when the password comes.
    let rounds = 100 * (ROUNDS - 1);
    assert_eq!(
        ticks,
        rounds.div_ceil(TICK_ITERATIONS_MAX),
        "a tick does too much or too little"
    );
    for guesser in &guessers {
        assert_eq!(guesser.text(), "", "a refusal is told later");
    }
    server.advance(Duration::from_millis(100));
    for guesser in &guessers {
        assert_eq!(guesser.text(), REFUSED);
    }
}

#[test]
fn who_logs_in_is_not_overtaken() {
    let users = UsersFile::new();
    let mut server = server(&users, &[]);
    let first = extended(&mut server);
    let others: Vec<_> = (0..100).map(|_| extended(&mut server)).collect();
    server.queue(&first, RIGHT.as_bytes());
    let ticks_alone = (ROUNDS - 1).div_ceil(TICK_ITERATIONS_MAX);
    // Each tick brings another login, and who is at it already tries to get ahead by sending more.
    for (tick, other) in others.iter().enumerate() {
        server.queue(other, WRONG.as_bytes());
        for other in &others[..tick] {
            server.queue(other, b"NOOP\r\n");
        }
        server.tick();
        let said = first.text();
        if !said.is_empty() {
            assert_eq!(said, LOGGED_IN);
            let ticks = u32::try_from(tick).unwrap() + 1;
            assert_eq!(ticks, ticks_alone);
            return;
        }
    }
    panic!("it never had its turn");
}

#[test]
fn a_thousand_guessers_of_one_address_are_one_to_others() {
    // Who has an IPv6 address has all of its first 64 bits.
    for guessers in [
        ["192.0.2.1", "192.0.2.1"],
        ["2001:db8::1", "2001:db8::ffff:2"],
    ] {
        let users = UsersFile::new();
        let mut server = server(&users, &[]);
        let mut connect = |ip: &str| {
            let address = SocketAddr::new(ip.parse().unwrap(), 25).to_string();
            let client = server.connect_from(&address, b"");
            server.send(&client, b"EHLO c\r\n");
            client.received();
            client
        };
        let guessers: Vec<_> = (0..1000).map(|n| connect(guessers[n % 2])).collect();
        let other = connect("192.0.2.2");
        for guesser in &guessers {
            server.queue(guesser, WRONG.as_bytes());
        }
        server.queue(&other, RIGHT.as_bytes());
        let ticks_alone = (ROUNDS - 1).div_ceil(TICK_ITERATIONS_MAX);
        // Half of the rounds are for the other, behind the ticks in which the commands of all are read.
        for _ in 0..2 * ticks_alone + 4 {
            server.tick();
        }
        assert_eq!(other.text(), LOGGED_IN);
    }
}

#[test]
fn who_was_taken_out_is_out_on_connections_that_were_there_before() {
    let users = UsersFile::new();
    let path = users.path();
    let options = ["--users", &path, "--auth-insecure", "--auth-everywhere"];
    let submission = [&options[..], &["--listen-submission", "127.0.0.1:0"]].concat();
    let mut server = MemoryServer::start(&submission);
    let [logged_in, connected, asked, at_it] = [(); 4].map(|()| extended(&mut server));
    server.send(&logged_in, RIGHT.as_bytes());
    assert_eq!(logged_in.text(), LOGGED_IN);
    server.send(&asked, b"AUTH LOGIN YWRh\r\n");
    assert_eq!(asked.text(), "334 UGFzc3dvcmQ6\r\n");
    // Nothing changes for anybody where nobody was taken out.
    server.reconfigure(&submission);
    server.send(&logged_in, b"MAIL FROM:<ada@example.org>\r\nRSET\r\n");
    assert_eq!(logged_in.text(), "250 2.1.0 Ok\r\n250 2.0.0 Ok\r\n");

    server.queue(&at_it, RIGHT.as_bytes());
    server.tick();
    users.write(&users_file(&[("eve", "pencil")]));
    server.reconfigure(&submission);
    server.advance(Duration::from_millis(100));
    assert_eq!(at_it.text(), REFUSED);
    server.send(&connected, RIGHT.as_bytes());
    server.send(&asked, b"cGVuY2ls\r\n");
    server.advance(Duration::from_millis(100));
    assert_eq!(
        (connected.text(), asked.text()),
        (REFUSED.into(), REFUSED.into())
    );
    server.send(&logged_in, b"MAIL FROM:<ada@example.org>\r\n");
    assert_eq!(logged_in.text(), "530 5.7.0 Authentication required\r\n");
    // Who was put in may log in.
    server.send(&connected, b"AUTH PLAIN AGV2ZQBwZW5jaWw=\r\n");
    assert_eq!(connected.text(), LOGGED_IN);
}

#[test]
fn a_refusal_holds_up_its_own_session_only_and_nothing_is_read_meanwhile() {
    let users = UsersFile::new();
    let mut server = server(&users, &["--max-errors", "1000"]);
    let client = extended(&mut server);
    let mut delay = Duration::ZERO;
    for failures in 1..=35 {
        server.send(&client, WRONG.as_bytes());
        server.send(&client, b"NOOP\r\n");
        assert!(server.has_unread(&client), "it is read while it is held up");
        delay = seconds(3).min(delay + Duration::from_millis(100));
        let instant = Duration::from_nanos(1);
        server.advance(delay - instant);
        assert_eq!(client.text(), "", "after {failures} failures");
        server.advance(instant);
        assert_eq!(client.text(), format!("{REFUSED}250 2.0.0 Ok\r\n"));
    }
    server.send(&client, RIGHT.as_bytes());
    assert_eq!(client.text(), LOGGED_IN);
}

#[test]
fn a_thousand_guesses_are_ended_by_the_limit_of_errors() {
    let users = UsersFile::new();
    let mut server = server(&users, &[]);
    let client = extended(&mut server);
    server.send(&client, WRONG.repeat(1000).as_bytes());
    let mut passed = Duration::ZERO;
    while !client.is_closed() {
        server.advance(Duration::from_millis(100));
        passed += Duration::from_millis(100);
        assert!(passed < seconds(60), "it goes on for ever");
    }
    let said = client.text();
    assert_eq!(said.matches(REFUSED).count(), 20, "{said}");
    assert!(
        said.ends_with("421 4.7.0 Error: too many errors\r\n"),
        "{said}"
    );
    // 0.1 s, 0.2 s and so on to 2 s.
    assert_eq!(passed, seconds(21));
}

#[test]
fn a_line_without_end_is_bounded_and_ends_the_exchange() {
    let users = UsersFile::new();
    let mut server = server(&users, &[]);
    let client = extended(&mut server);
    server.send(&client, b"AUTH PLAIN\r\n");
    assert_eq!(client.text(), "334 \r\n");
    for _ in 0..1024 {
        server.send(&client, &[b'A'; 1024]);
        assert!(!server.has_unread(&client) && client.text().is_empty());
    }
    server.send(&client, b"\r\nNOOP\r\n");
    let said = "500 5.5.6 Error: authentication exchange line is too long\r\n250 2.0.0 Ok\r\n";
    assert_eq!(client.text(), said);
}

#[test]
fn a_drain_waits_for_no_login() {
    let users = UsersFile::new();
    let mut server = server(&users, &[]);
    let held = extended(&mut server);
    server.send(&held, WRONG.as_bytes());
    let awaited = extended(&mut server);
    server.send(&awaited, b"AUTH LOGIN\r\n");
    assert_eq!(awaited.text(), "334 VXNlcm5hbWU6\r\n");
    let stretching = extended(&mut server);
    server.queue(&stretching, RIGHT.as_bytes());
    server.drain();
    for client in [&held, &awaited, &stretching] {
        let said = client.text();
        assert_eq!(said, "421 4.3.2 Service shutting down, try again later\r\n");
        server.close(client);
    }
    assert!(server.is_empty());
}

#[test]
fn who_leaves_in_the_middle_is_forgotten() {
    let users = UsersFile::new();
    let mut server = server(&users, &[]);
    let held = extended(&mut server);
    server.send(&held, WRONG.as_bytes());
    let stretching = extended(&mut server);
    server.queue(&stretching, WRONG.as_bytes());
    for client in [&held, &stretching] {
        server.reset(client);
    }
    server.advance(seconds(1));
    assert!(server.is_empty());
}

#[test]
fn an_exchange_has_as_long_as_a_command() {
    let users = UsersFile::new();
    let mut server = server(&users, &["--idle-timeout", "10"]);
    let client = extended(&mut server);
    server.send(&client, b"AUTH PLAIN\r\n");
    assert_eq!(client.text(), "334 \r\n");
    for _ in 0..9 {
        server.advance(seconds(1));
        server.send(&client, b"A");
        assert_eq!(client.text(), "");
    }
    server.advance(seconds(1));
    assert!(client.text().starts_with("421 4.4.2 "));
}

/// What is wrong with these options.
fn config_error(options: &[&str]) -> String {
    match try_config(options) {
        Ok(_) => panic!("{options:?} are taken"),
        Err(failed) => failed.message,
    }
}

#[test]
fn nobody_is_offered_a_login_who_could_be_overheard() {
    let users = UsersFile::new();
    let path = users.path();
    let public = [
        "--domain",
        "example.org",
        "--listen-submission",
        "192.0.2.1:25",
        "--users",
        &path,
    ];
    let said = config_error(&[&public[..], &["--auth-insecure"]].concat());
    assert!(
        said.contains("--auth-insecure lets passwords be sent in the clear"),
        "{said}"
    );
    users.permit(0o644);
    let warnings: Vec<_> = config(&public).warnings(&[]);
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("can be read by others"))
    );
    users.permit(0o640);
    let warnings = config(&public).warnings(&[]);
    assert!(
        warnings.len() == 1 && warnings[0].starts_with("nobody can log in: passwords come in TLS"),
        "{warnings:?}"
    );
    let insecure = config(&["--users", &path, "--auth-insecure"]);
    let warnings = insecure.warnings(&[]);
    assert!(
        warnings.len() == 1 && warnings[0].contains("add --listen-submissions 0.0.0.0:465 or"),
        "{warnings:?}"
    );
    assert_eq!(insecure.warnings(&[Service::Submissions]).len(), 0);
    let everywhere = ["--users", &path, "--auth-insecure", "--auth-everywhere"];
    assert_eq!(config(&everywhere).warnings(&[]).len(), 0);
    let warnings = config(&["--auth-everywhere"]).warnings(&[]);
    assert!(warnings[0].starts_with("--auth-everywhere makes no difference"));
    let warnings = config(&["--listen-submission", "127.0.0.1:0"]).warnings(&[]);
    assert!(
        warnings.len() == 1 && warnings[0].starts_with("nobody can submit mail on 127.0.0.1:0"),
        "{warnings:?}"
    );
}

#[test]
fn a_users_file_that_cannot_be_used_is_told_with_its_line() {
    let users = UsersFile::new();
    let path = users.path();
    let text = fs::read_to_string(&path).unwrap();
    users.write(&format!("{text}eve\n"));
    let said = config_error(&["--users", &path]);
    assert!(
        said.starts_with(&format!("{path}:3: write NAME:SCRAM")),
        "{said}"
    );
    fs::write(&path, b"\xff").unwrap();
    let said = config_error(&["--users", &path]);
    assert!(said.contains("cannot read it"), "{said}");
    fs::remove_file(&path).unwrap();
    let said = config_error(&["--users", &path]);
    assert!(
        said.contains("cannot read it") && said.contains("mailoop passwd"),
        "{said}"
    );
}
