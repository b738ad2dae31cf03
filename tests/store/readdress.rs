//! Open messages that are given another envelope before their text, as where a filter has changed sender or recipients.

use std::fs;
use std::path::Path;

use mailoop::smtp::envelope::{Body, Envelope, Hello, Peer, QueueId, Recipient};
use mailoop::smtp::path::{Mailbox, ReversePath};
use mailoop::smtp::service::Service;
use mailoop::store::{
    Admission, Discard, Draft, Failure, Finished, Maildir, MaildirOptions, Outcome, Store, Ticket,
};
use tempfile::tempdir;

fn envelope(from: &str, to: &[&str]) -> Envelope {
    let recipient = |address: &&str| {
        let address: Mailbox = address.parse().unwrap();
        Recipient {
            mailboxes: [address.clone()].into_iter().collect(),
            address,
            remote: Vec::new(),
            dsn: None,
        }
    };
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
        reverse_path: ReversePath::Mailbox(from.parse().unwrap()),
        recipients: to.iter().map(recipient).collect(),
        body: Body::SevenBit,
        smtputf8: false,
        dsn: None,
        sender_is_ours: false,
        quarantine: None,
    }
}

fn maildir(root: &Path) -> Maildir {
    Maildir::open(MaildirOptions::new(root, "mx.example.org", 100)).unwrap()
}

fn settle(store: &mut dyn Store) -> Outcome {
    let mut finished = Vec::new();
    store.commit(&mut finished);
    assert_eq!(finished.len(), 1);
    finished.remove(0).outcome
}

/// Texts in the mailbox of a user at example.org.
fn mail(root: &Path, user: &str) -> Vec<String> {
    let Ok(new) = fs::read_dir(root.join("example.org").join(user).join("new")) else {
        return Vec::new();
    };
    new.map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect()
}

#[test]
fn a_message_for_mailboxes_goes_to_those_of_its_last_envelope() {
    let root = tempdir().unwrap();
    let mut store = maildir(root.path());
    let first = envelope("a@example.com", &["one@example.org", "two@example.org"]);
    let (id, mut draft) = store.begin(&first).unwrap();
    let [second, third] = [
        envelope("a@example.com", &["three@example.org"]),
        envelope("b@example.com", &["two@example.org", "four@example.org"]),
    ];
    assert_eq!(store.readdress(&mut draft, &second).unwrap(), None);
    assert_eq!(store.readdress(&mut draft, &third).unwrap(), None);
    store.write(&mut draft, b"text\r\n").unwrap();
    store.submit(draft);
    assert!(matches!(settle(&mut store), Outcome::Stored));
    for (user, texts) in [("one", 0), ("two", 1), ("three", 0), ("four", 1)] {
        assert_eq!(mail(root.path(), user), ["text\n"][..texts], "{user}");
    }
    let name = fs::read_dir(root.path().join("example.org/four/new")).unwrap();
    let name = name.map(|file| file.unwrap().file_name()).next().unwrap();
    assert!(name.to_str().unwrap().contains(id.as_str()), "{name:?}");
    // The mailboxes that it went to in the meantime were never made.
    assert!(!root.path().join("example.org/three").exists());
}

#[test]
fn each_recipient_of_the_last_envelope_has_an_answer_where_the_service_gives_one() {
    let root = tempdir().unwrap();
    let mut store = maildir(root.path());
    let (_, mut draft) = store
        .begin(&envelope("a@example.com", &["one@example.org"]))
        .unwrap();
    let mut two = envelope("a@example.com", &["one@example.org", "two@example.org"]);
    two.service = Service::Lmtp;
    two.body = Body::BinaryMime;
    store.readdress(&mut draft, &two).unwrap();
    store.write(&mut draft, b"text\r\n").unwrap();
    store.submit(draft);
    // Another's mailbox is in its way.
    fs::create_dir(root.path().join("example.org")).unwrap();
    fs::write(root.path().join("example.org/two"), "").unwrap();
    let Outcome::PerRecipient(results) = settle(&mut store) else {
        panic!("one answer for two recipients");
    };
    let stored: Vec<_> = results.iter().map(Result::is_ok).collect();
    assert_eq!(stored, [true, false]);
    assert_eq!(mail(root.path(), "one"), ["text\r\n"]);
}

#[test]
fn a_message_that_has_text_or_no_recipient_is_not_readdressed() {
    let root = tempdir().unwrap();
    let mut store = maildir(root.path());
    let there = envelope("a@example.com", &["one@example.org"]);
    let long = vec![b'x'; 40_000];
    for text in [&b"text\r\n"[..], &long] {
        let (_, mut draft) = store.begin(&there).unwrap();
        store.write(&mut draft, text).unwrap();
        let refused = store.readdress(&mut draft, &there);
        assert!(matches!(refused, Err(Failure::Io(_))), "{refused:?}");
        store.abort(draft);
    }
    let (_, mut draft) = store.begin(&there).unwrap();
    let refused = store.readdress(&mut draft, &envelope("a@example.com", &[]));
    assert!(matches!(refused, Err(Failure::Io(_))), "{refused:?}");
    store.abort(draft);
}

#[test]
fn a_sink_takes_any_envelope() {
    let mut store = Discard::new();
    let there = envelope("a@example.com", &["one@example.org"]);
    let (_, mut draft) = store.begin(&there).unwrap();
    assert_eq!(store.readdress(&mut draft, &there).unwrap(), None);
    store.submit(draft);
    assert!(matches!(settle(&mut store), Outcome::Stored));
}

#[cfg(feature = "catch")]
#[test]
fn a_caught_message_shows_its_last_envelope() {
    use mailoop::store::Catch;
    use mailoop::store::inbox::{Inbox, InboxLimits};

    let root = tempdir().unwrap();
    let inbox = Inbox::new(InboxLimits {
        messages_max: 10,
        bytes_max: 10_000,
    });
    let mut store = Catch::new(Box::new(maildir(root.path())), inbox, 10_000);
    let first = envelope("a@example.com", &["one@example.org"]);
    let (id, mut draft) = store.begin(&first).unwrap();
    let last = envelope("b@example.com", &["two@example.org", "three@example.org"]);
    assert_eq!(store.readdress(&mut draft, &last).unwrap(), None);
    store.write(&mut draft, b"text\r\n").unwrap();
    assert!(store.readdress(&mut draft, &first).is_err());
    store.submit(draft);
    assert!(settle(&mut store).is_stored());
    let caught = store.inbox().unwrap().latest().unwrap();
    assert_eq!((&*caught.id, &*caught.from), (id.as_str(), "b@example.com"));
    assert_eq!(caught.to, ["two@example.org", "three@example.org"]);
    assert_eq!(mail(root.path(), "two"), ["text\n"]);
    assert!(mail(root.path(), "one").is_empty());
}

/// A store that says nothing of other envelopes.
struct PlainStore;

impl Store for PlainStore {
    fn check(&mut self, _: &Recipient, _: &Envelope, _: usize) -> Result<Admission, Failure> {
        Ok(Admission::Granted(0))
    }

    fn begin(&mut self, _: &Envelope) -> Result<(QueueId, Draft), Failure> {
        Ok((QueueId::new("PLAIN", 1), Draft::new(0)))
    }

    fn write(&mut self, _: &mut Draft, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }

    fn abort(&mut self, _: Draft) {}

    fn submit(&mut self, _: Draft) -> Ticket {
        Ticket(1)
    }

    fn commit(&mut self, _: &mut Vec<Finished>) {}

    fn is_pending(&self) -> bool {
        false
    }
}

#[test]
fn a_store_that_cannot_readdress_says_so() {
    let mut store = PlainStore;
    let there = envelope("a@example.com", &["one@example.org"]);
    let (_, mut draft) = store.begin(&there).unwrap();
    assert!(store.readdress(&mut draft, &there).is_err());
    store.abort(draft);
}
