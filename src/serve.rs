//! `mailoop serve`: from the configuration to the running server, and through its reloads.

mod check;
mod files;
#[cfg_attr(not(feature = "record"), path = "not_built.rs")]
mod record;
mod store;

use std::env;
use std::mem;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::options;
use crate::config::settings::Settings;
use crate::config::sources::Sources;
use crate::config::{Config, RecordSettings};
use crate::exit::{ExitCode, Failed, show};
use crate::logging::Log;
use crate::net::descriptors::raise_limit;
use crate::net::endpoint::SocketAddress;
use crate::net::link::StartTls;
use crate::net::listener::Listener;
use crate::privileges;
use crate::sandbox;
use crate::server::probe::CoreProbe;
use crate::server::{Server, ServiceManager, Stop, activation};
use crate::smtp::service::Service;

/// Serves until a signal ends it. `reload_asked` tells of a SIGHUP that came before the server heard of it.
///
/// # Errors
/// Why it could not start.
pub fn serve(flags: Settings, reload_asked: &AtomicBool) -> Result<(), Failed> {
    let sources = Sources::new(flags, env::vars_os());
    let settings = sources.settings()?;
    let config = Config::new(&settings)?;
    if settings.get(&options::CHECK)? {
        return check::check(&settings, &config);
    }
    let log_file = config.log_file.as_deref();
    let at_once = log_file.filter(|_| !files::is_log_late(&config));
    let log = Log::start(config.log_level, at_once, log_file.is_some())
        .map_err(|error| files::cannot_log(&config, &error, ExitCode::CannotCreate))?;
    let listeners = listen(&config)?;
    let control = listen_for_control(&config)?;
    for warning in config.warnings(&inherited(&listeners)) {
        log::warn!("warning=\"{warning}\"");
    }
    files::become_user(&settings, &config, &log)?;
    let running = Running {
        sources,
        settings,
        config,
        log,
    };
    let sockets = Sockets { listeners, control };
    let start_record: Option<StartRecord> = record::built();
    let wanted = running.config.record.as_ref().zip(start_record);
    let probe = wanted.map(|(settings, start_record)| start_record(settings));
    run(running, sockets, reload_asked, probe.transpose()?)
}

/// The sockets that a server listens on, bound before it gives up its rights.
struct Sockets {
    listeners: Vec<Listener<Service>>,
    control: Option<Listener<()>>,
}

/// Begins a record, as the configuration wants it.
type StartRecord = fn(&RecordSettings) -> Result<Box<dyn CoreProbe>, Failed>;

/// Runs a server, which `probe` watches if there is one.
fn run(
    mut running: Running,
    sockets: Sockets,
    reload_asked: &AtomicBool,
    probe: Option<Box<dyn CoreProbe>>,
) -> Result<(), Failed> {
    let mut server = start(&running.config, sockets, probe)?;
    log::logger().flush();

    let mut lines = String::new();
    for listener in server.listeners() {
        lines += &format!("listening {} {}\n", listener.tag(), listener.address());
    }
    show(&lines)?;
    server.tell_ready();
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
fn start(
    config: &Config,
    sockets: Sockets,
    probe: Option<Box<dyn CoreProbe>>,
) -> Result<Server, Failed> {
    let Sockets { listeners, control } = sockets;
    privileges::gain_no_more();
    // The store process has a file for each message that arrives.
    if let Err(error) = raise_limit() {
        log::warn!("warning=\"{error}\"");
    }
    let store = store::open(config)?;
    store::announce(config, listeners.iter().map(Listener::tag));
    log::info!("{}", sandbox::enter(&files::needs(config)));
    let service_manager = ServiceManager::from_environment();
    let started = Server::start(listeners, config.rules(), store, service_manager, probe);
    let started = started.and_then(|mut server| {
        if let Some(control) = control {
            log::info!("control={}", control.address());
            server.open_control(control)?;
        }
        Ok(server)
    });
    started
        .map_err(|error| Failed::new(ExitCode::Unavailable, format_args!("cannot start: {error}")))
}

/// The control socket, where one is configured.
fn listen_for_control(config: &Config) -> Result<Option<Listener<()>>, Failed> {
    let bound = config.control.as_deref();
    bound
        .map(|path| Listener::bind_private((), path))
        .transpose()
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
                server.reload(config.rules());
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
        // What is allowed behind private listeners must not come to the public ones that are open, whoever
        // opened them.
        config.check_listeners(services_of(server.listeners()))?;
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

/// The listeners that were passed to us and those we are to open.
fn listen(config: &Config) -> Result<Vec<Listener<Service>>, Failed> {
    let mut listeners =
        activation::inherited().map_err(|error| Failed::new(ExitCode::Configuration, error))?;
    config.check_listeners(services_of(&listeners))?;
    for (service, address) in config.listeners(listeners.len()) {
        let listener = Listener::bind(service, &address, config.reuse_port)
            .map_err(|error| Failed::new(ExitCode::Unavailable, error))?;
        listeners.push(listener);
    }
    Ok(listeners)
}
