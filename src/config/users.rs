//! The file of those who may log in.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::option::ServerCommand;
use super::options::USERS;
use super::settings::Settings;
use super::text::one_line;
use crate::exit::{ExitCode, Failed};
use crate::smtp::login::{BadLine, UserDatabase};
use crate::smtp::sasl::SASL;

/// The permissions of those who are neither its owner nor in its group.
const OTHERS: u32 = 0o007;

/// Users, if there are any, and where their file is if anybody may read it.
type Found = (Option<Rc<dyn UserDatabase>>, Option<PathBuf>);

/// Whether anybody may log in, as at a server for tests that has no users of its own.
pub(super) fn takes_anybody(settings: &Settings) -> bool {
    settings.command() == ServerCommand::Catch && settings.value(&USERS.option).is_none()
}

/// The users in the file that `users` names, and where that is if anybody may read it.
///
/// # Errors
/// The file cannot be read, or a line of it.
pub(super) fn read(settings: &Settings) -> Result<Found, Failed> {
    if takes_anybody(settings) {
        return Ok((SASL.map(|sasl| (sasl.anybody)()), None));
    }
    let (Some(path), Some(value)) = (settings.get(&USERS)?, settings.value(&USERS.option)) else {
        return Ok((None, None));
    };
    let (text, mode) = read_file(&path).map_err(|error| {
        value.unfit(format_args!(
            "cannot read it: {error}; `mailoop passwd USER --users FILE` makes one"
        ))
    })?;
    let absent = || BadLine {
        line: 1,
        reason: "this program was built without the feature auth",
    };
    let users = SASL
        .ok_or_else(absent)
        .and_then(|sasl| (sasl.read_users)(&text));
    let users = users.map_err(|bad| {
        let (line, reason) = (bad.line, bad.reason);
        let place = format!("{}:{line}", one_line(&path.to_string_lossy()));
        Failed::new(ExitCode::Configuration, format_args!("{place}: {reason}"))
    })?;
    let is_exposed = mode & OTHERS != 0;
    Ok((Some(users), is_exposed.then_some(path)))
}

fn read_file(path: &Path) -> io::Result<(String, u32)> {
    use std::os::unix::fs::MetadataExt;

    let mut file = File::open(path)?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok((text, file.metadata()?.mode()))
}
