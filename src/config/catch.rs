//! `mailoop catch`: what the server for tests does by itself, where `mailoop serve` wants to be told.

use super::Config;
use super::option::ServerCommand;
use super::options::{self, CATCH_HTTP};
use super::parts::SettingsReader;
use super::settings::Settings;
use super::value::{OptionValue, Origin};
use crate::smtp::service::Service;

/// What the inbox of a server for tests keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatchConfig {
    /// The most messages.
    pub messages_max: usize,
    /// The most octets of memory that they take.
    pub bytes_max: usize,
}

impl CatchConfig {
    /// Reads the options, if these are the settings of a server for tests.
    pub(super) fn read(read: &mut SettingsReader<'_>) -> Option<Self> {
        if !options::CATCH_BUILT || read.settings.command() != ServerCommand::Catch {
            return None;
        }
        let bytes_max = read.get(&options::KEEP_BYTES);
        Some(Self {
            messages_max: read.get(&options::KEEP) as usize,
            bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
        })
    }

    /// Settings that are valid but probably a mistake.
    pub(super) fn warnings(&self, config: &Config, inherited: &[Service]) -> Vec<String> {
        let mut warnings = Vec::new();
        let addresses = config.listen.iter().map(|(_, address)| address);
        let mut addresses = addresses.chain(&config.http.listen);
        let public = addresses.find(|address| !address.is_private());
        // Of a socket that was passed on nobody knows whom it is for.
        let place = match public {
            Some(public) => Some(public.to_string()),
            None if !inherited.is_empty() => Some("it".to_owned()),
            None => None,
        };
        if let Some(place) = place {
            warnings.push(format!(
                "{place} can be reached from other machines: whoever does may leave mail here, read all of it by HTTP, and delete it"
            ));
        }
        let message_max = config.policy.message_bytes_max;
        if message_max > self.bytes_max as u64 {
            warnings.push(format!(
                "a message may have {message_max} bytes, more than --keep-bytes {}: one that is so large is kept alone",
                self.bytes_max
            ));
        }
        warnings
    }
}

/// Says for a server for tests what nobody has said: HTTP is spoken, mail stays in memory, whoever wants TLS has it, and passwords come in any way.
pub(super) fn imply(settings: &mut Settings) {
    if settings.command() != ServerCommand::Catch {
        return;
    }
    let is_named = |value: Option<&OptionValue>| value.is_some_and(|value| !value.is_default());
    if settings.value(&options::HTTP.option).is_none() {
        settings.imply(&options::HTTP.option, CATCH_HTTP, &Origin::Default);
    }
    if !is_named(settings.value(&options::MAILDIR.option)) {
        settings.clear(&options::MAILDIR.option);
    }
    let has_certificate = settings.value(&options::TLS_CERT.option).is_some();
    let self_signed = &options::TLS_SELF_SIGNED.option;
    let switches = [
        &options::AUTH_INSECURE.option,
        &options::AUTH_EVERYWHERE.option,
    ];
    let wanted = switches
        .into_iter()
        .chain((!has_certificate).then_some(self_signed));
    for switch in wanted.filter(|switch| switch.built) {
        if settings.value(switch).is_none() {
            settings.imply(switch, "true", &Origin::Default);
        }
    }
}
