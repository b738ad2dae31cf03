//! A client as plain as can be: it blocks, and checks the code of every reply.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::text;

/// A benchmark of a server that hangs shall fail.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// More than all replies that are awaited at once.
const REPLIES_BYTES_MAX: usize = 2048;

/// What a client says at once, and the codes of the replies that it then waits for.
pub struct Step {
    pub says: Vec<u8>,
    pub codes: &'static [&'static str],
}

fn step(says: impl Into<Vec<u8>>, codes: &'static [&'static str]) -> Step {
    Step {
        says: says.into(),
        codes,
    }
}

/// As far as the first transaction.
pub fn hello() -> Vec<Step> {
    vec![
        step("", &["220"]),
        step("EHLO client.example.org\r\n", &["250"]),
    ]
}

/// The transaction of a message of `size` octets; with `pipelined` its commands come at once (RFC 2920).
pub fn transaction(size: usize, pipelined: bool) -> Vec<Step> {
    const MAIL: &str = "MAIL FROM:<sender@example.org>\r\n";
    const RCPT: &str = "RCPT TO:<recipient@example.org>\r\n";
    const DATA: &str = "DATA\r\n";
    let mut steps = if pipelined {
        vec![step([MAIL, RCPT, DATA].concat(), &["250", "250", "354"])]
    } else {
        vec![
            step(MAIL, &["250"]),
            step(RCPT, &["250"]),
            step(DATA, &["354"]),
        ]
    };
    steps.push(step([&text(size), &b".\r\n"[..]].concat(), &["250"]));
    steps
}

/// The end.
pub fn quit() -> Vec<Step> {
    vec![step("QUIT\r\n", &["221"])]
}

/// One connection, over TCP or something that runs over it.
pub struct Client<S> {
    stream: S,
}

impl Client<TcpStream> {
    pub fn connect(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).expect("the server accepts");
        // Otherwise the last segment of a message may wait for the ACK of those before it, which is delayed.
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(REPLY_TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(REPLY_TIMEOUT)).unwrap();
        Self { stream }
    }

    /// The socket, for something that runs over it.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }
}

impl<S: Read + Write> Client<S> {
    /// A client over `stream`.
    pub fn new(stream: S) -> Self {
        Self { stream }
    }

    /// Goes through all of `dialogue`.
    pub fn converse(&mut self, dialogue: &[Step]) {
        for step in dialogue {
            self.say(step);
            self.expect(step);
        }
    }

    fn say(&mut self, step: &Step) {
        self.stream.write_all(&step.says).expect("the server reads");
    }

    /// Reads the replies to `step`, of which the last lines tell all that matters here.
    fn expect(&mut self, step: &Step) {
        let mut buffer = [0; REPLIES_BYTES_MAX];
        let mut length = 0;
        while !are_complete(&buffer[..length], step.codes.len()) {
            let read = self.stream.read(&mut buffer[length..]);
            length += match read.expect("the server replies") {
                0 => break,
                read => read,
            };
        }
        let replies = &buffer[..length];
        let said = last_lines(replies).map(|line| &line[..3]);
        assert!(
            said.eq(step.codes.iter().map(|code| code.as_bytes())),
            "{:?} expected, not {:?}",
            step.codes,
            String::from_utf8_lossy(replies)
        );
    }

    /// Waits until the server closes. Whoever closes first has the connection in TIME_WAIT for a minute; a
    /// client would run out of ports (28,000 here, some seconds' worth), a server has only the one.
    pub fn expect_end(&mut self) {
        let read = self.stream.read(&mut [0]).expect("the server closes");
        assert_eq!(read, 0, "nothing comes behind 221");
    }
}

/// Has all `clients` go through `dialogue` in lock-step: all of them say a step before the first one waits for its
/// replies.
pub fn in_step(clients: &mut [Client<TcpStream>], dialogue: &[Step]) {
    for step in dialogue {
        for client in &mut *clients {
            client.say(step);
        }
        for client in &mut *clients {
            client.expect(step);
        }
    }
}

fn are_complete(replies: &[u8], count: usize) -> bool {
    replies.ends_with(b"\r\n") && last_lines(replies).count() == count
}

/// The last line of each reply: one of several lines has a hyphen behind the code of all others.
fn last_lines(replies: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = replies.split(|octet| *octet == b'\n');
    lines.filter(|line| line.get(3) == Some(&b' '))
}
