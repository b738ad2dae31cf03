//! Drives a session as a connection does, with a store that only remembers.

use std::rc::Rc;

use bytes::BytesMut;
use mailoop::smtp::data::EndText;
use mailoop::smtp::directory::{Directory, EXPANSION_MAX, Tables};
use mailoop::smtp::envelope::{Body, Envelope, Peer, QueueId, Recipient};
use mailoop::smtp::event::{CloseReason, Event, Phase};
use mailoop::smtp::line::{AUTH_LINE_BYTES_MAX, BareNewline};
use mailoop::smtp::policy::Policy;
use mailoop::smtp::reply;
use mailoop::smtp::senders::Senders;
use mailoop::smtp::service::Service;
use mailoop::smtp::session::Session;
use mailoop::smtp::xclient::{Attribute, XclientAccess};

const DATE: &str = "Thu, 01 Jan 1970 00:00:00 +0000";
/// Octets of the fields that a submitted message may lack, an empty line and the end of a line.
const FIELDS_BYTES_MAX: u64 = 100;
const REPLY_LINE_BYTES_MAX: usize = 512;
/// There is no room for a message that is declared to have so many octets.
const UNFIT_SIZE: u64 = 7;

/// The server of a session.
pub struct Setting {
    policy: Rc<Policy>,
    service: Service,
    talked_early: bool,
    /// Two bits for each of four messages in turn.
    refusals: u8,
}

/// Where a message fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stored,
    NotBegun,
    NotWritten,
    NotCommitted,
}

impl Setting {
    pub fn new(policy: u8, refusals: u8) -> Self {
        let bit = |place: u8| policy >> place & 1 == 1;
        let small = bit(2);
        let policy = Policy {
            hostname: "mail.example.org".to_owned(),
            domains: if bit(3) {
                ["example.org", "xn--bcher-kva.example"]
                    .map(str::to_owned)
                    .into()
            } else {
                Vec::new()
            },
            directory: if bit(5) {
                directory()
            } else {
                Directory::default()
            },
            senders: Senders::default(),
            tls: false,
            users: Default::default(),
            any_login: false,
            auth_insecure: false,
            auth_everywhere: false,
            bare_newline: match policy % 4 {
                0 => BareNewline::Normalize,
                1 => BareNewline::Reject,
                _ => BareNewline::Accept,
            },
            end_text: (policy % 4 == 3)
                .then(|| EndText::new("end of email"))
                .flatten(),
            message_bytes_max: if small { 64 } else { 1 << 40 },
            recipients_max: if small { 2 } else { 100 },
            messages_max: if small { 3 } else { 0 },
            errors_max: if small { 3 } else { 1000 },
        };
        Self {
            talked_early: bit(4),
            service: match (bit(6), bit(7)) {
                (true, _) => Service::Lmtp,
                (false, true) => Service::Submission,
                (false, false) => Service::Smtp,
            },
            policy: Rc::new(policy),
            refusals,
        }
    }

    pub fn accepts_early_talk(&self) -> bool {
        self.policy.bare_newline == BareNewline::Accept
    }

    fn fate(&self, message: usize) -> Fate {
        // Whether a text fails over its size or in the store depends on its pieces, if both happen.
        let unlimited = self.policy.message_bytes_max > 64;
        match self.refusals >> (2 * (message % 4)) & 3 {
            1 => Fate::NotBegun,
            2 if unlimited => Fate::NotWritten,
            3 => Fate::NotCommitted,
            _ => Fate::Stored,
        }
    }
}

/// A closed list, and aliases within the domain.
fn directory() -> Directory {
    let name = |text: &str| text.parse().expect("a name");
    let names = |texts: &[&str]| texts.iter().map(|text| name(text)).collect();
    let aliases = [
        ("b", &["c", "c+tag", "\"quoted string\""][..]),
        ("Postmaster", &["b", "a@example.org"]),
        ("info@example.org", &["postmaster"]),
    ];
    Directory::new(Tables {
        aliases: aliases
            .iter()
            .map(|(alias, targets)| (name(alias), names(targets)))
            .collect(),
        mailboxes: names(&["a", "c@example.org", "recipient", "d+tag"]),
        closed: true,
        catch_all: None,
    })
    .expect("no loop")
}

/// What came of a session.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub said: Vec<u8>,
    pub stored: Vec<(Envelope, Vec<u8>)>,
    pub reason: Option<CloseReason>,
    phase: Phase,
}

pub struct Driver<'a> {
    setting: &'a Setting,
    session: Session,
    begun: usize,
    /// The open message: the envelope it was begun under, and its text.
    open: Option<(Envelope, Vec<u8>)>,
    outcome: Outcome,
}

impl<'a> Driver<'a> {
    pub fn run<'i>(setting: &'a Setting, pieces: impl Iterator<Item = &'i [u8]>) -> Outcome {
        let peer = Peer::Local;
        let mut driver = Self {
            setting,
            session: Session::new(
                Rc::clone(&setting.policy),
                Rc::default(),
                setting.service,
                peer,
            ),
            begun: 0,
            open: None,
            outcome: Outcome {
                said: Vec::new(),
                stored: Vec::new(),
                reason: None,
                phase: Phase::Idle,
            },
        };
        let mut out = BytesMut::new();
        driver.session.set_client(peer, XclientAccess::Granted);
        driver.session.greet(setting.talked_early, &mut out);
        driver.hear(&mut out);
        let mut kept = Vec::new();
        for piece in pieces {
            kept.extend_from_slice(piece);
            let mut input = &kept[..];
            driver.drive(&mut input);
            kept = input.to_vec();
        }
        driver.drive(&mut &kept[..]);
        driver.outcome.phase = driver.session.phase();
        assert_eq!(
            driver.outcome.stored.len() as u64,
            u64::from(driver.session.stats().messages)
        );
        driver.outcome
    }

    fn drive(&mut self, input: &mut &[u8]) {
        // Text held back may come one octet at a time, and every message may end in an event of its own.
        let mut steps = 4 * input.len() + 16;
        let mut out = BytesMut::new();
        while self.outcome.reason.is_none() {
            steps = steps.checked_sub(1).expect("it does not come to rest");
            let before = input.len();
            match self.session.next(input, &mut out) {
                Event::NeedInput => {
                    self.needs_input(input);
                    return;
                }
                Event::Answered => assert!(!out.is_empty(), "no answer"),
                Event::CommandRefused(reply) => {
                    assert!(reply.code >= 400 && !out.is_empty(), "no answer");
                }
                Event::BeginChunk | Event::Withheld | Event::Discarded => {}
                Event::CheckRoom(transaction) => {
                    assert!(transaction.declared_size <= self.setting.policy.message_bytes_max);
                    if transaction.declared_size == UNFIT_SIZE {
                        self.session.refuse(reply::STORE_FULL, &mut out);
                    } else {
                        self.session.accept_sender(transaction, &mut out);
                    }
                }
                Event::CheckRecipient(recipient) => self.check(recipient, &mut out),
                Event::BeginMessage => self.begin(&mut out),
                Event::Text(text) => {
                    let (envelope, open) = self.open.as_mut().expect("text of no message");
                    let is_binary = envelope.body == Body::BinaryMime;
                    assert!(
                        !text.is_empty() && (is_binary || text[0] != b'\n'),
                        "a CRLF was split"
                    );
                    open.extend_from_slice(text);
                    if self.setting.fate(self.begun - 1) == Fate::NotWritten {
                        self.open = None;
                        self.session.refuse_message(reply::STORE_FULL);
                    }
                }
                Event::AbortMessage => assert!(self.open.take().is_some(), "it was not open"),
                Event::Refused(transaction, reply) => {
                    assert!(self.open.is_none() && reply.code >= 400);
                    // One of a chunk that is not the last, and one more for the last error there may be.
                    let recipients = transaction.envelope.recipients.len();
                    let each = self.setting.service.answers_each_recipient();
                    let over = usize::from(self.session.phase() == Phase::Closing);
                    let answers = replies(&out) - over;
                    assert!(answers == 1 || each && answers == recipients);
                }
                Event::Identified(client) => {
                    // As a server that trusts everybody but one.
                    let peer = match client.address {
                        Attribute::Known(address) => Peer::Ip(address),
                        Attribute::Unavailable => Peer::Unknown,
                        Attribute::Unsaid => Peer::Local,
                    };
                    let unloved = Peer::Ip([192, 0, 2, 9].into());
                    let trust = if peer == unloved {
                        XclientAccess::Denied
                    } else {
                        XclientAccess::Granted
                    };
                    self.session.set_client(peer, trust);
                    self.session.greet(!input.is_empty(), &mut out);
                }
                Event::CheckHello(_) | Event::StartTls | Event::DeriveKey | Event::Login(_) => {
                    panic!("it was not offered, nor asked for")
                }
                Event::EndOfMessage => self.store(&mut out),
                Event::Close(reason) => self.outcome.reason = Some(reason),
            }
            assert!(input.len() <= before);
            self.hear(&mut out);
        }
    }

    fn needs_input(&self, left: &[u8]) {
        match self.session.phase() {
            // Within a message this may be the command for its next chunk.
            Phase::Idle | Phase::Command | Phase::Message => {
                // Behind a login by XCLIENT the lines of AUTH may be as long as they are.
                assert!(left.len() <= AUTH_LINE_BYTES_MAX);
            }
            Phase::Login | Phase::Commit | Phase::Closing => panic!("no input helps here"),
        }
    }

    fn check(&mut self, recipient: Recipient, out: &mut BytesMut) {
        let mailboxes = &recipient.mailboxes;
        assert!((1..=EXPANSION_MAX).contains(&mailboxes.len()));
        for mailbox in mailboxes {
            // Only a postmaster without a domain is a mailbox of the server's own name.
            let postmaster = recipient.address.domain() == self.setting.policy.hostname;
            assert!(postmaster || self.setting.policy.is_local(mailbox));
            assert_eq!(&mailbox.plain(), mailbox);
        }
        if recipient.address.local_part().starts_with('x') {
            self.session.refuse(reply::MAILBOX_LIMIT, out);
        } else {
            self.session.accept_recipient(recipient, 0, out);
        }
    }

    fn begin(&mut self, out: &mut BytesMut) {
        let envelope = self.session.envelope().expect("a message without envelope");
        let envelope = envelope.clone();
        let recipients = envelope.recipients.len();
        assert!((1..=self.setting.policy.recipients_max).contains(&recipients));
        self.begun += 1;
        if self.setting.fate(self.begun - 1) == Fate::NotBegun {
            self.session.refuse(reply::STORE_FULL, out);
            return;
        }
        let id = QueueId::new("FUZZ", self.begun as u64);
        let mut trace = BytesMut::new();
        self.session.write_trace(id, DATE, &mut trace);
        let trace = str::from_utf8(&trace).expect("the trace header is UTF-8");
        assert!(trace.is_ascii() || envelope.smtputf8);
        for line in trace.split_terminator("\r\n") {
            let printable = |character: char| character == '\t' || !character.is_control();
            assert!(line.chars().all(printable), "{line:?}");
        }
        let starts = ["Return-Path: <", "Received: from ", "\tby ", "\t"];
        for (line, start) in trace.lines().zip(starts) {
            assert!(line.starts_with(start), "{line:?}");
        }
        self.session.receive_message(id, DATE, out);
        self.open = Some((envelope, Vec::new()));
    }

    fn store(&mut self, out: &mut BytesMut) {
        let (envelope, text) = self.open.take().expect("the end of no message");
        assert_eq!(self.session.phase(), Phase::Commit);
        let fails = self.setting.fate(self.begun - 1) == Fate::NotCommitted;
        // Where each recipient has its own outcome, every other one fails.
        let each = self.setting.service.answers_each_recipient();
        let recipients = if each { envelope.recipients.len() } else { 1 };
        let outcomes: Vec<_> = (0..recipients)
            .map(|index| match fails && index % 2 == 0 {
                true => Err(reply::STORE_FAILED),
                false => Ok(()),
            })
            .collect();
        let transaction = if each {
            self.session.stored_for_each(&outcomes, out)
        } else {
            self.session.stored(outcomes[0], out)
        };
        let transaction = transaction.expect("no transaction");
        assert_eq!(replies(out), recipients);
        assert!(transaction.size <= self.setting.policy.message_bytes_max);
        let added = text.len() as u64 - transaction.size;
        let may_add = match self.setting.service.is_submission() {
            true => FIELDS_BYTES_MAX,
            false => "\r\n".len() as u64,
        };
        assert!(added <= may_add);
        assert_eq!(transaction.envelope, envelope);
        if outcomes.contains(&Ok(())) {
            self.outcome.stored.push((envelope, text));
        }
    }

    /// Takes what the session said, which must be whole reply lines.
    fn hear(&mut self, out: &mut BytesMut) {
        let text = str::from_utf8(out).expect("replies are ASCII");
        assert!(text.is_empty() || text.ends_with("\r\n"), "half a reply");
        for line in text.split_terminator("\r\n") {
            assert!(line.len() + 2 <= REPLY_LINE_BYTES_MAX, "too long: {line}");
            let (code, rest) = line.split_at(3);
            let code: u16 = code.parse().expect("a reply begins with its code");
            assert!(
                (200..=599).contains(&code) && rest.starts_with([' ', '-']),
                "{line}"
            );
            assert!(
                rest.bytes()
                    .all(|byte| byte == b' ' || byte.is_ascii_graphic()),
                "{line}"
            );
        }
        self.outcome.said.extend_from_slice(out);
        out.clear();
    }
}

/// How many replies of one line there are.
fn replies(out: &[u8]) -> usize {
    out.iter().filter(|octet| **octet == b'\n').count()
}
