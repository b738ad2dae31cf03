//! Dialogues as files: what a client says and what the server is to answer.
//!
//! ```text
//! # A comment.
//! options: --max-errors 3        the server's options; with --listen-lmtp 127.0.0.1:0 it speaks LMTP
//! config: [aliases]              a line of its configuration file
//! users: ada pencil              somebody who may log in, and the password
//! blocked: a@example.org         nothing can be delivered to this mailbox
//! whole: why                     the client's lines must not be cut apart
//! clear: why                     it is another dialogue in TLS
//! from: 192.0.2.1:25             where the client is, if not on a unix socket
//! early: NOOP\r\n                said before the greeting
//! C: a line, and its CRLF        lines in a row are sent at once
//! C~ exactly these bytes\r       no line end is added
//! C* 100 exactly these bytes     so many times
//! S: a reply line                `<id>` stands for any queue id
//! S* 100 a reply line            so many times
//! after: 100                     the server is silent for so many milliseconds
//! closed                         the server closes the connection
//! stored                         what is stored in the end, message by message
//! M: a line of the message       `<id>` as above, `<date>` for any date
//! M~ exactly these bytes
//! M* 100 a line of the message
//! ```
//!
//! In lines of the client and the message `\r`, `\n`, `\t`, `\\` and `\x1B` are escapes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

/// One dialogue.
pub struct Dialogue {
    pub name: String,
    pub options: Vec<String>,
    config: String,
    /// Who may log in, and by which password.
    users: Vec<(String, String)>,
    /// Where the configuration file and that of the users are.
    folder: Option<TempDir>,
    /// Mailboxes that nothing can be delivered to.
    pub blocked: Vec<String>,
    /// Whether the client's bytes may arrive in pieces.
    pub cuttable: bool,
    /// Whether it is the same in TLS.
    pub securable: bool,
    /// Where the client connects from, if it is on the network.
    pub from: Option<String>,
    /// What is sent before the greeting.
    pub early: Vec<u8>,
    pub steps: Vec<Step>,
    /// The messages stored in the end, lines ending in LF.
    pub stored: Vec<Vec<u8>>,
}

/// How a dialogue gets into TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By STARTTLS.
    ByStartTls,
    /// It begins there.
    FromTheStart,
}

/// One side has its say.
#[derive(Debug)]
pub enum Step {
    Client(Vec<u8>),
    Server(String),
    /// Nothing is said for so long.
    Silence(Duration),
    Closed,
}

impl Dialogue {
    /// Every dialogue there is.
    pub fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
        let mut paths: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        let mut dialogues: Vec<_> = paths.iter().map(|path| Self::read(path)).collect();
        let is_for_tls = |option: &String| option.starts_with("--tls");
        let is_for_relay = |option: &String| option == "--route";
        let is_for_faults = |option: &String| ["--rule", "--without"].contains(&&**option);
        dialogues.retain(|dialogue| {
            (dialogue.users.is_empty() || cfg!(feature = "auth"))
                && (cfg!(feature = "tls") || !dialogue.options.iter().any(is_for_tls))
                && (cfg!(feature = "catch") || !dialogue.options.iter().any(is_for_faults))
                && (cfg!(feature = "relay") || !dialogue.options.iter().any(is_for_relay))
        });
        if !cfg!(feature = "smtputf8") {
            dialogues.retain(|dialogue| !dialogue.asks_for_smtputf8());
            for step in dialogues
                .iter_mut()
                .flat_map(|dialogue| &mut dialogue.steps)
            {
                if let Step::Server(replies) = step {
                    *replies = replies.replace("250-SMTPUTF8\r\n", "");
                }
            }
        }
        assert!(dialogues.len() > 20, "where are the dialogues?");
        dialogues
    }

    fn asks_for_smtputf8(&self) -> bool {
        let keyword = b"SMTPUTF8";
        self.steps.iter().any(|step| match step {
            Step::Client(bytes) => bytes.windows(keyword.len()).any(|window| window == keyword),
            _ => false,
        })
    }

    /// The dialogue in a file.
    pub fn read(path: &Path) -> Self {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut dialogue = Self {
            name,
            options: Vec::new(),
            config: String::new(),
            users: Vec::new(),
            folder: None,
            blocked: Vec::new(),
            cuttable: true,
            securable: true,
            from: None,
            early: Vec::new(),
            steps: Vec::new(),
            stored: Vec::new(),
        };
        for line in fs::read_to_string(path).unwrap().lines() {
            dialogue.add(line);
        }
        dialogue.write_files();
        dialogue
    }

    fn write_files(&mut self) {
        let folder = tempfile::tempdir().unwrap();
        let users: Vec<_> = self
            .users
            .iter()
            .map(|(name, password)| (&**name, &**password))
            .collect();
        let users = super::users_file(&users);
        for (option, name, text) in [
            ("--config", "mailoop.toml", &self.config),
            ("--users", "users", &users),
        ] {
            if !text.is_empty() {
                let path = folder.path().join(name);
                fs::write(&path, text).unwrap();
                self.options.push(option.to_owned());
                self.options.push(path.to_str().unwrap().to_owned());
            }
        }
        self.folder = Some(folder);
    }

    fn add(&mut self, line: &str) {
        let (mark, text) = line.split_at(line.len().min(2));
        let text = text.strip_prefix(' ').unwrap_or(text);
        match mark {
            "" | "# " | "#" => {}
            "C:" => self.client(&[&unescape(text)[..], b"\r\n"].concat()),
            "C~" => self.client(&unescape(text)),
            "C*" => self.client(&repeated(text)),
            "S:" => self.server(&format!("{text}\r\n")),
            "S*" => self.server(&String::from_utf8(repeated(&format!("{text}\\r\\n"))).unwrap()),
            "M:" => self.message(&[&unescape(text)[..], b"\n"].concat()),
            "M~" => self.message(&unescape(text)),
            "M*" => self.message(&repeated(&format!("{text}\\n"))),
            _ => match line.split_once(": ").unwrap_or((line, "")) {
                ("options", options) => self.options = words(options),
                ("config", line) => self.config += &format!("{line}\n"),
                ("blocked", mailbox) => self.blocked.push(mailbox.to_owned()),
                ("whole", _) => self.cuttable = false,
                ("clear", _) => self.securable = false,
                ("from", address) => self.from = Some(address.to_owned()),
                ("early", early) => self.early = unescape(early),
                ("users", user) => {
                    let (name, password) = user.split_once(' ').unwrap();
                    self.users.push((name.to_owned(), password.to_owned()));
                }
                ("after", time) => {
                    let time = Duration::from_millis(time.parse().unwrap());
                    self.steps.push(Step::Silence(time));
                }
                ("closed", _) => self.steps.push(Step::Closed),
                ("stored", _) => self.stored.push(Vec::new()),
                _ => panic!("{}: what is {line:?}?", self.name),
            },
        }
    }

    fn message(&mut self, bytes: &[u8]) {
        let message = self.stored.last_mut().expect("stored comes before M");
        message.extend(bytes);
    }

    fn server(&mut self, said: &str) {
        match self.steps.last_mut() {
            Some(Step::Server(replies)) => *replies += said,
            _ => self.steps.push(Step::Server(said.to_owned())),
        }
    }

    fn client(&mut self, bytes: &[u8]) {
        match self.steps.last_mut() {
            Some(Step::Client(said)) => said.extend(bytes),
            _ => self.steps.push(Step::Client(bytes.to_vec())),
        }
    }

    /// The same dialogue, for a server and a client that are in TLS already: after STARTTLS nobody is greeted again.
    pub fn secured(mut self, way: Way) -> Option<Self> {
        let listens = self
            .options
            .iter()
            .any(|option| option.starts_with("--listen"));
        if !self.securable || !self.early.is_empty() || (way == Way::FromTheStart && listens) {
            return None;
        }
        self.options.push("--tls-self-signed".to_owned());
        if way == Way::FromTheStart {
            let listen = ["--listen-tls", "127.0.0.1:0"].map(str::to_owned);
            self.options.extend(listen);
        } else if let Some(Step::Server(greeting)) = self.steps.first_mut() {
            let (_, rest) = greeting.split_once('\n').unwrap();
            *greeting = rest.to_owned();
        }
        // There a login may also be bound to it.
        for step in &mut self.steps {
            if let Step::Server(replies) = step {
                *replies = replies.replace("AUTH SCRAM", "AUTH SCRAM-SHA-256-PLUS SCRAM");
            }
        }
        self.name = format!("{} in TLS, {way:?}", self.name);
        Some(self)
    }

    /// Whether somebody may log in.
    pub fn has_logins(&self) -> bool {
        !self.users.is_empty()
    }

    /// The hello of an extended session.
    pub fn hello(&self) -> &'static str {
        let is_lmtp = |option: &String| option == "--listen-lmtp";
        if self.options.iter().any(is_lmtp) {
            "LHLO"
        } else {
            "EHLO"
        }
    }

    /// How many octets the client sends.
    pub fn client_octets(&self) -> usize {
        let octets = |step: &Step| {
            if let Step::Client(bytes) = step {
                bytes.len()
            } else {
                0
            }
        };
        self.steps.iter().map(octets).sum()
    }
}

/// Whether the server said, or stored, what is `expected`, in which `<id>` is any queue id and `<date>` any date.
pub fn matches(expected: impl AsRef<[u8]>, found: impl AsRef<[u8]>) -> bool {
    let (mut expected, mut found) = (expected.as_ref(), found.as_ref());
    while let Some(octet) = expected.first() {
        let marks: [(&[u8], &[u8]); 2] = [(b"<id>", b""), (b"<date>", b" ,:+")];
        let mark = marks.iter().find(|(mark, _)| expected.starts_with(mark));
        let (taken, length) = match mark {
            Some((mark, others)) => {
                let is_part = |octet: &&u8| octet.is_ascii_alphanumeric() || others.contains(octet);
                (mark.len(), found.iter().take_while(is_part).count())
            }
            None => (1, usize::from(found.first() == Some(octet))),
        };
        if length == 0 {
            return false;
        }
        (expected, found) = (&expected[taken..], &found[length..]);
    }
    found.is_empty()
}

/// Sees that what is stored is what was to be.
pub fn check_stored(expected: &[Vec<u8>], stored: &[Vec<u8>], place: &str) {
    let shown = |texts: &[Vec<u8>]| {
        let texts = texts.iter().map(|text| text.escape_ascii().to_string());
        texts.collect::<Vec<_>>().join("\n")
    };
    let mut pairs = expected.iter().zip(stored);
    assert!(
        expected.len() == stored.len() && pairs.all(|(expected, stored)| matches(expected, stored)),
        "{place}: to be stored was\n{}\nand was\n{}",
        shown(expected),
        shown(stored)
    );
}

/// Splits options at spaces, but not within double quotes.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in text.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// Takes `3 text` for three times the text.
fn repeated(text: &str) -> Vec<u8> {
    let (count, text) = text.split_once(' ').unwrap();
    unescape(text).repeat(count.parse().unwrap())
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend(plain.bytes());
        let (byte, length) = match escape.as_bytes()[0] {
            b'r' => (b'\r', 1),
            b'n' => (b'\n', 1),
            b't' => (b'\t', 1),
            b'\\' => (b'\\', 1),
            b'x' => (u8::from_str_radix(&escape[1..3], 16).unwrap(), 3),
            other => panic!("what is \\{}?", other as char),
        };
        bytes.push(byte);
        rest = &escape[length..];
    }
    bytes.extend(rest.bytes());
    bytes
}
