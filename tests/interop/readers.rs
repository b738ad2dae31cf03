//! Mail readers find in a mailbox what the server put there.

use std::fs;

use crate::common::TestServer;
use crate::common::program::{installed, program, python, run};
use crate::message::{MULTIPART, RECIPIENT, SENDER, UTF8, file};

/// A server that has stored two messages in one mailbox.
fn server_with_mail() -> TestServer {
    let server = TestServer::start(&[]);
    for message in [MULTIPART, UTF8] {
        run(program(env!("CARGO_BIN_EXE_mailoop"), &server)
            .args(["send", "--server", server.address()])
            .args(["--from", SENDER, "--to", RECIPIENT])
            .arg(file(message)));
    }
    assert_eq!(server.new_mail(RECIPIENT).len(), 2);
    server
}

#[test]
fn python_reads_the_maildir() {
    if !installed(&["python3"]) {
        return;
    }
    let server = server_with_mail();
    let listed = run(python("maildir.py").arg(server.mailbox(RECIPIENT)));
    let mut subjects: Vec<_> = listed.lines().collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["A picture", "Grüße"]);
}

#[test]
fn mutt_reads_the_maildir() {
    if !installed(&["mutt", "python3"]) {
        return;
    }
    let server = server_with_mail();
    let piped = server.folder().join("piped");
    // By age the first is the one sent first; it goes to a file as it is. Of a folder for mail that is not there mutt asks
    // whether to make it.
    let keys = format!(
        "set folder={} sort=date-received wait_key=no quit=yes; \
         push '<first-entry><pipe-message>cat >{}<enter><exit>'",
        server.folder().display(),
        piped.display()
    );
    let mut mutt = python("terminal.py");
    mutt.args(["mutt", "-n", "-F", "/dev/null", "-R", "-e", &keys, "-f"])
        .arg(server.mailbox(RECIPIENT))
        .env("TERM", "xterm");
    let screen = run(&mut mutt);
    for subject in ["A picture", "Grüße"] {
        assert!(screen.contains(subject), "{screen}");
    }
    let piped = fs::read(piped).unwrap();
    let stored = server.new_mail(RECIPIENT);
    assert!(stored.iter().any(|path| fs::read(path).unwrap() == piped));
}

#[test]
fn s_nail_reads_the_maildir() {
    if !installed(&["s-nail"]) {
        return;
    }
    let server = server_with_mail();
    let mut s_nail = program("s-nail", &server);
    s_nail
        .args(["-n", "-R", "-H", "-f"])
        .arg(server.mailbox(RECIPIENT));
    let listed = run(&mut s_nail);
    for subject in ["A picture", "Grüße"] {
        assert!(listed.contains(subject), "{listed}");
    }
}
