//! What the operator decided, checked before a socket opens.
//!
//! [`sources`] puts together what [`file`](mod@file), [`environment`] and flags say about each option, as text with its
//! origin: [`settings`]. [`values`] reads the text, and [`Config`] is what comes of it. Aliases, mailboxes and
//! senders are [`tables`] of the file.

#[cfg(feature = "tls")]
mod certificates;
pub mod environment;
pub mod file;
mod senders;
pub mod settings;
pub mod sources;
pub mod tables;
mod users;
pub mod values;

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use log::LevelFilter;

use crate::exit::{ExitCode, Failed, Mistakes};
use crate::net::endpoint::SocketAddress;
use crate::net::link::StartTls;
use crate::options::{DEFAULT_LISTEN, LISTENERS};
use crate::server::Limits;
use crate::server::cidr::Cidr;
use crate::server::connections::LINGERING_MAX;
use crate::smtp::auth::Users;
use crate::smtp::line::BareNewline;
use crate::smtp::policy::Policy;
use crate::smtp::service::Service;
use settings::{Origin, Settings, Value};

/// Fewer recipients than this a server must not set as its limit (RFC 5321 §4.5.3.1.8).
const RECIPIENTS_STANDARD: usize = 100;

/// Everything that `mailoop serve` needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where to listen and for what, as far as somebody said.
    pub listen: Vec<(Service, SocketAddress)>,
    /// What sessions follow.
    pub policy: Policy,
    /// What bounds connections.
    pub limits: Limits,
    /// Where mail goes.
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
    /// Who to become once the listeners are bound.
    pub user: Option<String>,
    /// The least urgent lines that are logged.
    pub log_level: LevelFilter,
    /// Where they are logged, if not on standard error.
    pub log_file: Option<PathBuf>,
    /// What is probably a mistake in the sources of the settings.
    source_warnings: Vec<String>,
}

/// Where mail goes.
#[derive(Debug)]
pub enum Delivery {
    /// Into a folder for each mailbox below `directory`, of which at most `mailboxes_max` are created.
    Maildir {
        /// The folder of folders.
        directory: PathBuf,
        /// How many mailboxes are created by themselves.
        mailboxes_max: usize,
    },
    /// Nowhere.
    Discard,
}

impl Config {
    /// What these settings amount to.
    ///
    /// # Errors
    /// All values that are wrong, with their origins; or what [`check_listeners`](Self::check_listeners) finds.
    pub fn new(settings: &Settings) -> Result<Self, Failed> {
        let mut mistakes = Mistakes(settings.mistakes().to_vec());
        #[cfg(feature = "tls")]
        let tls = mistakes.note(certificates::read(settings));
        #[cfg(not(feature = "tls"))]
        let tls = None;
        let (users, exposed_users) = mistakes.note(users::read(settings));
        let log_level = settings.one("log-level", values::log_level);
        let config = Self {
            listen: named_listeners(settings, &mut mistakes),
            policy: Policy {
                tls: tls.is_some(),
                ..policy(settings, users, &mut mistakes)
            },
            tls,
            exposed_users,
            limits: limits(settings, &mut mistakes),
            delivery: delivery(settings, &mut mistakes),
            proxy_from: mistakes.note(settings.all("proxy-from", values::network)),
            xclient_from: mistakes.note(settings.all("xclient-from", values::network)),
            reuse_port: mistakes.note(settings.is_on("reuse-port")),
            user: mistakes.note(settings.optional("user", values::name)),
            log_level: mistakes
                .note(log_level.map(Some))
                .unwrap_or(LevelFilter::Info),
            log_file: mistakes.note(settings.path("log-file")),
            source_warnings: settings.warnings().to_vec(),
        };
        mistakes.told()?;
        config
            .check_listeners(config.named_listeners())
            .map_err(|failed| told_with_its_place(failed, settings))?;
        Ok(config)
    }

    /// Checks that these listeners can be served, and safely so.
    ///
    /// # Errors
    /// What does not go together, and what to do about it.
    pub fn check_listeners<'a>(
        &self,
        listeners: impl IntoIterator<Item = (Service, &'a SocketAddress)>,
    ) -> Result<(), Failed> {
        let wrong = |message| Err(Failed::new(ExitCode::Configuration, message));
        let mut public = None;
        for (service, address) in listeners {
            if service.begins_with_tls() && self.tls.is_none() {
                return wrong(format!(
                    "{address} is for TLS: name a certificate with --tls-cert and --tls-key, \
                     or try it with --tls-self-signed"
                ));
            }
            public = public.or(Some(address).filter(|address| !address.is_private()));
        }
        let Some(public) = public else {
            return Ok(());
        };
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

    /// Where somebody said to listen, and for what.
    pub fn named_listeners(&self) -> impl Iterator<Item = (Service, &SocketAddress)> {
        let listeners = self.listen.iter();
        listeners.map(|(service, address)| (*service, address))
    }

    /// Where somebody said to listen, for whatever service.
    pub fn named_addresses(&self) -> impl Iterator<Item = &SocketAddress> {
        self.listen.iter().map(|(_, address)| address)
    }

    /// Where to open listeners, if there are `inherited` ones: the default is for those who have none at all.
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

    /// What keeps users from logging in.
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

/// What is wrong with a listener, with the place where that was named, unless it was on the command line.
fn told_with_its_place(failed: Failed, settings: &Settings) -> Failed {
    let is_told_of = |value: &&Value| {
        let address = value
            .text()
            .ok()
            .and_then(|text| values::listen_address(text).ok());
        address.is_some_and(|address| failed.message.starts_with(&address.to_string()))
    };
    let mut values = LISTENERS.iter().flat_map(|(name, _)| settings.values(name));
    match values.find(is_told_of) {
        Some(value) if !matches!(value.origin, Origin::Flag) => value.unfit(failed.message),
        _ => failed,
    }
}

/// The listeners that somebody named; none if there is only the default.
fn named_listeners(settings: &Settings, mistakes: &mut Mistakes) -> Vec<(Service, SocketAddress)> {
    let mut named = Vec::new();
    for &(name, service) in LISTENERS {
        if settings
            .value(name)
            .is_some_and(|value| !matches!(value.origin, Origin::Default))
        {
            let addresses = match service {
                Service::Lmtp => settings.all(name, values::lmtp_address),
                _ => settings.all(name, values::listen_address),
            };
            let addresses = mistakes.note(addresses);
            named.extend(addresses.into_iter().map(|address| (service, address)));
        }
    }
    named
}

fn policy(settings: &Settings, users: Option<Users>, mistakes: &mut Mistakes) -> Policy {
    let before = mistakes.0.len();
    let hostname = mistakes.note(settings.one("hostname", values::domain));
    let domains = mistakes.note(settings.all("domain", values::domain));
    let (directory, senders) = match settings.tables() {
        // Whose domains are not known, nobody can tell which names are in them.
        Some(tables) if mistakes.0.len() == before => (
            mistakes.note(tables.directory(&hostname, &domains)),
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
        users: RefCell::new(users.map(Rc::new)),
        auth_insecure: mistakes.note(settings.is_on("auth-insecure")),
        auth_everywhere: mistakes.note(settings.is_on("auth-everywhere")),
        bare_newline: mistakes.note(settings.one("bare-newline", values::bare_newline)),
        end_text: mistakes.note(settings.one("end-of-data", values::end_text)),
        message_bytes_max: mistakes.note(settings.one("max-message-size", values::size)),
        recipients_max: mistakes.note(settings.one("max-recipients", values::count_over_0))
            as usize,
        messages_max: mistakes
            .note(settings.one("max-messages-per-session", values::count))
            .into(),
        errors_max: mistakes.note(settings.one("max-errors", values::count_over_0)),
    }
}

fn limits(settings: &Settings, mistakes: &mut Mistakes) -> Limits {
    Limits {
        connections_max: mistakes.note(settings.one("max-connections", values::count_over_0))
            as usize,
        connections_per_ip_max: mistakes.note(settings.one("max-connections-per-ip", values::count))
            as usize,
        lingering_max: LINGERING_MAX,
        idle_timeout: mistakes.note(settings.one("idle-timeout", values::seconds)),
        min_rate: mistakes.note(settings.one("min-rate", values::rate)),
        session_timeout: mistakes.note(settings.one("session-timeout", values::seconds)),
        drain_timeout: mistakes.note(settings.one("drain-timeout", values::seconds)),
        min_free: mistakes.note(settings.one("min-free", values::room)),
        exit_after: mistakes
            .note(settings.one("exit-after", values::count))
            .into(),
    }
}

fn delivery(settings: &Settings, mistakes: &mut Mistakes) -> Delivery {
    let mailboxes_max = mistakes.note(settings.one("max-mailboxes", values::count)) as usize;
    match mistakes.note(settings.path("maildir")) {
        Some(directory) => Delivery::Maildir {
            directory,
            mailboxes_max,
        },
        None => Delivery::Discard,
    }
}

/// What a server calls itself if nobody says: the machine's name, or `localhost` if that is no domain name.
#[must_use]
pub fn server_name() -> String {
    machine_name().unwrap_or_else(|| "localhost".to_owned())
}

/// What a client calls itself if nobody says: the machine's name, or an address literal if that is no domain
/// name (RFC 5321 §4.1.4).
#[must_use]
pub fn client_name() -> String {
    machine_name().unwrap_or_else(|| "[127.0.0.1]".to_owned())
}

fn machine_name() -> Option<String> {
    let system = rustix::system::uname();
    system
        .nodename()
        .to_str()
        .ok()
        .and_then(|name| values::domain(name).ok())
}
