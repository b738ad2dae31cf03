//! Where the options of a server come from: flags, then the environment, then the file, then the defaults.

use std::ffi::OsString;

use super::settings::{Origin, Settings, Value};
use super::{environment, file, server_name};
use crate::exit::Failed;
use crate::options::{DEFAULT_LISTEN, LISTENERS, LONE_DOT};

/// What does not change while a process runs, and where to find what does.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The flags, and the environment below them.
    above: Settings,
}

impl Sources {
    /// These flags, and the environment.
    pub fn new(flags: Settings, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut above = environment::read(variables);
        above.overlay(flags);
        Self { above }
    }

    /// All sources together, the configuration file as it is now. What is wrong with options that exclude each other, or in
    /// a file that can be read, is among [`Settings::mistakes`].
    ///
    /// # Errors
    /// The file cannot be read, or is no TOML.
    pub fn settings(&self) -> Result<Settings, Failed> {
        let mut settings = Settings::defaults();
        if let Some(path) = self.above.path("config")? {
            settings.overlay(file::read(&path)?);
        }
        settings.overlay(self.above.clone());
        listen_somewhere(&mut settings);
        if settings.value("hostname").is_none() {
            settings.imply("hostname", server_name(), &Origin::Default);
        }
        for agree in [keep_or_discard, follow_dialect] {
            if let Err(mistake) = agree(&mut settings) {
                settings.add_mistake(mistake);
            }
        }
        let by_hand = settings
            .value("bare-newline")
            .is_some_and(|mode| mode.text == "accept");
        let unsaid = |value: &Value| matches!(value.origin, Origin::Default);
        if by_hand && settings.value("min-rate").is_some_and(unsaid) {
            // Nobody types 500 bytes a second, and nobody else can reach such a server.
            settings.imply("min-rate", "0", &Origin::Implied("bare-newline"));
        }
        Ok(settings)
    }
}

/// There is one listener by default, where none of any kind is named.
fn listen_somewhere(settings: &mut Settings) {
    let names = |value: &Value| !matches!(value.origin, Origin::Default);
    let mut options = LISTENERS.iter().map(|(name, _)| settings.values(name));
    if options.any(|values| values.iter().any(names)) {
        if !settings.values("listen").iter().any(names) {
            settings.clear("listen");
        }
    } else {
        settings.imply("listen", DEFAULT_LISTEN, &Origin::Default);
    }
}

/// Mail is kept or discarded: of two wishes that one counts whose source comes first.
fn keep_or_discard(settings: &mut Settings) -> Result<(), Failed> {
    if !settings.is_on("discard")? {
        return Ok(());
    }
    let (Some(discard), Some(maildir)) = (settings.value("discard"), settings.value("maildir"))
    else {
        return Ok(());
    };
    if discard.origin.beats(&maildir.origin) {
        settings.clear("maildir");
    } else if maildir.origin.beats(&discard.origin) {
        settings.imply("discard", "false", &Origin::Implied("maildir"));
    } else {
        return Err(discard.wrong("it excludes --maildir: leave one of the two out"));
    }
    Ok(())
}

/// The classroom dialect implies how line ends are read, and excludes what a source before its own says of them.
fn follow_dialect(settings: &mut Settings) -> Result<(), Failed> {
    let (Some(end), Some(mode)) = (
        settings.value("end-of-data"),
        settings.value("bare-newline"),
    ) else {
        return Ok(());
    };
    if end.text == LONE_DOT || mode.text == "accept" {
        return Ok(());
    }
    let implied = matches!(mode.origin, Origin::Default) || end.origin.beats(&mode.origin);
    if !implied {
        return Err(mode.wrong(
            "end-of-data works with bare-newline accept only, which it implies: leave bare-newline out",
        ));
    }
    settings.imply("bare-newline", "accept", &Origin::Implied("end-of-data"));
    Ok(())
}
