//! Addresses: what the grammar takes and refuses, its limits, and what holds for any input.

#![allow(clippy::unwrap_used)]

use mailoop::smtp::path::{
    ForwardPath, Mailbox, PathError, ReversePath, forward_path, reverse_path,
};
use proptest::prelude::*;

fn forward(argument: &str) -> Result<String, PathError> {
    forward_path(argument.as_bytes()).map(|(path, _)| match path {
        ForwardPath::Postmaster => "Postmaster".to_owned(),
        ForwardPath::Mailbox(mailbox) => mailbox.to_string(),
    })
}

#[test]
fn takes_what_the_grammar_allows() {
    for (argument, address) in [
        ("<a@b>", "a@b"),
        ("a@b", "a@b"),
        ("<a@b> SIZE=1", "a@b"),
        (
            "<first.last+tag@sub.example.org>",
            "first.last+tag@sub.example.org",
        ),
        ("<@a,@b.example:c@d>", "c@d"),
        ("<\"quoted string\"@d>", "\"quoted string\"@d"),
        ("<\"a>b@c\\\"\\\\\"@d>", "\"a>b@c\\\"\\\\\"@d"),
        ("<a@[127.0.0.1]>", "a@[127.0.0.1]"),
        ("<a@[IPv6:::1]>", "a@[IPv6:::1]"),
        ("<a@[x400:c=de]>", "a@[x400:c=de]"),
        ("<a@under_score.example>", "a@under_score.example"),
        ("<pOSTmaster>", "Postmaster"),
        ("postmaster", "Postmaster"),
        ("<postmaster@d>", "postmaster@d"),
        ("<postmaster.x@d>", "postmaster.x@d"),
    ] {
        assert_eq!(forward(argument).as_deref(), Ok(address), "{argument}");
    }
    assert_eq!(
        reverse_path(b"<> BODY=7BIT"),
        Ok((ReversePath::Null, &b" BODY=7BIT"[..]))
    );
}

#[test]
fn refuses_what_it_forbids() {
    for argument in [
        "",
        "<",
        "<>",
        "< >",
        "<a>",
        "a",
        "<a@>",
        "<@b>",
        "<a@b",
        "a@b>",
        "<a@b>x",
        "<a b@c>",
        "a b",
        "<a@b c>",
        "<.a@b>",
        "<a.@b>",
        "<a..b@c>",
        "<a@.b>",
        "<a@b.>",
        "<a@b..c>",
        "<a@-b>",
        "<a@b->",
        "<a@b@c>",
        "<\"a@b>",
        "<\"a\"b@c>",
        "<\"a\\",
        "<a@[1.2.3]>",
        "<a@[1.2.3.256]>",
        "<a@[IPv6:1]>",
        "<a@[]>",
        "<a@[x:]>",
        "<a@[1.2.3.4>",
        "<@a:>",
        "<@a,b@c>",
        "<@a@b>",
        "<postmaster",
        "<postmaster>x",
        "<\"a\tb\"@c>",
        "<a\0@b>",
    ] {
        assert_eq!(forward(argument), Err(PathError::Syntax), "{argument:?}");
    }
    assert_eq!(reverse_path(b"<>x").map(|_| ()), Err(PathError::Syntax));
    assert_eq!(
        reverse_path(b"<postmaster>").map(|_| ()),
        Err(PathError::Syntax)
    );
    for argument in ["<ä@b>", "<a@ä>", "<\"ä\"@b>", "<a@bä>", "ä"] {
        assert_eq!(forward(argument), Err(PathError::NonAscii), "{argument}");
    }
}

#[test]
fn limits_hold_to_the_octet() {
    let local = |bytes: usize| format!("<{}@b>", "a".repeat(bytes));
    assert!(forward(&local(64)).is_ok());
    assert_eq!(forward(&local(65)), Err(PathError::TooLong));

    let label = "d".repeat(63);
    assert!(forward(&format!("<a@{label}>")).is_ok());
    assert_eq!(forward(&format!("<a@{label}d>")), Err(PathError::TooLong));

    // `<a@` and `>` leave 252 octets of domain to the longest path.
    let domain = |bytes: usize| format!("{label}.{label}.{label}.{}", "e".repeat(bytes - 3 * 64));
    assert!(forward(&format!("<a@{}>", domain(252))).is_ok());
    assert_eq!(
        forward(&format!("<a@{}>", domain(253))),
        Err(PathError::TooLong)
    );
    assert!(forward(&format!("a@{}", domain(252))).is_ok());
    assert_eq!(
        forward(&format!("a@{}", domain(253))),
        Err(PathError::TooLong)
    );
    assert!(domain(255).len() == 255 && format!("a@{}", domain(255)).parse::<Mailbox>().is_ok());
    let long_route = format!("<@{}:a@b>", domain(250));
    assert_eq!(forward(&long_route), Err(PathError::TooLong));
}

#[test]
fn spellings_of_one_mailbox_meet_when_unquoted() {
    for (address, unquoted) in [
        ("a.b@c", "a.b"),
        ("\"a.b\"@c", "a.b"),
        ("\"a\\.\\b\"@c", "a.b"),
        ("\"\"@c", ""),
    ] {
        let mailbox: Mailbox = address.parse().unwrap();
        assert_eq!(mailbox.local_part_unquoted(), unquoted, "{address}");
        assert_eq!(mailbox.domain(), "c");
    }
}

/// Addresses as RFC 5321 §4.1.2 allows them.
fn address() -> impl Strategy<Value = String> {
    let atom = "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,10}";
    let dot_string = prop::collection::vec(atom, 1..4).prop_map(|atoms| atoms.join("."));
    let quoted = r#""([ !#-\[\]-~]|\\[ -~]){0,20}""#;
    let label = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,8}[a-zA-Z0-9])?";
    let domain = prop::collection::vec(label, 1..4).prop_map(|labels| labels.join("."));
    let literal = any::<[u8; 4]>().prop_map(|[a, b, c, d]| format!("[{a}.{b}.{c}.{d}]"));
    let local_part = prop_oneof![dot_string, quoted.prop_map(|quoted| quoted)];
    (local_part, prop_oneof![domain, literal])
        .prop_map(|(local_part, domain)| format!("{local_part}@{domain}"))
}

#[test]
fn all_spellings_of_a_mailbox_have_a_plain_one_in_common() {
    for (plain, spellings) in [
        (
            "a.b@d",
            &["a.b@d", "A.B@D", "\"a.b\"@d", "\"\\a.\\B\"@d"][..],
        ),
        ("\"a b\"@d", &["\"a b\"@d", "\"A\\ b\"@D"]),
        ("\"a.\"@d", &["\"a.\"@d"]),
        ("\"\"@d", &["\"\"@d"]),
        (
            "\"a\\\\\\\"@\"@d",
            &["\"a\\\\\\\"@\"@d", "\"\\A\\\\\\\"\\@\"@d"],
        ),
        ("a@[ipv6:::1]", &["a@[IPv6:::1]"]),
    ] {
        for spelling in spellings {
            let mailbox: Mailbox = spelling.parse().unwrap();
            assert_eq!(mailbox.plain().as_str(), plain, "{spelling}");
        }
    }
}

proptest! {
    #[test]
    fn a_valid_address_is_taken_as_it_is(address in address(), parameters in "( [A-Z]{1,5}=[0-9]{1,5})?") {
        let argument = format!("<{address}>{parameters}");
        let (path, rest) = forward_path(argument.as_bytes()).unwrap();
        let ForwardPath::Mailbox(mailbox) = path else { return Err(TestCaseError::fail("no mailbox")) };
        prop_assert_eq!(mailbox.as_str(), &address);
        prop_assert_eq!(rest, parameters.as_bytes());
        prop_assert_eq!(format!("{}@{}", mailbox.local_part(), mailbox.domain()), &address[..]);
    }

    #[test]
    fn quoting_does_not_change_a_mailbox(local_part in "[ -~]{1,20}") {
        let quoted: String = local_part.chars().flat_map(|character| ['\\', character]).collect();
        let mailbox: Mailbox = format!("\"{quoted}\"@d").parse().unwrap();
        prop_assert_eq!(mailbox.local_part_unquoted(), local_part.as_str());
        let plain = mailbox.plain();
        prop_assert_eq!(plain.local_part_unquoted(), local_part.to_ascii_lowercase());
        prop_assert_eq!(plain.as_str().parse::<Mailbox>(), Ok(plain.clone()));
        prop_assert_eq!(plain.plain(), plain);
    }

    #[test]
    fn any_argument_is_taken_or_refused(argument in prop::collection::vec(any::<u8>(), 0..300)) {
        for argument in [&argument[..], &[b"<", &argument[..], b">"].concat()] {
            let _ = reverse_path(argument);
            if let Ok((ForwardPath::Mailbox(mailbox), _)) = forward_path(argument) {
                prop_assert!(mailbox.as_str().bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
                prop_assert_eq!(mailbox.as_str().parse::<Mailbox>(), Ok(mailbox.clone()));
            }
        }
    }
}
