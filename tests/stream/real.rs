//! An edge before real servers of NATS JetStream.

mod clients;
mod deliver;
mod docs;
mod kills;
mod parts;
mod readiness;
#[cfg(feature = "record")]
mod recorded;
mod refusals;
mod secured;
mod strangers;

use std::collections::BTreeMap;

use crate::common::TestServer;
use crate::common::nats::{Cluster, MAIL_STREAM, Stored, Syncs};
use crate::common::program::installed;
use clients::{Clients, Told};

/// Three servers that sync always, with the stream; nothing where there are none.
fn cluster() -> Option<Cluster> {
    if !installed(&["nats-server"]) {
        return None;
    }
    let cluster = Cluster::start(Syncs::Always);
    cluster.make_stream(MAIL_STREAM);
    Some(cluster)
}

/// An edge before the stream.
fn edge(cluster: &Cluster) -> TestServer {
    edge_with(cluster, &[])
}

/// An edge before the stream, with more options.
fn edge_with(cluster: &Cluster, options: &[&str]) -> TestServer {
    TestServer::start(&[&["--stream", &cluster.url("")], options].concat())
}

/// An edge before a stream at this address.
fn edge_with_url(url: &str) -> TestServer {
    TestServer::start(&["--stream", url])
}

/// How often each kind of server is killed, and so on: `MAILOOP_STREAM_ROUNDS`, or once.
fn rounds() -> usize {
    let rounds = std::env::var("MAILOOP_STREAM_ROUNDS").ok();
    rounds.map_or(1, |rounds| rounds.parse().expect("a number"))
}

/// The last record of each message in the stream, by its queue id.
fn messages(everything: &[Stored]) -> BTreeMap<String, Vec<&Stored>> {
    let mut found: BTreeMap<String, Vec<&Stored>> = BTreeMap::new();
    for stored in everything {
        if let Some(id) = stored.subject.strip_prefix("mail.message.") {
            found.entry(id.to_owned()).or_default().push(stored);
        }
    }
    found
}

/// Checks that all that was acknowledged is in the stream, and nothing is there twice.
#[track_caller]
fn check_all_there(told: &Told, everything: &[Stored]) {
    let found = messages(everything);
    let twice: Vec<_> = found.iter().filter(|(_, all)| all.len() > 1).collect();
    assert!(twice.is_empty(), "more than once: {twice:?}");
    for id in &told.acknowledged {
        assert!(found.contains_key(id), "{id} was acknowledged, and is lost");
    }
    let most = told.acknowledged.len() + told.refused + told.unanswered;
    assert!(found.len() <= most, "{} of {most}", found.len());
}

#[test]
fn each_message_that_is_acknowledged_is_in_the_stream_once() {
    let Some(cluster) = cluster() else {
        return;
    };
    let edge = edge(&cluster);
    let (clients, each) = if rounds() > 1 { (100, 200) } else { (20, 25) };
    let text = "a line\r\n".repeat(100);
    let told = Clients::start(&[edge.address().to_owned()], clients, each, &text).end(false);
    assert_eq!(told.acknowledged.len(), clients * each, "{told:?}");
    let everything = cluster.everything();
    check_all_there(&told, &everything);
    assert_eq!(everything.len(), clients * each);
    let one = &everything[0];
    assert!(
        one.payload
            .starts_with(b"Return-Path: <ada@example.org>\r\nReceived: ")
    );
    assert!(one.payload.ends_with(text.as_bytes()));
    let envelope = one.header("Mailoop-Envelope").unwrap();
    assert!(envelope.contains("\"bob@example.org\""), "{envelope}");
}

#[test]
fn a_stream_that_is_full_says_so() {
    let Some(cluster) = cluster_with("\"max_bytes\":1073741824", "\"max_bytes\":100000") else {
        return;
    };
    let edge = edge(&cluster);
    let mut session = clients::Session::connect(edge.address()).unwrap();
    let text = format!("Subject: much\r\n\r\n{}", "a line\r\n".repeat(2000));
    let mut replies = Vec::new();
    while replies.len() < 50
        && !replies
            .iter()
            .any(|reply: &String| reply.starts_with("452"))
    {
        assert!(session.begin().unwrap());
        replies.push(session.ask(&format!("{text}.\r\n")).unwrap());
    }
    assert!(replies[0].starts_with("250"), "{replies:?}");
    assert!(
        replies.last().unwrap().starts_with("452 4.3.1"),
        "{replies:?}"
    );
}

/// The same servers, and a stream of which one setting is another.
fn cluster_with(setting: &str, other: &str) -> Option<Cluster> {
    if !installed(&["nats-server"]) {
        return None;
    }
    let cluster = Cluster::start(Syncs::Always);
    let configuration = MAIL_STREAM.replace(setting, other);
    assert_ne!(configuration, MAIL_STREAM);
    cluster.make_stream(&configuration);
    Some(cluster)
}
