//! The log lines of messages and of the end of a connection.

use std::time::Duration;

use super::connection::{Inbound, InboundTurn};
use super::log_line::{Id, LedTo, Outcomes, Recipients};
use super::proxy;
use crate::net::driver::Summary;
use crate::smtp::event::CloseReason;
use crate::smtp::log_value::LogValue;
use crate::smtp::reply::Reply;
use crate::smtp::transaction::Transaction;

/// The wait between two hints at a proxy.
const PROXY_HINT_WAIT: Duration = Duration::from_secs(60);

/// Why nobody has the message, unless somebody does.
fn lost_for(outcomes: &[Result<(), Reply>]) -> Option<Reply> {
    let is_lost = outcomes.iter().all(Result::is_err);
    outcomes.first().filter(|_| is_lost)?.err()
}

impl Inbound {
    /// One line for a message, with what it came to for all recipients, or for each. Of those that nobody has, it is bounded how
    /// many have a line.
    pub(super) fn log_message(
        &mut self,
        transaction: &Transaction,
        outcomes: &[Result<(), Reply>],
        turn: &InboundTurn<'_>,
    ) {
        let Transaction {
            envelope, id, size, ..
        } = transaction;
        let conn = turn.id;
        let id = Id(id.as_ref());
        let from = LogValue(&envelope.reverse_path);
        let to = LogValue(Recipients(&envelope.recipients));
        let mailboxes = LedTo(&envelope.recipients);
        let told = Outcomes(outcomes);
        let Some(reply) = lost_for(outcomes) else {
            // Whoever did not get it has a line of their own that says why.
            log::info!("conn={conn}{id} from={from} to={to}{mailboxes} size={size} {told}");
            return;
        };
        if self.refusals.add(reply) {
            let (peer, why) = (turn.peer(), LogValue(reply.text));
            log::info!(
                "conn={conn} peer={peer}{id} from={from} to={to}{mailboxes} size={size} {told} why={why}"
            );
        }
    }

    /// Logs, now and then, that a client sends a PROXY header which nobody asked for: a proxy that is not named sends one with each of
    /// its connections.
    pub(super) fn hint_at_proxy(&self, input: &[u8], turn: &InboundTurn<'_>) {
        let hint_after = &turn.shared.proxy_hint_after;
        let is_quiet = hint_after.get().is_some_and(|after| turn.now < after);
        if !proxy::begins_header(input) || is_quiet {
            return;
        }
        hint_after.set(Some(turn.now + PROXY_HINT_WAIT));
        let (id, peer) = (turn.id, turn.peer());
        log::warn!(
            "conn={id} peer={peer} hint=\"a PROXY header came from a peer that is to send none: name it with --proxy-from if it is your \
             proxy\""
        );
    }

    /// The one line of a connection that is over, and why it is.
    pub(super) fn log_end(&self, reason: CloseReason, summary: &Summary) {
        self.log_untold_refusals(summary);
        let Summary {
            id,
            peer,
            lasted,
            bytes_in,
            bytes_out,
        } = summary;
        if let Some(transaction) = self.session.aborted() {
            let from = LogValue(&transaction.envelope.reverse_path);
            let size = transaction.size;
            log::info!("conn={id} from={from} size={size} aborted={reason}");
        }
        let stats = self.stats();
        let (messages, errors) = (stats.messages, stats.errors);
        let (seconds, milliseconds) = (lasted.as_secs(), lasted.subsec_millis());
        log::info!(
            "conn={id} peer={peer} closed={reason} messages={messages} errors={errors} bytes_in={bytes_in} bytes_out={bytes_out} seconds={seconds}.{milliseconds:03}"
        );
        if stats.waits_behind_bare_dot {
            log::info!(
                "conn={id} hint=\"a dot on a line of its own came, but between bare LFs, where it ends no message: type CRLF, as \
                 telnet and nc -C do, or start with --bare-newline accept\""
            );
        }
    }
}
