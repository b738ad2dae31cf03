//! Requests that change the inbox, and those that wait for it to change.

use super::*;

#[test]
fn messages_are_deleted_as_the_body_says() {
    for (target, body, status, left) in [
        ("/api/v1/messages", "", 200, ""),
        ("/api/v1/messages", "{\"IDs\":[]}", 200, ""),
        ("/api/v1/messages", "{\"IDs\":[\"A\",\"none\"]}", 200, "B"),
        ("/api/v1/messages", "ids=B", 200, "A"),
        ("/api/v1/messages", "everything", 400, "A B"),
        ("/api/v1/messages", "{\"IDs\":", 400, "A B"),
        ("/api/v1/search?query=plain", "", 200, "A"),
        ("/api/v1/search?query=-nowhere", "", 200, ""),
        ("/api/v1/search?query=before:soon", "", 400, "A B"),
        ("/api/v1/search", "", 400, "A B"),
        ("/api/v1/messages/B", "", 200, "A"),
        ("/api/v1/messages/none", "", 404, "A B"),
    ] {
        let mut inbox = inbox();
        let response = ask(Method::Delete, target, body, &mut inbox);
        assert_eq!(response.status, status, "{target} {body}");
        assert_eq!(response.body.is_empty(), status == 200, "{target} {body}");
        let list = get_json("/api/v1/messages", &mut inbox);
        assert_eq!(ids(&list).join(" "), left, "{target} {body}");
    }
}

#[test]
fn messages_are_marked_as_the_body_says() {
    for (body, status, unread) in [
        ("{\"Read\":true}", 200, 0),
        ("{\"Read\":true,\"IDs\":[\"A\"]}", 200, 1),
        ("{\"Read\":true,\"Search\":\"plain\"}", 200, 1),
        ("{}", 200, 2),
        ("ids=A&Read=True", 200, 1),
        (
            "{\"Read\":true,\"IDs\":[\"A\"],\"Search\":\"plain\"}",
            400,
            2,
        ),
        ("{\"Read\":true,\"Search\":\"before:soon\"}", 400, 2),
        ("read", 400, 2),
    ] {
        let mut inbox = inbox();
        let response = ask(Method::Put, "/api/v1/messages", body, &mut inbox);
        assert_eq!(
            (response.status, inbox.unread()),
            (status, unread),
            "{body}"
        );
    }
}

#[test]
fn a_waiting_request_is_answered_with_the_message_that_it_waits_for() {
    let mut inbox = inbox();
    for target in [
        "/api/v1/search?query=subject:late&wait=10",
        "/api/v1/message/latest?query=subject:late&wait=10",
        "/api/v1/message/latest/raw?query=subject:late&wait=10",
        "/view/latest.txt?query=subject:late&wait=10",
        "/api/v1/search?query=example&wait=10&count=4",
        "/api/v1/changes?since=2&wait=10",
    ] {
        let mut inbox = empty();
        for id in ["A", "B"] {
            inbox.add(message(id, &["bob@example.org"], "Subject: early\n\n"));
        }
        let request = request(Method::Get, target, "");
        for _ in 0..2 {
            let answer = answer(&request, false, &mut inbox);
            assert!(
                matches!(answer, Some(HttpAnswer::Wait(wait)) if wait.as_secs() == 10),
                "{target}: {answer:?}"
            );
        }
        for id in ["C", "D"] {
            inbox.add(message(id, &["bob@example.org"], "Subject: late\n\n"));
        }
        let Some(HttpAnswer::Now(response)) = answer(&request, false, &mut inbox) else {
            panic!("{target} still waits");
        };
        assert_eq!(response.status, 200, "{target}");
    }
    // A message that is there already is not waited for.
    assert_eq!(
        get("/api/v1/search?query=plain&wait=10", &mut inbox).status,
        200
    );
    assert_eq!(
        get("/api/v1/message/latest?wait=10", &mut inbox).status,
        200
    );
    assert_eq!(get("/api/v1/message/B?wait=10", &mut inbox).status, 200);
    for (since, status) in [("7", 200), ("", 200), ("x", 400), ("-1", 400)] {
        for wait in ["", "&wait=10"] {
            let target = format!("/api/v1/changes?since={since}{wait}");
            assert_eq!(get(&target, &mut inbox).status, status, "{target}");
        }
    }
}

#[test]
fn a_request_that_waits_looks_at_each_message_once() {
    let mut inbox = inbox();
    let request = request(Method::Get, "/api/v1/search?query=bob&wait=10&count=3", "");
    let wait =
        |inbox: &mut Inbox| matches!(answer(&request, false, inbox), Some(HttpAnswer::Wait(_)));
    assert!(wait(&mut inbox));
    assert_eq!(
        request.progress.get(),
        WaitProgress {
            newest: 2,
            found: 2
        }
    );
    assert!(wait(&mut inbox));
    assert_eq!(request.progress.get().found, 2);
    // Messages that are gone were there.
    inbox.clear();
    assert!(wait(&mut inbox));
    inbox.add(message("C", &["bob@example.org"], "\n"));
    assert!(!wait(&mut inbox));
}

#[test]
fn at_its_end_a_waiting_request_is_answered_by_what_is_there() {
    let mut inbox = inbox();
    for (target, status) in [
        ("/api/v1/search?query=nowhere&wait=10", 200),
        ("/api/v1/message/latest?query=nowhere&wait=10", 404),
    ] {
        let answer = answer(&request(Method::Get, target, ""), true, &mut inbox);
        let Some(HttpAnswer::Now(response)) = answer else {
            panic!("{target} still waits");
        };
        assert_eq!(response.status, status);
        if status == 200 {
            assert!(ids(&JsonValue::parse(&response.body).unwrap()).is_empty());
        }
    }
    for bad in [
        "wait=x",
        "wait=-1",
        "wait=1&count=x",
        "wait=1&count=101",
        "wait=1e30",
    ] {
        let response = get(&format!("/api/v1/search?query=a&{bad}"), &mut inbox);
        assert_eq!(response.status, 400, "{bad}");
    }
    assert_eq!(
        get("/api/v1/search?query=nowhere&wait=0", &mut inbox).status,
        200
    );
    assert_eq!(get("/api/v1/message/latest", &mut empty()).status, 404);
}
