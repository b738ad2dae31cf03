//! The REST of MailHog, for programs that were written for it.

use std::borrow::Cow;
use std::rc::Rc;

use super::super::mime::{HeaderField, HeaderSection, MimePart, date, parts_of};
use super::super::request::HttpRequest;
use super::super::response::HttpResponse;
use super::query::SearchQuery;
use super::{Answered, bad, done, json, not_found, number, search as searching};
use crate::json::{Members, texts};
use crate::store::inbox::{CaughtMessage, Inbox};

/// Messages of one list, where the request does not say how many.
const LIST_DEFAULT: usize = 50;
/// The most messages of one list.
const LIST_MAX: usize = 250;
/// A list ends after the message with which it reaches so many octets: MailHog shows each message whole, and more than once.
const LIST_BYTES_MAX: usize = 32 << 20;
/// The most octets of one message that are shown, each time that they are.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// The multiparts within each other that are shown: each shows again what those around it do.
const NESTED_MAX: usize = 3;

/// All messages, the newest first.
pub(super) fn messages(request: &HttpRequest, inbox: &Inbox) -> Answered {
    let messages: Vec<&Rc<CaughtMessage>> = inbox.newest_first().collect();
    list(request, &messages)
}

/// The messages that a search finds: `kind` is from, to or containing.
pub(super) fn search(request: &HttpRequest, inbox: &Inbox) -> Answered {
    let text = request.parameter("query").unwrap_or_default();
    if text.is_empty() {
        return Err(bad("query is missing"));
    }
    let kind = request.parameter("kind").unwrap_or_default();
    let query = SearchQuery::of_kind(kind, text)
        .ok_or_else(|| bad("kind is one of from, to, containing"))?;
    list(request, &searching::find(&query, inbox))
}

/// One message, or its source.
pub(super) fn message(id: &str, rest: &[&str], inbox: &Inbox) -> Answered {
    let message = inbox.find(id).ok_or_else(not_found)?;
    if rest.is_empty() {
        return Ok(json(message_json(message)));
    }
    let mut response = HttpResponse::new(200, "message/rfc822", message.text.clone());
    let disposition = format!("attachment; filename=\"{id}.eml\"");
    response.fields.push(("Content-Disposition", disposition));
    Ok(response)
}

/// Deletes one message.
pub(super) fn delete(id: &str, inbox: &mut Inbox) -> Answered {
    match inbox.delete(id) {
        true => Ok(done()),
        false => Err(not_found()),
    }
}

fn list(request: &HttpRequest, messages: &[&Rc<CaughtMessage>]) -> Answered {
    let start = number(request, "start", 0)?;
    let limit = match number(request, "limit", LIST_DEFAULT)? {
        0 => LIST_DEFAULT,
        limit => limit.min(LIST_MAX),
    };
    let mut items = Vec::new();
    let mut bytes = 0;
    for message in messages.iter().skip(start).take(limit) {
        let item = message_json(message);
        bytes += item.len();
        items.push(item);
        if bytes > LIST_BYTES_MAX {
            break;
        }
    }
    let mut members = Members::default();
    members.number("total", messages.len() as u64);
    members.number("count", items.len() as u64);
    members.number("start", start as u64);
    members.array("items", &items);
    Ok(json(members.into_object()))
}

fn message_json(message: &CaughtMessage) -> Box<[u8]> {
    let (fields, body) = HeaderSection::split(&message.text);
    let whole = MimePart::new("0".to_owned(), &fields, &message.text, body);
    let to: Vec<Box<[u8]>> = message.to.iter().map(|to| path_json(to)).collect();
    let shown = &mut ShownText::default();
    let data = shown.text(&message.text).into_owned();
    let content = content_json(&fields, body, message.text.len(), b"null", shown);
    let mime = mime_json(&whole, NESTED_MAX, shown);
    let mut raw = Members::default();
    raw.text("From", &message.from);
    raw.value("To", &texts(&message.to));
    raw.text("Data", &data);
    raw.text("Helo", &message.hello);
    let mut members = Members::default();
    members.text("ID", &message.id);
    members.value("From", &path_json(&message.from));
    members.array("To", &to);
    members.value("Content", &content);
    members.text("Created", &date::write_now(message.received));
    members.value("MIME", &mime);
    members.value("Raw", &raw.into_object());
    members.into_object()
}

/// An address of the envelope.
fn path_json(path: &str) -> Box<[u8]> {
    let (mailbox, domain) = path.rsplit_once('@').unwrap_or((path, ""));
    let mut members = Members::default();
    members.value("Relays", b"null");
    members.text("Mailbox", mailbox);
    members.text("Domain", domain);
    members.text("Params", "");
    members.into_object()
}

/// What may still be shown of a message: MailHog shows each octet of it several times.
struct ShownText {
    bytes_left: usize,
}

impl Default for ShownText {
    fn default() -> Self {
        Self {
            bytes_left: MESSAGE_BYTES_MAX,
        }
    }
}

impl ShownText {
    /// A text, as much of it as may be shown.
    fn text<'a>(&mut self, text: &'a [u8]) -> Cow<'a, str> {
        let shown = &text[..text.len().min(self.bytes_left)];
        self.bytes_left -= shown.len();
        String::from_utf8_lossy(shown)
    }
}

/// Fields and body as they came, and the parts within.
fn content_json(
    fields: &HeaderSection<'_>,
    body: &[u8],
    size: usize,
    mime: &[u8],
    shown: &mut ShownText,
) -> Box<[u8]> {
    let mut names: Vec<&str> = fields.iter().map(|field| field.name).collect();
    names.sort_unstable();
    names.dedup();
    let mut headers = Members::default();
    for name in names {
        let values = fields.iter().filter(|field| field.name == name);
        let values: Vec<String> = values.map(HeaderField::text).collect();
        headers.value(name, &texts(&values));
    }
    let mut members = Members::default();
    members.value("Headers", &headers.into_object());
    members.text("Body", &shown.text(body));
    members.number("Size", size as u64);
    members.value("MIME", mime);
    members.into_object()
}

/// The parts of a part, down to this depth; null for one that has none.
fn mime_json(part: &MimePart<'_>, depth: usize, shown: &mut ShownText) -> Box<[u8]> {
    let Some(parts) = parts_of(part).filter(|_| depth > 0) else {
        return Box::from(&b"null"[..]);
    };
    let parts: Vec<Box<[u8]>> = parts
        .iter()
        .map(|part| {
            let (fields, body) = HeaderSection::split(part.source);
            let mime = mime_json(part, depth - 1, shown);
            content_json(&fields, body, part.source.len(), &mime, shown)
        })
        .collect();
    let mut members = Members::default();
    members.array("Parts", &parts);
    members.into_object()
}
