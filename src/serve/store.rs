//! The store that the configuration names: opened, checked without being opened, and announced.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{Access, access};

use super::parts::{FilterParts, KeepMail, RelayParts, StreamParts};
use super::{catch, filters, relay, stream};
use crate::config::{Config, Delivery};
use crate::exit::{ExitCode, Failed};
use crate::server::Server;
use crate::smtp::log_value::LogValue;
use crate::smtp::service::Service;
use crate::store::THIS_PROGRAM;
use crate::store::{Discard, Maildir, MaildirOptions, Store};

/// Opens the store of the configuration, with a hold where that has filters.
pub(super) fn open(config: &Config) -> Result<Box<dyn Store>, Failed> {
    let store = open_without_hold(config)?;
    let parts: Option<FilterParts> = filters::built();
    Ok(match parts.filter(|_| config.filters.is_some()) {
        Some(parts) => (parts.stand_around)(config, store),
        None => store,
    })
}

fn open_without_hold(config: &Config) -> Result<Box<dyn Store>, Failed> {
    let stream: Option<StreamParts> = stream::built();
    if let Some((parts, stream)) = stream.zip(config.stream.as_ref()) {
        return match stream.delivers() {
            true => Ok((parts.deliver_into)(stream, open_local(config)?)),
            false => (parts.open)(),
        };
    }
    let local = open_local(config)?;
    let keep_mail: Option<KeepMail> = catch::built();
    if let (Some(keep_mail), Some(wanted)) = (keep_mail, config.catch) {
        return Ok(keep_mail(wanted, config, local));
    }
    let relay: Option<RelayParts> = relay::built();
    match relay {
        Some(relay) => (relay.open_spool)(config, local),
        None => Ok(local),
    }
}

/// Connects the store of the server to its stream, where the configuration names one.
pub(super) fn connect(config: &Config, server: &mut Server) -> Result<(), Failed> {
    let parts: Option<StreamParts> = stream::built();
    let stream = parts.zip(config.stream.as_ref());
    stream.map_or(Ok(()), |(parts, stream)| (parts.connect)(stream, server))
}

fn open_local(config: &Config) -> Result<Box<dyn Store>, Failed> {
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
            "--maildir",
            &error,
        )),
    }
}

/// Whether this process could keep mail where the configuration says. Nothing is made.
pub(super) fn check(config: &Config) -> Result<(), Failed> {
    let mail = match &config.delivery {
        Delivery::Maildir { directory, .. } => Some((directory, "--maildir")),
        Delivery::Discard | Delivery::Stream => None,
    };
    let spool = config.relay.iter().map(|relay| (&relay.spool, "--spool"));
    for (directory, option) in mail.into_iter().chain(spool) {
        can_change(directory).map_err(|error| {
            cannot_keep_mail(ExitCode::Configuration, config, directory, option, &error)
        })?;
    }
    Ok(())
}

fn cannot_keep_mail(
    code: ExitCode,
    config: &Config,
    place: &Path,
    option: &str,
    error: &io::Error,
) -> Failed {
    let place = place.display();
    let advice = match &config.user {
        Some(name) if error.kind() == io::ErrorKind::PermissionDenied => {
            format!("give it to that user, as with `install -d -o {name} {place}`, or ")
        }
        _ => String::new(),
    };
    Failed::new(
        code,
        format_args!("cannot keep mail in {place}: {error}; {advice}choose another {option}"),
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
            // Where the kernel shows itself root may write, and yet makes no file.
            (Ok(_), _) if is_of_kernel(there) => return Err(io::ErrorKind::Unsupported.into()),
            (Ok(_), _) => return Ok(access(there, Access::WRITE_OK | Access::EXEC_OK)?),
            (Err(error), Some(above)) if error.kind() == io::ErrorKind::NotFound => there = above,
            (Err(error), _) => return Err(error),
        }
    }
}

/// Whether a folder is in `/proc` or `/sys`.
fn is_of_kernel(folder: &Path) -> bool {
    let whole = fs::canonicalize(folder).unwrap_or_default();
    ["/proc", "/sys"].iter().any(|top| whole.starts_with(top))
}

/// Logs where mail goes and how to read it; and where what users submit goes, or that it goes nowhere else.
pub(super) fn announce(config: &Config, mut services: impl Iterator<Item = Service>) {
    if let Some(catch) = &config.catch {
        let (keep, bytes) = (catch.messages_max, catch.bytes_max);
        log::info!(
            "catch keep={keep} keep-bytes={bytes} why=\"mail is kept in memory and never sent on\""
        );
    }
    let stream: Option<StreamParts> = stream::built();
    if let Some((parts, stream)) = stream.zip(config.stream.as_ref()) {
        (parts.announce)(stream);
    }
    match &config.delivery {
        Delivery::Discard if config.catch.is_some() => {}
        Delivery::Stream => {}
        Delivery::Discard => log::info!("discard why=\"all mail is accepted and dropped\""),
        Delivery::Maildir { directory, .. } => {
            let place = fs::canonicalize(directory).unwrap_or_else(|_| directory.clone());
            let mailbox = place.join("DOMAIN/USER").display().to_string();
            let read = format!("mutt -f {mailbox}");
            log::info!("maildir={} read={}", LogValue(mailbox), LogValue(read));
        }
    }
    if let Some(relay) = &config.relay {
        let (routes, spool) = (relay.routes.all().len(), relay.spool.display());
        log::info!("relay routes={routes} spool={}", LogValue(spool));
    } else if config.catch.is_none() && services.any(Service::is_submission) {
        log::info!(
            "submission why=\"mail for domains that are not ours is refused: nothing is sent on to other servers\""
        );
    }
}
