//! `mailoop expect`: waits for a message in the inbox of tests, and prints what is wanted of it.
//!
//! The server tells when something has changed, so nothing is asked in between: a message is seen in the moment in which it is there.

mod fetch;
mod wanted;

use core::fmt::Write;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::exit::{ExitCode, Failed, show};
use crate::json::JsonValue;
pub use fetch::PagesServer;
use fetch::fetch;
pub use wanted::WantedMail;
use wanted::{MailMatch, told};

/// The longest that the server is asked to wait at once; after that it is asked again.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// The most messages that are looked at in one list: as many as the server tells of.
const MESSAGES_MAX: usize = 1000;
/// The most messages and sessions that a failure tells of.
const TOLD_MAX: usize = 10;
const TRANSCRIPTS_MAX: usize = 3;

/// What is expected, and where.
#[derive(Debug)]
pub struct ExpectedMail {
    /// The server's pages and REST.
    pub server: PagesServer,
    /// The message.
    pub wanted: WantedMail,
    /// How many of them, exactly; without it one or more.
    pub count: Option<usize>,
    /// The time in which they are to come.
    pub within: Duration,
}

/// Waits until what is expected is there, and prints what was extracted, a line for each message, the oldest first.
///
/// # Errors
/// It did not come, or too much of it; there is no server.
pub fn run(expectation: &ExpectedMail) -> Result<(), Failed> {
    let deadline = Instant::now() + expectation.within;
    let mut inbox = RemoteInbox {
        server: &expectation.server,
        looked_at: HashMap::new(),
        lacking: 0,
    };
    loop {
        let revision = inbox.revision(None, Duration::ZERO)?;
        let found = inbox.look(&expectation.wanted)?;
        let left = deadline.saturating_duration_since(Instant::now());
        let is_enough = match expectation.count {
            None => !found.is_empty(),
            // That none comes is known only in the end.
            Some(0) => found.is_empty() && left.is_zero(),
            Some(count) => found.len() == count,
        };
        if is_enough {
            let lines = found.iter().filter(|line| !line.is_empty());
            let lines: String = lines.map(|line| format!("{line}\n")).collect();
            return show(&lines);
        }
        let is_too_much = expectation.count.is_some_and(|count| found.len() > count);
        if left.is_zero() || is_too_much {
            return Err(inbox.failure(expectation, found.len()));
        }
        inbox.revision(Some(&revision), left.min(WAIT_MAX))?;
    }
}

/// The inbox of the server.
struct RemoteInbox<'a> {
    server: &'a PagesServer,
    /// What each message is, by its id, and the line that tells of it.
    looked_at: HashMap<String, (MailMatch, String)>,
    /// The messages of the last look that are wanted but for what is to be extracted.
    lacking: usize,
}

impl RemoteInbox<'_> {
    /// The revision of the inbox; after another one than `since`, or that time.
    fn revision(&self, since: Option<&str>, wait: Duration) -> Result<String, Failed> {
        let path = match since {
            Some(since) => {
                // Whole seconds, of which the last one is not to be missed.
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                format!("/api/v1/changes?since={since}&wait={seconds}")
            }
            None => "/api/v1/changes".to_owned(),
        };
        let changes = self.json(&path, wait)?;
        match changes.get("revision").and_then(JsonValue::as_text) {
            Some(revision) => Ok(revision.to_owned()),
            None => Err(self.strange(&path)),
        }
    }

    /// What was extracted of each message that is wanted, the oldest first.
    fn look(&mut self, wanted: &WantedMail) -> Result<Vec<String>, Failed> {
        let mut found = Vec::new();
        self.lacking = 0;
        for id in self.ids()? {
            if !self.looked_at.contains_key(&id) {
                let path = format!("/api/v1/message/{id}");
                // It may be gone by now.
                let Some(message) = self.json_if_there(&path)? else {
                    continue;
                };
                let looked = (wanted.compare(&message), told(&message));
                self.looked_at.insert(id.clone(), looked);
            }
            match self.looked_at.get(&id) {
                Some((MailMatch::Wanted(extracted), _)) => found.push(extracted.clone()),
                Some((MailMatch::Lacking, _)) => self.lacking += 1,
                _ => {}
            }
        }
        found.reverse();
        Ok(found)
    }

    /// The ids of the messages, the newest first.
    fn ids(&self) -> Result<Vec<String>, Failed> {
        let messages = self.messages(MESSAGES_MAX)?;
        let ids = messages
            .iter()
            .filter_map(|message| message.get("ID")?.as_text());
        Ok(ids.map(str::to_owned).collect())
    }

    fn messages(&self, limit: usize) -> Result<Vec<JsonValue>, Failed> {
        let path = format!("/api/v1/messages?limit={limit}");
        let list = self.json(&path, Duration::ZERO)?;
        match list.get("messages").and_then(JsonValue::as_array) {
            Some(messages) => Ok(messages.to_vec()),
            None => Err(self.strange(&path)),
        }
    }

    fn json(&self, path: &str, wait: Duration) -> Result<JsonValue, Failed> {
        let fetched = fetch(self.server, path, wait)?;
        let json = JsonValue::parse(&fetched.body);
        match json {
            Ok(json) if fetched.status == 200 => Ok(json),
            _ => Err(self.strange(path)),
        }
    }

    fn json_if_there(&self, path: &str) -> Result<Option<JsonValue>, Failed> {
        let fetched = fetch(self.server, path, Duration::ZERO)?;
        Ok(JsonValue::parse(&fetched.body)
            .ok()
            .filter(|_| fetched.status == 200))
    }

    fn strange(&self, path: &str) -> Failed {
        let server = &self.server.address;
        Failed::new(
            ExitCode::Unavailable,
            format_args!(
                "{server} keeps no inbox: {path} does not tell of one; does mailoop catch run there?"
            ),
        )
    }

    /// What came instead, with the last transcripts, as far as the server still tells.
    fn failure(&self, expectation: &ExpectedMail, found: usize) -> Failed {
        let seconds = expectation.within.as_secs();
        let wanted = match expectation.count {
            Some(count) => format!("exactly {count}"),
            None => "a message".to_owned(),
        };
        let mut failure = format!("{wanted} expected within {seconds} s");
        // Writing to a text cannot fail.
        if found > 0 || self.lacking == 0 {
            let _ = write!(failure, ", {found} came");
        }
        if let Some(extract) = &expectation.wanted.extract
            && self.lacking > 0
        {
            let (who, it) = match self.lacking {
                1 => ("a message".to_owned(), "it"),
                count => (format!("{count} messages"), "them"),
            };
            let _ = write!(
                failure,
                "; {who} came, --extract {extract} found nothing in {it}"
            );
        }
        let messages = self.messages(TOLD_MAX).unwrap_or_default();
        if messages.is_empty() {
            failure += "; the inbox is empty";
        }
        for message in &messages {
            let id = message.get("ID").and_then(JsonValue::as_text);
            let line = id.and_then(|id| self.looked_at.get(id));
            // One that came after the last look is told by what the list has of it.
            let line = line.map_or_else(|| told(message), |(_, line)| line.clone());
            let _ = write!(failure, "\n  {line}");
        }
        for path in self.transcripts(&messages) {
            let fetched = fetch(self.server, &path, Duration::ZERO);
            if let Some(fetched) = fetched.ok().filter(|fetched| fetched.status == 200) {
                let text = String::from_utf8_lossy(&fetched.body);
                let _ = write!(failure, "\n{path}\n{}", text.trim_end());
            }
        }
        Failed::new(ExitCode::Different, failure)
    }

    /// Where the transcripts are of the last sessions: of those that stored nothing, and of the newest message.
    fn transcripts(&self, messages: &[JsonValue]) -> Vec<String> {
        let sessions = self.json_if_there("/api/v1/sessions").ok().flatten();
        let sessions = sessions
            .as_ref()
            .and_then(|it| it.get("sessions")?.as_array());
        let failed = sessions.into_iter().flatten().filter_map(|session| {
            let JsonValue::Number(conn) = session.get("conn")? else {
                return None;
            };
            Some(format!("/api/v1/session/{conn}/transcript"))
        });
        let newest = messages.first().and_then(|it| it.get("ID")?.as_text());
        let newest = newest.map(|id| format!("/api/v1/message/{id}/transcript"));
        failed.take(TRANSCRIPTS_MAX).chain(newest).collect()
    }
}
