//! The log lines of filters: which one has decided what on which message, or why it could not be asked.
//!
//! A client may have its filters refuse one thing after the other, so that the lines of a session are bounded.

use super::content::PassResult;
use super::settings::{FilterDefault, FilterTarget};
use crate::milter::macros::FilterMacros;
use crate::net::driver::ConnectionId;
use crate::smtp::log_value::LogValue;
use crate::smtp::reply::GivenReply;

/// The most lines of one session.
const LINES_MAX: u32 = 100;

/// The log of the filters of one session.
pub(super) struct FilterLog {
    connection: ConnectionId,
    lines: u32,
}

impl FilterLog {
    pub(super) fn new(connection: ConnectionId) -> Self {
        Self {
            connection,
            lines: 0,
        }
    }

    /// A filter refuses, or has a message vanish.
    pub(super) fn action(
        &mut self,
        target: &FilterTarget,
        action: &str,
        reply: Option<&GivenReply>,
        macros: &FilterMacros,
    ) {
        let (Some(id), name) = (self.begin(macros), &target.name) else {
            return;
        };
        let conn = self.connection;
        match reply {
            Some(reply) => {
                let text = String::from_utf8_lossy(&reply.lines);
                let text = text.trim_end().replace("\r\n", " ");
                log::info!(
                    "conn={conn}{id} milter={name} action={action} reply={}",
                    LogValue(text)
                );
            }
            None => log::info!("conn={conn}{id} milter={name} action={action}"),
        }
    }

    /// A filter has changed a message.
    pub(super) fn changed(
        &mut self,
        target: &FilterTarget,
        result: &PassResult,
        macros: &FilterMacros,
    ) {
        let parts = [
            (result.has_new_header, "header"),
            (result.has_new_body, "body"),
            (result.has_new_envelope, "envelope"),
        ];
        let parts: Vec<&str> = parts.iter().filter(|it| it.0).map(|it| it.1).collect();
        let is_told =
            !parts.is_empty() || result.quarantine.is_some() || !result.ignored.is_empty();
        let (true, conn, name) = (is_told, self.connection, &target.name) else {
            return;
        };
        let Some(id) = self.begin(macros) else {
            return;
        };
        if !parts.is_empty() {
            log::info!(
                "conn={conn}{id} milter={name} action=change of={}",
                parts.join(",")
            );
        }
        if let Some(reason) = &result.quarantine {
            log::info!(
                "conn={conn}{id} milter={name} action=quarantine reason={}",
                LogValue(reason)
            );
        }
        for field in result.ignored.iter().take(1) {
            log::warn!("conn={conn}{id} milter={name} ignored={}", LogValue(field));
        }
    }

    /// A filter could not be asked.
    pub(super) fn fault(
        &mut self,
        target: &FilterTarget,
        fault: &str,
        default: FilterDefault,
        macros: &FilterMacros,
    ) {
        let (Some(id), name) = (self.begin(macros), &target.name) else {
            return;
        };
        let (conn, fault) = (self.connection, LogValue(fault));
        log::warn!("conn={conn}{id} milter={name} failed={fault} action={default}");
    }

    /// The message of the next line, unless there were too many.
    fn begin(&mut self, macros: &FilterMacros) -> Option<String> {
        self.lines += 1;
        let id = macros.get(b"i").map(String::from_utf8_lossy);
        let id = id.map_or_else(String::new, |id| format!(" id={id}"));
        (self.lines <= LINES_MAX).then_some(id)
    }
}
