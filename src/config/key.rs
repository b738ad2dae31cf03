//! Options with the types of their values.

use std::path::PathBuf;

use super::option::{Kind, Scope, ServeOption, ServerCommand};
use super::value::OptionValue;
use super::values;
use crate::exit::{ExitCode, Failed, Mistakes};

/// An option, and how its values are read: the key by which [`Settings::get`](super::settings::Settings::get) finds them.
#[derive(Debug)]
pub struct Key<R> {
    /// The row of the table.
    pub option: ServeOption,
    read: R,
}

/// A way to read the values of an option.
pub trait Reader {
    /// The type of what is read.
    type Output;

    /// Reads the values that somebody gave the option, in order.
    ///
    /// # Errors
    /// All values that are wrong, with their origins; or there is none where one is needed.
    fn read(&self, option: &ServeOption, values: &[OptionValue]) -> Result<Self::Output, Failed>;
}

/// A parser of one text. Its error is the remedy.
pub type Parse<T> = fn(&str) -> Result<T, String>;

/// Reads the one value of an option that always has one, by default or implied.
#[derive(Debug)]
pub struct One<T>(Parse<T>);

/// Reads the value of an option that has none unless somebody gives it.
#[derive(Debug)]
pub struct Optional<T>(Parse<T>);

/// Reads all values.
#[derive(Debug)]
pub struct Many<T>(Parse<T>);

/// Reads whether a flag is on.
#[derive(Debug)]
pub struct Switch;

/// Reads a path, which need not be UTF-8.
#[derive(Debug)]
pub struct FilePath;

/// Reads paths with their origins: messages about the contents of the files name them.
#[derive(Debug)]
pub struct FilePaths;

fn parsed<T>(values: &[OptionValue], parse: Parse<T>) -> Result<Vec<T>, Failed> {
    let mut mistakes = Mistakes::default();
    let values = values.iter().filter_map(|value| {
        let read = value
            .text()
            .and_then(|text| parse(text).map_err(|remedy| value.wrong(remedy)));
        mistakes.note(read.map(Some))
    });
    let values = values.collect();
    mistakes.told().map(|()| values)
}

impl<T> Reader for One<T> {
    type Output = T;

    fn read(&self, option: &ServeOption, values: &[OptionValue]) -> Result<T, Failed> {
        let missing = || {
            let name = option.name;
            Failed::new(ExitCode::Configuration, format_args!("{name} is missing"))
        };
        parsed(values, self.0)?.pop().ok_or_else(missing)
    }
}

impl<T> Reader for Optional<T> {
    type Output = Option<T>;

    fn read(&self, _: &ServeOption, values: &[OptionValue]) -> Result<Option<T>, Failed> {
        Ok(parsed(values, self.0)?.pop())
    }
}

impl<T> Reader for Many<T> {
    type Output = Vec<T>;

    fn read(&self, _: &ServeOption, values: &[OptionValue]) -> Result<Vec<T>, Failed> {
        parsed(values, self.0)
    }
}

impl Reader for Switch {
    type Output = bool;

    fn read(&self, _: &ServeOption, values: &[OptionValue]) -> Result<bool, Failed> {
        Ok(parsed(values, values::switch)?.pop().unwrap_or(false))
    }
}

impl Reader for FilePath {
    type Output = Option<PathBuf>;

    fn read(&self, _: &ServeOption, values: &[OptionValue]) -> Result<Option<PathBuf>, Failed> {
        match values.last() {
            Some(value) if value.text.is_empty() => Err(value.wrong("write a path")),
            value => Ok(value.map(|value| PathBuf::from(&value.text))),
        }
    }
}

impl Reader for FilePaths {
    type Output = Vec<OptionValue>;

    fn read(&self, _: &ServeOption, values: &[OptionValue]) -> Result<Vec<OptionValue>, Failed> {
        Ok(values.to_vec())
    }
}

const fn key<R>(
    kind: Kind,
    name: &'static str,
    placeholder: &'static str,
    read: R,
    help: &'static str,
) -> Key<R> {
    let option = ServeOption {
        name,
        placeholder,
        default: None,
        help,
        heading: "",
        kind,
        scope: Scope::Reload,
        hidden: false,
        only: None,
        delivers: false,
        built: true,
    };
    Key { option, read }
}

pub(super) const fn text<T>(
    name: &'static str,
    placeholder: &'static str,
    parse: Parse<T>,
    help: &'static str,
) -> Key<One<T>> {
    key(Kind::Text, name, placeholder, One(parse), help)
}

pub(super) const fn number<T>(
    name: &'static str,
    placeholder: &'static str,
    parse: Parse<T>,
    help: &'static str,
) -> Key<One<T>> {
    key(Kind::Number, name, placeholder, One(parse), help)
}

pub(super) const fn list<T>(
    name: &'static str,
    placeholder: &'static str,
    parse: Parse<T>,
    help: &'static str,
) -> Key<Many<T>> {
    key(Kind::List, name, placeholder, Many(parse), help)
}

pub(super) const fn numbers<T>(
    name: &'static str,
    placeholder: &'static str,
    parse: Parse<T>,
    help: &'static str,
) -> Key<Many<T>> {
    key(Kind::Numbers, name, placeholder, Many(parse), help)
}

pub(super) const fn path(
    name: &'static str,
    placeholder: &'static str,
    help: &'static str,
) -> Key<FilePath> {
    key(Kind::Text, name, placeholder, FilePath, help)
}

pub(super) const fn paths(
    name: &'static str,
    placeholder: &'static str,
    help: &'static str,
) -> Key<FilePaths> {
    key(Kind::List, name, placeholder, FilePaths, help)
}

pub(super) const fn flag(name: &'static str, help: &'static str) -> Key<Switch> {
    key(Kind::Flag, name, "", Switch, help)
}

impl<T> Key<One<T>> {
    /// Has no value unless somebody gives it.
    pub(super) const fn optional(self) -> Key<Optional<T>> {
        let Self { option, read } = self;
        let read = Optional(read.0);
        Key { option, read }
    }
}

impl<R> Key<R> {
    /// Reads the values that somebody gave the option.
    pub(super) fn read(&self, values: &[OptionValue]) -> Result<R::Output, Failed>
    where
        R: Reader,
    {
        self.read.read(&self.option, values)
    }
}

impl<R> Key<R> {
    /// Has this value if nobody gives one.
    pub(super) const fn or(mut self, default: &'static str) -> Self {
        self.option.default = Some(default);
        self
    }

    /// Takes effect at the start only.
    pub(super) const fn at_start(mut self) -> Self {
        self.option.scope = Scope::Restart;
        self
    }

    /// May not stand in the configuration file.
    pub(super) const fn outside(mut self) -> Self {
        self.option.scope = Scope::Outside;
        self
    }

    /// Is for measurements: on the command line and in the environment only, and told of nowhere.
    pub(super) const fn hidden(mut self) -> Self {
        self.option.hidden = true;
        self.outside()
    }

    /// Only this subcommand has it.
    pub(super) const fn of(mut self, command: ServerCommand) -> Self {
        self.option.only = Some(command);
        self.option.delivers = matches!(command, ServerCommand::Deliver);
        self
    }

    /// `mailoop deliver` has it as well.
    pub(super) const fn and_deliver(mut self) -> Self {
        self.option.delivers = true;
        self
    }

    /// Is there only if this build has what it is for.
    pub(super) const fn only_if(mut self, built: bool) -> Self {
        self.option.built = built;
        self
    }

    /// Stands in the help below this heading.
    pub(super) const fn below(mut self, heading: &'static str) -> Self {
        self.option.heading = heading;
        self
    }
}
