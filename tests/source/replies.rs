//! Replies as they stand in `src/smtp/reply.rs`: what holds for every one of them.

/// Name, code, status and text of every reply in the table.
fn replies() -> Vec<(&'static str, &'static str, &'static str, &'static str)> {
    let source = include_str!("../../src/smtp/reply.rs");
    let table = source.split("\nreplies! {\n").nth(1).unwrap();
    let table = table.split("\n}\n").next().unwrap();
    let lines = table.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let (name, rest) = line.split_once('=').unwrap();
            let mut parts = rest.split('"');
            let code = parts.next().unwrap().trim();
            let status = parts.next().unwrap();
            (name.trim(), code, status, parts.nth(1).unwrap())
        })
        .collect()
}

#[test]
fn code_and_status_are_of_one_class_and_a_line_is_short() {
    let replies = replies();
    assert!(replies.len() > 30, "where are the replies?");
    for (name, code, status, text) in replies {
        // RFC 3463 §2: class, subject and detail; RFC 2034 §4: the class is the first digit of the code.
        let numbers: Vec<u16> = status
            .split('.')
            .map(|part| part.parse().unwrap())
            .collect();
        assert_eq!(numbers.len(), 3, "{name}");
        assert!("245".contains(&code[..1]) && code.len() == 3, "{name}");
        assert_eq!(code[..1], status[..1], "{name}");
        // RFC 5321 §4.5.3.1.5.
        let line = format!("{code} {status} {text}\r\n");
        assert!(line.len() <= 512, "{name}");
        let printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        assert!(text.bytes().all(printable) && !text.is_empty(), "{name}");
    }
}

#[test]
fn what_may_pass_is_no_permanent_refusal() {
    for (name, code, ..) in replies() {
        let temporary = [
            "SHUTTING_DOWN",
            "TOO_MANY_CONNECTIONS",
            "STORE_LOST",
            "TOO_MANY_ERRORS",
            "TOO_MANY_MESSAGES",
            "USER_RATE",
            "STORE_FAILED",
            "MAILBOX_LIMIT",
            "STORE_FULL",
            "QUEUE_FULL",
            "TOO_MANY_RECIPIENTS",
            "TLS_UNAVAILABLE",
            "CANNOT_LOG_IN",
        ];
        assert_eq!(code.starts_with('4'), temporary.contains(&name), "{name}");
    }
}
