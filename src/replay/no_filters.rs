//! The place of mail filters in a replay, in a build that knows none: a record of them is refused by name.

use super::result::ReplayError;
use super::script::SharedScript;
use super::steps::ReplayCore;
use super::store::ReplayedTexts;
use crate::observe::frame::FilterFrame;

pub(super) use NoFilterInput as FilterInput;

pub(super) struct NoFilterInput;

#[expect(clippy::unnecessary_wraps, reason = "as in a build with filters")]
pub(super) fn input(_: &FilterFrame<'_>) -> Option<NoFilterInput> {
    Some(NoFilterInput)
}

pub(super) fn go_on(
    _: &NoFilterInput,
    _: &mut ReplayCore,
    _: &SharedScript,
    _: &ReplayedTexts,
) -> Result<(), ReplayError> {
    Err(ReplayError::NotBuilt("serve --milter"))
}
