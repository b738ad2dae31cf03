//! The network as it is: sockets that the poll tells of.

use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use mio::Registry;

use crate::net::carrier::Carrier;
use crate::net::channel::Readiness;
use crate::net::dialer::dial;
use crate::net::driver::ConnectionId;
use crate::net::endpoint::SocketAddress;
use crate::net::peer::PeerAddress;
use crate::net::socket::Socket;
use crate::net::token::Token;
use crate::outbound::connectors::HOP_CONNECTORS;
use crate::outbound::dns::answer::{
    NameAnswer, NameError, NameKind, NameQuestion, NameResult, NameTicket,
};
use crate::outbound::dns::message::Way;
use crate::outbound::names::{LiveNames, NameService, NameSources, system_random};
use crate::outbound::network::Network;
use crate::outbound::sts::service::{PolicyNetwork, PolicyService, PolicySettings, PolicyTime};

/// The kinds of tokens of what is opened here.
#[derive(Clone, Copy, Debug)]
pub struct NetworkKinds {
    /// Of connections to hops.
    pub hop: u8,
    /// Of questions to name servers by datagrams.
    pub datagram: u8,
    /// Of questions to name servers over TCP.
    pub stream: u8,
    /// Of connections to policy hosts.
    pub policy: u8,
}

/// The kinds in their order.
impl From<[u8; 4]> for NetworkKinds {
    fn from([hop, datagram, stream, policy]: [u8; 4]) -> Self {
        Self {
            hop,
            datagram,
            stream,
            policy,
        }
    }
}

/// The addresses that connections come from, and who is asked about names.
#[derive(Clone, Debug)]
pub struct NetworkSettings {
    /// The addresses that connections come from, one of a family; of another family the system chooses.
    pub sources: Vec<IpAddr>,
    /// The files and servers that know names.
    pub names: NameSources,
    /// The policy hosts of domains (MTA-STS).
    pub policies: PolicySettings,
}

/// The network as it is.
pub struct LiveNetwork {
    names: NameService<LiveNames>,
    sockets: NetworkSockets,
    policy_settings: PolicySettings,
    /// The policies of domains, once one was asked for.
    policies: Option<Box<PolicyService<Socket>>>,
    answers: Vec<(NameTicket, NameResult)>,
}

/// Makes sockets that the poll tells of.
struct NetworkSockets {
    registry: Registry,
    kinds: NetworkKinds,
    /// The addresses that connections come from, one of a family; of another family the system chooses.
    sources: Vec<IpAddr>,
}

/// The network of policy hosts.
struct PolicySockets<'a> {
    names: &'a mut NameService<LiveNames>,
    sockets: &'a NetworkSockets,
}

impl NetworkSockets {
    fn dial(&self, address: &SocketAddress, token: Token) -> io::Result<Socket> {
        let mut socket = dial(address, &self.sources)?;
        socket.register(&self.registry, token.into())?;
        Ok(socket)
    }
}

impl PolicyNetwork<Socket> for PolicySockets<'_> {
    fn look_up(&mut self, question: &NameQuestion, now: Instant) -> NameAnswer {
        self.names.ask(question, now)
    }

    fn connect(&mut self, address: SocketAddr, key: usize) -> io::Result<Socket> {
        let token = Token::new(self.sockets.kinds.policy, key);
        self.sockets.dial(&SocketAddress::Tcp(address), token)
    }
}

impl LiveNetwork {
    /// A network whose sockets are polled by `registry`.
    ///
    /// # Errors
    /// The system has nothing random, or refuses what the registry needs.
    pub fn new(
        registry: &Registry,
        kinds: NetworkKinds,
        settings: NetworkSettings,
        now: Instant,
    ) -> io::Result<Self> {
        let live = LiveNames::new(registry, kinds.datagram, kinds.stream)?;
        let NetworkSettings {
            sources,
            names,
            policies,
        } = settings;
        Ok(Self {
            names: NameService::new(live, system_random()?, names, now),
            sockets: NetworkSockets {
                registry: registry.try_clone()?,
                kinds,
                sources,
            },
            policy_settings: policies,
            policies: None,
            answers: Vec::new(),
        })
    }

    /// Asks for the policy in force of a domain.
    fn ask_policy(&mut self, domain: &str, now: Instant) -> NameAnswer {
        if HOP_CONNECTORS.is_none() {
            // A build without TLS can meet no policy.
            return NameAnswer::Now(Err(NameError::NoData));
        }
        let time = policy_time(now);
        let settings = &self.policy_settings;
        let new = || Box::new(PolicyService::new(settings.clone(), time));
        let policies = self.policies.get_or_insert_with(new);
        let sockets = &mut PolicySockets {
            names: &mut self.names,
            sockets: &self.sockets,
        };
        policies.ask(domain, sockets, time)
    }

    /// Takes the answers of name servers, and gives those to the policies that are for them.
    fn sort_answers(&mut self, now: Instant) {
        let answers = self.names.take_answers();
        let Some(policies) = self.policies.as_mut() else {
            self.answers.extend(answers);
            return;
        };
        let time = policy_time(now);
        let sockets = &mut PolicySockets {
            names: &mut self.names,
            sockets: &self.sockets,
        };
        for (ticket, result) in answers {
            if !policies.answered(ticket, &result, sockets, time) {
                self.answers.push((ticket, result));
            }
        }
        policies.tick(sockets, time);
        self.answers.extend(policies.take_answers());
    }
}

/// The end of the server: policies outlive it.
impl Drop for LiveNetwork {
    fn drop(&mut self) {
        if let Some(policies) = &mut self.policies {
            policies.finish_file(policy_time(Instant::now()).ms);
        }
    }
}

/// The time of policies, which outlive a restart.
fn policy_time(now: Instant) -> PolicyTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.map_or(0, |since| since.as_millis());
    let ms = u64::try_from(ms).unwrap_or(u64::MAX);
    PolicyTime { now, ms }
}

impl Network<Carrier> for LiveNetwork {
    fn dial(
        &mut self,
        address: &SocketAddress,
        key: usize,
        _: ConnectionId,
    ) -> io::Result<(Carrier, PeerAddress)> {
        let token = Token::new(self.sockets.kinds.hop, key);
        let socket = self.sockets.dial(address, token)?;
        let peer = match address {
            SocketAddress::Tcp(address) => (*address).into(),
            SocketAddress::Unix(_) => PeerAddress::Unix,
        };
        Ok((Carrier::Socket(socket), peer))
    }

    fn look_up(&mut self, question: &NameQuestion, now: Instant) -> NameAnswer {
        match question.kind {
            NameKind::Policy => self.ask_policy(&question.name, now),
            _ => self.names.ask(question, now),
        }
    }

    fn take_answers(&mut self) -> Vec<(NameTicket, NameResult)> {
        mem::take(&mut self.answers)
    }

    fn on_event(&mut self, token: Token, readiness: Readiness) -> bool {
        let kinds = self.sockets.kinds;
        let way = match token.kind {
            kind if kind == kinds.datagram => Way::Datagram,
            kind if kind == kinds.stream => Way::Stream,
            kind if kind == kinds.policy => {
                if let Some(policies) = &mut self.policies {
                    policies.on_event(token.key, readiness);
                }
                return true;
            }
            _ => return false,
        };
        self.names.on_event(way, token.key, readiness);
        true
    }

    fn tick(&mut self, now: Instant) {
        self.names.tick(now);
        self.sort_answers(now);
    }

    fn next_wake(&self) -> Option<Instant> {
        let policies = self.policies.as_ref().and_then(|it| it.next_wake());
        self.names.next_wake().into_iter().chain(policies).min()
    }
}
