//! The scenarios: which hop answers what at which step, for which recipients, and whether there is another hop behind it.

use super::answers::{self, Answer, Then};

/// The step at which a hop does not do what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HopStep {
    /// It always does.
    None,
    Greeting,
    Hello,
    /// HELO, after EHLO was not known.
    OldHello,
    StartTls,
    Mail,
    Recipient,
    Data,
    Dot,
    Quit,
}

impl HopStep {
    const ALL: [Self; 9] = [
        Self::Greeting,
        Self::Hello,
        Self::OldHello,
        Self::StartTls,
        Self::Mail,
        Self::Recipient,
        Self::Data,
        Self::Dot,
        Self::Quit,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::None => "all",
            Self::Greeting => "greeting",
            Self::Hello => "EHLO",
            Self::OldHello => "HELO",
            Self::StartTls => "STARTTLS",
            Self::Mail => "MAIL",
            Self::Recipient => "RCPT",
            Self::Data => "DATA",
            Self::Dot => "dot",
            Self::Quit => "QUIT",
        }
    }

    /// Whether it matters here that commands come in one write.
    fn is_in_transaction(self) -> bool {
        matches!(self, Self::Mail | Self::Recipient | Self::Data | Self::Dot)
    }
}

/// One message by one route.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) is_lmtp: bool,
    pub(crate) is_pipelining: bool,
    /// Whether a hop that takes all stands behind it.
    pub(crate) has_next: bool,
    pub(crate) step: HopStep,
    pub(crate) answer: Answer,
    /// The local parts of its recipients. `r450-x` and `d450-x` are answered 450 at RCPT and, by LMTP, at the message.
    pub(crate) to: Vec<String>,
    /// A line of its reply to EHLO beside others. `250-NAME` is the first one, with the name of the client.
    pub(crate) hello: &'static str,
    /// The most recipients of a transaction, and what the next one hears.
    pub(crate) recipients_max: Option<(usize, &'static str)>,
}

impl Scenario {
    fn plain(step: HopStep, answer: Answer) -> Self {
        Self {
            name: format!("{} {answer}", step.name()),
            is_lmtp: false,
            is_pipelining: false,
            has_next: false,
            step,
            answer,
            to: vec!["ok-1".to_owned(), "ok-2".to_owned()],
            hello: "",
            recipients_max: None,
        }
    }

    fn to(recipients: &[&str]) -> Self {
        let to = recipients.iter().map(|it| (*it).to_owned()).collect();
        Self {
            name: format!("to {}", recipients.join(" ")),
            to,
            ..Self::plain(HopStep::None, Answer::usual())
        }
    }

    fn piped(self) -> Self {
        Self {
            name: format!("{}, piped", self.name),
            is_pipelining: true,
            ..self
        }
    }

    fn lmtp(self) -> Self {
        Self {
            name: format!("LMTP, {}", self.name),
            is_lmtp: true,
            ..self
        }
    }

    fn with_next(self) -> Self {
        Self {
            name: format!("{}, next", self.name),
            has_next: true,
            ..self
        }
    }

    fn with_hello(self, hello: &'static str) -> Self {
        Self {
            name: format!("EHLO has \"{hello}\""),
            hello,
            ..self
        }
    }

    fn with_at_most(self, count: usize, refusal: &'static str) -> Self {
        Self {
            name: format!("{} at most, {refusal}", count),
            to: (1..=6).map(|number| format!("ok-{number}")).collect(),
            recipients_max: Some((count, refusal)),
            ..self
        }
    }

    /// The domain of its recipients.
    pub(crate) fn domain(number: usize) -> String {
        format!("s{number}.example")
    }

    /// Whether a hop falls silent in it.
    pub(crate) fn is_silent(&self) -> bool {
        self.answer.then == Then::Silence
    }
}

/// Recipients of which some are refused, mixed in all ways.
const MIXES: [&[&str]; 12] = [
    &["ok-1"],
    &["r450-1"],
    &["r550-1"],
    &["ok-1", "r450-1"],
    &["r550-1", "ok-1"],
    &["r450-1", "r550-1"],
    &["r550-1", "r450-1", "ok-1", "r451-1", "ok-2", "r553-1"],
    &["r450-1", "r450-2", "r450-3"],
    &["r550-1", "r551-1", "r554-1"],
    &["ok-1", "r421-1", "ok-2"],
    &["r421-1", "ok-1"],
    &["r550-1", "r421-1", "ok-1"],
];

/// Recipients that are refused by LMTP after the message, too.
const OUTCOMES: [&[&str]; 10] = [
    &["d450-1"],
    &["d550-1"],
    &["ok-1", "d450-1"],
    &["d550-1", "ok-1"],
    &["d450-1", "d550-1"],
    &["r550-1", "d450-1", "ok-1"],
    &["r450-1", "d550-1", "ok-1", "r550-1"],
    &["d452-1", "d552-1", "ok-1"],
    &["ok-1", "d421-1", "ok-2"],
    &["d550-1", "d421-1"],
];

/// What a hop may say in its reply to EHLO: what it takes less of than we have, and what is none of its business.
const HELLOS: [&str; 12] = [
    "250-SIZE 10",
    "250-SIZE 0",
    "250-SIZE",
    "250-SIZE x",
    "250-SIZE 99999999999999999999999",
    "250-LIMITS RCPTMAX=1",
    "250-LIMITS RCPTMAX=0 MAILMAX=0",
    "250-LIMITS RCPTDOMAINMAX=1",
    "250-",
    "250- ",
    "250-\u{1}\u{ff} \u{7f}",
    "250-NAME",
];

/// All of them. The place of each is its number.
pub(crate) fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    for step in HopStep::ALL {
        for answer in answers::at(step) {
            let plain = Scenario::plain(step, answer);
            if step.is_in_transaction() {
                all.push(plain.clone().piped());
            }
            // What may make the other hop be asked.
            if answers::is_telling(answer) || step == HopStep::StartTls {
                all.push(plain.clone().piped().with_next());
            }
            if step != HopStep::OldHello && step != HopStep::StartTls && answers::is_telling(answer)
            {
                all.push(plain.clone().lmtp());
            }
            all.push(plain);
        }
    }
    for recipients in MIXES {
        let mix = Scenario::to(recipients);
        all.push(mix.clone().piped());
        all.push(mix.clone().piped().with_next());
        all.push(mix.clone().lmtp());
        all.push(mix);
    }
    for recipients in OUTCOMES {
        all.push(Scenario::to(recipients).lmtp());
        all.push(Scenario::to(recipients).piped().lmtp());
    }
    for hello in HELLOS {
        let offered = Scenario::plain(HopStep::None, Answer::usual()).with_hello(hello);
        all.push(offered.clone().lmtp());
        all.push(offered.clone().piped().with_next());
        all.push(offered);
    }
    for (count, refusal) in [
        (1, "452 4.5.3 Too many recipients"),
        (4, "452 4.5.3 Too many recipients"),
        (4, "552 5.5.3 Too many recipients"),
        (4, "452 Too many recipients"),
        (4, "452 4.2.2 Mailbox full"),
        (0, "452 4.5.3 Too many recipients"),
        (0, "552 5.5.3 Too many recipients"),
        (4, "550 5.5.3 Too many recipients"),
    ] {
        let mix = Scenario::to(&[]).with_at_most(count, refusal);
        all.push(mix.clone().piped());
        all.push(mix.clone().lmtp());
        all.push(mix);
    }
    all
}
