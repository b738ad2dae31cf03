//! Addresses: what the grammar takes and refuses, its limits, and what holds for any input.

use mailoop::smtp::path::{
    ForwardPath, Mailbox, PathError, ReversePath, forward_path, reverse_path,
};
use proptest::prelude::*;

fn forward(argument: &str) -> Result<String, PathError> {
    forward_path(argument.as_bytes()).map(|(path, _)| match path {
        ForwardPath::Postmaster => "Postmaster".to_owned(),
        ForwardPath::Mailbox(mailbox) => mailbox.to_string(),
        ForwardPath::WithoutDomain(local_part) => format!("{local_part} alone"),
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
        ("büro@b", "büro@b"),
        #[cfg(feature = "smtputf8")]
        ("<用户@例え.jp> SMTPUTF8", "用户@例え.jp"),
        #[cfg(feature = "smtputf8")]
        ("<\"ä ö\"@BÜCHER.example>", "\"ä ö\"@BÜCHER.example"),
        ("<a@xn--a>", "a@xn--a"),
        // Dots that no Dot-string has; one that stands for the root of the DNS.
        ("<.a@b>", ".a@b"),
        ("<a.@b>", "a.@b"),
        ("<a..b@c>", "a..b@c"),
        ("<.@b>", ".@b"),
        ("<a@b.>", "a@b"),
        ("a@b.c. X", "a@b.c"),
        ("<@a.,@b.:c@d.>", "c@d"),
        #[cfg(feature = "smtputf8")]
        ("<a@ü。>", "a@ü"),
        // No addresses, but it can be told what they lack.
        ("<a>", "a alone"),
        ("<a.b> X", "a.b alone"),
        ("a", "a alone"),
        ("<\"a b\">", "\"a b\" alone"),
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
        "<a@>",
        "<@b>",
        "<a@b",
        "a@b>",
        "<a@b>x",
        "<a b@c>",
        "a b",
        "<a@b c>",
        "<a@.b>",
        "<a@.>",
        "<a@b..>",
        "<a@[127.0.0.1].>",
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
        "<a\u{85}>",
        "a\u{2028}",
        "<a\0@b>",
    ] {
        assert_eq!(forward(argument), Err(PathError::Syntax), "{argument:?}");
    }
    assert_eq!(reverse_path(b"<>x").map(|_| ()), Err(PathError::Syntax));
    assert_eq!(
        reverse_path(b"<postmaster>").map(|_| ()),
        Err(PathError::Syntax)
    );
    for argument in [
        "<a@b>ä",
        "<\"\\ä\"@b>",
        "<@ä:a@b>",
        "<a\u{85}@b>",
        "<\"\u{9b}\"@b>",
        "<a@b\u{85}>",
        "<a\u{2028}@b>",
        "<a\u{2029}@b>",
    ] {
        assert_eq!(forward(argument), Err(PathError::NonAscii), "{argument:?}");
    }
    for argument in [
        &b"<\xe4@b>"[..],
        b"<a@\xe4>",
        b"<\"\xe4\"@b>",
        b"<\xed\xa0\x80@b>",
        b"<\xc0\xaf@b>",
        b"<\xf4\x90\x80\x80@b>",
        b"<\xe4\xbe@b>",
    ] {
        assert_eq!(
            forward_path(argument).map(|_| ()),
            Err(PathError::NonAscii),
            "{argument:?}"
        );
    }
}

#[test]
fn limits_hold_to_the_octet() {
    // `@b` and the brackets leave 252 octets of local-part to the longest path.
    let local = |bytes: usize| format!("<{}@b>", "a".repeat(bytes));
    assert!(forward(&local(65)).is_ok());
    assert!(forward(&local(252)).is_ok());
    assert_eq!(forward(&local(253)), Err(PathError::TooLong));

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

#[cfg(feature = "smtputf8")]
#[test]
fn domains_meet_as_a_labels() {
    for (domain, ascii) in [
        ("Example.ORG", "Example.ORG"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.Example", "xn--bcher-kva.example"),
        ("bu\u{308}cher.example", "xn--bcher-kva.example"),
        ("ｂücher。example", "xn--bcher-kva.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("straße.de", "xn--strae-oqa.de"),
        ("STRASSE.de", "STRASSE.de"),
        ("σας.gr", "xn--mxa8ab.gr"),
        ("אבג.example", "xn--4dbcd.example"),
        ("xn--bcher-kva.ü.de", "xn--bcher-kva.xn--tda.de"),
        ("a_b.r3---sn.ü.de", "a_b.r3---sn.xn--tda.de"),
        ("①.de", "1.de"),
        // Nobody asked for UTF-8, so nobody is refused over it.
        ("xn--a.de", "xn--a.de"),
        ("[IPv6:::1]", "[IPv6:::1]"),
    ] {
        let mailbox: Mailbox = format!("a@{domain}").parse().unwrap();
        assert_eq!(mailbox.ascii_domain(), ascii, "{domain}");
        assert_eq!(mailbox.domain(), domain);
        let plain = format!("a@{}", ascii.to_ascii_lowercase());
        assert_eq!(mailbox.plain().as_str(), plain, "{domain}");
    }
    for (domain, error) in [
        // Punycode that is none, or of what needs none.
        ("xn--a.ü.de", PathError::NonAscii),
        ("xn--bcher-.ü.de", PathError::NonAscii),
        // Both directions in one label; a mark at its start; a hyphen at its end.
        ("aא.de", PathError::NonAscii),
        ("\u{308}u.de", PathError::NonAscii),
        ("-ü.de", PathError::NonAscii),
        ("ü-.de", PathError::NonAscii),
        // What becomes something else in ASCII: `a/c`, `a..b`, two dots at the end.
        ("℀.de", PathError::Syntax),
        ("a。。b", PathError::Syntax),
        ("ü.de..", PathError::Syntax),
        ("ü.de。.", PathError::Syntax),
        ("\u{ad}.de", PathError::Syntax),
    ] {
        let parsed = format!("a@{domain}").parse::<Mailbox>();
        assert_eq!(parsed, Err(error), "{domain}");
    }
    // 57 and 58 of these make A-labels of 63 and 64 octets.
    let domain = |characters: usize| format!("a@{}.jp", "例".repeat(characters));
    assert!(domain(57).parse::<Mailbox>().is_ok());
    assert_eq!(domain(58).parse::<Mailbox>(), Err(PathError::TooLong));
}

#[test]
fn local_parts_beyond_ascii_are_told_apart_by_their_octets() {
    let plain = |address: &str| address.parse::<Mailbox>().unwrap().plain().to_string();
    assert_eq!(plain("BÜRO@d"), "bÜro@d");
    assert_ne!(plain("Ü@d"), plain("ü@d"));
    assert_ne!(plain("ü@d"), plain("u\u{308}@d"));
    assert_eq!(plain("\"ü\"@d"), "ü@d");
    assert_eq!(plain("\"ü b\"@d"), "\"ü b\"@d");
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
        ("a.@d", &["\"a.\"@d", "A.@d.", "a.@d"]),
        (".a..b@d", &[".a..b@d", "\".a..b\"@d"]),
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

/// What holds for every address that is taken.
fn is_sound(mailbox: &Mailbox) -> Result<(), TestCaseError> {
    let line_end =
        |character: char| character.is_control() || "\u{2028}\u{2029}".contains(character);
    prop_assert!(!mailbox.as_str().chars().any(line_end));
    prop_assert_eq!(&mailbox.as_str().parse::<Mailbox>(), &Ok(mailbox.clone()));
    let ascii = mailbox.ascii_domain();
    prop_assert!(ascii.len() <= 255 && ascii.bytes().all(|byte| byte.is_ascii_graphic()));
    let plain = mailbox.plain();
    prop_assert_eq!(plain.domain(), ascii.to_ascii_lowercase());
    prop_assert_eq!(&plain.plain(), &plain);
    Ok(())
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
                is_sound(&mailbox)?;
            }
        }
    }

    #[test]
    fn any_text_is_taken_or_refused(text in ".{0,100}") {
        for argument in [text.clone(), format!("<{text}>"), format!("<a@{text}>"), format!("<{text}@b>")] {
            let _ = reverse_path(argument.as_bytes());
            if let Ok((ForwardPath::Mailbox(mailbox), _)) = forward_path(argument.as_bytes()) {
                is_sound(&mailbox)?;
            }
        }
    }

    #[cfg(feature = "smtputf8")]
    #[test]
    fn an_address_beyond_ascii_is_taken_as_it_is(
        local_part in "[a-z\u{a1}-\u{2fff}]{1,16}",
        domain in "[a-zäéñøαβγжщ例え漢字]{1,20}([.][a-zäöü]{1,5}){0,2}",
    ) {
        prop_assume!(!local_part.contains(['\u{2028}', '\u{2029}']));
        let address = format!("{local_part}@{domain}");
        let argument = format!("<{address}> X");
        let (path, rest) = forward_path(argument.as_bytes()).unwrap();
        let ForwardPath::Mailbox(path) = path else { return Err(TestCaseError::fail("no mailbox")) };
        prop_assert_eq!(path.as_str(), &address);
        prop_assert_eq!(rest, b" X");
        is_sound(&path)?;
        // The same domain in capital letters is the same.
        let shouted: Mailbox = format!("{local_part}@{}", domain.to_uppercase()).parse().unwrap();
        prop_assert_eq!(shouted.plain(), path.plain());
    }
}
