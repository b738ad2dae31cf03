//! Requests that wait: for messages that a search finds, or for any change.

use std::time::Duration;

use super::super::request::{HttpRequest, WaitProgress};
use super::query::SearchQuery;
use super::{LATEST, Unsuccessful, bad, mailpit, number, search};
use crate::store::inbox::Inbox;

/// The time that a request is to wait, as it asks by `wait=SECONDS`. `None` if it can be answered now.
///
/// # Errors
/// Its parameters are wrong.
pub(super) fn wait(
    request: &HttpRequest,
    path: &[&str],
    inbox: &Inbox,
) -> Result<Option<Duration>, Unsuccessful> {
    let Some(seconds) = request.parameter("wait") else {
        return Ok(None);
    };
    let duration = seconds.parse().ok();
    let duration = duration.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let duration = duration.ok_or_else(|| bad("wait is a number of seconds, as in wait=10"))?;
    let is_there = match path {
        ["api", "v1", "search"] => {
            mailpit::page(request)?;
            has_found(request, Some(&search::query(request)?), inbox)?
        }
        ["api", "v1", "message", LATEST, ..] | ["view", "latest.html" | "latest.txt"] => {
            let has_query = request.parameter("query").is_some();
            let query = has_query.then(|| search::query(request)).transpose()?;
            has_found(request, query.as_ref(), inbox)?
        }
        ["api", "v1", "changes"] => mailpit::has_changed(request, inbox)?,
        _ => true,
    };
    Ok((!is_there && !duration.is_zero()).then_some(duration))
}

/// Whether as many messages are there as are waited for by `count=N`, one if it does not say. Each message is looked at once, however
/// often the request is answered.
fn has_found(
    request: &HttpRequest,
    query: Option<&SearchQuery>,
    inbox: &Inbox,
) -> Result<bool, Unsuccessful> {
    let wanted = number(request, "count", 1)?;
    let kept = inbox.limits().messages_max;
    if wanted > kept {
        return Err(bad(&format!(
            "count={wanted} cannot be there: {kept} messages are kept at most, see --keep"
        )));
    }
    let before = request.progress.get();
    let fresh = inbox
        .newest_first()
        .take_while(|message| message.number > before.newest);
    let found = fresh.filter(|message| query.is_none_or(|query| query.fits(message)));
    let newest = inbox.latest().map_or(0, |latest| latest.number);
    let progress = WaitProgress {
        newest: before.newest.max(newest),
        found: before.found + found.count(),
    };
    request.progress.set(progress);
    Ok(progress.found >= wanted)
}
