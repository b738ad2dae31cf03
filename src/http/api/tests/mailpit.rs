//! Lists, messages and their parts, with the fields of Mailpit.

use super::*;

#[test]
fn a_list_has_mailpits_fields() {
    let list = get_json("/api/v1/messages", &mut inbox());
    assert_eq!(
        names(&list),
        [
            "total",
            "unread",
            "count",
            "messages_count",
            "messages_unread",
            "start",
            "tags",
            "messages"
        ]
    );
    assert_eq!(ids(&list), ["A", "B"]);
    let letter = at(&list, "messages.0");
    assert_eq!(
        names(letter),
        [
            "Read",
            "ID",
            "MessageID",
            "From",
            "To",
            "Cc",
            "Bcc",
            "ReplyTo",
            "Subject",
            "Created",
            "Username",
            "Tags",
            "Size",
            "Attachments",
            "Snippet"
        ]
    );
    for (path, expected) in [
        ("MessageID", "1@example.org"),
        ("From.Name", "Ada L."),
        ("From.Address", "Ada@example.org"),
        ("To.0.Name", "Bob"),
        ("To.1.Address", "carol@example.org"),
        ("Cc.0.Address", "dan@example.org"),
        ("Bcc.0.Address", "eve@example.org"),
        ("ReplyTo.0.Address", "reply@example.org"),
        ("Subject", "Caf\u{e9} today"),
        ("Created", "2026-11-28T15:09:45.123Z"),
        ("Username", "ada"),
        ("Snippet", "Meet at nine."),
    ] {
        assert_eq!(text(letter, path), expected, "{path}");
    }
    assert_eq!(at(letter, "Bcc").as_array().unwrap().len(), 1);
    assert_eq!(at(letter, "Attachments"), &JsonValue::Number(1.0));
    assert_eq!(at(letter, "Read"), &JsonValue::Bool(false));
    assert_eq!(text(&list, "messages.1.From.Address"), "zoe@x.example");
}

#[test]
fn a_list_has_pages() {
    let mut inbox = inbox();
    for (parameters, expected, start) in [
        ("limit=1", &["A"][..], 0.0),
        ("start=1&limit=1", &["B"], 1.0),
        ("start=9", &[], 9.0),
        ("limit=0", &[], 0.0),
        ("start=&limit=", &["A", "B"], 0.0),
    ] {
        let list = get_json(&format!("/api/v1/messages?{parameters}"), &mut inbox);
        assert_eq!(ids(&list), expected, "{parameters}");
        let numbers = [
            ("start", start),
            ("total", 2.0),
            ("unread", 2.0),
            ("messages_count", 2.0),
        ];
        for (name, number) in numbers {
            assert_eq!(
                at(&list, name),
                &JsonValue::Number(number),
                "{parameters} {name}"
            );
        }
    }
}

#[test]
fn a_message_is_shown_whole_and_counts_as_read() {
    let mut inbox = inbox();
    let letter = get_json("/api/v1/message/latest", &mut inbox);
    for (path, expected) in [
        ("ID", "A"),
        ("Date", "2026-11-28T16:09:45+01:00"),
        ("ReturnPath", "ada@example.org"),
        ("Text", "Meet at nine."),
        (
            "HTML",
            "<p>Meet at <b>nine</b>.</p><img src=\"cid:logo@x\"><img src=\"cid:none\">",
        ),
        ("Inline.0.PartID", "2"),
        ("Inline.0.FileName", "logo.png"),
        ("Inline.0.ContentType", "image/png"),
        ("Inline.0.ContentID", "logo@x"),
        (
            "Inline.0.Checksums.SHA256",
            "0f4636c78f65d3639ece5a064b5ae753e3408614a14fb18ab4d7540d2c248543",
        ),
        ("Attachments.0.PartID", "3"),
        ("Attachments.0.FileName", "p\u{e4}ge \"1\".html"),
        ("Envelope.From", "ada@example.org"),
        ("Envelope.To.3", "eve@example.org"),
        ("ListUnsubscribe.Header", ""),
    ] {
        assert_eq!(text(&letter, path), expected, "{path}");
    }
    assert_eq!(at(&letter, "Read"), &JsonValue::Bool(true));
    assert_eq!(at(&letter, "Inline.0.Size"), &JsonValue::Number(4.0));
    assert_eq!(at(&letter, "Tags").as_array(), Some(&[][..]));
    assert_eq!(inbox.unread(), 1);
    let plain = get_json("/api/v1/message/B", &mut inbox);
    assert_eq!(text(&plain, "Date"), "2026-11-28T15:09:45Z");
    assert_eq!(text(&plain, "MessageID"), "");
    assert_eq!(inbox.unread(), 0);
}

#[test]
fn headers_have_gos_names() {
    let headers = get_json("/api/v1/message/A/headers", &mut inbox());
    assert_eq!(
        names(&headers),
        [
            "Cc",
            "Content-Type",
            "Date",
            "From",
            "Message-Id",
            "Received",
            "Reply-To",
            "Return-Path",
            "Subject",
            "To",
            "X-Note"
        ]
    );
    assert_eq!(at(&headers, "X-Note").as_texts(), Some(vec!["one", "two"]));
    assert_eq!(text(&headers, "Subject.0"), "=?utf-8?q?Caf=C3=A9?= today");
}

#[test]
fn the_source_is_as_it_came() {
    let mut inbox = inbox();
    let source = get("/api/v1/message/latest/raw", &mut inbox);
    assert_eq!(source.content_type, "text/plain; charset=utf-8");
    assert_eq!(source.body, LETTER.replace('\n', "\r\n"));
    assert_eq!(inbox.unread(), 2);
    let saved = get("/api/v1/message/A/raw?dl=1", &mut inbox);
    assert_eq!(
        saved.fields,
        [(
            "Content-Disposition",
            "attachment; filename=\"A.eml\"".to_owned()
        )]
    );
}

#[test]
fn parts_are_served_as_no_page() {
    let mut inbox = inbox();
    for (part, content_type, disposition, body) in [
        (
            "2",
            "image/png",
            "inline; filename=\"logo.png\"",
            &b"\x89PNG"[..],
        ),
        (
            "3",
            "text/html",
            "attachment; filename=\"p%C3%A4ge%20%221%22.html\"",
            b"<script>alert(1)</script>",
        ),
        (
            "1.1",
            "text/plain; charset=utf-8",
            "inline; filename=\"\"",
            b"Meet at nine.",
        ),
    ] {
        let response = get(&format!("/api/v1/message/A/part/{part}"), &mut inbox);
        assert_eq!(response.content_type, content_type);
        assert_eq!(response.body, body);
        let policy = (
            "Content-Security-Policy",
            "sandbox; default-src 'none'".to_owned(),
        );
        assert_eq!(
            response.fields,
            [("Content-Disposition", disposition.to_owned()), policy]
        );
    }
    assert_eq!(get("/api/v1/message/A/part/9", &mut inbox).status, 404);
}

#[test]
fn a_view_loads_nothing_and_has_its_images_within() {
    let mut inbox = inbox();
    let html = get("/view/latest.html", &mut inbox);
    assert_eq!(html.content_type, "text/html; charset=utf-8");
    assert_eq!(
        String::from_utf8_lossy(&html.body),
        "<p>Meet at <b>nine</b>.</p><img src=\"data:image/png;base64,iVBORw==\"><img src=\"cid:none\">"
    );
    let policy = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'";
    assert_eq!(
        html.fields,
        [("Content-Security-Policy", policy.to_owned())]
    );
    assert_eq!(get("/view/A.txt", &mut inbox).body, "Meet at nine.");
    assert_eq!(
        get("/view/B.txt", &mut inbox).body,
        "Bonjour <tout> le monde\r\n"
    );
    for missing in ["/view/B.html", "/view/C.txt", "/view/A.gif", "/view/A"] {
        assert_eq!(get(missing, &mut inbox).status, 404, "{missing}");
    }
    assert_eq!(inbox.unread(), 0);
}

#[test]
fn every_path_says_what_may_be_done_with_it() {
    let mut inbox = inbox();
    for (method, target, status, allowed) in [
        (
            Method::Post,
            "/api/v1/messages",
            405,
            "GET, HEAD, PUT, DELETE",
        ),
        (
            Method::Put,
            "/api/v1/search?query=x",
            405,
            "GET, HEAD, DELETE",
        ),
        (Method::Delete, "/api/v1/message/A", 405, "GET, HEAD"),
        (Method::Put, "/view/A.txt", 405, "GET, HEAD"),
        (
            Method::Options,
            "/api/v1/messages",
            405,
            "GET, HEAD, PUT, DELETE",
        ),
        (Method::Head, "/api/v1/messages", 200, ""),
        (Method::Get, "/api/v1/chaos", 400, ""),
        (Method::Get, "/api/v1/message/none", 404, ""),
        (Method::Get, "/api/v1/message/none/raw", 404, ""),
        (Method::Get, "/api/v1/message/A/transcript", 404, ""),
        (Method::Get, "/api/v1/session/1/transcript", 404, ""),
        (Method::Get, "/api/v1/session/x/transcript", 404, ""),
        (Method::Get, "/api/v1/search", 400, ""),
        (Method::Get, "/api/v1/search?query=", 400, ""),
    ] {
        let response = ask(method, target, "", &mut inbox);
        assert_eq!(response.status, status, "{method:?} {target}");
        let allow = response.fields.iter().find(|(name, _)| *name == "Allow");
        assert_eq!(
            allow.map_or("", |(_, allow)| allow),
            allowed,
            "{method:?} {target}"
        );
    }
    for other in [
        "/",
        "/api/v1/",
        "/api/v1/message",
        "/api/v1/message/A/b",
        "/api/v1/rules",
        "/livez",
    ] {
        assert!(
            answer(&request(Method::Get, other, ""), false, &mut inbox).is_none(),
            "{other}"
        );
    }
}

#[test]
fn numbers_that_are_none_are_refused() {
    for target in [
        "/api/v1/messages?limit=abc",
        "/api/v1/messages?start=-5",
        "/api/v1/search?query=x&limit=-1",
        "/api/v1/search?query=x&wait=5&limit=-1",
        "/api/v2/messages?limit=-1",
        "/api/v2/search?kind=to&query=x&start=a",
    ] {
        assert_eq!(get(target, &mut inbox()).status, 400, "{target}");
    }
}

#[test]
fn the_inbox_tells_of_itself() {
    let mut inbox = inbox();
    inbox.delete("A");
    let info = get_json("/api/v1/info", &mut inbox);
    assert_eq!(
        names(&info),
        [
            "Version",
            "LatestVersion",
            "Database",
            "DatabaseSize",
            "Messages",
            "Unread",
            "Tags",
            "RuntimeStats"
        ]
    );
    assert_eq!(at(&info, "Messages"), &JsonValue::Number(1.0));
    assert_eq!(
        at(&info, "RuntimeStats.MessagesDeleted"),
        &JsonValue::Number(1.0)
    );
    assert_eq!(
        at(&info, "RuntimeStats.SMTPAccepted"),
        &JsonValue::Number(2.0)
    );
    assert_eq!(get("/api/v1/tags", &mut inbox).body, "[]");
    let settings = get_json("/api/v1/webui", &mut inbox);
    assert_eq!(
        at(&settings, "MessageRelay.Enabled"),
        &JsonValue::Bool(false)
    );
    assert_eq!(
        names(&get_json("/api/v1/sessions", &mut inbox)),
        ["sessions"]
    );
}
