//! The policies of domains, within the loop: the [desk](super::desk), the connections by which policies are fetched, and their file.
//!
//! A policy host is a stranger's: whatever it does costs one of a few connections, for less than a minute, and bounded memory.

use core::fmt;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::desk::{PolicyDesk, PolicyStep};
use super::error::PolicyFetchError;
use super::fetch::{FetchOutcome, FetchOutcomes, PolicyFetch};
use super::file::PolicyFile;
use super::policy::{StsMode, StsPolicy};
use super::{policy_host, record_name};
use crate::net::channel::Readiness;
use crate::net::connections::Connections;
use crate::net::link::StartTls;
use crate::net::transport::Transport;
use crate::net::trust::Trust;
use crate::outbound::connectors::{HOP_CONNECTORS, HopConnectors};
use crate::outbound::dns::answer::{
    NameAnswer, NameError, NameKind, NameQuestion, NameRecords, NameResult, NameTicket,
};
use crate::outbound::dns::host_name::HostName;

/// The port of policy hosts.
pub const POLICY_PORT: u16 = 443;
/// The most policies that are fetched at a time; others wait.
pub const FETCHES_MAX: usize = 32;
/// Time to fetch a policy, with the wait before. With the ten seconds for its record, all takes a minute at most (RFC 8461 §3.3).
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(50);
/// Time for a connection to one address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// The most addresses of a policy host that are tried.
const ADDRESSES_MAX: usize = 4;
/// Time after which authorities are read again: they are renewed while the server runs.
const AUTHORITIES_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The settings of policy hosts.
#[derive(Clone)]
pub struct PolicySettings {
    /// The folder that keeps policies over a restart, if one does.
    pub folder: Option<PathBuf>,
    /// The port of policy hosts: [`POLICY_PORT`] but in tests.
    pub port: u16,
    /// The authorities that have to vouch for policy hosts.
    pub trust: Trust,
    /// Whether no connection is made to an address, since it is none of the public Internet.
    pub refuses: Rc<dyn Fn(IpAddr) -> bool>,
}

impl fmt::Debug for PolicySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("PolicySettings");
        shown
            .field("folder", &self.folder)
            .field("port", &self.port);
        shown.field("trust", &self.trust).finish_non_exhaustive()
    }
}

/// What time it is: for deadlines, and for what outlives a restart.
#[derive(Clone, Copy, Debug)]
pub struct PolicyTime {
    /// The time of the present tick.
    pub now: Instant,
    /// The milliseconds of the epoch.
    pub ms: u64,
}

/// The names and connections by which policies are fetched.
pub trait PolicyNetwork<T> {
    /// Asks name servers; the answer is told by [`PolicyService::answered`].
    fn look_up(&mut self, question: &NameQuestion, now: Instant) -> NameAnswer;

    /// Begins a connection, of which events will come under this key.
    ///
    /// # Errors
    /// It failed at once, or cannot be had.
    fn connect(&mut self, address: SocketAddr, key: usize) -> io::Result<T>;
}

/// The policies of domains.
pub struct PolicyService<T> {
    settings: PolicySettings,
    desk: PolicyDesk,
    file: PolicyFile,
    /// What each question to name servers is for.
    questions: HashMap<NameTicket, PolicyStep>,
    /// Domains whose policy is to be fetched, and until when.
    waiting: VecDeque<(HostName, Instant)>,
    fetches: HashMap<HostName, FetchProgress>,
    connections: Connections<PolicyFetch, T>,
    /// TLS, and when its authorities were read.
    connectors: Option<(Instant, Box<dyn HopConnectors>)>,
    now: Instant,
}

/// A policy that is being fetched.
struct FetchProgress {
    until: Instant,
    /// Addresses that are still to be tried, the next one last.
    addresses: Vec<IpAddr>,
    failure: PolicyFetchError,
}

impl<T: Transport> PolicyService<T> {
    /// The policies that the file knows, and none that are being fetched.
    #[must_use]
    pub fn new(settings: PolicySettings, time: PolicyTime) -> Self {
        let (file, known) = PolicyFile::open(settings.folder.clone(), time.ms);
        Self {
            settings,
            desk: PolicyDesk::new(known),
            file,
            questions: HashMap::new(),
            waiting: VecDeque::new(),
            fetches: HashMap::new(),
            connections: Connections::new(FetchOutcomes::default(), time.now),
            connectors: None,
            now: time.now,
        }
    }

    /// Asks for the policy in force of a domain.
    pub fn ask(
        &mut self,
        domain: &str,
        network: &mut dyn PolicyNetwork<T>,
        time: PolicyTime,
    ) -> NameAnswer {
        let answer = self.desk.ask(domain, time.ms);
        self.take_steps(network, time);
        match answer {
            // The record may be known, and the policy too.
            NameAnswer::Later(ticket) => match self.desk.take_answer(ticket) {
                Some(result) => NameAnswer::Now(result),
                None => NameAnswer::Later(ticket),
            },
            NameAnswer::Now(result) => NameAnswer::Now(result),
        }
    }

    /// Takes an answer of name servers. Whether it was asked for here: all others are for somebody else.
    pub fn answered(
        &mut self,
        ticket: NameTicket,
        result: &NameResult,
        network: &mut dyn PolicyNetwork<T>,
        time: PolicyTime,
    ) -> bool {
        let Some(question) = self.questions.remove(&ticket) else {
            return false;
        };
        self.follow(&question, result, network, time);
        self.take_steps(network, time);
        true
    }

    /// The answers since the last call.
    pub fn take_answers(&mut self) -> Vec<(NameTicket, NameResult)> {
        self.desk.take_answers()
    }

    /// Notes an event of a connection.
    pub fn on_event(&mut self, key: usize, readiness: Readiness) {
        self.connections.on_event(key, readiness);
    }

    /// One tick: takes in what has come, and acts upon deadlines that have passed.
    pub fn tick(&mut self, network: &mut dyn PolicyNetwork<T>, time: PolicyTime) {
        self.now = time.now;
        self.connections.set_time(time.now);
        if !self.connections.is_empty() {
            self.connections.tick(|_| {}, |_, _| {});
            for (domain, outcome) in self.connections.shared_mut().take() {
                self.take_outcome(&domain, outcome, network, time);
            }
        }
        while let Some((_, until)) = self.waiting.front()
            && *until <= time.now
            && let Some((domain, _)) = self.waiting.pop_front()
        {
            self.finish(&domain, Err(PolicyFetchError::Busy), time);
        }
        self.take_steps(network, time);
        self.file.tick(self.desk.known(), time.now, time.ms);
    }

    /// The instant at which [`tick`](Self::tick) has something to do without an event.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        let wakes = [
            self.desk.has_answers().then_some(self.now),
            self.connections.next_wake(),
            self.waiting.front().map(|(_, until)| *until),
            self.file.next_wake(self.now),
        ];
        wakes.into_iter().flatten().min()
    }

    /// Writes what is known, at the end of the server.
    pub fn finish_file(&mut self, ms: u64) {
        self.file.finish(self.desk.known(), ms);
    }

    /// The number of policies that are being fetched.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.fetches.len()
    }

    /// Asks the questions of the desk, and begins with policies that wait as far as there is room.
    fn take_steps(&mut self, network: &mut dyn PolicyNetwork<T>, time: PolicyTime) {
        loop {
            if let Some(step) = self.desk.next_step() {
                match step {
                    PolicyStep::Texts(_) => self.look_up(step, network, time),
                    PolicyStep::Fetch(domain) => {
                        self.waiting.push_back((domain, time.now + FETCH_TIMEOUT));
                    }
                }
            } else if self.fetches.len() < FETCHES_MAX
                && let Some((domain, until)) = self.waiting.pop_front()
            {
                let progress = FetchProgress {
                    until,
                    addresses: Vec::new(),
                    failure: PolicyFetchError::Unreachable,
                };
                self.fetches.insert(domain.clone(), progress);
                self.look_up(PolicyStep::Fetch(domain), network, time);
            } else {
                break;
            }
        }
    }

    /// Asks name servers what a step needs.
    fn look_up(&mut self, step: PolicyStep, network: &mut dyn PolicyNetwork<T>, time: PolicyTime) {
        let question = match &step {
            PolicyStep::Texts(domain) => NameQuestion::new(NameKind::Texts, &record_name(domain)),
            PolicyStep::Fetch(domain) => {
                NameQuestion::new(NameKind::MailHost, &policy_host(domain))
            }
        };
        match network.look_up(&question, time.now) {
            NameAnswer::Now(result) => self.follow(&step, &result, network, time),
            NameAnswer::Later(ticket) => {
                self.questions.insert(ticket, step);
            }
        }
    }

    /// Goes on with what name servers have said.
    fn follow(
        &mut self,
        step: &PolicyStep,
        result: &NameResult,
        network: &mut dyn PolicyNetwork<T>,
        time: PolicyTime,
    ) {
        match step {
            PolicyStep::Texts(domain) => self.desk.found_texts(domain, result, time.ms),
            PolicyStep::Fetch(domain) => match self.addresses(result) {
                Ok(addresses) => {
                    if let Some(progress) = self.fetches.get_mut(domain) {
                        progress.addresses = addresses;
                    }
                    self.connect(domain, network, time);
                }
                Err(error) => self.finish(domain, Err(error), time),
            },
        }
    }

    /// The addresses that are tried, the first one last.
    fn addresses(&self, result: &NameResult) -> Result<Vec<IpAddr>, PolicyFetchError> {
        let found = match result.as_ref().map(|found| &found.records) {
            Ok(NameRecords::Addresses(addresses)) => addresses,
            Ok(_) => return Err(PolicyFetchError::Address(NameError::BadAnswer)),
            Err(error) => return Err(PolicyFetchError::Address(*error)),
        };
        let fine = found
            .iter()
            .filter(|address| !(self.settings.refuses)(**address));
        let mut addresses: Vec<IpAddr> = fine.copied().take(ADDRESSES_MAX).collect();
        addresses.reverse();
        match addresses.is_empty() {
            true => Err(PolicyFetchError::SpecialAddress),
            false => Ok(addresses),
        }
    }

    /// Connects to the next address of a policy host.
    fn connect(&mut self, domain: &HostName, network: &mut dyn PolicyNetwork<T>, time: PolicyTime) {
        let tls = match self.tls(&policy_host(domain), time.now) {
            Ok(tls) => tls,
            Err(error) => return self.finish(domain, Err(error), time),
        };
        let Some(progress) = self.fetches.get_mut(domain) else {
            debug_assert!(false, "who connects fetches");
            return;
        };
        let until = progress.until;
        while let Some(address) = progress.addresses.pop()
            && until > time.now
        {
            let address = SocketAddr::new(address, self.settings.port);
            let Ok(transport) = network.connect(address, self.connections.next_key()) else {
                continue;
            };
            let driver = PolicyFetch::new(domain.clone(), tls, until);
            let deadline = until.min(time.now + CONNECT_TIMEOUT);
            self.connections
                .dial(transport, driver, address.into(), deadline);
            return;
        }
        let failure = match until > time.now {
            true => progress.failure.clone(),
            false => PolicyFetchError::Timeout,
        };
        self.finish(domain, Err(failure), time);
    }

    /// TLS with the host of this name.
    fn tls(&mut self, host: &str, now: Instant) -> Result<Rc<dyn StartTls>, PolicyFetchError> {
        let is_old = |(read_at, _): &(Instant, _)| {
            now.saturating_duration_since(*read_at) >= AUTHORITIES_AGE_MAX
        };
        if self.connectors.as_ref().is_none_or(is_old) {
            let why = || PolicyFetchError::NoTls("this program was built without TLS".to_owned());
            let connectors = HOP_CONNECTORS.ok_or_else(why)?;
            self.connectors = Some((now, connectors()));
        }
        let connectors = self.connectors.as_mut();
        let made =
            connectors.map(|(_, connectors)| connectors.connector(host, &self.settings.trust));
        match made {
            Some(Ok(tls)) => Ok(tls),
            Some(Err(error)) => Err(PolicyFetchError::NoTls(error.to_string())),
            None => Err(PolicyFetchError::NoTls(String::new())),
        }
    }

    /// Takes what came of a connection: where there was no response, the next address is tried.
    fn take_outcome(
        &mut self,
        domain: &HostName,
        outcome: FetchOutcome,
        network: &mut dyn PolicyNetwork<T>,
        time: PolicyTime,
    ) {
        match (outcome, self.fetches.get_mut(domain)) {
            (Err(error), Some(progress)) if error.is_before_request() => {
                progress.failure = error;
                self.connect(domain, network, time);
            }
            (outcome, _) => self.finish(domain, outcome, time),
        }
    }

    /// Ends with a policy, or why there is none.
    fn finish(&mut self, domain: &HostName, outcome: FetchOutcome, time: PolicyTime) {
        self.fetches.remove(domain);
        let parse = |text: Vec<u8>| StsPolicy::parse(&text).map_err(PolicyFetchError::Policy);
        let outcome = outcome.and_then(parse);
        let in_force = self.desk.fetched(domain, outcome.as_ref(), time.ms);
        match outcome {
            Ok(policy) => {
                self.file.note_change();
                let (mode, seconds) = (policy.mode.name(), policy.max_age.as_secs());
                log::info!("sts=fetched domain={domain} mode={mode} max-age={seconds}");
            }
            Err(error) => {
                let error = error.to_string();
                match in_force {
                    // Somebody may be at work to have it expire (RFC 8461 §3.3).
                    Some(mode @ (StsMode::Enforce | StsMode::Testing)) => {
                        let mode = mode.name();
                        log::warn!("sts=failed domain={domain} in-force={mode} error={error:?}");
                    }
                    _ => log::info!("sts=failed domain={domain} in-force=none error={error:?}"),
                }
            }
        }
    }
}
