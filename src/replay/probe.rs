//! The probe of a replay: every step of a connection is compared with the record.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::script::SharedScript;
use crate::net::budget::TurnBudget;
use crate::net::driver::ConnectionId;
use crate::net::probe::{Probe, Seen};
use crate::observe::frame::{ClientFrame, Frame};

/// The connection that is served now.
pub(super) type CurrentConnection = Rc<Cell<ConnectionId>>;

/// The probe of all connections of a replay.
pub(super) struct ReplayProbe {
    pub(super) script: SharedScript,
    pub(super) current: CurrentConnection,
    is_alone: bool,
    states: RefCell<HashMap<ConnectionId, &'static str>>,
}

impl ReplayProbe {
    pub(super) fn new(script: SharedScript, current: CurrentConnection, is_alone: bool) -> Self {
        Self {
            script,
            current,
            is_alone,
            states: RefCell::default(),
        }
    }
}

impl Probe for ReplayProbe {
    /// A connection that is alone gets what it had beside the others.
    fn began_turn(&self, connection: ConnectionId, budget: TurnBudget) -> TurnBudget {
        self.current.set(connection);
        let made = Frame::Turn {
            connection,
            at: 0,
            has_work: budget.has_work,
            iterations: budget.iterations,
        };
        let mut script = self.script.borrow_mut();
        let recorded = script.call(&made, |recorded| match *recorded {
            Frame::Turn {
                has_work,
                iterations,
                ..
            } => {
                let recorded = TurnBudget {
                    has_work,
                    iterations,
                };
                (self.is_alone || recorded == budget).then_some(recorded)
            }
            _ => None,
        });
        recorded.unwrap_or(budget)
    }

    /// The rules and their counts are in no record, only what they decided.
    fn decided(&self, connection: ConnectionId, _: Option<String>) -> Option<String> {
        let mut script = self.script.borrow_mut();
        script.pass_states();
        script.take_if(|frame| match *frame {
            Frame::Decided {
                connection: of,
                rule,
            } if of == connection => Some(rule.to_owned()),
            _ => None,
        })
    }

    fn saw(&self, connection: ConnectionId, step: Seen<'_>) {
        self.current.set(connection);
        let mut script = self.script.borrow_mut();
        match step {
            Seen::Served | Seen::Read(_) | Seen::Wrote(_) | Seen::Waits(_) => {}
            Seen::Used(content, octets) => script.check(&Frame::Used {
                connection,
                content,
                octets,
            }),
            Seen::Left(octets) => script.check(&Frame::Left { connection, octets }),
            Seen::Said(octets) => script.check_said(connection, octets),
            Seen::SaidCredentials(octets) => script.check_said(connection, octets),
            Seen::OwnText { left } => {
                script.check(&ClientFrame::OwnText { connection, left }.into());
            }
            Seen::State(name) => {
                if self.states.borrow_mut().insert(connection, name) != Some(name) {
                    script.check(&Frame::State { connection, name });
                }
            }
            Seen::Entered(stage) => script.check(&Frame::Entered { connection, stage }),
            Seen::Closed(reason, bytes_in, bytes_out) => {
                script.check(&Frame::Closed {
                    connection,
                    reason,
                    bytes_in,
                    bytes_out,
                });
                script.forget(connection);
                self.states.borrow_mut().remove(&connection);
            }
        }
    }
}
