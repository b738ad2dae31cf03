//! Lists of messages, and what is known of the inbox, as Mailpit shows them.

use std::rc::Rc;

use super::super::mime::date;
use super::super::request::HttpRequest;
use super::super::response::HttpResponse;
use super::{Answered, Unsuccessful, bad, facts, json, not_found, number};
use crate::json::Members;
use crate::store::inbox::{CaughtMessage, Inbox};

/// Messages of one list, where the request does not say how many.
const LIST_DEFAULT: usize = 50;
/// The most messages of one list: the loop may not be held longer than they take.
const LIST_MAX: usize = 1_000;

/// All messages, the newest first.
pub(super) fn messages(request: &HttpRequest, inbox: &Inbox) -> Answered {
    let messages: Vec<&Rc<CaughtMessage>> = inbox.newest_first().collect();
    list(request, &messages, inbox)
}

/// A page of these messages.
pub(super) fn list(
    request: &HttpRequest,
    messages: &[&Rc<CaughtMessage>],
    inbox: &Inbox,
) -> Answered {
    let (start, limit) = page(request)?;
    let page = messages.iter().skip(start).take(limit);
    let page: Vec<Box<[u8]>> = page.map(|message| facts::summary(message)).collect();
    let unread = messages.iter().filter(|message| !message.is_read.get());
    let mut members = Members::default();
    members.number("total", inbox.len() as u64);
    members.number("unread", inbox.unread() as u64);
    members.number("count", page.len() as u64);
    members.number("messages_count", messages.len() as u64);
    members.number("messages_unread", unread.count() as u64);
    members.number("start", start as u64);
    members.array("tags", &[]);
    members.array("messages", &page);
    Ok(json(members.into_object()))
}

/// How many messages of a list a request leaves out, and how many it then wants at most.
pub(super) fn page(request: &HttpRequest) -> Result<(usize, usize), Unsuccessful> {
    let start = number(request, "start", 0)?;
    let limit = number(request, "limit", LIST_DEFAULT)?.min(LIST_MAX);
    Ok((start, limit))
}

/// Answers for the paths of one word after `/api/v1/`.
pub(super) fn about(request: &HttpRequest, name: &str, inbox: &Inbox) -> Answered {
    match name {
        "info" => Ok(info(inbox)),
        "webui" => Ok(web_ui()),
        "tags" => Ok(json("[]")),
        "changes" => {
            has_changed(request, inbox)?;
            let mut members = Members::default();
            members.text("revision", &revision(inbox));
            Ok(json(members.into_object()))
        }
        "sessions" => Ok(sessions(inbox)),
        "chaos" => Err(bad(
            "Chaos is not enabled: faults are told by /api/v1/rules",
        )),
        _ => Err(not_found()),
    }
}

/// Whether the inbox is another one than that of the revision in `since`; without one it is.
///
/// # Errors
/// `since` is no revision.
pub(super) fn has_changed(request: &HttpRequest, inbox: &Inbox) -> Result<bool, Unsuccessful> {
    match request.parameter("since") {
        None | Some("") => Ok(true),
        Some(since) if since.bytes().all(|octet| octet.is_ascii_digit()) => {
            Ok(since != revision(inbox))
        }
        Some(_) => Err(bad("since is a revision, as an answer before has told it")),
    }
}

/// A text that is another one after each change of the inbox.
fn revision(inbox: &Inbox) -> String {
    inbox.generation().to_string()
}

fn info(inbox: &Inbox) -> HttpResponse {
    let mut runtime = Members::default();
    runtime.number("Uptime", 0);
    runtime.number("Memory", 0);
    runtime.number("MessagesDeleted", inbox.total() - inbox.len() as u64);
    runtime.number("SMTPAccepted", inbox.total());
    for unknown in ["SMTPAcceptedSize", "SMTPRejected", "SMTPIgnored"] {
        runtime.number(unknown, 0);
    }
    let mut members = Members::default();
    members.text("Version", concat!("mailoop ", env!("CARGO_PKG_VERSION")));
    members.text("LatestVersion", "disabled");
    members.text("Database", "memory");
    members.number("DatabaseSize", inbox.bytes() as u64);
    members.number("Messages", inbox.len() as u64);
    members.number("Unread", inbox.unread() as u64);
    members.value("Tags", b"{}");
    members.value("RuntimeStats", &runtime.into_object());
    json(members.into_object())
}

/// The settings of a page like Mailpit's, which has nothing of what these would switch on.
fn web_ui() -> HttpResponse {
    let mut relay = Members::default();
    relay.boolean("Enabled", false);
    for name in [
        "SMTPServer",
        "ReturnPath",
        "AllowedRecipients",
        "BlockedRecipients",
        "OverrideFrom",
    ] {
        relay.text(name, "");
    }
    relay.boolean("PreserveMessageIDs", false);
    let mut members = Members::default();
    members.text("Label", "");
    members.value("MessageRelay", &relay.into_object());
    for name in [
        "SpamAssassin",
        "ChaosEnabled",
        "DuplicatesIgnored",
        "HideDeleteAllButton",
    ] {
        members.boolean(name, false);
    }
    json(members.into_object())
}

/// The sessions that stored nothing, the newest first.
fn sessions(inbox: &Inbox) -> HttpResponse {
    let sessions = inbox.sessions();
    let without_message = sessions.iter().filter(|session| session.messages() == 0);
    let elements: Vec<Box<[u8]>> = without_message
        .map(|session| {
            let mut members = Members::default();
            members.number("conn", session.connection);
            members.text("service", session.service);
            members.text("peer", &session.peer);
            members.text("hello", &session.hello());
            members.text("started", &date::write_now(session.started));
            members.text("last", &session.last_refusal());
            members.text_or_null("closed", session.ended());
            members.into_object()
        })
        .collect();
    let mut members = Members::default();
    members.array("sessions", &elements);
    json(members.into_object())
}

/// What was said on a connection.
pub(super) fn session_transcript(connection: &str, inbox: &Inbox) -> Answered {
    let connection = connection.parse().ok();
    let transcript = connection.and_then(|connection| inbox.session_transcript(connection));
    let Some(transcript) = transcript else {
        return Err(Box::new(HttpResponse::text(404, "Session not found")));
    };
    Ok(HttpResponse::new(
        200,
        "text/plain; charset=utf-8",
        transcript,
    ))
}
