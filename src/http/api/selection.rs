//! Requests that change messages which their body names.

use super::super::request::HttpRequest;
use super::super::response::HttpResponse;
use super::query::SearchQuery;
use super::{Answered, Unsuccessful, bad, done};
use crate::json::JsonValue;
use crate::store::inbox::Inbox;

/// A body of such a request.
#[derive(Debug, Default)]
struct Selection {
    /// The ids of messages; all are meant where there is none.
    ids: Vec<String>,
    /// A search that finds them instead.
    search: String,
    is_read: bool,
}

impl Selection {
    /// Reads a body: nothing, a JSON object, or the form that some clients send in its place, whose only fields are those of the object.
    fn parse(body: &[u8]) -> Result<Self, Unsuccessful> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        if let Some(form) = Self::parse_form(body) {
            return Ok(form);
        }
        let value = JsonValue::parse(body).map_err(|error| bad(&error.to_string()))?;
        let members = match &value {
            JsonValue::Object(members) => &**members,
            JsonValue::Null => &[],
            _ => return Err(bad("the body must be a JSON object, as {\"IDs\":[\"…\"]}")),
        };
        let mut selection = Self::default();
        for (name, value) in members {
            // Names are told apart as Go's decoder does.
            match (&*name.to_ascii_lowercase(), value) {
                ("ids", JsonValue::Null) | ("search", JsonValue::Null) => {}
                ("ids", value) => {
                    let ids = value
                        .as_texts()
                        .ok_or_else(|| bad("IDs must be a list of texts"))?;
                    selection.ids = ids.into_iter().map(str::to_owned).collect();
                }
                ("search", JsonValue::Text(search)) => selection.search.clone_from(search),
                ("read", JsonValue::Bool(is_read)) => selection.is_read = *is_read,
                ("search", _) => return Err(bad("Search must be a text")),
                ("read", _) => return Err(bad("Read must be true or false")),
                _ => {}
            }
        }
        Ok(selection)
    }

    /// Reads `ids=…&ids=…&Read=true`. Ids are letters and digits, which need no decoding.
    fn parse_form(body: &[u8]) -> Option<Self> {
        let mut selection = Self::default();
        for field in str::from_utf8(body).ok()?.split('&') {
            let (name, value) = field.split_once('=')?;
            match &*name.to_ascii_lowercase() {
                "ids" => selection.ids.push(value.to_owned()),
                "read" => selection.is_read = value.eq_ignore_ascii_case("true"),
                _ => return None,
            }
        }
        Some(selection)
    }
}

/// Deletes the messages that are named, or all.
pub(super) fn delete(request: &HttpRequest, inbox: &mut Inbox) -> Answered {
    let selection = Selection::parse(&request.body)?;
    if selection.ids.is_empty() {
        inbox.clear();
    }
    for id in &selection.ids {
        inbox.delete(id);
    }
    Ok(done())
}

/// Sets whether the messages that are named, or found, or all, were looked at.
pub(super) fn mark_read(request: &HttpRequest, inbox: &mut Inbox) -> Answered {
    let selection = Selection::parse(&request.body)?;
    let query = match &*selection.search {
        "" => None,
        _ if !selection.ids.is_empty() => {
            return Err(bad(
                "You may specify either IDs or a search query, not both",
            ));
        }
        search => Some(SearchQuery::parse(search)?),
    };
    let ids = match selection.ids.is_empty() {
        false => selection.ids,
        true => inbox
            .newest_first()
            .filter(|message| query.as_ref().is_none_or(|query| query.fits(message)))
            .map(|message| message.id.clone())
            .collect(),
    };
    for id in &ids {
        inbox.mark_read(id, selection.is_read);
    }
    Ok(HttpResponse::new(200, "text/plain", "ok"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_name_messages() {
        for (body, ids) in [
            ("", Some(&[][..])),
            (" \r\n", Some(&[])),
            ("{}", Some(&[])),
            ("null", Some(&[])),
            ("{\"IDs\":[]}", Some(&[])),
            ("{\"IDs\":[\"A\",\"B\"]}", Some(&["A", "B"])),
            ("{\"ids\":[\"A\"],\"more\":1}", Some(&["A"])),
            ("ids=A&ids=B", Some(&["A", "B"])),
            ("ids=A&Read=True", Some(&["A"])),
            ("all", None),
            ("all=1", None),
            ("{", None),
            ("[\"A\"]", None),
            ("{\"IDs\":\"A\"}", None),
            ("{\"IDs\":[1]}", None),
            ("{\"Read\":1}", None),
        ] {
            let selection = Selection::parse(body.as_bytes());
            let read = selection.as_ref().ok().map(|selection| &*selection.ids);
            let read = read.map(|ids| ids.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(read.as_deref(), ids, "{body}");
        }
    }
}
