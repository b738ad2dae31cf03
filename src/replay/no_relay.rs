//! The place of mail that is sent on in a replay, in a build that sends none: a record of it is refused by name.

use super::probe::CurrentConnection;
use super::result::ReplayError;
use super::script::SharedScript;
use super::steps::ReplayCore;
use crate::net::epoch::Epoch;
use crate::observe::frame::Frame;

pub(super) use NoRelayInput as RelayInput;
pub(super) use NoRelayWorld as ReplayedWorld;

pub(super) struct NoRelayInput;

pub(super) fn input(frame: &Frame<'_>) -> Option<NoRelayInput> {
    matches!(frame, Frame::Relay { .. }).then_some(NoRelayInput)
}

#[expect(dead_code, reason = "as in a build that sends mail on")]
pub(super) struct NoRelayWorld {
    pub(super) script: SharedScript,
    pub(super) current: CurrentConnection,
    pub(super) epoch: Epoch,
}

impl NoRelayWorld {
    #[expect(clippy::unused_self, reason = "as in a build that sends mail on")]
    pub(super) fn go_on(self, _: NoRelayInput, _: &mut ReplayCore) -> Result<(), ReplayError> {
        Err(ReplayError::NotBuilt("serve --route"))
    }
}
