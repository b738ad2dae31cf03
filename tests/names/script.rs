//! The language of scripted name servers. A line is a rule: `[once] NAME TYPE [tcp] = REACTION [& REACTION …]`.
//!
//! NAME and TYPE may be `*`. The first rule that fits decides; one with `once` serves one question. A rule without `tcp` is for
//! datagrams and, where no other fits, for connections. Each reaction is a message, or none:
//!
//! - `[OWNER] TTL ADDRESS`, `[OWNER] TTL -> TARGET`, `[OWNER] TTL ch ADDRESS` (of another class), `[OWNER] TTL mx PREFERENCE HOST`,
//!   `[OWNER] TTL tlsa USAGE SELECTOR MATCHING DATA` and `[OWNER] TTL txt STRING…`, by commas: an answer with these records, the
//!   owner is that of the question if none is named; DATA is in hexadecimal, and `*5000` in its place or that of a string is so many
//!   octets
//! - `ad` before records: the server says that it has verified them
//! - `nodata [TTL]`, `nxdomain [TTL]`, also after aliases by a comma; the TTL is that of a start of authority
//! - `servfail`, `refused`, `formerr`, `notimp`, `bare formerr` (without a question), `edns formerr` (only to EDNS, else goes on)
//! - `lame`, `truncated`, `silence`, `unreachable`
//! - `wrong id`, `wrong question`, `wrong type`, `two questions`, `a question`, `other case`, `wrong address` before records
//! - `empty`, `short`, `garbage`, `pointers`, `cut` before records
//! - `after N`: silence for so many milliseconds before what follows

use std::net::IpAddr;

use mailoop::outbound::dns::message::Way;

use crate::message::{
    self, FORMERR, Message, NOERROR, NOTIMP, NXDOMAIN, REFUSED, ReadQuestion, SERVFAIL,
};

/// One scripted server.
pub struct Script {
    rules: Vec<Rule>,
}

struct Rule {
    once: bool,
    name: String,
    kind: String,
    is_stream: bool,
    reactions: Vec<String>,
    line: String,
}

/// What a server does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// A message, after so many milliseconds, from its own address or another one.
    Say {
        octets: Vec<u8>,
        after_ms: u64,
        from_elsewhere: bool,
    },
    /// The system of the server says that nobody listens.
    Unreachable,
}

impl Script {
    pub fn new(text: &str) -> Self {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self {
            rules: lines.map(Rule::new).collect(),
        }
    }

    /// What it does on this question.
    pub fn react(&mut self, packet: &[u8], way: Way) -> Vec<Reaction> {
        let question = message::read(packet);
        let fits = |rule: &Rule| {
            (rule.name == "*" || rule.name.eq_ignore_ascii_case(&question.name))
                && (rule.kind == "*" || rule.kind == question.kind)
                && !(rule.is_stream && way == Way::Datagram)
        };
        let is_stream = way == Way::Stream;
        let by_way = |rule: &Rule| fits(rule) && rule.is_stream == is_stream;
        let at = self.rules.iter().position(by_way);
        let at = at.or_else(|| self.rules.iter().position(fits));
        let Some(at) = at else {
            panic!("nobody expects {question:?} by {way:?}");
        };
        let reactions = self.rules[at].reactions.iter();
        let reactions = reactions.filter_map(|reaction| react(reaction, &question));
        let reactions = reactions.collect();
        if self.rules[at].once {
            self.rules.remove(at);
        }
        reactions
    }

    /// Rules that wait for their one question.
    pub fn left(&self) -> Vec<&str> {
        let left = self.rules.iter().filter(|rule| rule.once);
        left.map(|rule| rule.line.as_str()).collect()
    }
}

impl Rule {
    fn new(line: &str) -> Self {
        let (question, reactions) = line.split_once(" = ").expect(line);
        let mut words: Vec<&str> = question.split_whitespace().collect();
        let once = words[0] == "once";
        words.drain(..usize::from(once));
        Self {
            once,
            name: words[0].to_owned(),
            kind: words[1].to_owned(),
            is_stream: words.get(2) == Some(&"tcp"),
            reactions: reactions
                .split('&')
                .map(|text| text.trim().to_owned())
                .collect(),
            line: line.to_owned(),
        }
    }
}

fn react(text: &str, question: &ReadQuestion) -> Option<Reaction> {
    let mut text = text;
    let mut after_ms = 0;
    if let Some(rest) = text.strip_prefix("after ") {
        let (number, rest) = rest.split_once(' ').unwrap();
        (after_ms, text) = (number.parse().unwrap(), rest);
    }
    if let Some(rest) = text.strip_prefix("edns formerr ") {
        text = if question.has_edns { "formerr" } else { rest };
    }
    let from_elsewhere = text.starts_with("wrong address ");
    let text = text.trim_start_matches("wrong address ");
    let octets = match text {
        "silence" => return None,
        "unreachable" => return Some(Reaction::Unreachable),
        "empty" => Vec::new(),
        "short" => [question.id.to_vec(), vec![0x81]].concat(),
        "garbage" => {
            let mut octets = Message::to(question, NOERROR).octets();
            octets[7] = 3;
            octets.extend([0xff; 40]);
            octets
        }
        "pointers" => pointers(question),
        _ => answer(text, question),
    };
    Some(Reaction::Say {
        octets,
        after_ms,
        from_elsewhere,
    })
}

/// An answer whose name points to itself, by way of another pointer.
fn pointers(question: &ReadQuestion) -> Vec<u8> {
    let mut octets = Message::to(question, NOERROR).octets();
    octets[7] = 1;
    let at = octets.len() as u8;
    octets.extend([
        0xc0,
        at + 2,
        0xc0,
        at,
        0,
        1,
        0,
        1,
        0,
        0,
        0,
        60,
        0,
        4,
        1,
        2,
        3,
        4,
    ]);
    octets
}

/// A whole message.
fn answer(text: &str, question: &ReadQuestion) -> Vec<u8> {
    for (word, code) in [
        ("servfail", SERVFAIL),
        ("refused", REFUSED),
        ("formerr", FORMERR),
        ("notimp", NOTIMP),
    ] {
        if text == word {
            return Message::to(question, code).octets();
        }
    }
    let mut message = Message::to(question, NOERROR);
    let mut rest = text;
    let mut cut = 0;
    loop {
        let (before, after) = (rest, rest.split_once(' ').map_or("", |(_, rest)| rest));
        rest = after;
        match before.split(' ').next().unwrap() {
            "lame" => message.flags = [0x81, 0],
            "ad" => message.flags[1] |= message::AUTHENTICATED,
            "truncated" => message = message.truncated(),
            "bare" => {
                message.flags[1] |= if rest == "formerr" { FORMERR } else { SERVFAIL };
                (message.questions, message.section) = (0, Vec::new());
                return message.octets();
            }
            "wrong" => {
                let (what, after) = rest.split_once(' ').unwrap();
                rest = after;
                match what {
                    "id" => message.id[1] ^= 1,
                    "question" => message.section[1] = b'#',
                    "type" => {
                        let end = message.section.len() - 3;
                        message.section[end] = 15;
                    }
                    _ => panic!("wrong what? {what}"),
                }
            }
            "two" => {
                rest = rest.strip_prefix("questions ").unwrap();
                message.questions = 2;
                message.section = message.section.repeat(2);
            }
            "a" => {
                rest = rest.strip_prefix("question ").unwrap();
                message.flags[0] &= 0x7f;
            }
            "other" => {
                rest = rest.strip_prefix("case ").unwrap();
                for octet in &mut message.section {
                    *octet ^= if octet.is_ascii_alphabetic() { 0x20 } else { 0 };
                }
            }
            "cut" => cut = 3,
            _ => {
                records(before, question, &mut message);
                break;
            }
        }
        if rest.is_empty() {
            break;
        }
    }
    let mut octets = message.octets();
    octets.truncate(octets.len() - cut);
    octets
}

fn records(text: &str, question: &ReadQuestion, message: &mut Message) {
    for part in text.split(',') {
        let words: Vec<&str> = part.split_whitespace().collect();
        let ttl = |word: Option<&&str>| word.map(|word| word.parse::<u32>().unwrap());
        match words[0] {
            "nodata" | "nxdomain" => {
                if words[0] == "nxdomain" {
                    message.flags[1] |= NXDOMAIN;
                }
                if let Some(ttl) = ttl(words.get(1)) {
                    let authority = message::authority("example", 86400, ttl);
                    message.authority.push(authority);
                }
                continue;
            }
            _ => {}
        }
        let (owner, words) = match words[0].parse::<u32>() {
            Ok(_) => (question.name.as_str(), &words[..]),
            Err(_) => (words[0], &words[1..]),
        };
        let ttl = ttl(words.first()).unwrap();
        message.answers.push(match words[1] {
            "->" => message::alias(owner, ttl, words[2]),
            "mx" => message::exchanger(owner, ttl, words[2].parse().expect(part), words[3]),
            "tlsa" => {
                let parameters = [2, 3, 4].map(|at| words[at].parse().expect(part));
                message::association(owner, ttl, parameters, &association_data(words[5]))
            }
            "txt" => message::text(
                owner,
                ttl,
                &words[2..].iter().map(string).collect::<Vec<_>>(),
            ),
            "ch" => {
                let record = message::address(owner, ttl, words[2].parse().expect(part));
                message::of_other_class(record, owner)
            }
            address => message::address(owner, ttl, address.parse::<IpAddr>().expect(part)),
        });
    }
}

/// `*N`: so many octets.
fn repeated(word: &str) -> Option<Vec<u8>> {
    let count = word.strip_prefix('*')?;
    Some(vec![b'x'; count.parse().unwrap()])
}

fn association_data(word: &str) -> Vec<u8> {
    let octet = |at: usize| u8::from_str_radix(&word[at..at + 2], 16).unwrap();
    repeated(word).unwrap_or_else(|| (0..word.len()).step_by(2).map(octet).collect())
}

fn string(word: &&str) -> Vec<u8> {
    repeated(word).unwrap_or_else(|| word.as_bytes().to_vec())
}
