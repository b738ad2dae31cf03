//! A check: what is said to a server or a client that is judged, and what it has to answer.

use std::time::Duration;

/// The pause between two segments.
const SEGMENT_PAUSE: Duration = Duration::from_millis(20);
/// The pause where each octet has a segment, of which there are many.
const OCTET_PAUSE: Duration = Duration::from_millis(4);

/// The program that is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JudgedSide {
    /// A server: the judge says the lines of `C:` and awaits those of `S:`.
    Server,
    /// A client: the judge says the lines of `S:` and awaits those of `C:`.
    Client,
}

/// The weight of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckLevel {
    /// A judged program that fails it is wrong.
    Must,
    /// A judged program that fails it might do better.
    Should,
}

/// A dialect of SMTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// All of RFC 5321.
    #[default]
    Rfc5321,
    /// The five commands of an assignment: HELO, MAIL, RCPT, DATA and QUIT.
    Classroom,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgeCheck {
    /// Its name, which no other has.
    pub name: String,
    /// The group that it is told in.
    pub group: String,
    /// The step of an assignment that it belongs to, from 1 on.
    pub step: u8,
    /// Whether a program is wrong that fails it.
    pub level: CheckLevel,
    /// One sentence: what must hold.
    pub sentence: String,
    /// The sections of RFCs that say so.
    pub rfc: String,
    /// The dialects that it belongs to.
    pub dialects: Vec<Dialect>,
    /// What it is worth in a grade.
    pub points: u32,
    /// What to do where it fails, if that is not in its sentence.
    pub hint: Option<String>,
    /// The check whose dialogue comes before its own, and which must have passed.
    pub first: Option<String>,
    /// Its dialogue, after that of the check before it.
    pub steps: Vec<CheckStep>,
    /// The file and the line where it begins.
    pub place: CheckPlace,
}

/// A line of a file of checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckPlace {
    /// The name of the file.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
}

/// One step of a dialogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckStep {
    /// The file and line of the step.
    pub place: CheckPlace,
    /// The peers that it is about.
    pub peers: Peers,
    /// What is done, or awaited.
    pub action: CheckAction,
}

/// Peers of the judged program by their numbers, the last one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peers {
    /// The first.
    pub from: u8,
    /// The last.
    pub to: u8,
}

/// What is done, or awaited, in a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckAction {
    /// The judge says this.
    Say(Saying),
    /// The judged program has to answer so.
    Hear(Expectation),
    /// It has to be silent for so long.
    Quiet(Duration),
    /// The judge waits for so long, whatever comes.
    Pause(Duration),
    /// The judged program has to close the connection.
    Closed {
        /// The time it has; else as long as any answer may take.
        within: Option<Duration>,
    },
    /// The judge closes the connection.
    Close,
    /// The judge ends it with a reset.
    Abort,
    /// The last reply has to name this keyword of an extension, or the check does not apply.
    Offers(String),
    /// Each line that came has to have ended in CR LF.
    CrLf,
    /// The command of a client finds this on its standard input.
    Give(Saying),
    /// This has to be true of a client in the end.
    Demand(ClientDemand),
}

/// What has to be true of a client in the end. In patterns `*` stands for any text, and `|` is between several commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientDemand {
    /// It has said such a command. The line that ends a message is one as well.
    Comes(String),
    /// It has never said such a command.
    Never(String),
    /// Such a line is in its message, as it came.
    Text(String),
    /// It has exited so.
    Exits(DemandedExit),
    /// It has said such a command so often; else the check does not apply.
    Needs(usize, String),
    /// Such a line is in its message; else the check does not apply.
    NeedsText(String),
}

/// The exit code that a client has to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DemandedExit {
    /// 0.
    Zero,
    /// Any other, or the end by a signal.
    Other,
}

/// Octets to say, and how they are cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saying {
    /// The octets.
    pub parts: Vec<SayingPart>,
    /// Whether each octet goes in a segment of its own.
    pub octet_by_octet: bool,
}

/// A part of what is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SayingPart {
    /// These octets, so often.
    Octets(Vec<u8>, usize),
    /// A value that is known only when the check is played.
    Value(CheckValue),
    /// The end of a segment.
    Cut,
}

/// A value that stands in a dialogue as `{name}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckValue {
    /// The sender.
    From,
    /// The recipient.
    To,
    /// The second recipient.
    To2,
    /// The line that ends a message.
    End,
}

impl CheckValue {
    /// All of them, each with its name in a dialogue.
    pub const ALL: [(&'static str, Self); 4] = [
        ("from", Self::From),
        ("to", Self::To),
        ("to2", Self::To2),
        ("end", Self::End),
    ];
}

/// What has to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Any of these is right.
    pub any: Vec<ExpectedAnswer>,
    /// A pattern for the text of a reply behind its code, or for a whole line of a client: `*` stands for any text.
    pub text: Option<String>,
    /// The time it may take; else as long as any answer.
    pub within: Option<Duration>,
    /// The number of such answers; 0 is any, in the script of a server that judges a client.
    pub count: usize,
    /// The answer as it stands in the file.
    pub shown: String,
}

/// One of the answers that are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedAnswer {
    /// A reply whose code begins with these digits.
    Code(String),
    /// A line of a client.
    Line,
    /// The end of the connection, after which this peer has nothing more to do.
    Closed,
}

impl Saying {
    /// The pause after a segment, so that each goes in a packet of its own and is read by itself.
    #[must_use]
    pub fn pause(&self) -> Duration {
        match self.octet_by_octet {
            true => OCTET_PAUSE,
            false => SEGMENT_PAUSE,
        }
    }

    /// Its segments, with these values.
    pub fn segments<'a>(&self, value: impl Fn(CheckValue) -> &'a str) -> Vec<Vec<u8>> {
        let mut segments = vec![Vec::new()];
        for part in &self.parts {
            let octets = match part {
                SayingPart::Octets(octets, times) => octets.repeat(*times),
                SayingPart::Value(named) => value(*named).as_bytes().to_vec(),
                SayingPart::Cut => {
                    segments.push(Vec::new());
                    continue;
                }
            };
            if let Some(last) = segments.last_mut() {
                last.extend(octets);
            }
        }
        segments.retain(|segment| !segment.is_empty());
        if self.octet_by_octet {
            return segments.concat().chunks(1).map(<[u8]>::to_vec).collect();
        }
        segments
    }
}

impl Peers {
    /// The only peer of most checks.
    pub const FIRST: Self = Self { from: 1, to: 1 };

    /// Their numbers.
    pub fn numbers(self) -> impl Iterator<Item = u8> {
        self.from..=self.to
    }
}

impl Dialect {
    /// All of them, each with its name.
    pub const ALL: [(&'static str, Self); 2] =
        [("rfc5321", Self::Rfc5321), ("classroom", Self::Classroom)];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rfc5321 => "rfc5321",
            Self::Classroom => "classroom",
        }
    }
}

impl CheckLevel {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
        }
    }
}

impl JudgeCheck {
    /// Whether its dialogue leaves nobody there to go on with another one.
    #[must_use]
    pub fn ends_connection(&self) -> bool {
        self.steps.iter().any(|step| {
            matches!(
                step.action,
                CheckAction::Closed { .. } | CheckAction::Close | CheckAction::Abort
            ) && step.peers.from == 1
        })
    }
}
