//! Options in the environment: `MAILOOP_MAX_ERRORS=20`.

use std::ffi::OsString;

use super::option::{Kind, ServeOption, VARIABLE_PREFIX};
use super::options;
use super::settings::Settings;
use super::text::one_line;
use super::value::Origin;
use crate::terminal::PASSWORD_VARIABLE;

/// Reads these variables, of which most are somebody else's. An empty one is as if it were not set.
///
/// A name that is no option's is a warning only: others give such names too, as Kubernetes does for a Service that is
/// called mailoop (`MAILOOP_PORT`, `MAILOOP_SERVICE_HOST`).
#[must_use]
pub fn read(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Settings {
    let mut settings = Settings::default();
    let mut unknown = Vec::new();
    for (name, value) in variables {
        let name = name.to_string_lossy();
        let Some(own) = name.strip_prefix(VARIABLE_PREFIX) else {
            continue;
        };
        if name == PASSWORD_VARIABLE || value.is_empty() {
            continue;
        }
        match options::all().find(|option| option.variable() == name) {
            Some(option) => settings.set(option, texts(option, value), &Origin::Environment),
            None => unknown.push((one_line(&name), options::nearly(own))),
        }
    }
    warn_of(unknown, &mut settings);
    settings
}

/// Warns of variables that are no options: of each that nearly is one, and of all others together, for a container may
/// have a dozen.
fn warn_of(mut unknown: Vec<(String, Option<&ServeOption>)>, settings: &mut Settings) {
    unknown.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    let mut others = Vec::new();
    for (name, nearly) in unknown {
        match nearly {
            Some(option) => {
                let meant = option.variable();
                settings.warn(format!("{name} is no option; did you mean {meant}?"));
            }
            None => others.push(name),
        }
    }
    if !others.is_empty() {
        let (names, are) = (
            others.join(", "),
            if others.len() == 1 {
                "is no option"
            } else {
                "are no options"
            },
        );
        settings.warn(format!(
            "{names} {are}; mailoop serve --help tells which there are"
        ));
    }
}

/// The values in one variable.
fn texts(option: &ServeOption, value: OsString) -> Vec<OsString> {
    match (option.kind, value.to_str()) {
        (Kind::List, Some(text)) => text
            .split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(OsString::from)
            .collect(),
        _ => vec![value],
    }
}
