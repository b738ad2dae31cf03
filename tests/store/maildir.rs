//! What stands in the Maildir folders after messages were delivered, refused, dropped and left by the dead.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use mailoop::smtp::envelope::{Body, Envelope, Hello, Peer, QueueId, Recipient};
use mailoop::smtp::path::{Mailbox, ReversePath};
use mailoop::smtp::service::Service;
use mailoop::store::maildir::{Disk, MAILBOXES_PER_MINUTE_MAX, System};
use mailoop::store::{
    Admission, Discard, Draft, Failure, Finished, Maildir, MaildirOptions, Outcome, Store,
};
use tempfile::{TempDir, tempdir};

const ENOUGH: usize = 1000;

fn open(root: &Path) -> Maildir {
    open_with(root, ENOUGH)
}

fn open_with(root: &Path, max_mailboxes: usize) -> Maildir {
    try_open(root, max_mailboxes).unwrap()
}

fn try_open(root: &Path, max_mailboxes: usize) -> io::Result<Maildir> {
    Maildir::open(MaildirOptions::new(root, "mx.example.org", max_mailboxes))
}

fn store() -> (TempDir, Maildir) {
    let root = tempdir().unwrap();
    let store = open(root.path());
    (root, store)
}

/// A store whose files have names from the beginning, as where the file system has none without.
fn store_of_named() -> (TempDir, Maildir) {
    let root = tempdir().unwrap();
    name_files_at_once(root.path());
    let store = open(root.path());
    (root, store)
}

fn mailbox(address: &str) -> Mailbox {
    address.parse().unwrap_or_else(|_| panic!("{address}"))
}

/// A recipient that leads to these mailboxes.
fn alias(address: &str, mailboxes: &[&str]) -> Recipient {
    Recipient {
        address: mailbox(address),
        mailboxes: mailboxes.iter().map(|address| mailbox(address)).collect(),
        remote: Vec::new(),
        dsn: None,
    }
}

fn recipient(address: &str) -> Recipient {
    alias(address, &[address])
}

fn recipients(addresses: &[&str]) -> Vec<Recipient> {
    addresses.iter().map(|address| recipient(address)).collect()
}

fn envelope(addresses: &[&str]) -> Envelope {
    Envelope {
        service: Service::Smtp,
        peer: Peer::Local,
        proxied: None,
        security: None,
        user: None,
        hello: Hello {
            name: "client".into(),
            extended: true,
        },
        reverse_path: ReversePath::Null,
        recipients: recipients(addresses),
        body: Body::SevenBit,
        smtputf8: false,
        dsn: None,
        sender_is_ours: false,
        quarantine: None,
    }
}

fn draft(store: &mut Maildir, recipients: &[&str], text: &str) -> Draft {
    named_draft(store, recipients, text).1
}

/// The same with its name.
fn named_draft(store: &mut Maildir, recipients: &[&str], text: &str) -> (QueueId, Draft) {
    let (id, mut draft) = store.begin(&envelope(recipients)).unwrap();
    store.write(&mut draft, text.as_bytes()).unwrap();
    (id, draft)
}

/// Asks whether `recipient` may join `accepted`, as a session does that asked about each of them before.
fn check(
    store: &mut Maildir,
    recipient: &Recipient,
    accepted: &[Recipient],
) -> Result<(), Failure> {
    let mut envelope = envelope(&[]);
    let mut to_make = 0;
    for accepted in accepted {
        if let Ok(Admission::Granted(more)) = store.check(accepted, &envelope, to_make) {
            to_make += more;
        }
        envelope.recipients.push(accepted.clone());
    }
    store.check(recipient, &envelope, to_make).map(drop)
}

/// Text longer than the buffer of a message, so that its file is there before the message is complete.
fn long() -> String {
    "x\r\n".repeat(20_000)
}

fn commit(store: &mut Maildir) -> Vec<Finished> {
    let mut finished = Vec::new();
    store.commit(&mut finished);
    finished
}

/// Commits the one message that was submitted.
fn outcome(store: &mut Maildir) -> Result<(), Failure> {
    let mut finished = commit(store);
    assert_eq!(finished.len(), 1);
    finished.remove(0).outcome.for_each(1).remove(0)
}

fn deliver(store: &mut Maildir, recipients: &[&str], text: &str) -> Result<(), Failure> {
    let draft = draft(store, recipients, text);
    let _ = store.submit(draft);
    outcome(store)
}

/// All files and folders below `root`, less the store's own `.mailoop`.
fn tree(root: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name() == ".mailoop" {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
            found.insert(entry.path().strip_prefix(root).unwrap().to_owned());
        }
    }
    found
}

/// Lets a store that is opened here take its file system for one without unnamed files: its probe is in vain.
pub(super) fn name_files_at_once(root: &Path) {
    fs::create_dir_all(root.join(".mailoop/probe")).unwrap();
}

fn files(folder: PathBuf) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

fn instances(root: &Path) -> Vec<String> {
    files(root.join(".mailoop"))
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "lock" && name != "probe")
        .collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_stored_message_is_one_file_with_a_link_in_each_mailbox() {
    for (root, store) in [store(), store_of_named()] {
        check_a_stored_message(&root, store);
    }
}

fn check_a_stored_message(root: &TempDir, mut store: Maildir) {
    let root = root.path();
    let recipients = ["a@d", "b@e", "\"A\"@D", "c@d", "b@e"];
    let (id, mut draft) = store.begin(&envelope(&recipients)).unwrap();
    store
        .write(&mut draft, b"Subject: x\r\n\r\nbody\r\n")
        .unwrap();
    let ticket = store.submit(draft);
    let early = root.join("d/a/new");
    assert!(!early.exists() || files(early).is_empty(), "before commit");
    assert!(!root.join("e").exists(), "before commit");

    let finished = commit(&mut store);
    assert_eq!(finished.len(), 1);
    assert_eq!(finished[0].ticket, ticket);
    assert!(matches!(finished[0].outcome, Outcome::Stored));
    assert!(commit(&mut store).is_empty());

    for folder in ["d/a", "e/b", "d/c"] {
        let stored = files(root.join(folder).join("new"));
        assert_eq!(stored.len(), 1, "{folder}");
        let name = stored[0].file_name().unwrap().to_str().unwrap();
        let (seconds, rest) = name.split_once('.').unwrap();
        assert!(seconds.parse::<u64>().unwrap() > 1_000_000_000);
        assert_eq!(rest, format!("{id}.mx.example.org"));
        assert_eq!(fs::read(&stored[0]).unwrap(), b"Subject: x\n\nbody\n");
        assert_eq!(fs::metadata(&stored[0]).unwrap().nlink(), 3);
        assert_eq!(mode(&stored[0]), 0o600);
        for subfolder in ["", "tmp", "new", "cur"] {
            assert_eq!(mode(&root.join(folder).join(subfolder)), 0o700);
        }
        assert!(files(root.join(folder).join("tmp")).is_empty());
        assert!(files(root.join(folder).join("cur")).is_empty());
    }
    assert_eq!(tree(root).len(), 2 + 3 * 4 + 3);
}

#[test]
fn a_mailbox_gets_one_copy_by_however_many_aliases() {
    let (root, mut store) = store();
    let root = root.path();
    let envelope = Envelope {
        recipients: vec![
            alias("sales@d", &["a@d", "b@d"]),
            alias("info@e", &["B@D", "c@d", "a@d"]),
            recipient("a@d"),
        ],
        ..envelope(&[])
    };
    for (name, known) in [("sales@d", 0), ("info@e", 1), ("a@d", 2)] {
        let accepted = &envelope.recipients[..known];
        assert_eq!(envelope.recipients[known].address.as_str(), name);
        check(&mut store, &envelope.recipients[known], accepted).unwrap();
    }
    let (_, mut draft) = store.begin(&envelope).unwrap();
    store.write(&mut draft, b"x\r\n").unwrap();
    let _ = store.submit(draft);
    outcome(&mut store).unwrap();
    for folder in ["d/a", "d/b", "d/c"] {
        assert_eq!(files(root.join(folder).join("new")).len(), 1, "{folder}");
    }
    assert!(!root.join("e").exists() && !root.join("d/sales").exists());
    let stored = &files(root.join("d/a/new"))[0];
    assert_eq!(fs::metadata(stored).unwrap().nlink(), 3);
}

#[test]
fn the_mailboxes_of_an_alias_count_each_to_the_limit() {
    let root = tempdir().unwrap();
    fs::create_dir_all(root.path().join("d/a/new")).unwrap();
    let mut store = open_with(root.path(), 3);
    let too_many = |result: Result<(), Failure>| matches!(result, Err(Failure::TooManyMailboxes));
    let two = alias("two@d", &["b@d", "c@d", "a@d"]);
    check(&mut store, &two, &[]).unwrap();
    check(&mut store, &two, &recipients(&["b@d", "c@d"])).unwrap();
    assert!(too_many(check(&mut store, &two, &recipients(&["e@d"]))));
    let three = alias("three@d", &["b@d", "c@d", "e@d", "a@d"]);
    assert!(too_many(check(&mut store, &three, &[])));
    let known = alias("known@d", &["a@d", "\"a\"@d"]);
    check(&mut store, &known, &[three]).unwrap();
}

#[test]
fn the_root_is_made() {
    let above = tempdir().unwrap();
    let root = above.path().join("var/mail");
    deliver(&mut open(&root), &["a@d"], "x\r\n").unwrap();
    assert_eq!(mode(&root), 0o700);
    assert_eq!(files(root.join("d/a/new")).len(), 1);
}

#[test]
fn folder_names_are_safe_and_distinct() {
    let (root, mut store) = store();
    let literal = format!("a@[x:{}]", "!".repeat(82));
    let long = "x".repeat(63);
    let domain = format!("{long}.{long}.{long}.{}", "x".repeat(63));
    let deep = format!("a@{domain}");
    let dots = format!("\"{}\"@d", "/".repeat(62));
    let wide = format!("{}@d", "\u{4f8b}".repeat(21));
    let table = [
        ("a@d", "d/a"),
        ("\"b\\c\"@d", "d/bc"),
        ("\"/\"@d", "d/%2F"),
        ("\"../../etc/x\"@d", "d/%2E.%2F..%2Fetc%2Fx"),
        ("../../etc/x@d", ""),
        ("\".\"@d", "d/%2E"),
        ("\"..\"@d", "d/%2E."),
        ("\".mailoop\"@d", "d/%2Emailoop"),
        ("%2e%2e@d", "d/%252e%252e"),
        ("%2E@d", ""),
        ("\"a b\"@d", "d/a%20b"),
        ("a+tag=1_2-3@d", "d/a+tag=1_2-3"),
        ("a.b@d", "d/a.b"),
        ("\u{fc}@d", "d/%C3%BC"),
        ("u\u{308}@d", "d/u%CC%88"),
        ("\u{dc}@d", "d/%C3%9C"),
        #[cfg(feature = "smtputf8")]
        ("a@b\u{fc}cher.d", "xn--bcher-kva.d/a"),
        ("b@XN--BCHER-KVA.d", "xn--bcher-kva.d/b"),
        #[cfg(feature = "smtputf8")]
        ("a@fa\u{df}.d", "xn--fa-hia.d/a"),
        ("a@fass.d", "fass.d/a"),
        (&wide, &format!("d/{}", "%E4%BE%8B".repeat(21))),
        ("a@[127.0.0.1]", "%5B127.0.0.1%5D/a"),
        ("a@[IPv6:::1]", "%5Bipv6%3A%3A%3A1%5D/a"),
        (&deep, &format!("{domain}/a")),
        (&dots, &format!("d/{}", "%2F".repeat(62))),
    ];
    let mut expected = BTreeSet::new();
    for (address, folder) in table.iter().filter(|(_, folder)| !folder.is_empty()) {
        check(&mut store, &recipient(address), &[]).unwrap();
        deliver(&mut store, &[address], "x\r\n").unwrap();
        assert_eq!(
            files(root.path().join(folder).join("new")).len(),
            1,
            "{address}"
        );
        expected.insert(PathBuf::from(folder));
    }
    let two_deep = |path: &PathBuf| path.components().count() == 2;
    let made: BTreeSet<_> = tree(root.path()).into_iter().filter(two_deep).collect();
    assert_eq!(made, expected);

    deliver(&mut store, &["\"A\"@D"], "x\r\n").unwrap();
    assert_eq!(files(root.path().join("d/a/new")).len(), 2);
    assert_eq!(
        tree(root.path()).into_iter().filter(two_deep).count(),
        made.len()
    );

    for address in ["\"\"@d", &literal] {
        let check = check(&mut store, &recipient(address), &[]);
        assert!(
            matches!(check, Err(Failure::BadName)),
            "{address}: {check:?}"
        );
        let begin = store.begin(&envelope(&["a@d", address]));
        assert!(
            matches!(begin, Err(Failure::BadName)),
            "{address}: {begin:?}"
        );
    }
}

#[test]
fn an_aborted_message_leaves_nothing() {
    let (root, mut store) = store_of_named();
    let first = draft(&mut store, &["a@d", "b@e"], &long());
    let second = draft(&mut store, &["a@d"], &long());
    let third = draft(&mut store, &["c@d"], "x\r\n");
    assert!(!root.path().join("d/c").exists(), "it is held back");
    store.abort(first);
    assert_eq!(
        files(root.path().join("d/a/tmp")).len(),
        1,
        "the second lives"
    );
    store.abort(third);
    store.abort(second);
    assert_eq!(tree(root.path()), BTreeSet::new());
    assert!(commit(&mut store).is_empty());
}

#[test]
fn a_message_without_a_name_outlives_its_mailbox() {
    let (root, mut store) = store();
    let first = draft(&mut store, &["a@d"], &long());
    let second = draft(&mut store, &["a@d"], &long());
    assert!(!root.path().join("d").exists(), "no folder before its name");
    store.abort(first);
    let _ = store.submit(second);
    outcome(&mut store).unwrap();
    assert_eq!(files(root.path().join("d/a/new")).len(), 1);
}

#[test]
fn an_aborted_message_takes_no_folder_that_is_not_its_own() {
    let (root, mut store) = store();
    let root = root.path();
    fs::create_dir_all(root.join("d/a")).unwrap();
    let aborted = draft(&mut store, &["a@d"], &long());
    store.abort(aborted);
    assert!(root.join("d/a/cur").is_dir());

    // Made by a draft that is aborted after another message was stored there.
    let aborted = draft(&mut store, &["b@d"], &long());
    deliver(&mut store, &["b@d"], "x\r\n").unwrap();
    store.abort(aborted);
    let stored = files(root.join("d/b/new"));
    fs::remove_file(&stored[0]).unwrap();
    let aborted = draft(&mut store, &["b@d"], &long());
    store.abort(aborted);
    assert!(root.join("d/b/tmp").is_dir());
}

#[test]
fn planted_links_lead_nowhere() {
    for planted in ["d", "d/a", "d/a/tmp", "d/a/new"] {
        let (root, mut store) = store();
        let outside = tempdir().unwrap();
        fs::create_dir_all(outside.path().join("a/tmp")).unwrap();
        fs::create_dir_all(outside.path().join("a/new")).unwrap();
        fs::create_dir_all(outside.path().join("tmp")).unwrap();
        fs::create_dir_all(outside.path().join("new")).unwrap();
        let before = tree(outside.path());
        let link = root.path().join(planted);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(outside.path(), &link).unwrap();

        let failure = deliver(&mut store, &["a@d"], &long()).unwrap_err();
        assert!(matches!(failure, Failure::Io(_)), "{planted}: {failure:?}");
        let failure = deliver(&mut store, &["z@z", "a@d"], "x\r\n");
        let reached = planted == "d/a/tmp";
        assert_eq!(
            failure.is_ok(),
            reached,
            "{planted}: only tmp/ is not needed"
        );
        assert_eq!(tree(outside.path()), before, "{planted}");
        assert_eq!(root.path().join("z").exists(), reached);

        drop(store);
        open(root.path());
        assert_eq!(tree(outside.path()), before, "{planted}");
    }
}

#[test]
fn a_link_in_place_of_the_instance_folder_is_refused() {
    let (root, outside) = (tempdir().unwrap(), tempdir().unwrap());
    symlink(outside.path(), root.path().join(".mailoop")).unwrap();
    assert!(try_open(root.path(), ENOUGH).is_err());
    assert_eq!(tree(outside.path()), BTreeSet::new());
}

#[test]
fn mailboxes_are_limited() {
    let root = tempdir().unwrap();
    let path = root.path();
    for folder in ["d/a/new", "d/.hidden/new", ".hidden/a/new"] {
        fs::create_dir_all(path.join(folder)).unwrap();
    }
    fs::write(path.join("d/file"), "").unwrap();
    let mut store = open_with(path, 3);
    let too_many = |result: Result<(), Failure>| matches!(result, Err(Failure::TooManyMailboxes));

    // One exists, two more may be made; spellings and those that exist do not count.
    let accepted = recipients(&["a@d", "b@d", "\"b\"@D", "A@d", "c@d"]);
    check(&mut store, &recipient("c@d"), &accepted).unwrap();
    check(&mut store, &recipient("a@d"), &accepted).unwrap();
    check(&mut store, &recipient("C@D"), &accepted).unwrap();
    assert!(too_many(check(&mut store, &recipient("e@d"), &accepted)));
    check(&mut store, &recipient("e@d"), &recipients(&["b@d"])).unwrap();

    // All or nothing at commit, and the folders of the refused message go again.
    assert!(too_many(deliver(
        &mut store,
        &["b@d", "a@d", "c@d", "e@d"],
        "x\r\n"
    )));
    assert!(files(path.join("d/a/new")).is_empty());
    assert!(!path.join("d/b").exists() && !path.join("d/c").exists());

    deliver(&mut store, &["b@d"], "x\r\n").unwrap();
    // The place is taken by who is stored first, not by who began first.
    let third = draft(&mut store, &["c@f"], &long());
    check(&mut store, &recipient("e@d"), &[]).unwrap();
    deliver(&mut store, &["e@d"], "x\r\n").unwrap();
    assert!(too_many(check(&mut store, &recipient("c@d"), &[])));
    let _ = store.submit(third);
    assert!(too_many(outcome(&mut store)));
    assert!(!path.join("f").exists());
    deliver(&mut store, &["a@d", "b@d"], "x\r\n").unwrap();

    let mut store = open_with(path, 3);
    assert!(
        too_many(check(&mut store, &recipient("c@d"), &[])),
        "counted at start"
    );
    let mut store = open_with(path, 4);
    check(&mut store, &recipient("c@d"), &[]).unwrap();
}

#[test]
fn one_client_has_so_many_mailboxes_made_in_a_minute_and_others_have_theirs() {
    let (root, mut store) = store();
    let from = |client: &str, addresses: &[&str]| Envelope {
        peer: client.parse().map_or(Peer::Local, Peer::Ip),
        ..envelope(addresses)
    };
    let deliver = |store: &mut Maildir, envelope: &Envelope| {
        let (_, draft) = store.begin(envelope).unwrap();
        let _ = store.submit(draft);
        outcome(store)
    };
    let many: Vec<_> = (0..MAILBOXES_PER_MINUTE_MAX)
        .map(|number| format!("m{number}@d"))
        .collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let client = "192.0.2.1";
    deliver(&mut store, &from(client, &many)).unwrap();
    let asked = store.check(&recipient("one@d"), &from(client, &[]), 0);
    assert!(matches!(asked, Err(Failure::TooManyMailboxes)), "{asked:?}");
    // Also where nobody asked, as when many sessions ask at once.
    let refused = deliver(&mut store, &from(client, &["one@d", "m1@d"]));
    assert!(matches!(refused, Err(Failure::TooManyMailboxes)));
    assert!(!root.path().join("d/one").exists());
    let known = store.check(&recipient("m1@d"), &from(client, &[]), 0);
    assert_eq!(known.unwrap(), Admission::Granted(0));
    deliver(&mut store, &from(client, &["m1@d"])).unwrap();

    deliver(&mut store, &from("192.0.2.2", &["one@d"])).unwrap();
    deliver(&mut store, &from("unix", &["two@d"])).unwrap();
    store.set_time(Instant::now() + Duration::from_secs(70));
    deliver(&mut store, &from(client, &["three@d"])).unwrap();
    // What fails leaves no mailbox, and counts for nothing.
    fs::create_dir_all(root.path().join("d/bad")).unwrap();
    fs::write(root.path().join("d/bad/new"), "in the way").unwrap();
    for _ in 0..2 * MAILBOXES_PER_MINUTE_MAX {
        let refused = deliver(&mut store, &from(client, &["four@d", "bad@d"]));
        assert!(matches!(refused, Err(Failure::Io(_))), "{refused:?}");
    }
    deliver(&mut store, &from(client, &["five@d"])).unwrap();
}

#[test]
fn the_sweep_takes_from_the_dead_only() {
    let root = tempdir().unwrap();
    let path = root.path();
    name_files_at_once(path);
    let (mut living, mut dead) = (open(path), open(path));
    let (living_id, spared) = named_draft(&mut living, &["a@d"], &long());
    let (dead_id, _left) = named_draft(&mut dead, &["a@d"], &long());
    assert_ne!(living_id, dead_id);
    fs::write(path.join("d/a/tmp/1700000000.foreign.host"), "").unwrap();
    fs::write(path.join(format!("d/a/tmp/draft.{dead_id}.host")), "").unwrap();
    fs::write(path.join(format!("d/a/new/1.{dead_id}.host")), "").unwrap();
    assert_eq!(instances(path).len(), 2);
    drop(dead);

    let mut next = open(path);
    let names: Vec<_> = files(path.join("d/a/tmp"))
        .iter()
        .map(|file| file.to_str().unwrap().to_owned())
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names.iter().any(|name| name.contains(living_id.as_str())));
    assert!(names.iter().any(|name| name.contains("foreign")));
    assert!(names.iter().any(|name| name.contains("draft")));
    assert_eq!(files(path.join("d/a/new")).len(), 1, "only tmp/ is swept");
    assert_eq!(instances(path).len(), 2);
    assert!(!instances(path).contains(&dead_id.as_str()[..8].to_owned()));

    let (new_id, new) = named_draft(&mut next, &["a@d"], "x\r\n");
    assert!(new_id != living_id && new_id != dead_id);
    next.abort(new);
    let _ = living.submit(spared);
    outcome(&mut living).unwrap();
}

#[test]
fn instance_numbers_only_grow() {
    let root = tempdir().unwrap();
    let path = root.path();
    let id = |store: &mut Maildir| {
        let (id, draft) = named_draft(store, &["a@d"], "x\r\n");
        let id = id.as_str().to_owned();
        store.abort(draft);
        id
    };
    let mut store = open(path);
    let (first, second) = (id(&mut store), id(&mut store));
    assert!(first.ends_with("0001") && second.ends_with("0002"));
    assert_eq!((first.len(), &first[..8]), (12, &second[..8]));
    drop(store);
    assert!(id(&mut open(path))[..8] > first[..8]);

    // An instance of a time to come, as a clock that went back leaves it.
    fs::write(path.join(".mailoop/FFFFFFF0"), "").unwrap();
    assert_eq!(id(&mut open(path)), "FFFFFFF10001");
    assert_eq!(instances(path), ["FFFFFFF1"]);
    assert_eq!(id(&mut open(path)), "FFFFFFF20001");
    fs::write(path.join(".mailoop/FFFFFFFF"), "").unwrap();
    assert!(try_open(path, ENOUGH).is_err());
}

#[test]
fn siblings_that_start_together_do_not_take_each_other_for_dead() {
    const SIBLINGS: usize = 16;
    let root = tempdir().unwrap();
    let start = Barrier::new(SIBLINGS);
    let sibling = || {
        start.wait();
        let mut store = open(root.path());
        let (id, draft) = named_draft(&mut store, &["a@d"], "x\r\n");
        let id = id.as_str().to_owned();
        (store, draft, id)
    };
    let siblings: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..SIBLINGS).map(|_| scope.spawn(sibling)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let ids: BTreeSet<_> = siblings.iter().map(|(_, _, id)| id.clone()).collect();
    assert_eq!(ids.len(), SIBLINGS);
    assert_eq!(instances(root.path()).len(), SIBLINGS);
    for (mut store, draft, _) in siblings {
        let _ = store.submit(draft);
        outcome(&mut store).unwrap();
    }
    assert_eq!(files(root.path().join("d/a/new")).len(), SIBLINGS);
}

#[test]
fn a_mailbox_removed_under_a_message_is_made_again() {
    for (root, mut store) in [store(), store_of_named()] {
        deliver(&mut store, &["a@d"], "x\r\n").unwrap();
        let kept = draft(&mut store, &["a@d"], &long());
        fs::remove_dir_all(root.path().join("d/a/new")).unwrap();
        let _ = store.submit(kept);
        outcome(&mut store).unwrap();
        assert_eq!(files(root.path().join("d/a/new")).len(), 1);
    }
}

#[test]
fn a_file_removed_under_a_message_fails_it() {
    let (root, mut store) = store_of_named();
    let root = root.path();
    for removed in ["d", "d/a", "d/a/tmp"] {
        let lost = draft(&mut store, &["a@d", "b@e"], &long());
        fs::remove_dir_all(root.join(removed)).unwrap();
        let _ = store.submit(lost);
        let failure = outcome(&mut store).unwrap_err();
        let told = matches!(&failure, Failure::Io(text) if text.contains(root.to_str().unwrap()));
        assert!(told, "{failure:?}");
        assert!(!root.join("e").exists(), "no copy for the other one");
        deliver(&mut store, &["a@d"], "x\r\n").unwrap();
    }
}

#[test]
fn a_message_that_fails_is_nowhere_and_hurts_no_other() {
    let (root, mut store) = store();
    let root = root.path();
    fs::create_dir_all(root.join("d/bad")).unwrap();
    fs::write(root.join("d/bad/new"), "in the way").unwrap();

    let drafts = [
        draft(&mut store, &["a@d"], "one\r\n"),
        draft(
            &mut store,
            &["a@d", "b@d", "fresh@e", "bad@d", "c@d"],
            "bad\r\n",
        ),
        draft(&mut store, &["b@d", "a@d"], "two\r\n"),
        draft(&mut store, &["bad@d"], "bad\r\n"),
    ];
    let tickets = drafts.map(|draft| store.submit(draft));
    let mut finished = commit(&mut store);
    finished.sort_by_key(|finished| finished.ticket.0);
    let settled: Vec<_> = finished.iter().map(|finished| finished.ticket).collect();
    assert_eq!(settled, tickets);
    let stored: Vec<_> = finished
        .into_iter()
        .map(|finished| finished.outcome.is_stored())
        .collect();
    assert_eq!(stored, [true, false, true, false]);

    assert_eq!(files(root.join("d/a/new")).len(), 2);
    assert_eq!(files(root.join("d/b/new")).len(), 1);
    assert!(!root.join("d/c").exists() && !root.join("e").exists());
    for folder in ["d/a/tmp", "d/b/tmp", "d/bad/tmp"] {
        assert!(files(root.join(folder)).is_empty(), "{folder}");
    }
    assert_eq!(fs::read(root.join("d/bad/new")).unwrap(), b"in the way");

    fs::remove_file(root.join("d/bad/new")).unwrap();
    deliver(&mut store, &["bad@d"], "x\r\n").unwrap();
}

#[test]
fn line_ends_are_converted_and_nothing_else() {
    let (root, mut store) = store();
    let line = "\u{0}\rbare\r\r\n\n8-bit \u{e9}\r\n.dot\r\n\r\n";
    let text = format!("{}last", line.repeat(4000)).into_bytes();
    for (mailbox, size) in [1, 7, 1000, 16 * 1024, 65_536, text.len()]
        .iter()
        .enumerate()
    {
        let (_, mut draft) = store.begin(&envelope(&[&format!("{mailbox}@d")])).unwrap();
        let mut rest = &text[..];
        while !rest.is_empty() {
            let mut end = rest.len().min(*size);
            if rest[..end].ends_with(b"\r") && rest.get(end) == Some(&b'\n') {
                end += 1;
            }
            store.write(&mut draft, &rest[..end]).unwrap();
            rest = &rest[end..];
        }
        let _ = store.submit(draft);
        outcome(&mut store).unwrap();
        let stored = files(root.path().join(format!("d/{mailbox}/new")));
        let expected = String::from_utf8(text.clone())
            .unwrap()
            .replace("\r\n", "\n");
        assert!(
            fs::read(&stored[0]).unwrap() == expected.as_bytes(),
            "in pieces of {size}"
        );
    }
}

#[test]
fn an_open_message_holds_one_descriptor() {
    // Counted by what points into this store, since other tests open files at the same time.
    let (root, mut store) = store();
    let held = || {
        fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|fd| fs::read_link(fd.unwrap().path()).ok())
            .filter(|target| target.starts_with(root.path()))
            .count()
    };
    let idle = held();
    let drafts: Vec<_> = (0..10)
        .map(|_| draft(&mut store, &["a@d", "b@e"], &long()))
        .collect();
    assert_eq!(held(), idle + 10);
    for draft in drafts {
        let _ = store.submit(draft);
    }
    assert_eq!(commit(&mut store).len(), 10);
    assert_eq!(held(), idle);
}

#[test]
fn what_is_used_up_is_told_from_what_is_broken() {
    let failure = |code| Failure::from(io::Error::from_raw_os_error(code));
    // ENFILE, EMFILE, EFBIG, ENOSPC, EDQUOT on Linux.
    for code in [23, 24, 27, 28, 122] {
        assert!(matches!(failure(code), Failure::Full(_)), "{code}");
    }
    assert!(matches!(failure(5), Failure::Io(_)), "EIO");
}

#[test]
fn an_envelope_without_recipient_is_refused() {
    let (root, mut store) = store();
    assert!(matches!(store.begin(&envelope(&[])), Err(Failure::Io(_))));
    assert_eq!(tree(root.path()), BTreeSet::new());
}

#[test]
fn discard_finishes_what_was_submitted() {
    let mut store = Discard::new();
    let mut begin = || store.begin(&envelope(&["a@d"])).unwrap();
    let ((id, first), (other_id, second), (_, third)) = (begin(), begin(), begin());
    assert_ne!(id, other_id);
    assert_eq!(id.as_str().len(), 18);
    store.abort(second);
    let tickets = [store.submit(third), store.submit(first)];
    let mut finished = Vec::new();
    store.commit(&mut finished);
    store.commit(&mut finished);
    let settled: Vec<_> = finished.iter().map(|finished| finished.ticket).collect();
    assert_eq!(settled, tickets);
    assert!(
        finished
            .iter()
            .all(|finished| matches!(finished.outcome, Outcome::Stored))
    );
}

#[test]
fn groups_of_none_are_groups_of_one() {
    let root = tempdir().unwrap();
    let mut options = MaildirOptions::new(root.path(), "mx", ENOUGH);
    options.group_max = 0;
    let mut store = Maildir::open(options).unwrap();
    assert!(deliver(&mut store, &["a@d"], "text").is_ok());
}

#[test]
fn a_file_system_that_may_hide_errors_is_not_synced_as_a_whole() {
    // Every Linux has a file system in memory there, which has no errors to tell.
    let Ok(root) = tempfile::tempdir_in("/dev/shm") else {
        return;
    };
    assert!(!System::open(root.path()).unwrap().reports_all_errors());
}

#[test]
fn what_is_synced_as_a_whole_was_opened_before_anything_was_written() {
    let folder = tempdir().unwrap();
    let root = folder.path().join("mail");
    let mut disk = System::open(&root).unwrap();
    let lock = disk.lock("lock").unwrap();
    // Whoever opens it now finds nothing, and would hear of no error that came before.
    fs::rename(&root, folder.path().join("elsewhere")).unwrap();
    disk.sync_all(&lock).unwrap();
}
