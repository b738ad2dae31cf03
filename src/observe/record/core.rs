//! The recorder of the core of a server: rules, time, events, newcomers, the steps of a tick.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use super::Recorder;
use super::login::RecordedUsers;
use super::store::RecordedStore;
use super::tls::RecordedTls;
#[cfg(feature = "milter")]
use crate::filters::answers::SessionFilters;
#[cfg(feature = "milter")]
use crate::filters::settings::FilterSettings;
use crate::inbound::{Rejection, Rules};
use crate::net::carrier::Carrier;
use crate::net::channel::Readiness;
use crate::net::connections::TickStep;
use crate::net::driver::ConnectionId;
use crate::net::link::StartTls;
use crate::net::peer::PeerAddress;
use crate::net::probe::Probe;
use crate::observe::frame::Frame;
use crate::observe::mask::DecisiveText;
use crate::observe::rules;
#[cfg(feature = "relay")]
use crate::outbound::{
    dispatcher::RelaySettings, network::Network, queue::Choice, relay::OperatorCommand,
};
use crate::server::probe::{Client, CoreProbe};
use crate::smtp::login::UserDatabase;
use crate::smtp::policy::Policy;
use crate::store::Store;
#[cfg(feature = "relay")]
use crate::store::spool::MailId;

/// The recorder of the core of a server.
pub struct CoreRecorder {
    recorder: Rc<Recorder>,
    users: Option<Rc<dyn UserDatabase>>,
}

impl CoreRecorder {
    /// Records the core of a server with this recorder.
    #[must_use]
    pub fn new(recorder: Rc<Recorder>) -> Self {
        Self {
            recorder,
            users: None,
        }
    }

    fn watched_policy(&self, policy: &Rc<Policy>) -> Rc<Policy> {
        let Some(users) = policy.users() else {
            return Rc::clone(policy);
        };
        let users: Rc<dyn UserDatabase> = Rc::new(RecordedUsers {
            inner: users,
            recorder: Rc::clone(&self.recorder),
        });
        Rc::new(Policy {
            users: RefCell::new(Some(users)),
            ..Policy::clone(policy)
        })
    }

    /// Whether this connection is recorded from here on.
    fn begins(&self, client: &Client) -> bool {
        let is_recorded = self.recorder.records(client.peer);
        if is_recorded {
            self.recorder
                .connections
                .borrow_mut()
                .add(client.connection);
        }
        is_recorded
    }
}

impl CoreProbe for CoreRecorder {
    fn began(&mut self, now: Instant) {
        self.recorder.begin(now);
    }

    fn rules(&mut self, rules: Rules) -> Rules {
        let mut octets = Vec::new();
        rules::put(&rules, &mut octets);
        let users = rules.policy.users();
        self.recorder.put(&Frame::Rules {
            rules: &octets,
            same_users: users == self.users,
        });
        self.users = users;
        let policy = &rules.policy;
        self.recorder.connections.borrow_mut().decisive = DecisiveText {
            end_text: policy.end_text.clone(),
            own_name: policy.routes.as_ref().map(|_| policy.hostname.clone()),
        };
        let tls = rules.tls.map(|inner| {
            let recorder = Rc::clone(&self.recorder);
            Rc::new(RecordedTls { inner, recorder }) as Rc<dyn StartTls>
        });
        Rules {
            policy: self.watched_policy(&rules.policy),
            tls,
            ..rules
        }
    }

    fn store(&mut self, store: Box<dyn Store>) -> Box<dyn Store> {
        Box::new(RecordedStore::new(store, Rc::clone(&self.recorder)))
    }

    fn of_connections(&self) -> Option<Rc<dyn Probe>> {
        Some(Rc::clone(&self.recorder) as Rc<dyn Probe>)
    }

    fn time(&mut self, now: Instant, wall: SystemTime) {
        self.recorder.saw_tick(now, wall);
    }

    fn event(&mut self, key: usize, readiness: Readiness) {
        self.recorder.saw_event(key, readiness);
    }

    fn added(&mut self, key: usize, client: Client) {
        if self.begins(&client) {
            self.recorder.put(&Frame::Added {
                key,
                connection: client.connection,
                service: client.service,
                peer: client.peer,
                short_read_drains: client.short_read_drains,
            });
        }
    }

    fn refused(&mut self, client: Client, why: Rejection) {
        if self.begins(&client) {
            self.recorder.put(&Frame::Refused {
                connection: client.connection,
                service: client.service,
                peer: client.peer,
                why,
                short_read_drains: client.short_read_drains,
            });
        }
    }

    fn drain_asked(&mut self) {
        self.recorder.put(&Frame::Drain {});
    }

    fn step(&mut self, step: TickStep) {
        self.recorder.saw_step(step);
    }

    fn tick_ended(&mut self, wake: Option<Instant>) {
        self.recorder.saw_tick_end(wake);
    }

    fn carry(
        &mut self,
        transport: Carrier,
        connection: ConnectionId,
        peer: PeerAddress,
    ) -> Carrier {
        if self.recorder.records(peer) {
            self.recorder.carry(transport, connection)
        } else {
            transport
        }
    }

    #[cfg(feature = "relay")]
    fn relay_settings(
        &mut self,
        settings: RelaySettings,
        now: Instant,
        wall: SystemTime,
    ) -> RelaySettings {
        match self.recorder.is_whole() {
            true => self.recorder.relay_settings(settings, now, wall),
            false => settings,
        }
    }

    #[cfg(feature = "relay")]
    fn network(&mut self, network: Box<dyn Network<Carrier>>) -> Box<dyn Network<Carrier>> {
        match self.recorder.is_whole() {
            true => self.recorder.watched_network(network),
            false => network,
        }
    }

    #[cfg(feature = "milter")]
    fn filter_settings(&mut self, settings: Option<&FilterSettings>) {
        self.recorder.filter_settings(settings);
    }

    #[cfg(feature = "milter")]
    fn filters(&mut self, filters: Box<dyn SessionFilters>) -> Box<dyn SessionFilters> {
        self.recorder.watched_filters(filters)
    }

    #[cfg(feature = "relay")]
    fn of_hops(&self) -> Option<Rc<dyn Probe>> {
        let probe = Rc::clone(&self.recorder) as Rc<dyn Probe>;
        Some(probe).filter(|_| self.recorder.is_whole())
    }

    #[cfg(feature = "relay")]
    fn hop_event(&mut self, key: usize, readiness: Readiness) {
        if self.recorder.is_whole() {
            self.recorder.saw_hop_event(key, readiness);
        }
    }

    #[cfg(feature = "relay")]
    fn queue_command(&mut self, command: OperatorCommand, mail: MailId, whom: Choice<'_>) {
        if self.recorder.is_whole() {
            self.recorder.saw_command(command, mail, whom);
        }
    }

    #[cfg(feature = "relay")]
    fn relay_tick_ended(&mut self, wake: Option<Instant>, queued: usize) {
        if self.recorder.is_whole() {
            self.recorder.saw_relay_tick(wake, queued);
        }
    }

    fn next_wake(&self, now: Instant) -> Option<Instant> {
        self.recorder.next_wake(now)
    }

    fn poll(&mut self) {
        self.recorder.flush();
    }
}

impl Drop for CoreRecorder {
    fn drop(&mut self) {
        self.recorder.end();
    }
}
