//! All that the operator decided about a stream that mail is kept in.

pub mod values;

use core::fmt;
use std::time::Duration;

use super::option::ServerCommand;
use super::options;
use super::parts::SettingsReader;
use super::private_file;
use super::settings::Settings;
use super::value::OptionValue;
use crate::exit::{ExitCode, Failed};
use values::StreamTarget;

/// The most octets of the file with the password.
const FILE_BYTES_MAX: u64 = 4096;

/// All that the operator decided about a stream.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamConfig {
    /// The address of the stream.
    pub target: StreamTarget,
    /// The password of the user whom the address names, or a token where it names none.
    pub secret: Option<Box<str>>,
    /// How long a message is waited for, by a process that takes mail out of it; `None` for one that brings mail.
    pub ack_wait: Option<Duration>,
}

/// Shown without the password.
impl fmt::Debug for StreamConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StreamConfig").field(&self.target).finish()
    }
}

impl StreamConfig {
    /// Whether mail is taken out of it, and not brought to it.
    #[must_use]
    pub fn delivers(&self) -> bool {
        self.ack_wait.is_some()
    }

    /// Reads what `read` has on a stream; `None` without one. Mistakes are noted in any case.
    pub(super) fn read(read: &mut SettingsReader<'_>) -> Option<Self> {
        let delivers = read.settings.command() == ServerCommand::Deliver;
        let Some(value) = read.settings.value(&options::STREAM.option) else {
            if delivers {
                let missing = "mailoop deliver takes mail out of a stream: name it with --stream nats://HOST:PORT/STREAM";
                read.mistakes.0.push(Failed::new(ExitCode::Usage, missing));
            }
            return None;
        };
        let target = read.get(&options::STREAM)?;
        let excluded = [
            (&options::MAILDIR.option, "--maildir"),
            (&options::DISCARD.option, "--discard"),
            (&options::ROUTE.option, "--route"),
        ];
        // One that delivers has none of the others, and keeps mail below --maildir.
        for (option, name) in excluded.into_iter().filter(|_| !delivers) {
            let given = read.settings.value(option);
            if given.is_some_and(|given| !given.is_default() && given.text != "false") {
                let excludes = format_args!("it excludes {name}: leave one of the two out");
                read.mistakes.0.push(value.wrong(excludes));
            }
        }
        if target.tls.is_some() && !options::TLS {
            let without = "this program was built without the feature tls: leave tls= out";
            read.mistakes.0.push(value.unfit(without));
        }
        let file = read.settings.value(&options::STREAM_PASSWORD.option);
        let secret = file.map(secret);
        let config = Self {
            secret: read.mistakes.note(secret.transpose()),
            ack_wait: delivers.then(|| read.get(&options::ACK_WAIT)),
            target,
        };
        if config.target.user.is_some() && file.is_none() {
            let missing = "the password of its user is missing: name a file that has it with --stream-password";
            read.mistakes.0.push(value.unfit(missing));
        }
        Some(config)
    }
}

/// Says that a password makes no difference where there is no stream.
pub(super) fn warn_without_stream(settings: &Settings) -> Option<String> {
    let is_given = |option| settings.value(option).is_some();
    let is_idle = is_given(&options::STREAM_PASSWORD.option) && !is_given(&options::STREAM.option);
    is_idle.then(|| "--stream-password makes no difference: there is no --stream".to_owned())
}

/// Reads the file that a value names: one line, which nobody but its owner may read.
fn secret(value: &OptionValue) -> Result<Box<str>, Failed> {
    let text = private_file::read(value, FILE_BYTES_MAX, "this password")?;
    let line = text.trim_end_matches(['\r', '\n']);
    match line.is_empty() || line.contains(|character: char| character.is_control()) {
        true => Err(value.unfit("it must hold one line, with the password or the token")),
        false => Ok(line.into()),
    }
}
