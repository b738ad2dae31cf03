//! Mail that is sent on: from the configuration to what the server needs for it.

use core::cell::RefCell;
use core::fmt::Display;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use super::files::POLICY_FOLDER;
use super::parts::RelayParts;
use crate::config::options;
use crate::config::relay::DEFAULT_SPOOL;
use crate::config::settings::Settings;
use crate::config::{Config, RelayConfig};
use crate::control::queue::QUEUE_SOCKET;
use crate::exit::{ExitCode, Failed};
use crate::net::endpoint::SocketAddress;
use crate::net::listener::Listener;
use crate::net::trust::{Trust, TrustError};
use crate::outbound::connectors::{HOP_CONNECTORS, HopConnectors};
use crate::outbound::dispatcher::RelaySettings;
use crate::outbound::mx::connect::{CommonConnectors, MxConnector};
use crate::outbound::mx::ourselves::{AddressVerdict, MxRules};
use crate::outbound::names::NameSources;
use crate::outbound::queue::{QueueLimits, RetrySchedule};
use crate::outbound::sites::{RoutedSites, SiteHop};
use crate::outbound::sts::file::PolicyFile;
use crate::outbound::sts::service::PolicySettings;
use crate::server::Server;
use crate::server::descriptors::connections_allowed;
use crate::server::network::NetworkSettings;
use crate::smtp::policy::Policy;
use crate::smtp::route::Hop;
use crate::smtp::sasl::SASL;
use crate::store::Store;
use crate::store::THIS_PROGRAM;
use crate::store::spool::{RelayStore, RelayStoreOptions, SpoolInspection};

pub(super) fn built() -> Option<RelayParts> {
    Some(RelayParts {
        open_spool,
        listen,
        check,
        clients_max,
        send_on,
        left_behind,
    })
}

/// Pieces of a spool that are read to see whether mail is left there: some seconds' work at most.
const PIECES_MAX: usize = 64;

/// What to tell the operator of mail in the spool, where there is no route.
fn left_behind(settings: &Settings) -> Option<String> {
    let spool = settings.value(&options::SPOOL.option);
    let spool = Path::new(spool.map_or(OsStr::new(DEFAULT_SPOOL), |spool| &spool.text));
    let mut inspection = SpoolInspection::open(spool).ok()?;
    let mut found = Vec::new();
    let mut pieces = 0..PIECES_MAX;
    while found.is_empty() && inspection.scan(&mut found) && pieces.next().is_some() {}
    (!found.is_empty()).then(|| {
        let spool = spool.display();
        format!(
            "mail waits in the spool {spool}, and stays there: without a --route nothing is sent on; mailoop queue --spool \
             {spool} list shows it"
        )
    })
}

/// Listens in the spool for `mailoop queue`, where there are routes.
fn listen(config: &Config) -> Result<Option<Listener<()>>, Failed> {
    let relay = config.relay.as_ref();
    let path = relay.map(|relay| relay.spool.join(QUEUE_SOCKET));
    let bound = path.map(|path| Listener::bind_private((), &path));
    bound
        .transpose()
        .map_err(|error| Failed::new(ExitCode::Unavailable, error))
}

/// Opens the spool, where there are routes.
fn open_spool(config: &Config, local: Box<dyn Store>) -> Result<Box<dyn Store>, Failed> {
    let Some(relay) = &config.relay else {
        return Ok(local);
    };
    let options = RelayStoreOptions::new(&relay.spool, relay.queued_max);
    match RelayStore::open(local, &options, Path::new(THIS_PROGRAM)) {
        Ok(store) => {
            let folder = relay.spool.join(POLICY_FOLDER);
            if let Err(error) = PolicyFile::make_folder(&folder) {
                let folder = folder.display();
                log::warn!("warning=\"cannot keep MTA-STS policies in {folder}: {error}\"");
            }
            Ok(Box::new(store))
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(Failed::new(
            ExitCode::TryAgain,
            format_args!(
                "the spool {} belongs to another process that runs: stop that, or choose another --spool",
                relay.spool.display()
            ),
        )),
        Err(error) => Err(Failed::new(
            ExitCode::CannotCreate,
            format_args!(
                "cannot keep the queue in {}: {error}; choose another --spool",
                relay.spool.display()
            ),
        )),
    }
}

/// Checks that connections can be made by the routes.
fn check(config: &Config) -> Result<(), Failed> {
    let relay = config.relay.as_ref();
    relay.map_or(Ok(()), |relay| {
        routed(relay, "", shared_connectors().as_ref()).map(drop)
    })
}

/// The most clients beside the connections that go out. Of these each has a socket, or asks name servers by two before it has one; a client
/// has as many.
fn clients_max(config: &Config, clients_max: usize) -> usize {
    let Some(relay) = &config.relay else {
        return clients_max;
    };
    let left = connections_allowed().saturating_sub(outgoing_max(relay));
    clients_max.min(left.max(1))
}

/// The most connections that go out: half of what the descriptors allow, at most.
fn outgoing_max(relay: &RelayConfig) -> usize {
    relay.outgoing_max.min((connections_allowed() / 2).max(1))
}

/// Has the server send mail on by the routes of the configuration, if there are any; or go on by others after a reload.
fn send_on(config: &Config, policy: Rc<Policy>, server: &mut Server) -> Result<(), Failed> {
    let Some(relay) = &config.relay else {
        return Ok(());
    };
    let settings = settings(relay, policy, config)?;
    let network = network(relay, Rc::clone(&settings.mx.rules));
    server.send_on(settings, network).map_err(|error| {
        let message = format_args!("cannot send mail on: {error}");
        Failed::new(ExitCode::Unavailable, message)
    })
}

fn network(relay: &RelayConfig, rules: Rc<MxRules>) -> NetworkSettings {
    let v4 = relay.outgoing.v4.map(IpAddr::V4);
    let v6 = relay.outgoing.v6.map(IpAddr::V6);
    NetworkSettings {
        sources: v4.into_iter().chain(v6).collect(),
        names: NameSources::system(relay.name_servers.clone()),
        policies: PolicySettings {
            folder: Some(relay.spool.join(POLICY_FOLDER)),
            port: relay.policy_port,
            trust: Trust::Machine,
            refuses: Rc::new(move |address| rules.verdict(address) != AddressVerdict::Fine),
        },
    }
}

fn settings(
    relay: &RelayConfig,
    policy: Rc<Policy>,
    config: &Config,
) -> Result<RelaySettings, Failed> {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let connectors = shared_connectors();
    if let Some(connectors) = &connectors
        && relay.routes.all().iter().any(|route| route.mx().is_some())
    {
        // Whom the machine trusts is read now: it takes too long for the loop. Where nobody is there, the mail that needs it says so.
        drop(
            connectors
                .borrow_mut()
                .connector(&policy.hostname, &Trust::Machine),
        );
    }
    Ok(RelaySettings {
        routed: routed(relay, &policy.hostname, connectors.as_ref())?,
        mx: MxConnector {
            our_name: policy.hostname.as_str().into(),
            connectors,
            rules: Rc::new(mx_rules(relay, &policy, config)),
        },
        schedule: RetrySchedule {
            waits_ms: relay.retry.iter().copied().map(milliseconds).collect(),
            lifetime_ms: milliseconds(relay.queue_lifetime),
            bounce_lifetime_ms: milliseconds(relay.bounce_lifetime),
            delay_notice_ms: relay.delay_notice.map(milliseconds),
        },
        limits: QueueLimits {
            outgoing_max: u32::try_from(outgoing_max(relay)).unwrap_or(u32::MAX),
            outgoing_per_site_max: u16::try_from(relay.outgoing_per_site_max).unwrap_or(u16::MAX),
            ..QueueLimits::default()
        },
        policy,
    })
}

/// TLS with hops, which is read anew for each set of settings.
fn shared_connectors() -> Option<CommonConnectors> {
    HOP_CONNECTORS.map(|connectors| Rc::new(RefCell::new(connectors())))
}

/// The rules of servers that domains name.
fn mx_rules(relay: &RelayConfig, policy: &Policy, config: &Config) -> MxRules {
    let names = core::iter::once(&policy.hostname).chain(&policy.domains);
    let sockets = config.named_listeners();
    MxRules {
        port: relay.mx_port,
        allowed: relay.mx_allow.clone(),
        our_names: names.map(|name| name.to_ascii_lowercase().into()).collect(),
        our_addresses: interface_addresses(),
        named_addresses: relay.own_addresses.clone(),
        our_sockets: sockets
            .filter_map(|(_, address)| match address {
                SocketAddress::Tcp(address) => Some(*address),
                SocketAddress::Unix(_) => None,
            })
            .collect(),
    }
}

/// The addresses of the interfaces of this machine; none where the system does not tell.
fn interface_addresses() -> Vec<IpAddr> {
    #[cfg(target_os = "linux")]
    if let Ok(interfaces) = nix::ifaddrs::getifaddrs() {
        let addresses = interfaces.filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        });
        return addresses.collect();
    }
    Vec::new()
}

/// The routes, with what connections by them need. `hostname` is our name.
fn routed(
    relay: &RelayConfig,
    hostname: &str,
    connectors: Option<&CommonConnectors>,
) -> Result<RoutedSites, Failed> {
    let mut maker = HopMaker {
        relay,
        name: hostname.into(),
        connectors,
    };
    RoutedSites::new(Rc::clone(&relay.routes), |hop| {
        maker.hop(hop).map_err(|error| {
            let mut routes = relay.routes.all().into_iter();
            let route = routes.find(|route| route.hops.contains(hop));
            let route: &dyn Display = route.map_or(hop, |route| &**route);
            let message = format_args!("cannot send mail on by the route {route}: {error}");
            Failed::new(ExitCode::Configuration, message)
        })
    })
}

/// Makes the hops of sites: what they need of TLS is read once for all.
struct HopMaker<'a> {
    relay: &'a RelayConfig,
    /// Our name.
    name: Rc<str>,
    connectors: Option<&'a CommonConnectors>,
}

impl HopMaker<'_> {
    fn hop(&mut self, hop: &Hop) -> Result<SiteHop, TrustError> {
        let sasl = SASL.zip(hop.login.as_deref().zip(self.relay.password(hop)));
        let login = sasl.and_then(|(sasl, (user, password))| (sasl.credentials)(user, password));
        let mut connectors = self.connectors.map(|shared| shared.borrow_mut());
        let connectors = connectors.as_mut();
        let connectors = connectors.map(|connectors| &mut ***connectors as &mut dyn HopConnectors);
        SiteHop::of_route(hop, Rc::clone(&self.name), login, connectors)
    }
}
