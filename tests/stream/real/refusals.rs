//! Streams and servers that promise too little, and addresses that lead nowhere.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use super::{cluster, installed};
use crate::common::nats::{Cluster, MAIL_STREAM, Syncs};
use crate::common::ports::deserted_address;
use crate::common::{HOSTNAME, TestServer};

/// Checks that an edge does not start, ends with this code, and says these words.
#[track_caller]
pub(super) fn check_refused(url: &str, code: i32, words: &[&str]) {
    check_refused_with(&["--stream", url], code, words);
}

#[track_caller]
fn check_refused_with(args: &[&str], code: i32, words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailoop"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--hostname", HOSTNAME])
        .args(args);
    let Output { status, stderr, .. } = command.env_clear().current_dir(&folder).output().unwrap();
    let said = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(code), "{said}");
    let last = said
        .trim_end()
        .lines()
        .last()
        .unwrap_or_default()
        .to_owned();
    for word in words {
        assert!(last.contains(word), "{word}: {said}");
    }
}

#[test]
fn a_stream_that_promises_too_little_is_refused() {
    let Some(cluster) = cluster() else {
        return;
    };
    let other = cluster.url("").replace("/MAIL", "/OTHER");
    check_refused(&other, 78, &["OTHER"]);
    for (setting, instead, words) in [
        (
            "\"num_replicas\":3",
            "\"num_replicas\":1",
            &["num_replicas", "3"],
        ),
        (
            "\"storage\":\"file\"",
            "\"storage\":\"memory\"",
            &["storage", "file"],
        ),
        (
            "\"discard\":\"new\"",
            "\"discard\":\"old\"",
            &["discard", "new"],
        ),
        ("\"mail.>\"", "\"mail.message.*\"", &["subjects", "mail.>"]),
        (
            "\"max_bytes\":1073741824",
            "\"max_bytes\":1073741824,\"max_msg_size\":10000",
            &["max_msg_size", "69632"],
        ),
        (
            "\"max_bytes\":1073741824",
            "\"max_bytes\":1073741824,\"max_age\":3600000000000",
            &["max_age", "0"],
        ),
    ] {
        let configuration = MAIL_STREAM.replace(setting, instead);
        assert_ne!(configuration, MAIL_STREAM);
        cluster.remove_stream();
        cluster.make_stream(&configuration);
        check_refused(&cluster.url(""), 78, words);
        check_refused(&cluster.url("?durability=replicated"), 78, words);
    }
}

#[test]
fn servers_whose_payloads_are_too_small_are_refused() {
    if !installed(&["nats-server"]) {
        return;
    }
    let small = "max_payload: 32768";
    let cluster = Cluster::start_with([None; 3], [Syncs::Always; 3], small, "");
    cluster.make_stream(MAIL_STREAM);
    check_refused(&cluster.url(""), 78, &["max_payload"]);
}

#[test]
fn one_server_that_syncs_seldom_is_refused() {
    if !installed(&["nats-server"]) {
        return;
    }
    let syncs = [Syncs::Always, Syncs::Always, Syncs::Seldom];
    let cluster = Cluster::start_with([None; 3], syncs, "", "");
    cluster.make_stream(MAIL_STREAM);
    check_refused(&cluster.url(""), 78, &["n2", "sync_interval", "always"]);
    let edge = TestServer::start(&["--stream", &cluster.url("?durability=replicated")]);
    assert!(
        edge.log().contains("durability=replicated"),
        "{}",
        edge.log()
    );
}

#[test]
fn a_server_whose_monitor_cannot_be_asked_is_refused() {
    let Some(cluster) = cluster() else {
        return;
    };
    let monitors = [0, 1].map(|node| cluster.address(node).replace(":4222", ":8222"));
    let url = cluster.url(&format!("?monitor={}", monitors.join(",")));
    check_refused(&url, 78, &["n2", "?monitor="]);
}

#[test]
fn servers_that_nobody_runs_are_told_at_the_start() {
    let nobody = deserted_address();
    check_refused(&format!("nats://{nobody}/MAIL"), 69, &[&nobody]);
}

#[test]
fn a_server_that_may_wait_starts_without_any() {
    let nobody = deserted_address();
    let url = format!("nats://{nobody}/MAIL?wait=yes");
    let edge = TestServer::start(&["--stream", &url, "--http", "127.0.0.1:0"]);
    let mut session = super::clients::Session::connect(edge.address()).unwrap();
    let reply = session.ask("MAIL FROM:<ada@example.org>\r\n").unwrap();
    assert!(reply.starts_with("451 4.3.0"), "{reply}");
}

/// A file with this password, which nobody else may read.
fn password_file(folder: &Path, password: &str) -> String {
    let file = folder.join(password);
    fs::write(&file, format!("{password}\n")).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    file.display().to_string()
}

#[test]
fn an_edge_logs_in_by_password_and_by_token() {
    if !installed(&["nats-server"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (authorization, login, options) in [
        (
            "user: edge, password: right",
            r#""user":"edge","pass":"right""#,
            "?user=edge",
        ),
        ("token: right", r#""auth_token":"right""#, ""),
    ] {
        let more = format!("authorization {{ {authorization} }}");
        let cluster = Cluster::start_with([None; 3], [Syncs::Always; 3], &more, login);
        cluster.make_stream(MAIL_STREAM);
        let url = cluster.url(options);
        let [right, wrong] = ["right", "wrong"].map(|word| password_file(folder.path(), word));
        check_refused_with(
            &["--stream", &url, "--stream-password", &wrong],
            69,
            &["login"],
        );
        TestServer::start(&["--stream", &url, "--stream-password", &right]);
    }
}
