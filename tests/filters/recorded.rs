//! Sessions whose filters are recorded, and replayed without any filter.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::common::TestServer;
use crate::common::client::Client;
use crate::common::filter::{
    ADD_HEADER, ADD_RECIPIENT, Act, CHANGE_SENDER, CONTINUE, CUSTOM, DELETE_RECIPIENT, DISCARD,
    FilterScript, QUARANTINE, REPLACE_BODY, ScriptedFilter, texts,
};
use crate::hear;

const MESSAGE: &str = "Subject: wozzeck-47\r\n\r\nmarie-48\r\n";

/// What the filter does in a session, and how the last step is answered.
type Case = (&'static str, u8, Act, &'static str);

fn reply(letter: u8, data: Vec<u8>) -> Act {
    Act::Reply(vec![(letter, data)])
}

fn changes(changes: &[(u8, Vec<u8>)]) -> Act {
    let mut packets = changes.to_vec();
    packets.push((CONTINUE, Vec::new()));
    Act::Reply(packets)
}

fn cases() -> Vec<Case> {
    let new_body = "hauptmann-49 and doctor-50\r\n".repeat(2000);
    vec![
        ("accepted", b'?', reply(CONTINUE, Vec::new()), "250"),
        (
            "refused",
            b'R',
            reply(CUSTOM, texts(&["550 5.7.1 Not for him"])),
            "550 5.7.1 Not for him",
        ),
        (
            "with another header",
            b'E',
            changes(&[(ADD_HEADER, texts(&["Note", "andres-51"]))]),
            "250",
        ),
        (
            "with another body",
            b'E',
            // In four packets, more than stays in memory.
            changes(&[(); 4].map(|()| (REPLACE_BODY, new_body.clone().into_bytes()))),
            "250",
        ),
        (
            "with another envelope",
            b'E',
            changes(&[
                (CHANGE_SENDER, texts(&["<other@client.example>"])),
                (ADD_RECIPIENT, texts(&["<c@example.org>"])),
                (DELETE_RECIPIENT, texts(&["<b@example.org>"])),
                (ADD_RECIPIENT, texts(&["no address at all"])),
            ]),
            "250",
        ),
        ("lost", b'M', Act::Close, "451"),
        ("lost late", b'E', Act::Close, "451"),
        ("discarded", b'R', reply(DISCARD, Vec::new()), "250"),
        (
            "held",
            b'E',
            changes(&[(QUARANTINE, texts(&["dubious"]))]),
            "451",
        ),
    ]
}

/// A record of a server with a filter, in each of whose sessions that does something else.
struct Recorded {
    folder: TempDir,
    octets: Vec<u8>,
    server: TestServer,
}

impl Recorded {
    fn new(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        let filter = ScriptedFilter::start(FilterScript::default());
        let record = path.to_str().unwrap();
        let mut args = vec!["--listen", "127.0.0.1:0", "--milter", &filter.address];
        args.extend(["--record", record]);
        args.extend(options);
        let mut server = TestServer::start(&args);
        for (name, letter, act, wanted) in cases() {
            filter.follow(FilterScript {
                acts: vec![(letter, act)],
                ..FilterScript::default()
            });
            let said = send(&server, MESSAGE);
            assert!(said.starts_with(wanted), "{name}: {said}");
        }
        // More than stays in memory, and what is no command.
        filter.follow(FilterScript::default());
        let long = format!("{MESSAGE}{}", "all work and no play\r\n".repeat(10_000));
        assert!(send(&server, &long).starts_with("250"));
        server.stop();
        let octets = fs::read(&path).unwrap();
        Self {
            folder,
            octets,
            server,
        }
    }

    fn run(&self, args: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
        command.current_dir(self.folder.path()).env_clear();
        let output = command.args(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}{error}");
        said
    }

    fn holds(&self, wanted: &str) -> bool {
        memchr::memmem::find(&self.octets, wanted.as_bytes()).is_some()
    }

    /// Each connection replays alone, too.
    fn replay_each(&self) {
        for number in 1..=cases().len() + 1 {
            let said = self.run(&["replay", "record", "--connection", &number.to_string()]);
            assert!(said.starts_with("same: "), "{number}: {said}");
        }
    }
}

/// Sends a message, up to a reply that refuses a step. Returns the last reply before QUIT.
fn send(server: &TestServer, message: &str) -> String {
    let mut client = Client::connect(server.address());
    let mut last = String::new();
    for words in [
        "",
        "EHLO client.example\r\n",
        "wrong\r\n",
        "MAIL FROM:<a@client.example> SIZE=20\r\n",
        "RCPT TO:<b@example.org>\r\n",
        "DATA\r\n",
        &format!("{message}.\r\n"),
    ] {
        client.say(words);
        last = hear(&mut client);
        if last.starts_with(['4', '5']) && !words.starts_with("wrong") {
            break;
        }
    }
    client.ask("QUIT", "221");
    last
}

#[test]
fn sessions_are_replayed_without_a_filter() {
    let recorded = Recorded::new(&[]);
    let said = recorded.run(&["replay", "record"]);
    assert!(
        said.starts_with("same: ") && !said.contains("cut"),
        "{said}"
    );
    recorded.replay_each();
    for text in ["wozzeck", "marie", "andres", "hauptmann", "all work"] {
        assert!(!recorded.holds(text), "{text}");
    }
    let log = recorded.server.log();
    assert!(log.contains("milter_change_ignored="), "{log}");
}

#[test]
fn so_are_they_with_their_text() {
    let recorded = Recorded::new(&["--record-text", "--record-peer", "127.0.0.0/8"]);
    let said = recorded.run(&["replay", "record"]);
    assert!(said.starts_with("same: "), "{said}");
    for text in ["wozzeck", "marie", "andres", "hauptmann", "all work"] {
        assert!(recorded.holds(text), "{text}");
    }
}

#[test]
fn what_filters_say_is_shown() {
    let recorded = Recorded::new(&[]);
    let text = recorded.run(&["trace", "record"]);
    for line in [
        "filters: inet:127.0.0.1:",
        "filters: asked about the client unknown\n",
        "filters: asked about HELO client.example\n",
        "filters: asked about an unknown command\n",
        "filters: asked about MAIL <a@client.example> SIZE=20\n",
        "filters: asked about RCPT <b@example.org>\n",
        "filters: let pass, and the message is to be seen\n",
        "filters: refused: 550 5.7.1 Not for him\n",
        "filters: to be stored, with another header\n",
        "filters: to be stored, with another body of 224000 octets\n",
        "filters: to be stored, from <other@client.example>, also to <c@example.org>, not to <b@example.org>",
        "filters: discarded\n",
        "filters: to be stored, held: dubious\n",
        "hold: text 0 begins\n",
        "hold: text 0 is dropped\n",
        "hold: text 1 from 0, 33 octets: xxxxxxxxxxxxxxxxxxx\\r\\n\\r\\nxxxxxxxx\\r\\n\n",
        ": later, ticket ",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let dialogue = recorded.run(&["trace", "record", "--format", "dialogue"]);
    for line in [
        "# It has filters, ",
        "\n# By its filters RCPT is refused: 550 5.7.1 Not for him.\nS: 550 5.7.1 Not for him\n",
        "\n# By its filters the message is to be stored, with another header.\nS: 250 ",
    ] {
        assert!(dialogue.contains(line), "{line}: {dialogue}");
    }
    let timeline = recorded.run(&["trace", "record", "--format", "chrome"]);
    for name in [
        "filters: MAIL",
        "filters: message",
        "refused",
        "to be stored",
        "filters",
    ] {
        assert!(timeline.contains(&format!("\"name\":\"{name}\"")), "{name}");
    }
}
