//! What a hop may answer instead of what it should.

use core::fmt;

use super::scenarios::HopStep;

/// What a hop does at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// What it says; nothing: what it would usually say.
    pub(crate) said: &'static [u8],
    pub(crate) then: Then,
}

/// What it does after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    GoOn,
    Close,
    /// It answers nothing more, and stays.
    Silence,
}

impl Answer {
    pub(crate) const fn usual() -> Self {
        Self::say(b"")
    }

    const fn say(said: &'static [u8]) -> Self {
        Self {
            said,
            then: Then::GoOn,
        }
    }

    const fn say_and_close(said: &'static [u8]) -> Self {
        Self {
            said,
            then: Then::Close,
        }
    }

    const fn fall_silent(said: &'static [u8]) -> Self {
        Self {
            said,
            then: Then::Silence,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = self.said.strip_suffix(b"\r\n").unwrap_or(self.said);
        let words = said.escape_ascii().to_string();
        let then = match self.then {
            Then::GoOn => "",
            Then::Close => "close",
            Then::Silence => "silence",
        };
        let both = [&*words, then];
        let both: Vec<_> = both.into_iter().filter(|it| !it.is_empty()).collect();
        write!(f, "\"{}\"", both.join("|"))
    }
}

/// Those after which it may be another hop's turn.
const TELLING: [Answer; 9] = [
    Answer::say(b"450 4.7.1 Not now\r\n"),
    Answer::say(b"550 5.7.1 No\r\n"),
    Answer::say_and_close(b"421 4.3.2 Closing\r\n"),
    Answer::say_and_close(b"550 5.7.1 No\r\n"),
    Answer::say_and_close(b"450 4.7.1 Not now\r\n"),
    Answer::say(b"hello there\r\n"),
    Answer::say_and_close(b""),
    Answer::say_and_close(b"250-half\r\n"),
    Answer::fall_silent(b""),
];

/// Those that go on from there, or make no difference to that.
const OTHERS: [Answer; 20] = [
    Answer::say(b"250-one\r\n250 two\r\n"),
    Answer::say(b"250\r\n"),
    Answer::say(b"250 5.1.1 says two things\r\n"),
    Answer::say(b"299 4.0.0 unknown\r\n"),
    Answer::say(b"250 bare\n"),
    Answer::say_and_close(b"250 and gone\r\n"),
    Answer::say(b"250-5.1.1 one\r\n250-5.1.2 two\r\n250\r\n"),
    Answer::say(b"250 and more\r\n550 5.1.1 more\r\n"),
    Answer::say(b"350 What is next?\r\n"),
    Answer::say(b"421 4.3.2 Closing, but it stays\r\n"),
    Answer::say(b"452 4.3.1 Disk full\r\n"),
    Answer::say(b"454 TLS not available due to temporary reason\r\n"),
    Answer::say(b"499\r\n"),
    Answer::say(b"500-5.5.1 a\r\n500 5.5.1 b\r\n"),
    Answer::say(b"502 5.5.1 Not implemented\r\n"),
    Answer::say(b"503 5.5.1 Bad sequence\r\n"),
    Answer::say(b"530 5.7.0 Authentication required\r\n"),
    Answer::say(b"552 5.2.2 Mailbox full\r\n"),
    Answer::say(b"554 No SMTP service here\r\n"),
    Answer::say(b"599 9.9.9\r\n"),
];

/// What is no SMTP.
const GARBAGE: [Answer; 5] = [
    Answer::say(b"\r\n"),
    Answer::say(b"2500 Ok\r\n"),
    Answer::say(b"650 Ok\r\n"),
    Answer::say(b"\xff\xfe\x00\r\n"),
    Answer::fall_silent(b"250-"),
];

/// Those at a step: at a step that all are past, what is no SMTP matters as little as anything.
pub(crate) fn at(step: HopStep) -> Vec<Answer> {
    let all = TELLING.into_iter().chain(OTHERS).chain(GARBAGE);
    match step {
        HopStep::Quit => TELLING.to_vec(),
        HopStep::StartTls => {
            let tls = [
                Answer::say(b"220 Go\r\n"),
                Answer::say_and_close(b"220 Go\r\n"),
            ];
            tls.into_iter().chain(TELLING).chain(OTHERS).collect()
        }
        _ => all.collect(),
    }
}

/// Whether it may be another hop's turn after it.
pub(crate) fn is_telling(answer: Answer) -> bool {
    TELLING.contains(&answer)
}
