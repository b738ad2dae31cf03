//! A configuration file: options, as `max-errors = 20`, and tables.

use core::fmt;
use core::ops::Range;
use std::borrow::Cow;
use std::fs;
use std::path::Path;

use memchr::memchr_iter;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::settings::{Origin, Settings, Value, one_line};
use super::tables::{self, AddressTables};
use crate::exit::{ExitCode, Failed, Mistakes};
use crate::options::{self, Kind, OPTIONS, Scope, ServeOption};

/// A value longer than this is not repeated in a message.
const SHOWN_CHARACTERS_MAX: usize = 60;

/// Reads the file at `path`, as [`parse`] does.
///
/// # Errors
/// It cannot be read, or is no TOML.
pub fn read(path: &Path) -> Result<Settings, Failed> {
    let name = path.display();
    let bytes = fs::read(path).map_err(|error| {
        Failed::new(
            ExitCode::Configuration,
            format_args!("{name}: cannot read the configuration: {error}"),
        )
    })?;
    let text = str::from_utf8(&bytes).map_err(|error| {
        let line = 1 + memchr_iter(b'\n', &bytes[..error.valid_up_to()]).count();
        Failed::new(
            ExitCode::Configuration,
            format_args!("{name}:{line}: write it in UTF-8"),
        )
    })?;
    parse(&name.to_string(), text)
}

/// Reads `text`, which messages call `name`. What is wrong with what stands in it is among [`Settings::mistakes`].
///
/// # Errors
/// It is no TOML.
pub fn parse(name: &str, text: &str) -> Result<Settings, Failed> {
    let source = Source::new(name, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if let Some(failed) = source.first_of(&errors) {
        return Err(failed);
    }
    let mut settings = Settings::default();
    let mut tables = AddressTables::new(name);
    let mut mistakes = Mistakes::default();
    for (key, value) in Source::entries(table.get_ref()) {
        if tables::KEYS.contains(&&**key.get_ref()) {
            tables.read(&source, key, value, &mut mistakes);
            continue;
        }
        let at = key.span().start;
        let option = source.option(key.get_ref(), at);
        let read = option.and_then(|option| Ok((option, source.values(option, at, value)?)));
        if let Some((option, values)) = mistakes.note(read.map(Some)) {
            settings.set_values(option, values);
        }
    }
    settings.set_tables(tables);
    mistakes
        .0
        .into_iter()
        .for_each(|mistake| settings.add_mistake(mistake));
    Ok(settings)
}

/// A file, and where one is in it.
pub(super) struct Source<'a> {
    name: &'a str,
    text: &'a str,
    /// Where its lines end. There may be many, and each name in a table has one.
    line_ends: Vec<usize>,
}

impl<'a> Source<'a> {
    fn new(name: &'a str, text: &'a str) -> Self {
        let line_ends = memchr_iter(b'\n', text.as_bytes()).collect();
        Self {
            name,
            text,
            line_ends,
        }
    }
}

impl Source<'_> {
    /// What is in a table, by place, so that mistakes are told in their order.
    pub(super) fn entries<'t, 'a>(
        table: &'t DeTable<'a>,
    ) -> Vec<(&'t Spanned<Cow<'a, str>>, &'t Spanned<DeValue<'a>>)> {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| key.span().start);
        entries
    }

    /// The first of these mistakes of syntax; a mistake often brings others behind it.
    fn first_of(&self, errors: &[toml::de::Error]) -> Option<Failed> {
        let place = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        let error = errors.iter().min_by_key(|error| place(error))?;
        let at = place(error);
        let message = error.message().replace('\n', ", ");
        let line = self.text.lines().nth(self.line(at) - 1);
        let line = one_line(line.unwrap_or_default().trim());
        Some(
            if line.is_empty() || line.chars().count() > SHOWN_CHARACTERS_MAX {
                self.wrong(at, message)
            } else {
                self.wrong(at, format_args!("{line}: {message}"))
            },
        )
    }

    /// The option with the name `key`.
    fn option(&self, key: &str, at: usize) -> Result<&'static ServeOption, Failed> {
        let key_shown = one_line(key);
        let names: Vec<_> = OPTIONS
            .iter()
            .map(|option| option.name)
            .chain(tables::KEYS)
            .collect();
        let remedy = match ServeOption::named(key) {
            Some(option) if option.scope == Scope::Outside => {
                format!("use --{key} or {}", option.variable())
            }
            Some(option) => return Ok(option),
            None => match options::nearest(key, &names) {
                Some(name) => format!("did you mean {name}?"),
                None => "mailoop serve --help tells which there are".to_owned(),
            },
        };
        Err(self.wrong(
            at,
            format_args!("{key_shown}: there is no such option in a file; {remedy}"),
        ))
    }

    /// What an option is given by the `value` behind its key.
    fn values(
        &self,
        option: &'static ServeOption,
        at: usize,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Vec<Value>, Failed> {
        match (option.kind, value.get_ref()) {
            (Kind::List, DeValue::Array(items)) => items
                .iter()
                .map(|item| self.value(option, item.span().start, item))
                .collect(),
            (Kind::List, _) => Err(self.mistyped(option, at, value)),
            _ => Ok(vec![self.value(option, at, value)?]),
        }
    }

    fn value(
        &self,
        option: &'static ServeOption,
        at: usize,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Value, Failed> {
        let text = plain(option.kind, value).ok_or_else(|| self.mistyped(option, at, value))?;
        let written = match (option.kind, self.shown(value)) {
            (Kind::List, Some(shown)) => format!("{} = [{shown}]", option.name),
            (_, Some(shown)) => format!("{} = {shown}", option.name),
            (_, None) => option.name.to_owned(),
        };
        Ok(Value {
            option,
            text: text.into(),
            origin: Origin::File {
                place: self.place(at),
                written,
            },
        })
    }

    fn mistyped(&self, option: &ServeOption, at: usize, value: &Spanned<DeValue<'_>>) -> Failed {
        let written = self.written(option.name, value);
        match option.kind {
            Kind::Flag => self.wrong(at, format_args!("{written}: write true or false")),
            Kind::Text | Kind::Number | Kind::List => {
                let example = option.example();
                self.wrong(at, format_args!("{written}: write it as {example}"))
            }
        }
    }

    /// A value with its name, as it stands in the file if it is short.
    pub(super) fn written(&self, name: &str, value: &Spanned<DeValue<'_>>) -> String {
        match self.shown(value) {
            Some(shown) => format!("{name} = {shown}"),
            None => name.to_owned(),
        }
    }

    /// A value as it stands in the file, if it is short and on one line.
    fn shown(&self, value: &Spanned<DeValue<'_>>) -> Option<&str> {
        let is_table = matches!(value.get_ref(), DeValue::Table(_));
        self.text_at(value.span()).filter(|_| !is_table)
    }

    /// What stands there, if it is short and on one line.
    pub(super) fn text_at(&self, place: Range<usize>) -> Option<&str> {
        let text = self.text.get(place)?;
        let short = !text.contains(['\n', '\r']) && text.chars().count() <= SHOWN_CHARACTERS_MAX;
        short.then_some(text)
    }

    pub(super) fn line(&self, at: usize) -> usize {
        1 + self.line_ends.partition_point(|end| *end < at)
    }

    /// The file and the line.
    fn place(&self, at: usize) -> String {
        format!("{}:{}", self.name, self.line(at))
    }

    pub(super) fn wrong(&self, at: usize, what: impl fmt::Display) -> Failed {
        Failed::new(
            ExitCode::Configuration,
            format_args!("{}: {what}", self.place(at)),
        )
    }
}

/// One value as text, if its type is right.
fn plain(kind: Kind, value: &Spanned<DeValue<'_>>) -> Option<String> {
    match (kind, value.get_ref()) {
        (Kind::Text | Kind::Number | Kind::List, DeValue::String(text)) => Some(text.to_string()),
        (Kind::Number, DeValue::Integer(number)) => Some(decimal(number)),
        (Kind::Number, DeValue::Float(number)) => Some(number.as_str().to_owned()),
        (Kind::Flag, DeValue::Boolean(on)) => Some(on.to_string()),
        _ => None,
    }
}

/// TOML also knows `0x10` and `1_000`.
fn decimal(number: &DeInteger<'_>) -> String {
    u64::from_str_radix(number.as_str(), number.radix())
        .map_or_else(|_| number.to_string(), |number| number.to_string())
}
