//! Messages that are longer than a record, and an edge that is killed amid one.

use super::clients::Session;
use super::{cluster, edge, messages};
use crate::common::processes::kill;
use crate::common::wait_until;

#[test]
fn a_long_message_is_in_parts_that_its_last_record_leads_to() {
    let Some(cluster) = cluster() else {
        return;
    };
    let edge = edge(&cluster);
    let text = format!(
        "Subject: long\r\n\r\n{}",
        "a line of a long text\r\n".repeat(50_000)
    );
    let mut session = Session::connect(edge.address()).unwrap();
    let id = session.send(&text).unwrap().unwrap();
    let everything = cluster.everything();
    let subject = format!("mail.part.{id}");
    let parts: Vec<_> = everything
        .iter()
        .filter(|stored| stored.subject == subject)
        .collect();
    assert!(parts.iter().all(|part| part.payload.len() <= 64 * 1024));
    let numbers: Vec<_> = parts
        .iter()
        .map(|part| part.header("Mailoop-Part").unwrap())
        .collect();
    let wanted: Vec<_> = (1..=parts.len()).map(|number| number.to_string()).collect();
    assert_eq!(numbers, wanted);
    let whole: Vec<u8> = parts.iter().flat_map(|part| part.payload.clone()).collect();
    assert!(whole.ends_with(text.as_bytes()));
    let last = everything.last().unwrap();
    assert_eq!(last.subject, format!("mail.message.{id}"));
    let envelope = last.header("Mailoop-Envelope").unwrap();
    assert!(
        envelope.contains(&format!("\"octets\":{}", whole.len())),
        "{envelope}"
    );
    assert!(
        envelope.contains(&format!("\"parts\":{}", parts.len())),
        "{envelope}"
    );
}

#[test]
fn of_a_message_whose_edge_is_killed_amid_its_parts_there_is_no_last_record() {
    let Some(cluster) = cluster() else {
        return;
    };
    let edge = edge(&cluster);
    let mut session = Session::connect(edge.address()).unwrap();
    assert!(session.begin().unwrap());
    let text = "a line of a text that is never complete\r\n".repeat(10_000);
    session.say(text.as_bytes()).unwrap();
    wait_until("some of its parts to be in the stream", || {
        cluster.everything().len() > 2
    });
    kill(edge.pid());
    assert!(session.reply().is_err());
    assert!(messages(&cluster.everything()).is_empty());
}
