//! Mail for the hosts that a domain names.

use std::time::Duration;

use mailoop::outbound::queue::RecipientState;
use mailoop::store::spool::ChangeKind;

use crate::hosts::Answer;
use crate::world::World;

fn world(zone: &str) -> World {
    let world = World::new(&["*=mx"]);
    world.hosts.zone.borrow_mut().add(zone);
    world
}

/// The hosts that took a message for this recipient.
fn takers(world: &World) -> Vec<String> {
    let taken = world.hosts.taken.borrow();
    taken.iter().map(|taken| taken.host.clone()).collect()
}

/// What became of one message for this address: the hosts that were dialed, and what the queue or the report says.
fn outcome(zone: &str, to: &str) -> (Vec<String>, String) {
    let mut world = world(zone);
    let mail = world.accept(&[to]);
    world.run();
    let dialed = world.hosts.dialed.borrow().clone();
    let failed = world
        .store
        .spool
        .changes
        .iter()
        .any(|change| change.mail == mail && matches!(change.kind, ChangeKind::Failed(..)));
    let verdict = match world.listed(mail).get(&0) {
        _ if failed => "failed".to_owned(),
        None => "sent".to_owned(),
        Some(view) => view.reply.to_owned(),
    };
    (dialed, verdict)
}

#[test]
fn the_best_host_gets_it_and_the_next_one_if_it_cannot() {
    let zone = "
        far.example MX 20 b.far.example 10 a.far.example
        a.far.example A 8.8.8.1
        b.far.example A 8.8.8.2
    ";
    let (dialed, verdict) = outcome(zone, "bob@far.example");
    assert_eq!((dialed, &*verdict), (vec!["8.8.8.1:25".to_owned()], "sent"));
    let mut world = world(zone);
    world.hosts.refuse("8.8.8.1:25");
    world.accept(&["bob@far.example"]);
    world.run();
    assert_eq!(*world.hosts.dialed.borrow(), ["8.8.8.1:25", "8.8.8.2:25"]);
    assert_eq!(takers(&world), ["8.8.8.2:25"]);
}

#[test]
fn a_domain_without_mx_is_its_own_host() {
    let (dialed, verdict) = outcome("far.example A 8.8.8.1 2600::1", "bob@far.example");
    assert_eq!((dialed.len(), &*verdict), (1, "sent"));
    let (dialed, verdict) = outcome("far.example MX NODATA", "bob@far.example");
    assert_eq!((dialed.len(), &*verdict), (0, "failed"));
}

#[test]
fn what_name_servers_fail_of_is_never_for_good() {
    for failure in ["SERVFAIL", "REFUSED", "BAD", "TIMEOUT", "UNREACHABLE"] {
        let (dialed, verdict) = outcome(&format!("far.example MX {failure}"), "bob@far.example");
        assert!(
            dialed.is_empty() && verdict.starts_with("far.example: "),
            "{failure}: {verdict}"
        );
        let zone = format!("far.example MX 10 a.far.example\n a.far.example A {failure}");
        let (dialed, verdict) = outcome(&zone, "bob@far.example");
        assert!(
            dialed.is_empty() && verdict.starts_with("a.far.example: "),
            "{failure}: {verdict}"
        );
    }
}

#[test]
fn mail_that_can_go_nowhere_is_refused_at_once() {
    for zone in [
        "",
        "far.example MX NXDOMAIN",
        "far.example MX 0 .",
        "far.example MX 0 192.0.2.1",
        "far.example MX 10 mx.example.org",
        "far.example MX 10 a.far.example",
        "far.example MX 10 a.far.example\n a.far.example A 127.0.0.1 ::1 10.1.2.3",
        // Our address, and hosts that are farther than we are.
        "far.example MX 10 a.far.example 20 b.far.example\n a.far.example A 8.8.0.1\n b.far.example A 8.8.8.8",
    ] {
        let (dialed, verdict) = outcome(zone, "bob@far.example");
        assert_eq!((dialed.len(), &*verdict), (0, "failed"), "{zone}");
    }
}

#[test]
fn all_mail_for_a_domain_that_takes_none_is_refused() {
    let mut world = world("far.example MX 0 .");
    let mails: Vec<_> = (0..500)
        .map(|_| world.accept(&["bob@far.example"]))
        .collect();
    world.run();
    assert!(
        world.outbound.queue().is_empty(),
        "{}",
        world.outbound.queue().len()
    );
    assert_eq!(mails.len(), 500);
    let asked = world.hosts.zone.borrow().asked.len();
    assert!(asked <= 4, "{asked} questions");
}

#[test]
fn domains_with_the_same_hosts_are_one_site() {
    let mut world = world(
        "
        one.example MX 10 a.far.example 10 b.far.example
        two.example MX 5 b.far.example 5 a.far.example
        a.far.example A 8.8.8.1
        b.far.example A 8.8.8.2
    ",
    );
    world.hosts.refuse("8.8.8.1:25");
    world.hosts.refuse("8.8.8.2:25");
    let mails = [
        world.accept(&["x@one.example"]),
        world.accept(&["y@two.example"]),
    ];
    world.run();
    // The one that was tried waits at its domain, whose hosts may be others by then.
    let mut sites: Vec<String> = mails.iter().map(|mail| world.site(*mail)).collect();
    sites.sort();
    assert!(
        sites
            .iter()
            .all(|site| site.starts_with("mx:a.far.example,b.far.example")
                || site.starts_with("domain:")),
        "{sites:?}"
    );
}

#[test]
fn hosts_are_looked_up_again_for_the_next_try() {
    let mut world = world(
        "
        far.example MX 10 old.example
        old.example A 8.8.8.1
        new.example A 8.8.8.2
    ",
    );
    world
        .hosts
        .answer("8.8.8.1:25", "RCPT", Answer::Say("451 4.7.1 Later"));
    let mail = world.accept(&["bob@far.example"]);
    world.run();
    assert_eq!(world.site(mail), "domain:far.example");
    assert_eq!(world.listed(mail)[&0].state, RecipientState::Waiting);
    world
        .hosts
        .zone
        .borrow_mut()
        .add("far.example MX 10 new.example");
    world.pass(Duration::from_secs(400));
    assert_eq!(takers(&world), ["8.8.8.2:25"]);
}

#[test]
fn mail_for_known_hosts_goes_on_while_name_servers_are_silent() {
    let mut world = world("near.example A 8.8.8.1");
    world.accept(&["a@near.example"]);
    world.run();
    world.hosts.zone.borrow_mut().is_late = true;
    for number in 0..2000 {
        world.accept(&[&format!("b@d{number}.example")]);
    }
    world.run();
    world.hosts.zone.borrow_mut().is_late = false;
    world.accept(&["c@near.example"]);
    world.run();
    assert_eq!(takers(&world).len(), 2);
    world.hosts.zone.borrow_mut().answer_all();
    world.run();
    world.pass(Duration::from_secs(1));
    assert!(
        world.outbound.queue().is_empty(),
        "{}",
        world.outbound.queue().len()
    );
}

#[test]
fn address_literals_are_hosts_where_a_route_names_them() {
    for (literal, verdict) in [
        ("[8.8.8.1]", "sent"),
        ("[127.0.0.1]", "failed"),
        ("[8.8.0.1]", "failed"),
    ] {
        let mut world = World::new(&[&format!("{literal}=mx")]);
        let mail = world.accept(&[&format!("bob@{literal}")]);
        world.run();
        assert_eq!(world.listed(mail).len(), 0);
        let dialed = world.hosts.dialed.borrow().len();
        assert_eq!(dialed, usize::from(verdict == "sent"), "{literal}");
    }
}

/// Mail for many domains, of which most share a few hosts: all of it goes, in the bounds of connections and look-ups, while name servers
/// are late. `MAILOOP_MX_DOMAINS=100000` has a million recipients.
#[test]
fn mail_for_many_domains_goes_within_the_bounds() {
    let domains: usize =
        std::env::var("MAILOOP_MX_DOMAINS").map_or(2000, |number| number.parse().unwrap());
    let recipients = 10;
    let mut world = world("");
    {
        let mut zone = world.hosts.zone.borrow_mut();
        for number in 0..domains {
            // Four of five are with one of twenty hosters, which are two hosts each.
            let hoster = number % 25;
            match hoster < 20 {
                true => zone.add(&format!(
                    "d{number}.example MX 10 a{hoster}.host 20 b{hoster}.host"
                )),
                false => {
                    let [_, _, high, low] = u32::try_from(number).unwrap().to_be_bytes();
                    let middle = 100 + number / 65_536;
                    zone.add(&format!("d{number}.example A 20.{middle}.{high}.{low}"));
                }
            }
        }
        for hoster in 0..20 {
            zone.add(&format!(
                "a{hoster}.host A 30.0.{hoster}.1\nb{hoster}.host A 30.0.{hoster}.2"
            ));
        }
        zone.is_late = true;
    }
    for index in 0..domains * recipients / 20 {
        // Twenty recipients a message, in two domains.
        let to: Vec<String> = (0..20)
            .map(|at| format!("r{at}@d{}.example", (index * 2 + at / recipients) % domains))
            .collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        world.accept(&to);
    }
    let (mut live_max, mut per_host_max, mut asked_max) = (0, 0, 0);
    let mut turns = 0;
    world.tick();
    while !world.outbound.queue().is_empty() {
        world.tick();
        turns += 1;
        assert!(
            turns < 50 * domains + 1000,
            "{} are left",
            world.outbound.queue().len()
        );
        let (live, per_host) = world.hosts.live();
        (live_max, per_host_max) = (live_max.max(live), per_host_max.max(per_host));
        let mut zone = world.hosts.zone.borrow_mut();
        asked_max = asked_max.max(zone.waiting());
        zone.answer_all();
    }
    let taken = world.hosts.taken.borrow();
    let sent: usize = taken.iter().map(|taken| taken.to.len()).sum();
    assert_eq!(sent, domains * recipients);
    assert!(live_max <= 200, "{live_max} connections");
    assert!(per_host_max <= 20, "{per_host_max} to one host");
    // A hundred domains, and an address for each connection that is opened.
    assert!(asked_max <= 300, "{asked_max} questions");
    eprintln!(
        "{sent} recipients, {turns} turns, at most {live_max} connections, {per_host_max} a host, {asked_max} questions"
    );
}
