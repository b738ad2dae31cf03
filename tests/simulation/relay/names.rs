//! Name servers of the simulated Internet: what they know changes, and some of it never comes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mailoop::outbound::dns::answer::{
    MailExchanger, NameAnswer, NameError, NameFound, NameKind, NameQuestion, NameRecords,
    NameResult, NameTicket,
};

use super::internet::Internet;

/// The time within which every question has its answer, as `NameAnswer` promises.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// What a question is about.
#[derive(Clone, Debug)]
pub enum About {
    /// The addresses of a host, for a route or for a domain that has named it.
    Host(usize, NameKind),
    /// The hosts of a domain.
    Domain(Rc<str>),
}

/// A question of which the answer is to come.
pub struct Question {
    pub ticket: NameTicket,
    pub about: About,
    /// Until when it is waited for.
    pub until: Instant,
    /// Whether nobody ever answers.
    is_lost: bool,
}

impl Internet {
    pub(super) fn answer_some(&mut self, all: bool) -> bool {
        let questions = std::mem::take(&mut self.questions);
        let before = self.unsaid.len();
        for question in questions {
            if question.is_lost || !(all || self.rng.one_in(3)) {
                self.questions.push(question);
                continue;
            }
            let answer = self.answer(&question.about);
            self.unsaid.push((question.ticket, answer));
        }
        self.unsaid.len() > before
    }

    fn answer(&mut self, about: &About) -> NameResult {
        let (host, kind) = match about {
            About::Host(host, kind) => (*host, *kind),
            About::Domain(domain) => return self.hosts_of(domain),
        };
        let host = &self.hosts[host];
        if self.rng.one_in(host.manner.nameless) {
            self.books.borrow_mut().counts.add("names not found", 1);
            // What a domain names and is not there is not there for good.
            let errors = [
                NameError::ServerFailure,
                NameError::Unreachable,
                NameError::NoSuchName,
            ];
            let errors = match kind {
                NameKind::MailHost => &errors[..2],
                _ => &errors[..],
            };
            return Err(self.rng.pick(errors));
        }
        let addresses: Vec<IpAddr> = (0..host.addresses).map(|at| host.address(at)).collect();
        Ok(NameFound::addresses(addresses.into()))
    }

    /// The hosts of a domain, which may be others each time.
    fn hosts_of(&mut self, domain: &Rc<str>) -> NameResult {
        let is_new = !self.exchangers.contains_key(domain);
        if is_new || self.rng.one_in(8) {
            let able: Vec<usize> = (0..self.hosts.len())
                .filter(|host| !self.hosts[*host].is_lmtp)
                .collect();
            let named: BTreeMap<usize, u16> = (0..self.rng.pick(&[1, 1, 2, 3]))
                .map(|_| (self.rng.pick(&able), self.rng.pick(&[10, 10, 20])))
                .collect();
            let hops: Vec<String> = named.keys().map(|host| self.hosts[*host].hop()).collect();
            // The hosts in another order are another site.
            let order: Vec<String> = named.values().map(ToString::to_string).collect();
            self.lists
                .insert(format!("{},{}", hops.join(","), order.join(" ")));
            self.exchangers.insert(Rc::clone(domain), named);
        }
        let named = &self.exchangers[domain];
        let first = named
            .keys()
            .next()
            .map_or(0, |host| self.hosts[*host].manner.nameless);
        if self.rng.one_in(first) {
            self.books.borrow_mut().counts.add("domains not found", 1);
            return Err(NameError::ServerFailure);
        }
        self.books.borrow_mut().counts.add("domains found", 1);
        let exchangers = named.iter().map(|(host, preference)| MailExchanger {
            preference: *preference,
            host: self.hosts[*host].name().into(),
        });
        Ok(NameFound {
            records: NameRecords::Exchangers(exchangers.collect()),
            canonical: None,
            is_authenticated: false,
        })
    }

    pub(super) fn look_up(&mut self, question: &NameQuestion, now: Instant) -> NameAnswer {
        self.journal.count_call();
        let host = self
            .hosts
            .iter()
            .position(|host| host.name() == *question.name);
        let about = match (question.kind, host) {
            (NameKind::Exchangers, None) => About::Domain(Rc::clone(&question.name)),
            (NameKind::Policy, None) => return NameAnswer::Now(Err(NameError::NoSuchName)),
            (NameKind::Host | NameKind::MailHost, Some(host)) => About::Host(host, question.kind),
            _ => {
                self.journal
                    .violation(|| format!("{question:?} is about nobody"));
                return NameAnswer::Now(Err(NameError::NoSuchName));
            }
        };
        if self.rng.one_in(3) {
            return NameAnswer::Now(self.answer(&about));
        }
        self.books.borrow_mut().counts.add("names later", 1);
        self.last_ticket += 1;
        let ticket = NameTicket(self.last_ticket);
        self.questions.push(Question {
            ticket,
            about,
            until: now + ANSWER_MAX,
            is_lost: host.is_some_and(|host| self.rng.one_in(self.hosts[host].manner.nameless)),
        });
        NameAnswer::Later(ticket)
    }
}
