//! How connections end, and what is told of it.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use super::{Connection, Drain, LINGER_TIMEOUT, Stage, Turn};
use crate::net::transport::Transport;
use crate::server::log_line::{Id, LedTo, Outcomes, Recipients, Value};
use crate::server::totals::Reason;
use crate::smtp::event::{CloseReason, Phase};
use crate::smtp::reply::Reply;
use crate::smtp::session::Transaction;

/// How a connection ended.
#[expect(clippy::enum_variant_names, reason = "it reads as `Closed::ByPeer`")]
pub(super) enum Closed {
    /// By what the session said last.
    BySession(CloseReason),
    /// By the peer, who closed its side.
    ByPeer,
    /// By a deadline that passed in this phase.
    ByDeadline(Phase),
    /// By a fault of the socket.
    BySocket(io::Error),
    /// By a proxy that did not say whom it speaks for.
    ByProxy,
}

impl Closed {
    /// How long the last replies may take to be written. A client that took leave may be a slow reader; one
    /// that was told to go has had its time, and so has everybody once a drain has.
    pub(super) fn patience(&self, turn: &Turn<'_>) -> Duration {
        match (self, turn.drain) {
            (
                Self::BySession(CloseReason::Drain | CloseReason::Timeout) | Self::ByDeadline(_),
                _,
            )
            | (_, Drain::TimeIsUp) => LINGER_TIMEOUT,
            _ => turn.limits.idle_timeout,
        }
    }

    /// The word for it.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::BySession(CloseReason::Quit) => Reason::Quit,
            Self::BySession(CloseReason::Limit(limit)) => Reason::Limit(*limit),
            Self::BySession(CloseReason::Timeout) | Self::ByDeadline(_) => Reason::Timeout,
            Self::BySession(CloseReason::Drain) => Reason::Drain,
            Self::BySession(CloseReason::Error) | Self::ByProxy => Reason::Error,
            Self::ByPeer => Reason::Peer,
            Self::BySocket(error) => match error.kind() {
                ErrorKind::ConnectionReset
                | ErrorKind::BrokenPipe
                | ErrorKind::ConnectionAborted
                // Within the handshake of TLS.
                | ErrorKind::UnexpectedEof => Reason::Peer,
                _ => Reason::Error,
            },
        }
    }
}

/// Why nobody has the message, unless somebody does.
fn lost_for(outcomes: &[Result<(), Reply>]) -> Option<Reply> {
    let is_lost = outcomes.iter().all(Result::is_err);
    outcomes.first().filter(|_| is_lost)?.err()
}

impl<T: Transport> Connection<T> {
    /// One line for a message, with what it came to for all recipients, or for each. Of those that nobody has, it is bounded how
    /// many have a line.
    pub(super) fn log_message(
        &mut self,
        transaction: &Transaction,
        outcomes: &[Result<(), Reply>],
    ) {
        let Transaction {
            envelope, id, size, ..
        } = transaction;
        let conn = self.id;
        let id = Id(id.as_ref());
        let from = Value(&envelope.reverse_path);
        let to = Value(Recipients(&envelope.recipients));
        let mailboxes = LedTo(&envelope.recipients);
        let told = Outcomes(outcomes);
        let Some(reply) = lost_for(outcomes) else {
            // Whoever did not get it has a line of their own that says why.
            log::info!("conn={conn}{id} from={from} to={to}{mailboxes} size={size} {told}");
            return;
        };
        if self.refusals.add(reply) {
            let (peer, why) = (self.peer, Value(reply.text));
            log::info!(
                "conn={conn} peer={peer}{id} from={from} to={to}{mailboxes} size={size} {told} why={why}"
            );
        }
    }

    /// The one line of a connection that is gone; returns why it is.
    pub fn log_end(&self, now: Instant) -> Reason {
        let reason = match &self.stage {
            Stage::Gone(closed) => closed.reason(),
            _ => Reason::Error,
        };
        self.log_untold_refusals();
        if let Some(transaction) = self.session.aborted() {
            let from = Value(&transaction.envelope.reverse_path);
            let (id, size) = (self.id, transaction.size);
            log::info!("conn={id} from={from} size={size} aborted={reason}");
        }
        let stats = self.session.stats();
        let lasted = now.saturating_duration_since(self.patience.opened());
        log::info!(
            "conn={} peer={} closed={reason} messages={} errors={} bytes_in={} bytes_out={} seconds={}.{:03}",
            self.id,
            self.peer,
            stats.messages,
            stats.errors,
            self.channel.bytes_in(),
            self.channel.bytes_out(),
            lasted.as_secs(),
            lasted.subsec_millis(),
        );
        if stats.waits_behind_bare_dot {
            log::info!(
                "conn={} hint=\"a dot on a line of its own came, but between bare LFs, where it ends no message: type CRLF, as \
                 telnet and nc -C do, or start with --bare-newline accept\"",
                self.id
            );
        }
        match &self.stage {
            Stage::Gone(Closed::ByDeadline(phase)) => {
                log::debug!("conn={} waited_for={phase:?}", self.id);
            }
            Stage::Gone(Closed::BySocket(error)) => {
                log::debug!("conn={} socket={}", self.id, Value(error));
            }
            Stage::Gone(Closed::ByProxy) => log::debug!("conn={} waited_for=ProxyHeader", self.id),
            _ => {}
        }
        reason
    }
}
