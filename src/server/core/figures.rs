//! Figures of a server: what it has settled, and its status.

use std::time::Duration;

use super::{ServerCore, Settled};
use crate::inbound::metrics::ServerStatus;
use crate::net::transport::Transport;

impl<T: Transport> ServerCore<T> {
    /// Counts of what the store has settled so far.
    pub fn settled(&self) -> Settled {
        Settled {
            messages: self.commits.messages,
            questions: self.commits.questions,
            awaiting: self.connections.awaiting(),
        }
    }

    /// What came of TLS with hops: how often, by the names of policy and result.
    pub fn tls_results(&self) -> Vec<(&'static str, &'static str, u64)> {
        let outbound = self.outbound.as_ref();
        outbound.map_or(Vec::new(), |outbound| outbound.tls_results())
    }

    /// The status, `uptime` after the start.
    pub fn status(&self, uptime: Duration) -> ServerStatus {
        ServerStatus {
            connections: self.open(),
            messages: self.messages_stored(),
            waiting: self.connections.awaiting(),
            queue: self.outbound.as_ref().map(|it| it.counts().into()),
            store_lost: self
                .store_lost_since()
                .map(|since| self.connections.now().saturating_duration_since(since)),
            uptime,
        }
    }

    /// Logs the counters of the whole run: of a server those of its connections, of one that delivers out of a stream, which has none,
    /// those of its messages.
    pub fn log_metrics(&self) {
        let shared = self.connections.shared();
        #[cfg(feature = "stream")]
        if let Some(counts) = shared.store.delivery_counts() {
            log::info!("ended {counts}");
            return;
        }
        log::info!("ended {}", shared.metrics());
    }
}
