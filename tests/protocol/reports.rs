//! Reports: golden files of each kind, and what holds of all of them whatever other servers said.

use std::fs;
use std::path::Path;

use mailoop::outbound::report::{
    NoReport, OriginalText, ReportAction, ReportAddressee, ReportPolicy, ReportedRecipient,
    StatusNotification,
};
use mailoop::smtp::dsn::{MessageDsn, Notify, RecipientDsn, ReturnContent};
use mailoop::smtp::envelope::Body;
use mailoop::smtp::path::ReversePath;
use mailoop::smtp::status::EnhancedStatus;
use mailoop::store::spool::{MailId, SpoolEnvelope, SpoolRecipient, SpooledReport};
use proptest::prelude::*;

const MAIL: MailId = MailId {
    instance: 0x6929_F3A1,
    count: 7,
};
const REPORT: MailId = MailId {
    instance: 0x6929_F3A1,
    count: 8,
};
/// Sat, 28 Nov 2026 15:09:45 +0000.
const ARRIVED_MS: u64 = 1_795_878_585_123;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;

const LETTER: &str = "Received: from [192.0.2.9] by mail.example.org with ESMTPSA id Q6929F3A10007;\r\n\
    \tSat, 28 Nov 2026 15:09:45 +0000\r\n\
    From: Ada <ada@example.org>\r\n\
    To: bob@elsewhere.example\r\n\
    Subject: Lunch on\r\n Monday\r\n\
    Message-ID: <lunch.1@example.org>\r\n\
    \r\n\
    At noon?\r\n\
    .\r\n\
    --=_Q6929F3A10008_0\r\n";

fn recipient(address: &str) -> SpoolRecipient {
    SpoolRecipient {
        address: address.parse().unwrap(),
        is_local: false,
        named: None,
        dsn: None,
    }
}

fn notify(recipient: &mut SpoolRecipient, notify: Notify) {
    let dsn = recipient.dsn.get_or_insert_default();
    dsn.notify = Some(notify);
}

fn envelope(sender: &str, recipients: Vec<SpoolRecipient>) -> SpoolEnvelope {
    SpoolEnvelope {
        arrived_ms: ARRIVED_MS,
        sender: ReversePath::Mailbox(sender.parse().unwrap()),
        sender_is_ours: true,
        quarantine: None,
        user: Some("ada".into()),
        body: Body::SevenBit,
        smtputf8: false,
        dsn: None,
        recipients,
    }
}

fn told(index: u16, action: ReportAction) -> ReportedRecipient<'static> {
    ReportedRecipient {
        index,
        action,
        status: EnhancedStatus::new(5, 1, 1),
        remote_host: Some("mx.elsewhere.example"),
        reply: Some("550 5.1.1 No such user here"),
        reason: None,
        last_attempt_ms: Some(ARRIVED_MS + MINUTE_MS),
        retried_until_ms: None,
    }
}

fn notification<'a>(
    envelope: &'a SpoolEnvelope,
    recipients: &'a [ReportedRecipient<'a>],
    letter: &'a [u8],
) -> StatusNotification<'a> {
    StatusNotification {
        mail: MAIL,
        envelope,
        recipients,
        original: OriginalText {
            start: letter,
            bytes: letter.len().try_into().unwrap(),
        },
        addressee: ReportAddressee::Sender,
        hostname: "mail.example.org",
        now_ms: ARRIVED_MS + MINUTE_MS,
    }
}

/// Compares a report with the file of this name, whose lines end in LF.
fn assert_golden(name: &str, report: &SpooledReport) {
    assert_well_formed(&report.text);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protocol/reports");
    let text = String::from_utf8_lossy(&report.text).replace("\r\n", "\n");
    let golden = fs::read_to_string(folder.join(name)).unwrap_or_default();
    if text != golden {
        let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&written, &text).unwrap();
        panic!("{name} is another now, see {}:\n{text}", written.display());
    }
}

/// Fails unless the text is 7-bit, in lines of a bounded length, and a header of known fields comes first.
fn assert_well_formed(text: &[u8]) {
    let text = str::from_utf8(text).unwrap();
    assert!(text.is_ascii() && text.ends_with("--\r\n"), "{text}");
    for line in text.split_inclusive('\n') {
        let line = line.strip_suffix("\r\n").expect(line);
        assert!(
            line.len() <= 998 && !line.contains(['\r', '\0']),
            "{line:?}"
        );
    }
    let (header, body) = text.split_once("\r\n\r\n").unwrap();
    let fields = header
        .split("\r\n")
        .filter(|line| !line.starts_with([' ', '\t']));
    let names: Vec<&str> = fields
        .map(|line| line.split_once(": ").unwrap().0)
        .collect();
    let mut expected = vec!["Received", "Date", "From", "To", "Subject", "Message-ID"];
    if names.contains(&"In-Reply-To") {
        expected.extend(["In-Reply-To", "References"]);
    }
    expected.extend(["Auto-Submitted", "MIME-Version", "Content-Type"]);
    assert_eq!(names, expected);
    // Three parts, and nothing in them passes for a delimiter.
    let (_, boundary) = header.split_once("boundary=\"").unwrap();
    let (boundary, _) = boundary.split_once('"').unwrap();
    assert_eq!(body.matches(&format!("--{boundary}")).count(), 4, "{text}");
}

fn compose(notification: &StatusNotification<'_>) -> SpooledReport {
    notification.compose(REPORT, vec![recipient("ada@example.org")])
}

#[test]
fn a_failure_is_told() {
    let mut bob = recipient("bob@elsewhere.example");
    bob.named = Some("sales@example.org".parse().unwrap());
    let mut envelope = envelope("ada@example.org", vec![bob, recipient("eve@far.example")]);
    envelope.dsn = Some(Box::new(MessageDsn {
        ret: None,
        envelope_id: Some("QQ314159+2B1".into()),
    }));
    envelope.recipients[1].dsn = Some(Box::new(RecipientDsn {
        notify: None,
        original: Some("rfc822;eve+2Bnews@far.example".into()),
    }));
    let mut expired = told(1, ReportAction::Failed);
    expired.status = EnhancedStatus::new(4, 4, 7);
    expired.reason = Some("given up after 5 days");
    expired.reply =
        Some("451 4.7.1 Greylisted,\r\nsee https://far.example/greylisting for the details of it");
    let recipients = [told(0, ReportAction::Failed), expired];
    let report = compose(&notification(&envelope, &recipients, LETTER.as_bytes()));
    assert_golden("failed.eml", &report);
    assert_eq!(report.mail, REPORT);
    assert_eq!(report.envelope.sender, ReversePath::Null);
    assert_eq!(report.envelope.recipients, [recipient("ada@example.org")]);
    assert_eq!(report.envelope.arrived_ms, ARRIVED_MS + MINUTE_MS);
}

#[test]
fn a_small_message_comes_back_whole_if_its_sender_asks() {
    let mut envelope = envelope("ada@example.org", vec![recipient("bob@elsewhere.example")]);
    envelope.dsn = Some(Box::new(MessageDsn {
        ret: Some(ReturnContent::Full),
        envelope_id: None,
    }));
    let failed = [told(0, ReportAction::Failed)];
    let report = compose(&notification(&envelope, &failed, LETTER.as_bytes()));
    // What would end a part of it made for another boundary.
    assert_golden("whole.eml", &report);
    let is_whole = |text: &str, bytes: usize, action| {
        let recipients = [told(0, action)];
        let mut notification = notification(&envelope, &recipients, text.as_bytes());
        notification.original.bytes = bytes.try_into().unwrap();
        let text = String::from_utf8(compose(&notification).text.into_vec()).unwrap();
        assert_well_formed(text.as_bytes());
        let is_whole = text.contains("Content-Type: message/rfc822\r\n");
        assert_ne!(
            is_whole,
            text.contains("Content-Type: text/rfc822-headers\r\n")
        );
        is_whole
    };
    let body = |line: &str| format!("Subject: x\r\n\r\n{line}");
    let large = body(&"a line\r\n".repeat(50 * 128 - 2));
    assert!(is_whole(&large, large.len(), ReportAction::Failed));
    for (text, why) in [
        (body(&"a line\r\n".repeat(50 * 128)), "large"),
        (body("Gr\u{fc}\u{df}e\r\n"), "8-bit"),
        (body("\0\r\n"), "NUL"),
        (body("a\nb\r\n"), "bare LF"),
        (body("a\rb\r\n"), "bare CR"),
        (body("no end of the line"), "BINARYMIME"),
        (body(&format!("{}\r\n", "x".repeat(999))), "a long line"),
    ] {
        assert!(!is_whole(&text, text.len(), ReportAction::Failed), "{why}");
    }
    // Its start alone is here.
    assert!(!is_whole(LETTER, LETTER.len() + 1, ReportAction::Failed));
    // Only failures bring messages back.
    assert!(!is_whole(LETTER, LETTER.len(), ReportAction::Delayed));
}

#[test]
fn a_delay_is_told() {
    let envelope = envelope("ada@example.org", vec![recipient("bob@elsewhere.example")]);
    let mut delayed = told(0, ReportAction::Delayed);
    delayed.status = EnhancedStatus::new(4, 4, 1);
    delayed.remote_host = None;
    delayed.reply = None;
    delayed.reason = Some("no server of elsewhere.example could be reached: Connection refused");
    delayed.retried_until_ms = Some(ARRIVED_MS + 5 * DAY_MS);
    let recipients = [delayed];
    let mut notification = notification(&envelope, &recipients, LETTER.as_bytes());
    notification.now_ms = ARRIVED_MS + DAY_MS / 6;
    assert_golden("delayed.eml", &compose(&notification));
}

#[test]
fn a_delivery_is_told() {
    let mut carol = recipient("carol@example.org");
    carol.is_local = true;
    let envelope = envelope(
        "ada@example.org",
        vec![carol, recipient("bob@elsewhere.example")],
    );
    let mut delivered = told(0, ReportAction::Delivered);
    delivered.status = EnhancedStatus::new(2, 0, 0);
    delivered.remote_host = None;
    delivered.reply = None;
    let mut relayed = told(1, ReportAction::Relayed);
    relayed.status = EnhancedStatus::new(2, 0, 0);
    relayed.reply = Some("250 2.0.0 Ok: queued as 4F1C2A");
    let recipients = [delivered, relayed];
    let report = compose(&notification(&envelope, &recipients, LETTER.as_bytes()));
    assert_golden("delivered.eml", &report);
}

#[test]
fn the_postmaster_is_told_of_strangers() {
    let envelope = envelope("eve@far.example", vec![recipient("bob@elsewhere.example")]);
    let recipients = [told(0, ReportAction::Failed)];
    let mut notification = notification(&envelope, &recipients, LETTER.as_bytes());
    notification.addressee = ReportAddressee::Postmaster { left_out: 3 };
    assert_golden("postmaster.eml", &compose(&notification));
}

#[test]
fn addresses_and_text_beyond_ascii_are_told() {
    let mut envelope = envelope(
        "ädä@example.org",
        vec![recipient("müller=x@elsewhere.example")],
    );
    envelope.smtputf8 = true;
    envelope.recipients[0].dsn = Some(Box::new(RecipientDsn {
        notify: None,
        original: Some("utf-8;m\\x{FC}ller\\x{3D}x@elsewhere.example".into()),
    }));
    let mut failed = told(0, ReportAction::Failed);
    failed.reply = Some("550 5.1.1 Empfänger unbekannt\u{202e}\x1b[31m");
    let recipients = [failed];
    let letter = "From: Ädä <ädä@example.org>\r\nSubject: Grüße\r\nMessage-ID: <ä@example.org>\r\n\r\nGrüße\r\n";
    let report = compose(&notification(&envelope, &recipients, letter.as_bytes()));
    assert_golden("utf8.eml", &report);
}

#[test]
fn a_long_header_comes_back_in_part() {
    let envelope = envelope("ada@example.org", vec![recipient("bob@elsewhere.example")]);
    let recipients = [told(0, ReportAction::Failed)];
    let long = format!("X-Long: {}\r\n", "x".repeat(990)).repeat(40);
    let text = |letter: &str| {
        let report = compose(&notification(&envelope, &recipients, letter.as_bytes()));
        assert_well_formed(&report.text);
        String::from_utf8(report.text.into_vec()).unwrap()
    };
    let part = text(&format!("Subject: x\r\n{long}\r\nbody\r\n"));
    assert_eq!(part.matches("\r\nX-Long: ").count(), 32);
    // One field that is larger than all that comes back, and a message without a header.
    let folded = format!("X-Long: x\r\n{}", " folded\r\n".repeat(5000));
    assert!(!text(&format!("{folded}\r\nbody\r\n")).contains("folded"));
    assert!(!text("\r\nbody\r\n").contains("body"));
}

#[test]
fn many_recipients_are_told_in_bounded_space() {
    let count = 3000_u16;
    let recipients = (0..count).map(|n| recipient(&format!("user{n}@elsewhere.example")));
    let envelope = envelope("ada@example.org", recipients.collect());
    let reply = "550 ".to_owned() + &"words ".repeat(1000);
    let recipients: Vec<_> = (0..count)
        .map(|index| ReportedRecipient {
            reply: Some(&reply),
            ..told(index, ReportAction::Failed)
        })
        .collect();
    let report = compose(&notification(&envelope, &recipients, LETTER.as_bytes()));
    assert_well_formed(&report.text);
    let text = String::from_utf8(report.text.into_vec()).unwrap();
    assert!(text.len() < 2 * 1024 * 1024, "{}", text.len());
    assert_eq!(
        text.matches("\r\nFinal-Recipient: ").count(),
        usize::from(count)
    );
    assert_eq!(text.matches("\r\n<user").count(), 50);
    assert!(text.contains("\r\nAnd 2950 others, "));
}

mod policy {
    use super::*;

    fn decide(
        policy: &mut ReportPolicy,
        envelope: &SpoolEnvelope,
        actions: &[ReportAction],
        now_ms: u64,
    ) -> (Result<ReportAddressee, NoReport>, Vec<u16>) {
        let indexed = (0..).zip(actions);
        let mut reported: Vec<_> = indexed
            .map(|(index, action)| told(index, *action))
            .collect();
        // One that is not made does not count.
        let before = policy.decide(envelope, &mut reported.clone(), now_ms);
        let decided = policy.decide(envelope, &mut reported, now_ms);
        assert_eq!(before, decided);
        if let Ok(addressee) = decided {
            policy.note_made(addressee, now_ms);
        }
        (decided, reported.iter().map(|told| told.index).collect())
    }

    #[test]
    fn senders_are_told_what_they_asked_for() {
        use ReportAction::{Delayed, Delivered, Failed, Relayed};
        let mut recipients: Vec<_> = ["a@x", "b@x", "c@x", "d@x"].map(recipient).into();
        let all = Notify {
            success: true,
            failure: true,
            delay: true,
        };
        let success = Notify {
            failure: false,
            delay: false,
            ..all
        };
        notify(&mut recipients[1], Notify::NEVER);
        notify(&mut recipients[2], success);
        notify(&mut recipients[3], all);
        let envelope = envelope("ada@example.org", recipients);
        let mut policy = ReportPolicy::default();
        for (action, told) in [
            (Failed, &[0, 3][..]),
            (Delayed, &[0, 3]),
            (Delivered, &[2, 3]),
            (Relayed, &[2, 3]),
        ] {
            let decided = decide(&mut policy, &envelope, &[action; 4], 0);
            assert_eq!(
                decided,
                (Ok(ReportAddressee::Sender), told.to_vec()),
                "{action:?}"
            );
        }
        let decided = decide(&mut policy, &envelope, &[Delivered, Failed, Failed], 0);
        assert_eq!(decided, (Err(NoReport::NotAskedFor), vec![]));
    }

    #[test]
    fn a_report_is_never_reported() {
        let mut envelope = envelope("ada@example.org", vec![recipient("bob@elsewhere.example")]);
        envelope.sender = ReversePath::Null;
        // Whatever the envelope says.
        for sender_is_ours in [false, true] {
            envelope.sender_is_ours = sender_is_ours;
            let mut policy = ReportPolicy::default();
            let (decided, _) = decide(&mut policy, &envelope, &[ReportAction::Failed], 0);
            assert_eq!(decided, Err(NoReport::NullSender));
        }
    }

    #[test]
    fn the_postmaster_gets_ten_an_hour() {
        let mut envelope = envelope("eve@far.example", vec![recipient("bob@elsewhere.example")]);
        envelope.sender_is_ours = false;
        let mut policy = ReportPolicy::default();
        let mut failed = |now_ms| decide(&mut policy, &envelope, &[ReportAction::Failed], now_ms).0;
        let postmaster = |left_out| Ok(ReportAddressee::Postmaster { left_out });
        for minute in 0..10 {
            assert_eq!(failed(minute * MINUTE_MS), postmaster(0), "{minute}");
        }
        // Each is asked for twice.
        for _ in 0..5 {
            assert_eq!(failed(59 * MINUTE_MS), Err(NoReport::TooMany));
        }
        // The first one is an hour ago, the second is not yet.
        assert_eq!(failed(60 * MINUTE_MS), postmaster(10));
        assert_eq!(failed(60 * MINUTE_MS), Err(NoReport::TooMany));
        assert_eq!(failed(61 * MINUTE_MS), postmaster(2));
        let (decided, _) = decide(&mut policy, &envelope, &[ReportAction::Delayed], 0);
        assert_eq!(decided, Err(NoReport::Stranger));
    }
}

proptest! {
    /// Whatever another server said, and whatever the message holds, a report is well-formed, and nothing is injected.
    #[test]
    fn any_report_is_well_formed(
        reply in "\\PC{0,300}|(.|\r\n|\0){0,900}|[!-~]{900,3000}|\r\nSubject: injected\r\n\r\n--=_Q6929F3A10008_0\r\n",
        reason in proptest::option::of("(.|[\r\n]){0,100}"),
        host in proptest::option::of("[a-z.]{1,300}|(.|\r\n){0,30}"),
        class in 0..9_u8,
        letter in proptest::collection::vec(any::<u8>(), 0..3000),
        field in "(Message-ID|Subject|[A-Z]{1,9}): (.|[ -~]|\r\n ){0,300}",
        original in "(rfc822|utf-8|x;y|)[;]?([!-~]|\\+[0-9A-F]{2}|ü){0,300}",
        envelope_id in "([!-~]|\\+[0-9A-F]{2}){0,100}",
        local_part in "[a-zä.]{1,60}|\"([ -!#-\\[\\]-~]){0,40}\"",
        action in 0..4_usize,
        full in any::<bool>(),
        smtputf8 in any::<bool>(),
    ) {
        let address = format!("{local_part}@elsewhere.example");
        let Ok(address) = address.parse() else { return Ok(()) };
        let mut bob = recipient("bob@elsewhere.example");
        bob.address = address;
        bob.dsn = Some(Box::new(RecipientDsn { notify: None, original: Some(original.into()) }));
        let mut envelope = envelope("ada@example.org", vec![bob]);
        envelope.sender = ReversePath::Mailbox(envelope.recipients[0].address.clone());
        envelope.smtputf8 = smtputf8;
        envelope.dsn = Some(Box::new(MessageDsn {
            ret: full.then_some(ReturnContent::Full),
            envelope_id: Some(envelope_id.into()),
        }));
        let actions = [ReportAction::Failed, ReportAction::Delayed, ReportAction::Delivered, ReportAction::Relayed];
        let recipients = [ReportedRecipient {
            index: 0,
            action: actions[action],
            status: EnhancedStatus::new(class, 1, 1),
            remote_host: host.as_deref(),
            reply: Some(&reply),
            reason: reason.as_deref(),
            last_attempt_ms: None,
            retried_until_ms: Some(u64::MAX),
        }];
        let letter = [field.as_bytes(), b"\r\n", &letter].concat();
        let report = compose(&notification(&envelope, &recipients, &letter));
        assert_well_formed(&report.text);
        let text = String::from_utf8_lossy(&report.text);
        let (_, fields) = text.split_once("\r\nContent-Type: message/delivery-status\r\n").unwrap();
        let (_, fields) = fields.split_once("\r\n\r\n").unwrap();
        let (fields, _) = fields.split_once("\r\n\r\n--").unwrap();
        // A group about the message, a group about the recipient.
        prop_assert_eq!(fields.split("\r\n\r\n").count(), 2);
        for line in fields.split("\r\n").filter(|line| !line.starts_with(' ') && !line.is_empty()) {
            prop_assert!(line.split_once(": ").is_some_and(|(name, value)| {
                !value.trim().is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-')
            }), "{}", line);
        }
    }
}
