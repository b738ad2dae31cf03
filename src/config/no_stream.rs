//! A build that keeps no mail in a stream: there is no option for one.

use super::parts::SettingsReader;
use super::settings::Settings;

/// The address of a stream, as a value of an option.
pub mod values {
    use std::time::Duration;

    /// The address of a stream.
    pub use std::string::String as StreamTarget;

    pub(in crate::config) fn target(text: &str) -> Result<StreamTarget, String> {
        Ok(text.to_owned())
    }

    pub(in crate::config) fn ack_wait(_: &str) -> Result<Duration, String> {
        Ok(Duration::ZERO)
    }
}

pub use NoStreamConfig as StreamConfig;

/// What nobody can decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoStreamConfig {}

pub(super) fn warn_without_stream(_: &Settings) -> Option<String> {
    None
}

impl NoStreamConfig {
    /// Whether mail is taken out of it, and not brought to it.
    #[must_use]
    pub fn delivers(&self) -> bool {
        match *self {}
    }

    pub(super) fn read(_: &mut SettingsReader<'_>) -> Option<Self> {
        None
    }
}
