//! The end of a check: peers that are still there take their leave, so that a server with one client at a time is free for the next
//! check. Nothing of it is judged.

use std::time::{Duration, Instant};

use super::{CheckPlay, PlayOrder};
use crate::judge::verdict::{CheckFailureKind, CheckVerdict};

/// The time for a server to say good-bye. One that is slower finds the end of the connection behind QUIT, which it has to bear; Exim
/// even waits for that, 200 ms, before it answers.
const GOODBYE_MAX: Duration = Duration::from_millis(100);

impl CheckPlay {
    /// Says QUIT on all connections, and closes those that are left after a while.
    pub(super) fn take_leave(&mut self, now: Instant) {
        match self.leaves_by {
            None => {
                // A server that has fallen silent would only be waited for in vain.
                let is_silent = matches!(
                    &self.decided,
                    Some((CheckVerdict::Failed(failure), _)) if failure.kind != CheckFailureKind::Wrong
                );
                let time = if is_silent {
                    Duration::ZERO
                } else {
                    GOODBYE_MAX
                };
                self.leaves_by = Some(now + time);
                let end = format!("\r\n{}\r\n", self.end_line());
                for (number, peer) in &self.peers {
                    if !peer.is_there() || peer.is_connecting() {
                        continue;
                    }
                    let end = if peer.is_in_text() { end.as_str() } else { "" };
                    self.orders.push_back(PlayOrder::Send {
                        peer: *number,
                        octets: format!("{end}QUIT\r\n").into_bytes(),
                    });
                }
            }
            Some(by) => {
                for (number, peer) in &mut self.peers {
                    if peer.is_there() && (now >= by || peer.has_heard_goodbye()) {
                        peer.leaves();
                        self.orders.push_back(PlayOrder::Close { peer: *number });
                    }
                }
            }
        }
    }
}
