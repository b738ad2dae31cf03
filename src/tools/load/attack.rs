//! An attack beside the load, whose numbers then tell how others fare meanwhile.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use super::attack_kind::{AttackEnding, AttackKind, AttackPace};
use super::attacker::{AttackShared, Attacker};
use crate::net::carrier::Carrier;
use crate::net::connections::Connections;
use crate::net::driver::ConnectionId;
use crate::net::token::Token;
use crate::tools::opening::Opening;
use crate::tools::world::{ATTACKER, Call, Dialed, World};

/// The first id of a hostile peer, so that none is that of a connection of the load.
const FIRST_ID: ConnectionId = ConnectionId(1_000_000_000);

/// The hostile peers of a run: always as many, as each that ends is followed by another.
pub(super) struct Attack {
    kind: AttackKind,
    peers_max: usize,
    opening: Rc<Opening>,
    pub(super) connections: Connections<Attacker, Carrier>,
}

impl Attack {
    /// An attack by so many peers at a time.
    pub(super) fn new(
        kind: AttackKind,
        peers_max: usize,
        opening: &Rc<Opening>,
        world: &dyn World,
        now: Instant,
    ) -> Self {
        let mail = Rc::clone(&opening.mail);
        let shared = AttackShared::new(kind.behaviour(0).says, mail, world.probe());
        let mut connections = Connections::new(shared, now);
        connections.number_from(FIRST_ID);
        Self {
            kind,
            peers_max,
            opening: Rc::clone(opening),
            connections,
        }
    }

    /// What the peers do, how many there were, and how many of them ended how.
    pub(super) fn summary(&self) -> (AttackKind, u64, BTreeMap<AttackEnding, u64>) {
        let shared = self.connections.shared();
        (self.kind, shared.begun, shared.endings.clone())
    }

    /// Begins peers in place of those that have ended, at most so many at once.
    pub(super) fn reinforce(&mut self, world: &dyn World, most: usize, now: Instant) {
        let missing = self.peers_max - self.connections.shared().present;
        for _ in 0..missing.min(most) {
            let behaviour = self.kind.behaviour(self.connections.shared().begun);
            let call = Call {
                token: Token::new(ATTACKER, self.connections.next_key()),
                connection: self.connections.next_connection(),
                resets_on_close: behaviour.pace == AttackPace::Abort,
            };
            // The server, or this machine, may be past its limits: that is what an attack is about.
            let Ok(Dialed { transport, peer }) = world.dial(call) else {
                return;
            };
            let shared = self.connections.shared_mut();
            shared.begun += 1;
            shared.present += 1;
            let attacker = Attacker::new(behaviour, &self.opening.hello, now);
            let deadline = now + self.opening.timeout;
            self.connections.dial(transport, attacker, peer, deadline);
        }
    }
}
