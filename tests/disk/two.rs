//! Mailboxes on two file systems: no file can have a name in both.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::common::client::Client;
use crate::common::program::{foreign, installed};
use crate::common::{TestServer, name_files_at_once, skipped, without_trace};
use crate::mount::Mounted;

/// A mailbox of each domain; that of the second is a file system of its own.
const DOMAINS: [&str; 3] = ["a.example", "mount.example", "z.example"];

/// As a header field.
const TEXT: &str = "Text: a line of it\n";

#[test]
fn mailboxes_on_two_file_systems_each_have_the_message_once() {
    if !installed(&["mount", "umount"]) {
        return;
    }
    if !geteuid().is_root() {
        skipped::note(&[skipped::ROOT]);
        return;
    }
    for are_named in [false, true] {
        let folder = TempDir::new().unwrap();
        let maildir = folder.path().join("mail");
        if are_named {
            name_files_at_once(&maildir);
        }
        let mount = maildir.join(DOMAINS[1]);
        fs::create_dir_all(&mount).unwrap();
        let mut tmpfs = foreign("mount");
        let tmpfs = tmpfs.args(["-t", "tmpfs", "none"]).arg(&mount);
        if !tmpfs.stderr(Stdio::null()).status().unwrap().success() {
            skipped::note(&[skipped::DEVICES]);
            return;
        }
        let _mounted = Mounted::at(&mount);
        let mut server = TestServer::start(&["--maildir", maildir.to_str().unwrap()]);
        let mut client = Client::connect(server.address());
        client.hello();
        // The file is written in the mailbox of the first, and copied from there.
        for first in 0..DOMAINS.len() {
            client.ask("MAIL FROM:<a@example.com>", "250");
            for other in 0..DOMAINS.len() {
                let domain = DOMAINS[(first + other) % DOMAINS.len()];
                client.ask(&format!("RCPT TO:<u{first}@{domain}>"), "250");
            }
            client.ask("DATA", "354");
            client.say(&TEXT.replace('\n', "\r\n").repeat(10_000));
            client.ask(".", "250 2.0.0 Ok: queued as");
            for domain in DOMAINS {
                let mailbox = maildir.join(domain).join(format!("u{first}"));
                let found: Vec<_> = ["tmp", "new", "cur"]
                    .iter()
                    .flat_map(|name| fs::read_dir(mailbox.join(name)).unwrap())
                    .map(|entry| entry.unwrap().path())
                    .collect();
                let [file] = &found[..] else {
                    panic!("{domain}: {found:?}");
                };
                assert!(file.parent().unwrap().ends_with("new"), "{found:?}");
                let links = if domain == DOMAINS[1] { 1 } else { 2 };
                // Each that is not on the file system of the first has a copy.
                let expected = if first == 1 { 1 } else { links };
                assert_eq!(fs::metadata(file).unwrap().nlink(), expected, "{domain}");
                let text = TEXT.repeat(10_000);
                assert!(without_trace(&fs::read(file).unwrap()) == text.as_bytes());
            }
        }
        server.stop();
    }
}
