//! The inbox against a list that does everything the slow way, and the dialogues of its sessions.

#![allow(clippy::panic, clippy::unwrap_used)]

use std::cell::Cell;
use std::time::SystemTime;

use proptest::prelude::*;

use super::*;

/// A message of this id, with so many octets of text.
fn message(id: u64, octets: usize) -> CaughtMessage {
    CaughtMessage {
        id: format!("4F1C{id:04X}"),
        number: 0,
        received: SystemTime::UNIX_EPOCH,
        hello: "client.example".to_owned(),
        peer: "192.0.2.1".to_owned(),
        user: None,
        from: "ann@example.org".to_owned(),
        to: vec!["bob@example.org".to_owned()],
        text: vec![b'x'; octets].into(),
        transcript: None,
        is_read: Cell::new(false),
    }
}

/// The octets that each of them takes beside its text.
fn overhead() -> usize {
    message(1, 0).memory()
}

fn ids(inbox: &Inbox) -> Vec<String> {
    let newest_first = inbox.newest_first();
    newest_first.map(|message| message.id.clone()).collect()
}

#[derive(Clone, Debug)]
enum Change {
    Add(usize),
    Delete(u64),
    Retain(u64),
    Read(u64, bool),
    Clear,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        8 => (0_usize..4000).prop_map(Change::Add),
        3 => (1_u64..60).prop_map(Change::Delete),
        1 => (2_u64..5).prop_map(Change::Retain),
        3 => (1_u64..60, any::<bool>()).prop_map(|(id, is_read)| Change::Read(id, is_read)),
        1 => Just(Change::Clear),
    ];
    prop::collection::vec(change, 0..80)
}

/// What a list is that holds id, octets of memory, and whether it was read.
#[derive(Default)]
struct Naive(Vec<(String, usize, bool)>);

impl Naive {
    fn bytes(&self) -> usize {
        self.0.iter().map(|(_, bytes, _)| bytes).sum()
    }

    /// Makes a change; whether there is one.
    fn change(&mut self, change: &Change, next: u64, limits: InboxLimits) -> bool {
        let name = |id: u64| message(id, 0).id;
        match *change {
            Change::Add(octets) => {
                let memory = overhead() + octets;
                self.0.push((name(next), memory, false));
                while self.0.len() > 1
                    && (self.0.len() > limits.messages_max || self.bytes() > limits.bytes_max)
                {
                    self.0.remove(0);
                }
                true
            }
            Change::Delete(id) => {
                let before = self.0.len();
                self.0.retain(|(other, ..)| *other != name(id));
                self.0.len() < before
            }
            Change::Retain(divisor) => {
                let before = self.0.len();
                let refused: Vec<_> = (0..100).filter(|id| id % divisor == 0).map(name).collect();
                self.0.retain(|(id, ..)| !refused.contains(id));
                self.0.len() < before
            }
            Change::Read(id, is_read) => {
                let found = self.0.iter_mut().find(|(other, ..)| *other == name(id));
                found.is_some_and(|(.., was_read)| std::mem::replace(was_read, is_read) != is_read)
            }
            Change::Clear => !std::mem::take(&mut self.0).is_empty(),
        }
    }
}

proptest! {
    #[test]
    fn the_inbox_is_what_a_list_would_be(changes in changes(), messages_max in 1_usize..8, room in 1_usize..12_000) {
        let limits = InboxLimits { messages_max, bytes_max: overhead() + room };
        let mut inbox = Inbox::new(limits);
        let mut naive = Naive::default();
        for change in changes {
            let generation = inbox.generation();
            let next = inbox.total() + 1;
            match change {
                Change::Add(octets) => inbox.add(message(next, octets)),
                Change::Delete(id) => drop(inbox.delete(&message(id, 0).id)),
                Change::Retain(divisor) => inbox.retain(|message| message.number % divisor != 0),
                Change::Read(id, is_read) => drop(inbox.mark_read(&message(id, 0).id, is_read)),
                Change::Clear => inbox.clear(),
            }
            let is_changed = naive.change(&change, next, limits);
            prop_assert_eq!(inbox.generation() != generation, is_changed, "{:?}", change);
            let expected: Vec<_> = naive.0.iter().rev().map(|(id, ..)| id.clone()).collect();
            prop_assert_eq!(ids(&inbox), expected.clone());
            prop_assert_eq!(inbox.bytes(), naive.bytes());
            prop_assert_eq!(inbox.len(), naive.0.len());
            prop_assert_eq!(inbox.unread(), naive.0.iter().filter(|(.., read)| !read).count());
            prop_assert_eq!(inbox.latest().map(|latest| latest.id.clone()), expected.first().cloned());
            for id in 1..60 {
                let id = message(id, 0).id;
                prop_assert_eq!(inbox.find(&id).is_some(), expected.contains(&id));
            }
        }
    }
}

#[test]
fn the_newest_message_is_kept_also_where_it_is_larger_than_all_may_be() {
    let mut inbox = Inbox::new(InboxLimits {
        messages_max: 3,
        bytes_max: 10_000,
    });
    inbox.add(message(1, 10));
    inbox.add(message(2, 50_000));
    assert_eq!(ids(&inbox), [message(2, 0).id]);
    inbox.add(message(3, 10));
    assert_eq!(ids(&inbox), [message(3, 0).id]);
    assert_eq!(inbox.total(), 3);
}

/// A log with one session in which this was said.
fn say(log: &SessionLog, connection: u64, lines: &str) {
    for line in lines.lines() {
        match line.split_once(": ") {
            Some(("C", said)) => log.client_says(connection, said),
            Some((_, said)) => log.server_says(connection, said),
            None => panic!("who says {line}?"),
        }
    }
}

/// Stores a message of the session that is served.
fn store(inbox: &mut Inbox, id: u64) {
    let session = inbox.session_log().served().unwrap();
    let transcript = inbox.session_log().stored(&session);
    inbox.add(CaughtMessage {
        transcript: Some(transcript),
        ..message(id, 100)
    });
}

#[test]
fn a_message_has_the_opening_of_its_session_and_its_own_part() {
    const OPENING: &str = "S: 220 mx ESMTP\nC: EHLO client.example\nS: 250 mx\n";
    const FIRST: &str = "C: MAIL FROM:<a@x>\nS: 250 Ok\nC: [3 octets of text]\n";
    const SECOND: &str = "C: mail from:<b@x>\nS: 450 4.2.1 busy\nC: MAIL FROM:<c@x>\nS: 250 Ok\n";
    let mut inbox = Inbox::new(InboxLimits {
        messages_max: 3,
        bytes_max: 100_000,
    });
    let log = Rc::clone(inbox.session_log());
    log.begin(7, "smtp", "192.0.2.1".to_owned(), SystemTime::UNIX_EPOCH);
    log.serve(7);
    say(&log, 7, OPENING);
    say(&log, 7, FIRST);
    store(&mut inbox, 1);
    say(&log, 7, "S: 250 2.0.0 Ok: queued as 4F1C0001\n");
    say(&log, 7, SECOND);
    store(&mut inbox, 2);
    let end = "S: 250 2.0.0 Ok: queued as 4F1C0002\nC: QUIT\nS: 221 2.0.0 Bye\n";
    say(&log, 7, end);
    log.end(7, "quit");

    let text = |inbox: &Inbox, id| {
        let message = inbox.find(&message(id, 0).id).unwrap();
        let transcript = message.transcript.as_ref().unwrap();
        transcript.text()
    };
    let first = format!("{OPENING}{FIRST}S: 250 2.0.0 Ok: queued as 4F1C0001\n");
    assert_eq!(text(&inbox, 1), first);
    assert_eq!(text(&inbox, 2), format!("{OPENING}{SECOND}{end}"));
    let whole = format!("{first}{SECOND}{end}");
    assert_eq!(inbox.session_transcript(7), Some(whole));
    assert!(inbox.session_transcript(8).is_none());

    let [session] = &inbox.sessions()[..] else {
        panic!("one session has two messages")
    };
    assert_eq!(
        (session.messages(), &*session.hello()),
        (2, "client.example")
    );
    assert_eq!(session.last_refusal(), "450 4.2.1 busy");
    assert_eq!(session.ended(), Some("quit"));
    inbox.clear();
    assert!(inbox.sessions().is_empty(), "its last message is gone");
    assert_eq!(Rc::strong_count(session), 1);
}

#[test]
fn the_last_sessions_without_a_message_are_kept_in_bounded_memory() {
    let mut inbox = Inbox::new(InboxLimits {
        messages_max: 3,
        bytes_max: 100_000,
    });
    let log = Rc::clone(inbox.session_log());
    let line = format!("C: MAIL FROM:<{}>\n", "x".repeat(200));
    for connection in 1..=300 {
        log.begin(connection, "smtp", String::new(), SystemTime::UNIX_EPOCH);
        say(&log, connection, &line.repeat(1000));
        log.end(connection, "quit");
    }
    let sessions = inbox.sessions();
    assert_eq!(sessions.len(), SESSIONS_MAX);
    assert_eq!(sessions.first().map(|newest| newest.connection), Some(300));
    for session in sessions {
        let transcript = session.transcript();
        assert!(transcript.ends_with(">\n...\n"), "it says that it is cut");
        assert!(transcript.len() <= DIALOGUE_BYTES_MAX);
    }
    // As many go on as there is memory for; then what is kept of those that have ended goes first.
    for connection in 1000..2000 {
        log.begin(connection, "smtp", String::new(), SystemTime::UNIX_EPOCH);
        say(&log, connection, &line.repeat(1000));
    }
    let sessions = inbox.sessions();
    let bytes: usize = sessions
        .iter()
        .map(|session| session.transcript().len())
        .sum();
    assert!(bytes <= SESSIONS_BYTES_MAX + DIALOGUE_BYTES_MAX, "{bytes}");
    assert_eq!(sessions.len(), 1000, "those that go on are all known");
    // All is given back in the end.
    log.serve(1999);
    store(&mut inbox, 1);
    (1000..2000).for_each(|connection| log.end(connection, "quit"));
    for connection in 3000..3000 + SESSIONS_MAX as u64 {
        log.begin(connection, "smtp", String::new(), SystemTime::UNIX_EPOCH);
        log.end(connection, "peer");
    }
    assert_eq!(log.loose_bytes(), 0);
}
