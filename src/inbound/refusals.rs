//! Log lines of refusals: which client asked for what, and why it was not done.
//!
//! A client repeats what is refused as often as it likes, so that each reason has a bounded number of lines in a session.

use core::fmt;
use std::slice;

use super::connection::{Inbound, InboundTurn};
use super::log_line::Recipients;
use super::timeouts::Timer;
use crate::net::driver::Summary;
use crate::smtp::command::Command;
use crate::smtp::envelope::{Envelope, Recipient};
use crate::smtp::event::Phase;
use crate::smtp::log_value::LogValue;
use crate::smtp::login::{LoginAttempt, LoginVerdict};
use crate::smtp::path::{ForwardPath, Mailbox, ReversePath};
use crate::smtp::reply::{self, Reply};
use crate::store::Failure;

/// A command that was refused, as the log shows it.
enum Refused<'a> {
    Mail(&'a ReversePath),
    Rcpt(Option<&'a ReversePath>, &'a Mailbox),
    /// DATA.
    Message(&'a Envelope),
    /// One that is no command, or names no mailbox.
    Other(&'a [u8]),
}

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mail(from) => write!(f, "from={}", LogValue(from)),
            Self::Rcpt(from, to) => {
                if let Some(from) = from {
                    write!(f, "from={} ", LogValue(from))?;
                }
                write!(f, "to={}", LogValue(format_args!("<{to}>")))
            }
            Self::Message(envelope) => {
                let to = LogValue(Recipients(&envelope.recipients));
                write!(f, "from={} to={to}", LogValue(&envelope.reverse_path))
            }
            Self::Other(line) => write!(f, "command={}", LogValue(String::from_utf8_lossy(line))),
        }
    }
}

impl Inbound {
    /// Logs that the session refused the command in this line, if it is MAIL or RCPT.
    pub(super) fn note_refused_command(
        &mut self,
        line: &[u8],
        reply: Reply,
        turn: &InboundTurn<'_>,
    ) {
        self.hint_at_proxy(line, turn);
        let line = line.trim_ascii_end();
        let verb = line.get(..4).unwrap_or_default();
        let [mail, rcpt] = ["MAIL", "RCPT"].map(|name| verb.eq_ignore_ascii_case(name.as_bytes()));
        if !(mail || rcpt) || !self.refusals.add(reply) {
            return;
        }
        match Command::parse(line) {
            Ok(Command::Mail(from, _)) => self.log_refusal(&Refused::Mail(&from), reply, turn),
            Ok(Command::Rcpt(ForwardPath::Mailbox(to), _)) => {
                let envelope = self.session.envelope();
                let from = envelope.map(|envelope| &envelope.reverse_path);
                self.log_refusal(&Refused::Rcpt(from, &to), reply, turn);
            }
            _ => self.log_refusal(&Refused::Other(line), reply, turn),
        }
    }

    /// Logs that the store refused a sender.
    pub(super) fn note_refused_sender(
        &mut self,
        from: &ReversePath,
        reply: Reply,
        turn: &InboundTurn<'_>,
    ) {
        if self.refusals.add(reply) {
            self.log_refusal(&Refused::Mail(from), reply, turn);
        }
    }

    /// Logs that the store refused a recipient.
    pub(super) fn note_refused_recipient(
        &mut self,
        to: &Mailbox,
        reply: Reply,
        turn: &InboundTurn<'_>,
    ) {
        if self.refusals.add(reply) {
            let envelope = self.session.envelope();
            let from = envelope.map(|envelope| &envelope.reverse_path);
            self.log_refusal(&Refused::Rcpt(from, to), reply, turn);
        }
    }

    /// Logs that the store refused a message before any of it came. One in chunks is refused, and logged, behind its chunk.
    pub(super) fn note_refused_message(&mut self, reply: Reply, turn: &InboundTurn<'_>) {
        if self.session.phase() == Phase::Command
            && self.refusals.add(reply)
            && let Some(envelope) = self.session.envelope()
        {
            self.log_refusal(&Refused::Message(envelope), reply, turn);
        }
    }

    fn log_refusal(&self, refused: &Refused<'_>, reply: Reply, turn: &InboundTurn<'_>) {
        let (id, peer, code, why) = (turn.id, turn.peer(), reply.code, LogValue(reply.text));
        let envelope = self.session.envelope();
        match envelope.and_then(|envelope| envelope.user.as_deref()) {
            // Which of them has sent that much, or whose password others have.
            Some(user) if reply == reply::USER_RATE => {
                let user = LogValue(user);
                log::info!("conn={id} peer={peer} {refused} rejected={code} why={why} user={user}");
            }
            _ => log::info!("conn={id} peer={peer} {refused} rejected={code} why={why}"),
        }
    }

    /// Logs a login. Who was refused is held up, without work or a thread of its own: nothing is read meanwhile.
    pub(super) fn note_login(&mut self, attempt: &LoginAttempt, turn: &InboundTurn<'_>) {
        let LoginAttempt {
            mechanism,
            user,
            verdict,
        } = attempt;
        let (id, peer, user) = (turn.id, turn.peer(), LogValue(user));
        match verdict {
            LoginVerdict::LoggedIn => {
                self.filtering.note_login(mechanism);
                log::info!("conn={id} peer={peer} auth={mechanism} user={user} ok");
            }
            LoginVerdict::Refused(delay) => {
                if self.refusals.add(reply::LOGIN_REFUSED) {
                    log::info!("conn={id} peer={peer} auth={mechanism} user={user} failed");
                }
                self.timeouts.start(Timer::Tarpit, turn.now + *delay);
            }
        }
    }

    /// The reply for what the store could not do. The operator learns more of it than the client.
    pub(super) fn refusal(&mut self, failure: &Failure, turn: &InboundTurn<'_>) -> Reply {
        let reply = reply_for(failure);
        if self.refusals.add_failure(reply) {
            let (id, peer, failed, code) = (turn.id, turn.peer(), LogValue(failure), reply.code);
            log::warn!("conn={id} peer={peer} failed={failed} reply={code}");
        }
        reply
    }

    /// The reply to one recipient that the store failed, though it may have served others.
    pub(super) fn refusal_of(
        &mut self,
        recipient: &Recipient,
        failure: &Failure,
        turn: &InboundTurn<'_>,
    ) -> Reply {
        let reply = reply_for(failure);
        if self.refusals.add_failure(reply) {
            let (id, peer, failed, code) = (turn.id, turn.peer(), LogValue(failure), reply.code);
            let to = LogValue(Recipients(slice::from_ref(recipient)));
            log::warn!("conn={id} peer={peer} to={to} failed={failed} reply={code}");
        }
        reply
    }

    /// Logs how many refusals of the session had no line of their own.
    pub(super) fn log_untold_refusals(&self, summary: &Summary) {
        let (id, peer) = (summary.id, summary.peer);
        for (reply, refused) in self.refusals.untold() {
            let why = LogValue(reply.text);
            log::info!("conn={id} peer={peer} refused={refused} why={why}");
        }
    }
}

fn reply_for(failure: &Failure) -> Reply {
    match failure {
        Failure::Full(_) | Failure::LittleLeft(_) => reply::STORE_FULL,
        Failure::QueueFull => reply::QUEUE_FULL,
        Failure::TooManyMailboxes => reply::MAILBOX_LIMIT,
        Failure::BadName => reply::BAD_ADDRESS,
        Failure::Io(_) => reply::STORE_FAILED,
    }
}
