//! Questions of each kind beside addresses that an operator names: what is asked for them, what is kept of answers, and what is known
//! without asking.

use std::net::SocketAddr;
use std::time::Duration;

use mailoop::outbound::dns::answer::{
    NameAnswer, NameError, NameKind, NameQuestion, NameRecords, NameResult,
};
use mailoop::outbound::dns::config::ResolverConfig;
use mailoop::outbound::dns::host_name::HostName;
use mailoop::outbound::dns::hosts::HostsFile;
use mailoop::outbound::dns::lookups::{LOOKUPS_MAX, QUESTIONS_MAX};

use crate::world::{NameWorld, shown};

const TLSA: &str = "_25._tcp.mail.example";

/// Asks one server, and compares `ANSWER; QUESTIONS`.
fn check(kind: NameKind, name: &str, rules: &str, expected: &str) -> NameWorld {
    let mut world = NameWorld::new(&[rules]);
    let answer = world.ask(kind, name);
    let told = format!("{}; {}", shown(&answer), world.questions.len());
    assert_eq!(told, expected, "{kind:?} {rules}: {:#?}", world.questions);
    world
}

#[test]
fn exchangers_come_by_their_preference() {
    let ask = |rules: &str, expected: &str| {
        let world = check(NameKind::Exchangers, "Example.org.", rules, expected);
        assert_eq!(world.questions[0], "1 example.org MX");
    };
    ask(
        "* MX = 60 mx 20 b.example, 60 mx 10 MX.A.Example, 60 mx 20 a.example",
        "10:mx.a.example 20:b.example 20:a.example; 1",
    );
    ask("* MX = 60 mx 0 .", "0:; 1");
    ask("* MX = 60 mx 5 ., 60 mx 10 a.example", "5: 10:a.example; 1");
    ask(
        "* MX = 60 192.0.2.1, other.example 60 mx 1 x.example, 60 mx 10 a.example",
        "10:a.example; 1",
    );
    ask("* MX = nodata 60", "NoData; 1");
    ask("* MX = nxdomain 60", "NoSuchName; 1");
    ask("* MX = servfail", "ServerFailure; 2");
    ask("* MX = cut 60 mx 10 a.example", "BadAnswer; 2");
    ask(
        "* MX = truncated 60 mx 1 x.example\n* MX tcp = 60 mx 10 a.example",
        "10:a.example; 2",
    );
    ask(
        "example.org MX = 60 -> a.example\na.example MX = 60 mx 10 b.example",
        "10:b.example = a.example; 2",
    );
}

#[test]
fn of_many_exchangers_those_are_kept_that_are_tried_first() {
    let many: Vec<_> = (0..100)
        .map(|number| format!("60 mx {} h{number}.example", (number * 37) % 100))
        .collect();
    let rules = format!("* MX = truncated\n* MX tcp = {}", many.join(", "));
    let answer = NameWorld::new(&[&rules]).ask(NameKind::Exchangers, "example.org");
    let kept = shown(&answer);
    let preferences: Vec<_> = kept
        .split(' ')
        .map(|host| host.split_once(':').unwrap().0)
        .collect();
    let first: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    assert_eq!(preferences, first);
}

#[test]
fn what_is_no_host_is_kept_as_text_that_nobody_looks_up() {
    let rules = "* MX = 60 mx 1 192.0.2.1, 60 mx 2 [::1], 60 mx 3 a/b.example, 60 mx 4 localhost";
    let expected = "1:192.0.2.1 2:[::1] 3:a/b.example 4:localhost; 1";
    let mut world = check(NameKind::Exchangers, "example.org", rules, expected);
    for (host, error) in [
        ("192.0.2.1", NameError::NoHostName),
        ("192.0.2.1.", NameError::NoHostName),
        ("10.1", NameError::NoHostName),
        ("[::1]", NameError::NoHostName),
        ("::1", NameError::NoHostName),
        ("[192.0.2.1]", NameError::NoHostName),
        ("a/b.example", NameError::NoHostName),
        ("", NameError::NoHostName),
        ("a\\.b.example", NameError::NoHostName),
        ("localhost", NameError::NoData),
        ("mail.LOCALHOST.", NameError::NoData),
    ] {
        assert_eq!(world.ask(NameKind::MailHost, host), Err(error), "{host}");
    }
    assert_eq!(world.questions.len(), 1, "nobody was asked");
}

#[test]
fn hosts_of_name_servers_are_looked_for_nowhere_else() {
    let rules =
        "mail.example A = 60 192.0.2.1\nmail.example AAAA = 60 2001:db8::1\n* * = nxdomain 60";
    let mut world = NameWorld::with_config(&[rules], |mut config| {
        config.search = vec![HostName::parse("example").unwrap()];
        config
    });
    let hosts = HostsFile::parse(b"192.0.2.50 mail.example\n192.0.2.51 mail\n");
    world.resolver.set_hosts(hosts);
    let mut ask = |kind, name: &str| shown(&world.ask(kind, name));
    assert_eq!(ask(NameKind::Host, "mail.example"), "192.0.2.50");
    let both = "192.0.2.1 2001:db8::1";
    assert_eq!(ask(NameKind::MailHost, "mail.example"), both);
    assert_eq!(ask(NameKind::MailHost, "mail"), "NoSuchName");
    assert_eq!(world.questions[2..], ["1 mail A", "1 mail AAAA"]);
    for kind in [
        NameKind::Exchangers,
        NameKind::Associations,
        NameKind::Texts,
    ] {
        assert_eq!(world.ask(kind, "mail"), Err(NameError::NoSuchName));
        let asked = world.questions.len();
        assert_eq!(world.ask(kind, "x.localhost"), Err(NameError::NoData));
        assert_eq!(world.questions.len(), asked);
    }
    assert_eq!(
        world.questions.len(),
        7,
        "no search list: {:?}",
        world.questions
    );
}

#[test]
fn associations_are_by_the_name_of_a_port() {
    let ask = |rules: &str, expected: &str| {
        let world = check(NameKind::Associations, TLSA, rules, expected);
        assert_eq!(world.questions[0], "1 _25._tcp.mail.example TLSA");
    };
    ask(
        "* TLSA = 60 tlsa 3 1 1 00ff10, 60 tlsa 2 0 2 ab, 60 tlsa 255 9 7 cd",
        "3:1:1:00ff10 2:0:2:ab 255:9:7:cd; 1",
    );
    ask("* TLSA = nodata 60", "NoData; 1");
    ask("* TLSA = nxdomain 60", "NoSuchName; 1");
    ask("* TLSA = refused", "Refused; 2");
    ask("* TLSA = cut 60 tlsa 3 1 1 ab", "BadAnswer; 2");
    let long = "* TLSA = truncated\n* TLSA tcp = 60 tlsa 3 0 0 *4097, 60 tlsa 3 1 1 ab";
    ask(long, "3:0:0: 3:1:1:ab; 2");
}

#[test]
fn associations_are_bounded() {
    let many = vec!["60 tlsa 3 0 0 *1000"; 60].join(", ");
    let rules = format!("* TLSA = truncated\n* TLSA tcp = {many}");
    let answer = NameWorld::new(&[&rules]).ask(NameKind::Associations, TLSA);
    let Ok(NameRecords::Associations(kept)) = answer.map(|found| found.records) else {
        panic!("associations");
    };
    assert_eq!(kept.len(), 30);
    assert!(kept.iter().all(|kept| kept.data.len() == 1000));
}

#[test]
fn texts_are_joined_from_their_strings() {
    let name = "_mta-sts.example.org";
    check(
        NameKind::Texts,
        name,
        "* TXT = 60 txt v=STSv1; id=1;, 60 txt other",
        "\"v=STSv1;id=1;\" \"other\"; 1",
    );
    let long = "* TXT = truncated\n* TXT tcp = 60 txt *4097, 60 txt *300";
    let expected = format!("\"{}\"; 2", "x".repeat(300));
    check(NameKind::Texts, name, long, &expected);
    let long = "* TXT = truncated\n* TXT tcp = 60 txt *4097";
    check(NameKind::Texts, name, long, "NoData; 2");
    let many: Vec<_> = (0..40).map(|number| format!("60 txt t{number}")).collect();
    let rules = format!("* TXT = {}", many.join(", "));
    let answer = NameWorld::new(&[&rules]).ask(NameKind::Texts, name);
    assert_eq!(shown(&answer).split(' ').count(), 16);
}

#[test]
fn one_kind_says_nothing_of_another() {
    let rules = "* A = 60 192.0.2.1\n* AAAA = nodata 60\n* MX = 60 mx 1 a.example\n* TXT = nodata 60\n* TLSA = nxdomain 60";
    let mut world = NameWorld::new(&[rules]);
    for _ in 0..2 {
        for (kind, expected) in [
            (NameKind::Host, "192.0.2.1"),
            (NameKind::MailHost, "192.0.2.1"),
            (NameKind::Exchangers, "1:a.example"),
            (NameKind::Texts, "NoData"),
            (NameKind::Associations, "NoSuchName"),
        ] {
            assert_eq!(shown(&world.ask(kind, "mail.example")), expected);
        }
    }
    assert_eq!(world.questions.len(), 7, "the second time from the cache");
    world.now += Duration::from_secs(60);
    assert_eq!(
        shown(&world.ask(NameKind::Exchangers, "mail.example")),
        "1:a.example"
    );
    assert_eq!(world.questions.len(), 8);
}

#[test]
fn a_policy_is_not_for_name_servers() {
    let mut world = NameWorld::new(&[""]);
    let answer = world.ask(NameKind::Policy, "example.org");
    assert_eq!(answer, Err(NameError::ServerFailure));
}

#[test]
fn a_question_costs_what_it_asks() {
    let mut world = NameWorld::new(&["* MX = after 100 60 mx 1 a.example"]);
    let now = world.now;
    for number in 0..LOOKUPS_MAX {
        let question = NameQuestion::new(NameKind::Exchangers, &format!("n{number}.example"));
        let answer = world.resolver.ask(&question, now);
        assert!(matches!(answer, NameAnswer::Later(_)));
    }
    let answers = world.run();
    assert_eq!(answers.len(), LOOKUPS_MAX);
    assert_eq!(world.most_in_flight, QUESTIONS_MAX);
    assert_eq!(world.now - now, Duration::from_millis(500), "in five parts");
}

/// Asks one server that is trusted, or not.
fn ask(is_trusted: bool, kind: NameKind, rules: &str) -> (NameResult, Vec<String>) {
    let mut world = NameWorld::with_config(&[rules], |mut config| {
        config.trusts_all = is_trusted;
        config
    });
    (world.ask(kind, "mail.example"), world.questions)
}

#[test]
fn a_trusted_server_says_what_it_has_verified() {
    for (kind, rules, expected) in [
        (
            NameKind::Exchangers,
            "* MX = ad 60 mx 1 a.example",
            "1:a.example AD",
        ),
        (
            NameKind::Exchangers,
            "* MX = 60 mx 1 a.example",
            "1:a.example",
        ),
        (
            NameKind::Associations,
            "* TLSA = ad 60 tlsa 3 1 1 ab",
            "3:1:1:ab AD",
        ),
        (
            NameKind::Associations,
            "* TLSA = 60 tlsa 3 1 1 ab",
            "3:1:1:ab",
        ),
        (NameKind::Texts, "* TXT = ad 60 txt a", "\"a\" AD"),
        (
            NameKind::MailHost,
            "* A = ad 60 192.0.2.1\n* AAAA = ad 60 2001:db8::1",
            "192.0.2.1 2001:db8::1 AD",
        ),
        (
            NameKind::MailHost,
            "* A = ad 60 192.0.2.1\n* AAAA = 60 2001:db8::1",
            "192.0.2.1 2001:db8::1",
        ),
        (
            NameKind::MailHost,
            "* A = 60 192.0.2.1\n* AAAA = ad 60 2001:db8::1",
            "192.0.2.1 2001:db8::1",
        ),
        (
            NameKind::MailHost,
            "* A = ad 60 192.0.2.1\n* AAAA = nodata 60",
            "192.0.2.1 AD",
        ),
        (
            NameKind::MailHost,
            "* A = ad nodata 60\n* AAAA = ad nxdomain",
            "NoData",
        ),
        (
            NameKind::MailHost,
            "* A = truncated\n* A tcp = ad 60 192.0.2.1\n* AAAA = nodata",
            "192.0.2.1 AD",
        ),
    ] {
        let (answer, questions) = ask(true, kind, rules);
        assert_eq!(shown(&answer), expected, "{rules}");
        assert!(
            questions.iter().all(|asked| asked.ends_with(" ad")),
            "{questions:?}"
        );
        let (answer, questions) = ask(false, kind, rules);
        assert_eq!(shown(&answer), expected.trim_end_matches(" AD"), "{rules}");
        assert!(
            !questions.iter().any(|asked| asked.ends_with(" ad")),
            "{questions:?}"
        );
    }
}

#[test]
fn all_answers_on_the_way_have_to_be_verified() {
    let rules = |first: &str, last: &str| {
        format!("mail.example MX = {first}60 -> a.example\na.example MX = {last}60 mx 1 b.example")
    };
    for (first, last, expected) in [
        ("ad ", "ad ", "1:b.example = a.example AD"),
        ("", "ad ", "1:b.example = a.example"),
        ("ad ", "", "1:b.example = a.example"),
    ] {
        let (answer, _) = ask(true, NameKind::Exchangers, &rules(first, last));
        assert_eq!(shown(&answer), expected);
    }
    let chain = "* A = ad 60 -> a.example, a.example 60 -> b.example, b.example 60 192.0.2.1
                 * AAAA = ad 60 -> c.example, c.example 60 2001:db8::1";
    let (answer, _) = ask(true, NameKind::MailHost, chain);
    assert_eq!(shown(&answer), "192.0.2.1 2001:db8::1 = b.example AD");
}

#[test]
fn silence_takes_no_verification_away_and_servers_of_old_are_asked_as_ever() {
    let rules = "once * TLSA = silence\n* TLSA = ad 60 tlsa 3 1 1 ab";
    let (answer, questions) = ask(true, NameKind::Associations, rules);
    assert_eq!(shown(&answer), "3:1:1:ab AD");
    assert_eq!(questions[1], "1 mail.example TLSA plain ad");
    let rules = "* TLSA = edns formerr ad 60 tlsa 3 1 1 ab";
    let (answer, questions) = ask(true, NameKind::Associations, rules);
    assert_eq!(shown(&answer), "3:1:1:ab", "it was not asked for this");
    assert_eq!(questions[1], "1 mail.example TLSA plain");
}

#[test]
fn each_server_is_trusted_for_itself() {
    let servers = ["* TLSA = servfail", "* TLSA = ad 60 tlsa 3 1 1 ab"];
    let ours: SocketAddr = "127.0.0.1:53".parse().unwrap();
    let other: SocketAddr = "192.0.2.2:53".parse().unwrap();
    for (addresses, expected) in [([ours, other], "3:1:1:ab"), ([other, ours], "3:1:1:ab AD")] {
        let config = |_| ResolverConfig::new(addresses.to_vec());
        let mut world = NameWorld::with_config(&servers, config);
        assert_eq!(shown(&world.ask(NameKind::Associations, TLSA)), expected);
    }
}

#[test]
fn what_this_machine_knows_is_never_verified() {
    let mut world = NameWorld::with_config(&[""], |mut config| {
        config.trusts_all = true;
        config
    });
    let hosts = HostsFile::parse(b"192.0.2.50 mail.example\n");
    world.resolver.set_hosts(hosts);
    for name in ["mail.example", "localhost", "192.0.2.1", "[::1]"] {
        assert!(!world.look_up(name).unwrap().is_authenticated, "{name}");
    }
}

#[test]
fn the_cache_knows_what_was_verified_until_others_are_asked() {
    let rules = "* MX = ad 60 mx 1 a.example";
    let mut world = NameWorld::with_config(&[rules], |mut config| {
        config.trusts_all = true;
        config
    });
    for _ in 0..2 {
        let answer = world.ask(NameKind::Exchangers, "example.org");
        assert_eq!(shown(&answer), "1:a.example AD");
    }
    assert_eq!(world.questions.len(), 1);
    let mut config = world.resolver.config().clone();
    config.trusts_all = false;
    world.resolver.set_config(config);
    let answer = world.ask(NameKind::Exchangers, "example.org");
    assert_eq!(shown(&answer), "1:a.example");
}
