//! The world around the loop of a client in a replay: all of it comes from the record.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Instant;

use crate::net::carrier::Carrier;
use crate::net::channel::Readiness;
use crate::net::connections::TickStep;
use crate::net::epoch::Epoch;
use crate::net::peer::PeerAddress;
use crate::net::probe::Probe;
use crate::net::token::Token;
use crate::observe::frame::{ClientFrame, Frame};
use crate::observe::record::client::{key_of, token_of};
use crate::replay::probe::{CurrentConnection, ReplayProbe};
use crate::replay::result::{ReplayError, Replayed, TIME_MAX};
use crate::replay::script::SharedScript;
use crate::replay::transport::ReplayTransport;
use crate::tools::world::{Call, Dialed, World};

/// The world around the loop of a client in a replay.
pub(super) struct ReplayWorld {
    script: SharedScript,
    probe: Rc<ReplayProbe>,
    epoch: Epoch,
    now: Cell<Instant>,
    /// Whether there was a tick.
    has_begun: Cell<bool>,
    connections: Cell<u64>,
}

impl ReplayWorld {
    pub(super) fn new(script: &SharedScript, current: CurrentConnection) -> Self {
        let epoch = Epoch(Instant::now());
        Self {
            script: Rc::clone(script),
            probe: Rc::new(ReplayProbe::new(Rc::clone(script), current, false)),
            epoch,
            now: Cell::new(epoch.0),
            has_begun: Cell::new(false),
            connections: Cell::new(0),
        }
    }

    /// Ends the replay where the loop of the client has ended, or has nothing more to go on.
    fn end(&self, replayed: &str) {
        let mut script = self.script.borrow_mut();
        let end = script.take_if(|frame| matches!(frame, Frame::End { .. }).then_some(()));
        if end.is_some() {
            script.finish();
        } else if !script.is_over() {
            script.differ(replayed);
            script.stop();
        }
    }

    /// The result, once the loop of the client has ended.
    pub(super) fn finish(&self) -> Result<Replayed, ReplayError> {
        self.end("the end");
        self.script.borrow_mut().result(self.connections.get())
    }
}

impl World for ReplayWorld {
    fn now(&self) -> Instant {
        let made = ClientFrame::Clock { now: 0 };
        let now = self
            .script
            .borrow_mut()
            .call_client(made, |recorded| match *recorded {
                ClientFrame::Clock { now } if now <= TIME_MAX => Some(now),
                _ => None,
            });
        if let Some(now) = now {
            self.now.set(self.epoch.instant(now));
        }
        self.now.get()
    }

    fn poll(&self, wake: Option<Instant>) -> io::Result<Instant> {
        let own = wake.map(|wake| self.epoch.count(wake));
        let mut script = self.script.borrow_mut();
        if self.has_begun.replace(true) {
            script.check_tick_end(own, false);
        }
        let tick = script.take_if(|frame| match *frame {
            Frame::Tick { number, now, .. } if now <= TIME_MAX => Some((number, now)),
            _ => None,
        });
        let Some((number, now)) = tick else {
            drop(script);
            self.end("the wait for events");
            return Err(ErrorKind::UnexpectedEof.into());
        };
        script.begin_tick(number);
        self.now.set(self.epoch.instant(now));
        Ok(self.now.get())
    }

    fn events(&self, tell: &mut dyn FnMut(Token, Readiness)) {
        loop {
            let event = self.script.borrow_mut().take_if(|frame| match *frame {
                Frame::Event { key, readiness } => Some((token_of(key)?, readiness)),
                _ => None,
            });
            match event {
                Some((token, readiness)) => tell(token, readiness),
                None => return,
            }
        }
    }

    fn dial(&self, call: Call) -> io::Result<Dialed> {
        let own = (key_of(call.token), call.connection, call.resets_on_close);
        let made = ClientFrame::Dialed {
            key: own.0,
            connection: own.1,
            resets_on_close: own.2,
            peer: PeerAddress::Unknown,
            short_read_drains: false,
            result: Ok(()),
        };
        let dialed = self
            .script
            .borrow_mut()
            .call_client(made, |recorded| match *recorded {
                ClientFrame::Dialed {
                    key,
                    connection,
                    resets_on_close,
                    peer,
                    short_read_drains,
                    result,
                } if (key, connection, resets_on_close) == own => {
                    Some((peer, short_read_drains, result))
                }
                _ => None,
            });
        let Some((peer, short_read_drains, result)) = dialed else {
            return Err(ErrorKind::UnexpectedEof.into());
        };
        result?;
        self.connections.set(self.connections.get() + 1);
        let transport = ReplayTransport {
            connection: call.connection,
            short_read_drains,
            script: Rc::clone(&self.script),
        };
        Ok(Dialed {
            transport: Carrier::Watched(Box::new(transport)),
            peer,
        })
    }

    fn next_address(&self) -> bool {
        let made = ClientFrame::NextAddress { is_there: false };
        let is_there = self
            .script
            .borrow_mut()
            .call_client(made, |recorded| match *recorded {
                ClientFrame::NextAddress { is_there } => Some(is_there),
                _ => None,
            });
        is_there.unwrap_or(false)
    }

    fn signals(&self) -> u32 {
        let mut script = self.script.borrow_mut();
        let signals = script.take_if(|frame| match *frame {
            Frame::Client {
                frame: ClientFrame::Signals { count },
            } => Some(count),
            _ => None,
        });
        signals.unwrap_or(0)
    }

    fn step(&self, step: TickStep) {
        self.script.borrow_mut().check_step(step);
    }

    fn probe(&self) -> Option<Rc<dyn Probe>> {
        Some(Rc::clone(&self.probe) as Rc<dyn Probe>)
    }
}
