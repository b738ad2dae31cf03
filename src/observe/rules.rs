//! The rules of a server as octets. Users and certificates are in no record: only whether there are any.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::codec::RecordValue;
use crate::inbound::{Limits, Rules};
use crate::net::cidr::Cidr;
use crate::net::link::StartTls;
use crate::smtp::data::EndText;
use crate::smtp::directory::{AddressName, Directory, Tables};
use crate::smtp::extension::Extensions;
use crate::smtp::line::BareNewline;
use crate::smtp::login::UserDatabase;
use crate::smtp::policy::Policy;
use crate::smtp::route::{Route, Routes};
use crate::smtp::senders::{Sender, Senders};

/// What stands for the users where anybody may log in; else 1 stands for those of a file, and 0 where there are none.
const ANYBODY: u32 = 2;
/// The place of the extensions that are withheld, above the code for users.
const WITHHELD_SHIFT: u32 = 16;

/// Appends the rules.
pub fn put(rules: &Rules, out: &mut Vec<u8>) {
    let Rules {
        policy,
        limits,
        proxies,
        xclient_peers,
        relay_peers,
        tls,
    } = rules;
    put_policy(policy, out);
    put_limits(limits, out);
    put_all(proxies, out);
    put_all(xclient_peers, out);
    tls.is_some().put(out);
    if let Some(routes) = &policy.routes {
        put_relay(routes, relay_peers, rules, out);
    }
}

/// Reads rules; `None` if the octets are none. `users` and `tls` take the place of those that the server had; without them there are
/// none.
pub fn take(
    mut from: &[u8],
    users: Option<&Rc<dyn UserDatabase>>,
    tls: Option<&Rc<dyn StartTls>>,
) -> Option<Rules> {
    let from = &mut from;
    let (mut policy, mut tables) = take_policy(from, users)?;
    let mut limits = take_limits(from)?;
    let (proxies, xclient_peers) = (take_all::<Cidr>(from)?, take_all::<Cidr>(from)?);
    let has_tls = bool::take(from)?;
    let mut relay_peers = Vec::new();
    if !from.is_empty() {
        policy.routes = Some(Rc::new(take_routes(from)?));
        relay_peers = take_all::<Cidr>(from)?;
        limits.user_rate = u32::take(from)?;
        mark_elsewhere(&mut tables, &take_all(from)?);
    }
    policy.directory = Directory::new(tables).ok()?;
    let rules = Rules {
        policy: Rc::new(policy),
        limits,
        proxies,
        xclient_peers,
        relay_peers,
        tls: tls.filter(|_| has_tls).cloned(),
    };
    from.is_empty().then_some(rules)
}

/// Appends what only a server has that sends mail on.
fn put_relay(routes: &Routes, relay_peers: &[Cidr], rules: &Rules, out: &mut Vec<u8>) {
    let routes: Vec<Route> = routes
        .all()
        .into_iter()
        .map(|route| Route::clone(route))
        .collect();
    put_all(&routes, out);
    put_all(relay_peers, out);
    rules.limits.user_rate.put(out);
    let tables = rules.policy.directory.tables();
    let targets = tables.aliases.into_iter().flat_map(|(_, targets)| targets);
    let elsewhere = targets.chain(tables.catch_all).filter(is_elsewhere);
    put_all(&elsewhere.collect::<Vec<_>>(), out);
}

fn is_elsewhere(name: &AddressName) -> bool {
    matches!(name, AddressName::Elsewhere(_))
}

fn take_routes(from: &mut &[u8]) -> Option<Routes> {
    let mut routes = Routes::default();
    for route in take_all::<Route>(from)? {
        let _ = routes.add(route);
    }
    Some(routes)
}

/// Says of the targets that are `elsewhere` that they are: as text they are addresses like all others.
fn mark_elsewhere(tables: &mut Tables, elsewhere: &[AddressName]) {
    let targets = tables.aliases.iter_mut().flat_map(|(_, targets)| targets);
    for target in targets.chain(&mut tables.catch_all) {
        if let AddressName::Mailbox(mailbox) = target
            && elsewhere.contains(&AddressName::Mailbox(mailbox.clone()))
        {
            *target = AddressName::Elsewhere(mailbox.clone());
        }
    }
}

fn put_policy(policy: &Policy, out: &mut Vec<u8>) {
    let Policy {
        hostname,
        domains,
        directory,
        // Only where mail is sent on, and then at the end.
        routes: _,
        senders,
        tls,
        users,
        any_login,
        auth_insecure,
        auth_everywhere,
        bare_newline,
        end_text,
        withheld,
        message_bytes_max,
        recipients_max,
        messages_max,
        errors_max,
    } = policy;
    hostname.as_str().put(out);
    domains.len().put(out);
    domains.iter().for_each(|domain| domain.as_str().put(out));
    put_directory(directory, out);
    put_senders(senders, out);
    tls.put(out);
    let users_code = match users.borrow().is_some() {
        true if *any_login => ANYBODY,
        has_users => u32::from(has_users),
    };
    // Where none is withheld it is as it was before any could be.
    (users_code | u32::from(withheld.bits()) << WITHHELD_SHIFT).put(out);
    auth_insecure.put(out);
    auth_everywhere.put(out);
    bare_newline.put(out);
    end_text.as_ref().map(EndText::as_str).put(out);
    message_bytes_max.put(out);
    recipients_max.put(out);
    messages_max.put(out);
    errors_max.put(out);
}

/// Takes the policy, and the tables that its directory is made of.
fn take_policy(from: &mut &[u8], users: Option<&Rc<dyn UserDatabase>>) -> Option<(Policy, Tables)> {
    let hostname = <&str>::take(from)?.to_owned();
    let domains = (0..usize::take(from)?).map(|_| <&str>::take(from).map(str::to_owned));
    let domains = domains.collect::<Option<_>>()?;
    let tables = take_tables(from)?;
    let (senders, tls, codes) = (take_senders(from)?, bool::take(from)?, u32::take(from)?);
    let withheld = u16::try_from(codes >> WITHHELD_SHIFT).ok()?;
    let users_code = codes & ((1 << WITHHELD_SHIFT) - 1);
    if users_code > ANYBODY {
        return None;
    }
    let policy = Policy {
        hostname,
        domains,
        directory: Directory::default(),
        routes: None,
        senders,
        tls,
        users: RefCell::new(users.filter(|_| users_code > 0).cloned()),
        any_login: users_code == ANYBODY,
        auth_insecure: bool::take(from)?,
        auth_everywhere: bool::take(from)?,
        bare_newline: BareNewline::take(from)?,
        end_text: match RecordValue::take(from)? {
            Some(text) => Some(EndText::new(text)?),
            None => None,
        },
        withheld: Extensions::from_bits(withheld),
        message_bytes_max: u64::take(from)?,
        recipients_max: usize::take(from)?,
        messages_max: u64::take(from)?,
        errors_max: u32::take(from)?,
    };
    Some((policy, tables))
}

fn put_directory(directory: &Directory, out: &mut Vec<u8>) {
    let Tables {
        aliases,
        mailboxes,
        closed,
        catch_all,
    } = directory.tables();
    aliases.len().put(out);
    for (name, targets) in &aliases {
        name.put(out);
        put_all(targets, out);
    }
    put_all(&mailboxes, out);
    closed.put(out);
    catch_all.put(out);
}

fn take_tables(from: &mut &[u8]) -> Option<Tables> {
    let aliases = (0..usize::take(from)?)
        .map(|_| Some((AddressName::take(from)?, take_all(from)?)))
        .collect::<Option<_>>()?;
    Some(Tables {
        aliases,
        mailboxes: take_all(from)?,
        closed: bool::take(from)?,
        catch_all: RecordValue::take(from)?,
    })
}

fn put_senders(senders: &Senders, out: &mut Vec<u8>) {
    senders.all().count().put(out);
    for (user, owned) in senders.all() {
        user.put(out);
        put_all(owned, out);
    }
}

fn take_senders(from: &mut &[u8]) -> Option<Senders> {
    let mut senders = Senders::default();
    for _ in 0..usize::take(from)? {
        let user = <&str>::take(from)?;
        let _ = senders.add(user, take_all::<Sender>(from)?);
    }
    Some(senders)
}

fn put_limits(limits: &Limits, out: &mut Vec<u8>) {
    let Limits {
        connections_max,
        connections_per_ip_max,
        lingering_max,
        idle_timeout,
        min_rate,
        session_timeout,
        drain_timeout,
        min_free,
        exit_after,
        // Only where mail is sent on, and then at the end.
        user_rate: _,
    } = limits;
    for count in [connections_max, connections_per_ip_max, lingering_max] {
        count.put(out);
    }
    for timeout in [idle_timeout, session_timeout, drain_timeout] {
        timeout.as_secs().put(out);
        timeout.subsec_nanos().put(out);
    }
    for number in [min_rate, min_free, exit_after] {
        number.put(out);
    }
}

fn take_limits(from: &mut &[u8]) -> Option<Limits> {
    let mut counts = [0; 3];
    for count in &mut counts {
        *count = usize::take(from)?;
    }
    let mut timeouts = [Duration::ZERO; 3];
    for timeout in &mut timeouts {
        // The longest that a server may have is a year: so many fit, and added to any time.
        let (seconds, nanoseconds) = (u32::take(from)?, u32::take(from)?);
        *timeout = Duration::from_secs(seconds.into()) + Duration::from_nanos(nanoseconds.into());
    }
    let mut numbers = [0; 3];
    for number in &mut numbers {
        *number = u64::take(from)?;
    }
    let [connections_max, connections_per_ip_max, lingering_max] = counts;
    let [idle_timeout, session_timeout, drain_timeout] = timeouts;
    let [min_rate, min_free, exit_after] = numbers;
    Some(Limits {
        connections_max,
        connections_per_ip_max,
        lingering_max,
        idle_timeout,
        min_rate,
        session_timeout,
        drain_timeout,
        min_free,
        exit_after,
        user_rate: 0,
    })
}

fn put_all<T: for<'a> RecordValue<'a>>(values: &[T], out: &mut Vec<u8>) {
    values.len().put(out);
    values.iter().for_each(|value| value.put(out));
}

fn take_all<T: for<'a> RecordValue<'a>>(from: &mut &[u8]) -> Option<Vec<T>> {
    (0..usize::take(from)?).map(|_| T::take(from)).collect()
}
