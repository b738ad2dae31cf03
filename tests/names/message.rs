//! Messages of DNS as a server makes them, octet by octet: nothing here is shared with what is tested.

use std::net::IpAddr;

pub const NOERROR: u8 = 0;
pub const FORMERR: u8 = 1;
pub const SERVFAIL: u8 = 2;
pub const NXDOMAIN: u8 = 3;
pub const NOTIMP: u8 = 4;
pub const REFUSED: u8 = 5;

const A: u16 = 1;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const MX: u16 = 15;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const OPT: u16 = 41;
const TLSA: u16 = 52;

/// The AD bit in the second octet of the flags.
pub const AUTHENTICATED: u8 = 0x20;

/// A question as a server reads it.
#[derive(Clone, Debug)]
pub struct ReadQuestion {
    pub id: [u8; 2],
    /// As it was sent, in whatever case.
    pub name: String,
    pub kind: &'static str,
    pub has_edns: bool,
    /// Whether the AD bit is set.
    pub wants_authenticated: bool,
    /// The octets of the question section.
    pub section: Vec<u8>,
}

/// Reads a question, and panics at whatever a resolver should not send.
pub fn read(packet: &[u8]) -> ReadQuestion {
    let id = [packet[0], packet[1]];
    let flags = [packet[2], packet[3] & !AUTHENTICATED];
    assert_eq!(flags, [1, 0], "a question, recursion is wanted");
    assert_eq!(packet[4..10], [0, 1, 0, 0, 0, 0], "one question");
    let mut labels = Vec::new();
    let mut at = 12;
    while packet[at] != 0 {
        let end = at + 1 + usize::from(packet[at]);
        labels.push(String::from_utf8(packet[at + 1..end].to_vec()).unwrap());
        at = end;
    }
    let kind = match u16::from_be_bytes([packet[at + 1], packet[at + 2]]) {
        A => "A",
        AAAA => "AAAA",
        MX => "MX",
        TLSA => "TLSA",
        TXT => "TXT",
        other => panic!("nobody asks for type {other}"),
    };
    assert_eq!(packet[at + 3..at + 5], [0, 1], "class IN");
    let rest = &packet[at + 5..];
    let has_edns = packet[10..12] == [0, 1];
    if has_edns {
        let opt = u16::from_be_bytes([rest[1], rest[2]]);
        let size = u16::from_be_bytes([rest[3], rest[4]]);
        assert_eq!((rest[0], opt, size, rest.len()), (0, OPT, 1232, 11));
    } else {
        assert_eq!((&packet[10..12], rest), (&[0, 0][..], &[][..]));
    }
    ReadQuestion {
        id,
        name: labels.join("."),
        kind,
        has_edns,
        wants_authenticated: packet[3] & AUTHENTICATED != 0,
        section: packet[12..at + 5].to_vec(),
    }
}

/// An answer in the making.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: [u8; 2],
    /// QR, opcode, AA, TC, RD; RA, Z, AD, CD, RCODE.
    pub flags: [u8; 2],
    pub questions: u16,
    pub section: Vec<u8>,
    pub answers: Vec<Vec<u8>>,
    pub authority: Vec<Vec<u8>>,
}

impl Message {
    /// An answer of a server that asks others.
    pub fn to(question: &ReadQuestion, code: u8) -> Self {
        Self {
            id: question.id,
            flags: [0x81, 0x80 | code],
            questions: 1,
            section: question.section.clone(),
            answers: Vec::new(),
            authority: Vec::new(),
        }
    }

    pub fn truncated(mut self) -> Self {
        self.flags[0] |= 2;
        self
    }

    pub fn octets(&self) -> Vec<u8> {
        let mut octets = [self.id, self.flags].concat();
        let counts = [
            self.questions,
            self.answers.len() as u16,
            self.authority.len() as u16,
            0,
        ];
        octets.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
        octets.extend(&self.section);
        octets.extend(self.answers.iter().chain(&self.authority).flatten());
        octets
    }
}

/// A name without compression.
pub fn name(text: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        wire.push(label.len() as u8);
        wire.extend(label.bytes());
    }
    wire.push(0);
    wire
}

fn record(owner: &str, kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut wire = name(owner);
    wire.extend(kind.to_be_bytes());
    wire.extend([0, 1]);
    wire.extend(ttl.to_be_bytes());
    wire.extend((data.len() as u16).to_be_bytes());
    wire.extend(data);
    wire
}

pub fn address(owner: &str, ttl: u32, address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(four) => record(owner, A, ttl, &four.octets()),
        IpAddr::V6(six) => record(owner, AAAA, ttl, &six.octets()),
    }
}

pub fn alias(owner: &str, ttl: u32, target: &str) -> Vec<u8> {
    record(owner, CNAME, ttl, &name(target))
}

/// A record of another class (CH).
pub fn of_other_class(mut record: Vec<u8>, owner: &str) -> Vec<u8> {
    record[name(owner).len() + 3] = 3;
    record
}

pub fn exchanger(owner: &str, ttl: u32, preference: u16, host: &str) -> Vec<u8> {
    let data = [&preference.to_be_bytes()[..], &name(host)].concat();
    record(owner, MX, ttl, &data)
}

pub fn association(owner: &str, ttl: u32, parameters: [u8; 3], data: &[u8]) -> Vec<u8> {
    record(owner, TLSA, ttl, &[&parameters[..], data].concat())
}

/// A text of these strings, which may be longer than one can be: then they are several.
pub fn text(owner: &str, ttl: u32, strings: &[Vec<u8>]) -> Vec<u8> {
    let mut data = Vec::new();
    for string in strings.iter().flat_map(|string| string.chunks(255)) {
        data.push(string.len() as u8);
        data.extend(string);
    }
    record(owner, TXT, ttl, &data)
}

/// The start of authority, by which it is known how long there is nothing.
pub fn authority(owner: &str, ttl: u32, minimum: u32) -> Vec<u8> {
    let mut data = [name("ns.example"), name("hostmaster.example")].concat();
    for number in [1, 3600, 600, 86400, minimum] {
        data.extend(u32::to_be_bytes(number));
    }
    record(owner, SOA, ttl, &data)
}
