//! Options in the environment: `MAILOOP_MAX_ERRORS=20`.

use std::ffi::OsString;

use super::faults;
use super::option::{Kind, ServeOption, VARIABLE_PREFIX};
use super::options::{self, ROUTE, RULE};
use super::settings::Settings;
use super::text::one_line;
use super::value::Origin;
use crate::smtp::route::Hop;
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
        match options::every().find(|option| option.variable() == name) {
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
    let (Kind::List, Some(text)) = (option.kind, value.to_str()) else {
        return vec![value];
    };
    let mut texts: Vec<String> = Vec::new();
    let parts = text.split(',').map(str::trim);
    for part in parts.filter(|part| !part.is_empty()) {
        match texts.last_mut() {
            // One more hop of the same route.
            Some(route) if option.name == ROUTE.option.name && Hop::is_begun_by(part) => {
                *route = format!("{route},{part}");
            }
            // The rest of what the rule before has happen.
            Some(rule) if option.name == RULE.option.name && !faults::is_begun_by(part) => {
                *rule = format!("{rule}, {part}");
            }
            _ => texts.push(part.to_owned()),
        }
    }
    texts.into_iter().map(OsString::from).collect()
}
