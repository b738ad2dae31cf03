//! Traces of frames that are made by hand.

mod filters;

use std::io::Cursor;

use super::run::write;
use super::writer::TraceError;
use super::{TraceFormat, TraceOptions};
use crate::net::channel::Readiness;
use crate::net::connections::TickStep;
use crate::net::driver::ConnectionId;
use crate::net::lifecycle::{Ending, Lifecycle};
use crate::net::peer::PeerAddress;
use crate::net::probe::Content;
use crate::observe::codec::RecordValue;
use crate::observe::crc::crc32;
use crate::observe::file::{FrameReader, MAGIC, put_frame};
use crate::observe::frame::{Frame, QueuedAs};
use crate::observe::outcome::{FailureCode, LoginCode};
use crate::smtp::service::Service;

const ID: ConnectionId = ConnectionId(1);
const FORMATS: [TraceFormat; 3] = [
    TraceFormat::Text,
    TraceFormat::Dialogue,
    TraceFormat::Chrome,
];

/// A record of these frames.
fn record(frames: &[Frame<'_>]) -> Vec<u8> {
    let mut record = MAGIC.to_vec();
    let mut scratch = Vec::new();
    for frame in frames {
        put_frame(frame, &mut scratch, &mut record);
    }
    record
}

/// The trace of a record, and whether that could be read.
fn trace(record: &[u8], format: TraceFormat) -> (String, Result<(), TraceError>) {
    let mut out = Vec::new();
    let options = TraceOptions {
        file: "record".into(),
        connection: None,
        format,
    };
    let frames = FrameReader::new(Cursor::new(record));
    let traced = frames.map_err(TraceError::Record);
    let traced = traced.and_then(|frames| write(frames, &options, &mut out));
    (String::from_utf8_lossy(&out).into_owned(), traced)
}

fn added() -> Frame<'static> {
    Frame::Added {
        key: 0,
        connection: ID,
        service: Service::Smtp,
        peer: PeerAddress::Unix,
        short_read_drains: true,
    }
}

fn said(octets: &[u8]) -> Frame<'_> {
    Frame::Said {
        connection: ID,
        octets,
    }
}

fn used(content: Content, octets: &[u8]) -> Frame<'_> {
    Frame::Used {
        connection: ID,
        content,
        octets,
    }
}

fn read(octets: usize) -> Frame<'static> {
    Frame::Read {
        connection: ID,
        at: 10,
        result: Ok(octets),
    }
}

fn entered(stage: Lifecycle) -> Frame<'static> {
    Frame::Entered {
        connection: ID,
        stage,
    }
}

fn tick(number: u64, now: u64) -> Frame<'static> {
    Frame::Tick {
        number,
        now,
        wall: 0,
    }
}

const CLOSED: Frame<'static> = Frame::Closed {
    connection: ID,
    reason: "quit",
    bytes_in: 1,
    bytes_out: 2,
};

#[test]
fn octets_before_the_greeting_are_early_and_the_rest_is_filled_up() {
    let start = [added(), read(20), said(b"220 hi\r\n")];
    let closed = [entered(Lifecycle::Closing(Ending::Linger)), CLOSED];
    let head = "# Connection 1, smtp: quit.\nwhole: it is as it was recorded\nclear: it is as it was recorded\n";
    for (frames, steps) in [
        (
            &[used(Content::Protocol, b"HELO c\r\n")][..],
            "early: HELO c\\r\\nxxxxxxxxxxxx\nS: 220 hi\nclosed\n",
        ),
        (&[], "early: xxxxxxxxxxxxxxxxxxxx\nS: 220 hi\nclosed\n"),
    ] {
        let frames = [&start[..], frames, &closed].concat();
        let (dialogue, traced) = trace(&record(&frames), TraceFormat::Dialogue);
        assert!(traced.is_ok());
        assert_eq!(dialogue, format!("{head}{steps}"));
    }
}

#[test]
fn a_server_that_speaks_by_itself_was_silent_before() {
    let frames = [
        added(),
        said(b"220 hi\r\n"),
        tick(2, 300_004_000_000),
        Frame::Step {
            step: TickStep::Expire,
            at: 5,
        },
        said(b"421 too late\r\n"),
        entered(Lifecycle::Closing(Ending::Linger)),
    ];
    let (dialogue, _) = trace(&record(&frames), TraceFormat::Dialogue);
    assert!(
        dialogue.ends_with("S: 220 hi\nafter: 300000\nS: 421 too late\nclosed\n"),
        "{dialogue}"
    );
}

#[test]
fn times_never_go_back() {
    let frames = [
        tick(1, 5_000),
        added(),
        Frame::Event {
            key: 0,
            readiness: Readiness {
                readable: true,
                writable: false,
                read_on: false,
            },
        },
        tick(2, 1_000),
        Frame::Step {
            step: TickStep::Serve,
            at: 0,
        },
        read(3),
    ];
    let (text, _) = trace(&record(&frames), TraceFormat::Text);
    let times: Vec<_> = text.lines().skip(1).map(|line| &line[..12]).collect();
    assert!(times.is_sorted() && times.len() == 6, "{text}");
    let (json, _) = trace(&record(&frames), TraceFormat::Chrome);
    assert!(
        json.contains("\"name\":\"tick 2\",\"pid\":1,\"tid\":1,\"ts\":5.000"),
        "{json}"
    );
}

/// The start and the duration of each slice of the timeline with this name, in eighths of a microsecond.
fn slices(json: &str, name: &str) -> Vec<(u64, u64)> {
    let number = |line: &str, name: &str| -> u64 {
        let (_, rest) = line.split_once(&format!("\"{name}\":")).unwrap_or_default();
        let digits = rest.split(|c: char| !c.is_ascii_digit() && c != '.');
        let digits = digits.take(1).collect::<String>().replace('.', "");
        digits.parse::<u64>().unwrap_or_default() / 125
    };
    let name = format!("\"ph\":\"X\",\"name\":\"{name}\"");
    let lines = json.lines().filter(|line| line.contains(&name));
    lines
        .map(|line| (number(line, "ts"), number(line, "dur")))
        .collect()
}

#[test]
fn a_slice_that_is_open_for_too_long_is_cut_and_goes_on_at_once() {
    let mut frames = vec![tick(1, 0), added()];
    for number in 2..60_000 {
        frames.push(tick(number, number * 1000));
        frames.push(read(1));
        frames.push(Frame::TickEnd { at: 20, wake: None });
    }
    frames.push(CLOSED);
    let (json, traced) = trace(&record(&frames), TraceFormat::Chrome);
    assert!(traced.is_ok());
    let phases = slices(&json, "greeting");
    assert_eq!(phases.len(), 2, "{phases:?}");
    let ((start, lasted), (next, _)) = (phases[0], phases[1]);
    assert_eq!(start + lasted, next);
    // A turn of the connection has the same name as its life.
    assert_eq!(slices(&json, "tick 2").len(), 1);
}

#[test]
fn a_turn_begins_when_it_is_told_to() {
    let turn = |at| Frame::Turn {
        connection: ID,
        at,
        has_work: true,
        iterations: 0,
    };
    let step = |step, at| Frame::Step { step, at };
    let frames = [
        added(),
        tick(1, 1_000_000),
        step(TickStep::Serve, 0),
        turn(1000),
        turn(3000),
        step(TickStep::Commit, 6000),
        step(TickStep::Reap, 8000),
        CLOSED,
    ];
    let (json, _) = trace(&record(&frames), TraceFormat::Chrome);
    let turns: Vec<_> = slices(&json, "conn 1").into_iter().skip(1).collect();
    assert_eq!(turns, [(8008, 16), (8024, 24)]);
}

/// A message that is not delivered, after a login and a verdict of filters.
fn session() -> Vec<Frame<'static>> {
    let parts = [
        greeted_and_logged_in(),
        message(),
        filters::filtered(),
        answered_and_closed(),
    ];
    parts.concat()
}

fn greeted_and_logged_in() -> Vec<Frame<'static>> {
    vec![
        Frame::Start {
            command: "serve",
            program: "0.1.0",
            wall: 0,
            has_text: true,
            is_whole: true,
        },
        tick(1, 1000),
        added(),
        said(b"220 hi\r\n"),
        Frame::Event {
            key: 0,
            readiness: Readiness {
                readable: true,
                writable: true,
                read_on: false,
            },
        },
        Frame::Step {
            step: TickStep::Serve,
            at: 3,
        },
        read(50),
        used(Content::Protocol, b"BDAT 6 LAST\r\n"),
        Frame::LoginProgress {
            connection: ID,
            progress: LoginCode::LoggedIn("ada"),
        },
    ]
}

fn message() -> Vec<Frame<'static>> {
    let (connection, ticket) = (ID, 7);
    vec![
        Frame::Admit {
            connection,
            declared: 0,
            result: Ok(Err(3)),
        },
        Frame::Answered {
            ticket: 3,
            result: Ok(1),
        },
        Frame::Check {
            connection,
            recipient: "b@example.org",
            to_make: 0,
            result: Ok(Ok(1)),
        },
        Frame::Begin {
            connection,
            from: "<a@example.com>",
            recipients: 1,
            result: Ok(QueuedAs {
                id: "AB01",
                draft: 1,
            }),
        },
        Frame::Readdress {
            connection,
            draft: 1,
            from: "<c@example.com>",
            recipients: 2,
            result: Ok(Some("AB02")),
        },
        used(Content::Text, b"a: b\r\n"),
        Frame::Submit {
            connection,
            draft: 1,
            ticket,
        },
        Frame::Step {
            step: TickStep::Commit,
            at: 9,
        },
        Frame::Settled {
            ticket,
            each: Some(1),
        },
        Frame::Delivered {
            result: Err(FailureCode::Io("full")),
        },
    ]
}

fn answered_and_closed() -> Vec<Frame<'static>> {
    vec![
        said(b"250 2.0.0 Ok: queued as AB01\r\n"),
        Frame::State {
            connection: ID,
            name: "Closing",
        },
        entered(Lifecycle::Closing(Ending::Close)),
        Frame::Left {
            connection: ID,
            octets: b"MAIL ",
        },
        Frame::TickEnd {
            at: 11,
            wake: Some(4000),
        },
        CLOSED,
        Frame::End { at: 12 },
    ]
}

#[test]
fn another_envelope_is_told_with_the_name_that_it_brings() {
    let (text, _) = trace(&record(&session()), TraceFormat::Text);
    let told = "store: now from <c@example.com> to 2: now AB02";
    assert!(text.contains(told), "{text}");
}

#[test]
fn a_frame_of_another_version_is_told_from_a_garbled_one() {
    let mut record = record(&[added()]);
    let frame = [200, 1, 2];
    record.push(3);
    record.extend_from_slice(&frame);
    record.extend_from_slice(&crc32(&frame).to_le_bytes());
    for format in FORMATS {
        let told = trace(&record, format).1.map_err(|error| error.to_string());
        assert!(told.is_err_and(|error| error.contains("of another version")));
    }
}

#[test]
fn no_octet_of_a_frame_makes_a_trace_panic() {
    let frames = session();
    for format in FORMATS {
        assert!(trace(&record(&frames), format).1.is_ok());
    }
    for (index, frame) in frames.iter().enumerate() {
        let mut octets = Vec::new();
        frame.put(&mut octets);
        for place in 0..octets.len() {
            for value in [0x80, 0xFF, octets[place] ^ 1] {
                let mut other = octets.clone();
                other[place] = value;
                let Some(frame) = Frame::read(&other) else {
                    continue;
                };
                let mut changed = frames.clone();
                changed[index] = frame;
                for format in FORMATS {
                    assert!(trace(&record(&changed), format).1.is_ok());
                }
            }
        }
    }
}
