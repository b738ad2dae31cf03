//! An edge whose loop is recorded: its record replays where there is no stream.

use std::process::Command;

use super::clients::Session;
use super::{cluster, edge_with};

#[test]
fn a_record_of_an_edge_replays_without_its_stream() {
    let Some(mut cluster) = cluster() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("edge.record").display().to_string();
    let mut edge = edge_with(&cluster, &["--record", &record]);
    let mut session = Session::connect(edge.address()).unwrap();
    let long = format!("Subject: long\r\n\r\n{}", "a line\r\n".repeat(30_000));
    for text in ["Subject: short\r\n\r\nbody\r\n", &long] {
        assert!(session.send(text).unwrap().is_some());
    }
    assert!(session.begin().unwrap());
    cluster.kill((cluster.leader() + 1) % 3);
    session.say(long.as_bytes()).unwrap();
    assert!(session.ask(".\r\n").unwrap().starts_with("250"));
    session.ask("QUIT\r\n").unwrap();
    edge.stop();

    let mut replay = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    let replayed = replay
        .args(["replay", &record])
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&replayed.stdout);
    let wrong = String::from_utf8_lossy(&replayed.stderr);
    assert!(said.starts_with("same: "), "{said}{wrong}");
}
