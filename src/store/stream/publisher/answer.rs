//! The answer of a stream to a record that was published.

use crate::json::JsonValue;
use crate::store::Failure;
use crate::store::stream::StreamMessage;

/// The status of an answer where nobody leads the stream, as during an election.
const NO_RESPONDERS: u16 = 503;
/// Codes of errors by which a stream says that something it needs is used up: of the account, of the servers, of memory, of their
/// disks, of the stream itself.
const FULL: [u64; 5] = [10002, 10023, 10028, 10047, 10077];
/// Codes of errors that pass: a record with this id is being stored, and more records wait than a server queues.
const PASSING: [u64; 2] = [10158, 10167];
/// The most characters of a description that are told.
const DESCRIPTION_MAX: usize = 200;

/// What became of a record.
#[derive(Clone, Debug)]
pub(super) enum PublishAnswer {
    /// Stored, under this sequence; maybe earlier.
    Acknowledged(u64),
    /// Not yet: it is to be said again.
    Again,
    /// Never.
    Failed(Failure),
    /// None of these: whoever waits for the answer goes on waiting.
    Unknown,
}

impl PublishAnswer {
    /// Reads the answer to a record for `stream`.
    pub(super) fn of(message: &StreamMessage, stream: &str) -> Self {
        match message.status {
            Some(NO_RESPONDERS) => return Self::Again,
            Some(status) => {
                let told = format!("the stream {stream} answers with the status {status}");
                return Self::Failed(Failure::Io(told.into()));
            }
            None => {}
        }
        let Ok(answer) = JsonValue::parse(&message.payload) else {
            return Self::Unknown;
        };
        if let Some(error) = answer.get("error") {
            return Self::of_error(error, stream);
        }
        let is_of_stream = answer.get("stream").and_then(JsonValue::as_text) == Some(stream);
        match number(&answer, "seq") {
            Some(sequence) if is_of_stream && sequence > 0 => Self::Acknowledged(sequence),
            _ => Self::Unknown,
        }
    }

    fn of_error(error: &JsonValue, stream: &str) -> Self {
        let (code, error_code) = (number(error, "code"), number(error, "err_code"));
        let description = error.get("description").and_then(JsonValue::as_text);
        let description: String = description
            .unwrap_or("an error without a description")
            .chars()
            .take(DESCRIPTION_MAX)
            .collect();
        let is_any_of = |codes: &[u64]| error_code.is_some_and(|code| codes.contains(&code));
        if is_any_of(&FULL) {
            let told = format!("the stream {stream}: {description}: give it more room");
            return Self::Failed(Failure::Full(told.into()));
        }
        if is_any_of(&PASSING) || code == Some(NO_RESPONDERS.into()) {
            return Self::Again;
        }
        let number = error_code.unwrap_or(0);
        let told = format!("the stream {stream} refuses it: {description} (error {number})");
        Self::Failed(Failure::Io(told.into()))
    }
}

/// A whole number that is not negative.
fn number(object: &JsonValue, name: &str) -> Option<u64> {
    object.get(name)?.as_whole()
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    fn answer(status: Option<u16>, payload: &str) -> PublishAnswer {
        let message = StreamMessage {
            status,
            payload: payload.as_bytes().into(),
            ..StreamMessage::default()
        };
        PublishAnswer::of(&message, "MAIL")
    }

    #[test]
    fn an_acknowledgement_is_one_of_the_stream_with_a_sequence() {
        for payload in [
            r#"{"stream":"MAIL","seq":7}"#,
            r#"{"stream":"MAIL","seq":7,"duplicate": true}"#,
            r#"{"type":"io.nats","stream":"MAIL","domain":"x","seq":7}"#,
        ] {
            let told = answer(None, payload);
            assert!(matches!(told, PublishAnswer::Acknowledged(7)), "{payload}");
        }
        for payload in [
            "",
            "+OK",
            "{}",
            r#"{"stream":"MAIL"}"#,
            r#"{"stream":"MAIL","seq":0}"#,
            r#"{"stream":"MAIL","seq":-7}"#,
            r#"{"stream":"MAIL","seq":"7"}"#,
            r#"{"stream":"OTHER","seq":7}"#,
            r#"{"seq":7}"#,
        ] {
            let told = answer(None, payload);
            assert!(matches!(told, PublishAnswer::Unknown), "{payload}");
        }
    }

    #[test]
    fn an_election_passes_and_so_does_a_record_that_is_being_stored() {
        assert!(matches!(answer(Some(503), ""), PublishAnswer::Again));
        for (code, error_code) in [(503, 10008), (503, 10074), (409, 10158), (429, 10167)] {
            let payload = format!(r#"{{"error":{{"code":{code},"err_code":{error_code}}}}}"#);
            assert!(matches!(answer(None, &payload), PublishAnswer::Again));
        }
    }

    #[test]
    fn a_full_stream_is_told_from_other_errors() {
        let full = r#"{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},"stream":"MAIL","seq":0}"#;
        let PublishAnswer::Failed(Failure::Full(told)) = answer(None, full) else {
            panic!("not full");
        };
        let expected = "the stream MAIL: maximum bytes exceeded: give it more room";
        assert_eq!(&*told, expected);
        let wrong = r#"{"error":{"code":400,"err_code":10060,"description":"expected stream does not match"}}"#;
        let PublishAnswer::Failed(Failure::Io(told)) = answer(None, wrong) else {
            panic!("no error");
        };
        let expected = "the stream MAIL refuses it: expected stream does not match (error 10060)";
        assert_eq!(&*told, expected);
        let status = answer(Some(400), "");
        assert!(matches!(status, PublishAnswer::Failed(Failure::Io(_))));
    }
}
