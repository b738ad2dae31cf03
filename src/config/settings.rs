//! Settings: the values of options, each with its origin.

use core::fmt;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::rc::Rc;

use super::key::{Key, Reader};
use super::option::{Scope, ServeOption, ServerCommand};
use super::options;
use super::tables::AddressTables;
use super::text::one_line;
use super::value::{OptionValue, Origin};
use crate::exit::Failed;
use crate::net::link::StartTls;

/// A way to configure TLS by settings; `None` comes of it where they name no certificate.
pub(super) type ConfigureTls = fn(&Settings) -> Result<Option<Rc<dyn StartTls>>, Failed>;

/// The values that options were given: by one source, or by all of them together.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    command: ServerCommand,
    options: BTreeMap<&'static str, Vec<OptionValue>>,
    /// Of the configuration file; no other source has any.
    tables: Option<AddressTables>,
    /// Mistakes of the sources. Those of values show when these are read.
    mistakes: Vec<Failed>,
    warnings: Vec<String>,
}

impl Settings {
    /// No values yet, for this subcommand.
    #[must_use]
    pub fn of(command: ServerCommand) -> Self {
        Self {
            command,
            ..Self::default()
        }
    }

    /// The subcommand that they are for.
    #[must_use]
    pub fn command(&self) -> ServerCommand {
        self.command
    }

    /// The defaults of the table.
    #[must_use]
    pub fn defaults() -> Self {
        let mut settings = Self::default();
        for option in options::every() {
            settings.set(option, option.default.map(OsString::from), &Origin::Default);
        }
        settings
    }

    /// Gives an option these values, all from one place.
    pub fn set(
        &mut self,
        option: &'static ServeOption,
        texts: impl IntoIterator<Item = OsString>,
        origin: &Origin,
    ) {
        let value = |text| OptionValue {
            option,
            text,
            origin: origin.clone(),
        };
        self.set_values(option, texts.into_iter().map(value).collect());
    }

    /// Gives an option these values and no others.
    pub fn set_values(&mut self, option: &'static ServeOption, values: Vec<OptionValue>) {
        self.options.insert(option.name, values);
    }

    /// Gives an option one value that nobody wrote.
    pub fn imply(
        &mut self,
        option: &'static ServeOption,
        text: impl Into<OsString>,
        origin: &Origin,
    ) {
        self.set(option, [text.into()], origin);
    }

    /// Forgets what was said about an option.
    pub fn clear(&mut self, option: &ServeOption) {
        self.options.remove(option.name);
    }

    /// Takes over what `other` says, about each option that it speaks of.
    pub fn overlay(&mut self, other: Self) {
        self.command = other.command;
        self.options.extend(other.options);
        self.tables = other.tables.or(self.tables.take());
        self.mistakes.extend(other.mistakes);
        self.warnings.extend(other.warnings);
    }

    /// Adds a mistake of a source, which is told with those of all values.
    pub fn add_mistake(&mut self, mistake: Failed) {
        self.mistakes.push(mistake);
    }

    /// The mistakes of the sources.
    #[must_use]
    pub fn mistakes(&self) -> &[Failed] {
        &self.mistakes
    }

    /// Adds what is probably a mistake of a source, but none that anything fails for.
    pub fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Warnings of what is probably a mistake in one of the sources.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Adds what a configuration file says of aliases, mailboxes and senders.
    pub fn set_tables(&mut self, tables: AddressTables) {
        self.tables = Some(tables);
    }

    /// The aliases, mailboxes and senders of the configuration file, if there is one.
    #[must_use]
    pub fn tables(&self) -> Option<&AddressTables> {
        self.tables.as_ref()
    }

    /// The values of an option, in order.
    #[must_use]
    pub fn values(&self, option: &ServeOption) -> &[OptionValue] {
        self.options.get(option.name).map_or(&[], Vec::as_slice)
    }

    /// The value of an option that has at most one.
    #[must_use]
    pub fn value(&self, option: &ServeOption) -> Option<&OptionValue> {
        self.values(option).last()
    }

    /// Reads the value of an option, whose type the table gives.
    ///
    /// # Errors
    /// All values that are wrong, with their origins; or there is none where one is needed.
    pub fn get<R: Reader>(&self, key: &Key<R>) -> Result<R::Output, Failed> {
        key.read(self.values(&key.option))
    }

    /// The options about which `other` says something else, and which only a restart heeds.
    pub fn awaiting_restart(&self, other: &Self) -> impl Iterator<Item = &'static str> {
        let texts = |settings: &Self, option| -> Vec<OsString> {
            let values = settings.values(option).iter();
            values.map(|value| value.text.clone()).collect()
        };
        options::of(self.command)
            .filter(|option| option.scope == Scope::Restart)
            .filter(move |option| texts(self, option) != texts(other, option))
            .map(|option| option.name)
    }
}

/// Written as a configuration file that says the same, with the origin of each value.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for option in options::of(self.command) {
            let values = self.values(option);
            if let Some(first) = values.first()
                && option.scope != Scope::Outside
            {
                let texts: Vec<_> = values.iter().map(|value| value.normal_text()).collect();
                let source = first.source();
                writeln!(f, "{}  # {}", option.toml(&texts), one_line(&source))?;
            }
        }
        // Behind the options: nothing but its own keys may stand behind the head of a table.
        self.tables.iter().try_for_each(|tables| tables.fmt(f))
    }
}
