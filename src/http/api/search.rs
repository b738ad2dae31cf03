//! Searches, which list or delete what they find.

use std::rc::Rc;

use super::super::request::HttpRequest;
use super::query::SearchQuery;
use super::{Answered, Unsuccessful, done, mailpit};
use crate::store::inbox::{CaughtMessage, Inbox};

/// The search that a request has in its query.
pub(super) fn query(request: &HttpRequest) -> Result<SearchQuery, Unsuccessful> {
    SearchQuery::parse(request.parameter("query").unwrap_or_default())
}

/// The messages that a search finds, the newest first.
pub(super) fn find<'a>(query: &SearchQuery, inbox: &'a Inbox) -> Vec<&'a Rc<CaughtMessage>> {
    let messages = inbox.newest_first();
    messages.filter(|message| query.fits(message)).collect()
}

/// Lists what a search finds.
pub(super) fn answer(request: &HttpRequest, inbox: &Inbox) -> Answered {
    let query = query(request)?;
    mailpit::list(request, &find(&query, inbox), inbox)
}

/// Deletes what a search finds.
pub(super) fn delete(request: &HttpRequest, inbox: &mut Inbox) -> Answered {
    let query = query(request)?;
    inbox.retain(|message| !query.fits(message));
    Ok(done())
}
