//! Where mailoop does otherwise than Postfix, and why.

use super::scenarios::Scenario;
use super::{Aspect, Seen};

/// A reason to do otherwise.
pub(super) struct Deviation {
    pub(super) why: &'static str,
    /// Whether it holds for this aspect of a scenario by this name, in which this is seen by us and that by Postfix.
    covers: fn(Aspect, &str, &Seen, &Seen) -> bool,
}

const TEMPFAIL: &str = "451 4.7.1 Service unavailable - try again later";

/// All of them. One that is met nowhere is no deviation any more, and fails the test.
pub(super) const DEVIATIONS: [Deviation; 7] = [
    Deviation {
        why: "Who was turned away by 554 hears 503 to all but QUIT (RFC 5321 §3.1). Postfix says hello, and refuses mail.",
        covers: |aspect, _, ours, theirs| {
            let [ours, theirs] = [ours, theirs].map(|seen| seen.reply(0).get(..3));
            aspect == Aspect::Replies && ours == Some("554") && ours == theirs
        },
    },
    Deviation {
        why: "What a filter refuses at HELO is refused there. Postfix says so at MAIL.",
        covers: |aspect, name, ours, theirs| {
            let [told, wanted] = [ours.reply(1), theirs.reply(2)];
            let is_nonsense = wanted.starts_with("451 4.3.5 ") && told == TEMPFAIL;
            aspect == Aspect::Replies
                && name.starts_with("H: ")
                && told.starts_with(['4', '5'])
                && (told == wanted || is_nonsense)
        },
    },
    Deviation {
        why: "A reply that is none is answered for as any other nonsense is. Postfix has words of its own for it.",
        covers: |aspect, name, ours, theirs| {
            aspect == Aspect::Replies
                && [": 250", ": 554 4.x.x", ": words"]
                    .iter()
                    .any(|it| name.ends_with(it))
                && theirs.says("451 4.3.5 Server configuration problem")
                && ours.says(TEMPFAIL)
        },
    },
    Deviation {
        why: "A filter that wants the connection closed while it sees a message has it so. Postfix 3.7 answers 250, and keeps \
              nothing.",
        covers: |aspect, name, ours, _| {
            aspect != Aspect::Stored
                && name.ends_with(": shutdown")
                && ours.reply(6) == "421 4.7.0 Server closing connection"
        },
    },
    Deviation {
        why: "Without a spool there is no place to hold a message in: it is refused for now. Postfix asks no filter behind the one that \
              wants it held; we ask all.",
        covers: |aspect, name, ours, theirs| {
            name == "quarantine"
                && aspect != Aspect::Stored
                && ours.reply(6) == TEMPFAIL
                && theirs.reply(6).starts_with("250 ")
        },
    },
    Deviation {
        why: "A CR stands only in the end of a line: in a field that a filter writes it goes with the LF, in a body it becomes a space. \
              Postfix keeps it.",
        covers: |aspect, name, _, _| {
            let is_cr = name.contains("\\r") && name.starts_with("add");
            aspect != Aspect::Replies && (is_cr || name.contains("cr\\r"))
        },
    },
    Deviation {
        why: "A mailbox has one name in any case. Postfix takes another case for another recipient.",
        covers: |aspect, name, _, _| aspect == Aspect::Stored && name == "+<B@DOMAIN>",
    },
];

/// The first reason that covers a difference, by its place.
pub(super) fn listed(
    scenario: &Scenario,
    aspect: Aspect,
    ours: &Seen,
    theirs: &Seen,
) -> Option<usize> {
    DEVIATIONS
        .iter()
        .position(|it| (it.covers)(aspect, &scenario.name, ours, theirs))
}
