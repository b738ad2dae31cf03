//! Lists, messages and searches, with the fields of MailHog.

use super::*;

#[test]
fn mailhogs_messages_have_its_shape() {
    let mut inbox = inbox();
    let list = get_json("/api/v2/messages?limit=1", &mut inbox);
    assert_eq!(names(&list), ["total", "count", "start", "items"]);
    let letter = at(&list, "items.0");
    assert_eq!(
        names(letter),
        ["ID", "From", "To", "Content", "Created", "MIME", "Raw"]
    );
    for (path, expected) in [
        ("ID", "A"),
        ("From.Mailbox", "ada"),
        ("From.Domain", "example.org"),
        ("To.3.Mailbox", "eve"),
        ("Content.Headers.Message-ID.0", "<1@example.org>"),
        ("Content.Headers.Subject.0", "=?utf-8?q?Caf=C3=A9?= today"),
        ("MIME.Parts.0.MIME.Parts.0.Body", "Meet at nine."),
        (
            "MIME.Parts.0.MIME.Parts.1.Headers.Content-Type.0",
            "text/html; charset=utf-8",
        ),
        ("MIME.Parts.1.Body", "iVBORw=="),
        ("Raw.From", "ada@example.org"),
        ("Raw.To.0", "bob@example.org"),
        ("Raw.Helo", "client"),
    ] {
        assert_eq!(text(letter, path), expected, "{path}");
    }
    assert_eq!(text(letter, "Raw.Data"), LETTER.replace('\n', "\r\n"));
    assert_eq!(at(letter, "MIME.Parts").as_array().unwrap().len(), 3);
    let plain = get_json("/api/v1/messages/B", &mut inbox);
    assert_eq!(at(&plain, "MIME"), &JsonValue::Null);
    assert_eq!(text(&plain, "Content.Body"), "Bonjour <tout> le monde\r\n");
    assert_eq!(get("/api/v1/messages/none", &mut inbox).status, 404);
    let source = get("/api/v1/messages/B/download", &mut inbox);
    assert_eq!(source.content_type, "message/rfc822");
}

#[test]
fn mailhogs_searches_have_kinds() {
    let mut inbox = inbox();
    for (parameters, expected) in [
        ("kind=to&query=BOB@", "A B"),
        ("kind=to&query=eve", "A"),
        ("kind=from&query=zoe", "B"),
        ("kind=containing&query=bonjour", "B"),
        ("kind=containing&query=one", "A"),
        ("kind=containing&query=nowhere", ""),
        ("kind=to&query=bob&start=1", "B"),
        ("kind=to&query=bob&limit=1", "A"),
    ] {
        let list = get_json(&format!("/api/v2/search?{parameters}"), &mut inbox);
        let items = at(&list, "items").as_array().unwrap();
        let found: Vec<&str> = items.iter().map(|item| text(item, "ID")).collect();
        assert_eq!(found.join(" "), expected, "{parameters}");
    }
    for bad in [
        "kind=subject&query=x",
        "query=x",
        "kind=to",
        "kind=to&query=",
    ] {
        assert_eq!(
            get(&format!("/api/v2/search?{bad}"), &mut inbox).status,
            400,
            "{bad}"
        );
    }
}
