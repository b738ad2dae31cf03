//! Events that the poll tells a server of.

use super::ServerCore;
use crate::net::channel::Readiness;
use crate::net::token::Token;
use crate::net::transport::Transport;

impl<T: Transport> ServerCore<T> {
    /// Notes an event of a connection, which is served in the next [tick](Self::tick).
    pub fn on_event(&mut self, key: usize, readiness: Readiness) {
        if let Some(probe) = &mut self.probe {
            probe.event(key, readiness);
        }
        self.connections.on_event(key, readiness);
    }

    /// Notes an event of a connection to a mail filter.
    pub fn on_filter_event(&mut self, key: usize, readiness: Readiness) {
        self.filters.on_event(key, readiness);
    }

    /// Notes an event of a connection to a stream, or to a name server for one.
    pub fn on_stream_event(&mut self, token: Token, readiness: Readiness) {
        if let Some(stream) = &mut self.stream {
            stream.on_event(token, readiness);
        }
    }

    /// Notes an event of a connection to another server, or to a name server.
    pub fn on_network_event(&mut self, token: Token, readiness: Readiness) {
        if let Some(outbound) = &mut self.outbound
            && outbound.on_event(token, readiness)
            && let Some(probe) = &mut self.probe
        {
            probe.hop_event(token.key, readiness);
        }
    }
}
