//! Situations, each a script for the servers and what a caller is told: the answer, how many questions were sent, and after how
//! many milliseconds it came.

use crate::world::{NameWorld, addresses, shown};

/// Asks for `mail.example`, and compares `ANSWER; QUESTIONS; MILLISECONDS`.
pub fn check(what: &str, servers: &[&str], expected: &str) -> NameWorld {
    check_name(what, "mail.example", servers, expected)
}

fn check_name(what: &str, name: &str, servers: &[&str], expected: &str) -> NameWorld {
    let mut world = NameWorld::new(servers);
    let answer = world.look_up(name);
    let took = (world.now - world.start).as_millis();
    let told = format!("{}; {}; {took}", shown(&answer), world.questions.len());
    assert_eq!(told, expected, "{what}: {:#?}", world.questions);
    for server in &world.servers {
        assert!(server.left().is_empty(), "{what}: {:?}", server.left());
    }
    world
}

const V6: &str = "* AAAA = nodata 60";

#[test]
fn addresses_of_both_families() {
    check(
        "both families by turns",
        &["* A = 60 192.0.2.1, 60 192.0.2.2
           * AAAA = 60 2001:db8::1, 60 2001:db8::2, 60 2001:db8::3"],
        "192.0.2.1 2001:db8::1 192.0.2.2 2001:db8::2 2001:db8::3; 2; 0",
    );
    check(
        "only IPv4",
        &["* A = 60 192.0.2.1\n* AAAA = nodata"],
        "192.0.2.1; 2; 0",
    );
    check(
        "only IPv6",
        &["* A = nodata 60\n* AAAA = 60 2001:db8::1"],
        "2001:db8::1; 2; 0",
    );
    check(
        "records of another type, class or name are passed over",
        &[
            "* A = 60 txt, other.example 60 192.0.2.9, 60 ch 192.0.2.8, 60 192.0.2.1, 60 2001:db8::9\n* AAAA = nodata",
        ],
        "192.0.2.1; 2; 0",
    );
    let many: Vec<String> = (0..90)
        .map(|number| format!("60 192.0.2.{number}"))
        .collect();
    let rule = format!("* A tcp = {}\n* A = truncated\n{V6}", many.join(", "));
    let world = &mut NameWorld::new(&[&rule]);
    assert_eq!(addresses(world.look_up("mail.example")).len(), 30);
    check(
        "addresses that no host has are none",
        &[
            "* A = 60 0.0.0.0, 60 224.0.0.1, 60 255.255.255.255, 60 192.0.2.1
           * AAAA = 60 ::, 60 ff02::1",
        ],
        "192.0.2.1; 2; 0",
    );
    check(
        "a server that blocks names",
        &["* A = 60 0.0.0.0\n* AAAA = 60 ::"],
        "NoData; 2; 0",
    );
}

#[test]
fn names_without_addresses() {
    check("NXDOMAIN", &["* * = nxdomain 60"], "NoSuchName; 2; 0");
    check(
        "NXDOMAIN without SOA",
        &["* * = nxdomain"],
        "NoSuchName; 2; 0",
    );
    check("no data", &["* * = nodata 60"], "NoData; 2; 0");
    check("no data without SOA", &["* * = nodata"], "NoData; 2; 0");
    check(
        "a server that says NXDOMAIN for a type it does not know (RFC 4074)",
        &["* A = nodata\n* AAAA = nxdomain"],
        "NoData; 2; 0",
    );
    check(
        "… which hides no address",
        &["* A = 60 192.0.2.1\n* AAAA = nxdomain"],
        "192.0.2.1; 2; 0",
    );
    check(
        "one family is not there, the other is not known: nothing is certain",
        &["* A = servfail\n* AAAA = nodata 60"],
        "ServerFailure; 3; 0",
    );
    check(
        "NXDOMAIN of one family, failure of the other: nothing is certain",
        &["* A = nxdomain 60\n* AAAA = refused"],
        "Refused; 3; 0",
    );
    for name in ["", "a..b", "ä.example", "a b", "[mail.example]"] {
        check_name("no name", name, &["* * = nxdomain"], "NoHostName; 0; 0");
    }
}

#[test]
fn servers_that_fail() {
    check("SERVFAIL", &["* * = servfail"], "ServerFailure; 4; 0");
    check("REFUSED", &["* * = refused"], "Refused; 4; 0");
    check("NOTIMP", &["* * = notimp"], "ServerFailure; 6; 0");
    check("lame", &["* * = lame"], "ServerFailure; 4; 0");
    check("silence", &["* * = silence"], "Timeout; 4; 4000");
    check(
        "silence of three",
        &["* * = silence"; 3],
        "Timeout; 10; 10000",
    );
    check(
        "nobody listens",
        &["* * = unreachable"; 2],
        "Unreachable; 8; 0",
    );
    check(
        "an empty datagram, then silence",
        &["* * = empty"],
        "Timeout; 4; 4000",
    );
    check(
        "the start of a message",
        &["* * = short"],
        "Timeout; 4; 4000",
    );
    check(
        "garbage after a good start",
        &["* * = garbage"],
        "BadAnswer; 4; 0",
    );
    check(
        "names that point to themselves",
        &["* * = pointers"],
        "BadAnswer; 4; 0",
    );
    check(
        "a message that is cut",
        &["* * = cut 60 192.0.2.1"],
        "BadAnswer; 4; 0",
    );
    check(
        "words say more than silence",
        &["* * = refused", "* * = silence"],
        "Refused; 8; 4000",
    );
    check(
        "a failure by words after the other",
        &["* * = silence", "* * = servfail"],
        "ServerFailure; 8; 4000",
    );
}

#[test]
fn other_servers_are_asked() {
    let good = "* A = 60 192.0.2.1\n* AAAA = nodata";
    for (what, bad, expected) in [
        ("SERVFAIL", "servfail", "192.0.2.1; 4; 0"),
        ("REFUSED", "refused", "192.0.2.1; 4; 0"),
        ("FORMERR", "formerr", "192.0.2.1; 6; 0"),
        ("silence", "silence", "192.0.2.1; 4; 2000"),
        ("unreachable", "unreachable", "192.0.2.1; 4; 0"),
        ("garbage", "garbage", "192.0.2.1; 4; 0"),
        ("lame", "lame", "192.0.2.1; 4; 0"),
    ] {
        let world = check(what, &[&format!("* * = {bad}"), good], expected);
        assert!(
            world
                .questions
                .iter()
                .any(|question| question.starts_with("2 "))
        );
    }
    let world = &mut NameWorld::new(&["* * = silence", good]);
    world.look_up("mail.example").unwrap();
    let (asked, now) = (world.questions.len(), world.now);
    world.look_up("other.example").unwrap();
    assert_eq!(
        (world.questions.len() - asked, world.now - now),
        (2, std::time::Duration::ZERO),
        "a server that did not answer is asked last: {:?}",
        world.questions
    );
    check(
        "the first time both are deaf",
        &[
            &format!("once * A = silence\nonce * AAAA = silence\n{good}"),
            "once * A = silence\nonce * AAAA = silence",
        ],
        "192.0.2.1; 6; 4000",
    );
}

#[test]
fn one_family_that_never_answers() {
    check(
        "AAAA is dropped: its try is waited for, not all tries of all servers",
        &["* A = 60 192.0.2.1\n* AAAA = silence"; 3],
        "192.0.2.1; 2; 2000",
    );
    check(
        "A is dropped",
        &["* A = silence\n* AAAA = 60 2001:db8::1"; 2],
        "2001:db8::1; 2; 2000",
    );
    check(
        "AAAA fails everywhere",
        &["* A = 60 192.0.2.1\n* AAAA = servfail"; 2],
        "192.0.2.1; 5; 0",
    );
    check(
        "AAAA is answered late, A at once",
        &["* A = 60 192.0.2.1\n* AAAA = after 1900 60 2001:db8::1"],
        "192.0.2.1 2001:db8::1; 2; 1900",
    );
    check(
        "one family is not there, the other silent: nothing is certain",
        &["* A = nodata 60\n* AAAA = silence"],
        "Timeout; 3; 4000",
    );
}

#[test]
fn truncated_answers_come_by_tcp() {
    let world = check(
        "TC, then TCP",
        &["* A = truncated\n* A tcp = 60 192.0.2.1\n* AAAA = nodata"],
        "192.0.2.1; 3; 0",
    );
    assert_eq!(world.questions[2], "1 mail.example A tcp");
    check(
        "records of a truncated answer do not count",
        &["* A = truncated 60 192.0.2.9\n* A tcp = 60 192.0.2.1\n* AAAA = nodata"],
        "192.0.2.1; 3; 0",
    );
    check(
        "a mark that means nothing in TCP",
        &["* A = truncated\n* A tcp = truncated 60 192.0.2.1\n* AAAA = nodata"],
        "192.0.2.1; 3; 0",
    );
    check(
        "nobody listens for TCP",
        &[
            "* A = truncated\n* A tcp = unreachable\n* AAAA = nodata",
            "* A = 60 192.0.2.2",
        ],
        "192.0.2.2; 4; 0",
    );
    check(
        "silence by TCP takes longer",
        &[
            "* * = truncated\n* * tcp = silence",
            "* A = 60 192.0.2.2\n* AAAA = nodata",
        ],
        "192.0.2.2; 6; 5000",
    );
    check(
        "there are ten seconds for all of it",
        &["* * = after 500 truncated\n* * tcp = silence"; 2],
        "Timeout; 8; 10000",
    );
    check(
        "nonsense by TCP",
        &[
            "* * = truncated\n* * tcp = wrong id 60 192.0.2.9",
            "* A = 60 192.0.2.2\n* AAAA = nodata",
        ],
        "192.0.2.2; 6; 0",
    );
}

#[test]
fn forged_and_stray_answers() {
    for wrong in [
        "wrong id",
        "wrong question",
        "wrong type",
        "two questions",
        "a question",
        "wrong address",
    ] {
        let rule = format!("* A = {wrong} 60 192.0.2.9 & after 10 60 192.0.2.1\n{V6}");
        check(wrong, &[&rule], "192.0.2.1; 2; 10");
        let rule = format!("* A = {wrong} 60 192.0.2.9\n{V6}");
        check(wrong, &[&rule], "Timeout; 3; 4000");
    }
    let world = check(
        "the case of the name is not kept: either the server is simple, or this is forged",
        &["* A = other case 60 192.0.2.9\n* A tcp = 60 192.0.2.1\n* AAAA = nodata"],
        "192.0.2.1; 3; 0",
    );
    assert_eq!(world.questions[2], "1 mail.example A tcp");
    check(
        "nobody forges the answer of a connection",
        &["* A = other case 60 192.0.2.9\n* A tcp = other case 60 192.0.2.1\n* AAAA = nodata"],
        "192.0.2.1; 3; 0",
    );
    let flood = vec!["wrong id 60 192.0.2.9"; 20].join(" & ");
    let rule = format!("* A = {flood}\n* A tcp = 60 192.0.2.1\n* AAAA = nodata");
    let world = check("somebody guesses: TCP", &[&rule], "192.0.2.1; 3; 0");
    assert_eq!(world.questions[2], "1 mail.example A tcp");
    check(
        "an answer after its time is of no use",
        &["once * A = after 2500 60 192.0.2.9\n* A = after 1500 60 192.0.2.1\n* AAAA = nodata"],
        "192.0.2.1; 3; 3500",
    );
    check(
        "a failure without the question, as some servers have it",
        &["* A = bare formerr\n* AAAA = nodata", "* A = 60 192.0.2.1"],
        "192.0.2.1; 4; 0",
    );
}

#[test]
fn servers_without_edns() {
    let world = check(
        "FORMERR to EDNS",
        &["* A = edns formerr 60 192.0.2.1\n* AAAA = edns formerr nodata"],
        "192.0.2.1; 4; 0",
    );
    assert_eq!(world.questions[2], "1 mail.example A plain");
    let world = check(
        "a path that drops EDNS: the second time a server is asked without",
        &["once * A = silence\nonce * AAAA = silence\n* A = 60 192.0.2.1\n* AAAA = nodata"],
        "192.0.2.1; 4; 2000",
    );
    assert!(world.questions[2].ends_with(" plain"));
}

#[test]
fn ids_and_cases_are_random() {
    let mut world = NameWorld::new(&["* * = nodata"]);
    for number in 0..100 {
        let _ = world.look_up(&format!("abcdefghijklmnopqrstuvwxyz.example{number}"));
    }
    let ids: std::collections::BTreeSet<_> = world.ids.iter().collect();
    assert!(ids.len() > 190, "{} ids", ids.len());
    let upper = world.names.iter().flat_map(|name| name.chars());
    let upper = upper.filter(char::is_ascii_uppercase).count();
    assert!((2800..3800).contains(&upper), "{upper} of 6,600 letters");
    let forms: std::collections::BTreeSet<_> = world.names.iter().collect();
    assert_eq!(forms.len(), 200);
}
