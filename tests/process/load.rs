//! `mailoop load` against the real server, and against servers that answer late or not at all.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::client::Client;
use crate::common::pauses::undisturbed;
use crate::common::ports::deserted_address;
use crate::common::program::{foreign, installed};
use crate::common::{TestServer, wait_until};
use rustix::process::{Pid, Signal, kill_process};

fn load(server: &str, arguments: &[&str]) -> Output {
    command(server, arguments).output().unwrap()
}

fn command(server: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    command
        .args(["load", "--server", server])
        .args(arguments)
        .stdin(Stdio::null());
    command
}

/// What a run with `--json` told.
struct Told(String);

impl Told {
    fn new(output: &Output) -> Self {
        Self(String::from_utf8(output.stdout.clone()).unwrap())
    }

    /// The number of this name.
    #[track_caller]
    fn number(&self, name: &str) -> f64 {
        let name = format!("\"{name}\":");
        let at = self
            .0
            .find(&name)
            .unwrap_or_else(|| panic!("{name} is not in {}", self.0));
        let rest = &self.0[at + name.len()..];
        rest[..rest.find([',', '}']).unwrap()].parse().unwrap()
    }

    /// The object of this name, without its braces.
    #[track_caller]
    fn object(&self, name: &str) -> &str {
        let name = format!("\"{name}\":{{");
        let at = self
            .0
            .find(&name)
            .unwrap_or_else(|| panic!("{name} is not in {}", self.0));
        let rest = &self.0[at + name.len()..];
        &rest[..rest.find('}').unwrap()]
    }
}

/// Runs it to its good end.
#[track_caller]
fn told(server: &str, arguments: &[&str]) -> Told {
    let output = load(server, &[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    assert_eq!(output.stderr, b"", "a progress bar is for terminals");
    Told::new(&output)
}

/// Runs it to an end with this code, and a line that holds this word.
#[track_caller]
fn fails(server: &str, arguments: &[&str], code: i32, word: &str) -> Told {
    let output = load(server, &[arguments, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(
        said.lines().count() == 1 && said.starts_with("mailoop: ") && said.contains(word),
        "{arguments:?}: {said}"
    );
    Told::new(&output)
}

/// Ends the server and takes these of its totals.
fn totals(server: &mut TestServer, names: [&str; 3]) -> [u64; 3] {
    server.stop();
    let log = server.log();
    let line = log.lines().find(|line| line.contains("ended ")).unwrap();
    names.map(|name| {
        let mut words = line.split(' ');
        let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.expect(line).parse().unwrap()
    })
}

#[test]
fn the_server_counts_the_same() {
    for (arguments, connections) in [
        (&["-s", "10", "-m", "300"][..], 300_u32),
        (&["-s", "10", "-m", "300", "--pipeline", "-r", "3"], 300),
        (&["-s", "10", "-m", "300", "-d"], 10),
        (&["-s", "10", "-m", "300", "-d", "--pipeline"], 10),
        (&["-s", "10", "-m", "300", "-d", "-r", "3", "-l", "3"], 10),
        (&["-s", "500", "-m", "300", "-d"], 300),
        (&["-m", "300", "--rate", "5000"], 300),
    ] {
        let mut server = TestServer::start(&["--discard"]);
        let told = told(server.address(), arguments);
        assert_eq!(told.number("done"), 300.0, "{arguments:?}");
        assert_eq!(told.number("failed"), 0.0, "{arguments:?}");
        assert_eq!(told.number("connections"), f64::from(connections));
        let counted = totals(&mut server, ["messages", "connections", "quit"]);
        let connections = u64::from(connections);
        assert_eq!(counted, [300, connections, connections], "{arguments:?}");
    }
}

#[test]
fn connections_alone_are_counted_too() {
    let mut server = TestServer::start(&["--discard"]);
    let told = told(
        server.address(),
        &["--connect-only", "-s", "7", "-m", "200"],
    );
    assert_eq!(told.number("done"), 200.0);
    assert_eq!(told.number("message_bytes"), 0.0);
    let counted = totals(&mut server, ["messages", "connections", "quit"]);
    assert_eq!(counted, [0, 200, 200]);
}

#[test]
fn messages_arrive_as_they_were_asked_for() {
    let server = TestServer::start(&[]);
    let arguments = ["-m", "2", "-r", "2", "-l", "1000", "--to", "me@example.net"];
    let told = told(
        server.address(),
        &[&arguments[..], &["--from", "you@example.net"]].concat(),
    );
    for mailbox in ["1me@example.net", "2me@example.net"] {
        let new = server.new_mail(mailbox);
        assert_eq!(new.len(), 2, "{mailbox}");
        let message = std::fs::read_to_string(&new[0]).unwrap();
        assert!(
            message.starts_with("Return-Path: <you@example.net>\n"),
            "{message}"
        );
        let (_header, body) = message.split_once("\n\n").unwrap();
        assert_eq!(body.len() + body.lines().count(), 1000, "with CRLFs");
    }
    assert!(server.new_mail("me@example.net").is_empty());
    assert!(told.number("message_bytes") > 2000.0);
}

#[test]
fn it_goes_by_every_kind_of_address() {
    let server = TestServer::start(&["--discard", "--listen", "[::1]:0"]);
    told(server.address(), &["-m", "3"]);
    // Names have several addresses, and nobody listens at some of them.
    let server = TestServer::start(&["--discard"]);
    told(&format!("localhost:{}", server.port()), &["-m", "3"]);
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("socket").display());
    let mut server = TestServer::start(&["--discard", "--listen", &socket]);
    told(&socket, &["-s", "50", "-m", "500"]);
    let counted = totals(&mut server, ["messages", "connections", "quit"]);
    assert_eq!(counted, [500, 500, 500]);
}

#[test]
fn a_rate_is_kept() {
    let server = TestServer::start(&["--discard"]);
    let keep: &[&str] = &["-d"];
    for kept in [&[], keep] {
        // A pause at the end leaves some of them undone.
        undisturbed(|| {
            let told = told(
                server.address(),
                &[&["--rate", "200", "--seconds", "1.5"], kept].concat(),
            );
            assert_eq!(told.number("done"), 300.0, "{}", told.0);
            // The last one is due at 1.495 s.
            let seconds = told.number("seconds");
            assert!((1.49..3.0).contains(&seconds), "{}", told.0);
        });
    }
    undisturbed(|| {
        let before = Instant::now();
        let told = told(server.address(), &["--seconds", "0.5", "-s", "2", "-d"]);
        assert!(told.number("done") > 10.0, "{}", told.0);
        assert!(before.elapsed() > Duration::from_millis(500));
    });
}

/// Fifty transactions of this load are done, and the server has counted as many.
#[cfg(feature = "tls")]
#[track_caller]
fn fifty_are_done(server: &mut TestServer, arguments: &[&str]) {
    let told = told(server.address(), arguments);
    assert_eq!(told.number("done"), 50.0, "{}", told.0);
    let connections = told.number("connections");
    let alone = arguments.contains(&"--connect-only");
    let messages = if alone { 0.0 } else { 50.0 };
    let counted = totals(server, ["messages", "connections", "quit"]);
    let counted = counted.map(|count| count as f64);
    assert_eq!(counted, [messages, connections, connections]);
}

#[test]
#[cfg(feature = "tls")]
fn it_goes_under_tls() {
    for arguments in [
        &["-s", "10", "-m", "50"][..],
        &["-s", "10", "-m", "50", "-d", "--pipeline", "-l", "300k"],
        &["-s", "50", "-m", "50", "--rate", "100"],
        &["-s", "10", "-m", "50", "--connect-only"],
    ] {
        let mut server = TestServer::start(&[
            "--discard",
            "--listen-tls",
            "127.0.0.1:0",
            "--tls-self-signed",
        ]);
        fifty_are_done(&mut server, &[arguments, &["--tls", "--insecure"]].concat());
    }
}

#[test]
#[cfg(feature = "tls")]
fn it_goes_under_tls_by_starttls() {
    for arguments in [
        &["-s", "10", "-m", "50"][..],
        &["-s", "10", "-m", "50", "-d", "--pipeline", "-l", "300k"],
        &["-s", "10", "-m", "50", "--connect-only"],
    ] {
        let mut server = TestServer::start(&["--discard", "--tls-self-signed"]);
        fifty_are_done(
            &mut server,
            &[arguments, &["--starttls", "--insecure"]].concat(),
        );
    }

    // Nothing goes in the clear.
    let mut server = TestServer::start(&["--discard"]);
    let arguments = ["-s", "2", "-m", "5", "-d", "--starttls", "--insecure"];
    let told = fails(server.address(), &arguments, 69, "offers no STARTTLS");
    assert_eq!(told.object("failures"), "\"tls\":5");
    assert_eq!(
        totals(&mut server, ["messages", "connections", "quit"])[0],
        0
    );
}

#[test]
#[cfg(feature = "tls")]
fn a_server_that_nobody_vouches_for_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("authority.pem");
    std::fs::write(
        &authority,
        crate::common::tls::certificate_and_key("elsewhere"),
    )
    .unwrap();
    let server = TestServer::start(&[
        "--discard",
        "--listen-tls",
        "127.0.0.1:0",
        "--tls-self-signed",
    ]);
    let secure = ["-s", "3", "-m", "5", "--tls", "--tls-ca"];
    let arguments = [&secure[..], &[authority.to_str().unwrap()]].concat();
    let told = fails(server.address(), &arguments, 69, "certificate");
    assert_eq!(told.object("failures"), "\"tls\":5");

    let server = TestServer::start(&["--discard", "--tls-self-signed"]);
    let secure = ["-m", "5", "--starttls", "--tls-ca"];
    let arguments = [&secure[..], &[authority.to_str().unwrap()]].concat();
    let told = fails(server.address(), &arguments, 69, "certificate");
    assert_eq!(told.object("failures"), "\"tls\":5");

    // The other way round, a server that knows no TLS.
    let server = TestServer::start(&["--discard"]);
    let arguments = ["-m", "5", "--tls", "--insecure"];
    let told = fails(server.address(), &arguments, 69, "does not speak TLS");
    assert_eq!(told.object("failures"), "\"tls\":5");
}

/// A server with one client at a time, which answers a message as late as `delay` of its number says.
fn late_server(delay: impl Fn(u64) -> Duration + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut messages = 0;
        for stream in listener.incoming() {
            // The generator may have left meanwhile.
            let _ = converse(stream.unwrap(), &mut messages, &delay);
        }
    });
    address
}

fn converse(
    stream: TcpStream,
    messages: &mut u64,
    delay: &impl Fn(u64) -> Duration,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut lines = BufReader::new(stream).lines();
    writer.write_all(b"220 late\r\n")?;
    while let Some(line) = lines.next() {
        match line?.split(' ').next().unwrap_or_default() {
            "DATA" => {
                writer.write_all(b"354 go on\r\n")?;
                while lines.next().transpose()?.is_some_and(|line| line != ".") {}
                thread::sleep(delay(*messages));
                *messages += 1;
                writer.write_all(b"250 stored\r\n")?;
            }
            "QUIT" => return writer.write_all(b"221 bye\r\n"),
            _ => writer.write_all(b"250 ok\r\n")?,
        }
    }
    Ok(())
}

#[test]
fn latencies_are_those_of_the_server() {
    let server = late_server(|_| Duration::from_millis(50)).to_string();
    for arguments in [&["-m", "10"][..], &["-m", "10", "-d"]] {
        undisturbed(|| {
            let told = told(&server, arguments);
            for name in ["p50", "p99", "max"] {
                let latency = told.number(name);
                assert!(
                    (50.0..1000.0).contains(&latency),
                    "{arguments:?}: {}",
                    told.0
                );
            }
        });
    }
}

#[test]
fn who_comes_during_a_stall_waits_for_its_end_in_an_open_loop() {
    let stall = |number| Duration::from_millis(if number == 100 { 500 } else { 0 });
    // Of 400 transactions a closed loop has one that waits; by the clock, 100 come meanwhile.
    undisturbed(|| {
        let server = late_server(stall).to_string();
        let closed = told(&server, &["-d", "-m", "400"]);
        assert!(closed.number("max") >= 500.0, "{}", closed.0);
        assert!(closed.number("p99") < 250.0, "{}", closed.0);
    });
    let server = late_server(stall).to_string();
    let open = told(&server, &["-d", "-s", "1", "-m", "400", "--rate", "200"]);
    assert!(open.number("p99") > 300.0, "{}", open.0);
    assert_eq!(open.number("done"), 400.0);
}

#[test]
fn what_a_rate_leaves_undone_is_a_failure() {
    let server = late_server(|_| Duration::from_millis(50)).to_string();
    let arguments = ["-d", "-s", "1", "--seconds", "1", "--rate", "100"];
    undisturbed(|| {
        let told = fails(&server, &arguments, 75, "rate");
        let overdue = told
            .object("failures")
            .strip_prefix("\"overdue\":")
            .unwrap();
        let overdue: f64 = overdue.parse().unwrap();
        assert!(overdue > 30.0, "{}", told.0);
        assert_eq!(told.number("done") + overdue, 100.0, "{}", told.0);
    });
}

#[test]
fn refusals_are_counted_by_their_codes_and_end_nothing() {
    let server = TestServer::start(&["--discard", "--max-connections", "1"]);
    let told = fails(server.address(), &["-d", "-s", "5", "-m", "200"], 75, "421");
    assert!(
        told.object("failures").starts_with("\"421\":"),
        "{}",
        told.0
    );
    assert_eq!(told.number("done") + told.number("failed"), 200.0);

    let server = TestServer::start(&[
        "--discard",
        "--domain",
        "example.org",
        "--max-recipients",
        "2",
        "--max-message-size",
        "10k",
        "--max-messages-per-session",
        "4",
    ]);
    let address = server.address();
    let elsewhere = ["-m", "10", "--to", "me@elsewhere.example"];
    let told = fails(address, &elsewhere, 65, "Relay not permitted");
    assert_eq!(told.object("failures"), "\"550\":10");
    for pace in [&["-d"][..], &["-d", "--pipeline"]] {
        let few = [&["-m", "4"], &elsewhere[2..], pace].concat();
        let told = fails(address, &few, 65, "4 of 4");
        assert_eq!(told.object("failures"), "\"550\":4");
    }
    let told = fails(address, &["-m", "10", "-r", "3"], 75, "10 recipients");
    assert_eq!(told.object("refused_recipients"), "\"452\":10");
    assert_eq!(told.number("done"), 10.0);
    let told = fails(address, &["-m", "10", "-l", "20k"], 65, "10240");
    assert_eq!(told.object("failures"), "\"too-large\":10");
    // The fifth message of a connection meets 421, the one behind it a new connection.
    let told = fails(address, &["-d", "-m", "10"], 75, "421");
    assert_eq!(told.object("failures"), "\"421\":2");
    assert_eq!(told.number("done"), 8.0);
}

#[test]
fn a_good_bye_between_two_messages_is_no_failure() {
    // Each message is due long after the connection of the one before has timed out. Amid a message that is a failure.
    undisturbed(|| {
        let mut server = TestServer::start(&["--discard", "--idle-timeout", "0.2"]);
        let told = told(server.address(), &["-d", "--rate", "1", "--seconds", "2.5"]);
        assert_eq!(told.number("done"), 3.0, "{}", told.0);
        let counted = totals(&mut server, ["messages", "connections", "timeout"]);
        assert_eq!(counted[..2], [3, 3]);
        assert!(counted[2] >= 2, "{counted:?}");
    });
}

/// A server of which every connection is served by `serve`.
fn broken_server(serve: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            serve(stream.unwrap());
        }
    });
    address.to_string()
}

#[test]
fn servers_that_break_off_are_counted_by_how_they_do() {
    let silent = broken_server(|stream| {
        let _ = (&stream).read_to_end(&mut Vec::new());
    });
    let arguments = ["-s", "3", "-m", "3", "--timeout", "0.3"];
    let told = fails(&silent, &arguments, 75, "no progress");
    assert_eq!(told.object("failures"), "\"timeout\":3");

    let closing = broken_server(|mut stream| {
        let _ = stream.write_all(b"220 hello\r\n");
    });
    let told = fails(&closing, &["-s", "3", "-m", "5"], 75, "5 of 5");
    assert_eq!(told.object("failures"), "\"lost\":5");

    let other = broken_server(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let told = fails(&other, &["-s", "3", "-m", "5"], 75, "HTTP/1.1");
    assert_eq!(told.object("failures"), "\"protocol\":5");
}

#[test]
fn a_server_that_goes_away_ends_nothing_at_once_and_one_that_never_was_does() {
    // No other test listens there once the port is free again. A process that one of them is just starting may hold this listener
    // for a moment longer.
    let address = deserted_address();
    let listener = TcpListener::bind(&address).unwrap();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        drop(listener);
        converse(stream, &mut 0, &|_| Duration::ZERO).unwrap();
    });
    let told = fails(&address, &["-m", "4"], 75, "3 of 4");
    server.join().unwrap();
    assert_eq!(told.number("done"), 1.0);
    assert!(
        told.object("failures").starts_with("\"connect\":"),
        "{}",
        told.0
    );

    for nobody in [
        address.as_str(),
        "unix:/no/such/socket",
        "no-such-host.invalid:25",
    ] {
        let told = fails(
            nobody,
            &["-s", "100", "-m", "100"],
            69,
            "is a server listening",
        );
        assert_eq!(told.0, "", "{nobody}");
    }
}

#[test]
fn an_interrupt_ends_it_in_good_order() {
    let server = TestServer::start(&["--discard"]);
    let mut child = command(
        server.address(),
        &["-s", "2", "--seconds", "1000", "--json"],
    )
    .stdout(Stdio::piped())
    .spawn()
    .unwrap();
    wait_until("a message", || server.log().contains("stored"));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let told = read_stdout(&mut child);
    assert!(child.wait().unwrap().success());
    assert!(told.number("done") >= 1.0);
    assert_eq!(told.number("failed"), 0.0);
}

fn read_stdout(child: &mut Child) -> Told {
    let mut text = String::new();
    let stdout = child.stdout.as_mut().unwrap();
    stdout.read_to_string(&mut text).unwrap();
    Told(text)
}

#[test]
fn the_result_is_text_or_json() {
    let server = TestServer::start(&["--discard"]);
    let output = load(server.address(), &["-m", "20", "-s", "2"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("20 messages in "), "{text}");
    for name in [
        "messages/s",
        "connections/s",
        "bytes/s",
        "p99.9",
        "failures       0",
    ] {
        assert!(text.contains(name), "{name}: {text}");
    }
    if !installed(&["python3"]) {
        return;
    }
    let text = "import json,sys; r=json.load(sys.stdin); \
        print(r['unit'], r['done'], r['failures'], sorted(r['latency_ms']), r['hostile']['kind'])";
    let hostile = ["--hostile", "flood", "--seconds", "0.5", "--rate", "20"];
    undisturbed(|| {
        let output = load(server.address(), &[&hostile[..], &["--json"]].concat());
        assert_eq!(
            python(text, &output.stdout),
            "messages 10 {} ['max', 'p50', 'p99', 'p99.9'] flood\n"
        );
    });
}

/// What a line of Python says to this input.
fn python(line: &str, input: &[u8]) -> String {
    let mut child = foreign("python3")
        .args(["-I", "-c", line])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn the_command_line_is_checked() {
    let nobody = "127.0.0.1:1";
    for (arguments, word) in [
        (&["-s", "0"][..], "over 0"),
        (&["-m", "x"], "-m"),
        (&["-l", "1Q"], "bytes"),
        (&["-m", "1", "--seconds", "1"], "--seconds"),
        (&["--connect-only", "-d"], "--connect-only"),
        #[cfg(feature = "tls")]
        (&["--tls", "--starttls"], "--starttls"),
        (&["--hostile", "somebody"], "slow-command"),
        (&["--hostile", "flood", "-m", "1"], "--hostile"),
        (&["-r", "2", "--to", "\"a b\"@example.org"], "--to"),
    ] {
        let told = fails(nobody, arguments, 64, word);
        assert_eq!(told.0, "");
    }
    let script = "ulimit -n 100; exec \"$0\" load -s 100";
    let output = Command::new("/bin/sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_mailoop")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64));
    assert!(
        said.contains("descriptors") && said.contains("ulimit -n"),
        "{said}"
    );
}

/// What each hostile peer does to a server, and how it ends there.
#[test]
fn hostile_peers_leave_the_server_and_others_unhurt() {
    let mut server = TestServer::start(&["--log-level", "warn"]);
    let descriptors = server.descriptors();
    for (kind, ending) in [
        ("slow-command", ""),
        ("slow-message", ""),
        ("never-reads", ""),
        ("endless-line", ""),
        ("endless-message", ""),
        ("early-talker", "\""),
        ("abort", "\"left\":"),
        ("errors", "\"421\":"),
        ("wrong-protocol", "\"554\":"),
        ("flood", ""),
    ] {
        // Much is to be done in that time.
        undisturbed(|| {
            let arguments = ["--hostile", kind, "-s", "20", "--seconds", "0.8", "--json"];
            let output = load(server.address(), &arguments);
            let told = Told::new(&output);
            assert!(output.status.success(), "{kind}: {output:?}");
            assert!(told.number("done") >= 8.0, "{kind}: {}", told.0);
            assert!(told.number("peers") >= 20.0, "{kind}: {}", told.0);
            assert!(
                told.object("endings").starts_with(ending),
                "{kind}: {}",
                told.0
            );
        });
        assert!(!server.has_ended(), "{kind}");
        wait_until("the server to be rid of them", || {
            server.descriptors() == descriptors
        });
        wait_until("the store to be rid of their mail", || {
            server.tmp_mail("recipient@example.org").is_empty()
        });
    }
    let mut client = Client::connect(server.address());
    client.begin_message("recipient@example.org");
    client.ask(".", "250");
    server.stop();
}
