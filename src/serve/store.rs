//! The store that the configuration names: opened, checked without being opened, and announced.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{Access, access};

use crate::config::{Config, Delivery};
use crate::exit::{ExitCode, Failed};
use crate::inbound::log_line::LogValue;
use crate::smtp::service::Service;
use crate::store::maildir::THIS_PROGRAM;
use crate::store::{Discard, Maildir, MaildirOptions, Store};

pub(super) fn open(config: &Config) -> Result<Box<dyn Store>, Failed> {
    let Delivery::Maildir {
        directory,
        mailboxes_max,
        group_max,
    } = &config.delivery
    else {
        return Ok(Box::new(Discard::new()));
    };
    let mut options = MaildirOptions::new(directory, &config.policy.hostname, *mailboxes_max);
    options.group_max = group_max.unwrap_or(options.group_max);
    match Maildir::open_with_process(options, Path::new(THIS_PROGRAM)) {
        Ok(maildir) => Ok(Box::new(maildir)),
        Err(error) => Err(cannot_keep_mail(
            ExitCode::CannotCreate,
            config,
            directory,
            &error,
        )),
    }
}

/// Whether this process could keep mail where the configuration says. Nothing is made.
pub(super) fn check(config: &Config) -> Result<(), Failed> {
    let Delivery::Maildir { directory, .. } = &config.delivery else {
        return Ok(());
    };
    can_change(directory)
        .map_err(|error| cannot_keep_mail(ExitCode::Configuration, config, directory, &error))
}

fn cannot_keep_mail(code: ExitCode, config: &Config, place: &Path, error: &io::Error) -> Failed {
    let place = place.display();
    let advice = match &config.user {
        Some(name) if error.kind() == io::ErrorKind::PermissionDenied => {
            format!("give it to that user, as with `install -d -o {name} {place}`, or ")
        }
        _ => String::new(),
    };
    Failed::new(
        code,
        format_args!("cannot keep mail in {place}: {error}; {advice}choose another --maildir"),
    )
}

/// Whether this process may make files in `folder`, or make that where it is missing.
pub(super) fn can_change(folder: &Path) -> io::Result<()> {
    let mut there = folder;
    loop {
        if there == Path::new("") {
            there = Path::new(".");
        }
        match (fs::metadata(there), there.parent()) {
            (Ok(found), _) if !found.is_dir() => return Err(io::ErrorKind::NotADirectory.into()),
            (Ok(_), _) => return Ok(access(there, Access::WRITE_OK | Access::EXEC_OK)?),
            (Err(error), Some(above)) if error.kind() == io::ErrorKind::NotFound => there = above,
            (Err(error), _) => return Err(error),
        }
    }
}

/// Logs where mail goes and how to read it, and that what users submit goes nowhere else.
pub(super) fn announce(config: &Config, mut services: impl Iterator<Item = Service>) {
    match &config.delivery {
        Delivery::Discard => log::info!("discard why=\"all mail is accepted and dropped\""),
        Delivery::Maildir { directory, .. } => {
            let place = fs::canonicalize(directory).unwrap_or_else(|_| directory.clone());
            let mailbox = place.join("DOMAIN/USER").display().to_string();
            let read = format!("mutt -f {mailbox}");
            log::info!("maildir={} read={}", LogValue(mailbox), LogValue(read));
        }
    }
    if services.any(Service::is_submission) {
        log::info!(
            "submission why=\"mail for domains that are not ours is refused: nothing is sent on to other servers\""
        );
    }
}
