//! All that the operator decided about mail that is sent on.

mod passwords;
pub mod values;

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

pub use passwords::RoutePasswords;

use super::option::ServeOption;
use super::options;
use super::parts::SettingsReader;
use super::settings::Settings;
use super::value::OptionValue;
use crate::exit::{Failed, Mistakes};
use crate::net::cidr::Cidr;
use crate::smtp::policy::Policy;
use crate::smtp::route::{Hop, Pattern, Route, Routes, TlsLevel};

/// The most octets of the path of a spool: with the name of its socket it must be the address of one (sockaddr_un(3)).
const SPOOL_BYTES_MAX: usize = 107 - "/queue.sock".len();
/// The folder of the spool if nobody names one.
pub(crate) const DEFAULT_SPOOL: &str = "./spool";

/// All that the operator decided about mail that is sent on. There is none without a route.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// The routes, at least one.
    pub routes: Rc<Routes>,
    /// The passwords of logins at hops: each user that a hop names has one.
    pub passwords: RoutePasswords,
    /// The contents of each file that a hop names by `ca=`.
    pub authorities: BTreeMap<PathBuf, Vec<u8>>,
    /// The peers that may send anywhere that a route leads to, without a login.
    pub relay_from: Vec<Cidr>,
    /// The folder of the spool.
    pub spool: PathBuf,
    /// The waits after which a message is tried again, at least one; the last one is repeated.
    pub retry: Vec<Duration>,
    /// The age at which a message is given up.
    pub queue_lifetime: Duration,
    /// The age at which a report is given up.
    pub bounce_lifetime: Duration,
    /// The age at which a sender is told once that a message is delayed, if at all.
    pub delay_notice: Option<Duration>,
    /// The most messages in the queue.
    pub queued_max: usize,
    /// The addresses that connections come from.
    pub outgoing: OutgoingAddresses,
    /// The most connections to all hops.
    pub outgoing_max: usize,
    /// The most connections to one site.
    pub outgoing_per_site_max: usize,
    /// The name servers; none for those of the system.
    pub name_servers: Vec<SocketAddr>,
    /// Special ranges in which servers may be that a domain names.
    pub mx_allow: Vec<Cidr>,
    /// The port of servers that a domain names.
    pub mx_port: u16,
    /// The port of hosts that have a domain's policy (MTA-STS).
    pub policy_port: u16,
    /// Addresses that lead to this machine from outside.
    pub own_addresses: Vec<IpAddr>,
}

/// The addresses that connections to hops come from; the system chooses where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutgoingAddresses {
    /// For connections to IPv4 addresses.
    pub v4: Option<Ipv4Addr>,
    /// For connections to IPv6 addresses.
    pub v6: Option<Ipv6Addr>,
}

/// The options that make no difference without a route.
static FOR_ROUTES: [&ServeOption; 16] = [
    &options::ROUTE_PASSWORDS.option,
    &options::RELAY_FROM.option,
    &options::USER_RATE.option,
    &options::SPOOL.option,
    &options::MAX_QUEUE_MESSAGES.option,
    &options::RETRY.option,
    &options::QUEUE_LIFETIME.option,
    &options::BOUNCE_LIFETIME.option,
    &options::DELAY_NOTICE.option,
    &options::OUTGOING_ADDRESS.option,
    &options::MAX_OUTGOING.option,
    &options::MAX_OUTGOING_PER_SITE.option,
    &options::DNS.option,
    &options::MX_ALLOW.option,
    &options::MX_PORT.option,
    &options::OWN_ADDRESS.option,
];

impl RelayConfig {
    /// Reads what `read` has on mail that is sent on; `None` without a route. Mistakes are noted in any case.
    pub(super) fn read(read: &mut SettingsReader<'_>) -> Option<Self> {
        if !options::RELAY {
            return None;
        }
        let mut relay = Self {
            routes: Rc::default(),
            passwords: RoutePasswords::default(),
            authorities: BTreeMap::new(),
            relay_from: read.get(&options::RELAY_FROM),
            spool: read.get(&options::SPOOL).unwrap_or_default(),
            retry: read.get(&options::RETRY).concat(),
            queue_lifetime: read.get(&options::QUEUE_LIFETIME),
            bounce_lifetime: read.get(&options::BOUNCE_LIFETIME),
            delay_notice: read.get(&options::DELAY_NOTICE),
            queued_max: read.get(&options::MAX_QUEUE_MESSAGES) as usize,
            outgoing: outgoing(read.settings, &mut read.mistakes),
            outgoing_max: read.get(&options::MAX_OUTGOING) as usize,
            outgoing_per_site_max: read.get(&options::MAX_OUTGOING_PER_SITE) as usize,
            name_servers: read.get(&options::DNS),
            mx_allow: read.get(&options::MX_ALLOW),
            mx_port: u16::try_from(read.get(&options::MX_PORT)).unwrap_or(u16::MAX),
            policy_port: u16::try_from(read.get(&options::MTA_STS_PORT)).unwrap_or(u16::MAX),
            own_addresses: read.get(&options::OWN_ADDRESS),
        };
        let values = read.settings.values(&options::ROUTE.option);
        if values.is_empty() {
            return None;
        }
        if let Some(discard) = read.settings.value(&options::DISCARD.option)
            && read.get(&options::DISCARD)
        {
            let excludes = "it excludes --route: what is to be sent on is not dropped; leave one of the two out";
            read.mistakes.0.push(discard.unfit(excludes));
        }
        relay.add_routes(values, read);
        if let Some(spool) = read.settings.value(&options::SPOOL.option)
            && relay.spool.as_os_str().len() > SPOOL_BYTES_MAX
        {
            let long = format_args!(
                "the socket in it could not be made, since its path would be too long: choose a spool of at most \
                 {SPOOL_BYTES_MAX} octets"
            );
            read.mistakes.0.push(spool.unfit(long));
        }
        Some(relay)
    }

    /// Adds the routes, which `values` name, and what their hops need.
    fn add_routes(&mut self, values: &[OptionValue], read: &mut SettingsReader<'_>) {
        let file = read.settings.value(&options::ROUTE_PASSWORDS.option);
        let passwords = file.map_or(Ok(RoutePasswords::default()), RoutePasswords::read);
        // Without the file all users lack their passwords, which says nothing more.
        let check_logins = passwords.is_ok();
        self.passwords = read.mistakes.note(passwords);
        let file = file.map(|file| file.text.to_string_lossy());
        let mut table = Routes::default();
        for value in values {
            // Each by itself: one that is wrong hides no fault of the others.
            let text = value.text();
            let route = text.and_then(|text| values::route(text).map_err(|why| value.wrong(why)));
            let Some(route): Option<Route> = read.mistakes.note(route.map(Some)) else {
                continue;
            };
            for hop in &route.hops {
                read.mistakes.note(check_tls(hop, value));
                if check_logins {
                    let checked = check_login(hop, value, &self.passwords, file.as_deref());
                    read.mistakes.note(checked);
                }
                let authorities = read_authorities(hop, value, &mut self.authorities);
                read.mistakes.note(authorities);
            }
            let pattern = route.pattern.to_string();
            if !table.add(route) {
                let twice =
                    format_args!("{pattern} stands there twice: write its hops in one line");
                read.mistakes.0.push(value.unfit(twice));
            }
        }
        self.routes = Rc::new(table);
    }

    /// Checks that the spool is not in the folder of mailboxes, where its folders would be taken for domains.
    pub(super) fn check_beside(&self, maildir: &Path, settings: &Settings) -> Result<(), Failed> {
        if !settled(&self.spool).starts_with(settled(maildir)) {
            return Ok(());
        }
        let inside = format_args!(
            "it is in the --maildir {}: choose another",
            maildir.display()
        );
        match settings.value(&options::SPOOL.option) {
            Some(spool) => Err(spool.unfit(inside)),
            None => Ok(()),
        }
    }

    /// The password of the user that a hop names.
    #[must_use]
    pub fn password(&self, hop: &Hop) -> Option<&str> {
        self.passwords.of(hop.login.as_deref()?)
    }

    /// Warnings of what is probably a mistake, under this policy; `is_public`: others than this machine can connect.
    pub(super) fn warnings(&self, policy: &Policy, is_public: bool) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(all) = self.relay_from.iter().find(|network| network.is_all())
            && is_public
        {
            warnings.push(format!(
                "--relay-from {all} makes this an open relay: anybody who can connect may send anywhere by a route; name \
                 your own networks only"
            ));
        }
        let routes = self.routes.all();
        let mut hops = routes.iter().flat_map(|route| &route.hops);
        if let Some(hop) = hops.find(|hop| hop.authorities.is_some() && hop.tls != TlsLevel::Verify)
        {
            warnings.push(format!(
                "ca= makes no difference for {hop}: certificates are checked with tls=verify only"
            ));
        }
        if let Some(notice) = self.delay_notice
            && notice > self.queue_lifetime
        {
            warnings.push(format!(
                "--delay-notice {} makes no difference: mail is given up before, after --queue-lifetime {}",
                notice.as_secs(),
                self.queue_lifetime.as_secs()
            ));
        }
        let may_anybody = !self.relay_from.is_empty()
            || policy.users().is_some()
            || policy.directory.leads_elsewhere()
            || self.routes.all().iter().any(|route| {
                matches!(&route.pattern, Pattern::Domain(domain) if policy.is_our_domain(domain))
            });
        if !may_anybody {
            warnings.push(
                "nobody may send by a route: name the --users who log in for submission, or networks by --relay-from"
                    .to_owned(),
            );
        }
        warnings
    }
}

/// A path without symbolic links, as far as it is there.
fn settled(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut above = path.ancestors();
    let there = above.find_map(|above| Some((above, above.canonicalize().ok()?)));
    match there {
        Some((above, whole)) => whole.join(path.strip_prefix(above).unwrap_or(&path)),
        None => path,
    }
}

/// The options that somebody gave though they make no difference without a route.
pub(super) fn warn_without_route(settings: &Settings) -> Vec<String> {
    let given = FOR_ROUTES.iter().filter(|option| {
        let values = settings.values(option).iter();
        let texts: Vec<_> = values.map(|value| value.text.to_string_lossy()).collect();
        !texts.is_empty() && Some(&*texts.join(",")) != option.default
    });
    let warnings = given.map(|option| {
        let name = option.name;
        format!("--{name} makes no difference: without a --route nothing is sent on")
    });
    warnings.collect()
}

/// Checks that this build can do what a hop asks for.
fn check_tls(hop: &Hop, value: &OptionValue) -> Result<(), Failed> {
    let needs_tls = hop.tls > TlsLevel::May || hop.begins_with_tls();
    if needs_tls && !options::TLS {
        return Err(value.unfit("this program was built without the feature tls: write tls=none"));
    }
    if hop.login.is_some() && !options::AUTH {
        return Err(value.unfit("this program was built without the feature auth: leave auth= out"));
    }
    if hop.login.is_some() && hop.tls != TlsLevel::Verify {
        return Err(value.unfit(format_args!(
            "a password is sent to a server only that proves its name: write tls=verify in place of tls={}, or leave auth= out",
            hop.tls.name()
        )));
    }
    Ok(())
}

/// Checks that there is a password for the user that a hop names.
fn check_login(
    hop: &Hop,
    value: &OptionValue,
    passwords: &RoutePasswords,
    file: Option<&str>,
) -> Result<(), Failed> {
    match (&hop.login, file) {
        (Some(user), Some(file)) if passwords.of(user).is_none() => Err(value.unfit(format_args!(
            "the password of {user} is missing: add a line `{user} PASSWORD` to {file}"
        ))),
        (Some(user), None) => Err(value.unfit(format_args!(
            "the password of {user} is missing: name the file that has it with --route-passwords"
        ))),
        _ => Ok(()),
    }
}

/// Reads the authorities of a hop, if it names a file of them and nobody has read that.
fn read_authorities(
    hop: &Hop,
    value: &OptionValue,
    authorities: &mut BTreeMap<PathBuf, Vec<u8>>,
) -> Result<(), Failed> {
    let Some(file) = &hop.authorities else {
        return Ok(());
    };
    if !authorities.contains_key(file) {
        let contents = fs::read(file).map_err(|error| {
            let name = Path::new(file).display();
            value.unfit(format_args!("cannot read {name}: {error}"))
        })?;
        authorities.insert(file.clone(), contents);
    }
    Ok(())
}

/// The addresses that connections come from, one of a family.
fn outgoing(settings: &Settings, mistakes: &mut Mistakes) -> OutgoingAddresses {
    let mut outgoing = OutgoingAddresses::default();
    let addresses = mistakes.note(settings.get(&options::OUTGOING_ADDRESS));
    let values = settings.values(&options::OUTGOING_ADDRESS.option);
    for (address, value) in addresses.into_iter().zip(values) {
        let before = match address.to_canonical() {
            IpAddr::V4(address) => outgoing.v4.replace(address).is_some(),
            IpAddr::V6(address) => outgoing.v6.replace(address).is_some(),
        };
        if before {
            mistakes
                .0
                .push(value.unfit("there is another of its family already: leave one out"));
        }
    }
    outgoing
}
