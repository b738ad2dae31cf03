//! The start of a connection: the end of a dial, and the handshake of TLS.

use std::mem;
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;

use super::{Connection, Lent, Lifecycle, TurnOutcome};
use crate::net::budget::{
    HANDSHAKE_ITERATIONS, HANDSHAKE_STEP_ITERATIONS, RSA_HANDSHAKE_ITERATIONS,
};
use crate::net::driver::{ConnectionFailure, Driver, Wait};
use crate::net::link::{Handshake, HandshakeWork, StartTls};
use crate::net::transport::Transport;

impl<D: Driver, T: Transport> Connection<D, T> {
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
