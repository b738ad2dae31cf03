use std::borrow::Cow;

use super::*;
use crate::store::Failure;
use crate::store::process::frame::next_frame;

const MAIL: MailId = MailId {
    instance: 0x6929_F3A1,
    count: 7,
};
const PLACE: SpoolPlace = SpoolPlace {
    segment: 3,
    offset: 1024,
    envelope_bytes: 46,
    text_bytes: 1 << 40,
    text_flags: TextFlags::DOT_LINE,
};

fn changes() -> Vec<EncodedChange> {
    let change = |code| EncodedChange {
        mail: MAIL,
        code,
        recipients: vec![0, 5, u16::MAX],
        report: None,
    };
    let mut changes: Vec<_> = CHANGES.into_iter().map(change).collect();
    changes[1].report = Some(EncodedReport {
        mail: MAIL,
        recipients: 1,
        envelope: b"envelope".to_vec(),
        text: b"text\r\n".to_vec(),
    });
    changes
}

#[test]
fn requests_are_read_as_they_were_written() {
    let mut requests = vec![
        SpoolRequest::Open(Ticket(1), MAIL, 3, b"envelope"),
        SpoolRequest::Text(Ticket(1), b"a\r\n\0\xFF"),
        SpoolRequest::Hold(Ticket(2)),
        SpoolRequest::Abort(Ticket(2)),
        SpoolRequest::Submit(Ticket(u64::MAX)),
        SpoolRequest::ReadAhead(Ticket(4), ReadSource::Segment(9), 1024, 1 << 33),
        SpoolRequest::ReadAhead(Ticket(5), ReadSource::Big(MAIL), 0, 1),
        SpoolRequest::Free,
    ];
    let changes = changes().into_iter().map(Cow::Owned);
    requests.extend(changes.map(SpoolRequest::Change));
    let mut bytes = BytesMut::new();
    requests
        .iter()
        .for_each(|request| request.write(&mut bytes));
    for request in &requests {
        let frame = next_frame(&mut bytes).unwrap_or_default();
        assert_eq!(SpoolRequest::read(&frame).as_ref(), Some(request));
    }
    assert!(bytes.is_empty());
}

#[test]
fn reports_are_read_as_they_were_written() {
    let found = |over, is_held, is_noticed| {
        SpoolReport::Found(FoundMail {
            mail: MAIL,
            place: PLACE,
            envelope: b"envelope".to_vec(),
            recipients: 3,
            over,
            is_held,
            held: if is_held { vec![0, 2] } else { Vec::new() },
            is_noticed,
        })
    };
    let settled = |result| {
        SpoolReport::Settled(SettledMail {
            ticket: Ticket(8),
            result,
        })
    };
    let reports = [
        SpoolReport::Ready(0x6929_F3A1),
        settled(Ok(PLACE)),
        settled(Err(Failure::Full("no room".into()))),
        SpoolReport::ChangesDurable(u64::MAX),
        SpoolReport::Reported(MAIL, PLACE),
        SpoolReport::Moved(MAIL, PLACE),
        found(vec![], true, false),
        found(vec![0, 2], false, true),
        SpoolReport::ScanEnded,
        SpoolReport::ReadAhead(Ticket(5)),
        SpoolReport::Free(1 << 50),
        SpoolReport::Log(Level::Warn, "warning=\"x\"".into()),
    ];
    for report in reports {
        let mut bytes = BytesMut::new();
        report.write(&mut bytes);
        let frame = next_frame(&mut bytes).unwrap_or_default();
        let read = SpoolReport::read(&frame);
        assert_eq!(format!("{read:?}"), format!("{:?}", Some(report)));
    }
}

#[test]
fn octets_that_are_no_frame_of_ours_are_none() {
    for bytes in [
        &b""[..],
        b"S",
        b"S1234567",
        b"?12345678",
        b"O12345678",
        b"C12345678",
    ] {
        assert_eq!(SpoolRequest::read(bytes), None);
    }
    for bytes in [&b""[..], b"F12345678", b"P123456781234", b"?12345678"] {
        assert!(SpoolReport::read(bytes).is_none());
    }
}
