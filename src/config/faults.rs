//! Rules by which faults are made: `--rule`, and `[[rules]]` in a configuration file.

use toml::de::DeValue;

use super::option::ServeOption;
use super::source::{Source, TomlKey, TomlValue};
use super::text::one_line;
use super::value::{OptionValue, Origin};
use crate::exit::{Failed, Mistakes};
use crate::smtp::faults::FaultPlace;

/// The rule of an option; a build without faults reads none.
pub use crate::smtp::faults::FaultRule;

const WANTED: &str = "write [[rules]] and below it rule = \"rcpt *@busy.example = 450 4.2.1 busy\"";

/// Reads one rule.
///
/// # Errors
/// What is wrong with it, and where.
pub(super) fn rule(text: &str) -> Result<FaultRule, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// Whether a part of a list begins a rule: a reply of the one before may hold commas as well.
pub(super) fn is_begun_by(part: &str) -> bool {
    let Some((before, _)) = part.split_once(" = ") else {
        return false;
    };
    let first = before.split_whitespace().next().unwrap_or_default();
    let mut places = FaultPlace::ALL.iter();
    places.any(|place| place.name().eq_ignore_ascii_case(first))
}

/// The tables `[[rules]]`, each as a value of `--rule`. Mistakes of their form are noted; what they say is read with all values.
pub(super) fn read(
    option: &'static ServeOption,
    source: &Source<'_>,
    key: &TomlKey<'_>,
    value: &TomlValue<'_>,
    mistakes: &mut Mistakes,
) -> Vec<OptionValue> {
    let at = key.span().start;
    let DeValue::Array(tables) = value.get_ref() else {
        mistakes
            .0
            .push(source.wrong(at, format_args!("rules: {WANTED}")));
        return Vec::new();
    };
    let rules = tables
        .iter()
        .map(|table| mistakes.note(one(option, source, table).map(Some)));
    rules.flatten().collect()
}

fn one(
    option: &'static ServeOption,
    source: &Source<'_>,
    value: &TomlValue<'_>,
) -> Result<OptionValue, Failed> {
    let at = value.span().start;
    let DeValue::Table(table) = value.get_ref() else {
        return Err(source.wrong(at, format_args!("rules: {WANTED}")));
    };
    let mut found = None;
    for (key, value) in Source::entries(table) {
        let at = key.span().start;
        match (&**key.get_ref(), value.get_ref()) {
            ("rule", DeValue::String(text)) => {
                found = Some(OptionValue {
                    option,
                    text: text.to_string().into(),
                    origin: Origin::File {
                        place: source.place(at),
                        written: source.written("rule", value),
                    },
                });
            }
            ("rule", _) => return Err(source.wrong(at, format_args!("rule: {WANTED}"))),
            (other, _) => {
                let other = one_line(other);
                return Err(source.wrong(at, format_args!("[[rules]] {other}: {WANTED}")));
            }
        }
    }
    found.ok_or_else(|| source.wrong(at, format_args!("rules: {WANTED}")))
}
