//! Where mailoop decides otherwise than Postfix, and why. docs/relay.md has them in short.

use super::Fate;
use super::answers::Then;
use super::scenarios::{HopStep, Scenario};

/// A reason to decide otherwise.
pub(super) struct Deviation {
    pub(super) why: &'static str,
    /// Whether it may be met nowhere, since it is about to be mended.
    pub(super) may_be_gone: bool,
    /// Whether it holds in this scenario for a recipient of this local part, with this fate by us and that by Postfix.
    covers: fn(&Scenario, &str, Fate, Fate) -> bool,
}

/// All of them. One that is met nowhere is no deviation any more, and fails the test.
pub(super) const DEVIATIONS: [Deviation; 11] = [
    Deviation {
        why: "4yz to MAIL, RCPT, DATA or the message waits. Another hop is there for a host that cannot be talked to: \
              greylisting and full mailboxes are met there as well.",
        may_be_gone: false,
        covers: |scenario, to, ours, theirs| {
            let is_told = says(scenario, '4') || to.starts_with("r4");
            (ours, theirs) == (Fate::Deferred, Fate::SentByNext)
                && in_transaction(scenario)
                && is_told
                && !scenario.answer.said.starts_with(b"421")
        },
    },
    Deviation {
        why: "Where the reply to the message was lost the hop may have it. It waits, and goes to the same hop then; Postfix \
              gives a copy to the next one.",
        may_be_gone: false,
        covers: |scenario, _, ours, theirs| {
            (ours, theirs) == (Fate::Deferred, Fate::SentByNext)
                && scenario.step == HopStep::Dot
                && is_lost(scenario)
        },
    },
    Deviation {
        why: "Only 5yz to EHLO says that it is not known (RFC 5321 §3.2). Postfix tries HELO after any reply.",
        may_be_gone: false,
        covers: |scenario, _, ours, theirs| {
            scenario.step == HopStep::Hello
                && !says(scenario, '5')
                && theirs == Fate::Sent
                && matches!(ours, Fate::Deferred | Fate::SentByNext)
        },
    },
    Deviation {
        why: "A refusal before MAIL is the host's affair, and says nothing of the message: it is never failed for that.",
        may_be_gone: false,
        covers: |scenario, _, ours, theirs| {
            matches!(
                scenario.step,
                HopStep::Greeting | HopStep::Hello | HopStep::OldHello
            ) && matches!(ours, Fate::Deferred | Fate::SentByNext)
                && theirs == Fate::Failed
        },
    },
    Deviation {
        why: "STARTTLS that is offered and then refused may be somebody in between: mail goes in the clear from the second try \
              on only. Postfix goes on in the clear at once.",
        may_be_gone: false,
        covers: |scenario, _, ours, theirs| {
            scenario.step == HopStep::StartTls
                && matches!(ours, Fate::Deferred | Fate::SentByNext)
                && theirs == Fate::Sent
        },
    },
    Deviation {
        why: "A reply that answers nothing (3yz where no text is awaited, 2yz to DATA, 650) is the host's fault. \
              Postfix fails the message whatever its first digit is, if it is not 4.",
        may_be_gone: false,
        covers: |scenario, _, ours, theirs| {
            // The reply that follows another is that to the next command.
            let is_one_more = scenario.answer.said.ends_with(b"550 5.1.1 more\r\n");
            let is_out_of_place = is_one_more
                || says(scenario, '3')
                || says(scenario, '6')
                || scenario.step == HopStep::Data && says(scenario, '2');
            is_out_of_place
                && matches!(ours, Fate::Deferred | Fate::SentByNext)
                && theirs == Fate::Failed
        },
    },
    Deviation {
        why: "A line without a code ends the connection: replies are matched to commands by their number. Postfix passes over it \
              and takes the next reply for it, so that a refusal meets another recipient, and 221 to QUIT says that the message was taken.",
        may_be_gone: false,
        covers: |scenario, _, ours, _| {
            scenario.is_pipelining
                && is_no_reply(scenario)
                && matches!(ours, Fate::Deferred | Fate::SentByNext)
        },
    },
    Deviation {
        why: "A host that greets with our name is ourselves at any port. Postfix looks at that at port 25 only.",
        may_be_gone: false,
        covers: |scenario, _, ours, theirs| {
            scenario.hello == "250-NAME"
                && matches!(ours, Fate::Deferred | Fate::SentByNext)
                && theirs == Fate::Sent
        },
    },
    Deviation {
        why: "530 to a command of a transaction says that the route lacks TLS or a login, which the operator can mend.",
        may_be_gone: false,
        covers: |scenario, _, ours, theirs| {
            scenario.answer.said.starts_with(b"530")
                && (ours, theirs) == (Fate::Deferred, Fate::Failed)
        },
    },
    Deviation {
        why: "Too many recipients for one transaction: the others go in the next one at once. Postfix lets them wait, and fails \
              them after 552.",
        may_be_gone: false,
        covers: |scenario, _, ours, theirs| {
            scenario.recipients_max.is_some()
                && ours == Fate::Sent
                && matches!(theirs, Fate::Deferred | Fate::Failed)
        },
    },
    Deviation {
        why: "A reply to one recipient holds though the connection ends with the next one: 550 is final, and what LMTP has \
              taken for one is not sent again.",
        may_be_gone: false,
        covers: |scenario, to, ours, theirs| {
            let ends = names(scenario, "r421-1") || names(scenario, "d421-1");
            ends && match ours {
                Fate::Failed => {
                    to.contains("550") && matches!(theirs, Fate::Deferred | Fate::SentByNext)
                }
                Fate::Sent => scenario.is_lmtp && theirs == Fate::Deferred,
                Fate::SentByNext | Fate::Deferred => false,
            }
        },
    },
];

/// The place in the list of the reason for which this recipient has another fate with Postfix.
pub(super) fn listed(scenario: &Scenario, to: &str, ours: Fate, theirs: Fate) -> Option<usize> {
    let mut deviations = DEVIATIONS.iter();
    deviations.position(|deviation| (deviation.covers)(scenario, to, ours, theirs))
}

fn in_transaction(scenario: &Scenario) -> bool {
    use HopStep::{Data, Dot, Mail, None, Recipient};
    matches!(scenario.step, None | Mail | Recipient | Data | Dot)
}

/// Whether its answer begins with this digit.
fn says(scenario: &Scenario, digit: char) -> bool {
    let said = scenario.answer.said;
    said.first() == Some(&(digit as u8)) && said.len() > 4 && !is_no_reply(scenario)
}

/// Whether the connection is lost at its step without a whole reply.
fn is_lost(scenario: &Scenario) -> bool {
    let answer = scenario.answer;
    let is_half = answer.said.is_empty() || answer.said.starts_with(b"250-half");
    (is_half && answer.then != Then::GoOn) || is_no_reply(scenario)
}

/// Whether what is said is no reply.
fn is_no_reply(scenario: &Scenario) -> bool {
    let said = scenario.answer.said;
    let is_text =
        said.starts_with(b"hello") || said.starts_with(b"2500") || said.starts_with(b"\xff");
    is_text || said == b"\r\n"
}

fn names(scenario: &Scenario, to: &str) -> bool {
    scenario.to.iter().any(|it| it == to)
}
