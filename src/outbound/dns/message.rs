//! Messages of DNS: a question as it goes out, and what an answer to it says (RFC 1034, 1035, 2308, 6840, 6891).

use std::time::Duration;

use domain::base::iana::{Opcode, Rcode};
use domain::base::message_builder::PushError;
use domain::base::{Message, MessageBuilder, Name, ParsedRecord, Rtype};
use domain::rdata::Soa;

use super::answer::{NameError, NameFound};
use super::host_name::{HostName, name_text};
use super::records::{Chain, DnsRecordKind, Owner};

/// The longest datagram that is asked for (EDNS): no path cuts it into fragments, which could be forged.
pub const DATAGRAM_BYTES_MAX: u16 = 1232;
/// The most records of one section that are looked at.
const RECORDS_MAX: usize = 256;
/// The octets of the header, where the question begins.
const HEADER_BYTES: usize = 12;

/// What a question asks for beside its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryOptions {
    /// Whether an answer may be longer than 512 octets (EDNS).
    pub has_edns: bool,
    /// Whether the server is asked to say that it has verified its answer (the AD bit, RFC 6840 §5.7). Only one that is trusted is
    /// worth asking, and what another says of itself counts for nothing.
    pub wants_authenticated: bool,
}

/// A question as it is sent, by which its answer is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsQuery {
    packet: Vec<u8>,
    /// The end of the question in the packet.
    question_end: usize,
    kind: DnsRecordKind,
    wants_authenticated: bool,
}

/// The ways of a question to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// One datagram of UDP.
    Datagram,
    /// A connection of TCP.
    Stream,
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsReply {
    /// Records of the kind, for the name or what it stands for.
    Found(DnsFinding),
    /// The name is an alias, without records of what it stands for.
    Alias(DnsAlias),
    /// The name has no such records; how long that may be kept, if for any time.
    NoData(Option<Duration>),
    /// There is no such name; how long that may be kept, if for any time.
    NoSuchName(Option<Duration>),
    /// The answer is too long for a datagram.
    Truncated,
    /// The server does not understand EDNS, as it seems.
    WithoutEdns,
    /// The server has no answer.
    Failed(NameError),
}

/// What was found in one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsFinding {
    /// The records, and what is to be said of them.
    pub found: NameFound,
    /// The number of aliases on the way to them.
    pub aliases: u8,
    /// The least time to live of all of it.
    pub ttl: Duration,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsAlias {
    /// The name at the end of all aliases in the answer.
    pub target: HostName,
    /// The number of these.
    pub aliases: u8,
    /// The least time to live of them.
    pub ttl: Duration,
    /// Whether a trusted server has verified them.
    pub is_authenticated: bool,
}

/// Octets that are no answer to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Another id or question: late, astray or forged.
    Foreign,
    /// The name in the question has letters in another case. Either the server does not keep it, or the answer is forged.
    Case,
}

impl DnsQuery {
    /// A question for a name. Its id and the case of its letters (DNS 0x20) are random: who forges an answer (cache poisoning)
    /// has to guess both, and the port.
    #[must_use]
    pub fn new(
        name: &HostName,
        kind: DnsRecordKind,
        id: u16,
        case: u64,
        options: QueryOptions,
    ) -> Self {
        let wire = name.to_wire(case);
        let question_end = HEADER_BYTES + wire.len() + 4;
        let packet = compose(wire, kind, id, options).unwrap_or_default();
        debug_assert!(packet.len() >= question_end, "a name has 255 octets");
        Self {
            packet,
            question_end,
            kind,
            wants_authenticated: options.wants_authenticated,
        }
    }

    /// The octets to be sent.
    #[must_use]
    pub fn packet(&self) -> &[u8] {
        &self.packet
    }

    /// Reads what came back this way.
    ///
    /// # Errors
    /// [`Mismatch`] if the message is no answer to this question.
    pub fn read(&self, reply: &[u8], way: Way) -> Result<DnsReply, Mismatch> {
        let message = Message::from_slice(reply).map_err(|_| Mismatch::Foreign)?;
        self.compare(message, way)?;
        let header = message.header();
        if header.tc() && way == Way::Datagram {
            return Ok(DnsReply::Truncated);
        }
        Ok(match header.rcode() {
            Rcode::NOERROR => self.read_records(message),
            Rcode::NXDOMAIN => DnsReply::NoSuchName(negative_ttl(message)),
            Rcode::FORMERR | Rcode::NOTIMP => DnsReply::WithoutEdns,
            Rcode::REFUSED => DnsReply::Failed(NameError::Refused),
            _ => DnsReply::Failed(NameError::ServerFailure),
        })
    }

    /// Whether a message answers this question.
    fn compare(&self, message: &Message<[u8]>, way: Way) -> Result<(), Mismatch> {
        let header = message.header();
        let reply = message.as_slice();
        let is_reply = header.qr() && header.opcode() == Opcode::QUERY;
        if !is_reply || self.packet.get(..2) != reply.get(..2) {
            return Err(Mismatch::Foreign);
        }
        if message.header_counts().qdcount() == 0 {
            // Servers that could not read the question do not repeat it; by such an answer nobody is led anywhere.
            let has_failed = !matches!(header.rcode(), Rcode::NOERROR | Rcode::NXDOMAIN);
            return has_failed.then_some(()).ok_or(Mismatch::Foreign);
        }
        let range = HEADER_BYTES..self.question_end;
        let asked = self.packet.get(range.clone()).unwrap_or_default();
        let answered = reply.get(range).unwrap_or_default();
        let is_one = message.header_counts().qdcount() == 1;
        match asked == answered {
            true if is_one => Ok(()),
            false if is_one && asked.eq_ignore_ascii_case(answered) => match way {
                Way::Datagram => Err(Mismatch::Case),
                // Nobody forges the answer of a connection who is not on its path.
                Way::Stream => Ok(()),
            },
            _ => Err(Mismatch::Foreign),
        }
    }

    /// Reads the records of an answer without an error.
    fn read_records(&self, message: &Message<[u8]>) -> DnsReply {
        let Some((name, records)) = answers(message) else {
            return DnsReply::Failed(NameError::BadAnswer);
        };
        let is_authenticated = self.wants_authenticated && message.header().ad();
        let mut chain = Chain::new(name);
        loop {
            match chain.records(self.kind, &records) {
                Some(records) if records.is_empty() => {}
                Some(records) => {
                    let is_alias = chain.aliases > 0;
                    let found = NameFound {
                        records,
                        canonical: is_alias.then(|| name_text(&chain.name).into()),
                        is_authenticated,
                    };
                    return DnsReply::Found(DnsFinding {
                        found,
                        aliases: chain.aliases,
                        ttl: chain.ttl(),
                    });
                }
                None => return DnsReply::Failed(NameError::BadAnswer),
            }
            match chain.follow(&records) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return DnsReply::Failed(error),
            }
        }
        if chain.aliases > 0 && negative_ttl(message).is_none() {
            let alias = HostName::from_message(&chain.name).map(|target| DnsAlias {
                target,
                aliases: chain.aliases,
                ttl: chain.ttl(),
                is_authenticated,
            });
            return alias.map_or(DnsReply::Failed(NameError::BadAnswer), DnsReply::Alias);
        }
        let header = message.header();
        if !header.aa() && !header.ra() {
            // The server neither knows nor asks others (it is lame).
            return DnsReply::Failed(NameError::ServerFailure);
        }
        DnsReply::NoData(negative_ttl(message))
    }
}

fn compose(
    wire: Vec<u8>,
    kind: DnsRecordKind,
    id: u16,
    options: QueryOptions,
) -> Result<Vec<u8>, Option<PushError>> {
    let name = Name::from_octets(wire).map_err(|_| None)?;
    let mut message = MessageBuilder::new_vec();
    let header = message.header_mut();
    header.set_id(id);
    header.set_rd(true);
    header.set_ad(options.wants_authenticated);
    let mut message = message.question();
    message.push((&name, kind.rtype()))?;
    let mut message = message.additional();
    if options.has_edns {
        message.opt(|opt| {
            opt.set_udp_payload_size(DATAGRAM_BYTES_MAX);
            Ok(())
        })?;
    }
    Ok(message.finish())
}

type Answers<'a> = Vec<ParsedRecord<'a, [u8]>>;

/// The name of the question and the records of the answer section. `None` where octets are missing or wrong.
fn answers(message: &Message<[u8]>) -> Option<(Owner<'_>, Answers<'_>)> {
    let question = message.sole_question().ok()?;
    let section = message.answer().ok()?;
    let records: Result<_, _> = section.take(RECORDS_MAX).collect();
    Some((*question.qname(), records.ok()?))
}

/// The time for negative caching, as the start of authority (SOA) says (RFC 2308 §5). Without one it may not.
fn negative_ttl(message: &Message<[u8]>) -> Option<Duration> {
    let mut records = message.authority().ok()?.take(RECORDS_MAX);
    let record = records.find_map(|record| record.ok().filter(|r| r.rtype() == Rtype::SOA))?;
    let ttl = record.ttl();
    let soa = record.into_record::<Soa<Owner<'_>>>().ok()??;
    Some(ttl.min(soa.data().minimum()).into_duration())
}
