//! Answers to requests of a stream's servers, which are JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::json::JsonValue;
use crate::store::stream::StreamMessage;
use crate::store::stream::server_time::milliseconds_of;

/// No message there (`JSNoMessageFoundErr`).
const NO_MESSAGE: f64 = 10_037.0;

/// The answer to a request.
#[derive(Debug)]
pub(super) enum ApiAnswer {
    /// It was done.
    Done(JsonValue),
    /// There is no such message.
    NoMessage,
    /// It was not done now, but may be later: nobody is there who answers, or who leads.
    Unavailable,
    /// It was refused, for this reason.
    Refused(String),
}

/// A message as the stream has it.
#[derive(Debug)]
pub(super) struct StoredMessage {
    pub(super) subject: String,
    pub(super) sequence: u64,
    /// Its headers, as they are on the wire.
    headers: Vec<u8>,
    pub(super) payload: Vec<u8>,
    /// When it was stored, in milliseconds of the epoch.
    pub(super) stored_ms: u64,
}

impl ApiAnswer {
    /// Reads an answer.
    pub(super) fn read(message: &StreamMessage) -> Self {
        if message.status.is_some() {
            return Self::Unavailable;
        }
        let Ok(value) = JsonValue::parse(&message.payload) else {
            return Self::Refused("the answer is no JSON".to_owned());
        };
        let Some(error) = value.get("error") else {
            return Self::Done(value);
        };
        let number = |name| match error.get(name) {
            Some(JsonValue::Number(number)) => *number,
            _ => 0.0,
        };
        let text = error.get("description").and_then(JsonValue::as_text);
        match (number("code"), number("err_code")) {
            (_, NO_MESSAGE) => Self::NoMessage,
            // A full stream is answered with 503 as well, and has room later.
            (503.0, _) => Self::Unavailable,
            (code, _) => Self::Refused(text.map_or(format!("error {code}"), str::to_owned)),
        }
    }
}

impl StoredMessage {
    /// Reads a message out of the answer that holds it.
    pub(super) fn read(answer: &JsonValue) -> Option<Self> {
        let message = answer.get("message")?;
        let text = |name| message.get(name).and_then(JsonValue::as_text);
        // A member that would be empty is left out.
        let octets = |name| STANDARD.decode(text(name).unwrap_or_default()).ok();
        Some(Self {
            subject: text("subject")?.to_owned(),
            sequence: whole(message.get("seq")?)?,
            headers: octets("hdrs")?,
            payload: octets("data")?,
            stored_ms: milliseconds_of(text("time")?)?,
        })
    }

    /// The value of its first header field of this name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = str::from_utf8(&self.headers).ok()?.split("\r\n");
        lines.find_map(|line| {
            let (known, value) = line.split_once(':')?;
            (known == name).then(|| value.trim_matches(' '))
        })
    }
}

/// Sequences and times are below this, and what is not is none.
const WHOLE_END: u64 = 9_000_000_000_000_000;

/// The whole number that a value is, if it is one.
pub(super) fn whole(value: &JsonValue) -> Option<u64> {
    value.as_whole().filter(|number| *number < WHOLE_END)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn answer(payload: &str) -> ApiAnswer {
        ApiAnswer::read(&StreamMessage {
            payload: payload.as_bytes().into(),
            ..StreamMessage::default()
        })
    }

    #[test]
    fn a_stored_message_is_read() {
        let answer = answer(
            r#"{"type":"io.nats.jetstream.api.v1.stream_msg_get_response","message":{"subject":"mail.part.Q1","seq":7,
            "hdrs":"TkFUUy8xLjANCk1haWxvb3AtUGFydDogMw0KDQo=","data":"YWJj","time":"2026-11-30T13:00:00.5Z"}}"#,
        );
        let value = match answer {
            ApiAnswer::Done(value) => Some(value),
            _ => None,
        }
        .unwrap();
        let message = StoredMessage::read(&value).unwrap();
        assert_eq!((&*message.subject, message.sequence), ("mail.part.Q1", 7));
        assert_eq!(message.header("Mailoop-Part"), Some("3"));
        assert_eq!(message.header("Mailoop"), None);
        assert_eq!(message.payload, b"abc");
        assert_eq!(message.stored_ms, 1_796_043_600_500);
    }

    #[test]
    fn errors_are_told_apart() {
        let error = |code, err_code| {
            answer(&format!(
                r#"{{"error":{{"code":{code},"err_code":{err_code},"description":"why"}}}}"#
            ))
        };
        assert!(matches!(error(404, 10037), ApiAnswer::NoMessage));
        assert!(matches!(error(503, 10077), ApiAnswer::Unavailable));
        assert!(matches!(error(400, 10012), ApiAnswer::Refused(why) if why == "why"));
        assert!(matches!(answer("+"), ApiAnswer::Refused(_)));
        let nobody = StreamMessage {
            status: Some(503),
            ..StreamMessage::default()
        };
        assert!(matches!(ApiAnswer::read(&nobody), ApiAnswer::Unavailable));
    }
}
