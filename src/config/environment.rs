//! Options in the environment: `MAILOOP_MAX_ERRORS=20`.

use std::ffi::OsString;

use super::settings::{Origin, Settings, one_line};
use crate::exit::{ExitCode, Failed};
use crate::options::{Kind, OPTIONS, ServeOption, VARIABLE_PREFIX};

/// Names that are the tests' and benches' own.
const IGNORED: [&str; 4] = ["BENCH_", "KILL_", "SIM_", "TEST_"];

/// A password for `mailoop send`. It stands there so as not to stand on the command line, where all can see it.
pub const PASSWORD: &str = "MAILOOP_PASSWORD";

/// Reads these variables, of which most are somebody else's.
///
/// # Errors
/// One is named as if it were an option, and is none.
pub fn read(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Settings, Failed> {
    let mut settings = Settings::default();
    for (name, value) in variables {
        let name = name.to_string_lossy();
        let Some(own) = name.strip_prefix(VARIABLE_PREFIX) else {
            continue;
        };
        if name == PASSWORD || IGNORED.iter().any(|prefix| own.starts_with(prefix)) {
            continue;
        }
        let Some(option) = OPTIONS.iter().find(|option| option.variable() == name) else {
            return Err(unknown(&name, own));
        };
        settings.set(option, texts(option, value), &Origin::Environment);
    }
    Ok(settings)
}

/// The values in one variable. A list of none is one too, which takes back what the file says.
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

fn unknown(name: &str, own: &str) -> Failed {
    let remedy = match ServeOption::nearly(own) {
        Some(option) => format!("did you mean {}?", option.variable()),
        None => "mailoop serve --help tells which there are".to_owned(),
    };
    let name = one_line(name);
    Failed::new(
        ExitCode::Configuration,
        format_args!("{name}: there is no such option; {remedy}"),
    )
}
