//! Messages of name servers, for questions of all kinds: what is read of them is within bounds, and verified only where they say so to
//! one who asked.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailoop::outbound::dns::host_name::HostName;
use mailoop::outbound::dns::message::{DnsQuery, QueryOptions, Way};

#[path = "../../names/within.rs"]
mod within;

use within::{KINDS, check};

/// The octets of the id and of the flags, of the counts, and of the question that an answer repeats.
const ID_BYTES: usize = 2;
const HEADER_BYTES: usize = 12;

// The first octet chooses the question. The flags, the counts and the records that follow are the answer's; its id and question are
// those of the question, or nothing would be read.
fuzz_target!(|bytes: &[u8]| {
    let [choice, input @ ..] = bytes else {
        return;
    };
    let Some(name) = HostName::parse("_25._tcp.mail.example") else {
        return;
    };
    let kind = KINDS[usize::from(choice & 7) % KINDS.len()];
    let options = QueryOptions {
        has_edns: false,
        wants_authenticated: choice & 8 != 0,
    };
    let query = DnsQuery::new(&name, kind, 0x1234, 0x55, options);
    let (id, question) = (&query.packet()[..ID_BYTES], &query.packet()[HEADER_BYTES..]);
    let header = input.split_at(input.len().min(HEADER_BYTES - ID_BYTES));
    let with_question = [id, header.0, question, header.1].concat();
    let with_id = [id, input].concat();
    for octets in [&with_question, &with_id] {
        for way in [Way::Datagram, Way::Stream] {
            if let Ok(reply) = query.read(octets, way) {
                check(&reply, octets, kind, options.wants_authenticated);
            }
        }
    }
});
