//! Users files, read and written.

#![allow(clippy::unwrap_used)]

use super::*;

fn file(lines: &[&str]) -> String {
    let mut text = format!("{HEADER}{}\n", to_base64(&[7; KEY_BYTES]));
    for line in lines {
        text += &format!("{line}\n");
    }
    text
}

#[test]
fn what_is_written_can_be_read() {
    let ada = StoredCredentials::new("pencil", 4096).unwrap();
    let text = file(&[&format!("ada:{ada}"), "", "# a comment"]);
    let users = Users::parse(&text).unwrap();
    assert_eq!(users.len(), 1);
    let account = users.account("ada");
    assert_eq!(account.credentials, ada);
    assert_eq!(account.admit(|_| true).as_deref(), Ok("ada"));
    assert!(users.account("Ada").admit(|_| true).is_err());
    assert!(users.account("ada").admit(|_| false).is_err());
    assert_eq!(format!("{users:?}"), "Users(1)");
    assert!(Users::parse(&new_header().unwrap()).unwrap().is_empty());
}

#[test]
fn the_line_and_what_is_wrong_with_it_are_told() {
    let good = StoredCredentials::new("pencil", 4096).unwrap().to_string();
    for (line, reason) in [
        ("ada".to_owned(), "write NAME:"),
        (format!(":{good}"), "1 to 255"),
        (format!("{}:{good}", "n".repeat(256)), "1 to 255"),
        (format!("a da:{good}"), "white space"),
        (format!("a\u{7}:{good}"), "no such characters"),
        (format!("\u{2168}:{good}"), "not written as"),
        ("ada:SCRAM-SHA-1$4096:x$x:x".to_owned(), "write NAME:"),
        ("ada:SCRAM-SHA-256$4096".to_owned(), "salt is missing"),
        ("ada:SCRAM-SHA-256$4096:x".to_owned(), "keys are missing"),
        ("ada:SCRAM-SHA-256$4096:x$x".to_owned(), "second key"),
        (
            format!("ada:{}", good.replace("$4096:", "$4095:")),
            "rounds",
        ),
        (
            format!("ada:{}", good.replace("$4096:", "$+4096:")),
            "rounds",
        ),
        (
            format!("ada:{}", good.replace("$4096:", "$100001:")),
            "rounds",
        ),
        (
            format!("ada:{}", good.replace("$4096:", "$4096:AAAA")),
            "salt is 16",
        ),
        (format!("ada:{good}AAAA"), "key is 32"),
        (format!("ada:{good} "), "key is 32"),
    ] {
        let bad = Users::parse(&file(&["# a comment", &line])).unwrap_err();
        assert!(
            bad.line == 3 && bad.reason.contains(reason),
            "{line}: {bad:?}"
        );
    }
    let twice = format!("ada:{good}");
    assert_eq!(Users::parse(&file(&[&twice, &twice])).unwrap_err().line, 3);
    for text in ["", "ada:x", "mailoop-users-1", "mailoop-users-1 AAAA"] {
        assert_eq!(Users::parse(text).unwrap_err().line, 1, "{text}");
    }
}

#[test]
fn who_does_not_exist_seems_to() {
    let lines: Vec<_> = [4096, 5000]
        .iter()
        .map(|iterations| {
            format!(
                "user{iterations}:{}",
                StoredCredentials::new("pencil", *iterations).unwrap()
            )
        })
        .collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let text = file(&lines);
    let users = Users::parse(&text).unwrap();
    let again = Users::parse(&text).unwrap();
    let mut iterations = [0, 0];
    for number in 0..100 {
        let name = format!("nobody{number}");
        let account = users.account(&name);
        assert!(!account.is_known);
        assert_eq!(account.credentials, again.account(&name).credentials);
        assert_ne!(account.salt(), users.account("another").salt());
        iterations[usize::from(account.iterations() == 5000)] += 1;
    }
    assert!(iterations.iter().all(|count| *count > 20), "{iterations:?}");
    let nobody = Users::parse(&file(&[])).unwrap();
    assert_eq!(nobody.account("ada").iterations(), ITERATIONS);
}
