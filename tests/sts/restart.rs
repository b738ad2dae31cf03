//! Policies outlive a restart.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::host::{Deed, policy, response};
use crate::world::PolicyWorld;

/// A world in which the policy of `a.example` is known, and everybody else is gone.
fn after_a_restart() -> PolicyWorld {
    let mut world = PolicyWorld::new();
    world.publish("a.example", "1", &[1]);
    world.host(
        1,
        &["mta-sts.a.example"],
        Deed::Say(response(&policy("mx"))),
    );
    assert_eq!(world.fetch("a.example"), "mx");
    world.restart();
    world.end_hosts();
    world
}

#[test]
fn a_policy_is_in_force_after_a_restart_though_its_host_is_gone() {
    let mut world = after_a_restart();
    assert_eq!(world.fetch("a.example"), "mx");
    world.publish("a.example", "2", &[1]);
    assert_eq!(world.fetch("a.example"), "mx");
    assert_eq!(world.names.dialed.len(), 2, "the new one was asked for");
    world.names.are_gone = true;
    world.restart();
    assert_eq!(world.fetch("a.example"), "mx");
    world.skip(86_400);
    world.restart();
    assert_eq!(world.fetch("a.example"), "Timeout");
}

#[test]
fn the_file_is_for_its_owner_and_a_later_version_is_left_alone() {
    let mut world = after_a_restart();
    let file = world.folder.path().join("policies");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.starts_with("mailoop mta-sts 1\na.example 1 18000"),
        "{text}"
    );
    let newer = text.replace("sts 1", "sts 2");
    fs::write(&file, &newer).unwrap();
    world.restart();
    world.names.are_gone = true;
    assert_eq!(world.fetch("a.example"), "Timeout");
    world.names.are_gone = false;
    world.host(
        1,
        &["mta-sts.a.example"],
        Deed::Say(response(&policy("new"))),
    );
    assert_eq!(world.fetch("a.example"), "new");
    world.restart();
    assert_eq!(fs::read_to_string(&file).unwrap(), newer);
}

#[test]
fn while_the_server_runs_the_file_is_written_once_a_minute() {
    let mut world = PolicyWorld::new();
    let file = world.folder.path().join("policies");
    let domains = ["a.example", "b.example", "c.example"];
    let names = domains.map(|domain| format!("mta-sts.{domain}"));
    let names = names.each_ref().map(String::as_str);
    world.host(1, &names, Deed::Say(response(&policy("mx"))));
    for domain in domains {
        world.publish(domain, "1", &[1]);
        assert_eq!(world.fetch(domain), "mx");
    }
    assert!(!file.exists(), "nobody knows that it is on the disk");
    world.skip(60);
    world.turn();
    let count = || {
        fs::read_to_string(&file)
            .unwrap()
            .matches(".example 1 ")
            .count()
    };
    assert!(count() >= 1);
    world.skip(60);
    world.turn();
    world.skip(60);
    world.turn();
    assert_eq!(count(), 3);
    assert_eq!(world.service.next_wake(), None);
}
