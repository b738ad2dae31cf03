//! What a build may have: each part of it hands out one of these, or nothing where its feature is not built in.

use std::io;
use std::rc::Rc;

use crate::config::settings::Settings;
use crate::config::stream::StreamConfig;
use crate::config::{CatchConfig, Config, RecordSettings};
use crate::exit::Failed;
use crate::net::listener::Listener;
use crate::server::Server;
use crate::server::probe::CoreProbe;
use crate::smtp::policy::Policy;
use crate::store::Store;

/// Begins a record, as the configuration wants it.
pub(super) type StartRecord = fn(&RecordSettings) -> Result<Box<dyn CoreProbe>, Failed>;

/// What a build has that speaks HTTP.
pub(super) struct HttpParts {
    /// The most clients.
    pub(super) clients_max: fn() -> usize,
    /// Lets clients in by these listeners, as the configuration says.
    pub(super) open: fn(Vec<Listener<()>>, &Config, &mut Server) -> io::Result<()>,
    /// Lets them in as the configuration says now.
    pub(super) reload: fn(&Config, &mut Server),
}

/// Stands around a store, and keeps what is stored in memory.
pub(super) type KeepMail = fn(CatchConfig, &Config, Box<dyn Store>) -> Box<dyn Store>;
/// Has a server make faults by the rules of the configuration.
pub(super) type SetFaults = fn(&Config, &mut Server);

/// What a build has for mail filters.
pub(super) struct FilterParts {
    /// Stands around a store, so that messages can be on hold while filters look at them.
    pub(super) stand_around: fn(&Config, Box<dyn Store>) -> Box<dyn Store>,
    /// The most clients, of so many, where each may have a connection to each of its filters.
    pub(super) clients_max: fn(&Config, usize) -> usize,
    /// Has new sessions ask the filters of the configuration.
    pub(super) set: fn(&Config, &mut Server) -> io::Result<()>,
}

/// A store, or why it cannot be opened.
pub(super) type OpenedStore = Result<Box<dyn Store>, Failed>;

/// What a build has that can send mail on.
pub(super) struct RelayParts {
    /// Opens the spool beside a store for mail that stays here, where the configuration has routes.
    pub(super) open_spool: fn(&Config, Box<dyn Store>) -> OpenedStore,
    /// The control socket in the spool, by which `mailoop queue` finds its server. The spool is ours by then.
    pub(super) listen: fn(&Config) -> Result<Option<Listener<()>>, Failed>,
    /// Checks that connections can be made by the routes of the configuration: that there are the authorities that they name.
    pub(super) check: fn(&Config) -> Result<(), Failed>,
    /// The most clients, of so many, beside the connections that go out.
    pub(super) clients_max: fn(&Config, usize) -> usize,
    /// Has a server send mail on as the configuration wants it, from its start or after a reload.
    pub(super) send_on: fn(&Config, Rc<Policy>, &mut Server) -> Result<(), Failed>,
    /// What to tell the operator of mail in a spool, where there is no route any more.
    pub(super) left_behind: fn(&Settings) -> Option<String>,
}

/// What a build has that can keep mail in a stream.
pub(super) struct StreamParts {
    /// Opens the store that brings mail to the stream.
    pub(super) open: fn() -> OpenedStore,
    /// Stands around a store, into which mail is taken out of the stream.
    pub(super) deliver_into: fn(&StreamConfig, Box<dyn Store>) -> Box<dyn Store>,
    /// Connects the store of a server to the stream of the configuration, and waits until that is there.
    pub(super) connect: fn(&StreamConfig, &mut Server) -> Result<(), Failed>,
    /// Logs where mail goes.
    pub(super) announce: fn(&StreamConfig),
}
