//! The lines of answers about the queue. Values are encoded, so that none holds a blank, whoever wrote it.

use core::fmt;

use super::report::{number, value};
use crate::smtp::visible::is_visible;

const MAIL: &str = "mail";
const RECIPIENT: &str = "recipient";
const HEADER: &str = "header";
const SITE: &str = "site";
const CHANGED: &str = "changed";
/// The line that tells that the spool is still being read, so that there is mail which is not known yet.
pub const SCANNING_LINE: &str = "scanning";

/// The line about a mail in a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailReport {
    /// Its queue id.
    pub id: String,
    /// Octets of its text.
    pub size: u64,
    /// When it came, in seconds of the epoch.
    pub queued: u64,
    /// Its sender without brackets, empty for the null sender; `None` where its envelope cannot be read.
    pub sender: Option<String>,
    /// Why a mail filter wanted it held, where one did.
    pub quarantine: Option<String>,
    /// Other facts, for a person: a name and a value each.
    pub facts: Vec<(String, String)>,
}

/// The line about a recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecipientReport {
    /// The address; `None` where the envelope cannot be read.
    pub address: Option<String>,
    /// The state.
    pub state: String,
    /// Tries so far.
    pub tries: u16,
    /// The time of the next try, in seconds of the epoch; `None` where that depends on something else.
    pub next: Option<u64>,
    /// The last reply; empty before the first.
    pub reply: String,
    /// Other facts, for a person: a name and a value each.
    pub facts: Vec<(String, String)>,
}

/// The line about a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteReport {
    /// The name.
    pub name: String,
    /// The state.
    pub state: String,
    /// The time until which no connection is tried, in seconds of the epoch, while it is down.
    pub until: Option<u64>,
    /// Jobs that wait for their time.
    pub waiting: u32,
    /// Jobs that wait for a connection.
    pub ready: u32,
    /// Jobs that are being sent.
    pub active: u32,
    /// Jobs that are held.
    pub held: u32,
    /// Connections.
    pub connections: u16,
    /// Connections that it may have.
    pub window: u16,
    /// When the oldest mail came, in seconds of the epoch.
    pub oldest: Option<u64>,
    /// The policy of TLS by which its last connection was made: `none`, `may`, `encrypt`, `verify`, `sts` or `dane`; empty before the first.
    pub policy: String,
    /// Why its last connection failed; empty since one has succeeded.
    pub error: String,
}

/// The line about what was changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangedReport {
    /// Mails of which something was changed.
    pub messages: u64,
    /// Their recipients that were concerned.
    pub recipients: u64,
    /// Recipients among them that are being sent to just now, which may be too late to change.
    pub active: u64,
}

/// Text as a value: a blank, a per cent sign and what is not visible are `%XX` for each of their octets.
struct Encoded<'a>(&'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut octets = [0; 4];
        for character in self.0.chars() {
            if is_visible(character) && character != '%' {
                fmt::Write::write_char(f, character)?;
            } else {
                for octet in character.encode_utf8(&mut octets).bytes() {
                    write!(f, "%{octet:02X}")?;
                }
            }
        }
        Ok(())
    }
}

/// Reads a value, as [`Encoded`] writes it. What is no UTF-8 is replaced.
fn decoded(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    octets.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let octet = part
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        octets.extend(octet);
        octets.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
    }
    String::from_utf8_lossy(&octets).into_owned()
}

/// The value of a field as it was before it was written.
fn text(fields: &str, name: &str) -> Option<String> {
    value(fields, name).map(decoded)
}

/// The prefix of the names of fields that a client shows as they are.
const FACT: &str = "fact.";

fn write_facts(facts: &[(String, String)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (name, value) in facts {
        write!(f, " {FACT}{name}={}", Encoded(value))?;
    }
    Ok(())
}

fn read_facts(fields: &str) -> Vec<(String, String)> {
    let facts = fields.split(' ').filter_map(|field| {
        let (name, value) = field.strip_prefix(FACT)?.split_once('=')?;
        Some((name.to_owned(), decoded(value)))
    });
    facts.collect()
}

/// The fields of a line that is about this.
fn fields<'a>(line: &'a str, about: &str) -> Option<&'a str> {
    line.strip_prefix(about)?.strip_prefix(' ')
}

impl fmt::Display for MailReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id, size, queued, ..
        } = self;
        write!(f, "{MAIL} id={id} size={size} queued={queued}")?;
        if let Some(sender) = &self.sender {
            write!(f, " sender={}", Encoded(sender))?;
        }
        if let Some(reason) = &self.quarantine {
            write!(f, " quarantine={}", Encoded(reason))?;
        }
        write_facts(&self.facts, f)
    }
}

impl MailReport {
    /// Reads a line; `None` for one that is about something else.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        let fields = fields(line, MAIL)?;
        Some(Self {
            id: text(fields, "id")?,
            size: number(fields, "size")?,
            queued: number(fields, "queued")?,
            sender: text(fields, "sender"),
            quarantine: text(fields, "quarantine"),
            facts: read_facts(fields),
        })
    }
}

impl fmt::Display for RecipientReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{RECIPIENT} state={} tries={}", self.state, self.tries)?;
        if let Some(address) = &self.address {
            write!(f, " address={}", Encoded(address))?;
        }
        if let Some(next) = self.next {
            write!(f, " next={next}")?;
        }
        write!(f, " reply={}", Encoded(&self.reply))?;
        write_facts(&self.facts, f)
    }
}

impl RecipientReport {
    /// Reads a line; `None` for one that is about something else.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        let fields = fields(line, RECIPIENT)?;
        Some(Self {
            address: text(fields, "address"),
            state: text(fields, "state")?,
            tries: number(fields, "tries")?,
            next: number(fields, "next"),
            reply: text(fields, "reply").unwrap_or_default(),
            facts: read_facts(fields),
        })
    }
}

impl fmt::Display for SiteReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            state,
            until,
            waiting,
            ready,
            active,
            held,
            connections,
            window,
            oldest,
            policy,
            error,
        } = self;
        write!(f, "{SITE} name={} state={state}", Encoded(name))?;
        write!(
            f,
            " waiting={waiting} ready={ready} active={active} held={held}"
        )?;
        write!(f, " connections={connections} window={window}")?;
        if let Some(until) = until {
            write!(f, " until={until}")?;
        }
        if let Some(oldest) = oldest {
            write!(f, " oldest={oldest}")?;
        }
        for (name, value) in [("policy", policy), ("error", error)] {
            if !value.is_empty() {
                write!(f, " {name}={}", Encoded(value))?;
            }
        }
        Ok(())
    }
}

impl SiteReport {
    /// Reads a line; `None` for one that is about something else.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        let fields = fields(line, SITE)?;
        Some(Self {
            name: text(fields, "name")?,
            state: text(fields, "state")?,
            until: number(fields, "until"),
            waiting: number(fields, "waiting")?,
            ready: number(fields, "ready")?,
            active: number(fields, "active")?,
            held: number(fields, "held")?,
            connections: number(fields, "connections")?,
            window: number(fields, "window")?,
            oldest: number(fields, "oldest"),
            policy: text(fields, "policy").unwrap_or_default(),
            error: text(fields, "error").unwrap_or_default(),
        })
    }
}

impl fmt::Display for ChangedReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            messages,
            recipients,
            active,
        } = self;
        write!(
            f,
            "{CHANGED} messages={messages} recipients={recipients} active={active}"
        )
    }
}

impl ChangedReport {
    /// Reads a line; `None` for one that is about something else.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        let fields = fields(line, CHANGED)?;
        Some(Self {
            messages: number(fields, "messages")?,
            recipients: number(fields, "recipients")?,
            active: number(fields, "active")?,
        })
    }
}

/// A line of the header of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderReport(pub String);

impl fmt::Display for HeaderReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HEADER} line={}", Encoded(&self.0))
    }
}

impl HeaderReport {
    /// Reads a line; `None` for one that is about something else.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        Some(Self(text(fields(line, HEADER)?, "line")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_one_value_and_comes_back() {
        let hostile = " 100% \r\nrecipient state=done\u{202e}\u{e4} =\u{1f600}%".to_owned();
        let facts = vec![("dsn".to_owned(), hostile.clone())];
        let mail = MailReport {
            id: "Q6929F3A10007".to_owned(),
            size: 512,
            queued: 1_795_878_585,
            sender: Some(String::new()),
            quarantine: Some(hostile.clone()),
            facts: facts.clone(),
        };
        let recipient = RecipientReport {
            address: Some(hostile.clone()),
            state: "waiting".to_owned(),
            tries: 3,
            next: None,
            reply: hostile.clone(),
            facts,
        };
        let site = SiteReport {
            name: hostile.clone(),
            state: "down".to_owned(),
            until: Some(7),
            ..SiteReport::default()
        };
        let changed = ChangedReport {
            messages: 1,
            recipients: 2,
            active: 3,
        };
        let header = HeaderReport(hostile);
        let lines = [
            mail.to_string(),
            recipient.to_string(),
            site.to_string(),
            changed.to_string(),
            header.to_string(),
        ];
        for line in &lines {
            assert!(!line.contains(['\r', '\n', '\u{202e}']), "{line}");
        }
        assert_eq!(MailReport::read(&lines[0]), Some(mail));
        assert_eq!(RecipientReport::read(&lines[1]), Some(recipient));
        assert_eq!(SiteReport::read(&lines[2]), Some(site));
        assert_eq!(ChangedReport::read(&lines[3]), Some(changed));
        assert_eq!(HeaderReport::read(&lines[4]), Some(header));
        assert_eq!(MailReport::read(&lines[1]), None);
        assert_eq!(decoded("%"), "");
        assert_eq!(decoded("a%zzb%4"), "ab");
    }
}
