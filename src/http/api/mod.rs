//! REST over the inbox of tests: that of Mailpit and that of MailHog, as far as programs use it, and a little of our own.
//!
//! Each answer is a function of the request and the inbox. A message is taken apart when it is asked for, and nothing of that is kept.
//! `docs/rest.md` has the table of all calls, and what differs from the two.

mod content;
mod facts;
mod harmless;
mod mailhog;
mod mailpit;
mod query;
mod search;
mod selection;
#[cfg(test)]
#[allow(clippy::panic, clippy::unwrap_used)]
mod tests;
mod waiting;

use super::request::{HttpRequest, Method};
use super::response::{HttpAnswer, HttpResponse};
use crate::store::inbox::Inbox;

/// The id that stands for the newest message.
const LATEST: &str = "latest";

/// A response that says why there is no other one.
type Unsuccessful = Box<HttpResponse>;
/// The response to a request.
type Answered = Result<HttpResponse, Unsuccessful>;

/// Answers a request for something of the inbox. `None` if its path is not one of these.
pub(super) fn answer(
    request: &HttpRequest,
    is_last: bool,
    inbox: &mut Inbox,
) -> Option<HttpAnswer> {
    let path: Vec<&str> = request.path.strip_prefix('/')?.split('/').collect();
    let allowed = allowed_methods(&path)?;
    let method = match request.method {
        Method::Head => Method::Get,
        method => method,
    };
    let answered = match method {
        method if !allowed.contains(&method) => Err(Box::new(not_allowed(allowed))),
        method => {
            let wait = match method {
                Method::Get if !is_last => waiting::wait(request, &path, inbox),
                _ => Ok(None),
            };
            match wait {
                Ok(Some(wait)) => return Some(HttpAnswer::Wait(wait)),
                Ok(None) => answer_now(method, request, &path, inbox),
                Err(refused) => Err(refused),
            }
        }
    };
    Some(HttpAnswer::Now(answered.unwrap_or_else(|refused| *refused)))
}

/// The methods that a path has; HEAD not named.
fn allowed_methods(path: &[&str]) -> Option<&'static [Method]> {
    Some(match *path {
        ["api", "v1", "messages"] => &[Method::Get, Method::Put, Method::Delete],
        ["api", "v1", "search"] | ["api", "v1", "messages", _] => &[Method::Get, Method::Delete],
        ["api", "v1", "chaos"] => &[Method::Get, Method::Put],
        [
            "api",
            "v1",
            "info" | "webui" | "tags" | "changes" | "sessions",
        ]
        | ["api", "v1", "messages", _, "download"]
        | ["api", "v1", "message", _]
        | ["api", "v1", "message", _, "headers" | "raw" | "transcript"]
        | ["api", "v1", "message", _, "part", _]
        | ["api", "v1", "session", _, "transcript"]
        | ["api", "v2", "messages" | "search"]
        | ["view", _] => &[Method::Get],
        _ => return None,
    })
}

/// Answers a request, whose path has its method, by what is there.
fn answer_now(method: Method, request: &HttpRequest, path: &[&str], inbox: &mut Inbox) -> Answered {
    match (method, path) {
        (Method::Put, ["api", "v1", "messages"]) => selection::mark_read(request, inbox),
        (Method::Delete, ["api", "v1", "messages"]) => selection::delete(request, inbox),
        (Method::Delete, ["api", "v1", "search"]) => search::delete(request, inbox),
        (Method::Delete, [_, _, _, id]) => mailhog::delete(id, inbox),
        (_, ["api", "v1", "messages"]) => mailpit::messages(request, inbox),
        (_, ["api", "v1", "search"]) => search::answer(request, inbox),
        (_, ["api", "v1", "message", id, part @ ..]) => content::answer(request, id, part, inbox),
        (_, ["view", file]) => content::view(request, file, inbox),
        (_, ["api", "v1", "session", id, _]) => mailpit::session_transcript(id, inbox),
        (_, ["api", "v1", "messages", id, rest @ ..]) => mailhog::message(id, rest, inbox),
        (_, ["api", "v2", "messages"]) => mailhog::messages(request, inbox),
        (_, ["api", "v2", "search"]) => mailhog::search(request, inbox),
        (_, [.., name]) => mailpit::about(request, name, inbox),
        (_, []) => Err(not_found()),
    }
}

fn not_allowed(allowed: &[Method]) -> HttpResponse {
    let names = allowed.iter().map(|method| match method {
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        _ => "GET, HEAD",
    });
    let names: Vec<&str> = names.collect();
    HttpResponse::not_allowed(&names.join(", "))
}

fn json(body: impl Into<bytes::Bytes>) -> HttpResponse {
    HttpResponse::new(200, "application/json", body)
}

/// The answer to a request that has changed something: no body, since MailHog has none, and clients of Mailpit do not look at it.
fn done() -> HttpResponse {
    HttpResponse::new(200, "", "")
}

fn not_found() -> Unsuccessful {
    Box::new(HttpResponse::text(404, "Message not found"))
}

fn bad(why: &str) -> Unsuccessful {
    Box::new(HttpResponse::text(400, why))
}

/// The number that a parameter of the query has, or this one if it is absent or empty.
fn number(request: &HttpRequest, name: &str, default: usize) -> Result<usize, Unsuccessful> {
    match request.parameter(name) {
        None | Some("") => Ok(default),
        Some(value) => value
            .parse()
            .map_err(|_| bad(&format!("{name} is a number of messages, as in {name}=2"))),
    }
}
