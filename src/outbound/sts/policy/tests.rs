use proptest::prelude::*;

use super::*;

/// The example of RFC 8461 §3.2.
const EXAMPLE: &str = "version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\n\
                       mx: backupmx.example.com\nmax_age: 604800\n";

fn parse(text: &str) -> Result<StsPolicy, StsPolicyError> {
    StsPolicy::parse(text.as_bytes())
}

#[test]
fn the_examples_of_the_rfc_are_policies() {
    let policy = parse(EXAMPLE).unwrap();
    assert_eq!(policy.mode, StsMode::Enforce);
    assert_eq!(policy.max_age, Duration::from_secs(604_800));
    let patterns: Vec<_> = policy.patterns.iter().map(MxPattern::to_string).collect();
    assert_eq!(
        patterns,
        ["mail.example.com", "*.example.net", "backupmx.example.com"]
    );
    // Appendix A.
    let appendix = "version: STSv1\r\nmode: enforce\r\nmx: mx1.example.com\r\nmx: mx2.example.com\r\n\
                    mx: mx.backup-example.com\r\nmax_age: 1296000\r\n";
    let policy = parse(appendix).unwrap();
    assert_eq!(policy.max_age, Duration::from_secs(1_296_000));
    assert_eq!(policy.to_string(), appendix.replace('\r', ""));
    // Section 8.3, how a policy is given up.
    let removed = parse("version: STSv1\nmode: none\nmax_age: 86400").unwrap();
    assert_eq!((removed.mode, removed.patterns.len()), (StsMode::None, 0));
    assert!(removed.matches("any.example"));
}

#[test]
fn lines_end_by_lf_or_crlf_and_blanks_may_stand_around_values() {
    let text = "version:STSv1 \t\r\nmode:\t testing\nmax_age:  0\r\n\r\nmx:A.Example.\t\r\n";
    let policy = parse(text).unwrap();
    assert_eq!(policy.mode, StsMode::Testing);
    assert_eq!(policy.max_age, Duration::ZERO);
    assert!(policy.matches("a.example"));
}

#[test]
fn unknown_fields_are_passed_over_and_the_first_of_two_counts() {
    let text = "new_thing: 1: 2\n# a comment\nno field\n\u{fc}ber: x\nversion: STSv1\nversion: STSv2\nmode: testing\n\
                mode: enforce\nmax_age: 7\nmax_age: soon\nmx: a.example\nMX: b.example\n";
    let policy = parse(text).unwrap();
    let shown = "version: STSv1\nmode: testing\nmx: a.example\nmax_age: 7\n";
    assert_eq!(policy.to_string(), shown);
    assert_eq!(parse(shown), Ok(policy));
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    use StsPolicyError::{MaxAge, Mode, Patterns, TooLong, TooManyPatterns, Version};
    let many = format!("{EXAMPLE}{}", "mx: a.example\n".repeat(98));
    let long = format!("{EXAMPLE}{}", " ".repeat(POLICY_BYTES_MAX));
    for (text, error) in [
        ("", Version),
        ("<!doctype html>\n<title>version: STSv1</title>", Version),
        (&EXAMPLE.replace("version", "Version"), Version),
        (&EXAMPLE.replace("STSv1", "stsv1"), Version),
        (&EXAMPLE.replace("STSv1", "STSv2"), Version),
        (&EXAMPLE.replace("version", " version"), Version),
        (&EXAMPLE.replace('\n', "\r"), Version),
        (&EXAMPLE.replace("mode", "mod"), Mode),
        (&EXAMPLE.replace("enforce", "Enforce"), Mode),
        (&EXAMPLE.replace("enforce", ""), Mode),
        (&EXAMPLE.replace("max_age", "maxage"), MaxAge),
        (&EXAMPLE.replace("604800", ""), MaxAge),
        (&EXAMPLE.replace("604800", "-1"), MaxAge),
        (&EXAMPLE.replace("604800", "+1"), MaxAge),
        (&EXAMPLE.replace("604800", "1 day"), MaxAge),
        (&EXAMPLE.replace("604800", "12345678901"), MaxAge),
        (&EXAMPLE.replace("mx:", "host:"), Patterns),
        (&EXAMPLE.replace("*.example.net", "*"), Patterns),
        (
            &EXAMPLE.replace("*.example.net", "*.*.example.net"),
            Patterns,
        ),
        (
            &EXAMPLE.replace("*.example.net", "mx*.example.net"),
            Patterns,
        ),
        (&EXAMPLE.replace("*.example.net", ".example.net"), Patterns),
        (&EXAMPLE.replace("*.example.net", ""), Patterns),
        (&EXAMPLE.replace("*.example.net", "[192.0.2.1]"), Patterns),
        (&EXAMPLE.replace("*.example.net", "a, b"), Patterns),
        (&many, TooManyPatterns),
        (&long, TooLong),
    ] {
        assert_eq!(parse(text), Err(error), "{text}");
    }
}

#[test]
fn a_time_that_is_too_long_is_cut() {
    for (written, read) in [
        ("31557600", MAX_AGE_SECONDS),
        ("31557601", MAX_AGE_SECONDS),
        ("9999999999", MAX_AGE_SECONDS),
        ("0000000001", 1),
    ] {
        let policy = parse(&EXAMPLE.replace("604800", written)).unwrap();
        assert_eq!(policy.max_age, Duration::from_secs(read), "{written}");
    }
}

#[test]
fn a_star_stands_for_one_label() {
    let policy = parse(EXAMPLE).unwrap();
    for host in [
        "mail.example.com",
        "MAIL.Example.COM.",
        "a.example.net",
        "_x.example.net",
    ] {
        assert!(policy.matches(host), "{host}");
    }
    for host in [
        "",
        ".",
        "example.com",
        "x.mail.example.com",
        "mail.example.com.evil.example",
        "example.net",
        ".example.net",
        "a.b.example.net",
        "aexample.net",
        "*.example.net",
        "[192.0.2.1]",
    ] {
        assert!(!policy.matches(host), "{host}");
    }
    let single = parse(&EXAMPLE.replace("*.example.net", "*.net")).unwrap();
    assert!(single.matches("example.net") && !single.matches("net"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn any_text_is_a_policy_that_reads_the_same_again_or_none(
        text in "((version: STSv1|mode: (enforce|testing|none)|max_age: [0-9]{0,11}|mx: (\\*\\.)?[a-z.]{0,9}|.{0,9})\r?\n){0,12}",
        octets in proptest::collection::vec(any::<u8>(), 0..200),
        host in "([a-z]{1,3}\\.){0,3}[a-z]{1,3}",
    ) {
        let _ = StsPolicy::parse(&octets);
        if let Ok(policy) = parse(&text) {
            let again = parse(&policy.to_string());
            prop_assert_eq!(again.as_ref(), Ok(&policy));
            let _ = policy.matches(&host);
            prop_assert!(policy.max_age.as_secs() <= MAX_AGE_SECONDS);
            prop_assert!(policy.mode == StsMode::None || !policy.patterns.is_empty());
        }
    }

    #[test]
    fn a_host_with_one_label_more_matches_the_star(label in "[a-z0-9-]{1,63}", name in "[a-z]{1,9}(\\.[a-z]{1,9}){0,3}") {
        let text = format!("version: STSv1\nmode: enforce\nmax_age: 1\nmx: *.{name}");
        let policy = parse(&text).unwrap();
        let host = format!("{label}.{name}");
        prop_assert!(policy.matches(&host));
        prop_assert!(!policy.matches(&name));
        let more = format!("{label}.{host}");
        prop_assert!(!policy.matches(&more));
    }
}
