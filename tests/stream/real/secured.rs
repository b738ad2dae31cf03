//! Servers that speak TLS.

use std::fs;
use std::path::Path;

use super::clients::Session;
use super::refusals::check_refused;
use super::{cluster, edge_with_url};
use crate::common::nats::Cluster;
use crate::common::tls::Authority;

/// Has all servers want TLS, with a certificate for these names.
fn secure(cluster: &mut Cluster, authority: &Authority, names: &[&str], folder: &Path) {
    let file = folder.join("server.pem");
    fs::write(&file, authority.certificate_and_key(names)).unwrap();
    let file = file.display();
    cluster.restart_all_with(&format!(
        "tls {{ cert_file: \"{file}\", key_file: \"{file}\" }}"
    ));
}

/// Checks that an edge with this address brings a message to the stream.
fn check_sends(url: &str) {
    let edge = edge_with_url(url);
    let mut session = Session::connect(edge.address()).unwrap();
    let sent = session.send("Subject: secured\r\n\r\n").unwrap();
    assert!(sent.is_some(), "{url}: {}", edge.log());
}

#[test]
fn servers_that_want_tls_show_who_they_are_and_are_told_from_others() {
    let Some(mut cluster) = cluster() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let authorities = ["ours", "another"].map(|name| {
        let authority = Authority::new(name);
        let file = folder.path().join(name);
        fs::write(&file, authority.certificate()).unwrap();
        (authority, file.display().to_string())
    });
    let [(ours, our_file), (_, other_file)] = &authorities;
    let verified = |cluster: &Cluster, file: &str| cluster.url(&format!("?tls=verify&ca={file}"));
    let addresses = [0, 1, 2].map(|node| cluster.address(node).replace(":4222", ""));
    let addresses = addresses.each_ref().map(String::as_str);
    secure(&mut cluster, ours, &addresses, folder.path());
    check_sends(&verified(&cluster, our_file));
    check_sends(&cluster.url("?tls=encrypt"));
    check_refused(&cluster.url(""), 69, &["wants TLS", "?tls=verify"]);
    check_refused(&verified(&cluster, other_file), 69, &["TLS"]);
    check_refused(&cluster.url("?tls=verify"), 69, &["TLS"]);
    secure(&mut cluster, ours, &["other.example"], folder.path());
    check_refused(&verified(&cluster, our_file), 69, &["TLS"]);
    check_sends(&cluster.url("?tls=encrypt"));
}

#[test]
fn a_server_without_tls_is_refused_where_the_address_asks_for_it() {
    let Some(cluster) = cluster() else {
        return;
    };
    check_refused(&cluster.url("?tls=encrypt"), 69, &["no TLS"]);
}
