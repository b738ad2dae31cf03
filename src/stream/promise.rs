//! What a stream has to promise before its word counts: checks of its configuration, and of what its servers say.
//!
//! Each refusal is one sentence that says what to set.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::info::count;
use super::monitor::MonitorFacts;
use super::report::{StreamReplica, StreamReport};
use crate::json::JsonValue;
use crate::store::stream::SUBJECT_PREFIX;

/// The fewest replicas: a majority of them outlives the loss of one.
const REPLICAS_MIN: usize = 3;
/// The fewest octets that a message may have: a part of a text, and its envelope.
pub const MESSAGE_BYTES_MIN: usize = (64 + 4) * 1024;
/// The shortest time for which a stream has to know the ids of messages, so that one that is published again is not there twice.
const DUPLICATE_WINDOW_MIN: Duration = Duration::from_secs(60);
/// Time for which the word of a server counts that cannot be asked again: a lost answer or two cost no mail, and one that was started
/// anew without its setting is found out.
pub const WORD_AGE_MAX: Duration = Duration::from_secs(60);
/// The time in place of it where the leader has not heard of the server lately, which acknowledges nothing meanwhile. One that was killed
/// is known to be silent only after an election and some more, and the stream is not lost with it.
pub const LATE_WORD_AGE_MAX: Duration = Duration::from_secs(90);

/// The last words of servers, by their names, and when they said so.
pub type ServerWords = BTreeMap<Box<str>, (Instant, MonitorFacts)>;

/// Checks the configuration of a stream.
///
/// # Errors
/// A sentence that says what to set.
pub fn check_stream(report: &StreamReport) -> Result<(), String> {
    let config = &report.config;
    let number = |name| config.get(name).map_or(0, count);
    let text = |name| {
        config
            .get(name)
            .and_then(JsonValue::as_text)
            .unwrap_or_default()
    };
    let is_set = |name| config.get(name) == Some(&JsonValue::Bool(true));
    let window = Duration::from_nanos(number("duplicate_window") as u64);
    let message_bytes = number("max_msg_size");
    let is_copy = ["mirror", "sources"].iter().any(|name| {
        let value = config.get(name);
        value.is_some_and(|value| !matches!(value, JsonValue::Null))
    });
    let refusal = if number("num_replicas") < REPLICAS_MIN {
        let replicas = number("num_replicas");
        format!("it has {replicas} replicas: set num_replicas to {REPLICAS_MIN} or more")
    } else if text("storage") != "file" {
        "it is not on disk: its storage has to be file".to_owned()
    } else if !["workqueue", "limits"].contains(&text("retention")) {
        "its retention has to be workqueue".to_owned()
    } else if text("discard") != "new" {
        "it drops old messages where it is full: set discard to new".to_owned()
    } else if number("max_age") > 0 {
        "it drops messages by their age: set max_age to 0".to_owned()
    } else if number("max_msgs_per_subject") > 0 {
        "it drops messages by their subject: set max_msgs_per_subject to -1".to_owned()
    } else if is_set("no_ack") {
        "it acknowledges nothing: set no_ack to false".to_owned()
    } else if is_set("sealed") {
        "it is sealed, and takes no messages".to_owned()
    } else if is_copy {
        "it is a copy of others: it can have neither a mirror nor sources".to_owned()
    } else if is_set("deny_delete") || is_set("deny_purge") {
        "nothing can be taken out of it: set deny_delete and deny_purge to false".to_owned()
    } else if text("persist_mode") == "async" {
        "it acknowledges what is not written: set persist_mode to default".to_owned()
    } else if window < DUPLICATE_WINDOW_MIN {
        let seconds = DUPLICATE_WINDOW_MIN.as_secs();
        format!("its duplicate_window has to be {seconds} s or longer")
    } else if !covers_mail(config) {
        format!("its subjects have to be {SUBJECT_PREFIX}.>")
    } else if (1..MESSAGE_BYTES_MIN).contains(&message_bytes) {
        format!("its max_msg_size has to be {MESSAGE_BYTES_MIN} or more, or -1")
    } else {
        return Ok(());
    };
    Err(refusal)
}

/// Checks the configuration of a stream that mail is taken out of.
///
/// # Errors
/// A sentence that says what to set.
pub fn check_delivered_stream(report: &StreamReport) -> Result<(), String> {
    let retention = report.config.get("retention");
    match retention.and_then(JsonValue::as_text) {
        Some("workqueue") if covers_mail(&report.config) => Ok(()),
        Some("workqueue") => Err(format!("its subjects have to be {SUBJECT_PREFIX}.>")),
        // A consumer that is made anew would hand all of it out again.
        _ => Err(
            "what is delivered would stay in it: create it with retention set to workqueue"
                .to_owned(),
        ),
    }
}

/// Whether one of the subjects of a stream has all those of mail.
fn covers_mail(config: &JsonValue) -> bool {
    let subjects = config.get("subjects").and_then(JsonValue::as_texts);
    let mut subjects = subjects.unwrap_or_default().into_iter();
    subjects.any(|subject| match subject.split_once('.') {
        Some((first, rest)) => rest == ">" && (first == SUBJECT_PREFIX || first == "*"),
        None => subject == ">",
    })
}

/// Checks that messages of the size of a part come through a server.
///
/// # Errors
/// A sentence that says what to set.
pub fn check_payload(server: &str, payload_bytes_max: usize) -> Result<(), String> {
    match payload_bytes_max < MESSAGE_BYTES_MIN {
        true => Err(format!(
            "the server {server} takes no messages of {MESSAGE_BYTES_MIN} octets: set its max_payload to more"
        )),
        false => Ok(()),
    }
}

/// The servers that can acknowledge, and of which it is not known whether they sync always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncVerdict {
    /// All have said so.
    Kept,
    /// These have not said anything, or not for long.
    Unknown(Vec<Box<str>>),
    /// One has said that it does not, or something as bad. The text is a sentence.
    Broken(String),
}

/// Checks that all replicas that can acknowledge have said that they sync always.
#[must_use]
pub fn check_sync(replicas: &[StreamReplica], words: &ServerWords, now: Instant) -> SyncVerdict {
    let mut unknown = Vec::new();
    for replica in replicas.iter().filter(|replica| replica.may_acknowledge()) {
        let age_max = match replica.is_late {
            true => LATE_WORD_AGE_MAX,
            false => WORD_AGE_MAX,
        };
        let word = words.get(&replica.name);
        let word = word.filter(|(at, _)| now.saturating_duration_since(*at) < age_max);
        let Some((_, facts)) = word else {
            unknown.push(replica.name.clone());
            continue;
        };
        let name = &replica.name;
        if !facts.syncs_always {
            return SyncVerdict::Broken(format!(
                "the server {name} does not sync always: set sync_interval to always in its jetstream block"
            ));
        }
        if let Err(refusal) = check_payload(name, facts.payload_bytes_max) {
            return SyncVerdict::Broken(refusal);
        }
    }
    match unknown.is_empty() {
        true => SyncVerdict::Kept,
        false => SyncVerdict::Unknown(unknown),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
