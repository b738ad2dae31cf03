//! What an operator is told of the queue, and what becomes of a change: parts of bounded work, whatever is in it.

use std::rc::Rc;

use mailoop::control::queue::{ListCursor, QueueChange, QueueRequest, QueueSelection, ShowCursor};
use mailoop::control::queue_report::{
    HeaderReport, MailReport, RecipientReport, SCANNING_LINE, SiteReport,
};
use mailoop::control::{ControlRequest, NextPart};
use mailoop::server::queue_answers::{QueueAction, answer};
use mailoop::smtp::path::ReversePath;

use crate::common::queue::{FakeQueue, NOW_MS, REPLY, id};

/// The whole answer to a request, in its parts.
fn parts(request: QueueRequest, queue: &mut FakeQueue) -> (Vec<String>, Option<String>) {
    let mut parts = Vec::new();
    let mut request = request;
    loop {
        let reads = queue.reads;
        let part = answer(request, queue);
        assert!(queue.reads - reads <= 128, "{} reads", queue.reads - reads);
        let text = String::from_utf8(part.text.to_vec()).unwrap();
        assert!(text.len() < 33 * 1024, "a part of {} octets", text.len());
        assert!(text.is_empty() || text.ends_with('\n'));
        parts.push(text);
        request = match part.next {
            NextPart::End => return (parts, None),
            NextPart::Error(error) => return (parts, Some(error)),
            NextPart::Ask(ControlRequest::Queue(next))
            | NextPart::AskLater(ControlRequest::Queue(next)) => next,
            next => panic!("{next:?}"),
        };
        assert!(parts.len() < 100_000, "it does not end");
    }
}

fn lines(request: QueueRequest, queue: &mut FakeQueue) -> Vec<String> {
    let (parts, error) = parts(request, queue);
    assert_eq!(error, None);
    parts.concat().lines().map(str::to_owned).collect()
}

fn list() -> QueueRequest {
    QueueRequest::List(ListCursor::default())
}

fn change(action: QueueAction, selection: QueueSelection) -> QueueRequest {
    QueueRequest::Change(Box::new(QueueChange::new(action, selection)))
}

#[test]
fn a_listing_tells_each_mail_and_each_recipient_once() {
    let mut queue = FakeQueue::default();
    let many: Vec<String> = (0..3000).map(|n| format!("user{n}@far.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for count in 0..1000 {
        let recipients = if count == 500 { &many } else { &many[..2] };
        queue.add(count, 60, "ada@example.org", recipients);
    }
    queue.add(1000, 60, "", &["bob@far.example"]);
    queue.mails.get_mut(&id(3)).unwrap().is_readable = false;
    queue.mails.get_mut(&id(4)).unwrap().states.clear();
    let lines = lines(list(), &mut queue);
    let mails: Vec<MailReport> = lines
        .iter()
        .filter_map(|line| MailReport::read(line))
        .collect();
    // Of one that is over for all nobody hears.
    let ids: Vec<String> = mails.iter().map(|mail| mail.id.clone()).collect();
    let expected = (0..=1000)
        .filter(|count| *count != 4)
        .map(|count| id(count).to_string());
    assert!(ids.iter().cloned().eq(expected));
    assert_eq!(mails[0].sender.as_deref(), Some("ada@example.org"));
    assert_eq!((mails[0].size, mails[0].queued), (20, NOW_MS / 1000 - 60));
    assert_eq!(mails[3].sender, None);
    assert_eq!(mails[999].sender.as_deref(), Some(""));
    let recipients: Vec<_> = lines
        .iter()
        .filter_map(|line| RecipientReport::read(line))
        .collect();
    assert_eq!(recipients.len(), 999 * 2 - 2 + 3000 + 1);
    let first = &recipients[0];
    assert_eq!(first.address.as_deref(), Some("user0@far.example"));
    assert_eq!((first.state.as_str(), first.tries), ("waiting", 3));
    assert_eq!(
        (first.next, first.reply.as_str()),
        (Some(NOW_MS / 1000 + 60), REPLY)
    );
    let of_many = recipients
        .iter()
        .filter_map(|recipient| recipient.address.as_deref());
    assert_eq!(
        of_many
            .filter(|address| *address == "user2999@far.example")
            .count(),
        1
    );
}

#[test]
fn a_listing_ends_though_mail_comes_faster_than_it_goes() {
    let mut queue = FakeQueue {
        arrivals: 2,
        is_scanning: true,
        ..FakeQueue::default()
    };
    for count in 0..200 {
        queue.add(count, 1, "ada@example.org", &["bob@far.example"]);
    }
    let lines = lines(list(), &mut queue);
    let mails = lines.iter().filter_map(|line| MailReport::read(line));
    assert_eq!(mails.count(), 200);
    assert_eq!(lines.last().unwrap(), SCANNING_LINE);
    let hold = change(
        QueueAction::Hold,
        QueueSelection {
            sender: Some(ReversePath::Null),
            ..Default::default()
        },
    );
    assert!(parts(hold, &mut queue).1.is_none());
}

#[test]
fn what_the_disk_is_late_with_is_told_later() {
    let mut queue = FakeQueue {
        late_reads: 3,
        late_left: 1,
        ..FakeQueue::default()
    };
    for count in 0..50 {
        queue.add(count, 60, "ada@example.org", &["bob@far.example"]);
    }
    assert_eq!(lines(list(), &mut queue).len(), 100);
    let shown = lines(
        QueueRequest::Show(id(7), ShowCursor::Recipients(0)),
        &mut queue,
    );
    assert_eq!(shown.len(), 3);
    let selection = QueueSelection {
        sender: QueueSelection::sender_of("ada@example.org"),
        ..Default::default()
    };
    let changed = lines(change(QueueAction::Delete, selection), &mut queue);
    assert_eq!(changed, ["changed messages=50 recipients=50 active=0"]);
    assert_eq!(queue.applied.len(), 50);
}

#[test]
fn a_change_concerns_what_is_selected() {
    let mut queue = FakeQueue::default();
    queue.add(
        0,
        7200,
        "ada@example.org",
        &["bob@far.example", "eve@other.example", "dan@FAR.example"],
    );
    queue.add(1, 3600, "Ada@Example.ORG", &["bob@far.example"]);
    queue.add(2, 3599, "", &["bob@near.example"]);
    queue.add(3, 10, "\"ada\"@example.org", &["bob@sub.far.example"]);
    queue.mails.get_mut(&id(3)).unwrap().is_readable = true;
    let all = QueueSelection::default();
    let domain = |domain| QueueSelection {
        domain: QueueSelection::domain_of(domain),
        ..Default::default()
    };
    let sender = |sender| QueueSelection {
        sender: QueueSelection::sender_of(sender),
        ..Default::default()
    };
    let older = |seconds| QueueSelection {
        older_seconds: Some(seconds),
        ..Default::default()
    };
    for (selection, expected, recipients) in [
        (all, vec![(0, None), (1, None), (2, None), (3, None)], 6),
        (
            domain("Far.Example"),
            vec![(0, Some(vec![0, 2])), (1, None)],
            3,
        ),
        (domain("nowhere.example"), vec![], 0),
        (sender("<>"), vec![(2, None)], 1),
        (
            sender("ada@example.org"),
            vec![(0, None), (1, None), (3, None)],
            5,
        ),
        (older(3600), vec![(0, None), (1, None)], 4),
        (
            QueueSelection {
                older_seconds: Some(7200),
                ..domain("other.example")
            },
            vec![(0, Some(vec![1]))],
            1,
        ),
        (
            QueueSelection {
                mail: Some(id(2)),
                ..Default::default()
            },
            vec![(2, None)],
            1,
        ),
    ] {
        let what = selection.to_string();
        let said = lines(change(QueueAction::Delete, selection), &mut queue);
        let messages = expected.len();
        assert_eq!(
            said,
            [format!(
                "changed messages={messages} recipients={recipients} active=0"
            )],
            "{what}"
        );
        let applied = std::mem::take(&mut queue.applied);
        let expected = expected
            .into_iter()
            .map(|(count, only)| (QueueAction::Delete, id(count), only));
        assert!(applied.iter().cloned().eq(expected), "{what}: {applied:?}");
    }
    let (_, error) = parts(
        change(
            QueueAction::Hold,
            QueueSelection {
                mail: Some(id(9)),
                ..Default::default()
            },
        ),
        &mut queue,
    );
    assert_eq!(
        error.as_deref(),
        Some("no mail Q000000070009 is in the queue")
    );
    assert_eq!(queue.applied, []);
}

#[test]
fn a_mail_is_shown_with_its_header() {
    let mut queue = FakeQueue::default();
    queue.add(1, 60, "ada@example.org", &["bob@far.example"]);
    let long = format!("X-Long: {}\r\n", "x".repeat(70_000));
    let header = format!(
        "Subject: Gr\u{fc}\u{df}e\r\n to all\r\n{}{long}From: a\r\n",
        "X-Much: of it\r\n".repeat(5000)
    );
    let text = format!("{header}\r\nbody: no field\r\n");
    queue.mails.get_mut(&id(1)).unwrap().text = text.as_bytes().into();
    let show = || QueueRequest::Show(id(1), ShowCursor::Recipients(0));
    let lines = lines(show(), &mut queue);
    let mail = MailReport::read(&lines[0]).unwrap();
    assert_eq!(mail.facts, [("user".to_owned(), "ada".to_owned())]);
    let recipient = RecipientReport::read(&lines[1]).unwrap();
    assert_eq!(
        recipient.facts,
        [("site".to_owned(), "smtp://mx.example".to_owned())]
    );
    let shown: Vec<String> = lines[2..]
        .iter()
        .map(|line| HeaderReport::read(line).unwrap().0)
        .collect();
    assert_eq!(shown[..2], ["Subject: Gr\u{fc}\u{df}e", " to all"]);
    let fields = shown
        .iter()
        .filter(|line| line.starts_with("X-Much: of it"));
    assert_eq!(fields.count(), 5000);
    // A line that fills more than a part is in pieces; nothing is missing.
    let joined: usize = shown.iter().map(String::len).sum();
    let expected: usize = header.lines().map(str::len).sum();
    assert_eq!(joined, expected);
    let unknown = QueueRequest::Show(id(2), ShowCursor::Recipients(0));
    assert!(parts(unknown, &mut queue).1.is_some());
}

#[test]
fn sites_are_told_in_parts() {
    let lines = lines(QueueRequest::Sites(None), &mut FakeQueue::default());
    let sites: Vec<_> = lines
        .iter()
        .map(|line| SiteReport::read(line).unwrap())
        .collect();
    assert!(sites.iter().map(|site| site.waiting).eq(0..200));
    assert_eq!(sites[0].state, "down");
    assert_eq!(sites[0].until, Some(NOW_MS / 1000 + 1));
}

#[test]
fn a_change_is_told_once_it_is_durable() {
    let of_one = || QueueSelection {
        mail: Some(id(1)),
        ..Default::default()
    };
    let selections: [&dyn Fn() -> QueueSelection; 2] = [&of_one, &QueueSelection::default];
    for selection in selections {
        for (action, waits) in [
            (QueueAction::Hold, 5),
            (QueueAction::Release, 5),
            (QueueAction::Delete, 5),
            (QueueAction::Retry, 0),
        ] {
            let mut queue = FakeQueue {
                late_syncs: 5,
                ..FakeQueue::default()
            };
            queue.add(1, 60, "ada@example.org", &["bob@far.example"]);
            let (parts, error) = parts(change(action, selection()), &mut queue);
            assert_eq!(error, None);
            let told = parts.last().unwrap();
            assert_eq!(told, "changed messages=1 recipients=1 active=0\n");
            let waited = parts.iter().filter(|part| part.is_empty()).count();
            // A change of all mail has one part more, in which it is made.
            let made = usize::from(selection().mail.is_none());
            assert_eq!(waited, waits + made, "{action:?}");
            assert_eq!(queue.applied.len(), 1);
        }
    }
    let mut queue = FakeQueue {
        late_syncs: u32::MAX,
        sync_ms: 1000,
        ..FakeQueue::default()
    };
    queue.add(1, 60, "ada@example.org", &["bob@far.example"]);
    let (parts, error) = parts(change(QueueAction::Delete, of_one()), &mut queue);
    let error = error.unwrap();
    assert!(
        error.starts_with("try again: the mail is deleted, but that is not stored yet"),
        "{error}"
    );
    assert!((30..=32).contains(&parts.len()), "{} parts", parts.len());
    assert_eq!(parts.concat(), "");
}

#[test]
fn what_the_scan_has_not_found_is_not_denied() {
    let mut queue = FakeQueue {
        is_scanning: true,
        ..FakeQueue::default()
    };
    let of_one = || QueueSelection {
        mail: Some(id(1)),
        ..Default::default()
    };
    let show = || QueueRequest::Show(id(1), ShowCursor::Recipients(0));
    for request in [show(), change(QueueAction::Delete, of_one())] {
        let (_, error) = parts(request, &mut queue);
        let error = error.unwrap();
        assert!(
            error.starts_with("try again: the server still reads its spool"),
            "{error}"
        );
    }
    let all = change(QueueAction::Hold, QueueSelection::default());
    for request in [list(), all, QueueRequest::Sites(None)] {
        let lines = lines(request, &mut queue);
        assert_eq!(lines.last().unwrap(), SCANNING_LINE);
    }
    // What is found is changed as ever.
    queue.add(1, 60, "ada@example.org", &["bob@far.example"]);
    assert_eq!(
        lines(show(), &mut queue).last().unwrap(),
        "header line=Subject:%20x"
    );
    let changed = lines(change(QueueAction::Hold, of_one()), &mut queue);
    assert_eq!(changed, ["changed messages=1 recipients=1 active=0"]);
}

#[test]
fn the_second_in_which_a_mail_came_is_that_of_its_envelope() {
    let mut queue = FakeQueue {
        queued_late_ms: 127,
        ..FakeQueue::default()
    };
    queue.add(1, 60, "ada@example.org", &["bob@far.example"]);
    let mail = queue.mails.get_mut(&id(1)).unwrap();
    Rc::get_mut(&mut mail.envelope).unwrap().arrived_ms += 900;
    let lines = lines(list(), &mut queue);
    let mail = MailReport::read(&lines[0]).unwrap();
    assert_eq!(mail.queued, NOW_MS / 1000 - 60);
}
