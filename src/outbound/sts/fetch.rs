//! The driver that fetches a policy: one request by HTTPS, and its response (RFC 8461 §3.3). No redirect is followed.

use std::io::ErrorKind;
use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::error::PolicyFetchError;
use super::policy::POLICY_BYTES_MAX;
use super::policy_host;
use crate::net::driver::{Close, ConnectionFailure, Driver, Step, Turn};
use crate::net::failure::TlsFailure;
use crate::net::link::{StartTls, TlsFacts};
use crate::outbound::dns::host_name::HostName;
use crate::outbound::response::WantedResponse;

/// The path of a policy (RFC 8461 §3.2).
const PATH: &str = "/.well-known/mta-sts.txt";
/// Time for the handshake of TLS. After that another address may do better.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);

/// The text of a policy, or why there is none.
pub(super) type FetchOutcome = Result<Vec<u8>, PolicyFetchError>;

/// What came of connections, each by its domain.
#[derive(Debug, Default)]
pub struct FetchOutcomes {
    outcomes: Vec<(HostName, FetchOutcome)>,
}

impl FetchOutcomes {
    /// The outcomes since the last call.
    pub(super) fn take(&mut self) -> Vec<(HostName, FetchOutcome)> {
        mem::take(&mut self.outcomes)
    }
}

/// One request over one connection, which is under TLS from its first octet.
#[derive(Debug)]
pub struct PolicyFetch {
    domain: HostName,
    tls: Rc<dyn StartTls>,
    until: Instant,
    response: WantedResponse,
}

type PolicyTurn<'a> = Turn<'a, FetchOutcomes>;

impl PolicyFetch {
    /// The driver of a connection to the policy host of this domain, whose time is over then.
    pub(super) fn new(domain: HostName, tls: Rc<dyn StartTls>, until: Instant) -> Self {
        Self {
            domain,
            tls,
            until,
            response: WantedResponse::new("text/plain", POLICY_BYTES_MAX),
        }
    }

    fn end(&self, outcome: FetchOutcome, turn: &mut PolicyTurn<'_>) -> Step<Self> {
        self.tell(outcome, turn);
        Step::Close(Close::now(()))
    }

    fn tell(&self, outcome: FetchOutcome, turn: &mut PolicyTurn<'_>) {
        turn.shared.outcomes.push((self.domain.clone(), outcome));
    }
}

impl Driver for PolicyFetch {
    type Shared = FetchOutcomes;
    type Ticket = ();
    type Completion = ();
    type Reason = ();

    fn opened(&mut self, turn: &mut PolicyTurn<'_>) -> Step<Self> {
        let left = self.until.saturating_duration_since(turn.now);
        Step::StartTls(Rc::clone(&self.tls), left.min(HANDSHAKE_TIMEOUT))
    }

    fn secured(&mut self, _: &TlsFacts, turn: &mut PolicyTurn<'_>) -> Step<Self> {
        let host = policy_host(&self.domain);
        let request = format!(
            "GET {PATH} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: mailoop\r\nAccept: text/plain\r\nConnection: close\r\n\r\n"
        );
        turn.output.extend_from_slice(request.as_bytes());
        Step::Continue
    }

    fn input(&mut self, input: &mut &[u8], turn: &mut PolicyTurn<'_>) -> Step<Self> {
        match self.response.receive(mem::take(input)) {
            Ok(false) => Step::Continue,
            Ok(true) => {
                let outcome = self.response.end().map_err(Into::into);
                self.end(outcome, turn)
            }
            Err(fault) => self.end(Err(fault.into()), turn),
        }
    }

    fn eof(&mut self, turn: &mut PolicyTurn<'_>) -> Step<Self> {
        let outcome = self.response.end().map_err(Into::into);
        self.end(outcome, turn)
    }

    fn deadline(&self, _: &FetchOutcomes) -> Option<Instant> {
        Some(self.until)
    }

    fn expired(&mut self, turn: &mut PolicyTurn<'_>) -> Option<Step<Self>> {
        self.tell(Err(PolicyFetchError::Timeout), turn);
        Some(Step::Close(Close::abort(())))
    }

    fn failed(&mut self, failure: ConnectionFailure, turn: &mut PolicyTurn<'_>) {
        let error = match failure {
            ConnectionFailure::Dial(_) => PolicyFetchError::Unreachable,
            ConnectionFailure::HandshakeTimeout => {
                PolicyFetchError::Tls("the handshake took too long".to_owned())
            }
            ConnectionFailure::Handshake(error) if error.kind() == ErrorKind::UnexpectedEof => {
                PolicyFetchError::Tls("it hung up".to_owned())
            }
            ConnectionFailure::Handshake(error) => {
                PolicyFetchError::Tls(TlsFailure::account_of_handshake(&error))
            }
            ConnectionFailure::Socket(_) => PolicyFetchError::CutShort,
        };
        self.tell(Err(error), turn);
    }
}
