//! A message, its parts, and its text to be looked at in a browser.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::super::mime::{HeaderSection, MimeMessage, MimePart, TEXT_BYTES_MAX};
use super::super::request::HttpRequest;
use super::super::response::HttpResponse;
use super::{Answered, LATEST, Unsuccessful, facts, harmless, json, not_found, search};
use crate::json::{Members, texts};
use crate::store::inbox::{CaughtMessage, Inbox};

/// HTML of a message may show itself and the images that came with it; it loads nothing, runs nothing, and is of no origin.
const HTML_POLICY: &str = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'";
/// A part of a message is no page, whatever it says.
const PART_POLICY: &str = "sandbox; default-src 'none'";
/// Media types that a browser may show; all others are to be saved.
const SHOWN_TYPES: [&str; 5] = [
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "text/plain",
];
/// The most octets of a content id that HTML names.
const CONTENT_ID_BYTES_MAX: usize = 1_000;
/// The most octets of HTML with its images in it.
const HTML_BYTES_MAX: usize = 16 << 20;

/// Answers for the paths below `/api/v1/message/`.
pub(super) fn answer(
    request: &HttpRequest,
    id: &str,
    rest: &[&str],
    inbox: &mut Inbox,
) -> Answered {
    let message = find(request, id, inbox)?;
    match *rest {
        ["headers"] => Ok(json(headers(&message))),
        ["raw"] => Ok(raw(request, &message)),
        ["transcript"] => {
            let transcript = message.transcript.as_ref().ok_or_else(not_found)?;
            let transcript = transcript.text();
            Ok(HttpResponse::new(
                200,
                "text/plain; charset=utf-8",
                transcript,
            ))
        }
        ["part", id] => {
            let mime = MimeMessage::read(&message.text);
            Ok(part(mime.part(id).ok_or_else(not_found)?))
        }
        _ => {
            inbox.mark_read(&message.id, true);
            Ok(json(facts::whole(&message)))
        }
    }
}

/// Answers for `/view/{id}.html` and `/view/{id}.txt`.
pub(super) fn view(request: &HttpRequest, file: &str, inbox: &mut Inbox) -> Answered {
    let (id, kind) = file.rsplit_once('.').ok_or_else(not_found)?;
    let message = find(request, id, inbox)?;
    let mime = MimeMessage::read(&message.text);
    let response = match kind {
        "txt" => {
            let text = mime.text(TEXT_BYTES_MAX);
            HttpResponse::new(200, "text/plain; charset=utf-8", text)
        }
        "html" => {
            let html = mime.html(TEXT_BYTES_MAX);
            if html.is_empty() {
                let why = "This message does not contain a HTML part";
                return Err(Box::new(HttpResponse::text(404, why)));
            }
            let html = with_images(&harmless::without_connections(&html), &mime);
            with_policy(
                HttpResponse::new(200, "text/html; charset=utf-8", html),
                HTML_POLICY,
            )
        }
        _ => return Err(not_found()),
    };
    inbox.mark_read(&message.id, true);
    Ok(response)
}

/// The message with this id; for `latest` the newest that the search of the request finds, if it has one.
fn find(request: &HttpRequest, id: &str, inbox: &Inbox) -> Result<Rc<CaughtMessage>, Unsuccessful> {
    let found = if id != LATEST {
        inbox.find(id)
    } else if request.parameter("query").is_some() {
        let query = search::query(request)?;
        inbox.newest_first().find(|message| query.fits(message))
    } else {
        inbox.latest()
    };
    found.cloned().ok_or_else(not_found)
}

/// The values of each field, by their names as Go spells them.
fn headers(message: &CaughtMessage) -> Box<[u8]> {
    let (section, _) = HeaderSection::split(&message.text);
    let mut values = BTreeMap::<String, Vec<String>>::new();
    for field in section.iter() {
        values
            .entry(canonical(field.name))
            .or_default()
            .push(field.text());
    }
    let mut members = Members::default();
    for (name, values) in values {
        members.value(&name, &texts(&values));
    }
    members.into_object()
}

/// A field's name with a capital at the begin of each of its words.
fn canonical(name: &str) -> String {
    let mut is_first = true;
    let spelt = name.chars().map(|character| {
        let is_capital = std::mem::replace(&mut is_first, character == '-');
        match is_capital {
            true => character.to_ascii_uppercase(),
            false => character.to_ascii_lowercase(),
        }
    });
    spelt.collect()
}

fn raw(request: &HttpRequest, message: &CaughtMessage) -> HttpResponse {
    let text = message.text.clone();
    let mut response = HttpResponse::new(200, "text/plain; charset=utf-8", text);
    if request.parameter("dl") == Some("1") {
        let disposition = format!("attachment; filename=\"{}.eml\"", message.id);
        response.fields.push(("Content-Disposition", disposition));
    }
    response
}

/// The content of a part. Its type is its sender's word, so that a browser is told to do nothing with it.
fn part(part: &MimePart<'_>) -> HttpResponse {
    let name = match &*part.file_name {
        "" => &part.content_id,
        name => name,
    };
    let way = match SHOWN_TYPES.contains(&&*part.media_type) {
        true => "inline",
        false => "attachment",
    };
    let disposition = format!("{way}; filename=\"{}\"", percent_encode(name));
    let mut response = HttpResponse::new(200, part.content_type(), part.content().into_owned());
    response.fields.push(("Content-Disposition", disposition));
    with_policy(response, PART_POLICY)
}

fn with_policy(mut response: HttpResponse, policy: &str) -> HttpResponse {
    response
        .fields
        .push(("Content-Security-Policy", policy.to_owned()));
    response
}

/// A file's name in letters and digits of ASCII, as Go escapes a path.
fn percent_encode(name: &str) -> String {
    let mut encoded = String::new();
    for octet in name.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(octet));
            }
            _ => encoded.push_str(&format!("%{octet:02X}")),
        }
    }
    encoded
}

/// HTML whose references to images of the message (RFC 2392) are those images: nothing else could be loaded.
fn with_images(html: &str, message: &MimeMessage<'_>) -> String {
    let images = message.images();
    let images: HashMap<&str, &MimePart<'_>> =
        images.map(|image| (&*image.content_id, image)).collect();
    let mut shown = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find("cid:").filter(|_| shown.len() < HTML_BYTES_MAX) {
        let (before, reference) = rest.split_at(at);
        shown.push_str(before);
        let id = &reference["cid:".len()..];
        let mut octets = id.bytes().take(CONTENT_ID_BYTES_MAX);
        let end = octets.position(|octet| b" \t\r\n\"'<>)".contains(&octet));
        let id = &id[..end.unwrap_or(0)];
        match images.get(id) {
            Some(image) => {
                let content = BASE64_STANDARD.encode(image.content());
                shown.push_str(&format!("data:{};base64,{content}", image.content_type()));
                rest = &reference["cid:".len() + id.len()..];
            }
            None => {
                shown.push_str("cid:");
                rest = &reference["cid:".len()..];
            }
        }
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_are_spelt_as_go_does() {
        for (name, spelt) in [
            ("message-ID", "Message-Id"),
            ("MIME-Version", "Mime-Version"),
            ("x_a-1b", "X_a-1b"),
        ] {
            assert_eq!(canonical(name), spelt);
        }
    }

    #[test]
    fn a_name_of_a_file_cannot_leave_its_quotes() {
        assert_eq!(
            percent_encode("a\"; b\r\n\u{e9}.txt"),
            "a%22%3B%20b%0D%0A%C3%A9.txt"
        );
    }
}
