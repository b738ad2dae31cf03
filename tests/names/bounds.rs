//! What the resolver knows by itself, what it keeps and for how long, and what bounds it.

use std::net::SocketAddr;
use std::time::Duration;

use mailoop::outbound::dns::answer::{NameAnswer, NameError, NameQuestion};
use mailoop::outbound::dns::config::ResolverConfig;
use mailoop::outbound::dns::host_name::HostName;
use mailoop::outbound::dns::hosts::HostsFile;
use mailoop::outbound::dns::lookups::{LOOKUPS_MAX, QUESTIONS_MAX};

use crate::world::{NameWorld, server, shown};

const GOOD: &str = "* A = 60 192.0.2.1\n* AAAA = nodata 60";

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn an_address_is_its_own_answer() {
    let mut world = NameWorld::new(&[""]);
    for (text, address) in [
        ("192.0.2.7", "192.0.2.7"),
        ("[192.0.2.7]", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
    ] {
        assert_eq!(shown(&world.look_up(text)), address);
    }
}

#[test]
fn the_hosts_file_comes_first() {
    let mut world = NameWorld::new(&[GOOD]);
    let hosts = b"192.0.2.50 Mail.example mail\n2001:db8::50 mail.example\n";
    world.resolver.set_hosts(HostsFile::parse(hosts));
    assert_eq!(
        shown(&world.look_up("mail.EXAMPLE.")),
        "192.0.2.50 2001:db8::50"
    );
    assert_eq!(shown(&world.look_up("mail")), "192.0.2.50");
    assert_eq!(shown(&world.look_up("localhost")), "127.0.0.1 ::1");
    assert_eq!(world.questions.len(), 0);
    world.resolver.set_hosts(HostsFile::default());
    assert_eq!(shown(&world.look_up("mail.example")), "192.0.2.1");
}

/// Asks, and asks again so many seconds later; the number of questions for the second time.
fn asked_again(rules: &str, after: u64) -> usize {
    let mut world = NameWorld::new(&[rules]);
    let first = world.look_up("mail.example");
    let asked = world.questions.len();
    world.now += seconds(after);
    assert_eq!(world.look_up("Mail.Example"), first, "{rules}");
    world.questions.len() - asked
}

#[test]
fn answers_are_kept_as_long_as_they_hold() {
    for (rules, kept) in [
        ("* A = 100 192.0.2.1\n* AAAA = 200 2001:db8::1", 100),
        ("* A = 100 192.0.2.1\n* AAAA = nodata 5", 100),
        ("* A = 100 192.0.2.1, 50 192.0.2.2\n* AAAA = nodata", 50),
        (
            "* A = 40 -> a.example, a.example 90 192.0.2.1\n* AAAA = nodata",
            40,
        ),
        (
            "mail.example * = 40 -> a.example\na.example A = 90 192.0.2.1\n* AAAA = nodata",
            40,
        ),
        ("* A = 0 192.0.2.1\n* AAAA = nodata", 30),
        ("* A = 4294967295 192.0.2.1\n* AAAA = nodata", 30),
        ("* A = 2147483647 192.0.2.1\n* AAAA = nodata", 86400),
        ("* * = nxdomain 70", 70),
        ("* * = nodata 70", 70),
        ("* * = nodata 4000", 300),
        ("* A = nodata 70\n* AAAA = nodata 60", 60),
    ] {
        assert_eq!(asked_again(rules, kept - 1), 0, "{rules}");
        assert!(asked_again(rules, kept) >= 2, "{rules}");
    }
}

#[test]
fn what_is_not_known_for_certain_is_not_kept() {
    for rules in [
        "* * = nxdomain",
        "* * = nodata",
        "* A = nodata 60\n* AAAA = nodata",
        "* * = nodata 0",
    ] {
        assert_eq!(asked_again(rules, 0), 2, "{rules}");
    }
    for rules in [
        "* * = servfail",
        "* * = refused",
        "* * = silence",
        "* * = unreachable",
    ] {
        assert_eq!(asked_again(rules, 0), 4, "{rules}");
    }
    // One family is missing, perhaps: that is kept for a moment only.
    let part = "* A = 3600 192.0.2.1\n* AAAA = silence";
    assert_eq!(asked_again(part, 29), 0);
    assert_eq!(asked_again(part, 30), 2);
}

#[test]
fn all_who_ask_meanwhile_share_the_questions() {
    let mut world = NameWorld::new(&[GOOD]);
    let now = world.now;
    let tickets: Vec<_> = (0..50)
        .map(
            |_| match world.resolver.ask(&NameQuestion::host("mail.example"), now) {
                NameAnswer::Later(ticket) => ticket,
                NameAnswer::Now(answer) => panic!("{answer:?}"),
            },
        )
        .collect();
    let answers = world.run();
    assert_eq!(
        answers
            .iter()
            .map(|(ticket, _)| *ticket)
            .collect::<Vec<_>>(),
        tickets
    );
    assert!(
        answers
            .iter()
            .all(|(_, answer)| shown(answer) == "192.0.2.1")
    );
    assert_eq!(world.questions.len(), 2);
}

#[test]
fn a_name_that_failed_is_not_taken_for_the_next_one() {
    let mut world =
        NameWorld::new(&["a.example * = servfail\n* A = 60 192.0.2.1\n* AAAA = nodata"]);
    let failed = shown(&world.look_up("a.example"));
    assert_eq!(failed, "ServerFailure");
    let now = world.now;
    let tickets = ["b.example", "a.example"].map(|name| {
        match world.resolver.ask(&NameQuestion::host(name), now) {
            NameAnswer::Later(ticket) => ticket,
            NameAnswer::Now(answer) => panic!("{answer:?}"),
        }
    });
    let mut answers = world.run();
    answers.sort_by_key(|(ticket, _)| *ticket);
    let told: Vec<_> = answers
        .iter()
        .map(|(ticket, answer)| (*ticket, shown(answer)))
        .collect();
    let [b, a] = tickets;
    assert_eq!(told, [(b, "192.0.2.1".to_owned()), (a, failed)]);
}

#[test]
fn questions_in_flight_are_bounded_and_every_name_gets_an_answer() {
    let mut world = NameWorld::new(&["* A = after 100 60 192.0.2.1\n* AAAA = after 50 nodata"]);
    let now = world.now;
    for number in 0..LOOKUPS_MAX {
        let answer = world
            .resolver
            .ask(&NameQuestion::host(&format!("n{number}.example")), now);
        assert!(matches!(answer, NameAnswer::Later(_)));
    }
    let busy = NameAnswer::Now(Err(NameError::Busy));
    assert_eq!(
        world.resolver.ask(&NameQuestion::host("more.example"), now),
        busy
    );
    let answers = world.run();
    assert_eq!(answers.len(), LOOKUPS_MAX);
    assert!(answers.iter().all(|(_, answer)| answer.is_ok()));
    assert_eq!(world.most_in_flight, QUESTIONS_MAX);
    assert_eq!(world.now - now, Duration::from_millis(1000), "in ten parts");
    assert!(world.look_up("more.example").is_ok());
}

#[test]
fn names_that_wait_are_answered_in_ten_seconds_too() {
    let mut world = NameWorld::new(&["* * = silence"; 3]);
    let now = world.now;
    for number in 0..LOOKUPS_MAX {
        world
            .resolver
            .ask(&NameQuestion::host(&format!("n{number}.example")), now);
    }
    let answers = world.run();
    assert_eq!(answers.len(), LOOKUPS_MAX);
    assert!(
        answers
            .iter()
            .all(|(_, answer)| *answer == Err(NameError::Timeout))
    );
    assert_eq!(world.now - now, seconds(10));
    assert_eq!(world.most_in_flight, QUESTIONS_MAX);
}

#[test]
fn a_name_without_a_dot_is_looked_for_in_the_search_list() {
    let search = |mut config: ResolverConfig| {
        config.search = ["one.example", "two.example"]
            .map(|name| HostName::parse(name).unwrap())
            .into();
        config
    };
    let rules =
        "mail.two.example A = 60 192.0.2.2\nmail.two.example AAAA = nodata\n* * = nxdomain 60";
    let mut world = NameWorld::with_config(&[rules], search);
    assert_eq!(shown(&world.look_up("mail")), "192.0.2.2");
    assert_eq!(world.questions[0], "1 mail.one.example A");
    assert_eq!(shown(&world.look_up("mail")), "192.0.2.2", "from the cache");
    assert_eq!(world.questions.len(), 4);
    assert_eq!(shown(&world.look_up("mail.x")), "NoSuchName");
    assert_eq!(world.questions[4..], ["1 mail.x A", "1 mail.x AAAA"]);
    assert_eq!(shown(&world.look_up("gone")), "NoSuchName");
    let gone = ["gone.one.example", "gone.two.example", "gone"];
    let gone = gone.map(|name| [format!("1 {name} A"), format!("1 {name} AAAA")]);
    assert_eq!(world.questions[6..], *gone.as_flattened());
    let rules = "mail.one.example * = servfail\nmail.two.example * = 60 192.0.2.2";
    let mut world = NameWorld::with_config(&[rules], search);
    let answer = shown(&world.look_up("mail"));
    assert_eq!(
        answer, "ServerFailure",
        "nobody else's name is tried instead"
    );
    let rules = "mail.one.example * = nodata 60\n* * = nxdomain 90";
    let mut world = NameWorld::with_config(&[rules], search);
    assert_eq!(shown(&world.look_up("mail")), "NoData");
}

#[test]
fn settings_that_forbid_are_obeyed() {
    let mut world = NameWorld::with_config(&["* A tcp = 60 192.0.2.1"], |mut config| {
        (config.by_stream, config.ipv4_only) = (true, true);
        config
    });
    assert_eq!(shown(&world.look_up("mail.example")), "192.0.2.1");
    assert_eq!(world.questions, ["1 mail.example A tcp"]);
}

#[test]
fn other_servers_begin_anew() {
    let mut world = NameWorld::new(&["* * = silence", GOOD]);
    let config = |servers: &[usize]| {
        let servers: Vec<SocketAddr> = servers.iter().map(|number| server(*number)).collect();
        ResolverConfig::new(servers)
    };
    world.resolver.set_config(config(&[0]));
    assert!(matches!(
        world
            .resolver
            .ask(&NameQuestion::host("mail.example"), world.now),
        NameAnswer::Later(_)
    ));
    world.take_steps();
    world.resolver.set_config(config(&[1]));
    let answers = world.run();
    assert_eq!(
        shown(&answers[0].1),
        "192.0.2.1",
        "those under way ask them"
    );
    let asked = world.questions.len();
    world.resolver.set_config(config(&[1]));
    world.look_up("mail.example").unwrap();
    assert_eq!(world.questions.len(), asked, "these are no others");
    world.resolver.set_config(config(&[1, 0]));
    world.look_up("mail.example").unwrap();
    assert_eq!(
        world.questions.len(),
        asked + 2,
        "others may know other names"
    );
}

#[test]
fn a_late_or_strange_call_does_nothing() {
    let mut world = NameWorld::new(&[GOOD]);
    let now = world.now;
    let unknown = mailoop::outbound::dns::inquiry::ExchangeId(99);
    world.resolver.received(unknown, None, b"", now);
    world.resolver.failed(unknown, now);
    world.resolver.expire(now + seconds(100));
    assert_eq!(world.resolver.next_step(), None);
    assert_eq!(world.resolver.next_wake(), None);
    assert!(world.look_up("mail.example").is_ok());
}
