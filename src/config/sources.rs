//! The sources of options, in their precedence: flags, the environment, the configuration file, the defaults.

use std::ffi::OsString;

use super::option::ServerCommand;
use super::options::{self, LISTENERS, LONE_DOT};
use super::relay::DEFAULT_SPOOL;
use super::settings::Settings;
use super::value::{OptionValue, Origin};
use super::{catch, environment, file};
use crate::exit::Failed;
use crate::machine::server_name;

/// The sources of a process. Flags and environment stay as they are; the file that they name is read at each reload.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The flags, and the environment below them.
    above: Settings,
}

impl Sources {
    /// Puts the flags above the environment.
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
        if let Some(path) = self.above.get(&options::CONFIG)? {
            settings.overlay(file::read(&path)?);
        }
        settings.overlay(self.above.clone());
        if options::CATCH_BUILT || options::STREAM_BUILT {
            refuse_others(&mut settings);
        }
        if options::CATCH_BUILT {
            catch::imply(&mut settings);
        }
        listen_somewhere(&mut settings);
        if settings.value(&options::HOSTNAME.option).is_none() {
            settings.imply(&options::HOSTNAME.option, server_name(), &Origin::Default);
        }
        let (route, spool) = (&options::ROUTE.option, &options::SPOOL.option);
        if !settings.values(route).is_empty() && settings.value(spool).is_none() {
            settings.imply(spool, DEFAULT_SPOOL, &Origin::Implied(route));
        }
        for agree in [keep_or_discard, follow_dialect] {
            if let Err(mistake) = agree(&mut settings) {
                settings.add_mistake(mistake);
            }
        }
        let (mode, rate) = (&options::BARE_NEWLINE.option, &options::MIN_RATE.option);
        let by_hand = settings
            .value(mode)
            .is_some_and(|mode| mode.text == "accept");
        if by_hand && settings.value(rate).is_some_and(OptionValue::is_default) {
            // Nobody types 500 bytes a second, and nobody else can reach such a server.
            settings.imply(rate, "0", &Origin::Implied(mode));
        }
        Ok(settings)
    }
}

/// Refuses options of another subcommand. One environment may serve both, so there they are only warned of.
fn refuse_others(settings: &mut Settings) {
    let command = settings.command();
    for option in options::every().filter(|option| !command.has(option)) {
        let Some(value) = settings.value(option).filter(|value| !value.is_default()) else {
            continue;
        };
        let remedy = match (command, option.only) {
            (ServerCommand::Deliver, _) => "mailoop deliver listens for no mail: leave this out",
            (_, Some(ServerCommand::Deliver)) => "only mailoop deliver has it: leave this out",
            (ServerCommand::Catch, _) => "mailoop catch never sends mail on: leave this out",
            (ServerCommand::Serve, _) => "only mailoop catch keeps mail in memory: leave this out",
        };
        let mistake = value.wrong(remedy);
        if matches!(value.origin, Origin::Environment) {
            settings.warn(mistake.message);
        } else {
            settings.add_mistake(mistake);
        }
        settings.set(option, option.default.map(OsString::from), &Origin::Default);
    }
}

/// There is one listener by default, if none of any kind is named.
fn listen_somewhere(settings: &mut Settings) {
    let names = |value: &OptionValue| !value.is_default();
    let listen = &options::LISTEN.option;
    let mut named = LISTENERS
        .iter()
        .map(|(key, _)| settings.values(&key.option));
    if named.any(|values| values.iter().any(names)) {
        if !settings.values(listen).iter().any(names) {
            settings.clear(listen);
        }
    } else {
        match options::default_listen(settings.command()) {
            Some(default) => settings.imply(listen, default, &Origin::Default),
            None => settings.clear(listen),
        }
    }
}

/// Mail is kept or discarded: of two wishes that one counts whose source comes first.
fn keep_or_discard(settings: &mut Settings) -> Result<(), Failed> {
    if !settings.get(&options::DISCARD)? {
        return Ok(());
    }
    let (to_discard, to_keep) = (&options::DISCARD.option, &options::MAILDIR.option);
    let (Some(discard), Some(maildir)) = (settings.value(to_discard), settings.value(to_keep))
    else {
        return Ok(());
    };
    if discard.origin.beats(&maildir.origin) {
        settings.clear(to_keep);
    } else if maildir.origin.beats(&discard.origin) {
        settings.imply(to_discard, "false", &Origin::Implied(to_keep));
    } else {
        return Err(discard.wrong("it excludes --maildir: leave one of the two out"));
    }
    Ok(())
}

/// The classroom dialect implies how line ends are read, and excludes what a source before its own says of them.
fn follow_dialect(settings: &mut Settings) -> Result<(), Failed> {
    let (dialect, line_ends) = (&options::END_OF_DATA.option, &options::BARE_NEWLINE.option);
    let (Some(end), Some(mode)) = (settings.value(dialect), settings.value(line_ends)) else {
        return Ok(());
    };
    if end.text == LONE_DOT || mode.text == "accept" {
        return Ok(());
    }
    if !mode.is_default() && !end.origin.beats(&mode.origin) {
        return Err(mode.wrong(
            "end-of-data works with bare-newline accept only, which it implies: leave bare-newline out",
        ));
    }
    settings.imply(line_ends, "accept", &Origin::Implied(dialect));
    Ok(())
}
