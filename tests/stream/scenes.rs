//! Single scenes: what a service does in each situation, without chance.

use std::time::{Duration, Instant};

use mailoop::store::stream::StreamState;
use mailoop::stream::settings::{StreamError, StreamStart};

use crate::model::Names;
use crate::model::cluster::NodeState;
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

/// A world whose connection is there.
fn running() -> World {
    let mut world = World::usual(1);
    assert_eq!(world.run_to_start(), StreamStart::Ready);
    assert!(world.is_well());
    world
}

fn why(world: &World) -> String {
    match &world.witness.state {
        Some(StreamState::Lost { why, .. }) => why.to_string(),
        state => panic!("{state:?}"),
    }
}

/// The number of the node that the service is connected to.
fn connected_node(world: &World) -> usize {
    world
        .model
        .borrow()
        .connected_node()
        .expect("there is a connection")
}

#[test]
fn a_stream_that_keeps_its_promise_is_ready_at_once() {
    let world = running();
    assert!(world.now - world.start < SECOND);
}

#[test]
fn names_may_be_known_later() {
    let mut world = World::usual(1);
    world.model.borrow_mut().names = Names::Later;
    assert_eq!(world.run_to_start(), StreamStart::Ready);
}

#[test]
fn nobody_who_answers_is_a_fault_once_each_server_has_failed() {
    for names in [Names::Broken, Names::Now] {
        let mut world = World::usual(1);
        world.model.borrow_mut().names = names;
        for node in &mut world.model.borrow_mut().cluster.nodes {
            node.state = NodeState::Down;
        }
        let StreamStart::Failed(StreamError::Unreachable(text)) = world.run_to_start() else {
            panic!("{:?}", world.service.start());
        };
        for server in ["n0:4222", "n1:4222", "n2:4222"] {
            assert!(text.contains(server), "{text}");
        }
        // Attempts go on all the same.
        world.model.borrow_mut().names = Names::Now;
        for node in &mut world.model.borrow_mut().cluster.nodes {
            node.state = NodeState::Up;
        }
        assert!(world.run_while(5 * SECOND, World::is_well));
        assert_eq!(world.service.start(), StreamStart::Ready);
    }
}

#[test]
fn a_login_that_is_refused_is_a_fault() {
    let mut world = World::usual(1);
    for node in &mut world.model.borrow_mut().cluster.nodes {
        node.refuses = true;
    }
    let StreamStart::Failed(StreamError::Login(text)) = world.run_to_start() else {
        panic!("{:?}", world.service.start());
    };
    assert!(text.contains("Authorization Violation"), "{text}");
}

#[test]
fn tls_is_for_the_operator_to_ask_for() {
    let mut world = World::usual(1);
    for node in &mut world.model.borrow_mut().cluster.nodes {
        node.wants_tls = true;
    }
    let StreamStart::Failed(StreamError::Login(text)) = world.run_to_start() else {
        panic!("{:?}", world.service.start());
    };
    assert!(text.contains("?tls=verify"), "{text}");
}

#[test]
fn what_is_not_promised_is_a_fault_with_a_sentence() {
    type Break = fn(&mut World);
    let faults: [(Break, &str); 6] = [
        (
            |world| drop(world.model.borrow_mut().cluster.config.take()),
            "no stream MAIL",
        ),
        (|world| set(world, "num_replicas", "1"), "num_replicas"),
        (|world| set(world, "max_age", "1"), "max_age"),
        (
            |world| world.model.borrow_mut().cluster.nodes[1].syncs_always = false,
            "n1",
        ),
        (
            |world| world.model.borrow_mut().cluster.nodes[2].monitor = NodeState::Down,
            "n2",
        ),
        (
            |world| world.model.borrow_mut().cluster.nodes[2].payload_bytes_max = 1000,
            "max_payload",
        ),
    ];
    for (breaks, word) in faults {
        let mut world = World::usual(1);
        breaks(&mut world);
        let StreamStart::Failed(StreamError::Promise(text)) = world.run_to_start() else {
            panic!("{word}: {:?}", world.service.start());
        };
        assert!(text.contains(word), "{text}");
        assert!(!world.witness.is_connected && !world.witness.is_ready());
    }
}

fn set(world: &World, name: &'static str, value: &str) {
    let mut model = world.model.borrow_mut();
    let config = model.cluster.config.as_mut().unwrap();
    config.insert(name, value.to_owned());
}

#[test]
fn who_takes_mail_out_asks_for_no_promise_but_the_stream() {
    let mut world = World::new(1, "nats://n0,n1/MAIL", false, 0, 0);
    set(&world, "num_replicas", "1");
    for node in &mut world.model.borrow_mut().cluster.nodes {
        node.syncs_always = false;
        node.monitor = NodeState::Down;
    }
    assert_eq!(world.run_to_start(), StreamStart::Ready);
    let mut world = World::new(1, "nats://n0,n1/OTHER", false, 0, 0);
    let StreamStart::Failed(StreamError::Promise(text)) = world.run_to_start() else {
        panic!("{:?}", world.service.start());
    };
    assert!(text.contains("OTHER"), "{text}");
}

#[test]
fn without_the_question_for_sync_no_monitor_is_asked() {
    let mut world = World::new(1, "nats://n0/MAIL?durability=replicated", true, 0, 0);
    for node in &mut world.model.borrow_mut().cluster.nodes {
        node.monitor = NodeState::Down;
    }
    assert_eq!(world.run_to_start(), StreamStart::Ready);
}

#[test]
fn a_replica_that_is_not_there_need_not_answer() {
    for (is_offline, silence, start) in [
        (true, Duration::ZERO, StreamStart::Ready),
        (false, 10 * SECOND, StreamStart::Ready),
        (false, 9 * SECOND, StreamStart::Pending),
    ] {
        let mut world = World::usual(1);
        {
            let node = &mut world.model.borrow_mut().cluster.nodes[2];
            node.state = NodeState::Down;
            (node.is_offline, node.silence) = (is_offline, silence);
        }
        world.run_for(4 * SECOND);
        assert_eq!(world.service.start(), start, "{is_offline} {silence:?}");
    }
}

#[test]
fn a_replica_that_its_leader_has_not_heard_of_is_given_time_to_be_known_as_dead() {
    for node in [0, 2] {
        let mut world = World::usual(1);
        world.model.borrow_mut().cluster.leader = None;
        world.model.borrow_mut().cluster.nodes[node].state = NodeState::Down;
        world.run_for(9 * SECOND);
        world.model.borrow_mut().cluster.leader = Some(1);
        world.run_for(9 * SECOND);
        assert_eq!(world.service.start(), StreamStart::Pending);
        world.model.borrow_mut().cluster.led_seconds = 10;
        world.run_for(2 * SECOND);
        assert_eq!(world.service.start(), StreamStart::Ready);
    }
}

#[test]
fn a_replica_that_was_silent_has_to_say_anew_that_it_syncs() {
    let mut world = running();
    {
        let node = &mut world.model.borrow_mut().cluster.nodes[2];
        (node.state, node.silence) = (NodeState::Down, 10 * SECOND);
    }
    world.run_for(10 * SECOND);
    assert!(world.is_well());
    {
        let node = &mut world.model.borrow_mut().cluster.nodes[2];
        (node.state, node.monitor) = (NodeState::Up, NodeState::Down);
    }
    assert!(world.run_while(6 * SECOND, |world| !world.witness.is_ready()));
    assert!(why(&world).contains("n2"), "{}", why(&world));
}

#[test]
fn a_stream_outlives_a_server_that_is_killed_and_not_known_to_be() {
    let mut world = running();
    let node = connected_node(&world);
    world.model.borrow_mut().cluster.leader = Some((node + 1) % 3);
    world.model.borrow_mut().cluster.nodes[node].state = NodeState::Down;
    world.run_for(30 * SECOND);
    // Its leader says so once it has led for a while.
    world.model.borrow_mut().cluster.led_seconds = 10;
    world.run_for(170 * SECOND);
    assert!(world.is_well());
    assert_eq!(world.witness.losses, 0);
}

#[test]
fn a_monitor_that_cannot_be_asked_any_more_counts_as_one_that_does_not_sync_after_a_minute() {
    for state in [NodeState::Down, NodeState::Frozen] {
        let mut world = running();
        let monitor = |world: &World, state| {
            world.model.borrow_mut().cluster.nodes[1].monitor = state;
        };
        // A lost answer costs nothing.
        world.run_for(25 * SECOND);
        monitor(&world, state);
        world.run_for(15 * SECOND);
        monitor(&world, NodeState::Up);
        world.run_for(80 * SECOND);
        assert_eq!(world.witness.losses, 0, "{state:?}");
        monitor(&world, state);
        let gone = world.now;
        assert!(world.run_while(62 * SECOND, |world| !world.witness.is_ready()));
        let silence = world.now - gone;
        assert!(silence >= 29 * SECOND, "{state:?}: {silence:?}");
        let why = why(&world);
        assert!(why.contains("n1") && why.contains("?monitor="), "{why}");
        monitor(&world, NodeState::Up);
        assert!(world.run_while(15 * SECOND, World::is_well), "{state:?}");
    }
}

#[test]
fn a_replica_that_comes_back_has_to_say_anew_that_it_syncs() {
    let mut world = running();
    {
        let mut model = world.model.borrow_mut();
        let node = &mut model.cluster.nodes[2];
        (node.state, node.is_offline) = (NodeState::Down, true);
        model.tell_infos();
    }
    world.run_for(10 * SECOND);
    assert!(world.is_well());
    {
        let mut model = world.model.borrow_mut();
        let node = &mut model.cluster.nodes[2];
        (node.state, node.is_offline, node.syncs_always) = (NodeState::Up, false, false);
        model.tell_infos();
    }
    assert!(world.run_while(SECOND, |world| !world.witness.is_ready()));
    world.run_for(SECOND);
    assert!(why(&world).contains("n2"), "{}", why(&world));
    world.model.borrow_mut().cluster.nodes[2].syncs_always = true;
    assert!(world.run_while(65 * SECOND, World::is_well));
}

#[test]
fn a_promise_that_is_broken_while_it_runs_ends_it_at_the_next_question() {
    let mut world = running();
    set(&world, "discard", "\"old\"");
    assert!(world.run_while(6 * SECOND, |world| !world.witness.is_ready()));
    assert!(why(&world).contains("discard"), "{}", why(&world));
    set(&world, "discard", "\"new\"");
    assert!(world.run_while(6 * SECOND, World::is_well));
    world.model.borrow_mut().cluster.nodes[0].syncs_always = false;
    assert!(world.run_while(61 * SECOND, |world| !world.witness.is_ready()));
}

#[test]
fn another_server_is_taken_at_once_where_one_is_lost() {
    let mut world = running();
    let node = connected_node(&world);
    world.model.borrow_mut().cluster.nodes[node].state = NodeState::Down;
    assert!(world.run_while(SECOND, |world| !world.witness.is_connected));
    assert!(world.run_while(SECOND, World::is_well));
    assert_ne!(connected_node(&world), node);
    assert_eq!(world.witness.losses, 0);
}

#[test]
fn a_server_that_is_frozen_is_given_up_within_the_time() {
    let mut world = running();
    let node = connected_node(&world);
    world.model.borrow_mut().cluster.nodes[node].state = NodeState::Frozen;
    let frozen = world.now;
    assert!(world.run_while(15 * SECOND, |world| world.witness.connections == 2));
    assert!(
        world.now - frozen <= 11 * SECOND,
        "{:?}",
        world.now - frozen
    );
    assert_eq!(world.witness.losses, 0, "it is back before it is lost");
}

#[test]
fn a_server_that_is_cut_off_from_the_others_is_left_for_one_of_them() {
    let mut world = running();
    let node = connected_node(&world);
    world.model.borrow_mut().cluster.nodes[node].is_cut_off = true;
    let cut = world.now;
    assert!(world.run_while(20 * SECOND, |world| world.witness.connections == 2));
    assert!(world.now - cut <= 11 * SECOND, "{:?}", world.now - cut);
    assert_ne!(connected_node(&world), node);
    assert_eq!(world.witness.losses, 0, "it is back before it is lost");
}

#[test]
fn a_server_that_leaves_is_left() {
    let mut world = running();
    let node = connected_node(&world);
    world.model.borrow_mut().cluster.nodes[node].is_leaving = true;
    world.model.borrow_mut().tell_infos();
    assert!(world.run_while(SECOND, |world| world.witness.connections == 2));
    assert_ne!(connected_node(&world), node);
}

#[test]
fn a_stream_without_a_leader_is_lost_after_a_while_and_comes_back() {
    let mut world = running();
    world.model.borrow_mut().cluster.leader = None;
    let gone: Instant = world.now;
    assert!(world.run_while(30 * SECOND, |world| !world.witness.is_ready()));
    let silence = world.now - gone;
    assert!((9 * SECOND..=15 * SECOND).contains(&silence), "{silence:?}");
    world.model.borrow_mut().cluster.leader = Some(1);
    assert!(world.run_while(SECOND, World::is_well));
}

#[test]
fn without_any_server_it_is_lost_after_a_while_and_comes_back() {
    let mut world = running();
    for node in &mut world.model.borrow_mut().cluster.nodes {
        node.state = NodeState::Down;
    }
    let gone = world.now;
    assert!(world.run_while(30 * SECOND, |world| !world.witness.is_ready()));
    let silence = world.now - gone;
    assert!(
        (14 * SECOND..=16 * SECOND).contains(&silence),
        "{silence:?}"
    );
    assert!(why(&world).contains("refused"), "{}", why(&world));
    for node in &mut world.model.borrow_mut().cluster.nodes {
        node.state = NodeState::Up;
    }
    assert!(world.run_while(3 * SECOND, World::is_well));
}

#[test]
fn complaints_of_a_server_have_their_consequences() {
    for (text, ends) in [
        ("Permissions Violation for Publish to \"mail.x\"", false),
        ("Maximum Payload Violation", true),
        ("Stale Connection", true),
        ("Authorization Violation", true),
        ("Unknown Protocol Operation", true),
    ] {
        let mut world = running();
        let node = connected_node(&world);
        let line = format!("-ERR '{text}'\r\n");
        world.model.borrow_mut().inject(node, line.as_bytes());
        world.run_for(5 * SECOND);
        assert_eq!(world.witness.connections, 1 + usize::from(ends), "{text}");
        assert!(world.is_well(), "{text}");
    }
}

#[test]
fn a_connection_that_is_lost_again_and_again_is_made_after_longer_and_longer() {
    let mut world = running();
    let end = world.now + 20 * SECOND;
    while world.run_while(end - world.now, World::is_well) {
        let node = connected_node(&world);
        let line = b"-ERR 'Maximum Payload Violation'\r\n";
        world.model.borrow_mut().inject(node, line);
        world.run_while(end - world.now, |world| !world.is_well());
    }
    let connections = world.witness.connections;
    assert!((10..20).contains(&connections), "{connections}");
}

#[test]
fn a_server_that_tells_of_changes_without_end_does_not_have_monitors_asked_without_end() {
    let mut world = running();
    let node = connected_node(&world);
    let info = String::from_utf8(world.model.borrow().cluster.info(node)).unwrap();
    let before = world.model.borrow().monitors_asked;
    for round in 0..1000 {
        let info = info.replace(",\"n2:4222\"", ["", ",\"n2:4222\""][round % 2]);
        world.model.borrow_mut().inject(node, info.as_bytes());
        world.run_for(Duration::from_millis(1));
    }
    let asked = world.model.borrow().monitors_asked - before;
    assert!((3..=18).contains(&asked), "{asked}");
    assert!(world.is_well());
    assert_eq!(world.witness.connections, 1);
}

#[test]
fn a_drain_waits_for_what_is_under_way() {
    let mut world = World::new(1, "nats://n0,n1,n2/MAIL", true, 40, 1000);
    world.run_to_start();
    world.service.begin_drain(8 * SECOND);
    assert!(!world.service.is_idle());
    assert!(world.run_while(8 * SECOND, |world| world.service.is_idle()));
    assert!(world.witness.is_done());
}

/// A subject of the service's inbox.
fn inbox(world: &World) -> String {
    let model = world.model.borrow();
    let (_, _, subject) = model.cluster.subscriptions.last().unwrap();
    subject.replace('*', "pull")
}

#[test]
fn more_messages_than_there_is_room_for_come_in_their_order() {
    let mut world = running();
    let mut said = String::new();
    for number in 0..50_000 {
        let digits = number.to_string();
        said += &format!("MSG a 1 r {}\r\n{digits}\r\n", digits.len());
    }
    let node = connected_node(&world);
    world.model.borrow_mut().inject(node, said.as_bytes());
    world.run_for(7 * SECOND);
    let delivered = world.witness.delivered.iter();
    let numbers = delivered.map(|message| String::from_utf8_lossy(&message.payload).parse());
    assert!(numbers.eq((0..50_000).map(Ok)));
    assert_eq!(world.witness.connections, 1);
}

#[test]
fn messages_beside_answers_are_handed_over_whole() {
    let mut world = running();
    let inbox = inbox(&world);
    let payload = vec![b'x'; 70_000];
    for octets_max in [usize::MAX, 1000] {
        let mut model = world.model.borrow_mut();
        model.octets_max = octets_max;
        let shown = Some(("mail.message.7", "$JS.ACK.MAIL.d.1.2.3.4.5"));
        let headers = "NATS/1.0\r\nA: b\r\n\r\n";
        for _ in 0..100 {
            model
                .cluster
                .deliver(&inbox, shown, Some(headers), &payload);
        }
        drop(model);
        world.run_for(7 * SECOND);
        assert_eq!(world.witness.delivered.len(), 100);
        for message in world.witness.delivered.drain(..) {
            assert_eq!(&*message.subject, "mail.message.7");
            assert_eq!(message.reply.as_deref(), Some("$JS.ACK.MAIL.d.1.2.3.4.5"));
            assert_eq!((message.header("A"), &message.token), (Some("b"), &None));
            assert!(*message.payload == *payload);
        }
    }
    assert_eq!(world.witness.connections, 1);
}
