//! The middle of a connection: input is read and offered to the driver, and the steps that the driver asks for are done.

use std::io;
use std::mem;
use std::ops::ControlFlow;

use super::{Connection, Lent, Lifecycle, TurnOutcome};
use crate::net::driver::{Driver, Step, Turn, Wait};
use crate::net::transport::{Read, Transport};

/// The most octets of a driver's own text that are written before it is given input, and others their turns.
const WRITE_BYTES_MAX: usize = 64 * 1024;

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
        lent.work.charge_io(received);
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
        debug_assert_eq!(
            self.lifecycle,
            Lifecycle::Open,
            "only who is served goes on"
        );
        let step = match step {
            Step::Continue => self.offer_input(lent),
            step => step,
        };
        self.follow(step, lent)
    }

    /// Writes its output. Its driver goes on once all is written; one that `reads` meanwhile goes on with input as well.
    fn write_on(
        &mut self,
        reads: bool,
        lent: &mut Lent<'_, D::Shared>,
    ) -> io::Result<ControlFlow<Wait<D::Ticket>, Step<D>>> {
        // A driver that always has more to say would never leave the others a turn.
        lent.work
            .charge_io(self.channel.unsent() + lent.output.len());
        let is_sent = self.send(lent)?;
        let is_all = self.channel.unsent() == 0;
        // Input comes first: a driver that always has more to say would else never read.
        let may_read = !is_all || !self.channel.is_writable() || self.channel.is_readable();
        Ok(if !is_sent || reads && may_read {
            ControlFlow::Continue(Step::Continue)
        } else if !is_all {
            ControlFlow::Break(Wait::Output)
        } else if lent.work.is_spent() {
            ControlFlow::Break(Wait::Turn)
        } else {
            ControlFlow::Continue(self.offer_input(lent))
        })
    }

    /// Writes its output, and after it a part of the text that its driver holds ready; what its driver says to that, if any of
    /// the text was written.
    fn write_part(&mut self, lent: &mut Lent<'_, D::Shared>) -> io::Result<Option<Step<D>>> {
        let output = self.channel.unsent() + lent.output.len();
        let mut written = 0;
        // Where output is left unsent there is no room, and no text comes before it.
        if self.send(lent)? {
            let text = self.driver.unwritten();
            let part = &text[..text.len().min(WRITE_BYTES_MAX)];
            let write = self.channel.write(part);
            written = self.unless_given_up(write)?.unwrap_or(0);
        }
        lent.work.charge_io(output + written);
        let wrote = |driver: &mut D, turn: &mut Turn<'_, _>| driver.wrote(written, turn);
        Ok((written > 0).then(|| self.call(lent, wrote)))
    }

    /// Writes text that its driver holds ready; one that `reads` meanwhile goes on with input as well.
    fn write_text(
        &mut self,
        reads: bool,
        lent: &mut Lent<'_, D::Shared>,
    ) -> io::Result<ControlFlow<Wait<D::Ticket>, Step<D>>> {
        let reads = reads || D::READS_AFTER_FAILED_WRITE;
        let step = self.write_part(lent)?;
        let has_more = matches!(step, Some(Step::Write | Step::WriteOut));
        // Input comes first here as well.
        let may_read = reads && (!self.channel.is_writable() || self.channel.is_readable());
        Ok(match step {
            Some(_) if has_more && may_read => ControlFlow::Continue(Step::Continue),
            Some(_) if has_more && lent.work.is_spent() => ControlFlow::Break(Wait::Turn),
            Some(step) => ControlFlow::Continue(step),
            // An event of input calls it in vain, and it returns the same.
            None if !reads && !self.driver.unwritten().is_empty() => {
                ControlFlow::Break(Wait::Input)
            }
            None => ControlFlow::Continue(Step::Continue),
        })
    }

    /// Follows the steps of its driver until that has to wait.
    pub(super) fn follow(
        &mut self,
        mut step: Step<D>,
        lent: &mut Lent<'_, D::Shared>,
    ) -> TurnOutcome<D> {
        let mut has_looked = false;
        // What a driver says after the end changes nothing.
        while self.lifecycle == Lifecycle::Open {
            step = match step {
                Step::Continue | Step::Read | Step::Wait(Wait::Input)
                    if self.is_held_back(lent) =>
                {
                    Step::Wait(Wait::Output)
                }
                // A second read in one turn looks no further than any: without an event there is nothing new.
                Step::Read if !has_looked => {
                    has_looked = true;
                    match self.read(lent)? {
                        Some(step) => step,
                        // The peer may have closed its side already; that is met again by the next read.
                        None => self.offer_input(lent),
                    }
                }
                Step::Continue | Step::Read | Step::Wait(Wait::Input) => {
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
                        None => match self.call(lent, D::eof) {
                            // It stays, though nothing will come: only an event, its deadline or an answer moves it.
                            Step::Continue | Step::Read => return Ok(Wait::Input),
                            Step::Flush | Step::Write | Step::WriteOut
                                if !self.channel.is_writable() =>
                            {
                                return Ok(Wait::Input);
                            }
                            step => step,
                        },
                    }
                }
                Step::Flush | Step::Wait(Wait::Output) => {
                    match self.write_on(matches!(step, Step::Flush), lent)? {
                        ControlFlow::Continue(step) => step,
                        ControlFlow::Break(wait) => return Ok(wait),
                    }
                }
                Step::Write | Step::WriteOut => {
                    match self.write_text(matches!(step, Step::Write), lent)? {
                        ControlFlow::Continue(step) => step,
                        ControlFlow::Break(wait) => return Ok(wait),
                    }
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
