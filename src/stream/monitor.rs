//! The monitor of a server, which is asked by HTTP what that server promises (`GET /varz`).

use std::mem;
use std::time::Instant;

use super::connection::error_text;
use super::info::count;
use super::target::Node;
use crate::json::JsonValue;
use crate::net::driver::{Close, ConnectionFailure, Driver, Step, Turn};
use crate::outbound::response::WantedResponse;

/// The most octets of an answer.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitorFacts {
    /// Its name.
    pub server: Box<str>,
    /// Whether it syncs each message before it acknowledges it.
    pub syncs_always: bool,
    /// The most octets of a message.
    pub payload_bytes_max: usize,
}

/// What a monitor has said, or why it has not. The text is a clause.
pub type MonitorOutcome = Result<MonitorFacts, String>;

/// The number of a question to a monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MonitorQuestion(pub u64);

/// What came of questions to monitors.
#[derive(Debug, Default)]
pub struct MonitorDesk {
    outcomes: Vec<(MonitorQuestion, MonitorOutcome)>,
}

impl MonitorDesk {
    /// The outcomes since the last call.
    pub fn take(&mut self) -> Vec<(MonitorQuestion, MonitorOutcome)> {
        mem::take(&mut self.outcomes)
    }
}

impl MonitorFacts {
    /// Reads the answer of a monitor.
    ///
    /// # Errors
    /// A clause on what is wrong with it.
    pub fn parse(text: &[u8]) -> MonitorOutcome {
        let json = JsonValue::parse(text).map_err(|error| error.to_string())?;
        let server = json.get("server_name").and_then(JsonValue::as_text);
        let server = server.ok_or("the answer names no server")?;
        let config = json.get("jetstream").and_then(|it| it.get("config"));
        let sync = config.and_then(|config| config.get("sync_always"));
        Ok(Self {
            server: server.into(),
            syncs_always: sync == Some(&JsonValue::Bool(true)),
            payload_bytes_max: json.get("max_payload").map_or(0, count),
        })
    }
}

/// One question over one connection.
#[derive(Debug)]
pub struct MonitorFetch {
    question: MonitorQuestion,
    host: Box<str>,
    until: Instant,
    response: WantedResponse,
    is_told: bool,
}

type MonitorTurn<'a> = Turn<'a, MonitorDesk>;

impl MonitorFetch {
    /// The driver of a connection to the monitor `node`, whose time is over then.
    #[must_use]
    pub fn new(question: MonitorQuestion, node: &Node, until: Instant) -> Self {
        Self {
            question,
            host: node.to_string().into(),
            until,
            response: WantedResponse::new("application/json", ANSWER_BYTES_MAX),
            is_told: false,
        }
    }

    fn end(&mut self, turn: &mut MonitorTurn<'_>) -> Step<Self> {
        let text = self.response.end().map_err(|fault| fault.to_string());
        let outcome = text.and_then(|text| MonitorFacts::parse(&text));
        self.tell(outcome, turn);
        Step::Close(Close::now(()))
    }

    fn tell(&mut self, outcome: MonitorOutcome, turn: &mut MonitorTurn<'_>) {
        if !mem::replace(&mut self.is_told, true) {
            turn.shared.outcomes.push((self.question, outcome));
        }
    }
}

impl Driver for MonitorFetch {
    type Shared = MonitorDesk;
    type Ticket = ();
    type Completion = ();
    type Reason = ();

    fn opened(&mut self, turn: &mut MonitorTurn<'_>) -> Step<Self> {
        let request = format!(
            "GET /varz HTTP/1.1\r\nHost: {}\r\nUser-Agent: mailoop\r\nAccept: application/json\r\nConnection: close\r\n\r\n",
            self.host
        );
        turn.output.extend_from_slice(request.as_bytes());
        Step::Continue
    }

    fn input(&mut self, input: &mut &[u8], turn: &mut MonitorTurn<'_>) -> Step<Self> {
        match self.response.receive(mem::take(input)) {
            Ok(false) => Step::Continue,
            Ok(true) => self.end(turn),
            Err(fault) => {
                self.tell(Err(fault.to_string()), turn);
                Step::Close(Close::now(()))
            }
        }
    }

    fn eof(&mut self, turn: &mut MonitorTurn<'_>) -> Step<Self> {
        self.end(turn)
    }

    fn deadline(&self, _: &MonitorDesk) -> Option<Instant> {
        Some(self.until)
    }

    fn expired(&mut self, turn: &mut MonitorTurn<'_>) -> Option<Step<Self>> {
        self.tell(Err("it does not answer".to_owned()), turn);
        Some(Step::Close(Close::abort(())))
    }

    fn failed(&mut self, failure: ConnectionFailure, turn: &mut MonitorTurn<'_>) {
        self.tell(Err(error_text(&failure.into())), turn);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_of_an_answer_is_read() {
        let facts = |text: &str| MonitorFacts::parse(text.as_bytes()).unwrap();
        let synced = facts(
            r#"{"server_name":"n0","max_payload":1048576,"jetstream":{"config":{"sync_interval":120000000000,"sync_always":true}}}"#,
        );
        assert_eq!(
            (&*synced.server, synced.payload_bytes_max),
            ("n0", 1024 * 1024)
        );
        assert!(synced.syncs_always);
        for unsynced in [
            r#"{"server_name":"n0"}"#,
            r#"{"server_name":"n0","jetstream":{}}"#,
            r#"{"server_name":"n0","jetstream":{"config":{"sync_interval":120000000000}}}"#,
            r#"{"server_name":"n0","jetstream":{"config":{"sync_always":"true"}}}"#,
        ] {
            assert!(!facts(unsynced).syncs_always, "{unsynced}");
        }
        for none in ["", "[]", "{}", r#"{"server_name":7}"#] {
            MonitorFacts::parse(none.as_bytes()).unwrap_err();
        }
    }
}
