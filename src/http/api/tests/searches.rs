//! Searches, in the language of Mailpit.

use super::*;

#[test]
fn searches_find_what_mailpit_finds() {
    let mut inbox = inbox();
    inbox.mark_read("B", true);
    for (query, expected) in [
        ("subject:caf\u{c9}", "A"),
        ("subject:\"caf\u{e9} today\"", "A"),
        ("SUBJECT:plain", "B"),
        ("from:ada", "A"),
        ("from:\"Ada L. <ada@example.org>\"", "A"),
        ("from:zoe@x.example", "B"),
        ("to:bob@example.org", "A B"),
        ("to:eve", "A"),
        ("cc:dan", "A"),
        ("bcc:eve", "A"),
        ("bcc:bob@", "B"),
        ("reply-to:reply@", "A"),
        ("addressed:zoe", "B"),
        ("message-id:1@example.org", "A"),
        ("nine", "A"),
        ("\"at nine\"", "A"),
        ("at nine", "A"),
        ("nine at", "A"),
        ("\"nine at\"", ""),
        ("\"tout le\"", "B"),
        ("p\u{e4}ge", "A"),
        ("-nine", "B"),
        ("!nine", "B"),
        ("!subject:plain", "A"),
        ("to:bob -from:zoe", "A"),
        ("is:read", "B"),
        ("is:unread", "A"),
        ("-is:unread", "B"),
        ("has:attachment", "A"),
        ("has:inline", "A"),
        ("!has:attachments", "B"),
        ("after:2026-11-28", "A B"),
        ("after:2026-11-29", ""),
        ("before:2026-11-29 after:2026-11-28T15:09:45Z", "A B"),
        ("before:1795878585", ""),
        ("larger:0.5k", "A"),
        ("smaller:0.5kb", "B"),
        ("tag:x", ""),
        ("-tag:x", "A B"),
        ("nowhere", ""),
        ("http://x", ""),
    ] {
        assert_eq!(found(query, &mut inbox), expected, "{query}");
    }
    let list = get_json("/api/v1/search?query=to:bob&limit=1", &mut inbox);
    let numbers = [
        ("count", 1.0),
        ("total", 2.0),
        ("messages_count", 2.0),
        ("messages_unread", 1.0),
    ];
    for (name, number) in numbers {
        assert_eq!(at(&list, name), &JsonValue::Number(number), "{name}");
    }
    assert_eq!(
        text(
            &get_json("/api/v1/message/latest?query=plain", &mut inbox),
            "ID"
        ),
        "B"
    );
}

#[test]
fn an_author_of_the_envelope_is_found_where_no_field_names_one() {
    let mut inbox = empty();
    inbox.add(message("A", &[], "Subject: x\n\n"));
    assert_eq!(found("from:ada@", &mut inbox), "A");
    let list = get_json("/api/v1/messages", &mut inbox);
    assert_eq!(text(&list, "messages.0.From.Address"), "");
}

#[test]
fn a_search_says_what_each_of_its_terms_looks_for() {
    let mut inbox = inbox();
    let delete = |query: &str, inbox: &mut Inbox| {
        let target = format!("/api/v1/search?query={query}");
        ask(Method::Delete, &target, "", inbox).status
    };
    for unset in [
        "",
        " ",
        "\"\"",
        "to:",
        "from:",
        "subject:\"\"",
        "-to:",
        "!",
        "-\"\"",
        "-tag:",
        "to:bob from:",
        "to:<>",
    ] {
        assert_eq!(delete(unset, &mut inbox), 400, "{unset}");
        assert_eq!(inbox.len(), 2, "{unset}");
        for target in [
            "/api/v1/search?wait=10&query=",
            "/api/v1/message/latest?query=",
        ] {
            let target = format!("{target}{unset}");
            assert_eq!(get(&target, &mut inbox).status, 400, "{target}");
        }
    }
    assert_eq!(
        ask(Method::Delete, "/api/v1/search", "", &mut inbox).status,
        400
    );
    assert_eq!(delete("to:bob -from:ada", &mut inbox), 200);
    assert_eq!(found("to:bob", &mut inbox), "A");
}
