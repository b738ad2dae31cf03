//! The page: an inbox for tests, and the live loop. A document, a script and a style sheet, as they stand in the folder of this name.

use super::response::HttpResponse;
use crate::json::{self, Members};

/// What the page may load: what comes from this server. There is no script and no style within the document, and the frame that shows
/// the HTML of a message has a policy of its own, which is narrower.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      frame-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The file of the page that stands at a path. `has_inbox` says whether there is more to be seen than the loop.
#[must_use]
pub fn file(path: &str, has_inbox: bool) -> Option<HttpResponse> {
    let (content_type, text) = match path {
        "/" if !has_inbox => return Some(redirect("/loop")),
        "/" | "/loop" => ("text/html; charset=utf-8", include_str!("page/index.html")),
        "/page.js" => (
            "text/javascript; charset=utf-8",
            include_str!("page/page.js"),
        ),
        "/page.css" => ("text/css; charset=utf-8", include_str!("page/page.css")),
        _ => return None,
    };
    let mut response = HttpResponse::new(200, content_type, text);
    let policy = ("Content-Security-Policy", POLICY.to_owned());
    response.fields.push(policy);
    Some(response)
}

/// What the page says of the server, as where mail can be sent to.
#[must_use]
pub fn server(hostname: &str, listening: &[String]) -> HttpResponse {
    let listening = listening.iter().map(|address| {
        let mut text = Vec::new();
        json::put_text(address, &mut text);
        text.into()
    });
    let listening: Vec<Box<[u8]>> = listening.collect();
    let mut members = Members::default();
    members.text("version", env!("CARGO_PKG_VERSION"));
    members.text("hostname", hostname);
    members.array("listening", &listening);
    HttpResponse::new(200, "application/json", members.into_object())
}

fn redirect(to: &str) -> HttpResponse {
    let mut response = HttpResponse::text(302, to);
    response.fields.push(("Location", to.to_owned()));
    response
}
