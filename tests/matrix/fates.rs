//! What becomes of messages: by what the peers have heard, and by the log.

use crate::common::client::Client;
use crate::common::{TestServer, happens};
use crate::peers::{Event, Peer, Peers};
use crate::table::Fate;

/// Tries after which mail that waits is taken to wait for ever, and those for a server that hangs.
const TRIES: usize = 4;
const LONG_TRIES: usize = 2;

/// A domain with one message for it, and what is to become of that.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) domain: String,
    pub(crate) peer: Peer,
    pub(crate) expected: Fate,
}

impl Case {
    fn least_tries(&self) -> usize {
        match self.peer {
            Peer::Hangs => LONG_TRIES,
            _ => TRIES,
        }
    }

    /// What became of the message, if that is known by now.
    fn fate(&self, events: &[Event], log: &str) -> Option<Fate> {
        let domain = &self.domain;
        let of = |what: &str, local_part: &str| {
            let address = format!("{local_part}@{domain}");
            let mut events = events.iter();
            let is_it = move |event: &&Event| event.what == what && event.address == address;
            events.find(is_it).map(|event| event.channel.clone())
        };
        let mut tries = tries(domain, log);
        let is_deferred = |line: &&str| line.contains("status=deferred");
        match of("taken", "to") {
            Some(channel) => {
                let sent = tries.find(|line| line.contains("status=sent"))?;
                let number = sent.split(" tries=").nth(1).unwrap();
                let number = number.split(' ').next().unwrap();
                Some(match (&*channel, number) {
                    ("clear", "1") => Fate::Clear,
                    ("clear", "2") => Fate::ClearSecond,
                    ("clear", _) => panic!("{sent}"),
                    (version, "1") if sent.contains(&format!(" tls={version} ")) => Fate::Tls,
                    _ => panic!("{channel} {sent}"),
                })
            }
            None if tries.filter(is_deferred).count() >= self.least_tries() => {
                let said = of("mail", "from");
                assert_eq!(said.filter(|channel| channel == "clear"), None, "{domain}");
                Some(Fate::Waits)
            }
            None => None,
        }
    }
}

/// The lines of a log about the message for a domain.
pub(crate) fn tries<'a>(domain: &str, log: &'a str) -> impl Iterator<Item = &'a str> {
    let to = format!("to=<to@{domain}>");
    log.lines().filter(move |line| line.contains(&to))
}

/// Hands a server a message for each domain, from a sender of that domain.
pub(crate) fn send_all(server: &TestServer, cases: &[Case]) {
    let mut client = Client::connect(server.address());
    client.hello();
    for Case { domain, .. } in cases {
        client.ask(&format!("MAIL FROM:<from@{domain}>"), "250");
        client.ask(&format!("RCPT TO:<to@{domain}>"), "250");
        client.ask("DATA", "354");
        client.say("Subject: matrix\r\n\r\nfor the peer\r\n.\r\n");
        client.expect("250");
    }
}

/// Waits for the fates of all messages, and compares them with those that are expected.
#[track_caller]
pub(crate) fn compare(server: &TestServer, peers: &Peers, cases: &[Case], mut wake: impl FnMut()) {
    let mut fates = Vec::new();
    let is_settled = happens(|| {
        wake();
        let (events, log) = (peers.events(), server.log());
        let of = |case: &Case| (case.clone(), case.fate(&events, &log));
        fates = cases.iter().map(of).collect();
        fates.iter().all(|(_, fate)| fate.is_some())
    });
    let wrong = fates
        .iter()
        .filter(|(case, fate)| *fate != Some(case.expected));
    let wrong: Vec<_> = wrong.collect();
    assert!(
        is_settled && wrong.is_empty(),
        "{wrong:#?}\n{:#?}\n{}",
        peers.events(),
        server.log()
    );
}
