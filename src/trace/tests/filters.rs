//! Traces of what filters are asked and decide.

use super::{ID, record, session, slices, trace};
use crate::net::connections::TickStep;
use crate::observe::frame::{FilterFrame, Frame};
use crate::observe::outcome::{
    FailureCode, GivenCode, HeldBody, NewHeader, PassedCode, ReadCode, StepCode, VerdictCode,
};
use crate::trace::TraceFormat;

/// What filters are asked, and what they decide: all of it, one after the other.
pub(super) fn filtered() -> Vec<Frame<'static>> {
    let (connection, text) = (ID, 2);
    let changed = PassedCode {
        header: Some(NewHeader {
            octets: b"a: c\r\n\r\n",
            before: 6,
        }),
        body: Some(HeldBody { text: 3, octets: 9 }),
        envelope: b"\0\x03c@d\x01\x01e",
        quarantine: Some("odd"),
    };
    let given = GivenCode {
        code: 550,
        lines: b"550 no\r\n",
    };
    let frames = vec![
        FilterFrame::Settings {
            filters: "inet:a:1",
            of_submission: Some(""),
        },
        FilterFrame::Opened { connection },
        FilterFrame::Asked {
            connection,
            step: StepCode::Sender(b"\x03<a>\x06SIZE=7"),
            macros: b"\x01i\x02AB",
        },
        FilterFrame::Decided {
            connection,
            verdict: VerdictCode::Refuse(given),
        },
        FilterFrame::Begun { connection, text },
        FilterFrame::Text {
            connection,
            text,
            octets: 3,
            crc: None,
            result: Err(FailureCode::QueueFull),
        },
        FilterFrame::Asked {
            connection,
            step: StepCode::Message(text),
            macros: b"",
        },
        FilterFrame::Decided {
            connection,
            verdict: VerdictCode::Store(changed),
        },
        FilterFrame::Read {
            connection,
            text,
            from: 1,
            result: ReadCode::Now,
            octets: b"\x02\x02\r\n",
        },
        FilterFrame::ReadDone {
            connection,
            ticket: 8,
            result: Ok(b"\x01\0"),
        },
        FilterFrame::Dropped { connection, text },
        FilterFrame::Aborted { connection },
        FilterFrame::Left { connection },
    ];
    let reap = Frame::Step {
        step: TickStep::Reap,
        at: 10,
    };
    let frames = frames.into_iter().map(Frame::from);
    [reap].into_iter().chain(frames).collect()
}

#[test]
fn what_filters_are_asked_and_decide_is_told() {
    let (text, _) = trace(&record(&session()), TraceFormat::Text);
    for told in [
        "filters: inet:a:1; of submission: none\n",
        "filters: asked about MAIL <a> SIZE=7\n",
        "filters: refused: 550 no\n",
        "hold: 3 octets to text 2: ",
        "filters: asked about the message, text 2\n",
        "filters: to be stored, with another body of 9 octets, from c@d, also to e, held: odd\n",
        "hold: text 2 from 1, 4 octets: xx\\r\\n\n",
        "hold: ticket 8, 1 octets: x\n",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
    let (dialogue, _) = trace(&record(&session()), TraceFormat::Dialogue);
    assert!(
        dialogue.contains("\n# By its filters MAIL is refused: 550 no.\n"),
        "{dialogue}"
    );
    let (timeline, _) = trace(&record(&session()), TraceFormat::Chrome);
    assert_eq!(slices(&timeline, "filters: MAIL").len(), 1, "{timeline}");
    assert_eq!(slices(&timeline, "filters").len(), 1, "{timeline}");
}
