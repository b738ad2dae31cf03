//! The metrics of a server, gathered when somebody scrapes them.

use std::mem;
use std::rc::Rc;

use super::core::ServerCore;
use super::measured_store::{MeasuredStore, StoreMetrics};
use crate::http::HttpResponse;
use crate::http::metrics::{Histogram, MetricKind, MetricsText};
use crate::inbound::metrics::ReplyCounts;
use crate::net::transport::Transport;
use crate::smtp::event::CloseReason;
use crate::store::Discard;
#[cfg(feature = "stream")]
use crate::store::stream::deliveries::DeliveryCounts;
#[cfg(feature = "stream")]
use crate::store::stream::publisher::StreamCounts;

impl<T: Transport> ServerCore<T> {
    /// Has the store measured and replies counted from now on; nobody pays for it before.
    pub fn measure(&mut self) -> Rc<StoreMetrics> {
        let metrics = Rc::new(StoreMetrics::default());
        let shared = self.connections.shared_mut();
        let store = mem::replace(&mut shared.store, Box::new(Discard::new()));
        shared.store = Box::new(MeasuredStore::new(store, Rc::clone(&metrics)));
        shared.replies = Some(ReplyCounts::default());
        metrics
    }

    /// All metrics, with those of the store, of ticks, and the number of clients of HTTP.
    pub(super) fn metrics(
        &self,
        store: &StoreMetrics,
        ticks: &Histogram,
        clients: usize,
    ) -> HttpResponse {
        let mut text = MetricsText::default();
        text.family(MetricKind::Info, "mailoop", "The version of the server.");
        text.labelled("mailoop_info", "version", env!("CARGO_PKG_VERSION"), 1);
        self.put_connections(&mut text);
        self.put_mail(store, &mut text);
        #[cfg(feature = "stream")]
        self.put_stream(&mut text);
        text.histogram(
            "mailoop_store_wait_seconds",
            "seconds",
            "How long messages that are complete waited for the store, to the tick.",
            &store.waits,
        );
        text.histogram(
            "mailoop_commit_group_messages",
            "",
            "Messages that the store settled together.",
            &store.groups,
        );
        text.histogram(
            "mailoop_tick_seconds",
            "seconds",
            "How long turns of the loop took, without the wait for events.",
            ticks,
        );
        let help = "Clients of HTTP that are connected.";
        text.family(MetricKind::Gauge, "mailoop_http_clients", help);
        text.sample("mailoop_http_clients", clients);
        text.into_response()
    }

    fn put_connections(&self, text: &mut MetricsText) {
        let (status, shared) = (self.status(Default::default()), self.connections.shared());
        let ended = shared.metrics();
        let name = "mailoop_connections";
        let help = "Connections that have ended, by the reason.";
        text.family(MetricKind::Counter, name, help);
        for (reason, count) in CloseReason::WORDS.iter().zip(ended.closed()) {
            text.labelled("mailoop_connections_total", "reason", reason, count);
        }
        let name = "mailoop_refused_connections";
        let help = "Connections that were not let in; they have ended as well.";
        text.family(MetricKind::Counter, name, help);
        text.sample("mailoop_refused_connections_total", ended.turned_away());
        let name = "mailoop_open_connections";
        text.family(MetricKind::Gauge, name, "Connections that are served.");
        text.sample(name, status.connections);
        let name = "mailoop_waiting_connections";
        text.family(
            MetricKind::Gauge,
            name,
            "Connections that wait for the store.",
        );
        text.sample(name, status.waiting);
        if let Some(queue) = status.queue {
            let name = "mailoop_queue_messages";
            text.family(MetricKind::Gauge, name, "Messages that wait to be sent on.");
            text.sample(name, queue.queued);
            let name = "mailoop_queue_sites_down";
            text.family(MetricKind::Gauge, name, "Sites that take no connections.");
            text.sample(name, queue.sites_down);
        }
        if let Some(outbound) = &self.outbound {
            let name = "mailoop_outgoing_tls_sessions";
            let help =
                "Sessions with other servers by the policy of their TLS and what came of it.";
            text.family(MetricKind::Counter, name, help);
            for (policy, result, count) in outbound.tls_results() {
                let labels = [("policy", policy), ("result", result)];
                text.labelled_twice("mailoop_outgoing_tls_sessions_total", labels, count);
            }
        }
    }

    /// What was published to a stream, or delivered out of it, where the store is behind one.
    #[cfg(feature = "stream")]
    fn put_stream(&self, text: &mut MetricsText) {
        let store = &self.connections.shared().store;
        if let Some(counts) = store.stream_counts() {
            self.put_stream_state(text, counts.is_connected);
            put_published(text, &counts);
        }
        if let Some(counts) = store.delivery_counts() {
            self.put_stream_state(text, counts.is_connected);
            put_delivered(text, &counts);
        }
    }

    /// Whether a stream can be reached, and takes mail or hands it out.
    #[cfg(feature = "stream")]
    fn put_stream_state(&self, text: &mut MetricsText, is_connected: bool) {
        let is_ready = self.store_lost_since().is_none();
        for (name, help, is_so) in [
            (
                "mailoop_stream_connected",
                "Whether there is a connection to a server of the stream.",
                is_connected,
            ),
            (
                "mailoop_stream_ready",
                "Whether the stream takes mail and keeps what it has to, or hands it out.",
                is_ready,
            ),
        ] {
            text.family(MetricKind::Gauge, name, help);
            text.sample(name, u64::from(is_so));
        }
    }

    fn put_mail(&self, store: &StoreMetrics, text: &mut MetricsText) {
        let shared = self.connections.shared();
        let mut metrics = shared.metrics().clone();
        for view in self.connections.views(0..self.connections.keys_end()) {
            metrics.add_open(view.driver.stats(), view.bytes_in, view.bytes_out);
        }
        let help = "Messages that were stored.";
        text.family(MetricKind::Counter, "mailoop_messages", help);
        text.sample("mailoop_messages_total", self.messages_stored());
        text.family(
            MetricKind::Counter,
            "mailoop_replies",
            "Replies by their first digit.",
        );
        let replies = shared.replies.as_ref().map(ReplyCounts::by_class);
        for (class, count) in replies.into_iter().flatten() {
            text.labelled("mailoop_replies_total", "class", class, count);
        }
        let [received, sent] = metrics.octets();
        for (name, total, help, count) in [
            (
                "mailoop_received_octets",
                "mailoop_received_octets_total",
                "Octets that came in from clients that bring mail; in TLS those of the text.",
                received,
            ),
            (
                "mailoop_sent_octets",
                "mailoop_sent_octets_total",
                "Octets that went out to them.",
                sent,
            ),
        ] {
            text.family(MetricKind::Counter, name, help);
            text.sample(total, count);
        }
        let help = "What went wrong, by the reason.";
        text.family(MetricKind::Counter, "mailoop_errors", help);
        let store = ("store", store.failures.get());
        for (reason, count) in metrics.errors().into_iter().chain([store]) {
            text.labelled("mailoop_errors_total", "reason", reason, count);
        }
    }
}

/// What was published to a stream.
#[cfg(feature = "stream")]
fn put_published(text: &mut MetricsText, counts: &StreamCounts) {
    let name = "mailoop_stream_unacknowledged_octets";
    let help = "Octets of records that wait to be acknowledged.";
    text.family(MetricKind::Gauge, name, help);
    text.sample(name, counts.unacknowledged_bytes);
    let name = "mailoop_stream_records";
    let help = "Records of the stream: published first, published again, and acknowledged.";
    text.family(MetricKind::Counter, name, help);
    for (event, count) in [
        ("published", counts.published),
        ("again", counts.again),
        ("acknowledged", counts.acknowledged),
    ] {
        text.labelled("mailoop_stream_records_total", "event", event, count);
    }
    let name = "mailoop_stream_failed_messages";
    let help = "Messages that the stream did not take.";
    text.family(MetricKind::Counter, name, help);
    text.sample("mailoop_stream_failed_messages_total", counts.failed);
}

/// What was delivered out of a stream.
#[cfg(feature = "stream")]
fn put_delivered(text: &mut MetricsText, counts: &DeliveryCounts) {
    let name = "mailoop_deliver_messages";
    let help = "Messages of a stream: delivered, those of them that were handed out before, tries that failed, set aside.";
    text.family(MetricKind::Counter, name, help);
    for (event, count) in [
        ("delivered", counts.delivered),
        ("again", counts.again),
        ("failed", counts.failed),
        ("aside", counts.aside),
    ] {
        text.labelled("mailoop_deliver_messages_total", "event", event, count);
    }
    let name = "mailoop_deliver_waiting_messages";
    let help = "Messages that were handed out and are not acknowledged.";
    text.family(MetricKind::Gauge, name, help);
    text.sample(name, counts.here);
}
