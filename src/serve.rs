//! `mailoop serve`: from the configuration to the running server, and through its reloads.

#[cfg_attr(not(feature = "catch"), path = "not_built.rs")]
mod catch;
mod check;
#[cfg_attr(not(feature = "catch"), path = "not_built.rs")]
mod faults;
mod files;
#[cfg_attr(not(feature = "milter"), path = "not_built.rs")]
mod filters;
#[cfg_attr(not(feature = "http"), path = "not_built.rs")]
mod http;
mod parts;
#[cfg_attr(not(feature = "record"), path = "not_built.rs")]
mod record;
#[cfg_attr(not(feature = "relay"), path = "not_built.rs")]
mod relay;
mod store;
#[cfg_attr(not(feature = "stream"), path = "not_built.rs")]
mod stream;

use std::env;
use std::mem;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::Config;
use crate::config::options;
use crate::config::settings::Settings;
use crate::config::sources::Sources;
use crate::exit::{ExitCode, Failed, show};
use crate::inbound::Rules;
use crate::logging::Log;
use crate::net::descriptors::raise_limit;
use crate::net::endpoint::SocketAddress;
use crate::net::link::StartTls;
use crate::net::listener::Listener;
use crate::privileges;
use crate::sandbox;
use crate::server::activation::{self, BoundListeners};
use crate::server::descriptors::connections_allowed;
use crate::server::probe::CoreProbe;
use crate::server::{Server, ServiceManager, Stop};
use crate::smtp::service::Service;
use parts::{FilterParts, HttpParts, RelayParts, SetFaults, StartRecord};

/// Serves until a signal ends it. `reload_asked` tells of a SIGHUP that came before the server heard of it.
///
/// # Errors
/// Why it could not start.
pub fn serve(flags: Settings, reload_asked: &AtomicBool) -> Result<(), Failed> {
    let sources = Sources::new(flags, env::vars_os());
    let settings = sources.settings()?;
    let config = Config::new(&settings)?;
    check_routes(&config)?;
    if settings.get(&options::CHECK)? {
        return check::check(&settings, &config);
    }
    let log_file = config.log_file.as_deref();
    let at_once = log_file.filter(|_| !files::is_log_late(&config));
    let log = Log::start(config.log_level, at_once, log_file.is_some())
        .map_err(|error| files::cannot_log(&config, &error, ExitCode::CannotCreate))?;
    let listeners = listen(&config)?;
    let control = listen_for_control(&config)?;
    for warning in config.warnings(&inherited(&listeners.mail)) {
        log::warn!("warning=\"{warning}\"");
    }
    files::become_user(&settings, &config, &log)?;
    if let Some(warning) = left_behind(&settings, &config) {
        log::warn!("warning={warning:?}");
    }
    let running = Running {
        sources,
        settings,
        config,
        log,
    };
    let sockets = Sockets { listeners, control };
    run(running, sockets, reload_asked)
}

/// The sockets that a server listens on, bound before it gives up its rights.
struct Sockets {
    listeners: BoundListeners,
    control: Vec<Listener<()>>,
}

/// What to tell the operator of mail in the spool that nobody sends on.
fn left_behind(settings: &Settings, config: &Config) -> Option<String> {
    let relay: Option<RelayParts> = relay::built();
    (relay.filter(|_| config.relay.is_none())?.left_behind)(settings)
}

/// Runs a server.
fn run(mut running: Running, sockets: Sockets, reload_asked: &AtomicBool) -> Result<(), Failed> {
    let mut server = start(&running.config, sockets)?;
    send_on(&running.config, &mut server)?;
    store::connect(&running.config, &mut server)?;
    set_faults(&running.config, &mut server);
    set_filters(&running.config, &mut server)?;
    log::logger().flush();

    let mut lines = String::new();
    for listener in server.listeners() {
        lines += &format!("listening {} {}\n", listener.tag(), listener.address());
    }
    for listener in server.http_listeners() {
        lines += &format!("listening http {}\n", listener.address());
    }
    show(&lines)?;
    server.tell_when_ready();
    if reload_asked.load(Ordering::Relaxed) {
        running.reload(&mut server);
    }
    let poll_failed = |error| Failed::new(ExitCode::Io, format_args!("poll failed: {error}"));
    while server.run().map_err(poll_failed)? == Stop::ReloadAsked {
        running.reload(&mut server);
    }
    Ok(())
}

/// Starts the server once it has no more rights than it needs: what its store makes belongs to its user.
fn start(config: &Config, sockets: Sockets) -> Result<Server, Failed> {
    let Sockets {
        listeners: BoundListeners { mail, http },
        mut control,
    } = sockets;
    privileges::gain_no_more();
    // The store process has a file for each message that arrives.
    if let Err(error) = raise_limit() {
        log::warn!("warning=\"{error}\"");
    }
    let store = store::open(config)?;
    let relay: Option<RelayParts> = relay::built();
    if let Some(relay) = relay {
        control.extend((relay.listen)(config)?);
    }
    // A start that a store refuses leaves the record of an earlier one as it is.
    let probe = start_record(config)?;
    store::announce(config, mail.iter().map(Listener::tag));
    log::info!("{}", sandbox::enter(&files::needs(config)));
    let service_manager = ServiceManager::from_environment();
    let rules = rules(config, !http.is_empty());
    let started = Server::start(mail, rules, store, service_manager, probe);
    let started = started.and_then(|mut server| {
        for socket in &control {
            log::info!("control={}", socket.address());
        }
        if !control.is_empty() {
            server.open_control(control)?;
        }
        let parts: Option<HttpParts> = http::built();
        if let Some(parts) = parts
            && !http.is_empty()
        {
            (parts.open)(http, config, &mut server)?;
        }
        Ok(server)
    });
    started
        .map_err(|error| Failed::new(ExitCode::Unavailable, format_args!("cannot start: {error}")))
}

/// Begins a record, where the configuration has one.
fn start_record(config: &Config) -> Result<Option<Box<dyn CoreProbe>>, Failed> {
    let start: Option<StartRecord> = record::built();
    let wanted = config.record.as_ref().zip(start);
    wanted.map(|(settings, start)| start(settings)).transpose()
}

/// Checks what routes name, where the configuration has any.
fn check_routes(config: &Config) -> Result<(), Failed> {
    let relay: Option<RelayParts> = relay::built();
    relay.map_or(Ok(()), |relay| (relay.check)(config))
}

/// The rules of the configuration, for a server that may speak HTTP. Descriptors are for clients of either kind, and for connections
/// that go out.
fn rules(config: &Config, speaks_http: bool) -> Rules {
    let mut rules = config.rules();
    let http: Option<HttpParts> = http::built();
    let http = http.filter(|_| speaks_http);
    // Each of those has a socket and nothing else.
    let beside = http.map_or(0, |http| (http.clients_max)() / 2);
    let mut clients_max = rules.limits.connections_max.saturating_add(beside);
    clients_max = clients_max.min(connections_allowed());
    let relay: Option<RelayParts> = relay::built();
    if let Some(relay) = relay {
        clients_max = (relay.clients_max)(config, clients_max);
    }
    let filters: Option<FilterParts> = filters::built();
    if let Some(filters) = filters {
        clients_max = (filters.clients_max)(config, clients_max);
    }
    rules.limits.connections_max = clients_max.saturating_sub(beside).max(1);
    rules
}

/// Has the server send mail on, where the configuration has routes.
fn send_on(config: &Config, server: &mut Server) -> Result<(), Failed> {
    let relay: Option<RelayParts> = relay::built();
    let policy = server.policy();
    relay.map_or(Ok(()), |relay| (relay.send_on)(config, policy, server))
}

/// Has the server make faults by the rules of the configuration; those that are in force already keep their counts.
fn set_faults(config: &Config, server: &mut Server) {
    let set_faults: Option<SetFaults> = faults::built();
    if let Some(set_faults) = set_faults {
        set_faults(config, server);
    }
}

/// Has new sessions ask the mail filters of the configuration.
fn set_filters(config: &Config, server: &mut Server) -> Result<(), Failed> {
    let parts: Option<FilterParts> = filters::built();
    let set = parts.map_or(Ok(()), |parts| (parts.set)(config, server));
    set.map_err(|error| {
        let message = format_args!("cannot ask mail filters: {error}");
        Failed::new(ExitCode::Unavailable, message)
    })
}

/// The control socket, where one is configured.
fn listen_for_control(config: &Config) -> Result<Vec<Listener<()>>, Failed> {
    let paths = config.control.iter();
    let bound = paths.map(|path| Listener::bind_private((), path));
    bound
        .collect::<Result<_, _>>()
        .map_err(|error| Failed::new(ExitCode::Unavailable, error))
}

/// The configuration of a running server.
struct Running {
    sources: Sources,
    /// The settings of the start, which listeners and store still follow.
    settings: Settings,
    /// The last good one.
    config: Config,
    log: Log,
}

impl Running {
    /// Reads the configuration anew. If it is not good, the old one stays.
    fn reload(&mut self, server: &mut Server) {
        let read = self.read(server);
        let log_file = read
            .as_ref()
            .map_or(&self.config, |(_, config)| config)
            .log_file
            .clone();
        self.reopen_log(log_file);
        match read {
            Ok((settings, mut config)) => {
                self.log.set_level(config.log_level);
                log::info!("signal=HUP configuration reloaded");
                for name in self.settings.awaiting_restart(&settings) {
                    log::warn!("signal=HUP warning=\"{name} has changed, which takes a restart\"");
                }
                for warning in config.warnings(&inherited(server.listeners())) {
                    log::warn!("warning=\"{warning}\"");
                }
                config.proxy_from = mem::take(&mut self.config.proxy_from);
                let speaks_http = !server.http_listeners().is_empty();
                server.reload(rules(&config, speaks_http));
                set_faults(&config, server);
                if let Err(Failed { message, .. }) = set_filters(&config, server) {
                    log::warn!("signal=HUP warning={message:?}");
                }
                if let Err(Failed { message, .. }) = send_on(&config, server) {
                    log::warn!("signal=HUP warning={message:?}");
                }
                let http: Option<HttpParts> = http::built();
                if let Some(http) = http {
                    (http.reload)(&config, server);
                }
                config.log_file = self.config.log_file.take();
                self.config = config;
            }
            Err(Failed { message, .. }) => {
                let warning = format!(
                    "the old configuration stays: {}",
                    message.replace('\n', "; ")
                );
                log::warn!("signal=HUP warning={warning:?}");
            }
        }
        // The next tick may be long in coming.
        log::logger().flush();
    }

    /// Opens the log anew, also with a bad configuration: what rotates logs must not have to care. Where it is
    /// not to be had at its new place it goes on at the old one.
    fn reopen_log(&mut self, wanted: Option<PathBuf>) {
        let moved = wanted != self.config.log_file;
        let Err(error) = self.log.reopen(wanted.as_deref()) else {
            self.config.log_file = wanted;
            return;
        };
        let place = wanted.unwrap_or_default();
        let advice = if moved {
            "; another folder takes a restart"
        } else {
            ""
        };
        let warning = format!(
            "{}: {error}; the log stays where it was{advice}",
            place.display()
        );
        if moved {
            // It may have been renamed all the same.
            let _ = self.log.reopen(self.config.log_file.as_deref());
        }
        log::warn!("signal=HUP warning={warning:?}");
    }

    /// Reads the configuration as it is now, and checks that it can run without a restart.
    fn read(&self, server: &Server) -> Result<(Settings, Config), Failed> {
        let settings = self.sources.settings()?;
        let mut config = Config::new(&settings)?;
        check_routes(&config)?;
        if config.relay.is_some() != self.config.relay.is_some() {
            let message = "route: the first one takes a restart, which opens the spool, and so does to do without any, \
                           since mail may wait there";
            return Err(Failed::new(ExitCode::Configuration, message));
        }
        if config.filters.is_some() && self.config.filters.is_none() {
            let message = "milter: the first one takes a restart, which makes room for messages that filters look at";
            return Err(Failed::new(ExitCode::Configuration, message));
        }
        // What is allowed behind private listeners must not come to the public ones that are open, whoever
        // opened them.
        config.check_listeners(services_of(server.listeners()))?;
        let http = server.http_listeners().iter();
        config.http.check(http.map(Listener::address))?;
        config.tls = renewed(self.config.tls.as_ref(), config.tls);
        Ok((settings, config))
    }
}

/// Chooses between TLS as it was `before` and as it is configured `now`. With the same certificates it stays as it was: its
/// session tickets are still good. With others they must not be: a client that resumes a session does not see the new
/// certificate, so a login could not be bound to it.
fn renewed(
    before: Option<&Rc<dyn StartTls>>,
    now: Option<Rc<dyn StartTls>>,
) -> Option<Rc<dyn StartTls>> {
    let now = now?;
    let same = before.filter(|before| before.identity() == now.identity());
    Some(same.map_or(now, Rc::clone))
}

/// The services of the listeners that were passed to us.
fn inherited(listeners: &[Listener<Service>]) -> Vec<Service> {
    let inherited = listeners.iter().filter(|listener| listener.is_inherited());
    inherited.map(Listener::tag).collect()
}

fn services_of(listeners: &[Listener<Service>]) -> impl Iterator<Item = (Service, &SocketAddress)> {
    let listeners = listeners.iter();
    listeners.map(|listener| (listener.tag(), listener.address()))
}

/// The listeners that were passed to us and those we are to open: for mail, and for HTTP.
fn listen(config: &Config) -> Result<BoundListeners, Failed> {
    let inherited = activation::inherited();
    let BoundListeners { mut mail, mut http } =
        inherited.map_err(|error| Failed::new(ExitCode::Configuration, error))?;
    config.check_listeners(services_of(&mail))?;
    config.http.check(http.iter().map(Listener::address))?;
    let unavailable = |error| Failed::new(ExitCode::Unavailable, error);
    for (service, address) in config.listeners(mail.len()) {
        let listener = Listener::bind(service, &address, config.reuse_port);
        mail.push(listener.map_err(unavailable)?);
    }
    for address in &config.http.listen {
        let listener = Listener::bind((), address, config.reuse_port);
        http.push(listener.map_err(unavailable)?);
    }
    Ok(BoundListeners { mail, http })
}
