//! The start of a connection: accepted or dialed, and the handshake of TLS.

use std::mem;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::{Connection, Lent, Lifecycle, TurnOutcome};
use crate::net::budget::{
    HANDSHAKE_ITERATIONS, HANDSHAKE_STEP_ITERATIONS, RSA_HANDSHAKE_ITERATIONS,
};
use crate::net::channel::Channel;
use crate::net::driver::{ConnectionFailure, ConnectionId, Driver, Wait};
use crate::net::epoch::Epoch;
use crate::net::link::{Handshake, HandshakeWork, StartTls};
use crate::net::peer::PeerAddress;
use crate::net::transport::Transport;

impl<D: Driver, T: Transport> Connection<D, T> {
    /// A connection that was accepted. One whose peer has yet to name its client is not identified.
    pub(in crate::net) fn accepted(
        id: ConnectionId,
        transport: T,
        driver: D,
        peer: PeerAddress,
        is_identified: bool,
        now: Instant,
    ) -> Self {
        Self {
            is_identified,
            ..Self::over(Channel::new(transport), id, driver, peer, now)
        }
    }

    fn over(
        channel: Channel<T>,
        id: ConnectionId,
        driver: D,
        peer: PeerAddress,
        now: Instant,
    ) -> Self {
        Self {
            id,
            peer,
            is_identified: true,
            channel,
            driver,
            lifecycle: Lifecycle::Open,
            is_gone: false,
            turns: 0,
            reason: None,
            input: Box::default(),
            opened: Epoch(now),
            until: 0,
        }
    }

    /// A connection that is being established, until `deadline` at the latest.
    pub(in crate::net) fn dialing(
        id: ConnectionId,
        transport: T,
        driver: D,
        peer: PeerAddress,
        now: Instant,
        deadline: Instant,
    ) -> Self {
        let mut connection = Self {
            lifecycle: Lifecycle::Dialing,
            ..Self::over(Channel::connecting(transport), id, driver, peer, now)
        };
        connection.end_stage_at(deadline);
        connection
    }

    /// The socket has told something: either there is a peer now, or there will be none.
    pub(super) fn finish_dial(&mut self, lent: &mut Lent<'_, D::Shared>) -> TurnOutcome<D> {
        match self.channel.is_connected() {
            Ok(true) => {
                self.enter(Lifecycle::Open, lent);
                let step = self.call(lent, D::opened);
                self.follow(step, lent)
            }
            Ok(false) => {
                self.follow_drain(lent);
                Ok(Wait::Input)
            }
            Err(error) => {
                self.fail(ConnectionFailure::Dial(error), lent);
                Ok(Wait::Input)
            }
        }
    }

    /// Begins TLS: from here on nothing is in the clear but what was said already.
    pub(super) fn start_tls(
        &mut self,
        tls: &Rc<dyn StartTls>,
        timeout: Duration,
        lent: &mut Lent<'_, D::Shared>,
    ) -> TurnOutcome<D> {
        self.channel.send(lent.output)?;
        let early = BytesMut::from(&*mem::take(&mut self.input));
        self.channel.begin_tls(&**tls, early)?;
        self.enter(Lifecycle::Handshaking, lent);
        self.end_stage_at(lent.now + timeout);
        self.shake_hands(lent)
    }

    /// Reads until the handshake is done, as far as there are iterations for what it computes.
    pub(super) fn shake_hands(&mut self, lent: &mut Lent<'_, D::Shared>) -> TurnOutcome<D> {
        while self.channel.is_readable() && *lent.iterations > 0 && !lent.work.is_spent() {
            lent.work.charge_io(0);
            let step = self.channel.handshake();
            *lent.iterations = lent.iterations.saturating_sub(iterations_of(step.work));
            match step.outcome {
                Ok(Handshake::Progress | Handshake::WouldBlock) => {}
                Ok(Handshake::Done(facts)) => {
                    self.enter(Lifecycle::Open, lent);
                    let step = self.call(lent, |driver, turn| driver.secured(&facts, turn));
                    return self.resume(step, lent);
                }
                Err(error) => {
                    self.fail(ConnectionFailure::Handshake(error), lent);
                    return Ok(Wait::Input);
                }
            }
        }
        let is_over = self.follow_drain(lent);
        Ok(if !is_over && self.channel.is_readable() {
            Wait::Cpu
        } else {
            Wait::Input
        })
    }

    /// Ends a connection that is not established yet, where its driver says so in a drain; whether it did.
    fn follow_drain(&mut self, lent: &mut Lent<'_, D::Shared>) -> bool {
        let reason = self.call(lent, D::drained);
        let is_over = reason.is_some();
        if is_over {
            self.reason = reason;
            self.abort(lent);
        }
        is_over
    }
}

/// Counts a step of a handshake as iterations of key derivation, of which a tick has so many.
fn iterations_of(work: HandshakeWork) -> u32 {
    match work {
        HandshakeWork::None => 0,
        HandshakeWork::Symmetric => HANDSHAKE_STEP_ITERATIONS,
        HandshakeWork::Signature => HANDSHAKE_ITERATIONS,
        HandshakeWork::RsaSignature => RSA_HANDSHAKE_ITERATIONS,
    }
}
