//! A message that a client sends, and what becomes of it.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use crate::common::client::Client;
use crate::common::{TestServer, files, without_trace};

/// A message that a client sends.
pub struct Message {
    pub client: Client<TcpStream>,
    /// Two mailboxes that nothing was ever sent to.
    pub to: [String; 2],
    text: String,
    /// How much of it was said.
    sent: usize,
    /// The first reply that is no good one, or the last.
    pub said: String,
}

impl Message {
    /// A message of its own kind: more than is held back to be written at once, less than is read at once.
    pub fn new(server: &TestServer, number: usize) -> Self {
        // Each makes mailboxes, which have a rate for an address.
        let mut client = Client::connect_from(number, server.address());
        client.hello();
        Self {
            client,
            to: [
                format!("a{number}@one.example"),
                format!("b{number}@two{number}.example"),
            ],
            text: format!("Message: {number}\r\n").repeat(2000),
            sent: 0,
            said: String::new(),
        }
    }

    /// Says a line, and whether the reply is the good one.
    fn say(&mut self, line: &str, code: &str) -> bool {
        self.client.say(&format!("{line}\r\n"));
        self.said = self.client.hear();
        self.said.starts_with(code)
    }

    /// Goes as far as 354, unless it is refused before.
    pub fn begin(&mut self) -> bool {
        let [first, second] = self.to.clone();
        self.say("MAIL FROM:<a@example.com>", "250 ")
            && self.say(&format!("RCPT TO:<{first}>"), "250 ")
            && self.say(&format!("RCPT TO:<{second}>"), "250 ")
            && self.say("DATA", "354 ")
    }

    /// Says all of the message but its last line.
    pub fn say_text(&mut self) {
        self.sent = self.text.trim_end().rfind('\n').map_or(0, |end| end + 1);
        self.client.say(&self.text[..self.sent]);
    }

    /// Says what is left of the message at once.
    pub fn finish(&mut self) {
        self.client
            .say(&format!("{}.\r\n", &self.text[self.sent..]));
    }

    pub fn send(&mut self) {
        if self.begin() {
            self.finish();
            self.said = self.client.hear();
        }
    }

    pub fn is_refused(&self) -> bool {
        self.said.starts_with('4')
    }

    pub fn is_stored(&self) -> bool {
        self.said.starts_with("250 2.0.0 Ok: queued as ")
    }

    /// Sees that the session goes on, and that the message is whole in each mailbox, or, if it was refused, nowhere.
    pub fn check(&mut self, server: &TestServer) {
        self.client.ask("RSET", "250 2.0.0 Ok");
        for address in &self.to {
            let found = everything(&server.mailbox(address));
            if self.is_refused() {
                assert!(found.is_empty(), "{}: {found:?}", self.said);
                continue;
            }
            assert!(self.is_stored(), "{}", self.said);
            let [file] = &found[..] else {
                panic!("{}: {found:?}", self.said);
            };
            self.check_file(file);
        }
    }

    /// The same, where the processes of the server may have lost one another: a message that was refused for that may
    /// have arrived, and what is left of it in `tmp/` waits for the next start.
    pub fn check_unknown(&mut self, server: &TestServer) {
        if self.is_stored() {
            return self.check(server);
        }
        assert!(self.is_refused(), "{}", self.said);
        self.client.ask("RSET", "250 2.0.0 Ok");
        for address in &self.to {
            let arrived = files(&server.mailbox(address).join("new"));
            assert!(arrived.len() <= 1, "{arrived:?}");
            arrived.iter().for_each(|file| self.check_file(file));
        }
    }

    fn check_file(&self, file: &Path) {
        assert!(file.parent().unwrap().ends_with("new"));
        let stored = fs::read(file).unwrap();
        let whole = without_trace(&stored) == self.text.replace('\r', "").as_bytes();
        assert!(whole, "{} is torn", file.display());
    }
}

/// Every file in a mailbox.
fn everything(mailbox: &Path) -> Vec<PathBuf> {
    let folders = ["tmp", "new", "cur"].map(|name| files(&mailbox.join(name)));
    folders.concat()
}
