//! An attack beside the load, whose numbers then tell how others fare meanwhile.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::attack_kind::{AttackEnding, AttackKind, AttackPace};
use super::attacker::{AttackShared, Attacker};
use crate::net::connections::Connections;
use crate::net::dialer::Dialer;
use crate::net::engine::dial;
use crate::net::poller::Poller;
use crate::net::socket::Socket;
use crate::smtp::client::Outgoing;
use crate::smtp::envelope::Hello;

/// The hostile peers of a run: always as many, as each that ends is followed by another.
pub(super) struct Attack {
    kind: AttackKind,
    peers_max: usize,
    hello: Hello,
    /// How long a dial may take.
    timeout: Duration,
    pub(super) connections: Connections<Attacker, Socket>,
}

impl Attack {
    /// An attack by so many peers at a time.
    pub(super) fn new(
        kind: AttackKind,
        peers_max: usize,
        hello: Hello,
        mail: Rc<Outgoing>,
        timeout: Duration,
        now: Instant,
    ) -> Self {
        let shared = AttackShared::new(kind.behaviour(0).says, mail);
        Self {
            kind,
            peers_max,
            hello,
            timeout,
            connections: Connections::new(shared, now),
        }
    }

    /// What the peers do, how many there were, and how many of them ended how.
    pub(super) fn summary(&self) -> (AttackKind, u64, BTreeMap<AttackEnding, u64>) {
        let shared = self.connections.shared();
        (self.kind, shared.begun, shared.endings.clone())
    }

    /// Begins peers in place of those that have ended, at most so many at once.
    pub(super) fn reinforce(
        &mut self,
        dialer: &mut Dialer,
        most: usize,
        source: (&Poller, u8),
        now: Instant,
    ) {
        let missing = self.peers_max - self.connections.shared().present;
        for _ in 0..missing.min(most) {
            // The server, or this machine, may be past its limits: that is what an attack is about.
            let Ok(socket) = dialer.dial() else {
                return;
            };
            let shared = self.connections.shared_mut();
            let behaviour = self.kind.behaviour(shared.begun);
            if behaviour.pace == AttackPace::Abort {
                // At worst it closes as others do.
                let _ = socket.reset_on_close();
            }
            shared.begun += 1;
            shared.present += 1;
            let attacker = Attacker::new(behaviour, &self.hello, now);
            let callee = (socket, dialer.peer());
            let deadline = now + self.timeout;
            if dial(&mut self.connections, attacker, callee, source, deadline).is_err() {
                let shared = self.connections.shared_mut();
                shared.begun -= 1;
                shared.present -= 1;
                return;
            }
        }
    }
}
