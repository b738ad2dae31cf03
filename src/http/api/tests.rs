//! Requests and answers, as programs that use Mailpit or MailHog see them.

mod changes;
mod mailhog;
mod mailpit;
mod searches;

use std::cell::Cell;
use std::time::{Duration, UNIX_EPOCH};

use super::super::request::WaitProgress;
use super::*;
use crate::json::JsonValue;
use crate::store::inbox::{CaughtMessage, InboxLimits};

const LETTER: &str = "\
Return-Path: <ada@example.org>
Received: from client by mail; Sat, 28 Nov 2026 15:09:45 +0000
From: \"Ada L.\" <Ada@example.org>
To: Bob <bob@example.org>, carol@example.org
Cc: dan@example.org
Reply-To: reply@example.org
Subject: =?utf-8?q?Caf=C3=A9?= today
Message-ID: <1@example.org>
Date: Sat, 28 Nov 2026 16:09:45 +0100
X-Note: one
x-note: two
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: multipart/alternative; boundary=y

--y
Content-Type: text/plain; charset=utf-8

Meet at nine.
--y
Content-Type: text/html; charset=utf-8

<p>Meet at <b>nine</b>.</p><img src=\"cid:logo@x\"><img src=\"cid:none\">
--y--
--x
Content-Type: image/png
Content-ID: <logo@x>
Content-Disposition: inline; filename=logo.png
Content-Transfer-Encoding: base64

iVBORw==
--x
Content-Type: text/html
Content-Disposition: attachment; filename=\"p\u{e4}ge \\\"1\\\".html\"

<script>alert(1)</script>
--x--
";

fn message(id: &str, to: &[&str], text: &str) -> CaughtMessage {
    CaughtMessage {
        id: id.to_owned(),
        number: 0,
        received: UNIX_EPOCH + Duration::from_millis(1_795_878_585_123),
        hello: "client".to_owned(),
        peer: "127.0.0.1".to_owned(),
        user: Some("ada".to_owned()),
        from: "ada@example.org".to_owned(),
        to: to.iter().map(|to| (*to).to_owned()).collect(),
        text: text.replace('\n', "\r\n").into(),
        transcript: None,
        is_read: Cell::new(false),
    }
}

fn empty() -> Inbox {
    Inbox::new(InboxLimits {
        messages_max: 100,
        bytes_max: 1 << 20,
    })
}

/// An inbox with a plain message `B` and, newer, the letter `A` with a recipient that no field names.
fn inbox() -> Inbox {
    let mut inbox = empty();
    let plain = "Subject: plain\nFrom: zoe@x.example\n\nBonjour <tout> le monde\n";
    inbox.add(message("B", &["bob@example.org"], plain));
    let to = [
        "bob@example.org",
        "carol@example.org",
        "dan@example.org",
        "eve@example.org",
    ];
    inbox.add(message("A", &to, LETTER));
    inbox
}

fn request(method: Method, target: &str, body: &str) -> HttpRequest {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = query.split('&').filter_map(|pair| pair.split_once('='));
    HttpRequest {
        method,
        path: path.to_owned(),
        query: query
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        body: body.to_owned().into(),
        progress: Cell::new(WaitProgress::default()),
    }
}

#[track_caller]
fn ask(method: Method, target: &str, body: &str, inbox: &mut Inbox) -> HttpResponse {
    match answer(&request(method, target, body), false, inbox) {
        Some(HttpAnswer::Now(response)) => response,
        other => panic!("{target}: {other:?}"),
    }
}

#[track_caller]
fn get(target: &str, inbox: &mut Inbox) -> HttpResponse {
    ask(Method::Get, target, "", inbox)
}

#[track_caller]
fn get_json(target: &str, inbox: &mut Inbox) -> JsonValue {
    let response = get(target, inbox);
    assert_eq!(
        (response.status, &*response.content_type),
        (200, "application/json"),
        "{target}"
    );
    JsonValue::parse(&response.body).unwrap()
}

/// The members of a path of names and positions, written as JSON writes them.
#[track_caller]
fn at<'a>(value: &'a JsonValue, path: &str) -> &'a JsonValue {
    path.split('.').fold(value, |value, name| {
        let found = match name.parse::<usize>() {
            Ok(position) => value.as_array().and_then(|elements| elements.get(position)),
            Err(_) => value.get(name),
        };
        found.unwrap_or_else(|| panic!("{path}: no {name} in {value:?}"))
    })
}

#[track_caller]
fn text<'a>(value: &'a JsonValue, path: &str) -> &'a str {
    at(value, path).as_text().unwrap()
}

fn names(value: &JsonValue) -> Vec<&str> {
    match value {
        JsonValue::Object(members) => members.iter().map(|(name, _)| &**name).collect(),
        _ => Vec::new(),
    }
}

/// The ids of a list, and its numbers.
#[track_caller]
fn ids(list: &JsonValue) -> Vec<&str> {
    let messages = at(list, "messages").as_array().unwrap();
    messages.iter().map(|message| text(message, "ID")).collect()
}

#[track_caller]
fn found(query: &str, inbox: &mut Inbox) -> String {
    let list = get_json(&format!("/api/v1/search?query={query}"), inbox);
    ids(&list).join(" ")
}
