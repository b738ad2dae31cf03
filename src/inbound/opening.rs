//! The start of a connection: who the client is, TLS, and the greeting.

use std::rc::Rc;
use std::time::Duration;

use super::connection::{Inbound, InboundStep, InboundTurn, OpeningStage, ends};
use super::proxied;
use super::proxy::{self, Header, ProxySource};
use crate::net::cidr::Cidr;
use crate::net::driver::{Step, Wait};
use crate::net::peer::PeerAddress;
use crate::net::probe::{Content, Seen};
use crate::smtp::event::{CloseReason, Limit};
use crate::smtp::policy::RelayAccess;
use crate::smtp::reply;
use crate::smtp::xclient::{Attributes, XclientAccess};

/// Time for the handshake of TLS: a handful of round trips, with some retransmissions.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

impl Inbound {
    /// Reads the header of a proxy; the client speaks after it.
    pub(super) fn read_proxy_header(
        &mut self,
        input: &mut &[u8],
        turn: &mut InboundTurn<'_>,
    ) -> InboundStep {
        match proxy::read(input) {
            Header::Incomplete if ends(turn.drain, self.session.phase()) => {
                self.abort(CloseReason::Drain, turn)
            }
            Header::Incomplete => Step::Continue,
            Header::Invalid => self.abort_without_header(turn),
            Header::Complete { length, source } => {
                let header = &input[..length];
                turn.shared
                    .tell(turn.id, Seen::Used(Content::Protocol, header));
                *input = &input[length..];
                self.timeouts.progress(turn.now);
                self.stage = OpeningStage::first(self.session.service());
                let client = match source {
                    ProxySource::Address(address) => PeerAddress::from(address),
                    ProxySource::Unix => PeerAddress::Unix,
                    ProxySource::Unknown => turn.peer(),
                };
                self.begin_with(client, turn)
            }
        }
    }

    /// Ends the connection of a proxy that does not say for which client it speaks.
    pub(super) fn abort_without_header(&mut self, turn: &mut InboundTurn<'_>) -> InboundStep {
        log::debug!("conn={} waited_for=ProxyHeader", turn.id);
        self.abort(CloseReason::Error, turn)
    }

    /// Goes on with the client that a trusted peer has named by XCLIENT.
    pub(super) fn begin_anew(
        &mut self,
        named: &Attributes,
        turn: &mut InboundTurn<'_>,
    ) -> InboundStep {
        let xclient_peer = turn.peer();
        let client = proxied::client_of(xclient_peer, named);
        log::debug!("conn={} peer={xclient_peer} client={client}", turn.id);
        self.timeouts.progress(turn.now);
        self.stage = OpeningStage::BeforeGreeting;
        self.begin_with(client, turn)
    }

    /// Begins with this client in a turn of its own, unless there are too many connections from its address.
    fn begin_with(&mut self, client: PeerAddress, turn: &mut InboundTurn<'_>) -> InboundStep {
        let connections_max = turn.shared.rules.limits.connections_per_ip_max;
        if turn.identify(client, connections_max) {
            return Step::Wait(Wait::Turn);
        }
        let reason = CloseReason::Limit(Limit::ConnectionsPerIp);
        if self.stage == OpeningStage::BeforeTls {
            // It could hear of that in TLS only.
            return self.abort(reason, turn);
        }
        self.session.reject(turn.output);
        self.close(reason, turn)
    }

    /// Goes on under TLS, as the client has asked, unless that is not to be had: there were certificates when STARTTLS was offered,
    /// but a reload may have taken them away.
    pub(super) fn accept_tls(&mut self, turn: &mut InboundTurn<'_>) -> Option<InboundStep> {
        if turn.shared.rules.tls.is_none() {
            self.session.refuse(reply::TLS_UNAVAILABLE, turn.output);
            return None;
        }
        self.timeouts.progress(turn.now);
        self.session.start_tls(turn.output);
        Some(self.start_tls(turn))
    }

    /// Begins TLS. After the header of a proxy the client may have sent some of it already; after STARTTLS it has not, or it
    /// would not have come this far.
    pub(super) fn start_tls(&mut self, turn: &mut InboundTurn<'_>) -> InboundStep {
        match &turn.shared.rules.tls {
            Some(tls) => {
                let timeout = HANDSHAKE_TIMEOUT.min(turn.shared.rules.limits.idle_timeout);
                Step::StartTls(Rc::clone(tls), timeout)
            }
            None => self.abort(CloseReason::Error, turn),
        }
    }

    /// Has the engine read once before the greeting: a client that has talked already does not speak SMTP.
    pub(super) fn look_before_greeting(&mut self, turn: &mut InboundTurn<'_>) -> InboundStep {
        self.stage = OpeningStage::Greeting;
        self.open_filters(turn.id, turn.shared);
        Step::Read
    }

    /// Greets the client.
    pub(super) fn greet(&mut self, talked_early: bool, turn: &mut InboundTurn<'_>) {
        self.stage = OpeningStage::Session;
        // As in Postfix, the believed address counts. So no client of a filter can speak for others only because its filter may.
        let peer = turn.peer();
        let access = match peer.ip() {
            Some(ip) if Cidr::any_contains(&turn.shared.rules.xclient_peers, ip) => {
                XclientAccess::Granted
            }
            _ => XclientAccess::Denied,
        };
        let relay_peers = &turn.shared.rules.relay_peers;
        let relay_access = match peer.ip() {
            Some(ip) if Cidr::any_contains(relay_peers, ip) => RelayAccess::Granted,
            _ => RelayAccess::Denied,
        };
        self.session.set_client(proxied::peer(peer), access);
        self.session.set_relay_access(relay_access);
        self.session.greet(talked_early, turn.output);
    }
}
