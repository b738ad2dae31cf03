//! `GET /api/loop`: what whoever looks at the loop is told, how slow viewers are treated, and what nobody is told.

#[cfg(all(feature = "auth", feature = "record", feature = "tls"))]
mod secrets;
#[cfg(feature = "load")]
mod slow;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::common::TestServer;
use crate::common::client::Client;
use crate::common::json::Json;
#[cfg(feature = "record")]
use crate::record::RecordFile;

/// A server that lets viewers in.
pub(crate) fn start(options: &[&str]) -> TestServer {
    TestServer::start(&[&["--http", "127.0.0.1:0"], options].concat())
}

/// One event of the stream.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: Json,
}

impl Event {
    #[track_caller]
    pub(crate) fn number(&self, name: &str) -> u64 {
        let number = self.data.number(name);
        let number = number.unwrap_or_else(|| panic!("no {name} in {self:?}"));
        number.parse().unwrap()
    }

    /// What a tick has seen, or the connections of a hello.
    pub(crate) fn list(&self, name: &str) -> &[Json] {
        self.data.get(name).map_or(&[], Json::list)
    }
}

/// Whoever looks at the loop.
pub(crate) struct Viewer {
    lines: BufReader<TcpStream>,
    /// All that was read.
    pub(crate) raw: String,
    /// What the ticks so far have seen and was not asked for yet, each as words.
    seen: VecDeque<Vec<String>>,
}

impl Viewer {
    /// One that is told all from now on; its hello as well.
    pub(crate) fn connect(server: &TestServer) -> (Self, Event) {
        let mut viewer = Self::ask(server);
        let hello = viewer.event();
        assert_eq!(hello.name, "hello");
        (viewer, hello)
    }

    /// One that has read no event yet.
    pub(crate) fn ask(server: &TestServer) -> Self {
        let address = server.address_for("http");
        let stream = TcpStream::connect(&address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let mut lines = BufReader::new(stream);
        let request = format!("GET /api/loop HTTP/1.1\r\nHost: {address}\r\n\r\n");
        lines.get_mut().write_all(request.as_bytes()).unwrap();
        let mut viewer = Self {
            lines,
            raw: String::new(),
            seen: VecDeque::new(),
        };
        assert_eq!(viewer.line(), "HTTP/1.1 200 OK");
        let mut fields = Vec::new();
        loop {
            match viewer.line() {
                line if line.is_empty() => break,
                line => fields.push(line.to_ascii_lowercase()),
            }
        }
        let media_type = "content-type: text/event-stream".to_owned();
        assert!(fields.contains(&media_type), "{fields:?}");
        viewer
    }

    /// The next line; empty also at the end.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        self.raw.push_str(&line);
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    /// The next event; `None` at the end of the stream.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let (mut name, mut data) = (String::new(), String::new());
        loop {
            let before = self.raw.len();
            let line = self.line();
            if self.raw.len() == before {
                return None;
            }
            if let Some(value) = line.strip_prefix("event: ") {
                value.clone_into(&mut name);
            } else if let Some(value) = line.strip_prefix("data: ") {
                value.clone_into(&mut data);
            } else if line.is_empty() && !name.is_empty() {
                let data = Json::parse(&data);
                return Some(Event { name, data });
            } else {
                assert!(line.is_empty() || line.starts_with(':'), "{line}");
            }
        }
    }

    #[track_caller]
    pub(crate) fn event(&mut self) -> Event {
        self.next().expect("the stream has ended")
    }

    /// The next thing that a tick has seen, as words.
    #[track_caller]
    fn seen(&mut self) -> Vec<String> {
        while self.seen.is_empty() {
            let tick = self.event();
            assert_eq!(tick.name, "tick");
            assert_eq!(tick.number("more"), 0);
            let seen = tick.list("seen").iter();
            self.seen
                .extend(seen.map(|one| one.list().iter().map(word).collect::<Vec<_>>()));
        }
        self.seen.pop_front().unwrap()
    }

    /// Reads on until it is told all these in this order, of the connection with this id; `…` at the end of one stands for more
    /// words. Whatever else is told in between is returned.
    #[track_caller]
    fn expect(&mut self, id: &str, all: &[&str]) -> Vec<String> {
        let mut others = Vec::new();
        for wanted in all {
            loop {
                let words = self.seen();
                assert_eq!(words[1], id, "{words:?}");
                let told = [&words[..1], &words[2..]].concat().join(" ");
                let is_wanted = match wanted.strip_suffix('…') {
                    Some(start) => told.starts_with(start),
                    None => told == *wanted,
                };
                if is_wanted {
                    break;
                }
                assert!(
                    !told.starts_with("closed"),
                    "{wanted} was not told, but {others:#?}"
                );
                others.push(told);
            }
        }
        others
    }
}

fn word(value: &Json) -> String {
    match value {
        Json::Text(text) | Json::Number(text) => text.clone(),
        other => panic!("neither a word nor a number: {other:?}"),
    }
}

/// One message, in a session that waits for every answer.
fn one_message(server: &TestServer) {
    let mut client = Client::connect(server.address());
    client.begin_message("b@example.org");
    client.ask("Subject: x\r\n\r\nhello\r\n.", "250 ");
    client.ask("QUIT", "221 ");
    assert_eq!(client.rest(), "");
}

#[test]
fn the_phases_of_a_slow_session_are_told_as_they_happen() {
    let server = start(&[]);
    let (mut viewer, hello) = Viewer::connect(&server);
    assert_eq!(hello.data.text("version"), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(hello.data.text("hostname"), Some("mx.example.org"));
    assert!(hello.list("connections").is_empty());

    let mut client = Client::connect(server.address());
    client.expect("220 ");
    let accepted = viewer.seen();
    let peer = client.stream.get_ref().local_addr().unwrap().to_string();
    assert_eq!(accepted, ["accepted", "1", &peer, "smtp"]);
    viewer.expect(
        "1",
        &[
            "read -1",
            "state AwaitingHello",
            "said…",
            "write…",
            "waits client",
        ],
    );
    for (line, code, told) in [
        (
            "HELO me",
            "250 ",
            &[
                "ready…",
                "read 9",
                "took command 9 HELO me",
                "state AwaitingMail",
                "said 36 250 Hello me, pleased to meet you.",
                "write…",
            ][..],
        ),
        (
            "MAIL FROM:<a@example.org>",
            "250 ",
            &[
                "took command 27 MAIL FROM:<a@example.org>",
                "state AwaitingRcpt",
            ],
        ),
        (
            "RCPT TO:<b@example.org>",
            "250 ",
            &["took command 25 RCPT TO:<b@example.org>"],
        ),
        (
            "DATA",
            "354 ",
            &["took command 6 DATA", "state ReceivingData", "said…"],
        ),
        (
            "Subject: my secret\r\n\r\n.",
            "250 ",
            &["took text…", "waits store", "said…", "waits client"],
        ),
        (
            "QUIT",
            "221 ",
            &[
                "took command 6 QUIT",
                "life Closing",
                "write 9",
                "life Closed",
            ],
        ),
    ] {
        client.ask(line, code);
        viewer.expect("1", told);
    }
    assert_eq!(client.rest(), "");
    let words = viewer.seen();
    assert_eq!(words[..3], ["closed", "1", "quit"]);
    assert!(!viewer.raw.contains("secret"), "{}", viewer.raw);
}

#[test]
fn a_tick_tells_its_times_and_its_steps() {
    let server = start(&[]);
    let (mut viewer, hello) = Viewer::connect(&server);
    let uptime = hello.number("uptime_us");
    one_message(&server);
    let ticks: Vec<_> = (0..5).map(|_| viewer.event()).collect();
    for tick in &ticks {
        assert_eq!(tick.name, "tick");
        assert!(tick.number("at") >= uptime, "{tick:?}");
        let steps = tick.list("steps").iter();
        let (names, times): (Vec<_>, Vec<_>) = steps
            .map(|step| (word(&step.list()[0]), word(&step.list()[1])))
            .unzip();
        assert_eq!(names, ["serve", "commit", "expire", "accept"]);
        let sum: u64 = times.iter().map(|time| time.parse::<u64>().unwrap()).sum();
        assert!(sum <= tick.number("took"), "{tick:?}");
        assert!(tick.number("polled") >= 1, "{tick:?}");
    }
    for pair in ticks.windows(2) {
        assert!(pair[0].number("n") < pair[1].number("n"));
        let end = pair[0].number("at") + pair[0].number("took");
        assert!(end <= pair[1].number("at") + 1, "{pair:?}");
    }
    assert_eq!(ticks[0].number("open"), 1);
}

#[test]
fn a_connection_that_was_there_before_is_in_the_hello_and_told_of() {
    let server = start(&[]);
    let mut client = Client::connect(server.address());
    client.hello();
    let (mut viewer, hello) = Viewer::connect(&server);
    let [known] = hello.list("connections") else {
        panic!("{hello:?}");
    };
    let text = |name| known.text(name).unwrap();
    assert_eq!(known.number("id"), Some("1"));
    assert_eq!(
        [text("service"), text("state"), text("waits")],
        ["smtp", "AwaitingMail", "client"]
    );
    assert_eq!(known.number("read"), Some("13"));
    client.ask("NOOP", "250 ");
    viewer.expect(
        "1",
        &["ready…", "read 6", "took command 6 NOOP", "said…", "write…"],
    );
    // Words that are no news are not told.
    client.ask("NOOP", "250 ");
    let others = viewer.expect("1", &["ready…", "took command 6 NOOP", "write…"]);
    assert!(
        !others.iter().any(|told| told.starts_with("state")),
        "{others:?}"
    );
}

#[test]
fn two_viewers_are_told_the_same_and_nothing_of_each_other() {
    let mut server = start(&[]);
    let (mut first, _) = Viewer::connect(&server);
    let (mut second, _) = Viewer::connect(&server);
    one_message(&server);
    server.stop();
    let rest = |viewer: &mut Viewer| {
        let before = viewer.raw.len();
        while let Some(event) = viewer.next() {
            assert_eq!(event.name, "tick", "{event:?}");
            assert!(!event.list("seen").is_empty(), "{event:?}");
        }
        viewer.raw.split_off(before)
    };
    let told = rest(&mut first);
    assert!(told.contains("\"closed\""), "{told}");
    assert_eq!(rest(&mut second), told);
}

#[test]
fn viewers_come_and_go_and_the_next_one_is_told_all_again() {
    let server = start(&[]);
    for _ in 0..3 {
        let (mut viewer, hello) = Viewer::connect(&server);
        assert!(hello.list("connections").is_empty());
        one_message(&server);
        let accepted = viewer.seen();
        assert_eq!(accepted[0], "accepted");
        viewer.expect(&accepted[1], &["took command 6 DATA", "closed quit…"]);
    }
    one_message(&server);
}

#[test]
fn only_so_many_look_on() {
    let server = start(&[]);
    let viewers: Vec<_> = (0..8).map(|_| Viewer::connect(&server)).collect();
    let address = server.address_for("http");
    let mut client = Client::connect(&address);
    client.say(&format!(
        "GET /api/loop HTTP/1.1\r\nHost: {address}\r\n\r\n"
    ));
    client.expect("HTTP/1.1 503 ");
    drop(viewers);
    crate::common::wait_until("room for another one", || {
        let mut client = Client::connect(&address);
        client.say(&format!(
            "GET /api/loop HTTP/1.1\r\nHost: {address}\r\n\r\n"
        ));
        client.hear().starts_with("HTTP/1.1 200 ")
    });
}

#[cfg(feature = "record")]
#[test]
fn a_record_and_viewers_see_the_same_and_the_record_replays() {
    let record = RecordFile::new();
    let mut server = record.serve(&["--http", "127.0.0.1:0"]);
    let mut early = Client::connect(server.address());
    early.hello();
    let (mut viewer, _) = Viewer::connect(&server);
    one_message(&server);
    early.ask("NOOP", "250 ");
    while viewer.seen()[0] != "took" || !viewer.raw.contains("NOOP") {}
    drop(viewer);
    one_message(&server);
    early.ask("QUIT", "221 ");
    let (_, hello) = Viewer::connect(&server);
    assert!(hello.list("connections").len() <= 1);
    one_message(&server);
    server.stop();
    let (octets, is_cut_short) = record.is_same();
    assert!(octets > 600 && !is_cut_short, "{octets}");
}
