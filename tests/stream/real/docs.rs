//! What docs/deploy has for streams.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};

use crate::common::TestServer;
use crate::common::program::{foreign, installed, run};

fn deployed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/deploy/stream")
        .join(name)
}

#[test]
fn the_script_makes_servers_and_a_stream_that_an_edge_takes() {
    if !installed(&["nats-server"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let random = RandomState::new().build_hasher().finish().to_be_bytes();
    let ip = format!("127.{}.{}.1", random[0].clamp(1, 254), random[1]);
    let nodes = |command: &str| {
        let mut script = foreign("bash");
        script
            .arg(deployed("nodes.sh"))
            .arg(command)
            .arg(folder.path());
        run(script.env("NODES_IP", &ip))
    };
    let url = nodes("start");
    let edge = TestServer::start(&["--stream", url.trim_end()]);
    let mut session = super::clients::Session::connect(edge.address()).unwrap();
    assert!(session.send("Subject: hello\r\n\r\n").unwrap().is_some());
    nodes("stop");
}

#[test]
fn the_configuration_of_haproxy_is_right() {
    if installed(&["haproxy"]) {
        let mut check = foreign("haproxy");
        run(check.arg("-c").arg("-f").arg(deployed("haproxy.cfg")));
    }
}
