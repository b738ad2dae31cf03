#![allow(clippy::unwrap_used)]

use super::*;
use crate::smtp::envelope::Body;
use crate::smtp::path::ReversePath;
use crate::store::spool::change::SpooledReport;
use crate::store::spool::envelope::SpoolRecipient;
use crate::store::spool::text::TextFlags;

const INSTANCE: u32 = 0x6929_F3A1;

fn mail(count: u32) -> MailId {
    MailId {
        instance: INSTANCE,
        count,
    }
}

fn place(offset: u32) -> SpoolPlace {
    SpoolPlace {
        segment: 1,
        offset,
        envelope_bytes: 40,
        text_bytes: 100,
        text_flags: TextFlags::default(),
    }
}

fn envelope() -> SpoolEnvelope {
    let recipient = |address: &str| SpoolRecipient {
        address: address.parse().unwrap(),
        is_local: false,
        named: None,
        dsn: None,
    };
    SpoolEnvelope {
        arrived_ms: 7,
        sender: ReversePath::Null,
        sender_is_ours: false,
        quarantine: None,
        user: None,
        body: Body::SevenBit,
        smtputf8: false,
        dsn: None,
        recipients: ["a@x", "b@x"].map(recipient).into(),
    }
}

fn report(client: &mut SpoolClient, reports: &[SpoolReport]) {
    let mut octets = BytesMut::new();
    reports.iter().for_each(|report| report.write(&mut octets));
    client.received(&octets).unwrap();
}

fn ready(instance: u32) -> SpoolClient {
    let mut client = SpoolClient::default();
    report(&mut client, &[SpoolReport::Ready(instance)]);
    client.take_start().unwrap().unwrap();
    client
}

fn found(count: u32, over: Vec<u16>) -> SpoolReport {
    SpoolReport::Found(FoundMail {
        mail: mail(count),
        place: place(2048),
        envelope: envelope().encode(),
        recipients: 2,
        over,
        is_held: false,
        held: Vec::new(),
        is_noticed: false,
    })
}

/// The changes that were sent to the process since the last call.
fn changes(client: &mut SpoolClient) -> Vec<EncodedChange> {
    let mut output = BytesMut::from(client.output());
    client.sent(output.len());
    let mut changes = Vec::new();
    while let Some(frame) = next_frame(&mut output) {
        if let Some(SpoolRequest::Change(change)) = SpoolRequest::read(&frame) {
            changes.push(change.into_owned());
        }
    }
    changes
}

fn done(count: u32, recipients: &[u16]) -> Change {
    Change {
        mail: mail(count),
        kind: ChangeKind::Done(recipients.into(), None),
    }
}

fn lose(client: &mut SpoolClient) {
    client.disconnected(ErrorKind::BrokenPipe.into());
    assert!(client.take_loss().is_some());
    client.reset();
}

#[test]
fn a_settled_message_joins_the_queue_and_a_refused_one_does_not() {
    let mut client = ready(INSTANCE);
    let names: Vec<_> = (0..2).map(|_| client.next_mail().unwrap()).collect();
    assert_eq!(names, [mail(1), mail(2)]);
    for (ticket, name) in (1..).zip(&names) {
        client.open(Ticket(ticket), *name, &envelope());
        client.submit(Ticket(ticket), *name, Rc::new(envelope()));
    }
    let settled = |ticket, result| {
        let ticket = Ticket(ticket);
        SpoolReport::Settled(SettledMail { ticket, result })
    };
    let full = Err(Failure::Full("no room".into()));
    report(
        &mut client,
        &[settled(2, full), settled(1, Ok(place(1024)))],
    );
    let news = client.take_news();
    let outcomes: Vec<_> = news
        .finished
        .iter()
        .map(|message| message.outcome.is_stored())
        .collect();
    assert_eq!(outcomes, [false, true]);
    assert_eq!(news.queued.len(), 1);
    assert_eq!(
        (news.queued[0].mail, news.queued[0].place),
        (mail(1), place(1024))
    );
    assert_eq!(*news.queued[0].envelope, envelope());
}

#[test]
fn a_message_that_is_to_be_held_is_opened_so_and_joins_the_queue_held() {
    let mut client = ready(INSTANCE);
    let name = client.next_mail().unwrap();
    let mut envelope = envelope();
    envelope.quarantine = Some("odd".into());
    client.open(Ticket(1), name, &envelope);
    client.submit(Ticket(1), name, Rc::new(envelope.clone()));
    let mut output = BytesMut::from(client.output());
    let mut requests = Vec::new();
    while let Some(frame) = next_frame(&mut output) {
        requests.push(frame);
    }
    let is_hold =
        |frame: &BytesMut| SpoolRequest::read(frame) == Some(SpoolRequest::Hold(Ticket(1)));
    assert_eq!(requests.iter().position(is_hold), Some(1));
    let (ticket, result) = (Ticket(1), Ok(place(1024)));
    report(
        &mut client,
        &[SpoolReport::Settled(SettledMail { ticket, result })],
    );
    let news = client.take_news();
    assert!(news.queued[0].is_held && news.queued[0].held.is_empty());
    assert_eq!(*news.queued[0].envelope, envelope);
}

#[test]
fn changes_are_kept_until_they_are_durable_and_repeated_to_the_next_process() {
    let mut client = ready(INSTANCE);
    for count in 1..=3 {
        client.change(done(count, &[0]));
    }
    assert_eq!(changes(&mut client).len(), 3);
    report(&mut client, &[SpoolReport::ChangesDurable(1)]);
    lose(&mut client);
    // One that comes while there is no process waits as well.
    client.change(done(4, &[1]));
    assert!(client.output().is_empty());
    report(&mut client, &[SpoolReport::Ready(INSTANCE + 1)]);
    let repeated: Vec<_> = changes(&mut client)
        .iter()
        .map(|change| change.mail)
        .collect();
    assert_eq!(repeated, [mail(2), mail(3), mail(4)]);
    report(&mut client, &[SpoolReport::ChangesDurable(2)]);
    client.change(done(5, &[0]));
    changes(&mut client);
    lose(&mut client);
    report(&mut client, &[SpoolReport::Ready(INSTANCE + 2)]);
    let repeated: Vec<_> = changes(&mut client)
        .iter()
        .map(|change| change.mail)
        .collect();
    assert_eq!(repeated, [mail(4), mail(5)]);
}

#[test]
fn messages_of_a_lost_process_are_refused_and_taken_off_if_they_are_found() {
    let mut client = ready(INSTANCE);
    let name = client.next_mail().unwrap();
    client.open(Ticket(1), name, &envelope());
    client.submit(Ticket(1), name, Rc::new(envelope()));
    lose(&mut client);
    assert!(client.next_mail().is_err());
    let news = client.take_news();
    assert!(!news.finished[0].outcome.is_stored());
    report(
        &mut client,
        &[SpoolReport::Ready(INSTANCE + 1), found(1, vec![])],
    );
    assert!(client.take_news().queued.is_empty());
    let [change] = &changes(&mut client)[..] else {
        unreachable!("it was not taken off");
    };
    assert_eq!((change.mail, change.code), (name, ChangeCode::Deleted));
    assert_eq!(change.recipients, [0, 1]);
    // Its name is not given again.
    assert_eq!(client.next_mail().unwrap().instance, INSTANCE + 1);
}

#[test]
fn what_is_found_joins_the_queue_less_what_is_over_by_now() {
    let mut client = ready(INSTANCE + 1);
    report(&mut client, &[found(1, vec![1]), found(2, vec![])]);
    let queued = client.take_news().queued;
    assert_eq!(queued[0].over, [1]);
    assert!(queued.iter().all(|queued| queued.is_found));
    assert!(client.is_scanning());
    // The process is lost before it has found all, and what the loop has done since is not durable.
    client.change(done(1, &[0]));
    client.change(done(2, &[0]));
    lose(&mut client);
    report(&mut client, &[SpoolReport::Ready(INSTANCE + 2)]);
    report(
        &mut client,
        &[found(1, vec![1]), found(2, vec![]), SpoolReport::ScanEnded],
    );
    let queued = client.take_news().queued;
    assert_eq!(queued.len(), 1);
    assert_eq!((queued[0].mail, &queued[0].over[..]), (mail(2), &[0][..]));
    assert!(!client.is_scanning());
    // From here on the loop knows all messages, and learns where they lie.
    lose(&mut client);
    report(
        &mut client,
        &[SpoolReport::Ready(INSTANCE + 3), found(2, vec![])],
    );
    let news = client.take_news();
    assert!(news.queued.is_empty());
    assert_eq!(news.moved, [(mail(2), place(2048))]);
}

#[test]
fn a_report_joins_the_queue_once_however_it_is_heard_of() {
    let failed = || Change {
        mail: mail(1),
        kind: ChangeKind::Failed(
            vec![0],
            Some(Box::new(SpooledReport {
                mail: mail(9),
                envelope: envelope(),
                text: (*b"report\r\n").into(),
            })),
        ),
    };
    let reported = || SpoolReport::Reported(mail(9), place(4096));
    let mut client = ready(INSTANCE);
    client.change(failed());
    report(&mut client, &[reported(), SpoolReport::ChangesDurable(1)]);
    assert_eq!(client.take_news().queued[0].mail, mail(9));

    // It was durable, but nobody heard of it before the process was lost.
    for is_found in [true, false] {
        let mut client = ready(INSTANCE);
        report(&mut client, &[SpoolReport::ScanEnded]);
        client.change(failed());
        lose(&mut client);
        let heard = if is_found {
            found(9, vec![])
        } else {
            reported()
        };
        report(&mut client, &[SpoolReport::Ready(INSTANCE + 1), heard]);
        report(&mut client, &[reported(), SpoolReport::ChangesDurable(1)]);
        let queued = client.take_news().queued;
        assert_eq!(queued.len(), 1, "found: {is_found}");
        assert_eq!(queued[0].mail, mail(9));
    }
}

#[test]
fn what_is_no_report_is_an_error() {
    let mut client = ready(INSTANCE);
    let error = client.received(b"\0\0\0\x09?12345678").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}

#[test]
fn a_report_that_is_not_found_after_all_is_forgotten() {
    let failed = |count, report| Change {
        mail: mail(count),
        kind: ChangeKind::Failed(
            vec![0],
            Some(Box::new(SpooledReport {
                mail: mail(report),
                envelope: envelope(),
                text: b"text\r\n".as_slice().into(),
            })),
        ),
    };
    let mut client = ready(INSTANCE);
    client.change(failed(1, 10));
    client.change(failed(2, 11));
    // The process has made both durable, but is lost before anybody heard of that.
    lose(&mut client);
    report(
        &mut client,
        &[
            SpoolReport::Ready(INSTANCE + 1),
            SpoolReport::ChangesDurable(2),
            found(11, Vec::new()),
        ],
    );
    let queued: Vec<_> = client.take_news().queued;
    assert_eq!(
        queued.iter().map(|mail| mail.mail).collect::<Vec<_>>(),
        [mail(11)]
    );
    assert_eq!(client.reports.len(), 1);
    report(&mut client, &[SpoolReport::ScanEnded]);
    assert!(client.reports.is_empty());
    // Nor is one kept whose message had gone from the spool.
    client.change(failed(3, 12));
    report(&mut client, &[SpoolReport::ChangesDurable(3)]);
    assert!(client.reports.is_empty());
}

#[test]
fn so_many_changes_are_kept_and_octets_of_them() {
    let mut client = ready(INSTANCE);
    while !client.changes().is_full() {
        client.change(done(1, &[0]));
    }
    assert_eq!(changes(&mut client).len(), 10_000);
    report(&mut client, &[SpoolReport::ChangesDurable(1)]);
    assert!(!client.changes().is_full());
    report(&mut client, &[SpoolReport::ChangesDurable(10_000)]);
    for count in 0.. {
        if client.changes().is_full() {
            // Each is in the output as well, and in the process.
            assert!((200..=256).contains(&count), "{count}");
            break;
        }
        client.change(Change {
            mail: mail(1),
            kind: ChangeKind::Noticed(Some(Box::new(SpooledReport {
                mail: mail(2 + count),
                envelope: envelope(),
                text: vec![b'x'; 64 * 1024].into(),
            }))),
        });
    }
}
