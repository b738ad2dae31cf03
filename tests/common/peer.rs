//! Servers that follow a script, for clients on real sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mailoop::smtp::path::ReversePath;
use mailoop::tools::send::{SendOptions, send};

/// One connection as the server sees it.
pub struct Peer<S: Read + Write> {
    pub stream: BufReader<S>,
    pub heard: Vec<String>,
}

impl<S: Read + Write> Peer<S> {
    pub fn say(&mut self, reply: &str) {
        let line = format!("{reply}\r\n");
        self.stream.get_mut().write_all(line.as_bytes()).unwrap();
    }

    /// Hears one line; says whether there was one.
    pub fn hear(&mut self) -> bool {
        let mut line = String::new();
        let bytes = self.stream.read_line(&mut line).unwrap_or(0);
        self.heard.push(line.trim_end_matches("\r\n").to_owned());
        bytes > 0
    }

    pub fn hear_message(&mut self, end_line: &str) {
        while self.hear() && self.heard.last().unwrap() != end_line {}
    }

    /// Answers one command after another, each with one of `replies`; a message after a 354.
    pub fn converse(&mut self, replies: &[&str]) {
        for reply in replies {
            self.say(reply);
            if reply.starts_with("354") {
                self.hear_message(".");
            } else if !self.hear() {
                return;
            }
        }
    }
}

/// A server for one connection that does what `script` says, and returns what it heard.
pub fn serve<F>(script: F) -> (String, JoinHandle<Vec<String>>)
where
    F: FnOnce(&mut Peer<TcpStream>) + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let stream = BufReader::new(listener.accept().unwrap().0);
        let heard = Vec::new();
        let mut peer = Peer { stream, heard };
        script(&mut peer);
        peer.heard
    });
    (address, server)
}

/// A message for it.
pub fn options(server: &str) -> SendOptions {
    SendOptions {
        server: server.parse().unwrap(),
        from: ReversePath::Mailbox("a@x".parse().unwrap()),
        to: vec!["b@y".parse().unwrap()],
        message: b"Subject: hi\n\n.body\n".to_vec(),
        helo: None,
        encryption: None,
        login: None,
        end_of_data: None,
        timeout: Duration::from_secs(60),
        verbose: false,
    }
}

/// Sends, and returns the exit code, the error and the dialogue.
pub fn sent(options: &SendOptions) -> (u8, String, String) {
    let mut dialogue = Vec::new();
    let result = send(options, &mut dialogue);
    let dialogue = String::from_utf8(dialogue).unwrap();
    match result {
        Ok(()) => (0, String::new(), dialogue),
        Err(error) => (error.exit_code() as u8, error.to_string(), dialogue),
    }
}

/// Replies of a server that takes a message, up to what it says to that.
pub const FRIENDLY: [&str; 6] = [
    "220 Hi",
    "250 Hello",
    "250 Ok",
    "250 Ok",
    "354 Go",
    "250 Ok",
];
