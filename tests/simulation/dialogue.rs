//! What a client will say and is to hear: the author of scripts, who knows the protocol as a client does.

mod chunks;
mod outcome;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::BytesMut;
use mailoop::smtp::reply::{self, Reply};
use mailoop::smtp::service::Service;

use super::prng::Prng;
use super::profile::Profile;
use super::store::{Fate, Fault, LOST, Ledger, UNFIT_SIZE};
use super::text;
use super::tls::Opening;

/// One thing that a client does.
#[derive(Debug)]
pub enum Step {
    Send(BytesMut),
    BeginTls,
    /// Waits until it has had so many replies in all.
    Await(usize),
    /// Waits until the server has closed its side.
    AwaitClose,
    /// Sends no more, and goes on reading.
    Close,
    /// Goes away without a word, or without having read.
    Abandon,
    Reset,
}

/// A reply that is to come.
#[derive(Debug)]
pub struct Expected {
    /// All of it; of a message that is queued what stands before its id.
    pub text: String,
    pub queued: bool,
    /// Whether a transaction is under way behind it, which a drain does not cut short.
    pub in_transaction: bool,
}

/// Everything a client will do.
pub struct Script {
    pub steps: VecDeque<Step>,
    /// All replies, as long as nobody is slow and nothing breaks.
    pub replies: Vec<Expected>,
    /// Whether the replies are exactly these.
    pub exact: bool,
    /// Whether only whole lines are progress, outside of messages.
    pub strict: bool,
    /// Whether some of its messages may come in chunks.
    pub chunks: bool,
    /// How it comes to TLS.
    pub opening: Opening,
    /// How many replies it reads at all.
    pub reads: usize,
    /// Whether it closes its side when the server has.
    pub closes: bool,
    /// Needs a network that carries much at once.
    pub bulky: bool,
    /// Of a flood of commands all alike: the bytes of one, and of its reply.
    pub flood: Option<(u64, u64)>,
    /// How much it sends or reads in a step at most.
    pub pace: usize,
}

pub struct Dialogue {
    pub rng: Prng,
    pub profile: Rc<Profile>,
    pub script: Script,
    ledger: Rc<RefCell<Ledger>>,
    client: usize,
    /// Whether to wait for each reply before the next command.
    pub lockstep: bool,
    unsent: Vec<u8>,
    extended: bool,
    greeted: bool,
    /// Whether it is in TLS.
    secured: bool,
    /// The recipients of the present transaction.
    recipients: Option<usize>,
    /// Which of them are lost.
    lost: Vec<bool>,
    /// Whether it asked for SMTPUTF8.
    smtputf8: bool,
    errors: u32,
    /// The server has said its last reply.
    pub over: bool,
}

impl Dialogue {
    pub fn new(
        client: usize,
        mut rng: Prng,
        profile: Rc<Profile>,
        ledger: Rc<RefCell<Ledger>>,
    ) -> Self {
        let pace = rng.pick(&[1, 10, 200, 1 << 20, 1 << 20]);
        let chunks = rng.one_in(3);
        let opening = match profile.service {
            Service::Smtps => Opening::FromTheStart,
            _ if profile.tls && rng.one_in(2) => Opening::ByStartTls,
            _ => Opening::InTheClear,
        };
        let mut dialogue = Self {
            rng,
            profile,
            script: Script {
                steps: VecDeque::new(),
                replies: Vec::new(),
                exact: true,
                strict: !chunks,
                chunks,
                opening,
                reads: usize::MAX,
                closes: true,
                bulky: false,
                flood: None,
                pace,
            },
            ledger,
            client,
            lockstep: true,
            unsent: Vec::new(),
            extended: false,
            greeted: false,
            secured: opening == Opening::FromTheStart,
            recipients: None,
            lost: Vec::new(),
            smtputf8: false,
            errors: 0,
            over: false,
        };
        let greeting = dialogue.greeting();
        dialogue.expect(greeting, false);
        dialogue.script.steps.push_back(Step::Await(1));
        if opening == Opening::ByStartTls {
            dialogue.start_tls();
        }
        dialogue
    }

    /// Goes on in TLS as if nothing had been said.
    fn start_tls(&mut self) {
        self.hello();
        self.send(b"STARTTLS\r\n");
        self.hear(reply::READY_FOR_TLS);
        self.listen();
        self.then(Step::BeginTls);
        self.secured = true;
        self.extended = false;
        self.greeted = false;
    }

    /// How many steps and replies there are before the client says what is its own.
    pub fn opening(&self) -> (usize, usize) {
        (self.script.steps.len(), self.script.replies.len())
    }

    fn greeting(&self) -> String {
        let protocol = self.profile.service.greeting();
        format!("220 mail.example.org {protocol} mailoop\r\n")
    }

    fn expect(&mut self, text: String, queued: bool) {
        let in_transaction = self.recipients.is_some();
        self.script.replies.push(Expected {
            text,
            queued,
            in_transaction,
        });
    }

    /// Expects `reply`, and what the server does about one error too many.
    pub fn hear(&mut self, reply: Reply) {
        self.expect_reply(reply);
        if reply.is_error() && !self.over {
            self.errors += 1;
            if self.errors >= self.profile.errors_max {
                self.over = true;
                self.hear(reply::TOO_MANY_ERRORS);
            }
        }
    }

    fn expect_reply(&mut self, reply: Reply) {
        let mut text = BytesMut::new();
        reply.write(&mut text, self.extended);
        self.expect(String::from_utf8_lossy(&text).into_owned(), false);
    }

    /// Gives a command whose reply is known; whether the session goes on.
    pub fn say(&mut self, line: &str, reply: Reply) -> bool {
        self.say_raw(format!("{line}\r\n").as_bytes(), reply)
    }

    pub fn say_raw(&mut self, bytes: &[u8], reply: Reply) -> bool {
        self.unsent.extend_from_slice(bytes);
        if !self.over {
            self.hear(reply);
        }
        self.pause();
        !self.over
    }

    fn pause(&mut self) {
        if self.lockstep {
            self.listen();
        }
    }

    /// Sends what was said, without waiting.
    pub fn flush(&mut self) {
        let unsent = std::mem::take(&mut self.unsent);
        if !unsent.is_empty() {
            self.script
                .steps
                .push_back(Step::Send(BytesMut::from(&unsent[..])));
        }
    }

    /// Sends what was said, and waits for all replies.
    pub fn listen(&mut self) {
        self.flush();
        let replies = self.script.replies.len();
        self.script.steps.push_back(Step::Await(replies));
    }

    pub fn then(&mut self, step: Step) {
        self.flush();
        self.script.steps.push_back(step);
    }

    /// Bytes of which nothing is expected.
    pub fn send(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
    }

    pub fn hello(&mut self) {
        let lmtp = self.profile.service == Service::Lmtp;
        self.extended = lmtp || self.rng.one_in(2);
        self.greeted = true;
        self.recipients = None;
        let (verb, mut text) = if self.extended {
            (
                if lmtp { "LHLO" } else { "EHLO" },
                "250-mail.example.org Hello c, pleased to meet you.\r\n".to_owned(),
            )
        } else {
            ("HELO", "250 Hello c, pleased to meet you.\r\n".to_owned())
        };
        if self.extended {
            text += &format!("250-SIZE {}\r\n", self.profile.message_bytes_max);
            text += "250-PIPELINING\r\n250-8BITMIME\r\n250-BINARYMIME\r\n250-CHUNKING\r\n";
            text += "250-ENHANCEDSTATUSCODES\r\n";
            if cfg!(feature = "smtputf8") {
                text += "250-SMTPUTF8\r\n";
            }
            let recipients = self.profile.recipients_max;
            text += &format!("250-LIMITS RCPTMAX={recipients}\r\n");
            if self.profile.tls && !self.secured {
                text += "250-STARTTLS\r\n";
            }
            text += "250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN\r\n250 HELP\r\n";
        }
        self.send(format!("{verb} c\r\n").as_bytes());
        self.expect(text, false);
        // EHLO ends its group.
        self.listen();
    }

    /// Says for whom it speaks, which begins the session anew. Whoever that is has the same address: the server counts
    /// connections by it.
    pub fn speak_for_another(&mut self) {
        let attributes =
            self.rng
                .pick(&["PORT=7", "NAME=c.example.org LOGIN=c+20d", "PROTO=ESMTP"]);
        self.extended = false;
        self.greeted = false;
        self.recipients = None;
        self.send(format!("XCLIENT {attributes}\r\n").as_bytes());
        let greeting = self.greeting();
        self.expect(greeting, false);
        // So does XCLIENT.
        self.listen();
    }

    /// One of the commands that change nothing; most are no errors.
    pub fn aside(&mut self) -> bool {
        match self.rng.below(12) {
            0..=4 => self.say("NOOP", reply::OK),
            5 => self.say("VRFY someone", reply::CANNOT_VERIFY),
            6 => self.help(),
            7 => {
                self.recipients = None;
                self.say("RSET", reply::OK)
            }
            8 => self.say("WHAT", reply::UNKNOWN_COMMAND),
            9 => self.say(&format!("NOOP {}", "x".repeat(600)), reply::LINE_TOO_LONG),
            10 => self.say_raw(b"NOOP\n", reply::OK),
            _ => self.say("AUTH PLAIN", reply::COMMAND_NOT_OFFERED),
        }
    }

    fn help(&mut self) -> bool {
        self.send(b"HELP\r\n");
        let status = if self.extended { "2.0.0 " } else { "" };
        let hello = match self.profile.service {
            Service::Lmtp => "LHLO",
            _ => "HELO EHLO",
        };
        let starttls = if self.profile.tls && !self.secured {
            " STARTTLS"
        } else {
            ""
        };
        let commands = "XCLIENT MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT";
        if !self.over {
            let reply = format!("214 {status}Commands: {hello}{starttls} {commands}\r\n");
            self.expect(reply, false);
        }
        self.pause();
        !self.over
    }

    fn fault(&mut self) -> Fault {
        self.rng.pick(&[Fault::Full, Fault::Io])
    }

    fn fate(&mut self, text: usize) -> Fate {
        let fault = self.fault();
        if !self.rng.one_in(self.profile.store_faults) {
            return Fate::Stored;
        }
        match self.rng.below(4) {
            0 => Fate::Unopened(fault),
            1 => Fate::Untraced(fault),
            2 if text > 0 => Fate::Unwritten(self.rng.below(text), fault),
            _ => Fate::Uncommitted(fault),
        }
    }

    /// Begins a transaction for a message, with this reverse-path.
    pub fn mail(&mut self, path: &str) -> bool {
        if self.extended && self.rng.one_in(self.profile.store_faults) {
            self.say(
                &format!("MAIL FROM:<> SIZE={UNFIT_SIZE}"),
                reply::STORE_FULL,
            );
        }
        self.recipients = Some(0);
        self.lost.clear();
        let parameter = match self.rng.below(4) {
            0 if self.extended => " SIZE=1 BODY=8BITMIME",
            1 if self.extended && cfg!(feature = "smtputf8") => " SMTPUTF8",
            _ => "",
        };
        self.smtputf8 = parameter == " SMTPUTF8";
        self.say(&format!("MAIL FROM:{path}{parameter}"), reply::SENDER_OK)
    }

    pub fn rcpt(&mut self) -> bool {
        let Some(accepted) = self.recipients else {
            return !self.over;
        };
        let faulty = self.rng.one_in(self.profile.store_faults);
        let (name, reply) = match self.rng.below(if faulty { 5 } else { 1 }) {
            _ if accepted >= self.profile.recipients_max => ("ok", reply::TOO_MANY_RECIPIENTS),
            0 => ("ok", reply::RECIPIENT_OK),
            1 => ("full", reply::STORE_FULL),
            2 => ("io", reply::STORE_FAILED),
            3 => (LOST, reply::RECIPIENT_OK),
            _ => ("many", reply::MAILBOX_LIMIT),
        };
        let (domain, reply) = match self.rng.below(4) {
            0 if self.smtputf8 => ("bücher.example", reply),
            1 if self.rng.one_in(4) && !self.smtputf8 => {
                ("bücher.example", reply::ADDRESS_NOT_ASCII)
            }
            _ => ("example.org", reply),
        };
        if reply == reply::RECIPIENT_OK {
            self.recipients = Some(accepted + 1);
            self.lost.push(name == LOST);
        }
        self.say(&format!("RCPT TO:<{name}@{domain}>"), reply)
    }

    /// A whole transaction, with a message of `wire` bytes that is to be stored as `text`.
    pub fn transaction(&mut self, wire: &[u8], text: &[u8]) -> bool {
        let too_large = text.len() as u64 > self.profile.message_bytes_max;
        let fate = if too_large {
            Fate::Stored
        } else {
            self.fate(text.len())
        };
        let path = self.plan((!too_large).then(|| text.to_vec()), fate);
        if !self.mail(&path) {
            return false;
        }
        for _ in 0..self.rng.size(3) {
            if !self.rcpt() {
                return false;
            }
        }
        if self.rng.one_in(6) && !self.aside() {
            return false;
        }
        if self.extended && self.script.chunks && self.rng.one_in(2) {
            return self.send_chunks(text, fate);
        }
        if !self.start_data(fate) {
            return !self.over;
        }
        self.send(wire);
        self.send(b".\r\n");
        if too_large {
            self.recipients = None;
            self.hear_of_message(reply::TOO_LARGE);
        } else {
            self.hear_end(fate);
        }
        self.pause();
        !self.over
    }

    /// Names a message of this client.
    pub fn plan(&mut self, text: Option<Vec<u8>>, fate: Fate) -> String {
        let stored = text.map(|text| text::stored(&text, true));
        self.ledger.borrow_mut().plan(self.client, stored, fate)
    }

    pub fn hear_start(&mut self) {
        let text = "354 Enter message, ending with \".\" on a line by itself\r\n";
        self.expect(text.to_owned(), false);
    }

    /// Says DATA and waits; whether a message is asked for.
    fn start_data(&mut self, fate: Fate) -> bool {
        self.send(b"DATA\r\n");
        let asked = match (self.recipients, fate) {
            (None, _) => Err(reply::MAIL_FIRST),
            (Some(0), _) => Err(reply::RECIPIENT_FIRST),
            (_, Fate::Unopened(fault) | Fate::Untraced(fault)) => Err(fault.reply()),
            _ => Ok(()),
        };
        match asked {
            Ok(()) => self.hear_start(),
            Err(reply) => self.hear(reply),
        }
        // DATA ends its group.
        self.listen();
        if asked.is_err() && !self.over && self.recipients.is_some() {
            self.recipients = None;
            self.say("RSET", reply::OK);
        }
        asked.is_ok()
    }

    pub fn quit(&mut self) {
        if !self.over {
            self.over = true;
            self.recipients = None;
            self.send(b"QUIT\r\n");
            self.hear(reply::BYE);
        }
        self.listen();
        self.script.steps.push_back(Step::AwaitClose);
    }

    /// A message as it is sent, but for the dot that ends it, and as it is decoded.
    pub fn message(&mut self, lines: usize) -> (Vec<u8>, Vec<u8>) {
        // By hand a bare LF is as good as CRLF.
        text::message(&mut self.rng, lines, !self.profile.by_hand)
    }

    /// Sends whole transactions and takes leave, without waiting for anything.
    pub fn send_at_once(&mut self) {
        for _ in 0..self.rng.size(3) {
            let (wire, text) = self.message(5);
            let too_large = text.len() as u64 > self.profile.message_bytes_max;
            let path = self.plan((!too_large).then_some(text), Fate::Stored);
            let envelope = format!("MAIL FROM:{path}\r\nRCPT TO:<ok@example.org>\r\nDATA\r\n");
            self.send(envelope.as_bytes());
            self.send(&wire);
            self.send(b".\r\n");
        }
        self.send(b"QUIT\r\n");
        self.flush();
    }
}
