//! What was said about each option, by whom, and what comes of it.

use core::fmt;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::tables::AddressTables;
use super::values;
use crate::exit::{ExitCode, Failed, Mistakes};
use crate::options::{Kind, OPTIONS, Scope, ServeOption};

/// One value of an option, as somebody wrote it.
#[derive(Clone, Debug)]
pub struct Value {
    /// Of which option.
    pub option: &'static ServeOption,
    /// What was written. Not always UTF-8: paths need not be.
    pub text: OsString,
    /// Where.
    pub origin: Origin,
}

/// Where a value was written.
#[derive(Clone, Debug)]
pub enum Origin {
    /// Nowhere: it is the default.
    Default,
    /// Nowhere: this other option implies it.
    Implied(&'static str),
    /// In a configuration file.
    File {
        /// The file and the line, as `/etc/mailoop.toml:12`.
        place: String,
        /// What stands there.
        written: String,
    },
    /// In the environment.
    Environment,
    /// On the command line.
    Flag,
}

impl Origin {
    /// Which of two origins counts: the one with the greater rank.
    fn rank(&self) -> u8 {
        match self {
            Self::Default | Self::Implied(_) => 0,
            Self::File { .. } => 1,
            Self::Environment => 2,
            Self::Flag => 3,
        }
    }

    /// Whether this comes before `other`.
    #[must_use]
    pub fn beats(&self, other: &Self) -> bool {
        self.rank() > other.rank()
    }
}

impl Value {
    /// The value as text.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn text(&self) -> Result<&str, Failed> {
        self.text
            .to_str()
            .ok_or_else(|| self.wrong("write it in UTF-8"))
    }

    /// A failure that says where this value was written and what would be right.
    pub fn wrong(&self, remedy: impl fmt::Display) -> Failed {
        let code = match self.origin {
            Origin::Flag => ExitCode::Usage,
            _ => ExitCode::Configuration,
        };
        Failed::new(code, format_args!("{}: {remedy}", self.written()))
    }

    /// A failure that says where this value was written, and what is wrong with it here and now.
    pub fn unfit(&self, what: impl fmt::Display) -> Failed {
        Failed::new(
            ExitCode::Configuration,
            format_args!("{}: {what}", self.written()),
        )
    }

    /// Where it was written, and how.
    fn written(&self) -> String {
        let name = self.option.name;
        let mut text = one_line(&self.text.to_string_lossy());
        if text.is_empty() || text.contains(' ') {
            text = format!("\"{text}\"");
        }
        match &self.origin {
            Origin::Flag if self.option.kind == Kind::Flag => format!("--{name}"),
            Origin::Flag => format!("--{name} {text}"),
            Origin::Environment => format!("{}={text}", self.option.variable()),
            Origin::File { place, written } => format!("{place}: {written}"),
            Origin::Default | Origin::Implied(_) => name.to_owned(),
        }
    }

    /// The value as a configuration file has it: there are many words for a switch elsewhere.
    fn normal_text(&self) -> Cow<'_, str> {
        let text = self.text.to_string_lossy();
        match (self.option.kind, values::switch(&text)) {
            (Kind::Flag, Ok(on)) => on.to_string().into(),
            _ => text,
        }
    }

    /// Who decided on it, as a word or two.
    fn source(&self) -> String {
        match &self.origin {
            Origin::Default => "default".to_owned(),
            Origin::Implied(by) => format!("implied by {by}"),
            Origin::File { place, .. } => place.clone(),
            Origin::Environment => self.option.variable(),
            Origin::Flag => format!("--{}", self.option.name),
        }
    }
}

/// A message is one line, whatever was written.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// What was said about the options: by one source, or by all of them together.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    options: BTreeMap<&'static str, Vec<Value>>,
    /// Of the configuration file; no other source has any.
    tables: Option<AddressTables>,
    /// What is wrong beside values, which are read later.
    mistakes: Vec<Failed>,
    warnings: Vec<String>,
}

impl Settings {
    /// The defaults of the table.
    #[must_use]
    pub fn defaults() -> Self {
        let mut settings = Self::default();
        for option in OPTIONS {
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
        let value = |text| Value {
            option,
            text,
            origin: origin.clone(),
        };
        self.set_values(option, texts.into_iter().map(value).collect());
    }

    /// Gives an option these values and no others.
    pub fn set_values(&mut self, option: &'static ServeOption, values: Vec<Value>) {
        self.options.insert(option.name, values);
    }

    /// Gives the option called `name` one value that nobody wrote.
    pub fn imply(&mut self, name: &str, text: impl Into<OsString>, origin: &Origin) {
        if let Some(option) = ServeOption::named(name) {
            self.set(option, [text.into()], origin);
        }
    }

    /// Forgets what was said about an option.
    pub fn clear(&mut self, name: &str) {
        self.options.remove(name);
    }

    /// Takes over what `other` says, about each option that it speaks of.
    pub fn overlay(&mut self, other: Self) {
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

    /// What is probably a mistake in one of the sources.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Adds what a configuration file says of aliases, mailboxes and senders.
    pub fn set_tables(&mut self, tables: AddressTables) {
        self.tables = Some(tables);
    }

    /// What a configuration file says of aliases, mailboxes and senders, if there is one.
    #[must_use]
    pub fn tables(&self) -> Option<&AddressTables> {
        self.tables.as_ref()
    }

    /// The values of an option, in order.
    #[must_use]
    pub fn values(&self, name: &str) -> &[Value] {
        self.options.get(name).map_or(&[], Vec::as_slice)
    }

    /// The value of an option that has at most one.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values(name).last()
    }

    /// Reads all values of an option.
    ///
    /// # Errors
    /// All that `read` refuses, with their origins.
    pub fn all<T>(
        &self,
        name: &str,
        read: fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, Failed> {
        let mut mistakes = Mistakes::default();
        let values = self.values(name).iter().filter_map(|value| {
            let read = value
                .text()
                .and_then(|text| read(text).map_err(|remedy| value.wrong(remedy)));
            mistakes.note(read.map(Some))
        });
        let values = values.collect();
        mistakes.told().map(|()| values)
    }

    /// Reads the value of an option, if it has one.
    ///
    /// # Errors
    /// `read` refuses it.
    pub fn optional<T>(
        &self,
        name: &str,
        read: fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Failed> {
        Ok(self.all(name, read)?.pop())
    }

    /// Reads the value of an option that always has one.
    ///
    /// # Errors
    /// `read` refuses it, or there is none.
    pub fn one<T>(&self, name: &str, read: fn(&str) -> Result<T, String>) -> Result<T, Failed> {
        self.optional(name, read)?
            .ok_or_else(|| Failed::new(ExitCode::Configuration, format_args!("{name} is missing")))
    }

    /// Whether a flag is on.
    ///
    /// # Errors
    /// It is neither on nor off.
    pub fn is_on(&self, name: &str) -> Result<bool, Failed> {
        Ok(self.optional(name, values::switch)?.unwrap_or(false))
    }

    /// Reads a path, if there is one.
    ///
    /// # Errors
    /// It is empty.
    pub fn path(&self, name: &str) -> Result<Option<PathBuf>, Failed> {
        match self.value(name) {
            Some(value) if value.text.is_empty() => Err(value.wrong("write a path")),
            value => Ok(value.map(|value| PathBuf::from(&value.text))),
        }
    }

    /// The options about which `other` says something else, and which only a restart heeds.
    pub fn awaiting_restart(&self, other: &Self) -> impl Iterator<Item = &'static str> {
        let texts = |settings: &Self, name| -> Vec<OsString> {
            let values = settings.values(name).iter();
            values.map(|value| value.text.clone()).collect()
        };
        OPTIONS
            .iter()
            .filter(|option| option.scope == Scope::Restart)
            .map(|option| option.name)
            .filter(move |name| texts(self, name) != texts(other, name))
    }
}

/// Written as a configuration file that says the same, with the origin of each value.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for option in OPTIONS {
            let values = self.values(option.name);
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
