//! The files of a server beside its mail, and the user who has to be able to read and write them.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::option::ServeOption;
use crate::config::options;
use crate::config::settings::Settings;
use crate::config::{Config, Delivery};
use crate::exit::{ExitCode, Failed};
use crate::logging::Log;
use crate::privileges::{self, UserError};
use crate::sandbox::Needs;

/// The folder in the spool that keeps the policies of domains (MTA-STS).
pub(super) const POLICY_FOLDER: &str = "mta-sts";

/// The options that name files which a reload reads again.
static READ_AGAIN: [&ServeOption; 6] = [
    &options::CONFIG.option,
    &options::TLS_CERT.option,
    &options::TLS_KEY.option,
    &options::USERS.option,
    &options::HTTP_TOKEN.option,
    &options::ROUTE_PASSWORDS.option,
];

/// Becomes the configured user, for good, and opens a log that had to wait for that.
///
/// # Errors
/// There is no such user, only root may become another, or the log cannot be opened.
pub(super) fn become_user(settings: &Settings, config: &Config, log: &Log) -> Result<(), Failed> {
    let Some(name) = &config.user else {
        return Ok(());
    };
    let log_is_late = is_log_late(config);
    let sockets = config.socket_files();
    let log_file = config.log_file.as_deref().filter(|_| !log_is_late);
    let files: Vec<_> = sockets.chain(log_file).collect();
    privileges::become_user(name, &files).map_err(|error| cannot_become(settings, &error))?;
    if log_is_late {
        let opened = log.reopen(config.log_file.as_deref());
        opened.map_err(|error| cannot_log(config, &error, ExitCode::CannotCreate))?;
    }
    for warning in unreadable_files(settings, config, name) {
        log::warn!("warning={warning:?}");
    }
    Ok(())
}

pub(super) fn cannot_become(settings: &Settings, error: &UserError) -> Failed {
    match settings.value(&options::USER.option) {
        Some(value) => value.unfit(format_args!("cannot become this user: {error}")),
        None => Failed::new(ExitCode::Configuration, error),
    }
}

/// Warnings of files that were read with more rights than there are from now on: a renewed certificate would never be
/// shown, and its owner should hear of that before the old one ends.
pub(super) fn unreadable_files(settings: &Settings, config: &Config, user: &str) -> Vec<String> {
    let values = READ_AGAIN.iter().flat_map(|option| settings.values(option));
    let named = values.map(|value| Path::new(&value.text));
    let relay = config.relay.iter();
    let authorities = relay.flat_map(|relay| relay.authorities.keys().map(PathBuf::as_path));
    let unreadable = named.chain(authorities).filter_map(|file| {
        let error = File::open(file).err()?;
        let file = file.display();
        Some(format!(
            "{user} cannot read {file}, so SIGHUP will not renew it: {error}"
        ))
    });
    unreadable.collect()
}

/// Whether the log file is opened only as the user that root becomes. A symbolic link in a folder of that user's could lead
/// root to any file.
pub(super) fn is_log_late(config: &Config) -> bool {
    let file = config.log_file.as_deref().filter(|_| config.user.is_some());
    file.is_some_and(|file| privileges::is_root() && !privileges::only_root_changes(file))
}

pub(super) fn cannot_log(config: &Config, error: &io::Error, code: ExitCode) -> Failed {
    let file = config.log_file.as_deref();
    let name = file.unwrap_or(Path::new("standard error")).display();
    let advice = match &config.user {
        Some(user) if error.kind() == io::ErrorKind::PermissionDenied => {
            format!(
                "make it for that user, as with `install -o {user} -m 640 /dev/null {name}`, or "
            )
        }
        _ => String::new(),
    };
    Failed::new(
        code,
        format_args!("cannot log to {name}: {error}; {advice}choose another --log-file"),
    )
}

/// The files that change as long as the server runs: mail comes and goes, so do log files, and socket files go with it.
pub(super) fn needs(config: &Config) -> Needs {
    let mail = match &config.delivery {
        Delivery::Maildir { directory, .. } => Some(directory.clone()),
        Delivery::Discard | Delivery::Stream => None,
    };
    // Relative to the current folder, as the path itself.
    let folder = |path: &Path| Some(Path::new(".").join(path.parent()?));
    let log = config.log_file.as_deref().and_then(folder);
    let sockets = config.socket_files().filter_map(folder);
    // The queue's socket is removed at the end; all else in the spool is its own process's, but for the policies of domains.
    let spool = config.relay.as_ref().map(|relay| relay.spool.clone());
    let policies = spool.iter().map(|spool| spool.join(POLICY_FOLDER));
    let policies = policies.filter(|folder| folder.is_dir());
    Needs {
        writable: mail.into_iter().chain(log).chain(policies).collect(),
        removable: sockets.chain(spool).collect(),
    }
}
