//! The recorder of the core of a server: rules, time, events, newcomers, the steps of a tick.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use super::Recorder;
use super::login::RecordedUsers;
use super::store::RecordedStore;
use super::tls::RecordedTls;
use crate::inbound::{Rejection, Rules};
use crate::net::carrier::Carrier;
use crate::net::channel::Readiness;
use crate::net::connections::TickStep;
use crate::net::driver::ConnectionId;
use crate::net::link::StartTls;
use crate::net::peer::PeerAddress;
use crate::net::probe::Probe;
use crate::observe::frame::Frame;
use crate::observe::rules;
use crate::server::probe::{Client, CoreProbe};
use crate::smtp::login::UserDatabase;
use crate::smtp::policy::Policy;
use crate::store::Store;

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
        let end_text = rules.policy.end_text.clone();
        self.recorder.connections.borrow_mut().end_text = end_text;
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
