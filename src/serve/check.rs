//! `mailoop serve --check`: what would run, and whether the start could do it.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use super::files::{cannot_become, cannot_log, is_log_late, unreadable_files};
use super::store;
use crate::config::Config;
use crate::config::settings::Settings;
use crate::exit::{ExitCode, Failed, Mistakes, show};
use crate::privileges::{self, UserError};

/// Shows what would run. Nothing is made, bound or started; yet as root this process becomes `--user` for good, as the
/// start does, to see what that user may do.
///
/// # Errors
/// All that the start would fail for, as far as it shows beforehand.
pub(super) fn check(settings: &Settings, config: &Config) -> Result<(), Failed> {
    let mut mistakes = Mistakes::default();
    let mut warnings = config.warnings(&[]);
    let log_is_late = is_log_late(config);
    if !log_is_late {
        mistakes.note(can_log(config));
    }
    for socket in config.socket_files() {
        mistakes.note(can_bind(socket));
    }
    let becomes = |name| privileges::become_user(name, &[]);
    match config.user.as_deref().map(|name| (name, becomes(name))) {
        None => mistakes.note(store::check(config)),
        Some((name, Ok(()))) => {
            if log_is_late {
                mistakes.note(can_log(config));
            }
            mistakes.note(store::check(config));
            warnings.extend(unreadable_files(settings, config, name));
        }
        Some((name, Err(UserError::NotRoot))) => {
            let known = privileges::find_user(name);
            mistakes.note(known.map_err(|error| cannot_become(settings, &error)));
            warnings.push(format!("only root can see what {name} may do"));
        }
        Some((_, Err(error))) => mistakes.0.push(cannot_become(settings, &error)),
    }
    warnings.extend(super::left_behind(settings, config));
    for warning in warnings {
        let _ = writeln!(io::stderr(), "mailoop: warning: {warning}");
    }
    mistakes.told()?;
    show(&format!("# This would run:\n{settings}"))
}

fn can_log(config: &Config) -> Result<(), Failed> {
    let Some(file) = &config.log_file else {
        return Ok(());
    };
    let opened = match OpenOptions::new().append(true).open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => has_writable_folder(file),
        opened => opened.map(|_| ()),
    };
    opened.map_err(|error| cannot_log(config, &error, ExitCode::Configuration))
}

fn can_bind(socket: &Path) -> Result<(), Failed> {
    has_writable_folder(socket).map_err(|error| {
        let name = socket.display();
        Failed::new(
            ExitCode::Configuration,
            format_args!("cannot listen on unix:{name}: {error}"),
        )
    })
}

/// Whether a file could be made there. Its folder is made by nobody, so that has to be there.
fn has_writable_folder(file: &Path) -> io::Result<()> {
    let folder = Path::new(".").join(file.parent().unwrap_or(file));
    folder.metadata()?;
    store::can_change(&folder)
}
