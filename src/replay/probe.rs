//! The probe of a replay: every step of a connection is compared with the record.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::script::SharedScript;
use crate::net::driver::ConnectionId;
use crate::net::probe::{Probe, Seen};
use crate::observe::frame::Frame;

/// The connection that is served now.
pub(super) type CurrentConnection = Rc<Cell<ConnectionId>>;

/// The probe of all connections of a replay.
pub(super) struct ReplayProbe {
    pub(super) script: SharedScript,
    pub(super) current: CurrentConnection,
    states: RefCell<HashMap<ConnectionId, &'static str>>,
}

impl ReplayProbe {
    pub(super) fn new(script: SharedScript, current: CurrentConnection) -> Self {
        Self {
            script,
            current,
            states: RefCell::default(),
        }
    }
}

impl Probe for ReplayProbe {
    fn saw(&self, connection: ConnectionId, step: Seen<'_>) {
        self.current.set(connection);
        let mut script = self.script.borrow_mut();
        match step {
            Seen::Called => {}
            Seen::Used(content, octets) => script.check(&Frame::Used {
                connection,
                content,
                octets,
            }),
            Seen::Left(octets) => script.check(&Frame::Left { connection, octets }),
            Seen::Said(octets) => script.check_said(connection, octets),
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
