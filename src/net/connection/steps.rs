//! The middle of a connection: input is read and offered to the driver, and the steps that the driver asks for are done.

use std::io;
use std::mem;

use super::{Connection, Lent, Lifecycle, TurnOutcome};
use crate::net::driver::{Driver, Step, Wait};
use crate::net::transport::{Read, Transport};

impl<D: Driver, T: Transport> Connection<D, T> {
    /// Offers its driver the input that is kept. A connection that keeps none owns no memory for it.
    pub(super) fn offer_input(&mut self, lent: &mut Lent<'_, D::Shared>) -> Step<D> {
        let kept = mem::take(&mut self.input);
        let mut input = &kept[..];
        let step = self.call(lent, |driver, turn| driver.input(&mut input, turn));
        self.input = if input.len() == kept.len() {
            kept
        } else {
            // A small rest must not hold on to the memory of what it was a part of.
            input.into()
        };
        step
    }

    /// Reads once and offers its driver what came; only what that leaves is copied. `None` at the end of input.
    fn read(&mut self, lent: &mut Lent<'_, D::Shared>) -> io::Result<Option<Step<D>>> {
        let read = self.channel.read(lent.buffer)?;
        let received = read.count();
        lent.work.charge_read(received);
        if read == Read::Eof {
            return Ok(None);
        }
        if !self.input.is_empty() {
            let mut input = mem::take(&mut self.input).into_vec();
            input.extend_from_slice(&lent.buffer[..received]);
            self.input = input.into();
            return Ok(Some(self.offer_input(lent)));
        }
        let buffer = mem::take(&mut lent.buffer);
        let mut input = &buffer[..received];
        let step = self.call(lent, |driver, turn| driver.input(&mut input, turn));
        self.input = input.into();
        lent.buffer = buffer;
        Ok(Some(step))
    }

    /// Goes on after something else than input: what is kept of that comes first.
    pub(super) fn resume(
        &mut self,
        step: Step<D>,
        lent: &mut Lent<'_, D::Shared>,
    ) -> TurnOutcome<D> {
        let step = match step {
            Step::Continue if self.lifecycle == Lifecycle::Open => self.offer_input(lent),
            step => step,
        };
        self.follow(step, lent)
    }

    /// Follows the steps of its driver until that has to wait.
    pub(super) fn follow(
        &mut self,
        mut step: Step<D>,
        lent: &mut Lent<'_, D::Shared>,
    ) -> TurnOutcome<D> {
        // What a driver says after the end changes nothing.
        while self.lifecycle == Lifecycle::Open {
            step = match step {
                Step::Continue => {
                    if !self.channel.is_readable() {
                        return Ok(Wait::Input);
                    }
                    if lent.work.is_spent() {
                        return Ok(Wait::Turn);
                    }
                    if !self.driver.takes_input(lent.shared) {
                        return Ok(Wait::Room);
                    }
                    match self.read(lent)? {
                        Some(step) => step,
                        None => self.call(lent, D::eof),
                    }
                }
                Step::Read => match self.read(lent)? {
                    Some(step) => step,
                    // The peer may have closed its side already; that is met again by the next read.
                    None => self.offer_input(lent),
                },
                Step::Flush => {
                    self.send(lent)?;
                    if self.channel.unsent() == 0 && self.channel.is_writable() {
                        self.offer_input(lent)
                    } else {
                        Step::Continue
                    }
                }
                Step::Wait(Wait::Output) => {
                    self.channel.send(lent.output)?;
                    if self.channel.unsent() > 0 {
                        return Ok(Wait::Input);
                    }
                    self.offer_input(lent)
                }
                Step::Wait(wait) => return Ok(wait),
                Step::StartTls(tls, timeout) => return self.start_tls(&tls, timeout, lent),
                Step::Close(close) => {
                    self.close(close, lent);
                    return Ok(Wait::Input);
                }
            };
        }
        Ok(Wait::Input)
    }
}
