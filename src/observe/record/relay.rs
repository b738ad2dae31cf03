//! The recorder of mail that is sent on: its settings, the network, commands of the operator, its tick.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::Recorder;
use super::client_login::RecordedCredentials;
use super::tls::RecordedTls;
use crate::net::carrier::Carrier;
use crate::net::channel::Readiness;
use crate::net::driver::ConnectionId;
use crate::net::endpoint::SocketAddress;
use crate::net::link::StartTls;
use crate::net::peer::PeerAddress;
use crate::net::token::Token;
use crate::net::transport::Transport;
use crate::net::trust::{Trust, TrustError};
use crate::observe::frame::RelayFrame;
use crate::observe::names::{kind_code, name_code};
use crate::observe::outcome::NameCode;
use crate::observe::relay::{command_code, index_octets, put_settings};
use crate::outbound::connectors::HopConnectors;
use crate::outbound::dispatcher::RelaySettings;
use crate::outbound::dns::answer::{NameAnswer, NameQuestion, NameResult, NameTicket};
use crate::outbound::hop::{HopSecurity, HopSettings, HopTls};
use crate::outbound::mx::connect::CommonConnectors;
use crate::outbound::network::Network;
use crate::outbound::queue::Choice;
use crate::outbound::relay::OperatorCommand;
use crate::outbound::sites::SiteHop;
use crate::smtp::client::ClientCredentials;
use crate::store::spool::MailId;

impl Recorder {
    /// Records the settings, and stands around the TLS and the logins in them.
    pub(super) fn relay_settings(
        self: &Rc<Self>,
        mut settings: RelaySettings,
        now: Instant,
        wall: SystemTime,
    ) -> RelaySettings {
        let mut octets = Vec::new();
        put_settings(&settings, &mut octets);
        let wall = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.put_relay(RelayFrame::Settings {
            now: self.since_start(now),
            wall: u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX),
            settings: &octets,
        });
        for hops in settings.routed.hops.values_mut() {
            *hops = hops.iter().map(|hop| self.watched_hop(hop)).collect();
        }
        settings.mx.connectors = settings.mx.connectors.map(|inner| {
            let recorder = Rc::clone(self);
            let watched: Box<dyn HopConnectors> = Box::new(RecordedConnectors { inner, recorder });
            Rc::new(RefCell::new(watched))
        });
        settings
    }

    fn watched_hop(self: &Rc<Self>, hop: &SiteHop) -> SiteHop {
        let settings = &hop.settings;
        let security = match &settings.security {
            HopSecurity::Clear => HopSecurity::Clear,
            HopSecurity::May(tls) => HopSecurity::May(self.watched_tls(tls)),
            HopSecurity::Encrypt(tls) => HopSecurity::Encrypt(self.watched_tls(tls)),
            HopSecurity::Verify(tls, login) => {
                let login = login.as_ref().map(|inner| self.watched_login(inner));
                HopSecurity::Verify(self.watched_tls(tls), login)
            }
        };
        SiteHop {
            settings: Rc::new(HopSettings {
                security,
                ..HopSettings::clone(settings)
            }),
            ..hop.clone()
        }
    }

    fn watched_tls(self: &Rc<Self>, tls: &HopTls) -> HopTls {
        let connector = self.watched_connector(Rc::clone(&tls.connector));
        HopTls { connector, ..*tls }
    }

    fn watched_connector(self: &Rc<Self>, inner: Rc<dyn StartTls>) -> Rc<dyn StartTls> {
        let recorder = Rc::clone(self);
        Rc::new(RecordedTls { inner, recorder })
    }

    fn watched_login(
        self: &Rc<Self>,
        inner: &Rc<dyn ClientCredentials>,
    ) -> Rc<dyn ClientCredentials> {
        let (inner, recorder) = (Rc::clone(inner), Rc::clone(self));
        Rc::new(RecordedCredentials { inner, recorder })
    }

    /// Stands around the network.
    pub(super) fn watched_network(
        self: &Rc<Self>,
        inner: Box<dyn Network<Carrier>>,
    ) -> Box<dyn Network<Carrier>> {
        let recorder = Rc::clone(self);
        Box::new(RecordedNetwork { inner, recorder })
    }

    pub(super) fn saw_hop_event(&self, key: usize, readiness: Readiness) {
        self.put_relay(RelayFrame::Event { key, readiness });
    }

    pub(super) fn saw_command(&self, command: OperatorCommand, mail: MailId, whom: Choice<'_>) {
        let only = match whom {
            Choice::All => None,
            Choice::Only(indices) => Some(index_octets(indices)),
        };
        self.put_relay(RelayFrame::Command {
            command: command_code(command),
            mail: mail.queue_id().as_str(),
            recipients: only.as_deref(),
        });
    }

    pub(super) fn saw_relay_tick(&self, wake: Option<Instant>, queued: usize) {
        let wake = wake.map(|wake| self.since_start(wake));
        self.put_relay(RelayFrame::TickEnd { wake, queued });
    }
}

/// TLS with hosts that domains name, which is recorded.
struct RecordedConnectors {
    inner: CommonConnectors,
    recorder: Rc<Recorder>,
}

impl HopConnectors for RecordedConnectors {
    fn connector(&mut self, host: &str, trust: &Trust) -> Result<Rc<dyn StartTls>, TrustError> {
        let inner = self.inner.borrow_mut().connector(host, trust)?;
        Ok(self.recorder.watched_connector(inner))
    }
}

/// A network whose connections and answers are recorded.
struct RecordedNetwork {
    inner: Box<dyn Network<Carrier>>,
    recorder: Rc<Recorder>,
}

impl Network<Carrier> for RecordedNetwork {
    fn dial(
        &mut self,
        address: &SocketAddress,
        key: usize,
        connection: ConnectionId,
    ) -> io::Result<(Carrier, PeerAddress)> {
        let dialed = self.inner.dial(address, key, connection);
        let begun = dialed.as_ref().ok();
        self.recorder.put_relay(RelayFrame::Dialed {
            key,
            connection,
            address: &address.to_string(),
            short_read_drains: begun.is_some_and(|(transport, _)| transport.short_read_drains()),
            result: dialed.as_ref().map(|(_, peer)| *peer).map_err(Into::into),
        });
        let (transport, peer) = dialed?;
        self.recorder.connections.borrow_mut().add(connection);
        Ok((self.recorder.carry(transport, connection), peer))
    }

    fn look_up(&mut self, question: &NameQuestion, now: Instant) -> NameAnswer {
        let answer = self.inner.look_up(question, now);
        let mut octets = Vec::new();
        let (ticket, code) = match &answer {
            NameAnswer::Now(answer) => (None, name_code(answer, &mut octets)),
            NameAnswer::Later(ticket) => (Some(ticket.0), NameCode::Later),
        };
        self.recorder.put_relay(RelayFrame::LookedUp {
            kind: kind_code(question.kind),
            name: &question.name,
            ticket,
            answer: code,
        });
        answer
    }

    fn take_answers(&mut self) -> Vec<(NameTicket, NameResult)> {
        let answers = self.inner.take_answers();
        for (ticket, answer) in &answers {
            let mut octets = Vec::new();
            self.recorder.put_relay(RelayFrame::NameAnswered {
                ticket: ticket.0,
                answer: name_code(answer, &mut octets),
            });
        }
        answers
    }

    fn on_event(&mut self, token: Token, readiness: Readiness) -> bool {
        self.inner.on_event(token, readiness)
    }

    fn tick(&mut self, now: Instant) {
        self.inner.tick(now);
    }

    fn next_wake(&self) -> Option<Instant> {
        self.inner.next_wake()
    }
}
