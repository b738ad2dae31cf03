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

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use log::LevelFilter;

use crate::exit::{ExitCode, Failed, Mistakes};
use crate::inbound::cidr::Cidr;
use crate::inbound::{Limits, Rules};
use crate::net::connections::LINGERING_MAX;
use crate::net::endpoint::SocketAddress;
use crate::net::link::StartTls;
use crate::smtp::line::BareNewline;
use crate::smtp::login::UserDatabase;
use crate::smtp::policy::Policy;
use crate::smtp::service::Service;
use key::{Key, Reader};
use options::{DEFAULT_LISTEN, LISTENERS};
use settings::Settings;
use value::{Origin, Value};

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
    /// The user to become once the listeners are bound.
    pub user: Option<String>,
    /// The least urgent lines that are logged.
    pub log_level: LevelFilter,
    /// The log file, if the log does not go to standard error.
    pub log_file: Option<PathBuf>,
    /// Warnings of what is probably a mistake in the sources of the settings.
    source_warnings: Vec<String>,
}

/// The destination of mail.
#[derive(Debug)]
pub enum Delivery {
    /// Into a folder for each mailbox below `directory`, of which at most `mailboxes_max` are created.
    Maildir {
        /// The folder of folders.
        directory: PathBuf,
        /// The most mailboxes that are created by themselves.
        mailboxes_max: usize,
        /// The most messages of a group commit, if that is bounded further.
        group_max: Option<usize>,
    },
    /// Mail is accepted and dropped.
    Discard,
}

impl Config {
    /// Reads and checks settings.
    ///
    /// # Errors
    /// All values that are wrong, with their origins; or what [`check_listeners`](Self::check_listeners) finds.
    pub fn new(settings: &Settings) -> Result<Self, Failed> {
        let mut read = Reading {
            settings,
            mistakes: Mistakes(settings.mistakes().to_vec()),
        };
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
            user: read.get(&options::USER),
            log_level: read
                .mistakes
                .note(log_level.map(Some))
                .unwrap_or(LevelFilter::Info),
            log_file: read.get(&options::LOG_FILE),
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

    /// The addresses that somebody named, for whatever service.
    pub fn named_addresses(&self) -> impl Iterator<Item = &SocketAddress> {
        self.listen.iter().map(|(_, address)| address)
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
fn named_values(settings: &Settings) -> impl Iterator<Item = &Value> {
    let values = LISTENERS
        .iter()
        .flat_map(|(key, _)| settings.values(&key.option));
    values.filter(|value| !value.is_default())
}

/// Configures TLS by settings.
type ReadTls = fn(&Settings) -> Result<Option<Rc<dyn StartTls>>, Failed>;

/// Reads settings, and gathers what is wrong with them.
struct Reading<'a> {
    settings: &'a Settings,
    mistakes: Mistakes,
}

impl Reading<'_> {
    /// The value of an option. A mistake is noted, and a default stands in its place.
    fn get<R: Reader<Output: Default>>(&mut self, key: &Key<R>) -> R::Output {
        self.mistakes.note(self.settings.get(key))
    }

    /// The listeners that somebody named; none if there is only the default.
    fn listeners(&mut self) -> Vec<(Service, SocketAddress)> {
        let mut named = Vec::new();
        for (key, service) in &LISTENERS {
            let value = self.settings.value(&key.option);
            if value.is_some_and(|value| !value.is_default()) {
                let addresses = self.get(key).into_iter();
                named.extend(addresses.map(|address| (*service, address)));
            }
        }
        named
    }

    /// TLS with the certificates that are configured, in a build that knows it.
    fn tls(&mut self) -> Option<Rc<dyn StartTls>> {
        let read: ReadTls = certificates::built()?;
        self.mistakes.note(read(self.settings))
    }

    fn policy(&mut self, users: Option<Rc<dyn UserDatabase>>) -> Policy {
        let before = self.mistakes.0.len();
        let hostname = self.get(&options::HOSTNAME);
        let domains = self.get(&options::DOMAIN);
        let (directory, senders) = match self.settings.tables() {
            // Without the right domains nobody can tell which names are in them.
            Some(tables) if self.mistakes.0.len() == before => (
                self.mistakes.note(tables.directory(&hostname, &domains)),
                tables.senders(),
            ),
            _ => Default::default(),
        };
        Policy {
            hostname,
            domains,
            directory,
            senders,
            tls: false,
            users: RefCell::new(users),
            auth_insecure: self.get(&options::AUTH_INSECURE),
            auth_everywhere: self.get(&options::AUTH_EVERYWHERE),
            bare_newline: self.get(&options::BARE_NEWLINE),
            end_text: self.get(&options::END_OF_DATA),
            message_bytes_max: self.get(&options::MAX_MESSAGE_SIZE),
            recipients_max: self.get(&options::MAX_RECIPIENTS) as usize,
            messages_max: self.get(&options::MAX_MESSAGES_PER_SESSION).into(),
            errors_max: self.get(&options::MAX_ERRORS),
        }
    }

    fn limits(&mut self) -> Limits {
        Limits {
            connections_max: self.get(&options::MAX_CONNECTIONS) as usize,
            connections_per_ip_max: self.get(&options::MAX_CONNECTIONS_PER_IP) as usize,
            lingering_max: LINGERING_MAX,
            idle_timeout: self.get(&options::IDLE_TIMEOUT),
            min_rate: self.get(&options::MIN_RATE),
            session_timeout: self.get(&options::SESSION_TIMEOUT),
            drain_timeout: self.get(&options::DRAIN_TIMEOUT),
            min_free: self.get(&options::MIN_FREE),
            exit_after: self.get(&options::EXIT_AFTER).into(),
        }
    }

    fn delivery(&mut self) -> Delivery {
        let mailboxes_max = self.get(&options::MAX_MAILBOXES) as usize;
        let group_max = self.get(&options::MAX_COMMIT_GROUP);
        match self.get(&options::MAILDIR) {
            Some(directory) => Delivery::Maildir {
                directory,
                mailboxes_max,
                group_max: group_max.map(|most| most as usize),
            },
            None => Delivery::Discard,
        }
    }
}
