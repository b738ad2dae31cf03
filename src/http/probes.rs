//! The probes of those who run the server: whether it is alive, whether it takes mail, and what it has counted.

use std::time::Duration;

use super::request::{HttpRequest, Method};
use super::response::{HttpAnswer, HttpResponse};

/// Answers a request for one of them, if it is one, to a server that `is_ready` or not.
pub(super) fn answer(request: &HttpRequest, is_last: bool, is_ready: bool) -> Option<HttpAnswer> {
    let answer: fn(&HttpRequest, bool, bool) -> HttpAnswer = match &*request.path {
        "/livez" => |_, _, _| HttpAnswer::Now(HttpResponse::text(200, "ok")),
        "/readyz" => readiness,
        "/metrics" => |_, _, _| HttpAnswer::Metrics,
        _ => return None,
    };
    if !matches!(request.method, Method::Get | Method::Head) {
        return Some(HttpAnswer::Now(HttpResponse::not_allowed("GET, HEAD")));
    }
    Some(answer(request, is_last, is_ready))
}

/// Whether mail is taken; with `wait=SECS` as soon as it is.
fn readiness(request: &HttpRequest, is_last: bool, is_ready: bool) -> HttpAnswer {
    if is_ready {
        return HttpAnswer::Now(HttpResponse::text(200, "ok"));
    }
    let wait = match request.parameter("wait").map(str::parse) {
        Some(Ok(seconds)) if !is_last => Duration::from_secs(seconds),
        Some(Err(_)) => {
            let why = "write a whole number of seconds, as wait=10";
            return HttpAnswer::Now(HttpResponse::bad_request(why));
        }
        _ => return HttpAnswer::Now(HttpResponse::text(503, "not ready")),
    };
    HttpAnswer::Wait(wait)
}
