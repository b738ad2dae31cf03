//! A configuration file: options, as `max-errors = 20`, and tables.

use std::fs;
use std::path::Path;

use memchr::memchr_iter;
use toml::de::{DeInteger, DeTable, DeValue};

use super::faults;
use super::option::{Kind, Scope, ServeOption};
use super::options::{self, ROUTE, RULE};
use super::routes;
use super::rows::{KEYS, ROUTES, RULES};
use super::settings::Settings;
use super::source::{Source, TomlValue};
use super::tables::AddressTables;
use super::text::{nearest, one_line};
use super::value::{OptionValue, Origin};
use crate::exit::{ExitCode, Failed, Mistakes};

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
/// The text is no TOML.
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
        let name = &**key.get_ref();
        if name == ROUTES && ROUTE.option.built {
            // A list and a table say more together.
            let listed = settings.values(&ROUTE.option).to_vec();
            let rows = routes::read(&source, key, value, &mut mistakes);
            settings.set_values(&ROUTE.option, [listed, rows].concat());
            continue;
        }
        if name == RULES && RULE.option.built {
            let listed = settings.values(&RULE.option).to_vec();
            let tables = faults::read(&RULE.option, &source, key, value, &mut mistakes);
            settings.set_values(&RULE.option, [listed, tables].concat());
            continue;
        }
        if KEYS.contains(&name) {
            tables.read(&source, key, value, &mut mistakes);
            continue;
        }
        let at = key.span().start;
        let option = option(&source, key.get_ref(), at);
        let read = option.and_then(|option| Ok((option, values(&source, option, at, value)?)));
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

/// The option with the name `key`.
fn option(source: &Source<'_>, key: &str, at: usize) -> Result<&'static ServeOption, Failed> {
    let key_shown = one_line(key);
    let routes = ROUTE.option.built.then_some(ROUTES);
    let rules = RULE.option.built.then_some(RULES);
    let names = options::shown_names()
        .chain(KEYS)
        .chain(routes)
        .chain(rules);
    let names: Vec<_> = names.collect();
    let remedy = match options::named(key) {
        Some(option) if option.scope == Scope::Outside => {
            format!("use --{key} or {}", option.variable())
        }
        Some(option) => return Ok(option),
        None => match nearest(key, &names) {
            Some(name) => format!("did you mean {name}?"),
            None => "--help tells which there are".to_owned(),
        },
    };
    Err(source.wrong(
        at,
        format_args!("{key_shown}: there is no such option in a file; {remedy}"),
    ))
}

/// The values that the file gives an option.
fn values(
    source: &Source<'_>,
    option: &'static ServeOption,
    at: usize,
    item: &TomlValue<'_>,
) -> Result<Vec<OptionValue>, Failed> {
    match (option.kind, item.get_ref()) {
        (Kind::List | Kind::Numbers, DeValue::Array(items)) => items
            .iter()
            .map(|item| value(source, option, item.span().start, item))
            .collect(),
        (Kind::List | Kind::Numbers, _) => Err(mistyped(source, option, at, item)),
        _ => Ok(vec![value(source, option, at, item)?]),
    }
}

fn value(
    source: &Source<'_>,
    option: &'static ServeOption,
    at: usize,
    value: &TomlValue<'_>,
) -> Result<OptionValue, Failed> {
    let text = plain(option.kind, value).ok_or_else(|| mistyped(source, option, at, value))?;
    let written = match (option.kind, source.shown(value)) {
        (Kind::List | Kind::Numbers, Some(shown)) => format!("{} = [{shown}]", option.name),
        (_, Some(shown)) => format!("{} = {shown}", option.name),
        (_, None) => option.name.to_owned(),
    };
    Ok(OptionValue {
        option,
        text: text.into(),
        origin: Origin::File {
            place: source.place(at),
            written,
        },
    })
}

fn mistyped(source: &Source<'_>, option: &ServeOption, at: usize, value: &TomlValue<'_>) -> Failed {
    let written = source.written(option.name, value);
    match option.kind {
        Kind::Flag => source.wrong(at, format_args!("{written}: write true or false")),
        Kind::Text | Kind::Number | Kind::List | Kind::Numbers => {
            let example = option.example();
            source.wrong(at, format_args!("{written}: write it as {example}"))
        }
    }
}

/// One value as text, if its type is right.
fn plain(kind: Kind, value: &TomlValue<'_>) -> Option<String> {
    match (kind, value.get_ref()) {
        (Kind::Text | Kind::Number | Kind::List | Kind::Numbers, DeValue::String(text)) => {
            Some(text.to_string())
        }
        (Kind::Number | Kind::Numbers, DeValue::Integer(number)) => Some(decimal(number)),
        (Kind::Number | Kind::Numbers, DeValue::Float(number)) => Some(number.as_str().to_owned()),
        (Kind::Flag, DeValue::Boolean(on)) => Some(on.to_string()),
        _ => None,
    }
}

/// TOML also knows `0x10` and `1_000`.
fn decimal(number: &DeInteger<'_>) -> String {
    u64::from_str_radix(number.as_str(), number.radix())
        .map_or_else(|_| number.to_string(), |number| number.to_string())
}
