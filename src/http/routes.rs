//! The table of what can be asked, and who answers it.

use std::rc::Rc;

use super::page;
use super::probes;
use super::request::{HttpRequest, Method};
use super::response::{HttpAnswer, HttpResponse};
#[cfg(feature = "catch")]
use crate::smtp::faults::FaultRules;
#[cfg(feature = "catch")]
use crate::store::inbox::Inbox;

/// What a request may look at and change.
pub struct HttpWorld<'a> {
    /// The inbox, where the server keeps one.
    #[cfg(feature = "catch")]
    pub inbox: Option<&'a mut Inbox>,
    /// The rules by which faults are made.
    #[cfg(feature = "catch")]
    pub faults: &'a mut FaultRules,
    /// The server without what features bring.
    pub server: &'a ServerFacts,
}

impl HttpWorld<'_> {
    /// Whether the server keeps an inbox.
    #[must_use]
    pub fn has_inbox(&self) -> bool {
        #[cfg(feature = "catch")]
        return self.inbox.is_some();
        #[cfg(not(feature = "catch"))]
        false
    }
}

/// Facts about a server.
#[derive(Clone, Debug)]
pub struct ServerFacts {
    /// The name in the greeting.
    pub hostname: String,
    /// Whether the server takes mail: not before its start is done, nor while it drains.
    pub is_ready: bool,
    /// The listeners for mail: a service and an address each, as the server said at its start.
    pub listening: Rc<[String]>,
}

/// Answers a request. `is_last` says that [`HttpAnswer::Wait`] is no answer any more: the time is up.
pub fn answer(request: &HttpRequest, is_last: bool, world: &mut HttpWorld<'_>) -> HttpAnswer {
    if let Some(answer) = probes::answer(request, is_last, world.server.is_ready) {
        return answer;
    }
    #[cfg(feature = "catch")]
    if let Some(response) = super::rules::answer(request, world.faults) {
        return HttpAnswer::Now(response);
    }
    #[cfg(feature = "catch")]
    if let Some(inbox) = &mut world.inbox
        && let Some(answer) = super::api::answer(request, is_last, inbox)
    {
        return answer;
    }
    match (request.method, &*request.path) {
        (Method::Get, "/api/loop") => HttpAnswer::Events,
        (Method::Get | Method::Head, "/api/server") => HttpAnswer::Now(page::server(
            &world.server.hostname,
            &world.server.listening,
        )),
        (Method::Get | Method::Head, path) => {
            let file = page::file(path, world.has_inbox());
            HttpAnswer::Now(file.unwrap_or_else(|| HttpResponse::text(404, "not found")))
        }
        _ => HttpAnswer::Now(HttpResponse::text(404, "not found")),
    }
}
