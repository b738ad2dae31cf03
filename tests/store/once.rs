//! Messages that are delivered again, as after a crash, and are in their mailbox once.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use mailoop::smtp::envelope::Body;
use mailoop::smtp::path::Mailbox;
use mailoop::store::{Maildir, MaildirOptions, OnceDelivery, Outcome, Store};
use tempfile::{TempDir, tempdir};

use super::maildir::name_files_at_once;

const NAME: &str = "1796000000.Q6929F3A10001R0";

fn open(root: &Path, hostname: &str) -> Maildir {
    Maildir::open(MaildirOptions::new(root, hostname, 100)).unwrap()
}

/// Delivers to `bob@example.org`.
fn deliver(store: &mut Maildir, name: &str, may_be_there: bool) -> Outcome {
    let mailbox: Mailbox = "bob@example.org".parse().unwrap();
    let delivery = OnceDelivery {
        mailbox: &mailbox,
        name,
        body: Body::SevenBit,
        may_be_there,
    };
    let mut draft = store.begin_once(&delivery).unwrap();
    store
        .write(&mut draft, b"Subject: once\r\n\r\ntext\r\n")
        .unwrap();
    let ticket = store.submit(draft);
    let mut finished = Vec::new();
    store.commit(&mut finished);
    assert_eq!(finished.len(), 1);
    assert_eq!(finished[0].ticket, ticket);
    finished.remove(0).outcome
}

fn mails(root: &TempDir, folder: &str) -> Vec<PathBuf> {
    let folder = root.path().join("example.org/bob").join(folder);
    let entries = fs::read_dir(folder).unwrap();
    let mut mails: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    mails.sort();
    mails
}

/// Stores on file systems that have files without a name, and that have not.
fn stores() -> [(TempDir, Maildir); 2] {
    [false, true].map(|is_named| {
        let root = tempdir().unwrap();
        if is_named {
            name_files_at_once(root.path());
        }
        let store = open(root.path(), "mx.example.org");
        (root, store)
    })
}

#[test]
fn a_message_that_is_delivered_again_is_there_once() {
    for (root, mut store) in stores() {
        assert!(deliver(&mut store, NAME, false).is_stored());
        let [mail] = &mails(&root, "new")[..] else {
            panic!("{:?}", mails(&root, "new"));
        };
        assert_eq!(
            mail.file_name().unwrap(),
            &*format!("{NAME}.mx.example.org")
        );
        assert_eq!(fs::read(mail).unwrap(), b"Subject: once\n\ntext\n");
        let inode = fs::metadata(mail).unwrap().ino();
        // Whether it is looked for or not.
        for may_be_there in [true, false] {
            assert!(deliver(&mut store, NAME, may_be_there).is_stored());
            assert_eq!(mails(&root, "new"), std::slice::from_ref(mail));
            assert_eq!(fs::metadata(mail).unwrap().ino(), inode, "not replaced");
            assert!(mails(&root, "tmp").is_empty());
        }
        // Another message, or another recipient of it, is none of these.
        for other in ["1796000000.Q6929F3A10001R1", "1796000000.Q6929F3A10002R0"] {
            assert!(deliver(&mut store, other, true).is_stored());
        }
        assert_eq!(mails(&root, "new").len(), 3);
    }
}

#[test]
fn a_message_that_was_read_meanwhile_is_not_delivered_again() {
    for (root, mut store) in stores() {
        deliver(&mut store, NAME, false);
        let mail = mails(&root, "new").remove(0);
        let read = mail.parent().unwrap().with_file_name("cur");
        let read = read.join(format!("{NAME}.mx.example.org:2,RS"));
        fs::rename(mail, &read).unwrap();
        assert!(deliver(&mut store, NAME, true).is_stored());
        assert!(mails(&root, "new").is_empty());
        assert_eq!(mails(&root, "cur"), [read]);
    }
}

#[test]
fn a_message_is_known_under_another_host_name_and_by_another_process() {
    for (root, mut store) in stores() {
        deliver(&mut store, NAME, false);
        drop(store);
        let mut store = open(root.path(), "renamed.example.org");
        assert!(deliver(&mut store, NAME, true).is_stored());
        assert_eq!(mails(&root, "new").len(), 1);
    }
}

#[test]
fn a_message_that_never_came_through_is_delivered_at_the_next_try() {
    for (root, mut store) in stores() {
        assert!(deliver(&mut store, NAME, true).is_stored());
        assert_eq!(mails(&root, "new").len(), 1);
        assert!(mails(&root, "cur").is_empty());
    }
}

#[test]
fn what_another_process_delivered_meanwhile_is_found_where_a_reader_put_it() {
    for (root, mut store) in stores() {
        let mut other = open(root.path(), "mx.example.org");
        let mailbox: Mailbox = "bob@example.org".parse().unwrap();
        let delivery = OnceDelivery {
            mailbox: &mailbox,
            name: NAME,
            body: Body::SevenBit,
            may_be_there: true,
        };
        let mut draft = store.begin_once(&delivery).unwrap();
        let text = [b'x'; 40_000];
        // More than is held back: it has been looked for by now.
        store.write(&mut draft, &text).unwrap();
        assert!(deliver(&mut other, NAME, false).is_stored());
        let new = mails(&root, "new").remove(0);
        let name = new.file_name().unwrap().to_str().unwrap();
        let cur = new.parent().unwrap().with_file_name("cur");
        fs::rename(&new, cur.join(format!("{name}:2,S"))).unwrap();
        store.submit(draft);
        let mut finished = Vec::new();
        while finished.is_empty() {
            store.commit(&mut finished);
        }
        assert!(finished[0].outcome.is_stored());
        assert_eq!(
            (mails(&root, "new").len(), mails(&root, "cur").len()),
            (0, 1)
        );
        assert!(mails(&root, "tmp").is_empty());
    }
}

#[test]
fn a_message_is_looked_for_without_being_delivered() {
    for (_root, mut store) in stores() {
        let mailbox: Mailbox = "bob@example.org".parse().unwrap();
        let delivery = OnceDelivery {
            mailbox: &mailbox,
            name: NAME,
            body: Body::SevenBit,
            may_be_there: false,
        };
        let look = |store: &mut Maildir| {
            let ticket = store.look_for(&delivery).unwrap();
            let mut finished = Vec::new();
            store.commit(&mut finished);
            assert_eq!(finished[0].ticket, ticket);
            finished.remove(0).outcome.is_stored()
        };
        assert!(!look(&mut store));
        assert!(deliver(&mut store, NAME, false).is_stored());
        assert!(look(&mut store));
    }
}
