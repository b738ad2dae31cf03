//! What operators decide.

use mailoop::smtp::data::EndText;
use mailoop::smtp::directory::{Directory, Tables};
use mailoop::smtp::line::BareNewline;
use mailoop::smtp::policy::Policy;

/// Mail for anybody, and nothing more.
pub(crate) fn plain() -> Policy {
    Policy {
        hostname: "mail.example.org".to_owned(),
        ..Policy::default()
    }
}

/// What else an operator may decide, a rule each.
pub(crate) fn policies() -> [(&'static str, Policy); 6] {
    let name = |text: String| text.parse().unwrap();
    let aliases = (0..1000).map(|n| {
        (
            name(format!("alias{n}")),
            vec![name("recipient".to_owned())],
        )
    });
    let directory = Directory::new(Tables {
        aliases: aliases.collect(),
        ..Tables::default()
    });
    [
        ("plain", plain()),
        (
            "tls_offered",
            Policy {
                tls: true,
                ..plain()
            },
        ),
        (
            "domains",
            Policy {
                domains: ["one.example", "two.example", "example.org"]
                    .map(str::to_owned)
                    .into(),
                ..plain()
            },
        ),
        (
            "aliases",
            Policy {
                directory: directory.unwrap(),
                ..plain()
            },
        ),
        (
            "reject_bare",
            Policy {
                bare_newline: BareNewline::Reject,
                ..plain()
            },
        ),
        (
            "classroom",
            Policy {
                bare_newline: BareNewline::Accept,
                end_text: EndText::new("end of email"),
                ..plain()
            },
        ),
    ]
}
