//! Name servers of a world: what they know is written as in a zone file.

use std::collections::BTreeMap;
use std::net::IpAddr;

use mailoop::outbound::dns::answer::{
    MailExchanger, NameAnswer, NameError, NameFound, NameKind, NameQuestion, NameRecords,
    NameResult, NameTicket,
};

/// What name servers know. Of all else they say that there is no such name.
#[derive(Debug, Default)]
pub struct Zone {
    known: BTreeMap<(NameKind, String), NameResult>,
    /// Whether answers are late.
    pub is_late: bool,
    waiting: Vec<(NameTicket, NameQuestion)>,
    answers: Vec<(NameTicket, NameResult)>,
    last_ticket: u64,
    /// All that was asked, in its order.
    pub asked: Vec<String>,
}

impl Zone {
    /// Adds lines `NAME MX 10 HOST 20 HOST`, `NAME A ADDRESS ADDRESS` or `NAME KIND FAILURE`; a name with an address has no other records.
    pub fn add(&mut self, text: &str) {
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (name, kind, values) = (words[0], words[1], &words[2..]);
            let failure = match values[0] {
                "NXDOMAIN" => Some(NameError::NoSuchName),
                "NODATA" => Some(NameError::NoData),
                "SERVFAIL" => Some(NameError::ServerFailure),
                "REFUSED" => Some(NameError::Refused),
                "BAD" => Some(NameError::BadAnswer),
                "TIMEOUT" => Some(NameError::Timeout),
                "UNREACHABLE" => Some(NameError::Unreachable),
                _ => None,
            };
            let (kind, records) = match kind {
                "MX" => (
                    NameKind::Exchangers,
                    failure.is_none().then(|| exchangers(values)),
                ),
                "A" => (
                    NameKind::MailHost,
                    failure.is_none().then(|| addresses(values)),
                ),
                other => panic!("{other}"),
            };
            let result = match records {
                Some(records) => Ok(NameFound {
                    records,
                    canonical: None,
                    is_authenticated: false,
                }),
                None => Err(failure.unwrap()),
            };
            if kind == NameKind::MailHost && failure.is_none() {
                let no_mx = (NameKind::Exchangers, name.to_owned());
                self.known.entry(no_mx).or_insert(Err(NameError::NoData));
            }
            self.known.insert((kind, name.to_owned()), result);
        }
    }

    pub fn ask(&mut self, question: &NameQuestion) -> NameAnswer {
        if question.kind != NameKind::Policy {
            self.asked
                .push(format!("{:?} {}", question.kind, question.name));
        }
        if !self.is_late {
            return NameAnswer::Now(self.answer(question));
        }
        self.last_ticket += 1;
        let ticket = NameTicket(self.last_ticket);
        self.waiting.push((ticket, question.clone()));
        NameAnswer::Later(ticket)
    }

    /// Answers come that are late.
    pub fn answer_all(&mut self) {
        for (ticket, question) in std::mem::take(&mut self.waiting) {
            let answer = self.answer(&question);
            self.answers.push((ticket, answer));
        }
    }

    /// Questions that wait for an answer.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub fn take_answers(&mut self) -> Vec<(NameTicket, NameResult)> {
        std::mem::take(&mut self.answers)
    }

    fn answer(&self, question: &NameQuestion) -> NameResult {
        let key = (question.kind, question.name.to_string());
        let known = self.known.get(&key).cloned();
        known.unwrap_or(Err(NameError::NoSuchName))
    }
}

fn exchangers(values: &[&str]) -> NameRecords {
    let exchangers = values.chunks(2).map(|pair| MailExchanger {
        preference: pair[0].parse().unwrap(),
        host: pair[1].trim_end_matches('.').into(),
    });
    NameRecords::Exchangers(exchangers.collect())
}

fn addresses(values: &[&str]) -> NameRecords {
    let addresses: Vec<IpAddr> = values.iter().map(|text| text.parse().unwrap()).collect();
    NameRecords::Addresses(addresses.into())
}
