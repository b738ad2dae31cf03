//! Policy hosts that do as they should.

use mailoop::outbound::sts::service::FETCHES_MAX;

use crate::host::{Deed, policy, response};
use crate::world::PolicyWorld;

#[test]
fn a_policy_is_fetched_by_one_request_under_a_certificate_for_the_policy_host() {
    let mut world = PolicyWorld::new();
    world.publish("a.example", "1", &[1]);
    let deed = Deed::Say(response(&policy("*.a.example")));
    world.host(1, &["mta-sts.a.example"], deed);
    assert_eq!(world.fetch("A.example."), "*.a.example");
    let request = "GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.a.example\r\nUser-Agent: mailoop\r\n\
                   Accept: text/plain\r\nConnection: close\r\n\r\n";
    assert_eq!(world.asked(), ["mta-sts.a.example", request]);
    assert_eq!(world.fetch("a.example"), "*.a.example");
    assert_eq!(world.names.dialed.len(), 1, "it is known by now");
    assert_eq!(world.fetch("b.example"), "NoSuchName");
}

#[test]
fn the_end_of_a_policy_is_told_in_many_ways() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=us-ascii\r\n";
    let text = policy("mx");
    let (start, rest) = text.split_at(9);
    let (first, second) = (start.len(), rest.len());
    let chunks = format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n{first:x}\r\n{start}\r\n{second:x}\r\n{rest}\r\n0\r\n\r\n"
    );
    let until_end = format!("{head}\r\n{text}");
    let length = response(&text);
    for deed in [
        Deed::Say(until_end.clone().into_bytes()),
        Deed::Say(chunks.clone().into_bytes()),
        Deed::Cut(chunks.into_bytes()),
        Deed::Cut(length.clone()),
        // More than it said is not waited for.
        Deed::Drip(length),
    ] {
        let mut world = PolicyWorld::new();
        assert_eq!(world.outcome_of(deed.clone()), "mx", "{deed:?}");
    }
    let cut = PolicyWorld::new().outcome_of(Deed::Cut(until_end.into_bytes()));
    assert_eq!(cut, "Unreachable", "an attacker could have cut it");
}

#[test]
fn the_next_address_is_tried_until_a_request_is_made() {
    let mut world = PolicyWorld::new();
    world.publish("a.example", "1", &[0, 1, 2, 3, 4, 5]);
    world.no_host(1);
    world.host(2, &["other.example"], Deed::Say(response(&policy("evil"))));
    world.host(
        3,
        &["mta-sts.a.example"],
        Deed::Clear(b"220 smtp\r\n".to_vec()),
    );
    world.host(
        4,
        &["mta-sts.a.example"],
        Deed::Say(response(&policy("mx"))),
    );
    assert_eq!(world.fetch("a.example"), "mx");
    let dialed: Vec<_> = world.names.dialed.iter().map(ToString::to_string).collect();
    let expected = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"];
    assert_eq!(dialed, expected, "the first one is special");
    // One that answers is believed.
    world.publish("b.example", "1", &[6, 4]);
    let gone = b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec();
    world.host(6, &["mta-sts.b.example"], Deed::Say(gone));
    assert_eq!(world.fetch("b.example"), "BadAnswer");
    assert_eq!(world.names.dialed.len(), 5);
}

#[test]
fn a_new_id_brings_the_new_policy() {
    let mut world = PolicyWorld::new();
    world.publish("a.example", "1", &[1]);
    world.host(
        1,
        &["mta-sts.a.example"],
        Deed::Say(response(&policy("old"))),
    );
    world.host(
        2,
        &["mta-sts.a.example"],
        Deed::Say(response(&policy("new"))),
    );
    assert_eq!(world.fetch("a.example"), "old");
    world.publish("a.example", "2", &[2]);
    assert_eq!(world.fetch("a.example"), "new");
    world.publish("a.example", "3", &[0]);
    assert_eq!(world.fetch("a.example"), "new");
    world.names.are_gone = true;
    assert_eq!(world.fetch("a.example"), "new");
    world.skip(86_400);
    assert_eq!(world.fetch("a.example"), "Timeout");
}

#[test]
fn a_policy_is_refreshed_in_the_background() {
    let mut world = PolicyWorld::new();
    world.publish("a.example", "1", &[1]);
    world.host(
        1,
        &["mta-sts.a.example"],
        Deed::Say(response(&policy("old"))),
    );
    assert_eq!(world.fetch("a.example"), "old");
    world.publish("a.example", "1", &[2]);
    world.host(
        2,
        &["mta-sts.a.example"],
        Deed::Say(response(&policy("new"))),
    );
    world.skip(43_199);
    assert_eq!(world.fetch("a.example"), "old");
    assert_eq!(world.service.in_flight(), 0);
    world.skip(60);
    assert_eq!(world.fetch("a.example"), "old");
    world.run_until(|world| world.service.in_flight() == 0);
    assert_eq!(world.fetch("a.example"), "new");
}

#[test]
fn many_at_once_wait_for_each_other() {
    let mut world = PolicyWorld::new();
    let domains: Vec<String> = (0..100)
        .map(|number| format!("d{number}.example"))
        .collect();
    let names: Vec<String> = domains.iter().map(|it| format!("mta-sts.{it}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.host(1, &names, Deed::Say(response(&policy("mx"))));
    let mut tickets = Vec::new();
    for domain in &domains {
        world.publish(domain, "1", &[1]);
        for _ in 0..2 {
            tickets.extend(world.ask(domain));
        }
    }
    assert_eq!(tickets.len(), 200);
    assert!(world.wait_for(&tickets).iter().all(|answer| answer == "mx"));
    assert_eq!(world.most_in_flight, FETCHES_MAX);
    assert_eq!(world.names.dialed.len(), 100);
}
