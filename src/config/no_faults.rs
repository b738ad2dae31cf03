//! A build without faults by rule: there is no option for them.

use super::option::ServeOption;
use super::source::{Source, TomlKey, TomlValue};
use super::value::OptionValue;
use crate::exit::Mistakes;

/// The rule of an option.
pub use std::string::String as FaultRule;

pub(super) fn rule(text: &str) -> Result<FaultRule, String> {
    Ok(text.to_owned())
}

pub(super) fn is_begun_by(_: &str) -> bool {
    true
}

pub(super) fn read(
    _: &ServeOption,
    _: &Source<'_>,
    _: &TomlKey<'_>,
    _: &TomlValue<'_>,
    _: &mut Mistakes,
) -> Vec<OptionValue> {
    Vec::new()
}
