//! `mailoop send --record` and `mailoop load --record`: what is in the file, and that it replays.

use std::fs;
use std::process::{Command, Output};

use mailoop::net::lifecycle::Lifecycle;
use mailoop::observe::codec::RecordValue;
use mailoop::observe::file::{FrameReader, MAGIC, put_frame};
use mailoop::observe::frame::Frame;
use mailoop::replay::replay;

use crate::common::TestServer;
use crate::record::RecordFile;
use crate::send::send_as;

const MESSAGE: &str = "Subject: a secret subject\n\nwords that nobody sees\n";

impl RecordFile {
    /// What a replay tells, behind its exit code.
    fn replayed(&self) -> (Option<i32>, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = self.replay();
        let told = [stdout, stderr].concat();
        (status.code(), String::from_utf8_lossy(&told).into_owned())
    }

    /// The replay is the same, to the end, with so many connections.
    fn is_same_with(&self, connections: usize) {
        let (code, told) = self.replayed();
        assert_eq!(code, Some(0), "{told}");
        let end = told.trim_end().strip_suffix(" octets").expect(&told);
        let there = format!(", {connections} connections, ");
        assert!(told.starts_with("same: ") && end.contains(&there), "{told}");
    }
}

fn mailoop(command: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    program.arg(command);
    program
}

/// Sends a message and records that.
fn send(address: &str, file: &RecordFile, arguments: &[&str]) -> Output {
    let fixed = ["--from", "ada@example.com", "--to", "b@example.org"];
    let record = ["--record", &file.path];
    let arguments = [&fixed[..], &record, arguments].concat();
    send_as("pencil", address, &arguments, MESSAGE)
}

fn sent(address: &str, file: &RecordFile, arguments: &[&str]) {
    let output = send(address, file, arguments);
    assert!(output.status.success(), "{output:?}");
    file.is_same_with(1);
}

#[test]
fn a_message_on_its_way_replays() {
    let server = TestServer::start(&["--discard"]);
    let file = RecordFile::new();
    for arguments in [
        &[][..],
        &["--helo", "client.example"],
        &["--end-of-data", ".", "--timeout", "60"],
    ] {
        sent(server.address(), &file, arguments);
        assert!(!file.holds("secret subject") && !file.holds("nobody sees"));
        assert!(file.holds("MAIL FROM:<ada@example.com>"));
        sent(
            server.address(),
            &file,
            &[arguments, &["--record-text"]].concat(),
        );
        assert!(file.holds("secret subject") && file.holds("nobody sees"));
    }
}

#[test]
fn what_fails_replays_too() {
    let file = RecordFile::new();
    let server = TestServer::start(&["--discard", "--domain", "example.net"]);
    let output = send(server.address(), &file, &[]);
    assert_eq!(output.status.code(), Some(65), "{output:?}");
    file.is_same_with(1);

    let output = send(server.address(), &file, &["--record-max", "600"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("it has reached its largest size"), "{told}");
    assert!(file.octets().len() <= 600);
    let (code, told) = file.replayed();
    assert!(code == Some(0) && told.starts_with("same: "), "{told}");

    let output = send(&crate::common::ports::deserted_address(), &file, &[]);
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    assert_eq!(file.replayed().0, Some(0));

    let nowhere = ["--record", "/nowhere/record"];
    let output = mailoop("load")
        .args(["--server", server.address()])
        .args(nowhere)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(73), "{output:?}");
}

/// The octets of a record, each frame of which was changed by `change`; `None` leaves it as it is.
fn changed(
    record: &[u8],
    mut change: impl FnMut(&Frame<'_>) -> Option<(Vec<u8>, Vec<u8>)>,
) -> Vec<u8> {
    let mut frames = FrameReader::new(record).unwrap();
    let (mut scratch, mut out) = (Vec::new(), MAGIC.to_vec());
    while let Some(frame) = frames.next_frame().unwrap() {
        let (from, to) = change(&frame).unwrap_or_default();
        let swap = |octets: &[u8]| {
            let at = memchr::memmem::find(octets, &from).filter(|_| !from.is_empty());
            let mut octets = octets.to_vec();
            if let Some(at) = at {
                octets[at..at + from.len()].copy_from_slice(&to);
            }
            octets
        };
        match frame {
            Frame::Said { connection, octets } => {
                let octets = &*swap(octets);
                put_frame(&Frame::Said { connection, octets }, &mut scratch, &mut out);
            }
            Frame::Used {
                connection,
                content,
                octets,
            } => {
                let used = Frame::Used {
                    connection,
                    content,
                    octets: &swap(octets),
                };
                put_frame(&used, &mut scratch, &mut out);
            }
            frame => put_frame(&frame, &mut scratch, &mut out),
        }
    }
    out
}

#[test]
fn a_record_with_another_octet_is_different() {
    let server = TestServer::start(&["--discard"]);
    let file = RecordFile::new();
    sent(server.address(), &file, &[]);
    let whole = file.octets();
    assert_eq!(changed(&whole, |_| None), whole);
    for (from, to, replayed) in [
        // It says what it has said, whatever the record has.
        ("MAIL FROM:<ada", "MAIL FROM:<eve", "MAIL FROM:<ada"),
        // It goes another way when the server does.
        ("250 2.1.5 ", "550 2.1.5 ", "QUIT"),
        ("354 ", "454 ", "QUIT"),
    ] {
        let record = changed(&whole, |_| Some((from.into(), to.into())));
        assert_ne!(record, whole, "{from}");
        fs::write(&file.path, record).unwrap();
        let (code, told) = file.replayed();
        assert_eq!(code, Some(1), "{told}");
        assert!(
            told.starts_with("different: tick ") && told.contains(replayed),
            "{told}"
        );
    }
    // Of a record that is cut anywhere the complete frames are the same.
    for length in (MAGIC.len()..whole.len()).step_by(37) {
        fs::write(&file.path, &whole[..length]).unwrap();
        let (code, told) = file.replayed();
        let is_well = code == Some(0) && told.ends_with(", cut short\n");
        assert!(
            is_well || code == Some(65) && length < 600,
            "{length}: {told}"
        );
    }
}

#[test]
fn a_record_of_a_client_replays_as_a_whole() {
    let server = TestServer::start(&["--discard"]);
    let file = RecordFile::new();
    sent(server.address(), &file, &[]);
    let output = mailoop("replay")
        .args(["--connection", "1"])
        .arg(&file.path)
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(65), "{told}");
    assert!(told.contains("record of mailoop send"), "{told}");
}

#[test]
fn a_trace_shows_what_a_client_said() {
    let server = TestServer::start(&["--discard"]);
    let file = RecordFile::new();
    sent(server.address(), &file, &["--record-text"]);
    let output = mailoop("trace").arg(&file.path).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    for line in [
        "C: MAIL FROM:<ada@example.com>",
        "S: 354 ",
        "C: QUIT",
        "dials 127.0.0.1:",
        "connected",
        "octets of the message are left",
        "closed: ",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let closed = Lifecycle::Closed.to_string();
    assert!(shown.contains(&format!("enters {closed}")), "{shown}");
    let traced = |format: &str| {
        let mut trace = mailoop("trace");
        let trace = trace.args(["--format", format]).arg(&file.path);
        let output = trace.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let chrome = traced("chrome");
    for phase in ["greeting", "hello", "mail", "rcpt", "data", "commit"] {
        let name = format!("\"name\":\"{phase}\"");
        assert!(chrome.contains(&name), "{phase}: {chrome}");
    }
    let dialogue = traced("dialogue");
    for lines in [
        "\nS: 220 ",
        "\nC: MAIL FROM:<ada@example.com> SIZE=",
        "\nC: DATA\nS: 354 ",
        "\nC: Subject: a secret subject\nC: ",
        "\nC: words that nobody sees\nC: .\nS: 250 2.0.0 Ok: queued as ",
        "\nC: QUIT\nS: 221 2.0.0 Bye\n# Closed: quit.\n",
    ] {
        assert!(dialogue.contains(lines), "{lines:?}: {dialogue}");
    }
}

/// Flips a bit of each frame in turn, and makes its checksum right.
#[test]
fn no_changed_record_of_a_client_panics() {
    let server = TestServer::start(&["--discard"]);
    let file = RecordFile::new();
    sent(server.address(), &file, &[]);
    let whole = file.octets();
    let mut frames = Vec::new();
    let mut reader = FrameReader::new(&whole[..]).unwrap();
    loop {
        let mut octets = Vec::new();
        match reader.next_frame().unwrap() {
            Some(frame) => frame.put(&mut octets),
            None => break,
        }
        frames.push(octets);
    }
    for place in 0..frames.len() {
        for octet in 0..frames[place].len().min(24) {
            let bit = 1 << ((place + octet) % 8);
            let mut changed = frames[place].clone();
            changed[octet] ^= bit;
            let mut record = MAGIC.to_vec();
            for (number, frame) in frames.iter().enumerate() {
                let frame = if number == place { &changed } else { frame };
                frame.len().put(&mut record);
                record.extend_from_slice(frame);
                record.extend_from_slice(&crc32(frame).to_le_bytes());
            }
            fs::write(&file.path, record).unwrap();
            // Whatever comes of it: the same, another way, or no record.
            let _ = replay(file.path.as_ref(), None);
        }
    }
}

/// CRC-32, as a frame has it.
fn crc32(octets: &[u8]) -> u32 {
    octets.iter().fold(u32::MAX, |crc, octet| {
        (0..8).fold(crc ^ u32::from(*octet), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    }) ^ u32::MAX
}

#[cfg(feature = "load")]
mod load {
    use super::{RecordFile, mailoop};
    use crate::common::TestServer;

    fn recorded(server: &TestServer, arguments: &[&str]) -> RecordFile {
        let file = RecordFile::new();
        let output = mailoop("load")
            .args(["--server", server.address(), "--record"])
            .arg(&file.path)
            .args(arguments)
            .output()
            .unwrap();
        // On a machine that pauses the clock leaves some undone.
        assert!(
            matches!(output.status.code(), Some(0 | 69 | 75)),
            "{arguments:?}: {output:?}"
        );
        let (code, told) = file.replayed();
        assert!(
            code == Some(0) && told.ends_with(" octets\n"),
            "{arguments:?}: {told}"
        );
        file
    }

    #[test]
    fn a_load_replays() {
        let server = TestServer::start(&["--discard"]);
        for (arguments, connections) in [
            (&["-m", "20", "-s", "3"][..], 20),
            (&["-m", "200", "-s", "7", "-d", "--pipeline"], 7),
            (&["-m", "30", "-s", "3", "-d", "-l", "200k"], 3),
            (&["-m", "30", "-s", "3", "--connect-only"], 30),
        ] {
            recorded(&server, arguments).is_same_with(connections);
        }
    }

    #[test]
    fn a_load_by_the_clock_replays() {
        let server = TestServer::start(&["--discard"]);
        for arguments in [
            &["--rate", "100", "--seconds", "1"][..],
            &["--rate", "100", "--seconds", "1", "-d"],
            &["--rate", "300", "-m", "100", "-s", "2", "-d"],
        ] {
            recorded(&server, arguments);
        }
    }

    #[test]
    fn a_load_beside_an_attack_replays() {
        let server = TestServer::start(&["--discard"]);
        for kind in ["abort", "errors", "slow-message", "never-reads"] {
            let arguments = ["--hostile", kind, "-s", "5", "--seconds", "1"];
            recorded(&server, &arguments);
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_load_under_tls_replays() {
        let server = TestServer::start(&["--discard", "--tls-self-signed"]);
        let arguments = ["-m", "30", "-s", "3", "--starttls", "--insecure"];
        recorded(&server, &arguments).is_same_with(30);
        let server = TestServer::start(&["--discard"]);
        recorded(&server, &arguments);
    }
}

#[cfg(feature = "auth")]
mod login {
    use std::io::Write;
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::thread::{self, JoinHandle};

    use mailoop::smtp::auth::text::{from_base64, to_base64};

    use super::{RecordFile, send, sent};
    use crate::common::TestServer;
    use crate::common::client::read_some;
    use crate::common::logins::UsersFile;
    use crate::common::peer;

    /// Copies octets on, and returns them.
    fn copied(mut from: TcpStream, mut to: TcpStream) -> Vec<u8> {
        let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let count = read_some(&mut from, &mut buffer).unwrap_or(0);
            if count == 0 || to.write_all(&buffer[..count]).is_err() {
                let _ = to.shutdown(Shutdown::Write);
                return all;
            }
            all.extend_from_slice(&buffer[..count]);
        }
    }

    /// A wire to a server that hands out what went over it, both ways.
    fn wire(server: &str) -> (String, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = server.to_owned();
        let thread = thread::spawn(move || {
            let client = listener.accept().unwrap().0;
            let server = TcpStream::connect(server).unwrap();
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let there = thread::spawn(move || copied(from, to));
            let back = copied(server, client);
            String::from_utf8([there.join().unwrap(), back].concat()).unwrap()
        });
        (address, thread)
    }

    /// Everything secret of the logins in this dialogue, as it went over the wire and decoded.
    fn secrets(dialogue: &str) -> Vec<String> {
        let mut secrets = Vec::new();
        let is_of_login = |line: &&str| {
            line.starts_with("AUTH ") || line.starts_with("334 ") || !line.contains(' ')
        };
        for line in dialogue.lines().filter(is_of_login) {
            let word = line.rsplit(' ').next().unwrap();
            let Some(decoded) = from_base64(word.as_bytes()).filter(|_| word.len() > 8) else {
                continue;
            };
            let decoded = String::from_utf8_lossy(&decoded).into_owned();
            let attributes = decoded.split(',').filter_map(|part| part.get(2..));
            secrets.extend(attributes.filter(|part| part.len() > 8).map(str::to_owned));
            secrets.push(decoded);
            secrets.push(word.to_owned());
        }
        secrets
    }

    #[test]
    fn of_a_login_by_scram_nothing_is_in_the_record() {
        let users = UsersFile::new();
        let server = TestServer::start(&[
            "--listen-submission",
            "127.0.0.1:0",
            "--users",
            &users.path(),
            "--auth-insecure",
        ]);
        let (address, wire) = wire(server.address());
        let file = RecordFile::new();
        sent(&address, &file, &["--auth", "ada", "--record-text"]);
        let dialogue = wire.join().unwrap();
        assert!(dialogue.contains("AUTH SCRAM-SHA-256 "), "{dialogue}");
        let secrets = secrets(&dialogue);
        assert!(secrets.len() > 10, "{secrets:?}");
        for secret in secrets {
            assert!(!file.holds(&secret), "{secret}");
        }
        assert!(file.holds("AUTH SCRAM-SHA-256 xxxxxxx"));
    }

    #[test]
    fn of_a_password_nothing_is_in_the_record() {
        for (mechanism, challenges) in [
            ("PLAIN", &[][..]),
            ("LOGIN", &["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"]),
        ] {
            for outcome in ["235 2.7.0 in", "535 5.7.8 no"] {
                let (address, server) = peer::serve(move |peer| {
                    peer.say("220 mx.example");
                    peer.hear();
                    peer.say(&format!("250-mx.example\r\n250 AUTH {mechanism}"));
                    for challenge in challenges {
                        peer.hear();
                        peer.say(challenge);
                    }
                    peer.hear();
                    peer.say(outcome);
                    peer.converse(&["250 ok", "250 ok", "451 later", "221 bye"]);
                });
                let file = RecordFile::new();
                let output = send(&address, &file, &["--auth", "ada"]);
                assert!(!output.status.success(), "{output:?}");
                let heard = server.join().unwrap().join("\n");
                assert!(
                    heard.contains(&to_base64(b"pencil")) || mechanism == "PLAIN",
                    "{heard}"
                );
                file.is_same_with(1);
                let plain = to_base64(b"\0ada\0pencil");
                let (user, password) = (to_base64(b"ada"), to_base64(b"pencil"));
                for secret in ["pencil", &plain, &user, &password] {
                    assert!(!file.holds(secret), "{secret} in {heard}");
                }
                assert!(file.holds(outcome), "{outcome}");
            }
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_login_under_tls_replays() {
        let users = UsersFile::new();
        let file = RecordFile::new();
        for (listen, begin) in [
            ("--listen-submission", "--starttls"),
            ("--listen-submissions", "--tls"),
        ] {
            let known = ["--users", &users.path(), listen, "127.0.0.1:0"];
            let server = TestServer::start(&[&known[..], &["--tls-self-signed"]].concat());
            let arguments = ["--auth", "ada", begin, "--insecure"];
            sent(server.address(), &file, &arguments);
            assert!(file.holds("AUTH SCRAM-SHA-256-PLUS xxxxxx"));
            for secret in ["pencil", &to_base64(b"pencil")] {
                assert!(!file.holds(secret), "{secret}");
            }
        }
    }
}
