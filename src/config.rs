//! The configuration: all that the operator decided, checked before a socket opens.
//!
//! [`sources`] puts together what [`file`](mod@file), [`environment`] and flags say about each option, as text with its
//! origin: [`settings`]. [`values`] reads the text, and [`Config`] is what comes of it. Aliases, mailboxes and
//! senders are [`tables`] of the file.

mod catch;
#[cfg_attr(not(feature = "tls"), path = "not_built.rs")]
mod certificates;
pub mod environment;
#[cfg_attr(not(feature = "catch"), path = "config/no_faults.rs")]
pub mod faults;
pub mod file;
#[cfg_attr(not(feature = "milter"), path = "config/no_filters.rs")]
pub mod filters;
mod http;
pub mod key;
pub mod option;
pub mod options;
mod parts;
mod private_file;
pub mod relay;
mod routes;
mod rows;
mod senders;
pub mod settings;
mod source;
pub mod sources;
#[cfg_attr(not(feature = "stream"), path = "config/no_stream.rs")]
pub mod stream;
pub mod tables;
pub(crate) mod text;
mod users;
pub mod value;
pub mod values;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use log::LevelFilter;

use crate::exit::{ExitCode, Failed};
use crate::inbound::{Limits, Rules};
use crate::net::cidr::Cidr;
use crate::net::endpoint::SocketAddress;
use crate::net::link::StartTls;
use crate::smtp::line::BareNewline;
use crate::smtp::policy::Policy;
use crate::smtp::service::Service;
pub use catch::CatchConfig;
use faults::FaultRule;
use filters::FilterConfig;
pub use http::HttpConfig;
#[cfg(feature = "catch")]
pub(crate) use http::token_text as http_token;
use option::ServerCommand;
use options::LISTENERS;
use parts::SettingsReader;
pub use parts::{Delivery, RecordSettings};
pub use relay::RelayConfig;
use settings::Settings;
use stream::StreamConfig;
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
    /// What the inbox keeps, of a server for tests.
    pub catch: Option<CatchConfig>,
    /// All about mail that is sent on; `None` without a route.
    pub relay: Option<RelayConfig>,
    /// All about the stream that mail is kept in, if it is.
    pub stream: Option<StreamConfig>,
    /// The mail filters, if there are any.
    pub filters: Option<FilterConfig>,
    /// TLS with the certificates of the server, if it has any.
    pub tls: Option<Rc<dyn StartTls>>,
    /// The file of those who may log in, if anybody may read it.
    pub exposed_users: Option<PathBuf>,
    /// The peers that must send a PROXY header first.
    pub proxy_from: Vec<Cidr>,
    /// The peers that may say by XCLIENT for whom they speak.
    pub xclient_from: Vec<Cidr>,
    /// The rules by which faults are made.
    pub faults: Vec<FaultRule>,
    /// Whether several processes may listen on the same port.
    pub reuse_port: bool,
    /// All about HTTP.
    pub http: HttpConfig,
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
        let relay = RelayConfig::read(&mut read);
        let routes = relay.as_ref().map(|relay| Rc::clone(&relay.routes));
        let mut source_warnings = settings.warnings().to_vec();
        if relay.is_none() {
            source_warnings.extend(relay::warn_without_route(settings));
        }
        source_warnings.extend(stream::warn_without_stream(settings));
        source_warnings.extend(filters::warn_without_filter(settings));
        let config = Self {
            listen: read.listeners(),
            policy: Policy {
                tls: tls.is_some(),
                ..read.policy(users, routes)
            },
            tls,
            exposed_users,
            limits: read.limits(),
            delivery: read.delivery(),
            catch: CatchConfig::read(&mut read),
            relay,
            stream: StreamConfig::read(&mut read),
            filters: filters::read(&mut read),
            proxy_from: read.get(&options::PROXY_FROM),
            xclient_from: read.get(&options::XCLIENT_FROM),
            faults: read.get(&options::RULE),
            reuse_port: read.get(&options::REUSE_PORT),
            http: HttpConfig::read(&mut read),
            control: read.get(&options::CONTROL),
            user: read.get(&options::USER),
            log_level: read
                .mistakes
                .note(log_level.map(Some))
                .unwrap_or(LevelFilter::Info),
            log_file: read.get(&options::LOG_FILE),
            record: read.record(),
            source_warnings,
        };
        if let (Some(relay), Delivery::Maildir { directory, .. }) =
            (&config.relay, &config.delivery)
        {
            read.mistakes.note(relay.check_beside(directory, settings));
        }
        // One whose token cannot be read is told of that.
        if settings.value(&options::HTTP_TOKEN.option).is_none() {
            read.mistakes.note(config.http.check(&config.http.listen));
        }
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
            relay_peers: match &self.relay {
                Some(relay) => relay.relay_from.clone(),
                None => Vec::new(),
            },
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
        // With a route only the name of the server is ours. A server for tests sends nothing on, whatever comes.
        if self.catch.is_none() && self.policy.domains.is_empty() && self.policy.routes.is_none() {
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
        if self.policy.auth_insecure && self.catch.is_none() {
            return wrong(format!(
                "{public} can be reached from other machines: --auth-insecure lets passwords be sent in the clear, so it \
                 works on loopback and unix sockets only"
            ));
        }
        Ok(())
    }

    /// Whether mail is taken out of a stream, and no client brings any.
    #[must_use]
    pub fn delivers(&self) -> bool {
        self.stream.as_ref().is_some_and(StreamConfig::delivers)
    }

    /// The subcommand that it is for.
    fn command(&self) -> ServerCommand {
        match self.catch {
            Some(_) => ServerCommand::Catch,
            None if self.delivers() => ServerCommand::Deliver,
            None => ServerCommand::Serve,
        }
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
        let http = self.http.listen.iter().filter_map(SocketAddress::path);
        files.chain(http).chain(self.control.as_deref())
    }

    /// The listeners to open beside `inherited` ones: the default one is only for a server that has none at all.
    #[must_use]
    pub fn listeners(&self, inherited: usize) -> Vec<(Service, SocketAddress)> {
        if self.listen.is_empty() && inherited == 0 {
            let default = options::default_listen(self.command()).into_iter();
            let address = default.filter_map(|default| values::listen_address(default).ok());
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
        if let Some(catch) = &self.catch {
            warnings.extend(catch.warnings(self, inherited));
        }
        if let Some(relay) = &self.relay {
            let mut named = self.listen.iter();
            // Of a socket that was passed on nobody knows whom it is for.
            let is_public =
                !inherited.is_empty() || named.any(|(_, address)| !address.is_private());
            warnings.extend(relay.warnings(&self.policy, is_public));
        }
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
