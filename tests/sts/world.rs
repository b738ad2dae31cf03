//! The policy service in a loop of its own, with scripted names, among policy hosts.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use mailoop::net::dialer::dial;
use mailoop::net::endpoint::SocketAddress;
use mailoop::net::poller::Poller;
use mailoop::net::socket::Socket;
use mailoop::net::token::Token;
use mailoop::net::trust::Trust;
use mailoop::outbound::dns::answer::{
    NameAnswer, NameError, NameFound, NameKind, NameQuestion, NameRecords, NameResult, NameTicket,
};
use mailoop::outbound::sts::policy::StsPolicy;
use mailoop::outbound::sts::service::{
    FETCHES_MAX, PolicyNetwork, PolicyService, PolicySettings, PolicyTime,
};
use mio::Registry;
use tempfile::TempDir;

use crate::common::tls::Authority;
use crate::host::{Deed, PolicyHost};

/// No test takes as long.
const TIME_MAX: Duration = Duration::from_secs(60);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// The kind of the only tokens.
const POLICY: u8 = 1;
/// The time at which each test begins.
const START_MS: u64 = 1_800_000_000_000;

/// The service, and all that it has to do with.
pub struct PolicyWorld {
    pub service: PolicyService<Socket>,
    pub names: ScriptedNames,
    pub authority: Authority,
    pub folder: TempDir,
    poller: Poller,
    start: Instant,
    /// Time that has passed without anybody waiting for it.
    skipped: Duration,
    /// The most policies that were being fetched at once.
    pub most_in_flight: usize,
    hosts: Vec<PolicyHost>,
}

/// Names with what they have, and the sockets behind addresses. All else does not exist.
pub struct ScriptedNames {
    registry: Registry,
    texts: HashMap<String, String>,
    addresses: HashMap<String, Vec<IpAddr>>,
    sockets: HashMap<IpAddr, SocketAddr>,
    /// Whether name servers say nothing any more.
    pub are_gone: bool,
    pending: Vec<(NameTicket, NameResult)>,
    last_ticket: u64,
    /// The addresses that were dialed.
    pub dialed: Vec<IpAddr>,
}

impl PolicyNetwork<Socket> for ScriptedNames {
    fn look_up(&mut self, question: &NameQuestion, _: Instant) -> NameAnswer {
        let name = &*question.name;
        let records = match question.kind {
            NameKind::Texts => self.texts.get(name).map(|text| {
                let text = text.clone().into_bytes().into();
                NameRecords::Texts([text].into())
            }),
            NameKind::MailHost => {
                let addresses = self.addresses.get(name).cloned();
                addresses.map(|addresses| NameRecords::Addresses(addresses.into()))
            }
            other => panic!("{other:?}"),
        };
        let found = records.map(|records| NameFound {
            records,
            canonical: None,
            is_authenticated: false,
        });
        let result = match self.are_gone {
            true => Err(NameError::Timeout),
            false => found.ok_or(NameError::NoSuchName),
        };
        self.last_ticket += 1;
        // Some answers are known at once.
        if self.last_ticket.is_multiple_of(3) {
            return NameAnswer::Now(result);
        }
        let ticket = NameTicket(self.last_ticket);
        self.pending.push((ticket, result));
        NameAnswer::Later(ticket)
    }

    fn connect(&mut self, address: SocketAddr, key: usize) -> io::Result<Socket> {
        assert_eq!(address.port(), 443);
        self.dialed.push(address.ip());
        let real = self.sockets[&address.ip()];
        let mut socket = dial(&SocketAddress::Tcp(real), &[])?;
        socket.register(&self.registry, Token::new(POLICY, key).into())?;
        Ok(socket)
    }
}

impl PolicyWorld {
    pub fn new() -> Self {
        let poller = Poller::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("those whom we trust");
        let file = folder.path().join("ca.pem");
        fs::write(&file, authority.certificate()).unwrap();
        let start = Instant::now();
        let time = PolicyTime {
            now: start,
            ms: START_MS,
        };
        Self {
            service: PolicyService::new(settings(file, folder.path()), time),
            names: ScriptedNames {
                registry: poller.registry().try_clone().unwrap(),
                texts: HashMap::new(),
                addresses: HashMap::new(),
                sockets: HashMap::new(),
                are_gone: false,
                pending: Vec::new(),
                last_ticket: 0,
                dialed: Vec::new(),
            },
            authority,
            folder,
            poller,
            start,
            skipped: Duration::ZERO,
            most_in_flight: 0,
            hosts: Vec::new(),
        }
    }

    /// Begins anew, as after a restart of the server in good order.
    pub fn restart(&mut self) {
        let time = self.time();
        self.service.finish_file(time.ms);
        let file = self.folder.path().join("ca.pem");
        self.service = PolicyService::new(settings(file, self.folder.path()), time);
    }

    /// Gives a domain a record with this id, and its policy host these addresses, `192.0.2.N` each.
    pub fn publish(&mut self, domain: &str, id: &str, addresses: &[u8]) {
        let text = format!("v=STSv1; id={id};");
        self.names.texts.insert(format!("_mta-sts.{domain}"), text);
        let addresses = addresses.iter().map(|last| address(*last));
        let addresses = addresses.collect();
        let host = format!("mta-sts.{domain}");
        self.names.addresses.insert(host, addresses);
    }

    /// Starts a policy host at an address, with a certificate for these names.
    pub fn host(&mut self, last: u8, names: &[&str], deed: Deed) {
        let host = PolicyHost::start(&self.authority, names, deed);
        self.host_is(last, host);
    }

    pub fn host_is(&mut self, last: u8, host: PolicyHost) {
        self.names.sockets.insert(address(last), host.address);
        self.hosts.push(host);
    }

    /// Has nobody listen at an address.
    pub fn no_host(&mut self, last: u8) {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = free.local_addr().unwrap();
        self.names.sockets.insert(address(last), socket);
    }

    /// All policy hosts go.
    pub fn end_hosts(&mut self) {
        self.hosts.clear();
    }

    /// What the last host was asked.
    pub fn asked(&self) -> Vec<String> {
        self.hosts.last().unwrap().asked.lock().unwrap().clone()
    }

    /// A domain with a policy host of its own that does this; what comes of its policy.
    pub fn outcome_of(&mut self, deed: Deed) -> String {
        let number = self.hosts.len() + 1;
        let domain = format!("d{number}.example");
        self.publish(&domain, "1", &[number as u8]);
        self.host(number as u8, &[&format!("mta-sts.{domain}")], deed);
        self.fetch(&domain)
    }

    fn time(&self) -> PolicyTime {
        let now = Instant::now() + self.skipped;
        let ms = now.saturating_duration_since(self.start).as_millis();
        let ms = START_MS + ms as u64;
        PolicyTime { now, ms }
    }

    /// Lets time pass at once.
    pub fn skip(&mut self, seconds: u64) {
        self.skipped += Duration::from_secs(seconds);
    }

    /// Asks; the ticket, or the answer at once.
    pub fn ask(&mut self, domain: &str) -> Result<NameTicket, String> {
        let time = self.time();
        match self.service.ask(domain, &mut self.names, time) {
            NameAnswer::Now(result) => Err(shown(&result)),
            NameAnswer::Later(ticket) => Ok(ticket),
        }
    }

    /// The policy in force of a domain, by its host, or why there is none.
    pub fn fetch(&mut self, domain: &str) -> String {
        match self.ask(domain) {
            Err(now) => now,
            Ok(ticket) => self.wait_for(&[ticket]).remove(0),
        }
    }

    /// The answers to these.
    pub fn wait_for(&mut self, tickets: &[NameTicket]) -> Vec<String> {
        let start = Instant::now();
        let mut answers = HashMap::new();
        while answers.len() < tickets.len() {
            self.turn();
            answers.extend(self.service.take_answers());
            assert!(start.elapsed() < TIME_MAX, "{tickets:?}");
        }
        tickets.iter().map(|it| shown(&answers[it])).collect()
    }

    /// Runs on until this holds.
    pub fn run_until(&mut self, mut holds: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            self.turn();
            assert!(start.elapsed() < TIME_MAX);
        }
    }

    /// One turn of the loop.
    pub fn turn(&mut self) {
        let wake = self.service.next_wake();
        let left = wake.map(|wake| wake.saturating_duration_since(self.time().now));
        let left = left.unwrap_or(LOOK_INTERVAL).min(LOOK_INTERVAL);
        self.poller.wait(Some(left)).unwrap();
        for (token, readiness) in self.poller.events() {
            assert_eq!(token.kind, POLICY);
            self.service.on_event(token.key, readiness);
        }
        let time = self.time();
        for (ticket, result) in std::mem::take(&mut self.names.pending) {
            let names = &mut self.names;
            assert!(self.service.answered(ticket, &result, names, time));
            assert!(!self.service.answered(ticket, &result, names, time));
        }
        self.service.tick(&mut self.names, time);
        let in_flight = self.service.in_flight();
        self.most_in_flight = self.most_in_flight.max(in_flight);
        assert!(in_flight <= FETCHES_MAX);
    }
}

fn settings(authorities: PathBuf, folder: &Path) -> PolicySettings {
    PolicySettings {
        folder: Some(folder.to_owned()),
        port: 443,
        trust: Trust::Authorities(authorities),
        refuses: Rc::new(|address| address == IpAddr::V4(Ipv4Addr::new(192, 0, 2, 0))),
    }
}

fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, last).into()
}

/// The hosts of a policy, or why there is none.
pub fn shown(result: &NameResult) -> String {
    match result.as_ref().map(|found| &found.records) {
        Ok(NameRecords::Policy(text)) => {
            let policy = StsPolicy::parse(text).unwrap();
            let hosts = policy.patterns.iter().map(ToString::to_string);
            hosts.collect::<Vec<_>>().join(" ")
        }
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("{error:?}"),
    }
}
