//! Policy hosts that do as they please: each costs a bounded time and bounded memory, and is no policy.

use mailoop::outbound::sts::service::FETCHES_MAX;

use crate::common::tls::{Authority, certificate_and_key};
use crate::host::{Deed, PolicyHost, policy, response};
use crate::world::PolicyWorld;

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";

#[test]
fn what_is_no_policy_is_refused_at_once() {
    let text = policy("evil");
    let after_head = |rest: &str| format!("{HEAD}{rest}").into_bytes();
    let type_of = |media: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\n\r\n{text}").into_bytes()
    };
    let status_of = |status: &str| {
        let head = HEAD.replace("200 OK", status);
        format!("{head}Location: https://192.0.2.9/\r\n\r\n{text}").into_bytes()
    };
    let long = "#".repeat(65_537 - text.len()) + &text;
    for (deed, error) in [
        (Deed::Say(status_of("301 Moved")), "BadAnswer"),
        (Deed::Say(status_of("206 Part")), "BadAnswer"),
        (Deed::Say(status_of("500 No")), "BadAnswer"),
        (Deed::Say(type_of("text/html")), "BadAnswer"),
        (Deed::Say(type_of("application/json")), "BadAnswer"),
        (Deed::Say(response("<html></html>")), "BadAnswer"),
        (Deed::Say(response("")), "BadAnswer"),
        (Deed::Say(vec![0; 1000]), "Unreachable"),
        (
            Deed::Say(b"220 mail.example ESMTP\r\n".to_vec()),
            "BadAnswer",
        ),
        (Deed::Say(Vec::new()), "Unreachable"),
        (Deed::Cut(Vec::new()), "Unreachable"),
        (Deed::Say(response(&long)), "BadAnswer"),
        (Deed::Say(after_head(&format!("\r\n{long}"))), "BadAnswer"),
        (Deed::Flood(after_head("\r\n")), "BadAnswer"),
        (Deed::Flood(HEAD.as_bytes().to_vec()), "BadAnswer"),
        (Deed::Flood(b"HTTP/1.1 200 ".to_vec()), "BadAnswer"),
        (
            Deed::Drip(after_head(
                "Transfer-Encoding: chunked\r\n\r\nfffffffffff\r\n",
            )),
            "BadAnswer",
        ),
        (
            Deed::Flood(after_head("Transfer-Encoding: chunked\r\n\r\n1;")),
            "BadAnswer",
        ),
        (
            Deed::Cut(after_head("Content-Length: 500\r\n\r\nversion: STSv1\r\n")),
            "Unreachable",
        ),
        (Deed::Clear(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()), "Refused"),
        (Deed::Clear(vec![0xFF; 5000]), "Refused"),
        (Deed::Clear(b"\x16\x03\x01\xff\xff".repeat(4000)), "Refused"),
    ] {
        let mut world = PolicyWorld::new();
        assert_eq!(world.outcome_of(deed.clone()), error, "{deed:.200?}");
        assert!(world.service.in_flight() == 0);
    }
}

#[test]
fn who_has_no_certificate_for_the_policy_host_is_not_asked() {
    let mut world = PolicyWorld::new();
    let say = || Deed::Say(response(&policy("evil")));
    let own = certificate_and_key("mta-sts.a.example");
    let others = Authority::new("others");
    let hosts = [
        PolicyHost::start(&world.authority, &["a.example"], say()),
        PolicyHost::start(&world.authority, &["mta-sts.b.example"], say()),
        PolicyHost::start(
            &world.authority,
            &["*.mta-sts.a.example", "192.0.2.1"],
            say(),
        ),
        PolicyHost::start(&others, &["mta-sts.a.example"], say()),
        PolicyHost::with_certificate(&own, say()),
    ];
    for (last, host) in (1..).zip(hosts) {
        world.publish("a.example", &format!("{last}"), &[last]);
        world.host_is(last, host);
        assert_eq!(world.fetch("a.example"), "Refused", "{last}");
        assert!(world.asked().is_empty(), "{last}");
    }
    // One label may be a star in a certificate.
    world.publish("a.example", "good", &[9]);
    world.host(9, &["*.a.example"], Deed::Say(response(&policy("mx"))));
    assert_eq!(world.fetch("a.example"), "mx");
}

#[test]
fn nobody_is_led_to_special_addresses() {
    let mut world = PolicyWorld::new();
    world.publish("a.example", "1", &[0]);
    assert_eq!(world.fetch("a.example"), "Refused");
    world.publish("b.example", "1", &[]);
    assert_eq!(world.fetch("b.example"), "Refused");
    assert!(world.names.dialed.is_empty());
}

#[test]
fn who_is_slow_is_given_up_within_a_minute() {
    let drips = format!("{HEAD}Content-Length: 60000\r\n\r\n").into_bytes();
    for (deed, seconds, error) in [
        (Deed::Drip(drips.clone()), 51, "Timeout"),
        (Deed::Drip(b"HTTP/1.1 200 O".to_vec()), 51, "Timeout"),
        (Deed::Hang, 16, "Refused"),
    ] {
        let mut world = PolicyWorld::new();
        world.publish("a.example", "1", &[1]);
        world.host(1, &["mta-sts.a.example"], deed.clone());
        let ticket = world.ask("a.example").unwrap();
        // Others are served meanwhile.
        world.publish("b.example", "1", &[2]);
        world.host(
            2,
            &["mta-sts.b.example"],
            Deed::Say(response(&policy("mx"))),
        );
        assert_eq!(world.fetch("b.example"), "mx");
        for _ in 0..5 {
            world.turn();
        }
        assert!(world.service.take_answers().is_empty());
        assert_eq!(world.service.in_flight(), 1);
        world.skip(seconds);
        assert_eq!(world.wait_for(&[ticket]), [error], "{deed:?}");
        assert_eq!(world.fetch("a.example"), error, "it is remembered");
        assert_eq!(world.names.dialed.len(), 2);
    }
}

#[test]
fn hosts_that_hang_keep_the_others_waiting_for_less_than_a_minute() {
    let mut world = PolicyWorld::new();
    world.host(1, &["mta-sts.a.example"], Deed::Hang);
    let mut tickets = Vec::new();
    for number in 0..2 * FETCHES_MAX {
        let domain = format!("d{number}.example");
        world.publish(&domain, "1", &[1, 1, 1, 1]);
        tickets.push(world.ask(&domain).unwrap());
    }
    world.run_until(|world| world.service.in_flight() == FETCHES_MAX);
    for _ in 0..10 {
        world.turn();
    }
    world.skip(51);
    let answers = world.wait_for(&tickets);
    let of = |error: &str| answers.iter().filter(|answer| *answer == error).count();
    assert_eq!(
        (of("Timeout"), of("Busy")),
        (FETCHES_MAX, FETCHES_MAX),
        "{answers:?}"
    );
    world.publish("a.example", "1", &[2]);
    world.host(
        2,
        &["mta-sts.a.example"],
        Deed::Say(response(&policy("mx"))),
    );
    assert_eq!(world.fetch("a.example"), "mx");
}
