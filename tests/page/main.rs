//! The page, in Debian's Chromium without a screen, led by playwright-core: each script beside this file is one test of a server of its
//! own, and tells in its first line what it looks at. With `PICTURES` set to a folder, pictures are kept there.

#![cfg(feature = "catch")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

use std::path::Path;
use std::process::Stdio;

use common::TestServer;
use common::pauses::undisturbed;
use common::program::{installed, node_with};

const PROGRAMS: [&str; 3] = ["chromium", "node", "playwright-core"];

/// Runs a script with a browser at this server.
fn look(script: &str, server: &TestServer, args: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page");
    let mut node = node_with("playwright-core", &tests.join(script));
    node.arg(format!("http://{}", server.address_for("http")));
    node.arg(server.address_for("smtp"))
        .arg(home.path())
        .args(args);
    if let Some(folder) = std::env::var_os("PICTURES") {
        node.env("PICTURES", folder);
    }
    let output = node.stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{script}: {said}");
}

fn looks_at_an_inbox(script: &str, args: &[&str]) {
    if installed(&PROGRAMS) {
        // What is seen slowly is seen for a while only.
        undisturbed(|| {
            let mut server = TestServer::start_catch(&[]);
            look(script, &server, args);
            server.stop();
        });
    }
}

#[test]
fn a_mail_appears_without_a_reload_and_is_read_and_deleted() {
    looks_at_an_inbox("arrives.js", &[]);
}

#[test]
fn a_hostile_message_makes_no_request() {
    looks_at_an_inbox("hostile.js", &[]);
}

#[test]
fn the_loop_shows_a_session_that_is_typed_slowly() {
    looks_at_an_inbox("loop.js", &["/#/loop"]);
}

#[test]
fn a_server_without_an_inbox_shows_its_loop_alone() {
    if installed(&PROGRAMS) {
        let options = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];
        undisturbed(|| {
            let mut server = TestServer::start(&options);
            look("loop.js", &server, &["/"]);
            server.stop();
        });
    }
}

#[test]
fn who_watches_too_slowly_is_told_so() {
    looks_at_an_inbox("lost.js", &[]);
}

#[test]
fn a_phone_shows_all_of_it_in_its_width() {
    looks_at_an_inbox("narrow.js", &[]);
}

#[test]
fn keys_do_all_of_it() {
    looks_at_an_inbox("keys.js", &[]);
}

#[test]
fn rules_are_changed_and_what_they_refuse_can_be_read() {
    looks_at_an_inbox("rules.js", &[]);
}
