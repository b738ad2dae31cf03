//! The answer to the question for a stream (`$JS.API.STREAM.INFO`), as far as it matters.

use std::time::Duration;

use super::info::count;
use crate::json::JsonValue;
use crate::store::stream::server_time::milliseconds_of;

/// The code of the error that there is no such stream.
const NO_STREAM: usize = 10059;
/// The codes of errors that streams are not to be had at all: not for the account, and not enabled.
const NO_JETSTREAM: [usize; 2] = [10039, 10076];

/// The most replicas of a stream: many more than JetStream lets one have.
const REPLICAS_MAX: usize = 64;
/// Time after which a replica is silent: more than elections take.
const SILENCE_MIN: Duration = Duration::from_secs(10);
/// Time after which a replica is late, which a leader hears of every second.
const LATE_MIN: Duration = Duration::from_secs(3);

/// The answer to the question for a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamAnswer {
    /// The stream is there.
    Found(Box<StreamReport>),
    /// There is no such stream.
    NoStream,
    /// There are no streams at all.
    NoJetStream,
    /// Nobody can say now, for this reason.
    Later(String),
}

/// A stream as its servers describe it.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamReport {
    /// Its configuration.
    pub config: JsonValue,
    /// Whether a server leads it. One that is not replicated has no need of that.
    pub has_leader: bool,
    /// The servers that have it.
    pub replicas: Vec<StreamReplica>,
}

/// A server that has a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamReplica {
    /// Its name.
    pub name: Box<str>,
    /// Whether JetStream knows that it is not there, which takes minutes where it was killed.
    pub is_offline: bool,
    /// Whether it is behind the others, and the leader has not heard of it for a while.
    pub is_silent: bool,
    /// Whether the leader has not heard of it for longer than it should, or not yet: it may be silent soon.
    pub is_late: bool,
}

impl StreamReplica {
    /// Whether it may acknowledge messages now.
    #[must_use]
    pub fn may_acknowledge(&self) -> bool {
        !self.is_offline && !self.is_silent
    }
}

impl StreamAnswer {
    /// Reads an answer with this status of its headers.
    #[must_use]
    pub fn parse(status: Option<u16>, payload: &[u8]) -> Self {
        if let Some(status) = status {
            return Self::Later(match status {
                503 => {
                    "no server answers for the stream: JetStream is not enabled, or has no leader"
                        .to_owned()
                }
                _ => format!("a server answers with the status {status}"),
            });
        }
        let json = match JsonValue::parse(payload) {
            Ok(json) => json,
            Err(error) => return Self::Later(format!("a server's answer makes no sense: {error}")),
        };
        if let Some(error) = json.get("error") {
            return Self::of_error(error);
        }
        let Some(config @ JsonValue::Object(_)) = json.get("config") else {
            return Self::Later("a server's answer makes no sense".to_owned());
        };
        let replicas = replicas(&json);
        if replicas.len() > REPLICAS_MAX {
            return Self::Later("a server tells of too many replicas".to_owned());
        }
        Self::Found(Box::new(StreamReport {
            config: config.clone(),
            has_leader: json.get("cluster").is_none() || leader(&json).is_some(),
            replicas,
        }))
    }

    fn of_error(error: &JsonValue) -> Self {
        let code = error.get("err_code").map_or(0, count);
        let text = error.get("description").and_then(JsonValue::as_text);
        match code {
            NO_STREAM => Self::NoStream,
            _ if NO_JETSTREAM.contains(&code) => Self::NoJetStream,
            _ => {
                let text = text.unwrap_or("an error");
                Self::Later(format!("a server answers with {text:?} ({code})"))
            }
        }
    }
}

impl StreamReport {
    /// The most octets of a message, if that is bounded.
    #[must_use]
    pub fn message_bytes_max(&self) -> Option<usize> {
        let bytes = self.config.get("max_msg_size").map_or(0, count);
        (bytes > 0).then_some(bytes)
    }
}

fn leader(json: &JsonValue) -> Option<Box<str>> {
    let leader = json.get("cluster")?.get("leader")?.as_text()?;
    (!leader.is_empty()).then(|| leader.into())
}

/// All replicas: the leader does not stand among the others.
fn replicas(json: &JsonValue) -> Vec<StreamReplica> {
    let others = json
        .get("cluster")
        .and_then(|cluster| cluster.get("replicas"));
    let others = others.and_then(JsonValue::as_array).unwrap_or_default();
    let leads_for = leads_for(json).unwrap_or_default();
    let others = others.iter().map(|replica| replica_of(replica, leads_for));
    let leader = leader(json).map(|name| StreamReplica {
        name,
        is_offline: false,
        is_silent: false,
        is_late: false,
    });
    let mut replicas: Vec<StreamReplica> = leader.into_iter().chain(others).collect();
    replicas.sort_by(|one, other| one.name.cmp(&other.name));
    replicas
}

/// Reads a replica of which a leader tells that leads for so long.
fn replica_of(replica: &JsonValue, leads_for: Duration) -> StreamReplica {
    let is = |name, value| replica.get(name) == Some(&JsonValue::Bool(value));
    let name = replica.get("name").and_then(JsonValue::as_text);
    let unheard = replica.get("active").map_or(0, count) as u64;
    let is_behind = is("current", false);
    let silence = match unheard {
        // It was not heard of since there is this leader.
        0 if is_behind => leads_for,
        _ => Duration::from_nanos(unheard),
    };
    StreamReplica {
        name: name.unwrap_or_default().into(),
        is_offline: is("offline", true),
        is_silent: is_behind && silence >= SILENCE_MIN,
        is_late: silence >= LATE_MIN || is_behind && unheard == 0,
    }
}

/// The time for which the leader leads, by its own clock.
fn leads_for(json: &JsonValue) -> Option<Duration> {
    let time = |value: &JsonValue| milliseconds_of(value.as_text()?);
    let since = json.get("cluster")?.get("leader_since").and_then(time)?;
    let now = json.get("ts").and_then(time)?;
    Some(Duration::from_millis(now.saturating_sub(since)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_is_there_has_a_leader_and_replicas() {
        let text = br#"{"type":"io.nats.jetstream.api.v1.stream_info_response","config":{"name":"MAIL","num_replicas":3},
            "cluster":{"name":"c","leader":"n2","replicas":[{"name":"n1","current":true,"peer":"x"},
            {"name":"n0","current":false,"offline":true},
            {"name":"n3","current":false,"active":10000000000},{"name":"n4","current":false,"active":9999999999},
            {"name":"n5","current":true,"active":10000000000}]}}"#;
        let StreamAnswer::Found(report) = StreamAnswer::parse(None, text) else {
            panic!("it is there");
        };
        assert!(report.has_leader);
        let mut names = report.replicas.iter().map(|replica| &*replica.name);
        assert!(names.by_ref().eq(["n0", "n1", "n2", "n3", "n4", "n5"]));
        let able = report.replicas.iter().filter(|it| it.may_acknowledge());
        let able: Vec<&str> = able.map(|replica| &*replica.name).collect();
        assert_eq!(able, ["n1", "n2", "n4", "n5"]);
        assert_eq!(
            report.config.get("num_replicas"),
            Some(&JsonValue::Number(3.0))
        );
    }

    #[test]
    fn a_replica_that_no_leader_has_heard_of_is_silent_once_it_leads_for_a_while() {
        for (since, now, active, is_current, expected) in [
            ("14:15:53.5Z", "14:16:03.5Z", 0, false, (true, true)),
            ("14:15:53.5Z", "14:16:03.499Z", 0, false, (false, true)),
            ("14:15:53.5Z", "14:16:03.5Z", 1, false, (false, false)),
            ("14:15:53.5Z", "14:16:03.5Z", 0, true, (false, false)),
            ("14:15:53.5Z", "14:15:03.5Z", 0, false, (false, true)),
            ("never", "14:16:03.5Z", 0, false, (false, true)),
            (
                "14:15:53.5Z",
                "14:16:03.5Z",
                3_000_000_000_u64,
                true,
                (false, true),
            ),
        ] {
            let text = format!(
                r#"{{"config":{{}},"cluster":{{"leader":"n0","leader_since":"2026-11-30T{since}",
                "replicas":[{{"name":"n1","current":{is_current},"active":{active}}}]}},"ts":"2026-11-30T{now}"}}"#
            );
            let StreamAnswer::Found(report) = StreamAnswer::parse(None, text.as_bytes()) else {
                panic!("it is there");
            };
            let replica = &report.replicas[1];
            assert_eq!((replica.is_silent, replica.is_late), expected, "{text}");
        }
    }

    #[test]
    fn a_stream_without_a_leader_has_none() {
        for (cluster, has_leader) in [
            ("", true),
            (",\"cluster\":{}", false),
            (",\"cluster\":{\"leader\":\"\",\"replicas\":null}", false),
        ] {
            let text = format!("{{\"config\":{{}}{cluster}}}");
            let StreamAnswer::Found(report) = StreamAnswer::parse(None, text.as_bytes()) else {
                panic!("it is there");
            };
            assert_eq!((report.has_leader, report.replicas.len()), (has_leader, 0));
        }
    }

    #[test]
    fn more_replicas_than_there_can_be_are_none() {
        for (others, is_found) in [(63, true), (64, false), (60_000, false)] {
            let others = vec!["{}"; others].join(",");
            let text =
                format!(r#"{{"config":{{}},"cluster":{{"leader":"n0","replicas":[{others}]}}}}"#);
            let answer = StreamAnswer::parse(None, text.as_bytes());
            assert_eq!(matches!(answer, StreamAnswer::Found(_)), is_found);
        }
    }

    #[test]
    fn errors_are_told_apart() {
        let error =
            |code| format!(r#"{{"error":{{"code":503,"err_code":{code},"description":"no"}}}}"#);
        let parse = |text: &str| StreamAnswer::parse(None, text.as_bytes());
        assert_eq!(parse(&error(10059)), StreamAnswer::NoStream);
        assert_eq!(parse(&error(10039)), StreamAnswer::NoJetStream);
        assert_eq!(parse(&error(10076)), StreamAnswer::NoJetStream);
        for later in [&*error(10008), "", "[]", "{}", "{\"config\":1}"] {
            assert!(matches!(parse(later), StreamAnswer::Later(_)), "{later}");
        }
        let nobody = StreamAnswer::parse(Some(503), b"");
        assert!(matches!(nobody, StreamAnswer::Later(_)));
    }
}
