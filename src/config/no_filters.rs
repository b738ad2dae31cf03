//! A build without mail filters: there is no option for one.

use super::parts::SettingsReader;
use super::settings::Settings;

/// Values that nobody can give.
pub mod values {
    pub use std::string::String as FilterAddress;

    pub use NoFilterDefault as FilterDefault;

    /// What holds where a filter cannot be asked: there is none.
    #[derive(Clone, Copy, Debug)]
    pub struct NoFilterDefault;

    pub(in crate::config) fn address(text: &str) -> Result<FilterAddress, String> {
        Ok(text.to_owned())
    }

    pub(in crate::config) fn default_action(_: &str) -> Result<NoFilterDefault, String> {
        Ok(NoFilterDefault)
    }
}

pub use NoFilterConfig as FilterConfig;

/// What nobody can decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoFilterConfig {}

pub(super) fn read(_: &mut SettingsReader<'_>) -> Option<NoFilterConfig> {
    None
}

pub(super) fn warn_without_filter(_: &Settings) -> Option<String> {
    None
}
