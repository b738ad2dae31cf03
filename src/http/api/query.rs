//! The language of searches, which is Mailpit's: words, `"phrases"`, `to:`, `subject:` and others, each denied by `-` or `!` before it.

use std::cell::OnceCell;
use std::time::SystemTime;

use super::super::mime::{MimeMessage, NamedAddress, date, text_of_html};
use super::facts::MessageFacts;
use super::{Unsuccessful, bad};
use crate::store::inbox::CaughtMessage;

/// The most terms of one search.
const TERMS_MAX: usize = 20;
/// The octets of a message's text in which words are looked for.
const SEARCHED_BYTES_MAX: usize = 64 << 10;

/// A search: all its terms have to hold.
#[derive(Debug)]
pub(super) struct SearchQuery {
    /// The terms: those that are cheap to look at come first.
    terms: Vec<SearchTerm>,
}

#[derive(Debug, PartialEq)]
struct SearchTerm {
    is_denied: bool,
    condition: SearchCondition,
}

/// What a message is to be like. Texts are cleaned, and are looked for within those of the message.
#[derive(Debug, PartialEq)]
enum SearchCondition {
    IsRead(bool),
    After(SystemTime),
    Before(SystemTime),
    Larger(f64),
    Smaller(f64),
    /// Never: nothing here has tags.
    Tagged,
    MessageId(String),
    Subject(String),
    From(String),
    /// The recipients of the envelope count, too.
    To(String),
    Cc(String),
    Bcc(String),
    ReplyTo(String),
    /// Any of these addresses.
    Addressed(String),
    HasAttachment,
    HasInline,
    Text(String),
    /// The text, or any field of the header section.
    Anywhere(String),
}

impl SearchQuery {
    /// Reads a search.
    ///
    /// # Errors
    /// It says nothing, too much, or names a date that is none; or one of its terms looks for nothing, as `to:` does where a variable was
    /// not set: no search must find, or delete, more than is meant.
    pub(super) fn parse(text: &str) -> Result<Self, Unsuccessful> {
        let mut terms = Vec::new();
        for word in words(text) {
            let nothing = || bad(&format!("`{word}` does not say what to look for"));
            terms.push(SearchTerm::parse(&word)?.ok_or_else(nothing)?);
        }
        if text.trim().is_empty() {
            return Err(bad("Error: no search query"));
        }
        if terms.len() > TERMS_MAX {
            return Err(bad("too many words in the search"));
        }
        terms.sort_by_key(|term| term.condition.cost());
        Ok(Self { terms })
    }

    /// The search for one address or text, as MailHog has it.
    pub(super) fn of_kind(kind: &str, text: &str) -> Option<Self> {
        let text = clean(text);
        let condition = match kind {
            "from" => SearchCondition::From(text),
            "to" => SearchCondition::To(text),
            "containing" => SearchCondition::Anywhere(text),
            _ => return None,
        };
        let term = SearchTerm {
            is_denied: false,
            condition,
        };
        Some(Self { terms: vec![term] })
    }

    /// Whether a message fits.
    pub(super) fn fits(&self, message: &CaughtMessage) -> bool {
        let message = SearchedMessage {
            facts: MessageFacts::read(message),
            text: OnceCell::new(),
        };
        self.terms
            .iter()
            .all(|term| term.condition.holds(&message) != term.is_denied)
    }
}

/// A message that all terms of a search look at.
struct SearchedMessage<'a> {
    facts: MessageFacts<'a>,
    /// Its text, cleaned, once a term has asked for it.
    text: OnceCell<String>,
}

impl SearchedMessage<'_> {
    fn holds(&self, cleaned: &str) -> bool {
        let text = self.text.get_or_init(|| clean(&searched_text(&self.facts)));
        memchr::memmem::find(text.as_bytes(), cleaned.as_bytes()).is_some()
    }
}

impl SearchTerm {
    /// Reads a term. `None` if nothing is looked for, as in `to:`.
    fn parse(word: &str) -> Result<Option<Self>, Unsuccessful> {
        let denied = word.strip_prefix(['-', '!']);
        let word = denied.unwrap_or(word);
        let Some(condition) = SearchCondition::parse(word)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            is_denied: denied.is_some(),
            condition,
        }))
    }
}

impl SearchCondition {
    fn parse(word: &str) -> Result<Option<Self>, Unsuccessful> {
        let (name, value) = word.split_once(':').unwrap_or(("", word));
        let text = clean(value);
        let name = name.to_ascii_lowercase();
        let condition = match (&*name, &*text) {
            ("after", _) => Self::After(read_date(value)?),
            ("before", _) => Self::Before(read_date(value)?),
            ("larger", _) => Self::Larger(read_size(&text)?),
            ("smaller", _) => Self::Smaller(read_size(&text)?),
            (_, "") => return Ok(None),
            ("is", "read") => Self::IsRead(true),
            ("is", "unread") => Self::IsRead(false),
            ("is", "tagged") | ("tag", _) => Self::Tagged,
            ("has", "attachment" | "attachments") => Self::HasAttachment,
            ("has", "inline" | "inlines") => Self::HasInline,
            ("to", _) => Self::To(text),
            ("from", _) => Self::From(text),
            ("cc", _) => Self::Cc(text),
            ("bcc", _) => Self::Bcc(text),
            ("reply-to", _) => Self::ReplyTo(text),
            ("addressed", _) => Self::Addressed(text),
            ("subject", _) => Self::Subject(text),
            ("message-id", _) => Self::MessageId(text),
            _ => Self::Text(clean(word)),
        };
        Ok(Some(condition))
    }

    /// The order in which conditions are looked at.
    fn cost(&self) -> u8 {
        match self {
            Self::IsRead(_) | Self::After(_) | Self::Before(_) | Self::Tagged => 0,
            Self::HasAttachment | Self::HasInline => 2,
            Self::Text(_) | Self::Anywhere(_) => 3,
            _ => 1,
        }
    }

    fn holds(&self, message: &SearchedMessage<'_>) -> bool {
        let facts = &message.facts;
        let caught = facts.caught;
        match self {
            Self::IsRead(is_read) => caught.is_read.get() == *is_read,
            Self::After(date) => caught.received >= *date,
            Self::Before(date) => caught.received <= *date,
            Self::Larger(size) => caught.text.len() as f64 > *size,
            Self::Smaller(size) => (caught.text.len() as f64) < *size,
            Self::Tagged => false,
            Self::MessageId(text) => holds_text(&facts.message_id(), text),
            Self::Subject(text) => holds_text(&facts.subject(), text),
            Self::From(text) => holds_text(&shown_from(facts), text),
            Self::To(text) => holds_text(&shown_to(facts), text),
            Self::Cc(text) => holds_text(&shown(&facts.addresses("cc")), text),
            Self::Bcc(text) => holds_text(&shown(&facts.bcc()), text),
            Self::ReplyTo(text) => holds_text(&shown(&facts.addresses("reply-to")), text),
            Self::Addressed(text) => {
                let others = [facts.addresses("cc"), facts.addresses("reply-to")].concat();
                let all = [shown_from(facts), shown_to(facts), shown(&others)];
                all.iter().any(|one| holds_text(one, text))
            }
            Self::HasAttachment => MimeMessage::read(&caught.text)
                .attachments()
                .next()
                .is_some(),
            Self::HasInline => MimeMessage::read(&caught.text).inline().next().is_some(),
            Self::Text(text) => message.holds(text),
            Self::Anywhere(text) => {
                let mut fields = facts.fields.iter();
                fields.any(|field| holds_text(&field.decoded(), text)) || message.holds(text)
            }
        }
    }
}

/// Splits a search at its blanks, but for those in quotes, which are taken off.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    for character in text.chars() {
        match character {
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            ' ' if !is_quoted => words.extend(word.take()),
            character => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

/// A text as searches compare it: in lower case, with one blank for what separates words.
fn clean(text: &str) -> String {
    let is_blank = |c: char| match c {
        '<' | '>' | '"' | ',' | ';' | '(' | ')' | '\u{feff}' => true,
        c => c.is_whitespace(),
    };
    let mut cleaned = String::with_capacity(text.len());
    for word in text.split(is_blank).filter(|word| !word.is_empty()) {
        if !cleaned.is_empty() {
            cleaned.push(' ');
        }
        if word.is_ascii() {
            let start = cleaned.len();
            cleaned.push_str(word);
            cleaned[start..].make_ascii_lowercase();
        } else {
            cleaned.push_str(&word.to_lowercase());
        }
    }
    cleaned
}

fn holds_text(haystack: &str, cleaned: &str) -> bool {
    memchr::memmem::find(clean(haystack).as_bytes(), cleaned.as_bytes()).is_some()
}

fn read_date(text: &str) -> Result<SystemTime, Unsuccessful> {
    let date = date::read_search(text.trim());
    date.map(SystemTime::from).ok_or_else(|| {
        bad("a date is missing: as in after:2026-11-28 or before:2026-11-28T15:00:00Z")
    })
}

/// Reads a size: `2k`, `1.5MB`, or octets.
fn read_size(text: &str) -> Result<f64, Unsuccessful> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = match text[digits.len()..].trim() {
        "" => Some(1.0),
        "k" | "kb" => Some(1024.0),
        "m" | "mb" => Some(1024.0 * 1024.0),
        _ => None,
    };
    let size = digits.parse::<f64>().ok().zip(unit);
    size.map(|(number, unit)| number * unit)
        .ok_or_else(|| bad("a size is missing: as in larger:100k or smaller:1.5M"))
}

/// Names and addresses in one text.
fn shown(addresses: &[NamedAddress]) -> String {
    let texts = addresses.iter();
    let texts: Vec<String> = texts
        .map(|address| format!("{} {}", address.name, address.address))
        .collect();
    texts.join(" ")
}

/// The authors; the sender of the envelope where the message names none.
fn shown_from(facts: &MessageFacts<'_>) -> String {
    let from = shown(&facts.addresses("from"));
    match from.trim() {
        "" => facts.caught.from.clone(),
        _ => from,
    }
}

/// The recipients of header and envelope.
fn shown_to(facts: &MessageFacts<'_>) -> String {
    let named = shown(&facts.addresses("to"));
    format!("{named} {}", facts.caught.to.join(" "))
}

/// Everything in which a plain word is looked for.
fn searched_text(facts: &MessageFacts<'_>) -> String {
    let message = MimeMessage::read(&facts.caught.text);
    let mut text = String::new();
    for field in ["from", "subject", "to", "cc", "bcc", "reply-to"] {
        text.push_str(&facts.fields.decoded(field));
        text.push(' ');
    }
    let html = text_of_html(&message.html(SEARCHED_BYTES_MAX), SEARCHED_BYTES_MAX);
    let plain = message.plain_text(SEARCHED_BYTES_MAX);
    let envelope = [&*facts.caught.from, " ", &facts.caught.to.join(" "), " "].concat();
    text.push_str(&envelope);
    text.push_str(&html);
    text.push(' ');
    text.push_str(&plain);
    for part in message.attachments() {
        text.push(' ');
        text.push_str(&part.file_name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_quotes_say() {
        for (text, expected) in [
            ("a  b", &["a", "b"][..]),
            ("subject:\"a b\" c", &["subject:a b", "c"]),
            ("\"a b", &["a b"]),
            (" \"\" ", &[""]),
            ("  ", &[]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for text in ["", "  ", "before:soon", "-after:", "larger:x", "smaller:1g"] {
            assert!(SearchQuery::parse(text).is_err(), "{text}");
        }
        assert!(SearchQuery::parse(&"a ".repeat(TERMS_MAX + 1)).is_err());
    }

    #[test]
    fn sizes_have_units() {
        for (text, size) in [("10", 10.0), ("2k", 2048.0), ("1.5 mb", 1_572_864.0)] {
            assert_eq!(read_size(text).ok(), Some(size), "{text}");
        }
    }
}
