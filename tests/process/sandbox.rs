//! What a running server may do to the file system, where the kernel has Landlock.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::common::client::Client;
use crate::common::{TestServer, files, skipped};
use mailoop::sandbox::{self, Needs, Sandbox};

#[track_caller]
fn refused<T>(result: io::Result<T>) {
    let kind = result.map(|_| ()).map_err(|error| error.kind());
    // Links and renames between folders of different rights are told as such between file systems.
    let refusals = [
        Err(ErrorKind::PermissionDenied),
        Err(ErrorKind::CrossesDevices),
    ];
    assert!(refusals.contains(&kind), "{kind:?}");
}

/// Tries everything from inside: mail may come and go in `mail`, files may go from `run`, the rest may be read.
fn try_everything(mail: &Path, run: &Path, other: &Path) {
    fs::create_dir_all(mail.join("a/tmp")).unwrap();
    fs::create_dir_all(mail.join("b/new")).unwrap();
    fs::write(mail.join("a/tmp/1"), "text").unwrap();
    fs::hard_link(mail.join("a/tmp/1"), mail.join("b/new/1")).unwrap();
    fs::rename(mail.join("a/tmp/1"), mail.join("b/new/2")).unwrap();
    fs::remove_file(mail.join("b/new/1")).unwrap();
    fs::remove_dir(mail.join("a/tmp")).unwrap();
    refused(std::os::unix::fs::symlink("/", mail.join("root")));

    fs::remove_file(run.join("socket")).unwrap();
    refused(fs::write(run.join("file"), "text"));
    refused(fs::create_dir(run.join("folder")));

    assert_eq!(fs::read(other.join("file")).unwrap(), b"text");
    assert_eq!(fs::read_dir(other).unwrap().count(), 2);
    let append = || OpenOptions::new().append(true).open(other.join("file"));
    refused(append());
    refused(fs::write(other.join("new"), "text"));
    refused(fs::create_dir(other.join("new")));
    refused(fs::remove_file(other.join("file")));
    refused(fs::remove_dir(other.join("folder")));
    refused(fs::rename(other.join("file"), mail.join("file")));
    refused(fs::hard_link(mail.join("b/new/2"), other.join("2")));
    refused(Command::new("/bin/true").status());
}

#[test]
fn only_mail_comes_and_goes_and_no_program_runs() {
    let folder = tempfile::tempdir().unwrap();
    let [mail, run, other] = ["mail", "run", "other"].map(|name| folder.path().join(name));
    for path in [&mail, &run, &other, &other.join("folder")] {
        fs::create_dir(path).unwrap();
    }
    fs::write(run.join("socket"), "").unwrap();
    fs::write(other.join("file"), "text").unwrap();
    let needs = Needs {
        writable: vec![mail.clone()],
        removable: vec![run.clone()],
    };
    // It is the thread that is confined, and the harness has work to do afterwards.
    let confined = thread::spawn(move || {
        let confined = sandbox::enter(&needs);
        if let Sandbox::Landlock(_) = confined {
            try_everything(&mail, &run, &other);
        }
        confined
    });
    let confined = confined.join().unwrap();
    if let Sandbox::Unavailable(_) = confined {
        skipped::note(&[skipped::LANDLOCK]);
    }
    fs::write(folder.path().join("file"), "text").unwrap();
}

#[test]
fn a_need_that_cannot_be_named_confines_nobody() {
    let needs = Needs {
        writable: vec!["/no such folder".into()],
        ..Needs::default()
    };
    let confined = thread::spawn(move || sandbox::enter(&needs))
        .join()
        .unwrap();
    assert!(matches!(confined, Sandbox::Unavailable(_)), "{confined}");
}

#[test]
fn a_confined_server_delivers_and_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let unix = format!("unix:{}", socket.display());
    // In a folder of its own, in which nothing else comes or goes.
    let watched = tempfile::tempdir().unwrap();
    let control = watched.path().join("control");
    // The one relative to the current folder is removed too.
    let listeners = [
        "--listen",
        "127.0.0.1:0",
        "--listen",
        &unix,
        "--listen",
        "unix:here",
    ];
    let watched = ["--control", control.to_str().unwrap()];
    let is_watched = cfg!(feature = "top");
    let watched = if is_watched { &watched[..] } else { &[] };
    let mut server = TestServer::start(&[&listeners, watched].concat());
    let mut client = Client::connect(server.address());
    client.expect("220");
    client.say("HELO client\r\nMAIL FROM:<>\r\n");
    (0..2).for_each(|_| client.expect("250"));
    let recipients = ["a@example.org", "b@example.org", "c@example.com"];
    for recipient in recipients {
        client.say(&format!("RCPT TO:<{recipient}>\r\n"));
        client.expect("250");
    }
    client.say("DATA\r\n");
    client.expect("354");
    client.say("text\r\n.\r\n");
    client.expect("250");
    // One that is given up takes the folders along that were made for it.
    client.envelope("gone@example.net");
    drop(client);
    crate::common::wait_until("the connection to end", || {
        server.log().contains("closed=peer")
    });
    for recipient in recipients {
        assert_eq!(server.message(recipient), b"\ntext\n");
    }
    crate::common::wait_until("what it gave up to be removed", || {
        files(&server.maildir()).len() == 3
    });
    assert_eq!(UnixStream::connect(&control).is_ok(), is_watched);
    server.stop();
    assert!(!socket.exists() && !control.exists() && !server.folder().join("here").exists());
    let log = server.log();
    let said = log.lines().filter(|line| line.starts_with("landlock="));
    let said: Vec<_> = said.collect();
    assert!(said.len() == 1, "{log}");
    let confined = said[0].starts_with("landlock=abi-");
    assert!(
        confined || said[0].starts_with("landlock=unavailable "),
        "{log}"
    );
}
