//! The configuration: all that the operator decided, checked before a socket opens.
//!
//! [`sources`] puts together what [`file`](mod@file), [`environment`] and flags say about each option, as text with its
//! origin: [`settings`]. [`values`] reads the text, and [`Config`] is what comes of it. Aliases, mailboxes and
//! senders are [`tables`] of the file.

#[cfg_attr(not(feature = "tls"), path = "not_built.rs")]
mod certificates;
pub mod environment;
pub mod file;
pub mod key;
pub mod option;
pub mod options;
mod parts;
mod rows;
mod senders;
pub mod settings;
mod source;
pub mod sources;
pub mod tables;
pub(crate) mod text;
mod users;
pub mod value;
pub mod values;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use log::LevelFilter;

use crate::exit::{ExitCode, Failed};
use crate::inbound::cidr::Cidr;
use crate::inbound::{Limits, Rules};
use crate::net::endpoint::SocketAddress;
use crate::net::link::StartTls;
use crate::smtp::line::BareNewline;
use crate::smtp::policy::Policy;
use crate::smtp::service::Service;
use options::{DEFAULT_LISTEN, LISTENERS};
use parts::SettingsReader;
pub use parts::{Delivery, RecordSettings};
use settings::Settings;
use value::{OptionValue, Origin};

/// Fewer recipients than this a server must not set as its limit (RFC 5321 §4.5.3.1.8).
const RECIPIENTS_STANDARD: usize = 100;

/// Everything that `mailoop serve` needs to know.
#[derive(Debug)]
pub struct Config {
    /// The addresses to listen on, each with its service, as far as somebody named any.
    pub listen: Vec<(Service, SocketAddress)>,
    /// The policy of sessions.
    pub policy: Policy,
    /// The bounds of connections.
    pub limits: Limits,
    /// The destination of mail.
    pub delivery: Delivery,
    /// TLS with the certificates of the server, if it has any.
    pub tls: Option<Rc<dyn StartTls>>,
    /// The file of those who may log in, if anybody may read it.
    pub exposed_users: Option<PathBuf>,
    /// The peers that must send a PROXY header first.
    pub proxy_from: Vec<Cidr>,
    /// The peers that may say by XCLIENT for whom they speak.
    pub xclient_from: Vec<Cidr>,
    /// Whether several processes may listen on the same port.
    pub reuse_port: bool,
    /// The socket file by which the server is watched, if it is.
    pub control: Option<PathBuf>,
    /// The user to become once the listeners are bound.
    pub user: Option<String>,
    /// The least urgent lines that are logged.
    pub log_level: LevelFilter,
    /// The log file, if the log does not go to standard error.
    pub log_file: Option<PathBuf>,
    /// The record of the loop, if one is wanted.
    pub record: Option<RecordSettings>,
    /// Warnings of what is probably a mistake in the sources of the settings.
    source_warnings: Vec<String>,
}

impl Config {
    /// Reads and checks settings.
    ///
    /// # Errors
    /// All values that are wrong, with their origins; or what [`check_listeners`](Self::check_listeners) finds.
    pub fn new(settings: &Settings) -> Result<Self, Failed> {
        let mut read = SettingsReader::new(settings);
        let tls = read.tls();
        let (users, exposed_users) = read.mistakes.note(users::read(settings));
        let log_level = settings.get(&options::LOG_LEVEL);
        let config = Self {
            listen: read.listeners(),
            policy: Policy {
                tls: tls.is_some(),
                ..read.policy(users)
            },
            tls,
            exposed_users,
            limits: read.limits(),
            delivery: read.delivery(),
            proxy_from: read.get(&options::PROXY_FROM),
            xclient_from: read.get(&options::XCLIENT_FROM),
            reuse_port: read.get(&options::REUSE_PORT),
            control: read.get(&options::CONTROL),
            user: read.get(&options::USER),
            log_level: read
                .mistakes
                .note(log_level.map(Some))
                .unwrap_or(LevelFilter::Info),
            log_file: read.get(&options::LOG_FILE),
            record: read.record(),
            source_warnings: settings.warnings().to_vec(),
        };
        read.mistakes.told()?;
        let checked = config.check_listeners(config.named_listeners());
        checked.map_err(|unfit| match named_values(settings).nth(unfit.index) {
            Some(value) if !matches!(value.origin, Origin::Flag) => value.unfit(unfit.message),
            _ => unfit.into(),
        })?;
        Ok(config)
    }

    /// The rules that a server follows, as one value: a reload swaps them whole.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules {
            policy: Rc::new(self.policy.clone()),
            limits: self.limits,
            proxies: self.proxy_from.clone(),
            xclient_peers: self.xclient_from.clone(),
            tls: self.tls.clone(),
        }
    }

    /// Checks that these listeners can be served, and safely so.
    ///
    /// # Errors
    /// What does not go together, and what to do about it.
    pub fn check_listeners<'a>(
        &self,
        listeners: impl IntoIterator<Item = (Service, &'a SocketAddress)>,
    ) -> Result<(), UnfitListener> {
        let mut public = None;
        for (index, (service, address)) in listeners.into_iter().enumerate() {
            if service.begins_with_tls() && self.tls.is_none() {
                let message = format!(
                    "{address} is for TLS: name a certificate with --tls-cert and --tls-key, \
                     or try it with --tls-self-signed"
                );
                return Err(UnfitListener { index, message });
            }
            if !address.is_private() {
                public = public.or(Some((index, address)));
            }
        }
        let Some((index, public)) = public else {
            return Ok(());
        };
        let wrong = |message| Err(UnfitListener { index, message });
        if self.policy.domains.is_empty() {
            return wrong(format!(
                "{public} can be reached from other machines: name the domains to accept mail for with --domain, \
                 or listen on a loopback address"
            ));
        }
        if self.policy.bare_newline == BareNewline::Accept {
            return wrong(format!(
                "{public} can be reached from other machines: --bare-newline accept and --end-of-data let messages \
                 be smuggled in, so they work on loopback and unix sockets only"
            ));
        }
        if self.policy.auth_insecure {
            return wrong(format!(
                "{public} can be reached from other machines: --auth-insecure lets passwords be sent in the clear, so it \
                 works on loopback and unix sockets only"
            ));
        }
        Ok(())
    }

    /// The listeners that somebody named.
    pub fn named_listeners(&self) -> impl Iterator<Item = (Service, &SocketAddress)> {
        let listeners = self.listen.iter();
        listeners.map(|(service, address)| (*service, address))
    }

    /// The socket files that the start makes, for whatever service.
    pub fn socket_files(&self) -> impl Iterator<Item = &Path> {
        let listeners = self.listen.iter();
        let files = listeners.filter_map(|(_, address)| address.path());
        files.chain(self.control.as_deref())
    }

    /// The listeners to open beside `inherited` ones: the default one is only for a server that has none at all.
    #[must_use]
    pub fn listeners(&self, inherited: usize) -> Vec<(Service, SocketAddress)> {
        if self.listen.is_empty() && inherited == 0 {
            let address = values::listen_address(DEFAULT_LISTEN).into_iter();
            address.map(|address| (Service::Smtp, address)).collect()
        } else {
            self.listen.clone()
        }
    }

    /// Settings that are valid but probably a mistake, beside listeners that were passed on for these services.
    #[must_use]
    pub fn warnings(&self, inherited: &[Service]) -> Vec<String> {
        let mut warnings = self.source_warnings.clone();
        let mut warn = |warning: String| warnings.push(warning);
        let recipients = self.policy.recipients_max;
        if recipients < RECIPIENTS_STANDARD {
            warn(format!(
                "--max-recipients {recipients} is less than the {RECIPIENTS_STANDARD} that RFC 5321 §4.5.3.1.8 asks for"
            ));
        }
        if self.policy.directory.has_idle_list() {
            warn(
                "the names in [mailboxes] make no difference: closed = true refuses all others"
                    .to_owned(),
            );
        }
        if let Some(path) = &self.exposed_users {
            let path = path.display();
            warn(format!(
                "{path} can be read by others, who can then try out passwords: chmod o= {path}"
            ));
        }
        warnings.extend(self.login_warnings(inherited));
        warnings
    }

    /// Warnings of settings that keep users from logging in.
    fn login_warnings(&self, inherited: &[Service]) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut warn = |warning: &str| warnings.push(warning.to_owned());
        let has_users = self.policy.users().is_some();
        let (insecure, everywhere) = (self.policy.auth_insecure, self.policy.auth_everywhere);
        for (is_on, name) in [(insecure, "insecure"), (everywhere, "everywhere")] {
            if is_on && !has_users {
                warn(&format!(
                    "--auth-{name} makes no difference: without --users nobody can log in"
                ));
            }
        }
        if has_users && !insecure && !self.policy.tls {
            warn("nobody can log in: passwords come in TLS only, which takes a --tls-cert");
        }
        let named = self.listen.iter().map(|(service, _)| *service);
        let mut services = named.chain(inherited.iter().copied());
        if has_users && !everywhere && !services.any(Service::is_submission) {
            warn(
                "nobody can log in: AUTH is offered for submission only, and nothing listens for that; add \
                 --listen-submissions 0.0.0.0:465 or --listen-submission 0.0.0.0:587, or see --auth-everywhere",
            );
        }
        let mut listeners = self.listen.iter();
        let submission = listeners.find(|(service, _)| service.is_submission());
        if let Some((_, address)) = submission
            && !has_users
            && self.xclient_from.is_empty()
        {
            warn(&format!(
                "nobody can submit mail on {address}: without --users nobody can log in"
            ));
        }
        warnings
    }
}

/// A listener that cannot be served, or not safely.
#[derive(Debug)]
pub struct UnfitListener {
    /// The position among those that were checked.
    index: usize,
    /// The reason, and what to do about it.
    message: String,
}

impl From<UnfitListener> for Failed {
    fn from(unfit: UnfitListener) -> Self {
        Self::new(ExitCode::Configuration, unfit.message)
    }
}

/// The values that name listeners, in the order of [`Config::listen`]; none if there is only the default.
fn named_values(settings: &Settings) -> impl Iterator<Item = &OptionValue> {
    let values = LISTENERS
        .iter()
        .flat_map(|(key, _)| settings.values(&key.option));
    values.filter(|value| !value.is_default())
}
