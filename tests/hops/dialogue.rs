//! The dialogues of `dialogues/`: what a server says and hears, and what becomes of each recipient.
//!
//! ```text
//! hop: lmtp                        its settings, where they are not SMTP in the clear
//! mail 1: <b@y> <c@y> 8bit         a message that is handed over as soon as the connection wants one
//! text 1: .dot\r\n                 its text, if it is not `Subject: hi\r\n\r\nbody\r\n`
//! S: 220 Hi                        the server says so
//! C: EHLO client.example           it hears so, and nothing else
//! close                            the server closes the connection
//! wait 300                         so many seconds pass
//! cancel 1 0                       the operator takes this recipient of the message off
//! ---
//! 1 <b@y> sent 2.0.0 250 Ok        the results, in their order
//! failed greeting 4.0.0 554 No     or why there is no session
//! ```

use std::path::Path;
use std::rc::Rc;
use std::{fs, io};

use bytes::BytesMut;
use mailoop::net::link::{StartTls, TlsSession};
use mailoop::outbound::delivery::ResultClass;
use mailoop::outbound::desk::HopFault;
use mailoop::outbound::hop::{HopProtocol, HopSecurity, HopSettings, HopTls, TlsMoment};
use mailoop::smtp::dsn::{MessageDsn, Notify, RecipientDsn, ReturnContent};
use mailoop::smtp::envelope::Body;
use mailoop::store::spool::TextFlags;

use crate::world::{Mail, World, hop};

#[test]
fn dialogues_go_as_they_are_written_however_they_are_cut() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hops/dialogues");
    let mut played = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let script = Script::parse(&text);
        let octets = script.play(&name, &|_| false);
        for piece in [1, 2, 3, 7] {
            script.play(&format!("{name} in pieces of {piece}"), &|at| {
                at % piece == 0
            });
        }
        for cut in 1..octets {
            script.play(&format!("{name} cut at {cut}"), &|at| at == cut);
        }
        played += 1;
    }
    assert!(played > 20, "where are the dialogues?");
}

enum Action {
    Say(Vec<u8>),
    Hear(Vec<u8>),
    Close,
    Wait(u64),
    Cancel(u32, u16),
}

struct Script {
    hop: HopSettings,
    mails: Vec<Mail>,
    actions: Vec<Action>,
    results: Vec<String>,
}

impl Script {
    fn parse(text: &str) -> Self {
        let (dialogue, results) = text.split_once("\n---\n").expect("results");
        let mut script = Self {
            hop: hop(),
            mails: Vec::new(),
            actions: Vec::new(),
            results: results.lines().map(str::to_owned).collect(),
        };
        for line in dialogue.lines().filter(|line| !line.starts_with('#')) {
            script.read(line);
        }
        script
    }

    fn read(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "" => {}
            "hop:" => self.read_hop(rest),
            "mail" => self.mails.push(mail(rest)),
            "text" => {
                let (id, text) = rest.split_once(": ").unwrap();
                let mail = self.mails.iter_mut();
                let mail = mail.rev().find(|mail| mail.id.to_string() == id).unwrap();
                mail.text = unescaped(text);
            }
            "S:" => match self.actions.last_mut() {
                Some(Action::Say(said)) => said.extend(format!("{rest}\r\n").bytes()),
                _ => self
                    .actions
                    .push(Action::Say(format!("{rest}\r\n").into_bytes())),
            },
            // What follows `C> ` is no line.
            "C:" | "C>" => {
                let octets = match word {
                    "C:" => format!("{rest}\r\n").into_bytes(),
                    _ => unescaped(rest),
                };
                match self.actions.last_mut() {
                    Some(Action::Hear(heard)) => heard.extend(octets),
                    _ => self.actions.push(Action::Hear(octets)),
                }
            }
            "close" => self.actions.push(Action::Close),
            "wait" => self.actions.push(Action::Wait(rest.parse().unwrap())),
            "cancel" => {
                let (mail, recipient) = rest.split_once(' ').unwrap();
                let action = Action::Cancel(mail.parse().unwrap(), recipient.parse().unwrap());
                self.actions.push(action);
            }
            _ => panic!("what is {line:?}?"),
        }
    }

    fn read_hop(&mut self, words: &str) {
        for word in words.split(' ') {
            match word {
                "lmtp" => self.hop.protocol = HopProtocol::Lmtp,
                "one-by-one" => self.hop.pipelines_next = false,
                "tls=may" => self.hop.security = HopSecurity::May(no_tls()),
                "tls=encrypt" => self.hop.security = HopSecurity::Encrypt(no_tls()),
                "tls=verify" => self.hop.security = HopSecurity::Verify(no_tls(), None),
                "own-name-allowed" => self.hop.refuses_own_name = false,
                word => {
                    let max = word.strip_prefix("recipients-max=");
                    self.hop.recipients_max = max.unwrap().parse().unwrap();
                }
            }
        }
    }

    /// Plays it, with what the server says cut at these places, counted in octets from the start. Returns how many there are.
    fn play(&self, name: &str, is_cut: &dyn Fn(usize) -> bool) -> usize {
        let mut world = World::new(self.hop.clone(), self.mails.clone());
        let mut said = 0;
        for action in &self.actions {
            match action {
                Action::Say(octets) => {
                    assert_eq!(shown(&world.heard()), "", "{name}: nobody expects this");
                    let mut piece = Vec::new();
                    for octet in octets {
                        if is_cut(said) && !piece.is_empty() {
                            world.say(&piece);
                            piece.clear();
                        }
                        piece.push(*octet);
                        said += 1;
                    }
                    world.say(&piece);
                }
                Action::Hear(octets) => {
                    assert_eq!(shown(&world.heard()), shown(octets), "{name}");
                }
                Action::Close => world.hang_up(),
                Action::Wait(seconds) => world.wait(*seconds),
                Action::Cancel(mail, recipient) => world.cancel(*mail, &[*recipient]),
            }
        }
        assert_eq!(shown(&world.heard()), "", "{name}: the client said more");
        if !world.is_closed {
            world.wait(5);
            assert_eq!(shown(&world.heard()), "QUIT\r\n", "{name}: idle");
        }
        world.check();
        assert_eq!(self.results(&world), self.results, "{name}");
        said
    }

    fn results(&self, world: &World) -> Vec<String> {
        let outcomes = world.outcomes.iter().map(|outcome| {
            let mails = &mut self.mails.iter();
            let mail = mails.find(|mail| mail.id == outcome.mail).unwrap();
            let recipient = &mail.envelope.recipients[usize::from(outcome.recipient)];
            let result = &outcome.result;
            format!(
                "{} <{}> {} {} {}",
                outcome.mail,
                recipient.address,
                class(result.class),
                result.status,
                result.reply
            )
        });
        let failure = world.failure.iter().map(|(fault, result)| {
            assert_eq!(result.class, ResultClass::NextHost);
            let fault = match fault {
                HopFault::Connect => "connect",
                HopFault::Greeting => "greeting",
                HopFault::Tls(_) => "tls",
                HopFault::Login => "login",
                HopFault::OwnName => "own-name",
            };
            format!("failed {fault} {} {}", result.status, result.reply)
        });
        failure.chain(outcomes).collect()
    }
}

fn class(class: ResultClass) -> &'static str {
    match class {
        ResultClass::Sent => "sent",
        ResultClass::Deferred => "deferred",
        ResultClass::Failed => "failed",
        ResultClass::Uncertain => "uncertain",
        ResultClass::NextHost => "next-host",
        ResultClass::Again => "again",
        ResultClass::Cancelled => "cancelled",
    }
}

/// `1: <b@y> <c@y> flags`.
fn mail(text: &str) -> Mail {
    let (id, words) = text.split_once(": ").unwrap();
    let words = words.split(' ');
    let (to, flags): (Vec<&str>, Vec<&str>) = words.partition(|word| word.starts_with('<'));
    let to: Vec<&str> = to
        .iter()
        .map(|word| word.trim_matches(['<', '>']))
        .collect();
    let mut mail = Mail::new(id.parse().unwrap(), &to);
    for flag in flags {
        match flag {
            "8bit" => mail.flags = mail.flags.union(TextFlags::EIGHT_BIT),
            "dot" => mail.flags = mail.flags.union(TextFlags::DOT_LINE),
            "binary" => {
                mail.flags = mail.flags.union(TextFlags::BINARY);
                mail.envelope.body = Body::BinaryMime;
            }
            "bare" => mail.flags = mail.flags.union(TextFlags::BINARY),
            "smtputf8" => mail.envelope.smtputf8 = true,
            "pieces" => mail.in_pieces = true,
            "dsn" => ask_for_reports(&mut mail),
            flag => panic!("what is {flag}?"),
        }
    }
    mail
}

fn ask_for_reports(mail: &mut Mail) {
    mail.envelope.dsn = Some(Box::new(MessageDsn {
        ret: Some(ReturnContent::Headers),
        envelope_id: Some("QQ+2B1".into()),
    }));
    let asks = [
        RecipientDsn {
            notify: Some(Notify {
                success: true,
                failure: true,
                delay: false,
            }),
            original: None,
        },
        RecipientDsn {
            notify: Some(Notify::NEVER),
            original: Some("rfc822;first@z".into()),
        },
        RecipientDsn::default(),
    ];
    for (recipient, dsn) in mail.envelope.recipients.iter_mut().zip(asks) {
        recipient.dsn = Some(Box::new(dsn));
    }
}

/// TLS whose handshake fails as soon as it begins.
#[derive(Debug)]
struct NoTls;

impl StartTls for NoTls {
    fn start(&self, _: BytesMut, _: BytesMut) -> io::Result<Box<dyn TlsSession>> {
        Err(io::Error::other("no TLS here"))
    }

    fn identity(&self) -> &[u8] {
        &[]
    }
}

fn no_tls() -> HopTls {
    HopTls {
        moment: TlsMoment::StartTls,
        connector: Rc::new(NoTls),
    }
}

fn unescaped(text: &str) -> Vec<u8> {
    text.replace("\\r", "\r")
        .replace("\\n", "\n")
        .replace("\\0", "\0")
        .into_bytes()
}

fn shown(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}
