//! One question to the name servers, until it is settled: which server is asked, by which way, and what its answer leads to.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::answer::{NameError, NameFound};
use super::host_name::HostName;
use super::message::{DnsAlias, DnsFinding, DnsQuery, DnsReply, Mismatch, QueryOptions, Way};
use super::records::{ALIASES_MAX, DnsRecordKind};
use super::servers::{AskedServers, NameServers};

/// Time for the answer to a datagram.
pub const DATAGRAM_TIMEOUT: Duration = Duration::from_secs(2);
/// Time for the answer by a connection, which has to be made first.
pub const STREAM_TIMEOUT: Duration = Duration::from_secs(5);
/// How often each server is asked.
const ROUNDS_MAX: u8 = 2;
/// The most datagrams that answer another question. By then somebody is guessing (cache poisoning), and the next question goes by
/// a connection.
const FOREIGN_MAX: u8 = 16;

/// The number of one exchange with one server: a datagram and those that come back, or a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);

/// One question to one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerExchange {
    /// Its number, never used again.
    pub id: ExchangeId,
    /// The server that is asked.
    pub server: SocketAddr,
    /// The way to it: a datagram from a fresh socket, or a fresh connection.
    pub way: Way,
    /// The message; the two octets of its length, which a connection needs before it, are not part of it.
    pub message: Vec<u8>,
    /// The end of the wait for an answer.
    pub deadline: Instant,
}

/// What all questions share while they are asked.
pub(super) struct Asking<'a> {
    pub(super) servers: &'a mut NameServers,
    pub(super) random: &'a mut dyn FnMut() -> u64,
    pub(super) last_id: &'a mut u64,
    pub(super) by_stream: bool,
    pub(super) now: Instant,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum InquiryOutcome {
    Found(NameFound, Duration),
    NoData(Option<Duration>),
    NoSuchName(Option<Duration>),
    Failed(NameError),
}

/// What an answer, or the lack of one, leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum InquiryProgress {
    /// The wait goes on.
    Wait,
    /// Another attempt is to be made.
    Again,
    /// The question has its answer, or will have none.
    Settled(InquiryOutcome),
}

/// A question to name servers, until it has its answer or will have none.
#[derive(Debug)]
pub(super) struct Inquiry {
    name: HostName,
    kind: DnsRecordKind,
    /// Aliases on the way to the present name.
    aliases: u8,
    /// The least time to live on the way to it.
    ttl: Duration,
    /// Whether all answers on the way to it are authenticated.
    is_authenticated: bool,
    asked: AskedServers,
    round: u8,
    /// Why there is no answer so far.
    failure: NameError,
    /// The question that waits for an answer.
    attempt: Option<Attempt>,
    /// The server and the way of the next attempt, where it is not for the next server.
    next: Option<Next>,
}

#[derive(Debug)]
struct Attempt {
    server: SocketAddr,
    way: Way,
    options: QueryOptions,
    query: DnsQuery,
    foreign: u8,
}

#[derive(Clone, Copy, Debug)]
struct Next {
    server: SocketAddr,
    way: Way,
    options: QueryOptions,
}

impl Inquiry {
    pub(super) fn new(name: HostName, kind: DnsRecordKind) -> Self {
        Self {
            name,
            kind,
            aliases: 0,
            ttl: Duration::MAX,
            is_authenticated: true,
            asked: AskedServers::default(),
            round: 0,
            failure: NameError::Timeout,
            attempt: None,
            next: None,
        }
    }

    /// Begins from the first server again, since there are others now.
    pub(super) fn forget_servers(&mut self) {
        self.asked = AskedServers::default();
        self.next = None;
    }

    /// The next question to a server, which has at most until then. `None` when every server was asked as often as it is worth.
    pub(super) fn ask(
        &mut self,
        asking: &mut Asking<'_>,
        until: Instant,
    ) -> Option<ServerExchange> {
        let Next {
            server,
            way,
            options,
        } = match self.next.take() {
            Some(next) => next,
            None => self.next_server(asking)?,
        };
        let random = (asking.random)();
        #[expect(clippy::cast_possible_truncation, reason = "16 bits are wanted")]
        let query = DnsQuery::new(
            &self.name,
            self.kind,
            random as u16,
            (asking.random)(),
            options,
        );
        let timeout = match way {
            Way::Datagram => DATAGRAM_TIMEOUT,
            Way::Stream => STREAM_TIMEOUT,
        };
        *asking.last_id += 1;
        let exchange = ServerExchange {
            id: ExchangeId(*asking.last_id),
            server,
            way,
            message: query.packet().to_vec(),
            deadline: until.min(asking.now + timeout),
        };
        self.attempt = Some(Attempt {
            server,
            way,
            options,
            query,
            foreign: 0,
        });
        Some(exchange)
    }

    fn next_server(&mut self, asking: &mut Asking<'_>) -> Option<Next> {
        loop {
            if let Some(server) = asking.servers.next(&mut self.asked, asking.now) {
                let way = if asking.by_stream {
                    Way::Stream
                } else {
                    Way::Datagram
                };
                let options = QueryOptions {
                    // Some paths drop what they do not know: the second time a server is asked in the oldest way.
                    has_edns: self.round == 0,
                    // In the second round too: whoever delays answers must not be able to take DANE away.
                    wants_authenticated: server.is_trusted,
                };
                return Some(Next {
                    server: server.address,
                    way,
                    options,
                });
            }
            self.round += 1;
            if self.round >= ROUNDS_MAX {
                return None;
            }
            self.asked = AskedServers::default();
        }
    }

    /// What the servers have failed of so far: the outcome where no more are asked.
    pub(super) fn failure(&self) -> InquiryOutcome {
        InquiryOutcome::Failed(self.failure)
    }

    /// Takes what came back for the present attempt.
    pub(super) fn received(
        &mut self,
        from: Option<SocketAddr>,
        octets: &[u8],
        servers: &mut NameServers,
    ) -> InquiryProgress {
        let Some(attempt) = &mut self.attempt else {
            debug_assert!(false, "an answer without a question");
            return InquiryProgress::Wait;
        };
        let is_of = |from: SocketAddr, server: SocketAddr| {
            (from.ip(), from.port()) == (server.ip(), server.port())
        };
        let read = if from.is_none_or(|from| is_of(from, attempt.server)) {
            attempt.query.read(octets, attempt.way)
        } else {
            Err(Mismatch::Foreign)
        };
        let (server, way, options) = (attempt.server, attempt.way, attempt.options);
        let by_stream = Next {
            server,
            way: Way::Stream,
            options,
        };
        let reply = match (read, way) {
            (Ok(reply), _) => reply,
            // Who can forge this cannot forge a connection.
            (Err(Mismatch::Case), Way::Datagram) => return self.again(by_stream),
            (Err(Mismatch::Foreign), Way::Datagram) => {
                attempt.foreign += 1;
                if attempt.foreign < FOREIGN_MAX {
                    return InquiryProgress::Wait;
                }
                return self.again(by_stream);
            }
            (Err(_), Way::Stream) => DnsReply::Failed(NameError::BadAnswer),
        };
        servers.note_answer(server);
        match reply {
            DnsReply::Truncated => self.again(by_stream),
            DnsReply::WithoutEdns if options.has_edns => self.again(Next {
                server,
                way,
                options: QueryOptions::default(),
            }),
            DnsReply::WithoutEdns => self.fail(NameError::ServerFailure),
            DnsReply::Failed(why) => self.fail(why),
            DnsReply::Alias(alias) => self.follow(alias),
            DnsReply::Found(finding) => InquiryProgress::Settled(self.find(finding)),
            DnsReply::NoData(ttl) => InquiryProgress::Settled(InquiryOutcome::NoData(ttl)),
            DnsReply::NoSuchName(ttl) => InquiryProgress::Settled(InquiryOutcome::NoSuchName(ttl)),
        }
    }

    fn again(&mut self, next: Next) -> InquiryProgress {
        self.attempt = None;
        self.next = Some(next);
        InquiryProgress::Again
    }

    /// Notes that the server of the present attempt has no answer.
    fn fail(&mut self, why: NameError) -> InquiryProgress {
        // Words say more than silence.
        let is_silence = |why| matches!(why, NameError::Timeout | NameError::Unreachable);
        if is_silence(self.failure) || !is_silence(why) {
            self.failure = why;
        }
        if let Some(attempt) = self.attempt.take() {
            log::debug!(
                "dns name={} server={} failed={why:?}",
                self.name,
                attempt.server
            );
        }
        InquiryProgress::Again
    }

    /// Notes that the present attempt came to nothing, as a timeout or an error of the socket.
    pub(super) fn silence(&mut self, why: NameError, servers: &mut NameServers, now: Instant) {
        if let Some(attempt) = &self.attempt {
            servers.note_silence(attempt.server, now);
        }
        self.fail(why);
    }

    /// Goes on with what the name stands for.
    fn follow(&mut self, alias: DnsAlias) -> InquiryProgress {
        self.aliases = self.aliases.saturating_add(alias.aliases);
        self.attempt = None;
        if self.aliases > ALIASES_MAX {
            return InquiryProgress::Settled(InquiryOutcome::Failed(NameError::BadAnswer));
        }
        self.name = alias.target;
        self.ttl = self.ttl.min(alias.ttl);
        self.is_authenticated &= alias.is_authenticated;
        self.asked = AskedServers::default();
        self.round = 0;
        InquiryProgress::Again
    }

    /// What was found at the end of the aliases of all answers.
    fn find(&self, finding: DnsFinding) -> InquiryOutcome {
        if self.aliases.saturating_add(finding.aliases) > ALIASES_MAX {
            return InquiryOutcome::Failed(NameError::BadAnswer);
        }
        let mut found = finding.found;
        found.is_authenticated &= self.is_authenticated;
        if self.aliases > 0 && found.canonical.is_none() {
            found.canonical = Some(self.name.text());
        }
        InquiryOutcome::Found(found, self.ttl.min(finding.ttl))
    }
}
