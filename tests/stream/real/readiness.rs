//! Servers of the stream that come later than the edge, which its service manager is told.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::Duration;

use super::clients::Session;
use super::cluster;
use crate::common::TestServer;

#[test]
fn the_service_manager_hears_that_an_edge_is_ready_once_it_takes_mail() {
    let Some(mut cluster) = cluster() else {
        return;
    };
    (0..3).for_each(|node| cluster.kill(node));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let line = format!(
        r#"NOTIFY_SOCKET={} exec "$0" "$@" 0</dev/null 1>stdout 2>stderr"#,
        path.display()
    );
    let stdio = [Stdio::null(), Stdio::null(), Stdio::null()];
    let url = cluster.url("?wait=yes");
    let args = ["--listen", "127.0.0.1:0", "--stream", &url];
    let edge = TestServer::start_by_shell(&line, &args, stdio);
    let mut session = Session::connect(edge.address()).unwrap();
    assert!(!session.begin().unwrap(), "nobody keeps mail");
    let hear = || {
        let mut message = [0; 256];
        let length = loop {
            match manager.recv(&mut message) {
                // Halted meanwhile, it is begun anew (signal(7)).
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                received => break received?,
            }
        };
        std::io::Result::Ok(String::from_utf8(message[..length].to_vec()).unwrap())
    };
    manager.set_nonblocking(true).unwrap();
    let heard: Vec<String> = std::iter::from_fn(|| hear().ok()).collect();
    assert!(
        heard.iter().all(|told| told.starts_with("STATUS=")),
        "{heard:?}"
    );
    (0..3).for_each(|node| cluster.restart(node));
    manager.set_nonblocking(false).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(90)))
        .unwrap();
    while hear().unwrap() != "READY=1\n" {}
    assert!(session.send("Subject: now\r\n\r\n").unwrap().is_some());
}
