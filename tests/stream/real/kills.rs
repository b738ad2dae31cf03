//! Servers of the stream that are killed while mail comes in.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use super::clients::{Bystander, Clients, Session, Told};
use super::{check_all_there, cluster, edge, rounds};
use crate::common::nats::Cluster;
use crate::common::pauses::holds_undisturbed;
use crate::common::{TestServer, happens, wait_until};

/// How long an edge may be without acknowledgements at most, while two of three servers are there.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// How long a message is waited for, and much more.
const REFUSED_AFTER_MAX: Duration = Duration::from_secs(90);
const CLIENTS: usize = 8;

/// The server whose role in the cluster has it killed.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Leader,
    Follower,
    Connected,
}

/// The server that the edge is connected to.
fn connected(cluster: &Cluster, edge: &TestServer) -> usize {
    let log = edge.log();
    let places = (0..3).map(|node| (log.rfind(&cluster.address(node)), node));
    places.max().unwrap().1
}

fn victim(cluster: &Cluster, edge: &TestServer, which: Victim) -> usize {
    let connected = connected(cluster, edge);
    let leader = cluster.leader();
    match which {
        Victim::Leader => leader,
        Victim::Connected => connected,
        Victim::Follower => {
            let mut others = (0..3).filter(|node| *node != leader && *node != connected);
            others.next().unwrap_or((leader + 1) % 3)
        }
    }
}

/// Kills a server while clients send, and has it come back. Returns how long the clients were without an acknowledgement.
fn kill_one(cluster: &mut Cluster, edge: &TestServer, which: Victim, told: &mut Told) -> Duration {
    let address = [edge.address().to_owned()];
    let alone = Bystander::start(&address[0]);
    wait_until("some answers", || alone.answers() > 500);
    let alone = alone.end();
    let clients = Clients::start(&address, CLIENTS, usize::MAX, "a line\r\n");
    let bystander = Bystander::start(&address[0]);
    wait_until("some to be acknowledged", || clients.acknowledged() > 50);
    let node = victim(cluster, edge, which);
    cluster.kill(node);
    let before = clients.acknowledged();
    let goes_on = happens(|| clients.acknowledged() > before + 50);
    cluster.restart(node);
    let now = clients.end(true);
    assert!(goes_on, "{which:?}, {node}: {now:?}\n{}", edge.log());
    let beside = bystander.end();
    eprintln!(
        "{which:?}: silent for {:?}, {} refused; NOOP alone {alone:?}, beside {beside:?}",
        now.silence, now.refused
    );
    told.acknowledged.extend(now.acknowledged);
    told.refused += now.refused;
    told.unanswered += now.unanswered;
    wait_until("all replicas to be there", || is_whole(cluster));
    now.silence
}

/// Whether all replicas are there and have all.
pub(super) fn is_whole(cluster: &Cluster) -> bool {
    let Ok(info) = cluster.info() else {
        return false;
    };
    let replicas = info
        .get("cluster")
        .and_then(|cluster| cluster.get("replicas").cloned());
    let replicas = replicas
        .as_ref()
        .map_or(&[][..], |replicas| replicas.list());
    let is_current = |replica: &crate::common::json::Json| {
        replica.get("current") == Some(&crate::common::json::Json::Bool(true))
    };
    replicas.len() == 2 && replicas.iter().all(is_current)
}

#[test]
fn a_server_that_is_killed_costs_no_message() {
    let Some(cluster) = cluster() else {
        return;
    };
    let edge = edge(&cluster);
    let (cluster, told) = (RefCell::new(cluster), RefCell::new(Told::default()));
    for _ in 0..rounds() {
        for which in [Victim::Leader, Victim::Follower, Victim::Connected] {
            // Servers that pause take each other for dead as well.
            let is_soon = holds_undisturbed(|| {
                let (mut cluster, mut told) = (cluster.borrow_mut(), told.borrow_mut());
                kill_one(&mut cluster, &edge, which, &mut told) <= SILENCE_MAX
            });
            assert!(is_soon, "{which:?}: more than {SILENCE_MAX:?}");
        }
    }
    check_all_there(&told.borrow(), &cluster.borrow().everything());
}

#[test]
fn an_edge_starts_beside_a_server_that_was_just_killed() {
    let Some(mut cluster) = cluster() else {
        return;
    };
    let leader = cluster.leader();
    for node in [leader, (leader + 1) % 3] {
        wait_until("all replicas to be there", || is_whole(&cluster));
        cluster.kill(node);
        let edge = edge(&cluster);
        let mut session = Session::connect(edge.address()).unwrap();
        assert!(session.send("Subject: beside\r\n\r\n").unwrap().is_some());
        cluster.restart(node);
    }
}

#[test]
fn without_a_majority_nothing_is_acknowledged_and_then_it_goes_on() {
    let Some(mut cluster) = cluster() else {
        return;
    };
    let edge = edge(&cluster);
    let mut session = Session::connect(edge.address()).unwrap();
    assert!(session.send("Subject: before\r\n\r\n").unwrap().is_some());
    assert!(session.begin().unwrap());
    let connected = connected(&cluster, &edge);
    let others: Vec<_> = (0..3).filter(|node| *node != connected).collect();
    for node in &others {
        cluster.kill(*node);
    }
    let asked = Instant::now();
    let reply = session.ask("Subject: amid\r\n\r\n.\r\n").unwrap();
    assert!(reply.starts_with("451 4.3.0"), "{reply}");
    assert!(
        asked.elapsed() <= REFUSED_AFTER_MAX,
        "{:?}",
        asked.elapsed()
    );
    // The server that is left takes its time to say that there is no leader, and the edge waits for another one for a while.
    wait_until("mail to be refused", || {
        let reply = session.ask("MAIL FROM:<ada@example.org>\r\n").unwrap();
        let is_refused = reply.starts_with("451 4.3.0");
        assert!(is_refused || session.ask("RSET\r\n").unwrap().starts_with("250"));
        is_refused
    });
    cluster.restart(others[0]);
    wait_until("mail to be taken again", || {
        let session = Session::connect(edge.address());
        let sent = session.and_then(|mut session| session.send("Subject: after\r\n\r\n"));
        matches!(sent, Ok(Some(_)))
    });
}
