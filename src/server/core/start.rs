//! The start of a server without its poll.

#[cfg(feature = "catch")]
use std::rc::Rc;
use std::time::Instant;

use super::{Commits, ServerCore, StoreChannels};
use crate::inbound::{Inbound, Rules, Shared};
use crate::net::connections::Connections;
use crate::net::transport::Transport;
use crate::server::filters::ServerFilters;
use crate::server::probe::CoreProbe;
#[cfg(feature = "http")]
use crate::server::probe::observers::ObserverId;
#[cfg(feature = "catch")]
use crate::server::transcripts::Transcripts;
use crate::store::Store;

impl<T: Transport> ServerCore<T> {
    /// A server without connections, which nobody watches.
    pub fn new(rules: Rules, store: Box<dyn Store>, now: Instant) -> Self {
        Self::of(Shared::new(rules, store), None, now)
    }

    /// A server without connections, which `probe` watches.
    pub fn watched(
        rules: Rules,
        store: Box<dyn Store>,
        now: Instant,
        mut probe: Box<dyn CoreProbe>,
    ) -> Self {
        probe.began(now);
        let mut shared = Shared::new(probe.rules(rules), probe.store(store));
        shared.probe = probe.of_connections();
        Self::of(shared, Some(probe), now)
    }

    fn of(shared: Shared, probe: Option<Box<dyn CoreProbe>>, now: Instant) -> Self {
        let lingering_max = shared.rules.limits.lingering_max;
        let mut connections: Connections<Inbound, T> = Connections::new(shared, now);
        connections.set_lingering_max(lingering_max);
        let mut store_channels = StoreChannels::default();
        store_channels.open(&mut *connections.shared_mut().store);
        let core = Self {
            connections,
            ticks: 0,
            probe,
            #[cfg(feature = "http")]
            last_observer: ObserverId::default(),
            commits: Commits::default(),
            store_channels,
            is_exchange_pending: false,
            has_unsent: false,
            drain_end: None,
            outbound: None,
            stream: None,
            filters: ServerFilters::none(),
        };
        core.with_transcripts()
    }

    /// Writes down what is said, where the store has an inbox to keep it in.
    #[cfg(feature = "catch")]
    fn with_transcripts(mut self) -> Self {
        let inbox = self.connections.shared_mut().store.inbox();
        let sessions = inbox.map(|inbox| Rc::clone(inbox.session_log()));
        if let Some(sessions) = sessions {
            self.watch(Box::new(Transcripts::new(sessions)));
        }
        self
    }

    #[cfg(not(feature = "catch"))]
    fn with_transcripts(self) -> Self {
        self
    }
}
