//! The log lines of faults, each with its rule.

use core::fmt;

use crate::inbound::connection::{Inbound, InboundTurn};
use crate::inbound::judged::Judged;
use crate::inbound::log_line::{Id, Recipients};
use crate::smtp::envelope::Envelope;
use crate::smtp::faults::{FaultOutcome, FaultRule};
use crate::smtp::log_value::LogValue;
use crate::smtp::reply;

/// What a rule has decided on, as the log shows it.
struct JudgedShown<'a>(&'a Judged, Option<&'a Envelope>, Id<'a>);

impl fmt::Display for JudgedShown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(judged, envelope, id) = self;
        match judged {
            Judged::Greeting(_) => return Ok(()),
            Judged::Hello(hello) => return write!(f, " hello={}", LogValue(&hello.name)),
            Judged::Login(attempt) => {
                let (mechanism, user) = (attempt.mechanism, LogValue(&attempt.user));
                return write!(f, " auth={mechanism} user={user}");
            }
            Judged::Sender(transaction) => {
                let from = &transaction.envelope.reverse_path;
                return write!(f, " from={}", LogValue(from));
            }
            Judged::Recipient(_) | Judged::Message | Judged::End => {}
        }
        let Some(envelope) = envelope else {
            return Ok(());
        };
        write!(f, "{id} from={}", LogValue(&envelope.reverse_path))?;
        match judged {
            Judged::Recipient(recipient) => {
                write!(
                    f,
                    " to={}",
                    LogValue(format_args!("<{}>", recipient.address))
                )
            }
            _ => write!(f, " to={}", LogValue(Recipients(&envelope.recipients))),
        }
    }
}

impl Inbound {
    /// Logs what a rule has decided on; as all refusals, a bounded number of times in a session.
    pub(super) fn log_fault(&mut self, judged: &Judged, rule: &FaultRule, turn: &InboundTurn<'_>) {
        if !self.refusals.add(reply::BY_RULE) {
            return;
        }
        let transaction = self.session.transaction();
        let id = Id(transaction.and_then(|transaction| transaction.id.as_ref()));
        let subject = JudgedShown(judged, self.session.envelope(), id);
        let (conn, peer, rule_shown) = (turn.id, turn.peer(), LogValue(rule));
        match rule.outcome() {
            FaultOutcome::Reply { reply, .. } => {
                let (code, why) = (reply.code, LogValue(&reply.text));
                log::info!(
                    "conn={conn} peer={peer}{subject} rejected={code} why={why} rule={rule_shown}"
                );
            }
            FaultOutcome::Close => {
                log::info!("conn={conn} peer={peer}{subject} hung-up rule={rule_shown}");
            }
            FaultOutcome::Drop => {
                log::info!("conn={conn} peer={peer}{subject} dropped rule={rule_shown}");
            }
            FaultOutcome::Proceed => {
                log::info!("conn={conn} peer={peer}{subject} delayed rule={rule_shown}");
            }
        }
    }
}
